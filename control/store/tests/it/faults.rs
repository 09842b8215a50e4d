//! The database in memory with faults, on a clock that stands still: what the simulation relies on.

use std::collections::BTreeSet;

use contract_values::{Duration, Revision};
use control_store::{CommitError, MemoryDatabase, MemoryFault, MemoryStep, Store, StoreOptions};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::suite::insert;
use crate::support::assert_same;

async fn open(database: &MemoryDatabase) -> Store {
    Store::open_memory(database, StoreOptions::default()).await.unwrap()
}

fn once(database: &MemoryDatabase, at: MemoryStep, fault: MemoryFault) {
    let mut fault = Some(fault);
    database.set_faults(move |step| match step == at {
        true => fault.take().unwrap_or(MemoryFault::None),
        false => MemoryFault::None,
    });
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_up() {
    for written in [true, false] {
        let database = MemoryDatabase::new();
        let store = open(&database).await;
        once(&database, MemoryStep::Commit, MemoryFault::Disconnect { written });
        // Where it was not written, it is written again.
        store.commit(insert(1, "a", 1)).await.unwrap();
        assert_eq!(database.tables().revision, Revision(1));
        assert_same(&store.snapshot(), &database.tables());
        store.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_database_writes_nothing() {
    let database = MemoryDatabase::new();
    let store = open(&database).await;
    for step in [MemoryStep::Begin, MemoryStep::Commit] {
        once(&database, step, MemoryFault::Refuse);
        let error = store.commit(insert(1, "a", 1)).await.unwrap_err();
        assert!(matches!(error, CommitError::Unavailable { outcome_unknown: false, .. }), "{error:?}");
        assert!(store.snapshot().stacks.is_empty() && database.tables().stacks.is_empty());
    }
    store.commit(insert(1, "a", 1)).await.unwrap();
    store.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_leaves_all_or_nothing() {
    for written in [true, false] {
        let database = MemoryDatabase::new();
        let store = open(&database).await;
        once(&database, MemoryStep::Commit, MemoryFault::Crash { written });
        let error = store.commit(insert(1, "a", 1)).await.unwrap_err();
        assert!(matches!(error, CommitError::Unavailable { outcome_unknown: true, .. }), "{error:?}");
        let error = store.commit(insert(2, "b", 1)).await.unwrap_err();
        assert!(matches!(error, CommitError::Unavailable { outcome_unknown: false, .. }), "{error:?}");
        store.close().await;
        let store = open(&database).await;
        assert_eq!(store.snapshot().stacks.len(), usize::from(written));
        store.close().await;
    }
}

/// What a run came to: the revisions and ids of what was done, to compare two runs of one seed.
async fn run(seed: u64) -> Vec<String> {
    let database = MemoryDatabase::new();
    let mut random = SmallRng::seed_from_u64(seed);
    let mut faults = SmallRng::seed_from_u64(seed + 1);
    database.set_faults(move |_| match faults.random_range(0..40) {
        0 => MemoryFault::Refuse,
        1 => MemoryFault::Disconnect { written: faults.random() },
        2 => MemoryFault::Delay(Duration::millis(faults.random_range(1..5000))),
        3 if faults.random_ratio(1, 4) => MemoryFault::Crash { written: faults.random() },
        _ => MemoryFault::None,
    });
    let mut log = Vec::new();
    let (mut done, mut not_done) = (BTreeSet::new(), BTreeSet::new());
    let mut id = 0;
    for _server in 0..10 {
        let options = StoreOptions { keep_changes: 50, ..StoreOptions::default() };
        let Ok(store) = Store::open_memory(&database, options).await else { continue };
        for _ in 0..20 {
            let commits = (0..random.random_range(1..8)).map(|_| {
                id += 1;
                let commit = store.commit(insert(id, &format!("s{id}"), id));
                async move { (id, commit.await) }
            });
            for (id, result) in futures_util::future::join_all(commits).await {
                log.push(format!(
                    "{id} {:?}",
                    result.as_ref().map(|done| done.revision).map_err(ToString::to_string)
                ));
                match result {
                    Ok(_) => {
                        assert!(store.snapshot().stacks.get_raw(id).is_some());
                        done.insert(id);
                    }
                    Err(CommitError::Unavailable { outcome_unknown: true, .. }) => {}
                    Err(CommitError::Unavailable { .. }) => {
                        not_done.insert(id);
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        store.close().await;
    }
    database.clear_faults();
    let store = open(&database).await;
    let there: BTreeSet<_> = store.snapshot().stacks.iter().map(|row| row.id.raw()).collect();
    assert!(done.is_subset(&there), "seed {seed}: acknowledged and lost: {:?}", done.difference(&there));
    assert!(not_done.is_disjoint(&there), "seed {seed}: {:?}", not_done.intersection(&there));
    assert_eq!(store.snapshot().revision.0 as usize, there.len(), "seed {seed}");
    assert_same(&store.snapshot(), &database.tables());
    store.close().await;
    log
}

#[test]
fn seeds_tell_the_same_story_twice_and_lose_nothing() {
    let story = |seed| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(seed))
    };
    for seed in 0..50 {
        assert_eq!(story(seed), story(seed), "seed {seed}");
    }
}
