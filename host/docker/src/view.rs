//! From the engine's descriptions to the agent's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary as EngineSummary,
    ContainerSummaryStateEnum, EventMessage, EventMessageTypeEnum, HealthStatusEnum, PortMap,
};
use contract_values::{PortMapping, Timestamp, Transport};
use host_driver::{ContainerState, ContainerSummary, ContainerView, EngineEvent, EventKind};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads a container of a list; `None` when it has no id, which no engine sends.
pub(crate) fn read_summary(from: EngineSummary) -> Option<ContainerSummary> {
    let name = from.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    Some(ContainerSummary {
        docker_id: from.id?,
        name: name.trim_start_matches('/').to_owned(),
        labels: from.labels.unwrap_or_default().into_iter().collect(),
        state: match from.state {
            Some(ContainerSummaryStateEnum::RUNNING) => ContainerState::Running,
            Some(ContainerSummaryStateEnum::PAUSED) => ContainerState::Paused,
            Some(ContainerSummaryStateEnum::RESTARTING) => ContainerState::Restarting,
            Some(ContainerSummaryStateEnum::REMOVING) => ContainerState::Removing,
            Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::STOPPING) => {
                ContainerState::Exited
            }
            Some(ContainerSummaryStateEnum::DEAD) => ContainerState::Dead,
            Some(ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY) | None => {
                ContainerState::Created
            }
        },
    })
}

/// Reads a container's description.
pub(crate) fn read_view(from: ContainerInspectResponse) -> ContainerView {
    let state = from.state.unwrap_or_default();
    let config = from.config.unwrap_or_default();
    let networks = from.network_settings.unwrap_or_default();
    let network_mode = from.host_config.and_then(|host| host.network_mode).unwrap_or_default();
    let status = match state.status {
        Some(ContainerStateStatusEnum::RUNNING) => ContainerState::Running,
        Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => ContainerState::Restarting,
        Some(ContainerStateStatusEnum::REMOVING) => ContainerState::Removing,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::STOPPING) => ContainerState::Exited,
        Some(ContainerStateStatusEnum::DEAD) => ContainerState::Dead,
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => {
            ContainerState::Created
        }
    };
    let endpoints = networks.networks.unwrap_or_default();
    // The network of the mode comes first; a container on none or the host's has no address.
    let address = endpoints
        .get(&network_mode)
        .into_iter()
        .chain(endpoints.values())
        .filter_map(|endpoint| endpoint.ip_address.as_deref()?.parse::<IpAddr>().ok())
        .find(|address| !address.is_unspecified());
    ContainerView {
        docker_id: from.id.unwrap_or_default(),
        name: from.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        image: config.image.unwrap_or_default(),
        image_id: from.image.unwrap_or_default(),
        command: from.path.into_iter().chain(from.args.unwrap_or_default()).collect(),
        exit_code: match status {
            ContainerState::Created => None,
            ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting
            | ContainerState::Removing
            | ContainerState::Exited
            | ContainerState::Dead => {
                if status.has_process() && status != ContainerState::Restarting {
                    None
                } else {
                    state.exit_code
                }
            }
        },
        state: status,
        out_of_memory: state.oom_killed.unwrap_or(false),
        error: state.error.filter(|text| !text.is_empty()),
        created_at: from.created.as_deref().and_then(read_time),
        started_at: state.started_at.as_deref().and_then(read_time),
        finished_at: state.finished_at.as_deref().and_then(read_time),
        health: state.health.and_then(|health| health.status).and_then(|status| {
            Some(
                match status {
                    HealthStatusEnum::STARTING => "starting",
                    HealthStatusEnum::HEALTHY => "healthy",
                    HealthStatusEnum::UNHEALTHY => "unhealthy",
                    HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => return None,
                }
                .to_owned(),
            )
        }),
        ports: networks.ports.map(read_ports).unwrap_or_default(),
        address,
        network_mode,
    }
}

/// Reads published ports. The engine lists a port bound on all addresses once for IPv4 and once for IPv6; that is one.
fn read_ports(from: PortMap) -> Vec<PortMapping> {
    let mut ports = BTreeSet::new();
    for (private, bindings) in from {
        let (number, transport) = private.split_once('/').unwrap_or((&private, "tcp"));
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => continue,
        };
        let Ok(private) = number.parse() else { continue };
        for binding in bindings.unwrap_or_default() {
            let Some(Ok(public)) = binding.host_port.as_deref().map(str::parse) else { continue };
            let address = binding
                .host_ip
                .as_deref()
                .and_then(|ip| ip.parse::<IpAddr>().ok())
                .filter(|ip| !ip.is_unspecified());
            ports.insert(PortMapping { address, public: Some(public), private, transport });
        }
    }
    ports.into_iter().collect()
}

/// Reads a time as the engine writes it; its zero, the year 1, is none.
pub(crate) fn read_time(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    (time.year() > 1)
        .then(|| Timestamp(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)))
}

/// Reads an event; `None` for those that nobody needs.
pub(crate) fn read_event(from: EventMessage) -> Option<EngineEvent> {
    let action = from.action?;
    let actor = from.actor?;
    let attributes = actor.attributes.unwrap_or_default();
    let docker_id = actor.id.unwrap_or_default();
    let what = match from.typ? {
        EventMessageTypeEnum::CONTAINER => match action.as_str() {
            "start" => EventKind::Started { docker_id },
            "die" => EventKind::Died {
                docker_id,
                exit_code: attributes.get("exitCode").and_then(|c| c.parse().ok()),
            },
            "oom" => EventKind::OutOfMemory { docker_id },
            "destroy" => EventKind::Destroyed { docker_id },
            "rename" | "pause" | "unpause" | "update" => EventKind::Changed { docker_id },
            other => {
                let status = other.strip_prefix("health_status: ")?;
                EventKind::Health { docker_id, status: status.to_owned() }
            }
        },
        EventMessageTypeEnum::NETWORK if action == "destroy" => {
            EventKind::NetworkRemoved { name: attributes.get("name")?.clone() }
        }
        EventMessageTypeEnum::VOLUME if action == "destroy" => EventKind::VolumeRemoved { name: docker_id },
        _ => return None,
    };
    let at =
        from.time_nano.map_or_else(|| from.time.unwrap_or(0) * 1000, |nanoseconds| nanoseconds / 1_000_000);
    Some(EngineEvent { at: Timestamp(at), what })
}
