//! From what was touched to the steps to begin.

use std::collections::BTreeSet;

use contract_protocol::{
    Assignment, ContainerAssignment, MountKind, MountSpec, NetworkAttachment, PullPolicy, VolumeOrder,
    VolumeReport,
};
use contract_values::{ContainerId, Incarnation, Timestamp};

use super::{Activity, Attempts, Core, Plan};
use crate::decide::{Missing, Next, Situation, Support, decide};
use crate::journal::{Forgotten, Record};
use crate::step::{Object, Raise, Step, Work};
use crate::world::{Owner, Seen, labels_for, owner_labels};

impl Core {
    /// Decides about all that was touched or whose time has come, and reports what changed.
    pub(crate) fn plan(&mut self, now: Timestamp) -> Plan {
        let mut plan = Plan::default();
        self.plan_looks(now, &mut plan);
        let may_act = self.engine_up && self.synced && self.desired.is_some();
        if may_act {
            let due: Vec<_> = self.wakes.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
            for id in due {
                self.wakes.remove(&id);
                self.dirty.insert(id);
            }
            if std::mem::take(&mut self.dirty_objects) {
                self.plan_objects(now, &mut plan);
            }
        }
        for id in std::mem::take(&mut self.dirty) {
            if may_act {
                self.plan_container(id, now, &mut plan);
            }
            self.report(id, now);
        }
        for docker_id in std::mem::take(&mut self.dirty_natives) {
            if may_act {
                self.plan_native(&docker_id, &mut plan);
            }
            self.report_native(&docker_id, now);
        }
        if std::mem::take(&mut self.native_list_ready) {
            self.report_native_list();
        }
        self.counters.steps += plan.steps.len() as u64;
        let times = if may_act { self.wakes.values().min().copied() } else { None };
        // What is due and not begun waits for something else than time.
        let attempts = self.attempts.values().filter_map(Attempts::retry_at).filter(|at| *at > now).min();
        plan.wake_at = [times, attempts].into_iter().flatten().min();
        plan
    }

    fn plan_looks(&mut self, now: Timestamp, plan: &mut Plan) {
        if !self.engine_up {
            return;
        }
        let held = self.attempts.get(&Object::List).and_then(Attempts::retry_at);
        if self.list_wanted && !self.busy.contains(&Object::List) && held.is_none_or(|at| at <= now) {
            self.list_wanted = false;
            self.list_mark = self.world.mark();
            self.begin(Object::List, Work::List, plan);
        }
        for docker_id in std::mem::take(&mut self.to_look) {
            self.begin(Object::Look(docker_id.clone()), Work::Look { docker_id }, plan);
        }
    }

    pub(super) fn begin(&mut self, object: Object, work: Work, plan: &mut Plan) {
        self.busy.insert(object.clone());
        plan.steps.push(Step { object, work });
    }

    /// Networks and volumes.
    fn plan_objects(&mut self, now: Timestamp, plan: &mut Plan) {
        let Some(desired) = self.desired.take() else { return };
        let host_uuid = self.world.host_uuid().to_owned();
        let mut steps = Vec::new();
        let is_free = |core: &mut Self, object: &Object| {
            let held = core.attempts.get(object).and_then(Attempts::retry_at);
            if held.is_some_and(|at| at > now) {
                // Its time comes through `wake_at`, and then everything here is looked at again.
                core.dirty_objects = true;
                return false;
            }
            !core.busy.contains(object)
        };
        for (name, spec) in &desired.networks {
            let object = Object::Network(name.clone());
            if !self.world.networks.contains_key(name) && is_free(self, &object) {
                let labels = owner_labels(&host_uuid);
                steps.push((object, Work::MakeNetwork { name: name.clone(), spec: spec.clone(), labels }));
            }
        }
        for (name, spec) in &desired.volumes {
            let object = Object::Volume(name.clone());
            if !self.volumes_ready.contains(name) && is_free(self, &object) {
                let labels = owner_labels(&host_uuid);
                steps.push((object, Work::MakeVolume { name: name.clone(), spec: spec.clone(), labels }));
            }
        }
        self.forget_withdrawn(&desired);
        for (name, order) in &desired.volume_orders {
            let object = Object::Volume(name.clone());
            let is_wanted = desired.volumes.contains_key(name)
                || desired.containers.values().any(|want| {
                    let holds = |mount: &MountSpec| mount.kind == MountKind::Volume && mount.source == *name;
                    want.spec.mounts.iter().any(holds)
                });
            // What is wanted has another owner by now, and stays.
            if !is_wanted && !self.volumes_dropped.contains_key(name) && is_free(self, &object) {
                let VolumeOrder { volume, force } = *order;
                steps.push((object, Work::DropVolume { name: name.clone(), volume, force }));
            }
        }
        if self.sweep_due && is_free(self, &Object::Files) {
            self.sweep_due = false;
            steps.push((Object::Files, Work::Sweep { keep: self.files_to_keep(&desired) }));
        }
        let surplus: Vec<String> = self
            .world
            .networks
            .iter()
            .filter(|(name, is_ours)| **is_ours && !desired.networks.contains_key(*name))
            .map(|(name, _)| name.clone())
            .collect();
        // What was given up for good is not remembered.
        let volumes_ready = &self.volumes_ready;
        self.attempts.retain(|object, _| match object {
            Object::Network(name) => desired.networks.contains_key(name) || surplus.contains(name),
            Object::Volume(name) => {
                let is_due = desired.volumes.contains_key(name) && !volumes_ready.contains(name);
                is_due || desired.volume_orders.contains_key(name)
            }
            Object::Container(_) | Object::Native(_) | Object::Look(_) | Object::List | Object::Files => true,
        });
        for name in surplus {
            let in_use = self.world.all().any(|seen| seen.view.network_mode == name);
            let object = Object::Network(name.clone());
            if !in_use && is_free(self, &object) {
                steps.push((object, Work::DropNetwork { name }));
            }
        }
        self.desired = Some(desired);
        for (object, work) in steps {
            self.begin(object, work, plan);
        }
    }

