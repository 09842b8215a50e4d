//! The handle that everybody holds.

use std::ops::Range;
use std::sync::{Arc, Mutex, RwLock};

use contract_values::{Epoch, Revision, Timestamp};
use control_model::{AnyRow, Kind, Tables, Transaction};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::database::{Database, DatabaseError, Sequences, sequence};
use crate::error::{CommitError, HistoryError, OpenError};
use crate::memory::{MemoryConnection, MemoryDatabase};
use crate::options::StoreOptions;
use crate::watch::{Changes, Message, Watch};
use crate::writer::{Job, Writer};

/// One entry of the change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the feed.
    pub revision: Revision,
    /// The kind of the row.
    pub kind: Kind,
    /// The number of the row.
    pub id: i64,
}

/// What a commit has written.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The revision of the last write; that of the picture when there was nothing to write.
    pub revision: Revision,
    /// The rows, one for each write and in their order.
    pub rows: Vec<AnyRow>,
}

/// The store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    closed: watch::Receiver<bool>,
}

/// What the writer and the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    published: RwLock<Published>,
    epoch: Epoch,
    /// The next ids, where this server is the only one and may count for itself.
    sequences: Option<Mutex<Sequences>>,
}

#[derive(Debug)]
struct Published {
    tables: Arc<Tables>,
    messages: broadcast::Sender<Message>,
}

impl Store {
    /// Opens a database, brings its schema up to date and reads all of it. `url` is `sqlite:/path/to/file.db`,
    /// `postgres://user:password@host/database`, or `memory:` for one that ends with the process.
    ///
    /// # Errors
    /// Returns why it cannot be used; see [`OpenError`].
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self, OpenError> {
        match url.split_once(':') {
            Some(("memory", _)) => Self::open_memory(&MemoryDatabase::new(), options).await,
            Some(("sqlite", path)) => crate::sqlite::open(path, options).await,
            Some(("postgres" | "postgresql", _)) => crate::postgres::open(url, options).await,
            _ => Err(OpenError::Scheme { scheme: url.split(':').next().unwrap_or_default().to_owned() }),
        }
    }

    /// Opens a database in memory, which several stores may have open at once and which outlives them.
    ///
    /// # Errors
    /// Returns what its faults cause.
    pub async fn open_memory(database: &MemoryDatabase, options: StoreOptions) -> Result<Self, OpenError> {
        let (store, writer) = Self::start(MemoryConnection::new(database), false, options)
            .await
            .map_err(|error| unavailable("in memory", error))?;
        tokio::spawn(writer.run());
        Ok(store)
    }

    /// Loads the picture and makes the writer, which the caller runs.
    pub(crate) async fn start<D: Database>(
        mut database: D,
        counts_ids: bool,
        options: StoreOptions,
    ) -> Result<(Self, Writer<D>), DatabaseError> {
        let epoch = database.raise_epoch().await?;
        let loaded = database.load().await?;
        let (messages, _) = broadcast::channel(options.watch_capacity.max(1));
        let (jobs, receiver) = mpsc::channel(options.queue.max(1));
        let (closing, closed) = watch::channel(false);
        let tables = Arc::new(loaded.tables);
        let shared = Arc::new(Shared {
            published: RwLock::new(Published { tables, messages }),
            epoch,
            sequences: counts_ids.then(|| Mutex::new(loaded.sequences)),
        });
        let writer = Writer::new(database, shared.clone(), receiver, closing, loaded.head, options);
        Ok((Self { shared, jobs, closed }, writer))
    }

    /// Returns the picture as it is now.
    pub fn snapshot(&self) -> Arc<Tables> {
        self.shared.tables()
    }

    /// Writes a transaction. When this returns, it is on disk, and [`Store::snapshot`] includes it. When the caller
    /// stops waiting, the transaction may take effect all the same.
    ///
    /// # Errors
    /// Returns [`CommitError::Refused`] when a condition does not hold, and the others when the database fails.
    pub async fn commit(&self, transaction: Transaction) -> Result<Committed, CommitError> {
        let (answer, reply) = oneshot::channel();
        self.send(Job::Commit { transaction, answer }).await?;
        reply.await.unwrap_or(Err(CommitError::closed()))
    }

