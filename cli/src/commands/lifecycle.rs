//! `lariat start`, `stop` and `restart`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use contract_client::{Client, Container, Object as _, Service, Stack};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::names::{Directory, Kind, Target, WORKLOADS};
use crate::progress::{Display, Goal, Outcome, Wanted, follow, sentence};
use crate::session::Session;

/// Stacks, services, containers and hosts.
const WITH_HOSTS: &[Kind] = &[Kind::Stack, Kind::Service, Kind::Container, Kind::Host];

/// What is worked on, and whether to wait.
#[derive(Debug, Args)]
pub(super) struct Targets {
    /// Stacks, services (stack/service), containers or hosts
    #[arg(required = true)]
    names: Vec<String>,
    /// Only objects of this kind; may be given several times
    #[arg(long = "type", value_enum, value_name = "KIND")]
    kinds: Vec<Kind>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Whether and how long to wait.
#[derive(Clone, Copy, Debug, Args)]
pub struct Waiting {
    /// Return as soon as the server has taken the order
    #[arg(long)]
    pub no_wait: bool,
    /// Seconds to wait until it is done
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub timeout: u64,
}

impl Waiting {
    /// The longest time to wait.
    pub fn limit(self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Start stacks, services, containers or hosts
///
/// A host that is started takes new containers again.
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    targets: Targets,
}

/// Stop stacks, services, containers or hosts
///
/// They stay stopped until they are started again, also when hosts or servers restart. A host that is stopped gets no new
/// containers; those that it has go on.
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    targets: Targets,
    /// Seconds that a container gets to end by itself before it is killed
    #[arg(short, long, visible_alias = "grace", value_name = "SECONDS")]
    time: Option<u32>,
}

/// Restart stacks, services or containers
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    targets: Targets,
    /// How many containers of a service at a time
    #[arg(long, visible_alias = "batch", default_value_t = 1, value_name = "NUMBER")]
    batch_size: u32,
    /// Time between two batches, in milliseconds, or with its unit: 5s
    #[arg(long, default_value = "0", value_parser = super::up::milliseconds, value_name = "TIME")]
    interval: u64,
}

impl Start {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        change(session, self.targets, &Order::Start).await
    }
}

impl Stop {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        change(session, self.targets, &Order::Stop { seconds: self.time }).await
    }
}

impl Restart {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        // The wire knows no shorter pause.
        let strategy =
            json!({ "batchSize": self.batch_size.max(1), "intervalMillis": self.interval.max(100) });
        change(session, self.targets, &Order::Restart { strategy }).await
    }
}

enum Order {
    Start,
    Stop { seconds: Option<u32> },
    Restart { strategy: Value },
}

impl Order {
    fn goal(&self) -> Goal {
        match self {
            Self::Start | Self::Restart { .. } => Goal::Ready,
            Self::Stop { .. } => Goal::Stopped,
        }
    }

    async fn give_service(&self, client: &Client, service: &Service, path: &str) -> Result<(), CliError> {
        let state = service.meta.state.as_str();
        let (action, input) = match self {
            Self::Start if matches!(state, "active" | "activating" | "updating-active") => return Ok(()),
            Self::Start => ("activate", None),
            Self::Stop { .. } if matches!(state, "inactive" | "deactivating") => return Ok(()),
            Self::Stop { .. } => ("deactivate", None),
            Self::Restart { strategy } => ("restart", Some(json!({ "rollingRestartStrategy": strategy }))),
        };
        client.act(service, action, input.as_ref()).await.map_err(|error| {
            let error = CliError::from(error);
            if matches!(self, Self::Restart { .. }) && state == "inactive" {
                return error.hint(format!("it is stopped; start it with `lariat start {path}`"));
            }
            error
        })
    }

    async fn give_container(&self, client: &Client, container: &Container) -> Result<(), CliError> {
        let state = container.meta.state.as_str();
        let (action, input) = match self {
            Self::Start if state == "running" => return Ok(()),
            Self::Start => ("start", None),
            Self::Stop { .. } if state == "stopped" => return Ok(()),
            Self::Stop { seconds } => {
                ("stop", seconds.map(|seconds| json!({ "remove": false, "timeout": seconds })))
            }
            Self::Restart { .. } => ("restart", None),
        };
        Ok(client.act(container, action, input.as_ref()).await?)
    }

    async fn give_stack(
        &self,
        client: &Client,
        stack: &Stack,
        services: &[&Service],
    ) -> Result<(), CliError> {
        match self {
            Self::Start => Ok(client.act(stack, "activateservices", None).await?),
            Self::Stop { .. } => Ok(client.act(stack, "deactivateservices", None).await?),
            Self::Restart { .. } => {
                for service in services {
                    let path = format!("{}/{}", stack.meta.title(), service.meta.title());
                    self.give_service(client, service, &path).await?;
                }
                Ok(())
            }
        }
    }
}

