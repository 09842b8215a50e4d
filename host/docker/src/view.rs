//! From the engine's descriptions to ours.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models;
use contract_protocol::RestartPolicy;
use contract_values::{Labels, PortMapping, PortNumber, Timestamp, Transport};
use host_driver::{ContainerState, ContainerSummary, ContainerView, EngineEvent, EventKind, Limits};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads a time of the engine; its zero, the year 1, is no time.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let millis = i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
    (millis > 0).then_some(Timestamp(millis))
}

fn labels(map: Option<HashMap<String, String>>) -> Labels {
    map.unwrap_or_default().into_iter().collect()
}

fn bare(name: &str) -> String {
    name.strip_prefix('/').unwrap_or(name).to_owned()
}

fn state_of(text: &str) -> ContainerState {
    match text {
        "running" | "stopping" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "removing" => ContainerState::Removing,
        "exited" | "stopped" => ContainerState::Exited,
        "dead" => ContainerState::Dead,
        _ => ContainerState::Created,
    }
}

pub(crate) fn summary(entry: models::ContainerSummary) -> ContainerSummary {
    let names = entry.names.unwrap_or_default();
    // Names with a second slash are those that other containers have for it.
    let name = names.iter().find(|name| name.matches('/').count() == 1).or(names.first());
    ContainerSummary {
        docker_id: entry.id.unwrap_or_default(),
        name: name.map(|name| bare(name)).unwrap_or_default(),
        labels: labels(entry.labels),
        state: state_of(&entry.state.map(|state| state.to_string()).unwrap_or_default()),
    }
}

pub(crate) fn view(found: models::ContainerInspectResponse) -> ContainerView {
    let state = found.state.unwrap_or_default();
    let config = found.config.unwrap_or_default();
    let mut host = found.host_config.unwrap_or_default();
    let network_mode = host.network_mode.take().unwrap_or_default();
    let network = found.network_settings.unwrap_or_default();
    let status = state_of(&state.status.map(|status| status.to_string()).unwrap_or_default());
    let started_at = state.started_at.as_deref().and_then(timestamp);
    let has_ended = match status {
        ContainerState::Exited | ContainerState::Dead | ContainerState::Restarting => started_at.is_some(),
        ContainerState::Created
        | ContainerState::Running
        | ContainerState::Paused
        | ContainerState::Removing => false,
    };
    let health = state.health.and_then(|health| health.status).map(|status| status.to_string());
    let mut command: Vec<String> = found.path.into_iter().collect();
    command.extend(found.args.unwrap_or_default());
    ContainerView {
        docker_id: found.id.unwrap_or_default(),
        name: bare(&found.name.unwrap_or_default()),
        labels: labels(config.labels),
        image: config.image.unwrap_or_default(),
        image_id: found.image.unwrap_or_default(),
        command,
        state: status,
        exit_code: state.exit_code.filter(|_| has_ended),
        out_of_memory: state.oom_killed.unwrap_or(false),
        error: state.error.filter(|text| !text.is_empty()),
        created_at: found.created.as_deref().and_then(timestamp),
        started_at,
        finished_at: state.finished_at.as_deref().and_then(timestamp),
        health: health.filter(|status| !status.is_empty() && status != "none"),
        ports: published(network.ports.unwrap_or_default()),
        address: address(network.networks.unwrap_or_default(), &network_mode),
        network_mode,
        limits: limits(host),
    }
}

