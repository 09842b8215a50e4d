//! What hosts report.

use std::time::Duration;

use contract_protocol::{FromHost, NativeReport, Rank, ReportItem, ToHost};
use contract_values::Timestamp;
use control_model::{AgentLink, RunReport};
use control_store::{MemoryFault, MemoryStep};

use crate::world::{World, report, seen};

fn native(docker_id: &str, name: &str, rank: Rank) -> ReportItem {
    ReportItem::Native(Box::new(NativeReport {
        docker_id: docker_id.into(),
        name: name.into(),
        image: "redis:7".into(),
        labels: Default::default(),
        command: vec![],
        ports: vec![],
        address: None,
        network_mode: "bridge".into(),
        rank,
        at: Timestamp(1),
        created_at: None,
        started_at: None,
        exit_code: None,
        health: None,
        order_done: 0,
        restarts_done: 0,
        failure_text: None,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_report_is_acknowledged_after_it_is_stored() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let id = world.add_container(1, host, 0).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    agent.say(report("o", 1, vec![seen(id, Rank::Running, 1)])).await;
    assert_eq!(agent.acknowledged().await, ("o".into(), 1));
    let row = world.container(id);
    assert_eq!((row.observation.rank, row.observation.host), (RunReport::Running, Some(host)));
    assert_eq!(world.database.tables().containers.get(id).unwrap().observation, row.observation);
}

#[tokio::test(start_paused = true)]
async fn doubled_and_old_reports_are_acknowledged_and_write_nothing() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let id = world.add_container(1, host, 0).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    let first = report("o", 1, vec![seen(id, Rank::Preparing, 1), native("d1", "cache", Rank::Running)]);
    let second =
        report("o", 2, vec![seen(id, Rank::Running, 2), ReportItem::NativeGone { docker_id: "d1".into() }]);
    for (message, sequence) in [(&first, 1), (&second, 2)] {
        agent.say(message.clone()).await;
        assert_eq!(agent.acknowledged().await, ("o".into(), sequence));
    }
    let revision = world.store.snapshot().revision;
    // In any order, and over a new link as well.
    for (message, sequence) in [(&second, 2), (&first, 1), (&first, 1)] {
        agent.say(message.clone()).await;
        assert_eq!(agent.acknowledged().await, ("o".into(), sequence));
    }
    assert_eq!(world.store.snapshot().revision, revision);
    let (mut again, ..) = world.connect(host, "run").await;
    world
        .wait_for_host(host, |seen| seen.link_since == world.now() || seen.link == AgentLink::Connected)
        .await;
    for (message, sequence) in [(&first, 1), (&second, 2)] {
        again.say(message.clone()).await;
        assert_eq!(again.acknowledged().await, ("o".into(), sequence));
    }
    assert_eq!(world.container(id).observation.rank, RunReport::Running);
    assert_eq!(world.natives(host), [""; 0], "a container that is gone stays gone");
}

#[tokio::test(start_paused = true)]
async fn reports_in_one_burst_are_merged_in_their_order() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let id = world.add_container(1, host, 0).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    let before = world.dispatch.status().counts.transactions;
    agent.say(report("o", 1, vec![seen(id, Rank::Preparing, 1), native("d1", "cache", Rank::Running)])).await;
    agent.say(report("o", 2, vec![seen(id, Rank::Running, 2)])).await;
    agent.say(report("o", 3, vec![native("d2", "queue", Rank::Stopped)])).await;
    assert_eq!(agent.acknowledged().await, ("o".into(), 3), "one acknowledgement for all");
    assert_eq!(world.container(id).observation.rank, RunReport::Running);
    assert_eq!(world.natives(host), ["cache", "queue"]);
    assert_eq!(world.host(host).observation.report_sequence, 3);
    assert_eq!(world.dispatch.status().counts.transactions, before + 1);
}

#[tokio::test(start_paused = true)]
async fn natives_get_rows_with_ids_of_their_own_and_orders_end_when_they_are_done() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, mut position, mut assignment) = world.connect(host, "run").await;
    agent
        .say(report("o", 1, vec![native("d1", "cache", Rank::Running), native("d2", "queue", Rank::Running)]))
        .await;
    agent.acknowledged().await;
    assert_eq!(world.natives(host), ["cache", "queue"]);
    world
        .change(|tx, tables| {
            let row = tables.containers.named("cache").next().unwrap();
            let mut intent = row.intent.clone();
            intent.run = control_model::ContainerRun::Stopped;
            intent.order += 1;
            tx.set_intent(row, intent);
        })
        .await;
    agent.step(&mut position, &mut assignment).await;
    assert_eq!(assignment.natives["d1"].order, 1);
    let ReportItem::Native(mut done) = native("d1", "cache", Rank::Stopped) else { unreachable!() };
    done.order_done = 1;
    done.at = Timestamp(9);
    agent.say(report("o", 2, vec![ReportItem::Native(done)])).await;
    agent.acknowledged().await;
    agent.step(&mut position, &mut assignment).await;
    assert!(assignment.natives.is_empty());
}

