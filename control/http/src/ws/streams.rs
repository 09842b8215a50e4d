//! Logs, consoles and figures: from a host's stream to a socket.
//!
//! Old clients get the framing that they know: base64 in text frames for consoles, lines with a prefix for logs,
//! lists of samples for figures. A client that offers the sub-protocol [`FRAMES`] gets the frames of the host's
//! stream as they are, one in each binary message, and so exit codes, errors apart from output, and window sizes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use contract_api::parse_reference;
use contract_link::{BoxedIo, FrameReader, FrameWriter};
use contract_protocol::{ExecRequest, LogsRequest, StreamFrame, StreamRequest};
use contract_values::{HostId, Timestamp, kind};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Shared;
use crate::auth::token::Purpose;
use crate::routes::SocketKind;

/// The sub-protocol of clients that want the host's frames as they are.
pub const FRAMES: &str = "lariat.frames";
/// The sub-protocol of clients that want raw bytes.
const BINARY: &str = "binary";
/// How long the caller may take to read a frame.
const SLOWEST_READ: Duration = Duration::from_secs(60);
/// How long a host may take to open a stream.
const SLOWEST_OPEN: Duration = Duration::from_secs(20);
/// The longest line of a log that is sent as one.
const LONGEST_LINE: usize = 64 << 10;
/// How often a sign of life is sent on a quiet socket.
const PING: Duration = Duration::from_secs(15);

/// Closed as it should be.
const NORMAL: u16 = 1000;
/// Something failed on our side.
const FAILED: u16 = 1011;

/// What a socket carries, as its token says.
#[derive(Debug)]
pub enum Plan {
    /// A process in a container.
    Exec(HostId, ExecRequest),
    /// Output of a container.
    Logs(HostId, LogsRequest, bool),
    /// Figures.
    Stats(Vec<Figures>),
    /// A raw connection to the engine.
    Engine(HostId),
}

