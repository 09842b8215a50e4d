//! The engine of a simulated host: what a container is made of comes from the faithful fake, what it does from its
//! [`Behaviour`].

mod exec;
mod supervisor;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use contract_protocol::{
    BuildRequest, CopyInRequest, EngineFacts, ExecRequest, FailureCode, LogsRequest, NetworkSpec, Progress,
    RegistryLogin, VolumeSpec,
};
use contract_values::{ImageRef, Labels, Timestamp};
use futures_util::StreamExt;
use host_driver::fake::{FakeEngine, Program};
use host_driver::{
    ByteOutput, ByteStream, Clock, ContainerState, ContainerSummary, ContainerView, CreateRequest, Engine,
    EngineError, EventStream, ExecSession, JsonStream, Limits, NetworkView, OutputChunk, OutputStream,
    PullProgress, Upload,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::behaviour::{Behaviour, Supply};
use crate::curves;
use crate::logs::Journal;

/// How long a stop takes before the kill, when nobody says.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Into how many steps a pull is divided.
const PULL_STEPS: u8 = 10;

/// The engine of a simulated host.
#[derive(Debug)]
pub struct SimEngine {
    inner: FakeEngine,
    shared: Arc<Shared>,
    /// One container is made at a time: the fake takes a container's program from its image.
    making: tokio::sync::Mutex<()>,
    supervisor: JoinHandle<()>,
}

/// What the operations and the supervisor share.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    containers: BTreeMap<String, Simulated>,
    pulled: BTreeSet<String>,
}

/// A container beside what the fake knows of it.
#[derive(Debug)]
struct Simulated {
    journal: Journal,
    /// Whether the fake understands its command, and so does what that says.
    understood: bool,
    changed: watch::Sender<()>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it changes the engine's state")
    }
}

impl Drop for SimEngine {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

fn refused<T>(code: FailureCode, text: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::Refused { code, text: text.into() })
}

impl SimEngine {
    /// An engine without containers. Its tasks end with it.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = FakeEngine::new(Arc::clone(&clock));
        let shared = Arc::new(Shared { clock, state: Mutex::default() });
        let supervisor = tokio::spawn(supervisor::run(inner.clone(), Arc::clone(&shared)));
        Self { inner, shared, making: tokio::sync::Mutex::default(), supervisor }
    }

    /// The engine beneath, to do to it by hand what people do on a host.
    pub fn fake(&self) -> &FakeEngine {
        &self.inner
    }

    /// Makes and starts a container by hand, as `docker run -d` does on a host; returns the engine's id.
    ///
    /// # Panics
    /// When the image is no image's name.
    pub async fn run_by_hand(&self, name: &str, image: &str, labels: Labels) -> String {
        let image_ref: ImageRef = image.parse().expect("an image's name");
        let behaviour = Behaviour::of_container(&image_ref, &BTreeMap::new(), &labels);
        let _made = self.making.lock().await;
        self.inner.add_image(image, program(&behaviour));
        let id = self.inner.run_by_hand(name, image, labels);
        self.shared.remember(&id, name, behaviour, false);
        id
    }

    fn behaviour(&self, docker_id: &str) -> Behaviour {
        let state = self.shared.lock();
        state.containers.get(docker_id).map(|found| found.journal.behaviour().clone()).unwrap_or_default()
    }

    /// Puts an image that needs no pull on the host, so that the fake knows it.
    fn supply(&self, image: &ImageRef) -> bool {
        let name = image.to_string();
        let there = match Behaviour::of_image(image).supply {
            Supply::Present => true,
            Supply::Pulled(_) | Supply::Missing | Supply::Refused => {
                self.shared.lock().pulled.contains(&name)
            }
        };
        if there {
            self.inner.add_image(&name, Program::service());
        }
        there
    }
}

impl Shared {
    fn remember(&self, docker_id: &str, name: &str, behaviour: Behaviour, understood: bool) {
        self.lock().containers.entry(docker_id.to_owned()).or_insert_with(|| Simulated {
            journal: Journal::new(name, behaviour),
            understood,
            changed: watch::channel(()).0,
        });
    }
}

/// As much of a behaviour as the fake carries out itself.
fn program(behaviour: &Behaviour) -> Program {
    Program { ends: behaviour.ends, obeys: behaviour.stop.map(|_| 0), ..Program::service() }
}

fn command_of(request: &CreateRequest<'_>) -> Vec<String> {
    let words = [request.spec.entrypoint.as_deref(), request.spec.command.as_deref()];
    words.into_iter().flatten().flatten().cloned().collect()
}

#[async_trait]
impl Engine for SimEngine {
    async fn facts(&self) -> Result<EngineFacts, EngineError> {
        self.inner.facts().await
    }

