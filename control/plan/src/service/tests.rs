use crate::tests::testbed::{World, check};

#[test]
fn makes_what_is_missing_and_spreads_it() {
    check("host h1; host h2; service web scale 3", "make web-1 on h1, make web-2 on h2, make web-3 on h1");
    check("host h1; service web scale 0", "settled");
    check("service web", "make web-1 nowhere (the environment has no host)");
}

#[test]
fn keeps_what_is_there() {
    check("host h1; service web scale 2; copy web 1 running on h1; copy web 2 running on h1", "settled");
    check("host h1; service web; copy web 1 starting on h1", "");
    check("host h1; service web; copy web 1 unhealthy on h1", "");
    check("host h1; service web; copy web 1 healthy on h1", "settled");
}

#[test]
fn reuses_the_lowest_free_number() {
    check(
        "host h1; service web scale 3; copy web 1 running on h1; copy web 3 running on h1",
        "make web-2 on h1",
    );
    check(
        "host h1; service web scale 2; copy web 1 running on h1 retiring; copy web 2 running on h1",
        "make web-1 on h1",
    );
}

#[test]
fn scales_down_the_newest_first_and_what_does_not_serve_before_that() {
    check(
        "host h1; service web scale 2; copy web 1 running on h1; copy web 2 running on h1; copy web 3 running on h1",
        "retire web-3, settled",
    );
    check(
        "host h1; service web scale 2; copy web 1 running on h1; copy web 2 starting on h1; copy web 3 running on h1",
        "retire web-2, settled",
    );
    check(
        "host h1; service web scale 1; copy web 1 running on h1 made 9; copy web 2 running on h1 made 3",
        "retire web-1, settled",
    );
    check("host h1; service web scale 0; copy web 1 waiting", "finish web-1, settled");
    check("host h1 away; service web scale 0; copy web 1 running on h1", "finish web-1, settled");
}

#[test]
fn a_container_that_was_deleted_by_hand_is_replaced() {
    check("host h1; service web; copy web 1 running on h1 going", "make web-1 on h1");
    check("host h1; service web; copy web 1 gone on h1 going", "finish web-1, make web-1 on h1");
}

#[test]
fn replaces_one_at_a_time_and_starts_first() {
    let two = "host h1; host h2; service web scale 2 version 2";
    check(
        &format!("{two}; copy web 1 running on h1 version 1; copy web 2 running on h2 version 1"),
        "make web-1 on h1",
    );
    check(
        &format!(
            "{two}; copy web 1 running on h1 version 1; copy web 1 starting on h1; copy web 2 running on h2 version 1"
        ),
        "",
    );
    check(
        &format!(
            "{two}; copy web 1 running on h1 version 1; copy web 1 running on h1; copy web 2 running on h2 version 1"
        ),
        "retire web-1(v1), make web-2 on h2",
    );
    check(
        &format!(
            "{two}; copy web 1 running on h1; copy web 2 running on h2 version 1; copy web 2 running on h2"
        ),
        "retire web-2(v1), settled",
    );
}

#[test]
fn old_copies_that_do_not_serve_are_replaced_at_once() {
    check(
        "host h1; service web scale 2 version 2; copy web 1 failed on h1 version 1; copy web 2 preparing on h1 version 1",
        "retire web-1(v1), retire web-2(v1), make web-1 on h1, make web-2 on h1",
    );
}

#[test]
fn stops_first_where_both_cannot_run() {
    let one = "host h1; service web version 2 port 8080:80";
    check(
        &format!("{one}; copy web 1 running on h1 version 1"),
        "retire web-1(v1), make web-1 nowhere (port 8080/tcp is taken on h1 by shop-web-1)",
    );
    check(
        &format!("{one}; copy web 1 gone on h1 version 1 retiring; copy web 1 waiting"),
        "finish web-1(v1), place web-1 on h1",
    );
    check(&format!("{one}; copy web 1 waiting"), "place web-1 on h1");
    // With room elsewhere, the successor starts first.
    check(&format!("host h0; {one}; copy web 1 running on h1 version 1"), "make web-1 on h0");
}

#[test]
fn the_only_writer_of_a_volume_is_stopped_before_its_successor_is_made() {
    let one = "host h1; service db version 2 volume data";
    check(
        &format!("{one}; copy db 1 running on h1 version 1"),
        "retire db-1(v1), make db-1 nowhere (waits until the earlier shop-db-1 has stopped)",
    );
    check(
        &format!("{one}; copy db 1 stopping on h1 version 1 retiring; copy db 1 waiting"),
        "say db-1 (waits until the earlier shop-db-1 has stopped)",
    );
    check(&format!("{one}; copy db 1 waiting; volume data on h1"), "place db-1 on h1");
}

