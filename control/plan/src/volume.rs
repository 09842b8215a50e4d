//! Volumes that are removed, with all that is in them.
//!
//! The data goes on the host, by an order in its assignment (see `assignment::volume_orders`). Nobody waits for a host
//! that is away, nor for ever for one that cannot: the row ends, and the host still removes the data when it can.

use contract_values::{Duration, Timestamp, VolumeId};
use control_model::{AgentLink, Tables};

use crate::storage::volumes_of;
use crate::supply::Plan;

/// How long a removal waits for a host that is there and cannot do it.
const PATIENCE: Duration = Duration::seconds(120);

/// Decides on a volume: one that is going ends when no container on its host mounts it any more and its host has
/// removed the data, or is not there to do so.
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
    if in_use {
        return plan;
    }
    let host = volume.intent.host.and_then(|id| tables.hosts.get(id));
    let is_there =
        host.is_some_and(|host| !host.is_going() && matches!(host.observation.link, AgentLink::Connected));
    let waits = is_there && !volume.observation.gone && !volume.intent.external;
    let until = volume.removal_asked.map(|asked| asked + PATIENCE).filter(|until| waits && *until > now);
    match until {
        Some(until) => plan.wake_at(until),
        None => plan.tx.finish_removal(volume),
    }
    plan
}

#[cfg(test)]
mod tests;
