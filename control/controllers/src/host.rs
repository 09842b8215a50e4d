//! Hosts: when one is given up, and what goes with one that is removed.

use contract_values::{HostId, ProjectId, Timestamp};
use control_model::{Kind, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::Change;

use crate::field::Field;
use crate::queue::Wakes;
use crate::{Controller, Planner};

pub(crate) struct HostController;

impl Controller for HostController {
    const NAME: &'static str = "host";
    const WRITES: &'static [Field] = &[Field::HostDecision, Field::HostRemoval];
    type Key = HostId;

    fn keys(tables: &Tables) -> Vec<HostId> {
        tables.hosts.live().map(|row| row.id).collect()
    }

    fn wakes(before: &Tables, after: &Tables, change: &Change, wake: &mut Wakes<HostId>) {
        let project = match change.kind {
            Kind::Host => {
                let id = HostId::new(change.id);
                wake.key(id);
                let (old, new) = (before.hosts.get(id), after.hosts.get(id));
                let link = |row: Option<&std::sync::Arc<_>>| {
                    row.map(|row: &std::sync::Arc<control_model::Row<control_model::Host>>| {
                        (row.observation.link, row.is_going())
                    })
                };
                // Whether hosts vanished together is a question about all of them.
                if link(old) == link(new) {
                    return;
                }
                new.or(old).and_then(|row| row.intent.project)
            }
            Kind::Project => Some(ProjectId::new(change.id)),
            // A host that is going takes along what is reported of it meanwhile.
            Kind::Container => {
                let host = after.containers.get_raw(change.id).and_then(|row| row.keys().host);
                if let Some(host) = host.and_then(|id| after.hosts.get(id))
                    && host.is_going()
                    && host.removed.is_none()
                {
                    wake.key(host.id);
                }
                None
            }
            Kind::Setting => {
                wake.all();
                None
            }
            Kind::Account
            | Kind::Credential
            | Kind::Member
            | Kind::Stack
            | Kind::Service
            | Kind::Volume
            | Kind::Secret
            | Kind::Certificate
            | Kind::Registry
            | Kind::AuditLog
            | Kind::ProjectTemplate => None,
        };
        for row in project.into_iter().flat_map(|project| after.hosts.of_project(project)) {
            if row.removed.is_none() {
                wake.key(row.id);
            }
        }
    }

    fn plan(
        planner: &dyn Planner,
        tables: &Tables,
        settings: &Settings,
        now: Timestamp,
        key: HostId,
        _: &mut Supply,
    ) -> Result<Plan, Demand> {
        Ok(planner.host(tables, settings, now, key))
    }
}
