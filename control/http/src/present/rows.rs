//! The fields of each type.

use std::sync::Arc;

use contract_api::{Row as ApiRow, format_id};
use contract_values::{ContainerId, PortMapping};
use control_model::state::{
    PublicState, Transitioning, container_health, container_ready, container_reason, container_state,
    host_state, service_health, service_state, simple_state, stack_state, volume_state,
};
use control_model::{
    Account, AccountKind, AgentLink, Container, Credential, CredentialKind, Host, Member, MemberRole,
    MountKind, Object, Origin, Project, Reason, ReasonCode, Row, RunReport, Service, Stack, Tables, Volume,
};
use serde_json::{Map, Value, json};

use crate::app::Cx;
use crate::app::setting::SettingValue;
use crate::app::volume::{in_use, users};
use crate::launch::config_of;
use crate::present::actions::offered;
use crate::present::derived::template_of;

pub(super) fn base<O: Object>(
    type_name: &'static str,
    id: String,
    row: &Row<O>,
    state: &PublicState,
) -> ApiRow {
    let mut api = ApiRow::new(type_name, id);
    api.set("kind", type_name)
        .set("uuid", row.uuid.clone())
        .set_date("created", Some(row.created))
        .set_date("removed", row.removed)
        .set("state", state.name)
        .set("transitioning", state.transitioning.word());
    match state.transitioning {
        Transitioning::No => {}
        Transitioning::Yes => {
            api.set(
                "transitioningMessage",
                state.message.clone().unwrap_or_else(|| "In Progress".to_owned()),
            );
            api.set("transitioningProgress", state.progress);
        }
        Transitioning::Error => {
            api.set("transitioningMessage", state.message.clone());
        }
    }
    api.actions = offered(type_name, state.name);
    api
}

/// A reason as the API shows it.
pub fn reason_value(reason: &Reason) -> Value {
    let Reason { code, message, since, next_try, remedy, needs_person: _ } = reason;
    json!({
        "code": code,
        "message": message,
        "since": since.0,
        "nextTry": next_try.map(|at| at.0),
        "remedy": remedy,
    })
}

pub(super) fn object<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("texts and lists serialise")
}

pub(super) fn account(cx: &Cx, row: &Row<Account>) -> ApiRow {
    let intent = &row.intent;
    let mut api = base("account", format_id(row.id), row, &simple_state(row, intent.inactive));
    let kind = match intent.kind {
        AccountKind::Admin => "admin",
        AccountKind::ReadAdmin => "readAdmin",
        AccountKind::User => "user",
        AccountKind::System => "system",
        AccountKind::Token => "token",
        AccountKind::Agent => "agent",
    };
    api.set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("kind", kind)
        .set("externalId", row.id.raw().to_string())
        .set("externalIdType", crate::auth::scope::OWN_DIRECTORY)
        .set("version", "1");
    let _ = cx;
    api
}

pub(super) fn project(cx: &Cx, row: &Row<Project>) -> ApiRow {
    let intent = &row.intent;
    let mut api = base("project", format_id(row.id), row, &simple_state(row, intent.inactive));
    let members: Vec<Value> = cx
        .tables
        .members
        .of_project(row.id)
        .filter(|member| member.removed.is_none())
        .map(|row| Value::Object(member(row).fields))
        .collect();
    api.set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("healthState", "healthy")
        .set("orchestration", "cattle")
        .set("virtualMachine", false)
        .set("projectTemplateId", intent.template.map(format_id))
        .set("version", "1")
        .set("members", members);
    if row.removed.is_none() {
        api.extra_links = vec!["hostStats"];
    }
    api
}

pub(super) fn member(row: &Row<Member>) -> ApiRow {
    let intent = &row.intent;
    let mut api = base("projectMember", format_id(row.id), row, &simple_state(row, false));
    let role = match intent.role {
        MemberRole::Owner => "owner",
        MemberRole::Member => "member",
        MemberRole::Restricted => "restricted",
        MemberRole::Readonly => "readonly",
    };
    api.set("projectId", intent.project.map(format_id))
        .set("externalId", intent.external_id.clone())
        .set("externalIdType", intent.external_id_type.clone())
        .set("role", role);
    api
}

