//! The HTTP proxy on the way to a server, as the usual variables name it.
//!
//! The rules are those of curl and of Go's library, so that what works for other programs works here: the proxy depends on
//! the scheme of the server, `ALL_PROXY` stands in for both, and `NO_PROXY` lists who is reached directly. This
//! machine itself is always reached directly.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_values::Secret;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use reqwest::{Url, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::address::ServerAddress;
use crate::error::ClientError;
use crate::settings::{Origin, Setting};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What the variables say. A proxy's address may hold a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Setting<Secret>>,
    https: Option<Setting<Secret>>,
    direct: Vec<String>,
}

/// A proxy whose address cannot be used. What was given is not repeated, because it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy in {origin} cannot be used: {why}")]
pub struct ProxyError {
    /// The variable.
    pub origin: Origin,
    /// What is wrong.
    pub why: String,
}

impl Proxies {
    /// Reads the variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; small letters win.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let one = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = variable(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty())?;
                Some(Setting { value: Secret::new(value), origin: Origin::Variable(name) })
            })
        };
        let direct = ["no_proxy", "NO_PROXY"].into_iter().find_map(&variable).unwrap_or_default();
        Self {
            http: one(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: one(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            direct: direct
                .split([',', ' '])
                .map(|entry| entry.trim().to_ascii_lowercase())
                .filter(|entry| !entry.is_empty())
                .collect(),
        }
    }

    /// The proxy on the way to a server; `None` is the direct way.
    pub fn for_server(&self, server: &ServerAddress) -> Option<&Setting<Secret>> {
        let proxy = if server.is_tls() { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.is_direct(server.host(), server.port()))
    }

    /// The proxy on the way to a server for people's eyes: without its password, and where it was given.
    pub fn shown_for(&self, server: &ServerAddress) -> Option<Setting<String>> {
        let origin = self.for_server(server)?.origin.clone();
        let value = match self.address_for(server) {
            Ok(Some(mut url)) => {
                let _ = url.set_username("").and_then(|()| url.set_password(None));
                url.as_str().trim_end_matches('/').to_owned()
            }
            _ => "(no usable address)".to_owned(),
        };
        Some(Setting { value, origin })
    }

    fn is_direct(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        if host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|ip| ip.is_loopback()) {
            return true;
        }
        self.direct.iter().any(|entry| {
            if entry == "*" {
                return true;
            }
            let (name, wanted) = split_port(entry);
            if wanted.is_some_and(|wanted| wanted != port) {
                return false;
            }
            match address {
                Some(address) => {
                    name.parse::<IpAddr>().is_ok_and(|own| own == address)
                        || name.parse::<IpNet>().is_ok_and(|net| net.contains(&address))
                }
                None => {
                    let name = name.trim_start_matches("*.").trim_start_matches('.');
                    !name.is_empty()
                        && host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                }
            }
        })
    }

    /// The address of the proxy, checked.
    fn address_for(&self, server: &ServerAddress) -> Result<Option<Url>, ProxyError> {
        let Some(proxy) = self.for_server(server) else { return Ok(None) };
        let refuse = |why: &str| ProxyError { origin: proxy.origin.clone(), why: why.to_owned() };
        let given = proxy.value.expose();
        let url = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
        let url = Url::parse(&url).map_err(|_| refuse("it is no address"))?;
        if url.scheme() != "http" {
            // A pin or an authority for the server says nothing about a proxy's own certificate.
            return Err(refuse("only http:// proxies are spoken"));
        }
        Ok(Some(url))
    }

    /// The proxy in the form of the library that sends requests.
    pub(crate) fn for_reqwest(&self, server: &ServerAddress) -> Result<Option<reqwest::Proxy>, ProxyError> {
        let Some(url) = self.address_for(server)? else { return Ok(None) };
        let refuse = |_| ProxyError {
            origin: self.for_server(server).expect("it was just found").origin.clone(),
            why: "it is no address".to_owned(),
        };
        reqwest::Proxy::all(url).map(Some).map_err(refuse)
    }

    /// Opens a connection to the server itself, through the proxy where there is one.
    pub(crate) async fn connect(&self, server: &ServerAddress) -> Result<Box<dyn Io>, ClientError> {
        let unreachable = |source: BoxError| ClientError::Unreachable { url: server.to_string(), source };
        let proxy = self.address_for(server)?;
        let way = async {
            let (host, port) = match &proxy {
                Some(url) => (
                    url.host_str().unwrap_or_default().trim_matches(['[', ']']),
                    url.port_or_known_default().unwrap_or(80),
                ),
                None => (server.host(), server.port()),
            };
            let stream = TcpStream::connect((host, port)).await?;
            // Keystrokes are small and must not wait for company.
            let _ = stream.set_nodelay(true);
            match &proxy {
                Some(url) => tunnel(stream, url, server).await,
                None => Ok(Box::new(stream) as Box<dyn Io>),
            }
        };
        match tokio::time::timeout(CONNECT_LIMIT, way).await {
            Ok(outcome) => outcome.map_err(unreachable),
            Err(_) => Err(unreachable("nobody answered in time".into())),
        }
    }
}

/// A connection to a server.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asks a proxy for a tunnel to the server.
async fn tunnel(stream: TcpStream, proxy: &Url, server: &ServerAddress) -> Result<Box<dyn Io>, BoxError> {
    let host =
        if server.host().contains(':') { format!("[{}]", server.host()) } else { server.host().into() };
    let target = format!("{host}:{}", server.port());
    let mut request = hyper::Request::connect(&target).header(header::HOST, &target);
    if !proxy.username().is_empty() {
        let plain = |text| percent_decode_str(text).collect::<Vec<u8>>();
        let key = [plain(proxy.username()), plain(proxy.password().unwrap_or_default())].join(&b':');
        request = request.header(header::PROXY_AUTHORIZATION, format!("Basic {}", STANDARD.encode(key)));
    }
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let ask = async {
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("the proxy answered {} to CONNECT {target}", response.status()).into());
        }
        Ok::<_, BoxError>(hyper::upgrade::on(response).await?)
    };
    // The connection moves while it is asked, and hands itself over when the tunnel stands.
    let (upgraded, _) = tokio::join!(ask, connection.with_upgrades());
    Ok(Box::new(TokioIo::new(upgraded?)))
}

/// Takes `host:port` apart; an IPv6 address has a port only behind brackets.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}
