//! A plan as compose files again: what `exportconfig` gives, and what the CLI sends after it has read local files.
//!
//! Docker's own settings go into the first, the platform's keys into the second. Reading both again gives the same
//! plan; only the values of secrets are never written down.

mod build;
mod emit;
mod files;
mod launch;
mod version;

use contract_api::launch::{
    DependencyCondition, InstanceHealthCheck, LaunchConfig, ServiceInput, ServiceKind, ServiceLink,
    StackPlan, VolumeInput,
};
use serde_json::{Map, Value, json};

use crate::service::platform::SIDEKICKS;

/// The two files of a stack; they may hold passwords and are never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// `docker-compose.yml`.
    pub docker_compose: String,
    /// `rancher-compose.yml`.
    pub rancher_compose: String,
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rendered ({} and {} bytes)", self.docker_compose.len(), self.rancher_compose.len())
    }
}

/// Labels that the platform writes on containers; they are no part of what a person asked for.
const OWN_LABELS: &[&str] = &[
    "io.rancher.stack.name",
    "io.rancher.stack_service.name",
    "io.rancher.project.name",
    "io.rancher.project_service.name",
    "io.rancher.service.deployment.unit",
    "io.rancher.service.launch.config",
    "io.rancher.service.requested.host.id",
    "io.rancher.service.hash",
    "io.rancher.container.uuid",
    "io.rancher.container.name",
    "io.rancher.container.agent_id",
    "io.rancher.container.system",
    "io.rancher.container.ip",
    "io.rancher.container.mac_address",
    "io.rancher.environment.uuid",
    "io.rancher.cni.wait",
];

/// Writes a plan as compose files.
pub fn render(plan: &StackPlan) -> Rendered {
    let mut files = Files { names: files::Names::of(plan), ..Files::default() };
    for service in &plan.services {
        files.service(service, false);
    }
    for container in &plan.containers {
        files.service(container, true);
    }
    let volumes: Map<String, Value> =
        plan.volumes.iter().map(|volume| (volume.name.clone(), render_volume(volume))).collect();
    let (secrets, configs) = (files::secrets(plan), files::configs(plan));
    let version = version::choose(
        &version::Sections {
            services: [&files.services, &files.containers],
            volumes: &volumes,
            secrets: &secrets,
            configs: &configs,
        },
        plan,
    );
    Rendered {
        docker_compose: document(
            version,
            [
                ("services", files.services),
                ("containers", files.containers),
                ("volumes", volumes),
                ("secrets", secrets),
                ("configs", configs),
            ],
        ),
        rancher_compose: document(
            Some("2"),
            [("services", files.platform_services), ("containers", files.platform_containers)],
        ),
    }
}

/// Writes one file; sections that are empty are left out.
fn document<const N: usize>(version: Option<&str>, sections: [(&str, Map<String, Value>); N]) -> String {
    let mut file = Map::new();
    if let Some(version) = version {
        file.insert("version".to_owned(), json!(version));
    }
    for (key, section) in sections.into_iter().filter(|(_, section)| !section.is_empty()) {
        let mut section = Value::Object(section);
        // In version 2, variables have no meaning among secrets.
        if key != "secrets" || version.is_none() {
            escape(&mut section);
        }
        file.insert(key.to_owned(), section);
    }
    emit::yaml(&file)
}

/// Doubles the dollar signs of all values, since reading takes them for variables.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(map) => map.iter_mut().for_each(|(_, value)| escape(value)),
    }
}

#[derive(Default)]
struct Files<'p> {
    /// What the secrets of the environment are called in the files.
    names: files::Names<'p>,
    services: Map<String, Value>,
    containers: Map<String, Value>,
    platform_services: Map<String, Value>,
    platform_containers: Map<String, Value>,
}

/// A map under construction, which takes only what says something.
#[derive(Default)]
struct Keys(Map<String, Value>);

impl Keys {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
        if !empty {
            self.0.insert(key.to_owned(), value);
        }
    }
}

impl From<Keys> for Value {
    fn from(keys: Keys) -> Self {
        Value::Object(keys.0)
    }
}