#[test]
fn a_writer_that_comes_back_makes_way_before_its_successor_starts() {
    let db = "host h1; service db version 2 volume data; volume data on h1";
    check(
        &format!("{db}; copy db 1 running on h1 version 1; copy db 1 waiting"),
        "retire db-1(v1), say db-1 (waits until the earlier shop-db-1 has stopped)",
    );
    // Of one version, the one that has a host is worth more than one that has none.
    check("host h1; service web; copy web 1 starting on h1; copy web 1 waiting", "finish web-1");
}

#[test]
fn a_successor_that_lost_its_place_takes_that_of_the_old_one() {
    check(
        "host h1; service web version 2 port 80:80; copy web 1 running on h1 version 1; copy web 1 waiting",
        "retire web-1(v1), say web-1 (port 80/tcp is taken on h1 by shop-web-1)",
    );
    check(
        "host h1; host h2; service web version 2 port 80:80; copy web 1 running on h1 version 1; copy web 1 waiting",
        "place web-1 on h2",
    );
}

#[test]
fn a_lost_host_s_copies_are_made_elsewhere_and_stay_until_that_runs() {
    let hosts = "host h1 lost; host h2";
    check(&format!("{hosts}; service web; copy web 1 running on h1"), "make web-1 on h2");
    check(&format!("{hosts}; service web; copy web 1 running on h1; copy web 1 starting on h2"), "");
    check(
        &format!("{hosts}; service web; copy web 1 running on h1; copy web 1 running on h2"),
        "finish web-1, settled",
    );
    // Away, but not given up.
    check("host h1 away; host h2; service web; copy web 1 running on h1", "settled");
}

#[test]
fn a_host_that_comes_back_loses_the_extra_copy() {
    let hosts = "host h1; host h2; service web";
    check(&format!("{hosts}; copy web 1 running on h1; copy web 1 running on h2"), "retire web-1, settled");
    // The one that serves is kept, be it the older.
    let mut w = World::of(&format!("{hosts}; copy web 1 running on h1; copy web 1 preparing on h2"));
    w.step("web");
    assert_eq!(w.show("web"), "-1@h2 1@h1");
}

#[test]
fn waits_for_what_it_depends_on() {
    let db = "service db; copy db 1 starting on h1";
    check(
        &format!("host h1; service web after db:started; {db}"),
        "make web-1 on h1 held (waits for service db, which has not started yet)",
    );
    check(
        "host h1; service web after db:started; service db; copy db 1 running on h1; copy web 1 new on h1 held",
        "release web-1",
    );
    check(
        "host h1; service web after db:healthy; service db; copy db 1 unhealthy on h1; copy web 1 new on h1 held",
        "say web-1 (waits for service db, which is not healthy yet)",
    );
    check(
        "host h1; service web after db:started; service db off",
        "make web-1 on h1 held (service db, which it depends on, is not active)",
    );
    check(
        "host h1; service web after nothing:started",
        "make web-1 on h1 held (service nothing, which it depends on, does not exist)",
    );
    check("host h1; service web after nothing:started?", "make web-1 on h1");
}

#[test]
fn what_runs_is_not_held_when_its_dependency_breaks() {
    check(
        "host h1; service web after db:healthy; service db; copy db 1 unhealthy on h1; copy web 1 running on h1",
        "settled",
    );
}

#[test]
fn a_job_holds_what_waits_for_its_end() {
    let web = "host h1; service web after job:done; service job once";
    check(
        &format!("{web}; copy job 1 running on h1"),
        "make web-1 on h1 held (waits for service job, which has not completed yet)",
    );
    check(&format!("{web}; copy job 1 done on h1"), "make web-1 on h1");
    check(
        &format!("{web}; copy job 1 failed on h1"),
        "make web-1 on h1 held (shop-job-1 of service job ended with exit code 3)",
    );
    // Nothing in it says that it is a job, but somebody waits for its end.
    check("host h1; service web after job:done; service job; copy job 1 done on h1", "make web-1 on h1");
}

