//! Volumes.

use contract_values::VolumeId;
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
