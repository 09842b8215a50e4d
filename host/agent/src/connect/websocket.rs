//! The connection that the link runs over.

use async_trait::async_trait;
use contract_link::{BoxedIo, MessageIo, Received};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::endpoint::Endpoint;
use super::register::{Credentials, basic};
use crate::session::{ConnectError, Connector};

/// Buffers of a connection: a link's pieces are at most twice as long.
const BUFFER: usize = 16 * 1024;

/// Dials the server with this host's credentials.
#[derive(Debug)]
pub(crate) struct WebSocketConnector {
    pub(crate) endpoint: Endpoint,
    pub(crate) credentials: Credentials,
}

#[async_trait]
impl Connector for WebSocketConnector {
    async fn connect(&self) -> Result<BoxedIo, ConnectError> {
        let endpoint = &self.endpoint;
        let url = format!("ws://{}{}", endpoint.authority(), endpoint.path("/v1/agent/connect"));
        let mut request = url.into_client_request().map_err(|error| endpoint.unreachable(error))?;
        let authorization = basic(&self.credentials.access_key, &self.credentials.secret_key);
        let mut authorization =
            HeaderValue::from_str(authorization.expose()).map_err(|error| endpoint.unreachable(error))?;
        authorization.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
        let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(BUFFER);
        let io = endpoint.dial().await?;
        match client_async_with_config(request, io, Some(config)).await {
            Ok((socket, _)) => Ok(Box::new(MessageIo::new(socket, Message::Binary, unwrap))),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(endpoint.refused(response.status().as_u16(), body))
            }
            Err(error) => Err(endpoint.unreachable(error)),
        }
    }
}

fn unwrap(message: Message) -> Received {
    match message {
        Message::Binary(bytes) => Received::Bytes(bytes),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Received::Skip,
        Message::Close(_) => Received::End,
        Message::Text(_) => Received::Refused("the server sent text where a link carries bytes"),
    }
}
