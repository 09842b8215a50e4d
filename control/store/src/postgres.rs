//! PostgreSQL: a database that several servers share.
//!
//! Whoever writes holds the one row of the table `sequence` from the beginning of its batch to the end, so the order
//! of revisions is the order of commits, without gaps, and the picture of the holder is exact. A batch is few
//! statements, one for all rows of a kind, sent without waiting for each other. With its commit goes a notification,
//! on which the other servers read on in the change feed; they also look by themselves now and then.
//!
//! When the connection is lost during a commit, nobody knows whether it took effect. The new connection first takes
//! the same row, which the old one holds until it has ended, and then looks for the batch: that answer is final.

mod flush;
mod link;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use contract_values::{Epoch, Revision, Timestamp};
use control_model::{AnyRow, Kind, Tables};
use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::link::{Heard, Link, Links, fault, limited, too_slow};
use crate::database::{
    Batch, CatchUp, Database, DatabaseError, Effect, Head, Loaded, Seal, Sequences, known_sequence,
};
use crate::error::OpenError;
use crate::migrate::{Dialect, NEWEST, STEP_TABLE, STEPS};
use crate::options::StoreOptions;
use crate::row::{Columns, StoredBody, decode, revision, sql};
use crate::sql::{Statements, kind_of};
use crate::store::{Change, Store, unavailable};

/// Two servers that bring the schema up to date take turns by this lock: the letters `Lariat`.
const MIGRATION_LOCK: i64 = 0x4c61_7269_6174;
const HEAD: &str = "SELECT revision, batch_epoch, batch_number FROM sequence";
const HOLD_HEAD: &str = "SELECT revision, batch_epoch, batch_number FROM sequence FOR UPDATE";

/// Opens the database and starts the task that writes it.
pub(crate) async fn open(url: &str, options: StoreOptions) -> Result<Store, OpenError> {
    let address = tls::parse(url, &options)?;
    let place = address.place.clone();
    let heard = Arc::new(Heard::default());
    let mut database = PostgresDatabase {
        links: Links::new(address, heard.clone(), options.reconnect_for.to_std()),
        heard,
        statements: Kind::ALL
            .into_iter()
            .map(|kind| (kind, Statements::new(kind, Dialect::Postgres)))
            .collect(),
        batch: None,
        known: 0,
        sequences: Sequences::new(),
        poll: options.poll.to_std(),
    };
    match database.migrate().await {
        Ok(found) if found > NEWEST => return Err(OpenError::Newer { found, known: NEWEST }),
        Ok(_) => {}
        Err(error) => return Err(unavailable(&place, error)),
    }
    let (store, writer) =
        Store::start(database, false, options).await.map_err(|error| unavailable(&place, error))?;
    tokio::spawn(writer.run());
    Ok(store)
}

struct PostgresDatabase {
    links: Links,
    heard: Arc<Heard>,
    statements: BTreeMap<Kind, Statements>,
    batch: Option<OpenBatch>,
    /// Where the picture stands, as far as this side knows.
    known: i64,
    /// The next ids as this side knows them; the database may be further.
    sequences: Sequences,
    poll: std::time::Duration,
}

struct OpenBatch {
    head: Head,
    effects: Vec<(Effect, Timestamp)>,
}

impl PostgresDatabase {
    /// Takes the missing steps; returns the number of the schema that was found.
    async fn migrate(&mut self) -> Result<u32, DatabaseError> {
        let link = self.links.get().await?;
        let found = "SELECT coalesce(max(number), 0) FROM schema_step";
        let exists = link.client.query_one("SELECT to_regclass('schema_step') IS NOT NULL", &[]).await;
        if exists.map_err(fault)?.get(0) {
            let found: i64 = link.client.query_one(found, &[]).await.map_err(fault)?.get(0);
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            if found >= NEWEST {
                return Ok(found);
            }
        }
        for (number, step) in (1_i64..).zip(&STEPS) {
            // In one string they are one transaction; a step that another server has taken meanwhile is passed by.
            let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({MIGRATION_LOCK}); {STEP_TABLE}");
            link.client.batch_execute(&begin).await.map_err(fault)?;
            let last: i64 = link.client.query_one(found, &[]).await.map_err(fault)?.get(0);
            if last < number {
                link.client.batch_execute(step.sql(Dialect::Postgres)).await.map_err(fault)?;
                link.client
                    .execute("INSERT INTO schema_step VALUES ($1, $2)", &[&number, &step.name])
                    .await
                    .map_err(fault)?;
            }
            link.client.batch_execute("COMMIT").await.map_err(fault)?;
        }
        let found: i64 = link.client.query_one(found, &[]).await.map_err(fault)?.get(0);
        Ok(u32::try_from(found).unwrap_or(u32::MAX))
    }

