//! The driver itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration as StdDuration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{CreateImageInfo, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, EventsOptions, InspectContainerOptions, KillContainerOptions,
    ListContainersOptions, ListNetworksOptions, LogsOptions, RemoveContainerOptions, ResizeExecOptions,
    StartContainerOptions, StatsOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use contract_protocol::{
    EngineFacts, ExecRequest, FailureCode, LogsRequest, NetworkSpec, Progress, VolumeSpec,
};
use contract_values::{Duration, ImageRef, Labels, Timestamp};
use futures_util::{StreamExt, TryStreamExt};
use host_driver::{
    ByteStream, ContainerSummary, ContainerView, CreateRequest, Engine, EngineError, EventStream,
    ExecControl, ExecSession, JsonStream, NetworkView, ObjectKind, OutputChunk, OutputStream, PullProgress,
};
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::sync::RwLock;

use crate::create::{render_create, whole_seconds};
use crate::errors::explain;
use crate::view::{read_event, read_summary, read_view};

/// How long the engine may take to begin its answer.
const ANSWER_SECONDS: u64 = 120;
/// How much longer than its grace a stop may take.
const STOP_MARGIN: StdDuration = StdDuration::from_secs(60);
/// The engine's grace when a container names none.
const ENGINE_GRACE: Duration = Duration::seconds(10);

/// A Docker Engine on a local socket.
#[derive(Debug)]
pub struct DockerEngine {
    socket: PathBuf,
    client: RwLock<Option<Docker>>,
}

impl DockerEngine {
    /// Names the engine by its socket, such as `/var/run/docker.sock`, with or without `unix://`. Nothing is
    /// connected yet; an engine that is not there is found out by the first call.
    pub fn new(socket: &str) -> Self {
        let path = socket.strip_prefix("unix://").unwrap_or(socket);
        Self { socket: PathBuf::from(path), client: RwLock::new(None) }
    }

    /// The path of the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A client that speaks the engine's version. It holds no connection, so it outlives the engine's restarts; it is
    /// negotiated anew after the engine could not be reached, because it may have been replaced.
    async fn client(&self) -> Result<Docker, EngineError> {
        if let Some(client) = self.client.read().await.as_ref() {
            return Ok(client.clone());
        }
        let path = self.socket.to_string_lossy();
        let client = Docker::connect_with_unix(&path, ANSWER_SECONDS, API_DEFAULT_VERSION)
            .map_err(EngineError::unreachable)?;
        let client =
            client.negotiate_version().await.map_err(|error| explain(error, "negotiate a version", None))?;
        *self.client.write().await = Some(client.clone());
        Ok(client)
    }

    async fn forget_if_unreachable(&self, error: EngineError) -> EngineError {
        if error.is_unreachable() {
            *self.client.write().await = None;
        }
        error
    }

    async fn failed(
        &self,
        error: bollard::errors::Error,
        operation: &'static str,
        object: Option<ObjectKind>,
    ) -> EngineError {
        self.forget_if_unreachable(explain(error, operation, object)).await
    }
}

#[async_trait]
impl Engine for DockerEngine {
    async fn facts(&self) -> Result<EngineFacts, EngineError> {
        let client = self.client().await?;
        let info = match client.info().await {
            Ok(info) => info,
            Err(error) => {
                return Err(self.failed(error, "describe itself", Some(ObjectKind::Container)).await);
            }
        };
        Ok(EngineFacts {
            version: info.server_version.unwrap_or_default(),
            api_version: client.client_version().to_string(),
            storage_driver: info.driver.unwrap_or_default(),
            root_dir: info.docker_root_dir.unwrap_or_default(),
            cgroup_version: info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
        })
    }

