//! Containers that no service owns.

use contract_values::{ContainerId, HostId, ServiceId, Timestamp};
use control_model::{Kind, Origin, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::Change;

use crate::field::Field;
use crate::queue::Wakes;
use crate::{Controller, Planner};

pub(crate) struct ContainerController;

impl Controller for ContainerController {
    const NAME: &'static str = "container";
    const WRITES: &'static [Field] = &[Field::OtherContainers];
    type Key = ContainerId;

    fn keys(tables: &Tables) -> Vec<ContainerId> {
        tables.containers.live().map(|row| row.id).collect()
    }

    fn wakes(before: &Tables, after: &Tables, change: &Change, wake: &mut Wakes<ContainerId>) {
        match change.kind {
            Kind::Container => {
                let row =
                    after.containers.get_raw(change.id).or_else(|| before.containers.get_raw(change.id));
                if let Some(row) = row {
                    let own = match &row.intent.origin {
                        Origin::Standalone | Origin::Native { .. } => true,
                        Origin::Service { service, .. } => {
                            after.services.get(*service).is_none_or(|service| service.removed.is_some())
                        }
                    };
                    if own {
                        wake.key(row.id);
                    }
                    // What joins its network or volumes is placed beside it, and what it leaves is room.
                    wake.room();
                }
            }
            Kind::Host => {
                for row in
                    after.containers.of_host(HostId::new(change.id)).filter(|row| row.removed.is_none())
                {
                    if !matches!(row.intent.origin, Origin::Service { .. }) {
                        wake.key(row.id);
                    }
                }
                wake.room();
            }
            Kind::Service => {
                let id = ServiceId::new(change.id);
                if after.services.get(id).is_none_or(|service| service.removed.is_some()) {
                    for row in after.containers.of_service(id).filter(|row| row.removed.is_none()) {
                        wake.key(row.id);
                    }
                }
            }
            Kind::Volume => wake.room(),
            Kind::Setting => wake.all(),
            Kind::Account
            | Kind::Credential
            | Kind::Project
            | Kind::Member
            | Kind::Stack
            | Kind::Secret
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
        key: ContainerId,
        supply: &mut Supply,
    ) -> Result<Plan, Demand> {
        planner.container(tables, settings, now, key, supply)
    }
}
