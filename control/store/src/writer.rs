//! The loop that is the only writer: see the essay at the top of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use contract_values::{Revision, Timestamp};
use control_model::{AnyRow, Kind, Tables, Transaction, apply, with_row};
use tokio::sync::{mpsc, oneshot, watch};

use crate::database::{Batch, CatchUp, Database, DatabaseError, Effect, Head, Seal, Sequences, sequence};
use crate::error::{CommitError, HistoryError};
use crate::options::StoreOptions;
use crate::store::{Change, Committed, IntoCause, NO_TIME, Shared};

/// How often in a row to look for more of those who came together last time.
const LINGER_IDLE: u32 = 4;
/// How many removed rows go for good with one commit.
const PURGE: usize = 64;
/// How many revisions back batches are remembered.
pub(crate) const KEEP_BATCHES: i64 = 10_000;
/// How many revisions pass between two cuts of the feed.
const CUT_EVERY: u64 = 256;
/// The first and the longest pause between two tries to learn what became of a commit.
const RESOLVE_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// What the handles ask of the writer.
#[derive(Debug)]
pub(crate) enum Job {
    Commit { transaction: Transaction, answer: oneshot::Sender<Result<Committed, CommitError>> },
    Reserve { sequence: &'static str, count: u32, answer: oneshot::Sender<Result<Range<i64>, CommitError>> },
    History { after: Revision, limit: usize, answer: oneshot::Sender<Result<Vec<Change>, HistoryError>> },
    Close,
}

pub(crate) struct Writer<D> {
    database: D,
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    closing: watch::Sender<bool>,
    options: StoreOptions,
    /// Where the picture stands.
    head: Head,
    /// The number of the next batch.
    batch: u64,
    /// Removed rows by the time of their removal.
    removed: BTreeSet<(Timestamp, Kind, i64)>,
    /// Up to which revision the feed was last cut, or looked at for it.
    cut: Option<Revision>,
    fenced: bool,
    /// How many transactions came together last time.
    last_group: usize,
}

/// A batch that is ready to be made durable.
struct Staged {
    results: Vec<Result<Committed, CommitError>>,
    tables: Tables,
    changes: Vec<Change>,
    purged: Vec<(Timestamp, Kind, i64)>,
    seal: Seal,
}

impl<D: Database> Writer<D> {
    pub(crate) fn new(
        database: D,
        shared: Arc<Shared>,
        jobs: mpsc::Receiver<Job>,
        closing: watch::Sender<bool>,
        head: Head,
        options: StoreOptions,
    ) -> Self {
        let removed = removed_rows(&shared.tables());
        Self {
            database,
            shared,
            jobs,
            closing,
            options,
            head,
            batch: 1,
            removed,
            cut: None,
            fenced: false,
            last_group: 0,
        }
    }

    /// Works until the store is closed or its last handle is gone.
    pub(crate) async fn run(mut self) {
        let mut open = true;
        while open {
            let job = tokio::select! {
                biased;
                job = self.jobs.recv() => job,
                () = self.database.nudged() => {
                    if let Err(error) = self.catch_up().await {
                        tracing::debug!(?error, "could not read what other servers wrote");
                    }
                    continue;
                }
            };
            let Some(job) = job else { break };
            let mut group = Group::default();
            open = self.sort(job, &mut group).await && self.gather(&mut group).await;
            for (sequence, takers) in group.takers {
                self.reserve(sequence, takers).await;
            }
            if !group.commits.is_empty() {
                self.last_group = group.commits.len();
                self.commit_group(group.commits).await;
            }
        }
        // Whoever still waits in the queue is told by the end of the channel.
        drop(self.jobs);
        self.database.close().await;
        // An error says that nobody waits for it.
        let _ = self.closing.send(true);
    }

    /// Takes what else is queued. Where many came together last time they are on their way again, and the first of
    /// them should not have a flush for itself; a lone writer is not kept waiting.
    async fn gather(&mut self, group: &mut Group) -> bool {
        let mut idle = 0;
        loop {
            let before = group.commits.len();
            while group.commits.len() < self.options.group {
                let Ok(job) = self.jobs.try_recv() else { break };
                if !self.sort(job, group).await {
                    return false;
                }
            }
            idle = if group.commits.len() > before { 0 } else { idle + 1 };
            let more_to_come = group.commits.len() < self.last_group && idle < LINGER_IDLE;
            if !more_to_come || !self.database.linger().await {
                return true;
            }
        }
    }

