//! Stacks: from compose files to intents of services.

use std::collections::{BTreeMap, BTreeSet};

use contract_api::launch::{FileInput, Notice, ServiceInput, StackPlan, VolumeInput};
use contract_compose::{ComposeInput, SourceFile};
use contract_values::{Labels, ProjectId, Secret, SecretId, ServiceId, StackId, check_stack_name};
use control_model::{
    Container, Dependency, DependencyCondition, LaunchSpec, Row, SealedSecret, SealedSecretIntent, Service,
    ServiceIntent, ServiceLink, Stack, StackIntent, Tables, Transaction, VolumeTemplate,
};

use crate::app::{AppError, Cx, ErrorCode, secret, service};
use crate::launch::spec_of;
use control_plan::secret_place;

/// What a new stack is made of.
#[derive(Clone, Debug, Default)]
pub struct StackCreate {
    /// Its name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The compose file and what belongs to it.
    pub files: StackFiles,
    /// The catalog entry or program that it comes from.
    pub external_id: Option<String>,
    /// Whether its services start as they are made.
    pub start_on_create: bool,
    /// Whether it is part of the platform.
    pub system: bool,
}

/// The files of a stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StackFiles {
    /// The compose file.
    pub docker_compose: Option<String>,
    /// The platform's second file.
    pub rancher_compose: Option<String>,
    /// The answers to the files' variables.
    pub environment: BTreeMap<String, String>,
}

impl StackFiles {
    fn is_empty(&self) -> bool {
        let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        blank(&self.docker_compose) && blank(&self.rancher_compose)
    }
}

/// Reads compose files; every fault has file, line, column and remedy.
///
/// # Errors
/// [`ErrorCode::InvalidComposeFile`] with all faults in the detail.
pub async fn read_files(name: &str, files: &StackFiles) -> Result<StackPlan, AppError> {
    if files.is_empty() {
        return Ok(StackPlan::default());
    }
    let (name, files) = (name.to_owned(), files.clone());
    // Large files take a while, and other requests wait for this thread.
    let loaded = tokio::task::spawn_blocking(move || {
        let source = |text: &Option<String>, name: &str| -> Vec<SourceFile> {
            text.iter()
                .filter(|text| !text.trim().is_empty())
                .map(|text| SourceFile::new(name, text))
                .collect()
        };
        contract_compose::load(&ComposeInput {
            files: source(&files.docker_compose, "docker-compose.yml"),
            rancher_files: source(&files.rancher_compose, "rancher-compose.yml"),
            variables: files.environment.clone(),
            stack_name: name,
            ..ComposeInput::default()
        })
    })
    .await
    .map_err(AppError::internal)?;
    let plan = loaded.map_err(|errors| {
        let first = errors.errors().first();
        let field = match first.map(|error| error.file.as_str()) {
            Some("rancher-compose.yml") => "rancherCompose",
            _ => "dockerCompose",
        };
        let message = first.map_or_else(|| errors.to_string(), ToString::to_string);
        AppError {
            detail: Some(errors.to_string()),
            ..AppError::field(ErrorCode::InvalidComposeFile, field, message)
        }
    })?;
    refuse_unserved(&plan)?;
    Ok(plan)
}

/// Says plainly what the files ask for and this version does not do, instead of doing something else.
fn refuse_unserved(plan: &StackPlan) -> Result<(), AppError> {
    for service in &plan.services {
        let what = if !service.kind.is_service() {
            format!("is a {}", service.kind.type_name())
        } else if !service.secondary_launch_configs.is_empty() {
            "has sidekicks".to_owned()
        } else {
            continue;
        };
        return Err(AppError::field(
            ErrorCode::InvalidComposeFile,
            "dockerCompose",
            format!(
                "the service `{}` {what}, which this version does not run yet; take it out of the files",
                service.name
            ),
        ));
    }
    if let Some(container) = plan.containers.first() {
        return Err(AppError::field(
            ErrorCode::InvalidComposeFile,
            "dockerCompose",
            format!(
                "`{}` is a container without a service, which this version does not run yet",
                container.name
            ),
        ));
    }
    Ok(())
}

