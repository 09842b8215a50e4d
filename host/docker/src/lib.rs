//! The container engine is Docker's, or one that speaks its API.
//!
//! [`DockerEngine`] is the agent's [`host_driver::Engine`] over the engine's socket. Typed calls go through bollard;
//! what is only passed on (logs, consoles, figures, the making of a container with every field of our own spec) goes
//! through a small HTTP client beside it, because a type in between would lose or refuse what it does not know.
//!
//! The version of the API is negotiated with the engine whenever it comes up, so an engine that was replaced by
//! another version under a running agent is served as before. There is one connection per call: an engine that
//! restarts leaves nothing behind that would have to be noticed.
//!
//! This crate must never decide anything: it carries out, and says in a closed set of words what went wrong.

#![recursion_limit = "256"]

mod api;
mod create;
mod demux;
mod engine;
mod failure;
mod view;

pub use engine::DockerEngine;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
