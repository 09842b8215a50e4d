//! Stacks: their removal, down to the last container.

use contract_values::{StackId, Timestamp};
use control_model::{Kind, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::Change;

use crate::field::Field;
use crate::queue::Wakes;
use crate::{Controller, Planner};

pub(crate) struct StackController;

impl Controller for StackController {
    const NAME: &'static str = "stack";
    const WRITES: &'static [Field] = &[Field::StackRemoval];
    type Key = StackId;

    fn keys(tables: &Tables) -> Vec<StackId> {
        tables.stacks.live().map(|row| row.id).collect()
    }

    fn wakes(before: &Tables, after: &Tables, change: &Change, wake: &mut Wakes<StackId>) {
        let going = |id: Option<StackId>| {
            id.filter(|id| after.stacks.get(*id).is_some_and(|row| row.is_going() && row.removed.is_none()))
        };
        let parent = match change.kind {
            Kind::Stack => Some(StackId::new(change.id)),
            Kind::Project => {
                let project = contract_values::ProjectId::new(change.id);
                for row in after.stacks.of_project(project).filter(|row| row.removed.is_none()) {
                    wake.key(row.id);
                }
                None
            }
            // What is in a stack matters only while the stack is going.
            Kind::Service => {
                let row = after.services.get_raw(change.id).or_else(|| before.services.get_raw(change.id));
                going(row.and_then(|row| row.intent.stack))
            }
            Kind::Container => {
                let row =
                    after.containers.get_raw(change.id).or_else(|| before.containers.get_raw(change.id));
                going(row.and_then(|row| row.intent.stack))
            }
            Kind::Volume => {
                let row = after.volumes.get_raw(change.id).or_else(|| before.volumes.get_raw(change.id));
                going(row.and_then(|row| row.intent.stack))
            }
            Kind::Account
            | Kind::Credential
            | Kind::Member
            | Kind::Setting
            | Kind::Host
            | Kind::Secret
            | Kind::Certificate
            | Kind::Registry
            | Kind::AuditLog
            | Kind::ProjectTemplate => None,
        };
        if let Some(id) = parent {
            wake.key(id);
        }
    }

    fn plan(
        planner: &dyn Planner,
        tables: &Tables,
        _: &Settings,
        now: Timestamp,
        key: StackId,
        _: &mut Supply,
    ) -> Result<Plan, Demand> {
        Ok(planner.stack(tables, now, key))
    }
}
