//! WebSockets to the server, over the same trust as requests.

use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::client::{Client, Credentials};
use crate::error::{ApiError, ClientError};
use crate::tls::distrust;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What the API's actions answer for a socket: where it is, and the ticket for it.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Access {
    pub url: Option<String>,
    pub token: Option<contract_values::Secret>,
}

/// A WebSocket and what it is for.
pub(crate) struct Socket {
    inner: WebSocketStream<Box<dyn ByteStream>>,
    what: &'static str,
    /// The sub-protocol that the server chose.
    pub protocol: Option<String>,
}

impl Socket {
    /// Opens a socket that checks the caller's keys.
    pub async fn open(client: &Client, url: Url, what: &'static str) -> Result<Self, ClientError> {
        Self::connect(client, url, what, true, None).await
    }

    /// Opens a socket with a ticket.
    pub async fn open_with(
        client: &Client,
        access: &Access,
        what: &'static str,
        protocol: Option<&'static str>,
    ) -> Result<Self, ClientError> {
        let (Some(link), Some(token)) = (&access.url, &access.token) else {
            return Err(ClientError::Socket { what, source: "the server gave no address for it".into() });
        };
        // The link says `ws:`, which has no place in the address of the server.
        let link = link.replacen("ws", "http", 1);
        let mut url = client.address().rebase(&link).ok_or_else(|| ClientError::Socket {
            what,
            source: "the server gave no usable address for it".into(),
        })?;
        url.query_pairs_mut().append_pair("token", token.expose());
        Self::connect(client, url, what, false, protocol).await
    }

    async fn connect(
        client: &Client,
        url: Url,
        what: &'static str,
        with_keys: bool,
        protocol: Option<&'static str>,
    ) -> Result<Self, ClientError> {
        let path = url.path().to_owned();
        let scheme = if client.address().is_tls() { "wss" } else { "ws" };
        let target = url.as_str().replacen(url.scheme(), scheme, 1);
        let failed = |source: WsError| ClientError::Socket { what, source: Box::new(source) };
        let mut request = target.into_client_request().map_err(failed)?;
        let headers = request.headers_mut();
        if with_keys && let Some(value) = authorization(client.credentials()) {
            headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        if let Ok(value) = HeaderValue::from_str(client.user_agent()) {
            headers.insert(header::USER_AGENT, value);
        }
        let handshake = async {
            let io: Box<dyn ByteStream> = if client.address().is_tls() {
                Box::new(connect_tls(client).await?)
            } else {
                Box::new(connect_tcp(client).await?)
            };
            match tokio_tungstenite::client_async(request, io).await {
                Ok(opened) => Ok(opened),
                Err(WsError::Http(response)) => {
                    let body = response.body().clone().unwrap_or_default();
                    let status = response.status().as_u16();
                    Err(ApiError::read(status, &body, format!("GET {path}")).into())
                }
                Err(error) => Err(failed(error)),
            }
        };
        let (inner, response) = tokio::time::timeout(CONNECT_LIMIT, handshake).await.map_err(|_| {
            ClientError::TimedOut { url: client.address().to_string(), seconds: CONNECT_LIMIT.as_secs() }
        })??;
        let protocol = response
            .headers()
            .get(header::SEC_WEBSOCKET_PROTOCOL)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Self { inner, what, protocol })
    }

    /// The next text or binary message; `None` when the server is done.
    pub async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            match self.inner.next().await {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => return Ok(Some(message)),
                Some(Ok(Message::Close(Some(frame)))) if frame.code != CloseCode::Normal => {
                    return Err(self.broken(format!("the server closed it: {}", frame.reason)));
                }
                Some(Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(self.broken(error)),
                None => return Err(self.broken("it ended without a word")),
            }
        }
    }

    pub async fn send(&mut self, message: Message) -> Result<(), ClientError> {
        let what = self.what;
        self.inner
            .send(message)
            .await
            .map_err(|source| ClientError::Socket { what, source: Box::new(source) })
    }

    /// Says goodbye; a server that is gone needs none.
    pub async fn close(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.inner.close(None)).await;
    }

    fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Socket { what: self.what, source: source.into() }
    }
}

fn authorization(credentials: &Credentials) -> Option<HeaderValue> {
    let text = match credentials {
        Credentials::None => return None,
        Credentials::Keys { access, secret } => {
            let pair = format!("{access}:{}", secret.expose());
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        }
        Credentials::Bearer(token) => format!("Bearer {}", token.expose()),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

async fn connect_tcp(client: &Client) -> Result<TcpStream, ClientError> {
    let address = client.address();
    let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ClientError::Unreachable {
        url: address.to_string(),
        source,
    };
    let stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect((address.host(), address.port())))
        .await
        .map_err(|_| unreachable("nobody answered in time".into()))?
        .map_err(|error| unreachable(Box::new(error)))?;
    // Keystrokes are small and must not wait for company.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(crate) async fn connect_tls(client: &Client) -> Result<TlsStream<TcpStream>, ClientError> {
    let url = client.address().to_string();
    let name = rustls::pki_types::ServerName::try_from(client.address().host().to_owned())
        .map_err(|error| ClientError::Untrusted { url: url.clone(), what: error.to_string() })?;
    let stream = connect_tcp(client).await?;
    tokio_rustls::TlsConnector::from(client.tls()).connect(name, stream).await.map_err(
        |error| match distrust(&error) {
            Some(what) => ClientError::Untrusted { url, what },
            None => ClientError::Unreachable { url, source: Box::new(error) },
        },
    )
}
