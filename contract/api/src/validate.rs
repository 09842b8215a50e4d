//! Checks an input object against a schema: the rules that hold for every type.
//!
//! What the role may not write, and what no schema knows, is dropped without an error, because clients post whole
//! resources back. The first field that breaks a rule, in the order of the schema, is reported.

use serde_json::{Map, Number, Value};

use crate::declaration::Field;
use crate::error::{ErrorCode, Invalid};
use crate::field_type::FieldType;
use crate::id::ApiId;
use crate::query::parse_boolean;
use crate::resource::canonical_field;
use crate::schema::{FieldRights, Schema, Schemas};

/// What the input is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new object: defaults are filled in, `null` counts as not given.
    Create,
    /// A change: only what is given is checked, `null` clears a nullable field.
    Update,
}

/// Checks the input of a create or an update and returns what is left of it, in the words of `v2-beta`.
///
/// # Errors
/// Returns the first rule that is broken, with the field and what would be right.
pub fn validate(
    schemas: &Schemas,
    schema: &Schema,
    purpose: Purpose,
    input: &Map<String, Value>,
) -> Result<Map<String, Value>, Invalid> {
    check_object(schemas, schema, purpose, input, "", 0)
}

/// Checks the input of an action. Everything that the input's schema names may be given.
///
/// # Errors
/// Returns the first rule that is broken.
pub fn validate_input(
    schemas: &Schemas,
    schema: &Schema,
    input: &Map<String, Value>,
) -> Result<Map<String, Value>, Invalid> {
    check_object(schemas, schema, Purpose::Create, input, "", 0)
}

/// Bodies may nest schemas, but not for ever: the deepest real one is a service's upgrade at four.
const MAX_DEPTH: usize = 16;

fn check_object(
    schemas: &Schemas,
    schema: &Schema,
    purpose: Purpose,
    input: &Map<String, Value>,
    path: &str,
    depth: usize,
) -> Result<Map<String, Value>, Invalid> {
    if depth > MAX_DEPTH {
        return Err(Invalid::field(ErrorCode::InvalidFormat, path, "the body nests too deeply"));
    }
    let mut output = Map::new();
    for (name, field, rights) in &schema.fields {
        let writable = may_write(purpose, *rights);
        let given = input.get(*name).filter(|_| writable);
        let place = Place { name, path };
        let checked = match (purpose, given) {
            (_, Some(value)) if !value.is_null() => Some(check_value(schemas, field, value, &place, depth)?),
            (Purpose::Update, Some(_)) => Some(cleared(field, &place)?),
            (Purpose::Update, None) => None,
            (Purpose::Create, _) => {
                if field.required && writable && field.default.is_none() {
                    return Err(place.invalid(
                        ErrorCode::MissingRequired,
                        &format!("is missing; give a value of type {}", field.kind),
                    ));
                }
                field.default.clone()
            }
        };
        if let Some(value) = checked {
            output.insert(canonical_field(name).to_owned(), value);
        }
    }
    // In v1 a stack may be named by its new word too; the old one wins.
    if schemas.version == crate::Version::V1
        && !output.contains_key("stackId")
        && schema.field("environmentId").is_some_and(|(_, rights)| may_write(purpose, rights))
        && let Some(Value::String(id)) = input.get("stackId")
    {
        output.insert("stackId".to_owned(), id.clone().into());
    }
    Ok(output)
}

fn may_write(purpose: Purpose, rights: FieldRights) -> bool {
    match purpose {
        Purpose::Create => rights.create,
        Purpose::Update => rights.update,
    }
}

struct Place<'a> {
    name: &'a str,
    path: &'a str,
}

impl Place<'_> {
    fn full(&self) -> String {
        if self.path.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.path, self.name) }
    }

    fn invalid(&self, code: ErrorCode, what: &str) -> Invalid {
        Invalid::field(code, self.name, format!("`{}` {what}", self.full()))
    }
}

