use contract_protocol::{FailureCode, Report, ReportItem, VolumeReport};
use control_model::{AgentLink, Tables, Transaction, Volume, VolumeIntent};

use super::*;
use crate::tests::testbed::{NOW, World, vault};
use crate::{Supply, assignment, ingest};

fn volume(w: &World) -> VolumeId {
    w.tables.volumes.named("data").next().unwrap().id
}

fn ask_removal(w: &mut World, id: VolumeId) {
    let mut tx = Transaction::new(w.now);
    tx.ask_removal(&**w.tables.volumes.get(id).unwrap());
    w.apply(&tx);
}

fn step(w: &mut World, id: VolumeId) {
    let plan = plan_volume(&w.tables, w.now, id);
    w.apply(&plan.tx.clone());
}

fn is_there(tables: &Tables, id: VolumeId) -> bool {
    tables.volumes.get(id).is_some_and(|row| row.removed.is_none())
}

/// What the host says about the volume.
fn say(w: &mut World, id: VolumeId, gone: bool) {
    let report = VolumeReport {
        name: "data".into(),
        volume: id,
        gone,
        failure: (!gone).then_some(FailureCode::Other),
        failure_text: (!gone).then(|| "volume is in use".into()),
        retry_at: (!gone).then_some(w.now),
    };
    let items = vec![ReportItem::Volume(Box::new(report))];
    let reports = [Report { outbox: "o".into(), sequence: 1, items }];
    let host = w.host("h1");
    let done = ingest(&w.tables, w.now, host, &reports, &mut Supply::default()).unwrap();
    w.apply(&done.tx);
}

fn orders(w: &World) -> Vec<String> {
    assignment(&w.tables, &vault(), w.host("h1")).volume_orders.into_keys().collect()
}

#[test]
fn the_data_goes_on_the_host_before_the_row_ends() {
    let mut w = World::of("host h1; volume data on h1");
    let id = volume(&w);
    assert!(orders(&w).is_empty());
    ask_removal(&mut w, id);
    assert_eq!(orders(&w), ["data"]);
    step(&mut w, id);
    assert!(is_there(&w.tables, id), "the host has not done it");
    say(&mut w, id, false);
    step(&mut w, id);
    let row = w.tables.volumes.get(id).unwrap();
    assert_eq!(control_model::state::volume_state(row, false).message.as_deref(), Some("volume is in use"));
    say(&mut w, id, true);
    assert!(orders(&w).is_empty(), "the order is carried out");
    step(&mut w, id);
    assert!(!is_there(&w.tables, id));
    // Older words change nothing.
    say(&mut w, id, false);
    assert!(w.tables.volumes.get(id).is_none_or(|row| row.observation.gone));
}

#[test]
fn nobody_waits_for_ever() {
    let mut w = World::of("host h1; volume data on h1");
    let id = volume(&w);
    ask_removal(&mut w, id);
    let plan = plan_volume(&w.tables, w.now, id);
    assert_eq!(plan.wake, Some(NOW + PATIENCE), "{plan:?}");
    w.now = NOW + PATIENCE;
    step(&mut w, id);
    assert!(!is_there(&w.tables, id));
    assert_eq!(orders(&w), ["data"], "the host does it when it can");
}

#[test]
fn a_host_that_is_away_is_not_waited_for_and_does_it_when_it_is_back() {
    let mut w = World::of("host h1 away; volume data on h1");
    let id = volume(&w);
    ask_removal(&mut w, id);
    step(&mut w, id);
    assert!(!is_there(&w.tables, id));
    assert_eq!(orders(&w), ["data"]);
    say(&mut w, id, true);
    assert!(orders(&w).is_empty());
}

#[test]
fn a_volume_made_since_under_the_same_name_is_safe() {
    let mut w = World::of("host h1 away; volume data on h1");
    let id = volume(&w);
    ask_removal(&mut w, id);
    step(&mut w, id);
    assert_eq!(orders(&w), ["data"]);
    w.line("volume data on h1");
    assert!(orders(&w).is_empty());
}

#[test]
fn what_is_there_by_itself_is_never_removed() {
    let mut w = World::of("host h1");
    let host = w.host("h1");
    let id = VolumeId::new(w.id());
    let mut tx = Transaction::new(w.now);
    let intent = VolumeIntent { host: Some(host), name: "data".into(), external: true, ..Default::default() };
    tx.insert::<Volume>(id, "v".into(), intent);
    w.apply(&tx);
    ask_removal(&mut w, id);
    assert!(orders(&w).is_empty());
    step(&mut w, id);
    assert!(!is_there(&w.tables, id));
    assert_eq!(w.tables.hosts.get(host).unwrap().observation.link, AgentLink::Connected);
}
