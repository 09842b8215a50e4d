//! The way to the real server: an address, TLS, registration, a WebSocket.

mod endpoint;
mod register;
mod websocket;

pub(crate) use endpoint::Endpoint;
pub(crate) use register::{Credentials, Registration, register};
pub(crate) use websocket::WebSocketConnector;
