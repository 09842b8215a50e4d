//! What containers do by themselves while nobody asks: they run out of memory, fall ill, get well.

use std::sync::Arc;
use std::time::Duration;

use contract_values::Timestamp;
use futures_util::StreamExt;
use host_driver::fake::FakeEngine;
use host_driver::{ContainerState, ContainerView, Engine, EventKind};
use tokio::task::JoinSet;

use super::Shared;
use crate::behaviour::{Behaviour, Health};

/// How long to wait for an engine that is away.
const AWAY: Duration = Duration::from_millis(200);

/// Follows the engine's events until it is aborted.
pub(super) async fn run(engine: FakeEngine, shared: Arc<Shared>) {
    let mut lives = JoinSet::new();
    // From the first event on: containers may start before this task does.
    let mut since = Some(Timestamp(0));
    loop {
        let Ok(mut events) = engine.events(since).await else {
            tokio::time::sleep(AWAY).await;
            continue;
        };
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                Some(_) = lives.join_next() => continue,
            };
            let Some(Ok(event)) = event else { break };
            // Events of this millisecond may come again; each is noted once.
            since = Some(event.at);
            match event.what {
                EventKind::Started { docker_id } => {
                    let Ok(view) = engine.inspect(&docker_id).await else { continue };
                    if let Some(behaviour) = shared.started(&view) {
                        lives.spawn(live(engine.clone(), view, behaviour));
                    }
                }
                EventKind::Died { docker_id, exit_code } => {
                    let mut state = shared.lock();
                    if let Some(found) = state.containers.get_mut(&docker_id) {
                        found.journal.ended(event.at, exit_code.unwrap_or_default());
                        found.changed.send_replace(());
                    }
                }
                EventKind::Destroyed { docker_id } => {
                    shared.lock().containers.remove(&docker_id);
                }
                EventKind::OutOfMemory { .. }
                | EventKind::Health { .. }
                | EventKind::Changed { .. }
                | EventKind::NetworkRemoved { .. }
                | EventKind::VolumeRemoved { .. } => {}
            }
        }
    }
}

impl Shared {
    /// Notes a start; tells what the container does, unless the start is known already.
    fn started(&self, view: &ContainerView) -> Option<Behaviour> {
        let from = view.started_at?;
        let image = view.image.parse().ok();
        let behaviour = image.map(|image| Behaviour::of_container(&image, &Default::default(), &view.labels));
        self.remember(&view.docker_id, &view.name, behaviour.unwrap_or_default(), false);
        let mut state = self.lock();
        let found = state.containers.get_mut(&view.docker_id)?;
        if found.journal.last_run().is_some_and(|(last, _)| last == from) {
            return None;
        }
        found.journal.started(from);
        found.changed.send_replace(());
        Some(found.journal.behaviour().clone())
    }
}

/// What happens to one run by itself.
async fn live(engine: FakeEngine, view: ContainerView, behaviour: Behaviour) {
    let still_runs = async || {
        let now = engine.inspect(&view.docker_id).await;
        now.is_ok_and(|now| now.state == ContainerState::Running && now.started_at == view.started_at)
    };
    let memory = async {
        let Some(after) = behaviour.out_of_memory else { return };
        tokio::time::sleep(after).await;
        if still_runs().await {
            engine.run_out_of_memory(&view.docker_id);
        }
    };
    let health = async {
        if view.health.is_none() {
            return;
        }
        let (after, verdicts): (Duration, &[&str]) = match behaviour.health {
            Health::Healthy(after) => (after, &["healthy"]),
            Health::Unhealthy(after) => (after, &["unhealthy"]),
            Health::Flapping(after) => (after, &["healthy", "unhealthy"]),
        };
        let mut turns = verdicts.iter().cycle();
        loop {
            tokio::time::sleep(after).await;
            let Some(verdict) = turns.next().filter(|_| !verdicts.is_empty()) else { return };
            if !still_runs().await {
                return;
            }
            engine.set_health(&view.docker_id, verdict);
            if verdicts.len() == 1 {
                return;
            }
        }
    };
    tokio::join!(memory, health);
}
