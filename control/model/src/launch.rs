//! What one container of a service is, in the control plane's own words.

use std::collections::BTreeMap;

use contract_values::{Duration, ImageRef, Labels, PortMapping, SecretId};
use serde::{Deserialize, Serialize};

use crate::object::is_default;

/// Everything that the engine needs to make a container, before placement. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LaunchSpec {
    /// The image; `None` only in services that have no containers of their own.
    #[serde(skip_serializing_if = "is_default")]
    pub image: Option<ImageRef>,
    /// When to fetch it.
    #[serde(skip_serializing_if = "is_default")]
    pub pull: PullPolicy,
    /// Where it is built from, if it is.
    #[serde(skip_serializing_if = "is_default")]
    pub build: Option<BuildSource>,
    /// The command; the image's when `None`.
    #[serde(skip_serializing_if = "is_default")]
    pub command: Option<Vec<String>>,
    /// The entry point; the image's when `None`.
    #[serde(skip_serializing_if = "is_default")]
    pub entrypoint: Option<Vec<String>>,
    /// Environment variables.
    #[serde(skip_serializing_if = "is_default")]
    pub environment: BTreeMap<String, String>,
    /// Labels as the user gave them.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Labels,
    /// The host name inside.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: Option<String>,
    /// The domain name inside.
    #[serde(skip_serializing_if = "is_default")]
    pub domain_name: Option<String>,
    /// User and group.
    #[serde(skip_serializing_if = "is_default")]
    pub user: Option<String>,
    /// The working folder.
    #[serde(skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    /// Whether it has a terminal.
    #[serde(skip_serializing_if = "is_default")]
    pub tty: bool,
    /// Whether its standard input is kept open.
    #[serde(skip_serializing_if = "is_default")]
    pub stdin_open: bool,
    /// Whether an init process reaps its children.
    #[serde(skip_serializing_if = "is_default")]
    pub init: Option<bool>,
    /// Published ports as asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<PortMapping>,
    /// Ports that are only declared.
    #[serde(skip_serializing_if = "is_default")]
    pub expose: Vec<PortMapping>,
    /// Whether the engine publishes every declared port.
    #[serde(skip_serializing_if = "is_default")]
    pub publish_all_ports: bool,
    /// How it is joined to networks.
    #[serde(skip_serializing_if = "is_default")]
    pub network: NetworkMode,
    /// Further names on its network.
    #[serde(skip_serializing_if = "is_default")]
    pub network_aliases: Vec<String>,
    /// Its MAC address.
    #[serde(skip_serializing_if = "is_default")]
    pub mac_address: Option<String>,
    /// Resolvers.
    #[serde(skip_serializing_if = "is_default")]
    pub dns: Vec<String>,
    /// Options of the resolver.
    #[serde(skip_serializing_if = "is_default")]
    pub dns_options: Vec<String>,
    /// Search domains.
    #[serde(skip_serializing_if = "is_default")]
    pub dns_search: Vec<String>,
    /// Lines for `/etc/hosts`, as `name:address`.
    #[serde(skip_serializing_if = "is_default")]
    pub extra_hosts: Vec<String>,
    /// Volumes, bind mounts and memory file systems; volumes by their name in the stack's files.
    #[serde(skip_serializing_if = "is_default")]
    pub mounts: Vec<Mount>,
    /// Names of services or containers whose volumes it shares.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes_from: Vec<String>,
    /// The driver of volumes that have no definition.
    #[serde(skip_serializing_if = "is_default")]
    pub volume_driver: Option<String>,
    /// Devices.
    #[serde(skip_serializing_if = "is_default")]
    pub devices: Vec<Device>,
    /// Rules for devices that appear later.
    #[serde(skip_serializing_if = "is_default")]
    pub device_cgroup_rules: Vec<String>,
    /// Devices by what they can do.
    #[serde(skip_serializing_if = "is_default")]
    pub device_requests: Vec<DeviceRequest>,
    /// Whether it has all rights on the host.
    #[serde(skip_serializing_if = "is_default")]
    pub privileged: bool,
    /// Whether its root file system is read-only.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Capabilities added.
    #[serde(skip_serializing_if = "is_default")]
    pub cap_add: Vec<String>,
    /// Capabilities taken away.
    #[serde(skip_serializing_if = "is_default")]
    pub cap_drop: Vec<String>,
    /// Further groups.
    #[serde(skip_serializing_if = "is_default")]
    pub group_add: Vec<String>,
    /// Security options.
    #[serde(skip_serializing_if = "is_default")]
    pub security_options: Vec<String>,
    /// Kernel settings.
    #[serde(skip_serializing_if = "is_default")]
    pub sysctls: BTreeMap<String, String>,
    /// Limits of its processes.
    #[serde(skip_serializing_if = "is_default")]
    pub ulimits: Vec<Ulimit>,
    /// The process name space.
    #[serde(skip_serializing_if = "is_default")]
    pub pid_mode: Option<String>,
    /// The IPC name space.
    #[serde(skip_serializing_if = "is_default")]
    pub ipc_mode: Option<String>,
    /// The UTS name space.
    #[serde(skip_serializing_if = "is_default")]
    pub uts_mode: Option<String>,
    /// The user name space.
    #[serde(skip_serializing_if = "is_default")]
    pub userns_mode: Option<String>,
    /// The name space of control groups.
    #[serde(skip_serializing_if = "is_default")]
    pub cgroupns_mode: Option<String>,
    /// The control group above its own.
    #[serde(skip_serializing_if = "is_default")]
    pub cgroup_parent: Option<String>,
    /// The isolation technology.
    #[serde(skip_serializing_if = "is_default")]
    pub isolation: Option<String>,
    /// The engine's runtime.
    #[serde(skip_serializing_if = "is_default")]
    pub runtime: Option<String>,
    /// Annotations for the runtime.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image.
    #[serde(skip_serializing_if = "is_default")]
    pub platform: Option<String>,
    /// Options of the storage driver.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_options: BTreeMap<String, String>,
    /// Limits and shares.
    pub resources: Resources,
    /// Size of `/dev/shm`.
    #[serde(skip_serializing_if = "is_default")]
    pub shm_size: Option<i64>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: Option<String>,
    /// How long a stop may take.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_timeout: Option<Duration>,
    /// The restart policy as the user wrote it; `None` when nothing was written.
    #[serde(skip_serializing_if = "is_default")]
    pub restart: Option<RestartPolicy>,
    /// The engine's health check.
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<HealthCheck>,
    /// The engine's log driver.
    #[serde(skip_serializing_if = "is_default")]
    pub log: Option<LogConfig>,
    /// Secrets of the environment, as files.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: Vec<SecretMount>,
    /// Files with a content that is no secret.
    #[serde(skip_serializing_if = "is_default")]
    pub files: Vec<FileMount>,
    /// Fields of the API that the platform keeps and shows but does not act on yet.
    #[serde(skip_serializing_if = "is_default")]
    pub kept: serde_json::Map<String, serde_json::Value>,
}

