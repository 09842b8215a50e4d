//! From our spec to the body of the engine's request: a total function that names every field.

use contract_protocol::{
    ContainerSpec, DeviceRequestSpec, DeviceSpec, HealthSpec, LogSpec, MountKind, MountSpec,
    NetworkAttachment, ResourceSpec, RestartPolicy, UlimitSpec,
};
use contract_values::{Duration, PortMapping};
use host_driver::{CreateRequest, Limits, MountedFile};
use serde_json::{Map, Value, json};

/// The version of the API since when a MAC address belongs to the endpoint.
const MAC_AT_ENDPOINT: (usize, usize) = (1, 44);

/// The body and the platform of a request to make a container.
pub(crate) fn create_body(request: &CreateRequest<'_>, version: (usize, usize)) -> (Value, Option<String>) {
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
        resources,
        shm_size,
        stop_signal,
        stop_timeout,
        restart,
        health,
        log,
        // They are placed on the host, and `request` says where.
        files: _,
        // Needed before there is a container.
        registry_login: _,
    } = request.spec;

    let mut all_labels = labels.clone();
    all_labels.extend(request.labels.clone());
    // What belongs to a network belongs to the container whose network it is; the engine refuses it elsewhere.
    let shares_network = matches!(network, NetworkAttachment::Container { .. });
    let own = |value: Value| if shares_network { Value::Null } else { value };

    let mut body = Map::new();
    put(&mut body, "Image", json!(image.to_string()));
    put(&mut body, "Cmd", json!(command));
    put(
        &mut body,
        "Entrypoint",
        match entrypoint {
            None => Value::Null,
            // One empty word is the engine's way to say: none, not even the image's.
            Some(words) if words.is_empty() => json!([""]),
            Some(words) => json!(words),
        },
    );
    let variables: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    put(&mut body, "Env", list(variables));
    put(&mut body, "Labels", json!(all_labels));
    put(&mut body, "Hostname", own(json!(hostname)));
    put(&mut body, "Domainname", own(json!(domain_name)));
    put(&mut body, "User", json!(user));
    put(&mut body, "WorkingDir", json!(working_dir));
    put(&mut body, "Tty", json!(tty));
    put(&mut body, "OpenStdin", json!(stdin_open));
    put(&mut body, "StopSignal", json!(stop_signal));
    put(&mut body, "StopTimeout", json!(stop_timeout.map(whole_seconds)));
    put(&mut body, "Healthcheck", json!(health.as_ref().map(health_body)));
    put(&mut body, "ExposedPorts", own(exposed(ports, expose)));
    put(&mut body, "Volumes", unnamed_volumes(mounts));

    let mut host = Map::new();
    put(&mut host, "Init", json!(init));
    put(&mut host, "PortBindings", own(bindings(ports)));
    put(&mut host, "PublishAllPorts", own(json!(publish_all_ports)));
    put(&mut host, "Dns", own(list(dns.clone())));
    put(&mut host, "DnsOptions", own(list(dns_options.clone())));
    put(&mut host, "DnsSearch", own(list(dns_search.clone())));
    put(&mut host, "ExtraHosts", own(list(extra_hosts.clone())));
    put(&mut host, "Binds", binds(mounts));
    put(&mut host, "Mounts", long_mounts(mounts, request.files));
    put(&mut host, "Tmpfs", tmpfs(mounts));
    put(&mut host, "VolumesFrom", list(request.volumes_from.to_vec()));
    put(&mut host, "VolumeDriver", json!(volume_driver));
    put(&mut host, "Devices", list(devices.iter().map(device_body).collect::<Vec<_>>()));
    put(&mut host, "DeviceCgroupRules", list(device_cgroup_rules.clone()));
    put(
        &mut host,
        "DeviceRequests",
        list(device_requests.iter().map(device_request_body).collect::<Vec<_>>()),
    );
    put(&mut host, "Privileged", json!(privileged));
    put(&mut host, "ReadonlyRootfs", json!(read_only));
    put(&mut host, "CapAdd", list(cap_add.clone()));
    put(&mut host, "CapDrop", list(cap_drop.clone()));
    put(&mut host, "GroupAdd", list(group_add.clone()));
    put(&mut host, "SecurityOpt", list(security_options.clone()));
    put(&mut host, "Sysctls", if sysctls.is_empty() { Value::Null } else { json!(sysctls) });
    put(&mut host, "Ulimits", list(ulimits.iter().map(ulimit_body).collect::<Vec<_>>()));
    put(&mut host, "PidMode", json!(pid_mode));
    put(&mut host, "IpcMode", json!(ipc_mode));
    put(&mut host, "UTSMode", json!(uts_mode));
    put(&mut host, "UsernsMode", json!(userns_mode));
    put(&mut host, "CgroupnsMode", json!(cgroupns_mode));
    put(&mut host, "CgroupParent", json!(cgroup_parent));
    put(&mut host, "Isolation", json!(isolation));
    put(&mut host, "Runtime", json!(runtime));
    put(&mut host, "Annotations", if annotations.is_empty() { Value::Null } else { json!(annotations) });
    put(
        &mut host,
        "StorageOpt",
        if storage_options.is_empty() { Value::Null } else { json!(storage_options) },
    );
    put(&mut host, "ShmSize", json!(shm_size));
    put(&mut host, "RestartPolicy", restart_body(restart));
    put(&mut host, "LogConfig", json!(log.as_ref().map(log_body)));
    put_resources(&mut host, resources);
    put(
        &mut host,
        "NetworkMode",
        match network {
            NetworkAttachment::Bridge => json!("bridge"),
            NetworkAttachment::Host => json!("host"),
            NetworkAttachment::None => json!("none"),
            NetworkAttachment::Container { .. } => {
                json!(request.network_container.map(|docker_id| format!("container:{docker_id}")))
            }
            NetworkAttachment::Named { network, .. } => json!(network),
        },
    );
    body.insert("HostConfig".into(), Value::Object(host));

    let mut endpoint = Map::new();
    let mut endpoint_of = None;
    if let NetworkAttachment::Named { network, aliases } = network {
        endpoint_of = Some(network.as_str());
        put(&mut endpoint, "Aliases", list(aliases.clone()));
    }
    if version >= MAC_AT_ENDPOINT && !shares_network {
        if mac_address.is_some() && *network == NetworkAttachment::Bridge {
            endpoint_of = Some("bridge");
        }
        put(&mut endpoint, "MacAddress", json!(mac_address));
    } else {
        put(&mut body, "MacAddress", own(json!(mac_address)));
    }
    if let Some(network) = endpoint_of {
        let endpoints: Map<String, Value> =
            [(network.to_owned(), Value::Object(endpoint))].into_iter().collect();
        body.insert("NetworkingConfig".into(), json!({ "EndpointsConfig": endpoints }));
    }
    (Value::Object(body), platform.clone())
}

