//! Containers.

use std::net::IpAddr;

use contract_values::{HostId, Incarnation, PortMapping, ProjectId, ServiceId, StackId, Timestamp, kind};
use serde::{Deserialize, Serialize};

use crate::launch::LaunchSpec;
use crate::object::{Body, Keys, Kind, Object, is_default};
use crate::reason::{Reason, ReasonCode};

/// A container.
#[derive(Clone, Debug, PartialEq)]
pub struct Container;
impl Object for Container {
    const KIND: Kind = Kind::Container;
    type IdKind = kind::Container;
    type Intent = ContainerIntent;
    type Decision = ContainerDecision;
    type Observation = ContainerObservation;
    fn keys(intent: &ContainerIntent, decision: &ContainerDecision) -> Keys {
        let host = match &intent.origin {
            Origin::Native { host, .. } => Some(*host),
            Origin::Standalone | Origin::Service { .. } => decision.host,
        };
        let unique = match &intent.origin {
            // One row for each index, launch version and service; a controller that runs twice makes one container.
            Origin::Service { service, index, create_index, .. } => {
                Some(format!("s{}/{index}/{create_index}", service.raw()))
            }
            Origin::Native { host, docker_id } => Some(format!("n{}/{docker_id}", host.raw())),
            Origin::Standalone => None,
        };
        Keys {
            project: intent.project,
            stack: intent.stack,
            service: match intent.origin {
                Origin::Service { service, .. } => Some(service),
                Origin::Standalone | Origin::Native { .. } => None,
            },
            host,
            name: Some(intent.name.clone()),
            unique,
        }
    }
}

/// Where a container comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// A person made it through the API.
    #[default]
    Standalone,
    /// A service's controller made it. The intent is written once by the controller; from then on by the API.
    Service {
        /// The service.
        service: ServiceId,
        /// Its place, from 1; the `N` of `stack-service-N`.
        index: u32,
        /// Grows with each container that the service ever had.
        create_index: u32,
        /// The service's launch version that it was made for.
        launch_version: u32,
    },
    /// Somebody started it on the host by hand. Written from the host's report.
    Native {
        /// The host.
        host: HostId,
        /// The engine's id.
        docker_id: String,
    },
}

/// Whether a container shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerRun {
    /// It shall run.
    #[default]
    Running,
    /// It shall not.
    Stopped,
    /// As the host has it (native containers, until a person says otherwise).
    AsIs,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerIntent {
    /// The environment.
    #[serde(skip_serializing_if = "is_default")]
    pub project: Option<ProjectId>,
    /// The stack, if it is part of one.
    #[serde(skip_serializing_if = "is_default")]
    pub stack: Option<StackId>,
    /// Its name, on the host as well.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// A note.
    #[serde(skip_serializing_if = "is_default")]
    pub description: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// What it is.
    pub launch: LaunchSpec,
    /// Whether it shall run.
    #[serde(skip_serializing_if = "is_default")]
    pub run: ContainerRun,
    /// Counts stop, start and remove orders to a native container.
    #[serde(skip_serializing_if = "is_default")]
    pub order: u32,
    /// How often a restart was asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub restarts_asked: u32,
    /// The host that a person chose.
    #[serde(skip_serializing_if = "is_default")]
    pub requested_host: Option<HostId>,
    /// How long the last stop may take, in seconds, where the caller said so.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_timeout_seconds: Option<u32>,
    /// Whether it is part of the platform.
    #[serde(skip_serializing_if = "is_default")]
    pub system: bool,
}
impl Body for ContainerIntent {}

/// What a controller decided: the service's for its containers, the container controller for the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerDecision {
    /// Where it runs.
    #[serde(skip_serializing_if = "is_default")]
    pub host: Option<HostId>,
    /// Since when.
    #[serde(skip_serializing_if = "is_default")]
    pub placed_at: Option<Timestamp>,
    /// Which run is wanted.
    #[serde(skip_serializing_if = "is_default")]
    pub incarnation: Incarnation,
    /// Whether it waits (for a dependency) although its intent is to run.
    #[serde(skip_serializing_if = "is_default")]
    pub held: bool,
    /// The public ports that were chosen for ports without one.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<PortMapping>,
    /// Restarts asked for by the service's controller.
    #[serde(skip_serializing_if = "is_default")]
    pub restarts_asked: u32,
    /// Since when it is to go, decided by its controller: scaled away, replaced or service removed.
    #[serde(skip_serializing_if = "is_default")]
    pub retire_since: Option<Timestamp>,
    /// Why it could not be placed or is held.
    #[serde(skip_serializing_if = "is_default")]
    pub reason: Option<Reason>,
}
impl Body for ContainerDecision {}

/// How far a run has come, in the host's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunReport {
    /// Nothing was reported.
    #[default]
    Assigned,
    /// Its image is being fetched or it is being made.
    Preparing,
    /// It is being started.
    Starting,
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// Its process has ended.
    Stopped,
    /// It is no longer on the host.
    Gone,
}

/// What its host saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerObservation {
    /// The host that reported.
    #[serde(skip_serializing_if = "is_default")]
    pub host: Option<HostId>,
    /// The run that was reported.
    #[serde(skip_serializing_if = "is_default")]
    pub incarnation: Incarnation,
    /// How often that run's process was started.
    #[serde(skip_serializing_if = "is_default")]
    pub starts: u32,
    /// How far it is.
    #[serde(skip_serializing_if = "is_default")]
    pub rank: RunReport,
    /// When it was seen, by the host's clock.
    #[serde(skip_serializing_if = "is_default")]
    pub at: Timestamp,
    /// The engine's id.
    #[serde(skip_serializing_if = "is_default")]
    pub docker_id: Option<String>,
    /// The image that it was made from.
    #[serde(skip_serializing_if = "is_default")]
    pub image_id: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "is_default")]
    pub address: Option<IpAddr>,
    /// Its ports as published.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<PortMapping>,
    /// When its process first started.
    #[serde(skip_serializing_if = "is_default")]
    pub first_started_at: Option<Timestamp>,
    /// When its process started last.
    #[serde(skip_serializing_if = "is_default")]
    pub started_at: Option<Timestamp>,
    /// The last exit code.
    #[serde(skip_serializing_if = "is_default")]
    pub exit_code: Option<i64>,
    /// The engine's health check: `starting`, `healthy`, `unhealthy`.
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<String>,
    /// The highest restart request that has been carried out.
    #[serde(skip_serializing_if = "is_default")]
    pub restarts_done: u32,
    /// The highest order to a native container that has been carried out.
    #[serde(skip_serializing_if = "is_default")]
    pub order_done: u32,
    /// What failed last.
    #[serde(skip_serializing_if = "is_default")]
    pub failure: Option<ReasonCode>,
    /// The engine's words for it.
    #[serde(skip_serializing_if = "is_default")]
    pub failure_text: Option<String>,
    /// When the host will try again.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_at: Option<Timestamp>,
    /// What is being done now.
    #[serde(skip_serializing_if = "is_default")]
    pub progress: Option<String>,
    /// 0 to 100 where it is known.
    #[serde(skip_serializing_if = "is_default")]
    pub progress_percent: Option<u8>,
}
impl Body for ContainerObservation {}
