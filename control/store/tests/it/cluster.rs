//! PostgreSQL for tests: the server whose address stands in `LARIAT_TEST_POSTGRES`, or one of our own that lives as
//! long as the test.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use control_store::{Store, StoreOptions};
use tokio_postgres::{Client, NoTls};

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
    settings: Vec<String>,
}

/// Who runs the server: it refuses to be run by root.
const USER: &str = "postgres";

fn binaries() -> PathBuf {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.map(|entry| entry.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    found.retain(|path: &PathBuf| path.join("initdb").exists());
    found.sort();
    found.pop().expect(
        "PostgreSQL is installed (apt-get install postgresql), or LARIAT_TEST_POSTGRES names a server",
    )
}

/// A program of PostgreSQL as a user that it accepts, which ends when this thread does.
fn program(name: &str) -> Command {
    let path = binaries().join(name);
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
        cluster.settings.push("listen_addresses=".to_owned());
        cluster.run().await;
        cluster
    }

    /// One that also listens on a port of this machine, encrypted with the certificate and key.
    pub async fn start_with_tls(certificate: &str, key: &str) -> (Self, u16) {
        let mut cluster = Self::make();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = cluster.directory.path().join("data").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            give_to_user(&path);
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = ["listen_addresses=127.0.0.1".to_owned(), format!("port={port}"), "ssl=on".to_owned()];
        cluster.settings.extend(settings);
        cluster.run().await;
        (cluster, port)
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
        Self { directory, server: None, settings: Vec::new() }
    }

    /// Starts the server, and waits until it serves.
    pub async fn run(&mut self) {
        assert!(self.server.is_none());
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        let mut command = program("postgres");
        command.arg("-D").arg(self.directory.path().join("data")).arg("-k").arg(self.directory.path());
        // What the system holds outlives the server, so what is lost when power fails need not be guarded here.
        for setting in ["fsync=off", "max_connections=50", "shared_buffers=32MB"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = command.spawn().unwrap();
        let started = Instant::now();
        loop {
            match tokio_postgres::connect(&self.url("postgres"), NoTls).await {
                Ok((client, connection)) => {
                    drop(client);
                    connection.await.unwrap();
                    self.server = Some(server);
                    return;
                }
                Err(error) => {
                    let log =
                        || std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                    assert!(started.elapsed() < Duration::from_secs(60), "{error:?}\n{}", log());
                    // Killed, it leaves children for a moment, beside which a new one does not start.
                    if server.try_wait().unwrap().is_some() {
                        server = command.spawn().unwrap();
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    pub fn url(&self, database: &str) -> String {
        let port = self.port();
        format!("postgres:///{database}?host={}&user=postgres&port={port}", self.directory.path().display())
    }

    fn port(&self) -> &str {
        self.settings.iter().find_map(|setting| setting.strip_prefix("port=")).unwrap_or("5432")
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join(format!(".s.PGSQL.{}", self.port()))
    }

    /// Ends the server without warning, as `kill -9` does.
    pub fn kill(&mut self) {
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
