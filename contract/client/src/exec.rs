//! A process in a container, with its input and output.
//!
//! The compatible wire carries bytes only: it has no word for the exit code, the size of the terminal, or which
//! output it was. Servers of ours offer the sub-protocol `lariat.frames` besides: one tag byte, then the payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::error::ClientError;
use crate::objects::Container;
use crate::socket::{Access, FRAMES, Socket, tag};

/// Input waits here while the connection is slow; then reading the terminal waits.
const QUEUE: usize = 64;

/// Which process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// The command.
    pub command: Vec<String>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether its input is joined.
    pub stdin: bool,
    /// The user in the container.
    pub user: Option<String>,
    /// The folder in the container.
    pub working_dir: Option<String>,
    /// Further environment, as `NAME=value`.
    pub environment: Vec<String>,
}

/// What comes from the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecEvent {
    /// Standard output, or all output with a terminal.
    Output(Vec<u8>),
    /// Standard error.
    Error(Vec<u8>),
    /// It ended; the code is not known where the server cannot say it.
    End(Option<i64>),
    /// It could not be started, or its host went away.
    Failed(String),
}

enum ToProcess {
    Bytes(Vec<u8>),
    Resize(u16, u16),
    End,
}

/// The way to the process.
#[derive(Clone)]
pub struct ExecInput {
    queue: mpsc::Sender<ToProcess>,
}

impl ExecInput {
    /// Sends bytes; waits while the connection is busy. Says whether the process is still there.
    pub async fn send(&self, bytes: Vec<u8>) -> bool {
        self.queue.send(ToProcess::Bytes(bytes)).await.is_ok()
    }

    /// Tells the new size of the terminal.
    pub async fn resize(&self, columns: u16, rows: u16) {
        let _ = self.queue.send(ToProcess::Resize(columns, rows)).await;
    }

    /// Says that no more input comes.
    pub async fn end(&self) {
        let _ = self.queue.send(ToProcess::End).await;
    }
}

/// The way from the process.
pub struct ExecOutput {
    socket: Socket,
    input: mpsc::Receiver<ToProcess>,
    framed: bool,
    over: bool,
}

impl Client {
    /// Starts a process in a container.
    ///
    /// # Errors
    /// As any request; also if the server cannot pass on a user, a folder or environment that was asked for.
    pub async fn exec(
        &self,
        container: &Container,
        options: &ExecOptions,
    ) -> Result<(ExecInput, ExecOutput), ClientError> {
        let mut input = Map::new();
        input.insert("command".into(), options.command.clone().into());
        input.insert("tty".into(), options.tty.into());
        input.insert("attachStdin".into(), options.stdin.into());
        input.insert("attachStdout".into(), true.into());
        let extras: [(&str, Option<Value>); 3] = [
            ("user", options.user.clone().map(Value::from)),
            ("workingDir", options.working_dir.clone().map(Value::from)),
            ("environment", (!options.environment.is_empty()).then(|| options.environment.clone().into())),
        ];
        for (name, value) in extras {
            let Some(value) = value else { continue };
            // A server that does not know the field would drop it without a word and run as somebody else.
            let known =
                self.schemas().await?.get("containerExec").is_some_and(|schema| schema.has_field(name));
            if !known {
                return Err(ClientError::Socket {
                    what: "exec",
                    source: format!("this server does not know `{name}` for processes").into(),
                });
            }
            input.insert(name.into(), value);
        }
        let access: Access = self.action(container, "execute", Some(&Value::Object(input))).await?;
        let socket = Socket::open_with(self, &access, "exec", Some(FRAMES)).await?;
        let (queue, receiver) = mpsc::channel(QUEUE);
        let framed = socket.protocol.as_deref() == Some(FRAMES);
        Ok((ExecInput { queue }, ExecOutput { socket, input: receiver, framed, over: false }))
    }
}

impl ExecOutput {
    /// The next event, passing on input meanwhile. After `End` or `Failed` there is none.
    ///
    /// # Errors
    /// Fails if the connection breaks before the end.
    pub async fn next(&mut self) -> Result<Option<ExecEvent>, ClientError> {
        if self.over {
            return Ok(None);
        }
        loop {
            tokio::select! {
                message = self.socket.next() => {
                    let event = match message? {
                        Some(message) if self.framed => decode(&message),
                        Some(Message::Text(text)) => STANDARD.decode(text.as_str()).ok().map(ExecEvent::Output),
                        Some(Message::Binary(bytes)) => Some(ExecEvent::Output(bytes.to_vec())),
                        Some(_) => None,
                        None => Some(ExecEvent::End(None)),
                    };
                    let Some(event) = event else { continue };
                    if matches!(event, ExecEvent::End(_) | ExecEvent::Failed(_)) {
                        self.over = true;
                        self.socket.close().await;
                    }
                    return Ok(Some(event));
                }
                Some(input) = self.input.recv() => {
                    if let Some(message) = encode(self.framed, input) {
                        self.socket.send(message).await?;
                    }
                }
            }
        }
    }
}

fn encode(framed: bool, input: ToProcess) -> Option<Message> {
    let (tag, payload) = match input {
        ToProcess::Bytes(bytes) if !framed => return Some(Message::text(STANDARD.encode(bytes))),
        _ if !framed => return None,
        ToProcess::Bytes(bytes) => (tag::INPUT, bytes),
        ToProcess::Resize(columns, rows) => {
            (tag::RESIZE, [columns.to_be_bytes(), rows.to_be_bytes()].concat())
        }
        ToProcess::End => (tag::INPUT_END, Vec::new()),
    };
    let mut bytes = Vec::with_capacity(payload.len() + 1);
    bytes.push(tag);
    bytes.extend_from_slice(&payload);
    Some(Message::binary(bytes))
}

fn decode(message: &Message) -> Option<ExecEvent> {
    let (tag, payload) = crate::socket::decode(message)?;
    Some(match tag {
        tag::OUTPUT => ExecEvent::Output(payload),
        tag::ERROR => ExecEvent::Error(payload),
        tag::END => ExecEvent::End(payload.try_into().ok().map(i64::from_be_bytes)),
        tag::FAILED => ExecEvent::Failed(String::from_utf8_lossy(&payload).into_owned()),
        _ => return None,
    })
}