#[test]
fn a_job_that_has_ended_well_is_settled_and_a_failed_one_says_so() {
    check("host h1; service job once; copy job 1 done on h1", "settled");
    let mut w = World::of("host h1; service job once; copy job 1 failed on h1");
    w.step("job");
    let decision = w.service_row("job").decision;
    let reason = decision.reason.unwrap();
    assert!(!decision.settled && reason.needs_person);
    assert_eq!(reason.message, "shop-job-1 ended with exit code 3");
    assert_eq!(w.show("job"), "1@h1");
    let mut w = World::of("host h1; service job restart no; copy job 1 done on h1");
    w.step("job");
    assert!(w.service_row("job").decision.settled);
}

#[test]
fn a_service_that_is_off_stops_its_containers() {
    check("host h1; service web off scale 2", "settled");
    check("host h1; service web off; copy web 1 running on h1", "hold web-1");
    check("host h1; service web off; copy web 1 done on h1 held", "settled");
    check("host h1; service web; copy web 1 done on h1 held", "release web-1");
}

#[test]
fn a_service_that_is_switched_off_amid_an_upgrade_keeps_one_copy_in_each_place() {
    check(
        "host h1; service web off version 2; copy web 1 running on h1 version 1; copy web 1 waiting",
        "finish web-1, hold web-1(v1)",
    );
    check(
        "host h1; service web off version 2; copy web 1 running on h1 version 1; copy web 1 starting on h1",
        "retire web-1(v1), hold web-1",
    );
    check(
        "host h1 lost; host h2; service web off; copy web 1 running on h1; copy web 1 starting on h2",
        "finish web-1, hold web-1",
    );
}

#[test]
fn a_container_that_a_person_stopped_stays_so_and_the_service_is_settled() {
    let web = "host h1; service web scale 2; copy web 1 running on h1";
    check(&format!("{web}; copy web 2 failed on h1 halted"), "settled");
    // An upgrade replaces it like any other that does not serve.
    check(
        "host h1; service web version 2; copy web 1 failed on h1 halted version 1",
        "retire web-1(v1), make web-1 on h1",
    );
}

#[test]
fn what_rested_and_lost_its_port_is_made_elsewhere() {
    let web = "service web port 80:80";
    let other = "alone other running on h1 port 80:80";
    check(
        &format!("host h1; host h2; {web}; copy web 1 done on h1 held; {other}"),
        "retire web-1, make web-1 on h2",
    );
    check(&format!("host h1; host h2; {web}; copy web 1 done on h1 held"), "release web-1");
    // What the others of the service take at the same time counts too.
    check(
        "host h1; host h2; service web port 80:80 scale 2; copy web 1 done on h1 held",
        "release web-1, make web-2 on h2",
    );
}

#[test]
fn a_restart_goes_round() {
    let two = "host h1; service web scale 2 restarts 1";
    check(
        &format!("{two}; copy web 1 running on h1 asked 0; copy web 2 running on h1 asked 0"),
        "restart web-1",
    );
    check(&format!("{two}; copy web 1 stopping on h1; copy web 2 running on h1 asked 0"), "");
    check(
        &format!("{two}; copy web 1 running on h1 restarted 1; copy web 2 running on h1 asked 0"),
        "restart web-2",
    );
    check(
        &format!("{two}; copy web 1 running on h1 restarted 1; copy web 2 running on h1 restarted 1"),
        "settled",
    );
    // What does not run anyway need not wait.
    check(
        &format!("{two}; copy web 1 running on h1 asked 0; copy web 2 failed on h1 asked 0"),
        "restart web-1, restart web-2",
    );
}

#[test]
fn a_service_that_goes_takes_its_containers_along() {
    check("host h1; service web going; copy web 1 running on h1", "retire web-1");
    check("host h1; service web going; copy web 1 gone on h1 retiring", "finish web-1, finish service");
    check("host h1 away; service web going; copy web 1 running on h1", "finish web-1, finish service");
    check("service web going; copy web 1 waiting", "finish web-1, finish service");
    check("host h1; service web going", "finish service");
}

#[test]
fn the_removal_of_a_container_ends_even_if_its_host_never_answers() {
    let web = "host h1; service web scale 0";
    // Ten seconds for the stop, sixty of slack.
    check(&format!("{web}; copy web 1 running on h1 retiring since 69"), "settled");
    check(&format!("{web}; copy web 1 running on h1 retiring since 70"), "finish web-1, settled");
    // The host never said a word about it.
    check(&format!("{web}; copy web 1 new on h1 retiring since 1"), "settled");
    check(&format!("{web}; copy web 1 new on h1 retiring since 2"), "finish web-1, settled");
    let mut w = World::of(&format!("{web}; copy web 1 running on h1 retiring"));
    let plan = w.step("web");
    assert_eq!(plan.wake, Some(w.now + contract_values::Duration::seconds(70)));
}

