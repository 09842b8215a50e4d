use std::time::Duration;

use contract_protocol::*;
use contract_values::ContainerId;
use host_driver::DiskFault;
use host_driver::fake::{Fault, Operation};

use super::rig::{Rig, container, with};

fn id(n: i64) -> ContainerId {
    ContainerId::new(n)
}

#[tokio::test(start_paused = true)]
async fn a_rebooted_host_comes_back_without_a_server() {
    let mut rig = Rig::started().await;
    for n in 1..=5 {
        rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
    }
    rig.send_complete();
    rig.settle().await;
    rig.server.lock().away = true;
    rig.kill().await;
    rig.engine.crash(false);
    rig.engine.recover();
    assert!(rig.running().is_empty());
    rig.start();
    rig.until("all run", |rig| rig.running().len() == 5).await;
    assert_eq!(rig.engine.calls(Operation::Create), 5, "none was made twice");
}

#[tokio::test(start_paused = true)]
async fn the_engine_may_die_and_come_back() {
    for live in [false, true] {
        let mut rig = Rig::started().await;
        for n in 1..=5 {
            rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
        }
        rig.send_complete();
        rig.settle().await;
        rig.engine.crash(live);
        rig.until("told", |rig| {
            rig.server.lock().facts.as_ref().is_some_and(|f| f.troubles.contains_key("engine_unreachable"))
        })
        .await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        rig.engine.recover();
        let begun = tokio::time::Instant::now();
        rig.until("all run", |rig| rig.running().len() == 5).await;
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        rig.settle().await;
        for n in 1..=5 {
            let report = rig.report(n, 1).unwrap();
            let starts = if live { 1 } else { 2 };
            assert_eq!((report.rank, report.starts, report.failure), (Rank::Running, starts, None));
        }
        assert!(rig.server.lock().facts.as_ref().unwrap().troubles.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_engine_may_die_in_the_middle_of_anything() {
    for (operation, fault) in [
        (Operation::Create, Fault::Unreachable),
        (Operation::Create, Fault::AnswerLost),
        (Operation::Create, Fault::TimeOut),
        (Operation::Start, Fault::Unreachable),
        (Operation::Start, Fault::AnswerLost),
        (Operation::Start, Fault::TimeOut),
        (Operation::Inspect, Fault::Unreachable),
        (Operation::Inspect, Fault::TimeOut),
        (Operation::List, Fault::Unreachable),
        (Operation::Networks, Fault::AnswerLost),
    ] {
        let mut rig = Rig::started().await;
        for n in 1..=3 {
            rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
        }
        rig.engine.script(operation, 2, fault.clone());
        rig.send_complete();
        rig.until("all run", |rig| (1..=3).all(|n| rig.rank(n, 1) == Some(Rank::Running))).await;
        rig.settle().await;
        assert_eq!(rig.engine.containers().len(), 3, "{operation:?} {fault:?}");
        rig.engine.script(Operation::Stop, 1, fault.clone());
        rig.engine.script(Operation::Remove, 1, fault.clone());
        rig.change(|a| a.containers.clear());
        rig.until("all gone", |rig| (1..=3).all(|n| rig.rank(n, 1) == Some(Rank::Gone))).await;
        assert!(rig.engine.containers().is_empty(), "{operation:?} {fault:?}");
    }
}

/// The machine dies at every single write, with and without a part of the bytes getting through, and each time the
/// next life of the agent ends in the same state.
#[tokio::test(start_paused = true)]
async fn the_machine_may_die_at_every_write() {
    let mut deaths = 0;
    for torn in [0, 5, 30, 100_000] {
        for writes in 0.. {
            let mut rig = Rig::started().await;
            rig.disk.set_fault(Some(DiskFault::CrashAfter { writes, torn }));
            for n in 1..=3 {
                rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
            }
            rig.send_complete();
            let lived = tokio::time::timeout(Duration::from_secs(20), rig.settle()).await.is_ok();
            if lived && rig.server.lock().link.is_some() {
                rig.change(|a| {
                    a.containers.remove(&id(1));
                    a.containers.get_mut(&id(2)).unwrap().restarts_asked = 1;
                });
                let _ = tokio::time::timeout(Duration::from_secs(20), rig.settle()).await;
            }
            let died = rig.disk.is_dead();
            rig.kill().await;
            rig.disk.set_fault(None);
            rig.start();
            rig.until("connected", |rig| rig.standing.borrow().connected).await;
            // The server sees from the greeting where the host stands, and sends everything.
            rig.assignment.containers.remove(&id(1));
            rig.assignment.containers.get_mut(&id(2)).unwrap().restarts_asked = 1;
            rig.send_complete();
            rig.settle().await;
            assert_eq!(rig.running(), ["c-2", "c-3"], "died after {writes} writes with {torn} bytes");
            assert_eq!(rig.rank(2, 1), Some(Rank::Running));
            assert!(rig.engine.calls(Operation::Create) <= 3, "nothing was made twice");
            let names = rig.disk.names();
            assert!(!names.iter().any(|name| name.contains("corrupt")), "{names:?}");
            deaths += u32::from(died);
            if !died {
                break;
            }
        }
    }
    assert!(deaths >= 12, "{deaths} deaths");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_ledger_is_put_aside_and_nothing_is_removed_for_it() {
    let mut rig = Rig::started().await;
    for n in 1..=3 {
        rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
    }
    rig.send_complete();
    rig.settle().await;
    rig.kill().await;
    rig.disk.tamper("ledger", |bytes| bytes[40] ^= 1);
    rig.start();
    rig.until("connected", |rig| rig.standing.borrow().connected).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.running().len(), 3);
    assert!(rig.disk.names().iter().any(|name| name.starts_with("ledger.corrupt-")));
    assert_eq!(rig.server.lock().hellos.last().unwrap().ledger, None, "so the server sends everything");
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.engine.calls(Operation::Create), 3, "what runs is taken over");
    assert_eq!(rig.running().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_takes_no_new_assignment_and_says_so() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let before = rig.position();
    rig.disk.set_fault(Some(DiskFault::Full));
    rig.change(|a| {
        a.containers.insert(id(2), container("two", "web:1"));
    });
    rig.until("told", |rig| {
        rig.server.lock().facts.as_ref().is_some_and(|facts| facts.troubles.contains_key("ledger_unwritable"))
    })
    .await;
    assert_eq!(rig.running(), ["web"]);
    // What is running is looked after all the same, and can be reported.
    let docker_id = rig.engine.containers()["web"].docker_id.clone();
    rig.engine.end_process(&docker_id, 1);
    rig.until("restarted", |rig| rig.report(1, 1).is_some_and(|r| r.starts == 2 && r.rank == Rank::Running))
        .await;
    rig.until("asks again", |rig| rig.server.lock().resyncs.contains(&Some(before))).await;
    rig.disk.set_fault(None);
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.running(), ["two", "web"]);
    rig.until("over", |rig| rig.server.lock().facts.as_ref().is_some_and(|f| f.troubles.is_empty())).await;
}

#[tokio::test(start_paused = true)]
async fn the_ledger_is_written_anew_before_it_grows_without_end() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let mut longest = 0;
    for n in 0..400 {
        rig.change(|a| {
            let web = a.containers.get_mut(&id(1)).unwrap();
            web.spec.environment.insert("N".into(), format!("{n}{}", "x".repeat(4096)));
        });
        rig.settle().await;
        rig.disk.tamper("ledger", |bytes| longest = longest.max(bytes.len()));
    }
    assert!(longest < 400 * 1024, "{longest}");
}

#[tokio::test(start_paused = true)]
async fn what_no_event_told_is_found_by_the_next_list() {
    let mut rig = Rig::started().await;
    for n in 1..=3 {
        rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
    }
    rig.send_complete();
    rig.settle().await;
    rig.engine.silently(|views| {
        let first = views.keys().next().unwrap().clone();
        views.remove(&first);
    });
    rig.until("all run", |rig| rig.running().len() == 3).await;
    assert_eq!(rig.standing.borrow().counters.missed_by_events, 1);
}