pub(super) fn credential(cx: &Cx, row: &Row<Credential>) -> ApiRow {
    let intent = &row.intent;
    let type_name = match intent.kind {
        CredentialKind::RegistrationToken => "registrationToken",
        CredentialKind::Password => "password",
        CredentialKind::RegistryLogin => "registryCredential",
        CredentialKind::ApiKey | CredentialKind::AgentKey | CredentialKind::Session => "apiKey",
    };
    let mut api = base(type_name, format_id(row.id), row, &simple_state(row, intent.inactive));
    let owner = intent.account.map(format_id).or_else(|| intent.project.map(format_id));
    api.set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("accountId", owner);
    if intent.kind == CredentialKind::RegistrationToken {
        api.set_date("expires", intent.expires);
        if !row.is_going() {
            let token = cx.shared.signer.registration(&intent.public_value, &intent.secret_hash, cx.now);
            api.set("image", "").set("token", token);
        }
    } else {
        api.set("publicValue", intent.public_value.clone()).set("registryId", intent.registry.map(format_id));
    }
    api
}

pub(super) fn setting(value: &SettingValue) -> ApiRow {
    let mut api = ApiRow::new("activeSetting", value.name.clone());
    api.set("name", value.name.clone())
        .set("value", value.active.clone())
        .set("activeValue", value.active.clone())
        .set("inDb", value.stored.is_some());
    if value.active.is_some() {
        api.set("source", if value.stored.is_some() { "Database" } else { "Defaults" });
    }
    api
}

pub(super) fn host(cx: &Cx, row: &Row<Host>) -> ApiRow {
    let intent = &row.intent;
    let state = host_state(row);
    let mut api = base("host", format_id(row.id), row, &state);
    let facts = &row.observation.facts;
    let seen_address = row.observation.remote_address;
    let address = intent.address.or_else(|| facts.addresses.first().copied()).or(seen_address);
    let agent_state = match row.observation.link {
        AgentLink::Never => None,
        AgentLink::Connected => Some("active"),
        AgentLink::Disconnected if row.decision.lost_since.is_some() => Some("disconnected"),
        AgentLink::Disconnected => Some("reconnecting"),
    };
    let containers: Vec<String> = cx
        .tables
        .containers
        .of_host(row.id)
        .filter(|container| container.removed.is_none())
        .map(|container| format_id(container.id))
        .collect();
    api.set("accountId", intent.project.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("hostname", intent.hostname.clone())
        .set("agentIpAddress", address.map(|address| address.to_string()))
        .set("agentState", agent_state)
        .set("labels", object(&intent.labels))
        .set("instanceIds", containers);
    if !facts.engine_version.is_empty() {
        api.set("memory", facts.memory_total)
            .set("milliCpu", u64::from(facts.cpu_count) * 1000)
            .set("localStorageMb", facts.disk_total >> 20)
            .set(
                "info",
                json!({
                    "hostKey": { "data": "" },
                    "osInfo": {
                        "operatingSystem": facts.operating_system,
                        "kernelVersion": facts.kernel,
                        "dockerVersion": format!("Docker version {}", facts.engine_version),
                    },
                    "cpuInfo": { "count": facts.cpu_count, "modelName": facts.cpu_model },
                    "memoryInfo": { "memTotal": facts.memory_total >> 20 },
                    "diskInfo": { "mountPoints": { facts.engine_root.clone(): { "total": facts.disk_total >> 20 } } },
                    "engine": {
                        "version": facts.engine_version,
                        "apiVersion": facts.engine_api_version,
                        "storageDriver": facts.storage_driver,
                        "cgroupVersion": facts.cgroup_version,
                    },
                    "agent": { "version": facts.agent_version, "architecture": facts.architecture },
                    "troubles": facts.troubles,
                }),
            );
    }
    let trouble = match state.transitioning {
        _ if row.is_going() || intent.inactive => None,
        Transitioning::No => facts.troubles.iter().next().map(|(_, text)| (ReasonCode::Other, text.clone())),
        Transitioning::Yes | Transitioning::Error => {
            state.message.clone().map(|text| (ReasonCode::HostAway, text))
        }
    };
    if let Some((code, message)) = trouble {
        let remedy = control_model::state::remedy(code, "");
        let reason = Reason {
            code,
            message,
            since: row.observation.link_since,
            next_try: None,
            remedy,
            needs_person: false,
        };
        api.set("reason", reason_value(&reason));
    }
    if row.observation.link == AgentLink::Connected && row.removed.is_none() {
        api.extra_links = vec!["containerStats", "hostStats", "stats"];
    } else {
        api.actions.retain(|action| *action != "dockersocket");
    }
    api
}

fn worst_reason<'a>(services: impl Iterator<Item = &'a Arc<Row<Service>>>) -> Option<Reason> {
    let reasons: Vec<(String, Reason)> = services
        .filter(|service| !service.is_going())
        .filter_map(|service| Some((service.intent.name.clone(), service_reason(service)?)))
        .collect();
    let worst = reasons.iter().find(|(_, reason)| reason.needs_person).or_else(|| reasons.first())?;
    Some(Reason { message: format!("{}: {}", worst.0, worst.1.message), ..worst.1.clone() })
}

