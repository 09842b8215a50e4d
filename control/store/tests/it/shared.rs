//! Several servers on one database.

use contract_values::{Duration, Revision};
use control_model::Kind;
use control_store::{CommitError, Lagged, StoreOptions};

use crate::cluster::{Cluster, TestDatabase};
use crate::suite::{insert, intent, stack};
use crate::support::{Place, assert_same, until};

macro_rules! on_shared_engines {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::Place::memory()).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::Place::postgres().await).await; })*
        }
    };
}
on_shared_engines!(
    each_sees_what_the_other_writes,
    both_write_at_once_and_agree,
    who_missed_too_much_lists_again,
    the_purge_of_one_reaches_the_other,
    an_old_copy_in_the_place_of_the_database_is_noticed,
);

async fn each_sees_what_the_other_writes(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    assert!(two.epoch() > one.epoch());
    let mut watch = two.watch();
    one.commit(insert(1, "a", 1)).await.unwrap();
    let changes = watch.next().await.unwrap();
    assert_eq!((changes.changes[0].revision, changes.tables.stacks.len()), (Revision(1), 1));
    // A commit knows all that was written before, nudge or no nudge.
    let error = two.commit(insert(2, "A", 1)).await.unwrap_err();
    assert!(matches!(error, CommitError::Refused(_)), "{error:?}");
    let mut tx = control_model::Transaction::new(contract_values::Timestamp(2));
    tx.set_intent(&stack(&two, 1), intent("b"));
    two.commit(tx).await.unwrap();
    one.commit(insert(2, "a", 3)).await.unwrap();
    assert_eq!(stack(&one, 1).intent.name, "b");
    one.close().await;
    two.close().await;
}

async fn both_write_at_once_and_agree(place: Place) {
    let stores = [place.open().await, place.open().await, place.open().await];
    let mut watch = stores[0].watch();
    let mut tasks = Vec::new();
    for id in 1..=150 {
        let store = stores[id as usize % 3].clone();
        tasks.push(tokio::spawn(async move {
            let ids = store.reserve_ids(Kind::Stack, 1).await.unwrap();
            store.commit(insert(ids.start, &format!("s{}", id % 100), 1)).await.is_ok()
        }));
    }
    let mut done = 0;
    for task in tasks {
        done += u64::from(task.await.unwrap());
    }
    assert_eq!(done, 100);
    let mut seen = Vec::new();
    while seen.len() < 100 {
        seen.extend(watch.next().await.unwrap().changes.iter().map(|change| change.revision.0));
    }
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    for store in &stores {
        until(store, "the last revision", |tables| tables.revision == Revision(100)).await;
        assert_same(&store.snapshot(), &stores[0].snapshot());
    }
    for store in &stores {
        store.close().await;
    }
    let store = place.open().await;
    assert_same(&store.snapshot(), &stores[0].snapshot());
    store.close().await;
}

async fn who_missed_too_much_lists_again(place: Place) {
    let options = StoreOptions { keep_changes: 10, ..StoreOptions::default() };
    let one = place.open_with(options).await;
    // Commits so many in one batch that the feed is cut before the other can look.
    let two = place.open().await;
    let mut watch = two.watch();
    for first in [1, 301] {
        let mut tx = control_model::Transaction::new(contract_values::Timestamp(1));
        for id in first..first + 300 {
            let write = insert(id, &format!("s{id}"), 1);
            tx.writes.extend(write.writes);
        }
        one.commit(tx).await.unwrap();
    }
    let lagged = async {
        loop {
            if watch.next().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), lagged).await.unwrap();
    until(&two, "the whole picture", |tables| tables.revision == Revision(600)).await;
    assert_same(&one.snapshot(), &two.snapshot());
    one.close().await;
    two.close().await;
}

