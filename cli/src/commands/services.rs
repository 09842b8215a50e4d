//! `lariat services`: services.

use clap::Args;
use contract_client::{Endpoint, Service};
use serde_json::json;

use crate::error::CliError;
use crate::names::{Directory, Kind, natural};
use crate::output::{self, Table, colour_of, or_dash};
use crate::session::Session;

/// List services
#[derive(Debug, Args)]
pub struct Services {
    /// Only those of a stack
    #[arg(short, long, value_name = "NAME")]
    stack: Option<String>,
    /// Also services of the platform itself
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

impl Services {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let directory = Directory::load(&client, &[Kind::Stack, Kind::Service]).await?;
        let stack = match &self.stack {
            Some(name) => Some(directory.resolve(name, &[Kind::Stack])?.meta().id.clone()),
            None => None,
        };
        let is_wanted = |service: &&Service| match &stack {
            Some(stack) => service.stack_id.as_ref() == Some(stack),
            None => self.all || !service.system,
        };
        let mut services: Vec<&Service> = directory.services.values().filter(is_wanted).collect();
        services.sort_by_key(|service| natural(&directory.service_path(service)));
        if session.is_json() {
            let documents = services.iter().map(|service| {
                json!({
                    "id": service.meta.id,
                    "name": directory.service_path(service),
                    "state": service.meta.state,
                    "health": service.health_state,
                    "transitioning": service.meta.transitioning,
                    "message": service.meta.transitioning_message,
                    "reason": service.meta.reason.as_ref().map(super::up::reason_document),
                    "scale": service.scale,
                    "currentScale": service.current_scale,
                    "done": is_done(service),
                    "image": super::ps::image(service_image(service)),
                    "endpoints": endpoints(&service.public_endpoints),
                    "created": service.meta.created_ms,
                })
            });
            return output::json(&session.io, &documents.collect());
        }
        if self.quiet {
            return services.iter().try_for_each(|service| session.io.line(&service.meta.id));
        }
        let mut table = Table::new(&["ID", "NAME", "IMAGE", "STATE", "HEALTH", "SCALE", "ENDPOINTS"]);
        for service in &services {
            let meta = &service.meta;
            let health = service.health_state.as_deref().unwrap_or("-");
            let scale = service.scale.unwrap_or(0);
            table.row(vec![
                meta.id.clone(),
                directory.service_path(service),
                super::ps::image(service_image(service)),
                session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
                session.io.paint(colour_of(health, ""), health),
                if is_done(service) {
                    "done".to_owned()
                } else {
                    format!("{}/{scale}", service.current_scale.unwrap_or(scale))
                },
                or_dash(Some(&endpoints(&service.public_endpoints).join(", "))),
            ]);
        }
        session.io.out(&table.render())?;
        for service in services {
            if let Some(reason) = &service.meta.reason {
                session.io.say(&format!(
                    "{}: {}",
                    directory.service_path(service),
                    super::up::sentence(reason)
                ));
            }
        }
        Ok(())
    }
}

/// Whether all its containers were to run once, and have.
pub(crate) fn is_done(service: &Service) -> bool {
    service.health_state.as_deref() == Some("started-once")
        && !service.meta.has_failed()
        && !service.meta.is_moving()
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
