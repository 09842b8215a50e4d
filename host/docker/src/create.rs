//! From a container's spec to the engine's words.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointSettings, HealthConfig, HostConfig, HostConfigIsolationEnum,
    HostConfigLogConfig, NetworkingConfig, PortBinding, ResourcesBlkioWeightDevice, ResourcesUlimits,
    RestartPolicy as EngineRestart, RestartPolicyNameEnum, ThrottleDevice,
};
use contract_protocol::{
    ContainerSpec, HealthSpec, LogSpec, MountKind, MountSpec, NetworkAttachment, ResourceSpec, RestartPolicy,
};
use contract_values::{Duration, PortMapping};
use host_driver::CreateRequest;

/// Writes the request of `POST /containers/create`. Every field of the spec is named here, so that a new one cannot be
/// forgotten; two are used elsewhere: `pull` by the agent and `platform` in the query.
pub(crate) fn render_create(request: &CreateRequest<'_>) -> ContainerCreateBody {
    let ContainerSpec {
        image,
        pull: _,
        command,
        entrypoint,
        environment,
        labels,
        hostname,
        domain_name,
        user,
        working_dir,
        tty,
        stdin_open,
        init,
        ports,
        expose,
        publish_all_ports,
        network,
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
        platform: _,
        storage_options,
        resources,
        shm_size,
        stop_signal,
        stop_timeout,
        restart,
        health,
        log,
    } = request.spec;

    let mut all_labels: HashMap<String, String> = labels.clone().into_iter().collect();
    all_labels.extend(request.labels.clone());
    let (network_mode, networking_config) = render_network(network, request, mac_address.as_deref());
    let exposed: Vec<String> = ports.iter().chain(expose).map(private_port).collect();
    let host = HostConfig {
        binds: some_list(mounts.iter().filter_map(render_bind).collect()),
        tmpfs: some_map(mounts.iter().filter(|m| m.kind == MountKind::Tmpfs).map(render_tmpfs).collect()),
        port_bindings: some_map(render_ports(ports)),
        publish_all_ports: publish_all_ports.then_some(true),
        network_mode: Some(network_mode),
        restart_policy: Some(render_restart(restart)),
        volumes_from: some_list(request.volumes_from.to_vec()),
        volume_driver: volume_driver.clone(),
        devices: some_list(
            devices
                .iter()
                .map(|device| DeviceMapping {
                    path_on_host: Some(device.host_path.clone()),
                    path_in_container: Some(device.container_path.clone()),
                    cgroup_permissions: Some(device.permissions.clone()),
                })
                .collect(),
        ),
        privileged: Some(*privileged),
        readonly_rootfs: Some(*read_only),
        cap_add: some_list(cap_add.clone()),
        cap_drop: some_list(cap_drop.clone()),
        group_add: some_list(group_add.clone()),
        security_opt: some_list(security_options.clone()),
        sysctls: text_map(sysctls),
        ulimits: some_list(
            ulimits
                .iter()
                .map(|limit| ResourcesUlimits {
                    name: Some(limit.name.clone()),
                    soft: Some(limit.soft),
                    hard: Some(limit.hard),
                })
                .collect(),
        ),
        dns: some_list(dns.clone()),
        dns_options: some_list(dns_options.clone()),
        dns_search: some_list(dns_search.clone()),
        extra_hosts: some_list(extra_hosts.clone()),
        pid_mode: pid_mode.clone(),
        ipc_mode: ipc_mode.clone(),
        uts_mode: uts_mode.clone(),
        userns_mode: userns_mode.clone(),
        cgroup_parent: cgroup_parent.clone(),
        isolation: isolation.as_deref().and_then(render_isolation),
        runtime: runtime.clone(),
        storage_opt: text_map(storage_options),
        shm_size: *shm_size,
        init: *init,
        log_config: log.as_ref().map(render_log),
        ..render_resources(resources)
    };
    ContainerCreateBody {
        image: Some(image.to_string()),
        cmd: command.clone(),
        // The engine reads an entry point of one empty text as «none at all».
        entrypoint: entrypoint
            .clone()
            .map(|words| if words.is_empty() { vec![String::new()] } else { words }),
        env: some_list(environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(all_labels),
        hostname: hostname.clone(),
        domainname: domain_name.clone(),
        user: user.clone(),
        working_dir: working_dir.clone(),
        tty: Some(*tty),
        open_stdin: Some(*stdin_open),
        exposed_ports: some_list(exposed),
        volumes: some_list(
            mounts
                .iter()
                .filter(|m| m.kind == MountKind::Volume && m.source.is_empty())
                .map(|m| m.target.clone())
                .collect(),
        ),
        stop_signal: stop_signal.clone(),
        stop_timeout: stop_timeout.map(whole_seconds),
        healthcheck: health.as_ref().map(render_health),
        host_config: Some(host),
        networking_config,
        ..ContainerCreateBody::default()
    }
}

fn render_resources(resources: &ResourceSpec) -> HostConfig {
    let ResourceSpec {
        memory,
        memory_swap,
        memory_reservation,
        memory_swappiness,
        kernel_memory: _, // Docker has dropped it; runc ignores it since 1.0.
        cpu_shares,
        cpu_quota,
        cpu_period,
        nano_cpus,
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
    HostConfig {
        memory: *memory,
        memory_swap: *memory_swap,
        memory_reservation: *memory_reservation,
        memory_swappiness: *memory_swappiness,
        cpu_shares: *cpu_shares,
        cpu_quota: *cpu_quota,
        cpu_period: *cpu_period,
        nano_cpus: *nano_cpus,
        cpuset_cpus: cpuset.clone(),
        cpuset_mems: cpuset_mems.clone(),
        cpu_realtime_period: *cpu_realtime_period,
        cpu_realtime_runtime: *cpu_realtime_runtime,
        blkio_weight: *blkio_weight,
        blkio_weight_device: some_list(
            blkio_weight_device
                .iter()
                .map(|(path, weight)| ResourcesBlkioWeightDevice {
                    path: Some(path.clone()),
                    weight: usize::try_from(*weight).ok(),
                })
                .collect(),
        ),
        blkio_device_read_bps: render_throttle(device_read_bps),
        blkio_device_write_bps: render_throttle(device_write_bps),
        blkio_device_read_iops: render_throttle(device_read_iops),
        blkio_device_write_iops: render_throttle(device_write_iops),
        pids_limit: *pids_limit,
        oom_kill_disable: *oom_kill_disable,
        oom_score_adj: *oom_score_adj,
        ..HostConfig::default()
    }
}

fn render_network(
    network: &NetworkAttachment,
    request: &CreateRequest<'_>,
    mac_address: Option<&str>,
) -> (String, Option<NetworkingConfig>) {
    let endpoint = |name: &str, aliases: Option<Vec<String>>| NetworkingConfig {
        endpoints_config: Some(HashMap::from([(
            name.to_owned(),
            EndpointSettings {
                aliases,
                mac_address: mac_address.map(str::to_owned),
                ..EndpointSettings::default()
            },
        )])),
    };
    match network {
        NetworkAttachment::Bridge => {
            ("bridge".to_owned(), mac_address.is_some().then(|| endpoint("bridge", None)))
        }
        NetworkAttachment::Host => ("host".to_owned(), None),
        NetworkAttachment::None => ("none".to_owned(), None),
        NetworkAttachment::Container { .. } => {
            (format!("container:{}", request.network_container.unwrap_or_default()), None)
        }
        NetworkAttachment::Named { network, aliases } => {
            (network.clone(), Some(endpoint(network, some_list(aliases.clone()))))
        }
    }
}

fn private_port(port: &PortMapping) -> String {
    format!("{}/{}", port.private, port.transport)
}

fn render_ports(ports: &[PortMapping]) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        bindings.entry(private_port(port)).or_default().get_or_insert_default().push(PortBinding {
            host_ip: port.address.map(|address| address.to_string()),
            host_port: Some(port.public.map_or_else(String::new, |public| public.to_string())),
        });
    }
    bindings
}

