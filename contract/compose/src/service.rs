//! From the map of one service to its typed settings.
//!
//! Each group of keys has its own file; a key belongs to exactly one. What relates services to each other is only
//! collected here; `resolve` checks it when all are read.

mod build;
mod deploy;
mod files;
mod network;
pub(crate) mod platform;
mod ports;
pub(crate) mod process;
mod resources;
mod storage;

use std::collections::{BTreeMap, BTreeSet};

use contract_api::launch::{Dependency, LaunchConfig, ServiceInput, ServiceKind, ServiceLink};
use contract_values::{ImageRef, check_dns_label};

pub(crate) use process::START_ONCE;

use crate::document::Dialect;
use crate::error::{At, Path, shorten};
use crate::field::Field;
use crate::project::Context;
use crate::words;
use crate::yaml::Node;

/// A service whose relations are not checked yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub input: ServiceInput,
    pub at: At,
    /// A stand-alone container instead of a service.
    pub alone: bool,
    /// Whether a profile that it asks for is switched on, or it asks for none.
    pub enabled: bool,
    pub kind: Option<ServiceKind>,
    pub depends_on: Vec<(Dependency, At)>,
    pub links: Vec<(ServiceLink, At)>,
    pub volumes_from: Vec<(String, At)>,
    /// The service whose network is shared.
    pub network_of: Option<(String, At)>,
    pub sidekicks: Vec<(String, At)>,
    /// Volumes by name, with the places that name them.
    pub named_volumes: Vec<(String, At)>,
    /// Networks by name, with the places that name them.
    pub networks: Vec<(String, At)>,
    /// Private ports that are written with `/tcp`; to a balancer of the old sort that means no HTTP.
    pub tcp_ports: BTreeSet<u16>,
    /// The ports of targets that a balancer of the old sort exposes under others.
    pub exposed_targets: BTreeMap<u16, u16>,
    pub secrets: Vec<Granted>,
    pub configs: Vec<Granted>,
}

impl Draft {
    fn config(&mut self) -> &mut LaunchConfig {
        &mut self.input.launch_config
    }
}

/// A secret or config that a service may read, and the place that says so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Granted {
    pub name: String,
    pub at: At,
}

/// Every key that a service may have, in the order of the alphabet.
pub const KEYS: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "blkio_weight",
    "blkio_weight_device",
    "build",
    "cap_add",
    "cap_drop",
    "certs",
    "cgroup",
    "cgroup_parent",
    "command",
    "config",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "default_cert",
    "depends_on",
    "deploy",
    "description",
    "develop",
    "device_cgroup_rules",
    "device_read_bps",
    "device_read_iops",
    "device_write_bps",
    "device_write_iops",
    "devices",
    "disks",
    "dns",
    "dns_opt",
    "dns_search",
    "dockerfile",
    "domainname",
    "drain_timeout_ms",
    "driver_opts",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_ips",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "health_check",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "lb_config",
    "links",
    "load_balancer_config",
    "log_driver",
    "log_opt",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memory",
    "memswap_limit",
    "metadata",
    "milli_cpu_reservation",
    "models",
    "net",
    "network_driver",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "port_rules",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "retain_ip",
    "runtime",
    "scale",
    "scale_policy",
    "secrets",
    "security_opt",
    "service_schemas",
    "shm_size",
    "start_on_create",
    "stdin_open",
    "stickiness_policy",
    "stop_grace_period",
    "stop_signal",
    "storage_driver",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "type",
    "ulimits",
    "upgrade_strategy",
    "use_api_socket",
    "user",
    "userdata",
    "userns_mode",
    "uts",
    "vcpu",
    "volume_driver",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// Keys of version 1 that later versions write otherwise.
const FLAT_ONLY: &[(&str, &str)] = &[
    ("net", "write `network_mode`"),
    ("dockerfile", "write `build: {context: …, dockerfile: …}`"),
    ("log_driver", "write `logging: {driver: …}`"),
    ("log_opt", "write `logging: {options: …}`"),
];

/// How a service stands in its document.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// At the top of the file, without sections.
    pub flat: bool,
    /// In the section of stand-alone containers.
    pub alone: bool,
    /// What its section makes of it.
    pub kind: Option<ServiceKind>,
}

