//! The agent's engine over Docker's API.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{
    CreateImageOptions, KillContainerOptions, ListContainersOptions, ListNetworksOptions,
    RemoveContainerOptions, StopContainerOptions,
};
use bollard::{Docker, models};
use contract_protocol::{
    BuildRequest, CopyInRequest, EngineFacts, ExecRequest, FailureCode, LogsRequest, NetworkSpec, Progress,
    RegistryLogin, VolumeSpec,
};
use contract_values::{ImageRef, Labels, Timestamp};
use futures_util::StreamExt;
use host_driver::{
    ByteOutput, ByteStream, ContainerSummary, ContainerView, CreateRequest, Engine, EngineError, EventStream,
    ExecControl, ExecSession, JsonStream, Limits, NetworkView, ObjectKind, OutputStream, PullProgress,
    Upload,
};
use hyper::header::HeaderValue;
use hyper::{Method, Request};
use serde_json::json;
use tokio::time::Instant;

use crate::api::{Socket, lines, quoted, take_apart};
use crate::create::{create_body, update_body};
use crate::failure::{Operation, engine_error};
use crate::view;

/// How long the engine may take to answer a call, in seconds.
const LIMIT: u64 = 120;
/// How long a stop takes before the kill when nobody says, and what the engine may take beyond it.
const STOP_DEFAULT: Duration = Duration::from_secs(10);
/// How often a pull tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// How long an ended process may take to have an exit code.
const EXIT_CODE_LIMIT: Duration = Duration::from_secs(5);

/// Docker's engine, or one that speaks its API, behind a Unix socket.
#[derive(Debug)]
pub struct DockerEngine {
    socket: Socket,
    /// The client that speaks the version negotiated last.
    client: Mutex<Option<Docker>>,
}

impl DockerEngine {
    /// Names the engine by its socket, such as `/var/run/docker.sock`, with or without `unix://`. Nothing is connected
    /// yet: an engine that is not there is found out by the first call.
    pub fn new(socket: &str) -> Self {
        let path = socket.strip_prefix("unix://").unwrap_or(socket);
        Self { socket: Socket::new(PathBuf::from(path)), client: Mutex::new(None) }
    }

    /// The path of the socket.
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    fn known_client(&self) -> Option<Docker> {
        self.client.lock().expect("the client is swapped without panics").clone()
    }

    /// The client, after asking the engine for its version where that is not known.
    async fn client(&self) -> Result<Docker, EngineError> {
        match self.known_client() {
            Some(client) => Ok(client),
            None => self.negotiate().await,
        }
    }

    async fn negotiate(&self) -> Result<Docker, EngineError> {
        const ASK: Operation = Operation::on(ObjectKind::Container, "say its version");
        let path = self.socket.path().to_string_lossy().into_owned();
        let fresh = Docker::connect_with_unix(&path, LIMIT, bollard::API_DEFAULT_VERSION)
            .map_err(|error| engine_error(ASK, error))?;
        let client = fresh.negotiate_version().await.map_err(|error| engine_error(ASK, error))?;
        *self.client.lock().expect("the client is swapped without panics") = Some(client.clone());
        Ok(client)
    }

    async fn archive(&self, docker_id: &str, path: &str) -> Result<String, EngineError> {
        self.path(&format!("/containers/{}/archive?path={}", quoted(docker_id), quoted(path))).await
    }

    /// A path with the version in front.
    async fn path(&self, path: &str) -> Result<String, EngineError> {
        let version = self.client().await?.client_version();
        Ok(format!("/v{}.{}{path}", version.major_version, version.minor_version))
    }
}

