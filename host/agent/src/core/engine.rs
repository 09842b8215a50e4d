//! What comes from the engine: events, descriptions, lists, the ends of steps.

use contract_protocol::{EngineFacts, FailureCode, ReportItem, VolumeReport};
use contract_values::{ContainerId, Timestamp, VolumeId};
use host_driver::{
    ContainerState, ContainerSummary, ContainerView, EngineError, EngineEvent, EventKind, Limits,
};

use super::{Activity, Core, TROUBLE_DISK, TROUBLE_ENGINE};
use crate::decide::{Memory, Setback, delay};
use crate::journal::Record;
use crate::step::{Done, Ended, Note, Object};
use crate::world::{Change, Owner, labels_for};

impl Core {
    /// The engine answers; its events are being followed from now on.
    pub(crate) fn engine_up(&mut self, engine: EngineFacts) {
        self.engine_up = true;
        self.list_wanted = true;
        // Volumes may have been pruned while nobody listened.
        self.volumes_ready.clear();
        self.attempts.clear();
        self.update_facts(|facts| {
            facts.engine = engine;
            facts.troubles.remove(TROUBLE_ENGINE);
        });
    }

    /// The engine does not answer.
    pub(crate) fn engine_down(&mut self, text: String) {
        if self.engine_up || !self.facts.troubles.contains_key(TROUBLE_ENGINE) {
            self.set_trouble(TROUBLE_ENGINE, Some(text));
        }
        self.engine_up = false;
        self.synced = false;
        self.after_outage = true;
    }

    /// Asks for a full list, to count what the events have missed.
    pub(crate) fn want_list(&mut self) {
        self.list_wanted = true;
    }

    /// Something happened in the engine.
    pub(crate) fn event(&mut self, event: EngineEvent, now: Timestamp) {
        match event.what {
            EventKind::Started { docker_id } => {
                // Whoever raises it looks at it when that is done, and may have done so already.
                let is_known = self.world.get(&docker_id).is_some_and(|seen| {
                    seen.view.state == ContainerState::Running
                        && seen.view.started_at.is_some_and(|started| started <= event.at)
                });
                if !is_known && !self.is_being_raised(&docker_id) {
                    self.look(docker_id);
                }
            }
            EventKind::Died { docker_id, exit_code } => self.died(&docker_id, event.at, exit_code, now),
            EventKind::OutOfMemory { docker_id } => {
                self.world.change(&docker_id, |view| view.out_of_memory = true);
            }
            EventKind::Health { docker_id, status } => {
                if self.world.change(&docker_id, |view| view.health = Some(status)) {
                    self.touch_docker(&docker_id);
                }
            }
            EventKind::Destroyed { docker_id } => self.gone(&docker_id),
            EventKind::Changed { docker_id } => {
                if !self.is_being_raised(&docker_id) {
                    self.look(docker_id);
                }
            }
            EventKind::NetworkRemoved { name } => {
                self.world.networks.remove(&name);
                self.dirty_objects = true;
            }
            EventKind::VolumeRemoved { name } => {
                self.volumes_ready.remove(&name);
                self.dirty_objects = true;
            }
        }
    }

    fn is_being_raised(&self, docker_id: &str) -> bool {
        let Some(Owner::Ours { id, .. }) = self.world.get(docker_id).map(|seen| seen.owner) else {
            return false;
        };
        self.busy.contains(&Object::Container(id))
            && self.tracked.get(&id).is_some_and(|tracked| tracked.activity == Activity::Starting)
    }

    fn look(&mut self, docker_id: String) {
        if self.busy.contains(&Object::Look(docker_id.clone())) {
            self.look_again.insert(docker_id);
        } else {
            self.to_look.insert(docker_id);
        }
    }

    pub(super) fn touch_docker(&mut self, docker_id: &str) {
        match self.world.get(docker_id).map(|seen| seen.owner) {
            Some(Owner::Ours { id, .. }) => self.touch(id),
            Some(Owner::Native) => {
                self.dirty_natives.insert(docker_id.to_owned());
            }
            Some(Owner::Ignored) | None => {}
        }
    }

