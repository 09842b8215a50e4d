//! The database that is only memory: for tests, and for the simulation, which gives it faults.
//!
//! It has no clock, no thread and no randomness. It outlives the stores that have it open, so a simulated server can
//! be killed and started again on it, and several servers can share it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use contract_values::{Duration, Epoch, Revision, Timestamp};
use control_model::{AnyRow, Tables};
use tokio::sync::{OwnedMutexGuard, watch};

use crate::database::{Batch, CatchUp, Database, DatabaseError, Effect, Head, Loaded, Seal, Sequences};
use crate::error::Cause;
use crate::store::{Change, IntoCause};

/// How many batches are remembered.
const BATCHES: usize = 1000;

/// A database in memory. Clones are the same database.
#[derive(Clone)]
pub struct MemoryDatabase {
    disk: Arc<Mutex<Disk>>,
    /// Held from the beginning of a batch to its end.
    sequencer: Arc<tokio::sync::Mutex<()>>,
    head: watch::Sender<Revision>,
}

/// Where a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryStep {
    /// When it is opened or loaded anew.
    Load,
    /// When a batch begins.
    Begin,
    /// When a batch is to become durable.
    Commit,
    /// When it is read what others wrote.
    CatchUp,
    /// When ids are taken.
    Reserve,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryFault {
    /// All is well.
    None,
    /// It takes that long.
    Delay(Duration),
    /// It fails; nothing was done.
    Refuse,
    /// The connection is lost. With a commit, it took effect or did not.
    Disconnect {
        /// Whether it took effect.
        written: bool,
    },
    /// The connection is lost for good, as if the server had been killed. With a commit, it took effect or did not.
    Crash {
        /// Whether it took effect.
        written: bool,
    },
}

#[derive(Default)]
struct Disk {
    tables: Tables,
    head: Head,
    feed: VecDeque<(Change, Timestamp)>,
    batches: VecDeque<Batch>,
    sequences: Sequences,
    epoch: u64,
    faults: Option<Box<dyn FnMut(MemoryStep) -> MemoryFault + Send>>,
}

impl fmt::Debug for MemoryDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDatabase").field("revision", &*self.head.borrow()).finish_non_exhaustive()
    }
}

impl Default for MemoryDatabase {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDatabase {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self { disk: Arc::default(), sequencer: Arc::default(), head: watch::Sender::new(Revision(0)) }
    }

    /// Asks `faults` at every step from now on.
    pub fn set_faults(&self, faults: impl FnMut(MemoryStep) -> MemoryFault + Send + 'static) {
        self.disk().faults = Some(Box::new(faults));
    }

    /// Ends the faults.
    pub fn clear_faults(&self) {
        self.disk().faults = None;
    }

    /// What is durable in it.
    pub fn tables(&self) -> Tables {
        self.disk().tables.clone()
    }

    /// Makes another database with what is durable in this one, as a backup does.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy.restore(self);
        copy
    }

    /// Puts what is durable in another one in the place of what is in this one, as restoring a backup does.
    pub fn restore(&self, other: &Self) {
        let other = other.disk().image();
        let revision = other.head.revision;
        let mut disk = self.disk();
        let faults = disk.faults.take();
        *disk = Disk { faults, ..other };
        drop(disk);
        self.head.send_replace(revision);
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("nobody panics while holding the disk")
    }
}

/// One store's access to the database.
pub(crate) struct MemoryConnection {
    database: MemoryDatabase,
    batch: Option<OpenBatch>,
    head: watch::Receiver<Revision>,
    crashed: bool,
}

struct OpenBatch {
    _sequencer: OwnedMutexGuard<()>,
    effects: Vec<(Effect, Timestamp)>,
}

impl MemoryConnection {
    pub(crate) fn new(database: &MemoryDatabase) -> Self {
        let head = database.head.subscribe();
        Self { database: database.clone(), batch: None, head, crashed: false }
    }

    /// Lets the fault of a step happen; says whether a commit is to be written and its answer lost.
    async fn step(&mut self, step: MemoryStep) -> Result<Option<bool>, DatabaseError> {
        if self.crashed {
            return Err(refused("the server was killed"));
        }
        let fault = match &mut self.database.disk().faults {
            Some(faults) => faults(step),
            None => MemoryFault::None,
        };
        match fault {
            MemoryFault::None => Ok(None),
            MemoryFault::Delay(time) => {
                tokio::time::sleep(time.to_std()).await;
                Ok(None)
            }
            MemoryFault::Refuse => Err(refused("a fault was injected")),
            MemoryFault::Crash { written } => {
                self.crashed = true;
                Ok(Some(written))
            }
            MemoryFault::Disconnect { written } => Ok(Some(written)),
        }
    }

    async fn plain_step(&mut self, step: MemoryStep) -> Result<(), DatabaseError> {
        match self.step(step).await? {
            None => Ok(()),
            Some(_) => Err(DatabaseError::Lost { cause: lost() }),
        }
    }
}

fn lost() -> Cause {
    std::io::Error::other("the connection was lost").into_cause()
}

fn refused(reason: &'static str) -> DatabaseError {
    DatabaseError::Unavailable { reason, cause: None }
}

impl Disk {
    fn image(&self) -> Self {
        Self {
            tables: self.tables.clone(),
            head: self.head,
            feed: self.feed.clone(),
            batches: self.batches.clone(),
            sequences: self.sequences.clone(),
            epoch: self.epoch,
            faults: None,
        }
    }

