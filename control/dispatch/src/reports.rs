//! The one writer of observations: what hosts report, and whether their links stand.
//!
//! What has gathered goes into one transaction. It is made from the newest picture each time it is tried, so that a
//! refusal costs another try and nothing else. While the database is away the batch waits, the queue fills, and agents
//! are read no further: what they see waits in their outboxes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contract_protocol::Report;
use contract_values::{HostId, Timestamp};
use control_model::{AgentLink, HostObservation, Kind, Refused, Tables, Transaction, apply};
use control_plan::{Demand, Ingested, Supply};
use control_store::CommitError;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::link::Cut;
use crate::registry::{Counters, LinkState, Shared};

/// How often a batch is made anew after a refusal before its hosts are written one by one, and a host is cut off.
const TRIES: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(5);

/// A report that waits to be written.
pub(crate) struct Arrived {
    report: Report,
    waiting: Waiting,
}

/// Counts a report of a link for as long as it waits.
struct Waiting(Arc<LinkState>);

impl Arrived {
    pub(crate) fn new(link: &Arc<LinkState>, report: Report) -> Self {
        link.reports_waiting.fetch_add(1, Ordering::Relaxed);
        Self { report, waiting: Waiting(link.clone()) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.reports_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is written together.
#[derive(Default)]
struct Batch {
    groups: BTreeMap<(HostId, u64), Group>,
    /// Hosts whose link came or went, and when.
    changed: BTreeMap<HostId, Timestamp>,
}

/// The reports of one link in their order.
struct Group {
    link: Arc<LinkState>,
    reports: Vec<Report>,
    waiting: Vec<Waiting>,
}

/// Runs until dispatch stops.
pub(crate) async fn run(shared: Arc<Shared>, mut arrived: mpsc::Receiver<Arrived>) {
    let limit = shared.options.batch.max(1);
    loop {
        let mut reports = Vec::new();
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            number = arrived.recv_many(&mut reports, limit) => {
                if number == 0 {
                    return;
                }
            }
            () = shared.writer_wake.notified() => {}
        }
        let until = Instant::now() + shared.options.gather;
        while reports.len() < limit {
            let room = limit - reports.len();
            match timeout_at(until, arrived.recv_many(&mut reports, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let mut batch = Batch { changed: shared.take_changed(), ..Batch::default() };
        for Arrived { report, waiting } in reports {
            let group = batch.groups.entry((waiting.0.host, waiting.0.number)).or_insert_with(|| Group {
                link: waiting.0.clone(),
                reports: Vec::new(),
                waiting: Vec::new(),
            });
            group.reports.push(report);
            group.waiting.push(waiting);
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = write(&shared, batch) => {}
        }
    }
}

/// Writes a batch and acknowledges it, however long that takes.
async fn write(shared: &Shared, batch: Batch) {
    let mut tries = 0;
    let mut delay = FIRST_DELAY;
    loop {
        match attempt(shared, &batch).await {
            Ok(()) => return,
            Err(CommitError::Refused(refused)) => {
                tries += 1;
                tracing::debug!(
                    error = &refused as &dyn std::error::Error,
                    "merging reports anew: {refused}"
                );
                if tries >= TRIES {
                    return write_apart(shared, batch, &refused).await;
                }
            }
            Err(error @ CommitError::Unavailable { .. }) => {
                if delay == FIRST_DELAY {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "reports of hosts wait until the database can be written"
                    );
                }
                tokio::time::sleep(delay).await;
                delay = LAST_DELAY.min(delay * 2);
            }
            Err(error @ CommitError::Fenced) => {
                tracing::error!(error = &error as &dyn std::error::Error, "all links to hosts end: {error}");
                shared.stop.cancel();
                return;
            }
        }
    }
}

/// One host's trouble must not hold up the others: they are written one by one, and what then fails is cut off. Its
/// agent comes back and sends again what was not acknowledged.
async fn write_apart(shared: &Shared, mut batch: Batch, refused: &Refused) {
    let single = batch.groups.len() + batch.changed.len() == 1;
    if single {
        for group in batch.groups.values() {
            tracing::warn!(
                host.id = %group.link.host,
                error = refused as &dyn std::error::Error,
                "cut off {}, because its reports cannot be written", group.link.host
            );
            group.link.cut(Cut::Unwritable);
        }
        for host in batch.changed.keys() {
            tracing::warn!(
                host.id = %host,
                error = refused as &dyn std::error::Error,
                "could not write whether {host} is connected"
            );
        }
        return;
    }
    for (host, at) in std::mem::take(&mut batch.changed) {
        Box::pin(write(shared, Batch { changed: [(host, at)].into(), ..Batch::default() })).await;
    }
    for (key, group) in batch.groups {
        Box::pin(write(shared, Batch { groups: [(key, group)].into(), ..Batch::default() })).await;
    }
}

async fn attempt(shared: &Shared, batch: &Batch) -> Result<(), CommitError> {
    let tables = shared.store.snapshot();
    let now = shared.clock.now();
    let mut tx = Transaction::new(now);
    for (&host, &at) in &batch.changed {
        write_link(shared, &tables, host, at, &mut tx);
    }
    // A host's link and its reports are in one observation, so reports are merged into what the link has changed.
    let mut merged = Tables::clone(&tables);
    if !tx.is_empty() {
        apply(&mut merged, &tx)?;
    }
    let mut acknowledge = Vec::with_capacity(batch.groups.len());
    for group in batch.groups.values() {
        let host = group.link.host;
        if shared.link(host).is_some_and(|current| current.number != group.link.number) {
            // The agent sends it again on its new link, or it was another agent.
            continue;
        }
        let Ingested { tx: part, acknowledge: seen } = ingest(shared, &merged, now, group).await?;
        tx.writes.extend(part.writes);
        tx.requires.extend(part.requires);
        acknowledge.push((group, seen));
    }
    if !tx.is_empty() {
        shared.store.commit(tx).await?;
        Counters::add(&shared.counters.transactions, 1);
    }
    for (group, seen) in acknowledge {
        Counters::add(&shared.counters.reports, group.reports.len());
        if let Some((outbox, sequence)) = seen {
            group.link.mailbox.acknowledge(outbox, sequence);
        }
    }
    Ok(())
}

async fn ingest(
    shared: &Shared,
    tables: &Tables,
    now: Timestamp,
    group: &Group,
) -> Result<Ingested, CommitError> {
    let mut supply = Supply::default();
    loop {
        match control_plan::ingest(tables, now, group.link.host, &group.reports, &mut supply) {
            Ok(ingested) => return Ok(ingested),
            Err(demand) => supply = reserve(shared, demand).await?,
        }
    }
}

async fn reserve(shared: &Shared, demand: Demand) -> Result<Supply, CommitError> {
    let ids = async |kind, count| match count {
        0 => Ok(0..0),
        count => shared.store.reserve_ids(kind, count).await,
    };
    let containers = ids(Kind::Container, demand.containers).await?;
    let volumes = ids(Kind::Volume, demand.volumes).await?;
    let uuids = (0..demand.uuids()).map(|_| shared.random.uuid()).collect();
    Ok(Supply::new(containers, volumes, uuids))
}

/// Writes whether a host's link stands, if that is not what is stored. `at` is when it came or went.
fn write_link(shared: &Shared, tables: &Tables, host: HostId, at: Timestamp, tx: &mut Transaction) {
    let Some(row) = tables.hosts.get(host).filter(|row| row.removed.is_none()) else { return };
    let seen = &row.observation;
    let next = match shared.link(host) {
        Some(link) => {
            let known = seen.link == AgentLink::Connected
                && seen.link_since == link.since
                && seen.run_id == link.hello.run_id;
            if known {
                return;
            }
            HostObservation {
                link: AgentLink::Connected,
                link_since: link.since,
                run_id: link.hello.run_id.clone(),
                remote_address: Some(link.remote.ip()),
                facts: link.facts().unwrap_or_else(|| seen.facts.clone()),
                ..seen.clone()
            }
        }
        None if seen.link == AgentLink::Disconnected && seen.link_since >= at => return,
        None => HostObservation { link: AgentLink::Disconnected, link_since: at, ..seen.clone() },
    };
    tx.set_observation(row, next);
}

/// At the start of a server: hosts that were away before begin to be away now, because nobody could connect while no
/// server ran. Those that are given up already stay so.
pub(crate) fn restart_absences(tables: &Tables, now: Timestamp) -> Transaction {
    let mut tx = Transaction::new(now);
    for row in tables.hosts.live() {
        let seen = &row.observation;
        if seen.link == AgentLink::Disconnected && row.decision.lost_since.is_none() && seen.link_since < now
        {
            tx.set_observation(row, HostObservation { link_since: now, ..seen.clone() });
        }
    }
    tx
}

/// Some time after the start: hosts that were connected before and have not come back are away since the start.
pub(crate) async fn end_grace(shared: Arc<Shared>) {
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        () = tokio::time::sleep(shared.options.start_grace) => {}
    }
    let tables = shared.store.snapshot();
    let missing = tables
        .hosts
        .live()
        .filter(|row| row.observation.link == AgentLink::Connected && shared.link(row.id).is_none())
        .map(|row| (row.id, shared.started))
        .collect();
    shared.put_changed(missing);
}