/// The query of a request to build an image.
pub(crate) fn build_query(request: &BuildRequest) -> String {
    let BuildRequest {
        tags,
        dockerfile,
        target,
        args,
        labels,
        no_cache,
        pull,
        network,
        extra_hosts,
        shm_size,
        platform,
        cache_from,
        memory,
        logins: _,
    } = request;
    // Steps leave no containers behind, whether they worked or not.
    let mut query = "rm=1&forcerm=1".to_owned();
    let mut add = |name: &str, value: &str| query.push_str(&format!("&{name}={}", quoted(value)));
    tags.iter().for_each(|tag| add("t", tag));
    if !dockerfile.is_empty() {
        add("dockerfile", dockerfile);
    }
    target.iter().for_each(|target| add("target", target));
    if !args.is_empty() {
        add("buildargs", &json!(args).to_string());
    }
    if !labels.is_empty() {
        add("labels", &json!(labels).to_string());
    }
    if *no_cache {
        add("nocache", "1");
    }
    if *pull {
        add("pull", "1");
    }
    network.iter().for_each(|network| add("networkmode", network));
    extra_hosts.iter().for_each(|line| add("extrahosts", line));
    shm_size.iter().for_each(|size| add("shmsize", &size.to_string()));
    platform.iter().for_each(|platform| add("platform", platform));
    if !cache_from.is_empty() {
        add("cachefrom", &json!(cache_from).to_string());
    }
    memory.iter().for_each(|memory| add("memory", &memory.to_string()));
    query
}

const fn on_container(text: &'static str) -> Operation {
    Operation::on(ObjectKind::Container, text)
}

/// A time as the engine reads it in a query.
fn engine_time(at: Timestamp) -> String {
    format!("{}.{:09}", at.0.div_euclid(1000), at.0.rem_euclid(1000) * 1_000_000)
}

fn to_map(pairs: &BTreeMap<String, String>) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn both(spec: &Labels, own: &Labels) -> HashMap<String, String> {
    let mut all = to_map(spec);
    all.extend(to_map(own));
    all
}

#[async_trait]
impl Engine for DockerEngine {
    async fn facts(&self) -> Result<EngineFacts, EngineError> {
        const ASK: Operation = on_container("describe itself");
        // The engine may have been replaced by another version since.
        let client = self.negotiate().await?;
        let info = client.info().await.map_err(|error| engine_error(ASK, error))?;
        let version = client.client_version();
        Ok(EngineFacts {
            version: info.server_version.unwrap_or_default(),
            api_version: format!("{}.{}", version.major_version, version.minor_version),
            storage_driver: info.driver.unwrap_or_default(),
            root_dir: info.docker_root_dir.unwrap_or_default(),
            cgroup_version: info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
        })
    }

