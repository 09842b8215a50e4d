//! Which entries of which hosts' assignments a change may alter, so that the rest need not be looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract_values::{ContainerId, HostId, StackId};
use control_model::{Container, Kind, NetworkMode, Origin, Row, Service, Tables};

use crate::removal::occupies;

/// Lists the entries that the change of a row from `before` to `after` may alter. A host itself that comes, goes or
/// changes alters no entry but its own life as a host: whoever keeps its link looks after that.
pub fn touched(before: &Tables, after: &Tables, kind: Kind, id: i64) -> BTreeSet<(HostId, ContainerId)> {
    let mut entries = BTreeSet::new();
    match kind {
        Kind::Container => {
            let (old, new) = (before.containers.get_raw(id), after.containers.get_raw(id));
            if let (Some(old), Some(new)) = (old, new)
                && same_entry(old, new)
            {
                return entries;
            }
            for row in [old, new].into_iter().flatten() {
                note(&mut entries, row);
                joiners(&mut entries, after, row);
            }
        }
        Kind::Service => {
            let (old, new) = (before.services.get_raw(id), after.services.get_raw(id));
            if let (Some(old), Some(new)) = (old, new)
                && same_for_others(old, new)
            {
                return entries;
            }
            for stack in [old, new].into_iter().flatten().filter_map(|row| row.intent.stack) {
                whole_stack(&mut entries, after, stack);
            }
        }
        Kind::Stack => {
            let (old, new) = (before.stacks.get_raw(id), after.stacks.get_raw(id));
            let same = |(old, new): (&Arc<Row<_>>, &Arc<Row<control_model::Stack>>)| {
                let (old, new): (&control_model::StackIntent, _) = (&old.intent, &new.intent);
                old.name == new.name && old.volumes == new.volumes
            };
            if !old.zip(new).is_some_and(same)
                && let Some(row) = new.or(old)
            {
                whole_stack(&mut entries, after, row.id);
            }
        }
        Kind::Account
        | Kind::Credential
        | Kind::Project
        | Kind::Member
        | Kind::Setting
        | Kind::Host
        | Kind::Volume
        | Kind::Secret
        | Kind::Certificate
        | Kind::Registry
        | Kind::AuditLog
        | Kind::ProjectTemplate => {}
    }
    entries
}

fn same_entry(old: &Arc<Row<Container>>, new: &Arc<Row<Container>>) -> bool {
    if Arc::ptr_eq(old, new) {
        return true;
    }
    let native = matches!(new.intent.origin, Origin::Native { .. });
    let done = |row: &Row<Container>| (row.observation.order_done, row.observation.restarts_done);
    old.is_going() == new.is_going()
        && old.removed.is_none() == new.removed.is_none()
        && (!native || done(old) == done(new))
        && old.decision == new.decision
        && old.intent == new.intent
}

/// Whether what other containers of the stack get of a service is the same.
fn same_for_others(old: &Arc<Row<Service>>, new: &Arc<Row<Service>>) -> bool {
    Arc::ptr_eq(old, new)
        || (old.is_going() == new.is_going()
            && old.intent.name == new.intent.name
            && old.intent.links == new.intent.links
            && old.intent.depends_on == new.intent.depends_on)
}

fn note(entries: &mut BTreeSet<(HostId, ContainerId)>, row: &Row<Container>) {
    if let Some(host) = row.keys().host {
        entries.insert((host, row.id));
    }
}

fn whole_stack(entries: &mut BTreeSet<(HostId, ContainerId)>, tables: &Tables, stack: StackId) {
    for row in tables.containers.of_stack(stack).filter(|row| row.removed.is_none()) {
        note(entries, row);
    }
}

/// Containers that share the network or the volumes of this one.
fn joiners(entries: &mut BTreeSet<(HostId, ContainerId)>, tables: &Tables, row: &Row<Container>) {
    let joins = |launch: &control_model::LaunchSpec| {
        !launch.volumes_from.is_empty() || matches!(launch.network, NetworkMode::Container { .. })
    };
    let Some(host) = row.keys().host else { return };
    if let Some(stack) = row.intent.stack {
        for service in tables.services.of_stack(stack).filter(|s| !s.is_going() && joins(&s.intent.launch)) {
            for other in tables.containers.of_service(service.id).filter(|row| row.removed.is_none()) {
                note(entries, other);
            }
        }
    } else {
        for other in tables.containers.of_host(host) {
            if other.removed.is_none() && other.intent.stack.is_none() && joins(&other.intent.launch) {
                note(entries, other);
            }
        }
    }
}

/// Whether the change of a container may help what waits for room: it no longer holds its place on a host, or it has
/// a host now and others can join it there. It holds its place until it has gone, not only until it shall go.
pub fn gives_room(before: &Tables, after: &Tables, container: i64) -> bool {
    let holds = |tables: &Tables| {
        let row = tables.containers.get_raw(container)?;
        let held = row.removed.is_none() && occupies(row);
        held.then(|| (row.keys().host, row.decision.ports.clone()))
    };
    let placed = |tables: &Tables| tables.containers.get_raw(container).and_then(|row| row.keys().host);
    let old = holds(before);
    (old.is_some() && old != holds(after)) || placed(before) != placed(after)
}
