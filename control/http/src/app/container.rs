//! Containers: stand-alone ones, and what people may do to any.

use contract_api::launch::LaunchConfig;
use contract_values::{ContainerId, HostId, ProjectId, StackId};
use control_model::{Container, ContainerIntent, ContainerRun, Origin, Row, Tables};

use crate::app::{AppError, Cx, ErrorCode, service};
use crate::launch::spec_of;

/// How many containers one request may make.
const MOST_AT_ONCE: u32 = 100;

/// What a new stand-alone container is made of.
#[derive(Clone, Debug, Default)]
pub struct ContainerCreate {
    /// Its name; one is made up when `None`.
    pub name: Option<String>,
    /// A note.
    pub description: Option<String>,
    /// What it is.
    pub launch: LaunchConfig,
    /// The stack, if it is part of one.
    pub stack: Option<StackId>,
    /// The host that a person chose.
    pub host: Option<HostId>,
    /// How many.
    pub count: u32,
    /// Whether it starts at once.
    pub start: bool,
}

/// Makes one or more stand-alone containers.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_containers(cx: &Cx, input: ContainerCreate) -> Result<Vec<ContainerId>, AppError> {
    let project = cx.project()?;
    if !(1..=MOST_AT_ONCE).contains(&input.count) {
        let code = if input.count == 0 { ErrorCode::MinLimitExceeded } else { ErrorCode::MaxLimitExceeded };
        return Err(AppError::field(
            code,
            "count",
            format!("`count` is {}; it may be 1 to {MOST_AT_ONCE}", input.count),
        ));
    }
    let launch = spec_of(&input.launch)?;
    if launch.image.is_none() {
        return Err(AppError::field(
            ErrorCode::MissingRequired,
            "imageUuid",
            "`imageUuid` is missing; write docker:name:tag",
        ));
    }
    if let Some(name) = &input.name {
        check_name(name)?;
    }
    let mut fresh = Vec::new();
    for number in 1..=input.count {
        let uuid = cx.new_uuid();
        let name = match &input.name {
            Some(name) if input.count == 1 => name.clone(),
            Some(name) => format!("{name}-{number}"),
            None => format!("r-{}", &uuid[..8]),
        };
        fresh.push((cx.new_id::<Container>().await?, uuid, name));
    }
    cx.commit(|tables, transaction| {
        check_parents(tables, project, &input)?;
        for (id, uuid, name) in &fresh {
            check_free(tables, project, name, None)?;
            let intent = ContainerIntent {
                project: Some(project),
                stack: input.stack,
                name: name.clone(),
                description: input.description.clone(),
                origin: Origin::Standalone,
                launch: service::launch_of(tables, project, &launch, None, &[])?,
                run: if input.start { ContainerRun::Running } else { ContainerRun::Stopped },
                requested_host: input.host,
                ..ContainerIntent::default()
            };
            transaction.insert::<Container>(*id, uuid.clone(), intent);
        }
        Ok(())
    })
    .await?;
    Ok(fresh.into_iter().map(|(id, ..)| id).collect())
}

