//! What time it is.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use contract_values::{Duration, Timestamp};
use tokio::time::Instant;

/// Tells the time of day. Waiting is `tokio::time`, which a test pauses.
pub trait Clock: Debug + Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;
}

/// The host's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that goes with tokio's, so that a paused runtime pauses it too.
#[derive(Clone, Copy, Debug)]
pub struct PausedClock {
    start: Timestamp,
    origin: Instant,
}

impl PausedClock {
    /// A clock that shows `start` now.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: Instant::now() }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        self.start + Duration::millis(i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}