fn cleared(field: &Field, place: &Place<'_>) -> Result<Value, Invalid> {
    // Go clients write null for an empty list or map, so that means empty and no error.
    match &field.kind {
        _ if field.nullable => Ok(Value::Null),
        FieldType::Array(_) => Ok(Value::Array(Vec::new())),
        FieldType::Map(_) => Ok(Value::Object(Map::new())),
        FieldType::Schema(_) | FieldType::Json => Ok(Value::Null),
        _ => Err(place.invalid(ErrorCode::NotNullable, "cannot be null; leave it out to keep its value")),
    }
}

fn check_value(
    schemas: &Schemas,
    field: &Field,
    value: &Value,
    place: &Place<'_>,
    depth: usize,
) -> Result<Value, Invalid> {
    let value = convert(schemas, field, &field.kind, value, place, depth)?;
    check_limits(field, &value, place)?;
    Ok(value)
}

fn convert(
    schemas: &Schemas,
    field: &Field,
    kind: &FieldType,
    value: &Value,
    place: &Place<'_>,
    depth: usize,
) -> Result<Value, Invalid> {
    let wrong = |wanted: &str| {
        place.invalid(ErrorCode::InvalidFormat, &format!("is {}; {wanted} is wanted", describe(value)))
    };
    match kind {
        FieldType::String | FieldType::Masked | FieldType::Password | FieldType::Blob | FieldType::Base64 => {
            text_of(value).map(Value::String).ok_or_else(|| wrong("text"))
        }
        FieldType::Int => int_of(value).map(Value::from).ok_or_else(|| wrong("a whole number")),
        FieldType::Float => match value {
            Value::Number(_) => Ok(value.clone()),
            Value::String(text) => text
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .map(Value::Number)
                .ok_or_else(|| wrong("a number")),
            _ => Err(wrong("a number")),
        },
        FieldType::Boolean => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::String(text) => parse_boolean(text).map(Value::Bool).ok_or_else(|| wrong("true or false")),
            _ => Err(wrong("true or false")),
        },
        FieldType::Date => {
            let date = match value {
                Value::Number(number) => number.as_i64(),
                Value::String(text) => crate::date::parse_date(text).map(|at| at.0),
                _ => None,
            };
            date.map(Value::from).ok_or_else(|| {
                place.invalid(
                    ErrorCode::InvalidDateFormat,
                    "is no date; write it as 2026-01-31T12:00:00Z or in milliseconds since 1970",
                )
            })
        }
        FieldType::Enum => {
            let text = text_of(value).ok_or_else(|| wrong("text"))?;
            if field.options.is_empty() || field.options.contains(&text) {
                return Ok(text.into());
            }
            let known = field.options.join(", ");
            Err(place.invalid(ErrorCode::InvalidOption, &format!("is `{}`; it may be {known}", short(&text))))
        }
        FieldType::Json => Ok(value.clone()),
        FieldType::Array(item) => {
            let Value::Array(values) = value else { return Err(wrong("a list")) };
            if values.is_empty() && field.required {
                return Err(place.invalid(ErrorCode::MissingRequired, "is empty; give at least one"));
            }
            values
                .iter()
                .filter(|value| !value.is_null())
                .map(|value| convert(schemas, field, item, value, place, depth))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array)
        }
        FieldType::Map(item) => {
            let Value::Object(values) = value else { return Err(wrong("an object")) };
            let mut output = Map::new();
            for (key, value) in values {
                let value = match value {
                    // A map of text keeps a key without a value: that is how `environment: {A: null}` says
                    // «take it from the host», and nothing else could.
                    Value::Null => Value::Null,
                    value => convert(schemas, field, item, value, place, depth)?,
                };
                output.insert(key.clone(), value);
            }
            Ok(Value::Object(output))
        }
        FieldType::Reference(target) => {
            let text = text_of(value).ok_or_else(|| wrong("an id"))?;
            if schemas.find(target).is_some_and(|schema| schema.declaration.id_prefix.is_empty()) {
                return Ok(text.into());
            }
            match text.parse::<ApiId>() {
                Ok(id) if id.prefix == "1e" && target == "environment" => {
                    Ok(format!("1st{}", id.number).into())
                }
                Ok(id) => Ok(id.to_string().into()),
                Err(_) => Err(place.invalid(
                    ErrorCode::InvalidReference,
                    &format!("is `{}`, which is no id of the form 1h7", short(&text)),
                )),
            }
        }
        FieldType::Schema(name) => {
            let Value::Object(members) = value else {
                return Err(wrong(&format!("an object of type {name}")));
            };
            let Some(schema) = schemas.find(name) else { return Ok(value.clone()) };
            check_nested(schemas, schema, members, &place.full(), depth + 1).map(Value::Object)
        }
    }
}

