//! Open-loop load: a request is due at its time whether earlier ones were answered or not, and waits are counted from
//! that time, so that a server that stalls cannot hide it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

#[derive(clap::Args)]
pub struct Arguments {
    /// The list
    #[arg(long)]
    url: String,
    /// Key, as `ACCESS:SECRET`
    #[arg(long, env = "LARIAT_BENCH_KEY", hide_env_values = true)]
    key: String,
}

/// Commands: `pages RATE SECONDS ROWS QUERY`, `whole QUERY`.
pub fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let target = Arc::new(Target::new(&arguments.url, &arguments.key)?);
    crate::answer(&json!({ "ready": true }))?;
    while let Some(command) = crate::command()? {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer = match words[..] {
            ["pages", rate, seconds, rows, query] => {
                let (rate, seconds) = (rate.parse()?, seconds.parse()?);
                runtime.block_on(pages(&target, rate, seconds, rows.parse()?, query))?
            }
            ["whole", query] => runtime.block_on(whole(&target, query))?,
            _ => bail!("there is no command {words:?}"),
        };
        crate::answer(&answer)?;
    }
    Ok(())
}

struct Target {
    authority: String,
    path: String,
    authorization: String,
    /// Connections that wait for work.
    idle: Mutex<Vec<SendRequest<Empty<Bytes>>>>,
}

impl Target {
    fn new(url: &str, key: &str) -> Result<Self> {
        let uri: Uri = url.parse()?;
        Ok(Self {
            authority: uri.authority().context("the address names no server")?.to_string(),
            path: uri.path().to_owned(),
            authorization: format!("Basic {}", STANDARD.encode(key)),
            idle: Mutex::default(),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with its sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Gives the time to the first byte, the time to the last one, and the body.
    async fn get(&self, query: &str) -> Result<(Duration, Duration, Bytes)> {
        let waiting = self.idle.lock().await.pop();
        let mut sender = match waiting {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        sender.ready().await?;
        let request = Request::get(format!("{}?{query}", self.path))
            .header(header::HOST, &self.authority)
            .header(header::AUTHORIZATION, &self.authorization)
            .body(Empty::new())?;
        let started = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let mut stream = response.into_body();
        let (mut first, mut body) = (None, BytesMut::new());
        while let Some(frame) = stream.frame().await {
            if let Ok(piece) = frame?.into_data() {
                first.get_or_insert_with(|| started.elapsed());
                body.extend_from_slice(&piece);
            }
        }
        let last = started.elapsed();
        let (first, body) = (first.unwrap_or(last), body.freeze());
        ensure!(status.is_success(), "answered with {status}: {}", String::from_utf8_lossy(&body));
        self.idle.lock().await.push(sender);
        Ok((first, last, body))
    }
}

async fn pages(target: &Arc<Target>, rate: f64, seconds: f64, rows: usize, query: &str) -> Result<Value> {
    // The first answer is looked into; the others must be as long, give or take a time stamp.
    let (_, _, body) = target.get(query).await?;
    let document: Value = serde_json::from_slice(&body)?;
    let found = document["data"].as_array().map_or(0, Vec::len);
    ensure!(found == rows, "a page has {found} rows, expected {rows}");
    let length = body.len();
    let count = (rate * seconds) as u32;
    let begin = Instant::now() + Duration::from_millis(50);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count {
        let due = begin + Duration::from_secs_f64(f64::from(number) / rate);
        tokio::time::sleep_until(due.into()).await;
        let (target, query) = (Arc::clone(target), query.to_owned());
        tasks.spawn(async move {
            let (_, _, body) = target.get(&query).await?;
            anyhow::Ok((due.elapsed(), body.len()))
        });
    }
    let mut waits = Vec::with_capacity(count as usize);
    while let Some(done) = tasks.join_next().await {
        let (wait, bytes) = done??;
        ensure!(bytes.abs_diff(length) < length / 20 + 1, "a page has {bytes} bytes, the first had {length}");
        waits.push(wait);
    }
    let took = begin.elapsed().as_secs_f64();
    waits.sort();
    let quantile = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64();
    Ok(json!({
        "requests": count,
        "rate": f64::from(count) / took,
        "median": quantile(0.5),
        "p99": quantile(0.99),
        "most": quantile(1.0),
        "bytes": length,
    }))
}

/// Reads the whole list as lines, one document each.
async fn whole(target: &Target, query: &str) -> Result<Value> {
    let (first, last, body) = target.get(query).await?;
    let mut ids = std::collections::BTreeSet::new();
    let mut rows = 0;
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let document: Value = serde_json::from_slice(line).context("a line is no document")?;
        ids.extend(document["id"].as_str().map(str::to_owned));
        rows += 1;
    }
    ensure!(ids.len() == rows, "{rows} rows came, {} of them different", ids.len());
    Ok(json!({
        "rows": rows,
        "seconds": last.as_secs_f64(),
        "firstByte": first.as_secs_f64(),
        "bytes": body.len(),
    }))
}
