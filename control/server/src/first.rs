//! The administrator's way in: shown once when it is made, and made anew when it was lost.

use std::path::Path;

use contract_values::{CredentialId, Secret, Timestamp};
use control_http::app::setup::ADMIN;
use control_http::auth::secret::{hash_key, hash_password, new_public_value, new_secret_value, new_uuid};
use control_http::{FirstCredentials, Random};
use control_model::{
    Account, AccountIntent, Credential, CredentialIntent, CredentialKind, Kind, Transaction,
};
use control_store::{CommitError, Store};

use crate::tls::write;

/// Gives the first administrator a new password and a new key; the old password and all sessions end. It is for whoever
/// holds the data folder: a person who lost the password, or a first start that was cut off before it was shown.
///
/// # Errors
/// Fails when the store does.
pub async fn reset(store: &Store, random: &Random, now: Timestamp) -> Result<FirstCredentials, CommitError> {
    let tables = store.snapshot();
    let ids = store.reserve_ids(Kind::Credential, 2).await?;
    let mut transaction = Transaction::new(now);
    let mut user = "admin".to_owned();
    for credential in tables.credentials.live().filter(|row| row.intent.account == Some(ADMIN)) {
        match credential.intent.kind {
            CredentialKind::Password => {
                user.clone_from(&credential.intent.public_value);
                transaction.finish_removal(&**credential);
            }
            CredentialKind::Session => transaction.finish_removal(&**credential),
            CredentialKind::ApiKey | CredentialKind::RegistrationToken | CredentialKind::AgentKey => {}
        }
    }
    if let Some(account) = tables.accounts.get(ADMIN).filter(|account| account.intent.inactive) {
        let intent = AccountIntent { inactive: false, ..account.intent.clone() };
        transaction.set_intent::<Account>(account, intent);
    }
    let made = FirstCredentials {
        user,
        password: Secret::new(new_secret_value(random)[..20].to_owned()),
        access_key: new_public_value(random),
        secret_key: Secret::new(new_secret_value(random)),
    };
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
    Ok(made)
}

/// Writes the first administrator's password and key for their owner's eyes, or prints them.
///
/// # Errors
/// Fails if the file cannot be written; then they are printed instead, because nothing else knows them.
pub fn show(first: &FirstCredentials, file: Option<&Path>, url: &str) {
    if let Some(path) = file {
        let document = serde_json::json!({
            "url": url,
            "user": first.user,
            "password": first.password.expose(),
            "accessKey": first.access_key,
            "secretKey": first.secret_key.expose(),
        });
        let text = serde_json::to_string_pretty(&document).expect("texts become JSON") + "\n";
        match write(path, text.as_bytes(), 0o600) {
            Ok(()) => {
                tracing::info!("the first administrator's password and key are in `{}`", path.display());
                return;
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
    println!(
        "First administrator of {url}, shown only this once:\n  user        {}\n  password    {}\n  access key  {}\n  secret key  {}",
        first.user,
        first.password.expose(),
        first.access_key,
        first.secret_key.expose(),
    );
}
