//! Changes as they happen.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::error::ClientError;
use crate::objects::Resource;
use crate::retry::{Backoff, spread};
use crate::socket::Socket;

/// The server gives a sign of life every five seconds; this is a missed one and some patience.
const SILENCE: Duration = Duration::from_secs(17);

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// It is connected, for the first time or again: list now, changes since then follow.
    Connected,
    /// An object as it is now.
    Changed(Box<Resource>),
    /// The connection broke; it is tried again. Whoever waits may list meanwhile.
    Lost(String),
}

/// A subscription to the changes of all objects that the caller can see. It reconnects by itself.
pub struct Watch {
    client: Client,
    socket: Option<Socket>,
    heard: Instant,
    backoff: Backoff,
    /// A failed attempt was told and the next one waits until then.
    pause: Option<Instant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame {
    name: String,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    resource: Option<Resource>,
}

impl Client {
    /// Watches changes; nothing is sent before the first call of [`Watch::next`].
    pub fn watch(&self) -> Watch {
        Watch {
            client: self.clone(),
            socket: None,
            heard: Instant::now(),
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5)),
            pause: None,
        }
    }
}

impl Watch {
    /// The next event. Dropping the future loses no change.
    ///
    /// # Errors
    /// Fails when trying again cannot help: the keys are refused, or the server is not the right one.
    pub async fn next(&mut self) -> Result<WatchEvent, ClientError> {
        loop {
            let Some(socket) = &mut self.socket else {
                if let Some(pause) = self.pause {
                    tokio::time::sleep_until(pause).await;
                    self.pause = None;
                }
                let mut url = self.client.url(false, &["subscribe"]);
                url.query_pairs_mut().append_pair("eventNames", "resource.change");
                match Socket::open(&self.client, url, "changes").await {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        self.heard = Instant::now();
                        return Ok(WatchEvent::Connected);
                    }
                    Err(error) if error.is_passing() => return Ok(self.lost(&error)),
                    Err(error) => return Err(error),
                }
            };
            let message = match tokio::time::timeout_at(self.heard + SILENCE, socket.next()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => return Ok(self.lost(&"the server ended it")),
                Ok(Err(error)) => return Ok(self.lost(&error)),
                Err(_) => return Ok(self.lost(&"the server was silent")),
            };
            self.heard = Instant::now();
            // Something was heard, so the server works.
            self.backoff.reset();
            let Message::Text(text) = message else { continue };
            let Ok(frame) = serde_json::from_str::<Frame>(text.as_str()) else { continue };
            match frame.name.as_str() {
                "resource.change" => {
                    if let Some(resource) = frame.data.and_then(|data| data.resource) {
                        return Ok(WatchEvent::Changed(Box::new(resource)));
                    }
                }
                "logout" => return Ok(self.lost(&"the session ended")),
                _ => {}
            }
        }
    }

    fn lost(&mut self, why: &dyn std::fmt::Display) -> WatchEvent {
        self.socket = None;
        self.pause = Some(Instant::now() + self.backoff.next(spread()));
        WatchEvent::Lost(why.to_string())
    }
}
