//! Between the API's launch configuration and the control plane's launch specification.
//!
//! Two total functions that name every field on both sides: adding a field to either stops the build here. What the
//! platform keeps and shows but does not act on yet travels in `kept`, under its name in the API.

use contract_api::launch::{
    BlkioDeviceOption, DockerBuild, LaunchConfig, LogConfig as ApiLog, PullPolicy as ApiPull,
    RestartPolicy as ApiRestart, Ulimit as ApiUlimit,
};
use contract_api::{ErrorCode, Invalid};
use contract_values::{Duration, PortMapping};
use control_model::{
    BuildSource, Device, HealthCheck, LaunchSpec, LogConfig, Mount, MountKind, NetworkMode, PullPolicy,
    Resources, RestartPolicy, Ulimit,
};
use serde::Serialize;
use serde_json::{Map, Value};

/// Reads the launch configuration out of a checked input.
///
/// # Errors
/// Names the port or field that is wrong.
pub fn read_config(input: &Map<String, Value>) -> Result<LaunchConfig, Invalid> {
    check_ports(input)?;
    // A single argument may come as text in some clients' habit; the check against the schema has refused that
    // already, so what is left can only fail on a value of a wrong inner shape.
    serde_json::from_value(Value::Object(input.clone())).map_err(|error| {
        Invalid::field(
            ErrorCode::InvalidFormat,
            "launchConfig",
            format!("the launch configuration cannot be read: {error}"),
        )
    })
}

fn check_ports(input: &Map<String, Value>) -> Result<(), Invalid> {
    use contract_values::PortError;
    let Some(Value::Array(ports)) = input.get("ports") else { return Ok(()) };
    for port in ports.iter().filter_map(Value::as_str) {
        if let Err(error) = port.parse::<PortMapping>() {
            let code = match &error {
                PortError::Format { .. } => ErrorCode::PortWrongFormat,
                PortError::Public { .. } => ErrorCode::PortInvalidPublicPort,
                PortError::Private { .. } => ErrorCode::PortInvalidPrivatePort,
                PortError::Protocol { .. } => ErrorCode::PortInvalidProtocol,
            };
            return Err(Invalid::field(code, "ports", format!("the port `{port}` is not usable: {error}")));
        }
    }
    Ok(())
}

