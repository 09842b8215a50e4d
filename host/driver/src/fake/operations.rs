//! The operations of the engine in memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use contract_protocol::{
    BuildRequest, CopyInRequest, EngineFacts, ExecRequest, FailureCode, LogsRequest, NetworkAttachment,
    NetworkSpec, Progress, RegistryLogin, VolumeSpec,
};
use contract_values::{ImageRef, Labels, Timestamp};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::{Answer, FakeEngine, Operation, Program, canonical};
use crate::{
    ByteOutput, ByteStream, ContainerState, ContainerSummary, ContainerView, CreateRequest, Engine,
    EngineError, EventStream, ExecControl, ExecSession, JsonStream, Limits, NetworkView, ObjectKind,
    OutputChunk, OutputStream, PullProgress, Upload,
};

/// How long a stop takes before the kill, when nobody says.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

fn refused<T>(code: FailureCode, text: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::Refused { code, text: text.into() })
}

fn no_container(docker_id: &str) -> EngineError {
    EngineError::NotFound { kind: ObjectKind::Container, text: format!("No such container: {docker_id}") }
}

async fn answer<T>(answer: Answer, value: T) -> Result<T, EngineError> {
    match answer {
        Answer::Now => Ok(value),
        Answer::Lost => Err(EngineError::unreachable("connection reset")),
        Answer::After(time) => {
            tokio::time::sleep(time).await;
            Ok(value)
        }
    }
}

impl FakeEngine {
    fn view(&self, docker_id: &str) -> Result<ContainerView, EngineError> {
        let state = self.lock();
        let found = state.containers.values().find(|c| {
            c.view.docker_id == docker_id
                || c.view.name == docker_id
                || (docker_id.len() >= 12 && c.view.docker_id.starts_with(docker_id))
        });
        found.map(|c| c.view.clone()).ok_or_else(|| no_container(docker_id))
    }

    /// Makes a container.
    fn made(&self, request: &CreateRequest<'_>) -> Result<String, EngineError> {
        let image = request.spec.image.to_string();
        let mut state = self.lock();
        if state.disk_full {
            return refused(FailureCode::DiskFull, "mkdir /var/lib/docker/overlay2: no space left on device");
        }
        let Some(program) = state.images.get(&canonical(&image)).cloned() else {
            return refused(FailureCode::ImageNotFound, format!("No such image: {image}"));
        };
        if let Some(other) = state.containers.values().find(|c| c.view.name == request.name) {
            let text = format!(
                "Conflict. The container name \"/{}\" is already in use by container \"{}\"",
                request.name, other.view.docker_id
            );
            return refused(FailureCode::NameTaken, text);
        }
        let mut labels = request.spec.labels.clone();
        labels.extend(request.labels.clone());
        let words = [request.spec.entrypoint.as_deref(), request.spec.command.as_deref()];
        let command: Vec<String> = words.into_iter().flatten().flatten().cloned().collect();
        let program = Program::of_command(&command).unwrap_or(program);
        let id = self.insert(&mut state, request.name, &image, labels, program);
        let container = state.containers.get_mut(&id).expect("inserted just above");
        container.view.command = command;
        container.view.network_mode = match &request.spec.network {
            NetworkAttachment::Bridge => "default".into(),
            NetworkAttachment::Host => "host".into(),
            NetworkAttachment::None => "none".into(),
            NetworkAttachment::Container { .. } => {
                format!("container:{}", request.network_container.unwrap_or_default())
            }
            NetworkAttachment::Named { network, .. } => network.clone(),
        };
        container.restart = request.spec.restart.clone();
        container.wanted_ports = request.spec.ports.clone();
        container.has_health = request.spec.health.is_some();
        container.stop_timeout = request.spec.stop_timeout;
        container.spec = Some(request.spec.clone());
        container.files = request.files.to_vec();
        container.view.limits = Limits::of(request.spec);
        Ok(id)
    }

