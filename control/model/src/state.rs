//! The states that people see, as total functions of what is stored. Names and machines follow the compatible API.

use contract_values::Timestamp;

use crate::access::{CredentialIntent, ProjectIntent};
use crate::container::{Container, ContainerRun, Origin, RunReport};
use crate::host::{AgentLink, Host};
use crate::object::{Object, Row};
use crate::reason::{Reason, ReasonCode};
use crate::stack::{Service, Stack};
use crate::volume::Volume;

/// A state, and whether the object is on its way to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicState {
    /// The API's word, such as `active`.
    pub name: &'static str,
    /// Whether it is moving, and how the last move went.
    pub transitioning: Transitioning,
    /// What is going on or what went wrong.
    pub message: Option<String>,
    /// 0 to 100 where it is known.
    pub progress: Option<u8>,
}

/// The API's `transitioning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transitioning {
    /// It is where it shall be.
    No,
    /// It is on its way.
    Yes,
    /// It could not get there.
    Error,
}

impl Transitioning {
    /// The API's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Error => "error",
        }
    }
}

fn at(name: &'static str) -> PublicState {
    PublicState { name, transitioning: Transitioning::No, message: None, progress: None }
}

fn moving(name: &'static str, message: Option<String>) -> PublicState {
    PublicState { name, transitioning: Transitioning::Yes, message, progress: None }
}

fn failed(name: &'static str, message: String) -> PublicState {
    PublicState { name, transitioning: Transitioning::Error, message: Some(message), progress: None }
}

fn going<O: Object>(row: &Row<O>) -> Option<PublicState> {
    if row.removed.is_some() {
        Some(at("removed"))
    } else if row.removal_asked.is_some() {
        Some(moving("removing", None))
    } else {
        None
    }
}

/// The state of an object that is either switched on or off: account, credential, project, member, setting.
pub fn simple_state<O: Object>(row: &Row<O>, inactive: bool) -> PublicState {
    going(row).unwrap_or_else(|| at(if inactive { "inactive" } else { "active" }))
}

/// Whether a credential may be used now.
pub fn credential_usable(intent: &CredentialIntent, now: Timestamp) -> bool {
    !intent.inactive && intent.expires.is_none_or(|expires| now < expires)
}

/// Whether an environment takes requests.
pub fn project_usable(intent: &ProjectIntent) -> bool {
    !intent.inactive
}

/// The state of a host: its own, or its agent's when that is away.
pub fn host_state(host: &Row<Host>) -> PublicState {
    if let Some(state) = going(host) {
        return state;
    }
    if host.intent.inactive {
        return at("inactive");
    }
    match host.observation.link {
        AgentLink::Never => moving("registering", Some("waits for its agent to connect".into())),
        AgentLink::Connected => match host.observation.facts.troubles.iter().next() {
            Some((_, text)) => PublicState { message: Some(text.clone()), ..at("active") },
            None => at("active"),
        },
        AgentLink::Disconnected if host.decision.lost_since.is_some() => {
            failed("disconnected", format!("its agent has been away since {}", host.observation.link_since))
        }
        AgentLink::Disconnected => moving(
            "reconnecting",
            Some(match &host.decision.reason {
                Some(reason) => reason.message.clone(),
                None => format!("its agent has been away since {}", host.observation.link_since),
            }),
        ),
    }
}

/// Why a container is not what was asked for, from decision and observation.
pub fn container_reason(container: &Row<Container>) -> Option<Reason> {
    if container.intent.run == ContainerRun::Stopped {
        return None;
    }
    if let Some(reason) = &container.decision.reason {
        return Some(reason.clone());
    }
    let seen = &container.observation;
    let current = seen.incarnation == container.decision.incarnation;
    let code = seen.failure.filter(|_| current)?;
    let message = seen.failure_text.clone().unwrap_or_else(|| "the host could not run it".to_owned());
    let image = container.intent.launch.image.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(Reason {
        code,
        message,
        since: seen.at,
        next_try: seen.retry_at,
        remedy: remedy(code, &image),
        needs_person: matches!(
            code,
            ReasonCode::ImageNotFound
                | ReasonCode::RegistryDenied
                | ReasonCode::CommandNotFound
                | ReasonCode::InvalidOption
                | ReasonCode::MountMissing
                | ReasonCode::CrashLoop
                | ReasonCode::Failed
        ),
    })
}

