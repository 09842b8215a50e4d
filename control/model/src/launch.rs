//! What one container of a service is, in the control plane's own words.

use std::collections::BTreeMap;

use contract_values::{Duration, ImageRef, Labels, PortMapping, SecretId};
use serde::{Deserialize, Serialize};

/// Everything that the engine needs to make a container, before placement. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LaunchSpec {
    /// The image; `None` only in services that have no containers of their own.
    pub image: Option<ImageRef>,
    /// When to fetch it.
    pub pull: PullPolicy,
    /// Where it is built from, if it is.
    pub build: Option<BuildSource>,
    /// The command; the image's when `None`.
    pub command: Option<Vec<String>>,
    /// The entry point; the image's when `None`.
    pub entrypoint: Option<Vec<String>>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Labels as the user gave them.
    pub labels: Labels,
    /// The host name inside.
    pub hostname: Option<String>,
    /// The domain name inside.
    pub domain_name: Option<String>,
    /// User and group.
    pub user: Option<String>,
    /// The working folder.
    pub working_dir: Option<String>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether its standard input is kept open.
    pub stdin_open: bool,
    /// Whether an init process reaps its children.
    pub init: Option<bool>,
    /// Published ports as asked for.
    pub ports: Vec<PortMapping>,
    /// Ports that are only declared.
    pub expose: Vec<PortMapping>,
    /// Whether the engine publishes every declared port.
    pub publish_all_ports: bool,
    /// How it is joined to networks.
    pub network: NetworkMode,
    /// Further names on its network.
    pub network_aliases: Vec<String>,
    /// Its MAC address.
    pub mac_address: Option<String>,
    /// Resolvers.
    pub dns: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Lines for `/etc/hosts`, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// Volumes, bind mounts and memory file systems; volumes by their name in the stack's files.
    pub mounts: Vec<Mount>,
    /// Names of services or containers whose volumes it shares.
    pub volumes_from: Vec<String>,
    /// The driver of volumes that have no definition.
    pub volume_driver: Option<String>,
    /// Devices.
    pub devices: Vec<Device>,
    /// Rules for devices that appear later.
    pub device_cgroup_rules: Vec<String>,
    /// Devices by what they can do.
    pub device_requests: Vec<DeviceRequest>,
    /// Whether it has all rights on the host.
    pub privileged: bool,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Capabilities taken away.
    pub cap_drop: Vec<String>,
    /// Further groups.
    pub group_add: Vec<String>,
    /// Security options.
    pub security_options: Vec<String>,
    /// Kernel settings.
    pub sysctls: BTreeMap<String, String>,
    /// Limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// The process name space.
    pub pid_mode: Option<String>,
    /// The IPC name space.
    pub ipc_mode: Option<String>,
    /// The UTS name space.
    pub uts_mode: Option<String>,
    /// The user name space.
    pub userns_mode: Option<String>,
    /// The name space of control groups.
    pub cgroupns_mode: Option<String>,
    /// The control group above its own.
    pub cgroup_parent: Option<String>,
    /// The isolation technology.
    pub isolation: Option<String>,
    /// The engine's runtime.
    pub runtime: Option<String>,
    /// Annotations for the runtime.
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image.
    pub platform: Option<String>,
    /// Options of the storage driver.
    pub storage_options: BTreeMap<String, String>,
    /// Limits and shares.
    pub resources: Resources,
    /// Size of `/dev/shm`.
    pub shm_size: Option<i64>,
    /// The signal that stops it.
    pub stop_signal: Option<String>,
    /// How long a stop may take.
    pub stop_timeout: Option<Duration>,
    /// The restart policy as the user wrote it; `None` when nothing was written.
    pub restart: Option<RestartPolicy>,
    /// The engine's health check.
    pub health: Option<HealthCheck>,
    /// The engine's log driver.
    pub log: Option<LogConfig>,
    /// Secrets of the environment, as files.
    pub secrets: Vec<SecretMount>,
    /// Files with a content that is no secret.
    pub files: Vec<FileMount>,
    /// Fields of the API that the platform keeps and shows but does not act on yet.
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
    pub context: Option<String>,
    /// An address.
    pub remote: Option<String>,
    /// The path of the Dockerfile.
    pub dockerfile: Option<String>,
    /// Build arguments.
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
    pub kind: MountKind,
    /// The host's path or the volume's name; empty for a volume without a name.
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Options as in Docker's short form.
    pub options: Vec<String>,
    /// The folder inside the volume.
    pub subpath: Option<String>,
    /// Whether a missing path of the host is made; it is when `None`.
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
    pub memory: Option<i64>,
    /// Most memory and swap together.
    pub memory_swap: Option<i64>,
    /// Memory that the scheduler sets aside and the engine keeps under pressure.
    pub memory_reservation: Option<i64>,
    /// Inclination to swap.
    pub memory_swappiness: Option<i64>,
    /// Most kernel memory.
    pub kernel_memory: Option<i64>,
    /// Share of CPU time.
    pub cpu_shares: Option<i64>,
    /// CPU time in each period, in microseconds.
    pub cpu_quota: Option<i64>,
    /// The length of a period, in microseconds.
    pub cpu_period: Option<i64>,
    /// Billionths of CPUs.
    pub nano_cpus: Option<i64>,
    /// Thousandths of a CPU that the scheduler sets aside.
    pub milli_cpu_reservation: Option<i64>,
    /// The CPUs that it may use.
    pub cpuset: Option<String>,
    /// The memory nodes that it may use.
    pub cpuset_mems: Option<String>,
    /// Real-time period.
    pub cpu_realtime_period: Option<i64>,
    /// Real-time run time.
    pub cpu_realtime_runtime: Option<i64>,
    /// Share of disk time.
    pub blkio_weight: Option<u16>,
    /// Disk weight by device.
    pub blkio_weight_device: BTreeMap<String, u64>,
    /// Bytes read a second by device.
    pub device_read_bps: BTreeMap<String, u64>,
    /// Bytes written a second by device.
    pub device_write_bps: BTreeMap<String, u64>,
    /// Reads a second by device.
    pub device_read_iops: BTreeMap<String, u64>,
    /// Writes a second by device.
    pub device_write_iops: BTreeMap<String, u64>,
    /// Most processes.
    pub pids_limit: Option<i64>,
    /// Whether it is spared when memory runs out.
    pub oom_kill_disable: Option<bool>,
    /// Its place in the order of killing.
    pub oom_score_adj: Option<i64>,
    /// How many processors it may use (Windows).
    pub cpu_count: Option<i64>,
    /// The share of processors that it may use (Windows).
    pub cpu_percent: Option<i64>,
    /// Most disk.
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
    pub test: Vec<String>,
    /// Time between checks.
    pub interval: Option<Duration>,
    /// How long a check may take.
    pub timeout: Option<Duration>,
    /// How many failures in a row make it unhealthy.
    pub retries: Option<i64>,
    /// How long failures do not count after the start.
    pub start_period: Option<Duration>,
    /// Time between checks in that period.
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