impl LaunchSpec {
    /// Whether containers that were made for this can be given `next` while they run: only limits and the restart
    /// policy differ, and in a way that an engine can follow.
    pub fn can_become(&self, next: &Self) -> bool {
        let rest = Self { resources: next.resources.clone(), restart: next.restart.clone(), ..self.clone() };
        // Whether it is a job is another thing than how it is restarted.
        rest == *next && self.start_once() == next.start_once() && self.resources.can_become(&next.resources)
    }

    /// Whether the container runs once and is then done: by the label `io.rancher.container.start_once`, or because
    /// its user wrote `restart: "no"`.
    pub fn start_once(&self) -> bool {
        self.restart == Some(RestartPolicy::No)
            || self
                .labels
                .get("io.rancher.container.start_once")
                .is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// Whether each host has one container, by the label `io.rancher.scheduler.global`.
    pub fn global(&self) -> bool {
        self.labels.get("io.rancher.scheduler.global").is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }
}

/// When to fetch an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// When the host does not have it.
    #[default]
    IfMissing,
    /// Before each creation.
    Always,
    /// Never.
    Never,
}

/// Where an image is built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildSource {
    /// A folder or an address.
    #[serde(skip_serializing_if = "is_default")]
    pub context: Option<String>,
    /// An address.
    #[serde(skip_serializing_if = "is_default")]
    pub remote: Option<String>,
    /// The path of the Dockerfile.
    #[serde(skip_serializing_if = "is_default")]
    pub dockerfile: Option<String>,
    /// Build arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub args: BTreeMap<String, String>,
}