async fn change(session: &Session, targets: Targets, order: &Order) -> Result<(), CliError> {
    let client = session.client().await?;
    let kinds = match (targets.kinds.is_empty(), order) {
        (false, _) => targets.kinds.as_slice(),
        (true, Order::Restart { .. }) => WORKLOADS,
        (true, _) => WITH_HOSTS,
    };
    // All names are understood before anything happens.
    let (directory, found) = Directory::find(&client, &targets.names, kinds).await?;
    let mut services = BTreeMap::new();
    let mut containers = Vec::new();
    for target in &found {
        match target {
            Target::Stack(stack) => {
                let own = directory.services_of(&stack.meta.id);
                order.give_stack(&client, stack, &own).await?;
                services.extend(own.iter().map(|s| (s.meta.id.clone(), directory.service_path(s))));
            }
            Target::Service(service) => {
                let path = directory.service_path(service);
                order.give_service(&client, service, &path).await?;
                services.insert(service.meta.id.clone(), path);
            }
            Target::Container(container) => {
                order.give_container(&client, container).await?;
                containers.push(container);
            }
            Target::Host(host) => {
                let action = match order {
                    Order::Start => "activate",
                    Order::Stop { .. } => "deactivate",
                    Order::Restart { .. } => {
                        return Err(CliError::usage("hosts are not restarted from here"));
                    }
                };
                super::hosts::switch_one(&client, host, action, targets.waiting).await?;
            }
            Target::Volume(_) | Target::Thing(..) => {
                let kind = target.kind().word();
                return Err(CliError::usage(format!("a {kind} is neither started nor stopped")));
            }
        }
    }
    if !targets.waiting.no_wait {
        let wanted = Wanted { stack: None, services, untouched: false };
        wait_services(session, &client, &wanted, order.goal(), targets.waiting.limit()).await?;
        for container in containers {
            wait_container(&client, container, order.goal(), targets.waiting.limit()).await?;
        }
    }
    for (name, target) in targets.names.iter().zip(&found) {
        session.done(&target.meta().id, name)?;
    }
    Ok(())
}

/// Waits until services are where they shall be.
pub(super) async fn wait_services(
    session: &Session,
    client: &Client,
    wanted: &Wanted,
    goal: Goal,
    limit: Duration,
) -> Result<(), CliError> {
    if wanted.services.is_empty() {
        return Ok(());
    }
    let mut display = if session.is_machine() { Display::Silent } else { Display::fitting(session) };
    let (outcome, lines) = follow(session, client, wanted, goal, limit, &mut display).await?;
    let unready: Vec<_> = lines.iter().filter(|line| line.stage != crate::progress::Stage::Arrived).collect();
    match outcome {
        Outcome::Arrived => Ok(()),
        Outcome::Detached => {
            session.io.say("detached: the server goes on; `lariat services` shows how far it is");
            Err(CliError::exit(crate::error::FAILED))
        }
        Outcome::Failed | Outcome::TimedOut => {
            for line in &unready {
                let what = line.reason.as_ref().map_or_else(|| line.note.clone(), sentence);
                session.io.say(&format!(
                    "{} {}: {what}",
                    session.io.paint_message("31", "failed:"),
                    line.name
                ));
            }
            let names: Vec<&str> = unready.iter().map(|line| line.name.as_str()).collect();
            let word = if outcome == Outcome::Failed { "cannot get there" } else { "not there in time" };
            Err(CliError::new(format!("{word}: {}", names.join(", ")))
                .hint("the server goes on trying; `lariat services` shows how far they are"))
        }
    }
}

async fn wait_container(
    client: &Client,
    container: &Container,
    goal: Goal,
    limit: Duration,
) -> Result<(), CliError> {
    let name = container.meta().title();
    let there = |container: &Container| {
        let state = container.meta.state.as_str();
        match goal {
            // What was to run and has ended well is no failure.
            Goal::Ready => {
                !container.meta.is_moving()
                    && (state == "running" || (state == "stopped" && container.exit_code == Some(0)))
            }
            Goal::Stopped => state == "stopped" && !container.meta.is_moving(),
            Goal::Removed => container.meta.is_removed(),
        }
    };
    let seen = client
        .wait::<Container>(&container.meta.id, limit, |c| {
            let has_ended = goal == Goal::Ready && c.meta.state == "stopped" && !c.meta.is_moving();
            there(c) || has_ended || c.meta.has_failed()
        })
        .await
        .map_err(|error| CliError::from(error).during(name))?;
    match seen {
        Some(seen) if there(&seen) => Ok(()),
        None if goal == Goal::Removed => Ok(()),
        None => Err(CliError::new(format!("{name} was removed meanwhile"))),
        Some(seen) => {
            let why = match &seen.meta.reason {
                Some(reason) => sentence(reason),
                None => seen.meta.transitioning_message.clone().unwrap_or_else(|| match seen.exit_code {
                    Some(code) => format!("its process ended at once, with code {code}"),
                    None => seen.meta.state.clone(),
                }),
            };
            Err(CliError::new(format!("{name}: {why}")).hint(format!("`lariat logs {name}` may tell more")))
        }
    }
}
