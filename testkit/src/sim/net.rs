//! A network in memory: a line for each host, which delays what goes over it, holds it back, or breaks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use contract_link::BoxedIo;
use contract_values::HostId;
use host_agent::{ConnectError, Connector};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::chance::Chance;

/// What the line of a host does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// It carries.
    #[default]
    Open,
    /// It swallows everything and says nothing.
    Silent,
    /// It refuses, and whatever was connected is broken.
    Broken,
}

/// Where connections go: one server at a time.
pub trait Accept: Send + Sync {
    /// Serves the server's end of a connection; returns at once.
    fn accept(&self, host: HostId, remote: SocketAddr, io: DuplexStream);
}

/// The network. Clones are the same.
#[derive(Clone)]
pub struct Net {
    inner: Arc<Mutex<Inner>>,
    tasks: TaskTracker,
    chance: Chance,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

struct Inner {
    lines: BTreeMap<HostId, Wire>,
    server: Option<Arc<dyn Accept>>,
    latency: (u64, u64),
}

struct Wire {
    line: watch::Sender<Line>,
    /// Ends what is connected now.
    connected: CancellationToken,
}

impl Net {
    /// A network without lines.
    pub fn new(chance: Chance) -> Self {
        let inner = Inner { lines: BTreeMap::new(), server: None, latency: (1, 5) };
        Self { inner: Arc::new(Mutex::new(inner)), tasks: TaskTracker::new(), chance }
    }

    /// Sets how long a piece takes at least and at most, in milliseconds.
    pub fn set_latency(&self, from: u64, to: u64) {
        self.lock().latency = (from, to);
    }

    /// Puts a server at the other end, or takes it away and breaks all connections to it.
    pub fn set_server(&self, server: Option<Arc<dyn Accept>>) {
        let mut inner = self.lock();
        if server.is_none() {
            inner.lines.values_mut().for_each(Wire::break_connections);
        }
        inner.server = server;
    }

    /// Sets what the line of a host does.
    pub fn set_line(&self, host: HostId, line: Line) {
        let mut inner = self.lock();
        let wire = inner.wire(host);
        if line == Line::Broken {
            wire.break_connections();
        }
        wire.line.send_replace(line);
    }

    /// What the line of a host does.
    pub fn line(&self, host: HostId) -> Line {
        *self.lock().wire(host).line.borrow()
    }

    /// Breaks what is connected; it may be made anew at once.
    pub fn reset(&self, host: HostId) {
        self.lock().wire(host).break_connections();
    }

    /// The way of a host to the server.
    pub fn connector(&self, host: HostId) -> Arc<dyn Connector> {
        Arc::new(Way { net: self.clone(), host })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding the network")
    }

    fn latency(&self) -> std::time::Duration {
        let (from, to) = self.lock().latency;
        self.chance.millis(from, to)
    }
}

impl Inner {
    fn wire(&mut self, host: HostId) -> &mut Wire {
        self.lines.entry(host).or_insert_with(|| Wire {
            line: watch::channel(Line::Open).0,
            connected: CancellationToken::new(),
        })
    }
}

impl Wire {
    fn break_connections(&mut self) {
        std::mem::take(&mut self.connected).cancel();
    }
}

#[derive(Debug)]
struct Way {
    net: Net,
    host: HostId,
}

#[async_trait]
impl Connector for Way {
    async fn connect(&self) -> Result<BoxedIo, ConnectError> {
        tokio::time::sleep(self.net.latency()).await;
        let (server, mut line, connected) = {
            let mut inner = self.net.lock();
            let server = inner.server.clone();
            let wire = inner.wire(self.host);
            (server, wire.line.subscribe(), wire.connected.clone())
        };
        let current = *line.borrow_and_update();
        let refused = || ConnectError::Unreachable {
            server: "the simulated server".into(),
            source: "connection refused".into(),
        };
        match current {
            Line::Open => {}
            // Nobody answers; the caller's patience ends before ours.
            Line::Silent => std::future::pending().await,
            Line::Broken => return Err(refused()),
        }
        let server = server.ok_or_else(refused)?;
        let (agent_end, near) = duplex(64 * 1024);
        let (far, server_end) = duplex(64 * 1024);
        let (near_read, near_write) = tokio::io::split(near);
        let (far_read, far_write) = tokio::io::split(far);
        let up = carry(self.net.clone(), near_read, far_write, line.clone());
        let down = carry(self.net.clone(), far_read, near_write, line);
        self.net.tasks.spawn(async move {
            // When the connection breaks, both ends see it end.
            tokio::select! {
                biased;
                () = connected.cancelled() => {}
                _ = async { tokio::join!(up, down) } => {}
            }
        });
        let number = u8::try_from(self.host.raw().rem_euclid(250)).unwrap_or(0);
        server.accept(self.host, SocketAddr::from(([10, 0, 0, number], 4000)), server_end);
        Ok(Box::new(agent_end))
    }
}

/// Carries one direction, in order, each piece a little later than it was sent.
async fn carry(
    net: Net,
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    mut line: watch::Receiver<Line>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(net.latency()).await;
        // A silent line holds back, as retransmission does; what waits for it either comes late or never.
        if line.wait_for(|line| *line != Line::Silent).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    // An end that the peer has gone from needs no goodbye.
    let _ = to.shutdown().await;
}
