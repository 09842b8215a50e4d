//! Registries and what lets hosts pull from them.

use contract_values::{CredentialId, ProjectId, RegistryId, Secret};
use control_model::{Credential, CredentialIntent, CredentialKind, Registry, RegistryIntent, Row, Tables};
use control_plan::credential_place;

use crate::app::{AppError, Cx, ErrorCode};

/// Makes a registry.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_registry(
    cx: &Cx,
    server: &str,
    name: Option<String>,
    description: Option<String>,
) -> Result<RegistryId, AppError> {
    let project = cx.project()?;
    let server = check_server(server)?;
    check_unique(&cx.tables, project, &server)?;
    let id = cx.new_id::<Registry>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|tables, transaction| {
        check_unique(tables, project, &server)?;
        let intent = RegistryIntent {
            project: Some(project),
            name: name.clone(),
            description: description.clone(),
            server: server.clone(),
            inactive: false,
        };
        transaction.insert::<Registry>(id, uuid.clone(), intent);
        Ok(id)
    })
    .await
}

/// Brings an address to the form in which images name it: host and port, without a scheme or a path.
fn check_server(text: &str) -> Result<String, AppError> {
    let bare = text.trim().trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    let bare = match bare {
        "docker.io" | "registry-1.docker.io" | "hub.docker.com" => "index.docker.io",
        other => other,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if !bare.is_empty() && bare.len() <= 255 && bare.chars().all(fits) {
        return Ok(bare.to_ascii_lowercase());
    }
    Err(AppError::field(
        ErrorCode::InvalidFormat,
        "serverAddress",
        format!(
            "`{text}` is no address of a registry; write host or host:port, such as `registry.example.com:5000`"
        ),
    ))
}

fn check_unique(tables: &Tables, project: ProjectId, server: &str) -> Result<(), AppError> {
    if tables.registries.by_unique(&format!("{}/{server}", project.raw())).is_none() {
        return Ok(());
    }
    Err(AppError::field(
        ErrorCode::NotUnique,
        "serverAddress",
        format!("there is a registry `{server}` already; give that one a new credential"),
    ))
}

fn live(tables: &Tables, id: RegistryId) -> Result<&Row<Registry>, AppError> {
    let row = tables.registries.get(id).filter(|row| !row.is_going());
    row.map(|row| &**row).ok_or_else(AppError::not_found)
}

/// Changes a registry.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn update_registry(
    cx: &Cx,
    id: RegistryId,
    name: Option<Option<String>>,
    description: Option<Option<String>>,
    inactive: Option<bool>,
) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = live(tables, id)?;
        let mut intent = row.intent.clone();
        if let Some(name) = &name {
            intent.name.clone_from(name);
        }
        if let Some(description) = &description {
            intent.description.clone_from(description);
        }
        if let Some(inactive) = inactive {
            intent.inactive = inactive;
        }
        if intent != row.intent {
            transaction.set_intent(row, intent);
        }
        Ok(())
    })
    .await
}

/// The credentials of a registry that are not removed.
pub fn credentials(
    tables: &Tables,
    registry: &Row<Registry>,
) -> impl Iterator<Item = std::sync::Arc<Row<Credential>>> {
    let id = registry.id;
    let project = registry.intent.project;
    project
        .into_iter()
        .flat_map(|project| tables.credentials.of_project(project))
        .filter(move |row| row.intent.registry == Some(id) && row.removed.is_none())
        .cloned()
        .collect::<Vec<_>>()
        .into_iter()
}

/// Removes a registry and its credentials. Containers that run are not affected.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_registry(cx: &Cx, id: RegistryId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row =
            tables.registries.get(id).filter(|row| row.removed.is_none()).ok_or_else(AppError::not_found)?;
        for credential in credentials(tables, row) {
            let intent = CredentialIntent { sealed: None, ..credential.intent.clone() };
            transaction.set_intent(&*credential, intent);
            transaction.finish_removal(&*credential);
        }
        transaction.finish_removal(&**row);
        Ok(())
    })
    .await
}

/// Makes what lets hosts pull from a registry.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_credential(
    cx: &Cx,
    registry: RegistryId,
    user: &str,
    password: Secret,
    name: Option<String>,
    description: Option<String>,
) -> Result<CredentialId, AppError> {
    let project = cx.project()?;
    let id = cx.new_id::<Credential>().await?;
    let uuid = cx.new_uuid();
    let sealed = cx.seal(&credential_place(&uuid), &password);
    cx.commit(|tables, transaction| {
        let known = live(tables, registry).ok().filter(|row| row.intent.project == Some(project));
        known.ok_or_else(|| {
            AppError::field(ErrorCode::InvalidReference, "registryId", "`registryId` names no registry here")
        })?;
        let intent = CredentialIntent {
            kind: CredentialKind::RegistryLogin,
            name: name.clone(),
            description: description.clone(),
            project: Some(project),
            registry: Some(registry),
            public_value: user.to_owned(),
            sealed: Some(sealed.clone()),
            ..CredentialIntent::default()
        };
        transaction.insert::<Credential>(id, uuid.clone(), intent);
        Ok(id)
    })
    .await
}

/// Changes user and password of a registry's credential.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone, or is for something else.
pub async fn update_credential(
    cx: &Cx,
    id: CredentialId,
    user: Option<String>,
    password: Option<Secret>,
) -> Result<(), AppError> {
    if user.is_none() && password.is_none() {
        return Ok(());
    }
    let uuid = cx.tables.credentials.get(id).ok_or_else(AppError::not_found)?.uuid.clone();
    let sealed = password.map(|password| cx.seal(&credential_place(&uuid), &password));
    cx.commit(|tables, transaction| {
        let row = tables
            .credentials
            .get(id)
            .filter(|row| !row.is_going() && row.intent.kind == CredentialKind::RegistryLogin);
        let row = row.ok_or_else(AppError::not_found)?;
        let mut intent = row.intent.clone();
        if let Some(user) = &user {
            intent.public_value.clone_from(user);
        }
        if let Some(sealed) = &sealed {
            intent.sealed = Some(sealed.clone());
        }
        transaction.set_intent(&**row, intent);
        Ok(())
    })
    .await
}
