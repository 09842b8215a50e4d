//! The life of a server.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use control_controllers::Controllers;
use control_dispatch::{Dispatch, DispatchOptions, StartError};
use control_http::{App, ServerSettings, router};
use control_model::{Clock as _, Random as _};
use control_plan::{Settings, Vault};
use control_store::{OpenError, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapters::Links;
use crate::config::ServerConfig;
use crate::door::Door;
use crate::first::{WayIn, WayInError};
use crate::key;
use crate::seams::{SystemClock, SystemRandom};
use crate::tls::{self, TlsError};

/// How long everything may take to end.
const FAREWELL: Duration = Duration::from_secs(15);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data folder cannot be used.
    #[error("could not use the data folder `{path}`")]
    DataFolder {
        /// The folder.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another server uses the data folder.
    #[error("another server is running on the data folder `{path}`")]
    InUse {
        /// The folder.
        path: String,
    },
    /// The database cannot be used.
    #[error("could not open the database")]
    Open(#[source] OpenError),
    /// The database cannot be set up, or its administrator's way in not made.
    #[error(transparent)]
    WayIn(#[from] WayInError),
    /// The installation's key cannot be used.
    #[error("could not use the installation's key `{path}`")]
    Key {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The links to hosts cannot be started.
    #[error("could not start the links to hosts")]
    Links(#[source] StartError),
    /// The certificate cannot be used.
    #[error("could not set up TLS")]
    Tls(#[source] TlsError),
    /// The address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The addresses cannot be noted.
    #[error("could not write `{path}`")]
    AddressFile {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// How fast the loops of a server are. Operators have no say in it: the test kit's servers are in a hurry.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Figures that decisions go by.
    pub settings: Settings,
    /// How the links to hosts behave; the version is the configuration's.
    pub dispatch: DispatchOptions,
    /// How the store behaves.
    pub store: StoreOptions,
}

/// A server that answers.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Its store.
    pub store: Store,
    /// Where it answers.
    pub urls: Vec<String>,
}

/// Runs a server until `shutdown` is ready, and takes it down in order.
///
/// # Errors
/// Says why it could not start.
pub async fn run(config: ServerConfig, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
    run_with(config, Tuning::default(), |_| {}, shutdown).await
}

/// The same for the test kit: with loops as fast as told, and a word to the caller when it answers.
///
/// # Errors
/// Says why it could not start.
pub async fn run_with(
    config: ServerConfig,
    tuning: Tuning,
    ready: impl FnOnce(Ready),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let _lock = lock(&config)?;
    crate::files::raise_limit();
    let certificate = tls::load(&config.tls, &config.data_folder).map_err(ServerError::Tls)?;
    // Nobody is let in before everything stands; but an address that is taken is told before anything is changed.
    let mut listeners = Vec::new();
    for address in &config.listen {
        let listen = |source| ServerError::Listen { address: *address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        listeners.push((listener, bound));
    }
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let urls: Vec<String> =
        listeners.iter().map(|(_, bound)| format!("{scheme}://{}", reachable(*bound))).collect();

    let database = config
        .database
        .clone()
        .unwrap_or_else(|| format!("sqlite:{}", config.data_folder.join("lariat.db").display()));
    let store = Store::open(&database, tuning.store).await.map_err(ServerError::Open)?;
    let random: control_http::Random = Arc::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
    let clock: control_http::Clock = Arc::new(|| SystemClock.now());
    let key = key::ensure(&config.data_folder).map_err(|source| ServerError::Key {
        path: config.data_folder.join(key::FILE).display().to_string(),
        source,
    })?;
    let mut way_in = WayIn::prepare(&config.data_folder, &store, config.reset_admin, &random)?;
    let installation = way_in.install(&store, key, &random, SystemClock.now()).await?;
    let url = urls.first().map_or("", String::as_str);
    if let Err(error) = way_in.show(config.bootstrap_file.as_deref(), url).and_then(|()| way_in.forget()) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the first administrator's password will be shown again at the next start"
        );
    }

    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let options = DispatchOptions {
        version: config.version.clone(),
        vault: Vault::new(&installation.key),
        ..tuning.dispatch
    };
    let dispatch = Dispatch::start(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom), options)
        .await
        .map_err(ServerError::Links)?;
    let controllers =
        Controllers::start(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom), tuning.settings);
    let (closing, closed) = watch::channel(false);
    let links = Arc::new(Links(dispatch.clone()));
    let router = router(App {
        store: store.clone(),
        clock,
        random,
        agents: links.clone(),
        acceptor: links,
        installation,
        settings: ServerSettings {
            version: config.version.clone(),
            agent_programs: programs(),
            ca_certificate: certificate.as_ref().and_then(|found| found.authority.clone()),
            // A certificate that an authority renews every few weeks must not be pinned for ever.
            certificate_hash: certificate.as_ref().filter(|found| found.own).map(|found| found.hash.clone()),
            // The command for a new host is pasted within minutes, and its machine may not know the authority.
            public_key_hash: certificate
                .as_ref()
                .filter(|found| found.authority.is_some())
                .and_then(|found| found.public_key_hash.clone()),
            trusted_proxies: config.trusted_proxies.clone(),
        },
        shutdown: closed,
    });
    for (listener, _) in listeners {
        let acceptor = certificate.as_ref().map(|found| found.acceptor.clone());
        tasks.spawn(Door::new(listener, acceptor, router.clone(), stop.clone(), tasks.clone()).open());
    }
    drop(router);
    tasks.close();
    tell(&config, &urls, certificate.as_ref())?;
    ready(Ready { store: store.clone(), urls });

    shutdown.await;

    tracing::info!("the server stops");
    stop.cancel();
    // Nobody is left to receive it when all sockets are closed already.
    let _ = closing.send(true);
    let farewell = async {
        dispatch.shutdown().await;
        controllers.shutdown().await;
        tasks.wait().await;
    };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("not everything ended in time; what is written is safe");
    }
    store.close().await;
    tracing::info!("the server has stopped");
    Ok(())
}

/// Makes the data folder, for its owner alone, and makes sure that nobody else works on it.
fn lock(config: &ServerConfig) -> Result<File, ServerError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = config.data_folder.display().to_string();
    let fail = |source| ServerError::DataFolder { path: path.clone(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_folder).map_err(fail)?;
    let file = File::create(config.data_folder.join("server.lock")).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ServerError::InUse { path }),
        Err(std::fs::TryLockError::Error(source)) => Err(fail(source)),
    }
}

/// The agent's program is this very program: no registry and no download site is needed.
fn programs() -> BTreeMap<String, PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    BTreeMap::from([(std::env::consts::ARCH.to_owned(), own)])
}

/// An address that listens everywhere is reached through this machine's own.
fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
        }
        bound => bound,
    }
}

fn tell(
    config: &ServerConfig,
    urls: &[String],
    certificate: Option<&tls::Certificate>,
) -> Result<(), ServerError> {
    for url in urls {
        tracing::info!(server.url = %url, version = %config.version, "the server answers at {url}");
    }
    if let Some(certificate) = certificate.filter(|certificate| certificate.own) {
        let pin = format!("sha256:{}", certificate.hash);
        tracing::info!(tls.pin = %pin, "clients pin the server's certificate with --pin {pin}");
    }
    if let Some(path) = &config.address_file {
        let text = urls.iter().map(|url| format!("{url}\n")).collect::<String>();
        tls::write(path, text.as_bytes(), 0o644)
            .map_err(|source| ServerError::AddressFile { path: path.display().to_string(), source })?;
    }
    Ok(())
}
