//! The containers of a service.
//!
//! A service is a number of *slots*: numbers from 1, or the hosts that qualify if it has one container on each host.
//! A slot holds one container; while it is replaced, or its host is lost, it may hold two for a while. Deciding is
//! looking at each slot alone, within one limit over all of them: copies that serve are replaced one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract_values::{ContainerId, HostId, ServiceId, Timestamp};
use control_model::{
    Container, ContainerDecision, ContainerIntent, ContainerRun, Origin, Reason, ReasonCode, Row, RunReport,
    Service, ServiceDecision, Tables, state,
};

use crate::dependency::{Progress, dependency_progress};
use crate::placement::host_rules;
use crate::removal::{Leaving, has_completed, has_failed, is_current, is_ready, leaving, occupies};
use crate::settings::Settings;
use crate::supply::{Demand, Plan, Supply};

mod placer;
mod slot;

pub(crate) use placer::{Placed, Placer};
use slot::{Copy, Slot, SlotKey};

/// Decides on all containers of a service.
///
/// # Errors
/// Returns the ids it needs when the supply holds too few.
pub fn plan_service(
    tables: &Tables,
    settings: &Settings,
    now: Timestamp,
    id: ServiceId,
    supply: &mut Supply,
) -> Result<Plan, Demand> {
    let Some(service) = tables.services.get(id) else { return Ok(Plan::new(now)) };
    let mut planner = Planner::new(tables, settings, now, service);
    planner.finish_leaving();
    if service.is_going() {
        planner.dissolve();
    } else if service.intent.active {
        planner.keep_up(supply);
    } else {
        planner.switch_off();
    }
    planner.write(supply)
}

