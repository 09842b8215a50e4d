//! `lariat pull`: images on all hosts, before anything needs them.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use contract_client::{Client, Collection, EngineBody, HostEngine};
use serde_json::{Value, json};

use super::build::{Lines, has_image, told};
use super::docker::engines;
use super::up::{FileOptions, read};
use crate::bundle::Choice;
use crate::error::CliError;
use crate::session::Session;

/// The server's own way, with its credentials of registries.
const TASKS: Collection = Collection { kind: "pullTask", plural: "pulltasks", at_root: false };

/// Fetch the images of compose files on all hosts
#[derive(Debug, Args)]
pub struct Pull {
    /// Only the images of these services
    services: Vec<String>,
    #[command(flatten)]
    files: FileOptions,
    /// Only on this host; may be given several times [default: on all that are active]
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Only where an image is already, so that it is the newest
    #[arg(short, long)]
    cached: bool,
    /// Seconds to wait for each image
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

impl Pull {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let choice = Choice { services: self.services, ..self.files.choice() };
        let bundle = read(session, choice).await?;
        let built: BTreeSet<&str> = bundle.builds.iter().map(|image| image.image.as_str()).collect();
        let images: BTreeSet<String> = bundle
            .plan
            .services
            .iter()
            .chain(&bundle.plan.containers)
            .flat_map(|service| {
                std::iter::once(&service.launch_config).chain(&service.secondary_launch_configs)
            })
            .filter_map(|launch| launch.image_uuid.as_deref())
            .map(|image| image.strip_prefix("docker:").unwrap_or(image).to_owned())
            .filter(|image| !built.contains(image.as_str()))
            .collect();
        let client = session.client().await?;
        let limit = Duration::from_secs(self.timeout);
        let by_server = self.hosts.is_empty() && client.offers(TASKS).await?;
        let hosts = if by_server { Vec::new() } else { engines(session, &client, &self.hosts).await? };
        for image in images {
            if by_server {
                pull_by_task(session, &client, &image, self.cached, limit).await?;
            }
            for (host, engine) in &hosts {
                if self.cached && !has_image(engine, &image).await? {
                    continue;
                }
                pull(session, engine, host.title(), &image, limit).await?;
            }
            session.done(&image, &image)?;
        }
        Ok(())
    }
}

async fn pull_by_task(
    session: &Session,
    client: &Client,
    image: &str,
    cached: bool,
    limit: Duration,
) -> Result<(), CliError> {
    let mode = if cached { "cached" } else { "all" };
    let task = client.create_in(TASKS, &json!({ "image": image, "labels": {}, "mode": mode })).await?;
    let done = client
        .wait_in(TASKS, &task.meta.id, limit, |task| !task.meta.is_moving())
        .await
        .map_err(|error| CliError::from(error).during(format!("could not fetch {image}")))?;
    let Some(done) = done else { return Ok(()) };
    for (host, status) in done.fields.get("status").and_then(Value::as_object).into_iter().flatten() {
        session.note(&format!("{image}: {host}: {}", status.as_str().unwrap_or_default()));
    }
    if done.meta.has_failed() {
        let why = done.meta.transitioning_message.clone().unwrap_or_else(|| done.meta.state.clone());
        return Err(CliError::new(why).during(format!("could not fetch {image}")));
    }
    Ok(())
}

async fn pull(
    session: &Session,
    engine: &HostEngine,
    host: &str,
    image: &str,
    limit: Duration,
) -> Result<(), CliError> {
    let during = |error: CliError| error.during(format!("could not fetch {image} on {host}"));
    session.note(&format!("{image}: fetching on {host}"));
    // Without a tag the engine would fetch all of them.
    let last = image.rsplit('/').next().unwrap_or(image);
    let full = if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") };
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("fromImage", &full).finish();
    let work = async {
        let path = format!("/images/create?{query}");
        let mut answer = engine.send("POST", &path, &[], EngineBody::Empty).await?;
        let mut lines = Lines::default();
        while let Some(bytes) = answer.chunk().await? {
            lines.take(&bytes).iter().try_for_each(|line| told(session, image, line))?;
        }
        told(session, image, &lines.rest())
    };
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(during),
        Err(_) => Err(during(CliError::new(format!("it took longer than {} s", limit.as_secs())))),
    }
}
