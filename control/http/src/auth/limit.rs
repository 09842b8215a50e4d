//! Slows down those who guess passwords.

use std::collections::BTreeMap;
use std::sync::Mutex;

use contract_values::{Duration, Timestamp};

/// How many wrong attempts in a row are free.
const FREE: u32 = 5;
/// How long the first wait is; it doubles with each further attempt.
const FIRST_WAIT: Duration = Duration::seconds(2);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::seconds(300);
/// After so long without an attempt all is forgotten.
const FORGET: Duration = Duration::seconds(900);
/// How many names and addresses are remembered at most; the oldest go first.
const MAX_ENTRIES: usize = 10_000;

/// Remembers wrong attempts per user name and per address.
#[derive(Debug, Default)]
pub struct LoginLimit {
    attempts: Mutex<BTreeMap<String, Attempts>>,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    wrong: u32,
    last: Timestamp,
}

impl LoginLimit {
    /// Whether an attempt may be made now.
    ///
    /// # Errors
    /// Says how long to wait.
    pub fn check(&self, keys: &[String], now: Timestamp) -> Result<(), Duration> {
        let attempts = self.attempts.lock().expect("nothing panics while it holds the lock");
        let wait = keys
            .iter()
            .filter_map(|key| attempts.get(key))
            .map(|seen| Duration((seen.last + pause(seen.wrong)).since(now).0))
            .max()
            .unwrap_or_default();
        if wait.0 > 0 { Err(wait) } else { Ok(()) }
    }

    /// Notes how an attempt went.
    pub fn note(&self, keys: &[String], right: bool, now: Timestamp) {
        let mut attempts = self.attempts.lock().expect("nothing panics while it holds the lock");
        for key in keys {
            if right {
                attempts.remove(key);
                continue;
            }
            let seen = attempts.entry(key.clone()).or_insert(Attempts { wrong: 0, last: now });
            if now.since(seen.last) > FORGET {
                seen.wrong = 0;
            }
            seen.wrong = seen.wrong.saturating_add(1);
            seen.last = now;
        }
        if attempts.len() > MAX_ENTRIES {
            attempts.retain(|_, seen| now.since(seen.last) <= FORGET);
        }
        while attempts.len() > MAX_ENTRIES {
            attempts.pop_first();
        }
    }
}

fn pause(wrong: u32) -> Duration {
    if wrong < FREE {
        return Duration(0);
    }
    let doublings = (wrong - FREE).min(10);
    Duration((FIRST_WAIT.0 << doublings).min(LONGEST_WAIT.0))
}
