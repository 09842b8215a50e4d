//! SQLite: a file beside the server.
//!
//! A container's row is above 2 KiB, so pages have 8 KiB: of 4 KiB half would stay empty.
//!
//! One thread owns the one connection and runs the writer on it. The write-ahead log with `synchronous=FULL` means
//! that a commit returns after the log is on disk. The file belongs to this server alone, which a lock beside it
//! guards; so ids are counted in memory and stored with the rows that bear them.

mod file;
mod load;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use contract_values::{Epoch, Revision, Timestamp};
use control_model::{AnyRow, Kind};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use tokio::sync::oneshot;

use self::file::FileLock;
use crate::database::{
    Batch, CatchUp, Database, DatabaseError, Effect, Head, Loaded, Seal, Sequences, known_sequence,
};
use crate::error::OpenError;
use crate::migrate::{Dialect, NEWEST, STEP_TABLE, STEPS};
use crate::options::StoreOptions;
use crate::row::{Columns, StoredBody, decode, encode, revision, sql};
use crate::sql::{Statements, kind_of};
use crate::store::{Change, IntoCause, Store, unavailable};
use crate::writer::KEEP_BATCHES;

/// Marks our files: the letters `Lari`.
const APPLICATION: i32 = 0x4c61_7269;
/// Above this size the file is not searched for damage at the start; reading all rows finds most of it.
const CHECK_UPTO_PAGES: i64 = 1024;
/// Much less than a flush takes.
const LINGER: std::time::Duration = std::time::Duration::from_micros(30);
/// How many entries of the feed are looked at for their age with one cut.
const CUT_AT_ONCE: i64 = 2000;

/// Opens the file and starts the thread that writes it.
pub(crate) async fn open(path: &str, options: StoreOptions) -> Result<Store, OpenError> {
    let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
    let (opened, open) = oneshot::channel();
    let place = path.display().to_string();
    let thread = std::thread::Builder::new().name("store-sqlite".to_owned());
    let spawned = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without sockets needs nothing of the system");
        runtime.block_on(async move {
            let started = async {
                let database = SqliteDatabase::open(&path)?;
                let place = path.display().to_string();
                Store::start(database, true, options).await.map_err(|error| unavailable(&place, error))
            };
            match started.await {
                Ok((store, writer)) => {
                    // If nobody waits any more, the store is dropped here and the writer ends at once.
                    let _ = opened.send(Ok(store));
                    writer.run().await;
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        });
    });
    if let Err(error) = spawned {
        return Err(OpenError::Unavailable { place, cause: error.into_cause() });
    }
    open.await.unwrap_or_else(|_| {
        Err(OpenError::Unavailable { place, cause: std::io::Error::other("its thread ended").into_cause() })
    })
}

struct SqliteDatabase {
    connection: Connection,
    statements: BTreeMap<Kind, Statements>,
    /// Dropped after the connection: only then may another server begin.
    _lock: FileLock,
}