fn check_parents(tables: &Tables, project: ProjectId, input: &ContainerCreate) -> Result<(), AppError> {
    if let Some(stack) = input.stack {
        let live = tables.stacks.get(stack).filter(|row| !row.is_going());
        if live.is_none_or(|row| row.intent.project != Some(project)) {
            return Err(AppError::field(
                ErrorCode::InvalidReference,
                "stackId",
                "`stackId` names no stack of this project",
            ));
        }
    }
    if let Some(host) = input.host {
        let live = tables.hosts.get(host).filter(|row| !row.is_going());
        if live.is_none_or(|row| row.intent.project != Some(project)) {
            return Err(AppError::field(
                ErrorCode::InvalidReference,
                "requestedHostId",
                "`requestedHostId` names no host of this project",
            ));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), AppError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && name.len() <= 128 {
        return Ok(());
    }
    Err(AppError::field(
        ErrorCode::InvalidCharacters,
        "name",
        format!(
            "`{name}` is no name for a container: up to 128 letters, digits, `_`, `.` and `-`, beginning with \
             a letter or digit"
        ),
    ))
}

fn check_free(
    tables: &Tables,
    project: ProjectId,
    name: &str,
    own: Option<ContainerId>,
) -> Result<(), AppError> {
    let taken = tables
        .containers
        .named(name)
        .any(|other| !other.is_going() && other.intent.project == Some(project) && Some(other.id) != own);
    if taken {
        return Err(AppError::field(
            ErrorCode::NotUnique,
            "name",
            format!("there is a container `{name}` already; choose another name"),
        ));
    }
    Ok(())
}

async fn change(
    cx: &Cx,
    id: ContainerId,
    change: impl Fn(&Tables, &mut ContainerIntent) -> Result<(), AppError>,
) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = live_container(tables, id)?;
        let mut intent = row.intent.clone();
        change(tables, &mut intent)?;
        if intent != row.intent {
            transaction.set_intent(row, intent);
        }
        Ok(())
    })
    .await
}

fn live_container(tables: &Tables, id: ContainerId) -> Result<&Row<Container>, AppError> {
    let row = tables.containers.get(id).filter(|container| !container.is_going());
    row.map(|container| &**container).ok_or_else(AppError::not_found)
}

/// What may be changed of a container in place.
#[derive(Clone, Debug, Default)]
pub struct ContainerUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new note, or none.
    pub description: Option<Option<String>>,
}

/// Changes name or note of a container.
///
/// # Errors
/// Names the field that is wrong.
pub async fn update_container(cx: &Cx, id: ContainerId, update: ContainerUpdate) -> Result<(), AppError> {
    change(cx, id, |tables, intent| {
        if let Some(name) = &update.name
            && *name != intent.name
        {
            if intent.origin != Origin::Standalone {
                return Err(AppError::field(
                    ErrorCode::InvalidOption,
                    "name",
                    "only stand-alone containers can be renamed",
                ));
            }
            check_name(name)?;
            check_free(tables, intent.project.ok_or_else(AppError::not_found)?, name, Some(id))?;
            intent.name.clone_from(name);
        }
        if let Some(description) = &update.description {
            intent.description.clone_from(description);
        }
        Ok(())
    })
    .await
}

/// Starts a container.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn start(cx: &Cx, id: ContainerId) -> Result<(), AppError> {
    change(cx, id, |_, intent| {
        intent.run = ContainerRun::Running;
        intent.order += 1;
        Ok(())
    })
    .await
}

/// Stops a container, and removes it if wanted.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn stop(
    cx: &Cx,
    id: ContainerId,
    timeout_seconds: Option<u32>,
    remove: bool,
) -> Result<(), AppError> {
    change(cx, id, |_, intent| {
        intent.run = ContainerRun::Stopped;
        intent.stop_timeout_seconds = timeout_seconds;
        intent.order += 1;
        Ok(())
    })
    .await?;
    if remove { remove_container(cx, id).await } else { Ok(()) }
}

/// Asks for a restart of a container.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn restart(cx: &Cx, id: ContainerId) -> Result<(), AppError> {
    change(cx, id, |_, intent| {
        intent.restarts_asked += 1;
        intent.order += 1;
        // An earlier order to stop must not come along with this one.
        if matches!(intent.origin, Origin::Native { .. }) {
            intent.run = ContainerRun::AsIs;
        }
        Ok(())
    })
    .await
}

/// Asks for the removal of a container. One that belongs to a service is replaced by its service.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_container(cx: &Cx, id: ContainerId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = tables.containers.get(id).filter(|container| container.removed.is_none());
        let row = row.ok_or_else(AppError::not_found)?;
        if row.removal_asked.is_none() {
            transaction.ask_removal(&**row);
        }
        Ok(())
    })
    .await
}
