use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration as StdDuration;

use contract_values::{HostId, ProjectId, ServiceId, StackId, Timestamp};
use control_model::{
    AgentLink, Clock, Host, HostIntent, HostObservation, Kind, LaunchSpec, Project, ProjectIntent, Random,
    Service, ServiceIntent, Stack, StackIntent, Tables, Transaction,
};
use control_plan::Settings;
use control_store::{Store, StoreOptions};

use crate::queue::{Queue, Wakes};
use crate::status::Why;
use crate::{Controller, Controllers, Field, container, host, project, service, stack, volume};

#[derive(Debug)]
struct PausedClock(tokio::time::Instant);
impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);
impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, from) in bytes.iter_mut().rev().zip(number.iter().rev()) {
            *byte = *from;
        }
    }
}

struct World {
    store: Store,
    controllers: Controllers,
    clock: Arc<PausedClock>,
}

const PROJECT: ProjectId = ProjectId::new(5);

impl World {
    async fn new() -> Self {
        let store = Store::open("memory:", StoreOptions::default()).await.unwrap();
        let clock = Arc::new(PausedClock(tokio::time::Instant::now()));
        let controllers = Controllers::start(
            store.clone(),
            clock.clone(),
            Arc::new(Counter::default()),
            Settings::default(),
        );
        let world = Self { store, controllers, clock };
        let mut tx = world.tx();
        tx.insert::<Project>(
            PROJECT,
            "p".into(),
            ProjectIntent { name: "Default".into(), ..Default::default() },
        );
        tx.insert::<Stack>(
            StackId::new(1),
            "s".into(),
            StackIntent { project: Some(PROJECT), name: "shop".into(), ..Default::default() },
        );
        world.store.commit(tx).await.unwrap();
        world
    }

    fn tx(&self) -> Transaction {
        Transaction::new(self.clock.now())
    }

    async fn add_host(&self, id: i64) {
        let mut tx = self.tx();
        let intent = HostIntent {
            project: Some(PROJECT),
            hostname: format!("host-{id}"),
            agent_uuid: format!("agent-{id}"),
            ..Default::default()
        };
        let seen = HostObservation {
            link: AgentLink::Connected,
            link_since: self.clock.now(),
            ..Default::default()
        };
        tx.insert_seen::<Host>(HostId::new(id), format!("h{id}"), intent, Default::default(), seen);
        self.store.commit(tx).await.unwrap();
    }

    async fn add_service(&self, id: i64, name: &str, scale: u32, port: Option<&str>) {
        let mut tx = self.tx();
        let launch = LaunchSpec {
            image: Some("busybox".parse().unwrap()),
            ports: port.iter().map(|port| port.parse().unwrap()).collect(),
            ..Default::default()
        };
        let intent = ServiceIntent {
            project: Some(PROJECT),
            stack: Some(StackId::new(1)),
            name: name.into(),
            scale,
            active: true,
            launch,
            launch_version: 1,
            ..Default::default()
        };
        tx.insert::<Service>(ServiceId::new(id), format!("v{id}"), intent);
        self.store.commit(tx).await.unwrap();
    }

    async fn link(&self, host: i64, link: AgentLink) {
        let row = self.store.snapshot().hosts.get_raw(host).unwrap().clone();
        let mut tx = self.tx();
        let seen = HostObservation { link, link_since: self.clock.now(), ..row.observation.clone() };
        tx.set_observation(&row, seen);
        self.store.commit(tx).await.unwrap();
    }

    /// Waits for a condition of the picture; the clock is paused and jumps when nothing else is to be done.
    async fn until(&self, what: &str, holds: impl Fn(&Tables) -> bool) {
        let mut watch = self.store.watch();
        let wait = async {
            let mut tables = watch.tables();
            while !holds(&tables) {
                tables = watch.next().await.unwrap().tables;
            }
        };
        if tokio::time::timeout(StdDuration::from_secs(3600), wait).await.is_err() {
            panic!("{what} did not come true; last seen: {:#?}", self.store.snapshot().containers);
        }
    }
}

