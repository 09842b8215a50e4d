//! `lariat up`: from compose files to a stack that runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use contract_client::{Client, Query, Service, Stack};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bundle::{self, Bundle, Choice};
use crate::error::{CliError, FAILED};
use crate::progress::{Display, Goal, Line, Outcome, Stage, Wanted, follow};
pub(crate) use crate::progress::{reason_document, sentence};
use crate::session::Session;

/// Which files, and how they are read.
#[derive(Clone, Debug, Default, Args)]
pub struct FileOptions {
    /// A compose file; may be given several times, `-` reads the standard input [variable: COMPOSE_FILE]
    /// [default: compose.yaml or docker-compose.yml in this folder]
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A rancher-compose.yml file; may be given several times
    #[arg(short = 'r', long = "rancher-file", value_name = "FILE")]
    pub rancher_files: Vec<PathBuf>,
    /// The name of the stack [variable: COMPOSE_PROJECT_NAME]
    /// [default: `name` in the file, else the name of its folder]
    #[arg(short, long, visible_alias = "project-name", value_name = "NAME")]
    pub stack: Option<String>,
    /// A file with variables; may be given several times [default: .env beside the compose file]
    #[arg(long = "env-file", short = 'e', value_name = "FILE")]
    pub env_files: Vec<PathBuf>,
    /// Switch on services with this profile; may be given several times
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
}

impl FileOptions {
    /// What is to be read.
    pub fn choice(self) -> Choice {
        Choice {
            files: self.files,
            rancher_files: self.rancher_files,
            env_files: self.env_files,
            stack: self.stack,
            profiles: self.profiles,
            ..Choice::default()
        }
    }
}

/// Reads the files, and says what in them has no effect.
pub(super) async fn read(session: &Session, choice: Choice) -> Result<Bundle, CliError> {
    let io = session.io.clone();
    let bundle = tokio::task::spawn_blocking(move || bundle::read(&io, &choice))
        .await
        .map_err(|error| CliError::new(format!("could not read the files: {error}")))??;
    for notice in &bundle.plan.notices {
        session.note(&format!("{} {notice}", session.io.paint_message("33", "note:")));
    }
    Ok(bundle)
}

/// Deploy compose files as a stack and wait until it is ready
///
/// The files are checked first; a mistake is shown with file, line and column, and nothing has changed. A stack that
/// exists is updated: services that changed are replaced, the others are not touched.
#[derive(Debug, Args)]
pub struct Up {
    /// Only these services, and those that they need
    services: Vec<String>,
    #[command(flatten)]
    files: FileOptions,
    /// Return as soon as the server has taken the files
    #[arg(short, long)]
    detach: bool,
    /// Fetch images even where they are already
    #[arg(short, long)]
    pull: bool,
    /// Build images even where they are already
    #[arg(long, conflicts_with = "no_build")]
    build: bool,
    /// Build no images, even if hosts lack them
    #[arg(long)]
    no_build: bool,
    /// Replace the containers of services that changed; that is done in any case
    #[arg(short, long, visible_alias = "recreate")]
    upgrade: bool,
    /// Replace the containers of all services, also of those that did not change
    #[arg(long, visible_alias = "force-recreate", conflicts_with = "rollback")]
    force_upgrade: bool,
    /// Accept the upgrade once all is ready; that is done in any case
    #[arg(short, long)]
    confirm_upgrade: bool,
    /// Go back to what ran before the last upgrade
    #[arg(long)]
    rollback: bool,
    /// How many containers of a service are replaced at a time
    #[arg(long, value_name = "NUMBER")]
    batch_size: Option<u32>,
    /// Time between two batches, in milliseconds, or with its unit: 5s
    #[arg(long, value_parser = milliseconds, value_name = "TIME")]
    interval: Option<u64>,
    /// Remove services of the stack that are not in the files
    #[arg(long, visible_alias = "remove-orphans")]
    prune: bool,
    /// Print the files as they are understood, and do nothing
    #[arg(long)]
    render: bool,
    /// A note on the stack
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Seconds to wait until all services are ready
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

/// Reads a span of time: a number of milliseconds, or a number with its unit.
///
/// # Errors
/// Says how it is written.
pub fn milliseconds(text: &str) -> Result<u64, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: Option<u64> = digits.parse().ok();
    let factor = match unit {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| "write it as 500, 500ms, 5s or 2m".to_owned())
}

