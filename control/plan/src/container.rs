//! Containers that no service owns: those that a person made through the API, and those that somebody started by
//! hand on a host.

use contract_values::{ContainerId, Timestamp};
use control_model::{AgentLink, Container, ContainerRun, Origin, ReasonCode, Row, Tables};

use crate::removal::{Leaving, leaving};
use crate::service::{Placer, set_reason};
use crate::settings::Settings;
use crate::supply::{Demand, Plan, Supply};

/// Decides on a container that no service owns; one of a service is left to its service's plan.
///
/// # Errors
/// Returns the ids it needs when the supply holds too few.
pub fn plan_container(
    tables: &Tables,
    settings: &Settings,
    now: Timestamp,
    id: ContainerId,
    supply: &mut Supply,
) -> Result<Plan, Demand> {
    let mut plan = Plan::new(now);
    let Some(row) = tables.containers.get(id).filter(|row| row.removed.is_none()) else { return Ok(plan) };
    match &row.intent.origin {
        Origin::Service { service, .. } => {
            // A service that is gone for good plans nothing any more.
            if tables.services.get(*service).is_none_or(|service| service.removed.is_some()) {
                plan.tx.finish_removal(row);
            }
        }
        Origin::Native { host, .. } => {
            // The host's view wins: the row ends when the host says so, or with the host.
            if tables.hosts.get(*host).is_none_or(|host| host.is_going()) {
                plan.tx.finish_removal(row);
            }
        }
        Origin::Standalone if row.is_going() => match leaving(tables, settings, now, row) {
            Leaving::Finish => plan.tx.finish_removal(row),
            Leaving::Until(at) => plan.wake_at(at),
        },
        Origin::Standalone => standalone(tables, settings, row, &mut plan, supply),
    }
    supply.settle(plan)
}

fn standalone(
    tables: &Tables,
    settings: &Settings,
    row: &Row<Container>,
    plan: &mut Plan,
    supply: &mut Supply,
) {
    let mut decision = row.decision.clone();
    match decision.host.map(|id| tables.hosts.get(id)) {
        Some(None) => {
            plan.tx.finish_removal(row);
            return;
        }
        Some(Some(host)) if host.is_going() => {
            plan.tx.finish_removal(row);
            return;
        }
        Some(Some(host)) => {
            // It is not moved: nobody said that it may run elsewhere.
            let away = host.observation.link != AgentLink::Connected && host.decision.lost_since.is_some();
            if away {
                let name = host.intent.name.as_ref().unwrap_or(&host.intent.hostname);
                let text = format!("its host {name} is not connected");
                set_reason(&mut decision.reason, plan.tx.now, ReasonCode::HostAway, text, false);
            } else {
                decision.reason = None;
            }
        }
        None if row.intent.run == ContainerRun::Running => {
            let mut placer = Placer::new(tables, settings, row.intent.project);
            placer.place(plan, supply, row.id, &row.intent, &[], &mut decision);
            placer.conclude(plan);
        }
        None => decision.reason = None,
    }
    if decision != row.decision {
        plan.tx.set_decision(row, decision);
    }
}

#[cfg(test)]
mod tests;
