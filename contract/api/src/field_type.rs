//! The small language of field types: `string`, `map[T]`, `array[T]`, `reference[x]`, or the name of a schema.

use std::fmt;
use std::str::FromStr;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// Text that a form hides while it is typed.
    Masked,
    /// Text that is not echoed.
    Password,
    /// A 64-bit number.
    Int,
    /// A number.
    Float,
    /// True or false.
    Boolean,
    /// A point in time.
    Date,
    /// One of the options of the field.
    Enum,
    /// Long text.
    Blob,
    /// Text in base64.
    Base64,
    /// Any JSON value.
    Json,
    /// An object with values of one type.
    Map(Box<FieldType>),
    /// A list of one type.
    Array(Box<FieldType>),
    /// The id of an object of a type.
    Reference(String),
    /// An object of a schema.
    Schema(String),
}

/// A text that is no field type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a field type")]
pub struct FieldTypeError(String);

impl FromStr for FieldType {
    type Err = FieldTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |prefix: &str| text.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']');
        Ok(match text {
            "string" => Self::String,
            "masked" => Self::Masked,
            "password" => Self::Password,
            "int" => Self::Int,
            "float" => Self::Float,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "enum" => Self::Enum,
            "blob" => Self::Blob,
            "base64" => Self::Base64,
            "json" => Self::Json,
            _ => {
                if let Some(item) = inner("map") {
                    Self::Map(Box::new(item.parse()?))
                } else if let Some(item) = inner("array") {
                    Self::Array(Box::new(item.parse()?))
                } else if let Some(target) = inner("reference") {
                    Self::Reference(checked_name(target)?)
                } else {
                    Self::Schema(checked_name(text)?)
                }
            }
        })
    }
}

fn checked_name(text: &str) -> Result<String, FieldTypeError> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err(FieldTypeError(text.to_owned()))
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::Masked => f.write_str("masked"),
            Self::Password => f.write_str("password"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::Enum => f.write_str("enum"),
            Self::Blob => f.write_str("blob"),
            Self::Base64 => f.write_str("base64"),
            Self::Json => f.write_str("json"),
            Self::Map(item) => write!(f, "map[{item}]"),
            Self::Array(item) => write!(f, "array[{item}]"),
            Self::Reference(target) => write!(f, "reference[{target}]"),
            Self::Schema(name) => f.write_str(name),
        }
    }
}

impl FieldType {
    /// The filter modifiers that a column of this type allows, in the order in which they are published.
    pub const fn modifiers(&self) -> &'static [Modifier] {
        use Modifier::{Eq, Gt, Gte, Like, Lt, Lte, Ne, NotLike, NotNull, Null, Prefix};
        match self {
            Self::String | Self::Masked | Self::Password | Self::Blob | Self::Base64 => {
                &[Eq, Ne, Prefix, Like, NotLike, Null, NotNull]
            }
            Self::Int | Self::Float | Self::Date => &[Eq, Ne, Lt, Lte, Gt, Gte, Null, NotNull],
            Self::Enum
            | Self::Boolean
            | Self::Reference(_)
            | Self::Json
            | Self::Map(_)
            | Self::Array(_)
            | Self::Schema(_) => &[Eq, Ne, Null, NotNull],
        }
    }
}

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modifier {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Begins with.
    Prefix,
    /// Matches an SQL pattern.
    Like,
    /// Does not match an SQL pattern.
    NotLike,
    /// Is unset.
    Null,
    /// Is set.
    NotNull,
}

impl Modifier {
    /// The suffix in a query parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Prefix => "prefix",
            Self::Like => "like",
            Self::NotLike => "notlike",
            Self::Null => "null",
            Self::NotNull => "notnull",
        }
    }

    /// Finds a modifier by its suffix.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Eq,
            Self::Ne,
            Self::Lt,
            Self::Lte,
            Self::Gt,
            Self::Gte,
            Self::Prefix,
            Self::Like,
            Self::NotLike,
            Self::Null,
            Self::NotNull,
        ]
        .into_iter()
        .find(|modifier| modifier.name() == name)
    }
}