/// How a container is joined to networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum NetworkMode {
    /// The platform's network.
    #[default]
    Managed,
    /// The engine's default bridge.
    Bridge,
    /// The host's own network.
    Host,
    /// No network.
    None,
    /// The network of another container.
    Container {
        /// Its name or, in a service, the other service's.
        name: String,
    },
}

/// What kind of mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A folder or file of the host.
    Bind,
    /// A named volume.
    #[default]
    Volume,
    /// A file system in memory.
    Tmpfs,
}

/// One mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Its kind.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: MountKind,
    /// The host's path or the volume's name; empty for a volume without a name.
    #[serde(skip_serializing_if = "is_default")]
    pub source: String,
    /// The path in the container.
    #[serde(skip_serializing_if = "is_default")]
    pub target: String,
    /// Whether it is read-only.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Options as in Docker's short form.
    #[serde(skip_serializing_if = "is_default")]
    pub options: Vec<String>,
    /// The folder inside the volume.
    #[serde(skip_serializing_if = "is_default")]
    pub subpath: Option<String>,
    /// Whether a missing path of the host is made; it is when `None`.
    #[serde(skip_serializing_if = "is_default")]
    pub create_source: Option<bool>,
}

/// Devices asked for by what they can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    /// The driver; any when empty.
    pub driver: String,
    /// How many; -1 is all.
    pub count: Option<i64>,
    /// Which ones, in place of a count.
    pub device_ids: Vec<String>,
    /// Alternatives, each a list of abilities that a device must all have.
    pub capabilities: Vec<Vec<String>>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// A secret as a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretMount {
    /// The secret.
    pub secret: Option<SecretId>,
    /// Its name when it was given by name; it is looked up when the service is written.
    pub name: String,
    /// The file: a name below `/run/secrets`, or a whole path.
    pub target: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its rights.
    pub mode: u32,
}

/// A file in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileMount {
    /// The name of the config that it is.
    pub config: String,
    /// Its whole path.
    pub target: String,
    /// Its content in base64.
    pub content: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its rights.
    pub mode: u32,
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The path on the host.
    pub host_path: String,
    /// The path in the container.
    pub container_path: String,
    /// Some of `r`, `w`, `m`.
    pub permissions: String,
}

/// One limit of processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ulimit {
    /// Its name.
    pub name: String,
    /// The soft limit.
    pub soft: i64,
    /// The hard limit.
    pub hard: i64,
}

/// Limits and shares; `None` leaves the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Most memory.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Option<i64>,
    /// Most memory and swap together.
    #[serde(skip_serializing_if = "is_default")]
    pub memory_swap: Option<i64>,
    /// Memory that the scheduler sets aside and the engine keeps under pressure.
    #[serde(skip_serializing_if = "is_default")]
    pub memory_reservation: Option<i64>,
    /// Inclination to swap.
    #[serde(skip_serializing_if = "is_default")]
    pub memory_swappiness: Option<i64>,
    /// Most kernel memory.
    #[serde(skip_serializing_if = "is_default")]
    pub kernel_memory: Option<i64>,
    /// Share of CPU time.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_shares: Option<i64>,
    /// CPU time in each period, in microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_quota: Option<i64>,
    /// The length of a period, in microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_period: Option<i64>,
    /// Billionths of CPUs.
    #[serde(skip_serializing_if = "is_default")]
    pub nano_cpus: Option<i64>,
    /// Thousandths of a CPU that the scheduler sets aside.
    #[serde(skip_serializing_if = "is_default")]
    pub milli_cpu_reservation: Option<i64>,
    /// The CPUs that it may use.
    #[serde(skip_serializing_if = "is_default")]
    pub cpuset: Option<String>,
    /// The memory nodes that it may use.
    #[serde(skip_serializing_if = "is_default")]
    pub cpuset_mems: Option<String>,
    /// Real-time period.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_realtime_period: Option<i64>,
    /// Real-time run time.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_realtime_runtime: Option<i64>,
    /// Share of disk time.
    #[serde(skip_serializing_if = "is_default")]
    pub blkio_weight: Option<u16>,
    /// Disk weight by device.
    #[serde(skip_serializing_if = "is_default")]
    pub blkio_weight_device: BTreeMap<String, u64>,
    /// Bytes read a second by device.
    #[serde(skip_serializing_if = "is_default")]
    pub device_read_bps: BTreeMap<String, u64>,
    /// Bytes written a second by device.
    #[serde(skip_serializing_if = "is_default")]
    pub device_write_bps: BTreeMap<String, u64>,
    /// Reads a second by device.
    #[serde(skip_serializing_if = "is_default")]
    pub device_read_iops: BTreeMap<String, u64>,
    /// Writes a second by device.
    #[serde(skip_serializing_if = "is_default")]
    pub device_write_iops: BTreeMap<String, u64>,
    /// Most processes.
    #[serde(skip_serializing_if = "is_default")]
    pub pids_limit: Option<i64>,
    /// Whether it is spared when memory runs out.
    #[serde(skip_serializing_if = "is_default")]
    pub oom_kill_disable: Option<bool>,
    /// Its place in the order of killing.
    #[serde(skip_serializing_if = "is_default")]
    pub oom_score_adj: Option<i64>,
    /// How many processors it may use (Windows).
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_count: Option<i64>,
    /// The share of processors that it may use (Windows).
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_percent: Option<i64>,
    /// Most disk.
    #[serde(skip_serializing_if = "is_default")]
    pub disk_quota: Option<i64>,
}

