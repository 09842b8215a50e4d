//! Logs and consoles, straight from an engine and through server and agent.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_protocol::StreamFrame;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long an echo may take before something is wrong.
const ECHO_LIMIT: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub struct Arguments {
    /// The engine's socket
    #[arg(long)]
    engine: PathBuf,
    /// The environment's address, as `http://host:port/v2-beta/projects/1a5`
    #[arg(long)]
    url: String,
    /// Key, as `ACCESS:SECRET`
    #[arg(long, env = "LARIAT_BENCH_KEY", hide_env_values = true)]
    key: String,
}

/// Commands: `direct-logs`, `logs`, `direct-echo COUNT`, `echo COUNT`.
pub fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let containers = containers(arguments).await?;
        crate::answer(&json!({ "containers": containers.len() }))?;
        while let Some(command) = tokio::task::spawn_blocking(crate::command).await?? {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let answer = match words[..] {
                ["direct-logs"] => logs(arguments, &containers, false).await?,
                ["logs"] => logs(arguments, &containers, true).await?,
                ["direct-echo", count] => direct_echo(arguments, &containers[0], count.parse()?).await?,
                ["echo", count] => echo(arguments, &containers[0], count.parse()?).await?,
                _ => bail!("there is no command {words:?}"),
            };
            crate::answer(&answer)?;
        }
        Ok(())
    })
}

#[derive(Clone, Debug)]
struct Target {
    id: String,
    docker_id: String,
}

async fn containers(arguments: &Arguments) -> Result<Vec<Target>> {
    let list = api(arguments, "GET", &format!("{}/containers?limit=1000&state=running", arguments.url), None)
        .await?;
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let found: Vec<Target> = list["data"]
        .as_array()
        .context("a list has data")?
        .iter()
        .map(|row| Target { id: text(row, "id"), docker_id: text(row, "externalId") })
        .collect();
    ensure!(
        !found.is_empty() && found.iter().all(|one| !one.docker_id.is_empty()),
        "no containers run: {list}"
    );
    Ok(found)
}

async fn api(arguments: &Arguments, method: &str, url: &str, body: Option<&Value>) -> Result<Value> {
    let uri: http::Uri = url.parse()?;
    let authority = uri.authority().context("the address names no server")?.to_string();
    let stream = TcpStream::connect(&authority).await?;
    let pair = STANDARD.encode(&arguments.key);
    let head = format!("Host: {authority}\r\nAuthorization: Basic {pair}\r\nAccept: application/json\r\n");
    let path = uri.path_and_query().context("the address has a path")?.as_str();
    let (status, mut reader) = request(stream, method, path, &head, body).await?;
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await?;
    ensure!((200..300).contains(&status), "{method} {url}: {status}: {}", String::from_utf8_lossy(&answer));
    Ok(serde_json::from_slice(&answer)?)
}

/// A body of HTTP/1.1, with or without chunks, or what comes after an upgrade.
struct Body<S> {
    reader: BufReader<S>,
    /// What is left of this chunk; `None` without chunks.
    chunk: Option<u64>,
    /// What is left altogether, where that is told.
    left: Option<u64>,
}

/// Sends a request whose answer ends the connection, and reads the head of the answer.
async fn request<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    mut stream: S,
    method: &str,
    path: &str,
    head: &str,
    body: Option<&Value>,
) -> Result<(u16, Body<S>)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let keep = if head.contains("Upgrade:") { "" } else { "Connection: close\r\n" };
    let text = format!(
        "{method} {path} HTTP/1.1\r\n{head}{keep}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP answer")?;
    let (mut chunk, mut left) = (None, None);
    loop {
        line.clear();
        reader.read_line(&mut line).await?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(length) = line.strip_prefix("content-length:") {
            left = Some(length.trim().parse()?);
        }
        if line == "transfer-encoding: chunked" {
            chunk = Some(0);
        }
    }
    Ok((status, Body { reader, chunk, left }))
}

impl<S: tokio::io::AsyncRead + Unpin> Body<S> {
    /// Reads some; 0 at the end.
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        if self.chunk == Some(0) {
            let mut line = String::new();
            self.reader.read_line(&mut line).await?;
            if line.trim().is_empty() {
                line.clear();
                self.reader.read_line(&mut line).await?;
            }
            self.chunk = Some(u64::from_str_radix(line.trim(), 16).context("a chunk has a size")?);
            if self.chunk == Some(0) {
                return Ok(0);
            }
        }
        let most = self.chunk.or(self.left).unwrap_or(u64::MAX).min(bytes.len() as u64);
        let length = self.reader.read(&mut bytes[..most as usize]).await?;
        for left in [&mut self.chunk, &mut self.left].into_iter().flatten() {
            *left -= length as u64;
        }
        Ok(length)
    }

    async fn read_to_end(&mut self, all: &mut Vec<u8>) -> Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match self.read(&mut bytes).await? {
                0 => return Ok(()),
                length => all.extend_from_slice(&bytes[..length]),
            }
        }
    }
}

/// Reads the whole log of every container at once.
async fn logs(arguments: &Arguments, containers: &[Target], ours: bool) -> Result<Value> {
    let started = Instant::now();
    let readers = containers.iter().map(|target| async move {
        match ours {
            true => our_log(arguments, target).await,
            false => direct_log(&arguments.engine, target).await,
        }
    });
    let bytes: Vec<u64> = futures_util::future::try_join_all(readers).await?;
    let seconds = started.elapsed().as_secs_f64();
    let total: u64 = bytes.iter().sum();
    Ok(json!({ "bytes": total, "seconds": seconds, "rate": total as f64 / seconds }))
}

