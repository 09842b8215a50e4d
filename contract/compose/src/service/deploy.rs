//! The `deploy` section, as far as it means something here.

use contract_api::launch::{RestartPolicy, UpgradeStrategy};

use super::{Draft, process, resources, set_once, unknown};
use crate::field::Field;
use crate::project::Context;
use crate::support;

/// The label that asks for one unit on every host.
pub(crate) const GLOBAL: &str = "io.rancher.scheduler.global";
const HOST_AFFINITY: &str = "io.rancher.scheduler.affinity:host_label";

pub(super) fn read(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] = &[
        "replicas",
        "mode",
        "labels",
        "resources",
        "restart_policy",
        "update_config",
        "rollback_config",
        "placement",
        "endpoint_mode",
    ];
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in &entries {
        match *key {
            _ if value.is_null() && KNOWN.contains(key) => {}
            "replicas" => {
                let replicas = value.count(&mut cx.report);
                set_once(&mut draft.input.scale, replicas, "scale", value, cx);
            }
            "mode" => mode(value, draft, cx),
            "labels" => {
                for (name, text) in value.text_map(&mut cx.report, false) {
                    draft.config().labels.entry(name).or_insert(text);
                }
            }
            "resources" => resources(value, draft, cx),
            "restart_policy" => restart_policy(value, draft, cx),
            "update_config" => update_config(value, draft, cx),
            "placement" => placement(value, draft, cx),
            "rollback_config" => value.ignored(&mut cx.report, key, support::ROLLBACK),
            "endpoint_mode" => value.ignored(&mut cx.report, key, support::ENDPOINT),
            _ => unknown(key, *at, value.path, KNOWN, cx),
        }
    }
}

fn mode(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    match field.node.as_text() {
        Some("replicated") => {}
        Some("global") => drop(draft.config().labels.insert(GLOBAL.to_owned(), "true".to_owned())),
        Some("replicated-job" | "global-job") => field.error(
            &mut cx.report,
            "jobs are written otherwise here",
            format!("remove `mode` and set the label `{}: \"true\"`", process::START_ONCE),
        ),
        _ => field.error(&mut cx.report, "this mode is not known", "write `replicated` or `global`"),
    }
}

fn resources(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let parts: Vec<_> = field.entries(&mut cx.report).collect();
    for (part, at, value) in &parts {
        let entries: Vec<_> = match *part {
            "limits" | "reservations" => value.entries(&mut cx.report).collect(),
            _ => {
                unknown(part, *at, value.path, &["limits", "reservations"], cx);
                continue;
            }
        };
        for (key, key_at, value) in &entries {
            match (*part, *key) {
                (_, "cpus" | "memory" | "pids" | "devices" | "generic_resources") if value.is_null() => {}
                ("limits", "cpus") => {
                    let cpus = resources::nano_cpus(value, cx);
                    set_once(&mut draft.config().nano_cpus, cpus, "cpus", value, cx);
                }
                ("limits", "memory") => resources::set_memory(value, draft, cx),
                ("limits", "pids") => {
                    let pids = value.integer_in(&mut cx.report, -1, i64::MAX);
                    set_once(&mut draft.config().pids_limit, pids, "pids_limit", value, cx);
                }
                ("reservations", "cpus") => {
                    let milli = resources::nano_cpus(value, cx).map(|nano| nano / 1_000_000);
                    set_once(
                        &mut draft.config().milli_cpu_reservation,
                        milli,
                        "milli_cpu_reservation",
                        value,
                        cx,
                    );
                }
                ("reservations", "memory") => {
                    let bytes = value.bytes(&mut cx.report);
                    set_once(&mut draft.config().memory_reservation, bytes, "mem_reservation", value, cx);
                }
                ("reservations", "devices") => {
                    let items: Vec<_> = value.items(&mut cx.report).collect();
                    for item in items {
                        if let Some(request) = resources::device_request(&item, cx) {
                            draft.config().device_requests.push(request);
                        }
                    }
                }
                ("reservations", "generic_resources") => {
                    value.ignored(&mut cx.report, key, support::GENERIC);
                }
                ("limits", _) => unknown(key, *key_at, value.path, &["cpus", "memory", "pids"], cx),
                _ => {
                    unknown(key, *key_at, value.path, &["cpus", "memory", "devices", "generic_resources"], cx)
                }
            }
        }
    }
}

