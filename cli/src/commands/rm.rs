//! `lariat rm`: removal.

use clap::Args;
use contract_client::{Client, ClientError, Container, Object, Service, Stack, Volume};

use super::Removal;
use super::up::count;
use crate::error::CliError;
use crate::names::{Directory, Kind, Target};
use crate::session::Session;

const KINDS: &[Kind] = &[
    Kind::Stack,
    Kind::Service,
    Kind::Container,
    Kind::Volume,
    Kind::Host,
    Kind::Secret,
    Kind::Network,
    Kind::Registry,
    Kind::Certificate,
];

/// Remove stacks, services, containers, hosts, volumes and other objects
///
/// Named volumes of a stack are kept unless --volumes is given.
#[derive(Debug, Args)]
pub struct Rm {
    #[command(flatten)]
    removal: Removal,
    /// Only objects of this kind; may be given several times
    #[arg(long = "type", value_enum, value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Also remove the named volumes of stacks, with the data in them
    #[arg(long)]
    volumes: bool,
    /// Stop what must be stopped before it can be removed; that is done in any case
    #[arg(short, long, hide = true)]
    stop: bool,
}

impl Rm {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let kinds = if self.kinds.is_empty() { KINDS } else { self.kinds.as_slice() };
        Work { removal: self.removal, volumes: self.volumes }.run(session, kinds).await
    }
}

/// Removes objects of some kinds.
pub(super) async fn remove(session: &Session, removal: Removal, kinds: &[Kind]) -> Result<(), CliError> {
    Work { removal, volumes: false }.run(session, kinds).await
}

struct Work {
    removal: Removal,
    volumes: bool,
}

impl Work {
    async fn run(self, session: &Session, kinds: &[Kind]) -> Result<(), CliError> {
        let client = session.client().await?;
        let names = &self.removal.names;
        let (directory, found) = Directory::find(&client, names, kinds).await?;
        if !self.removal.force && session.io.in_is_terminal {
            confirm(session, &directory, &found, self.volumes)?;
        }
        for (name, target) in names.iter().zip(&found) {
            self.remove(&client, &directory, target)
                .await
                .map_err(|error| error.during(format!("could not remove {name}")))?;
            session.done(&target.meta().id, name)?;
        }
        Ok(())
    }

    async fn remove(&self, client: &Client, directory: &Directory, target: &Target) -> Result<(), CliError> {
        match target {
            Target::Stack(stack) => {
                self.one(client, stack, "deactivateservices").await?;
                if self.volumes {
                    for volume in directory.volumes.values() {
                        if volume.stack_id.as_ref() == Some(&stack.meta.id) {
                            self.one(client, volume, "deactivate").await?;
                        }
                    }
                }
                Ok(())
            }
            Target::Service(service) => self.one::<Service>(client, service, "deactivate").await,
            Target::Container(container) => self.one::<Container>(client, container, "stop").await,
            Target::Volume(volume) => self.one::<Volume>(client, volume, "deactivate").await,
            Target::Host(host) => super::hosts::remove_one(client, host, self.removal.waiting).await,
            Target::Thing(_, resource) => {
                let thing = target.thing().expect("a thing has its kind");
                let scope = if thing.collection.at_root { client.at_root() } else { client.clone() };
                thing.remove_one(&scope, resource, self.removal.waiting).await
            }
        }
    }

    /// Removes one object. Where the server wants it stopped first, that is done.
    async fn one<T: Object>(&self, client: &Client, object: &T, stop: &str) -> Result<(), CliError> {
        let id = object.meta().id.clone();
        match client.delete(object).await {
            Ok(()) => {}
            Err(error) if error.is_not_found() => return Ok(()),
            Err(ClientError::Api(error)) if error.status == 405 => {
                let Some(now) = client.find::<T>(&id).await? else { return Ok(()) };
                if !now.meta().actions.contains_key(stop) {
                    return Err(ClientError::Api(error).into());
                }
                client.act(&now, stop, None).await?;
                let still =
                    client.wait::<T>(&id, self.removal.waiting.limit(), |o| !o.meta().is_moving()).await?;
                match still {
                    Some(still) if !still.meta().is_removed() => client.delete(&still).await?,
                    _ => return Ok(()),
                }
            }
            Err(error) => return Err(error.into()),
        }
        if !self.removal.waiting.no_wait {
            client.wait::<T>(&id, self.removal.waiting.limit(), |object| object.meta().is_removed()).await?;
        }
        Ok(())
    }
}

fn confirm(
    session: &Session,
    directory: &Directory,
    found: &[Target],
    volumes: bool,
) -> Result<(), CliError> {
    let describe = |target: &Target| match target {
        Target::Stack(stack) => describe_stack(directory, stack, volumes),
        Target::Service(service) => format!(
            "the service {} with {}",
            directory.service_path(service),
            count(directory.containers_of(&service.meta.id).len(), "container")
        ),
        Target::Container(container) => format!("the container {}", container.meta.title()),
        Target::Volume(volume) => format!("the volume {} with its data", volume.meta.title()),
        Target::Host(host) => {
            format!("the host {} with {}", host.title(), count(host.instance_ids.len(), "container"))
        }
        Target::Thing(kind, resource) => format!("the {} {}", kind.word(), resource.meta.title()),
    };
    let all: Vec<String> = found.iter().map(describe).collect();
    ask(session, &format!("Remove {}?", all.join(", ")))
}

fn describe_stack(directory: &Directory, stack: &Stack, volumes: bool) -> String {
    let services = directory.services_of(&stack.meta.id);
    let own = directory.volumes.values().filter(|v| v.stack_id.as_ref() == Some(&stack.meta.id)).count();
    let data = match (volumes, own) {
        (_, 0) => String::new(),
        (true, own) => format!(" and {} with their data", count(own, "volume")),
        (false, own) => format!(" (keeping {})", count(own, "volume")),
    };
    format!("the stack {} with {}{data}", stack.meta.title(), count(services.len(), "service"))
}

/// Asks a person; anything but yes ends the command.
///
/// # Errors
/// When the answer is no.
pub fn ask(session: &Session, question: &str) -> Result<(), CliError> {
    session.io.say_bytes(format!("{question} [y/N] ").as_bytes());
    let answer = session.io.read_line().unwrap_or_default();
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(CliError::new("nothing was changed"))
    }
}
