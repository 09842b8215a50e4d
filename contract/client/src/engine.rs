//! The engine of a host, reached through the server: its own HTTP API, over a socket of ours.
//!
//! One socket is one connection to the engine. Servers of ours offer the sub-protocol `lariat.frames`, in which the end of
//! the input has a word; elsewhere bytes travel as base64 text, and the end of the input cannot be told.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::error::ClientError;
use crate::objects::Host;
use crate::socket::{Access, FRAMES, Socket, decode, tag};

/// Bytes wait here while one side is slow; then the other side waits.
const BUFFER: usize = 64 * 1024;
/// An answer that is read as a whole is no longer than this.
const LONGEST_ANSWER: usize = 16 << 20;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The engine of a host.
#[derive(Clone)]
pub struct HostEngine {
    client: Client,
    access: Access,
}

/// What is sent along with a request to the engine.
pub enum EngineBody {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// Whatever comes out of a queue, until it ends. An error breaks the request off.
    Stream(mpsc::Receiver<Result<Bytes, std::io::Error>>),
}

impl Client {
    /// Asks for the way to the engine of a host.
    ///
    /// # Errors
    /// As any request; the server allows it to those who may change the infrastructure.
    pub async fn engine(&self, host: &Host) -> Result<HostEngine, ClientError> {
        let access: Access = self.action(host, "dockersocket", None).await?;
        Ok(HostEngine { client: self.clone(), access })
    }
}

impl HostEngine {
    /// Opens a connection to the engine.
    ///
    /// # Errors
    /// Fails if the server or the host cannot be reached.
    pub async fn connect(&self) -> Result<EngineStream, ClientError> {
        let socket = Socket::open_with(&self.client, &self.access, "the engine", Some(FRAMES)).await?;
        let (near, far) = tokio::io::duplex(BUFFER);
        let trouble: Arc<Mutex<Option<String>>> = Arc::default();
        let task = Task(tokio::spawn(carry(socket, far, Arc::clone(&trouble))));
        Ok(EngineStream { io: near, trouble, _task: task })
    }

    /// Sends one request on a connection of its own. An answer that is no success is an error with the engine's words.
    ///
    /// # Errors
    /// As [`HostEngine::connect`], or when the engine refuses.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: EngineBody,
    ) -> Result<EngineAnswer, ClientError> {
        let stream = self.connect().await?;
        let trouble = Arc::clone(&stream.trouble);
        let failed = |source: BoxError| broken(&trouble, source);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, BoxBody<Bytes, std::io::Error>>(TokioIo::new(stream))
                .await
                .map_err(|error| failed(error.into()))?;
        let connection = Task(tokio::spawn(async move {
            // Whoever waits for the answer hears of its end.
            let _ = connection.await;
        }));
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", "docker");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            EngineBody::Empty => Empty::new().map_err(|never| match never {}).boxed(),
            EngineBody::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed(),
            EngineBody::Stream(queue) => {
                let frames = futures_util::stream::unfold(queue, async |mut queue| {
                    let next = queue.recv().await?;
                    Some((next.map(hyper::body::Frame::data), queue))
                });
                BodyExt::boxed(StreamBody::new(Box::pin(SyncStream(Mutex::new(Box::pin(frames))))))
            }
        };
        let request = request.body(body).map_err(|error| failed(error.into()))?;
        let response = sender.send_request(request).await.map_err(|error| failed(error.into()))?;
        let mut answer = EngineAnswer { response, trouble: Arc::clone(&trouble), _connection: connection };
        if answer.response.status().is_success() {
            return Ok(answer);
        }
        #[derive(serde::Deserialize)]
        struct Refusal {
            message: String,
        }
        let status = answer.response.status();
        let bytes = answer.bytes().await?;
        let words = serde_json::from_slice::<Refusal>(&bytes)
            .map_or_else(|_| format!("it answered {status}"), |refusal| refusal.message);
        Err(ClientError::Engine { status: status.as_u16(), words })
    }
}

