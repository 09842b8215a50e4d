//! What a host shall be.

use std::collections::BTreeMap;

use contract_values::{ContainerId, Duration, ImageRef, Incarnation, Labels, PortMapping};
use serde::{Deserialize, Serialize};

/// Everything that one host shall run; it is complete, so what is ours and not in it goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Assignment {
    /// The containers, by id.
    pub containers: BTreeMap<ContainerId, ContainerAssignment>,
    /// The networks that they need, by name.
    pub networks: BTreeMap<String, NetworkSpec>,
    /// The named volumes that they need, by name. A volume is never removed because it left this list.
    pub volumes: BTreeMap<String, VolumeSpec>,
    /// Orders about containers that were started by hand, by the engine's id.
    pub natives: BTreeMap<String, NativeOrder>,
}

/// One step from an assignment to the next; `None` takes the entry away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum AssignmentChange {
    /// A container was added, changed or taken away.
    Container {
        /// Which one.
        id: ContainerId,
        /// What it shall be.
        to: Option<Box<ContainerAssignment>>,
    },
    /// A network was added, changed or taken away.
    Network {
        /// Its name.
        name: String,
        /// What it shall be.
        to: Option<NetworkSpec>,
    },
    /// A volume was added, changed or taken away.
    Volume {
        /// Its name.
        name: String,
        /// What it shall be.
        to: Option<VolumeSpec>,
    },
    /// An order about a native container was given or withdrawn.
    Native {
        /// The engine's id.
        docker_id: String,
        /// The order.
        to: Option<NativeOrder>,
    },
}

impl Assignment {
    /// Applies changes in order.
    pub fn apply(&mut self, changes: &[AssignmentChange]) {
        fn put<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, key: &K, to: Option<&V>) {
            match to {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
        for change in changes {
            match change {
                AssignmentChange::Container { id, to } => put(&mut self.containers, id, to.as_deref()),
                AssignmentChange::Network { name, to } => put(&mut self.networks, name, to.as_ref()),
                AssignmentChange::Volume { name, to } => put(&mut self.volumes, name, to.as_ref()),
                AssignmentChange::Native { docker_id, to } => put(&mut self.natives, docker_id, to.as_ref()),
            }
        }
    }

    /// Lists the changes that lead from `self` to `next`.
    pub fn changes_to(&self, next: &Self) -> Vec<AssignmentChange> {
        fn each<K: Ord + Clone, V: PartialEq + Clone>(
            old: &BTreeMap<K, V>,
            new: &BTreeMap<K, V>,
            mut emit: impl FnMut(K, Option<V>),
        ) {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                emit(key.clone(), None);
            }
            for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
                emit(key.clone(), Some(value.clone()));
            }
        }
        let mut changes = Vec::new();
        each(&self.networks, &next.networks, |name, to| changes.push(AssignmentChange::Network { name, to }));
        each(&self.volumes, &next.volumes, |name, to| changes.push(AssignmentChange::Volume { name, to }));
        each(&self.containers, &next.containers, |id, to| {
            changes.push(AssignmentChange::Container { id, to: to.map(Box::new) });
        });
        each(&self.natives, &next.natives, |docker_id, to| {
            changes.push(AssignmentChange::Native { docker_id, to });
        });
        changes
    }
}

/// What one container shall be on this host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerAssignment {
    /// The name in the engine, such as `shop-web-1`.
    pub name: String,
    /// The platform's uuid of the container.
    pub uuid: String,
    /// Which run is wanted. A higher one than the host has means: take the old away and make it anew.
    pub incarnation: Incarnation,
    /// Whether it shall run.
    pub run: DesiredRun,
    /// What to do when its process ends by itself.
    pub rule: RunRule,
    /// How often a person has asked for a restart; a higher number than the last one done means: restart now.
    #[serde(default)]
    pub restarts_asked: u32,
    /// The container itself.
    pub spec: ContainerSpec,
}

/// Whether a container shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredRun {
    /// It is made and started.
    Running,
    /// It is made, if it was not, and is not running.
    Stopped,
}

/// What to do when the process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunRule {
    /// Start it again, with a delay that grows while it keeps failing.
    KeepRunning,
    /// Leave it be: it was to run once. A non-zero exit code is reported as a failure.
    Once,
    /// Start it again, up to so many times, when its exit code is not zero.
    OnFailure {
        /// How often; without limit when absent.
        most: Option<u32>,
    },
}

/// An order about a container that was started by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeOrder {
    /// The platform's id of it.
    pub container: ContainerId,
    /// What it shall do; `None` leaves it as it is.
    pub run: Option<DesiredRun>,
    /// Counts the orders, so that one is carried out once and the host's own view wins afterwards.
    pub order: u32,
    /// How often a restart was asked for.
    #[serde(default)]
    pub restarts_asked: u32,
    /// Whether it shall be removed.
    #[serde(default)]
    pub remove: bool,
    /// How long a stop may take.
    #[serde(default)]
    pub stop_timeout: Option<Duration>,
}

/// A network to have on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSpec {
    /// The engine's driver; `bridge` when empty.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels besides our own.
    pub labels: Labels,
}

/// A named volume to have on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSpec {
    /// The engine's driver; `local` when empty.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels besides our own.
    pub labels: Labels,
}

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
    /// The control group above its own.
    #[serde(default)]
    pub cgroup_parent: Option<String>,
    /// The isolation technology (Windows only).
    #[serde(default)]
    pub isolation: Option<String>,
    /// The engine's runtime, such as `runc`.
    #[serde(default)]
    pub runtime: Option<String>,
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
