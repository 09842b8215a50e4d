//! Keys that wait for a visit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use contract_values::Timestamp;
use tokio::sync::Notify;

use crate::status::Why;

/// What a change wakes.
#[derive(Debug)]
pub(crate) struct Wakes<K> {
    keys: BTreeSet<K>,
    /// Whether those that wait for room are woken too.
    room: bool,
    /// Whether all keys are.
    all: bool,
}

impl<K: Ord> Wakes<K> {
    pub(crate) const fn new() -> Self {
        Self { keys: BTreeSet::new(), room: false, all: false }
    }

    /// Wakes one key.
    pub(crate) fn key(&mut self, key: K) {
        self.keys.insert(key);
    }

    /// Wakes all keys whose last plan waits for room.
    pub(crate) const fn room(&mut self) {
        self.room = true;
    }

    /// Wakes all keys.
    pub(crate) const fn all(&mut self) {
        self.all = true;
    }

    pub(crate) const fn wants_all(&self) -> bool {
        self.all
    }
}

#[derive(Debug)]
struct State<K> {
    ready: BTreeMap<K, Why>,
    running: BTreeSet<K>,
    alarms: BTreeMap<K, Timestamp>,
    waiting_for_room: BTreeSet<K>,
    /// Those that were woken for room while they ran, so that a plan made before does not fall asleep.
    room_while_running: BTreeSet<K>,
}

/// The keys of one controller. Its size is bounded by the number of objects: repeated wake-ups are one.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    state: Mutex<State<K>>,
    nudge: Notify,
}

impl<K: Copy + Ord> Queue<K> {
    pub(crate) fn new() -> Self {
        let state = State {
            ready: BTreeMap::new(),
            running: BTreeSet::new(),
            alarms: BTreeMap::new(),
            waiting_for_room: BTreeSet::new(),
            room_while_running: BTreeSet::new(),
        };
        Self { state: Mutex::new(state), nudge: Notify::new() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State<K>) -> T) -> T {
        work(&mut self.state.lock().expect("nobody panics while queueing"))
    }

    /// Makes keys ready. One that is running runs once more afterwards.
    pub(crate) fn wake(&self, keys: impl IntoIterator<Item = K>, why: Why) {
        self.with(|state| {
            for key in keys {
                state.ready.entry(key).or_insert(why);
            }
        });
        self.nudge.notify_one();
    }

    /// Makes ready what a change wakes.
    pub(crate) fn take_wakes(&self, wakes: Wakes<K>) {
        if wakes.keys.is_empty() && !wakes.room {
            return;
        }
        self.with(|state| {
            for key in wakes.keys {
                state.ready.entry(key).or_insert(Why::Change);
            }
            if wakes.room {
                for key in std::mem::take(&mut state.waiting_for_room) {
                    state.ready.entry(key).or_insert(Why::Room);
                }
                state.room_while_running.extend(state.running.iter().copied());
            }
        });
        self.nudge.notify_one();
    }

    /// Takes a key that is ready and not running, or says when the next alarm rings.
    pub(crate) fn take(&self, now: Timestamp) -> Result<(K, Why), Option<Timestamp>> {
        self.with(|state| {
            let rung: Vec<K> =
                state.alarms.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
            for key in rung {
                state.alarms.remove(&key);
                state.ready.entry(key).or_insert(Why::Alarm);
            }
            let found = state.ready.iter().find(|(key, _)| !state.running.contains(key));
            let Some((&key, &why)) = found else { return Err(state.alarms.values().min().copied()) };
            state.ready.remove(&key);
            state.alarms.remove(&key);
            state.waiting_for_room.remove(&key);
            state.running.insert(key);
            Ok((key, why))
        })
    }

    /// Ends the run of a key.
    pub(crate) fn done(&self, key: K, alarm: Option<Timestamp>, waits_for_room: bool) {
        self.with(|state| {
            state.running.remove(&key);
            let room_came = state.room_while_running.remove(&key);
            if let Some(at) = alarm {
                state.alarms.insert(key, at);
            }
            if waits_for_room {
                if room_came {
                    state.ready.entry(key).or_insert(Why::Room);
                } else {
                    state.waiting_for_room.insert(key);
                }
            }
        });
        self.nudge.notify_one();
    }

    /// Waits until something may be ready.
    pub(crate) async fn nudged(&self) {
        self.nudge.notified().await;
    }

    /// How many keys wait for a visit and how many are being visited.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        self.with(|state| (state.ready.len(), state.running.len()))
    }
}
