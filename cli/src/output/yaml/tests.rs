use serde_json::{Value, json};

use super::to_yaml;

#[test]
fn documents_are_written_as_people_do() {
    let document = json!({
        "name": "web", "empty": "", "yes": "yes", "number": "8080", "text": "a: b # c", "lines": "a\nb",
        "path": "/data", "flag": true, "nothing": null, "list": [1, "two", []], "map": {}, "deep": {"in": [{"a": 1, "b": [2]}]},
    });
    let text = "name: web\nempty: \"\"\n\"yes\": \"yes\"\nnumber: \"8080\"\ntext: \"a: b # c\"\nlines: \"a\\nb\"\npath: /data\nflag: true\nnothing: null\nlist:\n  - 1\n  - two\n  - []\nmap: {}\ndeep:\n  in:\n    - a: 1\n      b:\n        - 2\n";
    assert_eq!(to_yaml(&document), text);
    assert_eq!(to_yaml(&json!([])), "[]\n");
    assert_eq!(to_yaml(&json!([[1, 2], {"a": []}])), "- - 1\n  - 2\n- a: []\n");
    assert_eq!(to_yaml(&Value::from("null")), "\"null\"\n");
}
