//! `lariat prune`: what nothing uses.

use clap::Args;
use contract_client::{Container, Volume};
use serde_json::json;

use super::lifecycle::Waiting;
use crate::error::CliError;
use crate::names::{Directory, Kind};
use crate::output::Listing;
use crate::session::Session;

/// Remove what nothing uses
///
/// Containers that are stopped and belong to no service. With --volumes, also volumes that no container has and no stack
/// declares, with the data in them.
#[derive(Debug, Args)]
pub struct Prune {
    /// Also volumes, with the data in them
    #[arg(long)]
    volumes: bool,
    /// Show what would go, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Prune {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let directory = Directory::load(&client, &[Kind::Container, Kind::Volume, Kind::Host]).await?;
        let containers: Vec<&Container> = directory
            .containers
            .values()
            .filter(|c| {
                c.service().is_none() && !c.system && c.meta.state == "stopped" && !c.meta.is_moving()
            })
            .collect();
        let going: Vec<&str> = containers.iter().map(|container| container.meta.id.as_str()).collect();
        let volumes: Vec<&Volume> = directory
            .volumes
            .values()
            .filter(|v| self.volumes && v.stack_id.is_none() && !v.is_host_path)
            .filter(|v| {
                v.mounts
                    .iter()
                    .all(|mount| mount.instance_id.as_deref().is_some_and(|id| going.contains(&id)))
            })
            .collect();
        let mut listing = Listing::new(&["ID", "KIND", "NAME"]);
        let metas = containers
            .iter()
            .map(|container| ("container", &container.meta))
            .chain(volumes.iter().map(|volume| ("volume", &volume.meta)));
        for (kind, meta) in metas {
            let cells = vec![meta.id.clone(), kind.to_owned(), meta.title().to_owned()];
            listing.add(&meta.id, cells, json!({ "id": meta.id, "kind": kind, "name": meta.name }));
        }
        if self.dry_run {
            return listing.print(session);
        }
        if listing.is_empty() {
            session.note("there is nothing to remove");
            return Ok(());
        }
        if !self.force && session.io.in_is_terminal {
            let what = super::up::count(containers.len(), "container");
            let data = match volumes.len() {
                0 => String::new(),
                number => format!(" and {} with their data", super::up::count(number, "volume")),
            };
            super::rm::ask(session, &format!("Remove {what}{data}?"))?;
        }
        for container in &containers {
            client.delete(*container).await?;
            if !self.waiting.no_wait {
                let limit = self.waiting.limit();
                client.wait::<Container>(&container.meta.id, limit, |c| c.meta.is_removed()).await?;
            }
        }
        for volume in &volumes {
            client.delete(*volume).await?;
        }
        listing.print(session)
    }
}
