//! The wheel: takes in what happens, lets the core decide, writes down, acts, sends.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use contract_protocol::{FromHost, Hello, HostFacts, PROTOCOL_VERSION, Position, ToHost};
use contract_values::{Labels, Timestamp};
use futures_util::StreamExt;
use host_driver::{Clock, Disk, Engine, EngineEvent, Files, Random};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::core::{Core, Counters, Plan, Reaction, TROUBLE_DISK, TROUBLE_LEDGER, describe};
use crate::journal::Record;
use crate::ledger::{Ledger, Opened};
use crate::probe::Probe;
use crate::session::{Connector, Session, Tidings};
use crate::step::Object;
use crate::steps::{Word, Workshop};
use crate::streams::Streams;

/// How often everything is listed to count what events have missed; chance adds up to half as much again.
const LIST_EVERY: Duration = Duration::from_secs(240);
/// How often the host's facts are read again.
const FACTS_EVERY: Duration = Duration::from_secs(60);
/// How long to wait before an engine that is away is tried again, at first and at most.
const ENGINE_FIRST: Duration = Duration::from_millis(100);
const ENGINE_LAST: Duration = Duration::from_secs(5);
/// How long to wait before the server is asked again for what could not be written.
const DISK_RETRY: Duration = Duration::from_secs(5);
/// Inputs that wait.
const QUEUE: usize = 256;
/// Inputs that are taken in before the next decision.
const BATCH: usize = 128;

/// Everything outside the agent.
#[derive(Clone, Debug)]
pub struct Seams {
    /// The container engine.
    pub engine: Arc<dyn Engine>,
    /// The folder for the agent's state.
    pub disk: Arc<dyn Disk>,
    /// Where files for containers lie.
    pub files: Arc<dyn Files>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// The way to the server.
    pub connector: Arc<dyn Connector>,
    /// The host.
    pub probe: Arc<dyn Probe>,
}

/// Who this host is.
#[derive(Clone, Debug, Default)]
pub struct HostIdentity {
    /// Made once and kept on the disk.
    pub host_uuid: String,
    /// Given by a person at the start.
    pub labels: Labels,
    /// The version of this program.
    pub agent_version: String,
}

