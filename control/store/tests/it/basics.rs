use contract_values::{ProjectId, StackId, Timestamp};
use control_model::{Kind, Stack, StackIntent, Transaction};
use control_store::{Store, StoreOptions};

fn stack(id: i64, name: &str) -> Transaction {
    let mut tx = Transaction::new(Timestamp(1));
    let intent = StackIntent { project: Some(ProjectId::new(1)), name: name.into(), ..Default::default() };
    tx.insert::<Stack>(StackId::new(id), format!("u{id}"), intent);
    tx
}

#[tokio::test]
async fn a_commit_is_in_the_picture_and_in_the_watch() {
    let store = Store::open("memory:", StoreOptions::default()).await.unwrap();
    let mut watch = store.watch();
    let ids = store.reserve_ids(Kind::Stack, 2).await.unwrap();
    assert_eq!(ids, 1..3);
    let done = store.commit(stack(1, "a")).await.unwrap();
    assert_eq!(done.rows.len(), 1);
    assert_eq!(store.snapshot().stacks.len(), 1);
    let changes = watch.next().await.unwrap();
    assert_eq!((changes.changes.len(), changes.tables.stacks.len()), (1, 1));
    assert!(store.commit(stack(2, "A")).await.is_err());
    store.close().await;
    assert!(store.commit(stack(3, "c")).await.is_err());
}

#[tokio::test]
async fn a_file_keeps_what_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/a/lariat.db", directory.path().display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    assert_eq!(store.reserve_ids(Kind::Stack, 2).await.unwrap(), 1..3);
    store.commit(stack(1, "a")).await.unwrap();
    store.commit(stack(2, "b")).await.unwrap();
    let before = store.snapshot();
    assert_eq!(store.epoch().0, 1);
    let second = Store::open(&url, StoreOptions::default()).await.unwrap_err().to_string();
    assert!(second.contains("in use by another server (process "), "{second}");
    store.close().await;
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    assert_eq!(store.epoch().0, 2);
    assert_eq!(store.snapshot().revision, before.revision);
    assert_eq!(store.snapshot().stacks.get_raw(2), before.stacks.get_raw(2));
    assert_eq!(store.reserve_ids(Kind::Stack, 1).await.unwrap(), 3..4);
    store.close().await;
}
