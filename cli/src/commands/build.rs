//! `lariat build`: images from the user's files, built by the engines of hosts.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use contract_api::launch::DockerBuild;
use contract_client::{Client, ClientError, EngineBody, HostEngine};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::cp::PieceWriter;
use super::docker::engines;
use super::up::{FileOptions, read};
use crate::bundle::{Bundle, Choice, ImageBuild};
use crate::error::CliError;
use crate::session::Session;

mod context;

/// Pieces of a context that wait while the host is slow.
const QUEUE: usize = 16;

/// Build the images of compose files on hosts
///
/// The files of each build context go to the host in a stream; what `.dockerignore` names stays here. Without --host, every active
/// host builds, so that services run on any of them.
#[derive(Debug, Args)]
pub struct Build {
    /// Only the images of these services
    services: Vec<String>,
    #[command(flatten)]
    files: FileOptions,
    /// Build on this host; may be given several times [default: on all that are active]
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Use no results of earlier builds
    #[arg(long)]
    no_cache: bool,
    /// Fetch base images even where they are already
    #[arg(long)]
    pull: bool,
    /// A variable of the build, as NAME=VALUE; may be given several times
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    arguments: Vec<String>,
}

impl Build {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let choice = Choice { services: self.services, ..self.files.choice() };
        let mut bundle = read(session, choice).await?;
        if bundle.builds.is_empty() {
            session.note("nothing in the files is built");
            return Ok(());
        }
        for image in &mut bundle.builds {
            if self.no_cache {
                image.build.nocache = Some(true);
            }
            if self.pull {
                image.build.options.pull = Some(true);
            }
            for argument in &self.arguments {
                let (name, value) = match argument.split_once('=') {
                    Some((name, value)) => (name, value.to_owned()),
                    None => (argument.as_str(), session.io.variable(argument).unwrap_or_default()),
                };
                image.build.args.insert(name.to_owned(), value);
            }
        }
        let client = session.client().await?;
        let hosts = engines(session, &client, &self.hosts).await?;
        for image in &bundle.builds {
            for (host, engine) in &hosts {
                build(session, engine, host.title(), &bundle.folder, image).await?;
            }
            if session.is_machine() {
                let names: Vec<&str> = hosts.iter().map(|(host, _)| host.title()).collect();
                session.event(&json!({"service": image.service, "image": image.image, "hosts": names}))?;
            } else {
                session.io.line(&image.image)?;
            }
        }
        Ok(())
    }
}

/// Builds what services of a stack run and hosts lack; all of it, where that is asked for.
pub(super) async fn ensure(
    session: &Session,
    client: &Client,
    bundle: &Bundle,
    always: bool,
) -> Result<(), CliError> {
    if bundle.builds.is_empty() {
        return Ok(());
    }
    let hosts = engines(session, client, &[]).await?;
    for image in &bundle.builds {
        for (host, engine) in &hosts {
            if always || !has_image(engine, &image.image).await? {
                build(session, engine, host.title(), &bundle.folder, image).await?;
            }
        }
    }
    Ok(())
}

