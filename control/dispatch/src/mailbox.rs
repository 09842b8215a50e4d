//! What is to be sent on a link next.
//!
//! Each kind of message has one place, and a newer one takes the place of an older one; so what waits for a slow agent
//! is bounded by construction.

use std::sync::{Arc, Mutex, MutexGuard};

use contract_protocol::{Assignment, Position, Refusal, ToHost};
use tokio::sync::Notify;

/// An assignment and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) position: Position,
    pub(crate) assignment: Arc<Assignment>,
}

/// What waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pending: Mutex<Pending>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    target: Option<Target>,
    complete: bool,
    acknowledge: Option<(String, u64)>,
    heartbeat: Option<u64>,
    probe: bool,
    refusal: Option<(Refusal, String)>,
}

impl Mailbox {
    /// Sets what the host shall be.
    pub(crate) fn set_target(&self, target: Target) {
        self.change(|pending| pending.target = Some(target));
    }

    /// The complete assignment is wanted again.
    pub(crate) fn want_complete(&self) {
        self.change(|pending| pending.complete = true);
    }

    /// Reports up to this number are stored.
    pub(crate) fn acknowledge(&self, outbox: String, sequence: u64) {
        self.change(|pending| {
            let known = pending.acknowledge.as_ref().filter(|(known, _)| *known == outbox);
            let sequence = known.map_or(sequence, |(_, known)| sequence.max(*known));
            pending.acknowledge = Some((outbox, sequence));
        });
    }

    /// A heartbeat has come.
    pub(crate) fn heartbeat_seen(&self, number: u64) {
        self.change(|pending| pending.heartbeat = Some(number));
    }

    /// The agent shall show that it lives.
    pub(crate) fn probe(&self) {
        self.change(|pending| pending.probe = true);
    }

    /// The link shall end with this refusal.
    pub(crate) fn refuse(&self, reason: Refusal, message: String) {
        self.change(|pending| pending.refusal = Some((reason, message)));
    }

    /// Waits until something is to be sent, and takes it. `sent` is what the host was sent last; it becomes what it is
    /// sent now. A refusal is the last message.
    pub(crate) async fn next(&self, sent: &mut Option<Target>) -> Vec<ToHost> {
        loop {
            let messages = self.take(sent);
            if !messages.is_empty() {
                return messages;
            }
            self.wake.notified().await;
        }
    }

    fn take(&self, sent: &mut Option<Target>) -> Vec<ToHost> {
        let mut messages = Vec::new();
        let (target, complete) = {
            let mut pending = self.lock();
            if let Some((reason, message)) = pending.refusal.take() {
                return vec![ToHost::Refused { reason, message }];
            }
            if let Some(number) = pending.heartbeat.take() {
                messages.push(ToHost::HeartbeatSeen { number });
            }
            if let Some((outbox, sequence)) = pending.acknowledge.take() {
                messages.push(ToHost::Acknowledge { outbox, sequence });
            }
            if std::mem::take(&mut pending.probe) {
                // An agent answers what it does not know; see the protocol.
                messages.push(ToHost::Unknown);
            }
            let complete = pending.complete && (pending.target.is_some() || sent.is_some());
            if complete {
                pending.complete = false;
            }
            (pending.target.take(), complete)
        };
        match (sent.as_ref(), target) {
            (None, Some(target)) => {
                messages.push(complete_message(&target));
                *sent = Some(target);
            }
            (Some(_), Some(target)) if complete => {
                messages.push(complete_message(&target));
                *sent = Some(target);
            }
            (Some(old), None) if complete => messages.push(complete_message(old)),
            (Some(old), Some(target)) => {
                let changes = old.assignment.changes_to(&target.assignment);
                if !changes.is_empty() {
                    messages.push(ToHost::Delta { from: old.position, to: target.position, changes });
                    *sent = Some(target);
                }
            }
            (_, None) => {}
        }
        messages
    }

    fn change(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.lock());
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("nobody panics while holding a mailbox")
    }
}

fn complete_message(target: &Target) -> ToHost {
    ToHost::Complete { position: target.position, assignment: Assignment::clone(&target.assignment) }
}

#[cfg(test)]
mod tests;
