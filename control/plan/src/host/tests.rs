use contract_values::Duration;

use crate::tests::testbed::{NOW, World};

/// Plans the host `h1`: what the plan does, and in how many seconds it wants to be asked again.
#[track_caller]
fn check(world: &str, expected: &str, wake: Option<i64>) -> World {
    let mut w = World::of(world);
    let id = w.host("h1");
    let plan = crate::plan_host(&w.tables, &w.settings, w.now, id);
    assert_eq!(w.words(&plan), expected, "{world}");
    assert_eq!(plan.wake, wake.map(|seconds| NOW + Duration::seconds(seconds)), "{world}");
    w.apply(&plan.tx);
    w
}

fn lost(w: &World) -> bool {
    w.tables.hosts.get(w.host("h1")).unwrap().decision.lost_since.is_some()
}

#[test]
fn a_host_is_given_up_after_its_time_of_grace() {
    check("host h1", "", None);
    check("host h1 never", "", None);
    check("host h1 away since 10", "", Some(50));
    assert!(lost(&check("host h1 away since 60", "set host", None)));
    check("host h1 lost", "", None);
}

#[test]
fn a_host_that_comes_back_is_no_longer_given_up() {
    let mut w = World::of("host h1 lost");
    let id = w.host("h1");
    let mut row = control_model::Row::clone(w.tables.hosts.get(id).unwrap());
    row.observation.link = control_model::AgentLink::Connected;
    w.put(row);
    let plan = crate::plan_host(&w.tables, &w.settings, w.now, id);
    w.apply(&plan.tx);
    assert!(!lost(&w));
}

#[test]
fn hosts_that_vanish_together_are_not_given_up() {
    let w = check("host h1 away since 60; host h2 away since 59; host h3", "set host", Some(840));
    assert!(!lost(&w));
    let reason = w.tables.hosts.get(w.host("h1")).unwrap().decision.reason.clone().unwrap();
    assert!(reason.message.starts_with("2 of 3 hosts vanished together"), "{}", reason.message);
    // After a while they are: nothing waits for ever.
    assert!(lost(&check("host h1 away since 900; host h2 away since 900; host h3", "set host", None)));
}

#[test]
fn who_comes_back_last_gets_the_time_of_grace_anew() {
    let mut w = check("host h1 away since 600; host h2 away since 600; host h3", "set host", Some(300));
    let id = w.host("h2");
    let mut row = control_model::Row::clone(w.tables.hosts.get(id).unwrap());
    row.observation.link = control_model::AgentLink::Connected;
    w.put(row);
    let id = w.host("h1");
    let plan = crate::plan_host(&w.tables, &w.settings, w.now, id);
    assert_eq!(plan.wake, Some(w.now + Duration::seconds(60)));
    w.apply(&plan.tx);
    assert!(!lost(&w));
    w.now = w.now + Duration::seconds(59);
    assert!(crate::plan_host(&w.tables, &w.settings, w.now, id).tx.is_empty());
    w.now = w.now + Duration::seconds(1);
    let plan = crate::plan_host(&w.tables, &w.settings, w.now, id);
    w.apply(&plan.tx);
    assert!(lost(&w));
}

#[test]
fn one_host_of_three_and_two_of_ten_are_chance() {
    assert!(lost(&check("host h1 away since 60; host h2; host h3", "set host", None)));
    let ten: String = (3..=10).map(|n| format!("host h{n};")).collect();
    assert!(lost(&check(&format!("host h1 away since 60; host h2 away since 60; {ten}"), "set host", None)));
    // Two hosts are too few to tell.
    assert!(lost(&check("host h1 away since 60; host h2 away since 60", "set host", None)));
    // One that has been away since yesterday is no part of it.
    assert!(lost(&check("host h1 away since 60; host h2 away since 86400; host h3", "set host", None)));
}

#[test]
fn a_removed_host_takes_along_what_is_on_it() {
    let w = check(
        "host h1 going; host h2; service web scale 2; copy web 1 running on h1; copy web 2 running on h2; \
         alone a running on h1; native n on h1; volume data on h1",
        "finish web-1, finish a, finish n, finish volume, finish host",
        None,
    );
    assert_eq!(w.show("web"), "2@h2");
}

#[test]
fn an_environment_has_its_own_time_of_grace() {
    let mut w = World::of("host h1 away since 10");
    let mut project =
        control_model::Row::clone(w.tables.projects.get(crate::tests::testbed::PROJECT).unwrap());
    project.intent.host_grace_seconds = Some(5);
    w.put(project);
    let plan = crate::plan_host(&w.tables, &w.settings, w.now, w.host("h1"));
    assert_eq!(w.words(&plan), "set host");
}
