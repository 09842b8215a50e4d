//! Stacks: what goes with one that is removed.

use contract_values::{StackId, Timestamp};
use control_model::{Origin, Tables};

use crate::supply::Plan;

/// Decides on a stack. One that is going takes its services and containers with it and ends when they have; its
/// volumes stay, because data is only removed on purpose.
pub fn plan_stack(tables: &Tables, now: Timestamp, id: StackId) -> Plan {
    let mut plan = Plan::new(now);
    let Some(stack) = tables.stacks.get(id).filter(|row| row.is_going() && row.removed.is_none()) else {
        return plan;
    };
    let mut left = false;
    for service in tables.services.of_stack(id).filter(|row| row.removed.is_none()) {
        left = true;
        if !service.is_going() {
            plan.tx.ask_removal(service);
        }
    }
    for container in tables.containers.of_stack(id).filter(|row| row.removed.is_none()) {
        left = true;
        let own = matches!(container.intent.origin, Origin::Standalone);
        if own && !container.is_going() {
            plan.tx.ask_removal(container);
        }
    }
    if !left {
        plan.tx.finish_removal(stack);
    }
    plan
}

#[cfg(test)]
mod tests;