    /// Gives up a connection that is lost, or whose transaction is in an unknown state.
    fn noting<T>(&mut self, result: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        if let Err(DatabaseError::Lost { .. } | DatabaseError::Unknown { .. }) = &result {
            self.batch = None;
            self.links.drop_link();
        }
        result
    }

    async fn load_now(&mut self) -> Result<Loaded, DatabaseError> {
        let statements = &self.statements;
        let link = self.links.get().await?;
        link.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(fault)?;
        let mut tables = Tables::default();
        for (kind, statements) in statements {
            let rows = link.client.query_raw(&statements.select, Vec::<i64>::new()).await.map_err(fault)?;
            let mut rows = std::pin::pin!(rows);
            while let Some(row) = rows.try_next().await.map_err(fault)? {
                tables.put(read_row(*kind, &row)?);
            }
        }
        let head = read_head(&link.client.query_one(HEAD, &[]).await.map_err(fault)?);
        tables.revision = head.revision;
        let mut sequences = Sequences::new();
        for row in link.client.query("SELECT name, next FROM id_block", &[]).await.map_err(fault)? {
            if let Some(name) = known_sequence(row.get(0)) {
                sequences.insert(name, row.get(1));
            }
        }
        link.client.batch_execute("COMMIT").await.map_err(fault)?;
        Ok(Loaded { tables, head, sequences })
    }

    async fn begin_now(&mut self) -> Result<Head, DatabaseError> {
        let link = self.links.get().await?;
        let hold = link.prepare(HOLD_HEAD).await.map_err(fault)?;
        let (begun, held) =
            tokio::join!(link.client.batch_execute("BEGIN"), link.client.query_one(&hold, &[]));
        begun.map_err(fault)?;
        Ok(read_head(&held.map_err(fault)?))
    }

    async fn find_now(&mut self, batch: Batch) -> Result<bool, DatabaseError> {
        let link = self.links.get().await?;
        link.client.batch_execute("BEGIN").await.map_err(fault)?;
        let hold = link.client.query_one(HOLD_HEAD, &[]).await;
        let found = match hold {
            Ok(_) => {
                let (epoch, number) = (batch.epoch.cast_signed(), batch.number.cast_signed());
                let query = "SELECT 1 FROM batch WHERE epoch = $1 AND number = $2";
                link.client.query_opt(query, &[&epoch, &number]).await
            }
            Err(error) => Err(error),
        };
        link.client.batch_execute("ROLLBACK").await.map_err(fault)?;
        Ok(found.map_err(fault)?.is_some())
    }

    async fn catch_up_now(&mut self, since: Revision) -> Result<CatchUp, DatabaseError> {
        let in_batch = self.batch.is_some();
        let statements = &self.statements;
        let link = if in_batch { self.links.held()? } else { self.links.get().await? };
        if !in_batch {
            let head = link.prepare(HEAD).await.map_err(fault)?;
            let head = read_head(&link.client.query_one(&head, &[]).await.map_err(fault)?);
            if head.revision <= since {
                return Ok(CatchUp::Changes { head, changes: Vec::new(), rows: Vec::new() });
            }
            link.client
                .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
                .map_err(fault)?;
        }
        let read = read_since(link, statements, since).await;
        if !in_batch {
            link.client.batch_execute("ROLLBACK").await.map_err(fault)?;
        }
        read
    }

    async fn reserve_now(&mut self, sequence: &'static str, count: u32) -> Result<Range<i64>, DatabaseError> {
        let link = self.links.get().await?;
        let reserve = link
            .prepare(
                "INSERT INTO id_block AS old (name, next) VALUES ($1, 1 + $2::bigint) \
                 ON CONFLICT (name) DO UPDATE SET next = old.next + $2::bigint RETURNING next",
            )
            .await
            .map_err(fault)?;
        let row = link.client.query_one(&reserve, &[&sequence, &i64::from(count)]).await.map_err(fault)?;
        let next: i64 = row.get(0);
        self.sequences.insert(sequence, next);
        Ok(next - i64::from(count)..next)
    }
}

