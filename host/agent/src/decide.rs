//! What to do next about one container: a pure function of what is wanted, what is there and what time it is.
//!
//! It answers with at most one step. It rests on nothing that it did before, except the few facts in [`Memory`],
//! so the way after a crash is the everyday way.

use contract_protocol::{ContainerAssignment, DesiredRun, FailureCode, PullPolicy, RestartPolicy, RunRule};
use contract_values::{Duration, Timestamp};
use host_driver::{ContainerState, Limits};

use crate::journal::Demand;
use crate::world::{Owner, Seen};

/// The delay before the first repetition of a step that failed.
const FIRST_DELAY: Duration = Duration::seconds(1);
/// The delay above which it does not grow.
const LAST_DELAY: Duration = Duration::seconds(300);
/// A run that lasted so long is no failure that counts with the ones before.
pub(crate) const SOUND_RUN: Duration = Duration::seconds(60);

/// What the agent remembers about a container besides what is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// How many failures there were in a row.
    pub(crate) failures: u32,
    /// Not before then.
    pub(crate) retry_at: Option<Timestamp>,
    /// What failed last.
    pub(crate) failure: Option<(FailureCode, String)>,
    /// How often the process was started, for the rule that counts.
    pub(crate) starts: u32,
    /// The restart request that was carried out last.
    pub(crate) restarts_done: u32,
    /// A run that begins after the present one is demanded.
    pub(crate) demand: Option<Demand>,
    /// When the run began whose end was counted last; each end counts once, however often it is told.
    pub(crate) ended_run: Option<Timestamp>,
    /// When the run began that was ended by an order: that is no failure, and no job that was done.
    pub(crate) halted_run: Option<Timestamp>,
    /// The image for the wanted run is on the host.
    pub(crate) image_ready: bool,
    /// The container, by the engine's id, that was given these limits last. The engine may note others than it was
    /// given, so what it says is not always what was asked for.
    pub(crate) limited: Option<(String, Limits)>,
}

impl Memory {
    /// Notes a failed step.
    pub(crate) fn failed(&mut self, code: FailureCode, text: String, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + delay(self.failures));
        self.failure = Some((code, text));
    }

    /// Notes that a process ended which should have gone on, after it ran for so long.
    pub(crate) fn ended(&mut self, code: FailureCode, text: String, ran: Option<Duration>, now: Timestamp) {
        if ran.is_some_and(|ran| ran >= SOUND_RUN) {
            self.failures = 0;
        }
        // The first repetition comes at once: most ends are accidents, and seconds count.
        self.retry_at = (self.failures > 0).then(|| now + delay(self.failures));
        self.failures = self.failures.saturating_add(1);
        self.failure = Some((code, text));
    }

    /// Forgets failures: something else is wanted now.
    pub(crate) fn forgive(&mut self) {
        self.failures = 0;
        self.retry_at = None;
        self.failure = None;
    }
}

/// The delay after so many failures in a row.
pub(crate) fn delay(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    Duration((FIRST_DELAY.0 << doublings).min(LAST_DELAY.0))
}

/// Whether what a container leans on is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Support {
    /// All of it.
    Ready,
    /// Something is still missing; this names it.
    Missing(Missing),
}

/// What a container waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Missing {
    /// Its name, for people.
    pub(crate) what: String,
    /// Why it could not be made so far: who waits for it fails with it.
    pub(crate) failure: Option<Setback>,
}

/// A failure of something that is made again later.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setback {
    pub(crate) code: FailureCode,
    pub(crate) text: String,
    pub(crate) retry_at: Timestamp,
}

/// All that the decision rests on.
#[derive(Clone, Debug)]
pub(crate) struct Situation<'a> {
    /// What is wanted; `None` when the container is not in the assignment.
    pub(crate) want: Option<&'a ContainerAssignment>,
    /// The runs of it that are there.
    pub(crate) runs: Vec<&'a Seen>,
    /// What is remembered.
    pub(crate) memory: &'a Memory,
    /// What it leans on.
    pub(crate) support: Support,
    /// When the process began whose network it shares.
    pub(crate) network_since: Option<Timestamp>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// It is as it shall be.
    Nothing,
    /// Look again at this time.
    Wait(Timestamp),
    /// Look again when what is named has come.
    WaitFor(Missing),
    /// Note a demand for a new run, durably, and decide again.
    Demand(Demand),
    /// The demanded run is there: note that, and decide again.
    DemandMet(Demand),
    /// See that the image is there while the run before still works.
    Fetch,
    /// Make the container, if `docker_id` is `None`, and start it.
    Raise { docker_id: Option<String> },
    /// Make the container and leave it.
    Make,
    /// Give the container other limits.
    Update { docker_id: String, limits: Limits },
    /// Stop the process.
    Halt { docker_id: String, timeout: Option<Duration> },
    /// Stop the process and remove the container.
    Retire { docker_id: String, timeout: Option<Duration>, running: bool },
}

/// Decides about one container.
pub(crate) fn decide(situation: &Situation<'_>) -> Next {
    match decide_step(situation) {
        // A demand is a note and no step that could fail.
        next @ (Next::Nothing | Next::Wait(_) | Next::WaitFor(_) | Next::Demand(_) | Next::DemandMet(_)) => {
            next
        }
        step => match situation.memory.retry_at {
            Some(at) if at > situation.now => Next::Wait(at),
            _ => step,
        },
    }
}

