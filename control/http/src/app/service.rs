//! Services.

use contract_api::launch::LaunchConfig;
use contract_values::{ProjectId, SecretId, ServiceId, StackId, check_dns_label};
use control_model::{
    Dependency, LaunchSpec, Origin, Row, Service, ServiceIntent, ServiceLink, Tables, Transaction,
};
use serde_json::{Map, Value};

use crate::app::{AppError, Cx, ErrorCode, secret};
use crate::launch::spec_of;

/// The most containers that one service may have.
pub const MOST_CONTAINERS: u32 = 10_000;
/// The largest metadata, in bytes of JSON.
const MOST_METADATA: usize = 1 << 20;

/// What a new service is made of.
#[derive(Clone, Debug, Default)]
pub struct ServiceCreate {
    /// The stack.
    pub stack: Option<StackId>,
    /// Its name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// How many containers.
    pub scale: u32,
    /// What each container is.
    pub launch: LaunchConfig,
    /// Free data.
    pub metadata: Map<String, Value>,
    /// What must be ready first.
    pub depends_on: Vec<Dependency>,
    /// The catalog entry or program that it comes from.
    pub external_id: Option<String>,
    /// Whether it starts at once.
    pub start_on_create: bool,
}

fn check_name(tables: &Tables, stack: StackId, name: &str, own: Option<ServiceId>) -> Result<(), AppError> {
    check_dns_label(name).map_err(|error| {
        AppError::field(
            ErrorCode::InvalidCharacters,
            "name",
            format!("`{name}` is no name for a service: {error}"),
        )
    })?;
    let taken = tables
        .services
        .by_unique(&format!("{}/{}", stack.raw(), name.to_lowercase()))
        .is_some_and(|other| Some(other.id) != own);
    if taken {
        return Err(AppError::field(
            ErrorCode::NotUnique,
            "name",
            format!("the stack has a service `{name}` already; choose another name"),
        ));
    }
    Ok(())
}

fn check_scale(scale: u32) -> Result<(), AppError> {
    if scale > MOST_CONTAINERS {
        return Err(AppError::field(
            ErrorCode::MaxLimitExceeded,
            "scale",
            format!("`scale` is {scale}; the greatest value is {MOST_CONTAINERS}"),
        ));
    }
    Ok(())
}

fn check_metadata(metadata: &Map<String, Value>) -> Result<(), AppError> {
    let size = serde_json::to_vec(metadata).map_or(0, |bytes| bytes.len());
    if size > MOST_METADATA {
        return Err(AppError::field(
            ErrorCode::MaxLimitExceeded,
            "metadata",
            format!("the metadata has {size} bytes; {MOST_METADATA} are allowed"),
        ));
    }
    Ok(())
}

/// Makes a service.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_service(cx: &Cx, input: ServiceCreate) -> Result<ServiceId, AppError> {
    let project = cx.project()?;
    let Some(stack_id) = input.stack else {
        return Err(AppError::field(
            ErrorCode::MissingRequired,
            "stackId",
            "`stackId` is missing; a service is part of a stack",
        ));
    };
    check_scale(input.scale)?;
    check_metadata(&input.metadata)?;
    let launch = spec_of(&input.launch)?;
    if launch.image.is_none() {
        return Err(AppError::field(
            ErrorCode::MissingRequired,
            "imageUuid",
            "`launchConfig.imageUuid` is missing; write docker:name:tag",
        ));
    }
    let id = cx.new_id::<Service>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|tables, transaction| {
        let stack =
            tables.stacks.get(stack_id).filter(|stack| stack.intent.project == Some(project)).ok_or_else(
                || {
                    AppError::field(
                        ErrorCode::InvalidReference,
                        "stackId",
                        "`stackId` names no stack of this project",
                    )
                },
            )?;
        if stack.is_going() {
            return Err(AppError::field(
                ErrorCode::InvalidState,
                "stackId",
                format!("the stack `{}` is being removed", stack.intent.name),
            ));
        }
        check_name(tables, stack_id, &input.name, None)?;
        let intent = ServiceIntent {
            project: Some(project),
            stack: Some(stack_id),
            name: input.name.clone(),
            description: input.description.clone(),
            scale: input.scale,
            active: input.start_on_create,
            start_on_create: input.start_on_create,
            launch: launch_of(tables, project, &launch, None, &[])?,
            metadata: input.metadata.clone(),
            depends_on: input.depends_on.clone(),
            external_id: input.external_id.clone(),
            launch_version: 1,
            system: stack.intent.system,
            ..ServiceIntent::default()
        };
        transaction.insert::<Service>(id, uuid.clone(), intent);
        Ok(id)
    })
    .await
}

