//! Following the change feed.

use std::sync::Arc;

use control_model::Tables;
use tokio::sync::broadcast;

use crate::store::Change;

/// Some changes, in order, and the picture with them.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The entries of the feed. A row that is not in the picture is gone for good.
    pub changes: Arc<[Change]>,
    /// The picture that includes them.
    pub tables: Arc<Tables>,
}

/// The reader was too slow and has missed changes: take a new watch and list again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader has missed changes")]
pub struct Lagged;

#[derive(Clone, Debug)]
pub(crate) enum Message {
    Changes(Changes),
    /// The picture was loaded anew, and what changed in between is not known.
    Reset,
}

/// A consistent picture and all that follows it.
#[derive(Debug)]
pub struct Watch {
    tables: Arc<Tables>,
    messages: broadcast::Receiver<Message>,
    lagged: bool,
}

impl Watch {
    pub(crate) const fn new(tables: Arc<Tables>, messages: broadcast::Receiver<Message>) -> Self {
        Self { tables, messages, lagged: false }
    }

    /// The picture at the start, before the first change.
    pub fn tables(&self) -> Arc<Tables> {
        self.tables.clone()
    }

    /// Waits for the next changes. When the store closes it waits for ever. It may be dropped and called again.
    ///
    /// # Errors
    /// Returns [`Lagged`] once changes were missed, and from then on.
    pub async fn next(&mut self) -> Result<Changes, Lagged> {
        if self.lagged {
            return Err(Lagged);
        }
        match self.messages.recv().await {
            Ok(Message::Changes(changes)) => Ok(changes),
            Ok(Message::Reset) | Err(broadcast::error::RecvError::Lagged(_)) => {
                self.lagged = true;
                Err(Lagged)
            }
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
