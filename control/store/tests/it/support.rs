//! Databases to test on, each for one test alone.

use std::path::Path;

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
        Self::Postgres(Box::new(TestDatabase::from_template(Cluster::get().await).await))
    }

    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::Sqlite(_))
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
