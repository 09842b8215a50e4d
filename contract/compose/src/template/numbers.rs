//! Numbers.

use super::functions::{Arguments, Wrong, wrong};
use super::value::Value;

pub(super) const NAMES: &[&str] = &[
    "add",
    "add1",
    "atoi",
    "biggest",
    "ceil",
    "div",
    "float64",
    "floor",
    "int",
    "int64",
    "max",
    "min",
    "mod",
    "mul",
    "round",
    "sub",
    "toDecimal",
];

/// What sprig takes for a number: texts that are none count as 0 there, and as no number here.
pub(super) fn to_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes its end")]
        Value::Float(number) => Some(*number as i64),
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Answers(_) => None,
    }
}

fn to_float(arguments: Arguments<'_>, index: usize) -> Result<f64, Wrong> {
    match arguments.get(index) {
        Value::Float(number) => Ok(*number),
        Value::Text(text) => text.trim().parse().map_err(|_| wrong(index, "a number", arguments.get(index))),
        #[expect(clippy::cast_precision_loss, reason = "the nearest float is meant")]
        _ => arguments.integer(index).map(|number| number as f64),
    }
}

fn overflow() -> Wrong {
    ("the result is no 64-bit number".to_owned(), "use smaller numbers".to_owned())
}

pub(super) fn call(name: &str, arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let count = arguments.0.len();
    let fold = |start: i64, step: fn(i64, i64) -> Option<i64>| -> Result<Value, Wrong> {
        let mut total = start;
        for index in 0..count {
            total = step(total, arguments.integer(index)?).ok_or_else(overflow)?;
        }
        Ok(Value::Integer(total))
    };
    match name {
        "add" => fold(0, i64::checked_add),
        "mul" => fold(1, i64::checked_mul),
        "add1" => {
            let number = arguments.exactly(1)?.integer(0)?;
            number.checked_add(1).map(Value::Integer).ok_or_else(overflow)
        }
        "sub" | "div" | "mod" => {
            let (a, b) = (arguments.exactly(2)?.integer(0)?, arguments.integer(1)?);
            let result = match name {
                "sub" => a.checked_sub(b),
                "div" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            result.map(Value::Integer).ok_or_else(|| {
                if b == 0 {
                    ("a division by 0".to_owned(), "divide by another number".to_owned())
                } else {
                    overflow()
                }
            })
        }
        "max" | "biggest" | "min" => {
            arguments.between(1, usize::MAX)?;
            let mut best = arguments.integer(0)?;
            for index in 1..count {
                let next = arguments.integer(index)?;
                best = if name == "min" { best.min(next) } else { best.max(next) };
            }
            Ok(Value::Integer(best))
        }
        "floor" => to_float(arguments.exactly(1)?, 0).map(|number| Value::Float(number.floor())),
        "ceil" => to_float(arguments.exactly(1)?, 0).map(|number| Value::Float(number.ceil())),
        "round" => {
            let number = to_float(arguments.between(1, 3)?, 0)?;
            let digits = if count > 1 { arguments.integer(1)?.clamp(0, 15) } else { 0 };
            let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
            Ok(Value::Float((number * scale).round() / scale))
        }
        "float64" => to_float(arguments.exactly(1)?, 0).map(Value::Float),
        "toDecimal" => {
            let text = arguments.exactly(1)?.shown(0)?;
            i64::from_str_radix(&text, 8)
                .map(Value::Integer)
                .map_err(|_| wrong(0, "a number in octal digits", arguments.get(0)))
        }
        // An answer that is empty counts as 0, as in sprig; what is no number at all is a fault.
        _ => match arguments.exactly(1)?.get(0) {
            Value::Nil => Ok(Value::Integer(0)),
            Value::Text(text) if text.trim().is_empty() => Ok(Value::Integer(0)),
            _ => arguments.integer(0).map(Value::Integer),
        },
    }
}
