//! From the control plane's words for a container to the protocol's, by total functions that name every field.

use contract_protocol as wire;
use contract_values::{Duration, PortMapping};
use control_model::{
    Container, Device, DeviceRequest, HealthCheck, LaunchSpec, LogConfig, Mount, MountKind, Origin,
    PullPolicy, Resources, RestartPolicy, Row, Tables, Ulimit,
};

use crate::labels::{always_pulls, container_labels, hostname};
use crate::storage::volume_of;

/// What the spec of a container needs besides its launch options.
pub(crate) struct Surroundings {
    /// How it is joined to networks.
    pub network: wire::NetworkAttachment,
    /// Containers whose volumes it shares.
    pub volumes_from: Vec<contract_values::ContainerId>,
    /// Its secrets and configs.
    pub files: Vec<wire::FileSpec>,
    /// What opens the registry of its image.
    pub registry_login: Option<wire::RegistryLogin>,
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
        device_cgroup_rules,
        device_requests,
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
        cgroupns_mode,
        cgroup_parent,
        isolation,
        runtime,
        annotations,
        platform,
        storage_options,
        // Those of its service may be newer: see `limits`.
        resources: _,
        shm_size,
        stop_signal,
        stop_timeout,
        restart: _,
        health,
        log,
        // Resolved into `around`.
        secrets: _,
        files: _,
        // Not acted on.
        kept: _,
    } = &row.intent.launch;
    let (resources, restart) = limits(tables, row);
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
        files: around.files,
        registry_login: around.registry_login,
        volume_driver: volume_driver.clone(),
        devices: devices.iter().map(device).collect(),
        device_cgroup_rules: device_cgroup_rules.clone(),
        device_requests: device_requests.iter().map(device_request).collect(),
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
        cgroupns_mode: cgroupns_mode.clone(),
        cgroup_parent: cgroup_parent.clone(),
        isolation: isolation.clone(),
        runtime: runtime.clone(),
        annotations: annotations.clone(),
        platform: platform.clone(),
        storage_options: storage_options.clone(),
        resources: resource_spec(resources),
        shm_size: *shm_size,
        stop_signal: stop_signal.clone(),
        stop_timeout: asked_timeout.or(*stop_timeout),
        restart: restart.map_or(wire::RestartPolicy::No, restart_policy),
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
    let Mount { kind, source, target, read_only, options, subpath, create_source } = mount;
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
        subpath: subpath.clone(),
        create_source: *create_source,
    }
}

/// The limits and the restart policy of a container. Those of a service may be changed while its containers run: then
/// the service has the newer ones, and its version is still theirs.
pub(crate) fn limits<'a>(
    tables: &'a Tables,
    row: &'a Row<Container>,
) -> (&'a Resources, Option<&'a RestartPolicy>) {
    let launch = match row.intent.origin {
        Origin::Service { service, launch_version, .. } => tables
            .services
            .get(service)
            .filter(|service| service.intent.launch_version == launch_version)
            .map_or(&row.intent.launch, |service| &service.intent.launch),
        Origin::Standalone | Origin::Native { .. } => &row.intent.launch,
    };
    (&launch.resources, launch.restart.as_ref())
}

fn device_request(request: &DeviceRequest) -> wire::DeviceRequestSpec {
    let DeviceRequest { driver, count, device_ids, capabilities, options } = request;
    wire::DeviceRequestSpec {
        driver: driver.clone(),
        count: *count,
        device_ids: device_ids.clone(),
        capabilities: capabilities.clone(),
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
        cpu_count,
        cpu_percent,
        disk_quota,
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
        cpu_count: *cpu_count,
        cpu_percent: *cpu_percent,
        disk_quota: *disk_quota,
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
    let HealthCheck { test, interval, timeout, retries, start_period, start_interval } = check;
    wire::HealthSpec {
        test: test.clone(),
        interval: *interval,
        timeout: *timeout,
        retries: *retries,
        start_period: *start_period,
        start_interval: *start_interval,
    }
}

fn log_spec(log: &LogConfig) -> wire::LogSpec {
    let LogConfig { driver, options } = log;
    wire::LogSpec { driver: driver.clone(), options: options.clone() }
}
