//! `kill -9` in the middle of thousands of writes: nothing acknowledged is lost, nothing is torn.
//!
//! The writer is this program once more. Each of its tasks owns a pair of rows that it always writes together, with
//! one counter in both, and prints the counter once the commit is acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contract_values::{Revision, SettingId, StackId, Timestamp};
use control_model::{Kind, Setting, SettingIntent, Stack, StackIntent, Tables, Transaction};
use control_store::{CommitError, Store, StoreOptions};
use rand::RngExt;

use crate::cluster::Mortal;
use crate::support::{Place, sqlite_url, until};

const TASKS: i64 = 16;
/// The writes of one round of this file's own test; a round that is killed has no end.
const SHORT: u32 = 20;

fn pair(tables: &Tables, task: i64, count: u32) -> Transaction {
    let mut tx = Transaction::new(Timestamp(i64::from(count)));
    let stack = StackIntent {
        name: format!("task-{task}"),
        description: Some(count.to_string()),
        ..Default::default()
    };
    let setting =
        SettingIntent { name: format!("task-{task}"), value: count.to_string(), ..Default::default() };
    match (tables.stacks.get_raw(task), tables.settings.get_raw(task)) {
        (Some(old_stack), Some(old_setting)) => {
            tx.set_intent(old_stack, stack);
            tx.set_intent(old_setting, setting);
        }
        _ => {
            tx.insert::<Stack>(StackId::new(task), format!("u{task}"), stack);
            tx.insert::<Setting>(SettingId::new(task), format!("u{task}"), setting);
        }
    }
    tx
}

/// The counters of a task as they are stored, in both rows.
fn counts(tables: &Tables, task: i64) -> (u32, u32) {
    let stack = tables
        .stacks
        .get_raw(task)
        .map_or(0, |row| row.intent.description.as_ref().unwrap().parse().unwrap());
    let setting = tables.settings.get_raw(task).map_or(0, |row| row.intent.value.parse().unwrap());
    (stack, setting)
}

async fn write(store: Store, task: i64, limit: u32) {
    for count in counts(&store.snapshot(), task).0 + 1..=limit {
        store.commit(pair(&store.snapshot(), task, count)).await.unwrap();
        // One call, so that a line is whole or not there.
        std::io::stdout().write_all(format!("\nack {task} {count}\n").as_bytes()).unwrap();
    }
}

/// The writer; as a test by itself it writes a little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_writes() {
    let directory = tempfile::tempdir().unwrap();
    let (url, limit) = match std::env::var("LARIAT_TEST_WRITE_TO") {
        Ok(url) => (url, u32::MAX - 1),
        Err(_) => (sqlite_url(directory.path()), SHORT),
    };
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let writers: Vec<_> = (1..=TASKS).map(|task| tokio::spawn(write(store.clone(), task, limit))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.snapshot().revision, Revision(2 * SHORT as u64 * TASKS as u64));
    store.close().await;
}

/// Lets the writer write, kills it after some acknowledgements, and gives the last one of each task.
fn write_and_kill(url: &str, after: u32) -> BTreeMap<i64, u32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_writer_writes", "--nocapture"])
        .env("LARIAT_TEST_WRITE_TO", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((task, count)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        acknowledged.insert(task.parse::<i64>().unwrap(), count.parse::<u32>().unwrap());
        seen += 1;
        if seen == after {
            child.kill().unwrap();
        }
    }
    assert!(seen >= after, "the writer ended by itself: {}", child.wait().unwrap());
    child.wait().unwrap();
    acknowledged
}

async fn kill_writers(place: &Place, rounds: u64) {
    let mut total = 0;
    for round in 1..=rounds {
        let after = rand::rng().random_range(1..600);
        let acknowledged = write_and_kill(&place.url(), after);
        let store = place.open().await;
        // Each round has had an opening of the writer's and one of ours.
        assert!(store.epoch().0 >= 2 * round);
        let tables = store.snapshot();
        let mut writes = 0;
        for task in 1..=TASKS {
            let (stack, setting) = counts(&tables, task);
            assert_eq!(stack, setting, "task {task} is torn");
            let acknowledged = acknowledged.get(&task).copied().unwrap_or(0);
            // A task has one write under way; it may be in without having been acknowledged.
            assert!(stack >= acknowledged, "task {task}: {acknowledged} was acknowledged, {stack} is there");
            writes += u64::from(stack) * 2;
        }
        assert_eq!(tables.revision, Revision(writes), "every write has one revision");
        let feed = store.history(Revision(writes.saturating_sub(100)), 1000).await.unwrap();
        assert_eq!(feed.last().map(|change| change.revision), Some(Revision(writes)));
        total = writes;
        store.close().await;
    }
    assert!(total > 500, "only {total} writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_lose_nothing_on_sqlite() {
    kill_writers(&Place::sqlite(), 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_lose_nothing_on_postgres() {
    kill_writers(&Place::postgres().await, 10).await;
}

/// The database itself is killed, and started again, under servers that go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_loses_nothing() {
    let (mut server, url) = Mortal::get().await;
    let stores = [
        Store::open(&url, StoreOptions::default()).await.unwrap(),
        Store::open(&url, StoreOptions::default()).await.unwrap(),
    ];
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let (store, stop) = (stores[task as usize % 2].clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            let mut results = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let Ok(ids) = store.reserve_ids(Kind::Stack, 1).await else { continue };
                let id = ids.start;
                let mut tx = Transaction::new(Timestamp(1));
                let intent = StackIntent { name: format!("s{id}"), ..Default::default() };
                tx.insert::<Stack>(StackId::new(id), format!("u{id}"), intent);
                results.push((id, store.commit(tx).await.map(|_| ())));
            }
            results
        }));
    }
    for _ in 0..5 {
        let revision = stores[0].snapshot().revision.0;
        let more = rand::rng().random_range(50..400);
        until(&stores[0], "some writes", |tables| tables.revision.0 >= revision + more).await;
        server.kill().await;
        server.run().await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut results = BTreeMap::new();
    for task in tasks {
        for (id, result) in task.await.unwrap() {
            assert!(results.insert(id, result).is_none(), "id {id} was given twice");
        }
    }
    for store in &stores {
        store.close().await;
    }
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let tables = store.snapshot();
    let (mut done, mut unknown) = (0, 0);
    for (id, result) in results {
        let there = tables.stacks.get_raw(id).is_some();
        match result {
            Ok(()) => {
                assert!(there, "stack {id} was acknowledged and is lost");
                done += 1;
            }
            Err(CommitError::Unavailable { outcome_unknown: true, .. }) => unknown += 1,
            Err(error) => assert!(!there, "stack {id} is there although: {error}"),
        }
    }
    assert_eq!(tables.revision.0 as usize, tables.stacks.len());
    assert!(done >= 200 && unknown == 0, "{done} done, {unknown} unknown");
    store.close().await;
}