/// Turns a launch configuration into what the control plane plans with.
///
/// # Errors
/// Names the field that is wrong.
pub fn spec_of(config: &LaunchConfig) -> Result<LaunchSpec, Invalid> {
    let health = engine_health(config);
    let LaunchConfig {
        name: _,
        description: _,
        kind,
        count: _,
        labels,
        image_uuid,
        build,
        registry_credential_id,
        pull_policy,
        platform,
        command,
        entry_point,
        working_dir,
        user,
        environment,
        stdin_open,
        tty,
        run_init,
        stop_signal,
        stop_timeout,
        restart_policy,
        start_on_create: _,
        log_config,
        network_mode,
        network_container_id,
        network_launch_config,
        network_ids,
        ports,
        expose,
        publish_all_ports,
        hostname,
        domain_name,
        extra_hosts,
        dns,
        dns_opt,
        dns_search,
        requested_ip_address,
        net_alias,
        ip,
        ip6,
        mac_address,
        instance_links,
        data_volumes,
        data_volumes_from,
        data_volumes_from_launch_configs,
        data_volume_mounts,
        engine_mounts,
        volume_driver,
        tmpfs,
        read_only,
        shm_size,
        storage_opt,
        secrets,
        memory,
        memory_swap,
        memory_reservation,
        memory_swappiness,
        kernel_memory,
        cpu_shares,
        cpu_quota,
        cpu_period,
        cpu_set,
        cpu_set_mems,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpu_count,
        cpu_percent,
        nano_cpus,
        milli_cpu_reservation,
        blkio_weight,
        blkio_device_options,
        pids_limit,
        ulimits,
        oom_kill_disable,
        oom_score_adj,
        disk_quota,
        device_requests,
        privileged,
        cap_add,
        cap_drop,
        security_opt,
        pid_mode,
        ipc_mode,
        uts,
        userns_mode,
        cgroupns_mode,
        cgroup_parent,
        group_add,
        devices,
        device_cgroup_rules,
        sysctls,
        isolation,
        runtime,
        annotations,
        requested_host_id: _,
        health_check,
        health_cmd: _,
        health_interval: _,
        health_timeout: _,
        health_retries: _,
        health_interval_ms: _,
        health_timeout_ms: _,
        health_start_period_ms: _,
        health_start_interval_ms,
        drain_timeout_ms,
        instance_triggered_stop,
        vcpu,
        memory_mb,
        userdata,
        disks,
        extra,
    } = config;

    let mut kept = extra.clone();
    keep(&mut kept, "kind", &kind.as_deref().filter(|kind| *kind != "container"));
    keep(&mut kept, "registryCredentialId", registry_credential_id);
    keep(&mut kept, "networkIds", network_ids);
    keep(&mut kept, "requestedIpAddress", requested_ip_address);
    keep(&mut kept, "ip", ip);
    keep(&mut kept, "ip6", ip6);
    keep(&mut kept, "instanceLinks", instance_links);
    keep(&mut kept, "dataVolumeMounts", data_volume_mounts);
    keep(&mut kept, "secrets", secrets);
    keep(&mut kept, "cpuCount", cpu_count);
    keep(&mut kept, "cpuPercent", cpu_percent);
    keep(&mut kept, "diskQuota", disk_quota);
    keep(&mut kept, "deviceRequests", device_requests);
    keep(&mut kept, "cgroupnsMode", cgroupns_mode);
    keep(&mut kept, "deviceCgroupRules", device_cgroup_rules);
    keep(&mut kept, "annotations", annotations);
    keep(&mut kept, "healthCheck", health_check);
    keep(&mut kept, "healthStartIntervalMs", health_start_interval_ms);
    keep(&mut kept, "drainTimeoutMs", drain_timeout_ms);
    keep(&mut kept, "instanceTriggeredStop", instance_triggered_stop);
    keep(&mut kept, "vcpu", vcpu);
    keep(&mut kept, "memoryMb", memory_mb);
    keep(&mut kept, "userdata", userdata);
    keep(&mut kept, "disks", disks);
    // What the short form of a mount cannot say is kept whole beside the mount that is made of it.
    keep(&mut kept, "engineMounts", engine_mounts);

    let image = match image_uuid {
        None => None,
        Some(text) => Some(text.parse().map_err(|error| {
            Invalid::field(ErrorCode::InvalidFormat, "imageUuid", format!("{error}; write docker:name:tag"))
        })?),
    };
    let network = match (network_mode.as_deref(), network_container_id, network_launch_config) {
        (None | Some("managed" | "default"), None, None) => NetworkMode::Managed,
        (Some("bridge"), ..) => NetworkMode::Bridge,
        (Some("host"), ..) => NetworkMode::Host,
        (Some("none"), ..) => NetworkMode::None,
        (None | Some("container" | "managed" | "default"), Some(name), _)
        | (None | Some("container" | "managed" | "default"), None, Some(name)) => {
            NetworkMode::Container { name: name.clone() }
        }
        (Some("container"), None, None) => {
            return Err(Invalid::field(
                ErrorCode::MissingRequired,
                "networkContainerId",
                "`networkMode` is `container`, so `networkContainerId` or `networkLaunchConfig` must say which",
            ));
        }
        (Some(other), ..) => {
            return Err(Invalid::field(
                ErrorCode::InvalidOption,
                "networkMode",
                format!("`networkMode` is `{other}`; it may be managed, bridge, host, none or container"),
            ));
        }
    };
    let mut mounts = Vec::new();
    for text in data_volumes {
        mounts.push(mount_of(text)?);
    }
    for mount in engine_mounts {
        mounts.push(engine_mount(mount)?);
    }
    for (target, options) in tmpfs {
        mounts.push(Mount {
            kind: MountKind::Tmpfs,
            source: String::new(),
            target: absolute("tmpfs", target)?.to_owned(),
            read_only: options.split(',').any(|option| option == "ro"),
            options: options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect(),
        });
    }
    let mut volumes_from = data_volumes_from.clone();
    volumes_from.extend(data_volumes_from_launch_configs.iter().cloned());
    let per_device = |pick: fn(&BlkioDeviceOption) -> Option<i64>| {
        blkio_device_options
            .iter()
            .filter_map(|(device, option)| Some((device.clone(), u64::try_from(pick(option)?).ok()?)))
            .collect()
    };
    let blkio_weight = match blkio_weight {
        None => None,
        Some(weight) => Some(u16::try_from(*weight).map_err(|_| {
            Invalid::field(
                ErrorCode::InvalidFormat,
                "blkioWeight",
                format!("`blkioWeight` is {weight}; it may be 10 to 1000"),
            )
        })?),
    };
    Ok(LaunchSpec {
        image,
        pull: pull_policy.map_or(PullPolicy::IfMissing, |policy| match policy {
            ApiPull::Always => PullPolicy::Always,
            ApiPull::Missing => PullPolicy::IfMissing,
            ApiPull::Never => PullPolicy::Never,
        }),
        build: build.as_ref().map(|build| {
            let DockerBuild { context, remote, dockerfile, tag, nocache, rm, forcerm, args, target, extra } =
                build;
            let mut rest = extra.clone();
            keep(&mut rest, "tag", tag);
            keep(&mut rest, "nocache", nocache);
            keep(&mut rest, "rm", rm);
            keep(&mut rest, "forcerm", forcerm);
            keep(&mut rest, "target", target);
            if !rest.is_empty() {
                kept.insert("build".to_owned(), Value::Object(rest));
            }
            BuildSource {
                context: context.clone(),
                remote: remote.clone(),
                dockerfile: dockerfile.clone(),
                args: (**args).clone(),
            }
        }),
        command: command.clone(),
        entrypoint: entry_point.clone(),
        environment: (**environment).clone(),
        labels: labels.clone(),
        hostname: hostname.clone(),
        domain_name: domain_name.clone(),
        user: user.clone(),
        working_dir: working_dir.clone(),
        tty: tty.unwrap_or(false),
        stdin_open: stdin_open.unwrap_or(false),
        init: *run_init,
        ports: ports.clone(),
        expose: expose.iter().map(|text| exposed(text)).collect::<Result<_, _>>()?,
        publish_all_ports: publish_all_ports.unwrap_or(false),
        network,
        network_aliases: net_alias.clone(),
        mac_address: mac_address.clone(),
        dns: dns.clone(),
        dns_options: dns_opt.clone(),
        dns_search: dns_search.clone(),
        extra_hosts: extra_hosts.clone(),
        mounts,
        volumes_from,
        volume_driver: volume_driver.clone(),
        devices: devices.iter().map(|text| device_of(text)).collect::<Result<_, _>>()?,
        privileged: privileged.unwrap_or(false),
        read_only: read_only.unwrap_or(false),
        cap_add: cap_add.clone(),
        cap_drop: cap_drop.clone(),
        group_add: group_add.clone(),
        security_options: security_opt.clone(),
        sysctls: sysctls.clone(),
        ulimits: ulimits
            .iter()
            .map(|ApiUlimit { name, soft, hard }| Ulimit {
                name: name.clone(),
                soft: soft.or(*hard).unwrap_or(-1),
                hard: hard.or(*soft).unwrap_or(-1),
            })
            .collect(),
        pid_mode: pid_mode.clone(),
        ipc_mode: ipc_mode.clone(),
        uts_mode: uts.clone(),
        userns_mode: userns_mode.clone(),
        cgroup_parent: cgroup_parent.clone(),
        isolation: isolation.clone(),
        runtime: runtime.clone(),
        platform: platform.clone(),
        storage_options: storage_opt.clone(),
        resources: Resources {
            memory: *memory,
            memory_swap: *memory_swap,
            memory_reservation: *memory_reservation,
            memory_swappiness: *memory_swappiness,
            kernel_memory: *kernel_memory,
            cpu_shares: *cpu_shares,
            cpu_quota: *cpu_quota,
            cpu_period: *cpu_period,
            nano_cpus: *nano_cpus,
            milli_cpu_reservation: *milli_cpu_reservation,
            cpuset: cpu_set.clone(),
            cpuset_mems: cpu_set_mems.clone(),
            cpu_realtime_period: *cpu_realtime_period,
            cpu_realtime_runtime: *cpu_realtime_runtime,
            blkio_weight,
            blkio_weight_device: per_device(|option| option.weight),
            device_read_bps: per_device(|option| option.read_bps),
            device_write_bps: per_device(|option| option.write_bps),
            device_read_iops: per_device(|option| option.read_iops),
            device_write_iops: per_device(|option| option.write_iops),
            pids_limit: *pids_limit,
            oom_kill_disable: *oom_kill_disable,
            oom_score_adj: *oom_score_adj,
        },
        shm_size: *shm_size,
        stop_signal: stop_signal.clone(),
        stop_timeout: stop_timeout.map(|seconds| Duration::seconds(i64::from(seconds))),
        restart: restart_policy.as_ref().map(restart_of).transpose()?,
        health,
        log: log_config.as_ref().and_then(|ApiLog { driver, config }| {
            let driver = driver.clone().filter(|driver| !driver.is_empty());
            (driver.is_some() || !config.is_empty())
                .then(|| LogConfig { driver: driver.unwrap_or_default(), options: config.clone() })
        }),
        kept,
    })
}

