//! One key for each role. They are drawn from a secret beside the database, so that a server that is started again
//! has the same ones, and they exist on servers of this test kit only.

use std::path::Path;

use anyhow::{Context, Result};
use contract_values::{AccountId, CredentialId, HostId, MemberId, ProjectId, Secret, Timestamp};
use control_http::app::setup::DEFAULT_PROJECT;
use control_http::auth::scope::OWN_DIRECTORY;
use control_http::auth::secret::{hash_key, hash_password, hex};
use control_model::{
    Account, AccountIntent, AccountKind, Credential, CredentialIntent, CredentialKind, Kind, Member,
    MemberIntent, MemberRole, Project, ProjectIntent, Random as _, Transaction,
};
use control_store::Store;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::seams::SystemRandom;

/// Who a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Administrator who also owns every environment.
    Superadmin,
    /// Administrator.
    Admin,
    /// Administrator who may only look.
    ReadAdmin,
    /// Somebody who is in no environment.
    User,
    /// The key of the environment itself.
    Environment,
    /// Owner of the environment.
    Owner,
    /// Member of the environment.
    Member,
    /// Member who may not touch the infrastructure.
    Restricted,
    /// Member who may only look.
    Readonly,
    /// The agent of the first host.
    Agent,
    /// Owner of another environment, who has no business in this one.
    Stranger,
}

impl Role {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Superadmin,
        Self::Admin,
        Self::ReadAdmin,
        Self::User,
        Self::Environment,
        Self::Owner,
        Self::Member,
        Self::Restricted,
        Self::Readonly,
        Self::Agent,
        Self::Stranger,
    ];

    /// Its name, as shown and as read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::ReadAdmin => "readAdmin",
            Self::User => "user",
            Self::Environment => "environment",
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Restricted => "restricted",
            Self::Readonly => "readonly",
            Self::Agent => "agent",
            Self::Stranger => "stranger",
        }
    }

    fn account(self) -> Option<AccountKind> {
        match self {
            Self::Superadmin | Self::Admin => Some(AccountKind::Admin),
            Self::ReadAdmin => Some(AccountKind::ReadAdmin),
            Self::User | Self::Owner | Self::Member | Self::Restricted | Self::Readonly | Self::Stranger => {
                Some(AccountKind::User)
            }
            Self::Environment | Self::Agent => None,
        }
    }

    /// What it is in the environment.
    fn member(self) -> Option<MemberRole> {
        match self {
            Self::Superadmin | Self::Owner => Some(MemberRole::Owner),
            Self::Member => Some(MemberRole::Member),
            Self::Restricted => Some(MemberRole::Restricted),
            Self::Readonly => Some(MemberRole::Readonly),
            Self::Admin | Self::ReadAdmin | Self::User | Self::Environment | Self::Agent | Self::Stranger => {
                None
            }
        }
    }
}

/// A pair of keys.
#[derive(Clone, Debug)]
pub struct Key {
    /// Whose.
    pub role: Role,
    /// The public half: the user name of HTTP.
    pub access_key: String,
    /// The secret half: the password of HTTP.
    pub secret_key: Secret,
    /// The account, as the API writes its id.
    pub account: Option<String>,
    /// Name and password to sign in with.
    pub sign_in: Option<(String, Secret)>,
}

impl Key {
    /// For programs.
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "role": self.role.name(),
            "accessKey": self.access_key,
            "secretKey": self.secret_key.expose(),
        });
        if let Some(account) = &self.account {
            json["accountId"] = json!(account);
        }
        if let Some((user, password)) = &self.sign_in {
            json["user"] = json!(user);
            json["password"] = json!(password.expose());
        }
        json
    }
}

/// All keys of a server.
#[derive(Clone, Debug)]
pub struct Keys {
    keys: Vec<Key>,
    /// The environment that most of them are about.
    pub project: ProjectId,
    /// The stranger's environment.
    pub other_project: ProjectId,
    seed: Secret,
}

impl Keys {
    /// The key of a role.
    ///
    /// # Panics
    /// For [`Role::Agent`] on a server without hosts.
    pub fn of(&self, role: Role) -> &Key {
        let found = self.keys.iter().find(|key| key.role == role);
        found.unwrap_or_else(|| panic!("there is no key for {}: the server has no hosts", role.name()))
    }