/// The figures of one host.
#[derive(Debug)]
pub struct Figures {
    host: HostId,
    request: StreamRequest,
    /// The id that people see, by the engine's id.
    names: Map<String, Value>,
    /// The id that people see of the host itself.
    resource: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecClaim {
    container: String,
    cmd: Vec<String>,
    tty: bool,
    attach_stdin: bool,
    user: Option<String>,
    working_dir: Option<String>,
    environment: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LogsClaim {
    container: String,
    lines: Option<u64>,
    follow: bool,
    since: Option<i64>,
    timestamps: bool,
    tty: bool,
}

/// Reads what a token allows; `None` when it is for another socket.
pub fn plan(shared: &Shared, kind: SocketKind, claims: &Map<String, Value>) -> Option<Plan> {
    let host = || parse_reference::<kind::Host>(claims.get("hostId")?.as_str()?).ok();
    match kind {
        SocketKind::Exec => {
            let claim: ExecClaim = serde_json::from_value(claims.get("exec")?.clone()).ok()?;
            let request = ExecRequest {
                docker_id: claim.container,
                command: claim.cmd,
                tty: claim.tty,
                stdin: claim.attach_stdin,
                environment: claim.environment,
                user: claim.user,
                working_dir: claim.working_dir,
            };
            Some(Plan::Exec(host()?, request))
        }
        SocketKind::Logs => {
            let claim: LogsClaim = serde_json::from_value(claims.get("logs")?.clone()).ok()?;
            let request = LogsRequest {
                docker_id: claim.container,
                follow: claim.follow,
                tail: claim.lines,
                since: claim.since.map(Timestamp),
                timestamps: claim.timestamps,
            };
            Some(Plan::Logs(host()?, request, claim.tty))
        }
        SocketKind::DockerSocket => {
            claims.contains_key("dockersocket").then(host).flatten().map(Plan::Engine)
        }
        SocketKind::ContainerStats | SocketKind::HostStats => {
            let parts = claims.get("service").or_else(|| claims.get("project"));
            let Some(Value::Array(parts)) = parts else {
                return figures(kind, claims).map(|figures| Plan::Stats(vec![figures]));
            };
            let figures = parts
                .iter()
                .filter_map(|part| {
                    let token = part.get("token")?.as_str()?;
                    let claims = shared.signer.read_jwt(Purpose::Socket, token, shared.now())?;
                    figures(kind, &claims)
                })
                .collect();
            Some(Plan::Stats(figures))
        }
    }
}

fn figures(kind: SocketKind, claims: &Map<String, Value>) -> Option<Figures> {
    let host = parse_reference::<kind::Host>(claims.get("hostId")?.as_str()?).ok()?;
    let names = match claims.get("containerIds") {
        Some(Value::Object(names)) => names.clone(),
        _ => Map::new(),
    };
    let resource = claims.get("resourceId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let request = match kind {
        SocketKind::HostStats if names.is_empty() => StreamRequest::HostStats,
        SocketKind::ContainerStats if claims.contains_key("containerIds") => {
            StreamRequest::Stats { docker_ids: names.keys().cloned().collect() }
        }
        SocketKind::Exec
        | SocketKind::Logs
        | SocketKind::ContainerStats
        | SocketKind::HostStats
        | SocketKind::DockerSocket => return None,
    };
    Some(Figures { host, request, names, resource })
}

type Sender = SplitSink<WebSocket, Message>;
type Receiver = SplitStream<WebSocket>;

/// Why a socket ends: the code and a word for people.
struct Ending(u16, String);

impl Ending {
    fn normal() -> Self {
        Self(NORMAL, String::new())
    }

    fn failed(message: impl Into<String>) -> Self {
        Self(FAILED, message.into())
    }
}

/// Serves a socket until either side ends it.
pub async fn serve(shared: Arc<Shared>, plan: Plan, socket: WebSocket) {
    let protocol = socket.protocol().and_then(|name| name.to_str().ok()).unwrap_or("").to_owned();
    let (mut sender, mut receiver) = socket.split();
    let mut shutdown = shared.shutdown.clone();
    let ending = tokio::select! {
        ending = pump(&shared, plan, &protocol, &mut sender, &mut receiver) => ending,
        () = crate::stopping(&mut shutdown) => Ending(1001, "the server stops".to_owned()),
    };
    let Ending(code, mut reason) = ending;
    // A close frame holds 123 bytes of text.
    while reason.len() > 120 {
        reason.pop();
    }
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    // The other side may be gone already.
    let _ = timeout(Duration::from_secs(2), sender.send(close)).await;
}

async fn open(
    shared: &Shared,
    host: HostId,
    request: StreamRequest,
) -> Result<(ReadHalf<BoxedIo>, WriteHalf<BoxedIo>), Ending> {
    match timeout(SLOWEST_OPEN, shared.agents.open_stream(host, request)).await {
        Ok(Ok(io)) => Ok(tokio::io::split(io)),
        Ok(Err(error)) => Err(Ending::failed(error.to_string())),
        Err(_) => Err(Ending::failed("the host does not answer")),
    }
}

async fn pump(
    shared: &Arc<Shared>,
    plan: Plan,
    protocol: &str,
    sender: &mut Sender,
    receiver: &mut Receiver,
) -> Ending {
    match plan {
        Plan::Exec(host, request) => {
            let framing = Framing::of_bytes(protocol);
            one_stream(shared, host, StreamRequest::Exec(request), framing, sender, receiver).await
        }
        Plan::Logs(host, request, tty) => {
            let framing = match protocol {
                FRAMES => Framing::Frames,
                _ => Framing::Lines(Lines { tty, ..Lines::default() }),
            };
            one_stream(shared, host, StreamRequest::Logs(request), framing, sender, receiver).await
        }
        Plan::Stats(parts) => stats(shared, parts, sender, receiver).await,
        Plan::Engine(host) => {
            let framing = Framing::of_bytes(protocol);
            one_stream(shared, host, StreamRequest::DockerSocket, framing, sender, receiver).await
        }
    }
}

/// How a stream looks on the socket.
enum Framing {
    /// Base64 in text frames.
    Base64,
    /// Bytes in binary frames.
    Raw,
    /// The host's frames.
    Frames,
    /// Lines with a prefix.
    Lines(Lines),
}

impl Framing {
    /// The framing of plain bytes that a client chose.
    fn of_bytes(protocol: &str) -> Self {
        match protocol {
            FRAMES => Self::Frames,
            BINARY => Self::Raw,
            _ => Self::Base64,
        }
    }

    fn messages(&mut self, frame: &StreamFrame) -> Vec<Message> {
        let bytes = match frame {
            StreamFrame::Output(bytes) | StreamFrame::Error(bytes) => bytes,
            StreamFrame::Input(_)
            | StreamFrame::Resize { .. }
            | StreamFrame::InputEnd
            | StreamFrame::End { .. }
            | StreamFrame::Failed { .. } => {
                return match self {
                    Self::Frames => vec![Message::Binary(frame.to_bytes().into())],
                    Self::Lines(lines) => lines.rest(),
                    Self::Base64 | Self::Raw => Vec::new(),
                };
            }
        };
        match self {
            Self::Base64 => vec![Message::Text(STANDARD.encode(bytes).into())],
            Self::Raw => vec![Message::Binary(Bytes::copy_from_slice(bytes))],
            Self::Frames => vec![Message::Binary(frame.to_bytes().into())],
            Self::Lines(lines) => lines.push(matches!(frame, StreamFrame::Error(_)), bytes),
        }
    }

    /// What the caller's message says to the process.
    fn frame(&self, message: Message) -> Option<StreamFrame> {
        match (self, message) {
            (Self::Frames, Message::Binary(bytes)) => StreamFrame::from_bytes(&bytes).filter(|frame| {
                matches!(frame, StreamFrame::Input(_) | StreamFrame::InputEnd | StreamFrame::Resize { .. })
            }),
            (Self::Raw | Self::Base64, Message::Binary(bytes)) => Some(StreamFrame::Input(bytes.to_vec())),
            (Self::Base64, Message::Text(text)) => STANDARD.decode(text.trim()).ok().map(StreamFrame::Input),
            _ => None,
        }
    }
}

/// Cuts output into lines.
#[derive(Default)]
struct Lines {
    tty: bool,
    output: BytesMut,
    error: BytesMut,
}

impl Lines {
    fn push(&mut self, is_error: bool, bytes: &[u8]) -> Vec<Message> {
        let prefix = self.prefix(is_error);
        let buffer = if is_error { &mut self.error } else { &mut self.output };
        let mut messages = Vec::new();
        for byte in bytes {
            if *byte == b'\n' || buffer.len() >= LONGEST_LINE {
                let line = buffer.split();
                messages.push(line_message(prefix, &line));
                if *byte == b'\n' {
                    continue;
                }
            }
            buffer.extend_from_slice(&[*byte]);
        }
        messages
    }

    fn prefix(&self, is_error: bool) -> &'static str {
        match (self.tty, is_error) {
            (true, _) => "00 ",
            (false, false) => "01 ",
            (false, true) => "02 ",
        }
    }

    fn rest(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        for is_error in [false, true] {
            let prefix = self.prefix(is_error);
            let line = if is_error { self.error.split() } else { self.output.split() };
            if !line.is_empty() {
                messages.push(line_message(prefix, &line));
            }
        }
        messages
    }
}

fn line_message(prefix: &str, line: &[u8]) -> Message {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Message::Text(format!("{prefix}{}", String::from_utf8_lossy(line)).into())
}

async fn one_stream(
    shared: &Shared,
    host: HostId,
    request: StreamRequest,
    mut framing: Framing,
    sender: &mut Sender,
    receiver: &mut Receiver,
) -> Ending {
    let (reader, writer) = match open(shared, host, request).await {
        Ok(halves) => halves,
        Err(ending) => {
            let frame = StreamFrame::Failed { message: ending.1.clone() };
            for message in framing.messages(&frame) {
                let _ = timeout(SLOWEST_READ, sender.send(message)).await;
            }
            return ending;
        }
    };
    let mut reader = FrameReader::new(reader);
    let mut writer = FrameWriter::new(writer);
    // The caller's messages are translated without the state that output needs.
    let inward = match &framing {
        Framing::Base64 => Framing::Base64,
        Framing::Raw => Framing::Raw,
        Framing::Frames => Framing::Frames,
        Framing::Lines(_) => Framing::Lines(Lines::default()),
    };
    let outwards = async {
        loop {
            let frame = match timeout(PING, reader.read_stream_frame()).await {
                Ok(Ok(Some(frame))) => frame,
                Ok(Ok(None)) => return Ending::failed("the host ended the stream"),
                Ok(Err(error)) => return Ending::failed(error.to_string()),
                Err(_) => {
                    // Quiet for long: something between may close what it takes for dead.
                    match timeout(SLOWEST_READ, sender.send(Message::Ping(Bytes::new()))).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(_)) | Err(_) => return Ending::normal(),
                    }
                }
            };
            for message in framing.messages(&frame) {
                match timeout(SLOWEST_READ, sender.send(message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return Ending::normal(),
                }
            }
            match frame {
                StreamFrame::End { .. } => return Ending::normal(),
                StreamFrame::Failed { message } => return Ending::failed(message),
                StreamFrame::Input(_)
                | StreamFrame::Output(_)
                | StreamFrame::Error(_)
                | StreamFrame::Resize { .. }
                | StreamFrame::InputEnd => {}
            }
        }
    };
    let inwards = async {
        while let Some(Ok(message)) = receiver.next().await {
            if matches!(message, Message::Close(_)) {
                break;
            }
            let Some(frame) = inward.frame(message) else { continue };
            if writer.write_stream_frame(&frame).await.is_err() {
                // The host has ended the stream; its last words are still to be read.
                std::future::pending::<()>().await;
            }
        }
        Ending::normal()
    };
    tokio::select! {
        ending = outwards => ending,
        ending = inwards => ending,
    }
}

