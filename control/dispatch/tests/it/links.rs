//! Who is let in, and when a link ends.

use std::time::Duration;

use contract_protocol::{FromHost, Hello, HostMetrics, PROTOCOL_VERSION, Refusal, ToHost};
use contract_values::{HostId, Timestamp};
use control_model::AgentLink;
use tokio::time::Instant;

use crate::world::{LIMIT, START, World, hello};

#[tokio::test(start_paused = true)]
async fn an_agent_is_welcomed_and_seen_as_connected() {
    let world = World::new().await;
    let host = world.add_host(7).await;
    let mut agent = world.hello(host, "run-1").await;
    let welcome = agent.welcome().await;
    assert_eq!((welcome.host, welcome.protocol), (host, PROTOCOL_VERSION));
    assert_eq!((welcome.epoch, welcome.heartbeat_seconds), (world.store.epoch(), 10));
    let (position, assignment) = agent.complete().await;
    assert_eq!(position.epoch, world.store.epoch());
    assert!(assignment.containers.is_empty());

    let row = world.wait_for_link(host, AgentLink::Connected).await;
    assert_eq!(row.observation.run_id, "run-1");
    assert_eq!(row.observation.remote_address, Some([10, 0, 0, 7].into()));
    assert_eq!((row.observation.facts.hostname.as_str(), row.observation.facts.cpu_count), ("h7", 4));
    assert!(world.dispatch.is_connected(host));

    agent.say(FromHost::Applied { position }).await;
    agent.say(FromHost::Heartbeat { number: 1, metrics: None }).await;
    assert_eq!(agent.hear().await, ToHost::HeartbeatSeen { number: 1 });
    let status = world.dispatch.status();
    let [link] = status.links.as_slice() else { panic!("{status:?}") };
    assert_eq!((link.host, link.run_id.as_str(), link.agent_version.as_str()), (host, "run-1", "1.2.3"));
    assert_eq!((link.sent, link.applied), (Some(position), Some(position)));
    assert_eq!(link.last_heartbeat, Some(world.now()));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_figures_in_memory_and_write_nothing() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    let revision = world.store.snapshot().revision;
    for number in 1..=20 {
        tokio::time::advance(Duration::from_secs(10)).await;
        let metrics = HostMetrics { memory_free: number, ..Default::default() };
        agent.say(FromHost::Heartbeat { number, metrics: Some(Box::new(metrics)) }).await;
        assert_eq!(agent.hear().await, ToHost::HeartbeatSeen { number });
    }
    assert_eq!(world.dispatch.metrics(host).unwrap().memory_free, 20);
    assert_eq!(world.store.snapshot().revision, revision);
    assert!(world.dispatch.metrics(HostId::new(2)).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_silent_for_three_heartbeats_is_away() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    let before = Instant::now();
    // The connection stands and its multiplexer answers; only the agent itself says nothing.
    assert_eq!(agent.hear_or_end().await, None);
    assert_eq!(before.elapsed().as_secs(), 30);
    let row = world.wait_for_link(host, AgentLink::Disconnected).await;
    assert!(row.observation.link_since >= Timestamp(START + 30_000));
    assert_eq!(row.observation.run_id, "run", "what was known of the host stays");
    assert!(!world.dispatch.is_connected(host));
    assert!(world.dispatch.metrics(host).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_away_at_once() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    let before = Instant::now();
    drop(agent);
    world.wait_for_link(host, AgentLink::Disconnected).await;
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn who_says_no_hello_is_left() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let before = Instant::now();
    world.dial(host).await.ended().await;
    assert!(before.elapsed() < Duration::from_secs(15), "{:?}", before.elapsed());

    let mut agent = world.dial(host).await;
    agent.say(FromHost::Heartbeat { number: 1, metrics: None }).await;
    assert_eq!(agent.hear_or_end().await, None);
    agent.ended().await;
    assert_eq!(world.host(host).observation.link, AgentLink::Never);
}

#[tokio::test(start_paused = true)]
async fn those_that_cannot_be_served_are_told_why() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let hello_of = |protocol, host_uuid: &str| {
        FromHost::Hello(Box::new(Hello {
            protocol,
            host_uuid: host_uuid.into(),
            run_id: "run".into(),
            ..Default::default()
        }))
    };
    let unknown = HostId::new(99);
    for (at, message, reason, word) in [
        (host, hello_of(0, "identity-1"), Refusal::ProtocolTooOld, "install the agent anew"),
        (host, hello_of(1, "identity-2"), Refusal::Other, "another identity"),
        (unknown, hello(unknown, "run"), Refusal::HostRemoved, "register it anew"),
    ] {
        let mut agent = world.dial(at).await;
        agent.say(message).await;
        let (refusal, text) = agent.refused().await;
        assert_eq!(refusal, reason);
        assert!(text.contains(word), "{text}");
        agent.ended().await;
    }
    assert_eq!(world.dispatch.status().counts.refused, 3);
    assert!(world.dispatch.status().links.is_empty());
    // A newer agent is served.
    let mut agent = world.dial(host).await;
    agent.say(hello_of(7, "identity-1")).await;
    agent.welcome().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_agent_with_a_living_ones_identity_is_refused() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut first, ..) = world.connect(host, "first").await;
    let mut second = world.hello(host, "second").await;
    first
        .lives_until(async {
            let (reason, message) = second.refused().await;
            assert_eq!(reason, Refusal::DuplicateIdentity);
            assert!(message.contains("host-1 is connected from 10.0.0.1 since 2025-06-15T"), "{message}");
            second.ended().await;
        })
        .await;
    first.say(FromHost::Heartbeat { number: 5, metrics: None }).await;
    assert_eq!(first.hear().await, ToHost::HeartbeatSeen { number: 5 });
    assert_eq!(world.dispatch.status().links[0].run_id, "first");
}

