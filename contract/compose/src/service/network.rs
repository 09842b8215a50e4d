//! Whom the containers reach and under which names.

use std::net::IpAddr;

use contract_api::launch::{Dependency, DependencyCondition, ServiceLink};

use super::{Draft, old_words, ports, unknown};
use crate::error::shorten;
use crate::field::Field;
use crate::project::Context;
use crate::support;
use crate::yaml::Value;

pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> bool {
    let report = &mut cx.report;
    match key {
        "ports" => ports::read(field, draft, cx),
        "expose" => ports::expose(field, draft, cx),
        "links" => {
            for item in field.one_or_more(report) {
                if let Some((service, alias)) = link(&item, cx) {
                    draft.links.push((ServiceLink { service, alias }, item.at()));
                }
            }
        }
        "external_links" => {
            for item in field.one_or_more(report) {
                if let Some((service, alias)) = link(&item, cx) {
                    draft.input.external_links.push(ServiceLink { service, alias });
                }
            }
        }
        "depends_on" => depends_on(field, draft, cx),
        "network_mode" | "net" => network_mode(field, draft, cx),
        "networks" => networks(field, draft, cx),
        "extra_hosts" => draft.config().extra_hosts = extra_hosts(field, cx),
        "dns" => {
            for item in field.one_or_more(report) {
                let Some(text) = item.filled_text(report) else { continue };
                if text.parse::<IpAddr>().is_ok() {
                    draft.config().dns.push(text);
                } else {
                    item.error(
                        report,
                        format!("`{}` is no address", shorten(&text)),
                        "write the address of a name server, as `9.9.9.9`",
                    );
                }
            }
        }
        "dns_search" => draft.config().dns_search = field.one_or_more_texts(report),
        "dns_opt" => draft.config().dns_opt = field.one_or_more_texts(report),
        "hostname" => draft.config().hostname = field.filled_text(report),
        "domainname" => draft.config().domain_name = field.filled_text(report),
        "mac_address" => mac_address(field, draft, cx),
        _ => return false,
    }
    true
}

/// Splits `service[:alias]`; the alias is the service's own name where none is written.
fn link(field: &Field<'_>, cx: &mut Context<'_>) -> Option<(String, String)> {
    let text = field.filled_text(&mut cx.report)?;
    let (service, alias) = match text.split_once(':') {
        Some((service, alias)) => (service, alias),
        None => (text.as_str(), text.rsplit('/').next().unwrap_or(&text)),
    };
    let label = |part: &str| !part.is_empty() && part.len() <= 63;
    if service.is_empty() && old_words(cx) {
        field.notice(&mut cx.report, "the link names no service and has no effect");
        return None;
    }
    if service.is_empty() || !alias.split('.').all(label) || alias.len() > 253 {
        field.error(
            &mut cx.report,
            format!("`{}` is no link", shorten(&text)),
            "write `service` or `service:alias`; each part of an alias has 1 to 63 characters",
        );
        return None;
    }
    Some((service.to_owned(), alias.to_owned()))
}

fn depends_on(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    if !matches!(field.node.value, Value::Map(_)) {
        for item in field.one_or_more(&mut cx.report) {
            if let Some(service) = item.filled_text(&mut cx.report) {
                draft.depends_on.push((Dependency { service, ..Dependency::default() }, item.at()));
            }
        }
        return;
    }
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (service, at, value) in &entries {
        let mut dependency = Dependency { service: (*service).to_owned(), ..Dependency::default() };
        let settings: Vec<_> = value.entries(&mut cx.report).collect();
        for (key, key_at, setting) in settings {
            let report = &mut cx.report;
            match key {
                "condition" => {
                    dependency.condition = setting
                        .word(
                            report,
                            &[
                                ("service_started", DependencyCondition::Started),
                                ("service_healthy", DependencyCondition::Healthy),
                                (
                                    "service_completed_successfully",
                                    DependencyCondition::CompletedSuccessfully,
                                ),
                            ],
                        )
                        .unwrap_or_default();
                }
                "required" => dependency.optional = setting.boolean(report) == Some(false),
                "restart" => dependency.restart = setting.boolean(report) == Some(true),
                _ => unknown(key, key_at, setting.path, &["condition", "required", "restart"], cx),
            }
        }
        draft.depends_on.push((dependency, *at));
    }
}

/// Managed networks that the old product's stacks name by their driver.
const CNI_NETWORKS: &[&str] = &["ipsec", "vxlan", "per-host-subnet", "l2-flat", "transparent"];
const CNI_LABEL: &str = "io.rancher.cni.network";

