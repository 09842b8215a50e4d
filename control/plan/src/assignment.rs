//! What one host shall be.
//!
//! An assignment is derived from the picture and from nothing else, so that it is the same after every restart. A
//! container's part can be derived alone ([`assign_container`]), and what the containers need besides follows from
//! their parts ([`support`]), so that a change costs as much as it is large.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract_protocol::{
    Assignment, ContainerAssignment, DesiredRun, MountKind, NativeOrder, NetworkAttachment, NetworkSpec,
    RunRule, VolumeOrder, VolumeSpec,
};
use contract_values::{ContainerId, Duration, HostId, Labels, ProjectId, ServiceId, StackId};
use control_model::{
    Container, ContainerRun, DependencyCondition, NetworkMode, Origin, RestartPolicy, Row, Tables, Volume,
};

use crate::engine::{Surroundings, container_spec, limits};
use crate::labels::engine_name;
use crate::sealed::{files, registry_login};
use crate::storage::volumes_of;
use crate::vault::Vault;

/// Everything that a host shall be.
pub fn assignment(tables: &Tables, vault: &Vault, host: HostId) -> Assignment {
    let mut assignment = Assignment::default();
    for row in tables.containers.of_host(host) {
        if let Some(container) = assign_container(tables, vault, row) {
            assignment.containers.insert(row.id, container);
        } else if let Some((docker_id, order)) = native_order(row) {
            assignment.natives.insert(docker_id, order);
        }
    }
    (assignment.networks, assignment.volumes) = support(tables, host, &assignment.containers);
    assignment.volume_orders = volume_orders(tables, host);
    assignment
}

/// What a container shall be on its host; `None` when it shall not be there, or is not ours to make.
pub fn assign_container(tables: &Tables, vault: &Vault, row: &Row<Container>) -> Option<ContainerAssignment> {
    let native = matches!(row.intent.origin, Origin::Native { .. });
    if native || row.is_going() || row.decision.retire_since.is_some() {
        return None;
    }
    let host = row.decision.host?;
    tables.hosts.get(host).filter(|host| !host.is_going())?;
    let around = Surroundings {
        network: attachment(tables, row, host),
        volumes_from: row
            .intent
            .launch
            .volumes_from
            .iter()
            .filter_map(|name| peer(tables, row, name))
            .filter(|peer| peer.decision.host == Some(host))
            .map(|peer| peer.id)
            .collect(),
        files: files(tables, vault, row),
        registry_login: registry_login(tables, vault, row),
    };
    Some(ContainerAssignment {
        name: engine_name(&row.intent.name, &row.uuid),
        uuid: row.uuid.clone(),
        incarnation: row.decision.incarnation,
        run: if wants_to_run(row) { DesiredRun::Running } else { DesiredRun::Stopped },
        rule: run_rule(tables, row),
        restarts_asked: restarts_asked(row),
        spec: container_spec(tables, row, around)?,
    })
}

/// The order about a native container and its engine's id, as long as it has not been carried out.
pub fn native_order(row: &Row<Container>) -> Option<(String, NativeOrder)> {
    let Origin::Native { docker_id, .. } = &row.intent.origin else { return None };
    if row.removed.is_some() {
        return None;
    }
    let remove = row.removal_asked.is_some();
    let ordered = row.intent.order > row.observation.order_done;
    let restart = row.intent.restarts_asked > row.observation.restarts_done;
    (remove || ordered || restart).then(|| {
        let run = match row.intent.run {
            ContainerRun::Running => Some(DesiredRun::Running),
            ContainerRun::Stopped => Some(DesiredRun::Stopped),
            ContainerRun::AsIs => None,
        };
        let order = NativeOrder {
            container: row.id,
            // A restart alone repeats no earlier order: the host's view has won since.
            run: run.filter(|_| ordered),
            // A removal is an order of its own, after all that were counted.
            order: row.intent.order.saturating_add(u32::from(remove)),
            restarts_asked: row.intent.restarts_asked,
            remove,
            stop_timeout: row.intent.stop_timeout_seconds.map(|s| Duration::seconds(i64::from(s))),
        };
        (docker_id.clone(), order)
    })
}

