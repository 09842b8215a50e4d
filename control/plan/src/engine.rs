//! From the control plane's words for a container to the protocol's, by total functions that name every field.

use contract_protocol as wire;
use contract_values::{Duration, PortMapping};
use control_model::{
    Container, Device, HealthCheck, LaunchSpec, LogConfig, Mount, MountKind, PullPolicy, Resources,
    RestartPolicy, Row, Tables, Ulimit,
};

use crate::labels::{always_pulls, container_labels, hostname};
use crate::storage::volume_of;

/// What the spec of a container needs besides its launch options.
pub(crate) struct Surroundings {
    /// How it is joined to networks.
    pub network: wire::NetworkAttachment,
    /// Containers whose volumes it shares.
    pub volumes_from: Vec<contract_values::ContainerId>,
}

/// Describes a container to its host; `None` for what has no image and so is no container.
pub(crate) fn container_spec(
    tables: &Tables,
    row: &Row<Container>,
    around: Surroundings,
) -> Option<wire::ContainerSpec> {
    let LaunchSpec {
        image,
        pull,
        // Built before the deploy; the image's name is what runs.
        build: _,
        command,
        entrypoint,
        environment,
        labels,
        // Unless a label sets it: see `hostname`.
        hostname: _,
        domain_name,
        user,
        working_dir,
        tty,
        stdin_open,
        init,
        ports,
        expose,
        publish_all_ports,
        // Resolved into `around`.
        network: _,
        network_aliases: _,
        mac_address,
        dns,
        dns_options,
        dns_search,
        extra_hosts,
        mounts,
        volumes_from: _,
        volume_driver,
        devices,
        privileged,
        read_only,
        cap_add,
        cap_drop,
        group_add,
        security_options,
        sysctls,
        ulimits,
        pid_mode,
        ipc_mode,
        uts_mode,
        userns_mode,
        cgroup_parent,
        isolation,
        runtime,
        platform,
        storage_options,
        resources,
        shm_size,
        stop_signal,
        stop_timeout,
        restart,
        health,
        log,
        // Not acted on.
        kept: _,
    } = &row.intent.launch;
    let asked_timeout = row.intent.stop_timeout_seconds.map(|s| Duration::seconds(i64::from(s)));
    Some(wire::ContainerSpec {
        image: image.clone()?,
        pull: if always_pulls(labels) { wire::PullPolicy::Always } else { pull_policy(*pull) },
        command: command.clone(),
        entrypoint: entrypoint.clone(),
        environment: environment.clone(),
        labels: container_labels(tables, row),
        hostname: hostname(&row.intent),
        domain_name: domain_name.clone(),
        user: user.clone(),
        working_dir: working_dir.clone(),
        tty: *tty,
        stdin_open: *stdin_open,
        init: *init,
        ports: published(ports, &row.decision.ports),
        expose: expose.clone(),
        publish_all_ports: *publish_all_ports,
        network: around.network,
        mac_address: mac_address.clone(),
        dns: dns.clone(),
        dns_options: dns_options.clone(),
        dns_search: dns_search.clone(),
        extra_hosts: extra_hosts.clone(),
        mounts: mounts.iter().map(|mount| mount_spec(tables, row, mount)).collect(),
        volumes_from: around.volumes_from,
        volume_driver: volume_driver.clone(),
        devices: devices.iter().map(device).collect(),
        privileged: *privileged,
        read_only: *read_only,
        cap_add: cap_add.clone(),
        cap_drop: cap_drop.clone(),
        group_add: group_add.clone(),
        security_options: security_options.clone(),
        sysctls: sysctls.clone(),
        ulimits: ulimits.iter().map(ulimit).collect(),
        pid_mode: pid_mode.clone(),
        ipc_mode: ipc_mode.clone(),
        uts_mode: uts_mode.clone(),
        userns_mode: userns_mode.clone(),
        cgroup_parent: cgroup_parent.clone(),
        isolation: isolation.clone(),
        runtime: runtime.clone(),
        platform: platform.clone(),
        storage_options: storage_options.clone(),
        resources: resource_spec(resources),
        shm_size: *shm_size,
        stop_signal: stop_signal.clone(),
        stop_timeout: asked_timeout.or(*stop_timeout),
        restart: restart.as_ref().map_or(wire::RestartPolicy::No, restart_policy),
        health: health.as_ref().map(health_spec),
        log: log.as_ref().map(log_spec),
    })
}

