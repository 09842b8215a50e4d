//! How a store behaves.

use std::path::PathBuf;

use contract_values::Duration;

/// How a store behaves; the default fits everybody.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// How many entries of the change feed are kept.
    pub keep_changes: u64,
    /// How long entries of the change feed are kept, if they are not too many.
    pub keep_changes_for: Duration,
    /// How many removed rows are kept.
    pub keep_removed: usize,
    /// How long removed rows are kept, if they are not too many.
    pub keep_removed_for: Duration,
    /// How many batches of changes a slow reader of a watch may be behind before it is cut off.
    pub watch_capacity: usize,
    /// How many transactions may wait for the writer; who comes later waits to be let in.
    pub queue: usize,
    /// How many transactions may share one flush of the disk.
    pub group: usize,
    /// How often to look for writes of other servers whose nudge was lost.
    pub poll: Duration,
    /// How long a lost connection is sought again before those who wait are told.
    pub reconnect_for: Duration,
    /// How long the outcome of a commit is looked up after a lost connection before it is given up as unknown.
    pub resolve_for: Duration,
    /// A file with the certificates of the authorities to trust, for PostgreSQL with TLS; the system's when `None`.
    pub root_certificates: Option<PathBuf>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            keep_changes: 100_000,
            keep_changes_for: Duration::seconds(24 * 3600),
            keep_removed: 20_000,
            keep_removed_for: Duration::seconds(48 * 3600),
            watch_capacity: 1024,
            queue: 1024,
            group: 512,
            poll: Duration::seconds(2),
            reconnect_for: Duration::seconds(5),
            resolve_for: Duration::seconds(30),
            root_certificates: None,
        }
    }
}
