//! Lists and maps.

use std::collections::BTreeMap;

use super::functions::{Arguments, Wrong, too_long, wrong};
use super::value::{MOST, Value};

pub(super) const NAMES: &[&str] = &[
    "append",
    "compact",
    "concat",
    "dict",
    "first",
    "get",
    "has",
    "hasKey",
    "index",
    "initial",
    "keys",
    "last",
    "len",
    "list",
    "merge",
    "omit",
    "pick",
    "pluck",
    "prepend",
    "push",
    "rest",
    "reverse",
    "seq",
    "set",
    "slice",
    "sortAlpha",
    "tuple",
    "uniq",
    "unset",
    "until",
    "untilStep",
    "values",
    "without",
];

pub(super) fn call(name: &str, arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let items = |index: usize| arguments.list(index).map(<[Value]>::to_vec);
    match name {
        "list" | "tuple" => Ok(Value::list(arguments.0.to_vec())),
        "len" => length(arguments.exactly(1)?),
        "index" => index(arguments.between(1, usize::MAX)?),
        "slice" => slice(arguments.between(1, 3)?),
        "first" => Ok(arguments.exactly(1)?.list(0)?.first().cloned().unwrap_or(Value::Nil)),
        "last" => Ok(arguments.exactly(1)?.list(0)?.last().cloned().unwrap_or(Value::Nil)),
        "rest" => Ok(Value::list(arguments.exactly(1)?.list(0)?.iter().skip(1).cloned().collect())),
        "initial" => {
            let list = arguments.exactly(1)?.list(0)?;
            Ok(Value::list(list[..list.len().saturating_sub(1)].to_vec()))
        }
        "append" | "push" => {
            arguments.exactly(2)?;
            let mut list = items(0)?;
            list.push(arguments.get(1).clone());
            Ok(Value::list(list))
        }
        "prepend" => {
            arguments.exactly(2)?;
            let mut list = items(0)?;
            list.insert(0, arguments.get(1).clone());
            Ok(Value::list(list))
        }
        "concat" => {
            let mut all = Vec::new();
            for index in 0..arguments.0.len() {
                all.extend_from_slice(arguments.list(index)?);
                if all.len() > MOST {
                    return Err(too_long());
                }
            }
            Ok(Value::list(all))
        }
        "reverse" => {
            arguments.exactly(1)?;
            let mut list = items(0)?;
            list.reverse();
            Ok(Value::list(list))
        }
        "uniq" => {
            let mut seen: Vec<Value> = Vec::new();
            for item in few(arguments.exactly(1)?.list(0)?)? {
                if !seen.contains(item) {
                    seen.push(item.clone());
                }
            }
            Ok(Value::list(seen))
        }
        "without" => {
            arguments.between(1, usize::MAX)?;
            let dropped = few(&arguments.0[1..])?;
            let list = arguments.list(0)?.iter().filter(|item| !dropped.contains(item));
            Ok(Value::list(list.cloned().collect()))
        }
        "compact" => {
            let list = arguments.exactly(1)?.list(0)?.iter().filter(|item| item.truth());
            Ok(Value::list(list.cloned().collect()))
        }
        "has" => {
            few(&arguments.exactly(2)?.0[..1])?;
            Ok(Value::Bool(arguments.list(1)?.contains(arguments.get(0))))
        }
        "sortAlpha" => {
            let mut texts = super::format::texts(arguments.exactly(1)?.list(0)?)?;
            texts.sort();
            Ok(Value::list(texts.into_iter().map(Value::text).collect()))
        }
        "until" => steps(0, arguments.exactly(1)?.integer(0)?, None),
        "untilStep" => {
            arguments.exactly(3)?;
            steps(arguments.integer(0)?, arguments.integer(1)?, Some(arguments.integer(2)?))
        }
        "seq" => sequence(arguments.between(1, 3)?),
        _ => maps(name, arguments),
    }
}

/// Lists that are compared item by item must be short.
fn few(list: &[Value]) -> Result<&[Value], Wrong> {
    if list.len() > 500 { Err(too_long()) } else { Ok(list) }
}

