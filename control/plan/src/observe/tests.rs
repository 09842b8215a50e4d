use contract_protocol::{ContainerReport, FailureCode, Rank};
use contract_values::{HostId, Incarnation, Timestamp};
use control_model::{ContainerObservation, ReasonCode, RunReport};
use proptest::prelude::*;

use super::observe;
use crate::tests::testbed::{World, report};

const HOST: HostId = HostId::new(2);

fn a_report(incarnation: u32, starts: u32, rank: Rank, at: i64) -> ContainerReport {
    let w = World::of("host h1; service web; copy web 1 new on h1");
    let base = report(&w.container("shop-web-1"), rank, Timestamp(at));
    ContainerReport { incarnation: Incarnation(incarnation), starts, ..base }
}

fn after(reports: &[ContainerReport]) -> ContainerObservation {
    reports.iter().fold(ContainerObservation::default(), |seen, report| {
        observe(&seen, report, HOST, false).unwrap_or(seen)
    })
}

#[test]
fn a_run_only_moves_forward() {
    let running = a_report(1, 1, Rank::Running, 10);
    for (late, taken) in [
        (a_report(1, 1, Rank::Starting, 20), false),
        (a_report(1, 0, Rank::Stopped, 20), false),
        (a_report(0, 9, Rank::Gone, 20), false),
        (a_report(1, 1, Rank::Stopped, 5), true),
        (a_report(1, 2, Rank::Starting, 5), true),
        (a_report(2, 0, Rank::Preparing, 5), true),
    ] {
        let seen = after(&[running.clone(), late.clone()]);
        assert_eq!(seen.rank == super::rank_of(late.rank), taken, "{late:?}");
    }
}

#[test]
fn within_a_rank_the_later_report_counts() {
    let health =
        |word: &str, at| ContainerReport { health: Some(word.into()), ..a_report(1, 1, Rank::Running, at) };
    assert_eq!(after(&[health("starting", 1), health("healthy", 2)]).health.as_deref(), Some("healthy"));
    assert_eq!(after(&[health("healthy", 2), health("starting", 1)]).health.as_deref(), Some("healthy"));
}

#[test]
fn what_says_nothing_new_is_no_write() {
    let seen = after(&[a_report(1, 1, Rank::Running, 10)]);
    assert_eq!(observe(&seen, &a_report(1, 1, Rank::Running, 10), HOST, false), None);
    assert_eq!(observe(&seen, &a_report(1, 1, Rank::Running, 99), HOST, false), None);
}

#[test]
fn a_failure_is_told_in_the_control_plane_s_words() {
    let ended = ContainerReport {
        failure: Some(FailureCode::Exited),
        exit_code: Some(1),
        ..a_report(1, 1, Rank::Stopped, 10)
    };
    let seen = ContainerObservation::default();
    assert_eq!(observe(&seen, &ended, HOST, true).unwrap().failure, Some(ReasonCode::Failed));
    assert_eq!(observe(&seen, &ended, HOST, false).unwrap().failure, Some(ReasonCode::CrashLoop));
}

#[test]
fn the_first_start_is_remembered_and_restarts_never_shrink() {
    let at = |starts, rank, started, done| ContainerReport {
        started_at: Some(Timestamp(started)),
        restarts_done: done,
        ..a_report(1, starts, rank, started)
    };
    let seen = after(&[at(1, Rank::Running, 10, 3), at(2, Rank::Running, 20, 0)]);
    assert_eq!((seen.first_started_at, seen.started_at), (Some(Timestamp(10)), Some(Timestamp(20))));
    assert_eq!(seen.restarts_done, 3);
}

fn any_rank() -> impl Strategy<Value = Rank> {
    prop::sample::select(vec![
        Rank::Assigned,
        Rank::Preparing,
        Rank::Starting,
        Rank::Running,
        Rank::Stopping,
        Rank::Stopped,
        Rank::Gone,
    ])
}

fn any_reports() -> impl Strategy<Value = Vec<ContainerReport>> {
    prop::collection::vec((1..3u32, 0..3u32, any_rank(), 0..50i64), 1..12).prop_map(|all| {
        // Two reports that a host can make never agree in all that orders them.
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort();
        all.dedup();
        all.into_iter()
            .map(|(incarnation, starts, rank, at)| a_report(incarnation, starts, rank, at))
            .collect()
    })
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        (reports, shuffled) in any_reports().prop_flat_map(|reports| (Just(reports.clone()), Just(reports).prop_shuffle())),
        repeat in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let key = |seen: &ContainerObservation| (seen.incarnation, seen.starts, seen.rank);
        let straight = after(&reports);
        let mut other = shuffled;
        for index in repeat {
            let again = other[index.index(other.len())].clone();
            other.push(again);
        }
        prop_assert_eq!(key(&after(&other)), key(&straight));
    }

    #[test]
    fn it_never_moves_backwards(reports in any_reports().prop_shuffle()) {
        let mut seen = ContainerObservation::default();
        for report in &reports {
            if let Some(next) = observe(&seen, report, HOST, false) {
                let key = |seen: &ContainerObservation| (seen.incarnation, seen.starts, seen.rank, seen.at);
                prop_assert!(key(&next) >= key(&seen) || seen.rank == RunReport::Assigned);
                seen = next;
            }
        }
    }
}
