//! How fast the store writes, beside what the disk can do: `cargo run --release -p control-store --example rates -- DIR`.
//!
//! Prints one line for each measure. The disk is measured before and after, because machines are noisy. A URL of a
//! PostgreSQL database as second argument measures that as well.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use contract_values::{ContainerId, ProjectId, ServiceId, StackId, Timestamp};
use control_model::{Container, ContainerIntent, Kind, Origin, Tables, Transaction, apply};
use control_store::{Store, StoreOptions};

const SPAN: Duration = Duration::from_secs(4);

fn create(id: i64) -> Transaction {
    let mut tx = Transaction::new(Timestamp(id));
    let service = ServiceId::new(id / 50);
    let mut intent = ContainerIntent {
        project: Some(ProjectId::new(1)),
        stack: Some(StackId::new(id / 500)),
        name: format!("stack-service-{id}"),
        origin: Origin::Service { service, index: 1, create_index: id as u32, launch_version: 0 },
        ..Default::default()
    };
    intent.launch.labels.insert("io.rancher.stack.name".into(), "stack".into());
    intent.launch.environment.insert("DATABASE_URL".into(), "postgres://db/shop".into());
    tx.insert::<Container>(ContainerId::new(id), format!("00000000-0000-4000-8000-{id:012x}"), intent);
    tx
}

/// Appends of 4 KiB, each flushed before the next.
fn disk(directory: &Path) -> anyhow::Result<f64> {
    let path = directory.join("fdatasync");
    let mut file = std::fs::File::create(&path)?;
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < SPAN / 2 {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    std::fs::remove_file(&path)?;
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

fn memory_only() -> f64 {
    let mut tables = Tables::default();
    let started = Instant::now();
    let mut id = 0;
    while started.elapsed() < SPAN / 2 {
        id += 1;
        apply(&mut tables, &create(id)).expect("each name is new");
    }
    id as f64 / started.elapsed().as_secs_f64()
}

/// Each writer takes an id, makes one container, and waits until that is durable.
async fn creates(store: &Store, writers: usize) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..writers {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut count = 0u64;
            while started.elapsed() < SPAN {
                let ids = store.reserve_ids(Kind::Container, 1).await?;
                store.commit(create(ids.start)).await?;
                count += 1;
            }
            anyhow::Ok(count)
        }));
    }
    let mut total = 0;
    for task in tasks {
        total += task.await??;
    }
    Ok(total as f64 / started.elapsed().as_secs_f64())
}

fn print(what: &str, rate: f64) {
    println!("{what:<44} {rate:>10.0}/s");
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().context("give a folder on the disk to measure")?;
    let directory = Path::new(&directory);
    print("apply in memory, one thread", memory_only());
    let memory = Store::open("memory:", StoreOptions::default()).await?;
    print("memory engine, 64 writers", creates(&memory, 64).await?);
    memory.close().await;
    for round in 1..=2 {
        print("disk: fdatasync of 4 KiB appends", disk(directory)?);
        let path = directory.join(format!("rates-{round}.db"));
        let url = format!("sqlite:{}", path.display());
        let store = Store::open(&url, StoreOptions::default()).await?;
        print("sqlite, 1 writer", creates(&store, 1).await?);
        print("disk: fdatasync of 4 KiB appends", disk(directory)?);
        print("sqlite, 64 writers", creates(&store, 64).await?);
        print("disk: fdatasync of 4 KiB appends", disk(directory)?);
        let rows = store.snapshot().containers.len();
        store.close().await;
        let started = Instant::now();
        let store = Store::open(&url, StoreOptions::default()).await?;
        print(
            &format!("sqlite, rows read at opening ({rows})"),
            rows as f64 / started.elapsed().as_secs_f64(),
        );
        store.close().await;
        for suffix in ["", ".lock"] {
            std::fs::remove_file(format!("{}{suffix}", path.display()))?;
        }
    }
    if let Some(url) = arguments.next() {
        let store = Store::open(&url, StoreOptions::default()).await?;
        for writers in [1, 16, 64] {
            print(&format!("postgres, {writers} writers"), creates(&store, writers).await?);
        }
        store.close().await;
    }
    Ok(())
}
