//! The client of the API: what every program that talks to a server uses, the command line first of all.
//!
//! It speaks the documented wire and nothing else, so that whatever it can do, anybody's client can do. It knows how
//! to reach a server safely (certificate pins, own authorities), how to say who is asking, how to find objects by
//! id and by name, how to wait for a change without asking all the time, and how to read the sockets for
//! output and consoles. It decides nothing and prints nothing.
//!
//! Three rules keep callers out of trouble. Requests that change something are sent once: only a request that
//! cannot have had an effect is repeated. Links in answers are followed by their path alone, on the server that was
//! named at the start, so keys never travel to another one. Secrets are [`contract_values::Secret`] and show up in no
//! error.

mod address;
mod client;
mod engine;
mod error;
mod exec;
mod logs;
mod objects;
mod proxy;
mod resources;
mod retry;
mod schemas;
mod settings;
mod socket;
mod stats;
mod tls;
mod wait;
mod watch;

pub use address::{AddressError, ServerAddress};
pub use client::{Client, ClientOptions, Credentials, Query};
pub use contract_tls::{Pin, PinError, ServerCertificate, Trust, TrustError};
pub use engine::{EngineAnswer, EngineBody, EngineStream, HostEngine};
pub use error::{ApiError, ClientError};
pub use exec::{ExecEvent, ExecInput, ExecOptions, ExecOutput};
pub use logs::{LogLine, LogOptions, LogSource, LogStream};
pub use objects::{
    ApiKey, Container, Endpoint, Host, LaunchView, Meta, Mount, Object, Project, Reason, RegistrationToken,
    Resource, Service, Setting, Stack, Volume,
};
pub use proxy::{Proxies, ProxyError};
pub use resources::Collection;
pub use retry::Backoff;
pub use schemas::{SchemaInfo, Schemas};
pub use settings::{ConfigError, ConfigFile, Context, Origin, Setting as Given, Settings, UnknownContext};
pub use stats::StatsStream;
pub use tls::peek_certificate;
pub use wait::WaitError;
pub use watch::{Watch, WatchEvent};

#[cfg(test)]
mod tests;
