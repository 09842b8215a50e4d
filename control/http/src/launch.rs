//! Between the API's launch configuration and the control plane's launch specification.
//!
//! Two total functions that name every field on both sides: adding a field to either stops the build here. What the
//! platform keeps and shows but does not act on yet travels in `kept`, under its name in the API.

mod files;
mod show;

use contract_api::launch::{
    BlkioDeviceOption, DeviceRequest as ApiDevices, DockerBuild, LaunchConfig, LogConfig as ApiLog,
    PullPolicy as ApiPull, RestartPolicy as ApiRestart, Ulimit as ApiUlimit,
};
use contract_api::{ErrorCode, Invalid};
use contract_values::{Duration, PortMapping};
use control_model::{
    BuildSource, Device, DeviceRequest, HealthCheck, LaunchSpec, LogConfig, Mount, MountKind, NetworkMode,
    PullPolicy, Resources, RestartPolicy, Ulimit,
};
use serde::Serialize;
use serde_json::{Map, Value};

pub use show::config_of;

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
        configs,
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
        health_start_interval_ms: _,
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
    keep(&mut kept, "healthCheck", health_check);
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
            ..Mount::default()
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
            let DockerBuild {
                context,
                remote,
                dockerfile,
                tag,
                nocache,
                rm,
                forcerm,
                args,
                target,
                options,
                extra,
            } = build;
            let mut rest = extra.clone();
            keep(&mut rest, "tag", tag);
            keep(&mut rest, "nocache", nocache);
            keep(&mut rest, "rm", rm);
            keep(&mut rest, "forcerm", forcerm);
            keep(&mut rest, "target", target);
            if !options.is_empty() {
                keep(&mut rest, "options", options);
            }
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
        device_cgroup_rules: device_cgroup_rules.clone(),
        device_requests: device_requests
            .iter()
            .map(|ApiDevices { driver, count, device_ids, capabilities, options }| DeviceRequest {
                driver: driver.clone().unwrap_or_default(),
                count: *count,
                device_ids: device_ids.clone(),
                capabilities: capabilities.clone(),
                options: options.clone(),
            })
            .collect(),
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
        cgroupns_mode: cgroupns_mode.clone(),
        cgroup_parent: cgroup_parent.clone(),
        isolation: isolation.clone(),
        runtime: runtime.clone(),
        annotations: annotations.clone(),
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
            cpu_count: *cpu_count,
            cpu_percent: *cpu_percent,
            disk_quota: *disk_quota,
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
        secrets: secrets.iter().map(files::secret_mount).collect::<Result<_, _>>()?,
        files: configs.iter().map(files::file_mount).collect::<Result<_, _>>()?,
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
        start_interval: health.start_interval,
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
        ..Mount::default()
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
        subpath: mount.subpath.clone().filter(|path| !path.is_empty()),
        create_source: mount.create_host_path,
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

#[cfg(test)]
mod tests;