    /// Takes ids that no row has had and none will get but by the caller.
    ///
    /// # Errors
    /// Fails when the database cannot be reached.
    pub async fn reserve_ids(&self, kind: Kind, count: u32) -> Result<Range<i64>, CommitError> {
        let sequence = sequence(kind);
        if let Some(sequences) = &self.shared.sequences {
            let mut sequences = sequences.lock().expect("nobody panics while counting");
            let next = sequences.entry(sequence).or_insert(1);
            let first = *next;
            *next += i64::from(count);
            return Ok(first..*next);
        }
        let (answer, reply) = oneshot::channel();
        self.send(Job::Reserve { sequence, count, answer }).await?;
        reply.await.unwrap_or(Err(CommitError::closed()))
    }

    /// Starts to follow the changes from now on.
    pub fn watch(&self) -> Watch {
        let published = self.shared.published.read().expect("nobody panics while publishing");
        Watch::new(published.tables.clone(), published.messages.subscribe())
    }

    /// Reads at most `limit` entries of the change feed after a revision.
    ///
    /// # Errors
    /// Fails when the feed has been cut further on, or the database cannot be read.
    pub async fn history(&self, after: Revision, limit: usize) -> Result<Vec<Change>, HistoryError> {
        let (answer, reply) = oneshot::channel();
        let lost = || HistoryError::Unavailable(CommitError::closed());
        self.send(Job::History { after, limit, answer }).await.map_err(HistoryError::Unavailable)?;
        reply.await.unwrap_or_else(|_| Err(lost()))
    }

    /// The term of this server: higher with every opening of the database.
    pub fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// Finishes what is queued and lets go of the database. Later commits fail; the picture stays readable.
    pub async fn close(&self) {
        // An error says that the writer has ended already.
        let _ = self.jobs.send(Job::Close).await;
        let mut closed = self.closed.clone();
        let _ = closed.wait_for(|closed| *closed).await;
    }

    async fn send(&self, job: Job) -> Result<(), CommitError> {
        self.jobs.send(job).await.map_err(|_| CommitError::closed())
    }
}

impl Shared {
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.published.read().expect("nobody panics while publishing").tables.clone()
    }

    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn publish(&self, tables: Arc<Tables>, changes: Vec<Change>) {
        let message = Message::Changes(Changes { changes: changes.into(), tables: tables.clone() });
        self.replace(tables, message);
    }

    pub(crate) fn reset(&self, tables: Arc<Tables>) {
        self.replace(tables, Message::Reset);
    }

    /// Both under one lock, so that a new watch misses nothing and sees nothing twice.
    fn replace(&self, tables: Arc<Tables>, message: Message) {
        let mut published = self.published.write().expect("nobody panics while publishing");
        published.tables = tables;
        // An error says that nobody listens.
        let _ = published.messages.send(message);
    }

    /// Keeps the counted ids above one that a caller chose by itself.
    pub(crate) fn raise_sequence(&self, sequence: &'static str, next: i64) {
        if let Some(sequences) = &self.sequences {
            let mut sequences = sequences.lock().expect("nobody panics while counting");
            let known = sequences.entry(sequence).or_insert(1);
            *known = next.max(*known);
        }
    }
}

pub(crate) fn unavailable(place: &str, error: DatabaseError) -> OpenError {
    let place = place.to_owned();
    match error {
        DatabaseError::Unavailable { reason, cause } | DatabaseError::Rejected { reason, cause } => {
            OpenError::Unavailable {
                place,
                cause: cause.unwrap_or_else(|| std::io::Error::other(reason).into_cause()),
            }
        }
        DatabaseError::Lost { cause } | DatabaseError::Unknown { cause } => {
            OpenError::Unavailable { place, cause }
        }
        DatabaseError::Diverged { detail } | DatabaseError::Damaged { detail } => {
            OpenError::Damaged { place, detail }
        }
    }
}

/// Wraps an error as a shared cause.
pub(crate) trait IntoCause {
    fn into_cause(self) -> crate::error::Cause;
}
impl<E: std::error::Error + Send + Sync + 'static> IntoCause for E {
    fn into_cause(self) -> crate::error::Cause {
        Arc::new(self)
    }
}

/// The time to hand on when no transaction has brought one.
pub(crate) const NO_TIME: Timestamp = Timestamp(i64::MIN);
