//! Stacks and services.

use std::collections::BTreeMap;

use contract_values::{Labels, ProjectId, ServiceId, StackId, kind};
use serde::{Deserialize, Serialize};

use crate::launch::LaunchSpec;
use crate::object::{Body, Keys, Kind, Nothing, Object, is_default};
use crate::reason::Reason;

/// A stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack;
impl Object for Stack {
    const KIND: Kind = Kind::Stack;
    type IdKind = kind::Stack;
    type Intent = StackIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &StackIntent, _: &Nothing) -> Keys {
        Keys {
            project: intent.project,
            name: Some(intent.name.clone()),
            unique: intent.project.map(|p| format!("{}/{}", p.raw(), intent.name.to_lowercase())),
            ..Keys::default()
        }
    }
}

/// A stack: the files it was made from, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackIntent {
    /// The environment.
    pub project: Option<ProjectId>,
    /// Its name.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The compose file.
    pub docker_compose: Option<String>,
    /// The platform's second file.
    pub rancher_compose: Option<String>,
    /// The answers to the files' variables.
    pub environment: BTreeMap<String, String>,
    /// The catalog entry or program that it came from.
    pub external_id: Option<String>,
    /// Whether its services start as they are made.
    pub start_on_create: bool,
    /// Whether it is part of the platform.
    pub system: bool,
    /// The volumes that its files define, by their name in the files.
    pub volumes: BTreeMap<String, VolumeTemplate>,
}
impl Body for StackIntent {}

/// A volume that a stack's files define.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeTemplate {
    /// The real name where the files give one.
    pub name: Option<String>,
    /// The engine's driver.
    pub driver: Option<String>,
    /// Its options.
    pub driver_options: BTreeMap<String, String>,
    /// Whether it must be there already.
    pub external: bool,
    /// Whether each container has its own.
    pub per_container: bool,
    /// Labels.
    pub labels: Labels,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service;
impl Object for Service {
    const KIND: Kind = Kind::Service;
    type IdKind = kind::Service;
    type Intent = ServiceIntent;
    type Decision = ServiceDecision;
    type Observation = ServiceObservation;
    fn keys(intent: &ServiceIntent, _: &ServiceDecision) -> Keys {
        Keys {
            project: intent.project,
            stack: intent.stack,
            name: Some(intent.name.clone()),
            unique: intent.stack.map(|s| format!("{}/{}", s.raw(), intent.name.to_lowercase())),
            ..Keys::default()
        }
    }
}

/// What kind of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// Containers.
    #[default]
    Service,
}

/// When a dependency is met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    /// Its containers run.
    #[default]
    Started,
    /// Its containers are healthy.
    Healthy,
    /// Its containers have ended well.
    CompletedSuccessfully,
}

/// A service that must be so far before this one starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The other service's name in the same stack.
    pub service: String,
    /// How far.
    #[serde(default)]
    pub condition: DependencyCondition,
    /// Whether a missing or failed one holds this one up for ever.
    #[serde(default)]
    pub optional: bool,
}

/// A link to another service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLink {
    /// The other service.
    pub service: ServiceId,
    /// The name under which it is known here; its own when `None`.
    #[serde(default)]
    pub alias: Option<String>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceIntent {
    /// The environment.
    #[serde(skip_serializing_if = "is_default")]
    pub project: Option<ProjectId>,
    /// The stack.
    #[serde(skip_serializing_if = "is_default")]
    pub stack: Option<StackId>,
    /// Its name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// A note.
    #[serde(skip_serializing_if = "is_default")]
    pub description: Option<String>,
    /// Its kind.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: ServiceKind,
    /// How many containers.
    #[serde(skip_serializing_if = "is_default")]
    pub scale: u32,
    /// Whether its containers shall run.
    #[serde(skip_serializing_if = "is_default")]
    pub active: bool,
    /// Whether it became active as it was made.
    #[serde(skip_serializing_if = "is_default")]
    pub start_on_create: bool,
    /// What each container is.
    pub launch: LaunchSpec,
    /// Free data of the user, shown as given.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// What must be ready first.
    #[serde(skip_serializing_if = "is_default")]
    pub depends_on: Vec<Dependency>,
    /// Links.
    #[serde(skip_serializing_if = "is_default")]
    pub links: Vec<ServiceLink>,
    /// The catalog entry or program that it came from.
    #[serde(skip_serializing_if = "is_default")]
    pub external_id: Option<String>,
    /// How often a restart of all containers was asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub restarts_asked: u32,
    /// Grows when containers shall be made anew because what they are has changed.
    #[serde(skip_serializing_if = "is_default")]
    pub launch_version: u32,
    /// Whether it is part of the platform.
    #[serde(skip_serializing_if = "is_default")]
    pub system: bool,
}
impl Body for ServiceIntent {}

/// What the service controller decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceDecision {
    /// The generation of the intent that the rest was decided for.
    #[serde(skip_serializing_if = "is_default")]
    pub generation: contract_values::Generation,
    /// The launch version that all containers have.
    #[serde(skip_serializing_if = "is_default")]
    pub settled_launch_version: u32,
    /// The restart request that has been handed to all containers.
    #[serde(skip_serializing_if = "is_default")]
    pub restarts_done: u32,
    /// The next number of `createIndex`.
    #[serde(skip_serializing_if = "is_default")]
    pub next_create_index: u32,
    /// How many containers are as wanted.
    #[serde(skip_serializing_if = "is_default")]
    pub ready: u32,
    /// Whether the service is, in whole, what its intent says.
    #[serde(skip_serializing_if = "is_default")]
    pub settled: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "is_default")]
    pub reason: Option<Reason>,
}
impl Body for ServiceDecision {}

/// Nothing is reported of services themselves yet.
pub type ServiceObservation = Nothing;
