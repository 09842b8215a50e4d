//! When a container counts as ready, and when the removal of one is complete.

use contract_protocol::RunRule;
use contract_values::{Duration, Timestamp};
use control_model::{AgentLink, Container, ReasonCode, Row, RunReport, Tables, state};

use crate::assignment::run_rule;
use crate::settings::Settings;

/// How long a host that never said a word about a container gets to say one.
const SILENCE: Duration = Duration::seconds(2);
/// How long the engine gives a container to stop when nobody said.
const STOP_TIMEOUT: Duration = Duration::seconds(10);

/// Whether a container is as far as its service wants it: running and not unhealthy, or ended well if it was to end.
pub fn is_ready(tables: &Tables, row: &Row<Container>) -> bool {
    state::container_ready(row) || has_completed(tables, row)
}

/// Whether a container was to end and has ended well.
pub(crate) fn has_completed(tables: &Tables, row: &Row<Container>) -> bool {
    is_current(row)
        && row.observation.rank == RunReport::Stopped
        && row.observation.exit_code == Some(0)
        && !matches!(run_rule(tables, row), RunRule::KeepRunning)
}

/// Whether a container was to run once and has ended badly.
pub(crate) fn has_failed(tables: &Tables, row: &Row<Container>) -> bool {
    if !is_current(row) || row.observation.rank != RunReport::Stopped {
        return false;
    }
    let bad = row.observation.exit_code.is_some_and(|code| code != 0);
    match run_rule(tables, row) {
        RunRule::KeepRunning => false,
        RunRule::Once => bad,
        // The host tries again for as long as the rule lets it.
        RunRule::OnFailure { .. } => {
            bad && row.observation.retry_at.is_none() && row.observation.failure.is_some()
        }
    }
}

/// Whether what was seen is of the run that is wanted.
pub(crate) fn is_current(row: &Row<Container>) -> bool {
    row.observation.incarnation == row.decision.incarnation
}

/// What is to be done about a container that shall go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its row is finished now.
    Finish,
    /// Its host has until then to say that it has gone.
    Until(Timestamp),
}

/// Decides whether the removal of a container is complete.
///
/// To finish the row is always safe: the host's assignment no longer holds the container, so the host takes it away
/// whenever it can. Waiting only serves those who watch, and whoever needs its port or its data next.
pub(crate) fn leaving(tables: &Tables, settings: &Settings, now: Timestamp, row: &Row<Container>) -> Leaving {
    let Some(host) = row.decision.host.and_then(|id| tables.hosts.get(id)) else { return Leaving::Finish };
    if host.is_going() || host.observation.link != AgentLink::Connected {
        return Leaving::Finish;
    }
    if is_current(row) && row.observation.rank == RunReport::Gone {
        return Leaving::Finish;
    }
    let asked = row.decision.retire_since.into_iter().chain(row.removal_asked).min().unwrap_or(now);
    // A host that comes back starts from the complete set: count from then.
    let since = asked.max(host.observation.link_since);
    let silent = row.observation.rank == RunReport::Assigned && row.observation.failure.is_none();
    let patience = if silent {
        SILENCE
    } else {
        let stated = row.intent.stop_timeout_seconds.map(|s| Duration::seconds(i64::from(s)));
        let stop = stated.or(row.intent.launch.stop_timeout).unwrap_or(STOP_TIMEOUT);
        Duration(stop.0.max(0).saturating_add(settings.removal_slack.0))
    };
    let until = since + patience;
    if until <= now { Leaving::Finish } else { Leaving::Until(until) }
}

/// Whether a container holds its ports and its data on its host now, or is about to.
pub(crate) fn occupies(row: &Row<Container>) -> bool {
    let seen = &row.observation;
    if matches!(row.intent.origin, control_model::Origin::Native { .. }) {
        return seen.rank == RunReport::Running;
    }
    match seen.rank {
        RunReport::Starting | RunReport::Running | RunReport::Stopping => true,
        RunReport::Gone if row.decision.retire_since.is_some() || row.is_going() => false,
        // It has ended by itself: what runs once is done, anything else starts again.
        RunReport::Stopped if row.intent.launch.start_once() => false,
        RunReport::Assigned | RunReport::Preparing | RunReport::Stopped | RunReport::Gone => {
            row.intent.run == control_model::ContainerRun::Running && (!row.decision.held || waits(row))
        }
    }
}

/// Held for a while, and not because its service was switched off.
fn waits(row: &Row<Container>) -> bool {
    row.decision.reason.as_ref().is_some_and(|reason| {
        matches!(reason.code, ReasonCode::WaitsForDependency | ReasonCode::DependencyFailed)
    })
}
