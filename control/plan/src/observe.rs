//! What a report adds to what is known. A run only moves forward, so reports may come twice and in any order.

use contract_protocol::{ContainerReport, FailureCode, HostFacts as ReportedFacts, NativeReport, Rank};
use contract_values::HostId;
use control_model::{Container, ContainerObservation, HostFacts, ReasonCode, Row, RunReport};

/// Merges a report into what is known of a container; `None` when it says nothing new.
///
/// A higher incarnation beats a lower one, then more starts beat fewer, then a higher rank a lower one. Reports of one
/// rank go by the host's time, and what can only grow never shrinks.
pub fn observe(
    seen: &ContainerObservation,
    report: &ContainerReport,
    from: HostId,
    runs_once: bool,
) -> Option<ContainerObservation> {
    let rank = rank_of(report.rank);
    let known = (seen.incarnation, seen.starts, seen.rank, seen.at);
    let other_host = seen.host.is_some_and(|host| host != from);
    if !other_host && (report.incarnation, report.starts, rank, report.at) < known {
        return None;
    }
    // A recreated container of the same run has a new id in the engine and no exit code yet; the times of earlier
    // runs are not its own.
    let same_run = !other_host && report.incarnation == seen.incarnation;
    let keep = |new: Option<contract_values::Timestamp>, old| new.or(if same_run { old } else { None });
    let next = ContainerObservation {
        host: Some(from),
        incarnation: report.incarnation,
        starts: report.starts,
        rank,
        at: report.at,
        docker_id: report.docker_id.clone(),
        image_id: report.image_id.clone(),
        address: report.address,
        ports: report.ports.clone(),
        first_started_at: if same_run { seen.first_started_at } else { None }.or(report.started_at),
        started_at: keep(report.started_at, seen.started_at),
        exit_code: report.exit_code,
        health: report.health.clone(),
        restarts_done: report.restarts_done.max(if other_host { 0 } else { seen.restarts_done }),
        order_done: seen.order_done,
        failure: report.failure.map(|code| reason_of(code, runs_once)),
        failure_text: report.failure_text.clone(),
        retry_at: report.retry_at,
        progress: report.progress.as_ref().map(|progress| progress.text.clone()),
        progress_percent: report.progress.as_ref().and_then(|progress| progress.percent),
    };
    let only_the_time_differs = ContainerObservation { at: seen.at, ..next.clone() } == *seen;
    (!only_the_time_differs).then_some(next)
}

/// Merges a report on a container that was started by hand; `None` when it says nothing new. The caller sees to it
/// that an old report is not taken for a new one, because here the host's view may go back and forth.
pub fn observe_native(
    seen: &ContainerObservation,
    report: &NativeReport,
    from: HostId,
) -> Option<ContainerObservation> {
    let next = ContainerObservation {
        host: Some(from),
        rank: rank_of(report.rank),
        at: report.at,
        docker_id: Some(report.docker_id.clone()),
        address: report.address,
        ports: report.ports.clone(),
        first_started_at: seen.first_started_at.or(report.started_at),
        started_at: report.started_at.or(seen.started_at),
        exit_code: report.exit_code,
        health: report.health.clone(),
        restarts_done: report.restarts_done.max(seen.restarts_done),
        order_done: report.order_done.max(seen.order_done),
        failure: report.failure_text.as_ref().map(|_| ReasonCode::Other),
        failure_text: report.failure_text.clone(),
        ..seen.clone()
    };
    let only_the_time_differs = ContainerObservation { at: seen.at, ..next.clone() } == *seen;
    (!only_the_time_differs).then_some(next)
}

/// Whether a container is to run once, as far as reports on it are concerned.
pub(crate) fn runs_once(container: &Row<Container>) -> bool {
    container.intent.launch.start_once()
}

pub(crate) const fn rank_of(rank: Rank) -> RunReport {
    match rank {
        Rank::Assigned => RunReport::Assigned,
        Rank::Preparing => RunReport::Preparing,
        Rank::Starting => RunReport::Starting,
        Rank::Running => RunReport::Running,
        Rank::Stopping => RunReport::Stopping,
        Rank::Stopped => RunReport::Stopped,
        Rank::Gone => RunReport::Gone,
    }
}

const fn reason_of(code: FailureCode, runs_once: bool) -> ReasonCode {
    match code {
        FailureCode::ImageNotFound => ReasonCode::ImageNotFound,
        FailureCode::RegistryDenied => ReasonCode::RegistryDenied,
        FailureCode::RegistryUnreachable => ReasonCode::RegistryUnreachable,
        FailureCode::PortTaken => ReasonCode::PortTaken,
        FailureCode::CommandNotFound => ReasonCode::CommandNotFound,
        FailureCode::DiskFull => ReasonCode::DiskFull,
        FailureCode::InvalidOption => ReasonCode::InvalidOption,
        FailureCode::MountMissing => ReasonCode::MountMissing,
        FailureCode::NameTaken => ReasonCode::NameTaken,
        FailureCode::Exited if runs_once => ReasonCode::Failed,
        FailureCode::Exited => ReasonCode::CrashLoop,
        FailureCode::OutOfMemory => ReasonCode::OutOfMemory,
        FailureCode::EngineUnreachable => ReasonCode::EngineUnreachable,
        FailureCode::Other => ReasonCode::Other,
    }
}

/// Translates what an agent says of its host.
pub fn host_facts(facts: &ReportedFacts) -> HostFacts {
    let ReportedFacts {
        hostname,
        operating_system,
        kernel,
        architecture,
        cpu_count,
        cpu_model,
        memory_total,
        disk_total,
        engine,
        // Taken into the intent at registration; from then on people own them.
        labels: _,
        addresses,
        agent_version,
        troubles,
    } = facts;
    HostFacts {
        hostname: hostname.clone(),
        operating_system: operating_system.clone(),
        kernel: kernel.clone(),
        architecture: architecture.clone(),
        cpu_count: *cpu_count,
        cpu_model: cpu_model.clone(),
        memory_total: *memory_total,
        disk_total: *disk_total,
        engine_version: engine.version.clone(),
        engine_api_version: engine.api_version.clone(),
        storage_driver: engine.storage_driver.clone(),
        engine_root: engine.root_dir.clone(),
        cgroup_version: engine.cgroup_version.clone(),
        addresses: addresses.clone(),
        agent_version: agent_version.clone(),
        troubles: troubles.clone(),
    }
}

#[cfg(test)]
mod tests;
