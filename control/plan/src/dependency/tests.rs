use crate::tests::testbed::World;
use crate::{Progress, dependency_progress};

/// Checks how far the dependencies of `web` are: `met`, `waits` or `failed`.
#[track_caller]
fn check(world: &str, expected: &str) {
    let w = World::of(world);
    let progress = dependency_progress(&w.tables, &w.service_row("web"));
    let word = match &progress {
        Progress::Met => "met",
        Progress::Waits(_) => "waits",
        Progress::Failed(_) => "failed",
    };
    assert_eq!(word, expected, "{world}: {progress:?}");
}

#[test]
fn each_condition_looks_at_each_copy() {
    for (how, state, expected) in [
        ("started", "new", "waits"),
        ("started", "preparing", "waits"),
        ("started", "starting", "waits"),
        ("started", "running", "met"),
        ("started", "unhealthy", "met"),
        ("started", "done", "met"),
        ("started", "failed", "met"),
        ("healthy", "running", "met"),
        ("healthy", "healthy", "met"),
        ("healthy", "unhealthy", "waits"),
        ("healthy", "failed", "waits"),
        ("healthy", "starting", "waits"),
        ("done", "running", "waits"),
        ("done", "done", "met"),
        ("done", "failed", "failed"),
    ] {
        check(&format!("host h1; service db; service web after db:{how}; copy db 1 {state} on h1"), expected);
    }
}

#[test]
fn a_dependency_must_be_there_in_full() {
    let db = "host h1; service db scale 2; service web after db:started";
    check(&format!("{db}; copy db 1 running on h1"), "waits");
    check(&format!("{db}; copy db 1 running on h1; copy db 2 running on h1"), "met");
    check(&format!("{db}; copy db 1 running on h1; copy db 2 running on h1 retiring"), "waits");
    check("host h1; service db scale 0; service web after db:healthy", "met");
}

#[test]
fn an_optional_one_holds_up_only_while_it_may_come() {
    check("service web after db:healthy?", "met");
    check("service db off; service web after db:healthy?", "met");
    check("host h1; service db; service web after db:healthy?; copy db 1 starting on h1", "waits");
    check("host h1; service db once; service web after db:done?; copy db 1 failed on h1", "met");
}

#[test]
fn a_failed_one_is_told_before_a_slow_one() {
    check(
        "host h1; service slow; service job once; service web after slow:started after job:done; copy job 1 failed on h1",
        "failed",
    );
}