/// The networks and volumes that a host's containers need.
pub fn support(
    tables: &Tables,
    host: HostId,
    containers: &BTreeMap<ContainerId, ContainerAssignment>,
) -> (BTreeMap<String, NetworkSpec>, BTreeMap<String, VolumeSpec>) {
    let mut networks = BTreeMap::new();
    let mut volumes = BTreeMap::new();
    for (&id, container) in containers {
        if let NetworkAttachment::Named { network, .. } = &container.spec.network {
            networks.entry(network.clone()).or_insert_with(NetworkSpec::default);
        }
        let mounts_volumes = container.spec.mounts.iter().any(|m| m.kind == MountKind::Volume);
        let row = tables.containers.get(id).filter(|row| mounts_volumes && row.decision.host == Some(host));
        for volume in row.map(|row| volumes_of(tables, &row.intent)).unwrap_or_default() {
            if !volume.external {
                let spec = VolumeSpec {
                    driver: volume.driver,
                    options: volume.options,
                    labels: Labels::clone(&volume.labels),
                };
                volumes.entry(volume.name).or_insert(spec);
            }
        }
    }
    (networks, volumes)
}

/// The volumes that a host shall remove with all that is in them. The order stands until the host says that it is
/// done, also when nobody waits for it any more; but whoever made a volume of that name since has made another one.
pub fn volume_orders(tables: &Tables, host: HostId) -> BTreeMap<String, VolumeOrder> {
    let mut newest: BTreeMap<&str, &Row<Volume>> = BTreeMap::new();
    for row in tables.volumes.of_host(host) {
        let known = newest.entry(&row.intent.name).or_insert(row);
        if known.id < row.id {
            *known = row;
        }
    }
    newest
        .into_iter()
        .filter(|(_, row)| row.removal_asked.is_some() && !row.observation.gone && !row.intent.external)
        .map(|(name, row)| (name.to_owned(), VolumeOrder { volume: row.id, force: false }))
        .collect()
}

/// The name of a stack's network on each host. It is made of numbers, because names may change.
pub fn stack_network(project: Option<ProjectId>, stack: Option<StackId>) -> String {
    let project = project.map_or(0, ProjectId::raw);
    match stack {
        Some(stack) => format!("lariat-{project}-{}", stack.raw()),
        None => format!("lariat-{project}"),
    }
}

/// Whether a container shall run now.
pub(crate) fn wants_to_run(row: &Row<Container>) -> bool {
    row.intent.run == ContainerRun::Running && !row.decision.held
}

/// Restarts asked for by people and by the service's controller together: one counter for the host.
pub(crate) fn restarts_asked(row: &Row<Container>) -> u32 {
    row.intent.restarts_asked.saturating_add(row.decision.restarts_asked)
}

/// What the host does when a container's process ends by itself.
///
/// The platform restarts what ends, whatever `restart` says, with two exceptions that a user writes on purpose: `no`
/// and `on-failure`. Further, what another service waits for to complete is a job, although nothing in it says so.
pub(crate) fn run_rule(tables: &Tables, row: &Row<Container>) -> RunRule {
    if row.intent.launch.start_once() {
        return RunRule::Once;
    }
    match limits(tables, row).1 {
        Some(RestartPolicy::No) => RunRule::Once,
        Some(RestartPolicy::OnFailure { most }) => RunRule::OnFailure { most: *most },
        Some(RestartPolicy::Always | RestartPolicy::UnlessStopped) => RunRule::KeepRunning,
        None => match row.intent.origin {
            Origin::Service { service, .. } if awaited_to_end(tables, service) => RunRule::Once,
            Origin::Service { .. } | Origin::Standalone | Origin::Native { .. } => RunRule::KeepRunning,
        },
    }
}