fn live(tables: &Tables, service: i64) -> Vec<(String, Option<HostId>)> {
    tables
        .containers
        .of_service(ServiceId::new(service))
        .filter(|row| row.removed.is_none() && row.decision.retire_since.is_none())
        .map(|row| (row.intent.name.clone(), row.decision.host))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_its_containers_when_a_host_comes() {
    let world = World::new().await;
    world.add_service(1, "web", 3, None).await;
    world.until("a reason", |t| t.services.get_raw(1).is_some_and(|s| s.decision.reason.is_some())).await;
    world.add_host(1).await;
    world.add_host(2).await;
    world.until("three placed", |t| live(t, 1).iter().filter(|(_, host)| host.is_some()).count() == 3).await;
    world.controllers.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn two_services_that_want_one_port_do_not_both_get_it() {
    let world = World::new().await;
    world.add_host(1).await;
    world.add_service(1, "web", 1, Some("8080:80")).await;
    world.add_service(2, "www", 1, Some("8080:80")).await;
    let placed =
        |t: &Tables| [1, 2].into_iter().flat_map(|s| live(t, s)).filter(|(_, host)| host.is_some()).count();
    world
        .until("one placed and one with a reason", |t| {
            let reasons = t.services.live().filter(|s| s.decision.reason.is_some()).count();
            assert!(placed(t) <= 1, "both have the port");
            placed(t) == 1 && reasons >= 1
        })
        .await;
    // The first one goes; the other gets its room without being asked again.
    let tables = world.store.snapshot();
    let winner =
        [1, 2].into_iter().find(|s| live(&tables, *s).iter().any(|(_, host)| host.is_some())).unwrap();
    let mut tx = world.tx();
    tx.ask_removal(tables.services.get_raw(winner).unwrap());
    world.store.commit(tx).await.unwrap();
    world.link(1, AgentLink::Disconnected).await;
    world.link(1, AgentLink::Connected).await;
    world.until("the other is placed", |t| live(t, 3 - winner).iter().any(|(_, host)| host.is_some())).await;
    world.controllers.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn containers_of_a_lost_host_run_elsewhere_after_the_grace() {
    let world = World::new().await;
    world.add_host(1).await;
    world.add_host(2).await;
    world.add_service(1, "web", 2, None).await;
    world.until("two placed", |t| live(t, 1).iter().filter(|(_, host)| host.is_some()).count() == 2).await;
    let lost_at = world.clock.now();
    world.link(1, AgentLink::Disconnected).await;
    let all_on_two =
        |t: &Tables| live(t, 1).iter().filter(|(_, host)| *host == Some(HostId::new(2))).count() == 2;
    world.until("both on host 2", all_on_two).await;
    let took = world.clock.now().since(lost_at);
    assert!(took >= Settings::default().host_grace, "not before the grace is over: {took:?}");
    world.controllers.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_stack_whose_host_is_gone_is_removed() {
    let world = World::new().await;
    world.add_host(1).await;
    world.add_service(1, "web", 2, None).await;
    world.until("two placed", |t| live(t, 1).iter().filter(|(_, host)| host.is_some()).count() == 2).await;
    world.link(1, AgentLink::Disconnected).await;
    let mut tx = world.tx();
    tx.ask_removal(world.store.snapshot().stacks.get_raw(1).unwrap());
    world.store.commit(tx).await.unwrap();
    world.until("the stack's end", |t| t.stacks.get_raw(1).is_some_and(|s| s.removed.is_some())).await;
    assert_eq!(world.store.snapshot().containers.live().count(), 0);
    let status = world.controllers.status();
    assert!(status.iter().all(|s| s.missed == 0 && s.failed == 0), "{status:?}");
    world.controllers.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_environment_is_removed_with_all_that_is_in_it() {
    let world = World::new().await;
    world.add_host(1).await;
    world.add_service(1, "web", 2, None).await;
    world.until("two placed", |t| live(t, 1).iter().filter(|(_, host)| host.is_some()).count() == 2).await;
    world.link(1, AgentLink::Disconnected).await;
    let mut tx = world.tx();
    tx.ask_removal(world.store.snapshot().projects.get(PROJECT).unwrap());
    world.store.commit(tx).await.unwrap();
    world.until("its end", |t| t.projects.get(PROJECT).is_some_and(|p| p.removed.is_some())).await;
    let tables = world.store.snapshot();
    assert_eq!(
        (tables.hosts.live().count(), tables.stacks.live().count(), tables.containers.live().count()),
        (0, 0, 0)
    );
    world.controllers.shutdown().await;
}

#[test]
fn no_two_controllers_write_the_same() {
    let all: Vec<Field> = [
        project::ProjectController::WRITES,
        stack::StackController::WRITES,
        service::ServiceController::WRITES,
        container::ContainerController::WRITES,
        host::HostController::WRITES,
        volume::VolumeController::WRITES,
    ]
    .concat();
    let mut once = all.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all.len(), "{all:?}");
}

#[test]
fn repeated_wake_ups_are_one_and_a_running_key_runs_once_more() {
    let queue = Queue::new();
    queue.wake([1, 2, 1], Why::Change);
    assert_eq!(queue.take(Timestamp(0)), Ok((1, Why::Change)));
    queue.wake([1], Why::Change);
    assert_eq!(queue.take(Timestamp(0)), Ok((2, Why::Change)));
    assert_eq!(queue.take(Timestamp(0)), Err(None), "1 is running");
    queue.done(1, None, false);
    assert_eq!(queue.take(Timestamp(0)), Ok((1, Why::Change)));
    queue.done(1, Some(Timestamp(10)), false);
    queue.done(2, Some(Timestamp(20)), false);
    assert_eq!(queue.take(Timestamp(9)), Err(Some(Timestamp(10))));
    assert_eq!(queue.take(Timestamp(10)), Ok((1, Why::Alarm)));
}

#[test]
fn room_that_comes_while_a_plan_is_made_is_not_missed() {
    let queue = Queue::new();
    queue.wake([1], Why::Change);
    assert_eq!(queue.take(Timestamp(0)), Ok((1, Why::Change)));
    let mut wakes = Wakes::new();
    wakes.room();
    queue.take_wakes(wakes);
    queue.done(1, None, true);
    assert_eq!(queue.take(Timestamp(0)), Ok((1, Why::Room)));
    queue.done(1, None, true);
    assert_eq!(queue.take(Timestamp(0)), Err(None));
    let mut wakes = Wakes::new();
    wakes.room();
    queue.take_wakes(wakes);
    assert_eq!(queue.take(Timestamp(0)), Ok((1, Why::Room)));
    assert_eq!(Kind::ALL.len(), 15, "a new kind needs a look at every controller's wakes");
}
