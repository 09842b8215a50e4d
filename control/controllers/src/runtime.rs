//! The runtime under the controllers.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract_values::{Duration, Timestamp};
use control_model::{Clock, Kind, Random, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::{Change, CommitError, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::place::PlacementLocks;
use crate::queue::{Queue, Wakes};
use crate::status::{Board, LastRun, Outcome, Why};
use crate::{Controller, Planner};

/// How many keys of one controller are visited side by side.
const SIDE_BY_SIDE: usize = 8;
/// How often a visit may be overtaken before it waits a little.
const OVERTAKEN_AT_ONCE: u32 = 8;
/// The first delay after a failure; it doubles up to [`LONGEST_DELAY`].
const FIRST_DELAY: Duration = Duration::millis(100);
const LONGEST_DELAY: Duration = Duration::seconds(30);
/// How often all keys are visited.
const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(4 * 3600);

/// What controllers work with.
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: Settings,
    pub(crate) planner: Arc<dyn Planner>,
    pub(crate) locks: PlacementLocks,
}

/// Why a visit came to nothing.
enum Trouble {
    Overtaken,
    Failed(CommitError),
}

/// A visit that has ended: of which key, why it was made, what came of it.
type Ended<K> = (K, Why, Result<Visit, Trouble>);

struct Visit {
    outcome: Outcome,
    wake: Option<Timestamp>,
    waits_for_room: bool,
}

/// One controller with its queue.
pub(crate) struct Loop<C: Controller> {
    context: Arc<Context>,
    queue: Arc<Queue<C::Key>>,
    board: Arc<Board>,
    troubles: BTreeMap<C::Key, u32>,
}

impl<C: Controller> Loop<C> {
    pub(crate) fn new(context: Arc<Context>, board: Arc<Board>) -> Self {
        Self { context, queue: Arc::new(Queue::new()), board, troubles: BTreeMap::new() }
    }

    pub(crate) fn queue(&self) -> Arc<Queue<C::Key>> {
        self.queue.clone()
    }

    /// Runs until it is stopped; runs under way are finished.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut visits: JoinSet<Ended<C::Key>> = JoinSet::new();
        let mut sweep = tokio::time::interval_at(tokio::time::Instant::now() + SWEEP_EVERY, SWEEP_EVERY);
        loop {
            let mut alarm = None;
            while visits.len() < SIDE_BY_SIDE {
                match self.queue.take(self.context.clock.now()) {
                    Ok((key, why)) => {
                        let context = self.context.clone();
                        visits.spawn(async move { (key, why, visit::<C>(&context, key).await) });
                    }
                    Err(next) => {
                        alarm = next;
                        break;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = visits.join_next() => self.ended(ended),
                () = self.queue.nudged() => {}
                () = sleep_until(self.context.clock.as_ref(), alarm) => {}
                _ = sweep.tick() => self.queue.wake(C::keys(&self.context.store.snapshot()), Why::Sweep),
            }
        }
        while let Some(ended) = visits.join_next().await {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<Ended<C::Key>, tokio::task::JoinError>) {
        let (key, why, result) = match ended {
            Ok(ended) => ended,
            Err(panic) => {
                // The key stays marked as running, so that a plan that panics does not do so for ever.
                error!(controller.name = C::NAME, "a visit ended in a fault: {panic}");
                return;
            }
        };
        let now = self.context.clock.now();
        let outcome = match result {
            Ok(visit) => {
                self.troubles.remove(&key);
                self.queue.done(key, visit.wake, visit.waits_for_room);
                visit.outcome
            }
            Err(trouble) => {
                let times = self.troubles.entry(key).or_default();
                *times += 1;
                let (outcome, free) = match trouble {
                    Trouble::Overtaken => (Outcome::Overtaken, OVERTAKEN_AT_ONCE),
                    Trouble::Failed(error) => {
                        warn!(controller.name = C::NAME, "could not write a decision on {key}: {error}");
                        (Outcome::Failed(error.to_string()), 0)
                    }
                };
                if *times <= free {
                    self.queue.wake([key], Why::Again);
                    self.queue.done(key, None, false);
                } else {
                    let doubled = FIRST_DELAY.0 << (*times - free - 1).min(12);
                    self.queue.done(key, Some(now + Duration(doubled.min(LONGEST_DELAY.0))), false);
                }
                outcome
            }
        };
        if why == Why::Sweep && matches!(outcome, Outcome::Wrote(_)) {
            warn!(controller.name = C::NAME, "the sweep found work on {key} that no change had told of");
        }
        let (waiting, _) = self.queue.lengths();
        self.board.note(LastRun { key: key.to_string(), at: now, why, outcome }, waiting);
    }
}

/// Load, decide, apply.
async fn visit<C: Controller>(context: &Context, key: C::Key) -> Result<Visit, Trouble> {
    let plan = decide::<C>(context, key).await?;
    let (plan, _turn) = if plan.places && !plan.tx.is_empty() {
        // Decide again when it is our turn: the room may be gone.
        let turn = context.locks.turn().await;
        (decide::<C>(context, key).await?, Some(turn))
    } else {
        (plan, None)
    };
    let Plan { tx, wake, waits_for_room, places: _ } = plan;
    if tx.is_empty() {
        return Ok(Visit { outcome: Outcome::Nothing, wake, waits_for_room });
    }
    let writes = tx.writes.len();
    match context.store.commit(tx).await {
        Ok(_) => {
            debug!(controller.name = C::NAME, writes, "decided on {key}");
            Ok(Visit { outcome: Outcome::Wrote(writes), wake, waits_for_room })
        }
        Err(CommitError::Refused(refused)) => {
            debug!(controller.name = C::NAME, "a decision on {key} was overtaken: {refused}");
            Err(Trouble::Overtaken)
        }
        Err(error @ (CommitError::Unavailable { .. } | CommitError::Fenced)) => Err(Trouble::Failed(error)),
    }
}

async fn decide<C: Controller>(context: &Context, key: C::Key) -> Result<Plan, Trouble> {
    let mut supply = Supply::default();
    loop {
        let tables = context.store.snapshot();
        let settings = context.settings.stored(&tables);
        match C::plan(context.planner.as_ref(), &tables, &settings, context.clock.now(), key, &mut supply) {
            Ok(plan) => return Ok(plan),
            Err(demand) => supply = fill(context, demand).await?,
        }
    }
}

async fn fill(context: &Context, demand: Demand) -> Result<Supply, Trouble> {
    let Demand { containers, volumes } = demand;
    let reserve = async |kind, count| match count {
        0 => Ok(0..0),
        _ => context.store.reserve_ids(kind, count).await.map_err(Trouble::Failed),
    };
    let containers = reserve(Kind::Container, containers).await?;
    let volumes = reserve(Kind::Volume, volumes).await?;
    let uuids = (0..demand.uuids()).map(|_| context.random.uuid()).collect();
    Ok(Supply::new(containers, volumes, uuids))
}

async fn sleep_until(clock: &dyn Clock, alarm: Option<Timestamp>) {
    match alarm {
        // A clock that was set back must not put an alarm off for hours, so it is asked again now and then.
        Some(at) => {
            tokio::time::sleep(at.since(clock.now()).to_std().min(std::time::Duration::from_secs(60))).await
        }
        None => std::future::pending().await,
    }
}

type Waker = Box<dyn Fn(&Tables, &Tables, &[Change]) + Send + Sync>;
type WakeAll = Box<dyn Fn(&Tables, Why) + Send + Sync>;

/// Reads the change feed and wakes keys.
pub(crate) struct Feed {
    wakers: Vec<Waker>,
    wake_all: Vec<WakeAll>,
}

impl Feed {
    pub(crate) const fn new() -> Self {
        Self { wakers: Vec::new(), wake_all: Vec::new() }
    }

    pub(crate) fn add<C: Controller>(&mut self, queue: Arc<Queue<C::Key>>) {
        let all = queue.clone();
        self.wake_all.push(Box::new(move |tables, why| all.wake(C::keys(tables), why)));
        self.wakers.push(Box::new(move |before, after, changes| {
            let mut wakes = Wakes::new();
            for change in changes {
                C::wakes(before, after, change, &mut wakes);
            }
            if wakes.wants_all() {
                queue.wake(C::keys(after), Why::Change);
            }
            queue.take_wakes(wakes);
        }));
    }

    /// Runs until it is stopped.
    pub(crate) async fn run(self, context: Arc<Context>, stop: CancellationToken) {
        let mut why = Why::Start;
        loop {
            let mut watch = context.store.watch();
            let mut before = watch.tables();
            for wake_all in &self.wake_all {
                wake_all(&before, why);
            }
            loop {
                let next = tokio::select! {
                    () = stop.cancelled() => return,
                    next = watch.next() => next,
                };
                let Ok(changes) = next else {
                    info!("the controllers fell behind the change feed and look at everything again");
                    break;
                };
                for waker in &self.wakers {
                    waker(&before, &changes.tables, &changes.changes);
                }
                before = changes.tables;
            }
            why = Why::Again;
        }
    }
}