    /// Waits until the process has ended.
    async fn ended(&self, docker_id: &str) {
        let Some(mut changed) = self.lock().containers.get(docker_id).map(|c| c.changed.subscribe()) else {
            return;
        };
        while self.view(docker_id).is_ok_and(|view| view.state.has_process()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

#[async_trait]
impl Engine for FakeEngine {
    async fn facts(&self) -> Result<EngineFacts, EngineError> {
        let lost = self.enter(Operation::Facts).await?;
        answer(
            lost,
            EngineFacts {
                version: "20.10.24".into(),
                api_version: "1.41".into(),
                storage_driver: "overlay2".into(),
                root_dir: "/var/lib/docker".into(),
                cgroup_version: "2".into(),
            },
        )
        .await
    }

    async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let lost = self.enter(Operation::List).await?;
        let list = self
            .lock()
            .containers
            .values()
            .map(|c| ContainerSummary {
                docker_id: c.view.docker_id.clone(),
                name: c.view.name.clone(),
                labels: c.view.labels.clone(),
                state: c.view.state,
            })
            .collect();
        answer(lost, list).await
    }

    async fn inspect(&self, docker_id: &str) -> Result<ContainerView, EngineError> {
        let lost = self.enter(Operation::Inspect).await?;
        answer(lost, self.view(docker_id)?).await
    }

    async fn inspect_json(&self, docker_id: &str) -> Result<String, EngineError> {
        let view = self.inspect(docker_id).await?;
        Ok(serde_json::json!({ "Id": view.docker_id, "Name": format!("/{}", view.name) }).to_string())
    }

    async fn image_id(&self, image: &ImageRef) -> Result<Option<String>, EngineError> {
        let lost = self.enter(Operation::ImageId).await?;
        let name = image.to_string();
        let id =
            self.lock().images.contains_key(&canonical(&name)).then(|| format!("sha256:{:064x}", name.len()));
        answer(lost, id).await
    }

    async fn pull(
        &self,
        image: &ImageRef,
        _platform: Option<&str>,
        login: Option<&RegistryLogin>,
        progress: PullProgress<'_>,
    ) -> Result<(), EngineError> {
        let lost = self.enter(Operation::Pull).await?;
        let name = canonical(&image.to_string());
        if let Some((user, password)) = self.lock().guarded.get(&name)
            && !login.is_some_and(|l| l.username == *user && l.password.expose() == password)
        {
            return refused(FailureCode::RegistryDenied, "unauthorized: incorrect username or password");
        }
        let Some((takes, program)) = self.lock().registry.get(&name).cloned() else {
            return refused(FailureCode::ImageNotFound, format!("manifest for {name} not found"));
        };
        for percent in [0_u8, 50] {
            progress(Progress { text: format!("pulling {image}"), percent: Some(percent) });
            tokio::time::sleep(takes / 2).await;
            if !*self.inner.up.borrow() {
                return Err(EngineError::unreachable("connection reset"));
            }
        }
        {
            let mut state = self.lock();
            if state.disk_full {
                return refused(FailureCode::DiskFull, "write /var/lib/docker: no space left on device");
            }
            state.images.insert(name, program);
        }
        answer(lost, ()).await
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<String, EngineError> {
        let lost = self.enter(Operation::Create).await?;
        let id = self.made(request)?;
        answer(lost, id).await
    }

    async fn update(&self, docker_id: &str, limits: &Limits) -> Result<(), EngineError> {
        let lost = self.enter(Operation::Update).await?;
        let id = self.view(docker_id)?.docker_id;
        if limits.memory.is_some_and(|memory| memory < 6 << 20) {
            return refused(FailureCode::InvalidOption, "Minimum memory limit allowed is 6MB");
        }
        if let Some(container) = self.lock().containers.get_mut(&id) {
            container.view.limits = limits.clone();
            container.restart = limits.restart.clone();
        }
        self.emit(crate::EventKind::Changed { docker_id: id });
        answer(lost, ()).await
    }

    async fn start(&self, docker_id: &str) -> Result<(), EngineError> {
        let lost = self.enter(Operation::Start).await?;
        let view = self.view(docker_id)?;
        if view.state.has_process() {
            return answer(lost, ()).await;
        }
        let id = view.docker_id;
        {
            let mut guard = self.lock();
            let state = &mut *guard;
            let used: Vec<_> = state
                .containers
                .values()
                .filter(|c| c.view.state.has_process())
                .flat_map(|c| c.view.ports.iter().filter_map(|p| Some((p.public?, p.transport))))
                .collect();
            let container = state.containers.get_mut(&id).ok_or_else(|| no_container(docker_id))?;
            for port in &container.wanted_ports {
                let Some(public) = port.public else { continue };
                let key = (public, port.transport);
                if state.taken_ports.contains(&key) || used.contains(&key) {
                    let text = format!("Bind for 0.0.0.0:{public} failed: port is already allocated");
                    container.view.error = Some(text.clone());
                    return refused(FailureCode::PortTaken, text);
                }
            }
            if container.program.missing {
                let text = "exec: \"/no/such/program\": stat /no/such/program: no such file or directory";
                container.view.error = Some(text.to_owned());
                return refused(FailureCode::CommandNotFound, text);
            }
            let mode = container.view.network_mode.clone();
            let is_named = !["default", "host", "none"].contains(&&*mode) && !mode.starts_with("container:");
            if is_named && !state.networks.contains_key(&mode) {
                return Err(EngineError::NotFound {
                    kind: ObjectKind::Network,
                    text: format!("network {mode} not found"),
                });
            }
        }
        self.begin(&id);
        answer(lost, ()).await
    }

    async fn stop(
        &self,
        docker_id: &str,
        timeout: Option<contract_values::Duration>,
    ) -> Result<(), EngineError> {
        let lost = self.enter(Operation::Stop).await?;
        let view = self.view(docker_id)?;
        if !view.state.has_process() {
            return answer(lost, ()).await;
        }
        let (obeys, own) = {
            let state = self.lock();
            let container = state.containers.get(&view.docker_id).ok_or_else(|| no_container(docker_id))?;
            (container.program.obeys, container.stop_timeout)
        };
        match obeys {
            Some(code) => self.end(&view.docker_id, None, code, true),
            None => {
                let wait = timeout.or(own).map_or(STOP_TIMEOUT, contract_values::Duration::to_std);
                if tokio::time::timeout(wait, self.ended(&view.docker_id)).await.is_err() {
                    self.end(&view.docker_id, None, 137, true);
                }
            }
        }
        answer(lost, ()).await
    }

    async fn kill(&self, docker_id: &str, signal: &str) -> Result<(), EngineError> {
        let lost = self.enter(Operation::Kill).await?;
        let view = self.view(docker_id)?;
        let obeys = self.lock().containers.get(&view.docker_id).and_then(|c| c.program.obeys);
        match signal {
            "SIGKILL" | "KILL" | "9" => self.end(&view.docker_id, None, 137, true),
            _ => {
                if let Some(code) = obeys {
                    self.end(&view.docker_id, None, code, true);
                }
            }
        }
        answer(lost, ()).await
    }

    async fn remove(&self, docker_id: &str) -> Result<(), EngineError> {
        let lost = self.enter(Operation::Remove).await?;
        let view = self.view(docker_id)?;
        self.remove_by_hand(&view.docker_id);
        answer(lost, ()).await
    }

    async fn events(&self, since: Option<Timestamp>) -> Result<EventStream, EngineError> {
        self.enter(Operation::Events).await?;
        let (receiver, past) = {
            // Under one lock, so that no event is in both and none in neither.
            let state = self.lock();
            let past: Vec<_> = match since {
                Some(since) => state.log.iter().filter(|event| event.at >= since).cloned().collect(),
                None => Vec::new(),
            };
            (self.inner.events.subscribe(), past)
        };
        let up = self.inner.up.subscribe();
        let live = futures_util::stream::unfold(Some((receiver, up)), |ends| async move {
            let (mut receiver, mut up) = ends?;
            let next = tokio::select! {
                biased;
                event = receiver.recv() => match event {
                    Ok(event) => Ok(event),
                    Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                        Err(EngineError::unreachable("the events were cut off"))
                    }
                },
                _ = up.wait_for(|up| !up) => Err(EngineError::unreachable("connection reset")),
            };
            let rest = next.is_ok().then_some((receiver, up));
            Some((next, rest))
        });
        Ok(futures_util::stream::iter(past.into_iter().map(Ok)).chain(live).boxed())
    }

    async fn networks(&self) -> Result<Vec<NetworkView>, EngineError> {
        let lost = self.enter(Operation::Networks).await?;
        let list = self
            .lock()
            .networks
            .iter()
            .map(|(name, labels)| NetworkView {
                name: name.clone(),
                network_id: format!("net-{name}"),
                labels: labels.clone(),
            })
            .collect();
        answer(lost, list).await
    }

    async fn ensure_network(
        &self,
        name: &str,
        spec: &NetworkSpec,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        let lost = self.enter(Operation::EnsureNetwork).await?;
        if self.lock().disk_full {
            return refused(
                FailureCode::DiskFull,
                "failed to update store for object type *libnetwork.endpointCnt: no space left on device",
            );
        }
        let mut all = spec.labels.clone();
        all.extend(labels.clone());
        self.lock().networks.entry(name.to_owned()).or_insert(all);
        answer(lost, ()).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        let lost = self.enter(Operation::RemoveNetwork).await?;
        let was_there = {
            let mut state = self.lock();
            if state.containers.values().any(|c| c.view.state.has_process() && c.view.network_mode == name) {
                return refused(FailureCode::Other, format!("network {name} has active endpoints"));
            }
            state.networks.remove(name).is_some()
        };
        if was_there {
            self.emit(crate::EventKind::NetworkRemoved { name: name.to_owned() });
        }
        answer(lost, ()).await
    }

    async fn ensure_volume(
        &self,
        name: &str,
        _spec: &VolumeSpec,
        _labels: &Labels,
    ) -> Result<(), EngineError> {
        let lost = self.enter(Operation::EnsureVolume).await?;
        if self.lock().disk_full {
            return refused(FailureCode::DiskFull, "mkdir /var/lib/docker/volumes: no space left on device");
        }
        self.lock().volumes.insert(name.to_owned());
        answer(lost, ()).await
    }

    async fn remove_volume(&self, name: &str, _force: bool) -> Result<(), EngineError> {
        let lost = self.enter(Operation::RemoveVolume).await?;
        let was_there = {
            let mut state = self.lock();
            let holds = |c: &&super::FakeContainer| {
                c.spec.as_ref().is_some_and(|spec| spec.mounts.iter().any(|mount| mount.source == name))
            };
            if let Some(holder) = state.containers.values().find(holds) {
                let text = format!("remove {name}: volume is in use - [{}]", holder.view.docker_id);
                return refused(FailureCode::Other, text);
            }
            state.volumes.remove(name)
        };
        if was_there {
            self.emit(crate::EventKind::VolumeRemoved { name: name.to_owned() });
        }
        answer(lost, ()).await
    }

    async fn logs(&self, request: &LogsRequest) -> Result<OutputStream, EngineError> {
        self.enter(Operation::Logs).await?;
        let view = self.view(&request.docker_id)?;
        let (skip, changed) = {
            let state = self.lock();
            let container =
                state.containers.get(&view.docker_id).ok_or_else(|| no_container(&view.docker_id))?;
            let skip = match request.tail {
                Some(tail) => {
                    container.output.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX))
                }
                None => 0,
            };
            (skip, container.changed.subscribe())
        };
        let (engine, follow, since) = (self.clone(), request.follow, request.since);
        let from = (skip, changed, engine, view.docker_id);
        let stream =
            futures_util::stream::unfold(from, move |(mut next, mut changed, engine, id)| async move {
                loop {
                    let (piece, runs) = {
                        let state = engine.lock();
                        let container = state.containers.get(&id)?;
                        (container.output.get(next).cloned(), container.view.state.has_process())
                    };
                    match piece {
                        Some((at, piece)) => {
                            next += 1;
                            if since.is_none_or(|since| at >= since) {
                                return Some((Ok(piece), (next, changed, engine, id)));
                            }
                        }
                        None if follow && runs => changed.changed().await.ok()?,
                        None => return None,
                    }
                }
            });
        Ok(stream.boxed())
    }

