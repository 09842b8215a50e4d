//! A small HTTP client for what is passed on as it is.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use host_driver::{EngineError, OutputChunk, Upload};
use http_body_util::{BodyExt, BodyStream, Full, Limited, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::http::request;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::demux::Demux;
use crate::failure::{Operation, answer_error};

/// How long the engine may take to answer.
const LIMIT: Duration = Duration::from_secs(120);
/// The longest answer that is read as a whole.
const LONGEST: usize = 16 * 1024 * 1024;

/// One call under way: the answer, and the connection that carries it.
#[derive(Debug)]
pub(crate) struct Call {
    response: Response<Incoming>,
    connection: Connection,
}

/// Ends with its owner.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The socket of an engine.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    path: PathBuf,
}

impl Socket {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn connect(&self) -> Result<UnixStream, EngineError> {
        UnixStream::connect(&self.path).await.map_err(EngineError::unreachable)
    }

    /// Sends a request and waits for the head of a good answer.
    pub(crate) async fn call(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        upgrade: bool,
    ) -> Result<Call, EngineError> {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if upgrade {
            request = request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "tcp");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        self.send(operation, request, body, Some(LIMIT)).await
    }

    /// Sends a request with a tar that comes piece by piece. How long that takes is the business of whoever sends it.
    pub(crate) async fn upload(
        &self,
        operation: Operation,
        request: request::Builder,
        tar: Upload,
    ) -> Result<Call, EngineError> {
        let request = request.header(header::CONTENT_TYPE, "application/x-tar");
        let body = BodyExt::boxed_unsync(StreamBody::new(tar.map(|piece| piece.map(Frame::data))));
        self.send(operation, request, body, None).await
    }

    async fn send<B>(
        &self,
        operation: Operation,
        request: request::Builder,
        body: B,
        limit: Option<Duration>,
    ) -> Result<Call, EngineError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let attempt = async {
            let io = TokioIo::new(self.connect().await?);
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.map_err(EngineError::unreachable)?;
            let connection = Connection(tokio::spawn(async move {
                if let Err(error) = connection.with_upgrades().await {
                    tracing::debug!(error = %error, "a connection to the engine broke");
                }
            }));
            let request =
                request.header(header::HOST, "docker").body(body).map_err(EngineError::unreachable)?;
            let response = sender.send_request(request).await.map_err(EngineError::unreachable)?;
            Ok(Call { response, connection })
        };
        let call = match limit {
            Some(limit) => tokio::time::timeout(limit, attempt)
                .await
                .map_err(|_| EngineError::TimedOut { operation: operation.text })?,
            None => attempt.await,
        }?;
        let status = call.response.status();
        if status.is_success() || status.as_u16() == 101 {
            return Ok(call);
        }
        let text = call.text(operation).await?;
        let message = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|value| value.get("message")?.as_str().map(str::to_owned))
            .unwrap_or(text);
        Err(answer_error(operation, status.as_u16(), &message))
    }
}

impl Call {
    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Reads the whole answer.
    pub(crate) async fn text(self, operation: Operation) -> Result<String, EngineError> {
        let Self { response, connection } = self;
        let body = Limited::new(response.into_body(), LONGEST).collect();
        let bytes = tokio::time::timeout(LIMIT, body)
            .await
            .map_err(|_| EngineError::TimedOut { operation: operation.text })?
            .map_err(EngineError::unreachable)?
            .to_bytes();
        drop(connection);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Reads the answer piece by piece.
    pub(crate) fn pieces(self) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static {
        let Self { response, connection } = self;
        BodyStream::new(response.into_body()).filter_map(move |frame| {
            // Moved in here so that it lives as long as the stream.
            let _connection = &connection;
            std::future::ready(match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(EngineError::unreachable(error))),
            })
        })
    }

    /// Takes over the connection as a pipe to a process.
    pub(crate) async fn upgraded(self) -> Result<Pipe, EngineError> {
        let Self { response, connection } = self;
        let io = hyper::upgrade::on(response).await.map_err(EngineError::unreachable)?;
        Ok(Pipe { io: TokioIo::new(io), _connection: connection })
    }
}

/// A connection that was taken over.
#[derive(Debug)]
pub(crate) struct Pipe {
    io: TokioIo<hyper::upgrade::Upgraded>,
    _connection: Connection,
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, into)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// Takes output apart.
pub(crate) fn take_apart(
    pieces: impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static,
    is_plain: bool,
) -> impl Stream<Item = Result<OutputChunk, EngineError>> + Send + 'static {
    let mut demux = Demux::new(is_plain);
    pieces.flat_map(move |piece| {
        let chunks: Vec<Result<OutputChunk, EngineError>> = match piece {
            Ok(bytes) => demux.push(bytes).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        futures_util::stream::iter(chunks)
    })
}

/// Cuts a stream into lines.
pub(crate) fn lines(
    pieces: impl Stream<Item = Result<Bytes, EngineError>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<String, EngineError>> + Send + 'static {
    futures_util::stream::unfold(
        (pieces, Vec::new(), 0),
        |(mut pieces, mut rest, mut looked): (_, Vec<u8>, usize)| async move {
            loop {
                if let Some(place) = rest[looked..].iter().position(|&byte| byte == b'\n') {
                    let after = rest.split_off(looked + place + 1);
                    let line = String::from_utf8_lossy(rest.trim_ascii_end()).into_owned();
                    if line.is_empty() {
                        (rest, looked) = (after, 0);
                        continue;
                    }
                    return Some((Ok(line), (pieces, after, 0)));
                }
                looked = rest.len();
                match pieces.next().await? {
                    Ok(bytes) => rest.extend_from_slice(&bytes),
                    Err(error) => return Some((Err(error), (pieces, rest, looked))),
                }
            }
        },
    )
}

/// Writes a value into a query.
pub(crate) fn quoted(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
