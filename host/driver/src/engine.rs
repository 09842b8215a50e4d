//! The container engine, as the agent needs it.

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use bytes::Bytes;
use contract_protocol::{
    BuildRequest, ContainerSpec, CopyInRequest, EngineFacts, ExecRequest, LogsRequest, NetworkSpec, Progress,
    RegistryLogin, VolumeSpec,
};
use contract_values::{Duration, ImageRef, Labels, PortMapping, Timestamp};
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{EngineError, Limits};

/// A byte connection.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What happens in the engine, in order, until the connection to it breaks.
pub type EventStream = BoxStream<'static, Result<EngineEvent, EngineError>>;
/// Output of a process.
pub type OutputStream = BoxStream<'static, Result<OutputChunk, EngineError>>;
/// JSON documents of the engine.
pub type JsonStream = BoxStream<'static, Result<String, EngineError>>;
/// Bytes of the engine.
pub type ByteOutput = BoxStream<'static, Result<Bytes, EngineError>>;
/// Bytes for the engine; an error says that no more comes and that what came is not whole.
pub type Upload = BoxStream<'static, std::io::Result<Bytes>>;
/// Takes what a pull says of itself, now and then.
pub type PullProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// A container engine.
///
/// Every operation may be called again: starting what runs, stopping what is stopped, ensuring what exists are no
/// errors. An operation that is dropped while it waits may or may not have taken place.
#[async_trait]
pub trait Engine: Debug + Send + Sync {
    /// Says what the engine is; the cheapest way to learn whether it answers.
    async fn facts(&self) -> Result<EngineFacts, EngineError>;

    /// Lists all containers, in whatever state and whoever made them.
    async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError>;

    /// Describes one container.
    async fn inspect(&self, docker_id: &str) -> Result<ContainerView, EngineError>;

    /// Describes one container in the engine's own words, as JSON.
    async fn inspect_json(&self, docker_id: &str) -> Result<String, EngineError>;

    /// The id of an image that the host has.
    async fn image_id(&self, image: &ImageRef) -> Result<Option<String>, EngineError>;

    /// Fetches an image, as whoever `login` says.
    async fn pull(
        &self,
        image: &ImageRef,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
        progress: PullProgress<'_>,
    ) -> Result<(), EngineError>;

    /// Makes a container and returns the engine's id. A missing image is [`FailureCode::ImageNotFound`].
    ///
    /// [`FailureCode::ImageNotFound`]: contract_protocol::FailureCode::ImageNotFound
    async fn create(&self, request: &CreateRequest<'_>) -> Result<String, EngineError>;

    /// Changes limits of a container that is there, whether it runs or not.
    async fn update(&self, docker_id: &str, limits: &Limits) -> Result<(), EngineError>;

    /// Starts a container.
    async fn start(&self, docker_id: &str) -> Result<(), EngineError>;

    /// Stops a container: its stop signal, then after `timeout` a kill. Returns when the process has ended.
    async fn stop(&self, docker_id: &str, timeout: Option<Duration>) -> Result<(), EngineError>;

    /// Sends a signal to the process of a container, such as `SIGKILL`.
    async fn kill(&self, docker_id: &str, signal: &str) -> Result<(), EngineError>;

    /// Removes a container and its volumes without a name, killing its process if need be.
    async fn remove(&self, docker_id: &str) -> Result<(), EngineError>;

    /// Follows what happens, from `since` on as far as the engine remembers, else from now on.
    async fn events(&self, since: Option<Timestamp>) -> Result<EventStream, EngineError>;

    /// Lists all networks.
    async fn networks(&self) -> Result<Vec<NetworkView>, EngineError>;

    /// Makes a network unless there is one of this name.
    async fn ensure_network(
        &self,
        name: &str,
        spec: &NetworkSpec,
        labels: &Labels,
    ) -> Result<(), EngineError>;

    /// Removes a network; one that is not there is removed already.
    async fn remove_network(&self, name: &str) -> Result<(), EngineError>;

    /// Makes a volume unless there is one of this name.
    async fn ensure_volume(&self, name: &str, spec: &VolumeSpec, labels: &Labels) -> Result<(), EngineError>;

    /// Removes a volume with what is in it; one that is not there is removed already. With `force` the engine drops it
    /// even if its driver fails.
    async fn remove_volume(&self, name: &str, force: bool) -> Result<(), EngineError>;

    /// Reads the output of a container.
    async fn logs(&self, request: &LogsRequest) -> Result<OutputStream, EngineError>;

    /// Starts a process in a container.
    async fn exec(&self, request: &ExecRequest) -> Result<ExecSession, EngineError>;

    /// Follows the figures of a container, about one document a second.
    async fn stats(&self, docker_id: &str) -> Result<JsonStream, EngineError>;

    /// Lists the processes of a container, as JSON in the engine's own words.
    async fn top(&self, docker_id: &str, arguments: &str) -> Result<String, EngineError>;

    /// Says what is at a path in a container, as JSON in the engine's own words.
    async fn path_stat(&self, docker_id: &str, path: &str) -> Result<String, EngineError>;

    /// Reads a file or folder of a container, as a tar.
    async fn copy_out(&self, docker_id: &str, path: &str) -> Result<ByteOutput, EngineError>;

    /// Unpacks a tar in a folder of a container.
    async fn copy_in(&self, request: &CopyInRequest, tar: Upload) -> Result<(), EngineError>;

    /// Builds an image from a tar; gives the engine's words while it does, of which one may tell of a failure.
    async fn build(&self, request: &BuildRequest, tar: Upload) -> Result<JsonStream, EngineError>;

    /// Opens a raw connection to the engine's API.
    async fn raw_socket(&self) -> Result<Box<dyn ByteStream>, EngineError>;
}

/// A container to make.
#[derive(Clone, Copy, Debug)]
pub struct CreateRequest<'a> {
    /// Its name.
    pub name: &'a str,
    /// Our own labels, which win over those of the spec.
    pub labels: &'a Labels,
    /// What it shall be.
    pub spec: &'a ContainerSpec,
    /// The engine's id of the container whose network it shares, where the spec names one.
    pub network_container: Option<&'a str>,
    /// The engine's ids of the containers whose volumes it shares, in the order of the spec.
    pub volumes_from: &'a [String],
    /// Files of the host that it finds at their paths, read-only.
    pub files: &'a [MountedFile],
}

