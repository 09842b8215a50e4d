//! Services: as many containers as wanted, what was wanted, where they fit.

use contract_values::{HostId, ProjectId, ServiceId, StackId, Timestamp};
use control_model::{AgentLink, Host, Kind, NetworkMode, Row, Service, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::Change;

use crate::field::Field;
use crate::queue::Wakes;
use crate::{Controller, Planner};

pub(crate) struct ServiceController;

impl Controller for ServiceController {
    const NAME: &'static str = "service";
    const WRITES: &'static [Field] =
        &[Field::ServiceDecision, Field::ServiceRemoval, Field::ContainersOfServices];
    type Key = ServiceId;

    fn keys(tables: &Tables) -> Vec<ServiceId> {
        tables.services.live().map(|row| row.id).collect()
    }

    fn wakes(before: &Tables, after: &Tables, change: &Change, wake: &mut Wakes<ServiceId>) {
        match change.kind {
            Kind::Service => {
                wake.key(ServiceId::new(change.id));
                let row = after.services.get_raw(change.id).or_else(|| before.services.get_raw(change.id));
                if let Some(row) = row {
                    dependents(after, row, wake);
                }
            }
            Kind::Container => container_changed(before, after, change.id, wake),
            Kind::Host => host_changed(before, after, HostId::new(change.id), wake),
            Kind::Stack => {
                for row in
                    after.services.of_stack(StackId::new(change.id)).filter(|row| row.removed.is_none())
                {
                    wake.key(row.id);
                }
            }
            Kind::Project => {
                let project = ProjectId::new(change.id);
                for row in after.services.of_project(project).filter(|row| row.removed.is_none()) {
                    wake.key(row.id);
                }
            }
            // A volume pins what mounts it, and its end frees what waits for it.
            Kind::Volume => {
                let row = after.volumes.get_raw(change.id).or_else(|| before.volumes.get_raw(change.id));
                if let Some(stack) = row.and_then(|row| row.intent.stack) {
                    for row in after.services.of_stack(stack).filter(|row| row.removed.is_none()) {
                        wake.key(row.id);
                    }
                }
                wake.room();
            }
            Kind::Setting => wake.all(),
            // A secret may be what a service waits for.
            Kind::Secret => {
                let row = after.secrets.get_raw(change.id).or_else(|| before.secrets.get_raw(change.id));
                let project = row.and_then(|row| row.intent.project);
                for row in project.into_iter().flat_map(|project| after.services.of_project(project)) {
                    if row.removed.is_none() && !row.intent.launch.secrets.is_empty() {
                        wake.key(row.id);
                    }
                }
            }
            Kind::Account
            | Kind::Credential
            | Kind::Member
            | Kind::Certificate
            | Kind::Registry
            | Kind::AuditLog
            | Kind::ProjectTemplate => {}
        }
    }

    fn plan(
        planner: &dyn Planner,
        tables: &Tables,
        settings: &Settings,
        now: Timestamp,
        key: ServiceId,
        supply: &mut Supply,
    ) -> Result<Plan, Demand> {
        planner.service(tables, settings, now, key, supply)
    }
}

fn container_changed(before: &Tables, after: &Tables, id: i64, wake: &mut Wakes<ServiceId>) {
    let (old, new) = (before.containers.get_raw(id), after.containers.get_raw(id));
    let Some(row) = new.or(old) else { return };
    if let Some(service) = row.keys().service {
        wake.key(service);
        if let Some(service) = after.services.get(service) {
            dependents(after, service, wake);
        }
    }
    if control_plan::gives_room(before, after, id) {
        wake.room();
    }
}

/// Services of the same stack that wait for this one, or share its network or volumes.
fn dependents(tables: &Tables, service: &Row<Service>, wake: &mut Wakes<ServiceId>) {
    let Some(stack) = service.intent.stack else { return };
    let name = &service.intent.name;
    for other in tables.services.of_stack(stack).filter(|row| row.removed.is_none() && row.id != service.id) {
        let launch = &other.intent.launch;
        let waits = other.intent.depends_on.iter().any(|d| d.service.eq_ignore_ascii_case(name));
        let joins =
            !launch.volumes_from.is_empty() || matches!(launch.network, NetworkMode::Container { .. });
        if waits || joins {
            wake.key(other.id);
        }
    }
}

/// What of a host matters to services; live facts such as its disk do not.
fn standing(row: &Row<Host>) -> impl PartialEq + use<> {
    (
        row.is_going(),
        row.removed.is_some(),
        row.intent.inactive,
        row.intent.evacuate,
        row.intent.labels.clone(),
        row.observation.link == AgentLink::Connected,
        row.decision.lost_since,
        row.observation.facts.troubles.clone(),
        row.observation.facts.memory_total,
        row.observation.facts.cpu_count,
    )
}

fn host_changed(before: &Tables, after: &Tables, host: HostId, wake: &mut Wakes<ServiceId>) {
    let (old, new) = (before.hosts.get(host), after.hosts.get(host));
    if let (Some(old), Some(new)) = (old, new)
        && standing(old) == standing(new)
    {
        return;
    }
    for row in after.containers.of_host(host).filter(|row| row.removed.is_none()) {
        if let Some(service) = row.keys().service {
            wake.key(service);
        }
    }
    wake.room();
    // Services with one container on each host look at every host.
    let project = new.or(old).and_then(|row| row.intent.project);
    for row in project.into_iter().flat_map(|project| after.services.of_project(project)) {
        if row.removed.is_none() && row.intent.launch.global() {
            wake.key(row.id);
        }
    }
}
