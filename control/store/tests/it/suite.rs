//! What holds on every engine.

use std::collections::BTreeSet;

use contract_values::{Duration, ProjectId, Revision, StackId, Timestamp};
use control_model::{Account, AccountIntent, Kind, Refused, Row, Stack, StackIntent, Transaction};
use control_store::{CommitError, HistoryError, Lagged, Store, StoreOptions};

use crate::support::Place;

crate::on_all_engines!(
    all_is_there_after_reopening,
    one_of_many_gets_the_name,
    a_watch_misses_nothing,
    a_slow_reader_is_cut_off,
    the_feed_is_cut_by_count,
    the_feed_is_cut_by_age,
    removed_rows_go_for_good,
    removed_rows_are_no_more_than_so_many,
    texts_may_be_swapped,
    ids_are_given_once,
    conditions_are_checked,
    a_closed_store_takes_nothing,
    strange_texts_survive,
);

pub fn intent(name: &str) -> StackIntent {
    StackIntent { project: Some(ProjectId::new(1)), name: name.into(), ..Default::default() }
}

pub fn insert(id: i64, name: &str, now: i64) -> Transaction {
    let mut tx = Transaction::new(Timestamp(now));
    tx.insert::<Stack>(StackId::new(id), format!("uuid-{id}"), intent(name));
    tx
}

pub fn stack(store: &Store, id: i64) -> Row<Stack> {
    Row::clone(store.snapshot().stacks.get_raw(id).unwrap())
}

async fn all_is_there_after_reopening(place: Place) {
    let store = place.open().await;
    let epoch = store.epoch();
    for id in store.reserve_ids(Kind::Stack, 3).await.unwrap() {
        store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
    }
    let mut tx = Transaction::new(Timestamp(2));
    tx.set_intent(&stack(&store, 1), intent("renamed"));
    tx.finish_removal(&stack(&store, 3));
    let done = store.commit(tx).await.unwrap();
    assert_eq!((done.revision, done.rows.len()), (Revision(5), 2));
    let before = store.snapshot();
    store.close().await;
    let store = place.open().await;
    assert!(store.epoch() > epoch);
    assert_eq!(store.snapshot().revision, before.revision);
    let rows = |tables: &control_model::Tables| tables.stacks.iter().cloned().collect::<Vec<_>>();
    assert_eq!(rows(&store.snapshot()), rows(&before));
    assert!(store.snapshot().stacks.by_unique("1/renamed").is_some());
    assert!(store.snapshot().stacks.by_unique("1/s3").is_none());
    assert_eq!(store.reserve_ids(Kind::Stack, 1).await.unwrap(), 4..5);
    store.close().await;
}

