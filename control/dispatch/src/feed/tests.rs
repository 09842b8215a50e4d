use contract_values::{ContainerId, Generation, ServiceId, Timestamp};
use control_model::{
    ContainerDecision, ContainerIntent, ContainerObservation, HostIntent, HostObservation, RunReport,
    Service, ServiceDecision, ServiceIntent, Stack, StackIntent, Transaction, Volume, VolumeIntent, apply,
};

use super::*;

/// Container 1 of service 1 and container 2 of service 2 on hosts 1 and 2, both of stack 1; container 3, a native one,
/// on host 3; host 4 is empty.
fn picture() -> Tables {
    let mut tables = Tables::default();
    let mut tx = Transaction::new(Timestamp(1));
    let project = Some(ProjectId::new(9));
    for host in 1..=4 {
        let intent = HostIntent { project, agent_uuid: format!("{host}"), ..Default::default() };
        tx.insert::<control_model::Host>(HostId::new(host), String::new(), intent);
    }
    let stack = Some(StackId::new(1));
    tx.insert::<Stack>(StackId::new(1), String::new(), StackIntent { project, ..Default::default() });
    for number in 1..=2 {
        let intent = ServiceIntent { project, stack, name: format!("s{number}"), ..Default::default() };
        tx.insert::<Service>(ServiceId::new(number), String::new(), intent);
        let origin =
            Origin::Service { service: ServiceId::new(number), index: 1, create_index: 1, launch_version: 1 };
        let decision = ContainerDecision { host: Some(HostId::new(number)), ..Default::default() };
        let intent = ContainerIntent { project, stack, origin, ..Default::default() };
        tx.insert_decided::<Container>(ContainerId::new(number), String::new(), intent, decision);
    }
    let origin = Origin::Native { host: HostId::new(3), docker_id: "d".into() };
    let intent = ContainerIntent { project, origin, ..Default::default() };
    tx.insert::<Container>(ContainerId::new(3), String::new(), intent);
    let intent = VolumeIntent { project, host: Some(HostId::new(4)), name: "v".into(), ..Default::default() };
    tx.insert::<Volume>(contract_values::VolumeId::new(1), String::new(), intent);
    apply(&mut tables, &tx).unwrap();
    tables
}

/// The hosts that a write marks.
fn marked(write: impl FnOnce(&Tables, &mut Transaction)) -> Vec<i64> {
    let old = picture();
    let mut new = old.clone();
    let mut tx = Transaction::new(Timestamp(2));
    write(&old, &mut tx);
    let rows = apply(&mut new, &tx).unwrap();
    let changes: Vec<Change> =
        rows.iter().map(|row| Change { revision: row.revision(), kind: row.kind(), id: row.id() }).collect();
    let mut dirty = Dirty::default();
    mark(&old, &new, &changes, &mut dirty);
    assert!(dirty.0.values().all(|revision| *revision <= new.revision));
    dirty.0.into_keys().map(contract_values::Id::raw).collect()
}

fn container(tables: &Tables, number: i64) -> &Arc<Row<Container>> {
    tables.containers.get_raw(number).unwrap()
}

#[test]
fn a_container_marks_its_host_before_and_after() {
    let moved = |tables: &Tables, tx: &mut Transaction| {
        let row = container(tables, 1);
        tx.set_decision(row, ContainerDecision { host: Some(HostId::new(4)), ..row.decision.clone() });
    };
    assert_eq!(marked(moved), [1, 4]);
    assert_eq!(marked(|tables, tx| tx.ask_removal(container(tables, 2))), [2]);
    assert_eq!(
        marked(|tables, tx| tx.set_intent(container(tables, 2), container(tables, 2).intent.clone())),
        [2]
    );
    assert_eq!(
        marked(|_, tx| tx.insert::<Container>(ContainerId::new(8), String::new(), Default::default())),
        [0; 0]
    );
}

#[test]
fn observations_mark_nothing_but_of_natives() {
    let seen = ContainerObservation { rank: RunReport::Running, ..Default::default() };
    assert_eq!(marked(|tables, tx| tx.set_observation(container(tables, 1), seen.clone())), [0; 0]);
    assert_eq!(marked(|tables, tx| tx.set_observation(container(tables, 3), seen.clone())), [3]);
    let seen = HostObservation { report_sequence: 7, ..Default::default() };
    assert_eq!(marked(|tables, tx| tx.set_observation(tables.hosts.get_raw(1).unwrap(), seen)), [0; 0]);
}

#[test]
fn what_containers_are_made_of_marks_the_hosts_of_the_containers() {
    let service = |tables: &Tables| tables.services.get_raw(1).unwrap().clone();
    // Services of one stack see each other's names.
    assert_eq!(
        marked(|tables, tx| {
            let row = service(tables);
            tx.set_intent(&row, ServiceIntent { name: "other".into(), ..row.intent.clone() });
        }),
        [1, 2]
    );
    let ready = ServiceDecision { ready: 1, generation: Generation(1), ..Default::default() };
    assert_eq!(marked(|tables, tx| tx.set_decision(&service(tables), ready)), [0; 0]);
    let stack = |tables: &Tables| tables.stacks.get_raw(1).unwrap().clone();
    assert_eq!(marked(|tables, tx| tx.set_intent(&stack(tables), StackIntent::default())), [1, 2]);
    let volume = |tables: &Tables| tables.volumes.get_raw(1).unwrap().clone();
    assert_eq!(marked(|tables, tx| tx.ask_removal(&volume(tables))), [4]);
    assert_eq!(marked(|tables, tx| tx.ask_removal(tables.hosts.get_raw(4).unwrap())), [4]);
}

#[test]
fn a_container_marks_those_of_its_stack_that_name_another() {
    let mut old = picture();
    let mut tx = Transaction::new(Timestamp(2));
    let row = container(&old, 2).clone();
    let mut intent = row.intent.clone();
    intent.launch.volumes_from = vec!["s1".into()];
    tx.set_intent(&row, intent);
    apply(&mut old, &tx).unwrap();
    let mut new = old.clone();
    let mut tx = Transaction::new(Timestamp(3));
    tx.ask_removal(container(&old, 1));
    apply(&mut new, &tx).unwrap();
    let mut dirty = Dirty::default();
    mark(&old, &new, &[Change { revision: new.revision, kind: Kind::Container, id: 1 }], &mut dirty);
    assert_eq!(dirty.0.into_keys().map(contract_values::Id::raw).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn what_is_gone_for_good_marks_nothing() {
    let mut old = picture();
    let mut tx = Transaction::new(Timestamp(2));
    tx.finish_removal(container(&old, 1));
    apply(&mut old, &tx).unwrap();
    let mut new = old.clone();
    new.purge(Kind::Container, 1);
    let mut dirty = Dirty::default();
    let change = Change { revision: Revision(99), kind: Kind::Container, id: 1 };
    mark(&old, &new, &[change], &mut dirty);
    assert_eq!(dirty, Dirty::default());
}