    async fn exec(&self, request: &ExecRequest) -> Result<ExecSession, EngineError> {
        self.enter(Operation::Exec).await?;
        let view = self.view(&request.docker_id)?;
        if view.state != ContainerState::Running {
            return refused(FailureCode::Other, format!("Container {} is not running", request.docker_id));
        }
        let program = Program::of_command(&request.command).unwrap_or_else(Program::service);
        if program.missing {
            return refused(FailureCode::CommandNotFound, "executable file not found in $PATH");
        }
        let (input, mut process_input) = tokio::io::duplex(4096);
        let (output_tx, output) = mpsc::channel(16);
        let (code_tx, code_rx) = oneshot::channel();
        let (stdin, tty) = (request.stdin, request.tty);
        let process = tokio::spawn(async move {
            let error = Bytes::from(program.error.clone());
            let first = [
                OutputChunk::Out(Bytes::from(program.output.clone())),
                if tty { OutputChunk::Out(error) } else { OutputChunk::Err(error) },
            ];
            for piece in first {
                let (OutputChunk::Out(bytes) | OutputChunk::Err(bytes)) = &piece;
                if !bytes.is_empty() && output_tx.send(piece).await.is_err() {
                    return;
                }
            }
            let mut bytes = [0; 1024];
            if stdin && program.echoes {
                while let Ok(length @ 1..) = process_input.read(&mut bytes).await {
                    let piece = OutputChunk::Out(Bytes::copy_from_slice(&bytes[..length]));
                    if output_tx.send(piece).await.is_err() {
                        return;
                    }
                }
            }
            let code = match program.ends {
                Some((after, code)) => {
                    tokio::time::sleep(after).await;
                    code
                }
                None => 0,
            };
            // Whoever asked for the code may have gone.
            let _ = code_tx.send(code);
        });
        let process = EndOnDrop(process.abort_handle());
        let stream = futures_util::stream::unfold((output, process), |(mut output, process)| async move {
            let piece = output.recv().await?;
            Some((Ok(piece), (output, process)))
        });
        Ok(ExecSession {
            input: Box::new(input),
            output: stream.boxed(),
            control: Box::new(FakeExec { code: tokio::sync::Mutex::new(Some(code_rx)) }),
        })
    }