#[test]
fn one_container_on_each_host() {
    let hosts = "host h1; host h2; host h3 inactive; host h4 away";
    check(&format!("{hosts}; service log global"), "make log-1 on h1, make log-2 on h2");
    check(
        &format!("{hosts}; service log global; copy log 1 running on h1; copy log 2 running on h2"),
        "settled",
    );
    // A host that no longer qualifies keeps its copy, which does not count.
    check(
        &format!("{hosts}; service log global; copy log 1 running on h1; copy log 2 running on h3"),
        "make log-3 on h2",
    );
    check(
        "host h1 label disk=ssd; host h2; service log global label io.rancher.scheduler.affinity:host_label=disk=ssd",
        "make log-1 on h1",
    );
    check(
        "host h1; host h2; service log global version 2; copy log 1 running on h1 version 1; copy log 2 running on h2 version 1",
        "make log-1 on h1",
    );
}

#[test]
fn two_hundred_are_decided_at_once_and_evenly() {
    let mut w = World::of("host h1; host h2; host h3; service web scale 200");
    let plan = w.step("web");
    assert!(plan.places);
    assert_eq!(w.copies("web").len(), 200);
    for host in ["h1", "h2", "h3"] {
        let id = w.host(host);
        let count = w.tables.containers.of_host(id).count();
        assert!((66..=67).contains(&count), "{host} has {count}");
    }
    w.live();
    assert!(w.service_row("web").decision.settled);
    assert_eq!(w.service_row("web").decision.ready, 200);
}

#[test]
fn numbers_of_creation_are_never_used_twice() {
    let mut w = World::of("host h1; service web scale 3");
    w.live();
    for scale in [1, 4, 2, 5] {
        w.change("web", |intent| intent.scale = scale);
        w.live();
    }
    let mut numbers: Vec<u32> = w
        .tables
        .containers
        .iter()
        .map(|row| match row.intent.origin {
            control_model::Origin::Service { create_index, .. } => create_index,
            _ => 0,
        })
        .collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
    assert_eq!(w.show("web"), "1@h1 2@h1 3@h1 4@h1 5@h1");
}

#[test]
fn an_upgrade_goes_through_to_its_end() {
    for text in [
        "host h1; service web scale 4",
        "host h1; host h2; host h3; service web scale 2 port 80",
        "host h1; host h2; service web scale 2 port 80:80",
        "host h1; service web scale 1 port 80:80 volume data",
        "host h1; host h2; service web global port 80:80",
    ] {
        let mut w = World::of(text);
        w.live();
        assert!(w.service_row("web").decision.settled, "{text}");
        let numbers =
            |w: &World| -> Vec<u32> { w.copies("web").iter().map(crate::service::index_of).collect() };
        let before = numbers(&w);
        w.change("web", |intent| intent.launch_version += 1);
        w.live();
        let service = w.service_row("web");
        assert!(service.decision.settled, "{text}: {:?} {}", service.decision, w.show("web"));
        assert_eq!(numbers(&w), before, "{text}");
        assert_eq!(service.decision.settled_launch_version, 2);
    }
}

#[test]
fn the_reason_keeps_its_time() {
    let mut w = World::of("service web");
    w.step("web");
    let first = w.service_row("web").decision.reason.unwrap();
    w.now = contract_values::Timestamp(w.now.0 + 5000);
    w.add_host("h9", &["inactive"]);
    w.step("web");
    let container = w.copies("web").remove(0);
    assert_eq!(container.decision.reason.unwrap().message, "h9 is switched off for new work");
    w.step("web");
    let second = w.service_row("web").decision.reason.unwrap();
    assert_ne!(first.code, second.code);
}

#[test]
fn a_host_is_emptied_one_copy_at_a_time_and_the_successor_comes_first() {
    let hosts = "host h1 evacuating; host h2";
    check(
        &format!("{hosts}; service web scale 2; copy web 1 running on h1; copy web 2 running on h1"),
        "make web-1 on h2",
    );
    check(
        &format!("{hosts}; service web; copy web 1 running on h1 made 1; copy web 1 running on h2 made 2"),
        "retire web-1, settled",
    );
    check(&format!("{hosts}; service web; copy web 1 starting on h1"), "retire web-1, make web-1 on h2");
    check(
        "host h1 evacuating; host h2; service web global; copy web 1 running on h1; copy web 2 running on h2",
        "retire web-1, settled",
    );
}
