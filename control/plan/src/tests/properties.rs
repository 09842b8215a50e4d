//! Random worlds under random changes: what must hold after every step, and where everything must end.

use std::collections::{BTreeMap, BTreeSet};

use control_model::*;
use proptest::prelude::*;

use crate::tests::testbed::World;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Scale(usize, u32),
    Upgrade(usize),
    Switch(usize),
    Restart(usize),
    Remove(usize),
    /// The n-th host's link comes or goes.
    Link(usize),
    /// The n-th host is switched off or on for new work.
    Cordon(usize),
    RemoveHost(usize),
    /// Somebody deletes the n-th container.
    Delete(usize),
    /// The n-th container's process has ended.
    Dies(usize),
    /// Hosts do what they shall.
    HostsAct,
    /// So many seconds pass.
    Wait(i64),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4usize, 0..7u32).prop_map(|(service, scale)| Event::Scale(service, scale)),
        3 => (0..4usize).prop_map(Event::Upgrade),
        2 => (0..4usize).prop_map(Event::Switch),
        1 => (0..4usize).prop_map(Event::Restart),
        1 => (0..4usize).prop_map(Event::Remove),
        3 => (0..4usize).prop_map(Event::Link),
        1 => (0..4usize).prop_map(Event::Cordon),
        1 => (0..6usize).prop_map(Event::RemoveHost),
        2 => (0..20usize).prop_map(Event::Delete),
        2 => (0..20usize).prop_map(Event::Dies),
        6 => Just(Event::HostsAct),
        2 => (1..200i64).prop_map(Event::Wait),
    ]
}

const SERVICES: [&str; 8] = [
    "service a scale 3",
    "service b scale 2 port 80:80",
    "service c scale 2 port 80",
    "service d volume data",
    "service e global port 90:90",
    "service f after a:started scale 2",
    "service g once",
    "service h scale 2 memory 400",
];

fn any_world() -> impl Strategy<Value = String> {
    (1..5usize, prop::sample::subsequence(SERVICES.to_vec(), 1..5)).prop_map(|(hosts, services)| {
        let hosts = (1..=hosts).map(|n| format!("host h{n} memory 1000"));
        hosts.chain(services.into_iter().map(str::to_owned)).collect::<Vec<_>>().join("; ")
    })
}

fn nth<T: Clone>(all: &[T], n: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[n % all.len()].clone())
}

fn happen(w: &mut World, event: &Event) {
    let services: Vec<Row<Service>> =
        w.tables.services.live().filter(|row| !row.is_going()).map(|row| Row::clone(row)).collect();
    let hosts: Vec<Row<Host>> = w.tables.hosts.live().map(|row| Row::clone(row)).collect();
    let containers: Vec<Row<Container>> = w.tables.containers.live().map(|row| Row::clone(row)).collect();
    let change = |w: &mut World, n: usize, change: &dyn Fn(&mut ServiceIntent)| {
        if let Some(row) = nth(&services, n) {
            w.change(&row.intent.name, |intent| change(intent));
        }
    };
    match event {
        Event::Scale(n, scale) => change(w, *n, &|intent| intent.scale = *scale),
        Event::Upgrade(n) => change(w, *n, &|intent| intent.launch_version += 1),
        Event::Switch(n) => change(w, *n, &|intent| intent.active = !intent.active),
        Event::Restart(n) => change(w, *n, &|intent| intent.restarts_asked += 1),
        Event::Remove(n) => {
            if let Some(mut row) = nth(&services, *n) {
                row.removal_asked = Some(w.now);
                w.put(row);
            }
        }
        Event::Link(n) => {
            if let Some(mut row) = nth(&hosts, *n) {
                row.observation.link = match row.observation.link {
                    AgentLink::Connected => AgentLink::Disconnected,
                    AgentLink::Never | AgentLink::Disconnected => AgentLink::Connected,
                };
                row.observation.link_since = w.now;
                w.put(row);
            }
        }
        Event::Cordon(n) => {
            if let Some(mut row) = nth(&hosts, *n) {
                row.intent.inactive = !row.intent.inactive;
                w.put(row);
            }
        }
        Event::RemoveHost(n) => {
            if let (Some(mut row), true) = (nth(&hosts, *n), hosts.len() > 1) {
                row.removal_asked = Some(w.now);
                w.put(row);
            }
        }
        Event::Delete(n) => {
            if let Some(mut row) = nth(&containers, *n) {
                row.removal_asked = Some(w.now);
                w.put(row);
            }
        }
        Event::Dies(n) => {
            if let Some(mut row) = nth(&containers, *n)
                && row.observation.rank == RunReport::Running
            {
                row.observation.rank = RunReport::Stopped;
                row.observation.exit_code = Some(0);
                w.put(row);
            }
        }
        Event::HostsAct => w.hosts_act(),
        Event::Wait(seconds) => w.now = contract_values::Timestamp(w.now.0 + seconds * 1000),
    }
}

