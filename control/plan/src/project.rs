//! Environments: what goes with one that is removed.

use contract_values::{ProjectId, Secret, Timestamp};
use control_model::{CertificateIntent, Origin, SealedSecretIntent, Tables, Transaction};

use crate::supply::Plan;

/// Decides on an environment. One that is going takes its stacks, containers, hosts and volumes with it, its members and
/// credentials last, and ends when they have.
pub fn plan_project(tables: &Tables, now: Timestamp, id: ProjectId) -> Plan {
    let mut plan = Plan::new(now);
    let Some(project) = tables.projects.get(id).filter(|row| row.is_going() && row.removed.is_none()) else {
        return plan;
    };
    let mut working = false;
    for stack in tables.stacks.of_project(id).filter(|row| row.removed.is_none()) {
        working = true;
        if !stack.is_going() {
            plan.tx.ask_removal(stack);
        }
    }
    for container in tables.containers.of_project(id).filter(|row| row.removed.is_none()) {
        let native = matches!(container.intent.origin, Origin::Native { .. });
        working |= !native;
        if matches!(container.intent.origin, Origin::Standalone) && !container.is_going() {
            plan.tx.ask_removal(container);
        }
    }
    if working {
        return plan;
    }
    // Hosts stay until what ran on them has been taken away; their agents and what people started by hand go on.
    for host in tables.hosts.of_project(id).filter(|row| row.removed.is_none()) {
        working = true;
        if !host.is_going() {
            plan.tx.ask_removal(host);
        }
    }
    for volume in tables.volumes.of_project(id).filter(|row| row.removed.is_none()) {
        working = true;
        if !volume.is_going() {
            plan.tx.ask_removal(volume);
        }
    }
    if working {
        return plan;
    }
    end_keeps(tables, &mut plan.tx, id);
    for credential in tables.credentials.of_project(id).filter(|row| row.removed.is_none()) {
        plan.tx.finish_removal(credential);
    }
    for member in tables.members.of_project(id).filter(|row| row.removed.is_none()) {
        plan.tx.finish_removal(member);
    }
    plan.tx.finish_removal(project);
    plan
}

/// Adds the end of what an environment keeps to a transaction: secrets, certificates and registries. Nothing that is
/// sealed stays behind.
pub fn end_keeps(tables: &Tables, tx: &mut Transaction, id: ProjectId) {
    for row in tables.secrets.of_project(id).filter(|row| row.removed.is_none()) {
        tx.set_intent(&**row, SealedSecretIntent { sealed: Secret::default(), ..row.intent.clone() });
        tx.finish_removal(&**row);
    }
    for row in tables.certificates.of_project(id).filter(|row| row.removed.is_none()) {
        tx.set_intent(&**row, CertificateIntent { sealed_key: Secret::default(), ..row.intent.clone() });
        tx.finish_removal(&**row);
    }
    for row in tables.registries.of_project(id).filter(|row| row.removed.is_none()) {
        tx.finish_removal(&**row);
    }
}
