use super::*;

fn gone(name: &str) -> ReportItem {
    ReportItem::NativeGone { docker_id: name.into() }
}

fn list(names: &[&str]) -> ReportItem {
    ReportItem::NativeList { docker_ids: names.iter().map(|&name| name.to_owned()).collect() }
}

#[test]
fn a_newer_observation_takes_the_place_of_an_older_one() {
    let mut outbox = Outbox::new("o".into());
    for n in 0..1000 {
        outbox.push(gone("a"));
        outbox.push(list(&[&n.to_string()]));
    }
    assert_eq!(outbox.len(), 2);
    let report = outbox.next().unwrap();
    assert_eq!((report.sequence, report.items), (1, vec![gone("a"), list(&["999"])]));
    assert_eq!(outbox.next(), None);
}

#[test]
fn the_window_bounds_what_is_under_way() {
    let mut outbox = Outbox::new("o".into());
    let mut sent = Vec::new();
    for n in 0..10 {
        outbox.push(gone(&n.to_string()));
        sent.extend(outbox.next().map(|report| report.sequence));
    }
    assert_eq!(sent, [1, 2, 3, 4]);
    assert_eq!(outbox.acknowledge("another", 4), []);
    assert_eq!(outbox.acknowledge("o", 2), [gone("0"), gone("1")]);
    let next = outbox.next().unwrap();
    assert_eq!((next.sequence, next.items.len()), (5, 6), "the rest in one report");
    assert_eq!(outbox.acknowledge("o", 2), [], "an old acknowledgement is nothing");
}

#[test]
fn what_was_not_acknowledged_is_sent_again_under_its_number() {
    let mut outbox = Outbox::new("o".into());
    outbox.push(gone("a"));
    let first = outbox.next().unwrap();
    outbox.push(gone("b"));
    let second = outbox.next().unwrap();
    outbox.start_again();
    outbox.push(gone("c"));
    assert_eq!([outbox.next().unwrap(), outbox.next().unwrap()], [first, second]);
    assert_eq!(outbox.next().unwrap().sequence, 3);
    assert!(outbox.holds(&Subject::Native("a".into())));
    outbox.acknowledge("o", 1);
    assert!(!outbox.holds(&Subject::Native("a".into())));
    assert_eq!(outbox.gone().count(), 2);
}
