//! What all objects have in common.

use std::fmt::Debug;

use contract_values::{Generation, HostId, Id, IdKind, ProjectId, Revision, ServiceId, StackId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Whether a field of a body need not be stored: what is missing is read as its default. Most fields of most rows are
/// at their defaults, so this halves what is written and read. A field that is a struct is always stored, because fields
/// that only a newer server knows may stand in it.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The kinds of objects; the text is the name of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People, programs and environments' keys sign in as accounts.
    Account,
    /// API keys, registration tokens, passwords, agents' keys, sessions.
    Credential,
    /// Environments.
    Project,
    /// Who may do what in an environment.
    Member,
    /// Stored settings.
    Setting,
    /// Hosts.
    Host,
    /// Stacks.
    Stack,
    /// Services.
    Service,
    /// Containers.
    Container,
    /// Volumes.
    Volume,
    /// Secrets.
    Secret,
    /// Certificates.
    Certificate,
    /// Registries.
    Registry,
    /// The audit log.
    AuditLog,
    /// Drafts of environments.
    ProjectTemplate,
}

impl Kind {
    /// All kinds, parents before children.
    pub const ALL: [Self; 15] = [
        Self::Account,
        Self::Credential,
        Self::Project,
        Self::Member,
        Self::Setting,
        Self::Host,
        Self::Stack,
        Self::Service,
        Self::Container,
        Self::Volume,
        Self::Secret,
        Self::Certificate,
        Self::Registry,
        Self::AuditLog,
        Self::ProjectTemplate,
    ];

    /// The name of the kind's table.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Credential => "credential",
            Self::Project => "project",
            Self::Member => "member",
            Self::Setting => "setting",
            Self::Host => "host",
            Self::Stack => "stack",
            Self::Service => "service",
            Self::Container => "container",
            Self::Volume => "volume",
            Self::Secret => "secret",
            Self::Certificate => "certificate",
            Self::Registry => "registry",
            Self::AuditLog => "audit_log",
            Self::ProjectTemplate => "project_template",
        }
    }
}

/// A part of an object that one writer owns; stored as JSON with its format number.
pub trait Body:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The number of the format that is written; older ones still load.
    const FORMAT: u32 = 1;
}

/// The body of objects that have no such part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}
impl Body for Nothing {}

/// A kind of object at the type level.
pub trait Object: Sized + Debug + Clone + PartialEq + Send + Sync + 'static {
    /// Its kind.
    const KIND: Kind;
    /// The marker of its ids.
    type IdKind: IdKind;
    /// What the API writes.
    type Intent: Body;
    /// What one controller writes.
    type Decision: Body;
    /// What is written from hosts' reports.
    type Observation: Body;

    /// The typed columns, by which rows are found and kept unique.
    fn keys(intent: &Self::Intent, decision: &Self::Decision) -> Keys;
}

/// The typed key columns of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The environment that owns it.
    pub project: Option<ProjectId>,
    /// The stack above it.
    pub stack: Option<StackId>,
    /// The service above it.
    pub service: Option<ServiceId>,
    /// The host that it is on.
    pub host: Option<HostId>,
    /// Its name.
    pub name: Option<String>,
    /// A text that no two live rows of the kind share, such as `7/web` for the stack `web` of project 7.
    pub unique: Option<String>,
}

/// Fields of a newer version that this version does not know, kept as they are through its own writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unknown {
    /// Of the intent.
    pub intent: serde_json::Map<String, serde_json::Value>,
    /// Of the decision.
    pub decision: serde_json::Map<String, serde_json::Value>,
    /// Of the observation.
    pub observation: serde_json::Map<String, serde_json::Value>,
}

/// An object as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<O: Object> {
    /// Its number.
    pub id: Id<O::IdKind>,
    /// Its uuid, given at creation.
    pub uuid: String,
    /// The revision of its last write.
    pub revision: Revision,
    /// How often its intent changed.
    pub generation: Generation,
    /// When it was made.
    pub created: Timestamp,
    /// When the API asked for its removal. It is going from then on and never comes back.
    pub removal_asked: Option<Timestamp>,
    /// When its removal was complete.
    pub removed: Option<Timestamp>,
    /// What the API wants.
    pub intent: O::Intent,
    /// What its controller decided.
    pub decision: O::Decision,
    /// What hosts saw.
    pub observation: O::Observation,
    /// Fields of a newer version.
    pub unknown: Unknown,
}

impl<O: Object> Row<O> {
    /// Its typed columns.
    pub fn keys(&self) -> Keys {
        O::keys(&self.intent, &self.decision)
    }

    /// Whether its removal was asked for or is complete.
    pub fn is_going(&self) -> bool {
        self.removal_asked.is_some() || self.removed.is_some()
    }
}
