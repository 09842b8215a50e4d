//! Live figures of containers and hosts.

use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::error::ClientError;
use crate::objects::Object;
use crate::socket::{Access, Socket};

/// Samples, about one set a second.
pub struct StatsStream {
    socket: Socket,
}

impl Client {
    /// Opens the figures behind a link of an object: `containerStats` or `hostStats`.
    ///
    /// # Errors
    /// As any request; an object that is not on a connected host offers none.
    pub async fn stats<T: Object>(&self, object: &T, link: &str) -> Result<StatsStream, ClientError> {
        let access: Access = self.follow(object.meta(), link).await?;
        Ok(StatsStream { socket: Socket::open_with(self, &access, "figures", None).await? })
    }
}

impl StatsStream {
    /// The next samples; `None` when there are no more.
    ///
    /// # Errors
    /// Fails if the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, ClientError> {
        while let Some(message) = self.socket.next().await? {
            if let Message::Text(text) = message
                && let Ok(samples) = serde_json::from_str(text.as_str())
            {
                return Ok(Some(samples));
            }
        }
        Ok(None)
    }
}
