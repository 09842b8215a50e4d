//! The functions of templates by name: those of Go itself and those of the sprig library that need nothing from
//! outside, each in its group.

use std::rc::Rc;

use super::value::Value;
use super::{encode, format, lists, numbers, parse, texts};

/// What is wrong with a call, and the remedy.
pub(super) type Wrong = (String, String);

/// Functions that give another result each time, or look outside.
const REFUSED: &[(&str, &str)] = &[
    ("ago", "the clock"),
    ("bcrypt", "chance"),
    ("date", "the clock"),
    ("dateInZone", "the clock"),
    ("dateModify", "the clock"),
    ("date_in_zone", "the clock"),
    ("date_modify", "the clock"),
    ("derivePassword", "a key derivation"),
    ("env", "the environment of the server"),
    ("expandenv", "the environment of the server"),
    ("genCA", "chance"),
    ("genPrivateKey", "chance"),
    ("genSelfSignedCert", "chance"),
    ("genSignedCert", "chance"),
    ("getHostByName", "the network"),
    ("htmlDate", "the clock"),
    ("htmlDateInZone", "the clock"),
    ("htpasswd", "chance"),
    ("now", "the clock"),
    ("randAlpha", "chance"),
    ("randAlphaNum", "chance"),
    ("randAscii", "chance"),
    ("randBytes", "chance"),
    ("randInt", "chance"),
    ("randNumeric", "chance"),
    ("shuffle", "chance"),
    ("uuidv4", "chance"),
];

/// Checks that a function is there.
pub(super) fn check(name: &str) -> Result<(), Wrong> {
    if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == name) {
        return Err((
            format!("the function `{name}` is not available: it depends on {why}"),
            "ask for the value with a question, and write `.Values.NAME`".to_owned(),
        ));
    }
    if names().any(|known| known == name) {
        return Ok(());
    }
    Err(parse::no_function(name, names()))
}

/// The names of all functions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let groups = [LOGIC, format::NAMES, texts::NAMES, numbers::NAMES, lists::NAMES, encode::NAMES];
    groups.into_iter().flatten().copied()
}

const LOGIC: &[&str] = &[
    "and", "coalesce", "default", "empty", "eq", "fail", "ge", "gt", "kindIs", "kindOf", "le", "lt", "ne",
    "not", "or", "ternary", "typeIs", "typeOf",
];

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, Wrong> {
    let arguments = Arguments(arguments);
    if LOGIC.contains(&name) {
        logic(name, arguments)
    } else if format::NAMES.contains(&name) {
        format::call(name, arguments)
    } else if texts::NAMES.contains(&name) {
        texts::call(name, arguments)
    } else if numbers::NAMES.contains(&name) {
        numbers::call(name, arguments)
    } else if lists::NAMES.contains(&name) {
        lists::call(name, arguments)
    } else {
        encode::call(name, arguments)
    }
}

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a>(pub &'a [Value]);

impl<'a> Arguments<'a> {
    /// Checks their number.
    pub fn between(self, least: usize, most: usize) -> Result<Self, Wrong> {
        let count = self.0.len();
        if (least..=most).contains(&count) {
            return Ok(self);
        }
        let wanted = match (least, most) {
            (1, 1) => "one value".to_owned(),
            (least, most) if least == most => format!("{least} values"),
            (least, usize::MAX) => format!("at least {least} values"),
            (least, most) => format!("{least} to {most} values"),
        };
        Err((format!("takes {wanted}, not {count}"), "write its values behind it".to_owned()))
    }

    pub fn exactly(self, count: usize) -> Result<Self, Wrong> {
        self.between(count, count)
    }

    pub fn get(self, index: usize) -> &'a Value {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    pub fn last(self) -> &'a Value {
        self.0.last().unwrap_or(&Value::Nil)
    }

    /// A text; other scalars are no texts, as in Go.
    pub fn text(self, index: usize) -> Result<Rc<str>, Wrong> {
        match self.get(index) {
            Value::Text(text) => Ok(Rc::clone(text)),
            other => Err(wrong(index, "a text", other)),
        }
    }

    /// The text of anything.
    pub fn shown(self, index: usize) -> Result<String, Wrong> {
        show(self.get(index))
    }

    /// A whole number; texts that are one count too, as sprig has it.
    pub fn integer(self, index: usize) -> Result<i64, Wrong> {
        numbers::to_integer(self.get(index)).ok_or_else(|| wrong(index, "a number", self.get(index)))
    }

    pub fn list(self, index: usize) -> Result<&'a [Value], Wrong> {
        match self.get(index) {
            Value::List(list) => Ok(&list.items),
            other => Err(wrong(index, "a list", other)),
        }
    }

    /// The number of characters or items; bounded, so that no call makes more than any template needs.
    pub fn count(self, index: usize) -> Result<usize, Wrong> {
        let number = self.integer(index)?;
        usize::try_from(number.max(0))
            .ok()
            .filter(|count| *count <= super::value::LONGEST)
            .ok_or_else(too_long)
    }
}

