//! Whether the server can be used: its database answers and takes writes.
//!
//! Anybody may ask, so asking is cheap and bounded. An answer holds for a second. The question to the database is an
//! empty transaction, which waits its turn behind the others and writes nothing. That would not notice a full disk, so
//! where nobody else has written for a while, or the last answer was bad, one row is written for real. A question that
//! hangs is waited for again by the next who asks, and not asked twice.

use std::sync::Arc;
use std::time::Duration;

use contract_values::{Id, Revision, Timestamp};
use control_model::{Kind, Setting, SettingIntent, Transaction};
use control_store::{CommitError, Store};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The row that is written to see whether writing works. It is no setting for people and never shown.
pub const PROBE: &str = "lariat.readiness";

/// How long an answer holds.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// After so long without anybody's write one is tried.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// Remembers what the database said last.
#[derive(Default)]
pub struct Readiness {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    pending: Option<BoxFuture<'static, Result<(), CommitError>>>,
    /// The newest revision that was seen, and when that changed: so long ago somebody could write.
    written: Option<(Revision, Instant)>,
}

struct Known {
    at: Instant,
    answer: Result<(), String>,
}

impl Readiness {
    /// Finds out whether the database can be used.
    ///
    /// # Errors
    /// Says in words why not.
    pub async fn check(&self, store: &Store, now: Timestamp) -> Result<(), String> {
        let silent = || Err(format!("the database has not answered for {} seconds", PATIENCE.as_secs()));
        let Ok(mut state) = timeout(PATIENCE, self.state.lock()).await else { return silent() };
        let state = &mut *state;
        if let Some(known) = state.known.as_ref().filter(|known| known.at.elapsed() < FRESH) {
            return known.answer.clone();
        }
        let revision = store.snapshot().revision;
        let written = match state.written {
            Some((seen, at)) if seen == revision => at.elapsed() < WRITE_EVERY,
            // The first answer after the start is no guess either.
            None => false,
            Some(_) => {
                state.written = Some((revision, Instant::now()));
                true
            }
        };
        let sound = state.known.as_ref().is_some_and(|known| known.answer.is_ok());
        let question = state.pending.get_or_insert_with(|| {
            let store = store.clone();
            if written && sound {
                Box::pin(async move { store.commit(Transaction::new(now)).await.map(drop) })
            } else {
                Box::pin(write(store, now))
            }
        });
        let answer = match timeout(PATIENCE, question).await {
            Err(_) => silent(),
            Ok(outcome) => {
                state.pending = None;
                match outcome {
                    // Another server wrote the row first; so writing works.
                    Ok(()) | Err(CommitError::Refused(_)) => Ok(()),
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "the server is not ready");
                        Err(error.to_string())
                    }
                }
            }
        };
        if answer.is_ok() && !(written && sound) {
            state.written = Some((store.snapshot().revision, Instant::now()));
        }
        state.known = Some(Known { at: Instant::now(), answer: answer.clone() });
        answer
    }
}

async fn write(store: Store, now: Timestamp) -> Result<(), CommitError> {
    let tables = store.snapshot();
    let mut transaction = Transaction::new(now);
    let intent = SettingIntent { name: PROBE.to_owned(), value: now.to_string(), ..SettingIntent::default() };
    match tables.settings.by_unique(PROBE) {
        Some(row) => {
            transaction.set_intent(Arc::as_ref(row), intent);
        }
        None => {
            let ids = store.reserve_ids(Kind::Setting, 1).await?;
            transaction.insert::<Setting>(Id::new(ids.start), PROBE.to_owned(), intent);
        }
    }
    store.commit(transaction).await.map(drop)
}

#[cfg(test)]
mod tests;