impl Up {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let begun = Instant::now();
        let limit = self.timeout;
        let choice = Choice {
            pull: self.pull,
            services: self.services,
            batch_size: self.batch_size,
            interval: self.interval,
            ..self.files.choice()
        };
        let part = !choice.services.is_empty();
        let bundle = read(session, choice).await?;
        if self.render {
            return render(session, &bundle);
        }
        let client = session.client().await?;
        if self.rollback {
            return roll_back(session, &client, &bundle, limit).await;
        }
        if !self.no_build {
            super::build::ensure(session, &client, &bundle, self.build).await?;
        }
        create_secrets(session, &client, &bundle).await?;
        let (stack, effect) = deploy(&client, &bundle, self.description.as_deref()).await?;
        if session.is_machine() {
            session.event(&json!({
                "event": "stack", "id": stack.meta.id, "stack": stack.meta.title(),
                "created": effect == Effect::Created, "effect": effect.word(),
            }))?;
        } else {
            session.note(&format!("stack {} {} ({})", stack.meta.title(), effect.word(), stack.meta.id));
        }
        let (mut wanted, others) = wanted(&client, &bundle, &stack).await?;
        // A part of the files says nothing about the rest.
        if !part {
            left_over(session, &client, &stack, others, self.prune).await?;
        }
        if self.force_upgrade && effect != Effect::Created {
            force(&client, &wanted, self.batch_size, self.interval).await?;
        }
        let started = start_stopped(session, &client, &wanted).await?;
        wanted.untouched = effect == Effect::Unchanged && !started && !self.force_upgrade;
        if self.detach {
            if session.globals.quiet {
                session.io.line(&stack.meta.id)?;
            }
            return Ok(());
        }
        let mut display = Display::fitting(session);
        let (outcome, lines) =
            follow(session, &client, &wanted, Goal::Ready, Duration::from_secs(limit), &mut display).await?;
        if outcome == Outcome::Arrived {
            finish_upgrade(&client, &stack).await?;
        }
        tell(session, &client, &stack, &outcome, &lines, begun.elapsed(), limit).await
    }
}

/// Create a stack from compose files without starting it
#[derive(Debug, Args)]
pub struct Create {
    /// Only these services, and those that they need
    services: Vec<String>,
    #[command(flatten)]
    files: FileOptions,
    /// A note on the stack
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let bundle = read(session, Choice { services: self.services, ..self.files.choice() }).await?;
        create(session, &bundle, false, self.description.as_deref()).await
    }
}

/// Create a stack
#[derive(Debug, Args)]
pub struct StackCreate {
    /// Its name [default: as `up` finds it]
    name: Option<String>,
    /// A compose file; may be given several times, `-` reads the standard input
    #[arg(short, long = "file", visible_alias = "docker-compose", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A rancher-compose.yml file; may be given several times
    #[arg(short = 'r', long = "rancher-file", visible_alias = "rancher-compose", value_name = "FILE")]
    rancher_files: Vec<PathBuf>,
    /// A file with variables; may be given several times
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<PathBuf>,
    /// A stack without services
    #[arg(short, long, conflicts_with_all = ["files", "rancher_files", "env_files"], requires = "name")]
    empty: bool,
    /// Do not start its services
    #[arg(long)]
    no_start: bool,
    /// A note
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl StackCreate {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        if let (true, Some(name)) = (self.empty, &self.name) {
            let input =
                json!({ "name": name, "description": self.description, "startOnCreate": !self.no_start });
            let made: Stack = session.client().await?.create(&input).await?;
            return session.done(&made.meta.id, name);
        }
        let choice = Choice {
            files: self.files,
            rancher_files: self.rancher_files,
            env_files: self.env_files,
            stack: self.name,
            ..Choice::default()
        };
        let bundle = read(session, choice).await?;
        create(session, &bundle, !self.no_start, self.description.as_deref()).await
    }
}

