//! A relay between the store and a PostgreSQL server, through which tests break the connection where it hurts most. It
//! knows the protocol well enough to see a commit go by.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::Host;
use tokio_rustls::TlsAcceptor;

use crate::cluster::Cluster;

/// A connection of either side.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// The server has it, the answer is lost.
    After,
    /// The server never gets it, and sees the connection end.
    Before,
    /// The server never gets it, and does not see that anything has happened.
    BeforeAndSilent,
}

/// The request for encryption that a client may begin with.
const ENCRYPT: u32 = 80_877_103;

/// Where the server behind is.
#[derive(Clone)]
enum Target {
    Socket(PathBuf),
    Port(String, u16),
}

impl Target {
    async fn connect(&self) -> std::io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Socket(path) => Box::new(UnixStream::connect(path).await?),
            Self::Port(host, port) => Box::new(TcpStream::connect((host.as_str(), *port)).await?),
        })
    }
}

/// Where clients come in.
enum Listener {
    Socket(UnixListener),
    Port(TcpListener),
}

impl Listener {
    async fn accept(&self) -> Box<dyn Io> {
        match self {
            Self::Socket(listener) => Box::new(listener.accept().await.unwrap().0),
            Self::Port(listener) => Box::new(listener.accept().await.unwrap().0),
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::Socket(_) => None,
            Self::Port(listener) => Some(listener.local_addr().unwrap().port()),
        }
    }
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    target: Target,
    next: Arc<Mutex<Option<Cut>>>,
    /// Whether anybody gets through.
    open: watch::Sender<bool>,
    encrypted: Arc<AtomicBool>,
    tls: Option<TlsAcceptor>,
}

pub struct Relay {
    directory: tempfile::TempDir,
    /// Where it listens on this machine, if it does.
    pub port: Option<u16>,
    user: String,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Relay {
    /// One that listens on a socket of its own.
    pub fn start(cluster: &Cluster) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        Self::over(cluster, directory, Listener::Socket(listener), None)
    }

    /// One that listens on a port of this machine, and encrypts for whoever asks for it.
    pub async fn start_with_tls(cluster: &Cluster, tls: TlsAcceptor) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self::over(cluster, tempfile::tempdir().unwrap(), Listener::Port(listener), Some(tls))
    }

    fn over(
        cluster: &Cluster,
        directory: tempfile::TempDir,
        listener: Listener,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let port = listener.port();
        let config: tokio_postgres::Config = cluster.url("postgres").parse().unwrap();
        let port_behind = config.get_ports().first().copied().unwrap_or(5432);
        let target = match config.get_hosts().first().unwrap() {
            Host::Tcp(name) => Target::Port(name.clone(), port_behind),
            Host::Unix(path) => Target::Socket(path.join(format!(".s.PGSQL.{port_behind}"))),
        };
        let password = config.get_password().map(String::from_utf8_lossy);
        let user = [Some(config.get_user().unwrap().into()), password].into_iter().flatten();
        let user = user.map(|text| percent(&text)).collect::<Vec<_>>().join(":");
        let shared = Shared {
            target,
            next: Arc::default(),
            open: watch::Sender::new(true),
            encrypted: Arc::default(),
            tls,
        };
        let task = tokio::spawn({
            let shared = shared.clone();
            async move {
                let mut connections = JoinSet::new();
                loop {
                    let client = listener.accept().await;
                    let shared = shared.clone();
                    connections.spawn(async move {
                        let mut open = shared.open.subscribe();
                        tokio::select! {
                            biased;
                            _ = open.wait_for(|open| !open) => {}
                            () = relay(client, shared) => {}
                        }
                    });
                }
            }
        });
        Self { directory, port, user, shared, task }
    }

    /// The address of a database behind it.
    pub fn url(&self, database: &str) -> String {
        let host = percent(&self.directory.path().display().to_string());
        format!("postgres://{}@/{database}?host={host}&sslmode=disable", self.user)
    }

    /// Who may sign in, for addresses that a test makes itself.
    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn cut_next(&self, cut: Cut) {
        *self.shared.next.lock().unwrap() = Some(cut);
    }

    pub fn is_cut(&self) -> bool {
        self.shared.next.lock().unwrap().is_none()
    }

    /// Whether the newest connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.shared.encrypted.load(Ordering::Relaxed)
    }

    /// Ends all connections, wherever they are, and whoever comes next as well.
    pub fn shut(&self) {
        self.shared.open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn reopen(&self) {
        self.shared.open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Writes a text so that it means itself in an address.
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// Reads one message of the client; the first one has no letter.
async fn message(client: &mut (impl AsyncRead + Unpin), first: bool) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; if first { 4 } else { 5 }];
    client.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(*message.last_chunk::<4>().unwrap()) as usize;
    let start = message.len();
    message.resize(start + length - 4, 0);
    client.read_exact(&mut message[start..]).await?;
    Ok(message)
}

async fn relay(mut client: Box<dyn Io>, shared: Shared) {
    let Ok(mut first) = message(&mut client, true).await else { return };
    let asks = |message: &[u8]| message.len() == 8 && message.ends_with(&ENCRYPT.to_be_bytes());
    let mut encrypted = false;
    if asks(&first) {
        let answer = if shared.tls.is_some() { b"S" } else { b"N" };
        if client.write_all(answer).await.is_err() {
            return;
        }
        if let Some(tls) = &shared.tls {
            let Ok(inside) = tls.accept(client).await else { return };
            client = Box::new(inside);
            encrypted = true;
        }
        match message(&mut client, true).await {
            Ok(message) => first = message,
            Err(_) => return,
        }
    }
    shared.encrypted.store(encrypted, Ordering::Relaxed);
    let Ok(mut server) = shared.target.connect().await else { return };
    if server.write_all(&first).await.is_err() {
        return;
    }
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        while let Ok(message) = message(&mut from_client, false).await {
            let is_commit =
                message.starts_with(b"Q") && message.ends_with(b"COMMIT\0") && message.len() == 12;
            let cut = if is_commit { shared.next.lock().unwrap().take() } else { None };
            if cut.is_none_or(|cut| cut == Cut::After) && to_server.write_all(&message).await.is_err() {
                return None;
            }
            if cut.is_some() {
                return cut;
            }
        }
        None
    };
    let down = async { tokio::io::copy(&mut from_server, &mut to_client).await };
    let cut = tokio::select! {
        biased;
        cut = up => cut,
        _ = down => None,
    };
    drop((from_client, to_client));
    let mut buffer = vec![0; 65536];
    match cut {
        None | Some(Cut::Before) => {}
        Some(Cut::After) => {
            let _ = from_server.read(&mut buffer).await;
        }
        // Until the server ends it.
        Some(Cut::BeforeAndSilent) => while from_server.read(&mut buffer).await.is_ok_and(|read| read > 0) {},
    }
    drop(to_server);
}
