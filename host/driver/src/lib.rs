//! The seams between the agent and the world.
//!
//! The agent decides; whatever it touches stands behind a trait in this crate: the container engine ([`Engine`]),
//! the clock ([`Clock`]), chance ([`Random`]) and the folder that holds its state ([`Disk`]). So one and the same
//! agent runs on a host and inside a simulation with a paused clock and faults from a seed.
//!
//! For each seam there is the real thing or the place where it lives (`host-docker` for engines), and a fake that
//! behaves like it. [`conformance`] is what keeps a fake honest: the same suite runs against [`fake::FakeEngine`]
//! and against a real engine, and every promise that the agent relies on is a check in there.
//!
//! This crate must never know Docker's API or the kernel's network: it says what is needed, not how it is done.

mod clock;
pub mod conformance;
mod disk;
mod engine;
mod error;
pub mod fake;
mod files;
mod limits;
mod random;

pub use clock::{Clock, PausedClock, SystemClock};
pub use disk::{Disk, DiskFault, FolderDisk, MemoryDisk};
pub use engine::{
    ByteOutput, ByteStream, ContainerState, ContainerSummary, ContainerView, CreateRequest, Engine,
    EngineEvent, EventKind, EventStream, ExecControl, ExecSession, JsonStream, MountedFile, NetworkView,
    OutputChunk, OutputStream, PullProgress, Upload,
};
pub use error::{EngineError, ObjectKind};
pub use files::{Files, FolderFiles, MemoryFiles, PlacedFile};
pub use limits::Limits;
pub use random::{Random, SeededRandom, SystemRandom};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
