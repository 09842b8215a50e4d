use std::fmt::Write;

use super::*;
use crate::error::Report;
use crate::input::Limits;

/// Prints a tree in one line, each scalar with its place when `places` is set.
fn show(node: &Node, places: bool) -> String {
    let mut out = match &node.value {
        Value::Null => "~".to_owned(),
        Value::Scalar(s) if s.plain => s.text.clone(),
        Value::Scalar(s) => format!("{:?}", s.text),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| show(item, places)).collect();
            return format!("[{}]", items.join(", "));
        }
        Value::Map(map) => {
            let items: Vec<_> =
                map.iter().map(|(key, entry)| format!("{key}: {}", show(&entry.node, places))).collect();
            return format!("{{{}}}", items.join(", "));
        }
    };
    if places {
        write!(out, "@{}:{}", node.at.line, node.at.column).unwrap();
    }
    out
}

fn read(text: &str) -> Result<Node, String> {
    let mut report = Report::new(10);
    let file = report.add_file("f.yml");
    let node = parse(file, text, &Limits { nodes: 2000, ..Limits::default() }, &mut report);
    match report.finish() {
        Ok(_) => Ok(node.expect("no tree without a fault")),
        Err(errors) => Err(errors.to_string()),
    }
}

#[track_caller]
fn check(text: &str, tree: &str) {
    assert_eq!(show(&read(text).unwrap(), false), tree, "{text}");
}

#[test]
fn scalars_keep_their_text() {
    check(
        "a: 1.10\nb: \"1\"\nc: 'x'\nd: |\n  l1\n  l2\ne: !!str 5\nf: yes\ng:\nh: ~\ni: ''",
        "{a: 1.10, b: \"1\", c: \"x\", d: \"l1\\nl2\\n\", e: \"5\", f: yes, g: ~, h: ~, i: \"\"}",
    );
    check("", "~");
    check("# nothing\n", "~");
    check("\u{feff}a: 1", "{a: 1}");
    check("a: 22:22\r\nb: 2\r\n", "{a: 22:22, b: 2}");
}

#[test]
fn places_count_from_one() {
    let node = read("a:\n  - x\n  - ü: y\n").unwrap();
    assert_eq!(show(&node, true), "{a: [x@2:5, {ü: y@3:8}]}");
    assert_eq!((node.as_map().unwrap()["a"].at.line, node.as_map().unwrap()["a"].at.column), (1, 1));
}

#[test]
fn aliases_and_merge_keys_expand() {
    check("x: &a {k: 1, l: 2}\ny: *a\n", "{x: {k: 1, l: 2}, y: {k: 1, l: 2}}");
    check("x: &a {k: 1, l: 2}\ny:\n  <<: *a\n  k: 9\n", "{x: {k: 1, l: 2}, y: {k: 9, l: 2}}");
    check(
        "x: &a {k: 1}\ny: &b {k: 2, m: 3}\nz:\n  <<: [*a, *b]\n",
        "{x: {k: 1}, y: {k: 2, m: 3}, z: {k: 1, m: 3}}",
    );
    check("z:\n  '<<': 1\n", "{z: {<<: 1}}");
}

#[test]
fn faults_name_their_place_and_path() {
    for (text, begin) in [
        (
            "a: 1\nb: 2\na: 3\n",
            "f.yml:3:1: a: the key `a` stands here for the second time; the first is in line 1",
        ),
        ("a:\n\tb: 1\n", "f.yml:2:1: a: a tab stands where only spaces may stand"),
        ("a:\n  b: \"x\nc: 1\n", "f.yml:2:6: a.b: a quote is opened here and never closed"),
        ("a:\n  - 'x", "f.yml:2:5: a[0]: a quote is opened here and never closed"),
        ("a: *b\n", "f.yml:1:4: a: the alias names an anchor that is not defined above"),
        ("a: &x\n  b: *x\n", "f.yml:2:6: a.b: this alias stands inside the value that it names"),
        ("a: b: c\n", "f.yml:1:5: a `:` stands where no key can be"),
        ("a: 1\n---\nb: 2\n", "f.yml:2:1: a second document begins here"),
        ("a: !!binary aGk=\n", "f.yml:1:4: a: the tag `!!binary` has no meaning in a compose file"),
        ("{{- if .Values.x }}\na: 1\n", "f.yml:1:1: the line looks like a template"),
        ("a: [1, 2\n", "f.yml:1:4: a[2]: a `[` or `{` is opened here and never closed"),
        ("a: \"\\q\"\n", "f.yml:1:4: a: a text in double quotes holds a `\\` that means nothing"),
        ("z:\n  <<: 1\n", "f.yml:2:7: z: `<<` takes a map, or a list of maps"),
    ] {
        let error = read(text).map(|node| show(&node, false)).unwrap_err();
        assert!(error.starts_with(begin), "{text}\n{error}");
        assert!(error.contains("\n  hint: "), "{error}");
    }
}

#[test]
fn an_alias_bomb_is_cut_off() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(text, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    let error = read(&text).unwrap_err();
    assert!(error.contains("more than 2000 keys and values, counting what its aliases repeat"), "{error}");
    let long = "y".repeat(1 << 20);
    let error = read(&format!("a: &a {long}\nb: [{}]\n", ["*a"; 100].join(", "))).unwrap_err();
    assert!(error.contains("bytes of text, counting what its aliases repeat"), "{error}");
}

#[test]
fn depth_and_size_are_bounded() {
    for text in ["[".repeat(100_000), "- ".repeat(50_000), "{a: ".repeat(50_000), "? ".repeat(10_000)] {
        let error = read(&text).unwrap_err();
        assert!(error.contains("nested"), "{error}");
    }
    let error = read(&" ".repeat(3 << 20)).unwrap_err();
    assert!(error.starts_with("f.yml:1:1: the file has 3145728 bytes; at most 2097152 are read"), "{error}");
}

#[test]
fn scalars_read_as_numbers_and_truth_values() {
    let scalar = |text: &str| Scalar { text: text.into(), plain: true };
    for (text, value) in [
        ("0", Some(0)),
        ("-5", Some(-5)),
        ("+5", Some(5)),
        ("0x1F", Some(31)),
        ("0o17", Some(15)),
        ("010", Some(10)),
        ("1_000", Some(1000)),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("1.5", None),
        ("", None),
        ("-", None),
        ("--1", None),
        ("0x", None),
        ("0x-1", None),
        ("_1", None),
        ("x", None),
    ] {
        assert_eq!(scalar(text).integer(), value, "{text}");
    }
    for (text, value) in [
        ("true", Some(true)),
        ("Yes", Some(true)),
        ("ON", Some(true)),
        ("y", Some(true)),
        ("no", Some(false)),
        ("Off", Some(false)),
        ("N", Some(false)),
        ("tRue", None),
        ("1", None),
        ("", None),
        ("ÿ", None),
    ] {
        assert_eq!(scalar(text).boolean(), value, "{text}");
    }
    assert_eq!(scalar("0.5").number(), Some(0.5));
    assert_eq!(scalar("inf").number(), None);
    assert_eq!(scalar(".nan").number(), None);
}
