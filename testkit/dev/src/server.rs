//! The server and its hosts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use control_dispatch::DispatchOptions;
use control_model::AgentLink;
use control_plan::Settings;
use control_server::{Ready, ServerConfig, ServerError, Tuning, run_with};
use control_store::Store;
use host_driver::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::host::DevHost;
use crate::http::ask;
use crate::keys::{Key, Keys, Role};

/// Hosts that register at the same time.
const AT_ONCE: usize = 64;
/// How long the server may take to note that hosts are connected.
const KNOWN_LIMIT: Duration = Duration::from_secs(60);

/// What the server shall be.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// How many simulated hosts it has.
    pub hosts: u32,
    /// The database, as `lariat server --database` takes it; one in the folder when `None`.
    pub database: Option<String>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// What is kept; a temporary folder, gone with the server, when `None`.
    pub folder: Option<PathBuf>,
    /// How fast its loops are.
    pub tuning: Tuning,
}

impl Default for DevOptions {
    fn default() -> Self {
        Self {
            hosts: 3,
            database: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder: None,
            tuning: fast(),
        }
    }
}

/// Loops so fast that people and tests need not wait: a host counts as lost after seconds, not after a minute.
pub fn fast() -> Tuning {
    use contract_values::Duration as Time;
    let milliseconds = Duration::from_millis;
    Tuning {
        settings: Settings {
            host_grace: Time::seconds(2),
            mass_loss_window: Time::seconds(2),
            mass_loss_hold: Time::seconds(10),
            removal_slack: Time::seconds(2),
            ..Settings::default()
        },
        dispatch: DispatchOptions {
            heartbeat: Duration::from_secs(1),
            probe: Duration::from_secs(1),
            fold: milliseconds(5),
            gather: milliseconds(5),
            start_grace: Duration::from_secs(3),
            ..DispatchOptions::default()
        },
        ..Tuning::default()
    }
}

/// A running server with its hosts.
#[derive(Debug)]
pub struct DevServer {
    url: String,
    store: Store,
    keys: Keys,
    hosts: Vec<DevHost>,
    task: JoinHandle<Result<(), ServerError>>,
    end: CancellationToken,
    /// Removed with the server.
    _temporary: Option<tempfile::TempDir>,
}

impl DevServer {
    /// Starts it, and returns when all hosts are connected.
    ///
    /// # Errors
    /// Fails when the server or an agent does not start.
    pub async fn start(options: DevOptions) -> Result<Self> {
        let (folder, temporary) = match &options.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let temporary = tempfile::Builder::new().prefix("lariat-dev-").tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        std::fs::create_dir_all(&folder).with_context(|| format!("could not make `{}`", folder.display()))?;
        let config = ServerConfig {
            listen: vec![options.listen],
            database: options.database.clone(),
            bootstrap_file: Some(folder.join("first-administrator.json")),
            ..ServerConfig::new(folder.join("server"))
        };
        let end = CancellationToken::new();
        let (ready_sender, ready) = oneshot::channel();
        let tell = move |ready: Ready| {
            // Whoever started it may have gone; then it ends as well.
            let _ = ready_sender.send(ready);
        };
        let mut task =
            tokio::spawn(run_with(config, options.tuning.clone(), tell, end.clone().cancelled_owned()));
        let Ready { store, urls } = tokio::select! {
            Ok(ready) = ready => ready,
            ended = &mut task => {
                ended.context("the server broke")?.context("the server could not start")?;
                bail!("the server ended");
            }
        };
        let url = urls.into_iter().next().context("the server listens nowhere")?;
        let keys = Keys::ensure(&store, &folder, now()).await?;
        let mut server = Self { url, store, keys, hosts: Vec::new(), task, end, _temporary: temporary };
        server.add_hosts(options.hosts, options.folder.as_deref()).await?;
        Ok(server)
    }

    /// Adds simulated hosts, and waits until they are connected.
    ///
    /// # Errors
    /// Fails when an agent does not register or connect.
    pub async fn add_hosts(&mut self, count: u32, folder: Option<&Path>) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let token = self.registration_token().await?;
        let first = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX) + 1;
        for number in first..first + count {
            self.hosts.push(DevHost::new(number, &self.url, &token, folder)?);
        }
        for hosts in self.hosts[first as usize - 1..].chunks_mut(AT_ONCE) {
            hosts.iter_mut().for_each(DevHost::start);
            for host in hosts {
                host.connected().await?;
            }
        }
        self.known(self.hosts.len()).await?;
        let tables = self.store.snapshot();
        let host = tables.hosts.live().map(|row| row.id).min().context("the hosts have no rows")?;
        self.keys.ensure_agent(&self.store, host, now()).await
    }

    /// Waits until so many hosts are known as connected.
    async fn known(&self, count: usize) -> Result<()> {
        let connected = || {
            let tables = self.store.snapshot();
            tables.hosts.live().filter(|row| row.observation.link == AgentLink::Connected).count()
        };
        let wait = async {
            loop {
                // Taken before looking, so that no change falls between; lagging is news too.
                let mut watch = self.store.watch();
                if connected() >= count {
                    return;
                }
                let _ = watch.next().await;
            }
        };
        let in_time = tokio::time::timeout(KNOWN_LIMIT, wait).await;
        in_time.with_context(|| format!("{} of {count} hosts are connected", connected()))
    }

    async fn registration_token(&self) -> Result<String> {
        let admin = self.keys.of(Role::Admin);
        let token = ask(admin, "POST", &self.api("/registrationtokens"), Some(&json!({}))).await?;
        token["token"].as_str().map(str::to_owned).with_context(|| format!("no token in {token}"))
    }

    /// Where it answers, such as `http://127.0.0.1:4711`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of something in the environment, such as `/services`.
    pub fn api(&self, path: &str) -> String {
        format!("{}/v2-beta/projects/1a{}{path}", self.url, self.keys.project.raw())
    }

    /// All keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The key of a role.
    ///
    /// # Panics
    /// For [`Role::Agent`] on a server without hosts.
    pub fn key(&self, role: Role) -> &Key {
        self.keys.of(role)
    }

    /// Its store, to look into and to fill in bulk.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its hosts.
    pub fn hosts(&self) -> &[DevHost] {
        &self.hosts
    }

    /// Its hosts, to switch off and on.
    pub fn hosts_mut(&mut self) -> &mut [DevHost] {
        &mut self.hosts
    }

    /// What a program needs to know of it.
    pub fn to_json(&self) -> Value {
        json!({
            "url": self.url,
            "projectId": format!("1a{}", self.keys.project.raw()),
            "otherProjectId": format!("1a{}", self.keys.other_project.raw()),
            "hosts": self.hosts.iter().map(DevHost::name).collect::<Vec<_>>(),
            "keys": self.keys.iter().map(Key::to_json).collect::<Vec<_>>(),
        })
    }

    /// Waits until the server ends by itself, which it does for a fault only.
    ///
    /// # Errors
    /// Gives the fault.
    pub async fn failed(&mut self) -> Result<()> {
        (&mut self.task).await.context("the server broke")?.context("the server ended")
    }

    /// Stops hosts and server in order.
    ///
    /// # Errors
    /// Gives the fault that the server ended with.
    pub async fn stop(mut self) -> Result<()> {
        futures_util::future::join_all(self.hosts.iter_mut().map(DevHost::cut_off)).await;
        self.end.cancel();
        (&mut self.task).await.context("the server broke")?.context("the server ended with a fault")
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        // Where `stop` was not called, nothing is left behind all the same.
        self.end.cancel();
        self.task.abort();
    }
}

fn now() -> contract_values::Timestamp {
    SystemClock.now()
}
