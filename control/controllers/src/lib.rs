//! The loops of the control plane.
//!
//! A controller is load, decide, apply: it takes a picture, asks a pure function of `control-plan` for a
//! [`control_plan::Plan`], and commits it. It gets a key and nothing else, so it cannot depend on having seen an event, and the
//! path after a crash is the everyday path. A commit that is refused because the world has moved on is no error: it runs
//! again.
//!
//! The small runtime under them keeps one run for each key, folds repeated wake-ups, runs different keys side by side,
//! wakes a key when its plan asked for it, and retries with a delay that grows when the store cannot be written. Now
//! and then it visits every key to count what the feed missed; that count stays zero. [`Controllers::status`]
//! tells an operator what each controller did last.
//!
//! No controller sleeps, spawns or talks to hosts.

mod container;
mod credential;
mod field;
mod host;
mod place;
mod planner;
mod project;
mod queue;
mod runtime;
mod service;
mod stack;
mod status;
mod volume;

use std::sync::Arc;

use control_model::{Clock, Random};
use control_plan::Settings;
use control_store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use field::Field;
pub use planner::{ControlPlan, Planner};
pub use status::{ControllerStatus, LastRun, Outcome, Why};

use place::PlacementLocks;
use runtime::{Context, Feed, Loop};

/// A loop that looks after the objects of one kind.
pub(crate) trait Controller: Send + Sync + Sized + 'static {
    /// Its name, for operators.
    const NAME: &'static str;
    /// What it writes. No two controllers share one.
    const WRITES: &'static [Field];
    /// What names an object that it looks after.
    type Key: Copy + Ord + std::fmt::Display + std::fmt::Debug + Send + Sync + 'static;

    /// All keys that there are.
    fn keys(tables: &control_model::Tables) -> Vec<Self::Key>;

    /// The keys that a change of a row may concern. Too many cost work; too few would be a fault.
    fn wakes(
        before: &control_model::Tables,
        after: &control_model::Tables,
        change: &control_store::Change,
        wake: &mut queue::Wakes<Self::Key>,
    );

    /// Decides.
    fn plan(
        planner: &dyn Planner,
        tables: &control_model::Tables,
        settings: &Settings,
        now: contract_values::Timestamp,
        key: Self::Key,
        supply: &mut control_plan::Supply,
    ) -> Result<control_plan::Plan, control_plan::Demand>;
}

/// All controllers of a server, running.
#[derive(Debug)]
pub struct Controllers {
    stop: CancellationToken,
    tasks: TaskTracker,
    statuses: Vec<Arc<status::Board>>,
}

impl Controllers {
    /// Starts them: each visits all of its keys once and then what changes.
    pub fn start(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>, settings: Settings) -> Self {
        Self::start_with(store, clock, random, settings, Arc::new(ControlPlan))
    }

    /// Starts them with another source of decisions.
    pub fn start_with(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        settings: Settings,
        planner: Arc<dyn Planner>,
    ) -> Self {
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let context =
            Arc::new(Context { store, clock, random, settings, planner, locks: PlacementLocks::default() });
        let mut feed = Feed::new();
        let mut statuses = Vec::new();
        add::<project::ProjectController>(&context, &stop, &tasks, &mut feed, &mut statuses);
        add::<stack::StackController>(&context, &stop, &tasks, &mut feed, &mut statuses);
        add::<service::ServiceController>(&context, &stop, &tasks, &mut feed, &mut statuses);
        add::<container::ContainerController>(&context, &stop, &tasks, &mut feed, &mut statuses);
        add::<host::HostController>(&context, &stop, &tasks, &mut feed, &mut statuses);
        add::<volume::VolumeController>(&context, &stop, &tasks, &mut feed, &mut statuses);
        add::<credential::CredentialController>(&context, &stop, &tasks, &mut feed, &mut statuses);
        tasks.spawn(feed.run(context, stop.clone()));
        tasks.close();
        Self { stop, tasks, statuses }
    }

    /// What each controller did last.
    pub fn status(&self) -> Vec<ControllerStatus> {
        self.statuses.iter().map(|board| board.status()).collect()
    }

    /// Ends them and waits until they have. A commit under way is finished.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

fn add<C: Controller>(
    context: &Arc<Context>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
    feed: &mut Feed,
    statuses: &mut Vec<Arc<status::Board>>,
) {
    let board = Arc::new(status::Board::new(C::NAME, C::WRITES));
    let controller = Loop::<C>::new(context.clone(), board.clone());
    feed.add::<C>(controller.queue());
    tasks.spawn(controller.run(stop.clone()));
    statuses.push(board);
}

#[cfg(test)]
mod tests;
