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

/// Deploy compose files as a stack and wait until it is ready
///
/// The files are checked first; a mistake is shown with file, line and column, and nothing has changed. A stack that
/// exists is updated: services that changed are replaced, the others are not touched.
#[derive(Debug, Args)]
pub struct Up {
    /// A compose file; may be given several times, `-` reads the standard input
    /// [default: compose.yaml or docker-compose.yml in this folder]
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A rancher-compose.yml file; may be given several times
    #[arg(long = "rancher-file", value_name = "FILE")]
    rancher_files: Vec<PathBuf>,
    /// The name of the stack [default: `name` in the file, else the name of its folder]
    #[arg(short, long, value_name = "NAME")]
    stack: Option<String>,
    /// A file with variables; may be given several times [default: .env beside the compose file]
    #[arg(long = "env-file", short = 'e', value_name = "FILE")]
    env_files: Vec<PathBuf>,
    /// Switch on services with this profile; may be given several times
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// Return as soon as the server has taken the files
    #[arg(short, long)]
    detach: bool,
    /// Fetch images even where they are already
    #[arg(long)]
    pull: bool,
    /// Seconds to wait until all services are ready
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

impl Up {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let begun = Instant::now();
        let choice = Choice {
            files: self.files,
            rancher_files: self.rancher_files,
            env_files: self.env_files,
            stack: self.stack,
            profiles: self.profiles,
            pull: self.pull,
        };
        let io = session.io.clone();
        let bundle = tokio::task::spawn_blocking(move || bundle::read(&io, &choice))
            .await
            .map_err(|error| CliError::new(format!("could not read the files: {error}")))??;
        for notice in &bundle.plan.notices {
            session.io.say(&format!("{} {notice}", session.io.paint_message("33", "note:")));
        }
        let client = session.client().await?;
        let (stack, effect) = deploy(&client, &bundle).await?;
        if session.is_json() {
            let document = json!({
                "event": "stack", "id": stack.meta.id, "stack": stack.meta.title(),
                "created": effect == Effect::Created, "effect": effect.word(),
            });
            session.io.line(&document.to_string())?;
        } else {
            session.io.say(&format!("stack {} {} ({})", stack.meta.title(), effect.word(), stack.meta.id));
        }
        let wanted = wanted(session, &client, &bundle, &stack).await?;
        if self.detach {
            return Ok(());
        }
        let mut display = Display::fitting(&session.io, session.is_json());
        let limit = Duration::from_secs(self.timeout);
        let (outcome, lines) =
            follow(&session.io, &client, &wanted, Goal::Ready, limit, &mut display).await?;
        if outcome == Outcome::Arrived {
            finish_upgrade(&client, &stack).await?;
        }
        tell(session, &client, &stack, &outcome, &lines, begun.elapsed(), self.timeout).await
    }
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

/// Hands the files to the server.
async fn deploy(client: &Client, bundle: &Bundle) -> Result<(Stack, Effect), CliError> {
    let mut input = json!({
        "dockerCompose": bundle.docker_compose,
        "rancherCompose": bundle.rancher_compose.as_deref().unwrap_or(""),
        "environment": bundle.environment,
    });
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
            client.act(&stack, "upgrade", Some(&input)).await.map_err(refused)?;
            let effect = if wishes(client, &stack.meta.id).await? == before {
                Effect::Unchanged
            } else {
                Effect::Updated
            };
            Ok((stack, effect))
        }
        None => {
            input["name"] = bundle.stack.clone().into();
            input["startOnCreate"] = true.into();
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

/// The services of the files, as the server knows them.
async fn wanted(
    session: &Session,
    client: &Client,
    bundle: &Bundle,
    stack: &Stack,
) -> Result<Wanted, CliError> {
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
                others.push(name);
            }
        }
        // A server of another make creates them a little later.
        if services.len() >= names.len() || Instant::now() >= until {
            others.sort();
            for name in others {
                session.io.say(&format!(
                    "{} the service `{name}` is not in the files any more and was left as it is; remove it with `lariat rm {}/{name}`",
                    session.io.paint_message("33", "note:"),
                    stack.meta.title()
                ));
            }
            return Ok(Wanted { stack: Some(stack.meta.id.clone()), services });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
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
    if session.is_json() {
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
        io.line(&document.to_string())?;
        return if *outcome == Outcome::Arrived { Ok(()) } else { Err(CliError::exit(FAILED)) };
    }
    let unready = lines.iter().filter(|line| line.stage != Stage::Arrived).count();
    match outcome {
        Outcome::Arrived => {
            io.say(&format!(
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
pub(crate) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
