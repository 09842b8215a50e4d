//! PostgreSQL for tests: the server whose address stands in `LARIAT_TEST_POSTGRES`, or one of our own that lives as
//! long as the test.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use control_store::{Store, StoreOptions};
use tokio_postgres::{Client, NoTls};

use crate::relay::Relay;
use crate::server_log::ServerLog;

/// A server.
pub enum Cluster {
    Given(String),
    Own(OwnCluster),
}

impl Cluster {
    pub async fn get() -> Arc<Self> {
        Arc::new(match std::env::var("LARIAT_TEST_POSTGRES") {
            Ok(url) if !url.is_empty() => Self::Given(url),
            _ => Self::Own(OwnCluster::start().await),
        })
    }

    /// The address of a database on it.
    pub fn url(&self, database: &str) -> String {
        match self {
            Self::Given(url) => {
                let (plain, query) = url
                    .split_once('?')
                    .map_or((url.as_str(), String::new()), |(plain, query)| (plain, format!("?{query}")));
                let start = plain.find("://").unwrap() + 3;
                let end = plain[start..].find('/').map_or(plain.len(), |at| start + at);
                format!("{}/{database}{query}", &plain[..end])
            }
            Self::Own(own) => own.url(database),
        }
    }

    pub async fn admin(&self) -> Client {
        let url = match self {
            Self::Given(url) => url.clone(),
            Self::Own(own) => own.url("postgres"),
        };
        connect(&url).await
    }
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A server that we started.
pub struct OwnCluster {
    directory: tempfile::TempDir,
    server: Option<Child>,
    log: Option<ServerLog>,
}

/// Who runs the server: it refuses to be run by root.
const USER: &str = "postgres";

/// Where PostgreSQL's programs are, if they are installed.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.map(|entry| entry.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    found.retain(|path: &PathBuf| path.join("initdb").exists());
    found.sort();
    found.pop()
}

/// A program of PostgreSQL as a user that it accepts, which ends when this thread does.
fn program(name: &str) -> Command {
    let path = binaries().expect(
        "PostgreSQL is installed (apt-get install postgresql), or LARIAT_TEST_POSTGRES names a server",
    );
    let path = path.join(name);
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let mut command = Command::new("setpriv");
    if id == b"0\n" {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.args(["--pdeathsig", "INT"]).arg(path);
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

fn give_to_user(path: &Path) {
    // Where we are not root, it is ours already and stays so.
    let _ = Command::new("chown").arg(USER).arg(path).stderr(Stdio::null()).status();
}

impl OwnCluster {
    pub async fn start() -> Self {
        let mut cluster = Self::make();
        cluster.run().await;
        cluster
    }

    fn make() -> Self {
        let directory = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        give_to_user(directory.path());
        let data = directory.path().join("data");
        let made = program("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { directory, server: None, log: None }
    }

    /// Starts the server, and waits until it serves.
    pub async fn run(&mut self) {
        assert!(self.server.is_none());
        // Killed, it leaves children for a moment, beside which a new one does not start.
        if let Some(log) = &mut self.log {
            log.ended().await;
        }
        let mut command = program("postgres");
        command.arg("-D").arg(self.directory.path().join("data")).arg("-k").arg(self.directory.path());
        // What the system holds outlives the server, so what is lost when power fails need not be guarded here.
        for setting in ["listen_addresses=", "fsync=off", "max_connections=50", "shared_buffers=32MB"] {
            command.args(["-c", setting]);
        }
        let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = self.log.insert(ServerLog::read(server.stderr.take().unwrap()));
        self.server = Some(server);
        log.ready().await;
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.directory.path().display())
    }

    /// Ends the server without warning, as `kill -9` does.
    fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        // Its children notice that it is gone, and end.
        server.kill().unwrap();
        server.wait().unwrap();
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = Command::new("kill").args(["-INT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A server that a test may kill. One of our own where the programs are there; else the given one plays dead behind a
/// relay: everybody is cut off in the middle of what he does, and nobody is let in.
pub enum Mortal {
    Own(Box<OwnCluster>),
    Given { cluster: Arc<Cluster>, database: TestDatabase, relay: Relay },
}

impl Mortal {
    /// One with a database that has our schema, and the address of that.
    pub async fn get() -> (Self, String) {
        if binaries().is_some() {
            let cluster = Arc::new(Cluster::Own(OwnCluster::start().await));
            let url = TestDatabase::from_template(cluster.clone()).await.url.clone();
            let Ok(Cluster::Own(own)) = Arc::try_unwrap(cluster) else {
                unreachable!("nobody else holds it")
            };
            return (Self::Own(Box::new(own)), url);
        }
        let cluster = Cluster::get().await;
        let relay = Relay::start(&cluster);
        let database = TestDatabase::from_template(cluster.clone()).await;
        let url = relay.url(&database.name);
        (Self::Given { cluster, database, relay }, url)
    }

    pub async fn kill(&mut self) {
        match self {
            Self::Own(own) => own.kill(),
            Self::Given { cluster, database, relay } => {
                relay.shut();
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
                cluster.admin().await.execute(end, &[&database.name]).await.unwrap();
            }
        }
    }

    pub async fn run(&mut self) {
        match self {
            Self::Own(own) => own.run().await,
            Self::Given { relay, .. } => relay.reopen(),
        }
    }
}

/// A database for one test.
pub struct TestDatabase {
    pub url: String,
    pub name: String,
    pub cluster: Arc<Cluster>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl TestDatabase {
    /// An empty one.
    pub async fn empty(cluster: Arc<Cluster>) -> Self {
        Self::create(cluster, "template0").await
    }

    /// One with our schema, cloned from a template that the first test makes.
    pub async fn from_template(cluster: Arc<Cluster>) -> Self {
        let template = format!("lariat_template_{:016x}", schema_hash());
        let admin = cluster.admin().await;
        admin.batch_execute("SELECT pg_advisory_lock(7215)").await.unwrap();
        let query = "SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate";
        if admin.query_opt(query, &[&template]).await.unwrap().is_none() {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {template}")).await.unwrap();
            admin.batch_execute(&format!("CREATE DATABASE {template} TEMPLATE template0")).await.unwrap();
            Store::open(&cluster.url(&template), StoreOptions::default()).await.unwrap().close().await;
            admin.batch_execute(&format!("ALTER DATABASE {template} IS_TEMPLATE true")).await.unwrap();
        }
        admin.batch_execute("SELECT pg_advisory_unlock(7215)").await.unwrap();
        Self::create(cluster, &template).await
    }

    async fn create(cluster: Arc<Cluster>, template: &str) -> Self {
        let name = format!("lariat_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = cluster.admin().await;
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        Self { url: cluster.url(&name), name, cluster }
    }

    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Cluster::Given(url) = &*self.cluster else { return };
        let (url, name) = (url.clone(), self.name.clone());
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let admin = connect(&url).await;
                admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
            });
        });
        let _ = drop.join();
    }
}

/// Changes when a step changes, so that an old template is not taken for a new one.
fn schema_hash() -> u64 {
    let mut paths: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut hasher = DefaultHasher::new();
    for path in paths {
        std::fs::read_to_string(path).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}