/// Checks the name of a stack and that no other one has it.
fn check_name(tables: &Tables, project: ProjectId, name: &str, own: Option<StackId>) -> Result<(), AppError> {
    check_stack_name(name).map_err(|error| {
        AppError::field(
            ErrorCode::InvalidCharacters,
            "name",
            format!("`{name}` is no name for a stack: {error}"),
        )
    })?;
    let taken = tables
        .stacks
        .by_unique(&format!("{}/{}", project.raw(), name.to_lowercase()))
        .is_some_and(|other| Some(other.id) != own);
    if taken {
        return Err(AppError::field(
            ErrorCode::NotUnique,
            "name",
            format!("there is a stack `{name}` already; choose another name, or upgrade that one"),
        ));
    }
    Ok(())
}

/// Makes a stack and the services of its files, together or not at all. Returns what the files say without effect.
///
/// # Errors
/// Names the field that is wrong; then nothing has changed.
pub async fn create_stack(cx: &Cx, input: StackCreate) -> Result<(StackId, Vec<Notice>), AppError> {
    let project = cx.project()?;
    check_name(&cx.tables, project, &input.name, None)?;
    let plan = read_files(&input.name, &input.files).await?;
    let id = cx.new_id::<Stack>().await?;
    let mut ids = BTreeMap::new();
    for service in &plan.services {
        ids.insert(service.name.clone(), (cx.new_id::<Service>().await?, cx.new_uuid()));
    }
    let uuid = cx.new_uuid();
    let contents = Contents::of(cx, project, &plan).await?;
    cx.commit(|tables, transaction| {
        check_name(tables, project, &input.name, None)?;
        let intent = StackIntent {
            project: Some(project),
            name: input.name.clone(),
            description: input.description.clone(),
            docker_compose: input.files.docker_compose.clone(),
            rancher_compose: input.files.rancher_compose.clone(),
            environment: input.files.environment.clone(),
            external_id: input.external_id.clone(),
            start_on_create: input.start_on_create,
            system: input.system,
            volumes: templates_of(&plan.volumes),
        };
        transaction.insert::<Stack>(id, uuid.clone(), intent);
        for service in &plan.services {
            let (service_id, uuid) = &ids[&service.name];
            let base = ServiceIntent {
                project: Some(project),
                stack: Some(id),
                active: input.start_on_create,
                start_on_create: input.start_on_create,
                scale: service.scale.unwrap_or(1),
                launch_version: 1,
                system: input.system,
                ..ServiceIntent::default()
            };
            let names = ids.iter().map(|(name, (id, _))| (name.as_str(), *id)).collect();
            let intent = intent_of(tables, project, &names, &contents, service, base)?;
            transaction.insert::<Service>(*service_id, uuid.clone(), intent);
        }
        contents.write_secrets(tables, transaction, project, id);
        Ok(())
    })
    .await?;
    Ok((id, plan.notices))
}

fn templates_of(volumes: &[VolumeInput]) -> BTreeMap<String, VolumeTemplate> {
    volumes
        .iter()
        .map(|volume| {
            let VolumeInput { name, real_name, driver, driver_opts, labels, external, per_container } =
                volume;
            let template = VolumeTemplate {
                name: real_name.clone(),
                driver: driver.clone(),
                driver_options: (**driver_opts).clone(),
                external: *external,
                per_container: *per_container,
                labels: labels.clone(),
            };
            (name.clone(), template)
        })
        .collect()
}

/// What files of a stack bring along besides services: the content of configs, and secrets with their value.
struct Contents<'a> {
    configs: &'a [FileInput],
    secrets: BTreeMap<String, NewSecret>,
}

/// A secret that the environment does not have yet.
struct NewSecret {
    id: SecretId,
    uuid: String,
    sealed: Secret,
    labels: Labels,
}

impl<'a> Contents<'a> {
    async fn of(cx: &Cx, project: ProjectId, plan: &'a StackPlan) -> Result<Self, AppError> {
        let mut secrets = BTreeMap::new();
        for input in plan.secrets.iter().filter(|input| !input.external) {
            let name = input.environment_name();
            let known = cx.tables.secrets.by_unique(&format!("{}/{name}", project.raw())).is_some();
            // A secret never changes: one of that name is taken as it is.
            let Some(value) = input.value.as_ref().filter(|_| !known) else { continue };
            secret::check_name(name)?;
            secret::check_value(value)?;
            let uuid = cx.new_uuid();
            let new = NewSecret {
                id: cx.new_id::<SealedSecret>().await?,
                sealed: cx.seal(&secret_place(&uuid), value),
                uuid,
                labels: input.labels.clone(),
            };
            secrets.insert(name.to_owned(), new);
        }
        Ok(Self { configs: &plan.configs, secrets })
    }

