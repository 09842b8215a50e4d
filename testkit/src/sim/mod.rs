//! The whole system in one process, on a clock that stands still, with all chance drawn from one seed.
//!
//! What runs is what ships: the store, dispatch, the controllers, and one real agent for each host. Only what lies
//! outside is played: the database and the agents' disks are memory that survives a crash, the engines are
//! [`host_driver::fake::FakeEngine`], the network is [`net`], which delays, holds back and cuts, and the user is
//! [`World`], which writes intents as the API does and remembers each that was acknowledged.
//!
//! ```ignore
//! simulate(|w| {
//!     w.hosts(3);
//!     let web = w.service("web", scale(6));
//!     w.settle();
//!     w.cut_off("host-2");
//!     w.settle();
//!     w.expect_running(web, 6);
//! });
//! ```
//!
//! All along, [`check`] looks at every change of the store and at every engine: a container is on one host and its
//! row never moves; a run never goes backwards; no two containers that stay hold one port of a host; a copy that
//! serves is not stopped before its successor; the change feed has no gap; what was acknowledged stays. Once the
//! faults end, everything must come to rest, and then what runs must be what was asked for, no more and no less.
//!
//! A seed decides the faults, the network and all identities. The order in which tokio looks at branches that are
//! ready at the same instant is its own, which makes about one seed in fifteen differ by a write or two from run to
//! run. Built with `RUSTFLAGS="--cfg tokio_unstable"` (in a target folder of its own) a seed replays exactly.
//! `LARIAT_SIM_SEED` runs one seed, `LARIAT_SIM_SEEDS` so many, and `LARIAT_SIM_SECONDS` as many as fit, from
//! `LARIAT_SIM_FROM` on.

mod chance;
mod chaos;
pub mod check;
mod host;
pub mod net;
mod planted;
mod server;
mod spec;
mod user;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

pub use chance::{Chance, SimClock};
pub use chaos::Chaos;
pub use host::SimHost;
pub use planted::Planted;
pub use spec::{ServiceSpec, job, scale};
pub use world::World;

/// How many seeds a simulation runs through when nobody says.
const SEEDS: u64 = 4;

/// Runs a simulation with several seeds; one that fails says its seed.
pub fn simulate(play: impl Fn(&mut World)) {
    simulate_seeds(SEEDS, play);
}

/// Runs a simulation with so many seeds, unless the environment says otherwise.
pub fn simulate_seeds(count: u64, play: impl Fn(&mut World)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.trim().parse::<u64>().ok());
    if let Some(seed) = number("LARIAT_SIM_SEED") {
        one(seed, &play);
        return;
    }
    if let Some(seconds) = number("LARIAT_SIM_SECONDS") {
        let (start, limit) = (Instant::now(), Duration::from_secs(seconds));
        let mut seed = number("LARIAT_SIM_FROM").unwrap_or(1);
        let first = seed;
        while start.elapsed() < limit {
            one(seed, &play);
            seed += 1;
        }
        eprintln!("{} seeds held, {first} to {}", seed - first, seed - 1);
        return;
    }
    let count = number("LARIAT_SIM_SEEDS").unwrap_or(count);
    for seed in 1..=count {
        one(seed, &play);
    }
}

fn one(seed: u64, play: &impl Fn(&mut World)) {
    let mut world = World::new(seed);
    let result = catch_unwind(AssertUnwindSafe(|| {
        play(&mut world);
        world.end();
    }));
    if let Err(panic) = result {
        let story = catch_unwind(AssertUnwindSafe(|| world.story())).unwrap_or_default();
        eprintln!(
            "the simulation failed; run it again with LARIAT_SIM_SEED={seed}\nits last steps:\n{story}"
        );
        resume_unwind(panic);
    }
}

/// Plays with a planted fault until a seed fails; returns what was noticed. For the check of the checks.
pub fn noticed(seeds: u64, planted: Planted, play: impl Fn(&mut World)) -> Option<String> {
    (1..=seeds).find_map(|seed| {
        let mut world = World::new(seed);
        world.plant(planted);
        let result = catch_unwind(AssertUnwindSafe(|| {
            play(&mut world);
            world.end();
        }));
        let panic = result.err()?;
        let text = panic.downcast_ref::<String>().cloned();
        Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
    })
}