    /// Sorts a job to others of its kind, and does everything else at once; says whether to go on.
    async fn sort(&mut self, job: Job, group: &mut Group) -> bool {
        match job {
            Job::Commit { transaction, answer } => group.commits.push((transaction, answer)),
            Job::Reserve { sequence, count, answer } => {
                group.takers.entry(sequence).or_default().push((count, answer));
            }
            Job::History { after, limit, answer } => {
                // An answer that cannot be sent is one that nobody waits for.
                let _ = answer.send(self.history(after, limit).await);
            }
            Job::Close => return false,
        }
        true
    }

    /// Takes ids for all who want some of one sequence, with one write.
    async fn reserve(&mut self, sequence: &'static str, takers: Vec<(u32, Taker)>) {
        let total = takers.iter().fold(0u32, |total, (count, _)| total.saturating_add(*count));
        let mut ids = self.database.reserve(sequence, total).await;
        if let Err(DatabaseError::Lost { .. } | DatabaseError::Unknown { .. }) = &ids {
            // At worst some numbers are never used.
            ids = self.database.reserve(sequence, total).await;
        }
        let mut ids = ids.map_err(|error| commit_error(&error));
        for (count, answer) in takers {
            let taken = match &mut ids {
                Ok(ids) => {
                    let first = ids.start;
                    ids.start = (first + i64::from(count)).min(ids.end);
                    Ok(first..ids.start)
                }
                Err(error) => Err(error.clone()),
            };
            let _ = answer.send(taken);
        }
    }

    async fn history(&mut self, after: Revision, limit: usize) -> Result<Vec<Change>, HistoryError> {
        match self.database.history(after, limit).await {
            Ok(Some(changes)) => Ok(changes),
            Ok(None) => Err(HistoryError::Cut { after }),
            Err(error) => Err(HistoryError::Unavailable(commit_error(&error))),
        }
    }

