//! The server role: opens the store, starts what stands on it, listens, and takes all of it down in order.
//!
//! Nothing is decided here. The order is what matters: the store first, because everything reads it; then the links to
//! hosts, because a controller must not take the server's own absence for that of a host; then the controllers; the
//! door for people last. Going down is the reverse, and a clean stop leaves nothing that a crash would not leave: the
//! path after a crash is the everyday path.
//!
//! The first start on an empty store makes the accounts and the project that scripts know, with a random password and
//! a key, in one transaction. They are shown once, in a file that only the owner reads or on the output, and never
//! again.

mod adapters;
mod config;
mod door;
mod files;
mod first;
mod key;
mod run;
mod seams;
mod tls;

pub use config::{ServerConfig, TlsMode};
pub use control_http::{AddressBlockError, TrustedProxies};
pub use first::WayInError;
pub use run::{Ready, ServerError, Tuning, run, run_with};

#[cfg(test)]
mod tests;