async fn stats(
    shared: &Arc<Shared>,
    parts: Vec<Figures>,
    sender: &mut Sender,
    receiver: &mut Receiver,
) -> Ending {
    let (samples, mut incoming) = mpsc::channel::<Value>(16);
    // The set ends its tasks when it is dropped with this function.
    let mut tasks = JoinSet::new();
    for part in parts {
        tasks.spawn(read_figures(shared.clone(), part, samples.clone()));
    }
    drop(samples);
    loop {
        tokio::select! {
            sample = incoming.recv() => {
                let Some(sample) = sample else { return Ending::normal() };
                let message = Message::Text(sample.to_string().into());
                match timeout(SLOWEST_READ, sender.send(message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return Ending::normal(),
                }
            }
            message = receiver.next() => match message {
                None | Some(Err(_) | Ok(Message::Close(_))) => return Ending::normal(),
                Some(Ok(_)) => {}
            },
        }
    }
}

async fn read_figures(shared: Arc<Shared>, part: Figures, samples: mpsc::Sender<Value>) {
    let Figures { host, request, names, resource } = part;
    let Ok((reader, _writer)) = open(&shared, host, request).await else { return };
    let mut reader = FrameReader::new(reader);
    while let Ok(Some(frame)) = reader.read_stream_frame().await {
        let bytes = match frame {
            StreamFrame::Output(bytes) => bytes,
            StreamFrame::End { .. } | StreamFrame::Failed { .. } => return,
            StreamFrame::Input(_)
            | StreamFrame::Error(_)
            | StreamFrame::Resize { .. }
            | StreamFrame::InputEnd => continue,
        };
        let Ok(document) = serde_json::from_slice::<Value>(&bytes) else { continue };
        let sample = if names.is_empty() {
            host_sample(&resource, &document)
        } else {
            container_sample(&names, &document)
        };
        if samples.send(json!([sample])).await.is_err() {
            return;
        }
    }
}

/// A sample of a container, in the words of old clients, from the engine's document.
fn container_sample(names: &Map<String, Value>, document: &Value) -> Value {
    let docker_id = document["id"].as_str().unwrap_or_default();
    let cpu = &document["cpu_stats"]["cpu_usage"];
    let networks = document["networks"].as_object();
    let interface = |name: &str, figures: &Value| {
        json!({
            "name": name,
            "rx_bytes": figures["rx_bytes"],
            "tx_bytes": figures["tx_bytes"],
            "rx_packets": figures["rx_packets"],
            "tx_packets": figures["tx_packets"],
        })
    };
    let interfaces: Vec<Value> = networks
        .map(|networks| networks.iter().map(|(name, figures)| interface(name, figures)).collect())
        .unwrap_or_default();
    let first = interfaces.first().cloned().unwrap_or_else(|| interface("", &Value::Null));
    let io: Vec<Value> = document["blkio_stats"]["io_service_bytes_recursive"]
        .as_array()
        .map(|entries| {
            entries
                .iter()
                .map(|entry| {
                    let op = entry["op"].as_str().unwrap_or_default();
                    json!({
                        "device": format!("{}:{}", entry["major"], entry["minor"]),
                        "stats": { op: entry["value"] },
                    })
                })
                .collect()
        })
        .unwrap_or_default();
    json!({
        "id": names.get(docker_id).cloned().unwrap_or(Value::Null),
        "resourceType": "container",
        "memLimit": document["memory_stats"]["limit"],
        "timestamp": document["read"],
        "cpu": {
            "usage": {
                "total": cpu["total_usage"],
                "per_cpu_usage": cpu["percpu_usage"],
                "user": cpu["usage_in_usermode"],
                "system": cpu["usage_in_kernelmode"],
            },
            "system": document["cpu_stats"]["system_cpu_usage"],
            "online": document["cpu_stats"]["online_cpus"],
        },
        "memory": { "usage": document["memory_stats"]["usage"] },
        "network": {
            "name": first["name"],
            "rx_bytes": first["rx_bytes"],
            "tx_bytes": first["tx_bytes"],
            "interfaces": interfaces,
        },
        "diskio": { "io_service_bytes": io },
    })
}

/// A sample of a host, in the words of old clients, with ours beside them.
fn host_sample(resource: &str, document: &Value) -> Value {
    let at = document["at"].as_i64().map(|at| Timestamp(at).to_string());
    json!({
        "id": resource,
        "resourceType": "host",
        "timestamp": at,
        "cpu": { "percent": document["cpu_percent"], "load": document["load"] },
        "memory": {
            "free": document["memory_free"],
            "available": document["memory_available"],
            "buffers": document["memory_buffers"],
            "cached": document["memory_cached"],
        },
        "swap": { "total": document["swap_total"], "free": document["swap_free"] },
        "disk": { "used": document["disk_used"] },
        "network": {
            "interfaces": [{
                "name": "all",
                "rx_bytes": document["network_received"],
                "tx_bytes": document["network_sent"],
            }],
            "rx_bytes": document["network_received"],
            "tx_bytes": document["network_sent"],
        },
    })
}

#[cfg(test)]
mod tests;
