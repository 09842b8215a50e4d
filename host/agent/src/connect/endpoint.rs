//! Where the server is, and a byte connection to it.

use std::fmt;
use std::sync::Arc;

use contract_link::BoxedIo;
use contract_tls::{Trust, distrust, system_vouches_for_anybody};
use hyper::Uri;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::session::{ConnectError, chain};

/// The server's address and how it proves itself.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    text: String,
    host: String,
    port: u16,
    /// What comes before `/v1/…`, for a server behind a path.
    prefix: String,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Endpoint {
    /// Reads `http://host[:port][/prefix]` or `https://…`.
    pub(crate) fn parse(text: &str, trust: &Trust) -> Result<Self, String> {
        let wrong = |why: &str| format!("the server's address `{text}` {why}");
        let uri: Uri = text.parse().map_err(|_| wrong("is no URL, such as https://server.example:8443"))?;
        let is_tls = match uri.scheme_str() {
            Some("https" | "wss") => true,
            Some("http" | "ws") => false,
            Some(_) | None => return Err(wrong("begins with neither http:// nor https://")),
        };
        match (is_tls, trust) {
            (true, Trust::System) if !system_vouches_for_anybody() => {
                return Err("this system trusts no certificates (the package ca-certificates is missing?); \
                            use the pin that the server's command shows"
                    .to_owned());
            }
            (false, Trust::Pin(_)) => {
                return Err(wrong("is not https, so there is no certificate that could be pinned"));
            }
            (false, Trust::CaFile(_)) => {
                return Err(wrong("is not https, so there is nothing that an authority could vouch for"));
            }
            (true, _) | (false, Trust::System) => {}
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match is_tls {
            true => Some(Arc::new(trust.client_config().map_err(|error| chain(&error))?)),
            false => None,
        };
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            host,
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// The path of a request.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(crate) fn unreachable(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ConnectError {
        ConnectError::Unreachable { server: self.text.clone(), source: source.into() }
    }

    pub(crate) fn refused(&self, status: u16, body: &[u8]) -> ConnectError {
        ConnectError::Refused { server: self.text.clone(), status, message: message_of(body) }
    }

    /// Connects, and lets the server prove its identity where that is asked for.
    pub(crate) async fn dial(&self) -> Result<BoxedIo, ConnectError> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| self.unreachable(error))?;
        tcp.set_nodelay(true).map_err(|error| self.unreachable(error))?;
        let Some(config) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| self.unreachable(error))?;
        match tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(match distrust(&error) {
                Some(why) => ConnectError::Untrusted { server: self.text.clone(), source: why.into() },
                None => self.unreachable(error),
            }),
        }
    }
}

/// What an answer says to people: the `message` of our API's errors, or the beginning of the text.
fn message_of(body: &[u8]) -> String {
    const LIMIT: usize = 300;
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| value.get(name).and_then(|field| field.as_str()).filter(|text| !text.is_empty());
    match (field("message"), field("detail"), field("code")) {
        (Some(message), Some(detail), _) => format!("{message} ({detail})"),
        (Some(text), None, _) | (None, Some(text), _) | (None, None, Some(text)) => text.to_owned(),
        (None, None, None) => {
            let text = String::from_utf8_lossy(body);
            text.trim().chars().take(LIMIT).collect()
        }
    }
}
