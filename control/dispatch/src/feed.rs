//! Follows the store and derives the assignments that changes concern.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract_protocol::{Position, Refusal};
use contract_values::{HostId, ProjectId, Revision, StackId};
use control_model::{AnyRow, Container, Kind, NetworkMode, Origin, Row, Tables};
use control_store::Change;
use tokio::time::Instant;

use crate::mailbox::Target;
use crate::registry::{Counters, Shared};

/// Runs until dispatch stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut watch = shared.store.watch();
    let mut tables = watch.tables();
    let mut dirty = Dirty::default();
    let mut due = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = shared.feed_wake.notified() => {
                let fresh = shared.take_fresh().into_iter().map(|host| (host, EVERY)).collect();
                derive(&shared, Dirty(fresh)).await;
            }
            () = tokio::time::sleep_until(due), if !dirty.0.is_empty() => {
                derive(&shared, std::mem::take(&mut dirty)).await;
            }
            changes = watch.next() => {
                if dirty.0.is_empty() {
                    due = Instant::now() + shared.options.fold;
                }
                match changes {
                    Ok(changes) => {
                        mark(&tables, &changes.tables, &changes.changes, &mut dirty);
                        tables = changes.tables;
                    }
                    Err(_lagged) => {
                        watch = shared.store.watch();
                        tables = watch.tables();
                        for link in shared.all_links() {
                            dirty.add(link.host, EVERY);
                        }
                    }
                }
            }
        }
    }
}

/// Later than every change.
const EVERY: Revision = Revision(u64::MAX);

/// The hosts that changes may concern, and the last such change.
#[derive(Debug, Default, PartialEq)]
struct Dirty(BTreeMap<HostId, Revision>);

impl Dirty {
    fn add(&mut self, host: HostId, revision: Revision) {
        let last = self.0.entry(host).or_insert(revision);
        *last = revision.max(*last);
    }

    fn extend(&mut self, hosts: impl IntoIterator<Item = HostId>, revision: Revision) {
        for host in hosts {
            self.add(host, revision);
        }
    }
}

/// Derives what hosts shall be, from the newest picture, and hands it to their links.
async fn derive(shared: &Shared, hosts: Dirty) {
    for (host, revision) in hosts.0 {
        let Some(link) = shared.link(host) else { continue };
        if link.with_live(|live| live.derived.is_some_and(|derived| revision <= derived)) {
            continue;
        }
        // Newer than the feed at times, never older: what it lacks comes by the feed later.
        let tables = shared.store.snapshot();
        if tables.hosts.get(host).is_none_or(|row| row.is_going()) {
            link.mailbox.refuse(Refusal::HostRemoved, removed_message(host));
            continue;
        }
        Counters::add(&shared.counters.derivations, 1);
        let position = Position { epoch: shared.store.epoch(), revision: tables.revision };
        let assignment = Arc::new(control_plan::assignment(&tables, &shared.options.vault, host));
        link.mailbox.set_target(Target { position, assignment });
        link.with_live(|live| live.derived = Some(position.revision));
        // Many hosts at once must not hold up everything else on this thread.
        tokio::task::yield_now().await;
    }
}

pub(crate) fn removed_message(host: HostId) -> String {
    format!("{host} was removed; to use this machine again, register it anew")
}

