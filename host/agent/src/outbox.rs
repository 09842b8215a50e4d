//! Reports on their way to the server.
//!
//! What was seen waits here until the server has acknowledged it. A newer observation of the same object takes the
//! place of an older one that was not sent yet, so that a long time without a server costs as much as there are
//! objects, not as much as there was time.

use std::collections::{BTreeMap, VecDeque};

use contract_protocol::{Report, ReportItem};
use contract_values::{ContainerId, Incarnation};

/// How many reports may be under way without an acknowledgement.
const WINDOW: usize = 4;
/// How many items go into one report.
const ITEMS: usize = 128;

/// What an observation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Container(ContainerId, Incarnation),
    Native(String),
    NativeList,
    Host,
    Volume(String),
}

impl Subject {
    pub(crate) fn of(item: &ReportItem) -> Self {
        match item {
            ReportItem::Container(report) => Self::Container(report.id, report.incarnation),
            ReportItem::Native(report) => Self::Native(report.docker_id.clone()),
            ReportItem::NativeGone { docker_id } => Self::Native(docker_id.clone()),
            ReportItem::NativeList { .. } => Self::NativeList,
            ReportItem::Host(_) => Self::Host,
            ReportItem::Volume(report) => Self::Volume(report.name.clone()),
        }
    }
}

/// The outbox of one life of the agent's process.
#[derive(Debug)]
pub(crate) struct Outbox {
    name: String,
    last: u64,
    /// By the order in which they came.
    queue: BTreeMap<u64, ReportItem>,
    places: BTreeMap<Subject, u64>,
    next_place: u64,
    under_way: VecDeque<Report>,
    /// How many of those have been sent on this connection.
    sent: usize,
}

impl Outbox {
    /// An empty outbox. The name is new for each life of the process, so a number is never used for two things.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            last: 0,
            queue: BTreeMap::new(),
            places: BTreeMap::new(),
            next_place: 0,
            under_way: VecDeque::new(),
            sent: 0,
        }
    }

    /// Adds an observation.
    pub(crate) fn push(&mut self, item: ReportItem) {
        let subject = Subject::of(&item);
        if let Some(older) = self.places.insert(subject, self.next_place) {
            self.queue.remove(&older);
        }
        self.queue.insert(self.next_place, item);
        self.next_place += 1;
    }

    /// Takes the next report to send, if there is one and the server has kept up.
    pub(crate) fn next(&mut self) -> Option<Report> {
        if self.sent == self.under_way.len() && self.under_way.len() < WINDOW && !self.queue.is_empty() {
            let mut items = Vec::with_capacity(self.queue.len().min(ITEMS));
            while items.len() < ITEMS
                && let Some((_, item)) = self.queue.pop_first()
            {
                self.places.remove(&Subject::of(&item));
                items.push(item);
            }
            self.last += 1;
            let report = Report { outbox: self.name.clone(), sequence: self.last, items };
            self.under_way.push_back(report);
        }
        let report = self.under_way.get(self.sent)?.clone();
        self.sent += 1;
        Some(report)
    }

    /// The server has stored the reports up to this one; returns what they held.
    pub(crate) fn acknowledge(&mut self, outbox: &str, sequence: u64) -> Vec<ReportItem> {
        let mut done = Vec::new();
        if outbox != self.name {
            return done;
        }
        while self.under_way.front().is_some_and(|report| report.sequence <= sequence) {
            done.extend(self.under_way.pop_front().expect("looked at just above").items);
            self.sent = self.sent.saturating_sub(1);
        }
        done
    }

    /// A new connection: what was not acknowledged is sent again.
    pub(crate) fn start_again(&mut self) {
        self.sent = 0;
    }

    /// Whether something newer about this waits or is under way.
    pub(crate) fn holds(&self, subject: &Subject) -> bool {
        self.places.contains_key(subject)
            || self
                .under_way
                .iter()
                .flat_map(|report| &report.items)
                .any(|item| Subject::of(item) == *subject)
    }

    /// How many items wait or are under way.
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.under_way.iter().map(|report| report.items.len()).sum::<usize>()
    }
}

impl Outbox {
    /// The observations that something has gone, which nothing else remembers.
    pub(crate) fn gone(&self) -> impl Iterator<Item = ReportItem> {
        self.under_way
            .iter()
            .flat_map(|report| &report.items)
            .chain(self.queue.values())
            .filter(|item| matches!(item, ReportItem::NativeGone { .. }))
            .cloned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