/// Makes a stack that there is not yet.
async fn create(
    session: &Session,
    bundle: &Bundle,
    start: bool,
    description: Option<&str>,
) -> Result<(), CliError> {
    let client = session.client().await?;
    let known: Vec<Stack> = client.named(&bundle.stack).await?;
    if known.iter().any(|stack| !stack.meta.is_removed()) {
        return Err(CliError::new(format!("there is a stack `{}` already", bundle.stack))
            .hint("`lariat up` updates it"));
    }
    create_secrets(session, &client, bundle).await?;
    let mut input = texts(bundle);
    input["name"] = bundle.stack.clone().into();
    input["startOnCreate"] = start.into();
    input["description"] = description.into();
    let made: Stack = client.create(&input).await.map_err(|error| refused(error, bundle))?;
    session.done(&made.meta.id, &bundle.stack)
}

fn render(session: &Session, bundle: &Bundle) -> Result<(), CliError> {
    let rendered = contract_compose::render(&bundle.plan);
    if session.is_machine() {
        return session.document(&json!({
            "stack": bundle.stack,
            "dockerCompose": rendered.docker_compose,
            "rancherCompose": rendered.rancher_compose,
        }));
    }
    session.io.out(&rendered.docker_compose)?;
    // A second file that says nothing but its version is none.
    if rendered.rancher_compose.lines().count() > 1 {
        session.io.out(&format!("---\n{}", rendered.rancher_compose))?;
    }
    Ok(())
}

async fn roll_back(session: &Session, client: &Client, bundle: &Bundle, limit: u64) -> Result<(), CliError> {
    let known: Vec<Stack> = client.named(&bundle.stack).await?;
    let stack = known
        .into_iter()
        .find(|stack| !stack.meta.is_removed())
        .ok_or_else(|| CliError::new(format!("there is no stack `{}`", bundle.stack)))?;
    client.act(&stack, "rollback", None).await?;
    let (wanted, _) = wanted(client, bundle, &stack).await?;
    super::lifecycle::wait_services(session, client, &wanted, Goal::Ready, Duration::from_secs(limit))
        .await?;
    session.done(&stack.meta.id, stack.meta.title())
}

/// Makes the secrets of the files that the environment does not have yet.
async fn create_secrets(session: &Session, client: &Client, bundle: &Bundle) -> Result<(), CliError> {
    let secrets = &super::secrets::SECRETS;
    let own: Vec<_> = bundle.plan.secrets.iter().filter(|secret| !secret.external).collect();
    if own.is_empty() {
        return Ok(());
    }
    if !client.offers(secrets.collection).await? {
        return Err(CliError::new("the files have secrets, and this server has none"));
    }
    for secret in own {
        let name = secret.environment_name();
        let known = client.list_of(secrets.collection, &Query::all().with("name", name)).await?;
        if known.iter().any(|known| !known.meta.is_removed() && known.meta.name.as_deref() == Some(name)) {
            continue;
        }
        let value = secret.value.as_ref().map(|value| value.expose().to_owned()).unwrap_or_default();
        let input = json!({ "name": name, "value": value, "labels": secret.labels });
        client
            .create_in(secrets.collection, &input)
            .await
            .map_err(|error| CliError::from(error).during(format!("could not create the secret {name}")))?;
        session.note(&format!("secret {name} created"));
    }
    Ok(())
}

