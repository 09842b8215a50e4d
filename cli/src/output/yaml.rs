//! JSON documents as YAML, for eyes and for other programs.

use serde_json::{Map, Value};

/// Writes a document; it ends with a line break.
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(map, 0, &mut text),
        Value::Array(list) if !list.is_empty() => write_list(list, 0, &mut text),
        other => {
            write_scalar(other, &mut text);
            text.push('\n');
        }
    }
    text
}

fn write_map(map: &Map<String, Value>, depth: usize, text: &mut String) {
    for (number, (name, value)) in map.iter().enumerate() {
        // The first entry of a map in a list stands beside the list's dash.
        if number > 0 || !text.ends_with("- ") {
            indent(depth, text);
        }
        write_text(name, text);
        text.push(':');
        write_value(value, depth, text);
    }
}

fn write_list(list: &[Value], depth: usize, text: &mut String) {
    for (number, value) in list.iter().enumerate() {
        if number > 0 || !text.ends_with("- ") {
            indent(depth, text);
        }
        text.push_str("- ");
        match value {
            Value::Object(map) if !map.is_empty() => write_map(map, depth + 1, text),
            Value::Array(inner) if !inner.is_empty() => write_list(inner, depth + 1, text),
            scalar => {
                write_scalar(scalar, text);
                text.push('\n');
            }
        }
    }
}

fn write_value(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            write_map(map, depth + 1, text);
        }
        Value::Array(list) if !list.is_empty() => {
            text.push('\n');
            write_list(list, depth + 1, text);
        }
        scalar => {
            text.push(' ');
            write_scalar(scalar, text);
            text.push('\n');
        }
    }
}

fn write_scalar(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => write_text(string, text),
        Value::Array(_) => text.push_str("[]"),
        Value::Object(_) => text.push_str("{}"),
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// Quotes what a reader could take for something else; JSON's quoting is YAML's too.
fn write_text(string: &str, text: &mut String) {
    let plain = string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && string.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-+@ ".contains(c))
        && !string.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"]
            .contains(&string.to_lowercase().as_str());
    if plain {
        text.push_str(string);
    } else {
        text.push_str(&Value::String(string.to_owned()).to_string());
    }
}

#[cfg(test)]
mod tests;
