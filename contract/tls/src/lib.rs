//! How a server proves to a client or an agent that it is the server.
//!
//! There are three ways. An authority that the machine knows vouches for it; an authority whose certificate the user
//! gave vouches for it; or its certificate has the hash that the user gave, a *pin*, which a person carried from the
//! server to the client and which needs no authority at all.
//!
//! A pinned certificate that the server presents as its own proves itself by the key behind it, which the handshake
//! asks for, so neither its name nor its age counts: the person who carried the pin vouches for it. A pinned
//! certificate further up the chain is no proof by being there, since anybody can send it along: then the
//! server's own certificate must have been issued under it, for this name and this time.
//!
//! There is one TLS library and one provider of cryptography in the house, and this room is where it is chosen. It does
//! no I/O but reading certificates from files.

mod pin;
mod trust;
mod verifier;

pub use pin::{Pin, PinError, ServerCertificate};
pub use trust::{Trust, TrustError, system_vouches_for_anybody, trust_nobody};
pub use verifier::{Onlooker, distrust};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
