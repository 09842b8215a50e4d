//! The agent as a program runs it: settings, identity, registration, and the real world behind the seams.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract_tls::{PinError, Trust};
use contract_values::{Labels, Secret, Timestamp};
use host_docker::DockerEngine;
use host_driver::{Clock, Disk, Engine, Files, FolderDisk, FolderFiles, Random, SystemClock, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::agent::{AgentError, HostIdentity, Seams, Standing, run_agent};
use crate::connect::{Credentials, Endpoint, Registration, WebSocketConnector, register};
use crate::probe::{LinuxProbe, Probe};
use crate::session::{ConnectError, chain};

/// The file that holds who this host is.
const IDENTITY: &str = "identity.json";
/// How long registering may take.
const REGISTER_LIMIT: Duration = Duration::from_secs(30);
/// The longest delay between attempts to register.
const REGISTER_DELAY: Duration = Duration::from_secs(30);

/// The settings of an agent.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The server, as `https://host[:port]` or `http://…`.
    pub server: String,
    /// The token that registers this host; needed once.
    pub token: Option<Secret>,
    /// Where the agent keeps its state, such as `/var/lib/lariat`.
    pub data_dir: PathBuf,
    /// Where secrets and configs of containers lie: a folder in memory, such as `/run/lariat`. Each agent has a folder
    /// of its own in it.
    pub run_dir: PathBuf,
    /// The engine, as `unix:///var/run/docker.sock`.
    pub docker: String,
    /// The address at which other hosts and people reach this one; the server takes the one it sees when absent.
    pub address: Option<IpAddr>,
    /// Labels of this host.
    pub labels: Labels,
    /// The certificate that the server must show, as `sha256:<hex of the SHA-256 of its DER form>`.
    ///
    /// A pin wins over a file of authorities.
    pub pin: Option<String>,
    /// The authorities that vouch for the server, in PEM; those of the system when there is neither this nor a pin.
    pub ca_file: Option<PathBuf>,
    /// The version of this program.
    pub version: String,
}

/// Who this host is, as kept on its disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    host_uuid: String,
    /// The server that gave the credentials.
    server: String,
    credentials: Option<Credentials>,
    /// A hash of the token that was spent for them, so that the same command can be run twice.
    token_hash: Option<String>,
}

/// What an agent finds around it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The container engine.
    pub engine: Arc<dyn Engine>,
    /// The folder for its state.
    pub disk: Arc<dyn Disk>,
    /// Where secrets and configs of containers lie; below the folder that the settings name when `None`.
    pub files: Option<Arc<dyn Files>>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// The host.
    pub probe: Arc<dyn Probe>,
}

/// Runs the agent until `shutdown`. Containers go on without it.
///
/// # Errors
/// Fails when a setting is wrong, its folder cannot be used or is in use, or the server refuses to register this
/// host. Once a host is registered, a server that is away or refuses is no error: the host goes on.
pub async fn run(config: AgentConfig, shutdown: CancellationToken) -> Result<(), AgentError> {
    let socket = check_docker(&config.docker)?;
    let folder = config.data_dir.join("agent");
    let disk = FolderDisk::open(&folder)
        .map_err(|source| AgentError::Folder { folder: folder.display().to_string(), source })?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let probe = Arc::new(LinuxProbe::new(Arc::clone(&clock), config.data_dir.clone()));

    let engine = Arc::new(DockerEngine::new(&socket));
    let (standing, _) = watch::channel(Standing::default());
    run_in(config, Surroundings { engine, disk, files: None, clock, random, probe }, shutdown, standing).await
}

/// Registers and runs an agent in surroundings that the caller gives: on this machine, or simulated ones.
///
/// # Errors
/// As [`run`].
pub async fn run_in(
    config: AgentConfig,
    surroundings: Surroundings,
    shutdown: CancellationToken,
    standing: watch::Sender<Standing>,
) -> Result<(), AgentError> {
    let wrong_pin = |error: PinError| AgentError::Configuration(error.to_string());
    let trust = match (&config.pin, &config.ca_file) {
        (Some(pin), _) => Trust::Pin(pin.parse().map_err(wrong_pin)?),
        (None, Some(path)) => Trust::CaFile(path.clone()),
        (None, None) => Trust::System,
    };
    let endpoint = Endpoint::parse(&config.server, &trust).map_err(AgentError::Configuration)?;
    let Surroundings { engine, disk, files, clock, random, probe } = surroundings;
    let ended = shutdown.clone();
    let hostname = probe.facts().hostname;
    let identify = identify(&config, &endpoint, &*disk, &*random, clock.now(), &hostname);
    let identity = tokio::select! {
        identity = identify => identity?,
        () = ended.cancelled() => return Ok(()),
    };
    let credentials = identity.credentials.expect("a host is identified with credentials");
    tracing::info!(
        host.uuid = identity.host_uuid,
        server = %endpoint,
        version = config.version,
        "the agent begins"
    );
    let own = || -> Arc<dyn Files> {
        Arc::new(FolderFiles::new(config.run_dir.join(&identity.host_uuid).join("files")))
    };
    let seams = Seams {
        engine,
        disk,
        files: files.unwrap_or_else(own),
        clock,
        random,
        connector: Arc::new(WebSocketConnector { endpoint, credentials }),
        probe,
    };
    let identity =
        HostIdentity { host_uuid: identity.host_uuid, labels: config.labels, agent_version: config.version };
    run_agent(seams, identity, shutdown, standing).await
}