async fn read_since(
    link: &mut Link,
    statements: &BTreeMap<Kind, Statements>,
    since: Revision,
) -> Result<CatchUp, DatabaseError> {
    let Some(changes) = feed(link, since, None).await? else { return Ok(CatchUp::Cut) };
    let mut ids = BTreeMap::<Kind, BTreeSet<i64>>::new();
    for change in &changes {
        ids.entry(change.kind).or_default().insert(change.id);
    }
    let mut rows = Vec::new();
    for (kind, ids) in ids {
        let ids: Vec<_> = ids.into_iter().collect();
        let select = format!("{} WHERE id = ANY($1)", statements[&kind].select);
        let select = link.prepare(&select).await.map_err(fault)?;
        for row in link.client.query(&select, &[&ids]).await.map_err(fault)? {
            rows.push(read_row(kind, &row)?);
        }
    }
    let head = read_head(&link.client.query_one(HEAD, &[]).await.map_err(fault)?);
    Ok(CatchUp::Changes { head, changes, rows })
}

/// The entries after a revision, unless some of them are cut.
async fn feed(
    link: &mut Link,
    after: Revision,
    limit: Option<usize>,
) -> Result<Option<Vec<Change>>, DatabaseError> {
    let select = link
        .prepare("SELECT revision, kind, id FROM change WHERE revision > $1 ORDER BY revision LIMIT $2")
        .await
        .map_err(fault)?;
    let after_sql = sql(after);
    let limit = limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let parameters: [&(dyn ToSql + Sync); 2] = [&after_sql, &limit];
    let rows = link.client.query(&select, &parameters).await.map_err(fault)?;
    let complete = match rows.first() {
        Some(first) => first.get::<_, i64>(0) == after_sql + 1,
        None => {
            let head = read_head(&link.client.query_one(HEAD, &[]).await.map_err(fault)?);
            limit == Some(0) || after >= head.revision
        }
    };
    // A kind that only a newer version knows is none of ours.
    let changes = rows.iter().filter_map(|row| {
        let kind = kind_of(row.get(1))?;
        Some(Change { revision: revision(row.get(0)), kind, id: row.get(2) })
    });
    Ok(complete.then(|| changes.collect()))
}

fn read_head(row: &Row) -> Head {
    let batch =
        Batch { epoch: row.get::<_, i64>(1).cast_unsigned(), number: row.get::<_, i64>(2).cast_unsigned() };
    Head { revision: revision(row.get(0)), batch }
}

fn read_row(kind: Kind, row: &Row) -> Result<AnyRow, DatabaseError> {
    let read = || {
        let body = |at: usize| {
            Ok::<_, tokio_postgres::Error>(StoredBody {
                format: row.try_get(at)?,
                json: row.try_get(at + 1)?,
            })
        };
        Ok(Columns {
            id: row.try_get(0)?,
            uuid: row.try_get(1)?,
            project: row.try_get(2)?,
            stack: row.try_get(3)?,
            service: row.try_get(4)?,
            host: row.try_get(5)?,
            name: row.try_get(6)?,
            unique: row.try_get(7)?,
            revision: row.try_get(8)?,
            generation: row.try_get(9)?,
            created: row.try_get(10)?,
            removal_asked: row.try_get(11)?,
            removed: row.try_get(12)?,
            intent: body(13)?,
            decision: body(15)?,
            observation: body(17)?,
        })
    };
    let columns = read()
        .map_err(|error: tokio_postgres::Error| DatabaseError::Damaged { detail: error.to_string() })?;
    decode(kind, columns).map_err(|error| DatabaseError::Damaged { detail: error.to_string() })
}

impl Database for PostgresDatabase {
    async fn load(&mut self) -> Result<Loaded, DatabaseError> {
        self.batch = None;
        let loaded = self.load_now().await;
        let loaded = self.noting(loaded)?;
        self.known = sql(loaded.head.revision);
        self.sequences = loaded.sequences.clone();
        Ok(loaded)
    }

