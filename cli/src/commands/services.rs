//! `lariat services`: services.

use clap::{Args, Subcommand};
use contract_client::{Endpoint, Service};
use serde_json::json;

use super::{Names, Removal};
use crate::error::CliError;
use crate::names::{Directory, Kind, natural};
use crate::output::{Listing, colour_of, or_dash};
use crate::session::Session;

/// List and remove services
#[derive(Debug, Args)]
pub struct Services {
    #[command(subcommand)]
    command: Option<ServicesCommand>,
    #[command(flatten)]
    ls: Ls,
}

#[derive(Debug, Default, PartialEq, Args)]
struct Ls {
    /// Only those of a stack
    #[arg(short, long, value_name = "NAME")]
    stack: Option<String>,
    /// Also services of the platform itself
    #[arg(short, long, visible_alias = "system")]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum ServicesCommand {
    /// List services
    Ls(Ls),
    /// Remove services
    Rm(Removal),
    /// Show everything about services
    Inspect(Names),
}

impl Services {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match super::or_list(self.command, self.ls, ServicesCommand::Ls)? {
            ServicesCommand::Ls(ls) => list(session, &ls).await,
            ServicesCommand::Rm(removal) => super::rm::remove(session, removal, &[Kind::Service]).await,
            ServicesCommand::Inspect(names) => {
                super::inspect::inspect(session, &names.names, &[Kind::Service], true).await
            }
        }
    }
}

async fn list(session: &Session, ls: &Ls) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, &[Kind::Stack, Kind::Service]).await?;
    let stack = match &ls.stack {
        Some(name) => Some(directory.resolve(name, &[Kind::Stack])?.meta().id.clone()),
        None => None,
    };
    let is_wanted = |service: &&Service| match &stack {
        Some(stack) => service.stack_id.as_ref() == Some(stack),
        None => ls.all || !service.system,
    };
    let mut services: Vec<&Service> = directory.services.values().filter(is_wanted).collect();
    services.sort_by_key(|service| natural(&directory.service_path(service)));
    let mut listing = Listing::new(&["ID", "NAME", "IMAGE", "STATE", "HEALTH", "SCALE", "ENDPOINTS"]);
    for service in services {
        let meta = &service.meta;
        let path = directory.service_path(service);
        let health = service.health_state.as_deref().unwrap_or("-");
        let scale = service.scale.unwrap_or(0);
        let endpoints = endpoints(&service.public_endpoints);
        let cells = vec![
            meta.id.clone(),
            path.clone(),
            super::ps::image(service_image(service)),
            session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
            session.io.paint(colour_of(health, ""), health),
            if is_done(service) {
                "done".to_owned()
            } else {
                format!("{}/{scale}", service.current_scale.unwrap_or(scale))
            },
            or_dash(Some(&endpoints.join(", "))),
        ];
        let document = json!({
            "id": meta.id,
            "name": path,
            "state": meta.state,
            "health": service.health_state,
            "transitioning": meta.transitioning,
            "message": meta.transitioning_message,
            "reason": meta.reason.as_ref().map(super::up::reason_document),
            "scale": service.scale,
            "currentScale": service.current_scale,
            "done": is_done(service),
            "image": super::ps::image(service_image(service)),
            "endpoints": endpoints,
            "created": meta.created_ms,
        });
        listing.add(&meta.id, cells, document);
        if let Some(reason) = &meta.reason {
            listing.note(format!("{path}: {}", super::up::sentence(reason)));
        }
    }
    listing.print(session)
}

/// Whether all its containers were to run once, and have.
pub(crate) fn is_done(service: &Service) -> bool {
    let settled = !service.meta.has_failed() && !service.meta.is_moving();
    match (service.start_once, service.finished_scale) {
        (Some(once), Some(finished)) => once && finished >= service.scale.unwrap_or(1),
        // Servers that do not count them say it in one word.
        _ => settled && service.health_state.as_deref() == Some("started-once"),
    }
}

fn service_image(service: &Service) -> Option<&str> {
    service.launch_config.as_ref()?.image_uuid.as_deref()
}

/// Where published ports answer, each once.
pub(crate) fn endpoints(list: &[Endpoint]) -> Vec<String> {
    let mut texts: Vec<String> = list
        .iter()
        .map(|endpoint| match endpoint.ip_address.as_deref() {
            Some(address) if address.contains(':') => format!("[{address}]:{}", endpoint.port),
            Some(address) => format!("{address}:{}", endpoint.port),
            None => format!(":{}", endpoint.port),
        })
        .collect();
    texts.sort();
    texts.dedup();
    texts
}
