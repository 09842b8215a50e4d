//! Data as YAML text: block style, and every text in double quotes that could be read as anything else.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Writes a document.
pub(super) fn yaml(map: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_map(&mut out, map, 0);
    out
}

fn write_map(out: &mut String, map: &Map<String, Value>, depth: usize) {
    for (key, value) in map {
        indent(out, depth);
        write_text(out, key);
        out.push(':');
        write_value(out, value, depth + 1);
    }
}

/// Writes what stands after `key:` or `-`, with the end of the line.
fn write_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_map(out, map, depth);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                indent(out, depth - 1);
                out.push('-');
                write_item(out, item, depth);
            }
        }
        Value::Object(_) => out.push_str(" {}\n"),
        Value::Array(_) => out.push_str(" []\n"),
        Value::Null => out.push_str(" null\n"),
        Value::Bool(value) => {
            let _ = writeln!(out, " {value}");
        }
        Value::Number(value) => {
            let _ = writeln!(out, " {value}");
        }
        Value::String(text) => {
            out.push(' ');
            write_text(out, text);
            out.push('\n');
        }
    }
}

/// Writes a list item; the first key of a map stands beside the dash.
fn write_item(out: &mut String, item: &Value, depth: usize) {
    match item {
        Value::Object(map) if !map.is_empty() => {
            let mut inner = String::new();
            write_map(&mut inner, map, depth);
            out.push(' ');
            out.push_str(inner.trim_start_matches(' '));
        }
        _ => write_value(out, item, depth + 1),
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Writes a text plainly where no reader of any version can mistake it.
fn write_text(out: &mut String, text: &str) {
    const WORDS: &[&str] = &["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'/');
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./:@,=+-".contains(&b));
    let word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    if first && rest && !word && !text.ends_with(':') {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                write!(out, "\\U{:08X}", u32::from(c))
            }
            c => out.write_char(c),
        };
    }
    out.push('"');
}
