//! Hosts: when one is given up, and what goes with one that is removed.

use contract_values::{HostId, Timestamp};
use control_model::{AgentLink, Host, HostDecision, ReasonCode, Row, Tables};

use crate::service::set_reason;
use crate::settings::Settings;
use crate::supply::Plan;

/// Decides on a host.
pub fn plan_host(tables: &Tables, settings: &Settings, now: Timestamp, id: HostId) -> Plan {
    let mut plan = Plan::new(now);
    let Some(host) = tables.hosts.get(id).filter(|row| row.removed.is_none()) else { return plan };
    if host.is_going() {
        remove(tables, host, &mut plan);
        return plan;
    }
    let mut decision = host.decision.clone();
    match host.observation.link {
        AgentLink::Never | AgentLink::Connected => decision = HostDecision::default(),
        AgentLink::Disconnected if decision.lost_since.is_some() => {}
        AgentLink::Disconnected => away(tables, settings, host, &mut decision, &mut plan),
    }
    if decision != host.decision {
        plan.tx.set_decision(host, decision);
    }
    plan
}

/// Removing a host is a fact at once: what was on it goes with it, and services make what they lack elsewhere.
fn remove(tables: &Tables, host: &Row<Host>, plan: &mut Plan) {
    for row in tables.containers.of_host(host.id).filter(|row| row.removed.is_none()) {
        plan.tx.finish_removal(row);
    }
    for row in tables.volumes.of_host(host.id).filter(|row| row.removed.is_none()) {
        plan.tx.finish_removal(row);
    }
    plan.tx.finish_removal(host);
}

fn away(
    tables: &Tables,
    settings: &Settings,
    host: &Row<Host>,
    decision: &mut HostDecision,
    plan: &mut Plan,
) {
    let now = plan.tx.now;
    let since = host.observation.link_since;
    let given_up_at = since + settings.grace_of(tables, host.intent.project);
    if now < given_up_at {
        plan.wake_at(given_up_at);
        return;
    }
    if let Some((gone, all)) = vanished_together(tables, settings, host) {
        let until = since + settings.mass_loss_hold;
        if now < until {
            let text = format!(
                "{gone} of {all} hosts vanished together, which looks like trouble of the server's own network; \
                 they are not given up before {until}"
            );
            set_reason(&mut decision.reason, now, ReasonCode::HostAway, text, false);
            if let Some(reason) = &mut decision.reason {
                reason.next_try = Some(until);
                reason.remedy = Some(
                    "remove a host that is lost for good; its containers then run elsewhere at once"
                        .to_owned(),
                );
            }
            plan.wake_at(until);
            return;
        }
    }
    // The others are coming back, each in its own time: this one gets its time anew from then.
    if let Some(held) =
        decision.reason.clone().filter(|reason| reason.next_try.is_some_and(|until| now < until))
    {
        let text = "hosts that vanished with it are back; it is given up if it does not follow".to_owned();
        set_reason(&mut decision.reason, now, ReasonCode::InProgress, text, false);
        let given_up_at = decision.reason.as_ref().map_or(now, |reason| reason.since)
            + settings.grace_of(tables, host.intent.project);
        if now < given_up_at {
            if let Some(reason) = &mut decision.reason {
                reason.next_try = held.next_try;
            }
            plan.wake_at(given_up_at);
            return;
        }
    }
    decision.lost_since = Some(now);
    decision.reason = None;
}

/// How many hosts vanished about when this one did, out of how many, if that is too many to be chance.
fn vanished_together(tables: &Tables, settings: &Settings, host: &Row<Host>) -> Option<(usize, usize)> {
    let project = host.intent.project?;
    let (mut all, mut gone) = (0_usize, 0_usize);
    for other in tables.hosts.of_project(project).filter(|row| !row.is_going()) {
        let since = other.observation.link_since;
        let span = since.since(host.observation.link_since).0.saturating_abs();
        let together = span <= settings.mass_loss_window.0;
        match other.observation.link {
            AgentLink::Never => {}
            AgentLink::Connected => all += 1,
            // What was away long before is no part of what happened.
            AgentLink::Disconnected if !together => {}
            AgentLink::Disconnected => {
                all += 1;
                gone += 1;
            }
        }
    }
    let percent = usize::try_from(settings.mass_loss_percent).unwrap_or(usize::MAX);
    (all >= 3 && gone >= 2 && gone.saturating_mul(100) > all.saturating_mul(percent)).then_some((gone, all))
}

#[cfg(test)]
mod tests;
