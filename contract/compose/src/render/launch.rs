//! A launch configuration as keys of a service.

use std::collections::BTreeMap;

use contract_api::launch::{BlkioDeviceOption, DeviceRequest, EngineMount, LaunchConfig, PullPolicy, Ulimit};
use contract_values::Duration;
use serde_json::{Map, Value, json};

use super::files::Names;
use super::{Keys, build, files, health_check, labels, text_map};
use crate::words::write_duration;

/// Writes Docker's settings into `docker` and the platform's into `platform`.
pub(super) fn render(
    config: &LaunchConfig,
    alone: bool,
    names: &Names,
    docker: &mut Keys,
    platform: &mut Keys,
) {
    docker.put("image", config.image());
    process(config, alone, names, docker);
    network(config, docker);
    storage(config, names, docker);
    resources(config, docker);
    security(config, docker);
    deploy(config, alone, docker);

    platform.put("health_check", config.health_check.as_ref().map(health_check));
    platform.put("drain_timeout_ms", config.drain_timeout_ms);
    platform.put("milli_cpu_reservation", config.milli_cpu_reservation);
    platform.put("vcpu", config.vcpu);
    platform.put("memory", config.memory_mb);
    platform.put("userdata", config.userdata.as_deref());
    platform.put("disks", config.disks.iter().map(|disk| json!(disk)).collect::<Vec<_>>());
}

fn process(config: &LaunchConfig, alone: bool, names: &Names, docker: &mut Keys) {
    if let Some(build) = &config.build {
        docker.put("build", build::render(build, names));
    }
    let words = |words: &Option<Vec<String>>| words.as_ref().map(|words| json!(words));
    for (key, value) in [("command", words(&config.command)), ("entrypoint", words(&config.entry_point))] {
        if let Some(value) = value {
            docker.0.insert(key.to_owned(), value);
        }
    }
    docker.put("working_dir", config.working_dir.as_deref());
    docker.put("user", config.user.as_deref());
    docker.put("environment", text_map(&config.environment));
    docker.put("labels", labels(config));
    docker.put("annotations", text_map(&config.annotations));
    docker.put("stdin_open", config.stdin_open);
    docker.put("tty", config.tty);
    docker.put("init", config.run_init);
    docker.put("stop_signal", config.stop_signal.as_deref());
    docker.put("stop_grace_period", config.stop_timeout.map(|seconds| format!("{seconds}s")));
    docker.put("platform", config.platform.as_deref());
    docker.put("runtime", config.runtime.as_deref());
    docker.put(
        "pull_policy",
        config.pull_policy.map(|policy| match policy {
            PullPolicy::Always => "always",
            PullPolicy::Missing => "missing",
            PullPolicy::Never => "never",
        }),
    );
    if let (true, Some(policy)) = (alone, &config.restart_policy) {
        docker.put(
            "restart",
            match policy.maximum_retry_count {
                Some(count) => format!("{}:{count}", policy.name),
                None => policy.name.clone(),
            },
        );
    }
    if let Some(log) = &config.log_config {
        let mut keys = Keys::default();
        keys.put("driver", log.driver.as_deref());
        keys.put("options", text_map(&log.config));
        docker.0.insert("logging".to_owned(), keys.into());
    }
    if let Some(health) = config.engine_health() {
        let time = |time: Option<Duration>| time.map(write_duration);
        let mut keys = Keys::default();
        keys.put("test", health.test.to_vec());
        keys.put("interval", time(health.interval));
        keys.put("timeout", time(health.timeout));
        keys.put("retries", health.retries);
        keys.put("start_period", time(health.start_period));
        keys.put("start_interval", time(health.start_interval));
        docker.put("healthcheck", keys);
    }
}

fn network(config: &LaunchConfig, docker: &mut Keys) {
    let mode = match (&config.network_mode, &config.network_launch_config) {
        (Some(mode), Some(member)) if mode == "container" => Some(format!("container:{member}")),
        (mode, _) => mode.clone(),
    };
    docker.put("network_mode", mode);
    docker.put("ports", config.ports.iter().map(ToString::to_string).collect::<Vec<_>>());
    docker.put("expose", config.expose.clone());
    docker.put("hostname", config.hostname.as_deref());
    docker.put("domainname", config.domain_name.as_deref());
    docker.put("extra_hosts", config.extra_hosts.clone());
    docker.put("dns", config.dns.clone());
    docker.put("dns_opt", config.dns_opt.clone());
    docker.put("dns_search", config.dns_search.clone());
    docker.put("mac_address", config.mac_address.as_deref());
    if !config.net_alias.is_empty() {
        docker.put("networks", json!({"default": {"aliases": config.net_alias}}));
    }
}

fn storage(config: &LaunchConfig, names: &Names, docker: &mut Keys) {
    let mut volumes: Vec<Value> = config.data_volumes.iter().map(|volume| json!(volume)).collect();
    volumes.extend(config.engine_mounts.iter().map(mount));
    docker.put("volumes", volumes);
    let from = config.data_volumes_from.iter().map(|name| format!("container:{name}"));
    docker.put(
        "volumes_from",
        config.data_volumes_from_launch_configs.iter().cloned().chain(from).collect::<Vec<_>>(),
    );
    docker.put("volume_driver", config.volume_driver.as_deref());
    let tmpfs = config.tmpfs.iter().map(|(path, options)| match options.as_str() {
        "" => path.clone(),
        options => format!("{path}:{options}"),
    });
    docker.put("tmpfs", tmpfs.collect::<Vec<_>>());
    docker.put("read_only", config.read_only);
    docker.put("shm_size", config.shm_size);
    docker.put("storage_opt", text_map(&config.storage_opt));
    docker.put("secrets", files::grants_of_secrets(&config.secrets, names));
    docker.put("configs", files::grants_of_configs(&config.configs));
}