/// Whether a host has an image.
pub(super) async fn has_image(engine: &HostEngine, image: &str) -> Result<bool, CliError> {
    match engine.send("GET", &format!("/images/{image}/json"), &[], EngineBody::Empty).await {
        Ok(_) => Ok(true),
        Err(ClientError::Engine { status: 404, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What the engine's own builder cannot do; each with whether the build would fail without it.
fn beyond(build: &DockerBuild) -> Vec<(&'static str, bool)> {
    let options = &build.options;
    [
        ("secrets", !options.secrets.is_empty(), true),
        ("ssh", !options.ssh.is_empty(), true),
        ("additional_contexts", !options.additional_contexts.is_empty(), true),
        ("entitlements", !options.entitlements.is_empty(), true),
        ("privileged", options.privileged == Some(true), true),
        ("cache_to", !options.cache_to.is_empty(), false),
        ("provenance", options.provenance.is_some(), false),
        ("sbom", options.sbom.is_some(), false),
    ]
    .into_iter()
    .filter(|(_, given, _)| *given)
    .map(|(key, _, needed)| (key, needed))
    .collect()
}

/// The engine's words for a build.
fn query(image: &ImageBuild) -> String {
    let (build, options) = (&image.build, &image.build.options);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("t", &image.image).append_pair("version", "1");
    for tag in &options.tags {
        query.append_pair("t", tag);
    }
    let file = match (&options.dockerfile_inline, &build.dockerfile) {
        (Some(_), _) => Some(context::INLINE),
        (None, file) => file.as_deref(),
    };
    if let Some(file) = file {
        query.append_pair("dockerfile", file);
    }
    let texts: [(&str, Option<&str>); 4] = [
        ("remote", build.remote.as_deref()),
        ("target", build.target.as_deref()),
        ("networkmode", options.network.as_deref()),
        ("platform", options.platforms.first().map(String::as_str)),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    for (name, flag) in [("nocache", build.nocache), ("pull", options.pull), ("forcerm", Some(true))] {
        if flag == Some(true) {
            query.append_pair(name, "1");
        }
    }
    if !build.args.is_empty() {
        query.append_pair("buildargs", &json!(*build.args).to_string());
    }
    if !options.labels.is_empty() {
        query.append_pair("labels", &json!(options.labels).to_string());
    }
    if !options.cache_from.is_empty() {
        query.append_pair("cachefrom", &json!(options.cache_from).to_string());
    }
    if !options.extra_hosts.is_empty() {
        query.append_pair("extrahosts", &options.extra_hosts.join(","));
    }
    if let Some(size) = options.shm_size {
        query.append_pair("shmsize", &size.to_string());
    }
    query.finish()
}

async fn build(
    session: &Session,
    engine: &HostEngine,
    host: &str,
    folder: &Path,
    image: &ImageBuild,
) -> Result<(), CliError> {
    let during = |error: CliError| error.during(format!("could not build {} on {host}", image.image));
    for (key, needed) in beyond(&image.build) {
        let what = format!(
            "{}: build.{key} needs BuildKit, which is not spoken to through the server",
            image.service
        );
        if needed {
            return Err(during(CliError::new(what))
                .hint(format!("build it with `lariat docker --host {host} buildx build …`")));
        }
        session.note(&format!("{} {what}", session.io.paint_message("33", "note:")));
    }
    session.note(&format!("{}: building {} on {host}", image.service, image.image));
    let body = match &image.build.remote {
        Some(_) => EngineBody::Empty,
        None => stream(folder, &image.build).map_err(during)?,
    };
    let headers = [("content-type", "application/x-tar")];
    let path = format!("/build?{}", query(image));
    let mut answer =
        engine.send("POST", &path, &headers, body).await.map_err(|error| during(error.into()))?;
    let mut lines = Lines::default();
    while let Some(bytes) = answer.chunk().await.map_err(|error| during(error.into()))? {
        for line in lines.take(&bytes) {
            told(session, &image.service, &line).map_err(during)?;
        }
    }
    told(session, &image.service, &lines.rest()).map_err(during)
}

/// Reads one line of the engine's tale; an error in it ends the build.
pub(super) fn told(session: &Session, who: &str, line: &str) -> Result<(), CliError> {
    let Ok(event) = serde_json::from_str::<Value>(line) else { return Ok(()) };
    if let Some(error) = event["error"].as_str() {
        return Err(CliError::new(error.trim()));
    }
    if session.is_machine() {
        return Ok(());
    }
    if let Some(text) = event["stream"].as_str() {
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).for_each(|line| {
            session.note(&format!("{who}: {line}"));
        });
    } else if let (Some(status), true) =
        (event["status"].as_str(), event["progressDetail"]["total"].is_null())
    {
        // Bars of single layers would fill the log.
        let id = event["id"].as_str().map(|id| format!("{id} ")).unwrap_or_default();
        session.note(&format!("{who}: {id}{status}"));
    }
    Ok(())
}

/// Puts lines together that come in pieces.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that are complete now.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let complete: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&complete).lines().map(str::to_owned).collect()
    }

    /// What came after the last end of a line.
    pub fn rest(&self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }
}

/// The context as a tar stream, read while it is sent.
fn stream(folder: &Path, build: &DockerBuild) -> Result<EngineBody, CliError> {
    let root: PathBuf = folder.join(build.context.as_deref().unwrap_or("."));
    if !root.is_dir() {
        return Err(CliError::new(format!("the build context `{}` is no folder", root.display())));
    }
    let file = build.dockerfile.clone().unwrap_or_else(|| "Dockerfile".to_owned());
    let inline = build.options.dockerfile_inline.clone();
    if inline.is_none() && !root.join(&file).is_file() {
        return Err(CliError::new(format!("there is no `{file}` in `{}`", root.display()))
            .hint("name it with `build: {context: …, dockerfile: …}`"));
    }
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut writer = PieceWriter { sender: sender.clone(), buffer: Vec::new() };
        if let Err(error) = context::pack(&mut writer, &root, &file, inline.as_deref()) {
            // The host must not take a part for the whole.
            let _ = sender.blocking_send(Err(error));
        }
    });
    Ok(EngineBody::Stream(receiver))
}

#[cfg(test)]
mod tests;