/// What a person can do about a cause.
pub fn remedy(code: ReasonCode, image: &str) -> Option<String> {
    Some(match code {
        ReasonCode::NoHosts => "add a host: `lariat hosts add` prints the command".to_owned(),
        ReasonCode::NoHostFits => "free what the message names, or add a host".to_owned(),
        ReasonCode::ImageNotFound => {
            format!("check the name and tag of `{image}`, or load it on the host with `docker load`")
        }
        ReasonCode::RegistryDenied => format!("log in to the registry of `{image}` or make the image public"),
        ReasonCode::RegistryUnreachable => "check the host's way to the registry".to_owned(),
        ReasonCode::PortTaken => "stop what holds the port on the host, or publish another one".to_owned(),
        ReasonCode::CommandNotFound => "check `command` and `entrypoint` against the image".to_owned(),
        ReasonCode::DiskFull => "free space on the host, for example with `docker system prune`".to_owned(),
        ReasonCode::MountMissing => "make the folder on the host, or use a named volume".to_owned(),
        ReasonCode::CrashLoop | ReasonCode::Failed => "look at its output with `lariat logs`".to_owned(),
        ReasonCode::OutOfMemory => "raise `mem_limit`, or give the host more memory".to_owned(),
        ReasonCode::EngineUnreachable => "start the Docker engine on the host".to_owned(),
        ReasonCode::HostAway => "check the host and its agent".to_owned(),
        ReasonCode::Unhealthy => "look at its output with `lariat logs` and at its health check".to_owned(),
        ReasonCode::WaitsForDependency
        | ReasonCode::DependencyFailed
        | ReasonCode::InvalidOption
        | ReasonCode::NameTaken
        | ReasonCode::HostRemoved
        | ReasonCode::InProgress
        | ReasonCode::Removing
        | ReasonCode::Other => return None,
    })
}

/// The state of a container.
pub fn container_state(container: &Row<Container>) -> PublicState {
    if let Some(state) = going(container) {
        return state;
    }
    if container.decision.retire_since.is_some() {
        return moving("removing", None);
    }
    let seen = &container.observation;
    let native = matches!(container.intent.origin, Origin::Native { .. });
    let current = native || seen.incarnation == container.decision.incarnation;
    let rank = if current { seen.rank } else { RunReport::Assigned };
    let reason = container_reason(container);
    let with_progress = |mut state: PublicState| {
        state.progress = seen.progress_percent;
        if let Some(text) = &seen.progress {
            state.message = Some(text.clone());
        }
        state
    };
    let pending = |word: &'static str| match &reason {
        Some(reason) if reason.needs_person => failed(word, reason.message.clone()),
        Some(reason) => moving(word, Some(reason.message.clone())),
        None => with_progress(moving(word, None)),
    };
    let restarting = container.intent.restarts_asked > seen.restarts_done && rank >= RunReport::Running;
    // Held without a reason: its service was switched off.
    let off = container.decision.held && reason.is_none();
    let run = if off {
        ContainerRun::Stopped
    } else if native && seen.order_done >= container.intent.order {
        // An order binds a native container until it is carried out; what it does later is its own affair.
        ContainerRun::AsIs
    } else {
        container.intent.run
    };
    match run {
        ContainerRun::AsIs => match rank {
            RunReport::Running if restarting => moving("restarting", None),
            RunReport::Running => at("running"),
            RunReport::Assigned | RunReport::Preparing | RunReport::Starting => moving("starting", None),
            RunReport::Stopping => moving("stopping", None),
            RunReport::Stopped => PublicState { message: seen.failure_text.clone(), ..at("stopped") },
            RunReport::Gone => at("removed"),
        },
        ContainerRun::Running => match rank {
            RunReport::Running if restarting => moving("restarting", None),
            RunReport::Running => match seen.failure {
                Some(_) => PublicState { message: seen.failure_text.clone(), ..at("running") },
                None => at("running"),
            },
            RunReport::Assigned if container.decision.host.is_none() => pending("creating"),
            RunReport::Assigned | RunReport::Preparing => pending("creating"),
            RunReport::Starting => pending("starting"),
            RunReport::Stopping => moving("restarting", None),
            RunReport::Stopped | RunReport::Gone => {
                if container.intent.launch.start_once() && seen.failure.is_none() {
                    return at("stopped");
                }
                match &reason {
                    Some(reason) if reason.next_try.is_none() && reason.needs_person => {
                        failed("stopped", reason.message.clone())
                    }
                    Some(reason) => moving("restarting", Some(reason.message.clone())),
                    None => moving("starting", None),
                }
            }
        },
        ContainerRun::Stopped => match rank {
            RunReport::Assigned | RunReport::Stopped | RunReport::Gone => at("stopped"),
            RunReport::Preparing | RunReport::Starting | RunReport::Running | RunReport::Stopping => {
                moving("stopping", None)
            }
        },
    }
}