    fn write(&mut self, effects: &[(Effect, Timestamp)], seal: &Seal) -> Result<(), DatabaseError> {
        let mut tables = self.tables.clone();
        for (effect, _) in effects {
            let stored = tables.any(effect.kind, effect.id).map(|row| row.revision());
            if stored != effect.before.as_ref().map(AnyRow::revision) {
                let detail = format!("{} {} is at {stored:?}", effect.kind.table(), effect.id);
                return Err(DatabaseError::Diverged { detail });
            }
            match &effect.after {
                Some(row) => tables.put(row.clone()),
                None => tables.purge(effect.kind, effect.id),
            }
        }
        tables.revision = seal.head;
        self.tables = tables;
        self.head = Head { revision: seal.head, batch: seal.batch };
        self.feed.extend(effects.iter().map(|(effect, now)| {
            (Change { revision: effect.revision, kind: effect.kind, id: effect.id }, *now)
        }));
        let cut_upto = seal.cut_upto.unwrap_or_default();
        let cut_before = seal.cut_before.unwrap_or(Timestamp(i64::MIN));
        while self.feed.front().is_some_and(|(c, at)| c.revision <= cut_upto || *at < cut_before) {
            self.feed.pop_front();
        }
        self.batches.push_back(seal.batch);
        if self.batches.len() > BATCHES {
            self.batches.pop_front();
        }
        for (sequence, next) in &seal.sequences {
            let known = self.sequences.entry(sequence).or_insert(1);
            *known = (*next).max(*known);
        }
        Ok(())
    }

    /// The entries after a revision, unless some of them are cut.
    fn feed_after(&self, after: Revision) -> Option<Vec<Change>> {
        let changes: Vec<_> = self
            .feed
            .iter()
            .map(|(change, _)| *change)
            .skip_while(|change| change.revision <= after)
            .collect();
        let complete = match changes.first() {
            Some(first) => first.revision.0 == after.0 + 1,
            None => after >= self.head.revision,
        };
        complete.then_some(changes)
    }
}

impl Database for MemoryConnection {
    async fn load(&mut self) -> Result<Loaded, DatabaseError> {
        self.plain_step(MemoryStep::Load).await?;
        let disk = self.database.disk();
        Ok(Loaded { tables: disk.tables.clone(), head: disk.head, sequences: disk.sequences.clone() })
    }

    async fn raise_epoch(&mut self) -> Result<Epoch, DatabaseError> {
        let mut disk = self.database.disk();
        disk.epoch += 1;
        Ok(Epoch(disk.epoch))
    }

    async fn begin(&mut self) -> Result<Head, DatabaseError> {
        self.plain_step(MemoryStep::Begin).await?;
        let sequencer = self.database.sequencer.clone().lock_owned().await;
        self.batch = Some(OpenBatch { _sequencer: sequencer, effects: Vec::new() });
        Ok(self.database.disk().head)
    }

    async fn stage(&mut self, effects: Vec<Effect>, now: Timestamp) -> Result<(), DatabaseError> {
        let batch = self.batch.as_mut().expect("a batch has begun");
        batch.effects.extend(effects.into_iter().map(|effect| (effect, now)));
        Ok(())
    }

    async fn commit(&mut self, seal: Seal) -> Result<(), DatabaseError> {
        let batch = self.batch.take().expect("a batch has begun");
        let fault = self.step(MemoryStep::Commit).await?;
        if fault != Some(false) {
            self.database.disk().write(&batch.effects, &seal)?;
            self.database.head.send_replace(seal.head);
        }
        match fault {
            None => Ok(()),
            Some(_) => Err(DatabaseError::Unknown { cause: lost() }),
        }
    }

    async fn roll_back(&mut self) {
        self.batch = None;
    }

    async fn find_batch(&mut self, batch: Batch) -> Result<bool, DatabaseError> {
        self.plain_step(MemoryStep::CatchUp).await?;
        Ok(self.database.disk().batches.contains(&batch))
    }

    async fn catch_up(&mut self, since: Revision) -> Result<CatchUp, DatabaseError> {
        self.plain_step(MemoryStep::CatchUp).await?;
        let disk = self.database.disk();
        let Some(changes) = disk.feed_after(since) else { return Ok(CatchUp::Cut) };
        let ids: BTreeSet<_> = changes.iter().map(|change| (change.kind, change.id)).collect();
        let rows: Vec<AnyRow> = ids.iter().filter_map(|(kind, id)| disk.tables.any(*kind, *id)).collect();
        Ok(CatchUp::Changes { head: disk.head, changes, rows })
    }

    async fn history(&mut self, after: Revision, limit: usize) -> Result<Option<Vec<Change>>, DatabaseError> {
        self.plain_step(MemoryStep::CatchUp).await?;
        let changes = self.database.disk().feed_after(after);
        Ok(changes.map(|mut changes| {
            changes.truncate(limit);
            changes
        }))
    }

    async fn reserve(&mut self, sequence: &'static str, count: u32) -> Result<Range<i64>, DatabaseError> {
        self.plain_step(MemoryStep::Reserve).await?;
        let mut disk = self.database.disk();
        let next = disk.sequences.entry(sequence).or_insert(1);
        let first = *next;
        *next += i64::from(count);
        Ok(first..*next)
    }

    async fn nudged(&mut self) {
        // An error is impossible while this connection holds the database.
        if self.head.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn close(self) {}
}