fn decide_step(situation: &Situation<'_>) -> Next {
    let Some(want) = situation.want else {
        return match situation.runs.first() {
            Some(seen) => retire(seen, None),
            None => Next::Nothing,
        };
    };
    let timeout = want.spec.stop_timeout;
    let is_wanted = |seen: &Seen| match seen.owner {
        Owner::Ours { incarnation, .. } => incarnation == want.incarnation,
        Owner::Native | Owner::Ignored => false,
    };
    let old = situation.runs.iter().find(|seen| !is_wanted(seen));
    if let Some(old) = old {
        let must_fetch = match want.spec.pull {
            PullPolicy::IfMissing | PullPolicy::Always => !situation.memory.image_ready,
            PullPolicy::Never => false,
        };
        let wanted_is_there = situation.runs.iter().any(|seen| is_wanted(seen));
        let runs = old.view.state == ContainerState::Running;
        return if runs && want.run == DesiredRun::Running && must_fetch && !wanted_is_there {
            Next::Fetch
        } else {
            retire(old, timeout)
        };
    }
    // The engine keeps names apart, so there is one; should there be more, the one that runs is kept.
    let Some(seen) = situation.runs.iter().max_by_key(|seen| seen.view.state.has_process()) else {
        return match (&situation.support, want.run) {
            (Support::Missing(what), _) => Next::WaitFor(what.clone()),
            (Support::Ready, DesiredRun::Running) => Next::Raise { docker_id: None },
            (Support::Ready, DesiredRun::Stopped) => Next::Make,
        };
    };
    if let Some(surplus) = situation.runs.iter().find(|run| run.view.docker_id != seen.view.docker_id) {
        return retire(surplus, timeout);
    }
    let docker_id = seen.view.docker_id.clone();
    match seen.view.state {
        ContainerState::Dead => return retire(seen, timeout),
        ContainerState::Removing => return Next::Nothing,
        ContainerState::Created
        | ContainerState::Running
        | ContainerState::Paused
        | ContainerState::Restarting
        | ContainerState::Exited => {}
    }
    if want.run == DesiredRun::Stopped {
        return if seen.view.state.has_process() { Next::Halt { docker_id, timeout } } else { Next::Nothing };
    }
    if want.restarts_asked > situation.memory.restarts_done {
        let asked = want.restarts_asked;
        match situation.memory.demand {
            Some(demand) if demand.asked >= asked => {}
            _ => return Next::Demand(Demand { asked, not: seen.view.started_at }),
        }
    }
    if let Some(demand) = situation.memory.demand {
        let has_process = seen.view.state.has_process();
        if has_process && seen.view.started_at == demand.not {
            return Next::Halt { docker_id, timeout };
        }
        if seen.view.started_at != demand.not {
            return Next::DemandMet(demand);
        }
        return raise(situation, docker_id);
    }
    // A frozen process and one between two runs are left alone.
    let may_update = matches!(seen.view.state, ContainerState::Running | ContainerState::Exited);
    let limits = Limits::of(&want.spec);
    let is_limited = limits.are_met_by(&seen.view.limits)
        || situation.memory.limited.as_ref().is_some_and(|(of, given)| *of == docker_id && *given == limits);
    if seen.view.state.has_process() {
        // A network that began anew is another one: whoever shared the old one sits in an empty room.
        let is_left_behind = match (situation.network_since, seen.view.started_at) {
            (Some(network), Some(own)) => network > own,
            (Some(_) | None, _) => false,
        };
        return if is_left_behind {
            let asked = situation.memory.restarts_done;
            Next::Demand(Demand { asked, not: seen.view.started_at })
        } else if may_update && !is_limited {
            Next::Update { docker_id, limits }
        } else {
            Next::Nothing
        };
    }
    let has_run = seen.view.started_at.is_some();
    // What the engine restarts by itself is in state `Restarting`; in `Exited` it has given up or was told to stop.
    let engine_gave_up = matches!(want.spec.restart, RestartPolicy::OnFailure { .. });
    let was_halted = has_run && seen.view.started_at == situation.memory.halted_run;
    let again = match want.rule {
        _ if !has_run || was_halted => true,
        RunRule::KeepRunning => true,
        RunRule::Once => false,
        RunRule::OnFailure { .. } if engine_gave_up => false,
        RunRule::OnFailure { most } => {
            seen.view.exit_code != Some(0) && most.is_none_or(|most| situation.memory.starts <= most)
        }
    };
    match again {
        true if may_update && !is_limited => Next::Update { docker_id, limits },
        true => raise(situation, docker_id),
        false => Next::Nothing,
    }
}

fn raise(situation: &Situation<'_>, docker_id: String) -> Next {
    match &situation.support {
        Support::Missing(what) => Next::WaitFor(what.clone()),
        Support::Ready => Next::Raise { docker_id: Some(docker_id) },
    }
}

fn retire(seen: &Seen, timeout: Option<Duration>) -> Next {
    if seen.view.state == ContainerState::Removing {
        return Next::Nothing;
    }
    Next::Retire { docker_id: seen.view.docker_id.clone(), timeout, running: seen.view.state.has_process() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
