#![allow(clippy::unwrap_used, reason = "tests may panic")]

use control_store::{MemoryDatabase, MemoryFault, MemoryStep, StoreOptions};

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

async fn open(database: &MemoryDatabase) -> Store {
    Store::open_memory(database, StoreOptions::default()).await.unwrap()
}

async fn later(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_database_takes_writes_is_ready() {
    let database = MemoryDatabase::new();
    let store = open(&database).await;
    let readiness = Readiness::default();
    assert_eq!(readiness.check(&store, NOW).await, Ok(()));
    let first = store.snapshot().revision;
    // Many who ask cost one question, and a question writes nothing while all is well.
    for _ in 0..1000 {
        assert_eq!(readiness.check(&store, NOW).await, Ok(()));
    }
    later(2).await;
    assert_eq!(readiness.check(&store, NOW).await, Ok(()));
    assert_eq!(store.snapshot().revision, first);
    later(61).await;
    assert_eq!(readiness.check(&store, NOW).await, Ok(()));
    assert!(store.snapshot().revision > first, "now and then it writes for real");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_refuses_writes_is_told_and_so_is_its_recovery() {
    let database = MemoryDatabase::new();
    let store = open(&database).await;
    let readiness = Readiness::default();
    assert_eq!(readiness.check(&store, NOW).await, Ok(()));
    database.set_faults(|step| match step {
        MemoryStep::Commit => MemoryFault::Refuse,
        MemoryStep::Load | MemoryStep::Begin | MemoryStep::CatchUp | MemoryStep::Reserve => MemoryFault::None,
    });
    later(61).await;
    let reason = readiness.check(&store, NOW).await.unwrap_err();
    assert!(reason.contains("the database cannot be written"), "{reason}");
    later(2).await;
    assert!(readiness.check(&store, NOW).await.is_err(), "an empty transaction would have succeeded");
    database.clear_faults();
    later(2).await;
    assert_eq!(readiness.check(&store, NOW).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_silent_is_told_in_time_and_asked_once() {
    let database = MemoryDatabase::new();
    let store = open(&database).await;
    let readiness = Readiness::default();
    assert_eq!(readiness.check(&store, NOW).await, Ok(()));
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    database.set_faults(move |step| {
        if step == MemoryStep::Begin {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        MemoryFault::Delay(contract_values::Duration::seconds(3600))
    });
    for _ in 0..5 {
        later(2).await;
        let start = Instant::now();
        let reason = readiness.check(&store, NOW).await.unwrap_err();
        assert!(reason.contains("has not answered"), "{reason}");
        assert!(start.elapsed() <= PATIENCE + Duration::from_millis(10));
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_closed_store_is_not_ready() {
    let store = open(&MemoryDatabase::new()).await;
    store.close().await;
    let reason = Readiness::default().check(&store, NOW).await.unwrap_err();
    assert!(reason.contains("closed"), "{reason}");
}
