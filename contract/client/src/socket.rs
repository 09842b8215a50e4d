//! WebSockets to the server, over the same trust as requests.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{self, HeaderValue};
use reqwest::{Upgraded, Url};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::client::Client;
use crate::error::ClientError;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The sub-protocol of servers of ours: one tag byte, then the payload.
pub(crate) const FRAMES: &str = "lariat.frames";

/// The tags of `lariat.frames`, both ways.
pub(crate) mod tag {
    pub const INPUT: u8 = 0;
    pub const OUTPUT: u8 = 1;
    pub const ERROR: u8 = 2;
    pub const RESIZE: u8 = 3;
    pub const INPUT_END: u8 = 4;
    pub const END: u8 = 5;
    pub const FAILED: u8 = 6;
}

/// Takes a frame apart.
pub(crate) fn decode(message: &Message) -> Option<(u8, Vec<u8>)> {
    let Message::Binary(bytes) = message else { return None };
    let (tag, payload) = bytes.split_first()?;
    Some((*tag, payload.to_vec()))
}

/// What the API's actions answer for a socket: where it is, and the ticket for it.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Access {
    pub url: Option<String>,
    pub token: Option<contract_values::Secret>,
}

/// A WebSocket and what it is for.
pub(crate) struct Socket {
    inner: WebSocketStream<Upgraded>,
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
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ClientError::Socket { what, source };
        // The handshake is a request like any other, so that trust and errors are those of requests. A server that
        // does not know the sub-protocol leaves it out of its answer, which is its right.
        let key = generate_key();
        let response = tokio::time::timeout(CONNECT_LIMIT, client.upgrade(&url, with_keys, &key, protocol))
            .await
            .map_err(|_| ClientError::TimedOut {
                url: client.address().to_string(),
                seconds: CONNECT_LIMIT.as_secs(),
            })??;
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if header(header::SEC_WEBSOCKET_ACCEPT) != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err(failed("the server does not speak WebSocket there".into()));
        }
        let protocol = header(header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned);
        let io = response.upgrade().await.map_err(|error| failed(Box::new(error)))?;
        let inner = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
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

    /// The socket without what is known about it.
    pub fn into_inner(self) -> WebSocketStream<Upgraded> {
        self.inner
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
