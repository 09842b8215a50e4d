//! Many hosts at once.

use contract_protocol::{FromHost, Rank};
use contract_values::HostId;
use control_model::AgentLink;

use crate::world::{World, report, seen};

const HOSTS: i64 = 200;

#[tokio::test(start_paused = true)]
async fn a_change_touches_only_the_hosts_that_it_concerns() {
    let world = World::new().await;
    let mut agents = Vec::new();
    for number in 1..=HOSTS {
        let host = world.add_host(number).await;
        agents.push(world.connect(host, "run").await);
    }
    for number in 1..=HOSTS {
        world.wait_for_link(HostId::new(number), AgentLink::Connected).await;
    }
    let counts = world.dispatch.status().counts;
    assert_eq!((counts.derivations, counts.completes, counts.deltas), (200, 200, 0));

    // One change each.
    for number in 1..=HOSTS {
        world.add_container(number, HostId::new(number), 0).await;
    }
    for (agent, position, assignment) in &mut agents {
        agent.step(position, assignment).await;
        assert_eq!(assignment.containers.len(), 1);
        agent.say(FromHost::Applied { position: *position }).await;
    }
    let counts = world.dispatch.status().counts;
    assert_eq!((counts.derivations, counts.completes, counts.deltas), (400, 200, 200));

    // One change of one host.
    world.add_container(1000, HostId::new(42), 0).await;
    let (agent, position, assignment) = &mut agents[41];
    agent.step(position, assignment).await;
    assert_eq!(world.dispatch.status().counts.derivations, 401);

    // All report at once: few transactions, and no host is derived for it.
    let before = world.dispatch.status().counts;
    for (index, (agent, ..)) in agents.iter_mut().enumerate() {
        let id = contract_values::ContainerId::new(i64::try_from(index).unwrap() + 1);
        agent.say(report("o", 1, vec![seen(id, Rank::Running, 1)])).await;
    }
    for (agent, ..) in &mut agents {
        assert_eq!(agent.acknowledged().await, ("o".into(), 1));
    }
    let after = world.dispatch.status().counts;
    assert_eq!((after.derivations, after.reports), (before.derivations, 200));
    assert!(after.transactions - before.transactions <= 5, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn hosts_that_vanish_together_are_written_together() {
    let world = World::new().await;
    let mut agents = Vec::new();
    for number in 1..=HOSTS {
        let host = world.add_host(number).await;
        agents.push(world.connect(host, "run").await);
    }
    for number in 1..=HOSTS {
        world.wait_for_link(HostId::new(number), AgentLink::Connected).await;
    }
    let before = world.dispatch.status().counts.transactions;
    agents.clear();
    for number in 1..=HOSTS {
        world.wait_for_link(HostId::new(number), AgentLink::Disconnected).await;
    }
    let after = world.dispatch.status().counts.transactions;
    assert!(after - before <= 5, "{} transactions", after - before);
    assert!(world.dispatch.status().links.is_empty());
}