/// Puts a value in, unless it leaves the choice to the engine.
fn put(map: &mut Map<String, Value>, name: &str, value: Value) {
    if !value.is_null() {
        map.insert(name.to_owned(), value);
    }
}

fn list<T: serde::Serialize>(items: Vec<T>) -> Value {
    if items.is_empty() { Value::Null } else { json!(items) }
}

fn whole_seconds(span: Duration) -> i64 {
    if span.0 < 0 { -1 } else { span.0.saturating_add(999) / 1000 }
}

fn nanoseconds(span: Duration) -> i64 {
    span.0.saturating_mul(1_000_000)
}

fn port_key(port: &PortMapping) -> String {
    format!("{}/{}", port.private, port.transport)
}

fn exposed(ports: &[PortMapping], expose: &[PortMapping]) -> Value {
    let keys: Map<String, Value> =
        ports.iter().chain(expose).map(|port| (port_key(port), json!({}))).collect();
    if keys.is_empty() { Value::Null } else { Value::Object(keys) }
}

fn bindings(ports: &[PortMapping]) -> Value {
    let mut bindings: std::collections::BTreeMap<String, Vec<Value>> = std::collections::BTreeMap::new();
    for port in ports {
        let address = port.address.map(|address| address.to_string()).unwrap_or_default();
        let public = port.public.map(|public| public.to_string()).unwrap_or_default();
        bindings.entry(port_key(port)).or_default().push(json!({ "HostIp": address, "HostPort": public }));
    }
    if bindings.is_empty() { Value::Null } else { json!(bindings) }
}

/// Whether a mount has the short form `source:target:options`, which makes a missing source and knows all options.
fn is_short(mount: &MountSpec) -> bool {
    let is_sourced = match mount.kind {
        MountKind::Bind => true,
        MountKind::Volume => !mount.source.is_empty(),
        MountKind::Tmpfs => false,
    };
    // In the short form a missing path of the host is made, and a folder inside a volume cannot be named.
    let is_plain = mount.subpath.is_none() && mount.create_source != Some(false);
    is_sourced && is_plain && !mount.source.contains(':') && !mount.target.contains(':')
}

fn is_plain_unnamed(mount: &MountSpec) -> bool {
    let is_plain = mount.subpath.is_none() && mount.options.is_empty() && !mount.read_only;
    mount.kind == MountKind::Volume && mount.source.is_empty() && is_plain
}

