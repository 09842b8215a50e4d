//! Turns a batch of reports of one host into one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract_protocol::{NativeReport, Report, ReportItem, VolumeReport};
use contract_values::{HostId, Timestamp, VolumeId};
use control_model::{
    Container, ContainerDecision, ContainerIntent, ContainerObservation, ContainerRun, Host, HostObservation,
    LaunchSpec, Origin, Row, Tables, Transaction, Volume, VolumeObservation,
};

use crate::observe::{host_facts, observe, observe_native, runs_once};
use crate::supply::{Demand, Plan, Supply};

/// What came out of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingested {
    /// What to write; once it is durable, the batch may be acknowledged.
    pub tx: Transaction,
    /// The outbox and the highest number in the batch.
    pub acknowledge: Option<(String, u64)>,
}

/// Merges reports of a host, in the order in which they came, into what is known: observations of our containers,
/// and containers that were started by hand, which get a row on their first report.
///
/// A report may come twice. Observations of our containers only move forward, so that changes nothing. The rest is
/// skipped by the number of the last report that was taken in.
///
/// # Errors
/// Returns the ids it needs when the supply holds too few.
pub fn ingest(
    tables: &Tables,
    now: Timestamp,
    host: HostId,
    reports: &[Report],
    supply: &mut Supply,
) -> Result<Ingested, Demand> {
    let mut batch = Batch::new(tables, host);
    for report in reports {
        batch.take(tables, report);
    }
    let acknowledge = reports.last().map(|last| {
        let highest = reports.iter().filter(|r| r.outbox == last.outbox).map(|r| r.sequence).max();
        (last.outbox.clone(), highest.unwrap_or(last.sequence))
    });
    let mut plan = Plan::new(now);
    batch.write(&mut plan.tx, supply);
    let plan = supply.settle(plan)?;
    Ok(Ingested { tx: plan.tx, acknowledge })
}