fn keep(kept: &mut Map<String, Value>, name: &str, value: &impl Serialize) {
    let value = serde_json::to_value(value).expect("wire types serialise");
    let empty = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if !empty {
        kept.insert(name.to_owned(), value);
    }
}

fn engine_health(config: &LaunchConfig) -> Option<HealthCheck> {
    let health = config.engine_health()?;
    Some(HealthCheck {
        test: health.test.to_vec(),
        interval: health.interval,
        timeout: health.timeout,
        retries: health.retries.map(i64::from),
        start_period: health.start_period,
    })
}

fn restart_of(policy: &ApiRestart) -> Result<RestartPolicy, Invalid> {
    Ok(match policy.name.as_str() {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        // The old product writes 0 where it means «as often as needed».
        "on-failure" => {
            RestartPolicy::OnFailure { most: policy.maximum_retry_count.filter(|most| *most > 0) }
        }
        other => {
            return Err(Invalid::field(
                ErrorCode::InvalidOption,
                "restartPolicy",
                format!(
                    "the restart policy is `{other}`; it may be no, always, on-failure or unless-stopped"
                ),
            ));
        }
    })
}

fn absolute<'a>(field: &str, path: &'a str) -> Result<&'a str, Invalid> {
    // Windows paths begin with a drive.
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    if path.starts_with('/') || drive {
        Ok(path)
    } else {
        Err(Invalid::field(
            ErrorCode::InvalidFormat,
            field,
            format!("`{path}` is no absolute path in the container; begin it with `/`"),
        ))
    }
}