async fn direct_log(engine: &Path, target: &Target) -> Result<u64> {
    let stream = UnixStream::connect(engine).await?;
    let path = format!("/containers/{}/logs?stdout=1&stderr=1", target.docker_id);
    let (status, mut body) = request(stream, "GET", &path, "Host: docker\r\n", None).await?;
    ensure!(status == 200, "the engine answered with {status}");
    // Frames of eight bytes and a payload.
    let (mut total, mut skip, mut header) = (0, 0_usize, Vec::with_capacity(8));
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let length = body.read(&mut bytes).await?;
        if length == 0 {
            return Ok(total);
        }
        let mut rest = &bytes[..length];
        while !rest.is_empty() {
            if skip > 0 {
                let part = skip.min(rest.len());
                (skip, total, rest) = (skip - part, total + part as u64, &rest[part..]);
                continue;
            }
            let part = (8 - header.len()).min(rest.len());
            header.extend_from_slice(&rest[..part]);
            rest = &rest[part..];
            if let Ok([_, _, _, _, a, b, c, d]) = <[u8; 8]>::try_from(&*header) {
                skip = u32::from_be_bytes([a, b, c, d]) as usize;
                header.clear();
            }
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Asks for a way to a stream, and takes it.
async fn open(arguments: &Arguments, target: &Target, action: &str, input: &Value) -> Result<Socket> {
    let url = format!("{}/containers/{}/?action={action}", arguments.url, target.id);
    let access = api(arguments, "POST", &url, Some(input)).await?;
    let text = |field: &str| access[field].as_str().with_context(|| format!("no `{field}` in {access}"));
    let mut request = format!("{}?token={}", text("url")?, text("token")?).into_client_request()?;
    let protocol = http::HeaderValue::from_static("lariat.frames");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    if let MaybeTlsStream::Plain(stream) = socket.get_mut() {
        stream.set_nodelay(true)?;
    }
    Ok(socket)
}

async fn frame(socket: &mut Socket) -> Result<Option<StreamFrame>> {
    while let Some(message) = socket.next().await {
        match message? {
            Message::Binary(bytes) => return Ok(Some(StreamFrame::from_bytes(&bytes).context("no frame")?)),
            Message::Close(_) => return Ok(None),
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    Ok(None)
}

async fn our_log(arguments: &Arguments, target: &Target) -> Result<u64> {
    let mut socket = open(arguments, target, "logs", &json!({ "follow": false })).await?;
    let mut total = 0;
    loop {
        match frame(&mut socket).await?.context("the log ended without a word")? {
            StreamFrame::Output(bytes) | StreamFrame::Error(bytes) => total += bytes.len() as u64,
            StreamFrame::End { .. } => return Ok(total),
            StreamFrame::Failed { message } => bail!("{message}"),
            StreamFrame::Input(_) | StreamFrame::InputEnd | StreamFrame::Resize { .. } => {}
        }
    }
}

fn waits(mut waits: Vec<f64>) -> Value {
    waits.sort_by(f64::total_cmp);
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    json!({ "median": at(0.5), "p99": at(0.99) })
}

/// The key that is typed; the terminal shows it.
const KEY: &[u8] = b"x";

async fn direct_echo(arguments: &Arguments, target: &Target, count: usize) -> Result<Value> {
    let head = "Host: docker\r\n";
    let input = json!({ "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": true, "Cmd": ["cat"] });
    let stream = UnixStream::connect(&arguments.engine).await?;
    let path = format!("/containers/{}/exec", target.docker_id);
    let (status, mut body) = request(stream, "POST", &path, head, Some(&input)).await?;
    ensure!(status == 201, "the engine answered with {status}");
    let mut answer = Vec::new();
    body.read_to_end(&mut answer).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let exec = answer["Id"].as_str().context("a process has an id")?;
    let stream = UnixStream::connect(&arguments.engine).await?;
    let head = "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";
    let input = json!({ "Detach": false, "Tty": true });
    let (status, mut body) =
        request(stream, "POST", &format!("/exec/{exec}/start"), head, Some(&input)).await?;
    ensure!(status == 101 || status == 200, "the engine answered with {status}");
    let mut times = Vec::with_capacity(count);
    let mut byte = [0; 64];
    for _ in 0..count {
        let started = Instant::now();
        body.reader.get_mut().write_all(KEY).await?;
        let length = tokio::time::timeout(ECHO_LIMIT, body.reader.read(&mut byte)).await??;
        ensure!(&byte[..length] == KEY, "the echo was {:?}", &byte[..length]);
        times.push(started.elapsed().as_secs_f64());
    }
    // The end of a line and of the input ends `cat`.
    body.reader.get_mut().write_all(b"\r\x04").await?;
    Ok(waits(times))
}

async fn echo(arguments: &Arguments, target: &Target, count: usize) -> Result<Value> {
    let input = json!({ "command": ["cat"], "tty": true, "attachStdin": true, "attachStdout": true });
    let mut socket = open(arguments, target, "execute", &input).await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        socket.send(Message::Binary(StreamFrame::Input(KEY.to_vec()).to_bytes().into())).await?;
        let answer = tokio::time::timeout(ECHO_LIMIT, frame(&mut socket)).await??;
        ensure!(answer == Some(StreamFrame::Output(KEY.to_vec())), "the echo was {answer:?}");
        times.push(started.elapsed().as_secs_f64());
    }
    socket.send(Message::Binary(StreamFrame::Input(b"\r\x04".to_vec()).to_bytes().into())).await?;
    loop {
        match frame(&mut socket).await? {
            Some(StreamFrame::End { code }) => {
                ensure!(code == Some(0), "`cat` ended with {code:?}");
                return Ok(waits(times));
            }
            Some(StreamFrame::Failed { message }) => bail!("{message}"),
            Some(_) => {}
            None => bail!("the console ended without a word"),
        }
    }
}