fn binds(mounts: &[MountSpec]) -> Value {
    let short = |mount: &MountSpec| {
        let mut options = mount.options.clone();
        if mount.read_only && !options.iter().any(|option| option == "ro") {
            options.insert(0, "ro".into());
        }
        let mut text = format!("{}:{}", mount.source, mount.target);
        if !options.is_empty() {
            text = format!("{text}:{}", options.join(","));
        }
        text
    };
    list(mounts.iter().filter(|mount| is_short(mount)).map(short).collect::<Vec<_>>())
}

fn unnamed_volumes(mounts: &[MountSpec]) -> Value {
    let targets: Map<String, Value> = mounts
        .iter()
        .filter(|mount| is_plain_unnamed(mount))
        .map(|mount| (mount.target.clone(), json!({})))
        .collect();
    if targets.is_empty() { Value::Null } else { Value::Object(targets) }
}

fn long_mounts(mounts: &[MountSpec], files: &[MountedFile]) -> Value {
    const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
    let long = |mount: &MountSpec| {
        let mut body = Map::new();
        put(&mut body, "Target", json!(mount.target));
        put(&mut body, "ReadOnly", json!(mount.read_only));
        if !mount.source.is_empty() {
            put(&mut body, "Source", json!(mount.source));
        }
        let has = |name: &str| mount.options.iter().any(|option| option == name);
        match mount.kind {
            MountKind::Bind => {
                put(&mut body, "Type", json!("bind"));
                let mut options = Map::new();
                put(&mut options, "Propagation", json!(PROPAGATIONS.into_iter().find(|name| has(name))));
                put(&mut options, "CreateMountpoint", json!(mount.create_source.filter(|create| *create)));
                if !options.is_empty() {
                    put(&mut body, "BindOptions", Value::Object(options));
                }
            }
            MountKind::Volume | MountKind::Tmpfs => {
                put(&mut body, "Type", json!("volume"));
                let mut options = Map::new();
                put(&mut options, "NoCopy", json!(Some(true).filter(|_| has("nocopy"))));
                put(&mut options, "Subpath", json!(mount.subpath));
                if !options.is_empty() {
                    put(&mut body, "VolumeOptions", Value::Object(options));
                }
            }
        }
        Value::Object(body)
    };
    let is_long =
        |mount: &&MountSpec| mount.kind != MountKind::Tmpfs && !is_short(mount) && !is_plain_unnamed(mount);
    let file = |MountedFile { source, target }: &MountedFile| json!({ "Target": target, "ReadOnly": true, "Source": source, "Type": "bind" });
    list(mounts.iter().filter(is_long).map(long).chain(files.iter().map(file)).collect::<Vec<_>>())
}

fn tmpfs(mounts: &[MountSpec]) -> Value {
    let of = |mount: &MountSpec| {
        let mut options = mount.options.clone();
        if mount.read_only {
            options.insert(0, "ro".into());
        }
        (mount.target.clone(), json!(options.join(",")))
    };
    let all: Map<String, Value> =
        mounts.iter().filter(|mount| mount.kind == MountKind::Tmpfs).map(of).collect();
    if all.is_empty() { Value::Null } else { Value::Object(all) }
}

fn device_body(device: &DeviceSpec) -> Value {
    let DeviceSpec { host_path, container_path, permissions } = device;
    json!({ "PathOnHost": host_path, "PathInContainer": container_path, "CgroupPermissions": permissions })
}

fn device_request_body(request: &DeviceRequestSpec) -> Value {
    let DeviceRequestSpec { driver, count, device_ids, capabilities, options } = request;
    let mut body = Map::new();
    put(&mut body, "Driver", json!(driver));
    put(&mut body, "Count", json!(count));
    put(&mut body, "DeviceIDs", list(device_ids.clone()));
    put(&mut body, "Capabilities", list(capabilities.clone()));
    put(&mut body, "Options", if options.is_empty() { Value::Null } else { json!(options) });
    Value::Object(body)
}

fn ulimit_body(ulimit: &UlimitSpec) -> Value {
    let UlimitSpec { name, soft, hard } = ulimit;
    json!({ "Name": name, "Soft": soft, "Hard": hard })
}

fn restart_body(policy: &RestartPolicy) -> Value {
    match policy {
        RestartPolicy::No => json!({ "Name": "no" }),
        RestartPolicy::Always => json!({ "Name": "always" }),
        RestartPolicy::UnlessStopped => json!({ "Name": "unless-stopped" }),
        RestartPolicy::OnFailure { most } => {
            json!({ "Name": "on-failure", "MaximumRetryCount": most.unwrap_or(0) })
        }
    }
}

