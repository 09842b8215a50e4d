//! The agent as a process: over real sockets, and on real engines.

#![allow(clippy::unwrap_used)]

mod connect;
mod lab;
mod server;
