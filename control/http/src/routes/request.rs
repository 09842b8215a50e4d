//! From raw HTTP to what is asked: version, project, type, id, link, method and parameters.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Method, Uri, request::Parts};
use contract_api::{Urls, Version};

use crate::app::{AppError, ErrorCode};

/// Query strings longer than this are refused; clients send long filter lists, so it is generous.
const MAX_QUERY: usize = 16 * 1024;

/// How a connection reached us; the server puts it into each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end.
    pub address: SocketAddr,
    /// Whether it came over TLS.
    pub tls: bool,
}

/// Finds the peer of a request; one that nobody noted is nowhere.
pub fn peer_of(parts: &Parts) -> Peer {
    if let Some(peer) = parts.extensions.get::<Peer>() {
        return *peer;
    }
    let address = parts
        .extensions
        .get::<axum::extract::ConnectInfo<SocketAddr>>()
        .map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |info| info.0);
    Peer { address, tls: false }
}

/// The start of every URL that we give out: scheme and host as the client sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port.
    pub host: String,
}

impl Origin {
    /// Works out how the client reached us, through proxies that say so; what others say has been taken off before.
    pub fn of(headers: &HeaderMap, uri: &Uri, peer: Peer) -> Self {
        let first = |name: &str| {
            let text = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let plain_host = first("host")
            .or_else(|| uri.authority().map(ToString::to_string))
            .filter(|host| host_is_plausible(host))
            .unwrap_or_else(|| "localhost".to_owned());
        let port = first("x-forwarded-port").filter(|port| port.parse::<u16>().is_ok());
        let proto = first("x-forwarded-proto");
        let implied_https = plain_host.ends_with(":443") || port.as_deref() == Some("443");
        if proto.is_none() && !implied_https {
            return Self { scheme: if peer.tls { "https" } else { "http" }, host: plain_host };
        }
        let scheme = match proto.as_deref() {
            Some("http" | "ws") if !implied_https => "http",
            _ => "https",
        };
        let mut host = first("x-forwarded-host").filter(|host| host_is_plausible(host)).unwrap_or(plain_host);
        if let Some(port) = port {
            host = without_port(&host).to_owned();
            if port != "80" && port != "443" {
                host = format!("{host}:{port}");
            }
        } else if host.ends_with(":443") {
            host = without_port(&host).to_owned();
        }
        Self { scheme, host }
    }

    /// The origin as text.
    pub fn text(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    /// The scheme of sockets.
    pub fn socket_scheme(&self) -> &'static str {
        if self.scheme == "https" { "wss" } else { "ws" }
    }
}

/// What a host header may hold; anything else would travel into links, scripts and pages.
fn host_is_plausible(host: &str) -> bool {
    host.len() <= 260 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            // `::1` without brackets has colons of its own.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

/// A request of the API, taken apart.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// The version.
    pub version: Version,
    /// The method, after `_method`.
    pub method: Method,
    /// The project in the path, as it was written.
    pub path_project: Option<String>,
    /// What follows: type, id and link.
    pub path: Vec<String>,
    /// The decoded parameters in their order.
    pub query: Vec<(String, String)>,
}

impl ApiRequest {
    /// Takes a request apart; `None` when its path begins with no version.
    ///
    /// # Errors
    /// Refuses what no client sends: texts that are no UTF-8, queries without end, unknown methods.
    pub fn parse(method: &Method, uri: &Uri) -> Result<Option<Self>, AppError> {
        let mut segments = Vec::new();
        for segment in uri.path().split('/').filter(|segment| !segment.is_empty()) {
            let decoded = percent_encoding::percent_decode_str(segment)
                .decode_utf8()
                .map_err(|_| AppError::new(ErrorCode::BadRequest, "the path is not valid UTF-8"))?;
            segments.push(decoded.into_owned());
        }
        let Some(version) = segments.first().and_then(|first| Version::from_path(first)) else {
            return Ok(None);
        };
        segments.remove(0);
        let raw_query = uri.query().unwrap_or("");
        if raw_query.len() > MAX_QUERY {
            return Err(AppError::new(
                ErrorCode::BadRequest,
                format!("the query string is longer than {MAX_QUERY} bytes"),
            ));
        }
        let query: Vec<(String, String)> =
            form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
        let method = match query.iter().find(|(name, _)| name == "_method") {
            Some((_, name)) => Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .map_err(|_| AppError::new(ErrorCode::BadRequest, "`_method` names no method"))?,
            None => method.clone(),
        };
        let mut path_project = None;
        let scoped = segments.len() >= 3
            && (segments[0].eq_ignore_ascii_case("projects") || segments[0].eq_ignore_ascii_case("project"))
            && !(segments.len() == 3 && segments[2].eq_ignore_ascii_case("projectmembers"));
        if scoped {
            path_project = Some(segments[1].clone());
            segments.drain(..2);
        }
        Ok(Some(Self { version, method, path_project, path: segments, query }))
    }

    /// The first value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The links of a scope.
    pub fn urls(&self, origin: &Origin, project: Option<&str>) -> Urls {
        let base = format!("{}/{}", origin.text(), self.version.path());
        match project {
            Some(project) => Urls::new(format!("{base}/projects/{project}")),
            None => Urls::new(base),
        }
    }
}

#[cfg(test)]
mod tests;
