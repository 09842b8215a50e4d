//! The platform's own keys, mostly from `rancher-compose.yml`, and the sort of service that they make.

use contract_api::launch::{
    HealthStrategy, InstanceHealthCheck, QuorumConfig, ScalePolicy, ServiceKind, UpgradeStrategy,
    VirtualMachineDisk,
};
use contract_values::{Duration, ImageRef};
use serde_json::{Map as JsonMap, Value as Json};

use super::{Draft, Entries, set_once, unknown};
use crate::error::shorten;
use crate::field::{Field, numbers_from_text};
use crate::project::Context;

/// The label that names the sidekicks of a service.
pub(crate) const SIDEKICKS: &str = "io.rancher.sidekicks";
pub(crate) const SELECTOR_LINK: &str = "io.rancher.service.selector.link";
const SELECTOR_CONTAINER: &str = "io.rancher.service.selector.container";
/// Serialised metadata may have this many characters.
const LONGEST_METADATA: usize = 1_048_576;

pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> bool {
    let report = &mut cx.report;
    match key {
        "scale" => {
            let scale = field.count(report);
            set_once(&mut draft.input.scale, scale, "deploy.replicas", field, cx);
        }
        "scale_policy" => scale_policy(field, draft, cx),
        "start_on_create" => draft.input.start_on_create = field.boolean(report),
        "retain_ip" => draft.input.retain_ip = field.boolean(report),
        "description" => draft.input.description = field.text(report),
        "health_check" => draft.config().health_check = health_check(field, cx),
        "metadata" => {
            let metadata = field.json_map(report);
            if Json::Object(metadata.clone()).to_string().chars().count() > LONGEST_METADATA {
                field.error(
                    report,
                    format!("the metadata has more than {LONGEST_METADATA} characters"),
                    "keep large data in a volume",
                );
            }
            draft.input.metadata = metadata;
        }
        "external_ips" => {
            for item in field.one_or_more(report) {
                let Some(text) = item.filled_text(report) else { continue };
                if text.parse::<std::net::IpAddr>().is_ok() {
                    draft.input.external_ips.push(text);
                } else {
                    item.error(
                        report,
                        format!("`{}` is no address", shorten(&text)),
                        "write an address, as `10.0.0.5`",
                    );
                }
            }
        }
        "upgrade_strategy" => upgrade_strategy(field, draft, cx),
        "drain_timeout_ms" => draft.config().drain_timeout_ms = field.integer_in(report, 0, i64::MAX),
        "milli_cpu_reservation" => {
            let milli = field.integer_in(report, 0, i64::MAX);
            draft.config().milli_cpu_reservation = milli;
        }
        "storage_driver" => draft.input.storage_driver = data(field, cx),
        "network_driver" => draft.input.network_driver = data(field, cx),
        "lb_config" => {
            if let Some(Json::Object(new)) = data(field, cx) {
                lb_config(draft).extend(new);
            }
        }
        "certs" | "default_cert" | "port_rules" | "stickiness_policy" | "config" | "load_balancer_config" => {
            let mut value = field.json();
            numbers_from_text(&mut value);
            lb_config(draft).entry(key).or_insert(value);
        }
        "type" => {
            if field.word(report, &[("virtual_machine", ())]).is_some() {
                draft.kind = Some(ServiceKind::VirtualMachine);
                draft.config().kind = Some("virtualMachine".to_owned());
            }
        }
        "vcpu" => draft.config().vcpu = field.count(report),
        "memory" => draft.config().memory_mb = field.integer_in(report, 0, i64::MAX),
        "userdata" => draft.config().userdata = field.text(report),
        "disks" => disks(field, draft, cx),
        "service_schemas" => {
            let schemas = field.json_map(report);
            if !schemas.is_empty() {
                draft.input.extra.insert("serviceSchemas".to_owned(), Json::Object(schemas));
            }
        }
        _ => return false,
    }
    true
}

