//! A stack as compose files again.

use std::collections::BTreeMap;

use contract_api::launch::{
    Dependency, DependencyCondition as ApiCondition, FileInput, LogConfig, ServiceInput, ServiceLink,
    StackPlan, VolumeInput,
};
use contract_compose::{Rendered, render};
use contract_values::{Secret, ServiceId};
use control_model::{DependencyCondition, Row, Service, Stack, Tables};

use crate::launch::config_of;

/// Writes the services of a stack, or some of them, as compose files. What was changed since they were made is in
/// there; the scale is the one of now.
pub fn export_stack(tables: &Tables, stack: &Row<Stack>, only: &[ServiceId]) -> Rendered {
    let services = tables
        .services
        .of_stack(stack.id)
        .filter(|service| !service.is_going())
        .filter(|service| only.is_empty() || only.contains(&service.id))
        .map(|service| service_input(tables, service))
        .collect();
    let volumes = stack
        .intent
        .volumes
        .iter()
        .map(|(name, template)| VolumeInput {
            name: name.clone(),
            real_name: template.name.clone(),
            driver: template.driver.clone(),
            driver_opts: template.driver_options.clone().into(),
            labels: template.labels.clone(),
            external: template.external,
            per_container: template.per_container,
        })
        .collect();
    let mut configs: BTreeMap<&str, FileInput> = BTreeMap::new();
    for service in tables.services.of_stack(stack.id).filter(|service| !service.is_going()) {
        for file in &service.intent.launch.files {
            configs.entry(&file.config).or_insert_with(|| FileInput {
                name: file.config.clone(),
                value: Some(Secret::new(file.content.clone())),
                ..FileInput::default()
            });
        }
    }
    let configs = configs.into_values().collect();
    render(&StackPlan { services, volumes, configs, ..StackPlan::default() })
}

fn service_input(tables: &Tables, service: &Row<Service>) -> ServiceInput {
    let intent = &service.intent;
    let mut launch_config = config_of(&intent.launch);
    // What is always shown is not always said.
    if launch_config.log_config == Some(LogConfig::default()) {
        launch_config.log_config = None;
    }
    if launch_config.network_mode.as_deref() == Some("managed") {
        launch_config.network_mode = None;
    }
    let (mut links, mut external_links) = (Vec::new(), Vec::new());
    for link in &intent.links {
        let Some(target) = tables.services.get(link.service) else { continue };
        let alias = link.alias.clone().unwrap_or_else(|| target.intent.name.clone());
        if target.intent.stack == intent.stack {
            links.push(ServiceLink { service: target.intent.name.clone(), alias });
        } else if let Some(stack) = target.intent.stack.and_then(|id| tables.stacks.get(id)) {
            let service = format!("{}/{}", stack.intent.name, target.intent.name);
            external_links.push(ServiceLink { service, alias });
        }
    }
    ServiceInput {
        name: intent.name.clone(),
        description: intent.description.clone(),
        scale: Some(intent.scale),
        launch_config,
        metadata: intent.metadata.clone(),
        links,
        external_links,
        depends_on: intent
            .depends_on
            .iter()
            .map(|dependency| Dependency {
                service: dependency.service.clone(),
                condition: match dependency.condition {
                    DependencyCondition::Started => ApiCondition::Started,
                    DependencyCondition::Healthy => ApiCondition::Healthy,
                    DependencyCondition::CompletedSuccessfully => ApiCondition::CompletedSuccessfully,
                },
                optional: dependency.optional,
                restart: false,
            })
            .collect(),
        ..ServiceInput::default()
    }
}
