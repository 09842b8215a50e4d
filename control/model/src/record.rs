//! What is kept for people to look up: who did what, and drafts of environments.

use contract_values::{AccountId, ProjectId, kind};
use serde::{Deserialize, Serialize};

use crate::object::{Body, Keys, Kind, Nothing, Object};

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry;
impl Object for AuditEntry {
    const KIND: Kind = Kind::AuditLog;
    type IdKind = kind::AuditEntry;
    type Intent = AuditIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &AuditIntent, _: &Nothing) -> Keys {
        Keys { project: intent.project, ..Keys::default() }
    }
}

/// How a caller proved who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// A key or password.
    #[default]
    Basic,
    /// A session.
    Token,
    /// A user name and password, to sign in.
    TokenAccount,
    /// A registration token.
    Registration,
}

/// Who did what, when and from where. It is written with what it tells of, and never changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditIntent {
    /// The environment in which it was done.
    pub project: Option<ProjectId>,
    /// What was done, such as `api.service.create`.
    pub event: String,
    /// How the caller proved who they are.
    pub auth: AuthKind,
    /// The caller's account, or the environment whose key it was.
    pub account: Option<i64>,
    /// The address that the request came from.
    pub client_ip: String,
    /// The type of the object.
    pub resource_type: String,
    /// Its number.
    pub resource_id: Option<i64>,
    /// The status of the answer.
    pub response_code: u16,
    /// What was asked, without secrets, as JSON.
    pub request: Option<String>,
    /// The code of the error, if it was refused.
    pub error: Option<String>,
}
impl Body for AuditIntent {}

/// A draft of environments.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectTemplate;
impl Object for ProjectTemplate {
    const KIND: Kind = Kind::ProjectTemplate;
    type IdKind = kind::ProjectTemplate;
    type Intent = ProjectTemplateIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &ProjectTemplateIntent, _: &Nothing) -> Keys {
        Keys { name: Some(intent.name.clone()), ..Keys::default() }
    }
}

/// A stack that an environment made of a draft begins with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateStack {
    /// The stack's name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The catalog entry that it is made of.
    pub template: Option<String>,
    /// Its compose file.
    pub docker_compose: Option<String>,
    /// The platform's second file.
    pub rancher_compose: Option<String>,
    /// The answers to the files' variables.
    pub answers: std::collections::BTreeMap<String, String>,
}

/// A draft of environments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectTemplateIntent {
    /// Whose it is; everybody's when `None`.
    pub account: Option<AccountId>,
    /// Its name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The program that it came from.
    pub external_id: Option<String>,
    /// Whether others may use it.
    pub public: bool,
    /// The stacks.
    pub stacks: Vec<TemplateStack>,
}
impl Body for ProjectTemplateIntent {}