/// Reads one service; faults go to the report, and what could be read is there all the same.
pub(crate) fn read(
    cx: &mut Context<'_>,
    name: &str,
    at: At,
    node: &Node,
    path: Path<'_>,
    standing: Standing,
) -> Draft {
    let Standing { flat, alone, kind } = standing;
    let mut draft = Draft { at, alone, kind, enabled: true, ..Draft::default() };
    name.clone_into(&mut draft.input.name);
    if let Err(error) = check_dns_label(name)
        && (alone || usual_name(name).is_none())
    {
        cx.report.error(at, path, format!("a service cannot be called so: {error}"), proposed_name(name));
    }
    let field = Field::new(node, path);
    if field.is_null() {
        cx.report.error(
            at,
            path,
            format!("the service `{}` is empty", shorten(name)),
            "give it an `image`, or remove it",
        );
        return draft;
    }
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    let mut meant_image = false;
    for (key, key_at, value) in &entries {
        if KEYS.binary_search(key).is_err() {
            if cx.report.is_full() {
                cx.report.overflow();
                continue;
            }
            let near = words::nearest(key, KEYS.iter().copied());
            meant_image |= matches!(near, Some("image" | "build"));
            let remedy = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it, or begin its name with `x-` to keep it without effect".to_owned(),
            };
            cx.report.error(*key_at, value.path, format!("unknown key `{}`", shorten(key)), remedy);
            continue;
        }
        if let Some((_, remedy)) = FLAT_ONLY.iter().find(|(old, _)| old == key).filter(|_| !flat) {
            let message = format!("the key `{key}` belongs to version 1 of the format");
            cx.report.error(*key_at, value.path, message, *remedy);
            continue;
        }
        if value.is_null() || is_unset(key, value) {
            continue;
        }
        let _known = process::read(key, value, &mut draft, cx)
            || network::read(key, value, &mut draft, cx)
            || storage::read(key, value, &mut draft, cx)
            || resources::read(key, value, &mut draft, cx)
            || platform::read(key, value, &mut draft, cx);
        debug_assert!(_known, "the key `{key}` has no reader");
    }
    // These add to what other keys say, whatever their order in the file.
    for (key, _, value) in entries.iter().filter(|(key, _, value)| !value.is_null() && !is_unset(key, value))
    {
        match *key {
            "env_file" => process::env_file(value, &mut draft, cx),
            "label_file" => process::label_file(value, &mut draft, cx),
            "deploy" => deploy::read(value, &mut draft, cx),
            _ => {}
        }
    }
    platform::finish(&entries.iter().map(|(key, _, value)| (*key, *value)).collect(), &mut draft, cx);
    check_whole(&field, &mut draft, cx, flat, meant_image);
    draft
}

/// Whether the value is the empty text, as from a variable without one, and so says nothing.
fn is_unset(key: &str, value: &Field<'_>) -> bool {
    // An empty command clears that of the image; without an image or build there is no service.
    !matches!(key, "command" | "entrypoint" | "image" | "build") && value.node.as_text() == Some("")
}