/// The short form `source:target[:options]`, which makes a missing folder and copies an image's content into a new volume, as
/// `docker run -v` does.
fn render_bind(mount: &MountSpec) -> Option<String> {
    if mount.kind == MountKind::Tmpfs || mount.source.is_empty() {
        return None;
    }
    let mut options = mount.options.clone();
    if mount.read_only {
        options.push("ro".to_owned());
    }
    let mut text = format!("{}:{}", mount.source, mount.target);
    if !options.is_empty() {
        text.push(':');
        text.push_str(&options.join(","));
    }
    Some(text)
}

fn render_tmpfs(mount: &MountSpec) -> (String, String) {
    let mut options = mount.options.clone();
    if mount.read_only {
        options.push("ro".to_owned());
    }
    (mount.target.clone(), options.join(","))
}

fn render_restart(policy: &RestartPolicy) -> EngineRestart {
    let (name, most) = match policy {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure { most } => (RestartPolicyNameEnum::ON_FAILURE, *most),
    };
    EngineRestart { name: Some(name), maximum_retry_count: most.map(i64::from) }
}

fn render_health(health: &HealthSpec) -> HealthConfig {
    let HealthSpec { test, interval, timeout, retries, start_period } = health;
    let nanoseconds = |span: Option<Duration>| span.map(|span| span.0.saturating_mul(1_000_000));
    HealthConfig {
        test: some_list(test.clone()),
        interval: nanoseconds(*interval),
        timeout: nanoseconds(*timeout),
        retries: *retries,
        start_period: nanoseconds(*start_period),
        ..HealthConfig::default()
    }
}

fn render_log(log: &LogSpec) -> HostConfigLogConfig {
    HostConfigLogConfig {
        typ: (!log.driver.is_empty()).then(|| log.driver.clone()),
        config: text_map(&log.options),
    }
}

fn render_isolation(isolation: &str) -> Option<HostConfigIsolationEnum> {
    match isolation {
        "default" => Some(HostConfigIsolationEnum::DEFAULT),
        "process" => Some(HostConfigIsolationEnum::PROCESS),
        "hyperv" => Some(HostConfigIsolationEnum::HYPERV),
        _ => None,
    }
}

fn render_throttle(limits: &BTreeMap<String, u64>) -> Option<Vec<ThrottleDevice>> {
    some_list(
        limits
            .iter()
            .map(|(path, rate)| ThrottleDevice { path: Some(path.clone()), rate: i64::try_from(*rate).ok() })
            .collect(),
    )
}

/// Whole seconds, rounded up, so that a short grace does not become none.
pub(crate) fn whole_seconds(span: Duration) -> i64 {
    (span.0.max(0) + 999) / 1000
}

fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn some_map<K, V>(map: HashMap<K, V>) -> Option<HashMap<K, V>> {
    (!map.is_empty()).then_some(map)
}

fn text_map(map: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!map.is_empty()).then(|| map.clone().into_iter().collect())
}