impl SqliteDatabase {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = file::claim(path)?;
        let place = path.display().to_string();
        let connect = || {
            let mut connection = Connection::open(path)?;
            connection.set_prepared_statement_cache_capacity(64);
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            check_file(&connection)?;
            connection.execute_batch(
                "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA wal_autocheckpoint = 2000; \
                 PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; \
                 PRAGMA trusted_schema = OFF;",
            )?;
            migrate(&mut connection)?;
            Ok(connection)
        };
        let connection = connect().map_err(|problem| match problem {
            Problem::Newer(found) => OpenError::Newer { found, known: NEWEST },
            Problem::Database(error) => unavailable(&place, error),
        })?;
        let statements =
            Kind::ALL.into_iter().map(|kind| (kind, Statements::new(kind, Dialect::Sqlite))).collect();
        Ok(Self { connection, statements, _lock: lock })
    }

    fn apply(&self, effect: &Effect, now: Timestamp) -> Result<(), DatabaseError> {
        let statements = &self.statements[&effect.kind];
        let expected = effect.before.as_ref().map(|row| sql(row.revision()));
        let written = match (&effect.after, expected) {
            (Some(row), None) => write_row(&self.connection, &statements.insert, row, None)?,
            (Some(row), Some(before)) => write_row(&self.connection, &statements.update, row, Some(before))?,
            (None, before) => {
                self.connection.prepare_cached(&statements.delete)?.execute(params![effect.id, before])?
            }
        };
        if written != 1 {
            let detail = format!("{} {} is not at {expected:?}", effect.kind.table(), effect.id);
            return Err(DatabaseError::Diverged { detail });
        }
        self.connection
            .prepare_cached("INSERT INTO change (revision, kind, id, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![sql(effect.revision), effect.kind.table(), effect.id, now.0])?;
        Ok(())
    }

    fn seal(&self, seal: &Seal) -> Result<(), DatabaseError> {
        let (epoch, number) = (seal.batch.epoch.cast_signed(), seal.batch.number.cast_signed());
        self.connection
            .prepare_cached("UPDATE sequence SET revision = ?1, batch_epoch = ?2, batch_number = ?3")?
            .execute(params![sql(seal.head), epoch, number])?;
        self.connection
            .prepare_cached("INSERT INTO batch (revision, epoch, number) VALUES (?1, ?2, ?3)")?
            .execute(params![sql(seal.head), epoch, number])?;
        for (name, next) in &seal.sequences {
            self.connection
                .prepare_cached(
                    "INSERT INTO id_block (name, next) VALUES (?1, ?2) \
                     ON CONFLICT (name) DO UPDATE SET next = max(next, excluded.next)",
                )?
                .execute(params![name, next])?;
        }
        if let Some(upto) = seal.cut_upto {
            self.connection
                .prepare_cached("DELETE FROM change WHERE revision <= ?1")?
                .execute([sql(upto)])?;
            let batches = sql(seal.head).saturating_sub(KEEP_BATCHES);
            self.connection.prepare_cached("DELETE FROM batch WHERE revision <= ?1")?.execute([batches])?;
        }
        if let Some(before) = seal.cut_before {
            self.connection
                .prepare_cached(
                    "DELETE FROM change WHERE revision <= (SELECT max(revision) FROM \
                     (SELECT revision, at FROM change ORDER BY revision LIMIT ?1) WHERE at < ?2)",
                )?
                .execute(params![CUT_AT_ONCE, before.0])?;
        }
        Ok(())
    }

    fn head(&self) -> Result<Head, DatabaseError> {
        Ok(self
            .connection
            .prepare_cached("SELECT revision, batch_epoch, batch_number FROM sequence")?
            .query_row([], |row| {
                let batch = Batch {
                    epoch: row.get::<_, i64>(1)?.cast_unsigned(),
                    number: row.get::<_, i64>(2)?.cast_unsigned(),
                };
                Ok(Head { revision: revision(row.get(0)?), batch })
            })?)
    }

    fn read_all(&self) -> Result<Loaded, DatabaseError> {
        let mut tables = load::picture(|intake| {
            for (kind, statements) in &self.statements {
                let mut select = self.connection.prepare(&statements.select)?;
                let mut rows = select.query([])?;
                while let Some(row) = rows.next()? {
                    intake.take(*kind, read_columns(row)?);
                }
            }
            Ok(())
        })?;
        let head = self.head()?;
        tables.revision = head.revision;
        let mut sequences = Sequences::new();
        let mut select = self.connection.prepare("SELECT name, next FROM id_block")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(name) = known_sequence(&row.get::<_, String>(0)?) {
                sequences.insert(name, row.get(1)?);
            }
        }
        Ok(Loaded { tables, head, sequences })
    }

    fn feed(&self, after: Revision, limit: usize) -> Result<Option<Vec<Change>>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT revision, kind, id FROM change WHERE revision > ?1 ORDER BY revision LIMIT ?2",
        )?;
        let mut rows = select.query(params![sql(after), i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut changes = Vec::new();
        let mut first = None;
        while let Some(row) = rows.next()? {
            first = first.or(Some(row.get::<_, i64>(0)?));
            // A kind that only a newer version knows is none of ours.
            let Some(kind) = kind_of(&row.get::<_, String>(1)?) else { continue };
            changes.push(Change { revision: revision(row.get(0)?), kind, id: row.get(2)? });
        }
        let complete = match first {
            Some(first) => first == sql(after) + 1,
            None => limit == 0 || after >= self.head()?.revision,
        };
        Ok(complete.then_some(changes))
    }
}

