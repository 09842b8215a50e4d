//! What hosts are sent.

use std::time::Duration;

use contract_protocol::{FromHost, Rank, ToHost};
use control_dispatch::DispatchOptions;
use control_model::{AgentLink, Transaction};
use control_store::StoreOptions;
use tokio::time::Instant;

use crate::world::{World, insert_container, report, seen};

#[tokio::test(start_paused = true)]
async fn the_complete_set_comes_once_and_then_steps() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let first = world.add_container(1, host, 0).await;
    let (mut agent, mut position, mut assignment) = world.connect(host, "run").await;
    assert_eq!(assignment.containers.keys().copied().collect::<Vec<_>>(), [first]);

    let second = world.add_container(2, host, 0).await;
    agent.step(&mut position, &mut assignment).await;
    assert_eq!(assignment.containers.keys().copied().collect::<Vec<_>>(), [first, second]);
    assert_eq!(assignment, control_plan::assignment(&world.store.snapshot(), &vault(), host));

    world.change(|tx, tables| tx.ask_removal(tables.containers.get(first).unwrap())).await;
    agent.step(&mut position, &mut assignment).await;
    assert_eq!(assignment.containers.keys().copied().collect::<Vec<_>>(), [second]);
    let counts = world.dispatch.status().counts;
    assert_eq!((counts.completes, counts.deltas), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn changes_close_together_are_one_step() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, mut position, mut assignment) = world.connect(host, "run").await;
    let before = world.dispatch.status().counts.derivations;
    for number in 1..=50 {
        world.add_container(number, host, 0).await;
    }
    agent.step(&mut position, &mut assignment).await;
    assert_eq!(assignment.containers.len(), 50);
    assert_eq!(world.dispatch.status().counts.derivations, before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_host_reports_of_its_own_derives_nothing() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let id = world.add_container(1, host, 0).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    let before = world.dispatch.status().counts.derivations;
    for (sequence, rank) in [(1, Rank::Preparing), (2, Rank::Starting), (3, Rank::Running)] {
        agent.say(report("o", sequence, vec![seen(id, rank, 1)])).await;
        assert_eq!(agent.acknowledged().await, ("o".into(), sequence));
    }
    agent.hears_nothing_for(Duration::from_secs(5)).await;
    assert_eq!(world.dispatch.status().counts.derivations, before);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_lost_its_way_gets_the_complete_set_again() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    world.add_container(1, host, 0).await;
    let (mut agent, mut position, mut assignment) = world.connect(host, "run").await;
    agent.say(FromHost::Resync { have: None }).await;
    assert_eq!(agent.complete().await, (position, assignment.clone()));

    world.add_container(2, host, 0).await;
    agent.step(&mut position, &mut assignment).await;
    agent.say(FromHost::Resync { have: Some(position) }).await;
    assert_eq!(agent.complete().await, (position, assignment.clone()));
    world.add_container(3, host, 0).await;
    agent.step(&mut position, &mut assignment).await;
    assert_eq!(assignment.containers.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_moved_leaves_one_host_and_comes_to_the_other() {
    let world = World::new().await;
    let (here, there) = (world.add_host(1).await, world.add_host(2).await);
    let id = world.add_container(1, here, 0).await;
    let (mut a, mut a_position, mut a_assignment) = world.connect(here, "a").await;
    let (mut b, mut b_position, mut b_assignment) = world.connect(there, "b").await;
    world
        .change(|tx, tables| {
            let row = tables.containers.get(id).unwrap();
            let decision = control_model::ContainerDecision { host: Some(there), ..row.decision.clone() };
            tx.set_decision(row, decision);
        })
        .await;
    a.step(&mut a_position, &mut a_assignment).await;
    b.step(&mut b_position, &mut b_assignment).await;
    assert!(a_assignment.containers.is_empty());
    assert!(b_assignment.containers.contains_key(&id));
}

#[tokio::test(start_paused = true)]
async fn a_large_assignment_arrives_whole() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    for number in 1..=40 {
        world.add_container(number, host, 100_000).await;
    }
    let (_agent, _, assignment) = world.connect(host, "run").await;
    assert_eq!(assignment, control_plan::assignment(&world.store.snapshot(), &vault(), host));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_read_is_cut_off_and_begins_anew() {
    let world = World::with_options(DispatchOptions::default()).await;
    let (slow, quick) = (world.add_host(1).await, world.add_host(2).await);
    let (mut agent, ..) = world.connect(slow, "run").await;
    let (mut other, mut position, mut assignment) = world.connect(quick, "run").await;
    let began = Instant::now();
    // More than windows and buffers take. It still says that it lives.
    for number in 1..=40 {
        world.add_container(number, slow, 50_000).await;
    }
    world.add_container(100, quick, 0).await;
    other.step(&mut position, &mut assignment).await;
    assert!(began.elapsed() < Duration::from_secs(1), "the other host does not wait");
    let mut number = 0;
    while world.dispatch.is_connected(slow) {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", world.dispatch.status());
        tokio::time::sleep(Duration::from_secs(5)).await;
        number += 1;
        let beat = FromHost::Heartbeat { number, metrics: None };
        if agent.try_say(beat).await.is_err() {
            break;
        }
    }
    agent.ended().await;
    world.wait_for_link(slow, AgentLink::Disconnected).await;
    let (_again, _, assignment) = world.connect(slow, "run").await;
    assert_eq!(assignment.containers.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_slow_agent_skips_the_steps_between() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, mut position, mut assignment) = world.connect(host, "run").await;
    // The first step fills the window; what follows is folded while it waits.
    world.add_container(1, host, 2_000_000).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for number in 2..=30 {
        world.add_container(number, host, 0).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    agent.step(&mut position, &mut assignment).await;
    assert_eq!(assignment.containers.len(), 1);
    agent.step(&mut position, &mut assignment).await;
    assert_eq!(assignment.containers.len(), 30);
    agent.say(FromHost::Heartbeat { number: 1, metrics: None }).await;
    assert_eq!(agent.hear().await, ToHost::HeartbeatSeen { number: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_was_cut_off_misses_nothing() {
    let options = StoreOptions { watch_capacity: 1, group: 1, ..Default::default() };
    let world = World::with_both(DispatchOptions::default(), options).await;
    let hosts = [world.add_host(1).await, world.add_host(2).await];
    let mut agents = Vec::new();
    for host in hosts {
        agents.push(world.connect(host, "run").await);
    }
    // All wait for the store at once, so it publishes faster than the feed is read.
    let mut watch = world.store.watch();
    let mut changes = tokio::task::JoinSet::new();
    for number in 1..=100 {
        let (store, now) = (world.store.clone(), world.now());
        changes.spawn(async move {
            let mut tx = Transaction::new(now);
            let host = hosts[usize::try_from(number % 2).unwrap()];
            insert_container(&mut tx, number, host, 0);
            store.commit(tx).await.unwrap();
        });
    }
    while changes.join_next().await.is_some() {}
    assert!(watch.next().await.is_err(), "the test makes a watch fall behind");
    for (agent, position, assignment) in &mut agents {
        while assignment.containers.len() < 50 {
            agent.step(position, assignment).await;
        }
        assert_eq!(*assignment, control_plan::assignment(&world.store.snapshot(), &vault(), agent.host));
    }
}

/// The vault of a dispatch that was given none.
pub fn vault() -> control_plan::Vault {
    control_dispatch::DispatchOptions::default().vault
}
