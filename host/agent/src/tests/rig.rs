//! An agent with an engine in memory and a scripted server over a real link in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use contract_link::{BoxedIo, FrameReader, FrameWriter, Link, LinkHandle, Side};
use contract_protocol::*;
use contract_values::{ContainerId, Epoch, HostId, Incarnation, Revision, Timestamp};
use host_driver::fake::{FakeEngine, Program};
use host_driver::{Clock, Disk, Engine, MemoryDisk, MemoryFiles, PausedClock, SeededRandom};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{AgentError, ConnectError, Connector, HostIdentity, Probe, Seams, Standing, run_agent};

pub(super) const HOST: &str = "11111111-2222-4333-8444-555555555555";

#[derive(Debug)]
pub(super) struct NoProbe;

impl Probe for NoProbe {
    fn facts(&self) -> HostFacts {
        HostFacts { hostname: "host-1".into(), ..Default::default() }
    }
    fn metrics(&self) -> Option<HostMetrics> {
        None
    }
    fn disk_trouble(&self, _folder: &str) -> Option<String> {
        None
    }
}

/// What the server has seen and shall do.
#[derive(Debug, Default)]
pub(super) struct ServerState {
    pub(super) away: bool,
    pub(super) epoch: u64,
    pub(super) refuse: Option<Refusal>,
    pub(super) silent: bool,
    pub(super) no_acknowledge: bool,
    pub(super) hellos: Vec<Hello>,
    pub(super) applied: Vec<Position>,
    pub(super) resyncs: Vec<Option<Position>>,
    pub(super) containers: BTreeMap<(ContainerId, Incarnation), ContainerReport>,
    /// Everything about containers in the order in which it came.
    pub(super) history: Vec<ContainerReport>,
    pub(super) natives: BTreeMap<String, NativeReport>,
    pub(super) native_list: Option<Vec<String>>,
    pub(super) volumes: BTreeMap<String, VolumeReport>,
    pub(super) facts: Option<HostFacts>,
    pub(super) not_understood: Vec<String>,
    pub(super) heartbeats: u64,
    pub(super) reports: Vec<(String, u64)>,
    sender: Option<mpsc::Sender<ToHost>>,
    pub(super) link: Option<LinkHandle>,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) state: Arc<Mutex<ServerState>>,
    pub(super) changed: watch::Sender<u64>,
    connections: mpsc::Sender<DuplexStream>,
}

#[async_trait]
impl Connector for Server {
    async fn connect(&self) -> Result<BoxedIo, ConnectError> {
        let away = || ConnectError::Unreachable { server: "test".into(), source: "away".into() };
        if self.lock().away {
            return Err(away());
        }
        let (near, far) = tokio::io::duplex(64 * 1024);
        self.connections.send(far).await.map_err(|_| away())?;
        Ok(Box::new(near))
    }
}