/// The balancer rules under construction.
fn lb_config(draft: &mut Draft) -> &mut JsonMap<String, Json> {
    let value = draft.input.lb_config.get_or_insert_with(|| Json::Object(JsonMap::new()));
    value.as_object_mut().expect("the balancer rules are always a map")
}

/// A map as data, its numbers as such.
fn data(field: &Field<'_>, cx: &mut Context<'_>) -> Option<Json> {
    let mut value = Json::Object(field.json_map(&mut cx.report));
    numbers_from_text(&mut value);
    Some(value).filter(|value| value.as_object().is_some_and(|map| !map.is_empty()))
}

fn scale_policy(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let mut policy = ScalePolicy::default();
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        match key {
            "min" => policy.min = value.count(&mut cx.report),
            "max" => policy.max = value.count(&mut cx.report),
            "increment" => {
                policy.increment = value
                    .integer_in(&mut cx.report, 1, i64::from(u32::MAX))
                    .and_then(|n| u32::try_from(n).ok())
            }
            _ => unknown(key, at, value.path, &["min", "max", "increment"], cx),
        }
    }
    if let (Some(min), Some(max)) = (policy.min, policy.max)
        && min > max
    {
        field.error(&mut cx.report, "`min` is above `max`", "make `min` at most as large");
    }
    draft.input.scale_policy = Some(policy).filter(|policy| *policy != ScalePolicy::default());
}

fn upgrade_strategy(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let mut strategy = UpgradeStrategy::default();
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        match key {
            "start_first" => strategy.start_first = value.boolean(&mut cx.report),
            "batch_size" => strategy.batch_size = value.count(&mut cx.report),
            "interval_millis" => strategy.interval_millis = value.integer_in(&mut cx.report, 0, i64::MAX),
            _ => unknown(key, at, value.path, &["start_first", "batch_size", "interval_millis"], cx),
        }
    }
    draft.input.upgrade_strategy = Some(strategy).filter(|strategy| *strategy != UpgradeStrategy::default());
}

pub(crate) fn health_check(field: &Field<'_>, cx: &mut Context<'_>) -> Option<InstanceHealthCheck> {
    const KNOWN: &[&str] = &[
        "name",
        "port",
        "request_line",
        "interval",
        "response_timeout",
        "healthy_threshold",
        "unhealthy_threshold",
        "initializing_timeout",
        "reinitializing_timeout",
        "strategy",
        "recreate_on_quorum_strategy_config",
    ];
    let mut check = InstanceHealthCheck::default();
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        let report = &mut cx.report;
        let mut millis = || value.integer_in(report, 0, i64::MAX).map(Duration::millis);
        match key {
            _ if value.is_null() && KNOWN.contains(&key) => {}
            "interval" => check.interval = millis(),
            "response_timeout" => check.response_timeout = millis(),
            "initializing_timeout" => check.initializing_timeout = millis(),
            "reinitializing_timeout" => check.reinitializing_timeout = millis(),
            "name" => check.name = value.text(report),
            "port" => {
                check.port = value.integer_in(report, 1, 65535).and_then(|port| u16::try_from(port).ok())
            }
            "request_line" => check.request_line = value.text(report),
            "healthy_threshold" => check.healthy_threshold = value.count(report),
            "unhealthy_threshold" => check.unhealthy_threshold = value.count(report),
            "strategy" => {
                check.strategy = value.word(
                    report,
                    &[
                        ("none", HealthStrategy::None),
                        ("recreate", HealthStrategy::Recreate),
                        ("recreateOnQuorum", HealthStrategy::RecreateOnQuorum),
                    ],
                );
            }
            "recreate_on_quorum_strategy_config" => {
                let settings: Vec<_> = value.entries(report).collect();
                let mut config = QuorumConfig::default();
                for (key, at, setting) in settings {
                    match key {
                        "quorum" => config.quorum = setting.count(&mut cx.report),
                        _ => unknown(key, at, setting.path, &["quorum"], cx),
                    }
                }
                check.recreate_on_quorum_strategy_config = Some(config);
            }
            _ => unknown(key, at, value.path, KNOWN, cx),
        }
    }
    if check.port.is_none() && field.node.get("port").is_none() {
        field.error(
            &mut cx.report,
            "the check has no `port`",
            "add `port: NUMBER`, the port in the container",
        );
    }
    Some(check)
}