#[tokio::test(start_paused = true)]
async fn a_second_agent_takes_the_place_of_one_that_does_not_answer() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut first, ..) = world.connect(host, "first").await;
    // What was on its way when it died is no answer.
    first.say(FromHost::Heartbeat { number: 1, metrics: None }).await;
    let before = Instant::now();
    let (mut second, ..) = world.connect(host, "second").await;
    assert_eq!(before.elapsed().as_secs(), 5, "the old link had its time to answer");
    first.ended().await;
    world.wait_for_host(host, |seen| seen.run_id == "second" && seen.link == AgentLink::Connected).await;
    second.say(FromHost::Heartbeat { number: 1, metrics: None }).await;
    assert_eq!(second.hear().await, ToHost::HeartbeatSeen { number: 1 });
}

#[tokio::test(start_paused = true)]
async fn the_same_run_takes_its_place_again_at_once() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (old, ..) = world.connect(host, "run").await;
    let mut last = None;
    for _ in 0..10 {
        let before = Instant::now();
        let (again, ..) = world.connect(host, "run").await;
        assert!(before.elapsed() < Duration::from_secs(1));
        last = Some(again);
    }
    old.ended().await;
    let mut last = last.unwrap();
    last.say(FromHost::Heartbeat { number: 1, metrics: None }).await;
    assert_eq!(last.hear().await, ToHost::HeartbeatSeen { number: 1 });
    assert_eq!(world.dispatch.status().links.len(), 1);
    let row = world.wait_for_link(host, AgentLink::Connected).await;
    assert!(row.observation.link_since <= world.now());
}

#[tokio::test(start_paused = true)]
async fn of_two_that_come_at_once_one_is_served() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let mut first = world.hello(host, "first").await;
    let mut second = world.hello(host, "second").await;
    let heard = [first.hear().await, {
        first.complete().await;
        second.hear().await
    }];
    // The first has not answered the probe, so the second was let in after it.
    assert!(heard.iter().all(|heard| matches!(heard, ToHost::Welcome(_))), "{heard:?}");
    first.ended().await;
    assert_eq!(world.dispatch.status().links.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_removed_host_is_sent_away() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    world.change(|tx, tables| tx.ask_removal(tables.hosts.get(host).unwrap())).await;
    let (reason, message) = agent.refused().await;
    assert_eq!(reason, Refusal::HostRemoved);
    assert_eq!(message, "host-1 was removed; to use this machine again, register it anew");
    agent.ended().await;
    world.wait_for_link(host, AgentLink::Disconnected).await;

    let mut again = world.hello(host, "run").await;
    assert_eq!(again.refused().await.0, Refusal::HostRemoved);
    world.change(|tx, tables| tx.finish_removal(tables.hosts.get(host).unwrap())).await;
    let mut again = world.hello(host, "run").await;
    assert_eq!(again.refused().await.0, Refusal::HostRemoved);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_newer_agent_harm_nothing() {
    use tokio::io::AsyncWriteExt;
    let world = World::new().await;
    let host = world.add_host(1).await;
    let mut agent = world.hello(host, "run").await;
    agent.welcome().await;
    agent.complete().await;
    for text in [r#"{"type":"sing"}"#, r#"{"type":"report","outbox":7}"#, "nonsense"] {
        let mut bytes = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        agent.writer.write_all(&bytes).await.unwrap();
        agent.writer.flush().await.unwrap();
    }
    agent.say(FromHost::NotUnderstood { message: "dance".into() }).await;
    agent.say(FromHost::Heartbeat { number: 3, metrics: None }).await;
    assert_eq!(agent.hear().await, ToHost::HeartbeatSeen { number: 3 });
    // A second hello is no message of any version.
    agent.say(hello(host, "run")).await;
    assert_eq!(agent.hear_or_end().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_ends_the_link() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (agent, ..) = world.connect(host, "run").await;
    world.wait_for_link(host, AgentLink::Connected).await;
    agent.served.abort();
    world.wait_for_link(host, AgentLink::Disconnected).await;
    tokio::time::timeout(LIMIT, agent.handle.closed()).await.unwrap();
}
