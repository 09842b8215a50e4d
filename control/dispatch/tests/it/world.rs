//! A server's dispatch with scripted agents.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contract_link::{FrameReader, Link, LinkHandle, LinkStream, Side};
use contract_protocol::{
    Assignment, ContainerReport, FromHost, Hello, HostFacts, PROTOCOL_VERSION, Position, Rank, Refusal,
    Report, ReportItem, ToHost, Welcome, encode_frame,
};
use contract_values::{ContainerId, HostId, Incarnation, ProjectId, Timestamp};
use control_dispatch::{Dispatch, DispatchOptions};
use control_model::{
    AgentLink, Clock, Container, ContainerDecision, ContainerIntent, Host, HostIntent, HostObservation,
    LaunchSpec, Origin, Project, ProjectIntent, Random, Row, Transaction,
};
use control_store::{CommitError, MemoryDatabase, Store, StoreOptions};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, duplex};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, timeout};

/// The longest that anything may take, on the clock that stands still.
pub const LIMIT: Duration = Duration::from_secs(120);
pub const START: i64 = 1_750_000_000_000;

/// The paused clock of tokio as wall time.
pub struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(START + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

pub struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

pub struct World {
    pub database: MemoryDatabase,
    pub store: Store,
    pub clock: Arc<TestClock>,
    pub dispatch: Dispatch,
}

impl World {
    pub async fn new() -> Self {
        Self::with_options(DispatchOptions::default()).await
    }

    pub async fn with_options(options: DispatchOptions) -> Self {
        Self::with_both(options, StoreOptions::default()).await
    }

    pub async fn with_both(options: DispatchOptions, of_store: StoreOptions) -> Self {
        let database = MemoryDatabase::new();
        let clock = Arc::new(TestClock(Instant::now()));
        let (store, dispatch) = boot(&database, &clock, options, of_store).await;
        let world = Self { database, store, clock, dispatch };
        world
            .change(|tx, _| {
                let intent = ProjectIntent { name: "shop".into(), ..Default::default() };
                tx.insert::<Project>(ProjectId::new(1), "project".into(), intent);
            })
            .await;
        world
    }

    /// Stops the server as a crash would, as far as others can tell, and starts a new one over the same database.
    pub async fn restart(self) -> Self {
        self.dispatch.shutdown().await;
        self.store.close().await;
        let (store, dispatch) =
            boot(&self.database, &self.clock, DispatchOptions::default(), StoreOptions::default()).await;
        Self { store, dispatch, ..self }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Commits what the closure writes.
    pub async fn change(&self, write: impl FnOnce(&mut Transaction, &control_model::Tables)) {
        let mut tx = Transaction::new(self.now());
        write(&mut tx, &self.store.snapshot());
        self.store.commit(tx).await.unwrap();
    }

    /// Commits although the database fails at times. The writes are such that a second time is refused at worst.
    pub async fn commit_surely(&self, tx: Transaction) {
        loop {
            match self.store.commit(tx.clone()).await {
                Ok(_) | Err(CommitError::Refused(_)) => return,
                Err(CommitError::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error @ CommitError::Fenced) => panic!("{error}"),
            }
        }
    }

    pub async fn add_host(&self, number: i64) -> HostId {
        let host = HostId::new(number);
        self.change(|tx, _| {
            let intent = HostIntent {
                project: Some(ProjectId::new(1)),
                hostname: format!("h{number}"),
                agent_uuid: format!("identity-{number}"),
                ..Default::default()
            };
            tx.insert::<Host>(host, format!("host-uuid-{number}"), intent);
        })
        .await;
        host
    }

    /// Adds a container that is placed on a host, with so many bytes of ballast.
    pub async fn add_container(&self, number: i64, host: HostId, ballast: usize) -> ContainerId {
        self.change(|tx, _| insert_container(tx, number, host, ballast)).await;
        ContainerId::new(number)
    }

    pub fn host(&self, host: HostId) -> Arc<Row<Host>> {
        self.store.snapshot().hosts.get(host).unwrap().clone()
    }

    pub fn container(&self, id: ContainerId) -> Arc<Row<Container>> {
        self.store.snapshot().containers.get(id).unwrap().clone()
    }

    pub fn natives(&self, host: HostId) -> Vec<String> {
        let tables = self.store.snapshot();
        let live = tables.containers.of_host(host).filter(|row| row.removed.is_none());
        live.filter(|row| matches!(row.intent.origin, Origin::Native { .. }))
            .map(|row| row.intent.name.clone())
            .collect()
    }

    /// Waits until the store's picture of a host is as wanted.
    pub async fn wait_for_host(
        &self,
        host: HostId,
        wanted: impl Fn(&HostObservation) -> bool,
    ) -> Arc<Row<Host>> {
        let mut watch = self.store.watch();
        let waiting = async {
            while !wanted(&self.host(host).observation) {
                watch.next().await.unwrap();
            }
        };
        if timeout(LIMIT, waiting).await.is_err() {
            panic!("{host} did not become as wanted; it is {:#?}", self.host(host).observation);
        }
        self.host(host)
    }

    pub async fn wait_for_link(&self, host: HostId, link: AgentLink) -> Arc<Row<Host>> {
        self.wait_for_host(host, |seen| seen.link == link).await
    }

    /// Dials in as the agent of a host.
    pub async fn dial(&self, host: HostId) -> Agent {
        let (ours, theirs) = duplex(64 * 1024);
        let dispatch = self.dispatch.clone();
        let remote = SocketAddr::from(([10, 0, 0, u8::try_from(host.raw() % 250).unwrap()], 4000));
        let served = tokio::spawn(async move {
            let serving = std::panic::AssertUnwindSafe(dispatch.serve(host, remote, theirs));
            if futures_util::FutureExt::catch_unwind(serving).await.is_err() {
                // Nobody may wait for this task, and a fault must not pass unseen.
                std::process::abort();
            }
        });
        let (handle, driver) = Link::new(ours, Side::Agent);
        let driver = tokio::spawn(async move {
            let _ = driver.run().await;
        });
        let (read, write) = tokio::io::split(handle.open().await.unwrap());
        Agent {
            host,
            handle,
            reader: FrameReader::new(read),
            writer: write,
            served,
            driver: Aborts(driver.abort_handle()),
        }
    }

    /// Dials in where nobody serves any more.
    pub async fn hello_unheard(&self, host: HostId) {
        let agent = self.dial(host).await;
        agent.ended().await;
    }

    /// Dials in and says hello.
    pub async fn hello(&self, host: HostId, run: &str) -> Agent {
        let mut agent = self.dial(host).await;
        agent.say(hello(host, run)).await;
        agent
    }

    /// Dials in, says hello and takes the welcome and the complete assignment.
    pub async fn connect(&self, host: HostId, run: &str) -> (Agent, Position, Assignment) {
        let mut agent = self.hello(host, run).await;
        agent.welcome().await;
        let (position, assignment) = agent.complete().await;
        (agent, position, assignment)
    }
}

pub fn insert_container(tx: &mut Transaction, number: i64, host: HostId, ballast: usize) {
    let launch = LaunchSpec {
        image: Some("nginx:1".parse().unwrap()),
        environment: [("BALLAST".to_owned(), "x".repeat(ballast))].into(),
        ..Default::default()
    };
    let intent = ContainerIntent {
        project: Some(ProjectId::new(1)),
        name: format!("c{number}"),
        launch,
        ..Default::default()
    };
    let decision = ContainerDecision { host: Some(host), incarnation: Incarnation(1), ..Default::default() };
    tx.insert_decided::<Container>(ContainerId::new(number), format!("container-{number}"), intent, decision);
}

async fn boot(
    database: &MemoryDatabase,
    clock: &Arc<TestClock>,
    options: DispatchOptions,
    of_store: StoreOptions,
) -> (Store, Dispatch) {
    let store = Store::open_memory(database, of_store).await.unwrap();
    let random = Arc::new(Counting(AtomicU64::new(0)));
    let dispatch = Dispatch::start(store.clone(), clock.clone(), random, options).await.unwrap();
    (store, dispatch)
}

/// Ends a task with its owner.
pub struct Aborts(AbortHandle);
impl Drop for Aborts {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A scripted agent. Dropping it breaks the connection.
pub struct Agent {
    pub host: HostId,
    pub handle: LinkHandle,
    reader: FrameReader<ReadHalf<LinkStream>>,
    pub writer: WriteHalf<LinkStream>,
    pub served: JoinHandle<()>,
    driver: Aborts,
}

pub fn hello(host: HostId, run: &str) -> FromHost {
    FromHost::Hello(Box::new(Hello {
        protocol: PROTOCOL_VERSION,
        version: "1.2.3".into(),
        host_uuid: format!("identity-{}", host.raw()),
        run_id: run.to_owned(),
        facts: HostFacts { hostname: format!("h{}", host.raw()), cpu_count: 4, ..Default::default() },
        ..Default::default()
    }))
}

pub fn seen(id: ContainerId, rank: Rank, at: i64) -> ReportItem {
    ReportItem::Container(Box::new(ContainerReport {
        id,
        incarnation: Incarnation(1),
        starts: 1,
        rank,
        at: Timestamp(at),
        docker_id: Some(format!("docker-{}", id.raw())),
        image_id: None,
        address: None,
        ports: vec![],
        started_at: None,
        exit_code: None,
        health: None,
        restarts_done: 0,
        failure: None,
        failure_text: None,
        retry_at: None,
        progress: None,
    }))
}

pub fn report(outbox: &str, sequence: u64, items: Vec<ReportItem>) -> FromHost {
    FromHost::Report(Report { outbox: outbox.to_owned(), sequence, items })
}

impl Agent {
    pub async fn say(&mut self, message: FromHost) {
        self.try_say(message).await.unwrap();
    }

    pub async fn try_say(&mut self, message: FromHost) -> std::io::Result<()> {
        self.writer.write_all(&encode_frame(&message).unwrap()).await?;
        self.writer.flush().await
    }

    /// The next message; `None` when the server has ended the control stream.
    pub async fn hear_or_end(&mut self) -> Option<ToHost> {
        let heard = timeout(LIMIT, self.reader.read::<ToHost>()).await;
        heard.unwrap_or_else(|_| panic!("{} hears nothing", self.host)).unwrap_or(None)
    }

    pub async fn hear(&mut self) -> ToHost {
        let host = self.host;
        self.hear_or_end().await.unwrap_or_else(|| panic!("the server ended the link of {host}"))
    }

    pub async fn welcome(&mut self) -> Welcome {
        match self.hear().await {
            ToHost::Welcome(welcome) => welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    pub async fn complete(&mut self) -> (Position, Assignment) {
        match self.hear().await {
            ToHost::Complete { position, assignment } => (position, assignment),
            other => panic!("no complete assignment but {other:?}"),
        }
    }

    /// Takes a step and applies it.
    pub async fn step(&mut self, position: &mut Position, assignment: &mut Assignment) {
        match self.hear().await {
            ToHost::Delta { from, to, changes } => {
                assert_eq!(from, *position, "a step begins where the host stands");
                assert!(to > from);
                *position = to;
                assignment.apply(&changes);
            }
            other => panic!("no step but {other:?}"),
        }
    }

    pub async fn acknowledged(&mut self) -> (String, u64) {
        match self.hear().await {
            ToHost::Acknowledge { outbox, sequence } => (outbox, sequence),
            other => panic!("no acknowledgement but {other:?}"),
        }
    }

    pub async fn refused(&mut self) -> (Refusal, String) {
        match self.hear().await {
            ToHost::Refused { reason, message } => (reason, message),
            other => panic!("no refusal but {other:?}"),
        }
    }

    /// Hears nothing for a while, although the clock goes on.
    pub async fn hears_nothing_for(&mut self, span: Duration) {
        if let Ok(heard) = timeout(span, self.reader.read::<ToHost>()).await {
            panic!("{} heard {heard:?}", self.host);
        }
    }

    /// Sends heartbeats and answers probes, and hands back the first message that is about neither.
    pub async fn lives_until(&mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        let mut number = 1000;
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                heard = self.reader.read::<ToHost>() => match heard.unwrap() {
                    Some(ToHost::Unknown) => {
                        self.say(FromHost::NotUnderstood { message: "unknown".into() }).await;
                    }
                    Some(ToHost::HeartbeatSeen { .. }) => {}
                    other => panic!("{} heard {other:?}", self.host),
                },
                () = tokio::time::sleep(Duration::from_secs(10)) => {
                    number += 1;
                    self.say(FromHost::Heartbeat { number, metrics: None }).await;
                }
            }
        }
    }

    /// Waits until the server has ended the link and done with it.
    pub async fn ended(self) {
        let Self { served, handle, driver, reader, writer, .. } = self;
        timeout(LIMIT, served).await.expect("the link ends").unwrap();
        drop((handle, driver, reader, writer));
    }
}