    async fn stats(&self, docker_id: &str) -> Result<JsonStream, EngineError> {
        self.enter(Operation::Stats).await?;
        let view = self.view(docker_id)?;
        let interval = tokio::time::interval(Duration::from_secs(1));
        let stream =
            futures_util::stream::unfold((self.clone(), interval, view.docker_id), |state| async move {
                let (engine, mut interval, id) = state;
                interval.tick().await;
                let view = engine.view(&id).ok()?;
                let text = serde_json::json!({ "id": view.docker_id, "cpu_stats": {} }).to_string();
                Some((Ok(text), (engine, interval, id)))
            });
        Ok(stream.boxed())
    }

    async fn top(&self, docker_id: &str, _arguments: &str) -> Result<String, EngineError> {
        let lost = self.enter(Operation::Top).await?;
        let view = self.view(docker_id)?;
        if !view.state.has_process() {
            return refused(FailureCode::Other, format!("Container {docker_id} is not running"));
        }
        let list =
            serde_json::json!({ "Titles": ["PID", "CMD"], "Processes": [["1", view.command.join(" ")]] });
        answer(lost, list.to_string()).await
    }

    async fn path_stat(&self, docker_id: &str, path: &str) -> Result<String, EngineError> {
        let lost = self.enter(Operation::Archive).await?;
        self.view(docker_id)?;
        let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("/");
        answer(lost, serde_json::json!({ "name": name, "size": 5, "mode": 420 }).to_string()).await
    }

