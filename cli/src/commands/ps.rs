//! `lariat ps`: containers.

use clap::Args;
use contract_client::Container;
use serde_json::json;

use crate::error::CliError;
use crate::names::{Directory, Kind, Target, WORKLOADS, natural};
use crate::output::{Listing, ago, colour_of, or_dash};
use crate::session::Session;

/// List containers
#[derive(Debug, Args)]
pub struct Ps {
    /// Only those of these stacks or services, or these containers
    names: Vec<String>,
    /// Only those of a stack
    #[arg(short, long, value_name = "NAME")]
    stack: Option<String>,
    /// Only those on a host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Also containers of the platform itself
    #[arg(short, long, visible_alias = "system")]
    all: bool,
}

impl Ps {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let directory =
            Directory::load(&client, &[Kind::Stack, Kind::Service, Kind::Container, Kind::Host]).await?;
        let mut wanted = Vec::new();
        if let Some(stack) = &self.stack {
            wanted.push(directory.resolve(stack, &[Kind::Stack])?);
        }
        for name in &self.names {
            wanted.push(directory.resolve(name, WORKLOADS)?);
        }
        let host = match &self.host {
            Some(name) => Some(directory.resolve(name, &[Kind::Host])?.meta().id.clone()),
            None => None,
        };
        let is_wanted = |container: &Container| {
            (host.is_none() || container.host_id == host)
                && (wanted.is_empty() && (self.all || !container.system)
                    || wanted.iter().any(|target| match target {
                        Target::Stack(stack) => container.stack_id.as_deref() == Some(&stack.meta.id),
                        Target::Service(service) => container.service() == Some(&service.meta.id),
                        Target::Container(other) => container.meta.id == other.meta.id,
                        Target::Host(_) | Target::Volume(_) | Target::Thing(..) => false,
                    }))
        };
        let mut containers: Vec<&Container> =
            directory.containers.values().filter(|c| is_wanted(c)).collect();
        containers.sort_by_key(|container| natural(container.meta.title()));
        let mut listing = Listing::new(&["ID", "NAME", "IMAGE", "STATE", "HOST", "ADDRESS", "PORTS", "AGE"]);
        for container in &containers {
            let meta = &container.meta;
            let state = shown_state(container);
            let cells = vec![
                meta.id.clone(),
                meta.title().to_owned(),
                image(container.image_uuid.as_deref()),
                session.io.paint(colour_of(&state, &meta.transitioning), &state),
                or_dash(directory.host_name(container).as_deref()),
                or_dash(container.primary_ip_address.as_deref()),
                or_dash(Some(&container.ports.join(", "))),
                ago(session.io.now_ms(), meta.created_ms),
            ];
            listing.add(&meta.id, cells, document(&directory, container));
            if let Some(message) = trouble(container) {
                listing.note(format!("{}: {message}", meta.title()));
            }
        }
        listing.print(session)
    }
}

/// The state that says most: health where it is known, the exit code where it ended.
pub(crate) fn shown_state(container: &Container) -> String {
    match (container.meta.state.as_str(), container.health_state.as_deref(), container.exit_code) {
        ("running", Some(health), _) if health != "healthy" => format!("running ({health})"),
        ("stopped", _, Some(code)) => format!("stopped ({code})"),
        (state, ..) => state.to_owned(),
    }
}

fn trouble(container: &Container) -> Option<String> {
    let meta = &container.meta;
    if let Some(reason) = &meta.reason {
        return Some(super::up::sentence(reason));
    }
    meta.has_failed().then(|| meta.transitioning_message.clone()).flatten()
}

/// The image as people write it.
pub(crate) fn image(uuid: Option<&str>) -> String {
    let image = uuid.unwrap_or("-");
    image.strip_prefix("docker:").unwrap_or(image).to_owned()
}

fn document(directory: &Directory, container: &Container) -> serde_json::Value {
    let meta = &container.meta;
    json!({
        "id": meta.id,
        "name": meta.name,
        "stack": container.stack_name.as_deref().or(directory.stack_name(container.stack_id.as_deref())),
        "service": directory.service_of(container),
        "image": image(container.image_uuid.as_deref()),
        "state": meta.state,
        "health": container.health_state,
        "transitioning": meta.transitioning,
        "message": meta.transitioning_message,
        "reason": meta.reason.as_ref().map(super::up::reason_document),
        "exitCode": container.exit_code,
        "host": directory.host_name(container),
        "hostId": container.host_id,
        "address": container.primary_ip_address,
        "ports": container.ports,
        "dockerId": container.external_id,
        "native": container.native_container,
        "created": meta.created_ms,
    })
}
