//! The seam to the databases.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;

use contract_values::{Epoch, Revision, Timestamp};
use control_model::{AnyRow, Kind, Tables};

use crate::error::Cause;
use crate::store::Change;

/// The name of the sequence that gives the ids of a kind. Accounts and environments share one, because the API
/// calls environments accounts in places.
pub(crate) const fn sequence(kind: Kind) -> &'static str {
    match kind {
        Kind::Account | Kind::Project => "account",
        Kind::Credential
        | Kind::Member
        | Kind::Setting
        | Kind::Host
        | Kind::Stack
        | Kind::Service
        | Kind::Container
        | Kind::Volume
        | Kind::Secret
        | Kind::Certificate
        | Kind::Registry
        | Kind::AuditLog
        | Kind::ProjectTemplate => kind.table(),
    }
}

/// The next id of each sequence.
pub(crate) type Sequences = BTreeMap<&'static str, i64>;

/// The name of a batch: the epoch of the server that wrote it, and a number that it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Batch {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
}

/// Where the database stands: its newest revision and the batch that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) revision: Revision,
    pub(crate) batch: Batch,
}

/// All that is in a database.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) tables: Tables,
    pub(crate) head: Head,
    pub(crate) sequences: Sequences,
}

/// What one write does to one row.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) kind: Kind,
    pub(crate) id: i64,
    /// Its entry in the feed.
    pub(crate) revision: Revision,
    /// The row as it was just before; `None` when there was none.
    pub(crate) before: Option<AnyRow>,
    /// The row as it is then; `None` when it is gone for good.
    pub(crate) after: Option<AnyRow>,
}

/// What ends a batch.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    pub(crate) batch: Batch,
    /// The revision of the last write.
    pub(crate) head: Revision,
    /// Entries of the feed up to here are to go.
    pub(crate) cut_upto: Option<Revision>,
    /// Entries of the feed that are older are to go, some at a time.
    pub(crate) cut_before: Option<Timestamp>,
    /// The next ids.
    pub(crate) sequences: Sequences,
}

/// What others have written since a revision.
#[derive(Debug)]
pub(crate) enum CatchUp {
    /// The entries in order, and each row of them as it is now.
    Changes { head: Head, changes: Vec<Change>, rows: Vec<AnyRow> },
    /// The feed does not reach that far back.
    Cut,
}

/// Why the database did not do it.
#[derive(Clone, Debug)]
pub(crate) enum DatabaseError {
    /// It could not, and nothing was written.
    Unavailable { reason: &'static str, cause: Option<Cause> },
    /// The connection was lost, and nothing was written: it may be tried again.
    Lost { cause: Cause },
    /// It could not take this one transaction; the others of the batch are well.
    Rejected { reason: &'static str, cause: Option<Cause> },
    /// Whether the batch was committed is not known.
    Unknown { cause: Cause },
    /// A row is not as the picture says.
    Diverged { detail: String },
    /// What is stored cannot be read.
    Damaged { detail: String },
}

/// A database as the writer drives it: `begin`, `stage` for each transaction, `commit` or `roll_back`.
pub(crate) trait Database: Send + 'static {
    /// Reads everything.
    fn load(&mut self) -> impl Future<Output = Result<Loaded, DatabaseError>> + Send;

    /// Raises the epoch for good: by one, and on a real database at least to its clock in seconds, so that a database
    /// that was restored from an old copy begins above what agents have seen of the newer one.
    fn raise_epoch(&mut self) -> impl Future<Output = Result<Epoch, DatabaseError>> + Send;

    /// Begins a batch: from here to its end nobody else writes.
    fn begin(&mut self) -> impl Future<Output = Result<Head, DatabaseError>> + Send;

    /// Takes over the effects of one transaction. After an error those of this one are dropped and the batch goes on.
    fn stage(
        &mut self,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Makes the batch durable. After an error it is over.
    fn commit(&mut self, seal: Seal) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Drops the batch.
    fn roll_back(&mut self) -> impl Future<Output = ()> + Send;

    /// Looks up whether a batch was committed; the answer is final.
    fn find_batch(&mut self, batch: Batch) -> impl Future<Output = Result<bool, DatabaseError>> + Send;

    /// Reads what was written after a revision.
    fn catch_up(&mut self, since: Revision) -> impl Future<Output = Result<CatchUp, DatabaseError>> + Send;

    /// Reads at most `limit` entries of the feed after a revision; `None` when it does not reach that far back.
    fn history(
        &mut self,
        after: Revision,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<Change>>, DatabaseError>> + Send;

    /// Takes ids out of a sequence for good.
    fn reserve(
        &mut self,
        sequence: &'static str,
        count: u32,
    ) -> impl Future<Output = Result<Range<i64>, DatabaseError>> + Send;

    /// Waits until another server has perhaps written. May be dropped at any moment.
    fn nudged(&mut self) -> impl Future<Output = ()> + Send;

    /// Lets those who were just answered come with their next transaction, so that they share the next flush; says
    /// whether that is worth while here.
    fn linger(&mut self) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }

    /// Lets go of everything.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The sequence of that name.
pub(crate) fn known_sequence(name: &str) -> Option<&'static str> {
    Kind::ALL.into_iter().map(sequence).find(|known| *known == name)
}
