//! Waiting for an object to get somewhere.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::error::ClientError;
use crate::objects::{Meta, Object, Resource};
use crate::resources::Collection;
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
        done: impl FnMut(&T) -> bool,
    ) -> Result<Option<T>, WaitError> {
        self.wait_for(id, limit, || self.find::<T>(id), |object| object.meta(), done).await
    }

    /// As [`Client::wait`], for a type that is only known by name.
    ///
    /// # Errors
    /// As [`Client::wait`].
    pub async fn wait_in(
        &self,
        collection: Collection,
        id: &str,
        limit: Duration,
        done: impl FnMut(&Resource) -> bool,
    ) -> Result<Option<Resource>, WaitError> {
        self.wait_for(id, limit, || self.find_in(collection, id), |resource| &resource.meta, done).await
    }

    async fn wait_for<T, F: Future<Output = Result<Option<T>, ClientError>>>(
        &self,
        id: &str,
        limit: Duration,
        find: impl Fn() -> F,
        meta: impl Fn(&T) -> &Meta,
        mut done: impl FnMut(&T) -> bool,
    ) -> Result<Option<T>, WaitError> {
        let until = Instant::now() + limit;
        let mut watch = self.watch();
        let mut last: Option<T> = None;
        loop {
            match find().await {
                Ok(None) => return Ok(None),
                Ok(Some(object)) if meta(&object).is_removed() || done(&object) => return Ok(Some(object)),
                Ok(Some(object)) => last = Some(object),
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error.into()),
            }
            let news = tokio::time::timeout_at(until, next_about(&mut watch, id));
            match news.await {
                Ok(news) => news?,
                Err(_) => {
                    let meta = last.as_ref().map(meta);
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
            event = watch.next() => match event {
                Ok(WatchEvent::Connected | WatchEvent::Lost(_)) => return Ok(()),
                Ok(WatchEvent::Changed(resource)) if resource.meta.id == id => return Ok(()),
                Ok(WatchEvent::Changed(_)) => {}
                // Who may look but not listen goes on looking.
                Err(ClientError::Api(_)) => {
                    poll.await;
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
        }
    }
}
