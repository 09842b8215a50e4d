//! Names of services that DNS cannot hold, as `my_web`.
//!
//! A service is found by its name, and names in DNS have no `_` and no dot. Such a service is called otherwise here,
//! and its own name stays as a second one on the network, so that the others find it as before.

use std::collections::BTreeMap;

use contract_api::launch::{LaunchConfig, StackPlan};
use contract_values::check_dns_label;
use serde_json::Value;

use crate::error::{At, Path, shorten};
use crate::project::Context;
use crate::service::platform::SIDEKICKS;
use crate::service::usual_name;
use crate::yaml::Map;

/// New names by the old ones.
pub(super) type Renamed = BTreeMap<String, String>;

/// Finds the services that are called otherwise here, and says so.
pub(super) fn find(cx: &mut Context<'_>, services: &Map, path: Path<'_>) -> Renamed {
    let mut renamed = Renamed::new();
    for (name, entry) in services.iter().filter(|(name, _)| check_dns_label(name).is_err()) {
        let Some(new) = usual_name(name) else { continue };
        let taken = services.keys().find(|other| {
            *other != name
                && usual_name(other).as_deref().unwrap_or(other.as_str()).eq_ignore_ascii_case(&new)
        });
        if let Some(other) = taken {
            cx.report.error(
                entry.at,
                path.key(name),
                format!(
                    "`{}` and `{}` would have the same name in DNS: `{new}`",
                    shorten(name),
                    shorten(other)
                ),
                "give one of the two another name, of letters, digits and `-`",
            );
            continue;
        }
        note(cx, entry.at, path.key(name), name, &new);
        renamed.insert(name.clone(), new);
    }
    renamed
}

fn note(cx: &mut Context<'_>, at: At, path: Path<'_>, name: &str, new: &str) {
    let message = format!(
        "the service is called `{new}` here, since names in DNS hold letters, digits and `-` only; `{}` leads to it too",
        shorten(name)
    );
    cx.report.notice(at, path, message);
}

/// Gives the services their new names, wherever one is named.
pub(super) fn apply(plan: &mut StackPlan, renamed: &Renamed) {
    if renamed.is_empty() {
        return;
    }
    let change = |name: &mut String| {
        if let Some(new) = renamed.get(name.as_str()) {
            new.clone_into(name);
        }
    };
    for service in plan.services.iter_mut().chain(&mut plan.containers) {
        if renamed.contains_key(&service.name) {
            also_called(&mut service.launch_config, &service.name.clone());
        }
        change(&mut service.name);
        for link in &mut service.links {
            change(&mut link.service);
        }
        for wait in &mut service.depends_on {
            change(&mut wait.service);
        }
        let rules = service.lb_config.as_mut().and_then(|config| config.get_mut("port_rules"));
        for rule in rules.and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::String(target)) = rule.get_mut("service") {
                change(target);
            }
        }
        for sidekick in &mut service.secondary_launch_configs {
            if let Some(name) = sidekick.name.clone().filter(|name| renamed.contains_key(name)) {
                also_called(sidekick, &name);
            }
            if let Some(name) = &mut sidekick.name {
                change(name);
            }
        }
        let configs =
            std::iter::once(&mut service.launch_config).chain(&mut service.secondary_launch_configs);
        for config in configs {
            if let Some(name) = &mut config.network_launch_config {
                change(name);
            }
            config.data_volumes_from_launch_configs.iter_mut().for_each(change);
            if let Some(list) = config.labels.get_mut(SIDEKICKS) {
                let names = list.split(',').map(str::trim);
                *list = names
                    .map(|name| renamed.get(name).map_or(name, String::as_str))
                    .collect::<Vec<_>>()
                    .join(",");
            }
        }
    }
}

/// Keeps the old name on the network, where the container has one of its own.
fn also_called(config: &mut LaunchConfig, name: &str) {
    let own = matches!(config.network_mode.as_deref(), None | Some("managed"));
    if own && !config.net_alias.iter().any(|alias| alias == name) {
        config.net_alias.push(name.to_owned());
    }
}
