//! Time and chance.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract_values::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::time::Instant;

/// The day on which every simulation begins.
const BEGINNING: i64 = 1_750_000_000_000;

/// A clock that goes with tokio's; a host's may be wrong.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    origin: Instant,
    wrong_by: i64,
}

impl SimClock {
    /// The right time, from now on.
    pub fn start() -> Self {
        Self { origin: Instant::now(), wrong_by: 0 }
    }

    /// The same clock, so many milliseconds ahead.
    #[must_use]
    pub const fn wrong_by(self, millis: i64) -> Self {
        Self { wrong_by: millis, ..self }
    }

    fn time(&self) -> Timestamp {
        let passed = i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp(BEGINNING + passed + self.wrong_by)
    }

    /// How much time has passed since the beginning.
    pub fn passed(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl control_model::Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

impl host_driver::Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

/// Chance from a seed. Clones draw from one sequence; forks have their own.
#[derive(Clone, Debug)]
pub struct Chance(Arc<Mutex<StdRng>>);

impl Chance {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A sequence of its own, so that one part of the world does not change what another draws.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.draw())
    }

    /// A number.
    pub fn draw(&self) -> u64 {
        self.with(|rng| rng.next_u64())
    }

    /// A number from 0 up to, but not including, `end`.
    pub fn below(&self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.with(|rng| rng.random_range(0..end)) }
    }

    /// Whether something happens that does so in `part` of `of` cases.
    pub fn happens(&self, part: u64, of: u64) -> bool {
        self.below(of) < part
    }

    /// One of a list.
    pub fn pick<'a, T>(&self, list: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(list.len()).unwrap_or(u64::MAX));
        list.get(usize::try_from(index).unwrap_or(0))
    }

    /// A span of time.
    pub fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to.saturating_sub(from) + 1))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().expect("drawing a number does not panic"))
    }
}

impl control_model::Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        self.with(|rng| rng.fill_bytes(bytes));
    }
}

impl host_driver::Random for Chance {
    fn next_u64(&self) -> u64 {
        self.draw()
    }
}
