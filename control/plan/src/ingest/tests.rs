use contract_protocol::{HostFacts, NativeReport, Rank, Report, ReportItem};
use contract_values::Timestamp;
use control_model::{Origin, Tables};

use crate::tests::testbed::{World, report};
use crate::{Ingested, Supply, ingest};

fn native(docker_id: &str, rank: Rank) -> ReportItem {
    ReportItem::Native(Box::new(NativeReport {
        docker_id: docker_id.into(),
        name: format!("name-{docker_id}"),
        image: "redis:7".into(),
        labels: Default::default(),
        command: vec!["redis-server".into()],
        ports: vec!["6379:6379".parse().unwrap()],
        address: None,
        network_mode: "bridge".into(),
        rank,
        at: Timestamp(5),
        created_at: None,
        started_at: None,
        exit_code: None,
        health: None,
        order_done: 0,
        restarts_done: 0,
        failure_text: None,
    }))
}

fn numbered(sequence: u64, items: Vec<ReportItem>) -> Report {
    Report { outbox: "box".into(), sequence, items }
}

/// Takes reports of the host `h1` in and applies what comes out.
fn take(w: &mut World, reports: &[Report]) -> Ingested {
    let host = w.host("h1");
    let (tables, now): (Tables, _) = (w.tables.clone(), w.now);
    let done = match ingest(&tables, now, host, reports, &mut Supply::default()) {
        Ok(done) => done,
        Err(demand) => {
            let mut supply = w.supply(demand);
            ingest(&tables, now, host, reports, &mut supply).unwrap()
        }
    };
    w.apply(&done.tx);
    done
}

fn natives(w: &World) -> Vec<String> {
    let rows = w.tables.containers.live().filter(|row| matches!(row.intent.origin, Origin::Native { .. }));
    rows.map(|row| row.intent.name.clone()).collect()
}

#[test]
fn reports_of_a_container_are_folded_into_one_write() {
    let mut w = World::of("host h1; service web; copy web 1 new on h1");
    let row = w.container("shop-web-1");
    let item = |rank, at| ReportItem::Container(Box::new(report(&row, rank, Timestamp(at))));
    let reports = [
        numbered(1, vec![item(Rank::Preparing, 1)]),
        numbered(2, vec![item(Rank::Starting, 2), item(Rank::Running, 3)]),
    ];
    let done = take(&mut w, &reports);
    assert_eq!(done.tx.writes.len(), 1);
    assert_eq!(done.acknowledge, Some(("box".into(), 2)));
    assert_eq!(w.container("shop-web-1").observation.rank, control_model::RunReport::Running);
    // The same once more says nothing new, and is acknowledged all the same.
    let done = take(&mut w, &reports);
    assert!(done.tx.is_empty());
    assert_eq!(done.acknowledge, Some(("box".into(), 2)));
}

#[test]
fn a_report_on_somebody_else_s_container_is_ignored() {
    let mut w = World::of("host h1; host h2; service web; copy web 1 new on h2");
    let row = w.container("shop-web-1");
    let item = ReportItem::Container(Box::new(report(&row, Rank::Running, Timestamp(1))));
    assert!(take(&mut w, &[numbered(1, vec![item])]).tx.is_empty());
}

#[test]
fn a_container_started_by_hand_gets_a_row_once() {
    let mut w = World::of("host h1");
    take(&mut w, &[numbered(1, vec![native("a", Rank::Running), native("a", Rank::Stopped)])]);
    take(&mut w, &[numbered(1, vec![native("a", Rank::Running)])]);
    take(&mut w, &[numbered(2, vec![native("a", Rank::Stopped), native("b", Rank::Running)])]);
    assert_eq!(natives(&w), ["name-a", "name-b"]);
    let row = w.container("name-a");
    assert_eq!(row.observation.rank, control_model::RunReport::Stopped);
    assert_eq!(row.decision.host, Some(w.host("h1")));
    assert_eq!(row.intent.launch.image.unwrap().to_string(), "redis:7");
}

#[test]
fn it_goes_when_the_host_says_so() {
    let mut w = World::of("host h1");
    take(&mut w, &[numbered(1, vec![native("a", Rank::Running), native("b", Rank::Running)])]);
    take(&mut w, &[numbered(2, vec![ReportItem::NativeGone { docker_id: "a".into() }])]);
    assert_eq!(natives(&w), ["name-b"]);
    take(
        &mut w,
        &[numbered(
            3,
            vec![ReportItem::NativeList { docker_ids: vec!["c".into()] }, native("c", Rank::Running)],
        )],
    );
    assert_eq!(natives(&w), ["name-c"]);
    // An old report comes again and brings nothing back.
    take(&mut w, &[numbered(1, vec![native("a", Rank::Running)])]);
    assert_eq!(natives(&w), ["name-c"]);
    // A new outbox starts from one.
    let fresh = Report { outbox: "other".into(), sequence: 1, items: vec![native("d", Rank::Running)] };
    take(&mut w, &[fresh]);
    assert_eq!(natives(&w), ["name-c", "name-d"]);
}

#[test]
fn gone_and_back_in_one_batch_is_still_there() {
    let mut w = World::of("host h1");
    take(&mut w, &[numbered(1, vec![native("a", Rank::Running)])]);
    let gone = ReportItem::NativeGone { docker_id: "a".into() };
    take(&mut w, &[numbered(2, vec![gone, native("a", Rank::Stopped)])]);
    assert_eq!(natives(&w), ["name-a"]);
}

#[test]
fn facts_are_written_when_they_change() {
    let mut w = World::of("host h1");
    let facts = HostFacts { hostname: "box1".into(), cpu_count: 4, ..Default::default() };
    let item = || ReportItem::Host(Box::new(facts.clone()));
    assert_eq!(take(&mut w, &[numbered(1, vec![item()])]).tx.writes.len(), 1);
    assert!(take(&mut w, &[numbered(1, vec![item()])]).tx.is_empty());
    let host = w.tables.hosts.get(w.host("h1")).unwrap();
    assert_eq!((host.observation.facts.cpu_count, host.observation.report_sequence), (4, 1));
}

#[test]
fn reports_of_a_removed_host_are_acknowledged_and_forgotten() {
    let mut w = World::of("host h1");
    let mut row = control_model::Row::clone(w.tables.hosts.get(w.host("h1")).unwrap());
    row.removed = Some(w.now);
    w.put(row);
    let done = take(&mut w, &[numbered(4, vec![native("a", Rank::Running)])]);
    assert!(done.tx.is_empty() && done.acknowledge == Some(("box".into(), 4)));
}