/// Completes a launch configuration with what it only names: secrets, and the content of configs, which is that of
/// before.
///
/// # Errors
/// [`ErrorCode::InvalidReference`] for what is not there.
pub fn launch_of(
    tables: &Tables,
    project: ProjectId,
    launch: &LaunchSpec,
    before: Option<&LaunchSpec>,
    new: &[SecretId],
) -> Result<LaunchSpec, AppError> {
    let mut launch = launch.clone();
    secret::resolve(tables, project, &mut launch, new)?;
    for file in launch.files.iter_mut().filter(|file| file.content.is_empty()) {
        let known = before.and_then(|before| before.files.iter().find(|old| old.config == file.config));
        let known = known.ok_or_else(|| {
            AppError::field(
                ErrorCode::InvalidReference,
                "configs",
                format!("there is no config `{}`; configs come with the files of a stack", file.config),
            )
        })?;
        file.content.clone_from(&known.content);
    }
    Ok(launch)
}

/// What may be changed of a service in place.
#[derive(Clone, Debug, Default)]
pub struct ServiceUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new note, or none.
    pub description: Option<Option<String>>,
    /// A new scale.
    pub scale: Option<u32>,
    /// New free data.
    pub metadata: Option<Map<String, Value>>,
    /// New conditions.
    pub depends_on: Option<Vec<Dependency>>,
}

/// Changes a service.
///
/// # Errors
/// Names the field that is wrong.
pub async fn update_service(cx: &Cx, id: ServiceId, update: ServiceUpdate) -> Result<(), AppError> {
    if let Some(scale) = update.scale {
        check_scale(scale)?;
    }
    if let Some(metadata) = &update.metadata {
        check_metadata(metadata)?;
    }
    change(cx, id, |tables, row, intent| {
        if let Some(name) = &update.name
            && *name != intent.name
        {
            let stack = intent.stack.ok_or_else(AppError::not_found)?;
            check_name(tables, stack, name, Some(row.id))?;
            intent.name.clone_from(name);
        }
        if let Some(description) = &update.description {
            intent.description.clone_from(description);
        }
        if let Some(scale) = update.scale {
            intent.scale = scale;
        }
        if let Some(metadata) = &update.metadata {
            intent.metadata.clone_from(metadata);
        }
        if let Some(depends_on) = &update.depends_on {
            intent.depends_on.clone_from(depends_on);
        }
        Ok(())
    })
    .await
}

/// Writes a changed intent of a service that is not being removed.
///
/// # Errors
/// Passes on what `change` refuses; [`ErrorCode::NotFound`] when the service is gone.
async fn change(
    cx: &Cx,
    id: ServiceId,
    change: impl Fn(&Tables, &Row<Service>, &mut ServiceIntent) -> Result<(), AppError>,
) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row =
            tables.services.get(id).filter(|service| !service.is_going()).ok_or_else(AppError::not_found)?;
        let mut intent = row.intent.clone();
        change(tables, row, &mut intent)?;
        if intent != row.intent {
            pass_limits_on(tables, transaction, row, &intent);
            transaction.set_intent(&**row, intent);
        }
        Ok(())
    })
    .await
}

/// Gives the containers of a service the limits that it is given without new containers, so that they show what they
/// have and count as what they take.
pub fn pass_limits_on(
    tables: &Tables,
    transaction: &mut Transaction,
    service: &Row<Service>,
    next: &ServiceIntent,
) {
    let version = service.intent.launch_version;
    if next.launch_version != version || next.launch == service.intent.launch {
        return;
    }
    let (resources, restart) = (&next.launch.resources, &next.launch.restart);
    for row in tables.containers.of_service(service.id).filter(|row| !row.is_going()) {
        let launch = &row.intent.launch;
        let is_of_it =
            matches!(row.intent.origin, Origin::Service { launch_version, .. } if launch_version == version);
        if is_of_it && (launch.resources != *resources || launch.restart != *restart) {
            let mut intent = row.intent.clone();
            intent.launch.resources.clone_from(resources);
            intent.launch.restart.clone_from(restart);
            transaction.set_intent(&**row, intent);
        }
    }
}