    /// Completes what a service names.
    fn fill(&self, tables: &Tables, project: ProjectId, launch: &mut LaunchSpec) {
        for file in &mut launch.files {
            let config = self.configs.iter().find(|config| config.name == file.config);
            if let Some(value) = config.and_then(|config| config.value.as_ref()) {
                value.expose().clone_into(&mut file.content);
            }
        }
        for mount in launch.secrets.iter_mut().filter(|mount| mount.secret.is_none()) {
            let known = tables.secrets.by_unique(&format!("{}/{}", project.raw(), mount.name));
            mount.secret = known.map(|row| row.id).or(self.secrets.get(&mount.name).map(|new| new.id));
        }
    }

    /// Adds the secrets to a transaction, those that nobody has made meanwhile.
    fn write_secrets(
        &self,
        tables: &Tables,
        transaction: &mut Transaction,
        project: ProjectId,
        stack: StackId,
    ) {
        for (name, new) in &self.secrets {
            if tables.secrets.by_unique(&format!("{}/{name}", project.raw())).is_some() {
                continue;
            }
            let intent = SealedSecretIntent {
                project: Some(project),
                stack: Some(stack),
                name: name.clone(),
                description: None,
                labels: new.labels.clone(),
                sealed: new.sealed.clone(),
            };
            transaction.insert::<SealedSecret>(new.id, new.uuid.clone(), intent);
        }
    }
}

/// Turns a service of the files into an intent; what the files do not say stays as in `base`.
fn intent_of(
    tables: &Tables,
    project: ProjectId,
    names: &BTreeMap<&str, ServiceId>,
    contents: &Contents<'_>,
    input: &ServiceInput,
    base: ServiceIntent,
) -> Result<ServiceIntent, AppError> {
    let ServiceInput {
        name,
        kind: _,
        description,
        scale,
        scale_policy: _,
        launch_config,
        secondary_launch_configs: _,
        metadata,
        health_check: _,
        start_on_create: _,
        retain_ip: _,
        assign_service_ip_address: _,
        links,
        external_links,
        depends_on,
        upgrade_strategy: _,
        selector_link: _,
        selector_container: _,
        external_ips: _,
        hostname: _,
        lb_config: _,
        storage_driver: _,
        network_driver: _,
        extra: _,
    } = input;
    let named = |invalid: contract_api::Invalid| AppError {
        message: format!("service `{name}`: {}", invalid.message),
        ..AppError::from(invalid)
    };
    let mut wanted = Vec::new();
    for link in links {
        let target = names.get(link.service.as_str()).ok_or_else(|| {
            AppError::field(
                ErrorCode::InvalidReference,
                "dockerCompose",
                format!("service `{name}` links to `{}`, which is not in the files", link.service),
            )
        })?;
        wanted.push(ServiceLink { service: *target, alias: alias(&link.alias, &link.service) });
    }
    for link in external_links {
        let target = service::find_by_path(tables, project, &link.service).ok_or_else(|| {
            AppError::field(
                ErrorCode::InvalidReference,
                "dockerCompose",
                format!(
                    "service `{name}` links to `{}`, which is not there; write stack/service",
                    link.service
                ),
            )
        })?;
        wanted.push(ServiceLink { service: target, alias: alias(&link.alias, &link.service) });
    }
    let mut launch = spec_of(launch_config).map_err(named)?;
    let missing = |error: AppError| AppError {
        field: Some("dockerCompose".to_owned()),
        message: format!("service `{name}`: {}", error.message),
        ..error
    };
    contents.fill(tables, project, &mut launch);
    let new: Vec<SecretId> = contents.secrets.values().map(|secret| secret.id).collect();
    let launch = service::launch_of(tables, project, &launch, None, &new).map_err(missing)?;
    Ok(ServiceIntent {
        name: name.clone(),
        description: description.clone().or(base.description),
        scale: scale.unwrap_or(base.scale),
        launch,
        metadata: metadata.clone(),
        depends_on: depends_on
            .iter()
            .map(|dependency| Dependency {
                service: dependency.service.clone(),
                condition: condition_of(dependency.condition),
                optional: dependency.optional,
            })
            .collect(),
        links: wanted,
        ..base
    })
}

