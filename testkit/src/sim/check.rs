//! What must hold at every moment, and what must hold at rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use contract_protocol::{DesiredRun, LABEL_CONTAINER, RunRule};
use contract_values::{HostId, Revision, ServiceId, Timestamp};
use control_model::{
    AgentLink, Container, ContainerRun, Kind, Origin, ReasonCode, Row, RunReport, Service, Tables,
};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::{Change, Store};
use host_driver::ContainerView;

use super::host::SimHost;
use super::net::{Line, Net};

/// Follows the change feed of each server and notes what must not be.
#[derive(Clone, Debug, Default)]
pub struct Eyes {
    inner: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    tables: Tables,
    /// The newest revision that was acknowledged to anybody.
    acknowledged: Revision,
    wrongs: Vec<String>,
    changes: u64,
}

impl Eyes {
    /// Looks at the first picture of a server and at all that follows, until the store ends.
    pub(super) fn follow(&self, store: &Store) -> tokio::task::JoinHandle<()> {
        let mut watch = store.watch();
        self.began(&watch.tables());
        let eyes = self.clone();
        tokio::spawn(async move {
            while let Ok(changes) = watch.next().await {
                eyes.saw(&changes.changes, &changes.tables);
            }
        })
    }

    /// Notes that a write was acknowledged.
    pub(super) fn acknowledged(&self, revision: Revision) {
        self.with(|seen| seen.acknowledged = seen.acknowledged.max(revision));
    }

    /// What was wrong since the last time.
    pub(super) fn take_wrongs(&self) -> Vec<String> {
        self.with(|seen| std::mem::take(&mut seen.wrongs))
    }

    /// How many changes were looked at.
    pub fn changes(&self) -> u64 {
        self.with(|seen| seen.changes)
    }

    fn began(&self, tables: &Tables) {
        self.with(|seen| {
            if tables.revision < seen.acknowledged {
                let text = format!(
                    "a server began at {} after {} was acknowledged",
                    tables.revision, seen.acknowledged
                );
                seen.wrongs.push(text);
            }
            let before = std::mem::replace(&mut seen.tables, tables.clone());
            for row in tables.containers.iter() {
                let old = before.containers.get(row.id);
                seen.wrongs.extend(old.and_then(|old| container_step(old, row)));
            }
        });
    }