fn limits(host: models::HostConfig) -> Limits {
    let policy = host.restart_policy.unwrap_or_default();
    let most = policy.maximum_retry_count.and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 0);
    Limits {
        memory: host.memory,
        memory_swap: host.memory_swap,
        memory_reservation: host.memory_reservation,
        cpu_shares: host.cpu_shares,
        cpu_quota: host.cpu_quota,
        cpu_period: host.cpu_period,
        nano_cpus: host.nano_cpus,
        cpuset: host.cpuset_cpus,
        cpuset_mems: host.cpuset_mems,
        cpu_realtime_period: host.cpu_realtime_period,
        cpu_realtime_runtime: host.cpu_realtime_runtime,
        blkio_weight: host.blkio_weight,
        pids_limit: host.pids_limit,
        restart: match policy.name {
            Some(models::RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
            Some(models::RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
            Some(models::RestartPolicyNameEnum::ON_FAILURE) => RestartPolicy::OnFailure { most },
            Some(models::RestartPolicyNameEnum::NO | models::RestartPolicyNameEnum::EMPTY) | None => {
                RestartPolicy::No
            }
        },
    }
}

/// The ports that are published, sorted, each once though it is bound for IPv4 and IPv6.
fn published(ports: models::PortMap) -> Vec<PortMapping> {
    let mut found = std::collections::BTreeSet::new();
    for (key, bindings) in ports {
        let (private, transport) = match key.split_once('/') {
            None => (key.as_str(), Transport::Tcp),
            Some((private, "tcp")) => (private, Transport::Tcp),
            Some((private, "udp")) => (private, Transport::Udp),
            Some(_) => continue,
        };
        let Ok(private) = private.parse::<PortNumber>() else { continue };
        for binding in bindings.into_iter().flatten() {
            let public = binding.host_port.and_then(|port| port.parse().ok());
            let address = binding
                .host_ip
                .and_then(|address| address.parse::<IpAddr>().ok())
                .filter(|address| !address.is_unspecified());
            found.insert(PortMapping { address, public, private, transport });
        }
    }
    found.into_iter().collect()
}

fn address(networks: HashMap<String, models::EndpointSettings>, network_mode: &str) -> Option<IpAddr> {
    let mut networks: Vec<_> = networks.into_iter().collect();
    networks.sort_by(|(one, _), (other, _)| (one != network_mode, one).cmp(&(other != network_mode, other)));
    networks.into_iter().find_map(|(_, endpoint)| {
        let texts = [endpoint.ip_address, endpoint.global_ipv6_address];
        texts.into_iter().flatten().find_map(|text| text.parse().ok())
    })
}

/// The kinds of events that are followed; the engine leaves out the others, such as those of each health check.
pub(crate) const EVENTS: [&str; 9] =
    ["start", "die", "oom", "destroy", "health_status", "rename", "pause", "unpause", "update"];

pub(crate) fn event(message: models::EventMessage) -> Option<EngineEvent> {
    let at = message
        .time_nano
        .map(|nanos| Timestamp(nanos.div_euclid(1_000_000)))
        .or(message.time.map(|seconds| Timestamp(seconds.saturating_mul(1000))))?;
    let kind = message.typ?.to_string();
    let action = message.action?;
    let actor = message.actor?;
    let attributes = actor.attributes.unwrap_or_default();
    let id = actor.id.unwrap_or_default();
    let what = match (kind.as_str(), action.as_str()) {
        ("container", "start") => EventKind::Started { docker_id: id },
        ("container", "die" | "died") => {
            let exit_code = attributes.get("exitCode").or(attributes.get("containerExitCode"));
            EventKind::Died { docker_id: id, exit_code: exit_code.and_then(|code| code.parse().ok()) }
        }
        ("container", "oom") => EventKind::OutOfMemory { docker_id: id },
        ("container", "destroy" | "remove") => EventKind::Destroyed { docker_id: id },
        ("container", "rename" | "pause" | "unpause" | "update") => EventKind::Changed { docker_id: id },
        ("container", action) => {
            let status = action.strip_prefix("health_status:")?.trim().to_owned();
            EventKind::Health { docker_id: id, status }
        }
        ("network", "destroy" | "remove") => {
            EventKind::NetworkRemoved { name: attributes.get("name").cloned().unwrap_or(id) }
        }
        ("volume", "destroy" | "remove") => EventKind::VolumeRemoved { name: id },
        _ => return None,
    };
    Some(EngineEvent { at, what })
}
