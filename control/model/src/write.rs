//! What is to be written: a list of conditional writes that take effect together or not at all.

use std::sync::Arc;

use contract_values::{Id, Revision, Timestamp};

use crate::access::{Account, Credential, Member, Project, Setting};
use crate::container::Container;
use crate::host::Host;
use crate::object::{Kind, Object, Row, Unknown};
use crate::record::{AuditEntry, ProjectTemplate};
use crate::sealed::{Certificate, Registry, SealedSecret};
use crate::stack::{Service, Stack};
use crate::tables::Tables;
use crate::volume::Volume;

/// A row of some kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyRow {
    /// An account.
    Account(Arc<Row<Account>>),
    /// A credential.
    Credential(Arc<Row<Credential>>),
    /// An environment.
    Project(Arc<Row<Project>>),
    /// A membership.
    Member(Arc<Row<Member>>),
    /// A setting.
    Setting(Arc<Row<Setting>>),
    /// A host.
    Host(Arc<Row<Host>>),
    /// A stack.
    Stack(Arc<Row<Stack>>),
    /// A service.
    Service(Arc<Row<Service>>),
    /// A container.
    Container(Arc<Row<Container>>),
    /// A volume.
    Volume(Arc<Row<Volume>>),
    /// A secret.
    SealedSecret(Arc<Row<SealedSecret>>),
    /// A certificate.
    Certificate(Arc<Row<Certificate>>),
    /// A registry.
    Registry(Arc<Row<Registry>>),
    /// An entry of the audit log.
    AuditEntry(Arc<Row<AuditEntry>>),
    /// A draft of environments.
    ProjectTemplate(Arc<Row<ProjectTemplate>>),
}

/// An object that can be wrapped as [`AnyRow`].
pub trait Stored: Object {
    /// Wraps a row.
    fn wrap(row: Arc<Row<Self>>) -> AnyRow;
    /// Unwraps a row of this kind.
    fn unwrap(row: &AnyRow) -> Option<&Arc<Row<Self>>>;
}

macro_rules! stored {
    ($($name:ident),*) => {$(
        impl Stored for $name {
            fn wrap(row: Arc<Row<Self>>) -> AnyRow {
                AnyRow::$name(row)
            }
            fn unwrap(row: &AnyRow) -> Option<&Arc<Row<Self>>> {
                if let AnyRow::$name(row) = row { Some(row) } else { None }
            }
        }
    )*};
}
stored!(
    Account,
    Credential,
    Project,
    Member,
    Setting,
    Host,
    Stack,
    Service,
    Container,
    Volume,
    SealedSecret,
    Certificate,
    Registry,
    AuditEntry,
    ProjectTemplate
);

/// Runs a generic expression on whatever row it is.
#[macro_export]
macro_rules! with_row {
    ($any:expr, $row:ident => $body:expr) => {
        match $any {
            $crate::AnyRow::Account($row) => $body,
            $crate::AnyRow::Credential($row) => $body,
            $crate::AnyRow::Project($row) => $body,
            $crate::AnyRow::Member($row) => $body,
            $crate::AnyRow::Setting($row) => $body,
            $crate::AnyRow::Host($row) => $body,
            $crate::AnyRow::Stack($row) => $body,
            $crate::AnyRow::Service($row) => $body,
            $crate::AnyRow::Container($row) => $body,
            $crate::AnyRow::Volume($row) => $body,
            $crate::AnyRow::SealedSecret($row) => $body,
            $crate::AnyRow::Certificate($row) => $body,
            $crate::AnyRow::Registry($row) => $body,
            $crate::AnyRow::AuditEntry($row) => $body,
            $crate::AnyRow::ProjectTemplate($row) => $body,
        }
    };
}

impl AnyRow {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        fn kind_of<O: Object>(_: &Row<O>) -> Kind {
            O::KIND
        }
        with_row!(self, row => kind_of(row))
    }

    /// Its number.
    pub fn id(&self) -> i64 {
        with_row!(self, row => row.id.raw())
    }

    /// The revision of its last write.
    pub fn revision(&self) -> Revision {
        with_row!(self, row => row.revision)
    }
}

