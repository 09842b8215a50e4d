//! What the server is told about our containers.

use contract_protocol::{
    Assignment, ContainerAssignment, ContainerReport, DesiredRun, FailureCode, Rank, ReportItem,
};
use contract_values::{ContainerId, Incarnation, Timestamp};
use host_driver::ContainerState;
use std::collections::BTreeSet;

use super::{Activity, Core, Tracked};
use crate::decide::Setback;
use crate::journal::Record;
use crate::world::{Owner, Seen};

impl Core {
    /// Reports what changed about a container since the last report.
    pub(super) fn report(&mut self, id: ContainerId, now: Timestamp) {
        let want = self.desired.as_ref().and_then(|desired: &Assignment| desired.containers.get(&id));
        let Some(tracked) = self.tracked.get(&id) else { return };
        let runs: Vec<(Incarnation, &Seen)> = self
            .world
            .of(id)
            .filter_map(|seen| match seen.owner {
                Owner::Ours { incarnation, .. } => Some((incarnation, seen)),
                Owner::Native | Owner::Ignored => None,
            })
            .collect();
        let mut incarnations: BTreeSet<Incarnation> = tracked.last.keys().copied().collect();
        incarnations.extend(runs.iter().map(|(incarnation, _)| *incarnation));
        incarnations.extend(want.map(|want| want.incarnation));
        let mut fresh = Vec::new();
        for incarnation in incarnations {
            let seen = runs
                .iter()
                .filter(|(of, _)| *of == incarnation)
                .map(|(_, seen)| *seen)
                .max_by_key(|seen| seen.view.state.has_process());
            let wanted = want.filter(|want| want.incarnation == incarnation);
            // Before the first look at the engine nothing can be said to have gone.
            if seen.is_none() && !self.synced {
                continue;
            }
            let last = tracked.last.get(&incarnation);
            let report = describe(id, incarnation, wanted, seen, tracked, last, now);
            if last.is_none_or(|last| !is_same(last, &report)) {
                fresh.push(report);
            }
        }
        let wanted = want.map(|want| want.incarnation);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let mut lasting = Vec::new();
        for report in fresh {
            if wanted == Some(report.incarnation) {
                tracked.memory.starts = report.starts;
            }
            let before = tracked.last.insert(report.incarnation, report.clone());
            if must_last(before.as_ref(), &report) {
                lasting.push(ReportItem::Container(Box::new(report.clone())));
            }
            self.outbox.push(ReportItem::Container(Box::new(report)));
        }
        if !lasting.is_empty() {
            self.records.push(Record::Seen { items: lasting });
        }
    }
}

