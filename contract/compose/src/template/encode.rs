//! Encodings.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::functions::{Arguments, Wrong, too_long};
use super::value::{DEEPEST, LONGEST, Value};

pub(super) const NAMES: &[&str] = &[
    "adler32sum",
    "b64dec",
    "b64enc",
    "base",
    "clean",
    "dir",
    "ext",
    "fromJson",
    "isAbs",
    "semver",
    "semverCompare",
    "toJson",
    "toPrettyJson",
];

pub(super) fn call(name: &str, arguments: Arguments<'_>) -> Result<Value, Wrong> {
    match name {
        "b64enc" => Ok(Value::text(STANDARD.encode(arguments.exactly(1)?.text(0)?.as_bytes()))),
        "b64dec" => {
            let bytes = STANDARD.decode(arguments.exactly(1)?.text(0)?.trim()).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.map(Value::text).ok_or_else(|| {
                ("the text is not base64 of a text".to_owned(), "encode it with `b64enc`".to_owned())
            })
        }
        "adler32sum" => {
            let text = arguments.exactly(1)?.text(0)?;
            let (mut a, mut b) = (1_u32, 0_u32);
            for byte in text.bytes() {
                a = (a + u32::from(byte)) % 65521;
                b = (b + a) % 65521;
            }
            let mut sum = String::new();
            let _ = write!(sum, "{}", (b << 16) | a);
            Ok(Value::text(sum))
        }
        "toJson" | "toPrettyJson" => {
            let mut budget = LONGEST / 8;
            let json = to_json(arguments.exactly(1)?.get(0), &mut budget).ok_or_else(too_long)?;
            let text = if name == "toJson" {
                serde_json::to_string(&json)
            } else {
                serde_json::to_string_pretty(&json)
            };
            text.map(Value::text).map_err(|_| too_long())
        }
        "fromJson" => {
            let text = arguments.exactly(1)?.text(0)?;
            let json: Json = serde_json::from_str(&text)
                .map_err(|_| ("the text is not JSON".to_owned(), "correct the value".to_owned()))?;
            from_json(&json, DEEPEST).ok_or_else(too_long)
        }
        "base" => arguments.exactly(1)?.text(0).map(|path| {
            let trimmed = path.trim_end_matches('/');
            Value::text(match (trimmed, path.is_empty()) {
                ("", true) => ".",
                ("", false) => "/",
                (trimmed, _) => trimmed.rsplit('/').next().unwrap_or(trimmed),
            })
        }),
        "dir" => arguments.exactly(1)?.text(0).map(|path| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            Value::text(clean(if path.starts_with('/') && folder.is_empty() { "/" } else { folder }))
        }),
        "ext" => arguments.exactly(1)?.text(0).map(|path| {
            let name = path.rsplit('/').next().unwrap_or(&path);
            Value::text(name.rfind('.').map_or("", |dot| &name[dot..]))
        }),
        "clean" => arguments.exactly(1)?.text(0).map(|path| Value::text(clean(&path))),
        "isAbs" => arguments.exactly(1)?.text(0).map(|path| Value::Bool(path.starts_with('/'))),
        "semver" => arguments.exactly(1)?.text(0).and_then(|text| {
            let version = version(&text).ok_or_else(|| no_version(&text))?;
            let number = |index: usize| Value::Integer(i64::try_from(version.0[index]).unwrap_or(i64::MAX));
            Ok(Value::map(std::collections::BTreeMap::from([
                ("Major".to_owned(), number(0)),
                ("Minor".to_owned(), number(1)),
                ("Patch".to_owned(), number(2)),
                ("Prerelease".to_owned(), Value::text(version.1)),
            ])))
        }),
        _ => {
            let (constraint, text) = (arguments.exactly(2)?.text(0)?, arguments.text(1)?);
            let version = version(&text).ok_or_else(|| no_version(&text))?;
            fits(&constraint, &version).map(Value::Bool).ok_or_else(|| no_version(&constraint))
        }
    }
}

fn no_version(text: &str) -> Wrong {
    (
        format!("`{}` is no version", crate::error::shorten(text)),
        "write a version as `1.2.3`, or a range as `>=1.2.0`".to_owned(),
    )
}

/// The numbers of a version and what follows a `-`.
type Version = ([u64; 3], String);

fn version(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches('v');
    let text = text.split('+').next()?;
    let (numbers, rest) = text.split_once('-').unwrap_or((text, ""));
    let mut version = [0; 3];
    let mut parts = numbers.split('.');
    for slot in &mut version {
        match parts.next() {
            Some(part) => *slot = part.parse().ok()?,
            None => break,
        }
    }
    parts.next().is_none().then(|| (version, rest.to_owned()))
}

/// Whether a version is in a range: terms with blanks or commas between must all hold, `||` divides ranges.
fn fits(constraint: &str, (numbers, rest): &Version) -> Option<bool> {
    use std::cmp::Ordering;
    let mut any = false;
    for range in constraint.split("||") {
        let mut all = true;
        for term in range.split([',', ' ']).filter(|term| !term.is_empty()) {
            let operator =
                term.find(|c: char| c.is_ascii_digit() || c == 'v' || c == '*').unwrap_or(term.len());
            let (operator, text) = term.split_at(operator);
            if text == "*" {
                continue;
            }
            let (bound, bound_rest) = version(text)?;
            let order = numbers.cmp(&bound).then_with(|| match (rest.is_empty(), bound_rest.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => rest.cmp(&bound_rest),
            });
            let given = text.split('-').next().unwrap_or(text).split('.').count();
            all &= match operator {
                "" | "=" | "==" => order.is_eq(),
                "!=" => order.is_ne(),
                ">" => order.is_gt(),
                ">=" | "=>" => order.is_ge(),
                "<" => order.is_lt(),
                "<=" | "=<" => order.is_le(),
                "~" | "~>" => {
                    order.is_ge() && numbers[0] == bound[0] && (given < 2 || numbers[1] == bound[1])
                }
                "^" => order.is_ge() && numbers[0] == bound[0] && (bound[0] > 0 || numbers[1] == bound[1]),
                _ => return None,
            };
        }
        any |= all;
    }
    Some(any)
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

/// `None` when it is too large.
fn to_json(value: &Value, budget: &mut usize) -> Option<Json> {
    *budget = budget.checked_sub(value.size())?;
    Some(match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) => Json::from(&**text),
        Value::List(list) => {
            Json::Array(list.items.iter().map(|item| to_json(item, budget)).collect::<Option<_>>()?)
        }
        Value::Map(map) | Value::Answers(map) => Json::Object(
            map.entries
                .iter()
                .map(|(key, value)| Some((key.clone(), to_json(value, budget)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// `None` when it is nested too deep.
fn from_json(json: &Json, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Integer(value),
            None => Value::Float(number.as_f64()?),
        },
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(items) => {
            Value::list(items.iter().map(|item| from_json(item, depth)).collect::<Option<_>>()?)
        }
        Json::Object(map) => Value::map(
            map.iter()
                .map(|(key, value)| Some((key.clone(), from_json(value, depth)?)))
                .collect::<Option<_>>()?,
        ),
    })
}
