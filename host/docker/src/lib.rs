//! The engine driver over Docker's API.
//!
//! [`DockerEngine`] is what the agent drives on a real host: Docker Engine 20.10 and later, or whatever speaks its API on
//! a local socket. It translates and nothing else: a [`contract_protocol::ContainerSpec`] into the engine's words by one
//! total function, the engine's words into the agent's, and its errors into the closed set that the server can
//! explain. It keeps no state but the negotiated version, so an engine that was killed and came back, or was
//! replaced by another version, needs no care.
//!
//! This crate must never decide: whether to start, retry or remove something is the agent's business.

mod create;
mod engine;
mod errors;
mod view;

pub use engine::DockerEngine;

#[cfg(test)]
mod tests;
