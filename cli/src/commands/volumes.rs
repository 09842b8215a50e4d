//! `lariat volumes`: volumes.

use clap::Args;
use contract_client::Volume;
use serde_json::json;

use crate::error::CliError;
use crate::names::{Directory, Kind, natural};
use crate::output::{self, Table, ago, colour_of, or_dash};
use crate::session::Session;

/// List volumes
#[derive(Debug, Args)]
pub struct Volumes {
    /// Only those of a stack
    #[arg(short, long, value_name = "NAME")]
    stack: Option<String>,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

impl Volumes {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let directory = Directory::load(&client, &[Kind::Stack, Kind::Volume, Kind::Host]).await?;
        let stack = match &self.stack {
            Some(name) => Some(directory.resolve(name, &[Kind::Stack])?.meta().id.clone()),
            None => None,
        };
        let mut volumes: Vec<&Volume> =
            directory.volumes.values().filter(|volume| stack.is_none() || volume.stack_id == stack).collect();
        volumes.sort_by_key(|volume| natural(volume.meta.title()));
        let host = |volume: &Volume| {
            let id = volume.host_id.as_deref()?;
            Some(directory.hosts.get(id).map_or(id, |host| host.title()).to_owned())
        };
        let users = |volume: &Volume| -> Vec<String> {
            volume
                .mounts
                .iter()
                .filter_map(|m| m.instance_name.clone().or_else(|| m.instance_id.clone()))
                .collect()
        };
        if session.is_json() {
            let documents = volumes.iter().map(|volume| {
                json!({
                    "id": volume.meta.id,
                    "name": volume.meta.name,
                    "state": volume.meta.state,
                    "driver": volume.driver,
                    "stack": directory.stack_name(volume.stack_id.as_deref()),
                    "host": host(volume),
                    "usedBy": users(volume),
                    "created": volume.meta.created_ms,
                })
            });
            return output::json(&session.io, &documents.collect());
        }
        if self.quiet {
            return volumes.iter().try_for_each(|volume| session.io.line(&volume.meta.id));
        }
        let mut table = Table::new(&["ID", "NAME", "STATE", "DRIVER", "STACK", "HOST", "USED BY", "AGE"]);
        for volume in volumes {
            let meta = &volume.meta;
            table.row(vec![
                meta.id.clone(),
                meta.title().to_owned(),
                session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
                or_dash(volume.driver.as_deref()),
                or_dash(directory.stack_name(volume.stack_id.as_deref())),
                or_dash(host(volume).as_deref()),
                or_dash(Some(&users(volume).join(", "))),
                ago(session.io.now_ms(), meta.created_ms),
            ]);
        }
        session.io.out(&table.render())
    }
}