async fn one_of_many_gets_the_name(place: Place) {
    let store = place.open().await;
    let mut tasks = Vec::new();
    for id in 1..=200 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.commit(insert(id, &format!("s{}", id % 10), 1)).await }));
    }
    let (mut done, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(CommitError::Refused(Refused::NotUnique { .. })) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((done, refused), (10, 190));
    assert_eq!((store.snapshot().stacks.len(), store.snapshot().revision), (10, Revision(10)));
    let feed = store.history(Revision(0), 100).await.unwrap();
    assert_eq!(feed.iter().map(|change| change.revision.0).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    store.close().await;
}

async fn a_watch_misses_nothing(place: Place) {
    let store = place.open().await;
    store.commit(insert(1000, "first", 1)).await.unwrap();
    let mut watch = store.watch();
    assert_eq!(watch.tables().revision, Revision(1));
    let mut tasks = Vec::new();
    for id in 1..=100 {
        let store = store.clone();
        tasks
            .push(tokio::spawn(async move { store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap() }));
    }
    let mut seen = Vec::new();
    while seen.len() < 100 {
        let changes = watch.next().await.unwrap();
        assert_eq!(changes.tables.revision, changes.changes.last().unwrap().revision);
        for change in changes.changes.iter() {
            assert!(changes.tables.any(change.kind, change.id).is_some());
            seen.push(change.revision.0);
        }
    }
    assert_eq!(seen, (2..=101).collect::<Vec<_>>());
    for task in tasks {
        task.await.unwrap();
    }
    store.close().await;
}

async fn a_slow_reader_is_cut_off(place: Place) {
    let store = place.open_with(StoreOptions { watch_capacity: 4, ..StoreOptions::default() }).await;
    let mut watch = store.watch();
    for id in 1..=20 {
        store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
    }
    assert_eq!(watch.next().await.unwrap_err(), Lagged);
    assert_eq!(watch.next().await.unwrap_err(), Lagged);
    assert_eq!(store.watch().tables().stacks.len(), 20);
    store.close().await;
}

async fn the_feed_is_cut_by_count(place: Place) {
    let store = place.open_with(StoreOptions { keep_changes: 100, ..StoreOptions::default() }).await;
    for id in 1..=400 {
        store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
    }
    let error = store.history(Revision(0), 10).await.unwrap_err();
    assert!(matches!(error, HistoryError::Cut { after: Revision(0) }), "{error:?}");
    let recent = store.history(Revision(300), 1000).await.unwrap();
    assert_eq!((recent.len(), recent[0].revision), (100, Revision(301)));
    assert_eq!(store.history(Revision(300), 7).await.unwrap().len(), 7);
    assert_eq!(store.history(Revision(400), 7).await.unwrap(), []);
    store.close().await;
}

async fn the_feed_is_cut_by_age(place: Place) {
    let keep_changes_for = Duration::millis(1000);
    let store = place.open_with(StoreOptions { keep_changes_for, ..StoreOptions::default() }).await;
    for id in 1..=300 {
        store.commit(insert(id, &format!("s{id}"), id * 10)).await.unwrap();
    }
    // It is looked at with every 256th revision; then all is old that was written 100 revisions before.
    assert!(matches!(store.history(Revision(155), 1).await, Err(HistoryError::Cut { .. })));
    assert_eq!(store.history(Revision(156), 1000).await.unwrap().len(), 144);
    store.close().await;
}

async fn removed_rows_go_for_good(place: Place) {
    let options = StoreOptions { keep_removed_for: Duration::millis(100), ..StoreOptions::default() };
    let store = place.open_with(options.clone()).await;
    for id in 1..=100 {
        store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
    }
    let mut tx = Transaction::new(Timestamp(10));
    for id in 1..=99 {
        tx.finish_removal(&stack(&store, id));
    }
    store.commit(tx).await.unwrap();
    assert_eq!(store.snapshot().stacks.len(), 100);
    store.close().await;
    let store = place.open_with(options).await;
    let mut watch = store.watch();
    store.commit(insert(101, "early", 109)).await.unwrap();
    assert_eq!(store.snapshot().stacks.len(), 101);
    assert_eq!(watch.next().await.unwrap().changes.len(), 1);
    // In batches, so that no commit has to wait for a great cleaning.
    store.commit(insert(102, "late", 110)).await.unwrap();
    assert_eq!(store.snapshot().stacks.len(), 102 - 64);
    let changes = watch.next().await.unwrap();
    let gone = changes.changes.iter().filter(|change| changes.tables.any(change.kind, change.id).is_none());
    assert_eq!(gone.map(|change| change.id).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
    store.commit(insert(103, "later", 111)).await.unwrap();
    let left = |store: &Store| store.snapshot().stacks.iter().map(|row| row.id.raw()).collect::<Vec<_>>();
    assert_eq!(left(&store), [100, 101, 102, 103]);
    let revision = store.snapshot().revision;
    store.close().await;
    let store = place.open().await;
    assert_eq!(left(&store), [100, 101, 102, 103]);
    assert_eq!(store.snapshot().revision, revision);
    store.close().await;
}

async fn removed_rows_are_no_more_than_so_many(place: Place) {
    let options = StoreOptions { keep_removed: 10, ..StoreOptions::default() };
    let store = place.open_with(options).await;
    for id in 1..=40 {
        store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
        let mut tx = Transaction::new(Timestamp(1));
        tx.finish_removal(&stack(&store, id));
        store.commit(tx).await.unwrap();
    }
    store.commit(insert(41, "last", 1)).await.unwrap();
    let left = |store: &Store| store.snapshot().stacks.iter().map(|row| row.id.raw()).collect::<Vec<_>>();
    assert_eq!(left(&store), (31..=41).collect::<Vec<_>>());
    store.close().await;
    assert_eq!(left(&place.open().await), (31..=41).collect::<Vec<_>>());
}

async fn texts_may_be_swapped(place: Place) {
    let store = place.open().await;
    store.commit(insert(1, "a", 1)).await.unwrap();
    store.commit(insert(2, "b", 1)).await.unwrap();
    let (a, b) = (stack(&store, 1), stack(&store, 2));
    let mut tx = Transaction::new(Timestamp(2));
    tx.set_intent(&a, intent("c"));
    tx.set_intent(&b, intent("a"));
    tx.set_intent(&a, intent("b"));
    store.commit(tx).await.unwrap();
    let mut tx = Transaction::new(Timestamp(3));
    tx.finish_removal(&stack(&store, 1));
    tx.insert::<Stack>(StackId::new(3), "uuid-3".into(), intent("b"));
    store.commit(tx).await.unwrap();
    store.close().await;
    let store = place.open().await;
    let holder = |text| store.snapshot().stacks.by_unique(text).map(|row| row.id.raw());
    assert_eq!((holder("1/a"), holder("1/b"), holder("1/c")), (Some(2), Some(3), None));
    store.close().await;
}

async fn ids_are_given_once(place: Place) {
    let store = place.open().await;
    let mut tasks = Vec::new();
    for task in 0..20 {
        let store = store.clone();
        let kind = if task % 2 == 0 { Kind::Account } else { Kind::Project };
        tasks.push(tokio::spawn(async move { store.reserve_ids(kind, 5).await.unwrap() }));
    }
    let mut ids = BTreeSet::new();
    for task in tasks {
        ids.extend(task.await.unwrap());
    }
    assert_eq!(ids, (1..=100).collect());
    assert_eq!(store.reserve_ids(Kind::Host, 1).await.unwrap(), 1..2);
    // A number that the caller chose is not given either.
    let mut tx = Transaction::new(Timestamp(1));
    tx.insert::<Account>(contract_values::AccountId::new(500), "u".into(), AccountIntent::default());
    store.commit(tx).await.unwrap();
    assert_eq!(store.reserve_ids(Kind::Project, 1).await.unwrap(), 501..502);
    store.close().await;
    let store = place.open().await;
    assert!(store.reserve_ids(Kind::Account, 1).await.unwrap().start >= 501);
    store.close().await;
}

async fn conditions_are_checked(place: Place) {
    let store = place.open().await;
    store.commit(insert(1, "a", 1)).await.unwrap();
    let read = stack(&store, 1);
    let mut tx = Transaction::new(Timestamp(2));
    tx.set_intent(&read, intent("b"));
    store.commit(tx.clone()).await.unwrap();
    let refused = |result: Result<_, CommitError>| match result {
        Err(CommitError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(store.commit(tx).await), Refused::Stale { kind: Kind::Stack, id: 1 });
    let mut tx = insert(2, "c", 3);
    tx.require(&read);
    assert_eq!(refused(store.commit(tx).await), Refused::Stale { kind: Kind::Stack, id: 1 });
    assert!(matches!(refused(store.commit(insert(1, "d", 3)).await), Refused::NotUnique { holder: 1, .. }));
    let mut tx = Transaction::new(Timestamp(4));
    tx.ask_removal(&Row { id: StackId::new(9), ..read });
    assert_eq!(refused(store.commit(tx).await), Refused::Missing { kind: Kind::Stack, id: 9 });
    let mut tx = Transaction::new(Timestamp(4));
    tx.require(&stack(&store, 1));
    assert_eq!(store.commit(tx).await.unwrap().revision, Revision(2));
    assert_eq!((store.snapshot().revision, store.snapshot().stacks.len()), (Revision(2), 1));
    store.close().await;
}

async fn a_closed_store_takes_nothing(place: Place) {
    let store = place.open().await;
    store.commit(insert(1, "a", 1)).await.unwrap();
    let other = store.clone();
    store.close().await;
    other.close().await;
    let error = store.commit(insert(2, "b", 1)).await.unwrap_err();
    assert!(matches!(error, CommitError::Unavailable { outcome_unknown: false, .. }), "{error:?}");
    assert_eq!(store.snapshot().stacks.len(), 1);
}

async fn strange_texts_survive(place: Place) {
    let store = place.open().await;
    let names =
        ["", "\0", "a\0b", "'; DROP TABLE stack; --", "ünïcödé \u{10ffff}", "\\u0000", "{}\",[$1]", "%s?1"];
    for (id, name) in (1..).zip(names) {
        store.commit(insert(id, name, 1)).await.unwrap();
    }
    store.close().await;
    let store = place.open().await;
    for (id, name) in (1..).zip(names) {
        assert_eq!(stack(&store, id).intent.name, name);
    }
    store.close().await;
}
