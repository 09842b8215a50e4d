//! Server restarts.

use std::time::Duration;

use contract_protocol::Rank;
use contract_values::Timestamp;
use control_model::{AgentLink, HostDecision, RunReport};

use crate::world::{START, World, report, seen};

#[tokio::test(start_paused = true)]
async fn a_restart_raises_the_epoch_and_is_nobodys_absence() {
    let world = World::new().await;
    let (back, gone) = (world.add_host(1).await, world.add_host(2).await);
    let (first, position, _) = world.connect(back, "run-1").await;
    let (second, ..) = world.connect(gone, "run-2").await;
    for host in [back, gone] {
        world.wait_for_link(host, AgentLink::Connected).await;
    }
    let revision = world.store.snapshot().revision;
    let epoch = world.store.epoch();
    let world = world.restart().await;
    let started = world.now();
    first.ended().await;
    second.ended().await;
    assert_eq!(world.store.snapshot().revision, revision, "neither the stop nor the start writes");
    assert!(world.store.epoch() > epoch);

    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.host(gone).observation.link, AgentLink::Connected, "it may still come back");
    let (mut first, next, _) = world.connect(back, "run-1").await;
    assert!(next > position && next.epoch == world.store.epoch());
    world.wait_for_host(back, |seen| seen.link_since >= started).await;
    first
        .lives_until(async {
            let row = world.wait_for_link(gone, AgentLink::Disconnected).await;
            assert_eq!(
                row.observation.link_since, started,
                "since the start, not since the end of the grace"
            );
        })
        .await;
    assert_eq!(world.host(back).observation.link, AgentLink::Connected);
}

#[tokio::test(start_paused = true)]
async fn who_was_away_before_is_away_since_the_start() {
    let world = World::new().await;
    let (away, lost) = (world.add_host(1).await, world.add_host(2).await);
    for host in [away, lost] {
        drop(world.connect(host, "run").await);
        world.wait_for_link(host, AgentLink::Disconnected).await;
    }
    world
        .change(|tx, tables| {
            let decision = HostDecision { lost_since: Some(Timestamp(START)), ..Default::default() };
            tx.set_decision(tables.hosts.get(lost).unwrap(), decision);
        })
        .await;
    let before = world.host(lost).observation.link_since;
    tokio::time::advance(Duration::from_secs(3600)).await;
    let world = world.restart().await;
    // At once, before any controller looks.
    assert_eq!(world.host(away).observation.link_since, Timestamp(START + 3_600_000).max(world.now()));
    assert_eq!(world.host(lost).observation.link_since, before);
}

#[tokio::test(start_paused = true)]
async fn reports_that_no_server_has_acknowledged_come_again() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let id = world.add_container(1, host, 0).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    let message = report("o", 1, vec![seen(id, Rank::Running, 1)]);
    agent.say(message.clone()).await;
    let world = world.restart().await;
    let (mut agent, ..) = world.connect(host, "run").await;
    agent.say(message).await;
    assert_eq!(agent.acknowledged().await, ("o".into(), 1));
    assert_eq!(world.container(id).observation.rank, RunReport::Running);
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_nobody_is_served() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (agent, ..) = world.connect(host, "run").await;
    world.dispatch.shutdown().await;
    agent.ended().await;
    world.hello_unheard(host).await;
    assert!(!world.dispatch.is_connected(host));
    world.dispatch.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_all_tasks() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let mut agent = world.hello(host, "run").await;
    agent.welcome().await;
    agent.complete().await;
    // The task that serves the connection holds a handle of its own.
    agent.served.abort();
    drop(world.dispatch);
    tokio::time::timeout(crate::world::LIMIT, agent.handle.closed()).await.unwrap();
}
