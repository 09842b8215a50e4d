//! Environments: their removal, down to the last host.

use contract_values::{ProjectId, Timestamp};
use control_model::{Kind, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::Change;

use crate::field::Field;
use crate::queue::Wakes;
use crate::{Controller, Planner};

pub(crate) struct ProjectController;

impl Controller for ProjectController {
    const NAME: &'static str = "project";
    const WRITES: &'static [Field] = &[Field::ProjectRemoval];
    type Key = ProjectId;

    fn keys(tables: &Tables) -> Vec<ProjectId> {
        tables.projects.live().map(|row| row.id).collect()
    }

    fn wakes(before: &Tables, after: &Tables, change: &Change, wake: &mut Wakes<ProjectId>) {
        let id = change.id;
        let project = match change.kind {
            Kind::Project => Some(ProjectId::new(id)),
            Kind::Stack => {
                after.stacks.get_raw(id).or_else(|| before.stacks.get_raw(id)).and_then(|r| r.intent.project)
            }
            Kind::Container => after
                .containers
                .get_raw(id)
                .or_else(|| before.containers.get_raw(id))
                .and_then(|r| r.intent.project),
            Kind::Host => {
                after.hosts.get_raw(id).or_else(|| before.hosts.get_raw(id)).and_then(|r| r.intent.project)
            }
            Kind::Volume => after
                .volumes
                .get_raw(id)
                .or_else(|| before.volumes.get_raw(id))
                .and_then(|r| r.intent.project),
            Kind::Account
            | Kind::Credential
            | Kind::Member
            | Kind::Setting
            | Kind::Service
            | Kind::Secret
            | Kind::Certificate
            | Kind::Registry
            | Kind::AuditLog
            | Kind::ProjectTemplate => None,
        };
        // What is in an environment matters only while that is going.
        let going = |id: &ProjectId| {
            after.projects.get(*id).is_some_and(|row| row.is_going() && row.removed.is_none())
        };
        if let Some(project) = project.filter(going) {
            wake.key(project);
        }
    }

    fn plan(
        planner: &dyn Planner,
        tables: &Tables,
        _: &Settings,
        now: Timestamp,
        key: ProjectId,
        _: &mut Supply,
    ) -> Result<Plan, Demand> {
        Ok(planner.project(tables, now, key))
    }
}
