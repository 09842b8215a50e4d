//! API keys, registration tokens, passwords and sessions.

use contract_values::{AccountId, CredentialId, Duration, ProjectId, Secret, Timestamp};
use control_model::{Account, Credential, CredentialIntent, CredentialKind, Row, Tables};
use serde_json::Map;

use crate::app::{AppError, Cx, ErrorCode};
use crate::auth::limited;
use crate::auth::secret::{hash_key, hash_password, new_public_value, new_secret_value, verify};
use crate::auth::token::Purpose;

/// How long a session lasts.
pub const SESSION: Duration = Duration::seconds(57_600);
/// The shortest password.
const SHORTEST_PASSWORD: usize = 8;

/// Whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An account.
    Account(AccountId),
    /// A project itself.
    Project(ProjectId),
}

/// Makes an API key and returns it with its secret, which nobody can read again.
///
/// # Errors
/// Fails when the store does.
pub async fn create_api_key(
    cx: &Cx,
    owner: Owner,
    name: Option<String>,
    description: Option<String>,
) -> Result<(CredentialId, Secret), AppError> {
    let secret = new_secret_value(&cx.shared.random);
    let intent = CredentialIntent {
        kind: CredentialKind::ApiKey,
        name,
        description,
        account: if let Owner::Account(id) = owner { Some(id) } else { None },
        project: if let Owner::Project(id) = owner { Some(id) } else { None },
        public_value: new_public_value(&cx.shared.random),
        secret_hash: hash_key(&secret),
        ..CredentialIntent::default()
    };
    Ok((insert(cx, intent).await?, Secret::new(secret)))
}

/// Makes a registration token of the scope's project, which opens nothing any more once it has expired.
///
/// # Errors
/// Fails at the root, and when the store does.
pub async fn create_registration_token(
    cx: &Cx,
    name: Option<String>,
    description: Option<String>,
    expires: Option<Timestamp>,
) -> Result<CredentialId, AppError> {
    check_end(cx, expires)?;
    let intent = CredentialIntent {
        kind: CredentialKind::RegistrationToken,
        expires,
        name,
        description,
        project: Some(cx.project()?),
        public_value: new_public_value(&cx.shared.random),
        // The signature of the token is bound to this text, so each token has a secret part of its own although
        // none is stored in the clear.
        secret_hash: hash_key(&new_secret_value(&cx.shared.random)),
        ..CredentialIntent::default()
    };
    insert(cx, intent).await
}

