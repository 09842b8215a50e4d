//! Hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use contract_values::{Labels, ProjectId, Timestamp, kind};
use serde::{Deserialize, Serialize};

use crate::object::{Body, Keys, Kind, Object};
use crate::reason::Reason;

/// A host.
#[derive(Clone, Debug, PartialEq)]
pub struct Host;
impl Object for Host {
    const KIND: Kind = Kind::Host;
    type IdKind = kind::Host;
    type Intent = HostIntent;
    type Decision = HostDecision;
    type Observation = HostObservation;
    fn keys(intent: &HostIntent, _: &HostDecision) -> Keys {
        Keys {
            project: intent.project,
            name: Some(intent.name.clone().unwrap_or_else(|| intent.hostname.clone())),
            unique: (!intent.agent_uuid.is_empty()).then(|| intent.agent_uuid.clone()),
            ..Keys::default()
        }
    }
}

/// What was said of a host at its registration and by people since.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostIntent {
    /// The environment.
    pub project: Option<ProjectId>,
    /// The name that people gave it.
    pub name: Option<String>,
    /// A note.
    pub description: Option<String>,
    /// The host's own name at registration.
    pub hostname: String,
    /// The identity that its agent made.
    pub agent_uuid: String,
    /// Labels; those given to the agent at registration are taken in then.
    pub labels: Labels,
    /// The address that others use for it, where a person or the agent's flags set it.
    pub address: Option<IpAddr>,
    /// Whether it takes no new work.
    pub inactive: bool,
    /// Whether what services run on it shall run elsewhere.
    pub evacuate: bool,
}
impl Body for HostIntent {}

/// What the host controller decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostDecision {
    /// Since when its containers are given up and may run elsewhere, because it was away for too long.
    pub lost_since: Option<Timestamp>,
    /// Why it is not given up although it has been away for long enough.
    pub reason: Option<Reason>,
}
impl Body for HostDecision {}

/// Whether the host's agent is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentLink {
    /// It has never been.
    #[default]
    Never,
    /// It is.
    Connected,
    /// It was.
    Disconnected,
}

/// What is known of a host by its agent's connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostObservation {
    /// Whether its agent is connected.
    pub link: AgentLink,
    /// Since when.
    pub link_since: Timestamp,
    /// The run of the agent's process that is connected.
    pub run_id: String,
    /// The address that the connection comes from.
    pub remote_address: Option<IpAddr>,
    /// What the host is.
    pub facts: HostFacts,
    /// The outbox of the last stored report and its number.
    pub outbox: String,
    /// The number of the last stored report.
    pub report_sequence: u64,
}
impl Body for HostObservation {}

/// What the host is, as its agent says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// The host's name.
    pub hostname: String,
    /// The operating system.
    pub operating_system: String,
    /// The kernel's version.
    pub kernel: String,
    /// Such as `x86_64`.
    pub architecture: String,
    /// Number of CPUs.
    pub cpu_count: u32,
    /// Name of the CPU.
    pub cpu_model: String,
    /// Memory in bytes.
    pub memory_total: u64,
    /// Size of the engine's disk in bytes.
    pub disk_total: u64,
    /// The engine's version.
    pub engine_version: String,
    /// The version of its API that is spoken.
    pub engine_api_version: String,
    /// Its storage driver.
    pub storage_driver: String,
    /// Its root folder.
    pub engine_root: String,
    /// The version of its control groups.
    pub cgroup_version: String,
    /// Addresses of its interfaces.
    pub addresses: Vec<IpAddr>,
    /// The agent's version.
    pub agent_version: String,
    /// What keeps it from working, by code.
    pub troubles: BTreeMap<String, String>,
}
