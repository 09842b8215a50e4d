//! What a fresh server needs before the first request: the accounts that scripts know, a project, a key, and one
//! way in.

use contract_values::{AccountId, CredentialId, MemberId, ProjectId, Secret, SettingId, Timestamp};
use control_model::{
    Account, AccountIntent, AccountKind, Credential, CredentialIntent, CredentialKind, Kind, Member,
    MemberIntent, MemberRole, Project, ProjectIntent, Refused, Setting, SettingIntent, Transaction,
};
use control_store::{CommitError, Store};
use sha2::{Digest as _, Sha256};

use crate::Random;
use crate::app::setting::INSTALLATION_KEY;
use crate::auth::scope::OWN_DIRECTORY;
use crate::auth::secret::{
    hash_key, hash_password, hex, new_public_value, new_secret_value, new_uuid, verify,
};

/// The first project: `1a5`, which scripts know.
pub const DEFAULT_PROJECT: ProjectId = ProjectId::new(5);
/// The first administrator: `1a1`.
pub const ADMIN: AccountId = AccountId::new(1);

/// What was made on a fresh database.
#[derive(Clone, Debug)]
pub struct FirstCredentials {
    /// The name under which the administrator signs in.
    pub user: String,
    /// The password, shown once.
    pub password: Secret,
    /// The public half of the administrator's API key.
    pub access_key: String,
    /// The secret half, shown once.
    pub secret_key: Secret,
}

impl FirstCredentials {
    /// Draws a password and a key for a user name.
    pub fn draw(user: &str, random: &Random) -> Self {
        Self {
            user: user.to_owned(),
            password: Secret::new(new_secret_value(random)[..20].to_owned()),
            access_key: new_public_value(random),
            secret_key: Secret::new(new_secret_value(random)),
        }
    }

    /// Whether they open this database.
    pub fn work(&self, store: &Store) -> bool {
        let tables = store.snapshot();
        let credential = |public: &str, kind: CredentialKind| {
            let row = tables.credentials.by_unique(public)?;
            (row.intent.kind == kind && !row.is_going() && !row.intent.inactive).then_some(row)
        };
        credential(&self.access_key, CredentialKind::ApiKey)
            .is_some_and(|row| row.intent.secret_hash == hash_key(self.secret_key.expose()))
            && credential(&self.user, CredentialKind::Password)
                .is_some_and(|row| verify(self.password.expose(), &row.intent.secret_hash))
    }
}

/// The name under which the first administrator signs in.
pub const FIRST_USER: &str = "admin";

/// What a server needs to know of its installation.
#[derive(Debug)]
pub struct Installation {
    /// The key that all tokens are signed with.
    pub key: Secret,
    /// Tells this installation from others.
    pub uuid: String,
    /// The way in, when this call made it.
    pub first: Option<FirstCredentials>,
}

/// Why a database could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] CommitError),
    /// The key is not the one that this database was set up with.
    #[error(
        "the installation key is not the one of this database; copy the key file of the server that set it up, or of \
         its backup"
    )]
    OtherKey,
}

/// Makes what a fresh database lacks. It may be called by several servers at once: one makes it, all read it.
///
/// `key` is what tokens are signed with. It is kept outside the database, which holds only a fingerprint of it: a copy
/// of the database alone forges nothing.
///
/// # Errors
/// Fails when the store does, or when the key is another one than at the first time.
pub async fn ensure_installed(
    store: &Store,
    key: Secret,
    random: &Random,
    now: Timestamp,
) -> Result<Installation, SetupError> {
    install(store, key, FirstCredentials::draw(FIRST_USER, random), random, now).await
}

/// Whether a database has been set up, with whatever key.
pub fn is_installed(store: &Store) -> bool {
    store.snapshot().settings.by_unique(INSTALLATION_KEY).is_some()
}

/// The same with a way in that the caller has drawn, so that it can be kept safe before it is needed.
///
/// # Errors
/// Fails when the store does, or when the key is another one than at the first time.
pub async fn install(
    store: &Store,
    key: Secret,
    first: FirstCredentials,
    random: &Random,
    now: Timestamp,
) -> Result<Installation, SetupError> {
    if let Some(installation) = read(store, &key) {
        return installation;
    }
    let accounts = store.reserve_ids(Kind::Account, 5).await?;
    let credentials = store.reserve_ids(Kind::Credential, 2).await?;
    let settings = store.reserve_ids(Kind::Setting, 1).await?;
    let members = store.reserve_ids(Kind::Member, 1).await?;
    if accounts.start != ADMIN.raw() {
        // Somebody else is at it: the row that both want decides who wins.
        tracing::debug!("another server has begun to set up this database");
    }
    let mut transaction = Transaction::new(now);
    let built_in = [
        ("admin", AccountKind::Admin),
        ("system", AccountKind::System),
        ("superadmin", AccountKind::System),
        ("token", AccountKind::Token),
    ];
    for (number, (name, kind)) in (1..).zip(built_in) {
        let intent = AccountIntent { name: name.to_owned(), kind, ..AccountIntent::default() };
        transaction.insert::<Account>(AccountId::new(number), new_uuid(random), intent);
    }
    let project = ProjectIntent { name: "Default".to_owned(), ..ProjectIntent::default() };
    transaction.insert::<Project>(DEFAULT_PROJECT, "adminProject".to_owned(), project);
    let member = MemberIntent {
        project: Some(DEFAULT_PROJECT),
        external_id: ADMIN.raw().to_string(),
        external_id_type: OWN_DIRECTORY.to_owned(),
        role: MemberRole::Owner,
    };
    transaction.insert::<Member>(MemberId::new(members.start), new_uuid(random), member);
    let setting = SettingIntent {
        name: INSTALLATION_KEY.to_owned(),
        value: fingerprint(&key),
        ..SettingIntent::default()
    };
    transaction.insert::<Setting>(SettingId::new(settings.start), new_uuid(random), setting);
    let password = CredentialIntent {
        kind: CredentialKind::Password,
        account: Some(ADMIN),
        public_value: first.user.clone(),
        secret_hash: hash_password(first.password.expose(), random),
        ..CredentialIntent::default()
    };
    transaction.insert::<Credential>(CredentialId::new(credentials.start), new_uuid(random), password);
    let api_key = CredentialIntent {
        kind: CredentialKind::ApiKey,
        name: Some("first key".to_owned()),
        account: Some(ADMIN),
        public_value: first.access_key.clone(),
        secret_hash: hash_key(first.secret_key.expose()),
        ..CredentialIntent::default()
    };
    transaction.insert::<Credential>(CredentialId::new(credentials.start + 1), new_uuid(random), api_key);
    match store.commit(transaction).await {
        Ok(_) => {
            let made = read(store, &key).expect("a commit that returned is in the picture")?;
            Ok(Installation { first: Some(first), ..made })
        }
        Err(CommitError::Refused(refused)) => read(store, &key)
            .unwrap_or(Err(SetupError::Store(CommitError::Refused(Refused::clone(&refused))))),
        Err(error) => Err(error.into()),
    }
}

fn read(store: &Store, key: &Secret) -> Option<Result<Installation, SetupError>> {
    let tables = store.snapshot();
    let mark = tables.settings.by_unique(INSTALLATION_KEY)?;
    if mark.intent.value != fingerprint(key) {
        return Some(Err(SetupError::OtherKey));
    }
    Some(Ok(Installation { key: key.clone(), uuid: mark.uuid.clone(), first: None }))
}

/// Tells keys apart without giving them away.
fn fingerprint(key: &Secret) -> String {
    hex(&Sha256::digest(format!("lariat installation key {}", key.expose()))[..16])
}
