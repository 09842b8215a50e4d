//! One small HTTP client, for what the kit itself asks of the server, and for tests.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::keys::Key;

/// Sends one request and gives status and document.
///
/// # Errors
/// Fails when the server does not answer, or answers with something else than JSON.
pub async fn send(key: Option<&Key>, method: &str, url: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().with_context(|| format!("`{url}` names no server"))?.as_str();
    let stream =
        TcpStream::connect(authority).await.with_context(|| format!("could not reach {authority}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes())?)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        let pair = STANDARD.encode(format!("{}:{}", key.access_key, key.secret_key.expose()));
        request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
    }
    let text = body.map(Value::to_string).unwrap_or_default();
    let exchange = async {
        let answer = sender.send_request(request.body(Full::new(Bytes::from(text)))?).await?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let document = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).with_context(|| format!("{method} {url}: no JSON"))?,
        };
        Ok::<_, anyhow::Error>((status, document))
    };
    tokio::pin!(exchange);
    // The connection may end before its last answer is read.
    let done = tokio::select! {
        done = &mut exchange => done,
        _ = connection => exchange.await,
    };
    done.with_context(|| format!("{method} {url}"))
}

/// The same, where anything but success is a fault.
///
/// # Errors
/// Fails when the server does not answer or refuses.
pub async fn ask(key: &Key, method: &str, url: &str, body: Option<&Value>) -> Result<Value> {
    let (status, document) = send(Some(key), method, url, body).await?;
    if !(200..300).contains(&status) {
        bail!("{method} {url} was answered with {status}: {document}");
    }
    Ok(document)
}
