use std::time::Duration;

use contract_protocol::*;
use contract_values::{ContainerId, Incarnation, Transport};
use host_driver::ContainerState;
use host_driver::fake::{Fault, Operation, Program};

use super::rig::{Rig, container, with};

fn id(n: i64) -> ContainerId {
    ContainerId::new(n)
}

#[tokio::test(start_paused = true)]
async fn a_container_is_brought_up_with_three_calls_and_reported() {
    let mut rig = Rig::started().await;
    rig.assignment = with(7, container("shop-web-1", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let report = rig.report(7, 1).unwrap();
    assert_eq!((report.rank, report.starts), (Rank::Running, 1));
    assert!(report.address.is_some() && report.image_id.is_some() && report.started_at.is_some());
    assert_eq!(report.docker_id, Some(rig.engine.containers()["shop-web-1"].docker_id.clone()));
    let calls =
        [Operation::Create, Operation::Start, Operation::Inspect, Operation::ImageId, Operation::Pull]
            .map(|operation| rig.engine.calls(operation));
    assert_eq!(calls, [1, 1, 1, 0, 0], "create, start, one look, nothing else");
    let position = rig.position();
    assert_eq!(rig.server.lock().applied, [position]);
}

#[tokio::test(start_paused = true)]
async fn ranks_only_move_forward() {
    let mut rig = Rig::started().await;
    rig.engine.script(Operation::Start, 1, Fault::Refuse(FailureCode::Other, "not today".into()));
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let docker_id = rig.engine.containers()["web"].docker_id.clone();
    rig.engine.end_process(&docker_id, 1);
    rig.until("running again", |rig| {
        rig.report(1, 1).is_some_and(|r| r.starts >= 2 && r.rank == Rank::Running)
    })
    .await;
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().run = DesiredRun::Stopped);
    rig.settle().await;
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().run = DesiredRun::Running);
    rig.settle().await;
    rig.change(|a| a.containers.clear());
    rig.settle().await;
    let ranks = rig.ranks(1);
    let mut sorted = ranks.clone();
    sorted.sort();
    assert_eq!(ranks, sorted);
    assert_eq!(ranks.last().unwrap().2, Rank::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_dead_process_is_started_at_once_and_later_with_growing_delay() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let docker_id = rig.engine.containers()["web"].docker_id.clone();
    let mut waits = Vec::new();
    for starts in 2..=6 {
        let begun = tokio::time::Instant::now();
        rig.engine.end_process(&docker_id, 3);
        rig.until("running again", |rig| {
            rig.report(1, 1).is_some_and(|report| report.starts == starts && report.rank == Rank::Running)
        })
        .await;
        waits.push((begun.elapsed().as_millis() + 500) / 1000);
    }
    assert_eq!(waits, [0, 1, 2, 4, 8]);
    let waiting = rig.server.lock().history.iter().rev().find(|r| r.rank == Rank::Stopped).cloned().unwrap();
    assert_eq!((waiting.failure, waiting.exit_code), (Some(FailureCode::Exited), Some(3)));
    assert!(waiting.retry_at.is_some(), "the wait is visible");
    // A sound run makes the next end an accident again.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let begun = tokio::time::Instant::now();
    rig.engine.end_process(&docker_id, 3);
    rig.until("running again", |rig| {
        rig.report(1, 1).is_some_and(|r| r.starts == 7 && r.rank == Rank::Running)
    })
    .await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_at_once_is_a_crash_loop_with_a_growing_delay() {
    let mut rig = Rig::started().await;
    let mut want = container("bad", "web:1");
    want.spec.command = Some(["sh", "-c", "exit 2"].map(str::to_owned).to_vec());
    rig.assignment = with(1, want);
    rig.send_complete();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let report = rig.report(1, 1).unwrap();
    assert_eq!(
        (report.rank, report.failure, report.exit_code),
        (Rank::Stopped, Some(FailureCode::Exited), Some(2))
    );
    let starts = rig.engine.calls(Operation::Start);
    assert!((15..=24).contains(&starts), "{starts} starts in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_once_and_its_failure_is_told() {
    let mut rig = Rig::started().await;
    for (n, code) in [(1, 0), (2, 5)] {
        let mut want = container(&format!("job-{n}"), "job:1");
        want.rule = RunRule::Once;
        want.spec.command = Some(["sh", "-c", &format!("sleep 3; exit {code}")].map(str::to_owned).to_vec());
        rig.assignment.containers.insert(id(n), want);
    }
    rig.send_complete();
    rig.until("both ended", |rig| (1..=2).all(|n| rig.rank(n, 1) == Some(Rank::Stopped))).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.report(1, 1).unwrap().failure, None);
    let failed = rig.report(2, 1).unwrap();
    assert_eq!((failed.failure, failed.exit_code), (Some(FailureCode::Exited), Some(5)));
    assert_eq!(rig.engine.calls(Operation::Start), 2);
    // A restart that a person asks for runs it once more.
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().restarts_asked = 1);
    rig.until("again", |rig| {
        rig.report(1, 1).is_some_and(|r| r.restarts_done == 1 && r.rank == Rank::Stopped)
    })
    .await;
    assert_eq!(rig.engine.calls(Operation::Start), 3);
}

#[tokio::test(start_paused = true)]
async fn on_failure_is_repeated_as_often_as_allowed() {
    let mut rig = Rig::started().await;
    let mut want = container("flaky", "job:1");
    want.rule = RunRule::OnFailure { most: Some(2) };
    want.spec.command = Some(["sh", "-c", "exit 1"].map(str::to_owned).to_vec());
    rig.assignment = with(1, want);
    rig.send_complete();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.engine.calls(Operation::Start), 3, "once and two repetitions");
    assert_eq!(rig.report(1, 1).unwrap().failure, Some(FailureCode::Exited));
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_done_once() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().restarts_asked = 1);
    rig.until("restarted", |rig| rig.report(1, 1).is_some_and(|r| r.restarts_done == 1)).await;
    rig.settle().await;
    let report = rig.report(1, 1).unwrap();
    assert_eq!((report.rank, report.starts, report.failure), (Rank::Running, 2, None));
    assert_eq!(rig.engine.calls(Operation::Stop), 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.engine.calls(Operation::Start), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_ordered_is_no_failure() {
    let mut rig = Rig::started().await;
    let mut stubborn = container("web", "web:1");
    stubborn.spec.command = Some(["sh", "-c", "trap '' TERM; sleep 100000"].map(str::to_owned).to_vec());
    let mut job = container("job", "job:1");
    job.rule = RunRule::Once;
    rig.assignment.containers = [(id(1), stubborn), (id(2), job), (id(3), container("new", "web:1"))].into();
    rig.send_complete();
    rig.settle().await;
    // The event of the end comes long before the stop has returned, as it does on a busy host.
    rig.engine.script(Operation::Stop, 3, Fault::SlowAnswer(Duration::from_secs(2)));
    rig.change(|a| {
        a.containers.get_mut(&id(1)).unwrap().restarts_asked = 1;
        a.containers.get_mut(&id(2)).unwrap().restarts_asked = 1;
        a.containers.get_mut(&id(3)).unwrap().incarnation = Incarnation(2);
    });
    rig.until("restarted", |rig| {
        (1..=2).all(|n| {
            rig.report(n, 1).is_some_and(|r| r.restarts_done == 1 && r.rank == Rank::Running && r.starts == 2)
        }) && rig.rank(3, 2) == Some(Rank::Running)
    })
    .await;
    let history = rig.server.lock().history.clone();
    let blamed: Vec<_> = history.iter().filter(|report| report.failure.is_some()).collect();
    assert!(blamed.is_empty(), "{blamed:#?}");
    let codes: Vec<_> = history.iter().filter(|r| r.id == id(1)).filter_map(|r| r.exit_code).collect();
    assert!(codes.contains(&137), "it had to be killed: {codes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_stopped_by_an_order_was_not_done() {
    for agent_restarts in [false, true] {
        let mut rig = Rig::started().await;
        let mut job = container("job", "job:1");
        job.rule = RunRule::Once;
        job.spec.command = Some(["sh", "-c", "trap 'exit 143' TERM; sleep 100"].map(str::to_owned).to_vec());
        rig.assignment = with(1, job);
        rig.send_complete();
        rig.settle().await;
        rig.change(|a| a.containers.get_mut(&id(1)).unwrap().run = DesiredRun::Stopped);
        rig.settle().await;
        assert_eq!(rig.report(1, 1).unwrap().exit_code, Some(143));
        if agent_restarts {
            rig.kill().await;
            rig.start();
            rig.settle().await;
        }
        rig.change(|a| a.containers.get_mut(&id(1)).unwrap().run = DesiredRun::Running);
        rig.until("it runs again", |rig| {
            rig.report(1, 1).is_some_and(|r| r.starts == 2 && r.rank == Rank::Running)
        })
        .await;
        rig.until("done", |rig| rig.rank(1, 1) == Some(Rank::Stopped)).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(rig.engine.calls(Operation::Start), 2);
        let history = rig.server.lock().history.clone();
        assert!(history.iter().all(|report| report.failure.is_none()), "{history:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_incarnation_takes_the_old_ones_place_and_name() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    rig.change(|a| {
        let web = a.containers.get_mut(&id(1)).unwrap();
        web.incarnation = Incarnation(2);
        web.spec.image = "web:2".parse().unwrap();
    });
    rig.settle().await;
    assert_eq!((rig.rank(1, 1), rig.rank(1, 2)), (Some(Rank::Gone), Some(Rank::Running)));
    let containers = rig.engine.containers();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers["web"].image, "web:2");
}

#[tokio::test(start_paused = true)]
async fn the_old_run_works_on_until_the_new_image_is_there() {
    let mut rig = Rig::started().await;
    rig.engine.add_to_registry("far:1", Duration::from_secs(60), Program::service());
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    rig.change(|a| {
        let web = a.containers.get_mut(&id(1)).unwrap();
        web.incarnation = Incarnation(2);
        web.spec.image = "far:1".parse().unwrap();
    });
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(rig.running(), ["web"], "the old one still works");
    let report = rig.report(1, 2).unwrap();
    assert_eq!(report.rank, Rank::Preparing);
    assert_eq!(report.progress.unwrap().text, "pulling far:1");
    rig.settle().await;
    assert_eq!(rig.engine.containers()["web"].image, "far:1");
}

#[tokio::test(start_paused = true)]
async fn an_image_is_fetched_once_for_all_who_need_it() {
    let mut rig = Rig::started().await;
    rig.engine.add_to_registry("big:1", Duration::from_secs(30), Program::service());
    for n in 1..=20 {
        rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "big:1"));
    }
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.engine.calls(Operation::Pull), 1);
    assert_eq!(rig.running().len(), 20);
    let pulled =
        rig.server.lock().history.iter().any(|r| r.progress.as_ref().is_some_and(|p| p.percent == Some(50)));
    assert!(pulled, "people can watch");
}