fn disks(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] = &["name", "size", "root", "driver", "opts", "readIops", "writeIops"];
    let items: Vec<_> = field.items(&mut cx.report).collect();
    for item in items {
        let mut disk = VirtualMachineDisk::default();
        let entries: Vec<_> = item.entries(&mut cx.report).collect();
        for (key, at, value) in entries {
            let report = &mut cx.report;
            match key {
                "name" => disk.name = value.text(report),
                "size" => disk.size = value.text(report),
                "root" => disk.root = value.boolean(report),
                "driver" => disk.driver = value.text(report),
                "opts" => disk.opts = value.text_map(report, false),
                "readIops" => disk.read_iops = value.integer(report),
                "writeIops" => disk.write_iops = value.integer(report),
                _ => unknown(key, at, value.path, KNOWN, cx),
            }
        }
        draft.config().disks.push(disk);
    }
}

/// Sets what follows from several keys: the sort of service, sidekicks, selectors.
pub(super) fn finish(entries: &Entries<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let labels = draft.input.launch_config.labels.clone();
    draft.input.selector_link = labels.get(SELECTOR_LINK).cloned();
    draft.input.selector_container = labels.get(SELECTOR_CONTAINER).cloned();
    let at = entries.get("labels").map_or(draft.at, Field::at);
    if let Some(list) = labels.get(SIDEKICKS) {
        let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        draft.config().labels.insert(SIDEKICKS.to_owned(), names.join(","));
        draft.sidekicks = names.into_iter().map(|name| (name.to_owned(), at)).collect();
    }
    let balances = draft.input.lb_config.as_ref().is_some_and(|config| {
        config["port_rules"]
            .as_array()
            .is_some_and(|rules| rules.iter().any(|rule| rule.get("source_port").is_some()))
    });
    draft.input.kind = match draft.kind {
        Some(kind) => kind,
        None if !draft.input.external_ips.is_empty() => ServiceKind::ExternalService,
        None if balances => ServiceKind::LoadBalancerService,
        None if draft.input.storage_driver.is_some() => ServiceKind::StorageDriverService,
        None if draft.input.network_driver.is_some() => ServiceKind::NetworkDriverService,
        None => ServiceKind::Service,
    };
    let stands_for_kind = draft.config().image().is_some_and(|image| {
        image.parse::<ImageRef>().is_ok_and(|image| super::kind_of_image(&image).is_some())
    });
    if stands_for_kind || (draft.input.kind == ServiceKind::LoadBalancerService && !balances) {
        // These images say what sort of service it is; none of them is ever run. Nor is a balancer that has nothing
        // to balance.
        draft.config().image_uuid = None;
    }
    if draft.input.kind == ServiceKind::ExternalService {
        // A host name on an external service is what it stands for, not what a container is called.
        draft.input.hostname = draft.config().hostname.take();
        draft.input.health_check = draft.config().health_check.take();
        if let (Some(_), Some(field)) = (&draft.input.hostname, entries.get("external_ips")) {
            field.error(
                &mut cx.report,
                "an external service has either `external_ips` or `hostname`",
                "keep one of the two",
            );
        }
    }
    if let (Some(true), Some(field)) = (draft.input.retain_ip, entries.get("upgrade_strategy"))
        && draft.input.upgrade_strategy.as_ref().is_some_and(|strategy| strategy.start_first == Some(true))
    {
        field.error(
            &mut cx.report,
            "`start_first` cannot go with `retain_ip`: two containers would need one address",
            "keep one of the two",
        );
    }
}
