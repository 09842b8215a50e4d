//! The client against small servers that speak the documented wire.

#![allow(clippy::unwrap_used)]

mod engine;
mod proxy;
mod requests;
mod server;
mod sockets;
mod trust;