fn restart_policy(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] = &["condition", "delay", "max_attempts", "window"];
    let (mut name, mut tries) = ("always", None);
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        let report = &mut cx.report;
        match key {
            _ if value.is_null() && KNOWN.contains(&key) => {}
            "condition" => {
                let known = [("none", "no"), ("on-failure", "on-failure"), ("any", "always")];
                name = value.word(report, &known).unwrap_or(name);
            }
            "max_attempts" => tries = value.count(report),
            "delay" | "window" => {
                let _ = value.duration(report);
                value.ignored(report, key, support::DELAY);
            }
            _ => unknown(key, at, value.path, KNOWN, cx),
        }
    }
    let maximum_retry_count = tries.filter(|_| name == "on-failure");
    process::set_restart(RestartPolicy { name: name.to_owned(), maximum_retry_count }, draft);
}

fn update_config(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] =
        &["parallelism", "delay", "order", "failure_action", "monitor", "max_failure_ratio"];
    let mut strategy = draft.input.upgrade_strategy.take().unwrap_or_default();
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        let report = &mut cx.report;
        match key {
            _ if value.is_null() && KNOWN.contains(&key) => {}
            "parallelism" => strategy.batch_size = value.count(report).filter(|count| *count > 0),
            "delay" => strategy.interval_millis = value.duration(report).map(|time| time.0),
            "order" => {
                let first = value.word(report, &[("start-first", true), ("stop-first", false)]);
                strategy.start_first = first.or(strategy.start_first);
            }
            "failure_action" | "monitor" | "max_failure_ratio" => {
                value.ignored(report, key, support::UPDATE);
            }
            _ => unknown(key, at, value.path, KNOWN, cx),
        }
    }
    draft.input.upgrade_strategy = Some(strategy).filter(|strategy| *strategy != UpgradeStrategy::default());
}

/// Constraints on labels of hosts become the platform's own; the others have no counterpart.
fn placement(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] = &["constraints", "preferences", "max_replicas_per_node"];
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in &entries {
        match *key {
            _ if value.is_null() && KNOWN.contains(key) => {}
            "constraints" => {
                let items: Vec<_> = value.items(&mut cx.report).collect();
                for item in items {
                    let Some(text) = item.filled_text(&mut cx.report) else { continue };
                    let (left, equal, right) = match (text.split_once("=="), text.split_once("!=")) {
                        (Some((left, right)), _) => (left.trim(), true, right.trim()),
                        (None, Some((left, right))) => (left.trim(), false, right.trim()),
                        (None, None) => {
                            item.error(
                                &mut cx.report,
                                "a constraint has `==` or `!=`",
                                "write `node.labels.NAME == value`",
                            );
                            continue;
                        }
                    };
                    let Some(name) =
                        left.strip_prefix("node.labels.").or(left.strip_prefix("engine.labels."))
                    else {
                        item.notice(
                            &mut cx.report,
                            "this constraint has no effect: only labels of hosts, `node.labels.NAME`, choose among them",
                        );
                        continue;
                    };
                    let label = if equal { HOST_AFFINITY.to_owned() } else { format!("{HOST_AFFINITY}_ne") };
                    let rule = format!("{name}={right}");
                    let rules = draft.config().labels.entry(label).or_default();
                    if !rules.split(',').any(|old| old == rule) {
                        let comma = if rules.is_empty() { "" } else { "," };
                        *rules = format!("{rules}{comma}{rule}");
                    }
                }
            }
            "preferences" | "max_replicas_per_node" => {
                value.ignored(&mut cx.report, key, support::SPREAD);
            }
            _ => unknown(key, *at, value.path, KNOWN, cx),
        }
    }
}