/// A file of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedFile {
    /// Its path on the host.
    pub source: String,
    /// Its path in the container.
    pub target: String,
}

/// What the process of a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made and never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Ended; the engine is about to start it again by its own policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Half removed; it can only be removed again.
    Dead,
}

impl ContainerState {
    /// Whether there is a process.
    pub fn has_process(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Restarting => true,
            Self::Created | Self::Removing | Self::Exited | Self::Dead => false,
        }
    }
}

/// A container in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSummary {
    /// The engine's id.
    pub docker_id: String,
    /// Its name without the leading slash.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// What its process does.
    pub state: ContainerState,
}

/// A container, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// The engine's id.
    pub docker_id: String,
    /// Its name without the leading slash.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// The image as its maker wrote it.
    pub image: String,
    /// The id of the image.
    pub image_id: String,
    /// Its command with the entry point.
    pub command: Vec<String>,
    /// What its process does.
    pub state: ContainerState,
    /// The exit code, once the process has ended.
    pub exit_code: Option<i64>,
    /// Whether the process was ended because memory ran out.
    pub out_of_memory: bool,
    /// The engine's words about a start that failed.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When its process last started.
    pub started_at: Option<Timestamp>,
    /// When its process last ended.
    pub finished_at: Option<Timestamp>,
    /// The engine's health check: `starting`, `healthy`, `unhealthy`; `None` without one.
    pub health: Option<String>,
    /// Its ports as published; those that are only declared are left out.
    pub ports: Vec<PortMapping>,
    /// Its address on its first network.
    pub address: Option<IpAddr>,
    /// Its network mode.
    pub network_mode: String,
    /// Its limits.
    pub limits: Limits,
}

/// A network in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkView {
    /// Its name.
    pub name: String,
    /// The engine's id.
    pub network_id: String,
    /// Its labels.
    pub labels: Labels,
}

/// Something that happened in the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineEvent {
    /// When, by the engine's clock.
    pub at: Timestamp,
    /// What.
    pub what: EventKind,
}

/// What happened. A container is named by the engine's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A process was started.
    Started {
        /// Of which container.
        docker_id: String,
    },
    /// A process ended.
    Died {
        /// Of which container.
        docker_id: String,
        /// With which exit code, if the engine said.
        exit_code: Option<i64>,
    },
    /// Memory ran out in a container; its end follows if it is due.
    OutOfMemory {
        /// In which container.
        docker_id: String,
    },
    /// The engine's health check changed its mind.
    Health {
        /// About which container.
        docker_id: String,
        /// `starting`, `healthy` or `unhealthy`.
        status: String,
    },
    /// A container was removed.
    Destroyed {
        /// Which one.
        docker_id: String,
    },
    /// A container changed in another way: renamed, paused, given other limits.
    Changed {
        /// Which one.
        docker_id: String,
    },
    /// A network was removed.
    NetworkRemoved {
        /// Its name.
        name: String,
    },
    /// A volume was removed.
    VolumeRemoved {
        /// Its name.
        name: String,
    },
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputChunk {
    /// Standard output, or all output with a terminal.
    Out(Bytes),
    /// Standard error.
    Err(Bytes),
}

/// A process started in a container. Dropping it leaves the process to the engine.
pub struct ExecSession {
    /// Its input; ending it says that no more comes.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its output, until it ends.
    pub output: OutputStream,
    /// The rest.
    pub control: Box<dyn ExecControl>,
}

impl Debug for ExecSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecSession").finish_non_exhaustive()
    }
}

/// What can be done with a process started in a container.
#[async_trait]
pub trait ExecControl: Send + Sync {
    /// Gives its terminal a new size.
    async fn resize(&self, columns: u16, rows: u16) -> Result<(), EngineError>;

    /// The exit code, once its output has ended.
    async fn exit_code(&self) -> Result<Option<i64>, EngineError>;
}
