//! Accounts, credentials, environments, members and settings.

use contract_values::{
    AccountId, HostId, Labels, ProjectId, ProjectTemplateId, RegistryId, Secret, Timestamp, kind,
};
use serde::{Deserialize, Serialize};

use crate::object::{Body, Keys, Kind, Nothing, Object};

/// What may sign in.
#[derive(Clone, Debug, PartialEq)]
pub struct Account;
impl Object for Account {
    const KIND: Kind = Kind::Account;
    type IdKind = kind::Account;
    type Intent = AccountIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &AccountIntent, _: &Nothing) -> Keys {
        Keys { name: Some(intent.name.clone()), ..Keys::default() }
    }
}

/// The rights that an account has outside environments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// May do everything.
    Admin,
    /// May read everything.
    ReadAdmin,
    /// Has rights by membership only.
    #[default]
    User,
    /// The server's own doings.
    System,
    /// The anonymous caller of the token API.
    Token,
    /// A host's agent.
    Agent,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountIntent {
    /// Its name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// Its rights.
    pub kind: AccountKind,
    /// Whether it is shut out.
    pub inactive: bool,
}
impl Body for AccountIntent {}

/// A key, token or password.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential;
impl Object for Credential {
    const KIND: Kind = Kind::Credential;
    type IdKind = kind::Credential;
    type Intent = CredentialIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &CredentialIntent, _: &Nothing) -> Keys {
        Keys {
            project: intent.project,
            host: intent.host,
            name: intent.name.clone(),
            // The name of a user of somebody else's registry is nobody's but that registry's.
            unique: (!intent.public_value.is_empty() && intent.kind != CredentialKind::RegistryLogin)
                .then(|| intent.public_value.clone()),
            ..Keys::default()
        }
    }
}

/// What a credential is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A pair of keys of an account or an environment.
    #[default]
    ApiKey,
    /// Lets new hosts register in an environment.
    RegistrationToken,
    /// The keys of a host's agent.
    AgentKey,
    /// A user name and password.
    Password,
    /// A signed-in browser or CLI.
    Session,
    /// What lets hosts pull from a registry.
    RegistryLogin,
}

/// A credential. The secret itself is never stored in the clear.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CredentialIntent {
    /// What it is for.
    pub kind: CredentialKind,
    /// The name that people gave it.
    pub name: Option<String>,
    /// A note.
    pub description: Option<String>,
    /// The account that it acts as.
    pub account: Option<AccountId>,
    /// The environment that it acts as or registers hosts in.
    pub project: Option<ProjectId>,
    /// The host whose agent holds it.
    pub host: Option<HostId>,
    /// The registry that it is for.
    pub registry: Option<RegistryId>,
    /// The public half: key name, user name or session number.
    pub public_value: String,
    /// The hash of the secret half, in a form that names its algorithm.
    pub secret_hash: String,
    /// The secret half, encrypted with the installation's key, where it must be shown again.
    pub sealed: Option<Secret>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// Whether it was switched off.
    pub inactive: bool,
}
impl Body for CredentialIntent {}

/// An environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Project;
impl Object for Project {
    const KIND: Kind = Kind::Project;
    type IdKind = kind::Project;
    type Intent = ProjectIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &ProjectIntent, _: &Nothing) -> Keys {
        Keys { name: Some(intent.name.clone()), ..Keys::default() }
    }
}

/// An environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectIntent {
    /// Its name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// Whether it is switched off.
    pub inactive: bool,
    /// Seconds for which a host may be away before its containers run elsewhere; the setting when `None`.
    pub host_grace_seconds: Option<u32>,
    /// The draft that it was made of.
    pub template: Option<ProjectTemplateId>,
}
impl Body for ProjectIntent {}

/// A membership.
#[derive(Clone, Debug, PartialEq)]
pub struct Member;
impl Object for Member {
    const KIND: Kind = Kind::Member;
    type IdKind = kind::Member;
    type Intent = MemberIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &MemberIntent, _: &Nothing) -> Keys {
        Keys {
            project: intent.project,
            unique: intent.project.map(|project| {
                format!("{}/{}/{}", project.raw(), intent.external_id_type, intent.external_id)
            }),
            ..Keys::default()
        }
    }
}

/// What a member may do in an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Look.
    #[default]
    Readonly,
    /// Look and run, but not change the infrastructure.
    Restricted,
    /// Everything but members.
    Member,
    /// Everything.
    Owner,
}

/// A membership.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberIntent {
    /// The environment.
    pub project: Option<ProjectId>,
    /// Who: the number of an account for `rancher_id`.
    pub external_id: String,
    /// Which directory knows the id; `rancher_id` is our own.
    pub external_id_type: String,
    /// What they may do.
    pub role: MemberRole,
}
impl Body for MemberIntent {}

/// A stored setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting;
impl Object for Setting {
    const KIND: Kind = Kind::Setting;
    type IdKind = kind::Setting;
    type Intent = SettingIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &SettingIntent, _: &Nothing) -> Keys {
        Keys { name: Some(intent.name.clone()), unique: Some(intent.name.clone()), ..Keys::default() }
    }
}

/// A stored setting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingIntent {
    /// Its name.
    pub name: String,
    /// Its value, as text.
    pub value: String,
    /// Notes of programs.
    pub labels: Labels,
}
impl Body for SettingIntent {}