/// Starts services that somebody stopped, or that were created without being started; says whether there were any.
async fn start_stopped(session: &Session, client: &Client, wanted: &Wanted) -> Result<bool, CliError> {
    let query = match &wanted.stack {
        Some(stack) => Query::all().with("stackId", stack.as_str()),
        None => Query::all(),
    };
    let services: Vec<Service> = client.list(&query).await?;
    let is_stopped = |service: &&Service| {
        wanted.services.contains_key(&service.meta.id)
            && matches!(service.meta.state.as_str(), "inactive" | "deactivating")
    };
    let stopped: Vec<&Service> = services.iter().filter(is_stopped).collect();
    for service in &stopped {
        let name = service.meta.title();
        client
            .act(*service, "activate", None)
            .await
            .map_err(|error| CliError::from(error).during(format!("could not start {name}")))?;
        session.note(&format!("service {name} started"));
    }
    Ok(!stopped.is_empty())
}

/// Has the containers of services replaced although nothing about them changed.
async fn force(
    client: &Client,
    wanted: &Wanted,
    batch_size: Option<u32>,
    interval: Option<u64>,
) -> Result<(), CliError> {
    for (id, name) in &wanted.services {
        let resource = client.get_resource("services", id).await?;
        let mut strategy = json!({
            "launchConfig": resource.fields.get("launchConfig"),
            "secondaryLaunchConfigs": resource.fields.get("secondaryLaunchConfigs"),
            "force": true,
        });
        if let Some(batch) = batch_size {
            strategy["batchSize"] = batch.into();
        }
        if let Some(interval) = interval {
            strategy["intervalMillis"] = interval.into();
        }
        let input = json!({ "inServiceStrategy": strategy });
        client
            .act_on(&resource, "upgrade", Some(&input))
            .await
            .map_err(|error| CliError::from(error).during(format!("could not upgrade {name}")))?;
    }
    Ok(())
}

/// What the files did to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Created,
    Updated,
    Unchanged,
}