/// Marks the hosts whose assignment the changes may concern. An assignment is made of intents, decisions and removals,
/// so what a host merely observed of its own containers marks nothing; orders about native containers are the
/// exception, because they end with the observation that they were carried out.
fn mark(old: &Tables, new: &Tables, changes: &[Change], dirty: &mut Dirty) {
    let mut stacks: BTreeMap<StackId, Revision> = BTreeMap::new();
    for change in changes {
        let (id, revision) = (change.id, change.revision);
        match change.kind {
            Kind::Container => {
                let (before, after) = (old.containers.get_raw(id), new.containers.get_raw(id));
                let same = match (before, after) {
                    (Some(before), Some(after)) => same_for_host(before, after),
                    // It was removed a while ago and is now gone for good.
                    (Some(before), None) => before.removed.is_some(),
                    (None, _) => false,
                };
                if !same {
                    for row in [before, after].into_iter().flatten() {
                        dirty.extend(row.keys().host, revision);
                        stacks.extend(row.intent.stack.map(|stack| (stack, revision)));
                    }
                }
            }
            Kind::Host => {
                let (before, after) = (old.hosts.get_raw(id), new.hosts.get_raw(id));
                let same = matches!((before, after), (Some(before), Some(after)) if before.intent == after.intent
                    && before.decision == after.decision
                    && before.is_going() == after.is_going());
                if !same {
                    dirty.add(HostId::new(id), revision);
                }
            }
            Kind::Service => {
                let (before, after) = (old.services.get_raw(id), new.services.get_raw(id));
                let same = matches!((before, after), (Some(before), Some(after)) if before.intent == after.intent
                    && before.is_going() == after.is_going());
                if !same {
                    for row in [before, after].into_iter().flatten() {
                        // Services of a stack know each other by name and alias.
                        match row.intent.stack {
                            Some(stack) => dirty.extend(hosts_of(new.containers.of_stack(stack)), revision),
                            None => dirty.extend(hosts_of(new.containers.of_service(row.id)), revision),
                        }
                    }
                }
            }
            Kind::Stack => dirty.extend(hosts_of(new.containers.of_stack(StackId::new(id))), revision),
            Kind::Project => dirty.extend(hosts_of(new.containers.of_project(ProjectId::new(id))), revision),
            Kind::Volume => {
                let (before, after) = (old.volumes.get_raw(id), new.volumes.get_raw(id));
                let same = matches!((before, after), (Some(before), Some(after)) if before.intent == after.intent
                    && before.is_going() == after.is_going()
                    && before.observation.gone == after.observation.gone);
                if !same {
                    for row in [before, after].into_iter().flatten() {
                        dirty.extend(row.intent.host, revision);
                        if let Some(stack) = row.intent.stack {
                            dirty.extend(hosts_of(new.containers.of_stack(stack)), revision);
                        }
                    }
                }
            }
            // What opens registries and what secrets hold goes with the containers that use it.
            Kind::Credential | Kind::Registry | Kind::Secret => {
                let row = new.any(change.kind, id).or_else(|| old.any(change.kind, id));
                let keeps = row
                    .filter(|row| !matches!(row, AnyRow::Credential(row) if row.intent.registry.is_none()));
                let project = keeps.and_then(|row| control_model::with_row!(&row, row => row.keys().project));
                if let Some(project) = project {
                    dirty.extend(hosts_of(new.containers.of_project(project)), revision);
                }
            }
            Kind::Account
            | Kind::Member
            | Kind::Setting
            | Kind::Certificate
            | Kind::AuditLog
            | Kind::ProjectTemplate => {}
        }
    }
    // A container may name another one of its stack, and which one that is depends on all that there are.
    for (stack, revision) in stacks {
        dirty.extend(hosts_of(new.containers.of_stack(stack).filter(|row| names_another(row))), revision);
    }
}

fn names_another(row: &Row<Container>) -> bool {
    let launch = &row.intent.launch;
    matches!(launch.network, NetworkMode::Container { .. }) || !launch.volumes_from.is_empty()
}

fn same_for_host(before: &Row<Container>, after: &Row<Container>) -> bool {
    !matches!(after.intent.origin, Origin::Native { .. })
        && before.removal_asked.is_some() == after.removal_asked.is_some()
        && before.removed.is_some() == after.removed.is_some()
        && before.generation == after.generation
        && before.decision == after.decision
}

fn hosts_of<'a>(containers: impl Iterator<Item = &'a Arc<Row<Container>>>) -> impl Iterator<Item = HostId> {
    containers.filter(|row| row.removed.is_none()).filter_map(|row| row.keys().host)
}

#[cfg(test)]
mod tests;