/// Why an agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its ledger cannot be read or put aside.
    #[error("could not read the ledger")]
    Ledger(#[source] io::Error),
    /// Its folder cannot be used.
    #[error("could not use the folder {folder}")]
    Folder {
        /// Which one.
        folder: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The command line or the settings are wrong.
    #[error("{0}")]
    Configuration(String),
    /// The server does not let this host register.
    #[error("could not register this host")]
    Registration(#[source] crate::session::ConnectError),
    /// The engine's address cannot be used.
    #[error("could not use the engine at {address}")]
    Engine {
        /// Its address.
        address: String,
        /// Why.
        #[source]
        source: host_driver::EngineError,
    },
}

/// What an agent shows of itself, for tests and for its own log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The assignment that counts.
    pub position: Option<Position>,
    /// Whether the server has welcomed us and is still there.
    pub connected: bool,
    /// Whether nothing is being done and nothing waits.
    pub settled: bool,
    /// Observations that the server has not acknowledged.
    pub unacknowledged: usize,
    /// Figures.
    pub counters: Counters,
}

/// Runs an agent over the given seams until `shutdown`; containers go on without it.
///
/// # Errors
/// Fails when its disk cannot be read at the start.
pub async fn run_agent(
    seams: Seams,
    identity: HostIdentity,
    shutdown: CancellationToken,
    standing: watch::Sender<Standing>,
) -> Result<(), AgentError> {
    let mut agent = Agent::open(seams, identity, standing).await?;
    agent.run(shutdown).await;
    Ok(())
}

enum FromEngine {
    Up(contract_protocol::EngineFacts),
    Happened(EngineEvent),
    Down(String),
}

struct Agent {
    seams: Seams,
    core: Core,
    ledger: Ledger,
    workshop: Arc<Workshop>,
    words: mpsc::Receiver<Word>,
    steps: JoinSet<()>,
    /// The ways to call steps back.
    calls: BTreeMap<Object, CancellationToken>,
    hello: watch::Sender<Hello>,
    server: Option<mpsc::Sender<FromHost>>,
    welcomed: bool,
    standing: watch::Sender<Standing>,
    /// When to ask the server again for an assignment that could not be written.
    resync_at: Option<Instant>,
    disk_failed_at: Option<Instant>,
    labels: Labels,
    agent_version: String,
}

impl Agent {
    async fn open(
        seams: Seams,
        identity: HostIdentity,
        standing: watch::Sender<Standing>,
    ) -> Result<Self, AgentError> {
        let now = seams.clock.now();
        let Opened { ledger, records, put_aside } =
            Ledger::open(Arc::clone(&seams.disk), Arc::clone(&seams.random), now.0)
                .await
                .map_err(AgentError::Ledger)?;
        let run_id = seams.random.uuid();
        let facts = with_labels(seams.probe.facts(), &identity.labels, &identity.agent_version);
        let mut core = Core::new(identity.host_uuid.clone(), run_id.clone(), facts.clone());
        core.restore(records);
        if let Some(name) = put_aside {
            core.set_trouble(
                "ledger_damaged",
                Some(format!("the ledger was damaged and put aside as {name}")),
            );
        }
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            version: identity.agent_version.clone(),
            abilities: Vec::new(),
            host_uuid: identity.host_uuid,
            run_id,
            ledger: core.position(),
            facts,
        };
        let (words_tx, words) = mpsc::channel(QUEUE);
        Ok(Self {
            workshop: Arc::new(Workshop::new(Arc::clone(&seams.engine), Arc::clone(&seams.files), words_tx)),
            seams,
            core,
            ledger,
            words,
            steps: JoinSet::new(),
            calls: BTreeMap::new(),
            hello: watch::channel(hello).0,
            server: None,
            welcomed: false,
            standing,
            resync_at: None,
            disk_failed_at: None,
            labels: identity.labels,
            agent_version: identity.agent_version,
        })
    }

    async fn run(&mut self, shutdown: CancellationToken) {
        let (tidings_tx, mut tidings) = mpsc::channel(QUEUE);
        let (events_tx, mut events) = mpsc::channel(QUEUE);
        let session = Session {
            connector: Arc::clone(&self.seams.connector),
            random: Arc::clone(&self.seams.random),
            probe: Arc::clone(&self.seams.probe),
            streams: Arc::new(Streams {
                engine: Arc::clone(&self.seams.engine),
                probe: Arc::clone(&self.seams.probe),
            }),
            hello: self.hello.subscribe(),
            tidings: tidings_tx,
        };
        // Owned by this set, which ends them when the agent ends.
        let mut companions = JoinSet::new();
        companions.spawn(session.run());
        companions.spawn(follow(Arc::clone(&self.seams.engine), Arc::clone(&self.seams.clock), events_tx));
        let mut next_list = Instant::now() + self.list_pause();
        let mut next_facts = Instant::now() + FACTS_EVERY;
        loop {
            let wake_at = self.turn().await;
            let due = [Some(next_list), Some(next_facts), wake_at, self.resync_at, self.disk_retry_at()];
            let due = due.into_iter().flatten().min().expect("two of them are always there");
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(event) = events.recv() => {
                    self.engine_said(event);
                    for _ in 1..BATCH {
                        let Ok(event) = events.try_recv() else { break };
                        self.engine_said(event);
                    }
                }
                Some(word) = self.words.recv() => {
                    self.step_said(word);
                    for _ in 1..BATCH {
                        let Ok(word) = self.words.try_recv() else { break };
                        self.step_said(word);
                    }
                }
                Some(tidings) = tidings.recv() => self.server_said(tidings).await,
                Some(ended) = self.steps.join_next(), if !self.steps.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(error = %error, "a step ended badly");
                    }
                }
                () = tokio::time::sleep_until(due) => {
                    let now = Instant::now();
                    if now >= next_list {
                        next_list = now + self.list_pause();
                        self.core.want_list();
                    }
                    if now >= next_facts {
                        next_facts = now + FACTS_EVERY;
                        self.read_facts();
                    }
                    if self.resync_at.is_some_and(|at| now >= at) {
                        self.resync_at = None;
                        self.send(FromHost::Resync { have: self.core.position() });
                    }
                }
            }
        }
        companions.shutdown().await;
        self.steps.shutdown().await;
    }

    fn list_pause(&self) -> Duration {
        let half = u64::try_from(LIST_EVERY.as_millis()).expect("minutes fit") / 2;
        LIST_EVERY + Duration::from_millis(self.seams.random.below(half))
    }

    fn now(&self) -> Timestamp {
        self.seams.clock.now()
    }

    /// Decides, writes down, acts and sends; returns when to look again.
    async fn turn(&mut self) -> Option<Instant> {
        let now = self.now();
        let Plan { steps, call_back, wake_at } = self.core.plan(now);
        self.write().await;
        for object in call_back {
            if let Some(call) = self.calls.get(&object) {
                call.cancel();
            }
        }
        for step in steps {
            let call = CancellationToken::new();
            self.calls.insert(step.object.clone(), call.clone());
            self.steps.spawn(Arc::clone(&self.workshop).carry_out(step, call));
        }
        self.post();
        self.show();
        wake_at.map(|at| {
            let wait = at.since(now).to_std().min(Duration::from_secs(60));
            Instant::now() + wait.max(Duration::from_millis(1))
        })
    }

    fn disk_retry_at(&self) -> Option<Instant> {
        self.disk_failed_at.map(|at| at + DISK_RETRY)
    }

    /// Brings what was noted to the disk. Observations that cannot be written are sent all the same: a host whose
    /// disk is full must be able to say so.
    async fn write(&mut self) {
        let records = self.core.take_records();
        let retry_due = self.disk_retry_at().is_some_and(|at| Instant::now() >= at);
        let is_broken = self.ledger.has_gap();
        let has_grown = !is_broken && self.ledger.wants_snapshot();
        if records.is_empty() && !retry_due && !has_grown {
            return;
        }
        let mut result = Ok(());
        if !is_broken && !records.is_empty() {
            result = self.ledger.append(&records).await;
        }
        if self.ledger.wants_snapshot() && (!is_broken || retry_due) {
            result = self.ledger.rewrite(&self.core.snapshot()).await;
        }
        self.disk_result(result);
    }

    fn disk_result(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) if !self.ledger.has_gap() => {
                if self.disk_failed_at.take().is_some() {
                    tracing::info!("the ledger can be written again");
                    self.core.set_trouble(TROUBLE_LEDGER, None);
                }
            }
            Ok(()) => {}
            Err(error) => {
                if self.disk_failed_at.is_none() {
                    tracing::error!(error = %error, "could not write the ledger; no new assignment is taken before it works");
                    self.core.set_trouble(TROUBLE_LEDGER, Some(error.to_string()));
                }
                self.disk_failed_at = Some(Instant::now());
            }
        }
    }

    /// Writes an assignment and makes it count.
    async fn adopt(&mut self, record: Record) {
        // What was noted before must stand before it.
        self.write().await;
        if self.ledger.has_gap() {
            let result = self.ledger.rewrite(&self.core.snapshot()).await;
            self.disk_result(result);
        }
        let result = match self.ledger.has_gap() {
            true => Err(io::Error::other("the ledger could not be written anew")),
            false => self.ledger.append(std::slice::from_ref(&record)).await,
        };
        match result {
            Ok(()) => {
                self.disk_result(Ok(()));
                self.core.adopt(record);
                let position = self.core.position();
                self.hello.send_modify(|hello| hello.ledger = position);
            }
            Err(error) => {
                self.disk_result(Err(error));
                self.resync_at = Some(Instant::now() + DISK_RETRY);
            }
        }
    }

    fn engine_said(&mut self, word: FromEngine) {
        match word {
            FromEngine::Up(facts) => {
                tracing::info!(engine.version = facts.version, "the engine answers");
                self.core.engine_up(facts);
                self.read_facts();
            }
            FromEngine::Happened(event) => {
                let now = self.now();
                self.core.event(event, now);
            }
            FromEngine::Down(text) => {
                tracing::warn!("the engine does not answer: {text}");
                self.core.engine_down(text);
                self.greet_with_facts();
            }
        }
    }

    fn step_said(&mut self, word: Word) {
        let now = self.now();
        match word {
            Word::Note(object, note) => self.core.note(&object, note, now),
            Word::Ended(ended) => {
                self.calls.remove(&ended.object);
                self.core.ended(ended, now);
            }
        }
    }

    async fn server_said(&mut self, tidings: Tidings) {
        match tidings {
            Tidings::Connected(sender) => {
                self.server = Some(sender);
                self.welcomed = false;
            }
            Tidings::Ended => {
                self.server = None;
                self.welcomed = false;
            }
            Tidings::Message(message) => {
                let is_known = !matches!(message, ToHost::Unknown);
                match self.core.receive(message) {
                    Reaction::None => {}
                    Reaction::Welcomed(welcome) => {
                        tracing::info!(host.id = %welcome.host, server.version = welcome.version, "connected to the server");
                        self.welcomed = true;
                    }
                    Reaction::Refused { .. } | Reaction::Leave => {
                        // Without its sender the conversation ends, and another is begun later.
                        self.server = None;
                        self.welcomed = false;
                    }
                    Reaction::Adopt(record) => self.adopt(record).await,
                }
                debug_assert!(is_known, "the session answers unknown messages");
            }
        }
    }

    fn read_facts(&mut self) {
        let fresh = with_labels(self.seams.probe.facts(), &self.labels, &self.agent_version);
        let folder = self.core.facts().engine.root_dir.clone();
        let trouble = self.seams.probe.disk_trouble(&folder);
        self.core.update_facts(|facts| {
            let (engine, mut troubles) =
                (std::mem::take(&mut facts.engine), std::mem::take(&mut facts.troubles));
            match trouble {
                Some(text) => troubles.insert(TROUBLE_DISK.to_owned(), text),
                None => troubles.remove(TROUBLE_DISK),
            };
            *facts = HostFacts { engine, troubles, ..fresh };
        });
        self.greet_with_facts();
    }

    fn greet_with_facts(&self) {
        let facts = self.core.facts();
        self.hello.send_if_modified(|hello| {
            let is_new = hello.facts != *facts;
            if is_new {
                hello.facts = facts.clone();
            }
            is_new
        });
    }

    /// Sends what waits, as far as the connection takes it.
    fn post(&mut self) {
        let messages = self.core.take_messages();
        for message in messages {
            self.send(message);
        }
        while self.welcomed
            && let Some(server) = &self.server
        {
            // Room first: a report that was taken out counts as sent.
            let Ok(room) = server.try_reserve() else { break };
            let Some(report) = self.core.next_report() else { break };
            room.send(report);
        }
    }

    fn send(&mut self, message: FromHost) {
        let Some(server) = self.server.as_ref().filter(|_| self.welcomed) else { return };
        if server.try_send(message).is_err() {
            tracing::warn!("the server does not read; the connection is given up");
            self.server = None;
            self.welcomed = false;
        }
    }

    fn show(&self) {
        let now = Standing {
            position: self.core.position(),
            connected: self.welcomed,
            settled: self.core.is_settled(),
            unacknowledged: self.core.unacknowledged(),
            counters: self.core.counters(),
        };
        self.standing.send_if_modified(|standing| {
            let is_new = *standing != now;
            *standing = now;
            is_new
        });
    }
}

