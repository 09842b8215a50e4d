//! What a container is made of.
//!
//! Every field but the image is optional: absent leaves the choice to the image or the engine. A field that an older
//! peer does not know is ignored by it.

use std::collections::BTreeMap;

use contract_values::{ContainerId, Duration, ImageRef, Labels, PortMapping, Secret};
use serde::{Deserialize, Serialize};

/// When to fetch an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// When the host does not have it.
    #[default]
    IfMissing,
    /// Before each creation; if that fails and the host has one, that is an error all the same.
    Always,
    /// Never: a missing image is an error.
    Never,
}

/// How a container is joined to networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum NetworkAttachment {
    /// The engine's default bridge.
    #[default]
    Bridge,
    /// The host's own network.
    Host,
    /// No network but loopback.
    None,
    /// The network of another container of ours.
    Container {
        /// Which one.
        id: ContainerId,
    },
    /// A network of the assignment.
    Named {
        /// Its name.
        network: String,
        /// Names under which the engine's resolver knows this container there.
        aliases: Vec<String>,
    },
}

/// A container as the engine is to make it. Sizes are bytes, CPU shares and quotas as in Docker's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The image.
    pub image: ImageRef,
    /// When to fetch it.
    #[serde(default)]
    pub pull: PullPolicy,
    /// The command; the image's when `None`.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// The entry point; the image's when `None`, none at all when empty.
    #[serde(default)]
    pub entrypoint: Option<Vec<String>>,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Labels besides our own.
    #[serde(default)]
    pub labels: Labels,
    /// The host name inside.
    #[serde(default)]
    pub hostname: Option<String>,
    /// The domain name inside.
    #[serde(default)]
    pub domain_name: Option<String>,
    /// User and group, as `user[:group]`.
    #[serde(default)]
    pub user: Option<String>,
    /// The working folder.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// Whether it has a terminal.
    #[serde(default)]
    pub tty: bool,
    /// Whether its standard input is kept open.
    #[serde(default)]
    pub stdin_open: bool,
    /// Whether an init process reaps its children; the engine's default when `None`.
    #[serde(default)]
    pub init: Option<bool>,
    /// Published ports; each has its public port, unless the engine shall choose one.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// Ports that are only declared.
    #[serde(default)]
    pub expose: Vec<PortMapping>,
    /// Whether the engine publishes every declared port on a port of its choice.
    #[serde(default)]
    pub publish_all_ports: bool,
    /// How it is joined to networks.
    #[serde(default)]
    pub network: NetworkAttachment,
    /// Its MAC address, if it is to have a certain one.
    #[serde(default)]
    pub mac_address: Option<String>,
    /// Resolvers.
    #[serde(default)]
    pub dns: Vec<String>,
    /// Options of the resolver.
    #[serde(default)]
    pub dns_options: Vec<String>,
    /// Search domains.
    #[serde(default)]
    pub dns_search: Vec<String>,
    /// Lines for `/etc/hosts`, as `name:address`.
    #[serde(default)]
    pub extra_hosts: Vec<String>,
    /// Volumes, bind mounts and memory file systems.
    #[serde(default)]
    pub mounts: Vec<MountSpec>,
    /// Containers of ours whose volumes it shares.
    #[serde(default)]
    pub volumes_from: Vec<ContainerId>,
    /// The driver of volumes that have no name or definition.
    #[serde(default)]
    pub volume_driver: Option<String>,
    /// Devices.
    #[serde(default)]
    pub devices: Vec<DeviceSpec>,
    /// Rules for devices that appear later, as `c 13:* rmw`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_cgroup_rules: Vec<String>,
    /// Devices by what they can do, such as graphics processors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_requests: Vec<DeviceRequestSpec>,
    /// Whether it has all rights on the host.
    #[serde(default)]
    pub privileged: bool,
    /// Whether its root file system is read-only.
    #[serde(default)]
    pub read_only: bool,
    /// Capabilities added.
    #[serde(default)]
    pub cap_add: Vec<String>,
    /// Capabilities taken away.
    #[serde(default)]
    pub cap_drop: Vec<String>,
    /// Further groups of its user.
    #[serde(default)]
    pub group_add: Vec<String>,
    /// Security options of the engine.
    #[serde(default)]
    pub security_options: Vec<String>,
    /// Kernel settings of its name spaces.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    /// Limits of its processes.
    #[serde(default)]
    pub ulimits: Vec<UlimitSpec>,
    /// The process name space: empty, `host` or `container:<name>`.
    #[serde(default)]
    pub pid_mode: Option<String>,
    /// The IPC name space.
    #[serde(default)]
    pub ipc_mode: Option<String>,
    /// The UTS name space.
    #[serde(default)]
    pub uts_mode: Option<String>,
    /// The user name space.
    #[serde(default)]
    pub userns_mode: Option<String>,
    /// The name space of control groups: `host` or `private`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroupns_mode: Option<String>,
    /// The control group above its own.
    #[serde(default)]
    pub cgroup_parent: Option<String>,
    /// The isolation technology (Windows only).
    #[serde(default)]
    pub isolation: Option<String>,
    /// The engine's runtime, such as `runc`.
    #[serde(default)]
    pub runtime: Option<String>,
    /// Annotations for the runtime.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image, such as `linux/amd64`.
    #[serde(default)]
    pub platform: Option<String>,
    /// Options of the storage driver.
    #[serde(default)]
    pub storage_options: BTreeMap<String, String>,
    /// Limits and shares.
    #[serde(default)]
    pub resources: ResourceSpec,
    /// Size of `/dev/shm`.
    #[serde(default)]
    pub shm_size: Option<i64>,
    /// The signal that stops it.
    #[serde(default)]
    pub stop_signal: Option<String>,
    /// How long a stop may take before it is killed; the engine's 10 s when `None`.
    #[serde(default)]
    pub stop_timeout: Option<Duration>,
    /// The engine's own restart policy.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// The engine's health check; the image's when `None`.
    #[serde(default)]
    pub health: Option<HealthSpec>,
    /// The engine's log driver; its default when `None`.
    #[serde(default)]
    pub log: Option<LogSpec>,
    /// Files that the container finds at their paths, read-only: secrets and configs. They are kept in memory on the
    /// host and never on the container's own disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSpec>,
    /// Who fetches the image; anybody when `None`. It is none of the container's properties: a change of it alone
    /// changes no container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_login: Option<RegistryLogin>,
}