/// Starts or stops a service.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn set_active(cx: &Cx, id: ServiceId, active: bool) -> Result<(), AppError> {
    change(cx, id, |_, _, intent| {
        intent.active = active;
        Ok(())
    })
    .await
}

/// Asks for a restart of all containers of a service.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn restart(cx: &Cx, id: ServiceId) -> Result<(), AppError> {
    change(cx, id, |_, _, intent| {
        intent.restarts_asked += 1;
        Ok(())
    })
    .await
}

/// Gives a service a new launch configuration: its containers are made anew.
///
/// # Errors
/// Names the field that is wrong.
pub async fn upgrade(cx: &Cx, id: ServiceId, launch: &LaunchConfig) -> Result<(), AppError> {
    let launch = spec_of(launch)?;
    if launch.image.is_none() {
        return Err(AppError::field(
            ErrorCode::MissingRequired,
            "imageUuid",
            "`launchConfig.imageUuid` is missing; write docker:name:tag",
        ));
    }
    change(cx, id, |tables, row, intent| {
        let project = row.intent.project.ok_or_else(AppError::not_found)?;
        let launch = launch_of(tables, project, &launch, Some(&row.intent.launch), &[])?;
        // What can be changed while they run makes no new containers; whoever asks for an upgrade to what there is
        // wants just that.
        if intent.launch == launch || !intent.launch.can_become(&launch) {
            intent.launch_version += 1;
        }
        intent.launch = launch;
        Ok(())
    })
    .await
}

/// How a list of links changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// These are all.
    Set,
    /// These too.
    Add,
    /// These no more.
    Remove,
}

/// Changes the links of a service.
///
/// # Errors
/// [`ErrorCode::InvalidReference`] for a service that is not in the project.
pub async fn change_links(
    cx: &Cx,
    id: ServiceId,
    links: &[ServiceLink],
    how: LinkChange,
) -> Result<(), AppError> {
    for (index, link) in links.iter().enumerate() {
        if links[..index].contains(link) {
            return Err(AppError::field(
                ErrorCode::NotUnique,
                "serviceId",
                "the same link is given twice; give each pair of service and name once",
            ));
        }
    }
    change(cx, id, |tables, row, intent| {
        for link in links {
            let target = tables.services.get(link.service).filter(|service| !service.is_going());
            if target.is_none_or(|target| target.intent.project != row.intent.project) {
                return Err(AppError::field(
                    ErrorCode::InvalidReference,
                    "serviceId",
                    "`serviceId` names no service of this project",
                ));
            }
        }
        match how {
            LinkChange::Set => intent.links = links.to_vec(),
            LinkChange::Add => {
                for link in links {
                    if intent.links.contains(link) {
                        return Err(AppError::field(
                            ErrorCode::NotUnique,
                            "serviceId",
                            "the service has that link already",
                        ));
                    }
                    intent.links.push(link.clone());
                }
            }
            LinkChange::Remove => intent.links.retain(|old| {
                !links.iter().any(|link| {
                    link.service == old.service && (link.alias.is_none() || link.alias == old.alias)
                })
            }),
        }
        Ok(())
    })
    .await
}

/// Asks for the removal of a service.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_service(cx: &Cx, id: ServiceId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = tables.services.get(id).filter(|service| service.removed.is_none());
        let row = row.ok_or_else(AppError::not_found)?;
        if row.removal_asked.is_none() {
            transaction.ask_removal(&**row);
        }
        Ok(())
    })
    .await
}

/// Finds a service by `stack/service`.
pub fn find_by_path(tables: &Tables, project: ProjectId, path: &str) -> Option<ServiceId> {
    let (stack, service) = path.split_once('/')?;
    let stack = tables.stacks.by_unique(&format!("{}/{}", project.raw(), stack.to_lowercase()))?;
    let service = tables.services.by_unique(&format!("{}/{}", stack.id.raw(), service.to_lowercase()))?;
    Some(service.id)
}
