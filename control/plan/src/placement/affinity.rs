//! Rules on host labels: `io.rancher.scheduler.affinity:host_label` with its four endings.

use contract_values::Labels;
use control_model::{ContainerIntent, Origin, Tables};

use super::misfit::Misfit;

const HOST_LABEL: &str = "io.rancher.scheduler.affinity:host_label";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    key: String,
    value: String,
    wanted: bool,
    hard: bool,
}

/// What a container says about the labels of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostRules {
    rules: Vec<Rule>,
}

impl HostRules {
    /// The first hard rule that a host breaks.
    pub fn misfit(&self, labels: &Labels) -> Option<Misfit> {
        self.rules.iter().find(|rule| rule.hard && !rule.holds(labels)).map(|rule| Misfit::Label {
            rule: format!("{}={}", rule.key, rule.value),
            unwanted: !rule.wanted,
        })
    }

    /// How many soft rules a host breaks.
    pub fn dislikes(&self, labels: &Labels) -> u32 {
        self.rules.iter().map(|rule| u32::from(!rule.hard && !rule.holds(labels))).sum()
    }
}

impl Rule {
    fn holds(&self, labels: &Labels) -> bool {
        let has = labels
            .iter()
            .any(|(key, value)| key.to_lowercase() == self.key && value.to_lowercase() == self.value);
        has == self.wanted
    }
}

/// Reads the rules of a container, with the macros in their values filled in.
pub(crate) fn host_rules(tables: &Tables, intent: &ContainerIntent) -> HostRules {
    let mut rules = Vec::new();
    for (key, value) in &intent.launch.labels {
        let key = key.to_lowercase();
        let Some(ending) = key.strip_prefix(HOST_LABEL) else { continue };
        let (wanted, hard) = match ending {
            "" => (true, true),
            "_ne" => (false, true),
            "_soft" => (true, false),
            "_soft_ne" => (false, false),
            _ => continue,
        };
        let filled = fill(tables, intent, value).to_lowercase();
        for pair in filled.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            rules.push(Rule { key: key.trim().to_owned(), value: value.trim().to_owned(), wanted, hard });
        }
    }
    HostRules { rules }
}

fn fill(tables: &Tables, intent: &ContainerIntent, value: &str) -> String {
    if !value.contains("${") {
        return value.to_owned();
    }
    let stack = intent.stack.and_then(|id| tables.stacks.get(id)).map_or("", |row| row.intent.name.as_str());
    let service = match intent.origin {
        Origin::Service { service, .. } => tables.services.get(service),
        Origin::Standalone | Origin::Native { .. } => None,
    };
    let service = service.map_or("", |row| row.intent.name.as_str());
    value
        .replace("${stack_name}", stack)
        .replace("${project_name}", stack)
        .replace("${service_name}", service)
}
