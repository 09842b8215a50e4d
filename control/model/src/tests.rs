use contract_values::{ContainerId, Generation, HostId, Incarnation, Revision, Timestamp};

use crate::state::{Transitioning, container_ready, container_state, host_state};
use crate::*;

fn row<O: Object>(id: i64, intent: O::Intent) -> Row<O> {
    Row {
        id: contract_values::Id::new(id),
        uuid: format!("uuid-{id}"),
        revision: Revision(1),
        generation: Generation(1),
        created: Timestamp(0),
        removal_asked: None,
        removed: None,
        intent,
        decision: O::Decision::default(),
        observation: O::Observation::default(),
        unknown: Unknown::default(),
    }
}

fn container(run: ContainerRun, rank: RunReport) -> Row<Container> {
    let mut c = row::<Container>(1, ContainerIntent { run, ..Default::default() });
    assert_eq!(c.id, ContainerId::new(1));
    c.decision.host = Some(HostId::new(1));
    c.decision.incarnation = Incarnation(1);
    c.observation.incarnation = Incarnation(1);
    c.observation.rank = rank;
    c
}

#[test]
fn a_container_shows_the_word_of_the_compatible_machine() {
    use ContainerRun::{AsIs, Running, Stopped};
    use Transitioning::{No, Yes};
    for (run, rank, name, transitioning) in [
        (Running, RunReport::Assigned, "creating", Yes),
        (Running, RunReport::Preparing, "creating", Yes),
        (Running, RunReport::Starting, "starting", Yes),
        (Running, RunReport::Running, "running", No),
        (Running, RunReport::Stopped, "starting", Yes),
        (Stopped, RunReport::Running, "stopping", Yes),
        (Stopped, RunReport::Stopped, "stopped", No),
        (AsIs, RunReport::Stopped, "stopped", No),
        (AsIs, RunReport::Running, "running", No),
    ] {
        let state = container_state(&container(run, rank));
        assert_eq!((state.name, state.transitioning), (name, transitioning), "{run:?} {rank:?}");
    }
}

#[test]
fn an_order_to_a_native_container_binds_until_it_is_carried_out() {
    for (run, rank, while_ordered, when_done) in [
        (ContainerRun::Running, RunReport::Stopped, "starting", "stopped"),
        (ContainerRun::Stopped, RunReport::Running, "stopping", "running"),
    ] {
        let mut c = container(run, rank);
        c.intent.origin = Origin::Native { host: HostId::new(1), docker_id: "abc".into() };
        c.intent.order = 2;
        c.observation.order_done = 1;
        assert_eq!(container_state(&c).name, while_ordered);
        c.observation.order_done = 2;
        let state = container_state(&c);
        assert_eq!((state.name, state.transitioning), (when_done, Transitioning::No));
    }
}

#[test]
fn a_failure_of_an_older_run_is_not_shown() {
    let mut c = container(ContainerRun::Running, RunReport::Stopped);
    c.observation.failure = Some(ReasonCode::CommandNotFound);
    c.observation.failure_text = Some("no such file".into());
    assert_eq!(container_state(&c).transitioning, Transitioning::Error);
    c.decision.incarnation = Incarnation(2);
    assert_eq!(container_state(&c).name, "creating");
    assert_eq!(container_state(&c).transitioning, Transitioning::Yes);
}

#[test]
fn a_job_is_ready_when_it_has_ended_well() {
    let mut c = container(ContainerRun::Running, RunReport::Stopped);
    c.intent.launch.labels.insert("io.rancher.container.start_once".into(), "true".into());
    c.observation.exit_code = Some(0);
    assert!(container_ready(&c));
    assert_eq!(container_state(&c).name, "stopped");
    c.observation.exit_code = Some(1);
    assert!(!container_ready(&c));
}

#[test]
fn a_host_shows_its_agent_when_that_is_away() {
    let mut h = row::<Host>(1, HostIntent::default());
    assert_eq!(host_state(&h).name, "registering");
    h.observation.link = AgentLink::Connected;
    assert_eq!(host_state(&h).name, "active");
    h.observation.link = AgentLink::Disconnected;
    assert_eq!(host_state(&h).name, "reconnecting");
    h.decision.lost_since = Some(Timestamp(1));
    assert_eq!(host_state(&h).name, "disconnected");
    h.intent.inactive = true;
    assert_eq!(host_state(&h).name, "inactive");
}