    async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptions { all: true, ..Default::default() };
        match self.client().await?.list_containers(Some(options)).await {
            Ok(list) => Ok(list.into_iter().filter_map(read_summary).collect()),
            Err(error) => Err(self.failed(error, "list containers", Some(ObjectKind::Container)).await),
        }
    }

    async fn inspect(&self, docker_id: &str) -> Result<ContainerView, EngineError> {
        match self.client().await?.inspect_container(docker_id, None::<InspectContainerOptions>).await {
            Ok(found) => Ok(read_view(found)),
            Err(error) => Err(self.failed(error, "describe a container", Some(ObjectKind::Container)).await),
        }
    }

    async fn inspect_json(&self, docker_id: &str) -> Result<String, EngineError> {
        match self.client().await?.inspect_container(docker_id, None::<InspectContainerOptions>).await {
            Ok(found) => serde_json::to_string(&found).map_err(|error| EngineError::Refused {
                code: FailureCode::Other,
                text: format!("the engine's description cannot be written: {error}"),
            }),
            Err(error) => Err(self.failed(error, "describe a container", Some(ObjectKind::Container)).await),
        }
    }

    async fn image_id(&self, image: &ImageRef) -> Result<Option<String>, EngineError> {
        match self.client().await?.inspect_image(&image.to_string()).await {
            Ok(found) => Ok(found.id),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.failed(error, "describe an image", None).await),
        }
    }

    async fn pull(
        &self,
        image: &ImageRef,
        platform: Option<&str>,
        progress: PullProgress<'_>,
    ) -> Result<(), EngineError> {
        let options = CreateImageOptions {
            from_image: Some(image.repository.clone()),
            tag: Some(image.digest.clone().unwrap_or_else(|| image.tag_or_latest().to_owned())),
            platform: platform.unwrap_or_default().to_owned(),
            ..Default::default()
        };
        let client = self.client().await?;
        let mut layers = Layers::default();
        let mut steps = std::pin::pin!(client.create_image(Some(options), None, None));
        loop {
            match steps.try_next().await {
                Ok(Some(step)) => {
                    layers.take(&step);
                    progress(Progress { text: format!("pulling {image}"), percent: layers.percent() });
                    if let Some(detail) = step.error_detail {
                        let text = detail.message.unwrap_or_else(|| "the pull failed".to_owned());
                        return Err(EngineError::Refused { code: crate::errors::failure_code(&text), text });
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.failed(error, "pull an image", None).await),
            }
        }
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<String, EngineError> {
        let options = CreateContainerOptions {
            name: Some(request.name.to_owned()),
            platform: request.spec.platform.clone().unwrap_or_default(),
        };
        match self.client().await?.create_container(Some(options), render_create(request)).await {
            Ok(made) => Ok(made.id),
            // A 404 on creation is the image, unless the words name something else.
            Err(error) => Err(match self.failed(error, "create a container", None).await {
                EngineError::Refused { code: FailureCode::ImageNotFound, text }
                    if !text.to_lowercase().contains("image") =>
                {
                    EngineError::Refused { code: FailureCode::InvalidOption, text }
                }
                other => other,
            }),
        }
    }

    async fn start(&self, docker_id: &str) -> Result<(), EngineError> {
        match self.client().await?.start_container(docker_id, None::<StartContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error, "start a container", Some(ObjectKind::Container)).await),
        }
    }

    async fn stop(&self, docker_id: &str, timeout: Option<Duration>) -> Result<(), EngineError> {
        let grace = timeout.unwrap_or(ENGINE_GRACE);
        let client = self.client().await?.with_timeout(grace.to_std() + STOP_MARGIN);
        let t = timeout.map(|span| i32::try_from(whole_seconds(span)).unwrap_or(i32::MAX));
        match client.stop_container(docker_id, Some(StopContainerOptions { signal: None, t })).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error, "stop a container", Some(ObjectKind::Container)).await),
        }
    }

    async fn kill(&self, docker_id: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptions { signal: signal.to_owned() };
        match self.client().await?.kill_container(docker_id, Some(options)).await {
            Ok(()) => Ok(()),
            // 409: it does not run.
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => Ok(()),
            Err(error) => Err(self.failed(error, "signal a container", Some(ObjectKind::Container)).await),
        }
    }

    async fn remove(&self, docker_id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        match self.client().await?.remove_container(docker_id, Some(options)).await {
            Ok(()) => Ok(()),
            // 409: it is being removed already; its event tells when that is over.
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, message })
                if message.contains("already in progress") =>
            {
                Ok(())
            }
            Err(error) => Err(self.failed(error, "remove a container", Some(ObjectKind::Container)).await),
        }
    }

    async fn events(&self, since: Option<Timestamp>) -> Result<EventStream, EngineError> {
        let client = self.client().await?;
        // The request is sent when the stream is first read; «from now on» means from this call on.
        let since = since.unwrap_or_else(now);
        if let Err(error) = client.ping().await {
            return Err(self.failed(error, "follow its events", Some(ObjectKind::Container)).await);
        }
        let options = EventsOptions {
            since: Some(format!("{}.{:03}", since.0.div_euclid(1000), since.0.rem_euclid(1000))),
            until: None,
            filters: Some(HashMap::from([(
                "type".to_owned(),
                vec!["container".to_owned(), "network".to_owned(), "volume".to_owned()],
            )])),
        };
        let events = client.events(Some(options));
        Ok(events
            .map_err(|error| explain(error, "follow its events", Some(ObjectKind::Container)))
            .try_filter_map(|event| std::future::ready(Ok(read_event(event))))
            .boxed())
    }

    async fn networks(&self) -> Result<Vec<NetworkView>, EngineError> {
        match self.client().await?.list_networks(None::<ListNetworksOptions>).await {
            Ok(list) => Ok(list
                .into_iter()
                .filter_map(|network| {
                    Some(NetworkView {
                        name: network.name?,
                        network_id: network.id?,
                        labels: network.labels.unwrap_or_default().into_iter().collect(),
                    })
                })
                .collect()),
            Err(error) => Err(self.failed(error, "list networks", Some(ObjectKind::Network)).await),
        }
    }

    async fn ensure_network(
        &self,
        name: &str,
        spec: &NetworkSpec,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        // The engine lets two networks share a name, so it is asked first.
        if self.networks().await?.iter().any(|network| network.name == name) {
            return Ok(());
        }
        let NetworkSpec { driver, options, labels: own } = spec;
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some(if driver.is_empty() { "bridge".to_owned() } else { driver.clone() }),
            options: (!options.is_empty()).then(|| options.clone().into_iter().collect()),
            labels: Some(own.clone().into_iter().chain(labels.clone()).collect()),
            ..Default::default()
        };
        match self.client().await?.create_network(request).await {
            Ok(_) => Ok(()),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => Ok(()),
            Err(error) => Err(self.failed(error, "make a network", Some(ObjectKind::Network)).await),
        }
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        match self.client().await?.remove_network(name).await {
            Ok(()) => Ok(()),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(self.failed(error, "remove a network", Some(ObjectKind::Network)).await),
        }
    }

    async fn ensure_volume(&self, name: &str, spec: &VolumeSpec, labels: &Labels) -> Result<(), EngineError> {
        let VolumeSpec { driver, options, labels: own } = spec;
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some(if driver.is_empty() { "local".to_owned() } else { driver.clone() }),
            driver_opts: (!options.is_empty()).then(|| options.clone().into_iter().collect()),
            labels: Some(own.clone().into_iter().chain(labels.clone()).collect()),
            ..Default::default()
        };
        match self.client().await?.create_volume(request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error, "make a volume", Some(ObjectKind::Volume)).await),
        }
    }

    async fn logs(&self, request: &LogsRequest) -> Result<OutputStream, EngineError> {
        // The engine's stream ends in silence when the container is not there, so it is asked first.
        self.inspect(&request.docker_id).await?;
        let options = LogsOptions {
            follow: request.follow,
            stdout: true,
            stderr: true,
            since: request.since.map_or(0, |at| i32::try_from(at.0.div_euclid(1000)).unwrap_or(i32::MAX)),
            until: 0,
            timestamps: request.timestamps,
            tail: request.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        };
        let output = self.client().await?.logs(&request.docker_id, Some(options));
        Ok(read_output(output.map_err(|error| explain(error, "read output", Some(ObjectKind::Container)))))
    }

    async fn exec(&self, request: &ExecRequest) -> Result<ExecSession, EngineError> {
        let client = self.client().await?;
        let options = CreateExecOptions {
            attach_stdin: Some(request.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(request.tty),
            env: (!request.environment.is_empty()).then(|| request.environment.clone()),
            cmd: Some(request.command.clone()),
            user: request.user.clone(),
            working_dir: request.working_dir.clone(),
            ..Default::default()
        };
        let made = match client.create_exec(&request.docker_id, options).await {
            Ok(made) => made,
            Err(error) => {
                return Err(self.failed(error, "prepare a process", Some(ObjectKind::Container)).await);
            }
        };
        let start = StartExecOptions { detach: false, tty: request.tty, output_capacity: Some(64 * 1024) };
        match client.start_exec(&made.id, Some(start)).await {
            Ok(StartExecResults::Attached { output, input }) => Ok(ExecSession {
                input: Box::new(ExecInput(input)),
                output: read_output(
                    output.map_err(|error| explain(error, "read output", Some(ObjectKind::Exec))),
                ),
                control: Box::new(DockerExec { client, id: made.id }),
            }),
            Ok(StartExecResults::Detached) => Err(EngineError::Refused {
                code: FailureCode::Other,
                text: "the engine started the process without joining its output".to_owned(),
            }),
            Err(error) => Err(self.failed(error, "start a process", Some(ObjectKind::Exec)).await),
        }
    }

    async fn stats(&self, docker_id: &str) -> Result<JsonStream, EngineError> {
        let options = StatsOptions { stream: true, one_shot: false };
        let figures = self.client().await?.stats(docker_id, Some(options));
        Ok(figures
            .map_err(|error| explain(error, "read figures", Some(ObjectKind::Container)))
            .and_then(|figures| {
                std::future::ready(serde_json::to_string(&figures).map_err(|error| EngineError::Refused {
                    code: FailureCode::Other,
                    text: format!("the engine's figures cannot be written: {error}"),
                }))
            })
            .boxed())
    }

    async fn raw_socket(&self) -> Result<Box<dyn ByteStream>, EngineError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(EngineError::unreachable)?;
        Ok(Box::new(stream))
    }
}