/// Which part of a row a write sets; the other parts keep what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A new row with all its parts.
    Insert,
    /// The intent; raises the generation.
    Intent,
    /// The decision.
    Decision,
    /// The observation.
    Observation,
    /// The time at which removal was asked for; an earlier one stays.
    AskRemoval,
    /// The time at which removal was complete.
    FinishRemoval,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The row with the part as it shall be.
    pub row: AnyRow,
    /// The part.
    pub part: Part,
    /// The revision that the row must still have; any when `None`.
    pub expected: Option<Revision>,
}

/// Writes that take effect together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The time of the writes.
    pub now: Timestamp,
    /// The writes in order.
    pub writes: Vec<Write>,
    /// Rows that must still have these revisions although they are not written: what a decision was based on.
    pub requires: Vec<(Kind, i64, Revision)>,
}

impl Transaction {
    /// Starts an empty one.
    pub const fn new(now: Timestamp) -> Self {
        Self { now, writes: Vec::new(), requires: Vec::new() }
    }

    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Adds a new row.
    pub fn insert<O: Stored>(&mut self, id: Id<O::IdKind>, uuid: String, intent: O::Intent) {
        self.insert_decided::<O>(id, uuid, intent, O::Decision::default());
    }

    /// Adds a new row that a controller has already decided on.
    pub fn insert_decided<O: Stored>(
        &mut self,
        id: Id<O::IdKind>,
        uuid: String,
        intent: O::Intent,
        decision: O::Decision,
    ) {
        self.insert_seen::<O>(id, uuid, intent, decision, O::Observation::default());
    }

    /// Adds a new row that a host has already reported on.
    pub fn insert_seen<O: Stored>(
        &mut self,
        id: Id<O::IdKind>,
        uuid: String,
        intent: O::Intent,
        decision: O::Decision,
        observation: O::Observation,
    ) {
        let row = Row::<O> {
            id,
            uuid,
            revision: Revision(0),
            generation: contract_values::Generation(1),
            created: self.now,
            removal_asked: None,
            removed: None,
            intent,
            decision,
            observation,
            unknown: Unknown::default(),
        };
        self.push(row, Part::Insert, None);
    }

    /// Sets the intent of a row that is still at the revision of `old`.
    pub fn set_intent<O: Stored>(&mut self, old: &Row<O>, intent: O::Intent) {
        self.push(Row { intent, ..old.clone() }, Part::Intent, Some(old.revision));
    }

    /// Sets the decision of a row that is still at the revision of `old`.
    pub fn set_decision<O: Stored>(&mut self, old: &Row<O>, decision: O::Decision) {
        self.push(Row { decision, ..old.clone() }, Part::Decision, Some(old.revision));
    }

    /// Sets the observation; its writer is the only one, so the rest of the row may have changed meanwhile.
    pub fn set_observation<O: Stored>(&mut self, old: &Row<O>, observation: O::Observation) {
        self.push(Row { observation, ..old.clone() }, Part::Observation, None);
    }

    /// Asks for the removal of a row; asking again changes nothing.
    pub fn ask_removal<O: Stored>(&mut self, old: &Row<O>) {
        let removal_asked = Some(old.removal_asked.unwrap_or(self.now));
        self.push(Row { removal_asked, ..old.clone() }, Part::AskRemoval, None);
    }

    /// Completes the removal of a row.
    pub fn finish_removal<O: Stored>(&mut self, old: &Row<O>) {
        let row = Row {
            removal_asked: Some(old.removal_asked.unwrap_or(self.now)),
            removed: Some(old.removed.unwrap_or(self.now)),
            ..old.clone()
        };
        self.push(row, Part::FinishRemoval, None);
    }

    /// Takes a row away for good with one of the next writes: nobody needs to learn that it is gone.
    pub fn forget<O: Stored>(&mut self, old: &Row<O>) {
        let long_ago = Some(Timestamp(0));
        self.push(
            Row { removal_asked: long_ago, removed: long_ago, ..old.clone() },
            Part::FinishRemoval,
            None,
        );
    }