#[tokio::test(start_paused = true)]
async fn a_pull_for_what_is_no_longer_wanted_is_called_back() {
    let mut rig = Rig::started().await;
    rig.engine.add_to_registry("slow:1", Duration::from_secs(3000), Program::service());
    rig.assignment = with(1, container("web", "slow:1"));
    rig.send_complete();
    rig.until("pulling", |rig| rig.rank(1, 1) == Some(Rank::Preparing)).await;
    let begun = tokio::time::Instant::now();
    rig.change(|a| a.containers.clear());
    rig.settle().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(rig.rank(1, 1), Some(Rank::Gone));
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_with_their_code_and_the_next_try() {
    let mut rig = Rig::started().await;
    rig.engine.take_port(8080.try_into().unwrap(), Transport::Tcp);
    let mut port = container("port", "web:1");
    port.spec.ports = vec!["8080:80".parse().unwrap()];
    let mut command = container("command", "web:1");
    command.spec.command = Some(vec!["/no/such/program".into()]);
    let mut never = container("never", "nowhere:2");
    never.spec.pull = PullPolicy::Never;
    rig.assignment.containers =
        [(id(1), port), (id(2), command), (id(3), container("image", "nowhere:1")), (id(4), never)].into();
    rig.send_complete();
    let expected = [
        FailureCode::PortTaken,
        FailureCode::CommandNotFound,
        FailureCode::ImageNotFound,
        FailureCode::ImageNotFound,
    ];
    rig.until("four failures", |rig| {
        (1..).zip(expected).all(|(n, code)| {
            rig.report(n, 1).is_some_and(|report| {
                report.failure == Some(code) && report.retry_at.is_some() && report.failure_text.is_some()
            })
        })
    })
    .await;
    assert_eq!(rig.engine.calls(Operation::Pull), 1, "never means never");
    rig.engine.heal();
    rig.until("the port is free", |rig| rig.rank(1, 1) == Some(Rank::Running)).await;
    assert_eq!(rig.report(1, 1).unwrap().failure, None);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_for_container_and_host() {
    let mut rig = Rig::started().await;
    rig.engine.set_disk_full(true);
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.until("told", |rig| {
        rig.report(1, 1).is_some_and(|report| report.failure == Some(FailureCode::DiskFull))
            && rig.server.lock().facts.as_ref().is_some_and(|facts| facts.troubles.contains_key("disk_full"))
    })
    .await;
    rig.engine.set_disk_full(false);
    rig.settle().await;
    rig.until("over", |rig| rig.server.lock().facts.as_ref().is_some_and(|facts| facts.troubles.is_empty()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_and_unasked_for_goes_and_what_is_not_ours_stays() {
    let mut rig = Rig::idle();
    let ours = |n: &str| {
        [("io.lariat.owner", super::rig::HOST), ("io.lariat.container", n), ("io.lariat.incarnation", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    };
    rig.engine.run_by_hand("left-over", "web:1", ours("99"));
    rig.engine.run_by_hand("by-hand", "web:1", Default::default());
    let mut foreign: contract_values::Labels = ours("5");
    foreign.insert("io.lariat.owner".into(), "another-host".into());
    rig.engine.run_by_hand("of-another-agent", "web:1", foreign);
    rig.start();
    rig.until("connected", |rig| rig.standing.borrow().connected).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.running().len(), 3, "an empty ledger knows nothing and removes nothing");
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.running(), ["by-hand", "of-another-agent"]);
    assert_eq!(rig.rank(99, 1), Some(Rank::Gone));
}

#[tokio::test(start_paused = true)]
async fn networks_and_volumes_come_first_and_only_networks_go() {
    let mut rig = Rig::started().await;
    rig.engine.add_network("theirs");
    let mut web = container("web", "web:1");
    web.spec.network = NetworkAttachment::Named { network: "shop".into(), aliases: vec![] };
    web.spec.mounts = vec![MountSpec {
        kind: MountKind::Volume,
        source: "data".into(),
        target: "/data".into(),
        read_only: false,
        options: vec![],
        subpath: None,
        create_source: None,
    }];
    rig.assignment = with(1, web);
    rig.assignment.networks.insert("shop".into(), NetworkSpec::default());
    rig.assignment.volumes.insert("data".into(), VolumeSpec::default());
    rig.engine.script(
        Operation::EnsureNetwork,
        1,
        Fault::Refuse(FailureCode::Other, "no address pool".into()),
    );
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.running(), ["web"]);
    assert_eq!(rig.engine.network_names(), ["shop", "theirs"]);
    assert_eq!(rig.engine.volume_names(), ["data"]);
    rig.change(|a| *a = Assignment::default());
    rig.settle().await;
    rig.until("the network has gone", |rig| rig.engine.network_names() == ["theirs"]).await;
    assert_eq!(rig.engine.volume_names(), ["data"], "volumes are never removed");
}

#[tokio::test(start_paused = true)]
async fn what_a_container_needs_and_cannot_be_made_is_its_failure() {
    let mut rig = Rig::started().await;
    let mut web = container("web", "web:1");
    web.spec.network = NetworkAttachment::Named { network: "shop".into(), aliases: vec![] };
    let mut store = container("store", "web:1");
    store.spec.mounts = vec![MountSpec {
        kind: MountKind::Volume,
        source: "data".into(),
        target: "/data".into(),
        read_only: false,
        options: vec![],
        subpath: None,
        create_source: None,
    }];
    rig.assignment.containers = [(id(1), web), (id(2), store)].into();
    rig.assignment.networks.insert("shop".into(), NetworkSpec::default());
    rig.assignment.volumes.insert("data".into(), VolumeSpec::default());
    rig.engine.set_disk_full(true);
    rig.send_complete();
    rig.until("told", |rig| {
        (1..=2).all(|n| {
            rig.report(n, 1).is_some_and(|report| {
                report.failure == Some(FailureCode::DiskFull)
                    && report.retry_at.is_some()
                    && report.failure_text.is_some_and(|text| text.contains("no space left on device"))
            })
        })
    })
    .await;
    let waiting = rig.report(1, 1).unwrap().progress.unwrap();
    assert_eq!(waiting.text, "waiting for the network shop");
    // It is tried again, less and less often, and not in a hurry.
    tokio::time::sleep(Duration::from_secs(600)).await;
    for operation in [Operation::EnsureNetwork, Operation::EnsureVolume] {
        let calls = rig.engine.calls(operation);
        assert!((8..=12).contains(&calls), "{operation:?}: {calls} tries in ten minutes");
    }
    // An agent that is started anew tells the same.
    rig.kill().await;
    rig.server.lock().containers.clear();
    rig.start();
    rig.until("told again", |rig| {
        (1..=2).all(|n| rig.report(n, 1).is_some_and(|r| r.failure == Some(FailureCode::DiskFull)))
    })
    .await;
    rig.engine.set_disk_full(false);
    rig.settle().await;
    assert_eq!(rig.running(), ["store", "web"]);
    for n in 1..=2 {
        let report = rig.report(n, 1).unwrap();
        assert_eq!((report.rank, report.failure, report.retry_at), (Rank::Running, None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_made_and_is_no_longer_wanted_is_forgotten() {
    let mut rig = Rig::started().await;
    rig.assignment.networks.insert("shop".into(), NetworkSpec::default());
    rig.engine.set_disk_full(true);
    rig.send_complete();
    rig.until("tried", |rig| rig.engine.calls(Operation::EnsureNetwork) > 1).await;
    rig.change(|a| *a = Assignment::default());
    rig.settle().await;
    let calls = rig.engine.calls(Operation::EnsureNetwork);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(rig.engine.calls(Operation::EnsureNetwork), calls);
}

#[tokio::test(start_paused = true)]
async fn a_container_waits_for_the_one_whose_network_it_shares() {
    let mut rig = Rig::started().await;
    rig.engine.add_to_registry("late:1", Duration::from_secs(20), Program::service());
    let mut side = container("side", "web:1");
    side.spec.network = NetworkAttachment::Container { id: id(2) };
    side.spec.volumes_from = vec![id(2)];
    rig.assignment.containers = [(id(1), side), (id(2), container("main", "late:1"))].into();
    rig.send_complete();
    rig.until("told why", |rig| {
        rig.report(1, 1)
            .is_some_and(|r| r.progress.is_some_and(|p| p.text == "waiting for the network of container-2"))
    })
    .await;
    rig.settle().await;
    let containers = rig.engine.containers();
    assert_eq!(containers["side"].network_mode, format!("container:{}", containers["main"].docker_id));
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_network_is_started_again_when_it_began_anew() {
    let mut rig = Rig::started().await;
    let mut side = container("side", "web:1");
    side.spec.network = NetworkAttachment::Container { id: id(2) };
    rig.assignment.containers = [(id(1), side), (id(2), container("main", "web:1"))].into();
    rig.send_complete();
    rig.settle().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let main = rig.engine.containers()["main"].docker_id.clone();
    rig.engine.end_process(&main, 1);
    rig.until("both again", |rig| {
        (1..=2).all(|n| rig.report(n, 1).is_some_and(|r| r.rank == Rank::Running && r.starts == 2))
    })
    .await;
    rig.settle().await;
    let containers = rig.engine.containers();
    assert!(containers["side"].started_at >= containers["main"].started_at);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.engine.calls(Operation::Start), 4, "and then there is peace");
}

#[tokio::test(start_paused = true)]
async fn what_must_not_run_is_made_and_left() {
    let mut rig = Rig::started().await;
    let mut want = container("cold", "web:1");
    want.run = DesiredRun::Stopped;
    rig.assignment = with(1, want);
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.engine.containers()["cold"].state, ContainerState::Created);
    assert_eq!(rig.rank(1, 1), Some(Rank::Stopped));
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().run = DesiredRun::Running);
    rig.settle().await;
    assert_eq!(rig.rank(1, 1), Some(Rank::Running));
}

#[tokio::test(start_paused = true)]
async fn the_engines_own_restart_policy_is_left_to_act() {
    let mut rig = Rig::started().await;
    let mut want = container("web", "web:1");
    want.spec.restart = RestartPolicy::Always;
    rig.assignment = with(1, want);
    rig.send_complete();
    rig.settle().await;
    let docker_id = rig.engine.containers()["web"].docker_id.clone();
    rig.engine.end_process(&docker_id, 1);
    rig.until("running again", |rig| {
        rig.report(1, 1).is_some_and(|r| r.starts == 2 && r.rank == Rank::Running)
    })
    .await;
    assert_eq!(rig.engine.calls(Operation::Start), 1, "the engine did it");
}

#[tokio::test(start_paused = true)]
async fn health_and_memory_are_told() {
    let mut rig = Rig::started().await;
    let mut want = container("web", "web:1");
    want.spec.health = Some(HealthSpec::default());
    rig.assignment = with(1, want);
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.report(1, 1).unwrap().health.as_deref(), Some("starting"));
    let docker_id = rig.engine.containers()["web"].docker_id.clone();
    rig.engine.set_health(&docker_id, "healthy");
    rig.until("healthy", |rig| rig.report(1, 1).is_some_and(|r| r.health.as_deref() == Some("healthy")))
        .await;
    rig.engine.run_out_of_memory(&docker_id);
    rig.until("told", |rig| {
        rig.server.lock().history.iter().any(|report| report.failure == Some(FailureCode::OutOfMemory))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_containers_need_no_more_calls_than_three_each() {
    let mut rig = Rig::started().await;
    for operation in [Operation::Create, Operation::Start] {
        rig.engine.script(operation, 1000, Fault::Slow(Duration::from_millis(100)));
    }
    for n in 1..=100 {
        rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
    }
    let begun = tokio::time::Instant::now();
    rig.send_complete();
    rig.until("all run", |rig| (1..=100).all(|n| rig.rank(n, 1) == Some(Rank::Running))).await;
    // Seven rounds of sixteen, each of two times 100 ms.
    assert!(begun.elapsed() < Duration::from_millis(1450), "{:?}", begun.elapsed());
    assert_eq!(rig.engine.calls(Operation::Inspect), 100);
    rig.change(|a| a.containers.clear());
    rig.settle().await;
    assert!(rig.engine.containers().is_empty());
    assert_eq!(rig.engine.calls(Operation::Inspect), 100, "going needs no looks");
}
