//! What controllers did last, for operators.

use std::sync::Mutex;

use contract_values::Timestamp;

use crate::field::Field;

/// Why a key was visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The server has started.
    Start,
    /// Something changed that may concern it.
    Change,
    /// It waits for room, and some may have come.
    Room,
    /// Its last plan asked to be woken.
    Alarm,
    /// Its last run failed or was overtaken.
    Again,
    /// All keys are visited, to count what the feed missed.
    Sweep,
}

/// What came of a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it shall be.
    Nothing,
    /// So many writes were committed.
    Wrote(usize),
    /// The world had moved on; it runs again.
    Overtaken,
    /// The store could not be written.
    Failed(String),
}

/// The last visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Which object.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Why,
    /// What came of it.
    pub outcome: Outcome,
}

/// A controller, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerStatus {
    /// Its name.
    pub name: &'static str,
    /// What it writes.
    pub writes: &'static [Field],
    /// How many visits there were since the start.
    pub runs: u64,
    /// How many of them wrote something.
    pub wrote: u64,
    /// How many were overtaken.
    pub overtaken: u64,
    /// How many failed.
    pub failed: u64,
    /// How many visits of a sweep found something to do that no change had told of; it stays zero.
    pub missed: u64,
    /// How many keys wait for a visit.
    pub waiting: usize,
    /// The last visit that wrote something or failed.
    pub last: Option<LastRun>,
}

#[derive(Debug)]
pub(crate) struct Board {
    status: Mutex<ControllerStatus>,
}

impl Board {
    pub(crate) fn new(name: &'static str, writes: &'static [Field]) -> Self {
        Self {
            status: Mutex::new(ControllerStatus {
                name,
                writes,
                runs: 0,
                wrote: 0,
                overtaken: 0,
                failed: 0,
                missed: 0,
                waiting: 0,
                last: None,
            }),
        }
    }

    pub(crate) fn status(&self) -> ControllerStatus {
        self.status.lock().expect("nobody panics while counting").clone()
    }

    pub(crate) fn note(&self, run: LastRun, waiting: usize) {
        let mut status = self.status.lock().expect("nobody panics while counting");
        status.runs += 1;
        status.waiting = waiting;
        match &run.outcome {
            Outcome::Nothing => return,
            Outcome::Wrote(_) => {
                status.wrote += 1;
                status.missed += u64::from(run.why == Why::Sweep);
            }
            Outcome::Overtaken => status.overtaken += 1,
            Outcome::Failed(_) => status.failed += 1,
        }
        status.last = Some(run);
    }
}