/// The time by the clock that the engine shares with us, as it is on this machine.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

fn read_output(
    output: impl futures_util::Stream<Item = Result<LogOutput, EngineError>> + Send + 'static,
) -> OutputStream {
    output
        .map_ok(|piece| match piece {
            LogOutput::StdErr { message } => OutputChunk::Err(message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                OutputChunk::Out(message)
            }
        })
        .boxed()
}

/// Adds up the layers of a pull.
#[derive(Default)]
struct Layers(HashMap<String, (i64, i64)>);

impl Layers {
    fn take(&mut self, step: &CreateImageInfo) {
        let (Some(id), Some(detail)) = (&step.id, &step.progress_detail) else { return };
        if let (Some(current), Some(total)) = (detail.current, detail.total)
            && step.status.as_deref() == Some("Downloading")
        {
            self.0.insert(id.clone(), (current, total));
        } else if let Some(layer) = self.0.get_mut(id)
            && step.status.as_deref() == Some("Download complete")
        {
            layer.0 = layer.1;
        }
    }

    fn percent(&self) -> Option<u8> {
        let (done, all) = self.0.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        (all > 0).then(|| u8::try_from((done * 100 / all).clamp(0, 100)).unwrap_or(100))
    }
}

struct DockerExec {
    client: Docker,
    id: String,
}

#[async_trait]
impl ExecControl for DockerExec {
    async fn resize(&self, columns: u16, rows: u16) -> Result<(), EngineError> {
        let options = ResizeExecOptions { h: i32::from(rows), w: i32::from(columns) };
        self.client
            .resize_exec(&self.id, options)
            .await
            .map_err(|error| explain(error, "resize a terminal", Some(ObjectKind::Exec)))
    }

    async fn exit_code(&self) -> Result<Option<i64>, EngineError> {
        self.client
            .inspect_exec(&self.id)
            .await
            .map(|found| found.exit_code)
            .map_err(|error| explain(error, "describe a process", Some(ObjectKind::Exec)))
    }
}

/// Gives the engine's input the `Unpin` that the driver promises.
struct ExecInput(Pin<Box<dyn AsyncWrite + Send>>);

impl AsyncWrite for ExecInput {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.0.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}
