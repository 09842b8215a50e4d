//! What an operator says when the server is started.

use std::net::SocketAddr;
use std::path::PathBuf;

use control_http::TrustedProxies;

/// How the door is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Not at all: for this machine alone, or behind a proxy that does it.
    #[default]
    Off,
    /// With a certificate that the server makes for itself once; clients pin its hash.
    Auto,
    /// With a certificate of the operator's.
    Files {
        /// The chain, in PEM, the server's own certificate first.
        certificate: PathBuf,
        /// Its key, in PEM.
        key: PathBuf,
        /// The authority that signed it, in PEM, where hosts do not know it.
        authority: Option<PathBuf>,
    },
}

/// What an operator says when the server is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Where everything that must survive is kept.
    pub data_folder: PathBuf,
    /// The database; one in the data folder when `None`.
    pub database: Option<String>,
    /// How the door is encrypted.
    pub tls: TlsMode,
    /// Where the first administrator's password and key are written; the output when `None`.
    pub bootstrap_file: Option<PathBuf>,
    /// Gives the first administrator a new password and key, which are shown as the first ones were.
    pub reset_admin: bool,
    /// Where the addresses are written that are listened on, one URL a line, once requests are answered.
    pub address_file: Option<PathBuf>,
    /// The proxies whose word is taken on how a client reached the server.
    pub trusted_proxies: TrustedProxies,
    /// The version of the program.
    pub version: String,
}

impl ServerConfig {
    /// The usual server with everything in one folder.
    pub fn new(data_folder: PathBuf) -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 8080))],
            data_folder,
            database: None,
            tls: TlsMode::Off,
            bootstrap_file: None,
            reset_admin: false,
            address_file: None,
            trusted_proxies: TrustedProxies::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
