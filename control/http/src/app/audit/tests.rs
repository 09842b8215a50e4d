use contract_values::{AuditEntryId, SettingId, Timestamp};
use control_model::{AuditIntent, AuthKind, Setting, SettingIntent, Tables, Transaction, apply};
use serde_json::{Map, Value, json};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::{AGE_SETTING, Audit, COUNT_SETTING, masked};

fn shown(input: Value, of_secret: bool) -> Value {
    let Value::Object(members) = input else { panic!("no object") };
    serde_json::from_str(&masked(&members, of_secret)).unwrap()
}

#[test]
fn secrets_are_masked_wherever_they_are() {
    let canary = "canary-value";
    let input = json!({
        "name": "db",
        "publicValue": "user",
        "secretValue": canary,
        "oldSecret": canary, "newSecret": canary, "password": canary, "key": canary, "code": format!("admin:{canary}"),
        "environment": { "PASSWORD": canary, "HOST": canary },
        "answers": { "X": canary },
        "dockerCompose": format!("services: {{web: {{environment: {{P: {canary}}}}}}}"),
        "launchConfig": { "imageUuid": "docker:web", "environment": { "P": canary }, "registryPassword": canary,
                          "secrets": [{ "secretId": "1se7", "name": "file" }] },
        "list": [{ "token": canary }],
    });
    let shown_text = shown(input.clone(), false).to_string();
    assert!(!shown_text.contains(canary), "{shown_text}");
    let shown = shown(input, false);
    assert_eq!((&shown["name"], &shown["publicValue"]), (&json!("db"), &json!("user")));
    assert_eq!(shown["environment"], json!({ "PASSWORD": "***", "HOST": "***" }));
    assert_eq!(shown["launchConfig"]["secrets"][0]["secretId"], "1se7");
    assert_eq!(
        self::shown(json!({"name": "a", "value": canary}), true),
        json!({"name": "a", "value": "***"})
    );
    assert_eq!(self::shown(json!({"value": "10"}), false), json!({"value": "10"}), "a setting is no secret");
}

#[test]
fn a_large_request_is_cut_down_to_its_names() {
    let mut input = Map::new();
    for number in 0..500 {
        input.insert(format!("field{number}"), "x".repeat(100).into());
    }
    let text = masked(&input, false);
    assert!(text.len() < 4096, "{}", text.len());
    let mut deep = json!("end");
    for _ in 0..1000 {
        deep = json!({ "a": deep });
    }
    let mut input = Map::new();
    input.insert("deep".into(), deep);
    assert!(masked(&input, false).len() < 200);
}

fn draft(event: &str) -> Audit {
    let intent = AuditIntent { event: event.into(), auth: AuthKind::Basic, ..AuditIntent::default() };
    Audit { draft: Mutex::new(intent), creates: false, written: AtomicBool::new(false) }
}

fn set(tables: &mut Tables, id: i64, name: &str, value: &str) {
    let mut tx = Transaction::new(Timestamp(1));
    let intent = SettingIntent { name: name.into(), value: value.into(), ..SettingIntent::default() };
    tx.insert::<Setting>(SettingId::new(id), format!("s{id}"), intent);
    apply(tables, &tx).unwrap();
}

/// What the store does with rows whose removal was complete long ago.
fn purge(tables: &mut Tables) {
    let gone: Vec<i64> =
        tables.audit.iter().filter(|row| row.removed.is_some()).map(|row| row.id.raw()).collect();
    assert!(tables.audit.iter().all(|row| row.removed.is_none_or(|at| at == Timestamp(0))));
    for id in gone {
        tables.purge(control_model::Kind::AuditLog, id);
    }
}

#[test]
fn the_log_is_bounded_by_rows_and_by_age() {
    let mut tables = Tables::default();
    set(&mut tables, 1, COUNT_SETTING, "5");
    set(&mut tables, 2, AGE_SETTING, "100");
    for number in 1..=20 {
        let mut tx = Transaction::new(Timestamp(1_000_000 + number * 1000));
        draft(&format!("event {number}")).write(&tables, &mut tx, AuditEntryId::new(number), "u");
        apply(&mut tables, &tx).unwrap();
        purge(&mut tables);
        assert!(tables.audit.len() <= 5, "{}", tables.audit.len());
    }
    let events =
        |tables: &Tables| tables.audit.live().map(|row| row.intent.event.clone()).collect::<Vec<_>>();
    assert_eq!(events(&tables).last().map(String::as_str), Some("event 20"));
    assert_eq!(events(&tables).first().map(String::as_str), Some("event 16"));
    // Much later the old ones go, a few with each new one.
    for number in 21..=23 {
        let mut tx = Transaction::new(Timestamp(10_000_000 + number));
        draft("late").write(&tables, &mut tx, AuditEntryId::new(number), "u");
        apply(&mut tables, &tx).unwrap();
        purge(&mut tables);
    }
    assert_eq!(events(&tables), ["late", "late", "late"]);
}

#[test]
fn many_at_one_moment_do_not_make_the_log_grow() {
    let mut tables = Tables::default();
    set(&mut tables, 1, COUNT_SETTING, "100");
    let mut number = 0;
    for round in 0..50 {
        let picture = tables.clone();
        for _ in 0..64 {
            number += 1;
            let mut tx = Transaction::new(Timestamp(1_000_000 + round));
            draft("event").write(&picture, &mut tx, AuditEntryId::new(number), "u");
            apply(&mut tables, &tx).unwrap();
        }
        purge(&mut tables);
        assert!(tables.audit.len() <= 100 + 3 * 64, "{}", tables.audit.len());
    }
    assert!(tables.audit.len() >= 64);
}