impl Effect {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The files as the server takes them.
fn texts(bundle: &Bundle) -> Value {
    json!({
        "dockerCompose": bundle.docker_compose,
        "rancherCompose": bundle.rancher_compose.as_deref().unwrap_or(""),
        "environment": bundle.environment,
    })
}

/// Hands the files to the server.
async fn deploy(
    client: &Client,
    bundle: &Bundle,
    description: Option<&str>,
) -> Result<(Stack, Effect), CliError> {
    let mut input = texts(bundle);
    let known: Vec<Stack> = client.named(&bundle.stack).await?;
    let refused = |error: contract_client::ClientError| refused(error, bundle);
    match known.into_iter().find(|stack| !stack.meta.is_removed()) {
        Some(stack) if stack.meta.state == "removing" => Err(CliError::new(format!(
            "the stack `{}` is being removed",
            bundle.stack
        ))
        .hint(format!("wait for it with `lariat wait {} --state removed`, then try again", stack.meta.id))),
        Some(stack) => {
            let before = wishes(client, &stack.meta.id).await?;
            if description.is_some() && description != stack.meta.description.as_deref() {
                client.update(&stack, &json!({ "description": description })).await?;
            }
            let answer: Value = client.action(&stack, "upgrade", Some(&input)).await.map_err(refused)?;
            let changed = match (&answer["createdServiceIds"], &answer["changedServiceIds"]) {
                (Value::Array(created), Value::Array(changed)) => !created.is_empty() || !changed.is_empty(),
                // A server of another make does not say it.
                _ => wishes(client, &stack.meta.id).await? != before,
            };
            Ok((stack, if changed { Effect::Updated } else { Effect::Unchanged }))
        }
        None => {
            input["name"] = bundle.stack.clone().into();
            input["startOnCreate"] = true.into();
            if let Some(description) = description {
                input["description"] = description.into();
            }
            Ok((client.create(&input).await.map_err(refused)?, Effect::Created))
        }
    }
}

/// What people asked for of a stack and its services; what the platform makes of it is left out.
async fn wishes(client: &Client, stack: &str) -> Result<BTreeMap<String, Value>, CliError> {
    const OF_STACKS: &[&str] = &["dockerCompose", "rancherCompose", "environment", "externalId"];
    const OF_SERVICES: &[&str] = &[
        "name",
        "description",
        "scale",
        "scalePolicy",
        "launchConfig",
        "secondaryLaunchConfigs",
        "metadata",
        "lbConfig",
        "linkedServices",
        "dependsOn",
        "selectorContainer",
        "selectorLink",
        "hostname",
        "externalIpAddresses",
        "healthCheck",
        "storageDriver",
        "networkDriver",
        "retainIp",
        "vip",
        "upgrade",
    ];
    let query = Query::all().with("stackId", stack);
    let (own, services) =
        tokio::try_join!(client.get_resource("stacks", stack), client.list_resources("services", &query))?;
    let pick = |resource: contract_client::Resource, names: &[&str]| {
        let mut fields = resource.fields;
        fields.retain(|name, value| names.contains(&name.as_str()) && !value.is_null());
        // A server of another make says so before it has changed the services.
        if resource.meta.state == "upgrading" {
            fields.insert("state".to_owned(), resource.meta.state.into());
        }
        (resource.meta.id, Value::Object(fields))
    };
    let services = services.into_iter().map(|service| pick(service, OF_SERVICES));
    Ok(services.chain([pick(own, OF_STACKS)]).collect())
}

/// The server reads the files once more; its faults have places too.
fn refused(error: contract_client::ClientError, bundle: &Bundle) -> CliError {
    let during = format!("the server did not take the stack `{}`", bundle.stack);
    match error.api() {
        Some(api) if api.code == "InvalidComposeFile" => CliError::new(
            api.detail.clone().or_else(|| api.message.clone()).unwrap_or_else(|| api.to_string()),
        )
        .during(during),
        _ => CliError::from(error).during(during),
    }
}

/// The services of the files, as the server knows them, and the others of the stack.
async fn wanted(client: &Client, bundle: &Bundle, stack: &Stack) -> Result<(Wanted, Vec<Service>), CliError> {
    let names: Vec<String> = bundle.plan.services.iter().map(|service| service.name.to_lowercase()).collect();
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let query = Query::all().with("stackId", stack.meta.id.as_str());
        let known: Vec<Service> = client.list(&query).await?;
        let mut services = BTreeMap::new();
        let mut others = Vec::new();
        for service in known {
            let name = service.meta.title().to_owned();
            if names.contains(&name.to_lowercase()) {
                services.insert(service.meta.id.clone(), name);
            } else {
                others.push(service);
            }
        }
        // A server of another make creates them a little later.
        if services.len() >= names.len() || Instant::now() >= until {
            others.sort_by(|a, b| a.meta.title().cmp(b.meta.title()));
            return Ok((Wanted { stack: Some(stack.meta.id.clone()), services, untouched: false }, others));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What is to become of services that are not in the files any more.
async fn left_over(
    session: &Session,
    client: &Client,
    stack: &Stack,
    others: Vec<Service>,
    prune: bool,
) -> Result<(), CliError> {
    for service in others.iter().filter(|service| service.meta.state != "removing") {
        let path = format!("{}/{}", stack.meta.title(), service.meta.title());
        if prune {
            let during = |error: contract_client::ClientError| {
                CliError::from(error).during(format!("could not remove {path}"))
            };
            client.delete(service).await.map_err(during)?;
            session.note(&format!("service {path} removed"));
        } else {
            session.note(&format!(
                "{} the service `{}` is not in the files any more and was left as it is; remove it with `lariat rm {path}`",
                session.io.paint_message("33", "note:"),
                service.meta.title(),
            ));
        }
    }
    Ok(())
}

/// Servers that keep the old containers of an upgrade are told that they can go.
async fn finish_upgrade(client: &Client, stack: &Stack) -> Result<(), CliError> {
    let now: Stack = client.get(&stack.meta.id).await?;
    if now.meta.state == "upgraded" && now.meta.actions.contains_key("finishupgrade") {
        client.act(&now, "finishupgrade", None).await?;
    }
    Ok(())
}

async fn tell(
    session: &Session,
    client: &Client,
    stack: &Stack,
    outcome: &Outcome,
    lines: &[Line],
    took: Duration,
    limit: u64,
) -> Result<(), CliError> {
    let io = &session.io;
    let name = stack.meta.title();
    let endpoints = if *outcome == Outcome::Arrived { endpoints(client, stack).await? } else { Vec::new() };
    if session.is_machine() {
        let word = match outcome {
            Outcome::Arrived => "ready",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timeout",
            Outcome::Detached => "detached",
        };
        let services: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({
                    "service": line.name,
                    "status": line.stage.word(Goal::Ready),
                    "ready": line.ready,
                    "scale": line.scale,
                    "reason": line.reason.as_ref().map(reason_document),
                })
            })
            .collect();
        let endpoints: Vec<Value> =
            endpoints.iter().map(|(service, at)| json!({"service": service, "address": at})).collect();
        let document = json!({
            "event": "end", "stack": name, "result": word, "ok": *outcome == Outcome::Arrived,
            "services": services, "endpoints": endpoints,
        });
        session.event(&document)?;
        return if *outcome == Outcome::Arrived { Ok(()) } else { Err(CliError::exit(FAILED)) };
    }
    let unready = lines.iter().filter(|line| line.stage != Stage::Arrived).count();
    match outcome {
        Outcome::Arrived => {
            session.note(&format!(
                "stack {name} is ready: {} in {} s",
                count(lines.len(), "service"),
                took.as_secs()
            ));
            endpoints.iter().try_for_each(|(service, at)| io.line(&format!("{name}/{service}  {at}")))
        }
        Outcome::Detached => {
            io.say(&format!(
                "detached: the server goes on deploying {name}; `lariat services -s {name}` shows how far it is"
            ));
            Err(CliError::exit(FAILED))
        }
        Outcome::Failed | Outcome::TimedOut => {
            for line in lines.iter().filter(|line| line.stage != Stage::Arrived) {
                let what = match &line.reason {
                    Some(reason) => reason.message.clone(),
                    None if line.note.is_empty() => line.stage.word(Goal::Ready).to_owned(),
                    None => line.note.clone(),
                };
                io.say(&format!("{} {name}/{}: {what}", io.paint_message("31", "failed:"), line.name));
                if let Some(remedy) = line.reason.as_ref().and_then(|reason| reason.remedy.as_ref()) {
                    io.say(&format!("  {} {remedy}", io.paint_message("36", "hint:")));
                }
            }
            let of = count(lines.len(), "service");
            let what = match outcome {
                Outcome::TimedOut => format!("{unready} of {of} of `{name}` not ready after {limit} s"),
                _ => format!("{unready} of {of} of `{name}` cannot become ready"),
            };
            Err(CliError::new(what).hint(match outcome {
                Outcome::TimedOut => {
                    format!("the server goes on trying; `lariat services -s {name}` shows how far it is")
                }
                _ => format!(
                    "mend the cause and run `lariat up` again, or remove the stack with `lariat rm {name}`"
                ),
            }))
        }
    }
}

async fn endpoints(client: &Client, stack: &Stack) -> Result<Vec<(String, String)>, CliError> {
    let query = Query::all().with("stackId", stack.meta.id.as_str());
    let services: Vec<Service> = client.list(&query).await?;
    let mut all: Vec<(String, String)> = services
        .iter()
        .flat_map(|service| {
            super::services::endpoints(&service.public_endpoints)
                .into_iter()
                .map(|at| (service.meta.title().to_owned(), at))
        })
        .collect();
    all.sort();
    Ok(all)
}

/// A number and its word.
pub fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