fn mount(mount: &EngineMount) -> Value {
    let mut keys = Keys::default();
    keys.put("type", mount.kind.as_str());
    keys.put("source", mount.source.as_deref());
    keys.put("target", mount.target.as_str());
    keys.put("read_only", mount.read_only);
    let mut settings = Keys::default();
    settings.put("propagation", mount.propagation.as_deref());
    settings.put("create_host_path", mount.create_host_path);
    settings.put("nocopy", mount.no_copy);
    settings.put("subpath", mount.subpath.as_deref());
    settings.put("size", mount.tmpfs_size);
    settings.put("mode", mount.tmpfs_mode.map(|mode| format!("{mode:04o}")));
    keys.put(&mount.kind, settings);
    keys.into()
}

fn resources(config: &LaunchConfig, docker: &mut Keys) {
    docker.put("mem_limit", config.memory);
    docker.put("memswap_limit", config.memory_swap);
    docker.put("mem_reservation", config.memory_reservation);
    docker.put("mem_swappiness", config.memory_swappiness);
    docker.put("cpus", config.nano_cpus.map(decimal));
    docker.put("cpu_shares", config.cpu_shares);
    docker.put("cpu_quota", config.cpu_quota);
    docker.put("cpu_period", config.cpu_period);
    docker.put("cpu_rt_runtime", config.cpu_realtime_runtime);
    docker.put("cpu_rt_period", config.cpu_realtime_period);
    docker.put("cpu_count", config.cpu_count);
    docker.put("cpu_percent", config.cpu_percent);
    docker.put("cpuset", config.cpu_set.as_deref());
    docker.put("pids_limit", config.pids_limit);
    docker.put("oom_kill_disable", config.oom_kill_disable);
    docker.put("oom_score_adj", config.oom_score_adj);
    docker.put("ulimits", ulimits(&config.ulimits));
    docker.put("blkio_weight", config.blkio_weight);
    let devices = |pick: fn(&BlkioDeviceOption) -> Option<i64>| -> Vec<String> {
        let options: &BTreeMap<String, BlkioDeviceOption> = &config.blkio_device_options;
        options.iter().filter_map(|(device, option)| Some(format!("{device}:{}", pick(option)?))).collect()
    };
    docker.put("blkio_weight_device", devices(|option| option.weight));
    docker.put("device_read_bps", devices(|option| option.read_bps));
    docker.put("device_write_bps", devices(|option| option.write_bps));
    docker.put("device_read_iops", devices(|option| option.read_iops));
    docker.put("device_write_iops", devices(|option| option.write_iops));
}

pub(super) fn ulimits(limits: &[Ulimit]) -> Value {
    let limit = |limit: &Ulimit| {
        let bounds = match (limit.soft, limit.hard) {
            (Some(soft), Some(hard)) if soft != hard => json!({"soft": soft, "hard": hard}),
            (soft, hard) => json!(soft.or(hard)),
        };
        (limit.name.clone(), bounds)
    };
    Value::Object(limits.iter().map(limit).collect())
}

/// Billionths as a decimal number.
fn decimal(nano: i64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn security(config: &LaunchConfig, docker: &mut Keys) {
    docker.put("privileged", config.privileged);
    docker.put("cap_add", config.cap_add.clone());
    docker.put("cap_drop", config.cap_drop.clone());
    docker.put("security_opt", config.security_opt.clone());
    docker.put("pid", config.pid_mode.as_deref());
    docker.put("ipc", config.ipc_mode.as_deref());
    docker.put("uts", config.uts.as_deref());
    docker.put("userns_mode", config.userns_mode.as_deref());
    docker.put("cgroup", config.cgroupns_mode.as_deref());
    docker.put("cgroup_parent", config.cgroup_parent.as_deref());
    docker.put("group_add", config.group_add.clone());
    docker.put("devices", config.devices.clone());
    docker.put("device_cgroup_rules", config.device_cgroup_rules.clone());
    docker.put("sysctls", text_map(&config.sysctls));
    docker.put("isolation", config.isolation.as_deref());
}

/// What only `deploy` can say in every version of the format.
fn deploy(config: &LaunchConfig, alone: bool, docker: &mut Keys) {
    let mut deploy = Keys::default();
    if let (false, Some(policy)) = (alone, &config.restart_policy) {
        let condition = match policy.name.as_str() {
            "no" => Some("none"),
            "on-failure" => Some("on-failure"),
            _ => None,
        };
        let mut keys = Keys::default();
        keys.put("condition", condition);
        keys.put("max_attempts", policy.maximum_retry_count.filter(|_| condition == Some("on-failure")));
        deploy.put("restart_policy", keys);
    }
    let devices: Vec<Value> = config.device_requests.iter().map(device_request).collect();
    if !devices.is_empty() {
        deploy.put("resources", json!({"reservations": {"devices": devices}}));
    }
    docker.put("deploy", deploy);
}

fn device_request(request: &DeviceRequest) -> Value {
    let mut keys = Keys::default();
    keys.put("driver", request.driver.as_deref());
    keys.put("count", request.count.map(|count| if count == -1 { json!("all") } else { json!(count) }));
    keys.put("device_ids", request.device_ids.clone());
    keys.put("capabilities", request.capabilities.first().cloned().unwrap_or_default());
    keys.put(
        "options",
        Value::Object(Map::from_iter(request.options.iter().map(|(k, v)| (k.clone(), json!(v))))),
    );
    keys.into()
}