fn length(arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let length = match arguments.get(0) {
        Value::Text(text) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) | Value::Answers(map) => map.entries.len(),
        other => return Err(wrong(0, "a text, list or map", other)),
    };
    Ok(Value::Integer(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let mut value = arguments.get(0).clone();
    for position in 1..arguments.0.len() {
        value = match &value {
            Value::Answers(map) => {
                map.entries.get(&*arguments.text(position)?).cloned().unwrap_or_else(|| Value::text(""))
            }
            Value::Map(map) => map.entries.get(&*arguments.text(position)?).cloned().unwrap_or(Value::Nil),
            Value::List(list) => {
                let number = arguments.integer(position)?;
                let item = usize::try_from(number).ok().and_then(|number| list.items.get(number));
                item.cloned().ok_or_else(|| {
                    (
                        format!("there is no item {number} in a list of {}", list.items.len()),
                        "the first item has the number 0".to_owned(),
                    )
                })?
            }
            other => return Err(wrong(0, "a list or map", other)),
        };
    }
    Ok(value)
}

fn slice(arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let bounds = |length: usize| -> Result<(usize, usize), Wrong> {
        let at = |index: usize, otherwise: usize| match arguments.0.get(index) {
            None => Ok(otherwise),
            Some(_) => arguments.integer(index).map(|number| usize::try_from(number).unwrap_or(usize::MAX)),
        };
        let (from, to) = (at(1, 0)?, at(2, length)?);
        if from > to || to > length {
            return Err((
                format!("{from} to {to} is no part of {length} items"),
                "use numbers within the list".to_owned(),
            ));
        }
        Ok((from, to))
    };
    match arguments.get(0) {
        Value::List(list) => {
            let (from, to) = bounds(list.items.len())?;
            Ok(Value::list(list.items[from..to].to_vec()))
        }
        Value::Text(text) => {
            let (from, to) = bounds(text.len())?;
            text.get(from..to).map(Value::text).ok_or_else(|| {
                ("the part begins inside of a character".to_owned(), "use `substr`".to_owned())
            })
        }
        other => Err(wrong(0, "a list or text", other)),
    }
}

/// Numbers from one up or down to another, which is not among them.
fn steps(from: i64, to: i64, step: Option<i64>) -> Result<Value, Wrong> {
    let step = step.unwrap_or(if to < from { -1 } else { 1 });
    let mut numbers = Vec::new();
    let mut number = from;
    while (step > 0 && number < to) || (step < 0 && number > to) {
        if numbers.len() >= MOST {
            return Err(too_long());
        }
        numbers.push(Value::Integer(number));
        number = match number.checked_add(step) {
            Some(next) => next,
            None => break,
        };
    }
    Ok(Value::list(numbers))
}

/// Numbers as text with blanks between, both ends among them.
fn sequence(arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let (from, step, to) = match arguments.0.len() {
        1 => (1, None, arguments.integer(0)?),
        2 => (arguments.integer(0)?, None, arguments.integer(1)?),
        _ => (arguments.integer(0)?, Some(arguments.integer(1)?), arguments.integer(2)?),
    };
    let beyond = if to < from { to.checked_sub(1) } else { to.checked_add(1) };
    let Value::List(list) = steps(from, beyond.ok_or_else(too_long)?, step)? else { return Err(too_long()) };
    let texts: Vec<String> = list.items.iter().filter_map(Value::show).collect();
    Ok(Value::text(texts.join(" ")))
}

fn maps(name: &str, arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let map = |index: usize| -> Result<&BTreeMap<String, Value>, Wrong> {
        match arguments.get(index) {
            Value::Map(map) | Value::Answers(map) => Ok(&map.entries),
            other => Err(wrong(index, "a map", other)),
        }
    };
    match name {
        "dict" => {
            let mut entries = BTreeMap::new();
            for pair in arguments.0.chunks(2) {
                let value = pair.get(1).cloned().unwrap_or_else(|| Value::text(""));
                entries.insert(super::functions::show(&pair[0])?, value);
            }
            Ok(Value::map(entries))
        }
        "get" => {
            arguments.exactly(2)?;
            Ok(map(0)?.get(&*arguments.text(1)?).cloned().unwrap_or_else(|| Value::text("")))
        }
        "hasKey" => {
            arguments.exactly(2)?;
            Ok(Value::Bool(map(0)?.contains_key(&*arguments.text(1)?)))
        }
        // Values do not change in place here: `set` gives a new map.
        "set" => {
            arguments.exactly(3)?;
            let mut entries = map(0)?.clone();
            entries.insert(arguments.text(1)?.to_string(), arguments.get(2).clone());
            Ok(Value::map(entries))
        }
        "unset" => {
            arguments.exactly(2)?;
            let mut entries = map(0)?.clone();
            entries.remove(&*arguments.text(1)?);
            Ok(Value::map(entries))
        }
        "keys" | "values" => {
            let mut all = Vec::new();
            for index in 0..arguments.0.len() {
                for (key, value) in map(index)? {
                    all.push(if name == "keys" { Value::text(key.as_str()) } else { value.clone() });
                }
            }
            Ok(Value::list(all))
        }
        "pick" | "omit" => {
            arguments.between(1, usize::MAX)?;
            let mut names = Vec::new();
            for index in 1..arguments.0.len() {
                names.push(arguments.text(index)?);
            }
            let wanted = |key: &String| names.iter().any(|name| **name == **key) == (name == "pick");
            let entries = map(0)?.iter().filter(|(key, _)| wanted(key));
            Ok(Value::map(entries.map(|(key, value)| (key.clone(), value.clone())).collect()))
        }
        "merge" => {
            let mut entries = BTreeMap::new();
            for index in 0..arguments.0.len() {
                for (key, value) in map(index)? {
                    entries.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            Ok(Value::map(entries))
        }
        _ => {
            let key = arguments.between(1, usize::MAX)?.text(0)?;
            let mut found = Vec::new();
            for index in 1..arguments.0.len() {
                found.extend(map(index)?.get(&*key).cloned());
            }
            Ok(Value::list(found))
        }
    }
}