    /// An order that no longer stands need not be remembered.
    fn forget_withdrawn(&mut self, desired: &Assignment) {
        let stands = |report: &VolumeReport| {
            desired.volume_orders.get(&report.name).is_some_and(|order| order.volume == report.volume)
        };
        let withdrawn: Vec<String> =
            self.volumes_dropped.values().filter(|report| !stands(report)).map(|r| r.name.clone()).collect();
        for name in withdrawn {
            self.volumes_dropped.remove(&name);
            self.records.push(Record::Forget { what: Forgotten::Volume { name } });
        }
    }

    /// The containers whose files must stay: those that shall be, and those that are there.
    fn files_to_keep(&self, desired: &Assignment) -> BTreeSet<String> {
        let wanted = desired.containers.iter().map(|(&id, want)| files_key(id, want.incarnation));
        let there = self.world.all().filter_map(|seen| match seen.owner {
            Owner::Ours { id, incarnation } => Some(files_key(id, incarnation)),
            Owner::Native | Owner::Ignored => None,
        });
        wanted.chain(there).collect()
    }

    fn plan_container(&mut self, id: ContainerId, now: Timestamp, plan: &mut Plan) {
        let object = Object::Container(id);
        if self.busy.contains(&object) {
            if self.is_obsolete(id) {
                plan.call_back.push(object);
            }
            return;
        }
        let Some(desired) = self.desired.take() else { return };
        self.waiting.remove(&id);
        self.wakes.remove(&id);
        let want = desired.containers.get(&id);
        let shares =
            want.is_some_and(|want| matches!(want.spec.network, NetworkAttachment::Container { .. }));
        if shares {
            self.sharers.insert(id);
        } else {
            self.sharers.remove(&id);
        }
        if want.is_none() && self.world.of(id).next().is_none() {
            if self.tracked.get(&id).is_some_and(|tracked| tracked.last.is_empty()) {
                self.tracked.remove(&id);
            }
            self.desired = Some(desired);
            return;
        }
        self.tracked.entry(id).or_default();
        // Notes change what is remembered and then the decision is made again; each is made once.
        let next = loop {
            let tracked = &self.tracked[&id];
            let situation = Situation {
                want,
                runs: self.world.of(id).collect(),
                memory: &tracked.memory,
                support: want.map_or(Support::Ready, |want| self.world_supports(&desired, want)),
                network_since: want.and_then(|want| self.network_since(want)),
                now,
            };
            match decide(&situation) {
                Next::Demand(demand) => {
                    let tracked = self.tracked.entry(id).or_default();
                    tracked.memory.demand = Some(demand);
                    tracked.memory.forgive();
                    self.records.push(Record::Demand { id, demand });
                }
                Next::DemandMet(demand) => {
                    let tracked = self.tracked.entry(id).or_default();
                    tracked.memory.restarts_done = demand.asked;
                    tracked.memory.demand = None;
                }
                next => break next,
            }
        };
        let tracked = self.tracked.entry(id).or_default();
        tracked.setback = None;
        let (activity, work) = match next {
            Next::Nothing | Next::Demand(_) | Next::DemandMet(_) => (Activity::None, None),
            Next::Wait(at) => {
                self.wakes.insert(id, at);
                (Activity::None, None)
            }
            Next::WaitFor(missing) => {
                let text = format!("waiting for {}", missing.what);
                tracked.progress = Some(contract_protocol::Progress { text, percent: None });
                tracked.setback = missing.failure;
                self.waiting.insert(id);
                (Activity::None, None)
            }
            Next::Fetch => {
                let spec = &want.expect("only what is wanted is fetched for").spec;
                let always = spec.pull == PullPolicy::Always;
                let work = Work::Fetch {
                    image: spec.image.clone(),
                    platform: spec.platform.clone(),
                    login: spec.registry_login.clone(),
                    always,
                };
                (Activity::Fetching, Some(work))
            }
            Next::Raise { docker_id } => {
                let want = want.expect("only what is wanted is raised");
                let activity = if docker_id.is_some() { Activity::Starting } else { Activity::Preparing };
                (activity, Some(self.raise(id, want, docker_id, true)))
            }
            Next::Make => {
                let want = want.expect("only what is wanted is made");
                (Activity::Preparing, Some(self.raise(id, want, None, false)))
            }
            Next::Update { docker_id, limits } => (Activity::None, Some(Work::Update { docker_id, limits })),
            Next::Halt { docker_id, timeout } => {
                (Activity::Stopping, Some(Work::Halt { docker_id, timeout }))
            }
            Next::Retire { docker_id, timeout, running } => {
                (Activity::Stopping, Some(Work::Retire { docker_id, timeout, running }))
            }
        };
        let incarnation = want.map(|want| want.incarnation);
        self.desired = Some(desired);
        if let Some(work) = work {
            let tracked = self.tracked.entry(id).or_default();
            tracked.activity = activity;
            tracked.preparing = incarnation;
            tracked.progress = None;
            self.begin(object, work, plan);
        }
    }