    fn died(&mut self, docker_id: &str, at: Timestamp, exit_code: Option<i64>, now: Timestamp) {
        let had_process = self.world.get(docker_id).is_some_and(|seen| seen.view.state.has_process());
        let Some(seen) = self.world.died(docker_id, at, exit_code) else {
            return;
        };
        let (owner, view) = (seen.owner, seen.view.clone());
        match owner {
            Owner::Ours { id, .. } => {
                if had_process {
                    self.note_end(id, &view, false, now);
                }
                let by_engine = self
                    .desired
                    .as_ref()
                    .and_then(|desired| desired.containers.get(&id))
                    .is_some_and(|want| want.spec.restart != contract_protocol::RestartPolicy::No);
                if by_engine && !self.busy.contains(&Object::Container(id)) {
                    // Only the engine knows whether it will start it again: nothing is done before it has said so.
                    self.world.change(docker_id, |view| view.state = ContainerState::Restarting);
                    self.look(docker_id.to_owned());
                }
                self.touch(id);
                self.touch_waiting();
            }
            Owner::Native => {
                self.dirty_natives.insert(docker_id.to_owned());
            }
            Owner::Ignored => {}
        }
        self.release_blocked(now);
    }

    /// A process of ours has ended: was that meant?
    fn note_end(&mut self, id: ContainerId, view: &ContainerView, blameless: bool, now: Timestamp) {
        let Owner::Ours { incarnation, .. } = Owner::of(&view.labels, self.world.host_uuid()) else { return };
        let Some(want) = self.desired.as_ref().and_then(|desired| desired.containers.get(&id)) else {
            return;
        };
        let tracked = self.tracked.entry(id).or_default();
        if view.started_at.is_some() && tracked.memory.ended_run == view.started_at {
            return;
        }
        tracked.memory.ended_run = view.started_at;
        let is_meant = want.run == contract_protocol::DesiredRun::Stopped
            || want.incarnation != incarnation
            || tracked.activity == Activity::Stopping
            || tracked.memory.demand.is_some();
        if is_meant {
            tracked.memory.halted_run = view.started_at;
        }
        if is_meant || blameless {
            return;
        }
        let memory = &mut tracked.memory;
        let code = view.exit_code;
        let by_itself = match want.rule {
            contract_protocol::RunRule::KeepRunning => true,
            contract_protocol::RunRule::Once | contract_protocol::RunRule::OnFailure { .. } => {
                code != Some(0)
            }
        };
        if !by_itself {
            memory.forgive();
            return;
        }
        let ran = view.started_at.map(|started| view.finished_at.unwrap_or(now).since(started));
        let (failure, text) = if view.out_of_memory {
            (FailureCode::OutOfMemory, "memory ran out".to_owned())
        } else {
            let code = code.map_or_else(|| "an unknown code".to_owned(), |code| format!("code {code}"));
            (FailureCode::Exited, format!("the process ended by itself with {code}"))
        };
        memory.ended(failure, text, ran, now);
    }

    /// A port or a name may have come free.
    fn release_blocked(&mut self, now: Timestamp) {
        let blocked = |memory: &Memory| {
            let code = memory.failure.as_ref().map(|(code, _)| *code);
            matches!(code, Some(FailureCode::PortTaken | FailureCode::NameTaken))
                && memory.retry_at.is_some_and(|at| at > now)
        };
        let ids: Vec<_> =
            self.tracked.iter().filter(|(_, t)| blocked(&t.memory)).map(|(id, _)| *id).collect();
        for id in ids {
            self.tracked.entry(id).or_default().memory.retry_at = None;
            self.touch(id);
        }
    }

    /// A container has gone.
    fn gone(&mut self, docker_id: &str) {
        match self.world.remove(docker_id) {
            Some(Owner::Ours { id, .. }) => {
                self.touch(id);
                self.touch_waiting();
                self.dirty_objects = true;
                self.sweep_due = true;
                self.release_volumes();
                self.release_blocked(Timestamp(i64::MIN));
            }
            Some(Owner::Native) => {
                self.release_volumes();
                self.native_gone(docker_id);
            }
            Some(Owner::Ignored) | None => {}
        }
        self.look_again.remove(docker_id);
        self.to_look.remove(docker_id);
    }