/// The path of the engine's socket.
fn check_docker(address: &str) -> Result<String, AgentError> {
    match address.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(path.to_owned()),
        None if address.starts_with('/') => Ok(address.to_owned()),
        Some(_) | None => Err(AgentError::Configuration(format!(
            "the engine's address `{address}` is not of the form unix:///path/to/docker.sock"
        ))),
    }
}

fn ledger_error(source: std::io::Error) -> AgentError {
    AgentError::Ledger(source)
}

/// Finds out who this host is, and registers it where that is due.
async fn identify(
    config: &AgentConfig,
    endpoint: &Endpoint,
    disk: &dyn Disk,
    random: &dyn Random,
    now: Timestamp,
    hostname: &str,
) -> Result<Identity, AgentError> {
    let mut identity = read_identity(disk, now).await?;
    if identity.host_uuid.is_empty() {
        identity.host_uuid = random.uuid();
        // Before the server hears of it, so that a second attempt is the same host.
        write_identity(disk, &identity).await?;
    }
    let token_hash = config.token.as_ref().map(|token| hash_of(token, &identity.host_uuid));
    let is_new_token = token_hash.is_some() && token_hash != identity.token_hash;
    if identity.credentials.is_some() && !is_new_token {
        return Ok(identity);
    }
    let Some(token) = &config.token else {
        return Err(AgentError::Configuration(
            "this host is not registered: start the agent with --token, as the server's command shows".into(),
        ));
    };
    let mut delay = Duration::from_secs(1);
    loop {
        let registration = Registration {
            host_uuid: &identity.host_uuid,
            hostname,
            labels: &config.labels,
            agent_version: &config.version,
            address: config.address,
        };
        let attempt = tokio::time::timeout(REGISTER_LIMIT, register(endpoint, token, registration)).await;
        let result = attempt.unwrap_or_else(|_| Err(endpoint.unreachable("no answer in time")));
        match result {
            Ok(credentials) => {
                let before = identity.credentials.take();
                let is_same_host = identity.server == config.server
                    && before.is_some_and(|before| before.host_id == credentials.host_id);
                if !is_same_host {
                    put_ledger_aside(disk, now).await?;
                }
                tracing::info!(host.id = %credentials.host_id, server = %endpoint, "this host is registered");
                identity.credentials = Some(credentials);
                identity.server.clone_from(&config.server);
                identity.token_hash = token_hash;
                write_identity(disk, &identity).await?;
                return Ok(identity);
            }
            Err(error) if identity.credentials.is_some() => {
                tracing::error!(
                    "could not register this host anew, it goes on with its earlier registration: {}",
                    chain(&error)
                );
                return Ok(identity);
            }
            Err(error @ ConnectError::Unreachable { .. }) => {
                tracing::warn!("{}; trying again", chain(&error))
            }
            Err(error @ ConnectError::Refused { status: 500..=599, .. }) => {
                tracing::warn!("{}; trying again", chain(&error));
            }
            Err(error) => return Err(AgentError::Registration(error)),
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(REGISTER_DELAY);
    }
}

async fn read_identity(disk: &dyn Disk, now: Timestamp) -> Result<Identity, AgentError> {
    let Some(bytes) = disk.read(IDENTITY).await.map_err(ledger_error)? else {
        return Ok(Identity::default());
    };
    match serde_json::from_slice(&bytes) {
        Ok(identity) => Ok(identity),
        Err(_) => {
            let aside = format!("{IDENTITY}.corrupt-{}", now.0);
            tracing::error!(
                kept_as = aside,
                "the file with this host's identity is damaged; it was put aside"
            );
            disk.rename(IDENTITY, &aside).await.map_err(ledger_error)?;
            Ok(Identity::default())
        }
    }
}

async fn write_identity(disk: &dyn Disk, identity: &Identity) -> Result<(), AgentError> {
    let bytes = serde_json::to_vec_pretty(identity).expect("an identity has text keys only");
    disk.replace(IDENTITY, bytes).await.map_err(ledger_error)
}

/// What another server had ordered does not bind this one: its terms of office and numbers mean nothing here.
async fn put_ledger_aside(disk: &dyn Disk, now: Timestamp) -> Result<(), AgentError> {
    if disk.read(crate::ledger::FILE).await.map_err(ledger_error)?.is_some() {
        let aside = format!("{}.before-{}", crate::ledger::FILE, now.0);
        disk.rename(crate::ledger::FILE, &aside).await.map_err(ledger_error)?;
    }
    Ok(())
}

/// A hash that tells tokens apart and gives none away.
fn hash_of(token: &Secret, salt: &str) -> String {
    let digest = Sha256::digest(format!("{salt}:{}", token.expose()));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