/// A file in a container. Its content is never printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpec {
    /// Its whole path in the container.
    pub path: String,
    /// Its content in base64.
    pub content: Secret,
    /// Its owner.
    #[serde(default)]
    pub uid: u32,
    /// Its group.
    #[serde(default)]
    pub gid: u32,
    /// Its rights.
    #[serde(default = "readable")]
    pub mode: u32,
}

const fn readable() -> u32 {
    0o444
}

/// Who fetches images from a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// The registry, such as `registry.example:5000`.
    pub server: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// The engine's own restart policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Always, also after the engine has started.
    Always,
    /// Always, unless it was stopped.
    UnlessStopped,
    /// When its exit code is not zero.
    OnFailure {
        /// How often; without limit when absent.
        most: Option<u32>,
    },
}

/// What kind of mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A folder or file of the host.
    Bind,
    /// A named volume; one without a name when the source is empty.
    Volume,
    /// A file system in memory.
    Tmpfs,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// Its kind.
    pub kind: MountKind,
    /// The host's path or the volume's name; empty for a volume without a name and for memory.
    #[serde(default)]
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether it is read-only.
    #[serde(default)]
    pub read_only: bool,
    /// Options as in Docker's short form: `z`, `Z`, `nocopy`, propagation; for memory its mount options.
    #[serde(default)]
    pub options: Vec<String>,
    /// The folder inside the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subpath: Option<String>,
    /// Whether a missing path of the host is made; as in Docker's short form, it is when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_source: Option<bool>,
}

/// Devices asked for by what they can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRequestSpec {
    /// The driver, such as `nvidia`; any when empty.
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

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// The path on the host.
    pub host_path: String,
    /// The path in the container.
    pub container_path: String,
    /// Some of `r`, `w`, `m`.
    pub permissions: String,
}

/// One limit of processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UlimitSpec {
    /// Its name, such as `nofile`.
    pub name: String,
    /// The soft limit.
    pub soft: i64,
    /// The hard limit.
    pub hard: i64,
}

/// Limits and shares; `None` leaves the engine's default. Sizes in bytes, times in microseconds, as Docker's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceSpec {
    /// Most memory.
    pub memory: Option<i64>,
    /// Most memory and swap together; -1 is without limit.
    pub memory_swap: Option<i64>,
    /// Memory that it keeps under pressure.
    pub memory_reservation: Option<i64>,
    /// Inclination to swap, 0 to 100.
    pub memory_swappiness: Option<i64>,
    /// Most kernel memory.
    pub kernel_memory: Option<i64>,
    /// Share of CPU time against others.
    pub cpu_shares: Option<i64>,
    /// CPU time in each period.
    pub cpu_quota: Option<i64>,
    /// The length of a period.
    pub cpu_period: Option<i64>,
    /// Billionths of CPUs.
    pub nano_cpus: Option<i64>,
    /// The CPUs that it may use.
    pub cpuset: Option<String>,
    /// The memory nodes that it may use.
    pub cpuset_mems: Option<String>,
    /// Real-time period.
    pub cpu_realtime_period: Option<i64>,
    /// Real-time run time.
    pub cpu_realtime_runtime: Option<i64>,
    /// Share of disk time, 10 to 1000.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<i64>,
    /// The share of processors that it may use (Windows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<i64>,
    /// Most disk, where the engine's storage knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_quota: Option<i64>,
}

/// The engine's health check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthSpec {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<Duration>,
}

/// The engine's log driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSpec {
    /// The driver; the engine's default when empty.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}
