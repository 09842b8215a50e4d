//! From the launch specification back to what people see.

use std::collections::BTreeMap;

use contract_api::launch::{
    BlkioDeviceOption, DeviceRequest as ApiDevices, DockerBuild, LaunchConfig, LogConfig as ApiLog,
    PullPolicy as ApiPull, RestartPolicy as ApiRestart, Ulimit as ApiUlimit,
};
use contract_values::Duration;
use control_model::{
    BuildSource, Device, DeviceRequest, HealthCheck, LaunchSpec, LogConfig, Mount, MountKind, NetworkMode,
    PullPolicy, Resources, RestartPolicy, Ulimit,
};
use serde_json::Value;

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
        secrets,
        files,
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
        cpu_count,
        cpu_percent,
        disk_quota,
    } = resources;

    // What was kept is read first, so that every other field overrides it.
    let mut kept = kept.clone();
    let kept_build = kept.remove("build");
    let mut config: LaunchConfig = serde_json::from_value(Value::Object(kept.clone())).unwrap_or_default();
    let mut options: BTreeMap<String, BlkioDeviceOption> = Default::default();
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

    config.secrets = secrets.iter().map(super::files::secret_reference).collect();
    config.configs = files.iter().map(super::files::config_reference).collect();
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
    config.device_cgroup_rules = device_cgroup_rules.clone();
    config.device_requests = device_requests
        .iter()
        .map(|DeviceRequest { driver, count, device_ids, capabilities, options }| ApiDevices {
            driver: Some(driver.clone()).filter(|driver| !driver.is_empty()),
            count: *count,
            device_ids: device_ids.clone(),
            capabilities: capabilities.clone(),
            options: options.clone(),
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
    config.cgroupns_mode = cgroupns_mode.clone();
    config.cgroup_parent = cgroup_parent.clone();
    config.isolation = isolation.clone();
    config.runtime = runtime.clone();
    config.annotations = annotations.clone();
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
    config.cpu_count = *cpu_count;
    config.cpu_percent = *cpu_percent;
    config.disk_quota = *disk_quota;
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
    if let Some(HealthCheck { test, interval, timeout, retries, start_period, start_interval }) = health {
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
        config.health_start_interval_ms = *start_interval;
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