fn health_body(health: &HealthSpec) -> Value {
    let HealthSpec { test, interval, timeout, retries, start_period, start_interval } = health;
    let mut body = Map::new();
    put(&mut body, "Test", list(test.clone()));
    put(&mut body, "Interval", json!(interval.map(nanoseconds)));
    put(&mut body, "Timeout", json!(timeout.map(nanoseconds)));
    put(&mut body, "Retries", json!(retries));
    put(&mut body, "StartPeriod", json!(start_period.map(nanoseconds)));
    put(&mut body, "StartInterval", json!(start_interval.map(nanoseconds)));
    Value::Object(body)
}

fn log_body(log: &LogSpec) -> Value {
    let LogSpec { driver, options } = log;
    json!({ "Type": driver, "Config": options })
}

fn put_resources(host: &mut Map<String, Value>, resources: &ResourceSpec) {
    let ResourceSpec {
        memory,
        memory_swap,
        memory_reservation,
        memory_swappiness,
        kernel_memory,
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
        cpu_count,
        cpu_percent,
        disk_quota,
    } = resources;
    let rates = |devices: &std::collections::BTreeMap<String, u64>, name: &str| {
        list(devices.iter().map(|(path, rate)| json!({ "Path": path, name: rate })).collect::<Vec<_>>())
    };
    put(host, "Memory", json!(memory));
    put(host, "MemorySwap", json!(memory_swap));
    put(host, "MemoryReservation", json!(memory_reservation));
    put(host, "MemorySwappiness", json!(memory_swappiness));
    put(host, "KernelMemory", json!(kernel_memory));
    put(host, "CpuShares", json!(cpu_shares));
    put(host, "CpuQuota", json!(cpu_quota));
    put(host, "CpuPeriod", json!(cpu_period));
    put(host, "NanoCpus", json!(nano_cpus));
    put(host, "CpusetCpus", json!(cpuset));
    put(host, "CpusetMems", json!(cpuset_mems));
    put(host, "CpuRealtimePeriod", json!(cpu_realtime_period));
    put(host, "CpuRealtimeRuntime", json!(cpu_realtime_runtime));
    put(host, "BlkioWeight", json!(blkio_weight));
    put(host, "BlkioWeightDevice", rates(blkio_weight_device, "Weight"));
    put(host, "BlkioDeviceReadBps", rates(device_read_bps, "Rate"));
    put(host, "BlkioDeviceWriteBps", rates(device_write_bps, "Rate"));
    put(host, "BlkioDeviceReadIOps", rates(device_read_iops, "Rate"));
    put(host, "BlkioDeviceWriteIOps", rates(device_write_iops, "Rate"));
    put(host, "PidsLimit", json!(pids_limit));
    put(host, "OomKillDisable", json!(oom_kill_disable));
    put(host, "OomScoreAdj", json!(oom_score_adj));
    put(host, "CpuCount", json!(cpu_count));
    put(host, "CpuPercent", json!(cpu_percent));
    put(host, "DiskQuota", json!(disk_quota));
}

/// The body of a request to change limits; what is left out stays as it is.
pub(crate) fn update_body(limits: &Limits) -> Value {
    let Limits {
        memory,
        memory_swap,
        memory_reservation,
        cpu_shares,
        cpu_quota,
        cpu_period,
        nano_cpus,
        cpuset,
        cpuset_mems,
        cpu_realtime_period,
        cpu_realtime_runtime,
        blkio_weight,
        pids_limit,
        restart,
    } = limits;
    // As much again as memory is what the engine gives at the creation when only memory is named. A change that does not
    // name it would be refused where it goes above what was given then.
    let as_much_again = memory.filter(|memory| *memory > 0).map(|memory| memory.saturating_mul(2));
    let mut body = Map::new();
    put(&mut body, "Memory", json!(memory));
    put(&mut body, "MemorySwap", json!(memory_swap.or(as_much_again)));
    put(&mut body, "MemoryReservation", json!(memory_reservation));
    put(&mut body, "CpuShares", json!(cpu_shares));
    put(&mut body, "CpuQuota", json!(cpu_quota));
    put(&mut body, "CpuPeriod", json!(cpu_period));
    put(&mut body, "NanoCpus", json!(nano_cpus));
    put(&mut body, "CpusetCpus", json!(cpuset));
    put(&mut body, "CpusetMems", json!(cpuset_mems));
    put(&mut body, "CpuRealtimePeriod", json!(cpu_realtime_period));
    put(&mut body, "CpuRealtimeRuntime", json!(cpu_realtime_runtime));
    put(&mut body, "BlkioWeight", json!(blkio_weight));
    put(&mut body, "PidsLimit", json!(pids_limit));
    put(&mut body, "RestartPolicy", restart_body(restart));
    Value::Object(body)
}