/// Why the file cannot be opened.
enum Problem {
    Newer(u32),
    Database(DatabaseError),
}

impl<E: Into<DatabaseError>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// Sees whether it is our file and, where that is cheap, whether it is whole.
fn check_file(connection: &Connection) -> Result<(), DatabaseError> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if application != i64::from(APPLICATION) {
        if application != 0 || tables != 0 {
            let detail = "it is the file of another program".to_owned();
            return Err(DatabaseError::Damaged { detail });
        }
        connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION}"))?;
    }
    if number("PRAGMA page_count")? <= CHECK_UPTO_PAGES {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(DatabaseError::Damaged { detail: verdict });
        }
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), Problem> {
    use rusqlite::TransactionBehavior::Immediate;
    connection.execute_batch(STEP_TABLE)?;
    let found: u32 =
        connection.query_row("SELECT coalesce(max(number), 0) FROM schema_step", [], |row| row.get(0))?;
    if found > NEWEST {
        return Err(Problem::Newer(found));
    }
    for (number, step) in (1..).zip(&STEPS).skip(found as usize) {
        let transaction = connection.transaction_with_behavior(Immediate)?;
        transaction.execute_batch(step.sql(Dialect::Sqlite))?;
        transaction.execute("INSERT INTO schema_step VALUES (?1, ?2)", params![number, step.name])?;
        transaction.commit()?;
    }
    Ok(())
}

fn write_row(
    connection: &Connection,
    statement: &str,
    row: &AnyRow,
    expected: Option<i64>,
) -> Result<usize, rusqlite::Error> {
    let c = encode(row);
    let mut statement = connection.prepare_cached(statement)?;
    macro_rules! run {
        ($($last:expr)?) => {
            statement.execute(params![
                c.id, c.uuid, c.project, c.stack, c.service, c.host, c.name, c.unique, c.revision, c.generation,
                c.created, c.removal_asked, c.removed, c.intent.format, c.intent.json, c.decision.format,
                c.decision.json, c.observation.format, c.observation.json $(, $last)?
            ])
        };
    }
    match expected {
        Some(expected) => run!(expected),
        None => run!(),
    }
}

fn read_row(kind: Kind, row: &Row<'_>) -> Result<AnyRow, DatabaseError> {
    decode(kind, read_columns(row)?).map_err(|error| DatabaseError::Damaged { detail: error.to_string() })
}

fn read_columns(row: &Row<'_>) -> Result<Columns, rusqlite::Error> {
    let body =
        |at: usize| Ok::<_, rusqlite::Error>(StoredBody { format: row.get(at)?, json: row.get(at + 1)? });
    Ok(Columns {
        id: row.get(0)?,
        uuid: row.get(1)?,
        project: row.get(2)?,
        stack: row.get(3)?,
        service: row.get(4)?,
        host: row.get(5)?,
        name: row.get(6)?,
        unique: row.get(7)?,
        revision: row.get(8)?,
        generation: row.get(9)?,
        created: row.get(10)?,
        removal_asked: row.get(11)?,
        removed: row.get(12)?,
        intent: body(13)?,
        decision: body(15)?,
        observation: body(17)?,
    })
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let reason = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                return Self::Damaged { detail: error.to_string() };
            }
            Some(ErrorCode::ConstraintViolation) => return Self::Diverged { detail: error.to_string() },
            Some(ErrorCode::TooBig) => {
                return Self::Rejected { reason: "a row is too large", cause: Some(error.into_cause()) };
            }
            Some(ErrorCode::DiskFull) => "the disk is full",
            Some(ErrorCode::SystemIoFailure) => "the disk fails",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it",
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                "the file may not be written"
            }
            _ => "an operation failed",
        };
        Self::Unavailable { reason, cause: Some(error.into_cause()) }
    }
}

impl Database for SqliteDatabase {
    async fn load(&mut self) -> Result<Loaded, DatabaseError> {
        self.read_all()
    }

