use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::error::Report;
use crate::input::Limits;
use crate::yaml::{self, Node, Value as Tree};

fn to_json(node: &Node) -> Value {
    match &node.value {
        Tree::Null => Value::Null,
        Tree::Scalar(scalar) => Value::String(scalar.text.clone()),
        Tree::List(items) => items.iter().map(to_json).collect(),
        Tree::Map(map) => Value::Object(map.iter().map(|(k, e)| (k.clone(), to_json(&e.node))).collect()),
    }
}

#[track_caller]
fn check(value: &Value) {
    let text = emit::yaml(&Map::from_iter([("top".to_owned(), value.clone())]));
    let mut report = Report::new(5);
    let file = report.add_file("f");
    let tree = yaml::parse(file, &text, &Limits::default(), &mut report);
    assert_eq!(report.finish().map_err(|e| e.to_string()), Ok(vec![]), "{text}");
    assert_eq!(to_json(&tree.unwrap()), json!({"top": value}), "{text}");
}

#[test]
fn emitted_text_reads_the_same() {
    check(
        &json!({"a": ["x", {"b": "1", "c": ["y", ["z", []]]}, {}, "no"], "d": {"e": {"f": ""}}, "": "$", "k: v": "#"}),
    );
    assert_eq!(
        emit::yaml(json!({"a": {"b": ["x", {"c": true, "d": [1]}]}}).as_object().unwrap()),
        "a:\n  b:\n  - x\n  - c: true\n    d:\n    - 1\n"
    );
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![any::<String>(), "[a-z:/. #'-]{0,8}"].prop_map(Value::String);
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(("[a-z: -]{0,6}", inner), 0..5)
                .prop_map(|e| Value::Object(e.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(crate::same_cases())]

    #[test]
    fn any_data_survives(value in tree()) {
        check(&value);
    }
}
