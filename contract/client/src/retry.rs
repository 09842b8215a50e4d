//! Delays that grow.

use std::time::Duration;

/// Gives the delay before each new try: doubling, with a bound, spread by a number that the caller draws.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// Starts with `first` and never exceeds `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, tries: 0 }
    }

    /// The delay before the next try. `spread` is any number; clients that draw different ones do not come back
    /// all at once.
    pub fn next(&mut self, spread: u64) -> Duration {
        let full = self.first.saturating_mul(1 << self.tries.min(16)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        let half = full / 2;
        half + half.mul_f64((spread % 1000) as f64 / 999.0)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

/// A number that differs between processes and calls; it guards nothing, it only spreads load.
pub(crate) fn spread() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