fn describe(
    id: ContainerId,
    incarnation: Incarnation,
    want: Option<&ContainerAssignment>,
    seen: Option<&Seen>,
    tracked: &Tracked,
    last: Option<&ContainerReport>,
    now: Timestamp,
) -> ContainerReport {
    let view = seen.map(|seen| &seen.view);
    let rank = rank_of(want, seen, tracked);
    let started_at = view.and_then(|view| view.started_at).or(last.and_then(|last| last.started_at));
    let exit_code = match view {
        Some(view) => view.exit_code.or(last.and_then(|last| last.exit_code)),
        None => last.and_then(|last| last.exit_code),
    };
    let runs = rank == Rank::Running;
    // The number of starts makes reports comparable: it grows whenever the rank alone would go back.
    let starts = match last {
        None if rank >= Rank::Starting => 1,
        None => 0,
        Some(last) => {
            let is_first = last.starts == 0 && rank >= Rank::Starting && rank != Rank::Gone;
            let is_new_run = runs
                && last.rank >= Rank::Running
                && last.started_at.is_some()
                && started_at != last.started_at;
            let goes_back = rank < last.rank;
            last.starts + u32::from(is_first || is_new_run || goes_back)
        }
    };
    let mut report = ContainerReport {
        id,
        incarnation,
        starts,
        rank,
        at: now,
        docker_id: view.map(|view| view.docker_id.clone()).or(last.and_then(|last| last.docker_id.clone())),
        image_id: view
            .map(|view| view.image_id.clone())
            .filter(|image_id| !image_id.is_empty())
            .or(last.and_then(|last| last.image_id.clone())),
        address: view.filter(|_| runs).and_then(|view| view.address),
        ports: view.filter(|_| runs).map(|view| view.ports.clone()).unwrap_or_default(),
        started_at,
        exit_code,
        health: view.filter(|_| runs).and_then(|view| view.health.clone()),
        restarts_done: last.map_or(0, |last| last.restarts_done),
        failure: None,
        failure_text: None,
        retry_at: None,
        progress: None,
    };
    let Some(want) = want else { return report };
    report.restarts_done = tracked.memory.restarts_done;
    report.progress.clone_from(&tracked.progress);
    if let Some(Setback { code, text, retry_at }) = &tracked.setback {
        report.failure = Some(*code);
        report.failure_text = Some(text.clone());
        report.retry_at = Some(*retry_at);
    } else if let Some((code, text)) = &tracked.memory.failure {
        report.failure = Some(*code);
        report.failure_text = Some(text.clone());
        report.retry_at = tracked.memory.retry_at.filter(|_| !runs);
    } else if rank == Rank::Stopped
        && want.run == DesiredRun::Running
        && tracked.memory.demand.is_none()
        && (started_at.is_none() || tracked.memory.halted_run != started_at)
    {
        // Its rule lets it rest, and still it failed.
        let out_of_memory = view.is_some_and(|view| view.out_of_memory);
        if out_of_memory {
            report.failure = Some(FailureCode::OutOfMemory);
            report.failure_text = Some("memory ran out".into());
        } else if let Some(code) = exit_code.filter(|code| *code != 0) {
            report.failure = Some(FailureCode::Exited);
            report.failure_text = Some(format!("the process ended by itself with code {code}"));
        }
    }
    report
}

fn rank_of(want: Option<&ContainerAssignment>, seen: Option<&Seen>, tracked: &Tracked) -> Rank {
    let Some(seen) = seen else {
        return match want {
            None => Rank::Gone,
            Some(_) => match tracked.activity {
                Activity::None if tracked.memory.failure.is_none() => Rank::Assigned,
                Activity::Stopping => Rank::Assigned,
                Activity::None | Activity::Fetching | Activity::Preparing | Activity::Starting => {
                    Rank::Preparing
                }
            },
        };
    };
    let is_wanted = want.is_some_and(|want| want.run == DesiredRun::Running);
    match seen.view.state {
        ContainerState::Running | ContainerState::Paused => {
            if is_wanted && tracked.activity != Activity::Stopping { Rank::Running } else { Rank::Stopping }
        }
        ContainerState::Removing => Rank::Stopping,
        ContainerState::Created if is_wanted => Rank::Starting,
        ContainerState::Exited | ContainerState::Restarting if is_wanted => match tracked.activity {
            Activity::Starting => Rank::Starting,
            Activity::None | Activity::Fetching | Activity::Preparing | Activity::Stopping => Rank::Stopped,
        },
        ContainerState::Created
        | ContainerState::Exited
        | ContainerState::Restarting
        | ContainerState::Dead => Rank::Stopped,
    }
}

/// Whether two reports say the same, whenever they were made.
fn is_same(one: &ContainerReport, other: &ContainerReport) -> bool {
    let at = Timestamp(0);
    ContainerReport { at, ..one.clone() } == ContainerReport { at, ..other.clone() }
}

/// Whether a report must survive the process: not when it only tells of a step that would be begun again.
fn must_last(before: Option<&ContainerReport>, report: &ContainerReport) -> bool {
    let is_step = matches!(report.rank, Rank::Assigned | Rank::Preparing | Rank::Starting | Rank::Stopping);
    let counts = before.map(|before| before.restarts_done) != Some(report.restarts_done) && before.is_some();
    !is_step || counts
}