/// Checks what several keys must say together.
fn check_whole(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>, flat: bool, meant_image: bool) {
    let at_key =
        |key: &str| field.node.as_map().and_then(|map| map.get(key)).map_or(draft.at, |entry| entry.at);
    let config = &draft.input.launch_config;
    let needs_image = match draft.input.kind {
        ServiceKind::Service | ServiceKind::StorageDriverService | ServiceKind::NetworkDriverService => true,
        ServiceKind::LoadBalancerService
        | ServiceKind::ExternalService
        | ServiceKind::DnsService
        | ServiceKind::SelectorService
        | ServiceKind::VirtualMachine => false,
    };
    let has = |key: &str| field.node.get(key).is_some_and(|node| !node.is_null());
    // `extends` is still there only if it failed, which is a fault already.
    if needs_image && !has("image") && !has("build") && !has("extends") && !has("provider") && !meant_image {
        cx.report.error(
            draft.at,
            field.path,
            format!("the service `{}` has neither `image` nor `build`", shorten(&draft.input.name)),
            "add `image: NAME`",
        );
    }
    if flat && has("image") && has("build") {
        cx.report.error(
            at_key("build"),
            field.path,
            "version 1 of the format takes either `image` or `build`, not both",
            "keep one of the two",
        );
    }
    if config.memory_swap.is_some() && config.memory.is_none() {
        cx.report.error(
            at_key("memswap_limit"),
            field.path,
            "`memswap_limit` needs `mem_limit`",
            "add `mem_limit`, the part of it that is memory",
        );
    }
    if let (Some(all), Some(memory)) = (config.memory_swap, config.memory)
        && all != -1
        && all < memory
    {
        cx.report.error(
            at_key("memswap_limit"),
            field.path,
            "`memswap_limit` is less than `mem_limit`, which it includes",
            "make it at least as large, or -1 for any",
        );
    }
    if let (Some(reserved), Some(memory)) = (config.memory_reservation, config.memory)
        && reserved > memory
    {
        cx.report.error(
            at_key("mem_reservation"),
            field.path,
            "more memory is reserved than the limit allows",
            "reserve at most the limit",
        );
    }
    if config.nano_cpus.is_some() && (config.cpu_quota.is_some() || config.cpu_period.is_some()) {
        cx.report.error(
            at_key("cpus"),
            field.path,
            "`cpus` and `cpu_quota` or `cpu_period` say the same thing twice",
            "keep `cpus`",
        );
    }
    if config.network_mode.as_deref() == Some("host") && !config.ports.is_empty() {
        cx.report.notice(
            at_key("ports"),
            field.path,
            "`ports` have no effect with the network of the host: each port that the process opens is one of the host",
        );
        draft.config().ports.clear();
    }
}

/// A name with a single `-` for whatever DNS does not hold; empty where nothing is left.
fn dns_name(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().take(64) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(63);
    out.trim_end_matches('-').to_owned()
}

fn proposed_name(name: &str) -> String {
    match dns_name(name) {
        proposal if proposal.is_empty() => "use letters, digits and `-`, at most 63".to_owned(),
        proposal => format!("call it `{proposal}`; its name is also its name in DNS"),
    }
}

/// What a service is called here whose name compose files may have and DNS may not, as `my_web`.
pub(crate) fn usual_name(name: &str) -> Option<String> {
    let usual = name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    let new = dns_name(name);
    (usual && new != name && check_dns_label(&new).is_ok()).then_some(new)
}

/// Sets a value that several keys can set; two different ones are a fault.
fn set_once<T: PartialEq>(
    slot: &mut Option<T>,
    value: Option<T>,
    other: &str,
    field: &Field<'_>,
    cx: &mut Context<'_>,
) {
    match (&slot, value) {
        (_, None) => {}
        (Some(old), Some(new)) if *old != new => field.error(
            &mut cx.report,
            format!("this differs from what `{other}` says"),
            "keep one of the two",
        ),
        (_, value) => *slot = value,
    }
}

/// What an image of the old platform stands for.
fn kind_of_image(image: &ImageRef) -> Option<ServiceKind> {
    match image.repository.as_str() {
        "rancher/external-service" => Some(ServiceKind::ExternalService),
        "rancher/dns-service" => Some(ServiceKind::DnsService),
        "rancher/load-balancer-service" => Some(ServiceKind::LoadBalancerService),
        "rancher/none" => Some(ServiceKind::SelectorService),
        _ => None,
    }
}

/// Adds an unknown key of a map below a service to the report.
pub(crate) fn unknown(key: &str, at: At, path: Path<'_>, known: &[&str], cx: &mut Context<'_>) {
    if cx.report.is_full() {
        return cx.report.overflow();
    }
    cx.report.error(at, path, format!("unknown key `{}`", shorten(key)), words::did_you_mean(key, known));
}

/// Whether plain `yes` and `no` in texts count as truth values.
pub(crate) fn old_words(cx: &Context<'_>) -> bool {
    cx.dialect == Dialect::Old
}

/// The entries of a service by key.
type Entries<'a> = BTreeMap<&'a str, Field<'a>>;

#[cfg(test)]
mod tests;