pub(super) fn show(value: &Value) -> Result<String, Wrong> {
    match value {
        Value::Nil => Ok(String::new()),
        value => value.show().ok_or_else(too_long),
    }
}

pub(super) fn wrong(index: usize, wanted: &str, found: &Value) -> Wrong {
    (
        format!("{wanted} is expected as value {}, not {}", index + 1, found.kind()),
        format!("give it {wanted}"),
    )
}

pub(super) fn too_long() -> Wrong {
    ("the value grows larger than any template needs".to_owned(), "let it repeat less".to_owned())
}

fn logic(name: &str, arguments: Arguments<'_>) -> Result<Value, Wrong> {
    let values = arguments.0;
    match name {
        "not" => arguments.exactly(1).map(|it| Value::Bool(!it.get(0).truth())),
        "and" | "or" => {
            arguments.between(1, usize::MAX)?;
            let decides = values.iter().find(|value| value.truth() == (name == "or"));
            Ok(decides.unwrap_or(arguments.last()).clone())
        }
        "eq" => {
            arguments.between(2, usize::MAX)?;
            for value in &values[1..] {
                if equal(&values[0], value)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        "ne" => {
            arguments.exactly(2).and_then(|it| equal(it.get(0), it.get(1))).map(|same| Value::Bool(!same))
        }
        "lt" | "le" | "gt" | "ge" => {
            let order = order(arguments.exactly(2)?.get(0), arguments.get(1))?;
            Ok(Value::Bool(match name {
                "lt" => order.is_some_and(|order| order.is_lt()),
                "le" => order.is_some_and(|order| order.is_le()),
                "gt" => order.is_some_and(|order| order.is_gt()),
                _ => order.is_some_and(|order| order.is_ge()),
            }))
        }
        "default" => {
            arguments.between(1, 2)?;
            Ok(if values.len() == 2 && arguments.get(1).truth() {
                arguments.get(1)
            } else {
                arguments.get(0)
            }
            .clone())
        }
        "empty" => arguments.exactly(1).map(|it| Value::Bool(!it.get(0).truth())),
        "coalesce" => Ok(values.iter().find(|value| value.truth()).cloned().unwrap_or(Value::Nil)),
        "ternary" => {
            arguments.exactly(3)?;
            Ok(if arguments.get(2).truth() { arguments.get(0) } else { arguments.get(1) }.clone())
        }
        "fail" => {
            let message = arguments.exactly(1)?.shown(0)?;
            Err((crate::error::shorten(&message), "give the value that the template asks for".to_owned()))
        }
        "kindIs" | "typeIs" => {
            let wanted = arguments.exactly(2)?.text(0)?;
            Ok(Value::Bool(*wanted == *arguments.get(1).go_kind()))
        }
        _ => arguments.exactly(1).map(|it| Value::text(it.get(0).go_kind())),
    }
}

fn differ(a: &Value, b: &Value) -> Wrong {
    let remedy = match (a, b) {
        (Value::Text(_), Value::Integer(value)) | (Value::Integer(value), Value::Text(_)) => {
            format!("values are texts: write \"{value}\"")
        }
        (Value::Text(_), Value::Bool(value)) | (Value::Bool(value), Value::Text(_)) => {
            format!("values are texts: write \"{value}\"")
        }
        _ => "compare values of one kind".to_owned(),
    };
    (format!("{} and {} cannot be compared", a.kind(), b.kind()), remedy)
}

fn equal(a: &Value, b: &Value) -> Result<bool, Wrong> {
    match (a, b) {
        (Value::Nil, other) | (other, Value::Nil) => Ok(matches!(other, Value::Nil)),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Integer(a), Value::Integer(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        (a, b) => Err(differ(a, b)),
    }
}

fn order(a: &Value, b: &Value) -> Result<Option<std::cmp::Ordering>, Wrong> {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        (a, b) => Err(differ(a, b)),
    }
}