    async fn commit_group(&mut self, group: Vec<(Transaction, Answer)>) {
        let (transactions, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let results = self.write_or_repair(&transactions).await;
        for (answer, result) in answers.into_iter().zip(results) {
            let _ = answer.send(result);
        }
    }

    /// Writes a group; where the picture proves to be wrong, loads it anew and writes one transaction at a time.
    async fn write_or_repair(&mut self, group: &[Transaction]) -> Vec<Result<Committed, CommitError>> {
        let mut result = self.write(group).await;
        if let Err(DatabaseError::Lost { cause }) = &result {
            tracing::warn!(%cause, "the connection to the database was lost; trying again");
            result = self.write(group).await;
        }
        match result {
            Ok(results) => results,
            Err(DatabaseError::Diverged { detail }) => {
                tracing::error!(detail, "the picture in memory differs from the database and is loaded anew");
                let mut results = Vec::with_capacity(group.len());
                for transaction in group {
                    let result = match self.reload().await {
                        Ok(()) => self.write(std::slice::from_ref(transaction)).await,
                        Err(error) => Err(error),
                    };
                    results.push(match result {
                        Ok(mut results) => results.pop().expect("one transaction has one result"),
                        Err(error) => Err(commit_error(&error)),
                    });
                }
                results
            }
            Err(error) => {
                tracing::warn!(?error, "a commit failed");
                let error = commit_error(&error);
                group.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }

    async fn write(
        &mut self,
        group: &[Transaction],
    ) -> Result<Vec<Result<Committed, CommitError>>, DatabaseError> {
        if !self.fenced {
            self.begin().await?;
        }
        if self.fenced {
            return Ok(group.iter().map(|_| Err(CommitError::Fenced)).collect());
        }
        let staged = match self.stage(group).await {
            Ok(staged) => staged,
            Err(error) => {
                self.database.roll_back().await;
                return Err(error);
            }
        };
        if staged.changes.is_empty() {
            self.database.roll_back().await;
            return Ok(staged.results);
        }
        let Staged { results, tables, changes, purged, seal } = staged;
        let head = Head { revision: seal.head, batch: seal.batch };
        let cut = seal.cut_before.is_some();
        match self.database.commit(seal).await {
            Ok(()) => {
                self.head = head;
                if cut {
                    self.cut = Some(head.revision);
                }
                for gone in purged {
                    self.removed.remove(&gone);
                }
                for row in results.iter().flatten().flat_map(|committed| &committed.rows) {
                    self.note_removed(row);
                }
                self.shared.publish(Arc::new(tables), changes);
                Ok(results)
            }
            Err(DatabaseError::Unknown { cause }) => {
                tracing::warn!(%cause, "the outcome of a commit is not known; looking it up");
                match self.resolve(head.batch).await {
                    Some(true) => Ok(results),
                    Some(false) => Err(DatabaseError::Lost { cause }),
                    None => Err(DatabaseError::Unknown { cause }),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Becomes the only writer, with a picture of all that is written.
    async fn begin(&mut self) -> Result<(), DatabaseError> {
        let head = self.database.begin().await?;
        if head == self.head {
            return Ok(());
        }
        let caught_up = self.catch_up().await;
        if caught_up.is_err() || self.fenced {
            self.database.roll_back().await;
        }
        caught_up
    }

    /// Applies each transaction to the picture and hands the effects to the database.
    async fn stage(&mut self, group: &[Transaction]) -> Result<Staged, DatabaseError> {
        let mut tables = Tables::clone(&self.shared.tables());
        let mut results = Vec::with_capacity(group.len());
        let mut changes = Vec::new();
        let mut sequences = Sequences::new();
        let mut now = NO_TIME;
        for transaction in group {
            let before = tables.clone();
            let rows = match apply(&mut tables, transaction) {
                Ok(rows) => rows,
                Err(refused) => {
                    results.push(Err(CommitError::Refused(refused)));
                    continue;
                }
            };
            let effects = effects(&before, &rows);
            let staged_changes = effects.iter().map(change).collect::<Vec<_>>();
            match self.database.stage(effects, transaction.now).await {
                Ok(()) => {}
                Err(error @ DatabaseError::Rejected { .. }) => {
                    tables = before;
                    results.push(Err(commit_error(&error)));
                    continue;
                }
                Err(error) => return Err(error),
            }
            for row in rows.iter().filter(|row| before.any(row.kind(), row.id()).is_none()) {
                let next = sequences.entry(sequence(row.kind())).or_insert(1);
                *next = (row.id() + 1).max(*next);
                self.shared.raise_sequence(sequence(row.kind()), row.id() + 1);
            }
            changes.extend(staged_changes);
            now = now.max(transaction.now);
            results.push(Ok(Committed { revision: tables.revision, rows }));
        }
        let mut purged = Vec::new();
        if !changes.is_empty() {
            purged = self.due(now);
            let effects = purge(&mut tables, &purged);
            changes.extend(effects.iter().map(change));
            if !effects.is_empty() {
                self.database.stage(effects, now).await?;
            }
        }
        let seal = self.seal(tables.revision, now, sequences);
        Ok(Staged { results, tables, changes, purged, seal })
    }

    fn seal(&mut self, head: Revision, now: Timestamp, sequences: Sequences) -> Seal {
        let batch = Batch { epoch: self.shared.epoch().0, number: self.batch };
        self.batch += 1;
        let cuts = self.cut.is_none_or(|cut| head.0 >= cut.0 + CUT_EVERY);
        Seal {
            batch,
            head,
            cut_upto: cuts.then(|| Revision(head.0.saturating_sub(self.options.keep_changes))),
            cut_before: cuts.then(|| now - self.options.keep_changes_for),
            sequences,
        }
    }

    /// The rows that were removed long enough ago, or are more than are kept: the oldest first, some at a time.
    fn due(&self, now: Timestamp) -> Vec<(Timestamp, Kind, i64)> {
        let limit = now - self.options.keep_removed_for;
        let too_many = self.removed.len().saturating_sub(self.options.keep_removed);
        self.removed
            .iter()
            .enumerate()
            .take_while(|(at, (removed, ..))| *at < too_many || *removed <= limit)
            .take(PURGE)
            .map(|(_, row)| *row)
            .collect()
    }

    fn note_removed(&mut self, row: &AnyRow) {
        if let Some(removed) = with_row!(row, row => row.removed) {
            self.removed.insert((removed, row.kind(), row.id()));
        }
    }

    /// Looks up what became of a batch, until the answer is certain and the picture has it; `None` when that takes
    /// too long.
    async fn resolve(&mut self, batch: Batch) -> Option<bool> {
        let limit = self.options.resolve_for.to_std();
        let search = async {
            let mut pause = RESOLVE_PAUSE.0;
            loop {
                match self.database.find_batch(batch).await {
                    Ok(true) if self.catch_up().await.is_ok() => return true,
                    Ok(false) => return false,
                    Ok(true) | Err(_) => {}
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RESOLVE_PAUSE.1);
            }
        };
        tokio::time::timeout(limit, search).await.ok()
    }

    /// Brings the picture up to what the database has.
    async fn catch_up(&mut self) -> Result<(), DatabaseError> {
        let CatchUp::Changes { head, changes, rows } = self.database.catch_up(self.head.revision).await?
        else {
            return self.reload().await;
        };
        if head.revision < self.head.revision || (head.revision == self.head.revision && head != self.head) {
            tracing::error!(known = %self.head.revision, found = %head.revision, "the database has lost writes");
            self.fenced = true;
        }
        if head.revision <= self.head.revision {
            return Ok(());
        }
        let mut tables = Tables::clone(&self.shared.tables());
        let found: BTreeSet<_> = rows.iter().map(|row| (row.kind(), row.id())).collect();
        for change in changes.iter().filter(|change| !found.contains(&(change.kind, change.id))) {
            tables.purge(change.kind, change.id);
        }
        for row in rows {
            self.note_removed(&row);
            tables.put(row);
        }
        tables.revision = head.revision;
        self.head = head;
        self.shared.publish(Arc::new(tables), changes);
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), DatabaseError> {
        let loaded = self.database.load().await?;
        if loaded.head.revision < self.head.revision {
            self.fenced = true;
            return Ok(());
        }
        self.head = loaded.head;
        self.removed = removed_rows(&loaded.tables);
        self.shared.reset(Arc::new(loaded.tables));
        Ok(())
    }
}

/// Jobs that are done together.
#[derive(Default)]
struct Group {
    commits: Vec<(Transaction, Answer)>,
    takers: BTreeMap<&'static str, Vec<(u32, Taker)>>,
}

type Taker = oneshot::Sender<Result<Range<i64>, CommitError>>;
type Answer = oneshot::Sender<Result<Committed, CommitError>>;

const fn change(effect: &Effect) -> Change {
    Change { revision: effect.revision, kind: effect.kind, id: effect.id }
}

/// What the rows that a transaction wrote, in order, do to the rows before them.
fn effects(before: &Tables, rows: &[AnyRow]) -> Vec<Effect> {
    let mut effects = Vec::<Effect>::with_capacity(rows.len());
    for row in rows {
        let (kind, id) = (row.kind(), row.id());
        let earlier = effects.iter().rev().find(|effect| effect.kind == kind && effect.id == id);
        let before = match earlier {
            Some(effect) => effect.after.clone(),
            None => before.any(kind, id),
        };
        effects.push(Effect { kind, id, revision: row.revision(), before, after: Some(row.clone()) });
    }
    effects
}

/// Takes rows out of the picture, with an entry in the feed for each.
fn purge(tables: &mut Tables, due: &[(Timestamp, Kind, i64)]) -> Vec<Effect> {
    let mut effects = Vec::with_capacity(due.len());
    for &(_, kind, id) in due {
        let Some(row) = tables.any(kind, id) else { continue };
        tables.purge(kind, id);
        tables.revision = Revision(tables.revision.0 + 1);
        effects.push(Effect { kind, id, revision: tables.revision, before: Some(row), after: None });
    }
    effects
}

fn removed_rows(tables: &Tables) -> BTreeSet<(Timestamp, Kind, i64)> {
    fn of<O: control_model::Object>(
        table: &control_model::Table<O>,
        removed: &mut BTreeSet<(Timestamp, Kind, i64)>,
    ) {
        removed.extend(table.iter().filter_map(|row| Some((row.removed?, O::KIND, row.id.raw()))));
    }
    let mut removed = BTreeSet::new();
    of(&tables.accounts, &mut removed);
    of(&tables.credentials, &mut removed);
    of(&tables.projects, &mut removed);
    of(&tables.members, &mut removed);
    of(&tables.settings, &mut removed);
    of(&tables.hosts, &mut removed);
    of(&tables.stacks, &mut removed);
    of(&tables.services, &mut removed);
    of(&tables.containers, &mut removed);
    of(&tables.volumes, &mut removed);
    removed
}

fn commit_error(error: &DatabaseError) -> CommitError {
    match error {
        DatabaseError::Unavailable { reason, cause } | DatabaseError::Rejected { reason, cause } => {
            CommitError::Unavailable { reason, outcome_unknown: false, cause: cause.clone() }
        }
        DatabaseError::Unknown { cause } => CommitError::Unavailable {
            reason: "the connection was lost",
            outcome_unknown: true,
            cause: Some(cause.clone()),
        },
        DatabaseError::Lost { cause } => CommitError::Unavailable {
            reason: "the connection was lost",
            outcome_unknown: false,
            cause: Some(cause.clone()),
        },
        DatabaseError::Diverged { detail } => CommitError::Unavailable {
            reason: "the database is not as it was read",
            outcome_unknown: false,
            cause: Some(std::io::Error::other(detail.clone()).into_cause()),
        },
        DatabaseError::Damaged { detail } => CommitError::Unavailable {
            reason: "the database is damaged",
            outcome_unknown: false,
            cause: Some(std::io::Error::other(detail.clone()).into_cause()),
        },
    }
}