async fn the_purge_of_one_reaches_the_other(place: Place) {
    let options = StoreOptions { keep_removed_for: Duration::millis(10), ..StoreOptions::default() };
    let one = place.open_with(options.clone()).await;
    let two = place.open_with(options).await;
    one.commit(insert(1, "a", 1)).await.unwrap();
    let mut tx = control_model::Transaction::new(contract_values::Timestamp(2));
    tx.finish_removal(&stack(&one, 1));
    one.commit(tx).await.unwrap();
    two.commit(insert(2, "b", 20)).await.unwrap();
    assert!(two.snapshot().stacks.get_raw(1).is_none());
    one.commit(insert(3, "c", 21)).await.unwrap();
    assert!(one.snapshot().stacks.get_raw(1).is_none());
    let last = one.snapshot().revision;
    until(&two, "the same picture", |tables| tables.revision == last).await;
    assert_same(&one.snapshot(), &two.snapshot());
    one.close().await;
    two.close().await;
}

async fn an_old_copy_in_the_place_of_the_database_is_noticed(place: Place) {
    let store = place.open().await;
    store.commit(insert(1, "a", 1)).await.unwrap();
    let backup = match &place {
        Place::Memory(database) => Some(database.copy()),
        Place::Sqlite(_) | Place::Postgres(_) => None,
    };
    store.commit(insert(2, "b", 1)).await.unwrap();
    match (&place, backup) {
        (Place::Memory(database), Some(backup)) => database.restore(&backup),
        (Place::Postgres(database), _) => {
            let restore = "DELETE FROM stack WHERE id > 1; DELETE FROM change WHERE revision > 1; \
                DELETE FROM batch WHERE revision > 1; UPDATE sequence SET revision = 1";
            database.client().await.batch_execute(restore).await.unwrap();
        }
        _ => unreachable!("a file has one server"),
    }
    for _ in 0..2 {
        let error = store.commit(insert(4, "d", 1)).await.unwrap_err();
        assert!(matches!(error, CommitError::Fenced), "{error:?}");
    }
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.snapshot().stacks.len(), 1);
    store.commit(insert(4, "d", 1)).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_nudge_is_made_up_for() {
    let place = Place::postgres().await;
    let store = place.open_with(StoreOptions { poll: Duration::millis(50), ..StoreOptions::default() }).await;
    store.commit(insert(1, "a", 1)).await.unwrap();
    let Place::Postgres(database) = &place else { unreachable!() };
    // What another server does, but for the notification.
    let client = database.client().await;
    let write = "BEGIN; SELECT * FROM sequence FOR UPDATE; \
        UPDATE stack SET revision = 2, generation = 7 WHERE id = 1; \
        INSERT INTO change VALUES (2, 'stack', 1, 5); \
        UPDATE sequence SET revision = 2, batch_epoch = 99; COMMIT";
    client.batch_execute(write).await.unwrap();
    until(&store, "the write of the other", |tables| {
        tables.stacks.get_raw(1).is_some_and(|row| row.generation.0 == 7)
    })
    .await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_differs_is_repaired() {
    let place = Place::postgres().await;
    let store = place.open().await;
    for id in 1..=2 {
        store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
    }
    let Place::Postgres(database) = &place else { unreachable!() };
    // Somebody writes by hand and leaves no entry in the feed.
    let client = database.client().await;
    client.batch_execute("UPDATE stack SET revision = 77, generation = 7 WHERE id = 1").await.unwrap();
    let mut tx = control_model::Transaction::new(contract_values::Timestamp(2));
    tx.ask_removal(&stack(&store, 1));
    let mut watch = store.watch();
    store.commit(tx).await.unwrap();
    assert_eq!((stack(&store, 1).generation.0, stack(&store, 1).revision), (7, Revision(3)));
    assert_eq!(watch.next().await.unwrap_err(), Lagged);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_may_bring_the_schema_up_to_date_at_once() {
    let database = TestDatabase::empty(Cluster::get().await).await;
    let opens = (0..4).map(|_| control_store::Store::open(&database.url, StoreOptions::default()));
    let mut epochs = Vec::new();
    for opened in futures_util::future::join_all(opens).await {
        let store = opened.unwrap();
        epochs.push(store.epoch().0);
        store.close().await;
    }
    epochs.sort_unstable();
    assert!(epochs.is_sorted_by(|one, two| one < two), "each server has a term of its own: {epochs:?}");
    // A copy restored from a backup begins above whatever agents have seen, because its term is not below the clock.
    assert!(epochs[0] > 1_700_000_000, "{epochs:?}");
}