fn service_reason(service: &Row<Service>) -> Option<Reason> {
    let settled = service.decision.settled && service.decision.generation == service.generation;
    service.decision.reason.clone().filter(|_| !settled)
}

pub(super) fn stack(cx: &Cx, row: &Row<Stack>) -> ApiRow {
    let intent = &row.intent;
    let services = || cx.tables.services.of_stack(row.id);
    let state = stack_state(row, services().map(|service| &**service));
    let mut api = base("stack", format_id(row.id), row, &state);
    let live: Vec<_> = services().filter(|service| service.removed.is_none()).collect();
    let healths: Vec<&str> = live.iter().map(|service| health_of(cx, service)).collect();
    api.set("accountId", intent.project.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("externalId", intent.external_id.clone())
        .set("dockerCompose", intent.docker_compose.clone())
        .set("rancherCompose", intent.rancher_compose.clone())
        .set("environment", object(&intent.environment))
        .set("startOnCreate", intent.start_on_create)
        .set("system", intent.system)
        .set("healthState", sum_up(&healths))
        .set("serviceIds", live.iter().map(|service| format_id(service.id)).collect::<Vec<_>>());
    if let Some(reason) = worst_reason(services()).filter(|_| !row.is_going()) {
        api.set("reason", reason_value(&reason));
    }
    api.system = intent.system;
    api
}

fn sum_up(healths: &[&'static str]) -> &'static str {
    let all = |wanted: &[&str]| healths.iter().all(|health| wanted.contains(health));
    let any = |wanted: &str| healths.contains(&wanted);
    if healths.is_empty() || all(&["healthy", "started-once"]) && any("healthy") {
        "healthy"
    } else if all(&["started-once"]) {
        "started-once"
    } else if all(&["unhealthy"]) {
        "unhealthy"
    } else if any("unhealthy") || any("degraded") {
        "degraded"
    } else {
        "initializing"
    }
}

fn health_of(cx: &Cx, service: &Row<Service>) -> &'static str {
    if !service.intent.active || service.is_going() {
        return "healthy";
    }
    service_health(service, cx.tables.containers.of_service(service.id).map(|container| &**container))
}

pub(super) fn service(cx: &Cx, row: &Row<Service>) -> ApiRow {
    let intent = &row.intent;
    let state = service_state(row);
    let mut api = base("service", format_id(row.id), row, &state);
    let containers: Vec<&Arc<Row<Container>>> = cx
        .tables
        .containers
        .of_service(row.id)
        .filter(|container| !container.is_going() && container.decision.retire_since.is_none())
        .collect();
    let running =
        containers.iter().filter(|container| container.observation.rank == RunReport::Running).count();
    // A job that has ended well is done, not missing.
    let finished = containers
        .iter()
        .filter(|row| row.observation.rank == RunReport::Stopped && container_ready(row))
        .count();
    let links: Map<String, Value> = intent
        .links
        .iter()
        .filter_map(|link| {
            let target = cx.tables.services.get(link.service)?;
            let name = link.alias.clone().unwrap_or_else(|| target.intent.name.clone());
            Some((name, format_id(link.service).into()))
        })
        .collect();
    let mut launch = object(&config_of(&intent.launch));
    if let Value::Object(members) = &mut launch {
        members.insert("kind".to_owned(), "container".into());
    }
    let depends_on: Vec<Value> = intent
        .depends_on
        .iter()
        .map(|dependency| {
            use control_model::DependencyCondition;
            let condition = match dependency.condition {
                DependencyCondition::Started => "started",
                DependencyCondition::Healthy => "healthy",
                DependencyCondition::CompletedSuccessfully => "completedSuccessfully",
            };
            json!({ "service": dependency.service, "condition": condition, "optional": dependency.optional })
        })
        .collect();
    api.set("accountId", intent.project.map(format_id))
        .set("stackId", intent.stack.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("externalId", intent.external_id.clone())
        .set("scale", intent.scale)
        .set("currentScale", running)
        .set("startOnce", intent.launch.start_once())
        .set("finishedScale", finished)
        .set("createIndex", row.decision.next_create_index)
        .set("launchConfig", launch)
        .set("secondaryLaunchConfigs", Vec::<Value>::new())
        .set("metadata", intent.metadata.clone())
        .set("startOnCreate", intent.start_on_create)
        .set("system", intent.system)
        .set("healthState", health_of(cx, row))
        .set("instanceIds", containers.iter().map(|c| format_id(c.id)).collect::<Vec<_>>())
        .set("linkedServices", links)
        .set("dependsOn", depends_on)
        .set("publicEndpoints", endpoints(cx, &containers));
    if let Some(reason) = service_reason(row).filter(|_| !row.is_going()) {
        api.set("reason", reason_value(&reason));
    }
    api.system = intent.system;
    if row.removed.is_none() {
        api.extra_links = vec!["containerStats"];
    }
    api
}

/// The address under which people reach a host.
fn host_address(host: &Row<Host>) -> Option<String> {
    let seen = host.observation.facts.addresses.first().copied();
    host.intent.address.or(seen).or(host.observation.remote_address).map(|address| address.to_string())
}

fn endpoints(cx: &Cx, containers: &[&Arc<Row<Container>>]) -> Vec<Value> {
    let mut endpoints = Vec::new();
    for container in containers {
        let keys = container.keys();
        let Some(host) = keys.host.and_then(|id| cx.tables.hosts.get(id)) else { continue };
        for port in container_ports(container) {
            let Some(public) = port.public else { continue };
            let address = port.address.filter(|address| !address.is_unspecified());
            endpoints.push(json!({
                "hostId": format_id(host.id),
                "instanceId": format_id(container.id),
                "serviceId": keys.service.map(format_id),
                "ipAddress": address.map(|address| address.to_string()).or_else(|| host_address(host)),
                "port": public.get(),
            }));
        }
    }
    endpoints
}

/// The ports of a container: as its host published them, else as they were chosen, else as they were asked for.
pub fn container_ports(container: &Row<Container>) -> &[PortMapping] {
    let published = &container.observation.ports;
    let chosen = &container.decision.ports;
    if !published.is_empty() {
        published
    } else if !chosen.is_empty() {
        chosen
    } else {
        &container.intent.launch.ports
    }
}

pub(super) fn container(cx: &Cx, row: &Arc<Row<Container>>) -> ApiRow {
    let intent = &row.intent;
    let seen = &row.observation;
    let state = container_state(row);
    let mut api = base("container", format_id(row.id), row, &state);
    let keys = row.keys();
    api.common = Some(cx.shared.launches.fields(row));
    let host = keys.host.and_then(|id| cx.tables.hosts.get(id));
    let native = matches!(intent.origin, Origin::Native { .. });
    let (create_index, docker_id) = match &intent.origin {
        Origin::Standalone => (None, seen.docker_id.clone()),
        Origin::Service { create_index, .. } => (Some(*create_index), seen.docker_id.clone()),
        Origin::Native { docker_id, .. } => (None, Some(docker_id.clone())),
    };
    let service_name =
        keys.service.and_then(|id| cx.tables.services.get(id)).map(|row| row.intent.name.clone());
    let stack_name = intent.stack.and_then(|id| cx.tables.stacks.get(id)).map(|row| row.intent.name.clone());
    let ports: Vec<String> = container_ports(row).iter().map(ToString::to_string).collect();
    let health = container_health(row).filter(|health| *health != "started-once");
    api.set("accountId", intent.project.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("hostId", keys.host.map(format_id))
        .set(
            "hostName",
            host.map(|host| host.intent.name.clone().unwrap_or_else(|| host.intent.hostname.clone())),
        )
        .set("requestedHostId", intent.requested_host.map(format_id))
        .set("stackId", intent.stack.map(format_id))
        .set("stackName", stack_name)
        .set("serviceId", keys.service.map(format_id))
        .set("serviceIds", keys.service.map(format_id).into_iter().collect::<Vec<_>>())
        .set("serviceName", service_name)
        .set("externalId", docker_id.clone())
        .set("createIndex", create_index)
        .set("nativeContainer", native)
        .set("system", intent.system)
        .set("primaryIpAddress", seen.address.map(|address| address.to_string()))
        .set("ports", ports)
        .set("healthState", health)
        .set("startCount", seen.starts)
        .set("exitCode", seen.exit_code)
        .set("mounts", mounts_of(cx, row))
        .set("version", "0")
        .set_date("firstRunning", seen.first_started_at);
    if let Some(reason) = container_reason(row).filter(|_| !row.is_going()) {
        api.set("reason", reason_value(&reason));
    }
    api.system = intent.system;
    let connected = host.is_some_and(|host| host.observation.link == AgentLink::Connected);
    if connected && docker_id.is_some() {
        api.extra_links = vec!["containerStats", "stats"];
    } else {
        api.actions.retain(|action| *action != "execute" && *action != "logs");
    }
    api
}

/// The stored volumes that a container mounts.
pub(super) fn volumes_on(tables: &Tables, row: &Row<Container>) -> Vec<Arc<Row<Volume>>> {
    let uses = row.intent.launch.mounts.iter().any(|mount| mount.kind == MountKind::Volume);
    let Some(host) = row.keys().host.filter(|_| uses) else { return Vec::new() };
    tables
        .volumes
        .of_host(host)
        .filter(|volume| volume.removed.is_none())
        .filter(|volume| mount_path(row, volume).is_some())
        .cloned()
        .collect()
}

/// Where a container has a volume, and whether it may only read it.
pub(super) fn mount_path(container: &Row<Container>, volume: &Row<Volume>) -> Option<(String, bool)> {
    container
        .intent
        .launch
        .mounts
        .iter()
        .find(|mount| {
            mount.kind == MountKind::Volume
                && (mount.source == volume.intent.name
                    || volume.intent.template.as_deref() == Some(&mount.source)
                        && volume.intent.stack == container.intent.stack)
        })
        .map(|mount| (mount.target.clone(), mount.read_only))
}

fn mounts_of(cx: &Cx, row: &Row<Container>) -> Vec<Value> {
    volumes_on(&cx.tables, row).iter().map(|volume| mount_entry(row, volume)).collect()
}

fn mount_entry(container: &Row<Container>, volume: &Row<Volume>) -> Value {
    json!({
        "instanceId": format_id(container.id),
        "instanceName": container.intent.name,
        "path": mount_path(container, volume).map(|(path, _)| path),
        "volumeId": format_id(volume.id),
        "volumeName": volume.intent.name,
    })
}

pub(super) fn volume(cx: &Cx, row: &Row<Volume>) -> ApiRow {
    let intent = &row.intent;
    let mut api = base("volume", format_id(row.id), row, &volume_state(row, in_use(&cx.tables, row)));
    let mounts: Vec<Value> = users(&cx.tables, row).map(|container| mount_entry(container, row)).collect();
    let driver = if intent.driver.is_empty() { "local" } else { &intent.driver };
    api.set("accountId", intent.project.map(format_id))
        .set("stackId", intent.stack.map(format_id))
        .set("hostId", intent.host.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("driver", driver)
        .set("driverOpts", object(&intent.driver_options))
        .set("externalId", intent.name.clone())
        .set("isHostPath", false)
        .set("volumeTemplateId", template_of(&cx.tables, row).map(|template| template.id()))
        .set("mounts", mounts);
    api
}

pub(super) fn port(row: &Row<Container>, index: usize, number: i64) -> ApiRow {
    let state = container_state(row);
    let gone = state.name == "removed" || state.name == "removing";
    let shown = PublicState {
        name: if gone { state.name } else { "active" },
        transitioning: Transitioning::No,
        message: None,
        progress: None,
    };
    let mut api = base("port", format!("1p{number}"), row, &shown);
    api.set("uuid", format!("{}-{index}", row.uuid));
    if let Some(port) = container_ports(row).get(index) {
        api.set("accountId", row.intent.project.map(format_id))
            .set("instanceId", format_id::<<Container as Object>::IdKind>(ContainerId::new(row.id.raw())))
            .set("bindAddress", port.address.map(|address| address.to_string()))
            .set("privatePort", port.private.get())
            .set("publicPort", port.public.map(std::num::NonZero::get))
            .set("protocol", port.transport.to_string());
    }
    api
}

pub(super) fn expose_map(row: &Row<Container>) -> ApiRow {
    let gone = row.is_going() || row.decision.retire_since.is_some();
    let shown = PublicState {
        name: match (row.removed.is_some(), gone) {
            (true, _) => "removed",
            (false, true) => "removing",
            (false, false) => "active",
        },
        transitioning: if gone && row.removed.is_none() { Transitioning::Yes } else { Transitioning::No },
        message: None,
        progress: None,
    };
    let mut api = base("serviceExposeMap", format!("1sem{}", row.id.raw()), row, &shown);
    api.set("uuid", format!("{}-map", row.uuid))
        .set("accountId", row.intent.project.map(format_id))
        .set("serviceId", row.keys().service.map(format_id))
        .set("instanceId", format_id(row.id))
        .set("ipAddress", row.observation.address.map(|address| address.to_string()))
        .set("managed", true);
    api
}
