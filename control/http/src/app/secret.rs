//! Secrets of environments: sealed as they come in, shown to nobody, opened only for the host that runs their users.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_values::{Labels, ProjectId, Secret, SecretId, StackId};
use control_model::{LaunchSpec, SealedSecret, SealedSecretIntent, Tables};
use control_plan::secret_place;

use crate::app::{AppError, Cx, ErrorCode};
use crate::auth::Caller;

/// The largest secret, decoded. It travels to hosts within assignments.
const MOST_BYTES: usize = 500 << 10;

/// What a new secret is made of.
#[derive(Clone, Debug, Default)]
pub struct SecretCreate {
    /// Its name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The value in base64.
    pub value: Option<Secret>,
    /// The stack that it is for.
    pub stack: Option<StackId>,
    /// Labels.
    pub labels: Labels,
}

/// Keys of environments run services and never touch secrets, as in the old product.
fn need_person(cx: &Cx) -> Result<(), AppError> {
    match cx.caller {
        Caller::Account { .. } => Ok(()),
        Caller::ProjectKey { .. }
        | Caller::Registration { .. }
        | Caller::Agent { .. }
        | Caller::Anonymous => Err(AppError::new(
            ErrorCode::Forbidden,
            "secrets are managed by people: use the key of an account",
        )),
    }
}

/// Makes a secret.
///
/// # Errors
/// Names the field that is wrong; the value itself is in no error.
pub async fn create_secret(cx: &Cx, input: SecretCreate) -> Result<SecretId, AppError> {
    need_person(cx)?;
    let project = cx.project()?;
    check_name(&input.name)?;
    let value = input.value.filter(|value| !value.expose().is_empty()).ok_or_else(|| {
        AppError::field(ErrorCode::EmptySecret, "value", "`value` is empty; give the secret in base64")
    })?;
    check_value(&value)?;
    check_unique(&cx.tables, project, &input.name)?;
    let id = cx.new_id::<SealedSecret>().await?;
    let uuid = cx.new_uuid();
    let sealed = cx.seal(&secret_place(&uuid), &value);
    cx.commit(|tables, transaction| {
        check_unique(tables, project, &input.name)?;
        let intent = SealedSecretIntent {
            project: Some(project),
            stack: input.stack,
            name: input.name.clone(),
            description: input.description.clone(),
            labels: input.labels.clone(),
            sealed: sealed.clone(),
        };
        transaction.insert::<SealedSecret>(id, uuid.clone(), intent);
        Ok(id)
    })
    .await
}

/// Checks that a value is base64 and not too long. The value itself is in no error.
///
/// # Errors
/// [`ErrorCode::InvalidBase64`] and [`ErrorCode::MaxLengthExceeded`].
pub fn check_value(value: &Secret) -> Result<(), AppError> {
    let bytes = STANDARD.decode(value.expose()).map_err(|_| {
        AppError::field(
            ErrorCode::InvalidBase64,
            "value",
            "`value` is not base64; encode it, for example with `base64 -w0`",
        )
    })?;
    if bytes.len() > MOST_BYTES {
        return Err(AppError::field(
            ErrorCode::MaxLengthExceeded,
            "value",
            format!("the secret has {} bytes; it may have {MOST_BYTES}", bytes.len()),
        ));
    }
    Ok(())
}

/// Checks the name of a secret.
///
/// # Errors
/// [`ErrorCode::InvalidCharacters`].
pub fn check_name(name: &str) -> Result<(), AppError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    if first && name.len() <= 255 && name.chars().all(fits) {
        return Ok(());
    }
    Err(AppError::field(
        ErrorCode::InvalidCharacters,
        "name",
        "the name of a secret has up to 255 letters, digits, `-`, `_` and `.`, and begins with a letter or digit",
    ))
}

fn check_unique(tables: &Tables, project: ProjectId, name: &str) -> Result<(), AppError> {
    if tables.secrets.by_unique(&format!("{}/{name}", project.raw())).is_none() {
        return Ok(());
    }
    Err(AppError::field(
        ErrorCode::NotUnique,
        "name",
        format!(
            "there is a secret `{name}` already; a secret never changes: remove it first, or choose another name"
        ),
    ))
}

/// Changes the note of a secret.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn describe_secret(cx: &Cx, id: SecretId, description: Option<String>) -> Result<(), AppError> {
    need_person(cx)?;
    cx.commit(|tables, transaction| {
        let row = tables.secrets.get(id).filter(|row| !row.is_going()).ok_or_else(AppError::not_found)?;
        if row.intent.description != description {
            let intent = SealedSecretIntent { description: description.clone(), ..row.intent.clone() };
            transaction.set_intent(&**row, intent);
        }
        Ok(())
    })
    .await
}

/// Removes a secret. Containers that run keep their copy; new ones wait and say that it is missing.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_secret(cx: &Cx, id: SecretId) -> Result<(), AppError> {
    need_person(cx)?;
    cx.commit(|tables, transaction| {
        let row = tables.secrets.get(id).filter(|row| row.removed.is_none());
        let row = row.ok_or_else(AppError::not_found)?;
        // Nothing of the value stays behind, sealed or not.
        let intent = SealedSecretIntent { sealed: Secret::default(), ..row.intent.clone() };
        transaction.set_intent(&**row, intent);
        transaction.finish_removal(&**row);
        Ok(())
    })
    .await
}

/// Finds the secrets that a launch configuration names; those in `new` are about to be written with it.
///
/// # Errors
/// [`ErrorCode::InvalidReference`] for one that the environment does not have.
pub fn resolve(
    tables: &Tables,
    project: ProjectId,
    launch: &mut LaunchSpec,
    new: &[SecretId],
) -> Result<(), AppError> {
    for mount in &mut launch.secrets {
        let found = match mount.secret {
            Some(id) if new.contains(&id) => continue,
            Some(id) => tables.secrets.get(id).filter(|row| row.intent.project == Some(project)),
            None => tables.secrets.by_unique(&format!("{}/{}", project.raw(), mount.name)),
        };
        let Some(row) = found.filter(|row| !row.is_going()) else {
            return Err(AppError::field(
                ErrorCode::InvalidReference,
                "secrets",
                match mount.secret {
                    Some(id) => format!("there is no secret `{}` here", contract_api::format_id(id)),
                    None => format!("there is no secret `{}` here; make it first", mount.name),
                },
            ));
        };
        mount.secret = Some(row.id);
        if mount.name.is_empty() {
            mount.name.clone_from(&row.intent.name);
        }
        if mount.target.is_empty() {
            mount.target.clone_from(&row.intent.name);
        }
    }
    Ok(())
}
