//! Where the loops get their decisions from.

use contract_values::{
    ContainerId, CredentialId, HostId, ProjectId, ServiceId, StackId, Timestamp, VolumeId,
};
use control_model::Tables;
use control_plan::{Demand, Plan, Settings, Supply};

/// What decides for the loops. [`ControlPlan`] is what ships; the simulation puts one around it that decides wrongly,
/// to see that its checks notice.
pub trait Planner: Send + Sync + 'static {
    /// Decides on an environment.
    fn project(&self, tables: &Tables, now: Timestamp, id: ProjectId) -> Plan {
        control_plan::plan_project(tables, now, id)
    }

    /// Decides on a stack.
    fn stack(&self, tables: &Tables, now: Timestamp, id: StackId) -> Plan {
        control_plan::plan_stack(tables, now, id)
    }

    /// Decides on a service and its containers.
    ///
    /// # Errors
    /// Returns the ids it needs when the supply holds too few.
    fn service(
        &self,
        tables: &Tables,
        settings: &Settings,
        now: Timestamp,
        id: ServiceId,
        supply: &mut Supply,
    ) -> Result<Plan, Demand> {
        control_plan::plan_service(tables, settings, now, id, supply)
    }

    /// Decides on a container that no service owns.
    ///
    /// # Errors
    /// Returns the ids it needs when the supply holds too few.
    fn container(
        &self,
        tables: &Tables,
        settings: &Settings,
        now: Timestamp,
        id: ContainerId,
        supply: &mut Supply,
    ) -> Result<Plan, Demand> {
        control_plan::plan_container(tables, settings, now, id, supply)
    }

    /// Decides on a host.
    fn host(&self, tables: &Tables, settings: &Settings, now: Timestamp, id: HostId) -> Plan {
        control_plan::plan_host(tables, settings, now, id)
    }

    /// Decides on a credential that ends by itself.
    fn credential(&self, tables: &Tables, now: Timestamp, id: CredentialId) -> Plan {
        control_plan::plan_credential(tables, now, id)
    }

    /// Decides on a volume.
    fn volume(&self, tables: &Tables, now: Timestamp, id: VolumeId) -> Plan {
        control_plan::plan_volume(tables, now, id)
    }
}

/// The decisions of `control-plan`, as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct ControlPlan;

impl Planner for ControlPlan {}