struct Batch<'a> {
    host: HostId,
    row: Option<&'a Arc<Row<Host>>>,
    host_seen: HostObservation,
    seen: BTreeMap<i64, (&'a Arc<Row<Container>>, ContainerObservation)>,
    new_natives: BTreeMap<String, NativeReport>,
    gone: BTreeMap<i64, &'a Arc<Row<Container>>>,
    volumes: BTreeMap<VolumeId, (&'a Arc<Row<Volume>>, VolumeObservation)>,
}

impl<'a> Batch<'a> {
    fn new(tables: &'a Tables, host: HostId) -> Self {
        let row = tables.hosts.get(host).filter(|row| row.removed.is_none());
        Self {
            host,
            row,
            host_seen: row.map(|row| row.observation.clone()).unwrap_or_default(),
            seen: BTreeMap::new(),
            new_natives: BTreeMap::new(),
            gone: BTreeMap::new(),
            volumes: BTreeMap::new(),
        }
    }

    fn take(&mut self, tables: &'a Tables, report: &Report) {
        let old = self.host_seen.outbox == report.outbox && report.sequence <= self.host_seen.report_sequence;
        let mut news = false;
        for item in &report.items {
            match item {
                ReportItem::Container(item) => {
                    let row = tables.containers.get(item.id).filter(|row| row.removed.is_none());
                    if let Some(row) = row.filter(|row| row.decision.host == Some(self.host)) {
                        let seen = self.seen.get(&row.id.raw()).map_or(&row.observation, |(_, seen)| seen);
                        if let Some(next) = observe(seen, item, self.host, runs_once(row)) {
                            self.seen.insert(row.id.raw(), (row, next));
                        }
                    }
                    continue;
                }
                ReportItem::Volume(item) => {
                    let row = tables.volumes.get(item.volume);
                    if let Some(row) = row.filter(|row| row.intent.host == Some(self.host)) {
                        let seen = self.volumes.get(&item.volume).map_or(&row.observation, |(_, seen)| seen);
                        let next = observe_volume(seen, item);
                        self.volumes.insert(item.volume, (row, next));
                    }
                    continue;
                }
                _ if old => {}
                ReportItem::Native(item) => news |= self.native(tables, item),
                ReportItem::NativeGone { docker_id } => news |= self.native_gone(tables, docker_id),
                ReportItem::NativeList { docker_ids } => news |= self.native_list(tables, docker_ids),
                ReportItem::Host(facts) => {
                    let facts = host_facts(facts);
                    news |= self.host_seen.facts != facts;
                    self.host_seen.facts = facts;
                }
            }
        }
        // A report that says nothing new may as well come again later.
        if news {
            self.host_seen.outbox.clone_from(&report.outbox);
            self.host_seen.report_sequence = report.sequence;
        }
    }

    fn row_of(&self, tables: &'a Tables, docker_id: &str) -> Option<&'a Arc<Row<Container>>> {
        tables.containers.by_unique(&native_key(self.host, docker_id))
    }

    /// Takes in one native container; says whether that is news.
    fn native(&mut self, tables: &'a Tables, item: &NativeReport) -> bool {
        let Some(row) = self.row_of(tables, &item.docker_id) else {
            self.new_natives.insert(item.docker_id.clone(), item.clone());
            return true;
        };
        // It was said to be gone earlier in this batch and is there after all.
        let back = self.gone.remove(&row.id.raw()).is_some();
        let seen = self.seen.get(&row.id.raw()).map_or(&row.observation, |(_, seen)| seen);
        let next = observe_native(seen, item, self.host);
        let news = back || next.is_some();
        if let Some(next) = next {
            self.seen.insert(row.id.raw(), (row, next));
        }
        news
    }

    fn native_gone(&mut self, tables: &'a Tables, docker_id: &str) -> bool {
        let mut news = self.new_natives.remove(docker_id).is_some();
        if let Some(row) = self.row_of(tables, docker_id) {
            news |= self.gone.insert(row.id.raw(), row).is_none();
        }
        news
    }

    fn native_list(&mut self, tables: &'a Tables, docker_ids: &[String]) -> bool {
        let there: BTreeSet<&str> = docker_ids.iter().map(String::as_str).collect();
        let known = self.new_natives.len();
        self.new_natives.retain(|docker_id, _| there.contains(docker_id.as_str()));
        let mut news = self.new_natives.len() != known;
        for row in tables.containers.of_host(self.host).filter(|row| row.removed.is_none()) {
            if let Origin::Native { docker_id, .. } = &row.intent.origin
                && !there.contains(docker_id.as_str())
            {
                news |= self.gone.insert(row.id.raw(), row).is_none();
            }
        }
        news
    }

    fn write(self, tx: &mut Transaction, supply: &mut Supply) {
        let Some(row) = self.row else { return };
        for (id, (row, seen)) in self.seen {
            if !self.gone.contains_key(&id) && seen != row.observation {
                tx.set_observation(row, seen);
            }
        }
        for row in self.gone.into_values() {
            tx.finish_removal(row);
        }
        for (row, seen) in self.volumes.into_values() {
            if seen != row.observation {
                tx.set_observation(row, seen);
            }
        }
        for native in self.new_natives.into_values() {
            let (id, uuid) = supply.container();
            let seen = observe_native(&ContainerObservation::default(), &native, self.host);
            tx.insert_seen::<Container>(
                id,
                uuid,
                adopt(row, &native),
                ContainerDecision { host: Some(self.host), placed_at: Some(tx.now), ..Default::default() },
                seen.unwrap_or_default(),
            );
        }
        if self.host_seen != row.observation {
            tx.set_observation(row, self.host_seen);
        }
    }
}

/// What a host says about the removal of a volume. What is gone stays so: older words may come after newer ones.
fn observe_volume(seen: &VolumeObservation, report: &VolumeReport) -> VolumeObservation {
    if seen.gone {
        return seen.clone();
    }
    let VolumeReport { name: _, volume: _, gone, failure: _, failure_text, retry_at } = report;
    VolumeObservation {
        present: !gone && seen.present,
        gone: *gone,
        failure_text: failure_text.clone().filter(|_| !gone),
        retry_at: retry_at.filter(|_| !gone),
    }
}

fn native_key(host: HostId, docker_id: &str) -> String {
    format!("n{}/{docker_id}", host.raw())
}

/// What a container that was started by hand is to us.
fn adopt(host: &Row<Host>, report: &NativeReport) -> ContainerIntent {
    ContainerIntent {
        project: host.intent.project,
        name: report.name.clone(),
        origin: Origin::Native { host: host.id, docker_id: report.docker_id.clone() },
        launch: LaunchSpec {
            image: report.image.parse().ok(),
            command: (!report.command.is_empty()).then(|| report.command.clone()),
            labels: report.labels.clone(),
            ports: report.ports.clone(),
            network: native_network(&report.network_mode),
            ..LaunchSpec::default()
        },
        run: ContainerRun::AsIs,
        ..ContainerIntent::default()
    }
}

fn native_network(mode: &str) -> control_model::NetworkMode {
    use control_model::NetworkMode;
    match mode.split_once(':') {
        Some(("container", name)) => NetworkMode::Container { name: name.to_owned() },
        _ => match mode {
            "host" => NetworkMode::Host,
            "none" => NetworkMode::None,
            _ => NetworkMode::Bridge,
        },
    }
}

#[cfg(test)]
mod tests;
