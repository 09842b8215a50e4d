//! Plans that take room on hosts are made and written one after the other.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// One placement at a time. Two plans made from one picture could both take the last port of a host; their commits would
/// both be valid, because they write different rows.
#[derive(Debug, Default)]
pub(crate) struct PlacementLocks {
    all: Arc<Mutex<()>>,
}

impl PlacementLocks {
    /// Waits for the turn.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.all.clone().lock_owned().await
    }
}
