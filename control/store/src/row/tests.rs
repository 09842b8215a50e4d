use contract_values::{ProjectId, StackId};
use control_model::{Container, StackIntent, Transaction};

use super::*;

fn stack() -> AnyRow {
    let mut tx = Transaction::new(Timestamp(5));
    let intent = StackIntent { project: Some(ProjectId::new(1)), name: "shop".into(), ..Default::default() };
    tx.insert::<Stack>(StackId::new(7), "u7".into(), intent);
    tx.writes.remove(0).row
}

#[test]
fn a_row_comes_back_as_it_was() {
    let row = stack();
    assert_eq!(decode(Kind::Stack, encode(&row)).unwrap(), row);
}

fn with(columns: &mut Columns, pointer: &str, name: &str, value: Value) {
    let mut json: Value = serde_json::from_str(&columns.intent.json).unwrap();
    json.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(name.into(), value);
    columns.intent.json = json.to_string();
}

#[test]
fn fields_of_a_newer_version_outlive_our_writes() {
    let mut tx = Transaction::new(Timestamp(5));
    tx.insert::<Container>(Id::new(1), "u1".into(), Default::default());
    let mut columns = encode(&tx.writes[0].row);
    with(&mut columns, "", "fresh/one", serde_json::json!({"a": [1]}));
    with(&mut columns, "/launch", "fresh~two", Value::Bool(true));
    let row = decode(Kind::Container, columns.clone()).unwrap();
    let AnyRow::Container(row) = row else { panic!("a container") };
    assert_eq!(row.unknown.intent.len(), 2, "{:?}", row.unknown);
    let mut changed = Row::clone(&row);
    changed.intent.name = "other".into();
    let json: Value = serde_json::from_str(&encode_row(&changed).intent.json).unwrap();
    assert_eq!(json["name"], "other");
    assert_eq!(json["fresh/one"], serde_json::json!({"a": [1]}));
    assert_eq!(json["launch"]["fresh~two"], true);
    assert_eq!(decode(Kind::Container, encode_row(&row)).unwrap(), AnyRow::Container(row));
}

#[test]
fn a_body_that_cannot_be_read_does_not_show_what_is_in_it() {
    let mut columns = encode(&stack());
    columns.intent.json = r#"{"name": {"password": "hush"}}"#.into();
    let error = decode(Kind::Stack, columns.clone()).unwrap_err().to_string();
    assert!(error.starts_with("the intent of stack 7 cannot be read: a field is of another kind"), "{error}");
    columns.intent.json = r#"{"name": "hush" oops"#.into();
    let error = decode(Kind::Stack, columns.clone()).unwrap_err().to_string();
    assert!(error.contains("it is no JSON") && !error.contains("hush"), "{error}");
    columns.intent = StoredBody { format: 99, json: "{}".into() };
    let error = decode(Kind::Stack, columns).unwrap_err().to_string();
    assert!(error.contains("its format 99 is of a newer version"), "{error}");
}