    async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        self.inner.list().await
    }

    async fn inspect(&self, docker_id: &str) -> Result<ContainerView, EngineError> {
        self.inner.inspect(docker_id).await
    }

    async fn inspect_json(&self, docker_id: &str) -> Result<String, EngineError> {
        let view = self.inner.inspect(docker_id).await?;
        let spec = self.inner.spec(&view.name);
        Ok(describe(&view, spec.as_ref()).to_string())
    }

    async fn image_id(&self, image: &ImageRef) -> Result<Option<String>, EngineError> {
        self.supply(image);
        self.inner.image_id(image).await
    }

    async fn pull(
        &self,
        image: &ImageRef,
        _platform: Option<&str>,
        login: Option<&RegistryLogin>,
        progress: PullProgress<'_>,
    ) -> Result<(), EngineError> {
        // Says so when the engine is away.
        self.inner.facts().await?;
        let takes = match Behaviour::of_image(image).supply {
            Supply::Present => Duration::ZERO,
            Supply::Pulled(takes) => takes,
            Supply::Missing => {
                let text = format!("manifest for {image} not found: manifest unknown: manifest unknown");
                return refused(FailureCode::ImageNotFound, text);
            }
            // Any login will do.
            Supply::Refused if login.is_some() => Duration::ZERO,
            Supply::Refused => {
                let text = format!(
                    "pull access denied for {image}, repository does not exist or may require 'docker login'"
                );
                return refused(FailureCode::RegistryDenied, text);
            }
        };
        for step in 0..PULL_STEPS {
            let percent = Some(100 / PULL_STEPS * step);
            progress(Progress { text: format!("pulling {image}"), percent });
            tokio::time::sleep(takes / u32::from(PULL_STEPS)).await;
        }
        self.shared.lock().pulled.insert(image.to_string());
        self.supply(image);
        self.inner.facts().await.map(drop)
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<String, EngineError> {
        let image = &request.spec.image;
        let behaviour = Behaviour::of_container(image, &request.spec.environment, &request.spec.labels);
        let understood = Program::of_command(&command_of(request)).is_some();
        let _made = self.making.lock().await;
        if self.supply(image) {
            self.inner.add_image(&image.to_string(), program(&behaviour));
        }
        let id = self.inner.create(request).await?;
        self.shared.remember(&id, request.name, behaviour, understood);
        Ok(id)
    }

    async fn update(&self, docker_id: &str, limits: &Limits) -> Result<(), EngineError> {
        self.inner.update(docker_id, limits).await
    }

    async fn start(&self, docker_id: &str) -> Result<(), EngineError> {
        let view = self.inner.inspect(docker_id).await?;
        if !view.state.has_process() {
            let behaviour = self.behaviour(&view.docker_id);
            tokio::time::sleep(behaviour.start).await;
            if let Some(text) = behaviour.fails {
                return refused(FailureCode::CommandNotFound, text);
            }
        }
        self.inner.start(docker_id).await
    }

    async fn stop(
        &self,
        docker_id: &str,
        timeout: Option<contract_values::Duration>,
    ) -> Result<(), EngineError> {
        let view = self.inner.inspect(docker_id).await?;
        if let (true, Some(takes)) = (view.state.has_process(), self.behaviour(&view.docker_id).stop) {
            let own = self.inner.spec(&view.name).and_then(|spec| spec.stop_timeout);
            let limit = timeout.or(own).map_or(STOP_TIMEOUT, contract_values::Duration::to_std);
            tokio::time::sleep(takes.min(limit)).await;
            if takes > limit {
                return self.inner.kill(docker_id, "SIGKILL").await;
            }
        }
        self.inner.stop(docker_id, timeout).await
    }

    async fn kill(&self, docker_id: &str, signal: &str) -> Result<(), EngineError> {
        self.inner.kill(docker_id, signal).await
    }

    async fn remove(&self, docker_id: &str) -> Result<(), EngineError> {
        self.inner.remove(docker_id).await
    }

    async fn events(&self, since: Option<Timestamp>) -> Result<EventStream, EngineError> {
        self.inner.events(since).await
    }

    async fn networks(&self) -> Result<Vec<NetworkView>, EngineError> {
        self.inner.networks().await
    }

    async fn ensure_network(
        &self,
        name: &str,
        spec: &NetworkSpec,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        self.inner.ensure_network(name, spec, labels).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        self.inner.remove_network(name).await
    }

    async fn ensure_volume(&self, name: &str, spec: &VolumeSpec, labels: &Labels) -> Result<(), EngineError> {
        self.inner.ensure_volume(name, spec, labels).await
    }

    async fn remove_volume(&self, name: &str, force: bool) -> Result<(), EngineError> {
        self.inner.remove_volume(name, force).await
    }

    async fn logs(&self, request: &LogsRequest) -> Result<OutputStream, EngineError> {
        let view = self.inner.inspect(&request.docker_id).await?;
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let begun = {
            let state = shared.lock();
            state.containers.get(&view.docker_id).filter(|found| !found.understood).map(|found| {
                let place = found.journal.begin(request.tail, request.since, now);
                (place, found.changed.subscribe())
            })
        };
        let Some((place, changed)) = begun else { return self.inner.logs(request).await };
        let (follow, timestamps, id) = (request.follow, request.timestamps, view.docker_id);
        let stream = futures_util::stream::unfold((place, changed), move |(mut place, mut changed)| {
            let (shared, id) = (Arc::clone(&shared), id.clone());
            async move {
                loop {
                    changed.mark_unchanged();
                    let now = shared.clock.now();
                    let (piece, runs) = {
                        let state = shared.lock();
                        let journal = &state.containers.get(&id)?.journal;
                        let runs = journal.last_run().is_some_and(|(_, goes_on)| goes_on);
                        (journal.read(&mut place, timestamps, now), runs)
                    };
                    if !piece.text.is_empty() {
                        return Some((Ok(OutputChunk::Out(Bytes::from(piece.text))), (place, changed)));
                    }
                    if !follow || !runs {
                        return None;
                    }
                    let wait = piece.due.map(|due| due.since(now).to_std());
                    tokio::select! {
                        // Gone is gone: the next look says so.
                        _ = changed.changed() => {}
                        () = async {
                            match wait {
                                Some(wait) => tokio::time::sleep(wait).await,
                                None => std::future::pending().await,
                            }
                        } => {}
                    }
                }
            }
        });
        Ok(stream.boxed())
    }

    async fn exec(&self, request: &ExecRequest) -> Result<ExecSession, EngineError> {
        let view = self.inner.inspect(&request.docker_id).await?;
        if view.state != ContainerState::Running {
            let text = format!("Container {} is not running", request.docker_id);
            return refused(FailureCode::Other, text);
        }
        let mut environment = self.inner.spec(&view.name).map(|spec| spec.environment).unwrap_or_default();
        let own = request.environment.iter().filter_map(|pair| pair.split_once('='));
        environment.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        exec::start(request, view.name, environment)
    }

    async fn stats(&self, docker_id: &str) -> Result<JsonStream, EngineError> {
        let view = self.inner.inspect(docker_id).await?;
        let behaviour = self.behaviour(&view.docker_id);
        let (inner, clock) = (self.inner.clone(), Arc::clone(&self.shared.clock));
        let interval = tokio::time::interval(Duration::from_secs(1));
        let stream = futures_util::stream::unfold(interval, move |mut interval| {
            let (inner, clock) = (inner.clone(), Arc::clone(&clock));
            let (id, behaviour) = (view.docker_id.clone(), behaviour.clone());
            async move {
                interval.tick().await;
                let view = inner.inspect(&id).await.ok().filter(|view| view.state.has_process())?;
                let now = clock.now();
                let document =
                    curves::stats(&id, &view.name, &behaviour, view.started_at.unwrap_or(now), now);
                Some((Ok(document.to_string()), interval))
            }
        });
        Ok(stream.boxed())
    }

    async fn top(&self, docker_id: &str, arguments: &str) -> Result<String, EngineError> {
        self.inner.top(docker_id, arguments).await
    }

    async fn path_stat(&self, docker_id: &str, path: &str) -> Result<String, EngineError> {
        self.inner.path_stat(docker_id, path).await
    }

    async fn copy_out(&self, docker_id: &str, path: &str) -> Result<ByteOutput, EngineError> {
        self.inner.copy_out(docker_id, path).await
    }

    async fn copy_in(&self, request: &CopyInRequest, tar: Upload) -> Result<(), EngineError> {
        self.inner.copy_in(request, tar).await
    }

    async fn build(&self, request: &BuildRequest, tar: Upload) -> Result<JsonStream, EngineError> {
        self.inner.build(request, tar).await
    }

    async fn raw_socket(&self) -> Result<Box<dyn ByteStream>, EngineError> {
        self.inner.raw_socket().await
    }
}

