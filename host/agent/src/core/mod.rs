//! The agent's head: state in memory, no I/O.
//!
//! Inputs come in as plain calls (an event of the engine, the end of a step, a message of the server) and mark what
//! they touched. [`Core::plan`] then decides about what was touched and returns the steps to begin and when to look
//! again. [`Core::take_records`] returns what must be on the disk before any of it is done. Whoever drives the core
//! (see `agent`) does just that, so the whole of it runs in a test or a simulation as it runs on a host.

mod engine;
mod natives;
mod plan;
mod report;
mod server;

use std::collections::{BTreeMap, BTreeSet};

use contract_protocol::{
    Assignment, ContainerReport, FromHost, HostFacts, NativeReport, Position, Progress, Rank, ReportItem,
    VolumeReport,
};
use contract_values::{ContainerId, Epoch, Incarnation, Timestamp};

use crate::decide::{Memory, Setback};
use crate::journal::{Forgotten, Record};
use crate::outbox::Outbox;
use crate::step::{Object, Step};
use crate::world::World;

pub(crate) use engine::describe;
pub(crate) use server::Reaction;

/// The troubles of a host by their keys in [`HostFacts::troubles`].
pub(crate) const TROUBLE_ENGINE: &str = "engine_unreachable";
pub(crate) const TROUBLE_DISK: &str = "disk_full";
pub(crate) const TROUBLE_LEDGER: &str = "ledger_unwritable";

/// What the agent keeps about one container of ours.
#[derive(Debug, Default)]
struct Tracked {
    memory: Memory,
    /// What was reported last, by run.
    last: BTreeMap<Incarnation, ContainerReport>,
    /// What the present step says of itself.
    progress: Option<Progress>,
    activity: Activity,
    /// The run that the present step is for.
    preparing: Option<Incarnation>,
    /// Why what it waits for could not be made.
    setback: Option<Setback>,
}

/// What is being done with a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Activity {
    #[default]
    None,
    /// Its image is being fetched while the run before still works.
    Fetching,
    Preparing,
    Starting,
    Stopping,
}

/// What the agent keeps about a container that was started by hand.
#[derive(Debug, Default)]
struct NativeTracked {
    last: Option<NativeReport>,
    order_done: u32,
    /// The order that the step under way carries out.
    order_begun: u32,
    restarts_done: u32,
    failure_text: Option<String>,
}

/// Failures of an object that is no container.
#[derive(Clone, Debug, Default)]
struct Attempts {
    failures: u32,
    setback: Option<Setback>,
}

impl Attempts {
    fn retry_at(&self) -> Option<Timestamp> {
        self.setback.as_ref().map(|setback| setback.retry_at)
    }
}

/// Figures of the core, for logs and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Differences that a full list showed and no event had told.
    pub missed_by_events: u64,
    /// Steps begun.
    pub steps: u64,
    /// Messages refused because their sender is no longer in office.
    pub refused_epochs: u64,
}

/// The head.
#[derive(Debug)]
pub(crate) struct Core {
    /// What the host shall be; `None` until a complete assignment was received.
    desired: Option<Assignment>,
    position: Option<Position>,
    fence: Epoch,
    world: World,
    tracked: BTreeMap<ContainerId, Tracked>,
    natives: BTreeMap<String, NativeTracked>,
    volumes_ready: BTreeSet<String>,
    /// Volumes that were removed by an order that still stands: none is carried out twice.
    volumes_dropped: BTreeMap<String, VolumeReport>,
    /// What was reported last about a removal that does not work.
    volumes_stuck: BTreeMap<String, VolumeReport>,
    /// Files of containers that are no longer there may lie about.
    sweep_due: bool,
    attempts: BTreeMap<Object, Attempts>,
    busy: BTreeSet<Object>,
    /// Looks that must be repeated when the present one ends, because something happened meanwhile.
    look_again: BTreeSet<String>,
    /// Containers to look at.
    to_look: BTreeSet<String>,
    list_wanted: bool,
    list_mark: u64,
    engine_up: bool,
    /// A full list was taken since the engine came up.
    synced: bool,
    /// The present list is the first since the engine came up, so ends that it shows were nobody's fault.
    after_outage: bool,
    native_list_due: bool,
    native_list_ready: bool,
    dirty: BTreeSet<ContainerId>,
    dirty_natives: BTreeSet<String>,
    dirty_objects: bool,
    /// Containers that wait for something which is no time.
    waiting: BTreeSet<ContainerId>,
    /// Containers that share another one's network.
    sharers: BTreeSet<ContainerId>,
    wakes: BTreeMap<ContainerId, Timestamp>,
    records: Vec<Record>,
    messages: Vec<FromHost>,
    outbox: Outbox,
    facts: HostFacts,
    counters: Counters,
}