/// The ports to publish: as asked for, with the public ports that were chosen where none was asked for.
pub(crate) fn published(asked: &[PortMapping], chosen: &[PortMapping]) -> Vec<PortMapping> {
    let choose = |port: &PortMapping| {
        let same = |c: &&PortMapping| c.private == port.private && c.transport == port.transport;
        match port.public {
            Some(_) => *port,
            None => PortMapping { public: chosen.iter().find(same).and_then(|c| c.public), ..*port },
        }
    };
    asked.iter().map(choose).collect()
}

fn mount_spec(tables: &Tables, row: &Row<Container>, mount: &Mount) -> wire::MountSpec {
    let Mount { kind, source, target, read_only, options } = mount;
    wire::MountSpec {
        kind: match kind {
            MountKind::Bind => wire::MountKind::Bind,
            MountKind::Volume => wire::MountKind::Volume,
            MountKind::Tmpfs => wire::MountKind::Tmpfs,
        },
        source: volume_of(tables, &row.intent, mount).map_or_else(|| source.clone(), |volume| volume.name),
        target: target.clone(),
        read_only: *read_only,
        options: options.clone(),
    }
}

const fn pull_policy(pull: PullPolicy) -> wire::PullPolicy {
    match pull {
        PullPolicy::IfMissing => wire::PullPolicy::IfMissing,
        PullPolicy::Always => wire::PullPolicy::Always,
        PullPolicy::Never => wire::PullPolicy::Never,
    }
}

fn device(device: &Device) -> wire::DeviceSpec {
    let Device { host_path, container_path, permissions } = device;
    wire::DeviceSpec {
        host_path: host_path.clone(),
        container_path: container_path.clone(),
        permissions: permissions.clone(),
    }
}

fn ulimit(limit: &Ulimit) -> wire::UlimitSpec {
    let Ulimit { name, soft, hard } = limit;
    wire::UlimitSpec { name: name.clone(), soft: *soft, hard: *hard }
}

fn resource_spec(resources: &Resources) -> wire::ResourceSpec {
    let Resources {
        memory,
        memory_swap,
        memory_reservation,
        memory_swappiness,
        kernel_memory,
        cpu_shares,
        cpu_quota,
        cpu_period,
        nano_cpus,
        milli_cpu_reservation,
        cpuset,
        cpuset_mems,
        cpu_realtime_period,
        cpu_realtime_runtime,
        blkio_weight,
        blkio_weight_device,
        device_read_bps,
        device_write_bps,
        device_read_iops,
        device_write_iops,
        pids_limit,
        oom_kill_disable,
        oom_score_adj,
    } = resources;
    // A reservation of CPU is a share of its time, as the compatible scheduler has it.
    let reserved = milli_cpu_reservation.map(|milli| milli.saturating_mul(1024).div_euclid(1000).max(2));
    wire::ResourceSpec {
        memory: *memory,
        memory_swap: *memory_swap,
        memory_reservation: *memory_reservation,
        memory_swappiness: *memory_swappiness,
        kernel_memory: *kernel_memory,
        cpu_shares: cpu_shares.or(reserved),
        cpu_quota: *cpu_quota,
        cpu_period: *cpu_period,
        nano_cpus: *nano_cpus,
        cpuset: cpuset.clone(),
        cpuset_mems: cpuset_mems.clone(),
        cpu_realtime_period: *cpu_realtime_period,
        cpu_realtime_runtime: *cpu_realtime_runtime,
        blkio_weight: *blkio_weight,
        blkio_weight_device: blkio_weight_device.clone(),
        device_read_bps: device_read_bps.clone(),
        device_write_bps: device_write_bps.clone(),
        device_read_iops: device_read_iops.clone(),
        device_write_iops: device_write_iops.clone(),
        pids_limit: *pids_limit,
        oom_kill_disable: *oom_kill_disable,
        oom_score_adj: *oom_score_adj,
    }
}

const fn restart_policy(policy: &RestartPolicy) -> wire::RestartPolicy {
    match policy {
        RestartPolicy::No => wire::RestartPolicy::No,
        RestartPolicy::Always => wire::RestartPolicy::Always,
        RestartPolicy::UnlessStopped => wire::RestartPolicy::UnlessStopped,
        RestartPolicy::OnFailure { most } => wire::RestartPolicy::OnFailure { most: *most },
    }
}

fn health_spec(check: &HealthCheck) -> wire::HealthSpec {
    let HealthCheck { test, interval, timeout, retries, start_period } = check;
    wire::HealthSpec {
        test: test.clone(),
        interval: *interval,
        timeout: *timeout,
        retries: *retries,
        start_period: *start_period,
    }
}

fn log_spec(log: &LogConfig) -> wire::LogSpec {
    let LogConfig { driver, options } = log;
    wire::LogSpec { driver: driver.clone(), options: options.clone() }
}
