//! Volumes.

use std::collections::BTreeMap;

use contract_values::{HostId, ProjectId, VolumeId};
use control_model::{Container, MountKind, Row, Tables, Volume, VolumeIntent};

use crate::app::{AppError, Cx, ErrorCode};

/// Whether a container that is not being removed mounts the volume.
pub fn in_use(tables: &Tables, volume: &Row<Volume>) -> bool {
    users(tables, volume).next().is_some()
}

/// The containers that mount a volume.
pub fn users<'a>(
    tables: &'a Tables,
    volume: &'a Row<Volume>,
) -> impl Iterator<Item = &'a Row<Container>> + 'a {
    let intent = &volume.intent;
    volume
        .intent
        .host
        .into_iter()
        .flat_map(|host| tables.containers.of_host(host))
        .filter(|container| !container.is_going())
        .filter(move |container| {
            container.intent.launch.mounts.iter().any(|mount| {
                mount.kind == MountKind::Volume
                    && (mount.source == intent.name
                        || intent.template.as_deref() == Some(&mount.source)
                            && container.intent.stack == intent.stack)
            })
        })
        .map(|container| &**container)
}

/// What a new volume is made of.
#[derive(Clone, Debug, Default)]
pub struct VolumeCreate {
    /// Its name, on the host as well.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The engine's driver; `local` when empty.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// The host that it shall be on.
    pub host: Option<HostId>,
}

/// Makes a volume of the environment, which stacks use as an external one. The host makes it when it is first used.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_volume(cx: &Cx, input: VolumeCreate) -> Result<VolumeId, AppError> {
    let project = cx.project()?;
    check_name(&input.name)?;
    let id = cx.new_id::<Volume>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|tables, transaction| {
        let host = choose_host(tables, project, input.host)?;
        let taken = tables.volumes.named(&input.name).any(|row| {
            row.removed.is_none() && row.intent.project == Some(project) && row.intent.host == Some(host)
        });
        if taken {
            return Err(AppError::field(
                ErrorCode::NotUnique,
                "name",
                format!("the host has a volume `{}` already; choose another name", input.name),
            ));
        }
        let intent = VolumeIntent {
            project: Some(project),
            host: Some(host),
            name: input.name.clone(),
            description: input.description.clone(),
            driver: if input.driver.is_empty() { "local".to_owned() } else { input.driver.clone() },
            driver_options: input.options.clone(),
            ..VolumeIntent::default()
        };
        transaction.insert::<Volume>(id, uuid.clone(), intent);
        Ok(id)
    })
    .await
}

fn check_name(name: &str) -> Result<(), AppError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && (2..=255).contains(&name.len()) {
        return Ok(());
    }
    Err(AppError::field(
        ErrorCode::InvalidCharacters,
        "name",
        format!(
            "`{name}` is no name for a volume: 2 to 255 letters, digits, `_`, `.` and `-`, beginning with a letter \
             or digit"
        ),
    ))
}

/// The host of a new volume: as said, or the only one that there is.
fn choose_host(tables: &Tables, project: ProjectId, wanted: Option<HostId>) -> Result<HostId, AppError> {
    let mut hosts = tables.hosts.of_project(project).filter(|host| !host.is_going());
    let wrong = |code, message: &str| AppError::field(code, "hostId", message);
    match wanted {
        Some(id) => hosts
            .find(|host| host.id == id)
            .map(|host| host.id)
            .ok_or_else(|| wrong(ErrorCode::InvalidReference, "`hostId` names no host of this project")),
        None => match (hosts.next(), hosts.next()) {
            (Some(host), None) => Ok(host.id),
            (Some(_), Some(_)) => Err(wrong(
                ErrorCode::MissingRequired,
                "`hostId` is missing: a volume is on one host, and the project has several",
            )),
            (None, _) => Err(wrong(
                ErrorCode::MissingRequired,
                "the project has no host to make a volume on; add one first",
            )),
        },
    }
}

/// Changes the note of a volume.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn describe_volume(cx: &Cx, id: VolumeId, description: Option<String>) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = tables.volumes.get(id).filter(|row| !row.is_going()).ok_or_else(AppError::not_found)?;
        if row.intent.description != description {
            let intent = VolumeIntent { description: description.clone(), ..row.intent.clone() };
            transaction.set_intent(&**row, intent);
        }
        Ok(())
    })
    .await
}

/// Asks for the removal of a volume and of the data in it.
///
/// # Errors
/// [`ErrorCode::MethodNotAllowed`] while a container uses it.
pub async fn remove_volume(cx: &Cx, id: VolumeId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row =
            tables.volumes.get(id).filter(|row| row.removed.is_none()).ok_or_else(AppError::not_found)?;
        if let Some(user) = users(tables, row).next() {
            return Err(AppError::new(
                ErrorCode::MethodNotAllowed,
                format!(
                    "the volume `{}` is used by the container `{}`; remove that first",
                    row.intent.name, user.intent.name
                ),
            ));
        }
        if row.removal_asked.is_none() {
            transaction.ask_removal(&**row);
        }
        Ok(())
    })
    .await
}
