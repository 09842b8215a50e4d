//! How dispatch behaves.

use std::time::Duration;

use contract_values::Secret;
use control_plan::Vault;

/// How dispatch behaves; the default fits everybody.
#[derive(Clone, Debug)]
pub struct DispatchOptions {
    /// The server's version, as agents are told.
    pub version: String,
    /// Time between heartbeats, in whole seconds. A link that is silent for three is dead.
    pub heartbeat: Duration,
    /// How long an agent may take to say hello.
    pub hello: Duration,
    /// How long an old link may take to show that it lives, when a second agent comes with its identity.
    pub probe: Duration,
    /// For how long changes are folded before assignments are derived.
    pub fold: Duration,
    /// For how long reports are gathered before they are written.
    pub gather: Duration,
    /// How many reports go into one transaction.
    pub batch: usize,
    /// How many reports may wait to be written; agents are read more slowly when it is full.
    pub queue: usize,
    /// For how long after the start hosts that were connected before may take to come back before they count as away.
    pub start_grace: Duration,
    /// How long an agent may take to read 16 KiB before it is cut off.
    pub write_limit: Duration,
    /// How long opening a stream may take.
    pub open_limit: Duration,
    /// How many frames wait on each side of a stream.
    pub stream_frames: usize,
    /// Opens what is sealed, for the hosts that run its users.
    pub vault: Vault,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            heartbeat: Duration::from_secs(10),
            hello: Duration::from_secs(10),
            probe: Duration::from_secs(5),
            fold: Duration::from_millis(20),
            gather: Duration::from_millis(20),
            batch: 256,
            queue: 1024,
            start_grace: Duration::from_secs(40),
            write_limit: Duration::from_secs(20),
            open_limit: Duration::from_secs(10),
            stream_frames: 16,
            // No installation has this key: what is sealed stays so until the right one is given.
            vault: Vault::new(&Secret::default()),
        }
    }
}

impl DispatchOptions {
    /// How long a link may be silent.
    pub(crate) fn silence(&self) -> Duration {
        3 * Duration::from_secs(u64::from(self.heartbeat_seconds()))
    }

    pub(crate) fn heartbeat_seconds(&self) -> u32 {
        u32::try_from(self.heartbeat.as_secs()).unwrap_or(u32::MAX).max(1)
    }
}
