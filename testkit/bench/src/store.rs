//! Durable creates: each client makes one row after the other, and has an answer only when the row is on disk.
//!
//! The store's own thread runs on core 0 and its clients on core 1, as server and load do.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use contract_values::ProjectId;
use control_model::Kind;
use control_store::{Store, StoreOptions};
use serde_json::json;

use crate::rows;
use crate::usage::{cpu_seconds, pin};

const PROJECT: ProjectId = ProjectId::new(5);

#[derive(clap::Args)]
pub struct Arguments {
    /// A folder on the disk to measure
    directory: PathBuf,
}

/// Commands: `creates CLIENTS SECONDS`, `disk SECONDS`, `sqlite SECONDS`, `reopen`.
pub fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let path = arguments.directory.join("bench.db");
    let url = format!("sqlite:{}", path.display());
    pin(0)?;
    let mut store = runtime.block_on(Store::open(&url, StoreOptions::default()))?;
    pin(1)?;
    crate::answer(&json!({ "ready": true }))?;
    while let Some(command) = crate::command()? {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let span = |text: &str| -> Result<Duration> { Ok(Duration::from_secs_f64(text.parse()?)) };
        let answer = match words[..] {
            ["creates", clients, seconds] => {
                let before = store.snapshot().containers.len();
                let cpu = cpu_seconds();
                let (count, took) = runtime.block_on(creates(&store, clients.parse()?, span(seconds)?))?;
                let cpu = cpu_seconds() - cpu;
                // Acknowledged and lost would be the fastest of all.
                let rows = store.snapshot().containers.len() - before;
                ensure!(rows as u64 == count, "{count} creates were acknowledged, {rows} rows are there");
                json!({ "rate": count as f64 / took, "count": count, "cpuPerCreate": cpu / count as f64 })
            }
            ["disk", seconds] => {
                pin(0)?;
                let rate = disk(&arguments.directory, span(seconds)?)?;
                pin(1)?;
                json!({ "rate": rate })
            }
            ["sqlite", seconds] => {
                pin(0)?;
                let rate = sqlite(&arguments.directory, span(seconds)?)?;
                pin(1)?;
                json!({ "rate": rate })
            }
            ["reopen"] => {
                let before = store.snapshot();
                let rows = before.containers.len();
                let revision = before.revision;
                drop(before);
                runtime.block_on(store.close());
                drop(store);
                let started = Instant::now();
                store = runtime.block_on(Store::open(&url, StoreOptions::default()))?;
                let seconds = started.elapsed().as_secs_f64();
                ensure!(store.snapshot().containers.len() == rows, "rows were lost");
                ensure!(store.snapshot().revision == revision, "revisions were lost");
                let raw = raw_read(&path)?;
                json!({ "rows": rows, "seconds": seconds, "rate": rows as f64 / seconds, "rawSeconds": raw })
            }
            _ => bail!("there is no command {words:?}"),
        };
        crate::answer(&answer)?;
    }
    runtime.block_on(store.close());
    Ok(())
}

async fn creates(store: &Store, clients: usize, span: Duration) -> Result<(u64, f64)> {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let store = store.clone();
        tasks.spawn(async move {
            let mut count = 0_u64;
            while started.elapsed() < span {
                let ids = store.reserve_ids(Kind::Container, 1).await?;
                store.commit(rows::create(PROJECT, ids.start)).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count??;
    }
    Ok((total, started.elapsed().as_secs_f64()))
}

/// Appends of 4 KiB, each flushed before the next.
fn disk(directory: &Path, span: Duration) -> Result<f64> {
    let path = directory.join("fdatasync");
    let mut file = std::fs::File::create(&path)?;
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < span {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(rate)
}

/// SQLite by itself: one writer, a commit for each row of 256 bytes, `synchronous=FULL`.
fn sqlite(directory: &Path, span: Duration) -> Result<f64> {
    let path = directory.join("peer.db");
    let connection = rusqlite::Connection::open(&path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         CREATE TABLE IF NOT EXISTS peer (id INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    let started = Instant::now();
    let mut count = 0_u32;
    {
        let mut insert = connection.prepare("INSERT INTO peer (body) VALUES (zeroblob(256))")?;
        while started.elapsed() < span {
            insert.execute([])?;
            count += 1;
        }
    }
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    connection.close().map_err(|(_, error)| error)?;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    Ok(rate)
}

/// Reads every column of every container, and makes nothing of it: what no opening can be faster than.
fn raw_read(path: &Path) -> Result<f64> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    let started = Instant::now();
    let mut select = connection.prepare("SELECT * FROM container")?;
    let columns = select.column_count();
    let mut rows = select.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            bytes += match row.get_ref(column)? {
                rusqlite::types::ValueRef::Text(text) => text.len(),
                _ => 1,
            };
        }
    }
    ensure!(bytes > 0, "there are no rows");
    Ok(started.elapsed().as_secs_f64())
}
