//! What a plan uses up and what it gives back.

use std::ops::Range;

use contract_values::{ContainerId, Id, Timestamp, VolumeId};
use control_model::Transaction;

/// A decision: what to write, and when to ask again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The writes; nothing to do when empty.
    pub tx: Transaction,
    /// When to decide again although nothing has changed.
    pub wake: Option<Timestamp>,
    /// Whether something waits for room, so that any change of hosts or of what runs on them may help.
    pub waits_for_room: bool,
    /// Whether it takes room on hosts. Two such plans that were made from one picture may clash, so whoever writes
    /// them makes and writes one after the other.
    pub places: bool,
}

impl Plan {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { tx: Transaction::new(now), wake: None, waits_for_room: false, places: false }
    }

    pub(crate) fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }
}

/// How many ids a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Of containers.
    pub containers: u32,
    /// Of volumes.
    pub volumes: u32,
}

impl Demand {
    /// How many uuids go with them.
    pub const fn uuids(self) -> u32 {
        self.containers + self.volumes
    }

    /// Whether nothing is needed.
    pub const fn is_empty(self) -> bool {
        self.containers == 0 && self.volumes == 0
    }
}

/// Ids and uuids that a plan may use up. An empty one is fine to begin with: a plan that needs more says how many.
#[derive(Clone, Debug, Default)]
pub struct Supply {
    containers: Range<i64>,
    volumes: Range<i64>,
    uuids: Vec<String>,
    used: Demand,
    short: bool,
}

impl Supply {
    /// Offers ids of containers and of volumes, and a uuid for each.
    pub fn new(containers: Range<i64>, volumes: Range<i64>, uuids: Vec<String>) -> Self {
        Self { containers, volumes, uuids, used: Demand::default(), short: false }
    }

    pub(crate) fn container(&mut self) -> (ContainerId, String) {
        self.used.containers += 1;
        let next = self.containers.next();
        let (raw, uuid) = self.pair(next, -i64::from(self.used.containers));
        (Id::new(raw), uuid)
    }

    pub(crate) fn volume(&mut self) -> (VolumeId, String) {
        self.used.volumes += 1;
        let next = self.volumes.next();
        let (raw, uuid) = self.pair(next, -i64::from(self.used.volumes));
        (Id::new(raw), uuid)
    }

    fn pair(&mut self, next: Option<i64>, placeholder: i64) -> (i64, String) {
        match (next, self.uuids.pop()) {
            (Some(raw), Some(uuid)) => (raw, uuid),
            (None, _) | (_, None) => {
                // The plan goes on with placeholders only to learn how many it needs; it is then thrown away.
                self.short = true;
                (placeholder, String::new())
            }
        }
    }

    /// Returns the plan, or what was missing to make it.
    pub(crate) fn settle(&self, plan: Plan) -> Result<Plan, Demand> {
        if self.short { Err(self.used) } else { Ok(plan) }
    }
}