#[test]
fn bodies_load_from_an_empty_document() {
    fn check<B: Body>() {
        assert_eq!(serde_json::from_str::<B>("{}").unwrap(), B::default());
    }
    check::<AccountIntent>();
    check::<CredentialIntent>();
    check::<ProjectIntent>();
    check::<MemberIntent>();
    check::<SettingIntent>();
    check::<HostIntent>();
    check::<HostDecision>();
    check::<HostObservation>();
    check::<StackIntent>();
    check::<ServiceIntent>();
    check::<ServiceDecision>();
    check::<ContainerIntent>();
    check::<ContainerDecision>();
    check::<ContainerObservation>();
    check::<SealedSecretIntent>();
    check::<CertificateIntent>();
    check::<RegistryIntent>();
    check::<AuditIntent>();
    check::<ProjectTemplateIntent>();
    check::<VolumeIntent>();
    check::<VolumeObservation>();
}

fn stack(project: i64, name: &str) -> StackIntent {
    StackIntent {
        project: Some(contract_values::ProjectId::new(project)),
        name: name.into(),
        ..Default::default()
    }
}

fn put_stack(tables: &mut Tables, id: i64, intent: StackIntent) -> Result<Vec<AnyRow>, Refused> {
    let mut tx = Transaction::new(Timestamp(1));
    tx.insert::<Stack>(contract_values::StackId::new(id), format!("u{id}"), intent);
    apply(tables, &tx)
}

#[test]
fn writes_take_effect_together_or_not_at_all() {
    let mut tables = Tables::default();
    put_stack(&mut tables, 1, stack(5, "shop")).unwrap();
    let mut tx = Transaction::new(Timestamp(2));
    tx.insert::<Stack>(contract_values::StackId::new(2), "u2".into(), stack(5, "blog"));
    tx.insert::<Stack>(contract_values::StackId::new(3), "u3".into(), stack(5, "SHOP"));
    let refused = apply(&mut tables, &tx).unwrap_err();
    assert_eq!(refused, Refused::NotUnique { kind: Kind::Stack, unique: "5/shop".into(), holder: 1 });
    assert_eq!((tables.revision, tables.stacks.len()), (Revision(1), 1));
    put_stack(&mut tables, 2, stack(6, "shop")).unwrap();
    assert_eq!(tables.stacks.of_project(contract_values::ProjectId::new(6)).count(), 1);
}

#[test]
fn a_stale_write_is_refused_and_a_part_leaves_the_others() {
    let mut tables = Tables::default();
    put_stack(&mut tables, 1, stack(5, "shop")).unwrap();
    let read = tables.stacks.get_raw(1).unwrap().clone();
    let mut tx = Transaction::new(Timestamp(2));
    tx.set_intent(&read, stack(5, "store"));
    apply(&mut tables, &tx).unwrap();
    assert_eq!(apply(&mut tables, &tx).unwrap_err(), Refused::Stale { kind: Kind::Stack, id: 1 });
    let mut tx = Transaction::new(Timestamp(3));
    tx.ask_removal(&read);
    apply(&mut tables, &tx).unwrap();
    let now = tables.stacks.get_raw(1).unwrap();
    assert_eq!((now.intent.name.as_str(), now.generation), ("store", Generation(2)));
    assert_eq!((now.removal_asked, now.revision), (Some(Timestamp(3)), Revision(3)));
    assert!(tables.stacks.by_unique("5/shop").is_none());
    assert_eq!(tables.stacks.named("store").count(), 1);
}

#[test]
fn a_removed_row_gives_its_name_free() {
    let mut tables = Tables::default();
    put_stack(&mut tables, 1, stack(5, "shop")).unwrap();
    let mut tx = Transaction::new(Timestamp(2));
    tx.finish_removal(&tables.stacks.get_raw(1).unwrap().clone());
    apply(&mut tables, &tx).unwrap();
    put_stack(&mut tables, 2, stack(5, "shop")).unwrap();
    assert_eq!(tables.stacks.by_unique("5/shop").map(|s| s.id.raw()), Some(2));
    assert_eq!((tables.stacks.len(), tables.stacks.live().count()), (2, 1));
    tables.purge(Kind::Stack, 1);
    assert_eq!(tables.stacks.len(), 1);
}