fn network_mode(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let Value::Scalar(scalar) = &field.node.value else {
        let _ = field.text(&mut cx.report);
        return;
    };
    let text = scalar.text.trim();
    match text.split_once(':') {
        None if text.is_empty() || text == "default" => {}
        None if matches!(text, "managed" | "host" | "bridge" | "none") => {
            draft.config().network_mode = Some(text.to_owned());
        }
        None if old_words(cx) && CNI_NETWORKS.contains(&text) => {
            draft.config().labels.entry(CNI_LABEL.to_owned()).or_insert_with(|| text.to_owned());
            field.notice(
                &mut cx.report,
                format!("`{text}` counts as the managed network: there is one in each environment"),
            );
        }
        Some(("container" | "service", target)) if !target.is_empty() => {
            draft.config().network_mode = Some("container".to_owned());
            draft.network_of = Some((target.to_owned(), field.at()));
        }
        _ => field.error(
            &mut cx.report,
            format!("the network mode `{}` is not known", shorten(text)),
            "use `managed` (the default), `host`, `bridge`, `none`, or `service:NAME` for a sidekick",
        ),
    }
}

fn networks(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] = &[
        "aliases",
        "ipv4_address",
        "ipv6_address",
        "link_local_ips",
        "mac_address",
        "driver_opts",
        "priority",
        "gw_priority",
        "interface_name",
    ];
    if !matches!(field.node.value, Value::Map(_)) {
        for item in field.items(&mut cx.report).collect::<Vec<_>>() {
            if let Some(name) = item.filled_text(&mut cx.report) {
                draft.networks.push((name, item.at()));
            }
        }
        return;
    }
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (name, at, value) in &entries {
        draft.networks.push(((*name).to_owned(), *at));
        let settings: Vec<_> = value.entries(&mut cx.report).collect();
        for (key, key_at, setting) in settings {
            match key {
                _ if setting.is_null() && KNOWN.contains(&key) => {}
                "aliases" => {
                    for alias in setting.texts(&mut cx.report) {
                        if !draft.config().net_alias.contains(&alias) {
                            draft.config().net_alias.push(alias);
                        }
                    }
                }
                "mac_address" => mac_address(&setting, draft, cx),
                _ if KNOWN.contains(&key) => setting.ignored(&mut cx.report, key, support::ADDRESSES),
                _ => unknown(key, key_at, setting.path, KNOWN, cx),
            }
        }
    }
}

pub(super) fn extra_hosts(field: &Field<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    let mut add = |name: &str, address: &str, item: &Field<'_>, cx: &mut Context<'_>| {
        let address = address.trim().trim_start_matches('[').trim_end_matches(']');
        if name.is_empty() || (address.parse::<IpAddr>().is_err() && address != "host-gateway") {
            item.error(
                &mut cx.report,
                "an entry of `extra_hosts` is a name and an address",
                "write `name:address`, as `db:10.0.0.5`",
            );
        } else {
            hosts.push(format!("{name}:{address}"));
        }
    };
    match &field.node.value {
        Value::Map(map) => {
            for (name, entry) in map {
                let item = Field::new(&entry.node, field.path);
                match &entry.node.value {
                    // A merged list leaves its items as keys.
                    Value::Null => {
                        let (name, address) = name.split_once(':').unwrap_or((name, ""));
                        add(name, address, &item, cx);
                    }
                    Value::Scalar(scalar) => add(name, &scalar.text, &item, cx),
                    Value::List(_) | Value::Map(_) => {
                        for address in item.texts(&mut cx.report) {
                            add(name, &address, &item, cx);
                        }
                    }
                }
            }
        }
        Value::Null | Value::Scalar(_) | Value::List(_) => {
            for item in field.items(&mut cx.report).collect::<Vec<_>>() {
                let Some(text) = item.filled_text(&mut cx.report) else { continue };
                let (name, address) =
                    text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((&text, ""));
                add(name, address, &item, cx);
            }
        }
    }
    hosts
}

fn mac_address(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let Some(text) = field.filled_text(&mut cx.report) else { return };
    let pairs: Vec<_> = text.split([':', '-']).collect();
    if pairs.len() == 6 && pairs.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit())) {
        draft.config().mac_address = Some(text);
    } else {
        field.error(
            &mut cx.report,
            format!("`{}` is no hardware address", shorten(&text)),
            "write it as `02:42:ac:11:65:43`",
        );
    }
}
