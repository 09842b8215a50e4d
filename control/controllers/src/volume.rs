//! Volumes that are removed.

use contract_values::{Timestamp, VolumeId};
use control_model::{Kind, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::Change;

use crate::field::Field;
use crate::queue::Wakes;
use crate::{Controller, Planner};

pub(crate) struct VolumeController;

impl Controller for VolumeController {
    const NAME: &'static str = "volume";
    const WRITES: &'static [Field] = &[Field::VolumeRemoval];
    type Key = VolumeId;

    fn keys(tables: &Tables) -> Vec<VolumeId> {
        tables.volumes.live().map(|row| row.id).collect()
    }

    fn wakes(before: &Tables, after: &Tables, change: &Change, wake: &mut Wakes<VolumeId>) {
        match change.kind {
            Kind::Volume => wake.key(VolumeId::new(change.id)),
            // One that is going ends with the last container that mounts it.
            Kind::Container => {
                let row =
                    after.containers.get_raw(change.id).or_else(|| before.containers.get_raw(change.id));
                for volume in
                    row.and_then(|row| row.keys().host).into_iter().flat_map(|h| after.volumes.of_host(h))
                {
                    if volume.is_going() && volume.removed.is_none() {
                        wake.key(volume.id);
                    }
                }
            }
            Kind::Account
            | Kind::Credential
            | Kind::Project
            | Kind::Member
            | Kind::Setting
            | Kind::Host
            | Kind::Stack
            | Kind::Service
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
        _: &Settings,
        now: Timestamp,
        key: VolumeId,
        _: &mut Supply,
    ) -> Result<Plan, Demand> {
        Ok(planner.volume(tables, now, key))
    }
}
