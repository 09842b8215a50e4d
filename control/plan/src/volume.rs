//! Volumes that are removed.

use contract_values::{Timestamp, VolumeId};
use control_model::Tables;

use crate::storage::volumes_of;
use crate::supply::Plan;

/// Decides on a volume: one that is going ends when no container on its host mounts it any more.
pub fn plan_volume(tables: &Tables, now: Timestamp, id: VolumeId) -> Plan {
    let mut plan = Plan::new(now);
    let Some(volume) = tables.volumes.get(id).filter(|row| row.is_going() && row.removed.is_none()) else {
        return plan;
    };
    let in_use = volume.intent.host.is_some_and(|host| {
        let mounts = |intent| volumes_of(tables, intent).iter().any(|v| v.name == volume.intent.name);
        let live = tables.containers.of_host(host).filter(|row| row.removed.is_none());
        live.filter(|row| row.intent.project == volume.intent.project).any(|row| mounts(&row.intent))
    });
    if !in_use {
        plan.tx.finish_removal(volume);
    }
    plan
}
