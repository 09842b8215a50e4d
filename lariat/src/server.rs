//! `lariat server`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::Args;
use control_server::{ServerConfig, TlsMode, TrustedProxies};

use crate::log::{self, LogFormat};

/// Threads beyond these cost memory and gain nothing.
const MOST_THREADS: usize = 4;

/// Run the server: the API, the database and the controllers
///
/// Everything that must survive is in the data folder. The first start makes an administrator with a random password
/// and a key, and shows them once.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of the server")]
pub struct Server {
    /// Where to listen; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080")]
    listen: Vec<String>,
    /// Where everything that must survive is kept
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/lariat/server")]
    data_dir: PathBuf,
    /// The database: sqlite:FILE or postgres://user:password@host/name
    /// [default: a file in the data folder] [variable: LARIAT_DATABASE_URL]
    #[arg(long, value_name = "URL", env = "LARIAT_DATABASE_URL", hide_env = true, hide_env_values = true)]
    database: Option<String>,
    /// Encrypt: `auto` makes a certificate for clients to pin, `off` does not encrypt
    #[arg(long, value_name = "off|auto", default_value = "off", conflicts_with = "tls_cert")]
    tls: String,
    /// Encrypt with this certificate chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authority that signed the certificate, in PEM, where hosts do not know it
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// Believe `X-Forwarded-…` headers from this address or block only, such as 10.0.0.0/8; may be given several
    /// times; `none` believes nobody [default: this machine] [variable: LARIAT_TRUSTED_PROXIES]
    #[arg(
        long = "trusted-proxy",
        value_name = "ADDRESS",
        env = "LARIAT_TRUSTED_PROXIES",
        hide_env = true,
        value_delimiter = ','
    )]
    trusted_proxies: Vec<String>,
    /// Write the first administrator's password and key here, instead of printing them
    #[arg(long, value_name = "FILE")]
    bootstrap_file: Option<PathBuf>,
    /// Give the first administrator a new password and key, and show them as the first ones were
    #[arg(long)]
    reset_admin: bool,
    /// Write the addresses here that are listened on, one URL a line, once requests are answered
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
    /// The form of the log
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "text|json")]
    log_format: LogFormat,
    /// What is logged, such as `debug` or `info,control_http=debug`
    #[arg(long, value_name = "FILTER", env = "LARIAT_LOG", hide_env = true, default_value = "info")]
    log: String,
}

impl Server {
    fn config(&self) -> Result<ServerConfig, String> {
        let mut listen: Vec<SocketAddr> = Vec::new();
        for text in &self.listen {
            let found = text
                .to_socket_addrs()
                .map_err(|error| format!("`{text}` is nothing to listen on: {error}"))?
                .next()
                .ok_or_else(|| format!("`{text}` is nothing to listen on"))?;
            listen.push(found);
        }
        let tls = match (&self.tls_cert, &self.tls_key, self.tls.as_str()) {
            (Some(certificate), Some(key), _) => TlsMode::Files {
                certificate: certificate.clone(),
                key: key.clone(),
                authority: self.tls_ca.clone(),
            },
            (_, _, "auto") => TlsMode::Auto,
            (_, _, "off") => TlsMode::Off,
            (_, _, other) => return Err(format!("--tls is `off` or `auto`, not `{other}`")),
        };
        Ok(ServerConfig {
            listen,
            database: self.database.clone(),
            tls,
            bootstrap_file: self.bootstrap_file.clone(),
            reset_admin: self.reset_admin,
            address_file: self.address_file.clone(),
            trusted_proxies: TrustedProxies::parse(&self.trusted_proxies)
                .map_err(|error| format!("--trusted-proxy: {error}"))?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..ServerConfig::new(self.data_dir.clone())
        })
    }
}

/// Runs the server until it is asked to end; gives the exit code.
pub fn run(options: Server) -> i32 {
    let config = match options.config().and_then(|config| {
        log::start(options.log_format, &options.log)?;
        Ok(config)
    }) {
        Ok(config) => config,
        Err(what) => {
            eprintln!("error: {what}");
            return 2;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "could not start");
                return 1;
            }
        };
    match runtime.block_on(control_server::run(config, log::asked_to_end())) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{}", log::chain(&error));
            1
        }
    }
}