/// An answer of the engine.
pub struct EngineAnswer {
    response: hyper::Response<hyper::body::Incoming>,
    trouble: Arc<Mutex<Option<String>>>,
    _connection: Task,
}

impl EngineAnswer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// Fails if the connection breaks.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.response.body_mut().frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(broken(&self.trouble, error.into())),
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// Fails if the connection breaks, or the body is too long to be one.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if all.len() + bytes.len() > LONGEST_ANSWER {
                return Err(broken(&self.trouble, "its answer is too long".into()));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// The whole body as JSON.
    ///
    /// # Errors
    /// As [`EngineAnswer::bytes`], or if it is none.
    pub async fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, ClientError> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| broken(&self.trouble, error.into()))
    }
}

/// What the host said of the connection is the cause of whatever broke.
fn broken(trouble: &Mutex<Option<String>>, source: BoxError) -> ClientError {
    let said = trouble.lock().expect("no holder of this lock panics").clone();
    ClientError::Socket { what: "the engine", source: said.map_or(source, Into::into) }
}

/// A connection to the engine.
pub struct EngineStream {
    io: DuplexStream,
    trouble: Arc<Mutex<Option<String>>>,
    _task: Task,
}

impl EngineStream {
    /// Why the connection ended, where the host said so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().expect("no holder of this lock panics").clone()
    }
}

impl AsyncRead for EngineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for EngineStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A stream that is only ever polled by one, which the type of a body does not know.
struct SyncStream<S>(Mutex<Pin<Box<S>>>);

impl<S: futures_util::Stream> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.0.get_mut().expect("no holder of this lock panics").as_mut().poll_next(cx)
    }
}

/// Carries bytes between a socket and a local pipe until the engine is done.
async fn carry(socket: Socket, pipe: DuplexStream, trouble: Arc<Mutex<Option<String>>>) {
    let framed = socket.protocol.as_deref() == Some(FRAMES);
    let (mut sink, mut stream) = socket.into_inner().split();
    let (mut reader, mut writer) = tokio::io::split(pipe);
    let up = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = reader.read(&mut buffer).await.unwrap_or(0);
            let message = match (read, framed) {
                (0, true) => Message::binary(vec![tag::INPUT_END]),
                (0, false) => break,
                (_, true) => {
                    let mut bytes = Vec::with_capacity(read + 1);
                    bytes.push(tag::INPUT);
                    bytes.extend_from_slice(&buffer[..read]);
                    Message::binary(bytes)
                }
                (_, false) => Message::text(STANDARD.encode(&buffer[..read])),
            };
            if sink.send(message).await.is_err() || read == 0 {
                break;
            }
        }
        // The other direction says when it is over.
        std::future::pending::<()>().await;
    };
    let down = async {
        while let Some(message) = stream.next().await {
            let bytes = match message {
                Ok(message @ Message::Binary(_)) if framed => match decode(&message) {
                    Some((tag::OUTPUT, payload)) => payload,
                    Some((tag::FAILED, payload)) => {
                        return Some(String::from_utf8_lossy(&payload).into_owned());
                    }
                    Some((tag::END, _)) => return None,
                    _ => continue,
                },
                Ok(Message::Binary(bytes)) => bytes.to_vec(),
                Ok(Message::Text(text)) => match STANDARD.decode(text.as_str()) {
                    Ok(bytes) => bytes,
                    Err(_) => return Some("the server sent what is no base64".to_owned()),
                },
                Ok(Message::Close(Some(frame))) if u16::from(frame.code) != 1000 => {
                    return Some(format!("the server closed it: {}", frame.reason));
                }
                Ok(Message::Close(_)) => return None,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Err(error) => return Some(error.to_string()),
            };
            if writer.write_all(&bytes).await.is_err() {
                // Nobody reads any more.
                return None;
            }
        }
        Some("it ended without a word".to_owned())
    };
    let said = tokio::select! {
        said = down => said,
        () = up => None,
    };
    *trouble.lock().expect("no holder of this lock panics") = said;
    let _ = writer.shutdown().await;
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), sink.close()).await;
}