/// Whether a container is as far as its service wants it: running, and healthy where it says; or done, if it is to
/// run once.
pub fn container_ready(container: &Row<Container>) -> bool {
    let seen = &container.observation;
    if container.is_going()
        || container.decision.retire_since.is_some()
        || seen.incarnation != container.decision.incarnation
    {
        return false;
    }
    let once = container.intent.launch.start_once();
    match seen.rank {
        RunReport::Running => once || seen.health.as_deref().is_none_or(|h| h == "healthy"),
        RunReport::Stopped => once && seen.exit_code == Some(0),
        RunReport::Assigned
        | RunReport::Preparing
        | RunReport::Starting
        | RunReport::Stopping
        | RunReport::Gone => false,
    }
}

/// The health of a container in the API's words; `None` without a check.
pub fn container_health(container: &Row<Container>) -> Option<&'static str> {
    if container.intent.launch.start_once() && container.observation.rank == RunReport::Stopped {
        return Some("started-once");
    }
    match container.observation.health.as_deref()? {
        "healthy" => Some("healthy"),
        "unhealthy" => Some("unhealthy"),
        _ => Some("initializing"),
    }
}

/// The state of a service.
pub fn service_state(service: &Row<Service>) -> PublicState {
    if let Some(state) = going(service) {
        return state;
    }
    let decision = &service.decision;
    let settled = decision.settled && decision.generation == service.generation;
    let word = match (service.intent.active, decision.settled_launch_version) {
        (true, 0) if settled => "active",
        (true, 0) => "activating",
        (true, _) if settled => "active",
        (true, _) => "updating-active",
        (false, _) if settled => "inactive",
        (false, 0) => "registering",
        (false, _) => "deactivating",
    };
    if settled {
        return at(word);
    }
    match &decision.reason {
        Some(reason) if reason.needs_person => failed(word, reason.message.clone()),
        Some(reason) => moving(word, Some(reason.message.clone())),
        None => moving(word, None),
    }
}

/// The health of a service in the API's words, from its containers.
pub fn service_health<'a>(
    service: &Row<Service>,
    containers: impl Iterator<Item = &'a Row<Container>>,
) -> &'static str {
    let (mut ready, mut started_once, mut unhealthy, mut all) = (0u32, 0u32, 0u32, 0u32);
    for container in containers.filter(|c| !c.is_going() && c.decision.retire_since.is_none()) {
        all += 1;
        ready += u32::from(container_ready(container));
        match container_health(container) {
            Some("unhealthy") => unhealthy += 1,
            Some("started-once") => started_once += 1,
            _ => {}
        }
    }
    if all > 0 && started_once == all {
        "started-once"
    } else if ready == all && all >= service.intent.scale {
        "healthy"
    } else if unhealthy > 0 && ready == 0 {
        "unhealthy"
    } else if ready > 0 {
        "degraded"
    } else {
        "initializing"
    }
}

/// The state of a stack, from its services.
pub fn stack_state<'a>(stack: &Row<Stack>, services: impl Iterator<Item = &'a Row<Service>>) -> PublicState {
    if let Some(state) = going(stack) {
        return state;
    }
    let mut moving_message = None;
    for service in services.filter(|s| !s.is_going()) {
        let state = service_state(service);
        match state.transitioning {
            Transitioning::Error => {
                let text = state.message.unwrap_or_default();
                return failed("active", format!("{}: {text}", service.intent.name));
            }
            Transitioning::Yes if moving_message.is_none() => {
                moving_message = Some(format!(
                    "{}: {}",
                    service.intent.name,
                    state.message.as_deref().unwrap_or(state.name)
                ));
            }
            Transitioning::Yes | Transitioning::No => {}
        }
    }
    PublicState { message: moving_message, ..at("active") }
}

/// The state of a volume.
pub fn volume_state(volume: &Row<Volume>, in_use: bool) -> PublicState {
    let going = going(volume).map(|state| match volume.removed {
        None => PublicState { message: volume.observation.failure_text.clone(), ..state },
        Some(_) => state,
    });
    going.unwrap_or_else(|| {
        at(match (in_use, volume.observation.present) {
            (true, _) => "active",
            (false, true) => "detached",
            (false, false) => "inactive",
        })
    })
}