    fn saw(&self, changes: &[Change], tables: &Tables) {
        self.with(|seen| {
            for change in changes {
                if change.revision.0 != seen.tables.revision.0 + 1 {
                    let text = format!("the feed went from {} to {}", seen.tables.revision, change.revision);
                    seen.wrongs.push(text);
                }
                seen.tables.revision = change.revision;
                seen.changes += 1;
                if change.kind != Kind::Container {
                    continue;
                }
                let (old, new) =
                    (seen.tables.containers.get_raw(change.id), tables.containers.get_raw(change.id));
                let Some(new) = new else { continue };
                let wrong = old.and_then(|old| container_step(old, new)).or_else(|| port_clash(tables, new));
                seen.wrongs.extend(wrong);
            }
            seen.tables = tables.clone();
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.inner.lock().expect("looking does not panic"))
    }
}

/// What is wrong with a step of one container.
fn container_step(old: &Arc<Row<Container>>, new: &Arc<Row<Container>>) -> Option<String> {
    let name = &new.intent.name;
    if old.decision.host.is_some() && old.decision.host != new.decision.host {
        return Some(format!(
            "{name} ({}) moved from {:?} to {:?}",
            new.id, old.decision.host, new.decision.host
        ));
    }
    if old.removed.is_some() && new.removed.is_none() {
        return Some(format!("{name} ({}) came back after its removal", new.id));
    }
    let run =
        |row: &Row<Container>| (row.observation.incarnation, row.observation.starts, row.observation.rank);
    let native = matches!(new.intent.origin, Origin::Native { .. });
    if !native && run(new) < run(old) {
        return Some(format!(
            "the run of {name} ({}) went from {:?} back to {:?}",
            new.id,
            run(old),
            run(new)
        ));
    }
    None
}

fn holds_ports(row: &Row<Container>) -> bool {
    !row.is_going()
        && row.decision.retire_since.is_none()
        && !row.decision.held
        && row.intent.run == ContainerRun::Running
        && !row.intent.launch.start_once()
}

/// Two containers that stay on one host must not hold one public port.
fn port_clash(tables: &Tables, row: &Row<Container>) -> Option<String> {
    let host = row.decision.host.filter(|_| holds_ports(row))?;
    let ports = |row: &Row<Container>| -> Vec<(u16, contract_values::Transport)> {
        let all = row.intent.launch.ports.iter().chain(&row.decision.ports);
        all.filter_map(|port| port.public.map(|public| (public.get(), port.transport))).collect()
    };
    let mine = ports(row);
    if mine.is_empty() {
        return None;
    }
    let others = tables.containers.of_host(host).filter(|other| other.id != row.id && holds_ports(other));
    for other in others {
        if let Some(port) = ports(other).iter().find(|port| mine.contains(port)) {
            return Some(format!(
                "{} and {} both hold port {} of {host}",
                row.intent.name, other.intent.name, port.0
            ));
        }
    }
    None
}

/// The number of the container of ours that an engine's container is.
pub(super) fn owned(view: &ContainerView) -> Option<i64> {
    view.labels.get(LABEL_CONTAINER)?.parse().ok()
}

/// What is wrong with what runs, whatever else is going on.
pub(super) fn engines(tables: &Tables, hosts: &[SimHost]) -> Option<String> {
    let mut places: BTreeMap<i64, &str> = BTreeMap::new();
    for host in hosts {
        for view in host.engine.containers().values().filter(|view| view.state.has_process()) {
            let Some(id) = owned(view) else { continue };
            if let Some(other) = places.insert(id, &host.name)
                && other != host.name
            {
                return Some(format!("{} runs on {other} and on {}", view.name, host.name));
            }
            let row = tables.containers.get_raw(id);
            if row.is_some_and(|row| row.decision.host != Some(host.id)) {
                return Some(format!("{} runs on {}, which was never its host", view.name, host.name));
            }
        }
    }
    None
}

/// How many processes of a service there are on all hosts.
pub(super) fn running(tables: &Tables, hosts: &[SimHost], service: ServiceId) -> usize {
    let is_of = |id: i64| {
        let row = tables.containers.get_raw(id);
        row.is_some_and(|row| matches!(row.intent.origin, Origin::Service { service: s, .. } if s == service))
    };
    let views = hosts.iter().flat_map(|host| host.engine.containers().into_values());
    views
        .filter(|view| view.state.has_process())
        .filter_map(|view| owned(&view))
        .filter(|id| is_of(*id))
        .count()
}

/// What is not at rest yet; `None` when everything is as asked for.
pub(super) fn unrest(
    tables: &Tables,
    hosts: &[SimHost],
    net: &Net,
    settings: &Settings,
    now: Timestamp,
) -> Option<String> {
    for host in hosts {
        let reachable = host.is_running() && net.line(host.id) == Line::Open;
        let row = tables.hosts.get(host.id)?;
        if row.removed.is_some() {
            continue;
        }
        if reachable && row.observation.link != AgentLink::Connected {
            return Some(format!("{} is not connected", host.name));
        }
        if !reachable && row.decision.lost_since.is_none() && row.decision.reason.is_none() {
            return Some(format!("{} is not given up yet", host.name));
        }
        if reachable && let Some(text) = host_unrest(tables, host) {
            return Some(text);
        }
    }
    containers_unrest(tables)
        .or_else(|| services_unrest(tables))
        .or_else(|| plans_unrest(tables, settings, now))
}

fn host_unrest(tables: &Tables, host: &SimHost) -> Option<String> {
    let standing = host.standing();
    if !standing.connected || !standing.settled || standing.unacknowledged > 0 {
        return Some(format!("the agent of {} is at work: {standing:?}", host.name));
    }
    let shall =
        control_plan::assignment(tables, &control_dispatch::DispatchOptions::default().vault, host.id);
    let views = host.engine.containers();
    let mut there: BTreeMap<i64, Vec<&ContainerView>> = BTreeMap::new();
    for view in views.values() {
        if let Some(id) = owned(view) {
            there.entry(id).or_default().push(view);
        }
    }
    for (id, views) in &there {
        if !shall.containers.contains_key(&contract_values::Id::new(*id)) {
            return Some(format!("{} is on {} and nobody asked for it", views[0].name, host.name));
        }
        if views.len() > 1 {
            return Some(format!("{} is on {} {} times", views[0].name, host.name, views.len()));
        }
    }
    for (id, to) in &shall.containers {
        let view = there.get(&id.raw()).map(|views| views[0]);
        let runs = view.is_some_and(|view| view.state.has_process());
        let may_rest = match to.rule {
            RunRule::KeepRunning => false,
            RunRule::Once => view.is_some_and(|view| view.exit_code.is_some()),
            RunRule::OnFailure { .. } => view.is_some_and(|view| view.exit_code == Some(0)),
        };
        match to.run {
            DesiredRun::Running if !runs && !may_rest => {
                return Some(format!("{} does not run on {}", to.name, host.name));
            }
            DesiredRun::Stopped if runs => return Some(format!("{} runs on {}", to.name, host.name)),
            DesiredRun::Running | DesiredRun::Stopped => {}
        }
        let row = tables.containers.get(*id)?;
        if to.run == DesiredRun::Running && to.restarts_asked > row.observation.restarts_done {
            return Some(format!("{} has not been restarted yet", to.name));
        }
        if runs && to.rule == RunRule::Once {
            return Some(format!("{} has not ended yet", to.name));
        }
        let seen = row.observation.rank == RunReport::Running;
        if runs != seen {
            return Some(format!("{} runs: {runs}, but it was seen as {:?}", to.name, row.observation.rank));
        }
    }
    natives_unrest(tables, host, &views)
}

fn natives_unrest(
    tables: &Tables,
    host: &SimHost,
    views: &BTreeMap<String, ContainerView>,
) -> Option<String> {
    let known: Vec<&Arc<Row<Container>>> = tables
        .containers
        .of_host(host.id)
        .filter(|row| row.removed.is_none() && matches!(row.intent.origin, Origin::Native { .. }))
        .collect();
    for view in views.values().filter(|view| owned(view).is_none()) {
        let row = known.iter().find(|row| {
            matches!(&row.intent.origin, Origin::Native { docker_id, .. } if *docker_id == view.docker_id)
        });
        let Some(row) = row else {
            return Some(format!("{} was started by hand on {} and is not known", view.name, host.name));
        };
        if (row.observation.rank == RunReport::Running) != view.state.has_process() {
            return Some(format!(
                "{} is {:?} and is known as {:?}",
                view.name, view.state, row.observation.rank
            ));
        }
    }
    let by_hand = views.values().filter(|view| owned(view).is_none()).count();
    (known.len() != by_hand)
        .then(|| format!("{} has {by_hand} containers started by hand; {} are known", host.name, known.len()))
}

/// Whether a service waits for what nobody has switched on, or for what waits in vain itself.
fn waits_in_vain(tables: &Tables, service: &Row<Service>) -> bool {
    let mut others = tables.services.live().filter(|other| {
        service.intent.depends_on.iter().any(|dependency| dependency.service == other.intent.name)
    });
    others.any(|other| !other.intent.active || !other.decision.settled)
}

/// At rest no plan finds anything to do.
fn plans_unrest(tables: &Tables, settings: &Settings, now: Timestamp) -> Option<String> {
    let busy = |what: String, plan: Result<Plan, Demand>| match plan {
        Ok(plan) if plan.tx.is_empty() => None,
        Ok(plan) => Some(format!("{what} has something to do: {:?}", plan.tx.writes)),
        Err(demand) => Some(format!("{what} wants to make something: {demand:?}")),
    };
    let settings = settings.stored(tables);
    let supply = Supply::default;
    let services = tables.services.live().map(|row| {
        let plan = control_plan::plan_service(tables, &settings, now, row.id, &mut supply());
        busy(format!("service {}", row.intent.name), plan)
    });
    let containers = tables.containers.live().map(|row| {
        let plan = control_plan::plan_container(tables, &settings, now, row.id, &mut supply());
        busy(format!("container {}", row.intent.name), plan)
    });
    let hosts = tables.hosts.live().map(|row| {
        busy(format!("host {}", row.id), Ok(control_plan::plan_host(tables, &settings, now, row.id)))
    });
    services.chain(containers).chain(hosts).flatten().next()
}

fn containers_unrest(tables: &Tables) -> Option<String> {
    let away = |host: Option<HostId>| {
        host.and_then(|id| tables.hosts.get(id))
            .is_some_and(|host| host.observation.link != AgentLink::Connected)
    };
    let left = tables.containers.live().find(|row| {
        let native_away = matches!(row.intent.origin, Origin::Native { .. }) && away(row.keys().host);
        (row.is_going() || row.decision.retire_since.is_some()) && !native_away
    });
    left.map(|row| format!("{} ({}) has not gone yet", row.intent.name, row.id))
}

fn services_unrest(tables: &Tables) -> Option<String> {
    for service in tables.services.live() {
        let name = &service.intent.name;
        if service.is_going() {
            return Some(format!("service {name} has not gone yet"));
        }
        let decision = &service.decision;
        // What only a person can change, and what waits for room that is not there, is as far as it can be.
        let stuck_for_a_reason = decision.generation == service.generation
            && decision.reason.as_ref().is_some_and(|reason| {
                reason.needs_person
                    || reason.code == ReasonCode::NoHostFits
                    || (reason.code == ReasonCode::WaitsForDependency && waits_in_vain(tables, service))
            });
        if (!decision.settled || decision.generation != service.generation) && !stuck_for_a_reason {
            return Some(format!("service {name} is not settled: {decision:?}"));
        }
        let mut numbers: Vec<u32> = tables
            .containers
            .of_service(service.id)
            .filter(|row| !row.is_going() && row.decision.retire_since.is_none())
            .filter_map(|row| match row.intent.origin {
                Origin::Service { index, .. } => Some(index),
                Origin::Standalone | Origin::Native { .. } => None,
            })
            .collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        // An upgrade that is held up has a successor beside the copy that serves.
        if numbers.len() != all && decision.settled {
            return Some(format!("service {name} has a number twice"));
        }
    }
    let stack = tables.stacks.live().find(|stack| stack.is_going());
    stack.map(|stack| format!("stack {} has not gone yet", stack.intent.name))
}