fn awaited_to_end(tables: &Tables, service: ServiceId) -> bool {
    let Some(service) = tables.services.get(service) else { return false };
    let Some(stack) = service.intent.stack else { return false };
    tables.services.of_stack(stack).filter(|other| !other.is_going()).any(|other| {
        other.intent.depends_on.iter().any(|dependency| {
            dependency.condition == DependencyCondition::CompletedSuccessfully
                && dependency.service.eq_ignore_ascii_case(&service.intent.name)
        })
    })
}

fn attachment(tables: &Tables, row: &Row<Container>, host: HostId) -> NetworkAttachment {
    match &row.intent.launch.network {
        NetworkMode::Bridge => NetworkAttachment::Bridge,
        NetworkMode::Host => NetworkAttachment::Host,
        NetworkMode::None => NetworkAttachment::None,
        NetworkMode::Container { name } => peer(tables, row, name)
            .filter(|peer| peer.decision.host == Some(host))
            .map_or(NetworkAttachment::None, |peer| NetworkAttachment::Container { id: peer.id }),
        NetworkMode::Managed => NetworkAttachment::Named {
            network: stack_network(row.intent.project, row.intent.stack),
            aliases: aliases(tables, row),
        },
    }
}

/// The names under which a container is known in its stack: its own, its service's, and those by which services of
/// the same stack link to its service.
fn aliases(tables: &Tables, row: &Row<Container>) -> Vec<String> {
    let mut names = BTreeSet::from([row.intent.name.clone()]);
    names.extend(row.intent.launch.network_aliases.iter().cloned());
    if let Origin::Service { service: id, .. } = row.intent.origin
        && let Some(service) = tables.services.get(id)
    {
        names.insert(service.intent.name.clone());
        if let Some(stack) = service.intent.stack {
            let others = tables.services.of_stack(stack).filter(|other| !other.is_going());
            for link in others.flat_map(|other| &other.intent.links).filter(|link| link.service == id) {
                names.extend(link.alias.iter().cloned());
            }
        }
    }
    names.into_iter().collect()
}

/// The container that another one names: a container of its stack or environment, or the one with the same number
/// of a service of its stack.
pub(crate) fn peer<'a>(
    tables: &'a Tables,
    row: &Row<Container>,
    name: &str,
) -> Option<&'a Arc<Row<Container>>> {
    peer_of(tables, &row.intent, name)
}

pub(crate) fn peer_of<'a>(
    tables: &'a Tables,
    intent: &control_model::ContainerIntent,
    name: &str,
) -> Option<&'a Arc<Row<Container>>> {
    let alive = |row: &&Arc<Row<Container>>| {
        !row.is_going() && row.decision.retire_since.is_none() && row.intent.project == intent.project
    };
    let in_service = || {
        let stack = intent.stack?;
        let service = tables.services.by_unique(&format!("{}/{}", stack.raw(), name.to_lowercase()))?;
        let mine = match intent.origin {
            Origin::Service { index, .. } => Some(index),
            Origin::Standalone | Origin::Native { .. } => None,
        };
        let number = |row: &&Arc<Row<Container>>| match row.intent.origin {
            Origin::Service { index, .. } => mine.is_none_or(|mine| mine == index),
            Origin::Standalone | Origin::Native { .. } => false,
        };
        // The newest: during an upgrade the successor is the one to join.
        tables.containers.of_service(service.id).filter(alive).filter(number).last()
    };
    in_service().or_else(|| {
        let mut same = tables.containers.named(name).filter(alive);
        let first = same.next();
        first
            .filter(|row| row.intent.stack == intent.stack)
            .or_else(|| same.find(|row| row.intent.stack == intent.stack).or(first))
    })
}

#[cfg(test)]
mod tests;
