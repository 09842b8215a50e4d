//! A container engine in memory.
//!
//! It behaves as Docker does in everything that the agent relies on (see [`crate::conformance`]), takes no time
//! unless told to, and does wrong what a test scripts.

mod operations;
mod program;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use bytes::Bytes;
use contract_protocol::{ContainerSpec, FailureCode, RestartPolicy};
use contract_values::{ImageRef, Labels, PortMapping, PortNumber, Timestamp, Transport};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

use crate::{
    Clock, ContainerState, ContainerView, EngineError, EngineEvent, EventKind, Limits, MountedFile,
    OutputChunk,
};

pub use program::Program;

/// How many events the engine remembers.
const EVENTS_KEPT: usize = 256;

/// The operations that can be counted and go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Operation {
    Facts,
    List,
    Inspect,
    ImageId,
    Pull,
    Create,
    Start,
    Stop,
    Kill,
    Remove,
    Events,
    Networks,
    EnsureNetwork,
    RemoveNetwork,
    EnsureVolume,
    RemoveVolume,
    Update,
    Logs,
    Exec,
    Stats,
    Top,
    Archive,
    Build,
    RawSocket,
}

/// What goes wrong with an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes so long, and works.
    Slow(Duration),
    /// The engine refuses.
    Refuse(FailureCode, String),
    /// It takes too long, and nothing has happened.
    TimeOut,
    /// The connection breaks before it happened.
    Unreachable,
    /// It happened, and the connection breaks before the answer.
    AnswerLost,
    /// It happened, and the answer takes so long.
    SlowAnswer(Duration),
}

/// How the answer to a call goes.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Now,
    Lost,
    After(Duration),
}

/// A container engine in memory; clones share it.
#[derive(Clone, Debug)]
pub struct FakeEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    events: broadcast::Sender<EngineEvent>,
    up: watch::Sender<bool>,
    itself: Weak<Inner>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    containers: BTreeMap<String, FakeContainer>,
    networks: BTreeMap<String, Labels>,
    volumes: BTreeSet<String>,
    /// What the host has, with the behaviour of its containers.
    images: BTreeMap<String, Program>,
    /// What can be fetched, and how long that takes.
    registry: BTreeMap<String, (Duration, Program)>,
    /// Images that only one user may fetch.
    guarded: BTreeMap<String, (String, String)>,
    copied: BTreeMap<(String, String), Vec<u8>>,
    taken_ports: BTreeSet<(PortNumber, Transport)>,
    disk_full: bool,
    faults: Vec<(Operation, u32, Fault)>,
    calls: BTreeMap<Operation, u64>,
    log: VecDeque<EngineEvent>,
}

#[derive(Debug)]
struct FakeContainer {
    view: ContainerView,
    restart: RestartPolicy,
    wanted_ports: Vec<PortMapping>,
    has_health: bool,
    stop_timeout: Option<contract_values::Duration>,
    spec: Option<ContainerSpec>,
    files: Vec<MountedFile>,
    program: Program,
    /// Counts its runs, so that the end of one does not end the next.
    run: u64,
    ending: Option<AbortHandle>,
    output: Vec<(Timestamp, OutputChunk)>,
    changed: watch::Sender<u64>,
    stopped_by_hand: bool,
    mac: u64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Ok(state) = self.state.get_mut() {
            for container in state.containers.values() {
                container.ending.iter().for_each(AbortHandle::abort);
            }
        }
    }
}