    async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptions { all: true, ..Default::default() };
        let client = self.client().await?;
        let list = client
            .list_containers(Some(options))
            .await
            .map_err(|error| engine_error(on_container("list containers"), error))?;
        Ok(list.into_iter().map(view::summary).collect())
    }

    async fn inspect(&self, docker_id: &str) -> Result<ContainerView, EngineError> {
        let client = self.client().await?;
        let found = client
            .inspect_container(docker_id, None)
            .await
            .map_err(|error| engine_error(on_container("describe a container"), error))?;
        Ok(view::view(found))
    }

    async fn inspect_json(&self, docker_id: &str) -> Result<String, EngineError> {
        const ASK: Operation = on_container("describe a container");
        let path = self.path(&format!("/containers/{}/json", quoted(docker_id))).await?;
        self.socket.call(ASK, Method::GET, &path, None, false).await?.text(ASK).await
    }

    async fn image_id(&self, image: &ImageRef) -> Result<Option<String>, EngineError> {
        let client = self.client().await?;
        match client.inspect_image(&image.to_string()).await {
            Ok(found) => Ok(Some(found.id.unwrap_or_default())),
            Err(error) => match engine_error(on_container("describe an image"), error) {
                EngineError::Refused { code: FailureCode::ImageNotFound, .. }
                | EngineError::NotFound { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn pull(
        &self,
        image: &ImageRef,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
        progress: PullProgress<'_>,
    ) -> Result<(), EngineError> {
        let tag = image.digest.as_deref().unwrap_or(image.tag_or_latest());
        let options = CreateImageOptions {
            from_image: Some(image.repository.clone()),
            tag: Some(tag.to_owned()),
            platform: platform.unwrap_or_default().to_owned(),
            ..Default::default()
        };
        let text = format!("pulling {image}");
        progress(Progress { text: text.clone(), percent: None });
        // A registry that is far away may take long before the first word.
        let client = self.client().await?.with_timeout(Duration::from_secs(5 * LIMIT));
        let credentials = login.map(|RegistryLogin { server, username, password }| DockerCredentials {
            username: Some(username.clone()),
            password: Some(password.expose().to_owned()),
            serveraddress: Some(server.clone()),
            ..Default::default()
        });
        let mut stream = Box::pin(client.create_image(Some(options), None, credentials));
        let mut layers: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        let mut told = (Instant::now(), None);
        while let Some(word) = stream.next().await {
            let word = word.map_err(|error| engine_error(Operation::PULL, error))?;
            let Some(layer) = word.id else { continue };
            let detail = word.progress_detail.unwrap_or_default();
            match (word.status.as_deref(), detail.current, detail.total) {
                (Some("Downloading"), Some(current), Some(total)) if total > 0 => {
                    layers.insert(layer, (current, total));
                }
                (Some("Download complete" | "Pull complete" | "Already exists"), _, _) => {
                    if let Some((current, total)) = layers.get_mut(&layer) {
                        *current = *total;
                    }
                }
                _ => {}
            }
            let sums =
                layers.values().fold((0, 0), |(done, all), (current, total)| (done + current, all + total));
            let percent =
                (sums.1 > 0).then(|| u8::try_from((sums.0 * 100 / sums.1).clamp(0, 100)).unwrap_or(100));
            if percent != told.1 && told.0.elapsed() >= TELL_EVERY {
                told = (Instant::now(), percent);
                progress(Progress { text: text.clone(), percent });
            }
        }
        Ok(())
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<String, EngineError> {
        const MAKE: Operation = on_container("make a container");
        let version = self.client().await?.client_version();
        let (body, platform) = create_body(request, (version.major_version, version.minor_version));
        let mut path = self.path(&format!("/containers/create?name={}", quoted(request.name))).await?;
        // Before 1.41 the engine does not know the word and ignores it.
        if let Some(platform) = platform {
            path.push_str(&format!("&platform={}", quoted(&platform)));
        }
        let bytes = serde_json::to_vec(&body).expect("a JSON value can be written");
        let text = self.socket.call(MAKE, Method::POST, &path, Some(bytes), false).await?.text(MAKE).await?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        for warning in answer.get("Warnings").and_then(|list| list.as_array()).into_iter().flatten() {
            tracing::info!(container.name = request.name, "the engine warns: {warning}");
        }
        answer.get("Id").and_then(|id| id.as_str()).map(str::to_owned).ok_or_else(|| EngineError::Refused {
            code: FailureCode::Other,
            text: "the engine made a container and did not say which".into(),
        })
    }

    async fn update(&self, docker_id: &str, limits: &Limits) -> Result<(), EngineError> {
        const CHANGE: Operation = on_container("change the limits of a container");
        let path = self.path(&format!("/containers/{}/update", quoted(docker_id))).await?;
        let bytes = update_body(limits).to_string().into_bytes();
        let call = self.socket.call(CHANGE, Method::POST, &path, Some(bytes), false).await?;
        let answer: serde_json::Value = serde_json::from_str(&call.text(CHANGE).await?).unwrap_or_default();
        for warning in answer.get("Warnings").and_then(|list| list.as_array()).into_iter().flatten() {
            tracing::info!(docker_id, "the engine warns: {warning}");
        }
        Ok(())
    }

    async fn start(&self, docker_id: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let started = client.start_container(docker_id, None).await;
        started.map_err(|error| engine_error(on_container("start a container"), error))
    }

    async fn stop(
        &self,
        docker_id: &str,
        timeout: Option<contract_values::Duration>,
    ) -> Result<(), EngineError> {
        let seconds =
            timeout.map(|timeout| i32::try_from((timeout.0.max(0) + 999) / 1000).unwrap_or(i32::MAX));
        let wait = match timeout {
            Some(timeout) => timeout.to_std(),
            // The container may have a time of its own, which only the engine knows.
            None => STOP_DEFAULT.max(Duration::from_secs(3600)),
        };
        let client = self.client().await?.with_timeout(wait.saturating_add(Duration::from_secs(LIMIT)));
        let options = StopContainerOptions { t: seconds, ..Default::default() };
        let mut stopped = client.stop_container(docker_id, Some(options.clone())).await;
        if let Err(bollard::errors::Error::DockerResponseServerError { message, .. }) = &stopped
            && message.contains("is paused")
        {
            // A frozen process hears no signal.
            let thawed = client.unpause_container(docker_id).await;
            thawed.map_err(|error| engine_error(on_container("unpause a container"), error))?;
            stopped = client.stop_container(docker_id, Some(options)).await;
        }
        stopped.map_err(|error| engine_error(on_container("stop a container"), error))
    }

    async fn kill(&self, docker_id: &str, signal: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = KillContainerOptions { signal: signal.to_owned() };
        match client.kill_container(docker_id, Some(options)).await {
            Ok(()) => Ok(()),
            // It does not run.
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => Ok(()),
            Err(error) => Err(engine_error(on_container("signal a container"), error)),
        }
    }

    async fn remove(&self, docker_id: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = RemoveContainerOptions { v: true, force: true, ..Default::default() };
        match client.remove_container(docker_id, Some(options)).await {
            Ok(()) => Ok(()),
            // Somebody else is at it: that it will have gone is all that is wanted.
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, message })
                if message.contains("already in progress") =>
            {
                Ok(())
            }
            Err(error) => Err(engine_error(on_container("remove a container"), error)),
        }
    }

    async fn events(&self, since: Option<Timestamp>) -> Result<EventStream, EngineError> {
        const FOLLOW: Operation = on_container("tell its events");
        let filters = json!({ "type": ["container", "network", "volume"], "event": view::EVENTS });
        let mut path = format!("/events?filters={}", quoted(&filters.to_string()));
        if let Some(at) = since {
            path.push_str(&format!("&since={}", engine_time(at)));
        }
        let path = self.path(&path).await?;
        // When the head of the answer is there, the engine has begun to listen.
        let call = self.socket.call(FOLLOW, Method::GET, &path, None, false).await?;
        let stream = lines(call.pieces().boxed()).filter_map(|line| {
            std::future::ready(match line {
                Ok(line) => serde_json::from_str(&line).ok().and_then(view::event).map(Ok),
                Err(error) => Some(Err(error)),
            })
        });
        Ok(stream.boxed())
    }

    async fn networks(&self) -> Result<Vec<NetworkView>, EngineError> {
        let client = self.client().await?;
        let list = client
            .list_networks(None::<ListNetworksOptions>)
            .await
            .map_err(|error| engine_error(Operation::on(ObjectKind::Network, "list networks"), error))?;
        Ok(list
            .into_iter()
            .map(|network| NetworkView {
                name: network.name.unwrap_or_default(),
                network_id: network.id.unwrap_or_default(),
                labels: network.labels.unwrap_or_default().into_iter().collect(),
            })
            .collect())
    }

    async fn ensure_network(
        &self,
        name: &str,
        spec: &NetworkSpec,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        const MAKE: Operation = Operation::on(ObjectKind::Network, "make a network");
        let NetworkSpec { driver, options, labels: more } = spec;
        // The engine would make a second one of the same name.
        if self.networks().await?.iter().any(|network| network.name == name) {
            return Ok(());
        }
        let request = models::NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some(if driver.is_empty() { "bridge".to_owned() } else { driver.clone() }),
            options: Some(to_map(options)),
            labels: Some(both(more, labels)),
            attachable: Some(true),
            ..Default::default()
        };
        let client = self.client().await?;
        match client.create_network(request).await {
            Ok(_) => Ok(()),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, message })
                if message.contains("already exists") =>
            {
                Ok(())
            }
            Err(error) => Err(engine_error(MAKE, error)),
        }
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        const DROP: Operation = Operation::on(ObjectKind::Network, "remove a network");
        let client = self.client().await?;
        match client.remove_network(name).await.map_err(|error| engine_error(DROP, error)) {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    async fn ensure_volume(&self, name: &str, spec: &VolumeSpec, labels: &Labels) -> Result<(), EngineError> {
        const MAKE: Operation = Operation::on(ObjectKind::Volume, "make a volume");
        let VolumeSpec { driver, options, labels: more } = spec;
        let request = models::VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some(if driver.is_empty() { "local".to_owned() } else { driver.clone() }),
            driver_opts: Some(to_map(options)),
            labels: Some(both(more, labels)),
            ..Default::default()
        };
        let client = self.client().await?;
        client.create_volume(request).await.map_err(|error| engine_error(MAKE, error))?;
        Ok(())
    }

    async fn remove_volume(&self, name: &str, force: bool) -> Result<(), EngineError> {
        const DROP: Operation = Operation::on(ObjectKind::Volume, "remove a volume");
        let path = self.path(&format!("/volumes/{}?force={}", quoted(name), u8::from(force))).await?;
        match self.socket.call(DROP, Method::DELETE, &path, None, false).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn logs(&self, request: &LogsRequest) -> Result<OutputStream, EngineError> {
        const READ: Operation = on_container("read the output of a container");
        let LogsRequest { docker_id, follow, tail, since, timestamps } = request;
        let client = self.client().await?;
        let found =
            client.inspect_container(docker_id, None).await.map_err(|error| engine_error(READ, error))?;
        let has_terminal = found.config.and_then(|config| config.tty).unwrap_or(false);
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let since = since.map_or_else(|| "0".to_owned(), engine_time);
        let path = format!(
            "/containers/{}/logs?stdout=1&stderr=1&follow={}&timestamps={}&tail={tail}&since={since}",
            quoted(docker_id),
            u8::from(*follow),
            u8::from(*timestamps)
        );
        let path = self.path(&path).await?;
        let call = self.socket.call(READ, Method::GET, &path, None, false).await?;
        Ok(take_apart(call.pieces(), has_terminal).boxed())
    }

    async fn exec(&self, request: &ExecRequest) -> Result<ExecSession, EngineError> {
        const MAKE: Operation = on_container("start a process in a container");
        let ExecRequest { docker_id, command, tty, stdin, environment, user, working_dir } = request;
        let mut body = json!({
            "AttachStdin": stdin, "AttachStdout": true, "AttachStderr": true, "Tty": tty,
            "Cmd": command, "Env": environment,
        });
        if let Some(user) = user {
            body["User"] = json!(user);
        }
        if let Some(folder) = working_dir {
            body["WorkingDir"] = json!(folder);
        }
        let path = self.path(&format!("/containers/{}/exec", quoted(docker_id))).await?;
        let bytes = body.to_string().into_bytes();
        let text = self.socket.call(MAKE, Method::POST, &path, Some(bytes), false).await?.text(MAKE).await?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let exec_id = answer.get("Id").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
        let path = self.path(&format!("/exec/{}/start", quoted(&exec_id))).await?;
        let bytes = json!({ "Detach": false, "Tty": tty }).to_string().into_bytes();
        let call = self.socket.call(MAKE, Method::POST, &path, Some(bytes), true).await?;
        let pipe = call.upgraded().await?;
        let (output, input) = tokio::io::split(pipe);
        let pieces = futures_util::stream::unfold(Some(output), |output| async move {
            let mut output = output?;
            let mut bytes = bytes::BytesMut::with_capacity(8 * 1024);
            match tokio::io::AsyncReadExt::read_buf(&mut output, &mut bytes).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(bytes.freeze()), Some(output))),
                Err(error) => Some((Err(EngineError::unreachable(error)), None)),
            }
        });
        Ok(ExecSession {
            input: Box::new(input),
            output: take_apart(pieces, *tty).boxed(),
            control: Box::new(DockerExec { client: self.client().await?, exec_id }),
        })
    }

    async fn stats(&self, docker_id: &str) -> Result<JsonStream, EngineError> {
        const READ: Operation = on_container("tell the figures of a container");
        let path = self.path(&format!("/containers/{}/stats?stream=1", quoted(docker_id))).await?;
        let call = self.socket.call(READ, Method::GET, &path, None, false).await?;
        Ok(lines(call.pieces().boxed()).boxed())
    }

    async fn top(&self, docker_id: &str, arguments: &str) -> Result<String, EngineError> {
        const LIST: Operation = on_container("list the processes of a container");
        let mut path = format!("/containers/{}/top", quoted(docker_id));
        if !arguments.is_empty() {
            path.push_str(&format!("?ps_args={}", quoted(arguments)));
        }
        let path = self.path(&path).await?;
        self.socket.call(LIST, Method::GET, &path, None, false).await?.text(LIST).await
    }

    async fn path_stat(&self, docker_id: &str, path: &str) -> Result<String, EngineError> {
        const LOOK: Operation = on_container("look at a path in a container");
        let target = self.archive(docker_id, path).await?;
        let call = match self.socket.call(LOOK, Method::HEAD, &target, None, false).await {
            // The answer to this method has no words of its own.
            Err(error) if error.is_not_found() => {
                let text = format!("no such container, or no `{path}` in it");
                return Err(EngineError::NotFound { kind: ObjectKind::Container, text });
            }
            call => call?,
        };
        let header = call.header("x-docker-container-path-stat").unwrap_or_default();
        let bytes = STANDARD.decode(header).unwrap_or_default();
        if serde_json::from_slice::<serde_json::Value>(&bytes).is_err() {
            let text = "the engine did not say what is at the path".to_owned();
            return Err(EngineError::Refused { code: FailureCode::Other, text });
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn copy_out(&self, docker_id: &str, path: &str) -> Result<ByteOutput, EngineError> {
        const READ: Operation = on_container("read files of a container");
        let target = self.archive(docker_id, path).await?;
        let call = self.socket.call(READ, Method::GET, &target, None, false).await?;
        Ok(call.pieces().boxed())
    }

    async fn copy_in(&self, request: &CopyInRequest, tar: Upload) -> Result<(), EngineError> {
        const WRITE: Operation = on_container("write files into a container");
        let CopyInRequest { docker_id, path, keep_owners, no_overwrite_dir } = request;
        let mut target = self.archive(docker_id, path).await?;
        if *keep_owners {
            target.push_str("&copyUIDGID=1");
        }
        if *no_overwrite_dir {
            target.push_str("&noOverwriteDirNonDir=1");
        }
        let request = Request::builder().method(Method::PUT).uri(target);
        self.socket.upload(WRITE, request, tar).await?.text(WRITE).await.map(drop)
    }

    async fn build(&self, request: &BuildRequest, tar: Upload) -> Result<JsonStream, EngineError> {
        const MAKE: Operation = on_container("build an image");
        let path = self.path(&format!("/build?{}", build_query(request))).await?;
        let mut builder = Request::builder().method(Method::POST).uri(path);
        if !request.logins.is_empty() {
            let logins: serde_json::Map<String, serde_json::Value> = request
                .logins
                .iter()
                .map(|RegistryLogin { server, username, password }| {
                    let login = json!({ "username": username, "password": password.expose() });
                    (server.clone(), login)
                })
                .collect();
            let text = URL_SAFE.encode(serde_json::Value::Object(logins).to_string());
            let mut value = HeaderValue::from_str(&text).expect("base64 is fit for a header");
            value.set_sensitive(true);
            builder = builder.header("x-registry-config", value);
        }
        let call = self.socket.upload(MAKE, builder, tar).await?;
        Ok(lines(call.pieces().boxed()).boxed())
    }

    async fn raw_socket(&self) -> Result<Box<dyn ByteStream>, EngineError> {
        Ok(Box::new(self.socket.connect().await?))
    }
}

struct DockerExec {
    client: Docker,
    exec_id: String,
}

#[async_trait]
impl ExecControl for DockerExec {
    async fn resize(&self, columns: u16, rows: u16) -> Result<(), EngineError> {
        const RESIZE: Operation = Operation::on(ObjectKind::Exec, "resize a terminal");
        let options = bollard::query_parameters::ResizeExecOptions { w: columns.into(), h: rows.into() };
        self.client.resize_exec(&self.exec_id, options).await.map_err(|error| engine_error(RESIZE, error))
    }

    async fn exit_code(&self) -> Result<Option<i64>, EngineError> {
        const ASK: Operation = Operation::on(ObjectKind::Exec, "tell an exit code");
        // The output may end a moment before the engine has noted the end of the process.
        let begun = Instant::now();
        loop {
            let found =
                self.client.inspect_exec(&self.exec_id).await.map_err(|error| engine_error(ASK, error))?;
            if found.running != Some(true) || begun.elapsed() > EXIT_CODE_LIMIT {
                return Ok(found.exit_code);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
