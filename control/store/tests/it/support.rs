//! Databases to test on, each for one test alone.

use std::path::Path;
use std::sync::Arc;

use control_model::{Kind, Object, Table, Tables};
use control_store::{MemoryDatabase, Store, StoreOptions};

use crate::cluster::{Cluster, TestDatabase};

/// A database of some engine.
pub enum Place {
    Memory(MemoryDatabase),
    Sqlite(tempfile::TempDir),
    Postgres(Box<TestDatabase>),
}

impl Place {
    pub fn memory() -> Self {
        Self::Memory(MemoryDatabase::new())
    }

    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub async fn postgres() -> Self {
        Self::postgres_on(Cluster::get().await).await
    }

    pub async fn postgres_on(cluster: Arc<Cluster>) -> Self {
        Self::Postgres(Box::new(TestDatabase::from_template(cluster).await))
    }

    pub fn url(&self) -> String {
        match self {
            Self::Memory(_) => panic!("memory has no address"),
            Self::Sqlite(directory) => sqlite_url(directory.path()),
            Self::Postgres(database) => database.url.clone(),
        }
    }

    pub async fn open(&self) -> Store {
        self.open_with(StoreOptions::default()).await
    }

    pub async fn open_with(&self, options: StoreOptions) -> Store {
        match self {
            Self::Memory(database) => Store::open_memory(database, options).await.unwrap(),
            Self::Sqlite(_) | Self::Postgres(_) => Store::open(&self.url(), options).await.unwrap(),
        }
    }
}

pub fn sqlite_url(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("lariat.db").display())
}

/// Waits until a store's picture is as it shall be, looking again at each change that its feed tells.
pub async fn until(store: &Store, what: &str, mut condition: impl FnMut(&Tables) -> bool) {
    let wait = async {
        loop {
            // Taken before looking, so that no change falls between.
            let mut watch = store.watch();
            if condition(&store.snapshot()) {
                return;
            }
            // Lagging is news too.
            let _ = watch.next().await;
        }
    };
    let limit = std::time::Duration::from_secs(60);
    if tokio::time::timeout(limit, wait).await.is_err() {
        panic!("{what} did not come; last: {:?}", store.snapshot());
    }
}

/// Demands that two pictures are the same: all rows, the revision, and the unique texts that are held.
pub fn assert_same(left: &Tables, right: &Tables) {
    fn table<O: Object>(left: &Table<O>, right: &Table<O>) {
        let rows = |table: &Table<O>| table.iter().map(|row| row.id.raw()).collect::<Vec<_>>();
        assert_eq!(rows(left), rows(right));
        for (left, right) in left.iter().zip(right.iter()) {
            assert_eq!(left, right);
        }
    }
    assert_eq!(left.revision, right.revision);
    table(&left.accounts, &right.accounts);
    table(&left.credentials, &right.credentials);
    table(&left.projects, &right.projects);
    table(&left.members, &right.members);
    table(&left.settings, &right.settings);
    table(&left.hosts, &right.hosts);
    table(&left.stacks, &right.stacks);
    table(&left.services, &right.services);
    table(&left.containers, &right.containers);
    table(&left.volumes, &right.volumes);
    for row in left.stacks.live() {
        let unique = row.keys().unique.unwrap();
        assert_eq!(left.unique_holder(Kind::Stack, &unique), right.unique_holder(Kind::Stack, &unique));
    }
}

/// Makes one test for each engine out of a function that takes a place.
#[macro_export]
macro_rules! on_all_engines {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::Place::memory()).await; })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::Place::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::Place::postgres().await).await; })*
        }
    };
}
