use super::*;

#[test]
fn everything_that_is_missing_has_a_reason() {
    let mut without = Vec::new();
    for found in compatibility() {
        let mut look = |what: String, standing: Standing| {
            if standing == Standing::Absent(NO_REASON) {
                without.push(what);
            }
        };
        look(found.name.clone(), found.standing);
        found.fields.iter().for_each(|(field, standing)| look(format!("{}.{field}", found.name), *standing));
        found
            .actions
            .iter()
            .for_each(|(action, standing)| look(format!("{}!{action}", found.name), *standing));
    }
    assert!(without.is_empty(), "absent without a reason: {without:?}");
}

#[test]
fn a_reason_is_found_by_the_most_special_words_for_it() {
    let table = &[("*.data", "any"), ("launchConfig.", "all"), ("network", "type"), ("host!x", "one")];
    for (key, want) in [
        ("host.data", Some("any")),
        ("launchConfig.data", Some("any")),
        ("launchConfig.vcpu", Some("all")),
        ("launchConfig!stop", None),
        ("network", Some("type")),
        ("network.dns", None),
        ("host!x", Some("one")),
        ("host", None),
    ] {
        assert_eq!(reason(table, key), want, "{key}");
    }
}

#[test]
fn what_clients_cannot_do_without_works() {
    let standings = compatibility();
    for name in [
        "project",
        "stack",
        "service",
        "container",
        "host",
        "volume",
        "setting",
        "apiKey",
        "registrationToken",
    ] {
        let found = standings.iter().find(|found| found.name == name).expect("the type is known");
        assert_eq!((found.core, found.standing), (true, Standing::Works), "{name}");
        assert!(
            found.fields.iter().filter(|(_, standing)| *standing == Standing::Works).count() > 5,
            "{name}"
        );
    }
}