#[tokio::test(start_paused = true)]
async fn facts_in_a_report_and_the_link_are_kept_side_by_side() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let mut agent = world.hello(host, "run").await;
    // In one batch with the connection itself.
    let facts = contract_protocol::HostFacts { hostname: "h1".into(), cpu_count: 8, ..Default::default() };
    agent.say(report("o", 1, vec![ReportItem::Host(Box::new(facts))])).await;
    agent.welcome().await;
    let row = world.wait_for_host(host, |seen| seen.report_sequence == 1).await;
    assert_eq!((row.observation.link, row.observation.facts.cpu_count), (AgentLink::Connected, 8));
    drop(agent);
    let row = world.wait_for_link(host, AgentLink::Disconnected).await;
    assert_eq!((row.observation.report_sequence, row.observation.facts.cpu_count), (1, 8));
}

#[tokio::test(start_paused = true)]
async fn reports_wait_while_the_database_is_away() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let id = world.add_container(1, host, 0).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    world.database.set_faults(|step| match step {
        MemoryStep::Commit => MemoryFault::Refuse,
        _ => MemoryFault::None,
    });
    agent.say(report("o", 1, vec![seen(id, Rank::Running, 1)])).await;
    agent.hears_nothing_for(Duration::from_secs(20)).await;
    // Heartbeats go on meanwhile.
    agent.say(FromHost::Heartbeat { number: 2, metrics: None }).await;
    assert_eq!(agent.hear().await, ToHost::HeartbeatSeen { number: 2 });
    assert_eq!(world.dispatch.status().links[0].reports_waiting, 1);
    world.database.clear_faults();
    assert_eq!(agent.acknowledged().await, ("o".into(), 1));
    assert_eq!(world.container(id).observation.rank, RunReport::Running);
    assert_eq!(world.dispatch.status().links[0].reports_waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_not_known_takes_effect_once() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    for (sequence, written) in [(1, true), (2, false)] {
        let mut struck = false;
        world.database.set_faults(move |step| {
            if step == MemoryStep::Commit && !std::mem::replace(&mut struck, true) {
                MemoryFault::Disconnect { written }
            } else {
                MemoryFault::None
            }
        });
        let name = format!("n{sequence}");
        agent.say(report("o", sequence, vec![native(&format!("d{sequence}"), &name, Rank::Running)])).await;
        assert_eq!(agent.acknowledged().await, ("o".into(), sequence));
    }
    assert_eq!(world.natives(host), ["n1", "n2"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_slows_agents_down_and_loses_nothing() {
    let options = control_dispatch::DispatchOptions { queue: 4, batch: 4, ..Default::default() };
    let world = World::with_options(options).await;
    let host = world.add_host(1).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    world.database.set_faults(|step| match step {
        MemoryStep::Commit => MemoryFault::Refuse,
        _ => MemoryFault::None,
    });
    for sequence in 1..=100 {
        let name = format!("n{sequence}");
        agent.say(report("o", sequence, vec![native(&name, &name, Rank::Running)])).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let status = world.dispatch.status();
    assert!(status.reports_waiting <= 4 && status.links[0].reports_waiting <= 9, "{status:?}");
    // Another agent neither takes the place of one that is not read just now, nor is it sent away for good.
    let mut other = world.hello(host, "other").await;
    assert_eq!(other.hear_or_end().await, None);
    other.ended().await;
    world.database.clear_faults();
    let mut last = 0;
    while last < 100 {
        match agent.hear().await {
            ToHost::Acknowledge { sequence, .. } => {
                assert!(sequence > last, "{sequence} after {last}");
                last = sequence;
            }
            ToHost::Unknown => {}
            other => panic!("no acknowledgement but {other:?}"),
        }
    }
    assert_eq!(world.natives(host).len(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_a_host_says_of_another_hosts_container_is_passed_over() {
    let world = World::new().await;
    let (mine, yours) = (world.add_host(1).await, world.add_host(2).await);
    let id = world.add_container(1, yours, 0).await;
    let (mut agent, ..) = world.connect(mine, "run").await;
    agent.say(report("o", 1, vec![seen(id, Rank::Running, 1)])).await;
    assert_eq!(agent.acknowledged().await, ("o".into(), 1));
    assert_eq!(world.container(id).observation.rank, RunReport::Assigned);
}
