//! Containers that were started by hand: seen, told, and changed by order only.

use contract_protocol::{DesiredRun, NativeReport, Rank, ReportItem};
use contract_values::Timestamp;
use host_driver::{ContainerState, EngineError};

use super::engine::describe;
use super::{Core, Plan};
use crate::journal::Record;
use crate::step::{Done, NativeAction, Object, Work};
use crate::world::Owner;

impl Core {
    /// Carries out the order about a native container, if there is a new one.
    pub(super) fn plan_native(&mut self, docker_id: &str, plan: &mut Plan) {
        let object = Object::Native(docker_id.to_owned());
        if self.busy.contains(&object) {
            return;
        }
        let Some(order) = self.desired.as_ref().and_then(|desired| desired.natives.get(docker_id)).cloned()
        else {
            return;
        };
        let Some(seen) = self.world.get(docker_id) else { return };
        if seen.owner != Owner::Native {
            return;
        }
        let has_process = seen.view.state.has_process();
        let native = self.natives.entry(docker_id.to_owned()).or_default();
        let timeout = order.stop_timeout;
        let action = if order.order > native.order_done {
            match (order.remove, order.run) {
                (true, _) => Some(NativeAction::Remove(timeout)),
                (false, Some(DesiredRun::Running)) if !has_process => Some(NativeAction::Start),
                (false, Some(DesiredRun::Stopped)) if has_process => Some(NativeAction::Stop(timeout)),
                (false, Some(DesiredRun::Running | DesiredRun::Stopped) | None) => None,
            }
        } else if order.restarts_asked > native.restarts_done {
            Some(NativeAction::Restart(timeout))
        } else {
            return;
        };
        match action {
            Some(action) => {
                if matches!(action, NativeAction::Restart(_)) {
                    // Noted before it is done: it is better left out than done twice.
                    native.restarts_done = order.restarts_asked;
                    self.note_native(docker_id);
                } else {
                    native.order_begun = order.order;
                }
                self.begin(object, Work::Native { docker_id: docker_id.to_owned(), action }, plan);
            }
            None => {
                native.order_done = order.order;
                native.failure_text = None;
                if order.restarts_asked > native.restarts_done {
                    self.dirty_natives.insert(docker_id.to_owned());
                }
            }
        }
    }

    pub(super) fn native_step_ended(
        &mut self,
        docker_id: &str,
        mut result: Result<Done, EngineError>,
        now: Timestamp,
    ) {
        if let Ok(Done::Native(view)) = &mut result
            && let Some(view) = view.take()
        {
            self.seen(*view, now);
        }
        self.dirty_natives.insert(docker_id.to_owned());
        if self.world.get(docker_id).is_none() {
            return;
        }
        let native = self.natives.entry(docker_id.to_owned()).or_default();
        match result {
            // It is done when the engine is back.
            Err(error) if error.is_unreachable() => return,
            Err(error) => native.failure_text = Some(describe(&error)),
            Ok(_) => native.failure_text = None,
        }
        native.order_done = native.order_done.max(native.order_begun);
    }

    /// Reports what changed about a native container.
    pub(super) fn report_native(&mut self, docker_id: &str, now: Timestamp) {
        let Some(seen) = self.world.get(docker_id) else { return };
        // It appears with its first start, as a person would say «it is there» then.
        let was_started = seen.view.state.has_process() || seen.view.started_at.is_some();
        if seen.owner != Owner::Native || !was_started {
            return;
        }
        let view = &seen.view;
        let native = self.natives.entry(docker_id.to_owned()).or_default();
        let runs = matches!(view.state, ContainerState::Running | ContainerState::Paused);
        let mut report = NativeReport {
            docker_id: docker_id.to_owned(),
            name: view.name.clone(),
            image: view.image.clone(),
            labels: view.labels.clone(),
            command: view.command.clone(),
            ports: view.ports.clone(),
            address: view.address,
            network_mode: view.network_mode.clone(),
            rank: if runs { Rank::Running } else { Rank::Stopped },
            at: now,
            created_at: view.created_at,
            started_at: view.started_at,
            exit_code: view.exit_code,
            health: view.health.clone(),
            order_done: native.order_done,
            restarts_done: native.restarts_done,
            failure_text: native.failure_text.clone(),
        };
        let is_new = native.last.as_ref().is_none_or(|last| {
            report.at = last.at;
            *last != report
        });
        if is_new {
            report.at = now;
            native.last = Some(report.clone());
            self.records.push(Record::Seen { items: vec![ReportItem::Native(Box::new(report.clone()))] });
            self.outbox.push(ReportItem::Native(Box::new(report)));
        }
    }

    /// Makes what is remembered of a native container last.
    fn note_native(&mut self, docker_id: &str) {
        if let Some(native) = self.natives.get_mut(docker_id)
            && let Some(last) = &mut native.last
        {
            last.restarts_done = native.restarts_done;
            let item = ReportItem::Native(Box::new(last.clone()));
            self.records.push(Record::Seen { items: vec![item] });
        }
    }

    pub(super) fn native_gone(&mut self, docker_id: &str) {
        if self.natives.remove(docker_id).is_some_and(|native| native.last.is_some()) {
            let item = ReportItem::NativeGone { docker_id: docker_id.to_owned() };
            self.records.push(Record::Seen { items: vec![item.clone()] });
            self.outbox.push(item);
        }
    }

    /// Tells the complete list, after which the server knows what has gone while nobody looked.
    pub(super) fn report_native_list(&mut self) {
        let there: Vec<String> = self
            .world
            .all()
            .filter(|seen| seen.owner == Owner::Native && seen.view.started_at.is_some())
            .map(|seen| seen.view.docker_id.clone())
            .collect();
        let lost: Vec<String> =
            self.natives.keys().filter(|docker_id| self.world.get(docker_id).is_none()).cloned().collect();
        for docker_id in lost {
            self.native_gone(&docker_id);
        }
        // Those that are there come first, so that the list never names one that the server does not know.
        self.outbox.push(ReportItem::NativeList { docker_ids: there });
    }
}
