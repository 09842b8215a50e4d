//! How much the containers may use, and what they may do.

use std::collections::BTreeMap;

use contract_api::launch::{BlkioDeviceOption, DeviceRequest, Ulimit};

use super::{Draft, old_words, set_once, unknown};
use crate::error::shorten;
use crate::field::Field;
use crate::project::Context;
use crate::support;
use crate::words;
use crate::yaml::Value;

/// Kernel capabilities, without their `CAP_`.
const CAPABILITIES: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> bool {
    let old_words = old_words(cx);
    let report = &mut cx.report;
    let config = draft.config();
    match key {
        "mem_limit" => config.memory = field.bytes(report),
        "mem_reservation" => config.memory_reservation = field.bytes(report),
        "memswap_limit" => config.memory_swap = field.bytes_or_unlimited(report),
        "mem_swappiness" => config.memory_swappiness = field.integer_in(report, 0, 100),
        "cpus" => config.nano_cpus = nano_cpus(field, cx),
        "cpu_shares" => config.cpu_shares = field.integer_in(report, 0, i64::MAX),
        "cpu_quota" => config.cpu_quota = microseconds(field, cx),
        "cpu_period" => config.cpu_period = microseconds(field, cx),
        "cpu_rt_runtime" => config.cpu_realtime_runtime = microseconds(field, cx),
        "cpu_rt_period" => config.cpu_realtime_period = microseconds(field, cx),
        "cpu_count" => config.cpu_count = field.integer_in(report, 0, i64::MAX),
        "cpu_percent" => config.cpu_percent = field.integer_in(report, 0, 100),
        "cpuset" => config.cpu_set = field.filled_text(report),
        "pids_limit" => config.pids_limit = field.integer_in(report, -1, i64::MAX),
        "oom_kill_disable" => config.oom_kill_disable = field.boolean(report),
        "oom_score_adj" => config.oom_score_adj = field.integer_in(report, -1000, 1000),
        "ulimits" => config.ulimits = ulimits(field, cx),
        "blkio_config" => blkio_config(field, draft, cx),
        "blkio_weight" => config.blkio_weight = field.integer_in(report, 0, 1000),
        "blkio_weight_device"
        | "device_read_bps"
        | "device_write_bps"
        | "device_read_iops"
        | "device_write_iops" => {
            for item in field.one_or_more(report) {
                block_device(key, &item, draft, cx);
            }
        }
        "privileged" => config.privileged = field.boolean(report),
        "cap_add" => config.cap_add = capabilities(field, cx),
        "cap_drop" => config.cap_drop = capabilities(field, cx),
        "security_opt" => config.security_opt = field.texts(report),
        "group_add" => config.group_add = field.texts(report),
        "pid" => config.pid_mode = shared(field, cx),
        "ipc" => config.ipc_mode = shared(field, cx),
        "uts" => config.uts = shared(field, cx),
        "userns_mode" => config.userns_mode = field.filled_text(report),
        "cgroup" => {
            let mode = field.word(report, &[("host", "host"), ("private", "private")]);
            config.cgroupns_mode = mode.map(str::to_owned);
        }
        "cgroup_parent" => config.cgroup_parent = field.filled_text(report),
        "isolation" => config.isolation = field.filled_text(report),
        "sysctls" => config.sysctls = field.text_map(report, old_words),
        "devices" => devices(field, draft, cx),
        "device_cgroup_rules" => config.device_cgroup_rules = field.texts(report),
        "gpus" => gpus(field, draft, cx),
        "attach" | "develop" => {
            field.ignored(report, key, support::DEVELOPER);
        }
        "driver_opts" => field.ignored(report, key, support::DRIVER_OPTS),
        "credential_spec" => field.ignored(report, key, support::WINDOWS),
        "post_start" | "pre_start" | "pre_stop" => {
            field.error(
                report,
                format!("`{key}` is not available: {}", support::HOOKS),
                "do its work in the entry point of the container, or in a service of its own that runs once",
            );
        }
        "models" | "provider" | "use_api_socket" => {
            let (why, remedy) = match key {
                "models" => {
                    (support::MODELS, "run the model as a service, and name its address in `environment`")
                }
                "provider" => (
                    support::PROVIDER,
                    "run it as a service with an `image`, or name its address in `environment`",
                ),
                _ => (support::SOCKET, "if it must have them, mount `/var/run/docker.sock` below `volumes`"),
            };
            field.error(report, format!("`{key}` is not available: {why}"), remedy);
        }
        _ => return false,
    }
    true
}

