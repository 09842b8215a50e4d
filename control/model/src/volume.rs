//! Volumes.

use std::collections::BTreeMap;

use contract_values::{HostId, Labels, ProjectId, StackId, Timestamp, kind};
use serde::{Deserialize, Serialize};

use crate::object::{Body, Keys, Kind, Nothing, Object};

/// A volume on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume;
impl Object for Volume {
    const KIND: Kind = Kind::Volume;
    type IdKind = kind::Volume;
    type Intent = VolumeIntent;
    type Decision = Nothing;
    type Observation = VolumeObservation;
    fn keys(intent: &VolumeIntent, _: &Nothing) -> Keys {
        Keys {
            project: intent.project,
            stack: intent.stack,
            host: intent.host,
            name: Some(intent.name.clone()),
            unique: intent
                .project
                .map(|p| format!("{}/{}/{}", p.raw(), intent.host.map_or(0, HostId::raw), intent.name)),
            ..Keys::default()
        }
    }
}

/// A volume. The service controller makes the row when it first places a container that uses it; the host that it is
/// on pins later containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeIntent {
    /// The environment.
    pub project: Option<ProjectId>,
    /// The stack that defines it.
    pub stack: Option<StackId>,
    /// The host that it is on.
    pub host: Option<HostId>,
    /// Its real name on the host.
    pub name: String,
    /// Its name in the stack's files.
    pub template: Option<String>,
    /// A note.
    pub description: Option<String>,
    /// The engine's driver.
    pub driver: String,
    /// Its options.
    pub driver_options: BTreeMap<String, String>,
    /// Whether it is there by itself and is never removed by us.
    pub external: bool,
    /// Labels.
    pub labels: Labels,
}
impl Body for VolumeIntent {}

/// What is known of a volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeObservation {
    /// Whether its host has reported it.
    pub present: bool,
    /// Whether its host has removed it with all that was in it.
    pub gone: bool,
    /// Why its host could not remove it so far.
    pub failure_text: Option<String>,
    /// When the host tries again.
    pub retry_at: Option<Timestamp>,
}
impl Body for VolumeObservation {}