/// What to do now.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Steps that prepare what is no longer wanted.
    pub(crate) call_back: Vec<Object>,
    pub(crate) wake_at: Option<Timestamp>,
}

impl Core {
    pub(crate) fn new(host_uuid: String, outbox: String, facts: HostFacts) -> Self {
        Self {
            desired: None,
            position: None,
            fence: Epoch::default(),
            world: World::new(host_uuid),
            tracked: BTreeMap::new(),
            natives: BTreeMap::new(),
            volumes_ready: BTreeSet::new(),
            volumes_dropped: BTreeMap::new(),
            volumes_stuck: BTreeMap::new(),
            sweep_due: true,
            attempts: BTreeMap::new(),
            busy: BTreeSet::new(),
            look_again: BTreeSet::new(),
            to_look: BTreeSet::new(),
            list_wanted: false,
            list_mark: 0,
            engine_up: false,
            synced: false,
            after_outage: false,
            native_list_due: false,
            native_list_ready: false,
            dirty: BTreeSet::new(),
            dirty_natives: BTreeSet::new(),
            dirty_objects: false,
            waiting: BTreeSet::new(),
            sharers: BTreeSet::new(),
            wakes: BTreeMap::new(),
            records: Vec::new(),
            messages: Vec::new(),
            outbox: Outbox::new(outbox),
            facts,
            counters: Counters::default(),
        }
    }