fn stays(row: &Row<Container>) -> bool {
    !row.is_going() && row.decision.retire_since.is_none()
}

fn number_and_make(row: &Row<Container>) -> (i64, u32, u32) {
    match row.intent.origin {
        Origin::Service { service, index, create_index, .. } => (service.raw(), index, create_index),
        Origin::Standalone | Origin::Native { .. } => (0, 0, 0),
    }
}

/// What must hold after every plan.
fn invariants(w: &World, homes: &mut BTreeMap<i64, contract_values::HostId>) -> Result<(), TestCaseError> {
    let mut made = BTreeSet::new();
    for row in w.tables.containers.iter() {
        let (service, _, create_index) = number_and_make(row);
        prop_assert!(
            made.insert((service, create_index)),
            "number of creation used twice: {}",
            row.intent.name
        );
        if let Some(host) = row.decision.host {
            let home = *homes.entry(row.id.raw()).or_insert(host);
            prop_assert_eq!(home, host, "{} moved", &row.intent.name);
        } else if stays(row) && row.removed.is_none() && row.intent.run == ContainerRun::Running {
            prop_assert!(row.decision.reason.is_some(), "{} is nowhere for no reason", row.intent.name);
        }
    }
    for host in w.tables.hosts.live() {
        let mut ports = BTreeMap::new();
        let (mut memory, mut data) = (0, 0);
        for row in w.tables.containers.of_host(host.id).filter(|row| row.removed.is_none()) {
            if !stays(row) || !crate::removal::occupies(row) {
                continue;
            }
            memory += row.intent.launch.resources.memory_reservation.unwrap_or(0);
            let service = row.keys().service.and_then(|id| w.tables.services.get(id));
            let alone = service.is_some_and(|service| service.intent.scale <= 1);
            data += i64::from(alone && !row.intent.launch.mounts.is_empty());
            for port in crate::ports::public_ports(&row.intent, &row.decision.ports) {
                let other = ports.insert((port.number, port.transport), row.intent.name.clone());
                prop_assert!(other.is_none(), "{:?} and {} hold {port}", other, row.intent.name);
            }
        }
        prop_assert!(memory <= 1000, "{} has {memory} set aside", host.id);
        prop_assert!(data <= 1, "two writers of one volume on {}", host.id);
    }
    let holders: BTreeSet<_> = w.tables.volumes.live().filter_map(|row| row.intent.host).collect();
    let pinned = w.tables.containers.live().filter(|row| !row.intent.launch.mounts.is_empty());
    for row in pinned.filter_map(|row| row.decision.host) {
        prop_assert!(holders.contains(&row), "a container is away from its volume");
    }
    Ok(())
}