    async fn raise_epoch(&mut self) -> Result<Epoch, DatabaseError> {
        let raised = self.connection.query_row(
            "UPDATE epoch SET value = MAX(value + 1, unixepoch()) RETURNING value",
            [],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(Epoch(raised.cast_unsigned()))
    }

    async fn begin(&mut self) -> Result<Head, DatabaseError> {
        if !self.connection.is_autocommit() {
            self.roll_back().await;
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.head()
    }

    async fn stage(&mut self, effects: Vec<Effect>, now: Timestamp) -> Result<(), DatabaseError> {
        self.connection.prepare_cached("SAVEPOINT one")?.execute([])?;
        let applied = effects.iter().try_for_each(|effect| self.apply(effect, now));
        // After some errors SQLite has dropped the whole batch by itself, and there is no savepoint any more.
        if applied.is_err() && !self.connection.is_autocommit() {
            self.connection.prepare_cached("ROLLBACK TO one")?.execute([])?;
        }
        if !self.connection.is_autocommit() {
            self.connection.prepare_cached("RELEASE one")?.execute([])?;
        }
        match applied {
            Err(DatabaseError::Rejected { reason, cause }) if self.connection.is_autocommit() => {
                Err(DatabaseError::Unavailable { reason, cause })
            }
            applied => applied,
        }
    }

    async fn commit(&mut self, seal: Seal) -> Result<(), DatabaseError> {
        if let Err(error) = self.seal(&seal) {
            self.roll_back().await;
            return Err(error);
        }
        let committed = self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        let Err(error) = committed else { return Ok(()) };
        self.roll_back().await;
        match error.sqlite_error_code() {
            // The log may have reached the disk although the flush failed, and would be read after a crash.
            Some(ErrorCode::SystemIoFailure) => Err(DatabaseError::Unknown { cause: error.into_cause() }),
            _ => Err(error.into()),
        }
    }

    async fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "could not roll back");
        }
    }

    /// Writes over what a failed flush may have left in the log, and then looks.
    async fn find_batch(&mut self, batch: Batch) -> Result<bool, DatabaseError> {
        self.roll_back().await;
        self.connection.execute_batch("UPDATE sequence SET revision = revision")?;
        let found = self
            .connection
            .query_row(
                "SELECT 1 FROM batch WHERE epoch = ?1 AND number = ?2",
                params![batch.epoch.cast_signed(), batch.number.cast_signed()],
                |_| Ok(()),
            )
            .optional()?;
        Ok(found.is_some())
    }

    async fn catch_up(&mut self, since: Revision) -> Result<CatchUp, DatabaseError> {
        let Some(changes) = self.feed(since, usize::MAX)? else { return Ok(CatchUp::Cut) };
        let ids: std::collections::BTreeSet<_> =
            changes.iter().map(|change| (change.kind, change.id)).collect();
        let mut rows = Vec::with_capacity(ids.len());
        for (kind, id) in ids {
            let mut select = self
                .connection
                .prepare_cached(&format!("{} WHERE id = ?1", self.statements[&kind].select))?;
            let mut found = select.query([id])?;
            if let Some(row) = found.next()? {
                rows.push(read_row(kind, row)?);
            }
        }
        Ok(CatchUp::Changes { head: self.head()?, changes, rows })
    }

    async fn history(&mut self, after: Revision, limit: usize) -> Result<Option<Vec<Change>>, DatabaseError> {
        self.feed(after, limit)
    }

    async fn reserve(&mut self, sequence: &'static str, count: u32) -> Result<Range<i64>, DatabaseError> {
        let next: i64 = self.connection.query_row(
            "INSERT INTO id_block (name, next) VALUES (?1, 1 + ?2) \
             ON CONFLICT (name) DO UPDATE SET next = next + ?2 RETURNING next",
            params![sequence, count],
            |row| row.get(0),
        )?;
        Ok(next - i64::from(count)..next)
    }

    /// The file is ours alone.
    async fn nudged(&mut self) {
        std::future::pending().await
    }

    async fn linger(&mut self) -> bool {
        std::thread::sleep(LINGER);
        true
    }

    async fn close(self) {
        let Self { connection, _lock: lock, .. } = self;
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "could not close the database");
        }
        drop(lock);
    }
}