    /// Takes back what an earlier life of the process had noted. Reports are sent again, since nobody knows which
    /// of them arrived.
    pub(crate) fn restore(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Complete { position, assignment } => {
                    self.desired = Some(assignment);
                    self.position = Some(position);
                    self.fence = self.fence.max(position.epoch);
                }
                Record::Changes { to, changes } => {
                    self.desired.get_or_insert_default().apply(&changes);
                    self.position = Some(to);
                    self.fence = self.fence.max(to.epoch);
                }
                Record::Fence { epoch } => self.fence = self.fence.max(epoch),
                Record::Seen { items } => items.into_iter().for_each(|item| self.remember(item)),
                Record::Forget { what } => self.forget(&what),
                Record::Demand { id, demand } => {
                    self.tracked.entry(id).or_default().memory.demand = Some(demand);
                }
            }
        }
        let again: Vec<ReportItem> = self
            .tracked
            .values()
            .flat_map(|tracked| tracked.last.values())
            .map(|report| ReportItem::Container(Box::new(report.clone())))
            .chain(
                self.natives
                    .values()
                    .filter_map(|native| native.last.clone())
                    .map(|report| ReportItem::Native(Box::new(report))),
            )
            .chain(self.volumes_dropped.values().map(|report| ReportItem::Volume(Box::new(report.clone()))))
            .collect();
        again.into_iter().for_each(|item| self.outbox.push(item));
        let wanted: Vec<_> = self.desired.iter().flat_map(|desired| &desired.containers).collect();
        for (&id, want) in wanted {
            let tracked = self.tracked.entry(id).or_default();
            match tracked.last.get(&want.incarnation) {
                Some(last) => {
                    tracked.memory.restarts_done = last.restarts_done;
                    tracked.memory.starts = last.starts;
                    // An end that was told without a failure, and was no success, was ordered.
                    if last.rank == Rank::Stopped && last.failure.is_none() && last.exit_code != Some(0) {
                        tracked.memory.halted_run = last.started_at;
                    }
                    if tracked.memory.demand.is_some_and(|demand| demand.asked <= last.restarts_done) {
                        tracked.memory.demand = None;
                    }
                }
                None => tracked.memory.restarts_done = want.restarts_asked,
            }
        }
        self.touch_all();
    }

    fn remember(&mut self, item: ReportItem) {
        match item {
            ReportItem::Container(report) => {
                self.tracked.entry(report.id).or_default().last.insert(report.incarnation, *report);
            }
            ReportItem::Native(report) => {
                let native = self.natives.entry(report.docker_id.clone()).or_default();
                native.order_done = report.order_done;
                native.restarts_done = report.restarts_done;
                native.last = Some(*report);
            }
            ReportItem::NativeGone { docker_id } => {
                self.natives.remove(&docker_id);
                self.outbox.push(ReportItem::NativeGone { docker_id });
            }
            ReportItem::Volume(report) => {
                self.volumes_dropped.insert(report.name.clone(), *report);
            }
            ReportItem::NativeList { .. } | ReportItem::Host(_) => {}
        }
    }

    fn forget(&mut self, what: &Forgotten) {
        match what {
            Forgotten::Container { id, incarnation } => {
                if let Some(tracked) = self.tracked.get_mut(id) {
                    tracked.last.remove(incarnation);
                    let is_wanted =
                        self.desired.as_ref().is_some_and(|desired| desired.containers.contains_key(id));
                    if tracked.last.is_empty() && !is_wanted {
                        self.tracked.remove(id);
                    }
                }
            }
            Forgotten::Native { docker_id } => {
                self.natives.remove(docker_id);
            }
            Forgotten::Volume { name } => {
                self.volumes_dropped.remove(name);
            }
        }
    }

    /// The whole state as records, in place of all that were written so far.
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        let mut records = vec![Record::Fence { epoch: self.fence }];
        if let (Some(position), Some(assignment)) = (self.position, &self.desired) {
            records.push(Record::Complete { position, assignment: assignment.clone() });
        }
        let containers = self
            .tracked
            .values()
            .flat_map(|tracked| tracked.last.values())
            .map(|report| ReportItem::Container(Box::new(report.clone())));
        let natives = self
            .natives
            .values()
            .filter_map(|native| native.last.clone())
            .map(|report| ReportItem::Native(Box::new(report)));
        let volumes =
            self.volumes_dropped.values().map(|report| ReportItem::Volume(Box::new(report.clone())));
        let items: Vec<ReportItem> =
            containers.chain(natives).chain(volumes).chain(self.outbox.gone()).collect();
        if !items.is_empty() {
            records.push(Record::Seen { items });
        }
        for (&id, tracked) in &self.tracked {
            if let Some(demand) = tracked.memory.demand {
                records.push(Record::Demand { id, demand });
            }
        }
        records
    }

    /// Takes what must be on the disk before anything else is done or sent.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Takes the messages for the server.
    pub(crate) fn take_messages(&mut self) -> Vec<FromHost> {
        std::mem::take(&mut self.messages)
    }

    /// Takes the next report to send.
    pub(crate) fn next_report(&mut self) -> Option<FromHost> {
        self.outbox.next().map(FromHost::Report)
    }

    /// Where the assignment stands.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    /// What the host is.
    pub(crate) fn facts(&self) -> &HostFacts {
        &self.facts
    }

    /// Changes what the host is; a change is reported.
    pub(crate) fn update_facts(&mut self, change: impl FnOnce(&mut HostFacts)) -> bool {
        let before = self.facts.clone();
        change(&mut self.facts);
        let is_new = before != self.facts;
        if is_new {
            self.outbox.push(ReportItem::Host(Box::new(self.facts.clone())));
        }
        is_new
    }

    /// Notes or takes back a trouble of the host.
    pub(crate) fn set_trouble(&mut self, key: &str, text: Option<String>) {
        self.update_facts(|facts| match text {
            Some(text) => {
                facts.troubles.insert(key.to_owned(), text);
            }
            None => {
                facts.troubles.remove(key);
            }
        });
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// How many observations the server has not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.outbox.len()
    }

    /// Whether nothing is being done and nothing waits for its time.
    pub(crate) fn is_settled(&self) -> bool {
        self.synced && self.busy.is_empty() && self.wakes.is_empty() && self.waiting.is_empty()
    }

    fn touch(&mut self, id: ContainerId) {
        self.dirty.insert(id);
    }

    fn touch_all(&mut self) {
        self.dirty_objects = true;
        self.dirty.extend(self.tracked.keys().copied());
        self.dirty.extend(self.world.ids());
        if let Some(desired) = &self.desired {
            self.dirty.extend(desired.containers.keys().copied());
            self.dirty_natives.extend(desired.natives.keys().cloned());
        }
    }

    /// Something came or went that others may wait for.
    fn touch_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.dirty.extend(waiting);
        self.dirty.extend(self.sharers.iter().copied());
    }
}