/// A container in the engine's own words.
fn describe(view: &ContainerView, spec: Option<&contract_protocol::ContainerSpec>) -> serde_json::Value {
    let state = match view.state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting => "restarting",
        ContainerState::Removing => "removing",
        ContainerState::Exited => "exited",
        ContainerState::Dead => "dead",
    };
    let time = |at: Option<Timestamp>| {
        at.map_or("0001-01-01T00:00:00Z".to_owned(), |at| curves::Moment(at).to_string())
    };
    let environment: Vec<String> = spec
        .into_iter()
        .flat_map(|spec| &spec.environment)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    serde_json::json!({
        "Id": view.docker_id,
        "Name": format!("/{}", view.name),
        "Image": view.image_id,
        "Created": time(view.created_at),
        "State": {
            "Status": state,
            "Running": view.state == ContainerState::Running,
            "Paused": view.state == ContainerState::Paused,
            "Restarting": view.state == ContainerState::Restarting,
            "OOMKilled": view.out_of_memory,
            "ExitCode": view.exit_code.unwrap_or(0),
            "Error": view.error.clone().unwrap_or_default(),
            "StartedAt": time(view.started_at),
            "FinishedAt": time(view.finished_at),
        },
        "Config": {
            "Image": view.image,
            "Cmd": view.command,
            "Env": environment,
            "Labels": view.labels,
            "Tty": spec.is_some_and(|spec| spec.tty),
            "OpenStdin": spec.is_some_and(|spec| spec.stdin_open),
        },
        "HostConfig": { "NetworkMode": view.network_mode },
        "NetworkSettings": { "IPAddress": view.address.map_or(String::new(), |ip| ip.to_string()) },
    })
}

#[cfg(test)]
mod tests;