fn alias(alias: &str, service: &str) -> Option<String> {
    let own = service.rsplit('/').next().unwrap_or(service);
    (!alias.is_empty() && alias != own).then(|| alias.to_owned())
}

/// The control plane's word for a condition.
pub fn condition_of(condition: contract_api::launch::DependencyCondition) -> DependencyCondition {
    use contract_api::launch::DependencyCondition as Api;
    match condition {
        Api::Started => DependencyCondition::Started,
        Api::Healthy => DependencyCondition::Healthy,
        Api::CompletedSuccessfully => DependencyCondition::CompletedSuccessfully,
    }
}

/// What may be changed of a stack by itself.
#[derive(Clone, Debug, Default)]
pub struct StackUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new note, or none.
    pub description: Option<Option<String>>,
    /// A new origin, or none.
    pub external_id: Option<Option<String>>,
}

/// Changes a stack.
///
/// # Errors
/// Names the field that is wrong.
pub async fn update_stack(cx: &Cx, id: StackId, update: StackUpdate) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let stack = live_stack(tables, id)?;
        let mut intent = stack.intent.clone();
        if let Some(name) = &update.name
            && *name != intent.name
        {
            let project = intent.project.ok_or_else(AppError::not_found)?;
            check_name(tables, project, name, Some(id))?;
            intent.name.clone_from(name);
        }
        if let Some(description) = &update.description {
            intent.description.clone_from(description);
        }
        if let Some(external_id) = &update.external_id {
            intent.external_id.clone_from(external_id);
        }
        if intent != stack.intent {
            transaction.set_intent(stack, intent);
        }
        Ok(())
    })
    .await
}

fn live_stack(tables: &Tables, id: StackId) -> Result<&Row<Stack>, AppError> {
    tables
        .stacks
        .get(id)
        .filter(|stack| !stack.is_going())
        .map(|stack| &**stack)
        .ok_or_else(AppError::not_found)
}

/// What a stack becomes.
#[derive(Clone, Debug, Default)]
pub struct StackUpgrade {
    /// The new compose file; the old one when `None`.
    pub docker_compose: Option<String>,
    /// The new second file.
    pub rancher_compose: Option<String>,
    /// The new answers.
    pub environment: Option<BTreeMap<String, String>>,
    /// The new origin.
    pub external_id: Option<String>,
}

/// What an upgrade of a stack came to. Services in neither list are as they were, with all their containers.
#[derive(Clone, Debug, Default)]
pub struct Upgraded {
    /// What the files say without effect.
    pub notices: Vec<Notice>,
    /// Services that are new.
    pub created: Vec<ServiceId>,
    /// Services that were changed.
    pub changed: Vec<ServiceId>,
}