/// Where everything must end when nothing more happens and all hosts are there.
fn conclusion(w: &World) -> Result<(), TestCaseError> {
    for service in w.tables.services.live() {
        let (intent, decision) = (&service.intent, &service.decision);
        prop_assert!(!service.is_going(), "{} has not gone", intent.name);
        prop_assert_eq!(decision.generation, service.generation);
        let there: Vec<_> =
            w.tables.containers.of_service(service.id).filter(|row| row.removed.is_none()).collect();
        prop_assert!(
            decision.settled || decision.reason.is_some(),
            "{} is not settled for no reason: {}",
            intent.name,
            w.show(&intent.name)
        );
        if decision.settled && intent.active && !intent.launch.global() {
            prop_assert_eq!(there.len(), usize::try_from(intent.scale).unwrap(), "{}", &intent.name);
            let numbers: BTreeSet<u32> = there.iter().map(|row| number_and_make(row).1).collect();
            prop_assert_eq!(numbers.len(), there.len(), "{} has a number twice", &intent.name);
        }
    }
    for row in w.tables.containers.live() {
        prop_assert!(stays(row), "{} has not gone", row.intent.name);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn holds_in_any_world(world in any_world(), events in prop::collection::vec(any_event(), 1..25)) {
        let mut w = World::of(&world);
        let mut homes = BTreeMap::new();
        for event in &events {
            happen(&mut w, event);
            w.settle();
            invariants(&w, &mut homes)?;
        }
        // Everything comes back, and the time of grace passes twice.
        let hosts: Vec<Row<Host>> = w.tables.hosts.live().map(|row| Row::clone(row)).collect();
        for mut row in hosts {
            row.observation.link = AgentLink::Connected;
            row.observation.link_since = w.now;
            row.intent.inactive = false;
            w.put(row);
        }
        for _ in 0..3 {
            w.live();
            w.now = contract_values::Timestamp(w.now.0 + 100_000);
        }
        w.live();
        invariants(&w, &mut homes)?;
        conclusion(&w)?;
    }

    #[test]
    fn the_same_picture_gives_the_same_plan(world in any_world(), events in prop::collection::vec(any_event(), 1..10)) {
        let mut w = World::of(&world);
        for event in &events {
            happen(&mut w, event);
            let ids: Vec<_> = w.tables.services.live().map(|row| row.id).collect();
            for id in ids {
                let mut once = || {
                    let before = w.tables.clone();
                    let plan = w.plan_with(|t, s, now, supply| crate::plan_service(t, s, now, id, supply));
                    w.tables = before;
                    w.words(&plan)
                };
                prop_assert_eq!(once(), once());
            }
            w.settle();
        }
    }

    #[test]
    fn copies_are_spread_evenly(hosts in 1..8usize, scale in 0..60u32, others in prop::collection::vec(0..8usize, 0..30)) {
        let hosts_text: String = (1..=hosts).map(|n| format!("host h{n};")).collect();
        let others_text: String = others
            .iter()
            .enumerate()
            .map(|(n, host)| format!("alone o{n} running on h{};", host % hosts + 1))
            .collect();
        let mut w = World::of(&format!("{hosts_text} {others_text} service web scale {scale}"));
        w.step("web");
        let count = |host: &contract_values::HostId| {
            w.copies("web").iter().filter(|row| row.decision.host == Some(*host)).count()
        };
        let ids: Vec<_> = w.tables.hosts.live().map(|row| row.id).collect();
        let counts: Vec<usize> = ids.iter().map(count).collect();
        prop_assert_eq!(counts.iter().sum::<usize>(), usize::try_from(scale).unwrap());
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
    }

    #[test]
    fn an_upgrade_never_has_fewer_that_serve(hosts in 1..4usize, scale in 1..6u32, steps in prop::collection::vec(any::<bool>(), 1..40)) {
        let hosts_text: String = (1..=hosts).map(|n| format!("host h{n};")).collect();
        let mut w = World::of(&format!("{hosts_text} service web scale {scale}"));
        w.live();
        w.change("web", |intent| intent.launch_version += 1);
        for step in steps {
            if step { w.step("web"); } else { w.hosts_act() }
            let serving = w.copies("web").iter().filter(|row| stays(row) && crate::is_ready(&w.tables, row)).count();
            prop_assert!(serving >= usize::try_from(scale).unwrap(), "{}", w.show("web"));
            prop_assert!(w.copies("web").len() <= usize::try_from(scale + 2).unwrap(), "{}", w.show("web"));
        }
    }
}