/// A nested object has no life of its own: whatever its schema names and the role can write may be given, and a
/// value schema that names no writable field takes all of its fields.
fn check_nested(
    schemas: &Schemas,
    schema: &Schema,
    input: &Map<String, Value>,
    path: &str,
    depth: usize,
) -> Result<Map<String, Value>, Invalid> {
    let mut output = check_object(schemas, schema, Purpose::Create, input, path, depth)?;
    // Defaults of an instance's life (kind, version, state) are no part of what a person wrote.
    output.retain(|name, _| {
        input.contains_key(name) || schema.field(name).is_none_or(|(_, rights)| rights.create)
    });
    Ok(output)
}

fn check_limits(field: &Field, value: &Value, place: &Place<'_>) -> Result<(), Invalid> {
    match value {
        Value::String(text) => check_text(field, text, place),
        Value::Number(number) => {
            let Some(number) = number.as_i64() else { return Ok(()) };
            if let Some(min) = field.min.filter(|min| number < *min) {
                return Err(place.invalid(
                    ErrorCode::MinLimitExceeded,
                    &format!("is {number}; the smallest value is {min}"),
                ));
            }
            if let Some(max) = field.max.filter(|max| number > *max) {
                return Err(place.invalid(
                    ErrorCode::MaxLimitExceeded,
                    &format!("is {number}; the greatest value is {max}"),
                ));
            }
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(|value| match value {
            Value::String(text) => check_text(field, text, place),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

fn check_text(field: &Field, text: &str, place: &Place<'_>) -> Result<(), Invalid> {
    if matches!(field.kind, FieldType::Reference(_) | FieldType::Enum) {
        return Ok(());
    }
    let length = text.chars().count() as u64;
    if let Some(min) = field.min_length.filter(|min| length < *min) {
        let what = format!("has {length} characters; it needs at least {min}");
        return Err(place.invalid(ErrorCode::MinLengthExceeded, &what));
    }
    if let Some(max) = field.max_length.filter(|max| length > *max) {
        let what = format!("has {length} characters; it may have at most {max}");
        return Err(place.invalid(ErrorCode::MaxLengthExceeded, &what));
    }
    if let Some(class) = &field.valid_chars
        && let Some(found) = text.chars().find(|c| !in_class(class, *c))
    {
        let what = format!("holds `{found}`; only the characters {class} are allowed");
        return Err(place.invalid(ErrorCode::InvalidCharacters, &what));
    }
    if let Some(class) = &field.invalid_chars
        && let Some(found) = text.chars().find(|c| in_class(class, *c))
    {
        return Err(place.invalid(ErrorCode::InvalidCharacters, &format!("may not hold `{found}`")));
    }
    Ok(())
}

/// Whether a character is in a class written as `a-zA-Z0-9._-`.
fn in_class(class: &str, wanted: char) -> bool {
    let class: Vec<char> = class.chars().collect();
    let mut at = 0;
    while at < class.len() {
        if at + 2 < class.len() && class[at + 1] == '-' {
            if (class[at]..=class[at + 2]).contains(&wanted) {
                return true;
            }
            at += 3;
        } else {
            if class[at] == wanted {
                return true;
            }
            at += 1;
        }
    }
    false
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn int_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            // Python and JavaScript write 3.0 where they mean 3.
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text `{}`", short(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    let mut start: String = text.chars().take(57).collect();
    start.push_str("...");
    start
}