    /// Demands that a row is still as it was when it was read.
    pub fn require<O: Stored>(&mut self, row: &Row<O>) {
        self.requires.push((O::KIND, row.id.raw(), row.revision));
    }

    fn push<O: Stored>(&mut self, row: Row<O>, part: Part, expected: Option<Revision>) {
        self.writes.push(Write { row: O::wrap(Arc::new(row)), part, expected });
    }
}

/// Why a transaction did not take effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A row has changed since it was read.
    #[error("{} {id} has changed meanwhile", kind.table())]
    Stale {
        /// Its kind.
        kind: Kind,
        /// Its number.
        id: i64,
    },
    /// A row is not there.
    #[error("{} {id} does not exist", kind.table())]
    Missing {
        /// Its kind.
        kind: Kind,
        /// Its number.
        id: i64,
    },
    /// Another live row holds the unique text, or the id.
    #[error("another {} holds `{unique}`", kind.table())]
    NotUnique {
        /// Their kind.
        kind: Kind,
        /// The text.
        unique: String,
        /// The row that holds it.
        holder: i64,
    },
}

/// Applies a transaction to a picture: the reference for what every database does. The revision grows by one for
/// each write.
///
/// # Errors
/// Returns the first condition that does not hold; `tables` is then as it was.
pub fn apply(tables: &mut Tables, transaction: &Transaction) -> Result<Vec<AnyRow>, Refused> {
    let mut next = tables.clone();
    for &(kind, id, revision) in &transaction.requires {
        let row = next.any(kind, id).ok_or(Refused::Missing { kind, id })?;
        if row.revision() != revision {
            return Err(Refused::Stale { kind, id });
        }
    }
    // A transaction may write two parts of one row: the expected revision is that of before the transaction.
    let before = next.clone();
    let mut written = Vec::with_capacity(transaction.writes.len());
    for write in &transaction.writes {
        next.revision = Revision(next.revision.0 + 1);
        let row = merged(&before, &next, write)?;
        next.put(row.clone());
        written.push(row);
    }
    *tables = next;
    Ok(written)
}

fn merged(before: &Tables, next: &Tables, write: &Write) -> Result<AnyRow, Refused> {
    let (kind, id) = (write.row.kind(), write.row.id());
    if let Some(expected) = write.expected
        && before.any(kind, id).is_some_and(|row| row.revision() != expected)
    {
        return Err(Refused::Stale { kind, id });
    }
    with_row!(&write.row, row => merged_row(next, row, write.part))
}

fn merged_row<O: Stored>(tables: &Tables, new: &Arc<Row<O>>, part: Part) -> Result<AnyRow, Refused> {
    let (kind, id) = (O::KIND, new.id.raw());
    let current = tables.any(kind, id);
    let current = current.as_ref().and_then(O::unwrap);
    let mut row = match (part, current) {
        (Part::Insert, None) => Row::clone(new),
        (Part::Insert, Some(_)) => {
            return Err(Refused::NotUnique { kind, unique: new.id.to_string(), holder: id });
        }
        (_, None) => return Err(Refused::Missing { kind, id }),
        (_, Some(current)) => Row::clone(current),
    };
    match part {
        Part::Insert => {}
        Part::Intent => {
            row.intent = new.intent.clone();
            row.generation.0 += 1;
        }
        Part::Decision => row.decision = new.decision.clone(),
        Part::Observation => row.observation = new.observation.clone(),
        Part::AskRemoval => row.removal_asked = row.removal_asked.or(new.removal_asked),
        Part::FinishRemoval => {
            row.removal_asked = row.removal_asked.or(new.removal_asked);
            row.removed = row.removed.or(new.removed);
        }
    }
    row.revision = tables.revision;
    if let (Some(unique), None) = (row.keys().unique, row.removed)
        && let Some(holder) = tables.unique_holder(kind, &unique)
        && holder != id
    {
        return Err(Refused::NotUnique { kind, unique, holder });
    }
    Ok(O::wrap(Arc::new(row)))
}