    async fn copy_out(&self, docker_id: &str, path: &str) -> Result<ByteOutput, EngineError> {
        self.enter(Operation::Archive).await?;
        let name = self.view(docker_id)?.name;
        let found = self.lock().copied.get(&(name, path.to_owned())).cloned();
        let Some(bytes) = found else {
            let text = format!("Could not find the file {path} in container {docker_id}");
            return Err(EngineError::NotFound { kind: ObjectKind::Container, text });
        };
        let pieces: Vec<_> = bytes.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(futures_util::stream::iter(pieces).boxed())
    }

    async fn copy_in(&self, request: &CopyInRequest, mut tar: Upload) -> Result<(), EngineError> {
        let lost = self.enter(Operation::Archive).await?;
        let name = self.view(&request.docker_id)?.name;
        let mut bytes = Vec::new();
        while let Some(piece) = tar.next().await {
            bytes.extend_from_slice(&piece.map_err(EngineError::unreachable)?);
        }
        self.lock().copied.insert((name, request.path.clone()), bytes);
        answer(lost, ()).await
    }

    async fn build(&self, request: &BuildRequest, mut tar: Upload) -> Result<JsonStream, EngineError> {
        self.enter(Operation::Build).await?;
        let mut size = 0;
        while let Some(piece) = tar.next().await {
            size += piece.map_err(EngineError::unreachable)?.len();
        }
        let mut words = vec![Ok(serde_json::json!({ "stream": format!("{size} bytes\n") }).to_string())];
        if request.dockerfile == "broken" {
            words.push(Ok(serde_json::json!({ "error": "unknown instruction: FORM" }).to_string()));
        } else {
            for tag in &request.tags {
                self.add_image(tag, Program::service());
            }
            words.push(Ok(serde_json::json!({ "stream": "Successfully built\n" }).to_string()));
        }
        Ok(futures_util::stream::iter(words).boxed())
    }

    async fn raw_socket(&self) -> Result<Box<dyn ByteStream>, EngineError> {
        self.enter(Operation::RawSocket).await?;
        let answer: Arc<[u8]> = Arc::from(&b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK"[..]);
        let (near, far) = tokio::io::duplex(4096);
        let (mut read, mut write) = tokio::io::split(far);
        // Ends when the caller drops its end.
        tokio::spawn(async move {
            let mut bytes = [0; 1024];
            while read.read(&mut bytes).await.is_ok_and(|n| n > 0) {
                if write.write_all(&answer).await.is_err() || write.shutdown().await.is_err() {
                    return;
                }
            }
        });
        Ok(Box::new(near))
    }
}

struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct FakeExec {
    code: tokio::sync::Mutex<Option<oneshot::Receiver<i64>>>,
}

#[async_trait]
impl ExecControl for FakeExec {
    async fn resize(&self, _columns: u16, _rows: u16) -> Result<(), EngineError> {
        Ok(())
    }

    async fn exit_code(&self) -> Result<Option<i64>, EngineError> {
        Ok(match self.code.lock().await.take() {
            Some(code) => code.await.ok(),
            None => None,
        })
    }
}
