//! The client against small servers that speak the documented wire.

#![allow(clippy::unwrap_used)]

mod proxy;
mod requests;
mod server;
mod sockets;
mod trust;
