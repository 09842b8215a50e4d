//! A server: store, dispatch and controllers over a database that outlives it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract_values::HostId;
use control_controllers::{Controllers, Planner};
use control_dispatch::{Dispatch, DispatchOptions};
use control_plan::Settings;
use control_store::{MemoryDatabase, MemoryFault, Store, StoreOptions};
use tokio::io::DuplexStream;
use tokio_util::task::TaskTracker;

use super::chance::{Chance, SimClock};
use super::net::Accept;

/// The longest that a stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(120);

/// A running server.
pub(super) struct Server {
    pub store: Store,
    pub dispatch: Dispatch,
    pub controllers: Controllers,
    calls: TaskTracker,
}

impl Server {
    /// Starts one; waits while the database does not let it.
    pub async fn boot(
        database: &MemoryDatabase,
        clock: SimClock,
        chance: &Chance,
        settings: Settings,
        planner: Arc<dyn Planner>,
    ) -> Self {
        let (store, dispatch) = loop {
            match Self::try_boot(database, clock, chance).await {
                Some(pair) => break pair,
                None => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        };
        let random = Arc::new(chance.fork());
        let controllers = Controllers::start_with(store.clone(), Arc::new(clock), random, settings, planner);
        Self { store, dispatch, controllers, calls: TaskTracker::new() }
    }

    async fn try_boot(
        database: &MemoryDatabase,
        clock: SimClock,
        chance: &Chance,
    ) -> Option<(Store, Dispatch)> {
        let store = Store::open_memory(database, StoreOptions::default()).await.ok()?;
        let random = Arc::new(chance.fork());
        let options = DispatchOptions::default();
        match Dispatch::start(store.clone(), Arc::new(clock), random, options).await {
            Ok(dispatch) => Some((store, dispatch)),
            Err(_) => {
                store.close().await;
                None
            }
        }
    }

    /// The door for agents.
    pub fn door(&self) -> Arc<dyn Accept> {
        Arc::new(Door { dispatch: self.dispatch.clone(), calls: self.calls.clone() })
    }

    /// Ends it as `kill -9` does: whatever it writes from now on is lost, but for a commit under way, which takes
    /// effect or does not.
    pub async fn kill(self, database: &MemoryDatabase, commit_under_way_takes_effect: bool) {
        database.set_faults(move |_| MemoryFault::Crash { written: commit_under_way_takes_effect });
        self.stop().await;
        database.clear_faults();
    }

    async fn stop(self) {
        let Self { store, dispatch, controllers, calls } = self;
        calls.close();
        let all = async {
            tokio::join!(controllers.shutdown(), dispatch.shutdown());
            drop(dispatch);
            store.close().await;
            calls.wait().await;
        };
        if tokio::time::timeout(STOP_LIMIT, all).await.is_err() {
            panic!("the server did not stop within {STOP_LIMIT:?}");
        }
    }
}

struct Door {
    dispatch: Dispatch,
    calls: TaskTracker,
}

impl Accept for Door {
    fn accept(&self, host: HostId, remote: SocketAddr, io: DuplexStream) {
        let dispatch = self.dispatch.clone();
        self.calls.spawn(async move { dispatch.serve(host, remote, io).await });
    }
}
