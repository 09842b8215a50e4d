//! Messages of the server.

use contract_protocol::{Assignment, DesiredRun};
use contract_protocol::{AssignmentChange, FromHost, Refusal, RunRule, ToHost, Welcome};
use contract_values::{ContainerId, Epoch};

use super::Core;
use crate::journal::{Demand, Forgotten, Record};
use crate::step::Object;
use contract_protocol::Rank;
use contract_protocol::ReportItem;

/// What a message of the server asks of the one who drives the core.
#[derive(Debug, PartialEq)]
pub(crate) enum Reaction {
    /// Nothing.
    None,
    /// The server took us.
    Welcomed(Welcome),
    /// The server does not take us.
    Refused { reason: Refusal, message: String },
    /// Write this to the disk; once that is done, hand it to [`Core::adopt`].
    Adopt(Record),
    /// Leave: this server is no longer in office.
    Leave,
}

impl Core {
    /// Takes a message in.
    pub(crate) fn receive(&mut self, message: ToHost) -> Reaction {
        match message {
            ToHost::Welcome(welcome) => {
                if welcome.epoch < self.fence {
                    return self.refuse_epoch(welcome.epoch);
                }
                if welcome.epoch > self.fence {
                    self.fence = welcome.epoch;
                    self.records.push(Record::Fence { epoch: welcome.epoch });
                }
                self.outbox.start_again();
                Reaction::Welcomed(welcome)
            }
            ToHost::Refused { reason, message } => Reaction::Refused { reason, message },
            ToHost::Complete { position, assignment } => {
                if position.epoch < self.fence {
                    return self.refuse_epoch(position.epoch);
                }
                // Within one term of office revisions only grow; an older one was overtaken on its way.
                if self.position.is_some_and(|have| have.epoch == position.epoch && have > position) {
                    return Reaction::None;
                }
                Reaction::Adopt(Record::Complete { position, assignment })
            }
            ToHost::Delta { from, to, changes } => {
                if to.epoch < self.fence {
                    return self.refuse_epoch(to.epoch);
                }
                if self.position == Some(to) && from != to {
                    // It came twice.
                    self.messages.push(FromHost::Applied { position: to });
                    return Reaction::None;
                }
                if self.position != Some(from) || self.desired.is_none() {
                    self.messages.push(FromHost::Resync { have: self.position });
                    return Reaction::None;
                }
                Reaction::Adopt(Record::Changes { to, changes })
            }
            ToHost::Acknowledge { outbox, sequence } => {
                for item in self.outbox.acknowledge(&outbox, sequence) {
                    self.acknowledged(&item);
                }
                Reaction::None
            }
            ToHost::HeartbeatSeen { .. } | ToHost::Unknown => Reaction::None,
        }
    }

    fn refuse_epoch(&mut self, epoch: Epoch) -> Reaction {
        self.counters.refused_epochs += 1;
        tracing::warn!(
            server.epoch = epoch.0,
            fence = self.fence.0,
            "refused orders of a server that is no longer in office"
        );
        Reaction::Leave
    }

    fn acknowledged(&mut self, item: &ReportItem) {
        let what = match item {
            ReportItem::Container(report) if report.rank == Rank::Gone => {
                Forgotten::Container { id: report.id, incarnation: report.incarnation }
            }
            ReportItem::NativeGone { docker_id } => Forgotten::Native { docker_id: docker_id.clone() },
            ReportItem::Container(_)
            | ReportItem::Native(_)
            | ReportItem::NativeList { .. }
            | ReportItem::Host(_)
            // Kept as long as the order stands.
            | ReportItem::Volume(_) => return,
        };
        // The same object may have come back meanwhile.
        if self.outbox.holds(&crate::outbox::Subject::of(item)) {
            return;
        }
        if let Forgotten::Native { docker_id } = &what
            && self.world.get(docker_id).is_some()
        {
            return;
        }
        self.forget(&what);
        self.records.push(Record::Forget { what });
    }

    /// Makes an assignment that is on the disk the one that counts.
    pub(crate) fn adopt(&mut self, record: Record) {
        let before = self.desired.take();
        let (position, next) = match record {
            Record::Complete { position, assignment } => (position, assignment),
            Record::Changes { to, changes } => {
                let mut next = before.clone().unwrap_or_default();
                next.apply(&changes);
                (to, next)
            }
            other @ (Record::Fence { .. }
            | Record::Seen { .. }
            | Record::Forget { .. }
            | Record::Demand { .. }) => {
                tracing::error!(?other, "a record was to be adopted that is no assignment");
                self.desired = before;
                return;
            }
        };
        let old = before.unwrap_or_default();
        // A complete assignment is handled as the changes that it makes, so that what stays is left alone.
        for change in old.changes_to(&next) {
            self.note_change(&old, &change);
        }
        if self.position.is_none() {
            self.touch_all();
        }
        self.desired = Some(next);
        self.position = Some(position);
        self.fence = self.fence.max(position.epoch);
        self.messages.push(FromHost::Applied { position });
    }

    fn note_change(&mut self, old: &Assignment, change: &AssignmentChange) {
        match change {
            AssignmentChange::Container { id, to } => {
                let id = *id;
                let before = old.containers.get(&id);
                let started_at = self.wanted_run_start(old, id);
                let tracked = self.tracked.entry(id).or_default();
                tracked.memory.forgive();
                if let Some(to) = to {
                    if before.is_none_or(|before| before.incarnation != to.incarnation) {
                        tracked.memory.image_ready = false;
                        tracked.memory.demand = None;
                        let last = tracked.last.get(&to.incarnation);
                        tracked.memory.starts = last.map_or(0, |last| last.starts);
                        // The first run of an incarnation is newer than every restart that was asked for before.
                        tracked.memory.restarts_done =
                            last.map_or(to.restarts_asked, |last| last.restarts_done);
                    } else if before.is_some_and(|before| before.run == DesiredRun::Stopped)
                        && to.run == DesiredRun::Running
                        && to.rule != RunRule::KeepRunning
                        && let Some(started_at) = started_at
                    {
                        // A rule that lets it rest would do so; but somebody has asked for a start.
                        let asked = tracked.memory.restarts_done;
                        let demand = Demand { asked, not: Some(started_at) };
                        tracked.memory.demand = Some(demand);
                        self.records.push(Record::Demand { id, demand });
                    }
                }
                self.touch(id);
                self.touch_waiting();
                self.dirty_objects = true;
            }
            AssignmentChange::Network { .. } | AssignmentChange::Volume { .. } => {
                self.attempts.clear();
                self.dirty_objects = true;
                self.touch_waiting();
            }
            AssignmentChange::Native { docker_id, .. } => {
                self.dirty_natives.insert(docker_id.clone());
            }
            AssignmentChange::VolumeOrder { name, .. } => {
                self.attempts.remove(&Object::Volume(name.clone()));
                self.volumes_stuck.remove(name);
                self.dirty_objects = true;
            }
            AssignmentChange::Unknown => {}
        }
    }

    /// When the present run of a container began, if its process has ended.
    fn wanted_run_start(&self, old: &Assignment, id: ContainerId) -> Option<contract_values::Timestamp> {
        let incarnation = old.containers.get(&id)?.incarnation;
        self.world
            .of(id)
            .find(|seen| matches!(seen.owner, crate::world::Owner::Ours { incarnation: i, .. } if i == incarnation))
            .filter(|seen| !seen.view.state.has_process())
            .and_then(|seen| seen.view.started_at)
    }
}