fn mount_of(text: &str) -> Result<Mount, Invalid> {
    let wrong = |what: &str| {
        Invalid::field(
            ErrorCode::InvalidFormat,
            "dataVolumes",
            format!("the volume `{text}` {what}; write [source:]target[:options]"),
        )
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] if target.starts_with('/') => (source, target, ""),
        [target, options] if target.starts_with('/') => ("", target, options),
        [source, target, options] => (source, target, options),
        _ => return Err(wrong("has another shape")),
    };
    let target = absolute("dataVolumes", target)?.to_owned();
    let kind = if source.starts_with('/') {
        MountKind::Bind
    } else if source.starts_with(['.', '~']) {
        return Err(wrong("names a relative path on the host; give the whole path"));
    } else {
        MountKind::Volume
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if kind == MountKind::Volume && !source.bytes().all(named) {
        return Err(wrong("has a name with characters that no volume may have"));
    }
    let options: Vec<String> =
        options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    Ok(Mount {
        kind,
        source: source.to_owned(),
        target,
        read_only: options.iter().any(|option| option == "ro"),
        options: options.into_iter().filter(|option| option != "ro" && option != "rw").collect(),
    })
}

fn engine_mount(mount: &contract_api::launch::EngineMount) -> Result<Mount, Invalid> {
    let kind = match mount.kind.as_str() {
        "bind" => MountKind::Bind,
        "volume" => MountKind::Volume,
        "tmpfs" => MountKind::Tmpfs,
        other => {
            return Err(Invalid::field(
                ErrorCode::InvalidOption,
                "engineMounts",
                format!("a mount has the type `{other}`; it may be bind, volume or tmpfs"),
            ));
        }
    };
    let mut options = Vec::new();
    options.extend(mount.propagation.clone());
    if mount.no_copy == Some(true) {
        options.push("nocopy".to_owned());
    }
    options.extend(mount.tmpfs_size.map(|size| format!("size={size}")));
    options.extend(mount.tmpfs_mode.map(|mode| format!("mode={mode:o}")));
    Ok(Mount {
        kind,
        source: mount.source.clone().unwrap_or_default(),
        target: absolute("engineMounts", &mount.target)?.to_owned(),
        read_only: mount.read_only.unwrap_or(false),
        options,
    })
}

