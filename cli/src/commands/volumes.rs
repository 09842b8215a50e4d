//! `lariat volumes`: volumes.

use clap::{Args, Subcommand};
use contract_client::Volume;
use serde_json::{Map, Value, json};

use super::{Names, Removal};
use crate::error::CliError;
use crate::names::{Directory, Kind, natural};
use crate::output::{Listing, ago, colour_of, or_dash};
use crate::session::Session;

/// List, create and remove volumes
#[derive(Debug, Args)]
pub struct Volumes {
    #[command(subcommand)]
    command: Option<VolumesCommand>,
    #[command(flatten)]
    ls: Ls,
}

#[derive(Debug, Default, PartialEq, Args)]
struct Ls {
    /// Only those of a stack
    #[arg(short, long, value_name = "NAME")]
    stack: Option<String>,
}

#[derive(Debug, Subcommand)]
enum VolumesCommand {
    /// List volumes
    Ls(Ls),
    /// Create a volume
    Create {
        /// Its name
        name: String,
        /// The driver that keeps the data
        #[arg(short, long, value_name = "NAME")]
        driver: Option<String>,
        /// An option of the driver, as NAME=VALUE; may be given several times
        #[arg(short = 'o', long = "opt", value_name = "NAME=VALUE")]
        options: Vec<String>,
        /// The host that it lies on
        #[arg(long, value_name = "NAME")]
        host: Option<String>,
    },
    /// Remove volumes with the data in them
    Rm(Removal),
    /// Show everything about volumes
    Inspect(Names),
}

impl Volumes {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match super::or_list(self.command, self.ls, VolumesCommand::Ls)? {
            VolumesCommand::Ls(ls) => list(session, ls.stack.as_deref()).await,
            VolumesCommand::Create { name, driver, options, host } => {
                create(session, &name, driver, &options, host.as_deref()).await
            }
            VolumesCommand::Rm(removal) => super::rm::remove(session, removal, &[Kind::Volume]).await,
            VolumesCommand::Inspect(names) => {
                super::inspect::inspect(session, &names.names, &[Kind::Volume], true).await
            }
        }
    }
}

async fn create(
    session: &Session,
    name: &str,
    driver: Option<String>,
    options: &[String],
    host: Option<&str>,
) -> Result<(), CliError> {
    let client = session.client().await?;
    let mut input = json!({ "name": name });
    if let Some(driver) = driver {
        input["driver"] = driver.into();
    }
    if !options.is_empty() {
        let pairs: Map<String, Value> = options
            .iter()
            .map(|option| option.split_once('=').unwrap_or((option, "")))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        input["driverOpts"] = pairs.into();
    }
    if let Some(host) = host {
        let directory = Directory::load(&client, &[Kind::Host]).await?;
        input["hostId"] = directory.resolve(host, &[Kind::Host])?.meta().id.clone().into();
    }
    let made: Volume = client.create(&input).await?;
    session.done(&made.meta.id, name)
}

async fn list(session: &Session, stack: Option<&str>) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, &[Kind::Stack, Kind::Volume, Kind::Host]).await?;
    let stack = match stack {
        Some(name) => Some(directory.resolve(name, &[Kind::Stack])?.meta().id.clone()),
        None => None,
    };
    let mut volumes: Vec<&Volume> =
        directory.volumes.values().filter(|volume| stack.is_none() || volume.stack_id == stack).collect();
    volumes.sort_by_key(|volume| natural(volume.meta.title()));
    let mut listing = Listing::new(&["ID", "NAME", "STATE", "DRIVER", "STACK", "HOST", "USED BY", "AGE"]);
    for volume in volumes {
        let meta = &volume.meta;
        let host = volume.host_id.as_deref();
        let host = host.map(|id| directory.hosts.get(id).map_or(id, |host| host.title()));
        let stack = directory.stack_name(volume.stack_id.as_deref());
        let users: Vec<&str> = volume
            .mounts
            .iter()
            .filter_map(|mount| mount.instance_name.as_deref().or(mount.instance_id.as_deref()))
            .collect();
        let cells = vec![
            meta.id.clone(),
            meta.title().to_owned(),
            session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
            or_dash(volume.driver.as_deref()),
            or_dash(stack),
            or_dash(host),
            or_dash(Some(&users.join(", "))),
            ago(session.io.now_ms(), meta.created_ms),
        ];
        let document = json!({
            "id": meta.id,
            "name": meta.name,
            "state": meta.state,
            "driver": volume.driver,
            "stack": stack,
            "host": host,
            "usedBy": users,
            "created": meta.created_ms,
        });
        listing.add(&meta.id, cells, document);
    }
    listing.print(session)
}
