//! From a request to a write in the store: the API, who may use it, and its sockets.
//!
//! Four rooms, each with its door to the next: `routes` turns HTTP into calls and answers into documents and is the
//! only place that knows status codes; `app` checks what the request means and writes intents; `auth` says who asks
//! and in which role; `ws` carries what does not end with one answer. A route never writes past `app`, and `app`
//! knows no HTTP.
//!
//! The schema of a role is its rights: what it does not hold cannot be asked for. Whatever is outside the schemas
//! (sign-in, scripts, sockets, agents) stands in one table with its rule, and what has no rule is refused.
//!
//! This crate must never decide what runs where (that is `control-plan`), never call a host, and know no
//! controller. What it needs of hosts it asks through [`AgentLinks`] and [`AgentAcceptor`], which others implement.

pub mod app;
pub mod auth;
mod launch;
mod present;
mod routes;
mod ws;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use contract_link::BoxedIo;
use contract_protocol::StreamRequest;
use contract_values::{HostId, Secret, Timestamp};
use control_store::Store;
use tokio::sync::{Semaphore, watch};

pub use app::setup::{FirstCredentials, Installation, SetupError, ensure_installed};
pub use auth::proxies::{AddressBlock, AddressBlockError, TrustedProxies};
pub use launch::{config_of, spec_of};
pub use routes::{Peer, router};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Fills bytes with randomness.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Reaches the agents of hosts.
#[async_trait]
pub trait AgentLinks: Send + Sync {
    /// Opens a stream to a host and sends the request; what follows are frames of [`contract_protocol::StreamFrame`].
    ///
    /// # Errors
    /// Says why there is no stream, in words for people.
    async fn open_stream(&self, host: HostId, request: StreamRequest) -> Result<BoxedIo, OpenStreamError>;
}

/// Why a stream to a host could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStreamError {
    /// Its agent is not connected.
    #[error("the agent of the host is not connected")]
    Away,
    /// The connection failed.
    #[error("the connection to the host failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Takes the connections that agents make.
#[async_trait]
pub trait AgentAcceptor: Send + Sync {
    /// Serves the connection of a host's agent until it ends.
    async fn accept(&self, host: HostId, remote: SocketAddr, io: BoxedIo);
}

/// What an operator set when the server was started.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// The version of the program.
    pub version: String,
    /// The agent's program for each architecture, as `x86_64` or `aarch64`.
    pub agent_programs: BTreeMap<String, PathBuf>,
    /// The certificate of the authority that signed the server's, in PEM.
    pub ca_certificate: Option<String>,
    /// The SHA-256 of the server's certificate in hex, for agents to pin.
    pub certificate_hash: Option<String>,
    /// The SHA-256 of the certificate's public key in base64, for `curl --pinnedpubkey`.
    pub public_key_hash: Option<String>,
    /// The proxies whose word is taken on how a client reached us.
    pub trusted_proxies: TrustedProxies,
}

/// Everything that the API is made of.
pub struct App {
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// The way to hosts.
    pub agents: Arc<dyn AgentLinks>,
    /// Who takes agents' connections.
    pub acceptor: Arc<dyn AgentAcceptor>,
    /// What [`ensure_installed`] returned.
    pub installation: Installation,
    /// What the operator set.
    pub settings: ServerSettings,
    /// Turns true when the server stops; open sockets then end.
    pub shutdown: watch::Receiver<bool>,
}

/// What all requests share.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) agents: Arc<dyn AgentLinks>,
    pub(crate) acceptor: Arc<dyn AgentAcceptor>,
    pub(crate) settings: ServerSettings,
    pub(crate) install_uuid: String,
    pub(crate) signer: auth::token::Signer,
    pub(crate) vault: control_plan::Vault,
    pub(crate) logins: auth::limit::LoginLimit,
    pub(crate) readiness: app::readiness::Readiness,
    pub(crate) launches: present::launches::Launches,
    pub(crate) views: present::views::Views,
    /// How many password hashes are worked out at once: each takes memory and a core.
    pub(crate) slow_hashes: Semaphore,
    /// The hash that a sign-in with an unknown name is compared with.
    pub(crate) no_password: String,
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// How many password hashes are worked out at once.
const SLOW_HASHES: usize = 2;

impl Shared {
    fn new(app: App) -> Self {
        let App { store, clock, random, agents, acceptor, installation, settings, shutdown } = app;
        let Installation { key, uuid, first: _ } = installation;
        let no_password = auth::secret::hash_of_nobody(&random);
        Self {
            store,
            clock,
            random,
            agents,
            acceptor,
            settings,
            install_uuid: uuid,
            vault: control_plan::Vault::new(&key),
            signer: auth::token::Signer::new(Secret::new(key.expose().to_owned())),
            logins: auth::limit::LoginLimit::default(),
            readiness: app::readiness::Readiness::default(),
            launches: present::launches::Launches::default(),
            views: present::views::Views::default(),
            slow_hashes: Semaphore::new(SLOW_HASHES),
            no_password,
            shutdown,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// Waits until the server stops, or is gone altogether.
pub(crate) async fn stopping(shutdown: &mut watch::Receiver<bool>) {
    // An error says that nobody can ask for a stop any more, which only happens after one.
    let _ = shutdown.wait_for(|stopping| *stopping).await;
}
