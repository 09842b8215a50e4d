//! Which version of the format the first file bears.
//!
//! Version 2 as long as it says all, since the old tools read nothing else. What is newer stands in today's format,
//! which has no version, so that Docker's tools read it too; unless a service mounts a volume that no section
//! declares, which only the old format allows.

use std::collections::BTreeSet;

use contract_api::launch::StackPlan;
use serde_json::{Map, Value};

/// Keys of services that the old tools read in the first file.
const OLD_KEYS: &[&str] = &[
    "blkio_weight",
    "blkio_weight_device",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup_parent",
    "command",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpuset",
    "depends_on",
    "device_read_bps",
    "device_read_iops",
    "device_write_bps",
    "device_write_iops",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "environment",
    "expose",
    "external_links",
    "extra_hosts",
    "group_add",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "ports",
    "privileged",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "uts",
    "volume_driver",
    "volumes",
    "volumes_from",
    "working_dir",
];
const OLD_BUILD: &[&str] = &["context", "dockerfile", "args"];
const OLD_VOLUME: &[&str] = &["driver", "driver_opts", "external", "per_container"];

/// The sections of the first file.
pub(super) struct Sections<'s> {
    pub services: [&'s Map<String, Value>; 2],
    pub volumes: &'s Map<String, Value>,
    pub secrets: &'s Map<String, Value>,
    pub configs: &'s Map<String, Value>,
}

/// The version to write, if any.
pub(super) fn choose(sections: &Sections<'_>, plan: &StackPlan) -> Option<&'static str> {
    let only = |value: &Value, known: &[&str]| {
        value.as_object().is_none_or(|map| map.keys().all(|key| known.contains(&key.as_str())))
    };
    let old_service = |service: &Value| {
        let get = |key: &str| service.get(key);
        only(service, OLD_KEYS)
            && get("build").is_none_or(|build| only(build, OLD_BUILD))
            && get("depends_on").is_none_or(Value::is_array)
            && get("volumes").and_then(Value::as_array).is_none_or(|items| items.iter().all(Value::is_string))
    };
    let old = sections.services.iter().all(|services| services.values().all(old_service))
        && sections.volumes.values().all(|volume| only(volume, OLD_VOLUME))
        && sections.secrets.values().all(|secret| only(secret, &["external"]))
        && sections.configs.is_empty();
    (old || has_undeclared_volumes(plan)).then_some("2")
}

fn has_undeclared_volumes(plan: &StackPlan) -> bool {
    let declared: BTreeSet<&str> = plan.volumes.iter().map(|volume| volume.name.as_str()).collect();
    let services = plan.services.iter().chain(&plan.containers);
    let mut configs = services
        .flat_map(|service| std::iter::once(&service.launch_config).chain(&service.secondary_launch_configs));
    configs.any(|config| {
        let short =
            config.data_volumes.iter().filter_map(|text| text.split_once(':')).map(|(source, _)| source);
        let long = config.engine_mounts.iter().filter(|mount| mount.kind == "volume");
        short
            .chain(long.filter_map(|mount| mount.source.as_deref()))
            .any(|source| !source.starts_with('/') && !declared.contains(source))
    })
}
