//! The agent role: makes a host what the server says it shall be, and tells what it sees.
//!
//! The agent dials out, receives the complete assignment and then changes, writes each to its disk before it acts
//! on it, compares what shall be with what the engine has, does one step per container at a time, and reports
//! through an outbox until the server has acknowledged. Without a server it goes on with what it knows; after a
//! reboot it brings everything back from its ledger.
//!
//! What it must never do:
//! - change a container that does not carry this host's own label, except by an order about that very container;
//! - remove anything while it has never received a complete assignment, because an empty ledger knows nothing;
//! - remove a volume, but by an explicit order;
//! - write a secret to a disk unsealed;
//! - act on an assignment that is not on its disk, or on orders of a server that is no longer in office;
//! - poll what events tell.
//!
//! The rooms: `core` decides and does no I/O; `decide` is its pure heart; `journal` and `ledger` keep its state;
//! `steps` carries out what it decides; `session` talks to the server; `agent` turns the wheel. Everything outside
//! stands behind a seam ([`Seams`]), so that simulations run this very code.

mod agent;
mod config;
mod connect;
mod core;
mod decide;
mod journal;
mod ledger;
mod outbox;
mod probe;
mod session;
mod step;
mod steps;
mod streams;
mod vault;
mod world;

pub use agent::{AgentError, HostIdentity, Seams, Standing, run_agent};
pub use config::{AgentConfig, Surroundings, run, run_in};
pub use core::Counters;
pub use probe::{LinuxProbe, Probe};
pub use session::{ConnectError, Connector};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