    /// What holds a volume that shall go may have gone.
    fn release_volumes(&mut self) {
        let orders = self.desired.as_ref().map(|desired| &desired.volume_orders);
        for name in orders.into_iter().flat_map(|orders| orders.keys()) {
            self.attempts.remove(&Object::Volume(name.clone()));
            self.dirty_objects = true;
        }
    }

    /// A container was described.
    pub(super) fn seen(&mut self, view: ContainerView, now: Timestamp) -> Change {
        let docker_id = view.docker_id.clone();
        let change = self.world.put(view.clone());
        let owner = self.world.get(&docker_id).map(|seen| seen.owner);
        match (change, owner) {
            (Change::None, _) | (_, Some(Owner::Ignored) | None) => {}
            (Change::Died, Some(Owner::Ours { id, .. })) => {
                let blameless = self.after_outage;
                self.note_end(id, &view, blameless, now);
                self.touch(id);
                self.touch_waiting();
            }
            (_, Some(Owner::Ours { id, .. })) => {
                self.touch(id);
                self.touch_waiting();
            }
            (_, Some(Owner::Native)) => {
                self.dirty_natives.insert(docker_id);
            }
        }
        change
    }

    /// A step says how it goes.
    pub(crate) fn note(&mut self, object: &Object, note: Note, now: Timestamp) {
        let Object::Container(id) = object else { return };
        let id = *id;
        if let Note::Removed(docker_id) = note {
            self.gone(&docker_id);
            return;
        }
        let tracked = self.tracked.entry(id).or_default();
        match note {
            Note::Pulling(progress) => tracked.progress = Some(progress),
            Note::Starting => {
                tracked.progress = None;
                tracked.activity = Activity::Starting;
            }
            Note::Removed(_) => {}
            Note::Created { docker_id, name, incarnation } => {
                tracked.progress = None;
                tracked.memory.image_ready = true;
                // Until it is looked at, what is known is that it is there and whose it is.
                if self.world.get(&docker_id).is_none() {
                    let want = self.desired.as_ref().and_then(|desired| desired.containers.get(&id));
                    let limits = want.map(|want| Limits::of(&want.spec)).unwrap_or_default();
                    let labels = labels_for(self.world.host_uuid(), id, incarnation);
                    self.world.put(ContainerView {
                        docker_id,
                        name,
                        labels,
                        image: String::new(),
                        image_id: String::new(),
                        command: Vec::new(),
                        state: ContainerState::Created,
                        exit_code: None,
                        out_of_memory: false,
                        error: None,
                        created_at: Some(now),
                        started_at: None,
                        finished_at: None,
                        health: None,
                        ports: Vec::new(),
                        address: None,
                        network_mode: String::new(),
                        limits,
                    });
                }
            }
        }
        self.report(id, now);
    }

