//! What a host saw.

use std::collections::BTreeMap;
use std::net::IpAddr;

use contract_values::{ContainerId, Incarnation, Labels, PortMapping, Timestamp, VolumeId};
use serde::{Deserialize, Deserializer, Serialize};

/// A numbered set of observations; the number grows by one and starts at one for each outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Which outbox the number belongs to; a new one is made when the agent's disk was lost.
    pub outbox: String,
    /// The number in that outbox.
    pub sequence: u64,
    /// What was seen. Kinds of items that this version does not know are left out when reading, so that a newer agent's
    /// report is still taken and acknowledged.
    #[serde(deserialize_with = "known_items")]
    pub items: Vec<ReportItem>,
}

fn known_items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ReportItem>, D::Error> {
    const KNOWN: [&str; 6] = ["container", "native", "native_gone", "native_list", "host", "volume"];
    let mut items = Vec::new();
    for value in Vec::<serde_json::Value>::deserialize(deserializer)? {
        let known = value.get("what").and_then(|what| what.as_str()).is_none_or(|what| KNOWN.contains(&what));
        if known {
            items.push(serde_json::from_value(value).map_err(serde::de::Error::custom)?);
        }
    }
    Ok(items)
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ReportItem {
    /// A container of ours has come further.
    Container(Box<ContainerReport>),
    /// A container that was started by hand is there or has changed.
    Native(Box<NativeReport>),
    /// A container that was started by hand has gone.
    NativeGone {
        /// The engine's id.
        docker_id: String,
    },
    /// The complete list of native containers by the engine's id: whatever else the server knows of has gone.
    NativeList {
        /// All of them.
        docker_ids: Vec<String>,
    },
    /// The host itself.
    Host(Box<HostFacts>),
    /// How far an order to remove a volume has come.
    Volume(Box<VolumeReport>),
}

/// How far an order to remove a volume has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeReport {
    /// Its name.
    pub name: String,
    /// The platform's id of it, as in the order.
    pub volume: VolumeId,
    /// Whether it is no longer there.
    pub gone: bool,
    /// Why it is still there.
    #[serde(default)]
    pub failure: Option<FailureCode>,
    /// The same in words.
    #[serde(default)]
    pub failure_text: Option<String>,
    /// When the next try is due.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
}

/// How far a run of a container has come. It only moves forward; starting again is a new incarnation or start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// It is wanted; nothing was done yet.
    #[default]
    Assigned,
    /// Its image is being fetched or it is being made.
    Preparing,
    /// It is made and being started.
    Starting,
    /// Its process runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// Its process has ended; the container is still there.
    Stopped,
    /// The container is no longer there.
    Gone,
}

/// Why a step on the host failed, as a closed set that the server can explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No registry has the image, or the host may not fetch it.
    ImageNotFound,
    /// The registry refused the credentials.
    RegistryDenied,
    /// The registry does not answer.
    RegistryUnreachable,
    /// A published port is taken on the host.
    PortTaken,
    /// The command or its interpreter is not in the image.
    CommandNotFound,
    /// The host has no space left.
    DiskFull,
    /// The engine refused a setting.
    InvalidOption,
    /// A bind mount's source is not on the host.
    MountMissing,
    /// Another container has the name.
    NameTaken,
    /// The process ended by itself with this result; see the exit code.
    Exited,
    /// The process was ended because memory ran out.
    OutOfMemory,
    /// The engine does not answer.
    EngineUnreachable,
    /// Anything else; the text says what.
    #[serde(other)]
    Other,
}

/// What a step is doing now, for people who watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Such as `pulling nginx:1.27`.
    pub text: String,
    /// 0 to 100 where it is known.
    pub percent: Option<u8>,
}

