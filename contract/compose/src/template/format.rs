//! Values as text: `print` and its kin, with Go's verbs.

use super::functions::{Arguments, Wrong, too_long};
use super::value::{LONGEST, Value};

pub(super) const NAMES: &[&str] =
    &["html", "js", "print", "printf", "println", "toString", "toStrings", "urlquery"];

pub(super) fn call(name: &str, arguments: Arguments<'_>) -> Result<Value, Wrong> {
    match name {
        "printf" => {
            let pattern = arguments.between(1, usize::MAX)?.text(0)?;
            printf(&pattern, &arguments.0[1..]).map(Value::text)
        }
        "print" | "println" | "html" | "js" | "urlquery" => {
            let mut text = String::new();
            let mut before: Option<&Value> = None;
            for value in arguments.0 {
                // Go puts a blank between two values of which neither is a text.
                let apart = before.is_some_and(|before| {
                    name == "println" || !matches!((before, value), (Value::Text(_), _) | (_, Value::Text(_)))
                });
                if apart {
                    text.push(' ');
                }
                push(&mut text, &value.show().ok_or_else(too_long)?)?;
                before = Some(value);
            }
            Ok(Value::text(match name {
                "println" => text + "\n",
                "html" => html(&text),
                "js" => js(&text),
                "urlquery" => urlquery(&text),
                _ => text,
            }))
        }
        "toStrings" => {
            let texts = texts(arguments.exactly(1)?.list(0)?)?;
            Ok(Value::list(texts.into_iter().map(Value::text).collect()))
        }
        _ => arguments.exactly(1)?.shown(0).map(Value::text),
    }
}

/// The texts of items, which together are no longer than one text may be.
pub(super) fn texts(items: &[Value]) -> Result<Vec<String>, Wrong> {
    let mut room = LONGEST;
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        let text = super::functions::show(item)?;
        room = room.checked_sub(text.len()).ok_or_else(too_long)?;
        texts.push(text);
    }
    Ok(texts)
}

/// Adds to a text unless it becomes too long.
pub(super) fn push(out: &mut String, text: &str) -> Result<(), Wrong> {
    if out.len() + text.len() > LONGEST {
        return Err(too_long());
    }
    out.push_str(text);
    Ok(())
}

fn html(text: &str) -> String {
    let escape = |c: char| match c {
        '"' => "&#34;".to_owned(),
        '\'' => "&#39;".to_owned(),
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn js(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        '\'' => "\\'".to_owned(),
        '"' => "\\\"".to_owned(),
        '<' | '>' | '&' | '=' => format!("\\u{:04X}", u32::from(c)),
        c if u32::from(c) < 0x20 => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn urlquery(text: &str) -> String {
    let escape = |b: u8| match b {
        b' ' => "+".to_owned(),
        b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A number with a fraction, as Go prints it.
pub(super) fn shortest(value: f64) -> String {
    if value == 0.0 || (1e-4..1e21).contains(&value.abs()) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |rest| ("-", rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

/// A text in double quotes with escapes, as Go writes it.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// How one verb of a pattern is set.
#[derive(Default)]
struct Shape {
    left: bool,
    zeros: bool,
    plus: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

fn printf(pattern: &str, values: &[Value]) -> Result<String, Wrong> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            push(&mut out, c.encode_utf8(&mut [0; 4]))?;
            continue;
        }
        let mut shape = Shape::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => shape.left = true,
                '+' => shape.plus = true,
                '#' => shape.alternate = true,
                '0' => shape.zeros = true,
                _ => {}
            }
        }
        let mut number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            if chars.next_if_eq(&'*').is_some() {
                return values.next().and_then(super::numbers::to_integer).unwrap_or(0).unsigned_abs();
            }
            let mut number = 0_u64;
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number = number.saturating_mul(10).saturating_add(u64::from(digit.to_digit(10).unwrap_or(0)));
            }
            number
        };
        shape.width = usize::try_from(number(&mut chars)).unwrap_or(usize::MAX);
        if chars.next_if_eq(&'.').is_some() {
            shape.precision = Some(usize::try_from(number(&mut chars)).unwrap_or(usize::MAX));
        }
        let Some(verb) = chars.next() else {
            push(&mut out, "%!(NOVERB)")?;
            break;
        };
        if verb == '%' {
            push(&mut out, "%")?;
            continue;
        }
        let Some(value) = values.next() else {
            push(&mut out, &format!("%!{verb}(MISSING)"))?;
            continue;
        };
        if shape.width > LONGEST || shape.precision.is_some_and(|precision| precision > 1000) {
            return Err(too_long());
        }
        push(&mut out, &pad(one(verb, value, &shape)?, &shape))?;
    }
    let extra: Vec<String> = values
        .map(|value| Some(format!("{}={}", value.go_kind(), value.show()?)))
        .collect::<Option<_>>()
        .ok_or_else(too_long)?;
    if !extra.is_empty() {
        push(&mut out, &format!("%!(EXTRA {})", extra.join(", ")))?;
    }
    Ok(out)
}

fn one(verb: char, value: &Value, shape: &Shape) -> Result<String, Wrong> {
    let cut = |text: String| match shape.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    };
    let sign = |text: String, positive: bool| if shape.plus && positive { format!("+{text}") } else { text };
    Ok(match (verb, value) {
        ('v', value) => value.show().ok_or_else(too_long)?,
        ('s', Value::Text(text)) => cut(text.to_string()),
        ('s', Value::List(_) | Value::Map(_) | Value::Answers(_)) => value.show().ok_or_else(too_long)?,
        ('q', Value::Text(text)) => quote(&cut(text.to_string())),
        ('x' | 'X', Value::Text(text)) => {
            let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
            if verb == 'X' { hex.to_uppercase() } else { hex }
        }
        ('d', Value::Integer(number)) => sign(number.to_string(), *number >= 0),
        ('b', Value::Integer(number)) => in_base(*number, |n| format!("{n:b}")),
        ('o', Value::Integer(number)) => in_base(*number, |n| format!("{n:o}")),
        ('x', Value::Integer(number)) => {
            in_base(*number, |n| if shape.alternate { format!("0x{n:x}") } else { format!("{n:x}") })
        }
        ('X', Value::Integer(number)) => {
            in_base(*number, |n| if shape.alternate { format!("0X{n:X}") } else { format!("{n:X}") })
        }
        ('c', Value::Integer(number)) => {
            u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string()
        }
        ('f' | 'F', Value::Float(number)) => {
            sign(format!("{number:.*}", shape.precision.unwrap_or(6)), *number >= 0.0)
        }
        ('e', Value::Float(number)) => shortest(*number),
        ('g', Value::Float(number)) => shortest(*number),
        ('t', Value::Bool(value)) => value.to_string(),
        ('T', value) => value.go_kind().to_owned(),
        (_, Value::Nil) => format!("%!{verb}(<nil>)"),
        (_, value) => {
            format!("%!{verb}({}={})", value.go_kind(), value.show().ok_or_else(too_long)?)
        }
    })
}

fn in_base(number: i64, write: impl Fn(u64) -> String) -> String {
    let text = write(number.unsigned_abs());
    if number < 0 { format!("-{text}") } else { text }
}

fn pad(text: String, shape: &Shape) -> String {
    let missing = shape.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if shape.left {
        return text + &" ".repeat(missing);
    }
    if shape.zeros {
        let sign = usize::from(text.starts_with(['-', '+']));
        return format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..]);
    }
    " ".repeat(missing) + &text
}
