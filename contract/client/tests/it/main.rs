//! The client against small servers that speak the documented wire.

mod requests;
mod server;
mod sockets;
mod trust;