impl Files<'_> {
    fn service(&mut self, service: &ServiceInput, alone: bool) {
        let mut docker = Keys::default();
        let mut platform = Keys::default();
        let image = match service.kind {
            ServiceKind::ExternalService => Some("rancher/external-service"),
            ServiceKind::DnsService => Some("rancher/dns-service"),
            ServiceKind::SelectorService => Some("rancher/none"),
            ServiceKind::LoadBalancerService if service.launch_config.image_uuid.is_none() => {
                Some("rancher/load-balancer-service")
            }
            ServiceKind::Service
            | ServiceKind::LoadBalancerService
            | ServiceKind::StorageDriverService
            | ServiceKind::NetworkDriverService
            | ServiceKind::VirtualMachine => None,
        };
        docker.put("image", image);
        let sidekicks: Vec<&str> =
            service.secondary_launch_configs.iter().filter_map(|config| config.name.as_deref()).collect();
        let mut config = service.launch_config.clone();
        if !sidekicks.is_empty() {
            config.labels.insert(SIDEKICKS.to_owned(), sidekicks.join(","));
        }
        for (label, value) in [
            ("io.rancher.service.selector.link", &service.selector_link),
            ("io.rancher.service.selector.container", &service.selector_container),
        ] {
            if let Some(value) = value {
                config.labels.insert(label.to_owned(), value.clone());
            }
        }
        launch::render(&config, alone, &self.names, &mut docker, &mut platform);
        if let Some(hostname) = &service.hostname {
            docker.put("hostname", hostname.as_str());
        }
        docker.put("links", links(&service.links));
        docker.put("external_links", links(&service.external_links));
        docker.put("depends_on", depends_on(service));

        platform.put("description", service.description.as_deref());
        if service.kind == ServiceKind::VirtualMachine {
            platform.put("type", "virtual_machine");
        }
        platform.put("scale", service.scale);
        if let Some(policy) = &service.scale_policy {
            let mut keys = Keys::default();
            keys.put("min", policy.min);
            keys.put("max", policy.max);
            keys.put("increment", policy.increment);
            platform.put("scale_policy", keys);
        }
        platform.put("start_on_create", service.start_on_create);
        platform.put("retain_ip", service.retain_ip);
        platform.put("external_ips", service.external_ips.clone());
        platform.put("health_check", service.health_check.as_ref().map(health_check));
        platform.put("metadata", Value::Object(service.metadata.clone()));
        platform.put("lb_config", service.lb_config.clone());
        platform.put("storage_driver", service.storage_driver.clone());
        platform.put("network_driver", service.network_driver.clone());
        platform.put("service_schemas", service.extra.get("serviceSchemas").cloned());
        if let Some(strategy) = &service.upgrade_strategy {
            let mut keys = Keys::default();
            keys.put("start_first", strategy.start_first);
            keys.put("batch_size", strategy.batch_size);
            keys.put("interval_millis", strategy.interval_millis);
            platform.put("upgrade_strategy", keys);
        }
        self.put(&service.name, docker, platform, alone);
        for sidekick in &service.secondary_launch_configs {
            let (mut docker, mut platform) = (Keys::default(), Keys::default());
            launch::render(sidekick, alone, &self.names, &mut docker, &mut platform);
            self.put(sidekick.name.as_deref().unwrap_or_default(), docker, platform, alone);
        }
    }

    fn put(&mut self, name: &str, docker: Keys, platform: Keys, alone: bool) {
        let (files, platforms) = if alone {
            (&mut self.containers, &mut self.platform_containers)
        } else {
            (&mut self.services, &mut self.platform_services)
        };
        files.insert(name.to_owned(), docker.into());
        if !platform.0.is_empty() {
            platforms.insert(name.to_owned(), platform.into());
        }
    }
}

fn links(links: &[ServiceLink]) -> Vec<String> {
    let text = |link: &ServiceLink| {
        let own = link.service.rsplit('/').next().unwrap_or(&link.service);
        if own == link.alias { link.service.clone() } else { format!("{}:{}", link.service, link.alias) }
    };
    links.iter().map(text).collect()
}

fn depends_on(service: &ServiceInput) -> Value {
    let plain = service
        .depends_on
        .iter()
        .all(|wait| wait.condition == DependencyCondition::Started && !wait.optional && !wait.restart);
    if plain {
        return service.depends_on.iter().map(|wait| wait.service.as_str()).collect();
    }
    let mut map = Map::new();
    for wait in &service.depends_on {
        let mut keys = Keys::default();
        keys.put(
            "condition",
            match wait.condition {
                DependencyCondition::Started => "service_started",
                DependencyCondition::Healthy => "service_healthy",
                DependencyCondition::CompletedSuccessfully => "service_completed_successfully",
            },
        );
        keys.put("required", wait.optional.then_some(false));
        keys.put("restart", wait.restart.then_some(true));
        map.insert(wait.service.clone(), keys.into());
    }
    Value::Object(map)
}

fn health_check(check: &InstanceHealthCheck) -> Value {
    let mut keys = Keys::default();
    let millis = |time: Option<contract_values::Duration>| time.map(|time| time.0);
    keys.put("name", check.name.as_deref());
    keys.put("port", check.port);
    keys.put("request_line", check.request_line.as_deref());
    keys.put("interval", millis(check.interval));
    keys.put("response_timeout", millis(check.response_timeout));
    keys.put("healthy_threshold", check.healthy_threshold);
    keys.put("unhealthy_threshold", check.unhealthy_threshold);
    keys.put("initializing_timeout", millis(check.initializing_timeout));
    keys.put("reinitializing_timeout", millis(check.reinitializing_timeout));
    keys.put("strategy", check.strategy.map(|strategy| json!(strategy)));
    if let Some(config) = &check.recreate_on_quorum_strategy_config {
        keys.0.insert("recreate_on_quorum_strategy_config".to_owned(), json!(config));
    }
    keys.into()
}

fn render_volume(volume: &VolumeInput) -> Value {
    let mut keys = Keys::default();
    keys.put("driver", volume.driver.as_deref());
    keys.put("driver_opts", text_map(&volume.driver_opts));
    keys.put("labels", text_map(&volume.labels));
    keys.put("name", volume.real_name.as_deref());
    keys.put("external", volume.external.then_some(true));
    keys.put("per_container", volume.per_container.then_some(true));
    keys.into()
}

fn text_map(map: &std::collections::BTreeMap<String, String>) -> Value {
    Value::Object(map.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect())
}

/// The labels that a person asked for.
fn labels(config: &LaunchConfig) -> Value {
    let kept = config.labels.iter().filter(|(key, _)| !OWN_LABELS.contains(&key.as_str()));
    Value::Object(kept.map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect())
}

#[cfg(test)]
mod tests;