impl Resources {
    /// Whether a container that has these can be given `next` while it runs. The engine can change a limit and set a
    /// new one; taking one away, or changing how CPU time is counted, needs a new container.
    fn can_become(&self, next: &Self) -> bool {
        fn stays<T: PartialEq>(old: &Option<T>, new: &Option<T>) -> bool {
            new.is_some() || old.is_none()
        }
        // What the engine takes at the creation only is the same on both sides.
        let rest = Self {
            memory: next.memory,
            memory_swap: next.memory_swap,
            memory_reservation: next.memory_reservation,
            cpu_shares: next.cpu_shares,
            cpu_quota: next.cpu_quota,
            cpu_period: next.cpu_period,
            nano_cpus: next.nano_cpus,
            cpuset: next.cpuset.clone(),
            cpuset_mems: next.cpuset_mems.clone(),
            cpu_realtime_period: next.cpu_realtime_period,
            cpu_realtime_runtime: next.cpu_realtime_runtime,
            blkio_weight: next.blkio_weight,
            pids_limit: next.pids_limit,
            ..self.clone()
        };
        let counts_alike = self.nano_cpus.is_some() == next.nano_cpus.is_some()
            || self.cpu_quota.is_none() && self.cpu_period.is_none();
        rest == *next
            && counts_alike
            && stays(&self.memory, &next.memory)
            && stays(&self.memory_swap, &next.memory_swap)
            && stays(&self.memory_reservation, &next.memory_reservation)
            && stays(&self.cpu_shares, &next.cpu_shares)
            && stays(&self.cpu_quota, &next.cpu_quota)
            && stays(&self.cpu_period, &next.cpu_period)
            && stays(&self.nano_cpus, &next.nano_cpus)
            && stays(&self.cpuset, &next.cpuset)
            && stays(&self.cpuset_mems, &next.cpuset_mems)
            && stays(&self.cpu_realtime_period, &next.cpu_realtime_period)
            && stays(&self.cpu_realtime_runtime, &next.cpu_realtime_runtime)
            && stays(&self.blkio_weight, &next.blkio_weight)
            && stays(&self.pids_limit, &next.pids_limit)
    }
}

/// The engine's restart policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Always.
    Always,
    /// Always, unless it was stopped.
    UnlessStopped,
    /// When its exit code is not zero.
    OnFailure {
        /// How often; without limit when absent.
        #[serde(default)]
        most: Option<u32>,
    },
}

/// The engine's health check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// As in Docker: `["CMD", …]`, `["CMD-SHELL", "…"]`, `["NONE"]`.
    #[serde(skip_serializing_if = "is_default")]
    pub test: Vec<String>,
    /// Time between checks.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: Option<Duration>,
    /// How long a check may take.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// How many failures in a row make it unhealthy.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: Option<i64>,
    /// How long failures do not count after the start.
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: Option<Duration>,
    /// Time between checks in that period.
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: Option<Duration>,
}

/// The engine's log driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// The driver.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests;