fn device_of(text: &str) -> Result<Device, Invalid> {
    let mut parts = text.split(':');
    let host_path = parts.next().unwrap_or_default();
    let container_path = parts.next().unwrap_or(host_path);
    let permissions = parts.next().unwrap_or("rwm");
    let allowed = permissions.bytes().all(|byte| b"rwm".contains(&byte)) && !permissions.is_empty();
    if !host_path.starts_with('/') || container_path.is_empty() || !allowed || parts.next().is_some() {
        return Err(Invalid::field(
            ErrorCode::InvalidFormat,
            "devices",
            format!("the device `{text}` has another shape; write /dev/host[:/dev/container[:rwm]]"),
        ));
    }
    Ok(Device {
        host_path: host_path.to_owned(),
        container_path: container_path.to_owned(),
        permissions: permissions.to_owned(),
    })
}

fn exposed(text: &str) -> Result<PortMapping, Invalid> {
    let port: PortMapping = text.parse().map_err(|error| {
        Invalid::field(
            ErrorCode::InvalidFormat,
            "expose",
            format!("the port `{text}` is not usable: {error}"),
        )
    })?;
    Ok(PortMapping { address: None, public: None, ..port })
}

/// Turns what the control plane plans with back into the launch configuration that people see.
pub fn config_of(spec: &LaunchSpec) -> LaunchConfig {
    let LaunchSpec {
        image,
        pull,
        build,
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
        network_aliases,
        mac_address,
        dns,
        dns_options,
        dns_search,
        extra_hosts,
        mounts,
        volumes_from,
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
        kept,
    } = spec;
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

    // What was kept is read first, so that every other field overrides it.
    let mut kept = kept.clone();
    let kept_build = kept.remove("build");
    let mut config: LaunchConfig = serde_json::from_value(Value::Object(kept.clone())).unwrap_or_default();
    let mut options: std::collections::BTreeMap<String, BlkioDeviceOption> = Default::default();
    let figure = |value: &u64| i64::try_from(*value).ok();
    for (device, value) in blkio_weight_device {
        options.entry(device.clone()).or_default().weight = figure(value);
    }
    for (device, value) in device_read_bps {
        options.entry(device.clone()).or_default().read_bps = figure(value);
    }
    for (device, value) in device_write_bps {
        options.entry(device.clone()).or_default().write_bps = figure(value);
    }
    for (device, value) in device_read_iops {
        options.entry(device.clone()).or_default().read_iops = figure(value);
    }
    for (device, value) in device_write_iops {
        options.entry(device.clone()).or_default().write_iops = figure(value);
    }
    let (mode, other) = match network {
        NetworkMode::Managed => ("managed", None),
        NetworkMode::Bridge => ("bridge", None),
        NetworkMode::Host => ("host", None),
        NetworkMode::None => ("none", None),
        NetworkMode::Container { name } => ("container", Some(name.clone())),
    };
    // An id names a container; anything else names a launch configuration of the same unit.
    let by_id = other.as_deref().is_some_and(|name| name.parse::<contract_api::ApiId>().is_ok());
    let long_mounts = config.engine_mounts.len();
    let of_short_form =
        mounts.iter().filter(|mount| mount.kind != MountKind::Tmpfs).count().saturating_sub(long_mounts);
    let is_true = |value: bool| value.then_some(true);

    config.image_uuid = image.as_ref().map(|image| format!("docker:{image}"));
    config.pull_policy = match pull {
        PullPolicy::IfMissing => None,
        PullPolicy::Always => Some(ApiPull::Always),
        PullPolicy::Never => Some(ApiPull::Never),
    };
    config.build = build.as_ref().map(|BuildSource { context, remote, dockerfile, args }| {
        let rest = kept_build.and_then(|rest| serde_json::from_value(rest).ok()).unwrap_or_default();
        DockerBuild {
            context: context.clone(),
            remote: remote.clone(),
            dockerfile: dockerfile.clone(),
            args: args.clone().into(),
            ..rest
        }
    });
    config.command = command.clone();
    config.entry_point = entrypoint.clone();
    config.environment = environment.clone().into();
    config.labels = labels.clone();
    config.hostname = hostname.clone();
    config.domain_name = domain_name.clone();
    config.user = user.clone();
    config.working_dir = working_dir.clone();
    config.tty = is_true(*tty);
    config.stdin_open = is_true(*stdin_open);
    config.run_init = *init;
    config.ports = ports.clone();
    config.expose = expose.iter().map(ToString::to_string).collect();
    config.publish_all_ports = is_true(*publish_all_ports);
    config.network_mode = Some(mode.to_owned());
    config.network_container_id = other.clone().filter(|_| by_id);
    config.network_launch_config = other.filter(|_| !by_id);
    config.net_alias = network_aliases.clone();
    config.mac_address = mac_address.clone();
    config.dns = dns.clone();
    config.dns_opt = dns_options.clone();
    config.dns_search = dns_search.clone();
    config.extra_hosts = extra_hosts.clone();
    config.data_volumes = mounts
        .iter()
        .filter(|mount| mount.kind != MountKind::Tmpfs)
        .take(of_short_form)
        .map(mount_text)
        .collect();
    config.tmpfs = mounts
        .iter()
        .filter(|mount| mount.kind == MountKind::Tmpfs)
        .filter(|mount| !config.engine_mounts.iter().any(|long| long.target == mount.target))
        .map(|mount| (mount.target.clone(), mount.options.join(",")))
        .collect();
    config.data_volumes_from =
        volumes_from.iter().filter(|name| name.parse::<contract_api::ApiId>().is_ok()).cloned().collect();
    config.data_volumes_from_launch_configs =
        volumes_from.iter().filter(|name| name.parse::<contract_api::ApiId>().is_err()).cloned().collect();
    config.volume_driver = volume_driver.clone();
    config.devices = devices
        .iter()
        .map(|Device { host_path, container_path, permissions }| {
            format!("{host_path}:{container_path}:{permissions}")
        })
        .collect();
    config.privileged = is_true(*privileged);
    config.read_only = is_true(*read_only);
    config.cap_add = cap_add.clone();
    config.cap_drop = cap_drop.clone();
    config.group_add = group_add.clone();
    config.security_opt = security_options.clone();
    config.sysctls = sysctls.clone();
    config.ulimits = ulimits
        .iter()
        .map(|Ulimit { name, soft, hard }| ApiUlimit {
            name: name.clone(),
            soft: Some(*soft),
            hard: Some(*hard),
        })
        .collect();
    config.pid_mode = pid_mode.clone();
    config.ipc_mode = ipc_mode.clone();
    config.uts = uts_mode.clone();
    config.userns_mode = userns_mode.clone();
    config.cgroup_parent = cgroup_parent.clone();
    config.isolation = isolation.clone();
    config.runtime = runtime.clone();
    config.platform = platform.clone();
    config.storage_opt = storage_options.clone();
    config.memory = *memory;
    config.memory_swap = *memory_swap;
    config.memory_reservation = *memory_reservation;
    config.memory_swappiness = *memory_swappiness;
    config.kernel_memory = *kernel_memory;
    config.cpu_shares = *cpu_shares;
    config.cpu_quota = *cpu_quota;
    config.cpu_period = *cpu_period;
    config.nano_cpus = *nano_cpus;
    config.milli_cpu_reservation = *milli_cpu_reservation;
    config.cpu_set = cpuset.clone();
    config.cpu_set_mems = cpuset_mems.clone();
    config.cpu_realtime_period = *cpu_realtime_period;
    config.cpu_realtime_runtime = *cpu_realtime_runtime;
    config.blkio_weight = blkio_weight.map(i64::from);
    config.blkio_device_options = options;
    config.pids_limit = *pids_limit;
    config.oom_kill_disable = *oom_kill_disable;
    config.oom_score_adj = *oom_score_adj;
    config.shm_size = *shm_size;
    config.stop_signal = stop_signal.clone();
    config.stop_timeout = stop_timeout.and_then(|span| u32::try_from(span.0 / 1000).ok());
    config.restart_policy = restart.as_ref().map(|policy| {
        let (name, most) = match policy {
            RestartPolicy::No => ("no", None),
            RestartPolicy::Always => ("always", None),
            RestartPolicy::UnlessStopped => ("unless-stopped", None),
            RestartPolicy::OnFailure { most } => ("on-failure", *most),
        };
        ApiRestart { name: name.to_owned(), maximum_retry_count: most }
    });
    if let Some(HealthCheck { test, interval, timeout, retries, start_period }) = health {
        let whole = |span: &Option<Duration>| {
            span.filter(|span| span.0 % 1000 == 0).and_then(|span| u32::try_from(span.0 / 1000).ok())
        };
        let exact = |span: &Option<Duration>| span.filter(|span| span.0 % 1000 != 0);
        config.health_cmd = test.clone();
        config.health_interval = whole(interval);
        config.health_interval_ms = exact(interval);
        config.health_timeout = whole(timeout);
        config.health_timeout_ms = exact(timeout);
        config.health_retries = retries.and_then(|retries| u32::try_from(retries).ok());
        config.health_start_period_ms = *start_period;
    }
    // Always an object: an old client crashes on null.
    config.log_config = Some(match log {
        Some(LogConfig { driver, options }) => ApiLog {
            driver: Some(driver.clone()).filter(|driver| !driver.is_empty()),
            config: options.clone(),
        },
        None => ApiLog::default(),
    });
    config
}

fn mount_text(mount: &Mount) -> String {
    let mut text = String::new();
    if !mount.source.is_empty() {
        text.push_str(&mount.source);
        text.push(':');
    }
    text.push_str(&mount.target);
    let mut options = mount.options.clone();
    if mount.read_only {
        options.insert(0, "ro".to_owned());
    }
    if !options.is_empty() {
        text.push(':');
        text.push_str(&options.join(","));
    }
    text
}

#[cfg(test)]
mod tests;