/// A share of processors in billionths of one.
pub(super) fn nano_cpus(field: &Field<'_>, cx: &mut Context<'_>) -> Option<i64> {
    let number = field.number(&mut cx.report)?;
    if !(0.0..=1_000_000.0).contains(&number) {
        field.error(&mut cx.report, "this is no number of processors", "write a number from 0 on, as `0.5`");
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    Some((number * 1e9).round() as i64)
}

/// A number of microseconds, or a time with a unit.
fn microseconds(field: &Field<'_>, cx: &mut Context<'_>) -> Option<i64> {
    if field.node.as_scalar().and_then(crate::yaml::Scalar::integer).is_some() {
        return field.integer_in(&mut cx.report, -1, i64::MAX);
    }
    field.duration(&mut cx.report).map(|time| time.0.saturating_mul(1000))
}

/// `host` and its kin; the names of services cannot be shared this way.
fn shared(field: &Field<'_>, cx: &mut Context<'_>) -> Option<String> {
    let text = field.filled_text(&mut cx.report)?;
    let known = ["host", "private", "shareable", "none"];
    if known.contains(&text.as_str()) || text.strip_prefix("container:").is_some_and(|name| !name.is_empty())
    {
        return Some(text);
    }
    let (message, remedy) = if text.starts_with("service:") {
        (
            "sharing this with another service is not available yet".to_owned(),
            "use `host`, or remove it".to_owned(),
        )
    } else {
        (format!("`{}` is not known here", shorten(&text)), words::did_you_mean(&text, &known))
    };
    field.error(&mut cx.report, message, remedy);
    None
}

fn capabilities(field: &Field<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let items: Vec<_> = field.items(&mut cx.report).collect();
    let mut names = Vec::new();
    for item in items {
        let Some(text) = item.filled_text(&mut cx.report) else { continue };
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if CAPABILITIES.contains(&name) {
            names.push(name.to_owned());
        } else if cx.report.is_full() {
            cx.report.overflow();
        } else {
            item.error(
                &mut cx.report,
                format!("`{}` is no kernel capability", shorten(&text)),
                words::did_you_mean(name, CAPABILITIES),
            );
        }
    }
    names
}

pub(super) fn ulimits(field: &Field<'_>, cx: &mut Context<'_>) -> Vec<Ulimit> {
    let mut limits = Vec::new();
    const KNOWN: &[&str] = &[
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (name, at, value) in &entries {
        if !KNOWN.contains(name) {
            unknown(name, *at, value.path, KNOWN, cx);
            continue;
        }
        let mut limit = Ulimit { name: (*name).to_owned(), soft: None, hard: None };
        if value.node.as_map().is_some() {
            let bounds: Vec<_> = value.entries(&mut cx.report).collect();
            for (key, key_at, bound) in bounds {
                match key {
                    "soft" => limit.soft = bound.integer_in(&mut cx.report, -1, i64::MAX),
                    "hard" => limit.hard = bound.integer_in(&mut cx.report, -1, i64::MAX),
                    _ => unknown(key, key_at, bound.path, &["soft", "hard"], cx),
                }
            }
            if limit.soft.is_none() || limit.hard.is_none() {
                if value.node.get("soft").is_none() || value.node.get("hard").is_none() {
                    value.error(
                        &mut cx.report,
                        "a limit has `soft` and `hard`",
                        "add the missing one, or write one number for both",
                    );
                }
                continue;
            }
            let unlimited = |bound: i64| if bound < 0 { i64::MAX } else { bound };
            if limit.soft.map(unlimited) > limit.hard.map(unlimited) {
                value.error(
                    &mut cx.report,
                    "the soft limit is above the hard one",
                    "make it at most as large",
                );
            }
        } else {
            limit.soft = value.integer_in(&mut cx.report, -1, i64::MAX);
            limit.hard = limit.soft;
        }
        limits.push(limit);
    }
    limits
}

fn blkio_config(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] = &[
        "weight",
        "weight_device",
        "device_read_bps",
        "device_write_bps",
        "device_read_iops",
        "device_write_iops",
    ];
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in &entries {
        match *key {
            _ if value.is_null() && KNOWN.contains(key) => {}
            "weight" => draft.config().blkio_weight = value.integer_in(&mut cx.report, 0, 1000),
            _ if KNOWN.contains(key) => {
                let own = if *key == "weight_device" { "blkio_weight_device" } else { *key };
                let items: Vec<_> = value.items(&mut cx.report).collect();
                for item in items {
                    block_device(own, &item, draft, cx);
                }
            }
            _ => unknown(key, *at, value.path, KNOWN, cx),
        }
    }
}

/// Reads `device:limit`, or `{path, rate}`.
fn block_device(key: &str, field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let (device, limit) = if field.node.as_map().is_some() {
        let text = |key: &str| field.node.get(key).and_then(|node| node.as_text()).map(str::to_owned);
        let limit_key = if key == "blkio_weight_device" { "weight" } else { "rate" };
        let entries: Vec<_> = field.entries(&mut cx.report).collect();
        for (key, at, value) in entries {
            if key != "path" && key != limit_key {
                unknown(key, at, value.path, &["path", limit_key], cx);
            }
        }
        (text("path"), text(limit_key))
    } else {
        let Some(text) = field.filled_text(&mut cx.report) else { return };
        match text.rsplit_once(':') {
            Some((device, limit)) => (Some(device.to_owned()), Some(limit.to_owned())),
            None => (None, None),
        }
    };
    let sizes = matches!(key, "device_read_bps" | "device_write_bps");
    let limit =
        limit.and_then(|text| if sizes { words::bytes(&text) } else { text.trim().parse::<i64>().ok() });
    let (Some(device), Some(limit)) =
        (device.filter(|device| !device.is_empty()), limit.filter(|limit| *limit >= 0))
    else {
        field.error(
            &mut cx.report,
            "an entry is the path of a device and a number",
            "write `/dev/sda:100`, or `{path: /dev/sda, rate: 100}`",
        );
        return;
    };
    let options: &mut BTreeMap<String, BlkioDeviceOption> = &mut draft.config().blkio_device_options;
    let option = options.entry(device).or_default();
    let slot = match key {
        "blkio_weight_device" => &mut option.weight,
        "device_read_bps" => &mut option.read_bps,
        "device_write_bps" => &mut option.write_bps,
        "device_read_iops" => &mut option.read_iops,
        _ => &mut option.write_iops,
    };
    *slot = Some(limit);
}

fn devices(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let items: Vec<_> = field.items(&mut cx.report).collect();
    for item in items {
        if item.node.as_map().is_none() {
            let Some(text) = item.filled_text(&mut cx.report) else { continue };
            let rights = text.split(':').nth(2).unwrap_or("rwm");
            if text.split(':').count() > 3 || rights.is_empty() || !rights.chars().all(|c| "rwm".contains(c))
            {
                item.error(
                    &mut cx.report,
                    format!("`{}` is not of the form host[:container[:rwm]]", shorten(&text)),
                    "write `/dev/snd` or `/dev/sda:/dev/xvda:r`",
                );
                continue;
            }
            draft.config().devices.push(text);
            continue;
        }
        let (mut source, mut target, mut rights) = (None, None, None);
        let entries: Vec<_> = item.entries(&mut cx.report).collect();
        for (key, at, value) in entries {
            match key {
                "source" => source = value.filled_text(&mut cx.report),
                "target" => target = value.filled_text(&mut cx.report),
                "permissions" => rights = value.filled_text(&mut cx.report),
                _ => unknown(key, at, value.path, &["source", "target", "permissions"], cx),
            }
        }
        let Some(source) = source else {
            item.error(&mut cx.report, "the device has no `source`", "add `source: /dev/…`");
            continue;
        };
        if let Some(odd) = rights.as_deref().filter(|rights| !rights.chars().all(|c| "rwm".contains(c))) {
            item.error(
                &mut cx.report,
                format!("`{}` are no rights on a device", shorten(odd)),
                "write some of `r`, `w` and `m`",
            );
            continue;
        }
        let target = target.unwrap_or_else(|| source.clone());
        draft.config().devices.push(match rights {
            Some(rights) => format!("{source}:{target}:{rights}"),
            None => format!("{source}:{target}"),
        });
    }
}

fn gpus(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    if let Value::Scalar(scalar) = &field.node.value {
        if scalar.text == "all" {
            let all = DeviceRequest {
                count: Some(-1),
                capabilities: vec![vec!["gpu".to_owned()]],
                ..DeviceRequest::default()
            };
            draft.config().device_requests.push(all);
        } else {
            field.error(&mut cx.report, "`gpus` is `all`, or a list of devices", "write `gpus: all`");
        }
        return;
    }
    let items: Vec<_> = field.items(&mut cx.report).collect();
    for item in items {
        if let Some(mut request) = device_request(&item, cx) {
            if !request.capabilities.iter().flatten().any(|ability| ability == "gpu") {
                match request.capabilities.first_mut() {
                    Some(first) => first.push("gpu".to_owned()),
                    None => request.capabilities.push(vec!["gpu".to_owned()]),
                }
            }
            draft.config().device_requests.push(request);
        }
    }
}

/// Reads a device by what it can do, as `gpus` and `deploy.resources.reservations.devices` ask for it.
pub(super) fn device_request(field: &Field<'_>, cx: &mut Context<'_>) -> Option<DeviceRequest> {
    const KNOWN: &[&str] = &["capabilities", "count", "device_ids", "driver", "options"];
    let mut request = DeviceRequest::default();
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        let report = &mut cx.report;
        match key {
            _ if value.is_null() && KNOWN.contains(&key) => {}
            "capabilities" => request.capabilities = vec![value.texts(report)],
            "count" if value.node.as_text() == Some("all") => request.count = Some(-1),
            "count" => request.count = value.integer_in(report, -1, i64::MAX),
            "device_ids" => request.device_ids = value.texts(report),
            "driver" => request.driver = value.filled_text(report),
            "options" => request.options = value.text_map(report, false),
            _ => unknown(key, at, value.path, KNOWN, cx),
        }
    }
    if request.count.is_some() && !request.device_ids.is_empty() {
        field.error(&mut cx.report, "`count` and `device_ids` exclude each other", "keep one of the two");
        return None;
    }
    if request.count.is_none() && request.device_ids.is_empty() {
        request.count = Some(-1);
    }
    Some(request)
}

/// Sets the memory limit, which two keys can say.
pub(super) fn set_memory(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let value = field.bytes(&mut cx.report);
    set_once(&mut draft.config().memory, value, "mem_limit", field, cx);
}
