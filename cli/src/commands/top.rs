//! `lariat top`: the processes of containers.

use clap::Args;
use contract_client::{Container, EngineBody};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::docker::engine_of_container;
use crate::error::CliError;
use crate::names::{Directory, Target, WORKLOADS};
use crate::output::Listing;
use crate::session::Session;

/// Show the processes of containers
#[derive(Debug, Args)]
pub struct Top {
    /// Containers, services (stack/service) or stacks
    #[arg(required = true)]
    names: Vec<String>,
    /// Options for `ps`, such as "aux"
    #[arg(long, value_name = "TEXT")]
    ps: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Processes {
    titles: Vec<String>,
    #[serde(default)]
    processes: Option<Vec<Vec<String>>>,
}

impl Top {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let (directory, found) = Directory::find(&client, &self.names, WORKLOADS).await?;
        let mut containers: Vec<&Container> = Vec::new();
        for target in &found {
            match target {
                Target::Container(container) => containers.push(container),
                Target::Service(service) => containers.extend(directory.containers_of(&service.meta.id)),
                Target::Stack(stack) => {
                    let services = directory.services_of(&stack.meta.id);
                    containers.extend(services.iter().flat_map(|s| directory.containers_of(&s.meta.id)));
                }
                Target::Host(_) | Target::Volume(_) | Target::Thing(..) => {}
            }
        }
        let named = matches!(found.as_slice(), [Target::Container(_)]);
        // Of many, those that do not run are left out; of one, that is an error of the engine.
        containers.retain(|container| named || container.meta.state == "running");
        if containers.is_empty() {
            return Err(CliError::new("no container of them is running").hint("`lariat ps` shows them"));
        }
        let mut path = "top".to_owned();
        if let Some(options) = &self.ps {
            let query =
                form_urlencoded::Serializer::new(String::new()).append_pair("ps_args", options).finish();
            path = format!("top?{query}");
        }
        let mut all: Vec<(&Container, Processes)> = Vec::new();
        for container in containers {
            let during = |error: CliError| error.during(container.meta.title());
            let (engine, id) = engine_of_container(&client, container).await.map_err(during)?;
            let mut answer = engine
                .send("GET", &format!("/containers/{id}/{path}"), &[], EngineBody::Empty)
                .await
                .map_err(|error| during(error.into()))?;
            all.push((container, answer.json().await?));
        }
        let titles = all.first().map(|(_, processes)| processes.titles.clone()).unwrap_or_default();
        let headings: Vec<&str> =
            std::iter::once("CONTAINER").chain(titles.iter().map(String::as_str)).collect();
        let mut listing = Listing::new(&headings);
        for (container, processes) in &all {
            for process in processes.processes.iter().flatten() {
                let name = container.meta.title();
                let mut document = Map::new();
                document.insert("container".to_owned(), name.into());
                for (title, value) in processes.titles.iter().zip(process) {
                    document.insert(title.to_lowercase(), value.as_str().into());
                }
                let cells = std::iter::once(name.to_owned()).chain(process.iter().cloned()).collect();
                listing.add(&container.meta.id, cells, Value::Object(document));
            }
        }
        listing.print(session)
    }
}