    /// A step has ended.
    pub(crate) fn ended(&mut self, ended: Ended, now: Timestamp) {
        let Ended { object, result } = ended;
        self.busy.remove(&object);
        if let Err(error) = &result {
            if object == Object::List {
                self.set_back(Object::List, error, now);
            }
            if error.is_unreachable() {
                // The one who follows the events tells when it is back; blame nobody for it.
                self.synced = false;
                self.list_wanted = true;
                self.after_outage = true;
            } else if !matches!(error, EngineError::Refused { .. }) {
                self.list_wanted = true;
            }
            let is_full = error.code() == FailureCode::DiskFull;
            if is_full {
                self.set_trouble(TROUBLE_DISK, Some(error.to_string()));
            }
        }
        match object {
            Object::Container(id) => self.container_step_ended(id, result, now),
            Object::Native(docker_id) => self.native_step_ended(&docker_id, result, now),
            Object::Network(name) => {
                match &result {
                    Ok(Done::NetworkMade) => {
                        self.world.networks.insert(name.clone(), true);
                        self.touch_waiting();
                    }
                    Ok(_) => {
                        self.world.networks.remove(&name);
                    }
                    Err(_) => {}
                }
                self.note_attempt(Object::Network(name), result.err(), now);
            }
            Object::Volume(name) => {
                match &result {
                    Ok(Done::VolumeMade) => {
                        self.volumes_ready.insert(name.clone());
                        self.touch_waiting();
                    }
                    Ok(Done::VolumeDropped { volume }) => self.volume_dropped(&name, *volume),
                    Ok(_) | Err(_) => {}
                }
                self.note_attempt(Object::Volume(name.clone()), result.err(), now);
                self.report_stuck_volume(&name);
            }
            Object::Files => self.note_attempt(Object::Files, result.err(), now),
            Object::Look(docker_id) => {
                if self.look_again.remove(&docker_id) {
                    self.to_look.insert(docker_id.clone());
                }
                match result {
                    Ok(Done::Seen(view)) => {
                        if self.seen(*view, now) != Change::None && self.after_outage {
                            tracing::debug!(docker_id, "a list showed what no event had told");
                        }
                    }
                    Err(error) if error.is_not_found() => self.gone(&docker_id),
                    Err(error) if error.is_unreachable() => {}
                    Err(error) => {
                        tracing::warn!(docker_id, error = %error, "could not look at a container");
                    }
                    Ok(_) => {}
                }
                self.looks_done();
            }
            Object::List => {
                if let Ok(Done::Listed { containers, networks }) = result {
                    self.attempts.remove(&Object::List);
                    let (look, gone) = self.world.compare(&containers, self.list_mark);
                    if !self.after_outage {
                        let missed =
                            look.iter().filter(|docker_id| self.is_missed(&containers, docker_id)).count();
                        let missed = missed + gone.len();
                        if missed > 0 {
                            tracing::warn!("a full list showed {missed} changes that no event had told");
                        }
                        self.counters.missed_by_events += missed as u64;
                    }
                    for docker_id in gone {
                        self.gone(&docker_id);
                    }
                    // The list tells enough to leave alone what is none of our business.
                    let host_uuid = self.world.host_uuid().to_owned();
                    for docker_id in look {
                        let entry = containers.iter().find(|entry| entry.docker_id == docker_id);
                        let is_ignored =
                            entry.is_some_and(|entry| Owner::of(&entry.labels, &host_uuid) == Owner::Ignored);
                        if !is_ignored {
                            self.look(docker_id);
                        }
                    }
                    self.world.put_networks(networks);
                    self.dirty_objects = true;
                    self.native_list_due = true;
                    self.looks_done();
                }
            }
        }
    }

    /// Whether an event should have told of what a list shows. Making a container is told by none, and what a step
    /// of ours is at is not news.
    fn is_missed(&self, containers: &[ContainerSummary], docker_id: &str) -> bool {
        let Some(entry) = containers.iter().find(|entry| entry.docker_id == docker_id) else { return false };
        let is_ours_at_work = match Owner::of(&entry.labels, self.world.host_uuid()) {
            Owner::Ours { id, .. } => self.busy.contains(&Object::Container(id)),
            Owner::Native => self.busy.contains(&Object::Native(docker_id.to_owned())),
            Owner::Ignored => true,
        };
        entry.state != ContainerState::Created && !is_ours_at_work
    }

    /// When the last look of a full list has come in, the picture is complete and may be acted on.
    fn looks_done(&mut self) {
        let looking = self.busy.iter().any(|object| matches!(object, Object::Look(_) | Object::List));
        if looking || !self.to_look.is_empty() || !self.engine_up || self.list_wanted {
            return;
        }
        if !self.synced {
            self.synced = true;
            self.touch_all();
        }
        self.after_outage = false;
        self.native_list_ready = std::mem::take(&mut self.native_list_due);
    }

    /// A volume was removed by an order.
    fn volume_dropped(&mut self, name: &str, volume: VolumeId) {
        self.volumes_ready.remove(name);
        self.volumes_stuck.remove(name);
        let report = VolumeReport {
            name: name.to_owned(),
            volume,
            gone: true,
            failure: None,
            failure_text: None,
            retry_at: None,
        };
        let item = ReportItem::Volume(Box::new(report.clone()));
        self.volumes_dropped.insert(name.to_owned(), report);
        self.records.push(Record::Seen { items: vec![item.clone()] });
        self.outbox.push(item);
    }

