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

mod properties {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// The kept sample of each kind: its bodies in their order.
    const SAMPLES: [(Kind, &str); 10] = [
        (Kind::Account, include_str!("../../tests/samples/account.1.json")),
        (Kind::Credential, include_str!("../../tests/samples/credential.1.json")),
        (Kind::Project, include_str!("../../tests/samples/project.1.json")),
        (Kind::Member, include_str!("../../tests/samples/member.1.json")),
        (Kind::Setting, include_str!("../../tests/samples/setting.1.json")),
        (Kind::Host, include_str!("../../tests/samples/host.1.json")),
        (Kind::Stack, include_str!("../../tests/samples/stack.1.json")),
        (Kind::Service, include_str!("../../tests/samples/service.1.json")),
        (Kind::Container, include_str!("../../tests/samples/container.1.json")),
        (Kind::Volume, include_str!("../../tests/samples/volume.1.json")),
    ];

    fn columns(sample: &str) -> Columns {
        let sample: Value = serde_json::from_str(sample).unwrap();
        let body = |part: &str| StoredBody {
            format: sample[part]["format"].as_i64().unwrap(),
            json: sample[part]["body"].to_string(),
        };
        let mut columns = encode(&stack());
        columns.intent = body("intent");
        columns.decision = body("decision");
        columns.observation = body("observation");
        columns
    }

    /// The JSON pointer of each place in a value, its own first.
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| pointers(item, &format!("{at}/{i}"), found));
            }
            Value::Object(fields) => fields.iter().for_each(|(name, field)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(field, &format!("{at}/{name}"), found);
            }),
            _ => {}
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|halves| Value::from(f64::from(halves) / 2.0)),
            "[ -~]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z/~_]{0,6}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever stands in a database, reading it is an answer or a fault that repeats nothing of it; and what was
        /// read once is read the same ever after.
        #[test]
        fn strange_bodies_are_read_or_refused(
            (kind, sample) in proptest::sample::select(&SAMPLES[..]),
            part in 0..3_usize,
            at in any::<Index>(),
            value in json(),
            cut in proptest::option::weighted(0.1, any::<Index>()),
        ) {
            let mut columns = columns(sample);
            let [intent, decision, observation] =
                [&mut columns.intent, &mut columns.decision, &mut columns.observation];
            let body = match part {
                0 => intent,
                1 => decision,
                _ => observation,
            };
            let mut tree: Value = serde_json::from_str(&body.json).unwrap();
            let mut all = Vec::new();
            pointers(&tree, "", &mut all);
            *tree.pointer_mut(&all[at.index(all.len())]).unwrap() = value;
            body.json = tree.to_string();
            if let Some(cut) = cut {
                let mut end = cut.index(body.json.len());
                while !body.json.is_char_boundary(end) {
                    end -= 1;
                }
                body.json.truncate(end);
            }
            match decode(kind, columns) {
                Ok(row) => prop_assert_eq!(decode(kind, encode(&row)).unwrap(), row),
                Err(error) => {
                    let known = ["it ends too early", "it is no JSON", "a field is of another kind"];
                    prop_assert!(known.iter().any(|text| error.problem.starts_with(text)), "{}", error);
                }
            }
        }
    }
}
