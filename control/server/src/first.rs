//! The administrator's way in: shown once when it is made, and made anew when it was lost.
//!
//! Whoever is to be shown a password must be shown the one that holds, whenever the server is killed. So the password is
//! drawn and kept in a file of the data folder before the database knows it, and that file goes once it was shown. A
//! start that finds the file shows what is in it, if the database holds it, and forgets it if the database never came
//! to know it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use contract_values::{CredentialId, Secret, Timestamp};
use control_http::app::setup::{ADMIN, FIRST_USER, Installation, SetupError, install, is_installed};
use control_http::auth::secret::{hash_key, hash_password, new_uuid};
use control_http::{FirstCredentials, Random};
use control_model::{
    Account, AccountIntent, Credential, CredentialIntent, CredentialKind, Kind, Tables, Transaction,
};
use control_store::{CommitError, Store};

use crate::tls::{remove, write};

/// The file in the data folder that holds a way in until it was shown.
pub const FILE: &str = "first-administrator.json";

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum WayInError {
    /// It cannot be kept until it is shown.
    #[error("could not keep the first administrator's password in `{path}`")]
    Keep {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The first rows cannot be written.
    #[error("could not set up the database")]
    Install(#[source] SetupError),
    /// The first administrator cannot be given a new one.
    #[error("could not give the first administrator a new way in")]
    Reset(#[source] CommitError),
}

/// A way in on its way from being drawn to being shown. Each step may be the last before a crash.
#[derive(Debug)]
pub struct WayIn {
    path: PathBuf,
    credentials: Option<FirstCredentials>,
}

impl WayIn {
    /// Draws a way in where one is needed, and keeps it; takes up one that an earlier start did not show.
    ///
    /// # Errors
    /// Fails when the file cannot be read or written.
    pub fn prepare(
        data_folder: &Path,
        store: &Store,
        reset: bool,
        random: &Random,
    ) -> Result<Self, WayInError> {
        let path = data_folder.join(FILE);
        let fail = |source| WayInError::Keep { path: path.display().to_string(), source };
        let fresh = !is_installed(store);
        let kept = read(&path).map_err(fail)?;
        let credentials = match kept.filter(|kept| fresh || kept.work(store)) {
            Some(kept) => Some(kept),
            None if fresh || reset => {
                let drawn = FirstCredentials::draw(&user_name(&store.snapshot()), random);
                write(&path, &document(&drawn, None), 0o600).map_err(fail)?;
                Some(drawn)
            }
            None => {
                remove(&path).map_err(fail)?;
                None
            }
        };
        Ok(Self { path, credentials })
    }

    /// Makes the database hold it.
    ///
    /// # Errors
    /// Fails when the store does, or when the key is not this database's.
    pub async fn install(
        &mut self,
        store: &Store,
        key: Secret,
        random: &Random,
        now: Timestamp,
    ) -> Result<Installation, WayInError> {
        let first = self.credentials.clone().unwrap_or_else(|| FirstCredentials::draw(FIRST_USER, random));
        let fresh = !is_installed(store);
        let installation = install(store, key, first, random, now).await.map_err(WayInError::Install)?;
        if let Some(credentials) = self.credentials.take() {
            if credentials.work(store) {
                self.credentials = Some(credentials);
            } else if fresh {
                // Another server was faster and shows its own.
                tracing::info!("another server has set up this database");
            } else {
                reset(store, &credentials, random, now).await.map_err(WayInError::Reset)?;
                self.credentials = Some(credentials);
            }
        }
        Ok(installation)
    }

    /// Shows it, in a file for its owner's eyes or on the output.
    ///
    /// # Errors
    /// Fails when it can be shown nowhere; then the next start tries again.
    pub fn show(&self, file: Option<&Path>, url: &str) -> io::Result<()> {
        let Some(first) = &self.credentials else { return Ok(()) };
        if let Some(path) = file {
            match write(path, &document(first, Some(url)), 0o600) {
                Ok(()) => {
                    tracing::info!("the first administrator's password and key are in `{}`", path.display());
                    return Ok(());
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "could not write `{}`",
                        path.display()
                    );
                }
            }
        }
        let mut output = io::stdout().lock();
        writeln!(
            output,
            "First administrator of {url}, shown only this once:\n  user        {}\n  password    {}\n  access key  {}\n  secret key  {}",
            first.user,
            first.password.expose(),
            first.access_key,
            first.secret_key.expose(),
        )?;
        output.flush()
    }

    /// Forgets it, once it was shown.
    ///
    /// # Errors
    /// Fails when the file cannot be removed.
    pub fn forget(self) -> io::Result<()> {
        remove(&self.path)
    }
}

fn document(first: &FirstCredentials, url: Option<&str>) -> Vec<u8> {
    let mut document = serde_json::json!({
        "user": first.user,
        "password": first.password.expose(),
        "accessKey": first.access_key,
        "secretKey": first.secret_key.expose(),
    });
    if let Some(url) = url {
        document["url"] = url.into();
    }
    (serde_json::to_string_pretty(&document).expect("texts become JSON") + "\n").into_bytes()
}

/// Reads what an earlier start has kept; what is no such document was never whole and is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<FirstCredentials>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return Ok(None) };
    let text = |name: &str| document[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok((|| {
        Some(FirstCredentials {
            user: text("user")?,
            password: Secret::new(text("password")?),
            access_key: text("accessKey")?,
            secret_key: Secret::new(text("secretKey")?),
        })
    })())
}

/// The name under which the administrator signs in now.
fn user_name(tables: &Tables) -> String {
    tables
        .credentials
        .live()
        .find(|row| row.intent.account == Some(ADMIN) && row.intent.kind == CredentialKind::Password)
        .map_or_else(|| FIRST_USER.to_owned(), |row| row.intent.public_value.clone())
}

/// Gives the first administrator a new password and a new key; the old password and all sessions end. It is for whoever
/// holds the data folder: a person who lost the password.
async fn reset(
    store: &Store,
    made: &FirstCredentials,
    random: &Random,
    now: Timestamp,
) -> Result<(), CommitError> {
    let tables = store.snapshot();
    let ids = store.reserve_ids(Kind::Credential, 2).await?;
    let mut transaction = Transaction::new(now);
    for credential in tables.credentials.live().filter(|row| row.intent.account == Some(ADMIN)) {
        match credential.intent.kind {
            CredentialKind::Password | CredentialKind::Session => transaction.finish_removal(&**credential),
            CredentialKind::ApiKey
            | CredentialKind::RegistrationToken
            | CredentialKind::AgentKey
            | CredentialKind::RegistryLogin => {}
        }
    }
    if let Some(account) = tables.accounts.get(ADMIN).filter(|account| account.intent.inactive) {
        let intent = AccountIntent { inactive: false, ..account.intent.clone() };
        transaction.set_intent::<Account>(account, intent);
    }
    let password = CredentialIntent {
        kind: CredentialKind::Password,
        account: Some(ADMIN),
        public_value: made.user.clone(),
        secret_hash: hash_password(made.password.expose(), random),
        ..CredentialIntent::default()
    };
    transaction.insert::<Credential>(CredentialId::new(ids.start), new_uuid(random), password);
    let key = CredentialIntent {
        kind: CredentialKind::ApiKey,
        name: Some("made by --reset-admin".to_owned()),
        account: Some(ADMIN),
        public_value: made.access_key.clone(),
        secret_hash: hash_key(made.secret_key.expose()),
        ..CredentialIntent::default()
    };
    transaction.insert::<Credential>(CredentialId::new(ids.start + 1), new_uuid(random), key);
    store.commit(transaction).await?;
    Ok(())
}