    /// All of them, in the order of [`Role::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        Role::ALL.iter().filter_map(|role| self.keys.iter().find(|key| key.role == *role))
    }

    /// Makes the accounts, memberships and keys that are not there yet.
    pub(crate) async fn ensure(store: &Store, folder: &Path, now: Timestamp) -> Result<Self> {
        let seed = seed(folder)?;
        let public = |role: Role| public_value(&seed, role);
        let is_seeded = store.snapshot().credentials.by_unique(&public(Role::Environment)).is_some();
        if !is_seeded {
            insert(store, &seed, now).await?;
        }
        let tables = store.snapshot();
        let mut keys = Vec::new();
        for role in Role::ALL {
            let public = public(role);
            let Some(row) = tables.credentials.by_unique(&public) else { continue };
            let sign_in = row.intent.account.map(|_| (user_name(role), password(&seed, role)));
            keys.push(Key {
                role,
                access_key: public,
                secret_key: secret_value(&seed, role),
                account: row.intent.account.map(|account| format!("1a{}", account.raw())),
                sign_in,
            });
        }
        let other = tables.projects.live().find(|row| row.uuid == OTHER_PROJECT).map(|row| row.id);
        let other_project = other.context("the stranger's environment is gone; start on a fresh database")?;
        Ok(Self { keys, project: DEFAULT_PROJECT, other_project, seed })
    }

    /// Makes the agent's key, once there is a host.
    pub(crate) async fn ensure_agent(&mut self, store: &Store, host: HostId, now: Timestamp) -> Result<()> {
        let public = public_value(&self.seed, Role::Agent);
        let secret = secret_value(&self.seed, Role::Agent);
        if store.snapshot().credentials.by_unique(&public).is_none() {
            let ids = store.reserve_ids(Kind::Credential, 1).await?;
            let mut transaction = Transaction::new(now);
            let intent = CredentialIntent {
                kind: CredentialKind::AgentKey,
                project: Some(self.project),
                host: Some(host),
                public_value: public.clone(),
                secret_hash: hash_key(secret.expose()),
                ..CredentialIntent::default()
            };
            transaction.insert::<Credential>(CredentialId::new(ids.start), "dev-key-agent".into(), intent);
            store.commit(transaction).await?;
        }
        if !self.keys.iter().any(|key| key.role == Role::Agent) {
            let key = Key {
                role: Role::Agent,
                access_key: public,
                secret_key: secret,
                account: None,
                sign_in: None,
            };
            self.keys.push(key);
        }
        Ok(())
    }
}

/// The uuid of the stranger's environment.
const OTHER_PROJECT: &str = "dev-elsewhere";

async fn insert(store: &Store, seed: &Secret, now: Timestamp) -> Result<()> {
    // Accounts and environments share one sequence.
    let count = u32::try_from(Role::ALL.len() + 1).expect("there are few roles");
    let accounts = store.reserve_ids(Kind::Account, count).await?;
    let mut credentials = store.reserve_ids(Kind::Credential, 2 * count).await?;
    let mut members = store.reserve_ids(Kind::Member, 2 * count).await?;
    let random: control_http::Random = std::sync::Arc::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
    let mut transaction = Transaction::new(now);
    let other_project = ProjectId::new(accounts.end - 1);
    let project = ProjectIntent { name: "Elsewhere".to_owned(), ..ProjectIntent::default() };
    transaction.insert::<Project>(other_project, OTHER_PROJECT.to_owned(), project);
    for (id, role) in accounts.zip(Role::ALL) {
        let name = role.name();
        let account = role.account().map(|kind| {
            let id = AccountId::new(id);
            let intent = AccountIntent { name: format!("dev {name}"), kind, ..AccountIntent::default() };
            transaction.insert::<Account>(id, format!("dev-account-{name}"), intent);
            id
        });
        let mut join = |project: ProjectId, role: MemberRole| {
            let (Some(account), Some(member)) = (account, members.next()) else { return };
            let intent = MemberIntent {
                project: Some(project),
                external_id: account.raw().to_string(),
                external_id_type: OWN_DIRECTORY.to_owned(),
                role,
            };
            let uuid = format!("dev-member-{name}-{}", project.raw());
            transaction.insert::<Member>(MemberId::new(member), uuid, intent);
        };
        if let Some(member) = role.member() {
            join(DEFAULT_PROJECT, member);
        }
        if matches!(role, Role::Stranger | Role::Superadmin) {
            join(other_project, MemberRole::Owner);
        }
        let project = (role == Role::Environment).then_some(DEFAULT_PROJECT);
        if account.is_none() && project.is_none() {
            continue;
        }
        let mut next = || CredentialId::new(credentials.next().expect("enough were reserved"));
        let key = CredentialIntent {
            kind: CredentialKind::ApiKey,
            name: Some(format!("dev {name}")),
            account,
            project,
            public_value: public_value(seed, role),
            secret_hash: hash_key(secret_value(seed, role).expose()),
            ..CredentialIntent::default()
        };
        transaction.insert::<Credential>(next(), format!("dev-key-{name}"), key);
        if account.is_some() {
            let intent = CredentialIntent {
                kind: CredentialKind::Password,
                account,
                public_value: user_name(role),
                secret_hash: hash_password(password(seed, role).expose(), &random),
                ..CredentialIntent::default()
            };
            transaction.insert::<Credential>(next(), format!("dev-password-{name}"), intent);
        }
    }
    store.commit(transaction).await.context("could not make the accounts of the roles")?;
    Ok(())
}

/// The first administrator already is `admin`.
fn user_name(role: Role) -> String {
    format!("dev-{}", role.name())
}

fn public_value(seed: &Secret, role: Role) -> String {
    derive(seed, role, "access")[..20].to_ascii_uppercase()
}

fn secret_value(seed: &Secret, role: Role) -> Secret {
    Secret::new(derive(seed, role, "secret")[..40].to_owned())
}

fn password(seed: &Secret, role: Role) -> Secret {
    Secret::new(derive(seed, role, "password")[..20].to_owned())
}

fn derive(seed: &Secret, role: Role, what: &str) -> String {
    hex(&Sha256::digest(format!("{} {} {what}", seed.expose(), role.name())))
}

/// The secret that all keys are made from.
fn seed(folder: &Path) -> Result<Secret> {
    let path = folder.join("dev-keys.seed");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Ok(Secret::new(text));
    }
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes);
    let text = hex(&bytes);
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("could not write `{}`", path.display()))?;
    Ok(Secret::new(text))
}