impl Server {
    pub(super) fn new() -> (Self, JoinHandle<()>) {
        let (connections, mut incoming) = mpsc::channel::<DuplexStream>(4);
        let server = Self { state: Arc::default(), changed: watch::channel(0).0, connections };
        server.lock().epoch = 1;
        let copy = server.clone();
        let task = tokio::spawn(async move {
            while let Some(io) = incoming.recv().await {
                let (handle, driver) = Link::new(io, Side::Server);
                let mut run = std::pin::pin!(driver.run());
                let is_over = tokio::select! {
                    _ = &mut run => true,
                    () = copy.talk(handle) => false,
                };
                copy.lock().link = None;
                // The last words still have to travel.
                if !is_over {
                    let _ = run.await;
                }
                let mut state = copy.lock();
                state.sender = None;
                state.link = None;
            }
        });
        (server, task)
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, ServerState> {
        self.state.lock().unwrap()
    }

    /// Sends a message on the present connection.
    pub(super) fn send(&self, message: ToHost) {
        let sender = self.lock().sender.clone().expect("connected");
        sender.try_send(message).expect("room");
    }

    /// Breaks the connection.
    pub(super) fn cut(&self) {
        self.lock().sender = None;
    }

    async fn talk(&self, handle: LinkHandle) {
        let Ok(control) = handle.accept().await else { return };
        let (read, write) = tokio::io::split(control);
        let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
        let Ok(Some(FromHost::Hello(hello))) = reader.read().await else { return };
        let (sender, mut outgoing) = mpsc::channel(64);
        let first = {
            let mut state = self.lock();
            state.hellos.push(*hello);
            match state.refuse {
                Some(reason) => ToHost::Refused { reason, message: "no".into() },
                None => {
                    state.sender = Some(sender.clone());
                    state.link = Some(handle);
                    ToHost::Welcome(Welcome {
                        protocol: 1,
                        version: "test".into(),
                        epoch: Epoch(state.epoch),
                        host: HostId::new(1),
                        heartbeat_seconds: 5,
                    })
                }
            }
        };
        let weak = sender.downgrade();
        drop(sender);
        if writer.write(&first).await.is_err() {
            return;
        }
        self.changed.send_modify(|n| *n += 1);
        loop {
            tokio::select! {
                message = outgoing.recv() => match message {
                    Some(message) => if writer.write(&message).await.is_err() { return },
                    None => return,
                },
                read = reader.read::<FromHost>() => {
                    let Ok(Some(message)) = read else { return };
                    if let (Some(answer), Some(sender)) = (self.take(message), weak.upgrade())
                        && sender.try_send(answer).is_err()
                    {
                        return;
                    }
                    self.changed.send_modify(|n| *n += 1);
                }
            }
        }
    }

    fn take(&self, message: FromHost) -> Option<ToHost> {
        let mut state = self.lock();
        match message {
            FromHost::Hello(_) | FromHost::Unknown => panic!("not here: {message:?}"),
            FromHost::Applied { position } => state.applied.push(position),
            FromHost::Resync { have } => state.resyncs.push(have),
            FromHost::NotUnderstood { message } => state.not_understood.push(message),
            FromHost::Heartbeat { number, .. } => {
                state.heartbeats += 1;
                return (!state.silent).then_some(ToHost::HeartbeatSeen { number });
            }
            FromHost::Report(Report { outbox, sequence, items }) => {
                state.reports.push((outbox.clone(), sequence));
                for item in items {
                    match item {
                        ReportItem::Container(report) => {
                            state.history.push((*report).clone());
                            let key = (report.id, report.incarnation);
                            let older = state.containers.get(&key);
                            // As the real server does: what does not come later is dropped.
                            if older.is_none_or(|o| (o.starts, o.rank) <= (report.starts, report.rank)) {
                                state.containers.insert(key, *report);
                            }
                        }
                        ReportItem::Native(report) => {
                            state.natives.insert(report.docker_id.clone(), *report);
                        }
                        ReportItem::NativeGone { docker_id } => {
                            state.natives.remove(&docker_id);
                        }
                        ReportItem::NativeList { docker_ids } => {
                            state.natives.retain(|id, _| docker_ids.contains(id));
                            state.native_list = Some(docker_ids);
                        }
                        ReportItem::Host(facts) => state.facts = Some(*facts),
                        ReportItem::Volume(report) => {
                            state.volumes.insert(report.name.clone(), *report);
                        }
                    }
                }
                if !state.no_acknowledge {
                    return Some(ToHost::Acknowledge { outbox, sequence });
                }
            }
        }
        None
    }
}

/// Everything around an agent, which may die and be started again.
pub(super) struct Rig {
    pub(super) engine: FakeEngine,
    pub(super) disk: MemoryDisk,
    pub(super) files: MemoryFiles,
    pub(super) server: Server,
    pub(super) clock: Arc<PausedClock>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) assignment: Assignment,
    pub(super) revision: u64,
    pub(super) seed: u64,
    agent: Option<JoinHandle<Result<(), AgentError>>>,
    _server_task: JoinHandle<()>,
}

impl Rig {
    /// A rig whose agent is not started yet.
    pub(super) fn idle() -> Self {
        let clock = Arc::new(PausedClock::starting_at(Timestamp(1_700_000_000_000)));
        let engine = FakeEngine::new(Arc::clone(&clock) as Arc<dyn Clock>);
        for image in ["web:1", "web:2", "job:1"] {
            engine.add_image(image, Program::service());
        }
        let (server, server_task) = Server::new();
        Self {
            engine,
            disk: MemoryDisk::new(),
            files: MemoryFiles::default(),
            server,
            clock,
            standing: watch::channel(Standing::default()).1,
            assignment: Assignment::default(),
            revision: 0,
            seed: 1,
            agent: None,
            _server_task: server_task,
        }
    }