impl FakeEngine {
    /// An engine without images.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new_cyclic(|itself| Inner {
            clock,
            state: Mutex::default(),
            events: broadcast::channel(1024).0,
            up: watch::channel(true).0,
            itself: Weak::clone(itself),
        });
        Self { inner }
    }

    /// Puts an image on the host. Containers of it without a command that is understood behave like `program`.
    pub fn add_image(&self, image: &str, program: Program) {
        self.lock().images.insert(canonical(image), program);
    }

    /// Removes an image from the host.
    pub fn remove_image(&self, image: &str) {
        self.lock().images.remove(&canonical(image));
    }

    /// Lets an image be fetched in so much time.
    pub fn add_to_registry(&self, image: &str, takes: Duration, program: Program) {
        self.lock().registry.insert(canonical(image), (takes, program));
    }

    /// Lets the next `times` calls of an operation go wrong.
    pub fn script(&self, operation: Operation, times: u32, fault: Fault) {
        self.lock().faults.push((operation, times, fault));
    }

    /// Takes all scripted faults away.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.disk_full = false;
        state.taken_ports.clear();
    }

    /// Lets a program outside the engine hold a port.
    pub fn take_port(&self, port: PortNumber, transport: Transport) {
        self.lock().taken_ports.insert((port, transport));
    }

    /// Fills the disk or frees it.
    pub fn set_disk_full(&self, full: bool) {
        self.lock().disk_full = full;
    }

    /// Says how often an operation was called.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.lock().calls.get(&operation).copied().unwrap_or(0)
    }

    /// Lists the containers by name.
    pub fn containers(&self) -> BTreeMap<String, ContainerView> {
        self.lock().containers.values().map(|c| (c.view.name.clone(), c.view.clone())).collect()
    }

    /// The files that a container was made with.
    pub fn files(&self, name: &str) -> Vec<MountedFile> {
        let state = self.lock();
        state.containers.values().find(|c| c.view.name == name).map(|c| c.files.clone()).unwrap_or_default()
    }

    /// Who may fetch an image; from then on nobody else may.
    pub fn guard_image(&self, image: &str, username: &str, password: &str) {
        let login = (username.to_owned(), password.to_owned());
        self.lock().guarded.insert(canonical(image), login);
    }

    /// What was copied into containers, by container and folder.
    pub fn copied(&self) -> BTreeMap<(String, String), Vec<u8>> {
        self.lock().copied.clone()
    }

    /// The spec that a container was made with.
    pub fn spec(&self, name: &str) -> Option<ContainerSpec> {
        self.lock().containers.values().find(|c| c.view.name == name)?.spec.clone()
    }

    /// Lists the names of the networks.
    pub fn network_names(&self) -> Vec<String> {
        self.lock().networks.keys().cloned().collect()
    }

    /// Lists the names of the volumes.
    pub fn volume_names(&self) -> Vec<String> {
        self.lock().volumes.iter().cloned().collect()
    }

    /// Makes a volume by hand.
    pub fn add_volume(&self, name: &str) {
        self.lock().volumes.insert(name.to_owned());
    }

    /// Makes a network by hand.
    pub fn add_network(&self, name: &str) {
        self.lock().networks.insert(name.to_owned(), Labels::new());
    }

    /// Makes and starts a container by hand, as `docker run -d` does; returns the engine's id.
    pub fn run_by_hand(&self, name: &str, image: &str, labels: Labels) -> String {
        let mut state = self.lock();
        let program = state.images.get(&canonical(image)).cloned().unwrap_or_else(Program::service);
        let id = self.insert(&mut state, name, image, labels, program);
        drop(state);
        self.begin(&id);
        id
    }

    /// Ends the process of a container from outside.
    pub fn end_process(&self, docker_id: &str, exit_code: i64) {
        self.end(docker_id, None, exit_code, false);
    }

    /// Ends the process of a container because memory ran out.
    pub fn run_out_of_memory(&self, docker_id: &str) {
        self.emit(EventKind::OutOfMemory { docker_id: docker_id.to_owned() });
        if let Some(container) = self.lock().containers.get_mut(docker_id) {
            container.view.out_of_memory = true;
        }
        self.end(docker_id, None, 137, false);
    }

    /// Lets the engine's health check come to a verdict.
    pub fn set_health(&self, docker_id: &str, status: &str) {
        if let Some(container) = self.lock().containers.get_mut(docker_id) {
            container.view.health = Some(status.to_owned());
        }
        self.emit(EventKind::Health { docker_id: docker_id.to_owned(), status: status.to_owned() });
    }

    /// Removes a container behind everyone's back, with its events.
    pub fn remove_by_hand(&self, docker_id: &str) {
        self.end(docker_id, None, 137, true);
        self.lock().containers.remove(docker_id);
        self.emit(EventKind::Destroyed { docker_id: docker_id.to_owned() });
    }

    /// Changes something without saying so, to see whether it is noticed all the same.
    pub fn silently(&self, change: impl FnOnce(&mut BTreeMap<String, ContainerView>)) {
        let mut state = self.lock();
        let mut views: BTreeMap<String, ContainerView> =
            state.containers.iter().map(|(id, c)| (id.clone(), c.view.clone())).collect();
        change(&mut views);
        state.containers.retain(|id, _| views.contains_key(id));
        for (id, view) in views {
            if let Some(container) = state.containers.get_mut(&id) {
                container.view = view;
            }
        }
    }

    /// Kills the engine. Without `live` restore all processes end with it, and nobody hears of it.
    pub fn crash(&self, live: bool) {
        self.inner.up.send_replace(false);
        if live {
            return;
        }
        let now = self.inner.clock.now();
        for container in self.lock().containers.values_mut() {
            if container.view.state.has_process() {
                container.ending.take().iter().for_each(AbortHandle::abort);
                container.run += 1;
                container.view.state = ContainerState::Exited;
                container.view.exit_code = Some(255);
                container.view.finished_at = Some(now);
                container.view.address = None;
                container.view.ports.clear();
                container.changed.send_modify(|n| *n += 1);
            }
        }
    }

    /// Starts the engine again; containers with a restart policy of the engine start with it.
    pub fn recover(&self) {
        self.inner.up.send_replace(true);
        let again: Vec<String> = {
            let state = self.lock();
            let due = |c: &&FakeContainer| {
                c.view.state == ContainerState::Exited
                    && match c.restart {
                        RestartPolicy::Always => true,
                        RestartPolicy::UnlessStopped => !c.stopped_by_hand,
                        RestartPolicy::No | RestartPolicy::OnFailure { .. } => false,
                    }
            };
            state.containers.values().filter(due).map(|c| c.view.docker_id.clone()).collect()
        };
        again.iter().for_each(|id| self.begin(id));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("the fake engine does not panic while it changes")
    }

    fn emit(&self, what: EventKind) {
        let event = EngineEvent { at: self.inner.clock.now(), what };
        let mut state = self.lock();
        if state.log.len() == EVENTS_KEPT {
            state.log.pop_front();
        }
        state.log.push_back(event.clone());
        if *self.inner.up.borrow() {
            // Nobody need listen.
            let _ = self.inner.events.send(event);
        }
    }

    /// Counts a call and lets happen what was scripted; tells how the answer shall go.
    async fn enter(&self, operation: Operation) -> Result<Answer, EngineError> {
        let fault = {
            let mut state = self.lock();
            *state.calls.entry(operation).or_default() += 1;
            let place = state.faults.iter().position(|(of, _, _)| *of == operation);
            place.map(|place| {
                let (_, times, fault) = &mut state.faults[place];
                *times -= 1;
                let (spent, fault) = (*times == 0, fault.clone());
                if spent {
                    state.faults.remove(place);
                }
                fault
            })
        };
        if !*self.inner.up.borrow() {
            return Err(EngineError::unreachable("connection refused"));
        }
        match fault {
            None => Ok(Answer::Now),
            Some(Fault::Slow(time)) => {
                let mut up = self.inner.up.subscribe();
                tokio::select! {
                    () = tokio::time::sleep(time) => Ok(Answer::Now),
                    _ = up.wait_for(|up| !up) => Err(EngineError::unreachable("connection reset")),
                }
            }
            Some(Fault::Refuse(code, text)) => Err(EngineError::Refused { code, text }),
            Some(Fault::TimeOut) => Err(EngineError::TimedOut { operation: "do as scripted" }),
            Some(Fault::Unreachable) => Err(EngineError::unreachable("connection reset")),
            Some(Fault::AnswerLost) => Ok(Answer::Lost),
            Some(Fault::SlowAnswer(time)) => Ok(Answer::After(time)),
        }
    }

    fn insert(&self, state: &mut State, name: &str, image: &str, labels: Labels, program: Program) -> String {
        state.next += 1;
        let id = format!("{:064x}", 0x00c0_ffee_0000_u64 + state.next);
        let view = ContainerView {
            docker_id: id.clone(),
            name: name.to_owned(),
            labels,
            image: image.to_owned(),
            image_id: format!("sha256:{:064x}", image.len()),
            command: Vec::new(),
            state: ContainerState::Created,
            exit_code: None,
            out_of_memory: false,
            error: None,
            created_at: Some(self.inner.clock.now()),
            started_at: None,
            finished_at: None,
            health: None,
            ports: Vec::new(),
            address: None,
            network_mode: "default".into(),
            limits: Limits::default(),
        };
        let container = FakeContainer {
            view,
            restart: RestartPolicy::No,
            wanted_ports: Vec::new(),
            has_health: false,
            stop_timeout: None,
            spec: None,
            files: Vec::new(),
            program,
            run: 0,
            ending: None,
            output: Vec::new(),
            changed: watch::channel(0).0,
            stopped_by_hand: false,
            mac: state.next,
        };
        state.containers.insert(id.clone(), container);
        id
    }

    /// Lets the process of a container begin.
    fn begin(&self, docker_id: &str) {
        let now = self.inner.clock.now();
        {
            let mut state = self.lock();
            let next_port = 32_768 + u16::try_from(state.next % 20_000).unwrap_or(0);
            let Some(container) = state.containers.get_mut(docker_id) else { return };
            container.run += 1;
            container.stopped_by_hand = false;
            let view = &mut container.view;
            view.state = ContainerState::Running;
            // A process starts later than the one before, as it does in the world.
            view.started_at = Some(match view.finished_at {
                Some(finished) if finished >= now => finished + contract_values::Duration::millis(1),
                _ => now,
            });
            view.exit_code = None;
            view.error = None;
            view.out_of_memory = false;
            view.health = container.has_health.then(|| "starting".to_owned());
            let last = u8::try_from(2 + container.mac % 250).unwrap_or(2);
            view.address = Some(IpAddr::from([172, 17, 0, last]));
            view.ports = container.wanted_ports.clone();
            for (offset, port) in (0_u16..).zip(&mut view.ports) {
                port.public = port.public.or(PortNumber::new(next_port + offset));
            }
            for (text, wrap) in [
                (&container.program.output, OutputChunk::Out as fn(Bytes) -> OutputChunk),
                (&container.program.error, OutputChunk::Err),
            ] {
                if !text.is_empty() {
                    container.output.push((now, wrap(Bytes::from(text.clone()))));
                }
            }
            container.changed.send_modify(|n| *n += 1);
            if let Some((after, code)) = container.program.ends {
                let (weak, id, run) = (Weak::clone(&self.inner.itself), docker_id.to_owned(), container.run);
                let task = tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    if let Some(inner) = weak.upgrade() {
                        FakeEngine { inner }.end(&id, Some(run), code, false);
                    }
                });
                container.ending = Some(task.abort_handle());
            }
        }
        self.emit(EventKind::Started { docker_id: docker_id.to_owned() });
    }

    /// Ends a process; of a certain run, if one is named.
    fn end(&self, docker_id: &str, run: Option<u64>, exit_code: i64, by_hand: bool) {
        let again = {
            let mut state = self.lock();
            let Some(container) = state.containers.get_mut(docker_id) else { return };
            if !container.view.state.has_process() || run.is_some_and(|run| run != container.run) {
                return;
            }
            if run.is_none() {
                container.ending.take().iter().for_each(AbortHandle::abort);
            }
            container.stopped_by_hand = by_hand;
            let again = !by_hand
                && match container.restart {
                    RestartPolicy::No => false,
                    RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
                    RestartPolicy::OnFailure { most } => {
                        exit_code != 0 && most.is_none_or(|most| container.run <= u64::from(most))
                    }
                };
            let view = &mut container.view;
            view.state = if again { ContainerState::Restarting } else { ContainerState::Exited };
            view.exit_code = Some(exit_code);
            view.finished_at = Some(self.inner.clock.now());
            view.address = None;
            view.ports.clear();
            container.changed.send_modify(|n| *n += 1);
            again
        };
        self.emit(EventKind::Died { docker_id: docker_id.to_owned(), exit_code: Some(exit_code) });
        if again {
            let (weak, id) = (Weak::clone(&self.inner.itself), docker_id.to_owned());
            let task = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if let Some(inner) = weak.upgrade() {
                    FakeEngine { inner }.begin(&id);
                }
            });
            if let Some(container) = self.lock().containers.get_mut(docker_id) {
                container.ending = Some(task.abort_handle());
            }
        }
    }
}

/// The name under which an image is kept: with its tag.
fn canonical(image: &str) -> String {
    match image.parse::<ImageRef>() {
        Ok(parsed) if parsed.tag.is_none() && parsed.digest.is_none() => format!("{parsed}:latest"),
        Ok(parsed) => parsed.to_string(),
        Err(_) => image.to_owned(),
    }
}
