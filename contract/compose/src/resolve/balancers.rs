//! Balancers of the old sort: an image, links and labels, turned into the rules of today's.
//!
//! One rule per port and link; labels of the balancer then say for a link which host names and paths lead to it.

use contract_api::launch::ServiceKind;
use serde_json::{Map, Value, json};

use crate::service::{Draft, platform};

const TARGET: &str = "io.rancher.loadbalancer.target.";
const SSL_PORTS: &str = "io.rancher.loadbalancer.ssl.ports";
const PROXY_PORTS: &str = "io.rancher.loadbalancer.proxy-protocol.ports";

/// Writes the rules of an old balancer, unless it has rules of its own.
pub(super) fn convert(draft: &mut Draft) {
    if draft.input.kind != ServiceKind::LoadBalancerService {
        return;
    }
    let lb_config = draft.input.lb_config.get_or_insert_with(|| json!({}));
    let Some(config) = lb_config.as_object_mut() else { return };
    let old = config.shift_remove("load_balancer_config");
    if let Some(Value::Object(old)) = &old {
        adopt(config, old);
    }
    if !has_rules(config) {
        let rules = rules(draft);
        let labels = &draft.input.launch_config.labels;
        let lb_config = draft.input.lb_config.get_or_insert_with(|| json!({}));
        let Some(config) = lb_config.as_object_mut() else { return };
        let proxies = labels.get(PROXY_PORTS).map(String::as_str).unwrap_or_default();
        for port in proxies.split(',').filter_map(|port| port.trim().parse::<u16>().ok()) {
            add_text(config, &format!("frontend {port}\n  accept-proxy\n"));
        }
        if !rules.is_empty() {
            config.insert("port_rules".to_owned(), Value::Array(rules.into_iter().map(Into::into).collect()));
        }
    }
    if draft.input.lb_config.as_ref().and_then(Value::as_object).is_some_and(Map::is_empty) {
        draft.input.lb_config = None;
    }
    // What a balancer publishes is the port that it listens on.
    for port in &mut draft.input.launch_config.ports {
        let public = port.public.unwrap_or(port.private);
        (port.public, port.private) = (Some(public), public);
    }
    draft.links.clear();
    draft.input.external_links.clear();
}

/// Whether rules say on which ports the balancer listens.
pub(super) fn has_rules(config: &Map<String, Value>) -> bool {
    let rules = config.get("port_rules").and_then(Value::as_array);
    rules.is_some_and(|rules| rules.iter().any(|rule| rule.get("source_port").is_some()))
}

/// Takes over what `load_balancer_config` says.
fn adopt(config: &mut Map<String, Value>, old: &Map<String, Value>) {
    let part =
        |name: &str| old.get("haproxy_config").and_then(|parts| parts.get(name)).and_then(Value::as_str);
    for name in ["global", "defaults"] {
        if let Some(text) = part(name).filter(|text| !text.trim().is_empty()) {
            let lines: String = text.lines().map(|line| format!("  {}\n", line.trim())).collect();
            add_text(config, &format!("{name}\n{lines}"));
        }
    }
    if let Some(policy @ Value::Object(_)) = old.get("lb_cookie_stickiness_policy") {
        config.entry("stickiness_policy").or_insert_with(|| policy.clone());
    }
}

/// Adds to the custom text of the balancer.
fn add_text(config: &mut Map<String, Value>, text: &str) {
    let before = config.get("config").and_then(Value::as_str).unwrap_or_default();
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let joined = format!("{before}{gap}{text}");
    config.insert("config".to_owned(), Value::String(joined));
}

/// One rule of a balancer.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rule {
    source_port: u16,
    target_port: u16,
    protocol: &'static str,
    service: Option<String>,
    selector: Option<String>,
    hostname: Option<String>,
    path: Option<String>,
}

impl From<Rule> for Value {
    fn from(rule: Rule) -> Self {
        let mut map = Map::new();
        map.insert("source_port".to_owned(), json!(rule.source_port));
        map.insert("protocol".to_owned(), json!(rule.protocol));
        for (key, value) in [
            ("service", rule.service),
            ("selector", rule.selector),
            ("hostname", rule.hostname),
            ("path", rule.path),
        ] {
            if let Some(value) = value {
                map.insert(key.to_owned(), Value::String(value));
            }
        }
        map.insert("target_port".to_owned(), json!(rule.target_port));
        Value::Object(map)
    }
}