fn with_labels(mut facts: HostFacts, labels: &Labels, version: &str) -> HostFacts {
    facts.labels.clone_from(labels);
    version.clone_into(&mut facts.agent_version);
    facts
}

/// Follows the engine's events, for as long as somebody listens.
async fn follow(engine: Arc<dyn Engine>, clock: Arc<dyn Clock>, to: mpsc::Sender<FromEngine>) {
    let mut delay = ENGINE_FIRST;
    let mut told_down = false;
    loop {
        // A little of the past comes with it, so that nothing falls between the first list and the first event.
        let since = clock.now() - contract_values::Duration::seconds(2);
        let text = match engine.events(Some(since)).await {
            Err(error) => describe(&error),
            Ok(mut events) => match engine.facts().await {
                Err(error) => describe(&error),
                Ok(facts) => {
                    delay = ENGINE_FIRST;
                    told_down = false;
                    if to.send(FromEngine::Up(facts)).await.is_err() {
                        return;
                    }
                    loop {
                        match events.next().await {
                            Some(Ok(event)) => {
                                if to.send(FromEngine::Happened(event)).await.is_err() {
                                    return;
                                }
                            }
                            Some(Err(error)) => break describe(&error),
                            None => break "its events have ended".to_owned(),
                        }
                    }
                }
            },
        };
        if !told_down && to.send(FromEngine::Down(text)).await.is_err() {
            return;
        }
        told_down = true;
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(ENGINE_LAST);
    }
}