    /// Whether the present step prepares a run that is no longer wanted.
    fn is_obsolete(&self, id: ContainerId) -> bool {
        let want = self.desired.as_ref().and_then(|desired| desired.containers.get(&id));
        self.tracked.get(&id).is_some_and(|tracked| match tracked.activity {
            Activity::Fetching | Activity::Preparing => {
                tracked.preparing.is_some() && tracked.preparing != want.map(|want| want.incarnation)
            }
            Activity::None | Activity::Starting | Activity::Stopping => false,
        })
    }

    fn raise(
        &self,
        id: ContainerId,
        want: &ContainerAssignment,
        docker_id: Option<String>,
        start: bool,
    ) -> Work {
        let image_ready = self.tracked.get(&id).is_some_and(|tracked| tracked.memory.image_ready);
        let engine_id = |other: ContainerId| self.best_run(other).map(|seen| seen.view.docker_id.clone());
        let network_container = match &want.spec.network {
            NetworkAttachment::Container { id } => engine_id(*id),
            NetworkAttachment::Bridge
            | NetworkAttachment::Host
            | NetworkAttachment::None
            | NetworkAttachment::Named { .. } => None,
        };
        Work::Raise(Box::new(Raise {
            labels: labels_for(self.world.host_uuid(), id, want.incarnation),
            pull: want.spec.pull == PullPolicy::Always && !image_ready,
            network_container,
            volumes_from: want.spec.volumes_from.iter().filter_map(|&other| engine_id(other)).collect(),
            files_key: files_key(id, want.incarnation),
            want: want.clone(),
            docker_id,
            start,
        }))
    }

    /// When the process began whose network a container shares, if it runs.
    fn network_since(&self, want: &ContainerAssignment) -> Option<Timestamp> {
        match &want.spec.network {
            NetworkAttachment::Container { id } => self
                .best_run(*id)
                .filter(|seen| seen.view.state.has_process())
                .and_then(|seen| seen.view.started_at),
            NetworkAttachment::Bridge
            | NetworkAttachment::Host
            | NetworkAttachment::None
            | NetworkAttachment::Named { .. } => None,
        }
    }

    /// The run of a container that another one may lean on.
    fn best_run(&self, id: ContainerId) -> Option<&Seen> {
        self.world.of(id).max_by_key(|seen| {
            let Owner::Ours { incarnation, .. } = seen.owner else { return (false, Default::default()) };
            (seen.view.state.has_process(), incarnation)
        })
    }

    fn world_supports(&self, desired: &Assignment, want: &ContainerAssignment) -> Support {
        let missing = |what: String| Support::Missing(Missing { what, failure: None });
        let made_by_us = |what: String, object: Object| {
            let failure = self.attempts.get(&object).and_then(|attempts| attempts.setback.clone());
            Support::Missing(Missing { what, failure })
        };
        match &want.spec.network {
            NetworkAttachment::Named { network, .. } => {
                if desired.networks.contains_key(network) && !self.world.networks.contains_key(network) {
                    return made_by_us(format!("the network {network}"), Object::Network(network.clone()));
                }
            }
            NetworkAttachment::Container { id } => {
                if !self.best_run(*id).is_some_and(|seen| seen.view.state.has_process()) {
                    return missing(format!("the network of {id}"));
                }
            }
            NetworkAttachment::Bridge | NetworkAttachment::Host | NetworkAttachment::None => {}
        }
        for mount in &want.spec.mounts {
            let is_volume = mount.kind == MountKind::Volume && desired.volumes.contains_key(&mount.source);
            if is_volume && !self.volumes_ready.contains(&mount.source) {
                let object = Object::Volume(mount.source.clone());
                return made_by_us(format!("the volume {}", mount.source), object);
            }
        }
        for other in &want.spec.volumes_from {
            if self.best_run(*other).is_none() {
                return missing(format!("the volumes of {other}"));
            }
        }
        Support::Ready
    }
}

/// The name under which the files of a run are placed.
fn files_key(id: ContainerId, incarnation: Incarnation) -> String {
    format!("{}-{}", id.raw(), incarnation.0)
}