/// A container of ours, as seen on the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// Which one.
    pub id: ContainerId,
    /// Which run of it.
    pub incarnation: Incarnation,
    /// How often this run's process has been started; with `rank` it says which of two reports is newer.
    pub starts: u32,
    /// How far it is.
    pub rank: Rank,
    /// When this was seen, by the host's clock.
    pub at: Timestamp,
    /// The engine's id, once it is made.
    #[serde(default)]
    pub docker_id: Option<String>,
    /// The id of the image that it was made from.
    #[serde(default)]
    pub image_id: Option<String>,
    /// Its address on its first network.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// Its ports as the engine published them, with the public ports that it chose.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// When its process started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The last exit code.
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// The engine's health check: `starting`, `healthy`, `unhealthy`; `None` without one.
    #[serde(default)]
    pub health: Option<String>,
    /// The highest restart request that has been carried out.
    #[serde(default)]
    pub restarts_done: u32,
    /// What failed last, if the last step failed.
    #[serde(default)]
    pub failure: Option<FailureCode>,
    /// The engine's words for it, without secrets.
    #[serde(default)]
    pub failure_text: Option<String>,
    /// When the host will try again.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// What is being done now.
    #[serde(default)]
    pub progress: Option<Progress>,
}

/// A container that was started by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NativeReport {
    /// The engine's id.
    pub docker_id: String,
    /// Its name without the leading slash.
    pub name: String,
    /// The image as its maker wrote it.
    pub image: String,
    /// Its labels.
    #[serde(default)]
    pub labels: Labels,
    /// Its command.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its published ports.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// Its address on its first network.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// Its network mode as in the engine.
    #[serde(default)]
    pub network_mode: String,
    /// `Running` or `Stopped`.
    pub rank: Rank,
    /// When this was seen.
    pub at: Timestamp,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When its process started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The last exit code.
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// The engine's health check.
    #[serde(default)]
    pub health: Option<String>,
    /// The highest order that has been carried out.
    #[serde(default)]
    pub order_done: u32,
    /// The highest restart request that has been carried out.
    #[serde(default)]
    pub restarts_done: u32,
    /// Why the last order failed.
    #[serde(default)]
    pub failure_text: Option<String>,
}

/// What a host is; sent when it changes, not with each heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// The host's name.
    pub hostname: String,
    /// The operating system, such as `Debian GNU/Linux 12`.
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
    /// Size of the disk that holds the engine's data, in bytes.
    pub disk_total: u64,
    /// The engine.
    pub engine: EngineFacts,
    /// Labels given to the agent at its start.
    pub labels: Labels,
    /// Addresses of the host's own interfaces.
    pub addresses: Vec<IpAddr>,
    /// The agent's version.
    pub agent_version: String,
    /// Why the host cannot do its work, if so: `engine_unreachable`, `disk_full`.
    pub troubles: BTreeMap<String, String>,
}

/// What the engine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineFacts {
    /// Its version.
    pub version: String,
    /// The version of its API that is spoken.
    pub api_version: String,
    /// Its storage driver.
    pub storage_driver: String,
    /// Its root folder.
    pub root_dir: String,
    /// The version of its control groups, 1 or 2.
    pub cgroup_version: String,
}

/// Live figures of a host, kept in memory only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostMetrics {
    /// When they were read.
    pub at: Timestamp,
    /// CPU use of each core in percent since the last reading.
    pub cpu_percent: Vec<f64>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Free memory in bytes.
    pub memory_free: u64,
    /// Memory that could be had, in bytes.
    pub memory_available: u64,
    /// Memory of buffers in bytes.
    pub memory_buffers: u64,
    /// Memory of caches in bytes.
    pub memory_cached: u64,
    /// Swap in bytes.
    pub swap_total: u64,
    /// Free swap in bytes.
    pub swap_free: u64,
    /// Used bytes of the disk that holds the engine's data.
    pub disk_used: u64,
    /// Bytes received on all interfaces but loopback since boot.
    pub network_received: u64,
    /// Bytes sent.
    pub network_sent: u64,
}
