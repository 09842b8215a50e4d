//! How a container is launched, and what a set of compose files means, in the API's own words.
//!
//! The API, the compose reader, the store's bodies and the clients all speak of these types. Every option is optional:
//! absent means "the image's or the engine's default". Names and units on the wire are those that existing clients
//! know; what is ours alone is marked so. A field that this version does not know is kept and written back, so that
//! an older server loses nothing that a newer client said.
//!
//! Environment values often hold passwords: [`Environment`] never prints them.

mod build;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use contract_values::{Duration, Labels, PortMapping};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use build::{BuildOptions, DockerBuild};
pub use plan::{
    Dependency, DependencyCondition, FileInput, Notice, ScalePolicy, ServiceInput, ServiceKind, ServiceLink,
    StackPlan, UpgradeStrategy, VolumeInput,
};

/// Text pairs whose values are never printed: the variables that a container's process sees.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Tells whether no variable is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|key| (key, "***"))).finish()
    }
}

impl Deref for Environment {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Environment {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<BTreeMap<String, String>> for Environment {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        texts(deserializer).map(Self)
    }
}

/// Reads `null` as the type's default, which clients send for what they do not set.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a map of texts; numbers and booleans become text and `null` becomes the empty text, as clients rely on.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values: Option<BTreeMap<String, Value>> = Option::deserialize(deserializer)?;
    let text = |(key, value)| match value {
        Value::Null => Ok((key, String::new())),
        Value::String(text) => Ok((key, text)),
        Value::Bool(_) | Value::Number(_) => Ok((key, value.to_string())),
        Value::Array(_) | Value::Object(_) => {
            Err(serde::de::Error::custom(format_args!("the value of `{key}` is not text")))
        }
    };
    values.unwrap_or_default().into_iter().map(text).collect()
}