/// Rules for one draft: at most so many, however many ports and links it has.
const MOST_RULES: usize = 2000;

fn rules(draft: &Draft) -> Vec<Rule> {
    let labels = &draft.input.launch_config.labels;
    let ports_of = |label: &str| -> Vec<u16> {
        let text = labels.get(label).map(String::as_str).unwrap_or_default();
        text.split(',').filter_map(|port| port.trim().parse().ok()).collect()
    };
    let secure = ports_of(SSL_PORTS);
    let protocol = |source: u16, tcp: bool| match (tcp, secure.contains(&source)) {
        (true, true) => "tls",
        (true, false) => "tcp",
        (false, true) => "https",
        (false, false) => "http",
    };
    let mut ends: Vec<(u16, u16, bool)> = Vec::new();
    let tcp_ports = &draft.tcp_ports;
    for port in &draft.input.launch_config.ports {
        let source = port.public.unwrap_or(port.private).get();
        ends.push((source, port.private.get(), tcp_ports.contains(&port.private.get())));
    }
    for text in &draft.input.launch_config.expose {
        if let Ok(port) = text.split('/').next().unwrap_or(text).parse::<u16>() {
            let target = draft.exposed_targets.get(&port).copied().unwrap_or(port);
            ends.push((port, target, tcp_ports.contains(&port)));
        }
    }
    let mut targets: Vec<String> = draft.links.iter().map(|(link, _)| link.service.clone()).collect();
    targets.extend(draft.input.external_links.iter().map(|link| link.service.clone()));
    let mut rules = Vec::new();
    for (source, target, tcp) in &ends {
        let base = Rule {
            source_port: *source,
            target_port: *target,
            protocol: protocol(*source, *tcp),
            ..Rule::default()
        };
        for name in &targets {
            let service = Some(name.clone());
            let said = said_for(labels.get(&format!("{TARGET}{name}")), &base);
            if said.is_empty() {
                rules.push(Rule { service, ..base.clone() });
            } else {
                rules.extend(said.into_iter().map(|rule| Rule { service: service.clone(), ..rule }));
            }
        }
        if let Some(selector) = labels.get(platform::SELECTOR_LINK) {
            rules.push(Rule { selector: Some(selector.clone()), ..base });
        }
        if rules.len() >= MOST_RULES {
            rules.truncate(MOST_RULES);
            break;
        }
    }
    rules
}

/// The rules that a label makes of one port: `[host[:port]][/path][=target]`, several with commas between.
fn said_for(label: Option<&String>, base: &Rule) -> Vec<Rule> {
    let mut rules = Vec::new();
    for text in label.map(String::as_str).unwrap_or_default().split(',').map(str::trim) {
        if text.is_empty() || rules.len() >= MOST_RULES {
            continue;
        }
        let mut rule = base.clone();
        let (rest, target) = match text.split_once('=') {
            Some((rest, target)) => (rest, target.trim().parse::<u16>().ok()),
            None => (text, None),
        };
        if let (Ok(port), None) = (rest.parse::<u16>(), target) {
            // A lone number is the port of the target.
            rule.target_port = port;
            rules.push(rule);
            continue;
        }
        rule.target_port = target.unwrap_or(rule.target_port);
        let (host, path) = match rest.find('/') {
            Some(slash) => (&rest[..slash], Some(rest[slash..].to_owned())),
            None => (rest, None),
        };
        let (host, source) = match host.rsplit_once(':') {
            Some((host, port)) => (host, port.parse::<u16>().ok()),
            None => match host.parse::<u16>() {
                Ok(port) => ("", Some(port)),
                Err(_) => (host, None),
            },
        };
        if source.is_some_and(|source| source != rule.source_port) {
            continue;
        }
        rule.hostname = Some(host.to_owned()).filter(|host| !host.is_empty());
        rule.path = path.filter(|path| path != "/");
        rules.push(rule);
    }
    rules
}