struct Planner<'a> {
    tables: &'a Tables,
    settings: &'a Settings,
    now: Timestamp,
    service: &'a Arc<Row<Service>>,
    /// Containers that stay, with the decision as it shall be.
    staying: BTreeMap<i64, (&'a Arc<Row<Container>>, ContainerDecision)>,
    /// Containers that are on their way out.
    leaving: Vec<&'a Arc<Row<Container>>>,
    created: Vec<(ContainerId, String, ContainerIntent, ContainerDecision)>,
    placer: Placer<'a>,
    next_create_index: u32,
    /// The hosts that shall have a container each, if that is the kind of service.
    global: Option<BTreeSet<HostId>>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(
        tables: &'a Tables,
        settings: &'a Settings,
        now: Timestamp,
        service: &'a Arc<Row<Service>>,
    ) -> Self {
        let live = tables.containers.of_service(service.id).filter(|row| row.removed.is_none());
        let (leaving, staying): (Vec<_>, Vec<_>) =
            live.partition(|row| row.is_going() || row.decision.retire_since.is_some());
        let mut planner = Self {
            tables,
            settings,
            now,
            service,
            staying: staying.into_iter().map(|row| (row.id.raw(), (row, row.decision.clone()))).collect(),
            leaving,
            created: Vec::new(),
            placer: Placer::new(tables, settings, service.intent.project),
            next_create_index: service.decision.next_create_index.max(1),
            global: None,
            plan: Plan::new(now),
        };
        if service.intent.launch.global() {
            let rules = host_rules(tables, &planner.blank_intent());
            let hosts = planner.placer.fleet().map(|fleet| fleet.qualifying(&rules)).unwrap_or_default();
            planner.global = Some(hosts.into_iter().collect());
        }
        planner
    }

    /// Finishes what has left, and sets the alarm for what has not.
    fn finish_leaving(&mut self) {
        let rows = std::mem::take(&mut self.leaving);
        for row in rows {
            match leaving(self.tables, self.settings, self.now, row) {
                Leaving::Finish => self.plan.tx.finish_removal(row),
                Leaving::Until(at) => {
                    self.plan.wake_at(at);
                    self.leaving.push(row);
                }
            }
        }
    }

    fn dissolve(&mut self) {
        let all: Vec<i64> = self.staying.keys().copied().collect();
        for id in all {
            self.retire(id);
        }
        if self.leaving.is_empty() && self.service.removed.is_none() {
            self.plan.tx.finish_removal(self.service);
        }
    }

    /// Marks a container as leaving; what is away or never was anywhere goes at once.
    fn retire(&mut self, id: i64) {
        let Some((row, mut decision)) = self.staying.remove(&id) else { return };
        decision.retire_since = Some(self.now);
        decision.reason = None;
        let mut going = Row::clone(row);
        going.decision = decision;
        match leaving(self.tables, self.settings, self.now, &going) {
            Leaving::Finish => self.plan.tx.finish_removal(row),
            Leaving::Until(at) => {
                self.plan.wake_at(at);
                self.plan.tx.set_decision(row, going.decision);
                self.leaving.push(row);
            }
        }
    }

    fn switch_off(&mut self) {
        let slots = self.slots();
        // Nothing is being replaced any more: one copy stays in each place, and none that is nowhere.
        for (_, slot) in self.drop_surplus(&slots) {
            let keeper = slot.resting();
            for copy in slot.copies.iter().filter(|copy| Some(copy.id) != keeper) {
                self.retire(copy.id);
            }
        }
        for (_, decision) in self.staying.values_mut() {
            decision.held = true;
            decision.reason = None;
        }
        let stopped = self.staying.values().all(|(row, _)| {
            !is_current(row)
                || matches!(row.observation.rank, RunReport::Assigned | RunReport::Stopped | RunReport::Gone)
        });
        self.conclude(0, stopped && self.leaving.is_empty(), None);
    }

    fn keep_up(&mut self, supply: &mut Supply) {
        let progress = dependency_progress(self.tables, self.service);
        self.reseat();
        self.leave_evacuated();
        let slots = self.slots();
        let kept = self.drop_surplus(&slots);
        self.replace(&kept, &progress, supply);
        self.fill(&progress, supply);
        self.place_waiting(supply);
        self.release(&progress);
        self.restart();
        let ready = self.ready_count();
        let reason = self.reason(&progress);
        let wanted = self.wanted_slots();
        let settled = reason.is_none()
            && self.created.is_empty()
            && ready + self.halted_count() == wanted
            && self.all_as_wanted(wanted);
        self.conclude(u32::try_from(ready).unwrap_or(u32::MAX), settled, reason);
    }

    /// Looks at what was switched off: while it rested, others may have taken its room. What has lost its place that
    /// way goes, so that it is made anew where there is room.
    fn reseat(&mut self) {
        let rested: Vec<i64> = self
            .staying
            .iter()
            .filter(|(_, (row, d))| d.held && d.reason.is_none() && d.host.is_some() && !occupies(row))
            .map(|(id, _)| *id)
            .collect();
        for id in rested {
            let Some((row, decision)) = self.staying.get(&id) else { continue };
            let (row, ports) = (Arc::clone(row), decision.ports.clone());
            if !self.placer.take_back(&mut self.plan, &row, &ports) {
                self.retire(id);
            }
        }
    }

    fn slots(&self) -> BTreeMap<SlotKey, Slot> {
        let global = self.service.intent.launch.global();
        let mut slots: BTreeMap<SlotKey, Slot> = BTreeMap::new();
        for (row, _) in self.staying.values() {
            let copy = Copy::of(self.tables, self.service, row);
            slots.entry(copy.key(global)).or_default().copies.push(copy);
        }
        for slot in slots.values_mut() {
            slot.copies.sort_by_key(|copy| copy.create_index);
        }
        slots
    }

    fn wanted_slots(&self) -> usize {
        match &self.global {
            Some(hosts) => hosts.len(),
            None => usize::try_from(self.service.intent.scale).unwrap_or(usize::MAX),
        }
    }

    /// Whether a container counts. On a host that no longer qualifies, a container that is there because each host
    /// has one is left alone and counts for nothing.
    fn counts(&self, row: &Row<Container>) -> bool {
        self.global.as_ref().is_none_or(|hosts| row.decision.host.is_none_or(|host| hosts.contains(&host)))
    }

    /// Retires slots above the scale: what does not serve before what does, then the newest.
    fn drop_surplus(&mut self, slots: &BTreeMap<SlotKey, Slot>) -> Vec<(SlotKey, Slot)> {
        let mut order: Vec<(SlotKey, Slot)> = slots.iter().map(|(key, slot)| (*key, slot.clone())).collect();
        if self.global.is_some() {
            return order;
        }
        let scale = usize::try_from(self.service.intent.scale).unwrap_or(usize::MAX);
        order.sort_by_key(|(_, slot)| (!slot.is_ready(), slot.create_index()));
        for (_, slot) in order.drain(scale.min(order.len())..).collect::<Vec<_>>() {
            for copy in &slot.copies {
                self.retire(copy.id);
            }
        }
        order.sort_by_key(|(key, _)| *key);
        order
    }

    /// Looks at each slot: takes away copies that are no longer needed, and makes successors.
    fn replace(&mut self, slots: &[(SlotKey, Slot)], progress: &Progress, supply: &mut Supply) {
        let mut busy = slots.iter().filter(|(_, slot)| slot.is_changing()).count();
        busy += self.wanted_slots().saturating_sub(slots.len());
        for (key, slot) in slots {
            if let Some(keeper) = slot.keeper() {
                for copy in slot.copies.iter().filter(|copy| copy.id != keeper) {
                    self.retire(copy.id);
                }
                continue;
            }
            if let Some(newest) = slot.newest_current() {
                // The successor is on its way. What cannot serve makes way for it; so does what holds its place.
                let in_the_way = self.is_in_the_way(newest, slot);
                for copy in slot.copies.iter().filter(|copy| copy.id != newest) {
                    if (copy.outdated && (!copy.serves || in_the_way)) || (!copy.outdated && !copy.lost) {
                        self.retire(copy.id);
                    }
                }
                continue;
            }
            let serving = slot.copies.iter().any(|copy| copy.outdated && !copy.lost && copy.serves);
            if serving && busy > 0 {
                continue;
            }
            busy += usize::from(serving);
            let exclusive = self.is_exclusive();
            for copy in slot.copies.iter().filter(|copy| copy.outdated && !copy.lost) {
                // What can run nowhere else, because its data is here, goes on although the host is to be emptied.
                let stays = copy.serves && copy.evacuating && !self.fits_elsewhere(copy.id);
                if !copy.serves || (exclusive && !stays) {
                    self.retire(copy.id);
                }
            }
            let index = slot.copies.last().map_or(1, |copy| copy.index);
            let host = match key {
                SlotKey::Host(host) => Some(*host),
                SlotKey::Index(_) => None,
            };
            let made = self.create(index, host, progress, supply);
            // It cannot start beside the old one, but could in its place.
            if !made {
                let old: Vec<i64> =
                    slot.copies.iter().filter(|c| c.outdated && !c.lost).map(|c| c.id).collect();
                if self.would_fit_without(&old) {
                    old.into_iter().for_each(|id| self.retire(id));
                }
            }
        }
    }

    fn fits_elsewhere(&mut self, id: i64) -> bool {
        let intent = self.blank_intent();
        self.placer.fits_without(ContainerId::new(id), &intent, &[])
    }

    /// Takes the copies away that are on hosts to be emptied, where each host has one and needs no successor.
    fn leave_evacuated(&mut self) {
        if self.global.is_none() {
            return;
        }
        let rows = self.staying.values();
        let leaves: Vec<i64> = rows
            .filter(|(row, _)| Copy::of(self.tables, self.service, row).evacuating)
            .map(|(row, _)| row.id.raw())
            .collect();
        leaves.into_iter().for_each(|id| self.retire(id));
    }

    /// Whether the newest copy of a slot has no host although it would have one without the others.
    fn is_in_the_way(&mut self, newest: i64, slot: &Slot) -> bool {
        let Some((row, decision)) = self.staying.get(&newest) else { return false };
        if decision.host.is_some() {
            return false;
        }
        let row = Arc::clone(row);
        let others: Vec<i64> =
            slot.copies.iter().filter(|c| c.id != newest && !c.lost).map(|c| c.id).collect();
        !others.is_empty()
            && (self.is_exclusive() || !self.placer.fits_without(row.id, &row.intent, &[]))
            && self.placer.fits_without(row.id, &row.intent, &others)
    }

    fn would_fit_without(&mut self, old: &[i64]) -> bool {
        let Some((id, _, intent, _)) = self.created.last() else { return false };
        let (id, intent) = (*id, intent.clone());
        self.placer.fits_without(id, &intent, old)
    }

    /// Whether two copies must not run at a time: the only copy of a service that writes to a place of its own.
    fn is_exclusive(&self) -> bool {
        let intent = &self.service.intent;
        intent.scale <= 1
            && !intent.launch.global()
            && intent.launch.mounts.iter().any(|mount| {
                let read_only = mount.read_only || mount.options.iter().any(|option| option == "ro");
                let socket = mount.source.ends_with(".sock");
                !mount.source.is_empty() && !read_only && !socket
            })
    }

    /// Makes the containers that are missing.
    fn fill(&mut self, progress: &Progress, supply: &mut Supply) {
        let used: BTreeSet<u32> = self.staying.values().map(|(row, _)| index_of(row)).collect();
        let fresh: BTreeSet<u32> =
            self.created.iter().filter_map(|(_, _, intent, _)| intent_index(intent)).collect();
        let mut taken: BTreeSet<u32> = used.union(&fresh).copied().collect();
        let mut next = 1;
        let mut free = || {
            while taken.contains(&next) {
                next += 1;
            }
            taken.insert(next);
            next
        };
        if let Some(hosts) = self.global.clone() {
            let there: BTreeSet<HostId> = self
                .staying
                .values()
                .filter_map(|(row, decision)| row.intent.requested_host.or(decision.host))
                .chain(self.created.iter().filter_map(|(_, _, intent, _)| intent.requested_host))
                .collect();
            for host in hosts.into_iter().filter(|host| !there.contains(host)) {
                self.create(free(), Some(host), progress, supply);
            }
        } else {
            let slots = used.union(&fresh).count();
            let scale = usize::try_from(self.service.intent.scale).unwrap_or(usize::MAX);
            for _ in slots..scale {
                self.create(free(), None, progress, supply);
            }
        }
    }

    fn blank_intent(&self) -> ContainerIntent {
        let intent = &self.service.intent;
        ContainerIntent {
            project: intent.project,
            stack: intent.stack,
            origin: Origin::Service {
                service: self.service.id,
                index: 0,
                create_index: 0,
                launch_version: intent.launch_version,
            },
            launch: intent.launch.clone(),
            system: intent.system,
            ..ContainerIntent::default()
        }
    }

    /// Makes a container and places it; says whether it found a place.
    fn create(&mut self, index: u32, host: Option<HostId>, progress: &Progress, supply: &mut Supply) -> bool {
        let (id, uuid) = supply.container();
        let intent = &self.service.intent;
        let stack = intent.stack.and_then(|id| self.tables.stacks.get(id));
        let stack_name = stack.map_or("", |row| row.intent.name.as_str());
        let create_index = self.next_create_index;
        self.next_create_index += 1;
        let intent = ContainerIntent {
            name: if stack_name.is_empty() {
                format!("{}-{index}", intent.name)
            } else {
                format!("{stack_name}-{}-{index}", intent.name)
            },
            origin: Origin::Service {
                service: self.service.id,
                index,
                create_index,
                launch_version: intent.launch_version,
            },
            run: ContainerRun::Running,
            requested_host: host,
            ..self.blank_intent()
        };
        let mut decision = ContainerDecision {
            restarts_asked: self.service.intent.restarts_asked,
            ..ContainerDecision::default()
        };
        self.hold(&mut decision, progress);
        let placed = self.place(id, &intent, &mut decision, supply);
        self.created.push((id, uuid, intent, decision));
        placed
    }

    /// Holds what has not started yet while a dependency is not met.
    fn hold(&self, decision: &mut ContainerDecision, progress: &Progress) {
        let (code, text) = match progress {
            Progress::Met => {
                decision.held = false;
                return;
            }
            Progress::Waits(text) => (ReasonCode::WaitsForDependency, text),
            Progress::Failed(text) => (ReasonCode::DependencyFailed, text),
        };
        decision.held = true;
        let person = code == ReasonCode::DependencyFailed;
        set_reason(&mut decision.reason, self.now, code, text.clone(), person);
    }

    fn place(
        &mut self,
        id: ContainerId,
        intent: &ContainerIntent,
        decision: &mut ContainerDecision,
        supply: &mut Supply,
    ) -> bool {
        let siblings: Vec<_> = self
            .staying
            .values()
            .flat_map(|(_, sibling)| sibling.ports.iter().copied())
            .chain(self.created.iter().flat_map(|(_, _, _, sibling)| sibling.ports.iter().copied()))
            .chain(self.leaving.iter().flat_map(|row| row.decision.ports.iter().copied()))
            .collect();
        if let Some(text) = self.waits_for_predecessor(intent) {
            self.placer.choose_ports(intent, &siblings, decision);
            set_reason(&mut decision.reason, self.now, ReasonCode::InProgress, text, false);
            return false;
        }
        let placed = self.placer.place(&mut self.plan, supply, id, intent, &siblings, decision);
        placed == Placed::Yes
    }

    /// The only copy of a service that writes to a place of its own waits until the one before it has gone.
    fn waits_for_predecessor(&self, intent: &ContainerIntent) -> Option<String> {
        if !self.is_exclusive() {
            return None;
        }
        let index = intent_index(intent);
        let leaving = self.leaving.iter().filter(|row| row.decision.host.is_some());
        let staying = self.staying.values().map(|(row, _)| row).filter(|row| {
            let host = row.decision.host.and_then(|id| self.tables.hosts.get(id));
            host.is_some_and(|host| host.decision.lost_since.is_none())
        });
        let before = leaving.chain(staying).find(|row| intent_index(&row.intent) == index)?;
        Some(format!("waits until the earlier {} has stopped", before.intent.name))
    }

    /// Places containers that had no place before.
    fn place_waiting(&mut self, supply: &mut Supply) {
        let waiting: Vec<i64> =
            self.staying.iter().filter(|(_, (_, d))| d.host.is_none()).map(|(id, _)| *id).collect();
        for id in waiting {
            let Some((row, mut decision)) =
                self.staying.get(&id).map(|(row, d)| (Arc::clone(row), d.clone()))
            else {
                continue;
            };
            self.place(row.id, &row.intent, &mut decision, supply);
            if let Some((_, stored)) = self.staying.get_mut(&id) {
                *stored = decision;
            }
        }
    }

    /// Lets go what was held, once what it waited for has come. What runs already is never held again by that.
    fn release(&mut self, progress: &Progress) {
        let ids: Vec<i64> = self.staying.iter().filter(|(_, (_, d))| d.held).map(|(id, _)| *id).collect();
        for id in ids {
            let Some((_, decision)) = self.staying.get(&id) else { continue };
            let mut decision = decision.clone();
            let unplaced = decision.host.is_none();
            if *progress == Progress::Met {
                decision.held = false;
                if !unplaced {
                    decision.reason = None;
                }
            } else if !unplaced {
                self.hold(&mut decision, progress);
            }
            if let Some((_, stored)) = self.staying.get_mut(&id) {
                *stored = decision;
            }
        }
    }

    /// Hands on a restart that was asked for: what does not serve at once, what serves one after the other.
    fn restart(&mut self) {
        let target = self.service.intent.restarts_asked;
        let mut busy = self.staying.values().any(|(row, decision)| {
            let asked = decision.restarts_asked.saturating_add(row.intent.restarts_asked);
            decision.restarts_asked == target
                && (asked > row.observation.restarts_done || !is_ready(self.tables, row))
        });
        for (row, decision) in self.staying.values_mut().filter(|(_, d)| d.restarts_asked != target) {
            let serves = is_ready(self.tables, row) && row.observation.rank == RunReport::Running;
            if serves && busy {
                continue;
            }
            busy |= serves;
            decision.restarts_asked = target;
        }
    }

    fn ready_count(&self) -> usize {
        let counts = |row: &Row<Container>| {
            let copy = Copy::of(self.tables, self.service, row);
            copy.ready && !copy.outdated && !copy.lost && self.counts(row)
        };
        self.staying.values().filter(|(row, decision)| !decision.held && counts(row)).count()
    }

    /// How many containers of the wanted version rest because a person has stopped them: they are as asked for.
    fn halted_count(&self) -> usize {
        let version = self.service.intent.launch_version;
        let halted = |row: &Row<Container>| {
            row.intent.run == ContainerRun::Stopped
                && matches!(row.intent.origin, Origin::Service { launch_version, .. } if launch_version == version)
                && !is_ready(self.tables, row)
                && matches!(row.observation.rank, RunReport::Assigned | RunReport::Stopped | RunReport::Gone)
        };
        self.staying.values().filter(|(row, _)| self.counts(row) && halted(row)).count()
    }

    /// Whether there is nothing left to do for the containers, apart from waiting for them to be ready.
    fn all_as_wanted(&self, wanted: usize) -> bool {
        let restarted = |row: &Row<Container>, decision: &ContainerDecision| {
            decision.restarts_asked == self.service.intent.restarts_asked
                && (row.intent.run == ContainerRun::Stopped
                    || decision.restarts_asked.saturating_add(row.intent.restarts_asked)
                        <= row.observation.restarts_done)
        };
        let mut counted = self.staying.values().filter(|(row, _)| self.counts(row));
        self.staying.values().filter(|(row, _)| self.counts(row)).count() == wanted
            && counted.all(|(row, d)| d.host.is_some() && !d.held && restarted(row, d))
    }

    /// Why the service is not what was asked for: what only a person can change first.
    fn reason(&self, progress: &Progress) -> Option<Reason> {
        let created = self.created.iter().filter_map(|(_, _, _, decision)| decision.reason.clone());
        let staying = self.staying.values().filter_map(|(row, decision)| {
            if has_completed(self.tables, row) {
                return None;
            }
            if has_failed(self.tables, row) {
                return Some(failed(row));
            }
            let mut decided = Row::clone(row);
            decided.decision = decision.clone();
            let reason = state::container_reason(&decided)?;
            (decision.reason.is_some() || !is_ready(self.tables, row)).then_some(reason)
        });
        let mut all: Vec<Reason> = created.chain(staying).collect();
        if let Progress::Failed(text) = progress
            && all.is_empty()
            && self.staying.is_empty()
        {
            let mut reason = None;
            set_reason(&mut reason, self.now, ReasonCode::DependencyFailed, text.clone(), true);
            all.extend(reason);
        }
        let first = all.iter().position(|reason| reason.needs_person).unwrap_or(0);
        (!all.is_empty()).then(|| all.swap_remove(first))
    }

    fn conclude(&mut self, ready: u32, settled: bool, reason: Option<Reason>) {
        let old = &self.service.decision;
        let handed_on =
            self.staying.values().all(|(_, d)| d.restarts_asked == self.service.intent.restarts_asked);
        let reason = reason.map(|new| match &old.reason {
            Some(known) if known.code == new.code => Reason { since: known.since, ..new },
            Some(_) | None => new,
        });
        let decision = ServiceDecision {
            generation: self.service.generation,
            settled_launch_version: if settled && self.service.intent.active {
                self.service.intent.launch_version
            } else {
                old.settled_launch_version
            },
            restarts_done: if handed_on { self.service.intent.restarts_asked } else { old.restarts_done },
            next_create_index: if self.next_create_index > 1 {
                self.next_create_index
            } else {
                old.next_create_index
            },
            ready,
            settled,
            reason,
        };
        if decision != *old {
            self.plan.tx.set_decision(self.service, decision);
        }
    }

    fn write(mut self, supply: &Supply) -> Result<Plan, Demand> {
        for (row, decision) in self.staying.into_values() {
            if decision != row.decision {
                self.plan.tx.set_decision(row, decision);
            }
        }
        for (id, uuid, intent, decision) in self.created {
            self.plan.tx.insert_decided::<Container>(id, uuid, intent, decision);
        }
        self.placer.conclude(&mut self.plan);
        supply.settle(self.plan)
    }
}

fn failed(row: &Row<Container>) -> Reason {
    let code = row.observation.exit_code.unwrap_or(-1);
    Reason {
        code: ReasonCode::Failed,
        message: format!("{} ended with exit code {code}", row.intent.name),
        since: row.observation.at,
        next_try: None,
        remedy: state::remedy(ReasonCode::Failed, ""),
        needs_person: true,
    }
}

pub(crate) fn index_of(row: &Row<Container>) -> u32 {
    intent_index(&row.intent).unwrap_or(0)
}

fn intent_index(intent: &ContainerIntent) -> Option<u32> {
    match intent.origin {
        Origin::Service { index, .. } => Some(index),
        Origin::Standalone | Origin::Native { .. } => None,
    }
}

/// Sets a reason; one that says the same keeps its time.
pub(crate) fn set_reason(
    reason: &mut Option<Reason>,
    now: Timestamp,
    code: ReasonCode,
    message: String,
    needs_person: bool,
) {
    let since = reason.as_ref().filter(|known| known.code == code).map_or(now, |known| known.since);
    let remedy = state::remedy(code, "");
    *reason = Some(Reason { code, message, since, next_try: None, remedy, needs_person });
}

#[cfg(test)]
mod tests;
