//! Waiting for an object to get somewhere.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::error::ClientError;
use crate::objects::Object;
use crate::watch::{Watch, WatchEvent};

/// Changes are told; this only covers what a subscription could have missed.
const POLL: Duration = Duration::from_secs(5);

/// Why waiting ended without what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The time is over.
    #[error("after {seconds} s it was still {state}{}", message.as_ref().map(|m| format!(" ({m})")).unwrap_or_default())]
    TimedOut {
        /// How long was waited.
        seconds: u64,
        /// The state that was seen last.
        state: String,
        /// What the server said about it.
        message: Option<String>,
    },
    /// The server could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Client {
    /// Waits until `done` says so of an object, or it is gone (`None`). A server that is away for a while is waited for.
    ///
    /// # Errors
    /// Fails when the time is over, or when asking again cannot help.
    pub async fn wait<T: Object>(
        &self,
        id: &str,
        limit: Duration,
        mut done: impl FnMut(&T) -> bool,
    ) -> Result<Option<T>, WaitError> {
        let until = Instant::now() + limit;
        let mut watch = self.watch();
        let mut last: Option<T> = None;
        loop {
            match self.find::<T>(id).await {
                Ok(None) => return Ok(None),
                Ok(Some(object)) if object.meta().is_removed() || done(&object) => return Ok(Some(object)),
                Ok(Some(object)) => last = Some(object),
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error.into()),
            }
            let news = tokio::time::timeout_at(until, next_about(&mut watch, id));
            match news.await {
                Ok(news) => news?,
                Err(_) => {
                    let meta = last.as_ref().map(Object::meta);
                    return Err(WaitError::TimedOut {
                        seconds: limit.as_secs_f64().round() as u64,
                        state: meta.map_or_else(|| "unknown".to_owned(), |meta| meta.state.clone()),
                        message: meta.and_then(|meta| meta.transitioning_message.clone()),
                    });
                }
            }
        }
    }
}

/// Returns when there is reason to look again.
async fn next_about(watch: &mut Watch, id: &str) -> Result<(), ClientError> {
    let poll = tokio::time::sleep(POLL);
    tokio::pin!(poll);
    loop {
        tokio::select! {
            () = &mut poll => return Ok(()),
            event = watch.next() => match event? {
                WatchEvent::Connected | WatchEvent::Lost(_) => return Ok(()),
                WatchEvent::Changed(resource) if resource.meta.id == id => return Ok(()),
                WatchEvent::Changed(_) => {}
            },
        }
    }
}
