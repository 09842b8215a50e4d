#![allow(clippy::unwrap_used, reason = "tests may panic")]

//! The API over a real store and real sockets.

mod access;
mod agents;
mod audit;
mod classes;
mod clients;
mod derived;
mod keeps;
mod keys;
mod lists;
mod long_lists;
mod objects;
mod proxies;
mod sockets;
mod streams;
mod urls;
mod world;