    /// Tells why a volume that shall go is still there.
    fn report_stuck_volume(&mut self, name: &str) {
        let order = self.desired.as_ref().and_then(|desired| desired.volume_orders.get(name));
        let setback =
            self.attempts.get(&Object::Volume(name.to_owned())).and_then(|attempts| attempts.setback.clone());
        let (Some(order), Some(Setback { code, text, retry_at })) = (order, setback) else { return };
        let report = VolumeReport {
            name: name.to_owned(),
            volume: order.volume,
            gone: false,
            failure: Some(code),
            failure_text: Some(text),
            retry_at: Some(retry_at),
        };
        if self.volumes_stuck.insert(name.to_owned(), report.clone()).as_ref() != Some(&report) {
            self.outbox.push(ReportItem::Volume(Box::new(report)));
        }
    }

    fn note_attempt(&mut self, object: Object, error: Option<EngineError>, now: Timestamp) {
        match error {
            None => {
                self.attempts.remove(&object);
            }
            Some(error) if error.is_unreachable() => {}
            Some(error) => {
                tracing::warn!(?object, error = %error, "a step failed and will be repeated");
                self.set_back(object, &error, now);
                // Who waits for it has something to tell.
                self.touch_waiting();
            }
        }
        self.dirty_objects = true;
    }

    fn set_back(&mut self, object: Object, error: &EngineError, now: Timestamp) {
        let attempts = self.attempts.entry(object).or_default();
        attempts.failures = attempts.failures.saturating_add(1);
        let retry_at = now + delay(attempts.failures);
        attempts.setback = Some(Setback { code: error.code(), text: describe(error), retry_at });
    }

    fn container_step_ended(&mut self, id: ContainerId, result: Result<Done, EngineError>, now: Timestamp) {
        let tracked = self.tracked.entry(id).or_default();
        let was = std::mem::take(&mut tracked.activity);
        tracked.progress = None;
        match result {
            Ok(Done::Updated { view, limits }) => {
                tracked.memory.limited = Some((view.docker_id.clone(), limits));
                tracked.memory.forgive();
                self.seen(*view, now);
            }
            Ok(Done::Raised { view, made_with }) => {
                tracked.memory.image_ready = true;
                if let Some(limits) = made_with {
                    tracked.memory.limited = Some((view.docker_id.clone(), limits));
                }
                // What ended at once has not shown that it works.
                if view.state.has_process() {
                    tracked.memory.retry_at = None;
                    tracked.memory.failure = None;
                }
                let docker_id = view.docker_id.clone();
                self.seen(*view, now);
                if let Some(seen) = self.world.get(&docker_id)
                    && seen.view.state == ContainerState::Exited
                {
                    let view = seen.view.clone();
                    self.note_end(id, &view, false, now);
                }
            }
            Ok(Done::Fetched) => {
                tracked.memory.image_ready = true;
                tracked.memory.retry_at = None;
                tracked.memory.failure = None;
            }
            Ok(Done::Halted) => {
                tracked.memory.forgive();
                let runs: Vec<_> = self.world.of(id).map(|seen| seen.view.clone()).collect();
                for ContainerView { docker_id, state, started_at, .. } in runs {
                    if state.has_process() {
                        tracked.memory.halted_run = started_at;
                    }
                    self.world.halted(&docker_id);
                }
                self.release_blocked(now);
            }
            Ok(Done::Retired) => {
                tracked.memory.forgive();
                self.touch_waiting();
            }
            Ok(_) => {}
            Err(error) if error.is_unreachable() => {}
            // It has gone: that is what a removal wants, and everything else begins anew.
            Err(error) if error.is_not_found() && was == Activity::Stopping => {}
            Err(error) => {
                tracing::info!(container.id = %id, error = %error, "a step for {id} failed");
                tracked.memory.failed(error.code(), describe(&error), now);
                if error.code() == FailureCode::ImageNotFound {
                    tracked.memory.image_ready = false;
                }
            }
        }
        self.touch(id);
    }
}

/// An error with its causes, for people.
pub(crate) fn describe(error: &EngineError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