/// Gives a stack new files: services that changed are changed, new ones are made, others stay as they are.
///
/// A service that is not in the files any more stays, because a file that somebody forgot must not take a database
/// away. The scale stays as it is unless the files say one.
///
/// # Errors
/// Names the file and line that is wrong; then nothing has changed.
pub async fn upgrade_stack(cx: &Cx, id: StackId, upgrade: StackUpgrade) -> Result<Upgraded, AppError> {
    let stack = live_stack(&cx.tables, id)?;
    let files = StackFiles {
        docker_compose: upgrade.docker_compose.clone().or_else(|| stack.intent.docker_compose.clone()),
        rancher_compose: upgrade.rancher_compose.clone().or_else(|| stack.intent.rancher_compose.clone()),
        environment: upgrade.environment.clone().unwrap_or_else(|| stack.intent.environment.clone()),
    };
    let plan = read_files(&stack.intent.name, &files).await?;
    // A stack that stays as it is costs nothing, not even ids.
    let known: BTreeSet<String> = cx
        .tables
        .services
        .of_stack(id)
        .filter(|service| !service.is_going())
        .map(|service| service.intent.name.to_lowercase())
        .collect();
    let project = stack.intent.project.ok_or_else(AppError::not_found)?;
    let contents = Contents::of(cx, project, &plan).await?;
    let mut fresh = BTreeMap::new();
    for service in plan.services.iter().filter(|service| !known.contains(&service.name.to_lowercase())) {
        fresh.insert(service.name.clone(), (cx.new_id::<Service>().await?, cx.new_uuid()));
    }
    let (created, changed) = cx
        .commit(|tables, transaction| {
            let (mut created, mut changed) = (Vec::new(), Vec::new());
            let stack = live_stack(tables, id)?;
            let project = stack.intent.project.ok_or_else(AppError::not_found)?;
            let old: BTreeMap<String, &Row<Service>> = tables
                .services
                .of_stack(id)
                .filter(|service| !service.is_going())
                .map(|service| (service.intent.name.to_lowercase(), &**service))
                .collect();
            let running =
                old.is_empty() && stack.intent.start_on_create || old.values().any(|s| s.intent.active);
            let names: BTreeMap<&str, ServiceId> = plan
                .services
                .iter()
                .map(|service| {
                    let known = old.get(&service.name.to_lowercase()).map(|service| service.id);
                    let id = known.or_else(|| fresh.get(&service.name).map(|(id, _)| *id));
                    let gone =
                        || AppError::new(ErrorCode::Conflict, "a service was removed meanwhile; try again");
                    Ok((service.name.as_str(), id.ok_or_else(gone)?))
                })
                .collect::<Result<_, AppError>>()?;
            for service in &plan.services {
                match old.get(&service.name.to_lowercase()) {
                    Some(row) => {
                        let mut intent =
                            intent_of(tables, project, &names, &contents, service, row.intent.clone())?;
                        // What can be changed while they run makes no new containers.
                        if !row.intent.launch.can_become(&intent.launch) {
                            intent.launch_version = row.intent.launch_version + 1;
                        }
                        if intent != row.intent {
                            changed.push(row.id);
                            service::pass_limits_on(tables, transaction, row, &intent);
                            transaction.set_intent(*row, intent);
                        }
                    }
                    None => {
                        let base = ServiceIntent {
                            project: Some(project),
                            stack: Some(id),
                            active: running,
                            start_on_create: running,
                            scale: service.scale.unwrap_or(1),
                            launch_version: 1,
                            system: stack.intent.system,
                            ..ServiceIntent::default()
                        };
                        let intent = intent_of(tables, project, &names, &contents, service, base)?;
                        let (service_id, uuid) = &fresh[&service.name];
                        created.push(*service_id);
                        transaction.insert::<Service>(*service_id, uuid.clone(), intent);
                    }
                }
            }
            contents.write_secrets(tables, transaction, project, id);
            let mut intent = stack.intent.clone();
            intent.docker_compose.clone_from(&files.docker_compose);
            intent.rancher_compose.clone_from(&files.rancher_compose);
            intent.environment.clone_from(&files.environment);
            intent.volumes = templates_of(&plan.volumes);
            if let Some(external_id) = &upgrade.external_id {
                intent.external_id = Some(external_id.clone());
            }
            if intent != stack.intent {
                transaction.set_intent(stack, intent);
            }
            Ok((created, changed))
        })
        .await?;
    Ok(Upgraded { notices: plan.notices, created, changed })
}

/// Starts or stops every service of a stack.
///
/// # Errors
/// [`ErrorCode::NotFound`] when the stack is gone.
pub async fn set_services_active(cx: &Cx, id: StackId, active: bool) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        live_stack(tables, id)?;
        for service in tables.services.of_stack(id).filter(|service| !service.is_going()) {
            if service.intent.active != active {
                let intent = ServiceIntent { active, ..service.intent.clone() };
                transaction.set_intent(&**service, intent);
            }
        }
        Ok(())
    })
    .await
}

/// Asks for the removal of a stack and of everything in it.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_stack(cx: &Cx, id: StackId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let stack = tables.stacks.get(id).filter(|stack| stack.removed.is_none());
        ask_stack_removal(tables, transaction, stack.ok_or_else(AppError::not_found)?);
        Ok(())
    })
    .await
}

/// Adds the removal of a stack and of everything in it to a transaction.
pub fn ask_stack_removal(tables: &Tables, transaction: &mut Transaction, stack: &Row<Stack>) {
    if stack.removal_asked.is_none() {
        transaction.ask_removal(stack);
    }
    for service in tables.services.of_stack(stack.id).filter(|service| !service.is_going()) {
        transaction.ask_removal(&**service);
    }
    let own = |container: &Row<Container>| {
        !container.is_going() && matches!(container.intent.origin, control_model::Origin::Standalone)
    };
    for container in tables.containers.of_stack(stack.id).filter(|container| own(container)) {
        transaction.ask_removal(&**container);
    }
}