    async fn raise_epoch(&mut self) -> Result<Epoch, DatabaseError> {
        let link = self.links.get().await?;
        let raised = link.client.query_one("UPDATE epoch SET value = GREATEST(value + 1, EXTRACT(EPOCH FROM now())::bigint) RETURNING value", &[]).await;
        Ok(Epoch(raised.map_err(fault)?.get::<_, i64>(0).cast_unsigned()))
    }

    async fn begin(&mut self) -> Result<Head, DatabaseError> {
        if self.batch.is_some() {
            self.roll_back().await;
        }
        let head = limited(self.begin_now()).await;
        let head = match self.noting(head) {
            Ok(head) => head,
            Err(error) => {
                self.roll_back().await;
                return Err(error);
            }
        };
        self.batch = Some(OpenBatch { head, effects: Vec::new() });
        Ok(head)
    }

    async fn stage(&mut self, effects: Vec<Effect>, now: Timestamp) -> Result<(), DatabaseError> {
        let batch = self.batch.as_mut().expect("a batch has begun");
        batch.effects.extend(effects.into_iter().map(|effect| (effect, now)));
        Ok(())
    }

    async fn commit(&mut self, seal: Seal) -> Result<(), DatabaseError> {
        let batch = self.batch.take().expect("a batch has begun");
        let mut sequences = seal.sequences.clone();
        sequences.retain(|name, next| self.sequences.get(name).is_none_or(|known| *next > *known));
        let flushed = limited(async {
            let link = self.links.held()?;
            flush::flush(link, &self.statements, batch.head, &batch.effects, &seal, &sequences).await
        })
        .await;
        if let Err(error) = self.noting(flushed) {
            self.roll_back().await;
            return Err(error);
        }
        let committed = limited(async {
            let link = self.links.held()?;
            link.client.batch_execute("COMMIT").await.map_err(|error| match fault(error) {
                DatabaseError::Lost { cause } => DatabaseError::Unknown { cause },
                other => other,
            })
        })
        .await;
        let committed = match committed {
            Err(DatabaseError::Lost { .. }) => Err(DatabaseError::Unknown { cause: too_slow() }),
            other => other,
        };
        self.noting(committed)?;
        self.known = sql(seal.head);
        self.sequences.extend(sequences);
        Ok(())
    }

    async fn roll_back(&mut self) {
        self.batch = None;
        // Where it cannot be rolled back the connection is given up, and the server does it.
        let rolled_back = limited(async {
            let Some(link) = self.links.current() else { return Ok(()) };
            link.client.batch_execute("ROLLBACK").await.map_err(fault)
        })
        .await;
        if rolled_back.is_err() {
            self.links.drop_link();
        }
    }

    async fn find_batch(&mut self, batch: Batch) -> Result<bool, DatabaseError> {
        let found = limited(self.find_now(batch)).await;
        self.noting(found)
    }

    async fn catch_up(&mut self, since: Revision) -> Result<CatchUp, DatabaseError> {
        let caught_up = limited(self.catch_up_now(since)).await;
        let caught_up = self.noting(caught_up)?;
        if let CatchUp::Changes { head, .. } = &caught_up {
            self.known = sql(head.revision);
        }
        Ok(caught_up)
    }

    async fn history(&mut self, after: Revision, limit: usize) -> Result<Option<Vec<Change>>, DatabaseError> {
        let changes = limited(async {
            let link = self.links.get().await?;
            feed(link, after, Some(limit)).await
        })
        .await;
        self.noting(changes)
    }

    async fn reserve(&mut self, sequence: &'static str, count: u32) -> Result<Range<i64>, DatabaseError> {
        let ids = limited(self.reserve_now(sequence, count)).await;
        self.noting(ids)
    }

    async fn nudged(&mut self) {
        let poll = tokio::time::sleep(self.poll);
        let heard = async {
            while self.heard.revision.load(Ordering::Relaxed) <= self.known {
                self.heard.news.notified().await;
            }
        };
        tokio::select! {
            () = heard => {}
            () = poll => {}
        }
    }

    async fn linger(&mut self) -> bool {
        tokio::task::yield_now().await;
        true
    }

    async fn close(self) {
        self.links.close().await;
    }
}