/// How a container is launched: the `launchConfig` of a service, or the options of a stand-alone container.
///
/// A secondary launch configuration (sidekick) is the same with a `name`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LaunchConfig {
    // Names.
    /// The name of a sidekick or of a stand-alone container; absent on a primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `container` (default) or `virtualMachine`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How many copies of a stand-alone container to create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Labels of the container.
    #[serde(skip_serializing_if = "Labels::is_empty", deserialize_with = "texts")]
    pub labels: Labels,

    // Image.
    /// The image, written `docker:<reference>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_uuid: Option<String>,
    /// How to build the image on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<DockerBuild>,
    /// The credential to pull with; by default the newest one for the image's registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_credential_id: Option<String>,
    /// When to pull the image (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// The platform of the image, as `linux/arm64` (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,

    // Process.
    /// The command; an empty list clears the one of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The entry point; an empty list clears the one of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<Vec<String>>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The user, as `name[:group]` or `uid[:gid]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The environment variables.
    #[serde(skip_serializing_if = "Environment::is_empty")]
    pub environment: Environment,
    /// Keeps standard input open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin_open: Option<bool>,
    /// Gives the process a terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tty: Option<bool>,
    /// Runs an init process that reaps and forwards signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_init: Option<bool>,
    /// The signal that asks the process to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Seconds between that signal and the kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
    /// What happens when the process ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Starts a stand-alone container right after its creation (default true).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_on_create: Option<bool>,
    /// Where the output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_config: Option<LogConfig>,

    // Network.
    /// `managed` (default), `host`, `bridge`, `none` or `container`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// The container whose network is shared, with mode `container`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_container_id: Option<String>,
    /// The launch configuration of the same unit whose network is shared, with mode `container`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_launch_config: Option<String>,
    /// Networks to join.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub network_ids: Vec<String>,
    /// Published ports.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub ports: Vec<PortMapping>,
    /// Ports that the container listens on without publishing, as `80` or `80/udp`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub expose: Vec<String>,
    /// Publishes every exposed port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_all_ports: Option<bool>,
    /// The host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The domain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// More lines for `/etc/hosts`, as `name:address`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub extra_hosts: Vec<String>,
    /// Name servers.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub dns: Vec<String>,
    /// Options for the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub dns_opt: Vec<String>,
    /// Search domains.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub dns_search: Vec<String>,
    /// An address of the managed network to ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_ip_address: Option<String>,
    /// More names on the network.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub net_alias: Vec<String>,
    /// A fixed IPv4 address on the engine's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// A fixed IPv6 address on the engine's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip6: Option<String>,
    /// The hardware address (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Links of a stand-alone container: alias to container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub instance_links: BTreeMap<String, String>,

    // Storage.
    /// Volumes and host paths, as `[source:]target[:options]`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub data_volumes: Vec<String>,
    /// Containers whose volumes are mounted too.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub data_volumes_from: Vec<String>,
    /// Launch configurations of the same unit whose volumes are mounted too.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub data_volumes_from_launch_configs: Vec<String>,
    /// Volumes by id: path in the container to volume.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub data_volume_mounts: BTreeMap<String, String>,
    /// Mounts with options that `dataVolumes` cannot say (ours).
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub engine_mounts: Vec<EngineMount>,
    /// The driver of volumes that no declaration names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_driver: Option<String>,
    /// File systems in memory: path to mount options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub tmpfs: BTreeMap<String, String>,
    /// Makes the root file system read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Bytes of `/dev/shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<i64>,
    /// Options for the storage of the root file system.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub storage_opt: BTreeMap<String, String>,
    /// Secrets to place below `/run/secrets`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub secrets: Vec<SecretReference>,
    /// Configs to place as files (ours).
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub configs: Vec<ConfigReference>,

    // Resources.
    /// Bytes of memory at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Bytes of memory and swap together at most; -1 for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    /// Bytes of memory to reserve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<i64>,
    /// How willingly memory is swapped out, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swappiness: Option<i64>,
    /// Bytes of kernel memory at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<i64>,
    /// The weight among containers when processors are scarce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<i64>,
    /// Microseconds of processor time per period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// Microseconds of a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<i64>,
    /// Processors to run on, as `0-2,4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_set: Option<String>,
    /// Memory nodes to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_set_mems: Option<String>,
    /// Microseconds of a period of the real-time scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_realtime_period: Option<i64>,
    /// Microseconds of processor time in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_realtime_runtime: Option<i64>,
    /// The number of processors (Windows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<i64>,
    /// The share of processors (Windows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<i64>,
    /// Processors at most, in billionths of one (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<i64>,
    /// Thousandths of a processor that the scheduler reserves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milli_cpu_reservation: Option<i64>,
    /// The weight of block input and output, 10 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_weight: Option<i64>,
    /// Limits per block device; `DEFAULT_DISK` is the main one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub blkio_device_options: BTreeMap<String, BlkioDeviceOption>,
    /// Processes at most; -1 for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    /// Resource limits of processes.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub ulimits: Vec<Ulimit>,
    /// Keeps the kernel from killing it when memory is short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_kill_disable: Option<bool>,
    /// How early it is killed when memory is short, -1000 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    /// Bytes of disk at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_quota: Option<i64>,
    /// Devices by ability, as graphics processors (ours).
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub device_requests: Vec<DeviceRequest>,

    // Security.
    /// Gives all rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Kernel capabilities to add.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub cap_add: Vec<String>,
    /// Kernel capabilities to drop.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub cap_drop: Vec<String>,
    /// Security options, as `no-new-privileges:true`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub security_opt: Vec<String>,
    /// `host`, or `container:<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_mode: Option<String>,
    /// `host`, `private`, `shareable`, `none`, or `container:<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc_mode: Option<String>,
    /// `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uts: Option<String>,
    /// `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    /// `host` or `private` (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroupns_mode: Option<String>,
    /// The parent of its control group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// More groups of the process.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub group_add: Vec<String>,
    /// Devices of the host, as `host:container[:rwm]`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub devices: Vec<String>,
    /// Rules for devices that appear later (ours).
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub device_cgroup_rules: Vec<String>,
    /// Kernel parameters of its namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub sysctls: BTreeMap<String, String>,
    /// The isolation technology (Windows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// The runtime of the engine, as `runsc` (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Annotations for the runtime (ours).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub annotations: BTreeMap<String, String>,

    // Placement.
    /// The host to run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_host_id: Option<String>,

    // Health.
    /// The platform's health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<InstanceHealthCheck>,
    /// The engine's health check: `["CMD", …]`, `["CMD-SHELL", text]` or `["NONE"]`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub health_cmd: Vec<String>,
    /// Seconds between the engine's checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_interval: Option<u32>,
    /// Seconds after which a check of the engine fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_timeout: Option<u32>,
    /// Failures in a row after which the engine calls it unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_retries: Option<u32>,
    /// The exact interval, where whole seconds do not say it (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_interval_ms: Option<Duration>,
    /// The exact time-out, where whole seconds do not say it (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_timeout_ms: Option<Duration>,
    /// The time after the start in which failures do not count (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_start_period_ms: Option<Duration>,
    /// The time between checks in that period (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_start_interval_ms: Option<Duration>,

    // Other.
    /// Milliseconds that connections get to end before it stops; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_timeout_ms: Option<i64>,
    /// What follows when it stops by itself: `stop` (default) or `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_triggered_stop: Option<String>,
    /// Processors of a virtual machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpu: Option<u32>,
    /// Megabytes of memory of a virtual machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<i64>,
    /// First-boot data of a virtual machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userdata: Option<String>,
    /// Disks of a virtual machine.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub disks: Vec<VirtualMachineDisk>,

    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The engine's health check with exact times, whichever fields said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineHealth<'a> {
    /// `["CMD", …]`, `["CMD-SHELL", text]` or `["NONE"]`; empty for the one of the image.
    pub test: &'a [String],
    /// The time between checks.
    pub interval: Option<Duration>,
    /// The time after which a check fails.
    pub timeout: Option<Duration>,
    /// Failures in a row after which it is unhealthy.
    pub retries: Option<u32>,
    /// The time after the start in which failures do not count.
    pub start_period: Option<Duration>,
    /// The time between checks in that period.
    pub start_interval: Option<Duration>,
}

