#![allow(clippy::unwrap_used, reason = "tests may panic")]

//! The API over a real store and real sockets.

mod access;
mod agents;
mod keys;
mod lists;
mod objects;
mod proxies;
mod sockets;
mod streams;
mod urls;
mod world;
