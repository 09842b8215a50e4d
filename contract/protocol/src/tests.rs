use contract_values::{ContainerId, Incarnation, Timestamp};
use proptest::prelude::*;

use super::*;

fn container(image: &str) -> ContainerAssignment {
    serde_json::from_value(serde_json::json!({
        "name": "shop-web-1", "uuid": "u", "incarnation": 1, "run": "running", "rule": "keep_running",
        "spec": { "image": image, "ports": ["8080:80/tcp"], "network": {"mode": "named", "network": "n", "aliases": ["web"]} }
    }))
    .expect("a sample of the wire form loads")
}

#[test]
fn a_message_survives_the_wire() {
    let assignment =
        Assignment { containers: [(ContainerId::new(1), container("nginx:1"))].into(), ..Default::default() };
    let message = ToHost::Complete { position: Position::default(), assignment };
    let bytes = encode_frame(&message).unwrap();
    assert_eq!(u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len() - 4);
    assert_eq!(decode_frame::<ToHost>(&bytes[4..]).unwrap(), message);
}

#[test]
fn a_newer_peer_is_understood_as_far_as_possible() {
    assert_eq!(decode_frame::<ToHost>(br#"{"type":"dance","steps":3}"#).unwrap(), ToHost::Unknown);
    assert_eq!(decode_frame::<FromHost>(br#"{"type":"sing"}"#).unwrap(), FromHost::Unknown);
    let beat = decode_frame::<FromHost>(br#"{"type":"heartbeat","number":7,"mood":"good"}"#).unwrap();
    assert_eq!(beat, FromHost::Heartbeat { number: 7, metrics: None });
    assert_eq!(serde_json::from_str::<FailureCode>("\"bit_rot\"").unwrap(), FailureCode::Other);
}

#[test]
fn changes_lead_from_one_assignment_to_the_next() {
    let one = |image| Assignment {
        containers: [(ContainerId::new(1), container(image))].into(),
        networks: [("n".to_owned(), NetworkSpec::default())].into(),
        ..Default::default()
    };
    let (old, mut new) = (one("nginx:1"), one("nginx:2"));
    new.networks.clear();
    new.containers.insert(ContainerId::new(2), container("redis"));
    let mut walked = old.clone();
    walked.apply(&old.changes_to(&new));
    assert_eq!(walked, new);
    assert_eq!(new.changes_to(&new), []);
}

#[test]
fn stream_frames_survive_the_wire() {
    for frame in [
        StreamFrame::Input(b"ls\n".to_vec()),
        StreamFrame::Output(Vec::new()),
        StreamFrame::Error(vec![0, 255]),
        StreamFrame::Resize { columns: 120, rows: 40 },
        StreamFrame::InputEnd,
        StreamFrame::End { code: None },
        StreamFrame::End { code: Some(-1) },
        StreamFrame::Failed { message: "no such container".into() },
    ] {
        assert_eq!(StreamFrame::from_bytes(&frame.to_bytes()), Some(frame));
    }
    for bytes in [&b""[..], b"\x03abc", b"\x05abc", b"\x09"] {
        assert_eq!(StreamFrame::from_bytes(bytes), None);
    }
}

#[test]
fn a_report_has_a_place_in_time() {
    let report = ContainerReport {
        id: ContainerId::new(4),
        incarnation: Incarnation(2),
        starts: 1,
        rank: Rank::Running,
        at: Timestamp(5),
        docker_id: None,
        image_id: None,
        address: None,
        ports: vec![],
        started_at: None,
        exit_code: None,
        health: None,
        restarts_done: 0,
        failure: Some(FailureCode::PortTaken),
        failure_text: None,
        retry_at: None,
        progress: None,
    };
    let text = serde_json::to_string(&ReportItem::Container(Box::new(report.clone()))).unwrap();
    assert!(text.starts_with(r#"{"what":"container","id":4,"incarnation":2"#), "{text}");
    assert_eq!(serde_json::from_str::<ReportItem>(&text).unwrap(), ReportItem::Container(Box::new(report)));
    assert!(Rank::Assigned < Rank::Running && Rank::Running < Rank::Gone);
}

#[test]
fn a_newer_agents_report_is_taken_without_what_is_not_known() {
    let text = r#"{"outbox":"o","sequence":3,"items":[
        {"what":"weather","sky":"blue"}, {"what":"native_gone","docker_id":"abc"}]}"#;
    let report: Report = serde_json::from_str(text).unwrap();
    assert_eq!(report.items, [ReportItem::NativeGone { docker_id: "abc".into() }]);
    assert_eq!(serde_json::from_str::<Report>(&serde_json::to_string(&report).unwrap()).unwrap(), report);
    let broken = r#"{"outbox":"o","sequence":3,"items":[{"what":"native_gone"}]}"#;
    assert!(serde_json::from_str::<Report>(broken).is_err(), "a known item must be whole");
    for item in [
        ReportItem::NativeGone { docker_id: "a".into() },
        ReportItem::NativeList { docker_ids: vec![] },
        ReportItem::Host(Box::default()),
    ] {
        let one = Report { outbox: "o".into(), sequence: 1, items: vec![item] };
        assert_eq!(serde_json::from_str::<Report>(&serde_json::to_string(&one).unwrap()).unwrap(), one);
    }
}

proptest! {
    #[test]
    fn decoders_take_any_bytes_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = decode_frame::<ToHost>(&bytes);
        let _ = decode_frame::<FromHost>(&bytes);
        let _ = StreamFrame::from_bytes(&bytes);
    }
}