impl LaunchConfig {
    /// The image as an engine reads it, without the leading `docker:`.
    pub fn image(&self) -> Option<&str> {
        self.image_uuid.as_deref().map(|uuid| uuid.strip_prefix("docker:").unwrap_or(uuid))
    }

    /// The engine's health check, if any field of it is set.
    pub fn engine_health(&self) -> Option<EngineHealth<'_>> {
        let seconds = |value: Option<u32>| value.map(|s| Duration::seconds(i64::from(s)));
        let health = EngineHealth {
            test: &self.health_cmd,
            interval: self.health_interval_ms.or(seconds(self.health_interval)),
            timeout: self.health_timeout_ms.or(seconds(self.health_timeout)),
            retries: self.health_retries,
            start_period: self.health_start_period_ms,
            start_interval: self.health_start_interval_ms,
        };
        let EngineHealth { test, interval, timeout, retries, start_period, start_interval } = &health;
        let times = [interval, timeout, start_period, start_interval];
        let set = !test.is_empty() || retries.is_some() || times.iter().any(|time| time.is_some());
        set.then_some(health)
    }
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PullPolicy {
    /// Before every creation of a container.
    Always,
    /// When the host does not have it.
    Missing,
    /// Never: the host must have it.
    Never,
}

/// What happens when a process ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestartPolicy {
    /// `no`, `always`, `on-failure` or `unless-stopped`.
    pub name: String,
    /// Tries at most, with `on-failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_retry_count: Option<u32>,
}

/// Where the output of a container goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogConfig {
    /// The logging driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Its options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub config: BTreeMap<String, String>,
}

/// A limit of processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ulimit {
    /// The limit's name, as `nofile`.
    pub name: String,
    /// The soft limit; -1 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft: Option<i64>,
    /// The hard limit; -1 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard: Option<i64>,
}

/// Limits for one block device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlkioDeviceOption {
    /// The weight, 10 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Reads per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_iops: Option<i64>,
    /// Writes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_iops: Option<i64>,
    /// Bytes read per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bps: Option<i64>,
    /// Bytes written per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_bps: Option<i64>,
}

/// Devices asked for by what they can do (ours).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceRequest {
    /// The driver, as `nvidia`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// How many; -1 for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Which ones, instead of a count.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub device_ids: Vec<String>,
    /// Alternatives, each a list of abilities that a device must all have.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub capabilities: Vec<Vec<String>>,
    /// Options for the driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub options: BTreeMap<String, String>,
}

/// A mount with options that the short form cannot say (ours).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineMount {
    /// `bind`, `volume`, `tmpfs`, `image`, `cluster` or `npipe`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path, volume or image; absent for memory and for an unnamed volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The path in the container.
    pub target: String,
    /// Forbids writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// How mounts below travel, as `rslave`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<String>,
    /// Creates a missing host path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_host_path: Option<bool>,
    /// Does not fill a new volume from the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_copy: Option<bool>,
    /// The folder inside the volume or image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subpath: Option<String>,
    /// Bytes of memory at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_size: Option<i64>,
    /// The mode of the folder in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_mode: Option<u32>,
}

/// A secret in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretReference {
    /// Which secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<String>,
    /// Which secret, by its name in the environment, where the id is not known (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The file's name below `/run/secrets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The file's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<String>,
    /// The file's mode, in octal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// A config in a container: a file whose content the stack brings along (ours).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigReference {
    /// Which config, by its name in the files of the stack.
    pub config: String,
    /// The path of the file in the container; `/` and the name of the config when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The file's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The file's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<String>,
    /// The file's mode, in octal digits; 0444 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// A disk of a virtual machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineDisk {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its size, as `40g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Whether it is the one that boots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<bool>,
    /// The storage driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options for the driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub opts: BTreeMap<String, String>,
    /// Reads per second at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_iops: Option<i64>,
    /// Writes per second at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_iops: Option<i64>,
}

/// The platform's health check; times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceHealthCheck {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The port in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Empty for a TCP connect, else method, path and version of an HTTP request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_line: Option<String>,
    /// The time between checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// The time after which a check without answer fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<Duration>,
    /// Passes in a row to become healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_threshold: Option<u32>,
    /// Failures in a row to become unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_threshold: Option<u32>,
    /// How long a new container may stay `initializing`; absent for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initializing_timeout: Option<Duration>,
    /// The same after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reinitializing_timeout: Option<Duration>,
    /// What happens to an unhealthy container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<HealthStrategy>,
    /// The settings of `recreateOnQuorum`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recreate_on_quorum_strategy_config: Option<QuorumConfig>,
}

/// What happens to an unhealthy container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HealthStrategy {
    /// Nothing.
    None,
    /// It is replaced.
    Recreate,
    /// It is replaced while enough others are healthy.
    RecreateOnQuorum,
}

/// The settings of `recreateOnQuorum`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuorumConfig {
    /// Healthy containers that must remain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
}

#[cfg(test)]
mod tests;
