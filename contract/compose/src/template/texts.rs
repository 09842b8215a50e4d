//! Texts.

use super::format::{push, quote};
use super::functions::{Arguments, Wrong};
use super::value::{MOST, Value};

pub(super) const NAMES: &[&str] = &[
    "abbrev",
    "camelcase",
    "cat",
    "contains",
    "hasPrefix",
    "hasSuffix",
    "indent",
    "initials",
    "join",
    "kebabcase",
    "lower",
    "nindent",
    "nospace",
    "plural",
    "quote",
    "repeat",
    "replace",
    "snakecase",
    "split",
    "splitList",
    "splitPreserveQuotes",
    "splitn",
    "squote",
    "substr",
    "swapcase",
    "title",
    "trim",
    "trimAll",
    "trimPrefix",
    "trimSuffix",
    "trimall",
    "trunc",
    "untitle",
    "upper",
    "wrap",
    "wrapWith",
];

pub(super) fn call(name: &str, arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let one = || arguments.exactly(1)?.text(0);
    let two = || Ok::<_, Wrong>((arguments.exactly(2)?.text(0)?, arguments.text(1)?));
    Ok(match name {
        "trim" => Value::text(one()?.trim()),
        "trimAll" | "trimall" => {
            two().map(|(set, text)| Value::text(text.trim_matches(|c: char| set.contains(c))))?
        }
        "trimPrefix" => {
            two().map(|(start, text)| Value::text(text.strip_prefix(&*start).unwrap_or(&text)))?
        }
        "trimSuffix" => two().map(|(end, text)| Value::text(text.strip_suffix(&*end).unwrap_or(&text)))?,
        "hasPrefix" => two().map(|(start, text)| Value::Bool(text.starts_with(&*start)))?,
        "hasSuffix" => two().map(|(end, text)| Value::Bool(text.ends_with(&*end)))?,
        "contains" => two().map(|(part, text)| Value::Bool(text.contains(&*part)))?,
        "upper" => Value::text(one()?.to_uppercase()),
        "lower" => Value::text(one()?.to_lowercase()),
        "title" => Value::text(by_word(&one()?, true)),
        "untitle" => Value::text(by_word(&one()?, false)),
        "swapcase" => Value::text(swapcase(&one()?)),
        "nospace" => Value::text(one()?.chars().filter(|c| !c.is_whitespace()).collect::<String>()),
        "initials" => {
            Value::text(one()?.split_whitespace().filter_map(|word| word.chars().next()).collect::<String>())
        }
        "snakecase" => Value::text(separated(&one()?, '_')),
        "kebabcase" => Value::text(separated(&one()?, '-')),
        "camelcase" => {
            let words = separated(&one()?, ' ');
            Value::text(by_word(&words, true).replace(' ', ""))
        }
        "repeat" => {
            let text = arguments.exactly(2)?.text(1)?;
            let mut out = String::new();
            if !text.is_empty() {
                for _ in 0..arguments.count(0)? {
                    push(&mut out, &text)?;
                }
            }
            Value::text(out)
        }
        "substr" => {
            let text = arguments.exactly(3)?.text(2)?;
            let (from, to) = (arguments.integer(0)?, arguments.integer(1)?);
            let from = usize::try_from(from).unwrap_or(0);
            let to = usize::try_from(to).unwrap_or(usize::MAX);
            Value::text(text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>())
        }
        "trunc" => {
            let (count, text) = (arguments.exactly(2)?.integer(0)?, arguments.text(1)?);
            let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            let length = text.chars().count();
            Value::text(if count < 0 {
                text.chars().skip(length.saturating_sub(size)).collect::<String>()
            } else {
                text.chars().take(size).collect()
            })
        }
        "abbrev" => {
            let (width, text) = (arguments.exactly(2)?.count(0)?, arguments.text(1)?);
            Value::text(if text.chars().count() > width && width >= 4 {
                text.chars().take(width - 3).collect::<String>() + "..."
            } else {
                text.to_string()
            })
        }
        "quote" | "squote" | "cat" => {
            let mut out = String::new();
            for value in arguments.0.iter().filter(|value| **value != Value::Nil) {
                if !out.is_empty() {
                    out.push(' ');
                }
                let text = super::functions::show(value)?;
                push(
                    &mut out,
                    &match name {
                        "quote" => quote(&text),
                        "squote" => format!("'{text}'"),
                        _ => text,
                    },
                )?;
            }
            Value::text(out)
        }
        "indent" | "nindent" => {
            let (width, text) = (arguments.exactly(2)?.count(0)?, arguments.text(1)?);
            let blanks = " ".repeat(width);
            let mut out = String::new();
            if name == "nindent" {
                out.push('\n');
            }
            for (index, line) in text.split('\n').enumerate() {
                if index > 0 {
                    push(&mut out, "\n")?;
                }
                push(&mut out, &blanks)?;
                push(&mut out, line)?;
            }
            Value::text(out)
        }
        "replace" => {
            let (old, new) = (arguments.exactly(3)?.text(0)?, arguments.text(1)?);
            let text = arguments.text(2)?;
            let mut out = String::new();
            for (index, piece) in text.split(&*old).enumerate() {
                if index > 0 {
                    push(&mut out, &new)?;
                }
                push(&mut out, piece)?;
            }
            Value::text(out)
        }
        "plural" => {
            let (one, many) = (arguments.exactly(3)?.text(0)?, arguments.text(1)?);
            Value::text(if arguments.integer(2)? == 1 { one } else { many })
        }
        "join" => {
            let between = arguments.exactly(2)?.text(0)?;
            let mut out = String::new();
            let alone = [arguments.get(1).clone()];
            let items = match arguments.get(1) {
                Value::List(list) => &list.items[..],
                _ => &alone[..],
            };
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    push(&mut out, &between)?;
                }
                push(&mut out, &super::functions::show(item)?)?;
            }
            Value::text(out)
        }
        "splitPreserveQuotes" => list(words(&one()?)),
        "splitList" => two().map(|(by, text)| list(text.split(&*by).map(str::to_owned).take(MOST + 1)))?,
        "split" | "splitn" => {
            let limited = name == "splitn";
            arguments.exactly(if limited { 3 } else { 2 })?;
            let (by, text) = (arguments.text(0)?, arguments.text(if limited { 2 } else { 1 })?);
            let most = if limited { arguments.count(1)? } else { MOST + 1 };
            let parts = text.splitn(most, &*by).enumerate();
            Value::map(parts.map(|(index, part)| (format!("_{index}"), Value::text(part))).collect())
        }
        "wrap" | "wrapWith" => {
            let with = name == "wrapWith";
            arguments.exactly(if with { 3 } else { 2 })?;
            let width = arguments.count(0)?;
            let by = if with { arguments.text(1)? } else { "\n".into() };
            let text = arguments.text(if with { 2 } else { 1 })?;
            let (mut out, mut column) = (String::new(), 0);
            for word in text.split(' ') {
                let length = word.chars().count();
                if column > 0 && column + 1 + length > width {
                    push(&mut out, &by)?;
                    column = 0;
                } else if column > 0 {
                    push(&mut out, " ")?;
                    column += 1;
                }
                push(&mut out, word)?;
                column += length;
            }
            Value::text(out)
        }
        _ => Value::Nil,
    })
}

fn list(items: impl IntoIterator<Item = String>) -> Value {
    Value::list(items.into_iter().map(Value::text).collect())
}

/// Splits at blanks; a part in quotes stays whole and keeps them.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) => {
                word.push(c);
                if c == open {
                    quote = None;
                }
            }
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            None => {
                word.push(c);
                if matches!(c, '"' | '\'') {
                    quote = Some(c);
                }
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn by_word(text: &str, upper: bool) -> String {
    let mut first = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (first, upper) {
            (true, true) => out.extend(c.to_uppercase()),
            (true, false) => out.extend(c.to_lowercase()),
            (false, _) => out.push(c),
        }
        first = c.is_whitespace();
    }
    out
}

fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
}

/// Words in small letters with a sign between them.
fn separated(text: &str, sign: char) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in text.chars() {
        let gap = c == '_' || c == '-' || c.is_whitespace();
        let new_word = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if (gap || new_word) && !out.is_empty() && !out.ends_with(sign) {
            out.push(sign);
        }
        if !gap {
            out.extend(c.to_lowercase());
        }
        before = c;
    }
    out.trim_end_matches(sign).to_owned()
}