/// Checks that an end lies ahead: a token that opens nothing from the start is a mistake.
fn check_end(cx: &Cx, expires: Option<Timestamp>) -> Result<(), AppError> {
    match expires {
        Some(at) if at <= cx.now => Err(AppError::field(
            ErrorCode::InvalidOption,
            "expires",
            format!(
                "`expires` is {at}, which is past; give a later time, or none for a token without an end"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Makes a user name and password for an account.
///
/// # Errors
/// [`ErrorCode::UsernameIsTaken`] when another account signs in under that name.
pub async fn create_password(
    cx: &Cx,
    account: AccountId,
    user: &str,
    password: Secret,
    name: Option<String>,
) -> Result<CredentialId, AppError> {
    check_user(user)?;
    check_password(&password, "secretValue")?;
    if cx.tables.credentials.by_unique(user).is_some() {
        return Err(AppError::field(
            ErrorCode::UsernameIsTaken,
            "publicValue",
            format!("the user name `{user}` is taken; choose another one"),
        ));
    }
    let random = cx.shared.random.clone();
    let hash = slowly(cx, move || hash_password(password.expose(), &random)).await?;
    let intent = CredentialIntent {
        kind: CredentialKind::Password,
        name,
        account: Some(account),
        public_value: user.to_owned(),
        secret_hash: hash,
        ..CredentialIntent::default()
    };
    insert(cx, intent).await
}

fn check_user(user: &str) -> Result<(), AppError> {
    let fits = (1..=64).contains(&user.chars().count())
        && !user.contains(|c: char| c == ':' || c.is_control() || c.is_whitespace());
    if fits && user != "registrationToken" && !user.starts_with("x-api-bearer=") {
        return Ok(());
    }
    Err(AppError::field(
        ErrorCode::InvalidCharacters,
        "publicValue",
        "a user name has 1 to 64 characters, without `:` and blanks",
    ))
}

fn check_password(password: &Secret, field: &str) -> Result<(), AppError> {
    let length = password.expose().chars().count();
    if length < SHORTEST_PASSWORD {
        return Err(AppError::field(
            ErrorCode::MinLengthExceeded,
            field,
            format!("the password has {length} characters; it needs at least {SHORTEST_PASSWORD}"),
        ));
    }
    if length > 1024 {
        return Err(AppError::field(
            ErrorCode::MaxLengthExceeded,
            field,
            "the password has more than 1024 characters",
        ));
    }
    Ok(())
}

async fn slowly<T: Send + 'static>(
    cx: &Cx,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    let _permit = cx.shared.slow_hashes.acquire().await.map_err(AppError::internal)?;
    tokio::task::spawn_blocking(work).await.map_err(AppError::internal)
}

/// Changes the password of a credential. All sessions of the account end.
///
/// # Errors
/// [`ErrorCode::InvalidOldPassword`] when the old one does not match.
pub async fn change_password(
    cx: &Cx,
    id: CredentialId,
    old: Option<Secret>,
    new: Secret,
) -> Result<(), AppError> {
    check_password(&new, "newSecret")?;
    let row = live(&cx.tables, id)?.clone();
    if row.intent.kind != CredentialKind::Password {
        return Err(AppError::new(ErrorCode::InvalidAction, "only passwords can be changed"));
    }
    let is_admin = matches!(
        cx.caller,
        crate::auth::Caller::Account { kind: control_model::AccountKind::Admin, id, .. }
            if Some(id) != row.intent.account
    );
    if !is_admin {
        let old = old.unwrap_or_default();
        let hash = row.intent.secret_hash.clone();
        let keys = [format!("name:{}", row.intent.public_value), format!("ip:{}", cx.client_ip)];
        if !limited(&cx.shared, &keys, cx.now, move || verify(old.expose(), &hash)).await? {
            return Err(AppError::field(
                ErrorCode::InvalidOldPassword,
                "oldSecret",
                "the old password is not right",
            ));
        }
    }
    let random = cx.shared.random.clone();
    let hash = slowly(cx, move || hash_password(new.expose(), &random)).await?;
    cx.commit(|tables, transaction| {
        let row = live(tables, id)?;
        let intent = CredentialIntent { secret_hash: hash.clone(), ..row.intent.clone() };
        transaction.set_intent(row, intent);
        for session in tables.credentials.live().filter(|other| {
            other.intent.kind == CredentialKind::Session && other.intent.account == row.intent.account
        }) {
            transaction.finish_removal(&**session);
        }
        Ok(())
    })
    .await
}

/// What a sign-in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The account.
    pub account: AccountId,
    /// The session's token.
    pub jwt: Secret,
}

/// Signs in with user name and password.
///
/// # Errors
/// [`ErrorCode::Unauthorized`] when they do not match, [`ErrorCode::TooManyRequests`] after too many attempts.
pub async fn sign_in(cx: &Cx, user: &str, password: Secret) -> Result<SignedIn, AppError> {
    let wrong = || AppError::new(ErrorCode::Unauthorized, "user name or password is not right");
    let known =
        cx.tables.credentials.by_unique(user).filter(|row| {
            row.intent.kind == CredentialKind::Password && !row.is_going() && !row.intent.inactive
        });
    // An unknown name costs as much time as a wrong password, so that names cannot be found out.
    let hash = known.map_or_else(|| cx.shared.no_password.clone(), |row| row.intent.secret_hash.clone());
    let keys = [format!("name:{user}"), format!("ip:{}", cx.client_ip)];
    let right = limited(&cx.shared, &keys, cx.now, move || verify(password.expose(), &hash)).await?;
    let account = known.filter(|_| right).and_then(|row| row.intent.account).ok_or_else(wrong)?;
    cx.tables
        .accounts
        .get(account)
        .filter(|row: &&std::sync::Arc<Row<Account>>| !row.is_going() && !row.intent.inactive)
        .ok_or_else(wrong)?;
    if let Some(audit) = &cx.audit {
        audit.note_account(account);
    }
    let public = new_public_value(&cx.shared.random);
    let intent = CredentialIntent {
        kind: CredentialKind::Session,
        account: Some(account),
        public_value: public.clone(),
        expires: Some(cx.now + SESSION),
        ..CredentialIntent::default()
    };
    let id = cx.new_id::<Credential>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|tables, transaction| {
        transaction.insert::<Credential>(id, uuid.clone(), intent.clone());
        // Sessions that have ended leave with the next sign-in, so that they never pile up.
        let ended = |row: &Row<Credential>| {
            row.intent.kind == CredentialKind::Session
                && row.intent.account == Some(account)
                && row.intent.expires.is_some_and(|expires| expires <= cx.now)
        };
        for old in tables.credentials.live().filter(|row| ended(row)) {
            transaction.finish_removal(&**old);
        }
        Ok(())
    })
    .await?;
    let mut claims = Map::new();
    claims.insert("sid".to_owned(), public.into());
    claims.insert("sub".to_owned(), contract_api::format_id(account).into());
    let jwt = cx.shared.signer.jwt(Purpose::Session, claims, cx.now + SESSION);
    Ok(SignedIn { account, jwt: Secret::new(jwt) })
}

async fn insert(cx: &Cx, intent: CredentialIntent) -> Result<CredentialId, AppError> {
    let id = cx.new_id::<Credential>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|_, transaction| {
        transaction.insert::<Credential>(id, uuid.clone(), intent.clone());
        Ok(id)
    })
    .await
}

fn live(tables: &Tables, id: CredentialId) -> Result<&Row<Credential>, AppError> {
    let row = tables.credentials.get(id).filter(|row| !row.is_going());
    row.map(|row| &**row).ok_or_else(AppError::not_found)
}

/// What may be changed of a credential.
#[derive(Clone, Debug, Default)]
pub struct CredentialUpdate {
    /// A new name, or none.
    pub name: Option<Option<String>>,
    /// A new note, or none.
    pub description: Option<Option<String>>,
    /// Whether it is switched off.
    pub inactive: Option<bool>,
    /// A new end, or none.
    pub expires: Option<Option<Timestamp>>,
}

/// Changes a credential.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn update_credential(cx: &Cx, id: CredentialId, update: CredentialUpdate) -> Result<(), AppError> {
    check_end(cx, update.expires.flatten())?;
    cx.commit(|tables, transaction| {
        let row = live(tables, id)?;
        let mut intent = row.intent.clone();
        if let Some(name) = &update.name {
            intent.name.clone_from(name);
        }
        if let Some(description) = &update.description {
            intent.description.clone_from(description);
        }
        if let Some(inactive) = update.inactive {
            intent.inactive = inactive;
        }
        if let Some(expires) = update.expires {
            intent.expires = expires;
        }
        if intent != row.intent {
            transaction.set_intent(row, intent);
        }
        Ok(())
    })
    .await
}

/// Removes a credential at once.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_credential(cx: &Cx, id: CredentialId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = tables.credentials.get(id).filter(|row| row.removed.is_none());
        let row = row.ok_or_else(AppError::not_found)?;
        // Nothing that is sealed stays behind.
        if row.intent.sealed.is_some() {
            transaction.set_intent(&**row, CredentialIntent { sealed: None, ..row.intent.clone() });
        }
        transaction.finish_removal(&**row);
        Ok(())
    })
    .await
}