    pub(super) async fn started() -> Self {
        let mut rig = Self::idle();
        rig.start();
        rig.until("connected", |rig| rig.standing.borrow().connected).await;
        rig
    }

    pub(super) fn start(&mut self) {
        self.seed += 1;
        let seams = Seams {
            engine: Arc::new(self.engine.clone()) as Arc<dyn Engine>,
            disk: Arc::new(self.disk.clone()) as Arc<dyn Disk>,
            files: Arc::new(self.files.clone()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::new(SeededRandom::new(self.seed)),
            connector: Arc::new(self.server.clone()),
            probe: Arc::new(NoProbe),
        };
        let identity =
            HostIdentity { host_uuid: HOST.into(), labels: Default::default(), agent_version: "1".into() };
        let (sender, standing) = watch::channel(Standing::default());
        self.standing = standing;
        self.agent = Some(tokio::spawn(run_agent(seams, identity, CancellationToken::new(), sender)));
    }

    /// Kills the agent's process.
    pub(super) async fn kill(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.abort();
            let _ = agent.await;
        }
    }

    pub(super) async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let result = tokio::time::timeout(Duration::from_secs(3600), async {
            while !done(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        if result.is_err() {
            panic!(
                "waited an hour for: {what}\nstanding {:?}\ncontainers {:#?}\nreports {:#?}",
                *self.standing.borrow(),
                self.engine.containers(),
                self.server.lock().containers
            );
        }
    }

    pub(super) async fn settle(&self) {
        self.until("settled", |rig| {
            let standing = rig.standing.borrow();
            standing.settled && standing.unacknowledged == 0 && standing.position == Some(rig.position())
        })
        .await;
    }

    pub(super) fn position(&self) -> Position {
        Position { epoch: Epoch(self.server.lock().epoch), revision: Revision(self.revision) }
    }

    /// Sends the whole assignment.
    pub(super) fn send_complete(&mut self) {
        self.revision += 1;
        let message = ToHost::Complete { position: self.position(), assignment: self.assignment.clone() };
        self.server.send(message);
    }

    /// Changes the assignment and sends what changed.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Assignment)) {
        let before = self.assignment.clone();
        let from = self.position();
        change(&mut self.assignment);
        self.revision += 1;
        let changes = before.changes_to(&self.assignment);
        self.server.send(ToHost::Delta { from, to: self.position(), changes });
    }

    pub(super) fn report(&self, id: i64, incarnation: u32) -> Option<ContainerReport> {
        self.server.lock().containers.get(&(ContainerId::new(id), Incarnation(incarnation))).cloned()
    }

    pub(super) fn rank(&self, id: i64, incarnation: u32) -> Option<Rank> {
        self.report(id, incarnation).map(|report| report.rank)
    }

    pub(super) fn running(&self) -> Vec<String> {
        self.engine
            .containers()
            .into_iter()
            .filter(|(_, view)| view.state.has_process())
            .map(|(name, _)| name)
            .collect()
    }

    /// The ways of the ranks of a container, as the server heard them.
    pub(super) fn ranks(&self, id: i64) -> Vec<(u32, u32, Rank)> {
        let state = self.server.lock();
        let mut ranks: Vec<_> = state
            .history
            .iter()
            .filter(|report| report.id == ContainerId::new(id))
            .map(|report| (report.incarnation.0, report.starts, report.rank))
            .collect();
        ranks.dedup();
        ranks
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.abort();
        }
        self._server_task.abort();
    }
}

/// A container that shall run.
pub(super) fn container(name: &str, image: &str) -> ContainerAssignment {
    serde_json::from_value(serde_json::json!({
        "name": name, "uuid": name, "incarnation": 1, "run": "running", "rule": "keep_running",
        "spec": { "image": image }
    }))
    .unwrap()
}

pub(super) fn with(id: i64, container: ContainerAssignment) -> Assignment {
    Assignment { containers: [(ContainerId::new(id), container)].into(), ..Default::default() }
}
