//! A document as a tree whose every key and value knows its place.
//!
//! Scalars stay the text that was written: whether `8080`, `yes` or `1.10` is a number, a truth value or a text is
//! for the reader of the key to say. So no image tag loses its last zero, and `restart: no` means what it says.

mod parse;

use indexmap::IndexMap;

use crate::error::At;

pub(crate) use parse::parse;

/// A value and its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub at: At,
    pub value: Value,
    pub tag: MergeTag,
}

/// What a later file says about the value of an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MergeTag {
    /// Merge by the usual rules.
    #[default]
    None,
    /// `!reset`: drop the key.
    Reset,
    /// `!override`: take this instead.
    Override,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Value {
    #[default]
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
}

/// The text of a scalar, and whether it stood without quotes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scalar {
    pub text: String,
    pub plain: bool,
}

pub(crate) type Map = IndexMap<String, Entry>;

/// The value of a key and the place of the key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub at: At,
    pub node: Node,
}

impl Node {
    pub fn text(at: At, text: impl Into<String>) -> Self {
        let value = Value::Scalar(Scalar { text: text.into(), plain: false });
        Self { at, value, tag: MergeTag::None }
    }

    pub fn list(at: At, items: Vec<Node>) -> Self {
        Self { at, value: Value::List(items), tag: MergeTag::None }
    }

    pub fn map(at: At, map: Map) -> Self {
        Self { at, value: Value::Map(map), tag: MergeTag::None }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            Value::Null | Value::Scalar(_) | Value::List(_) => None,
        }
    }

    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text of a scalar, whatever it may stand for.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key).map(|entry| &entry.node)
    }

    /// The word for what it is, for error messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "empty",
            Value::Scalar(scalar) => scalar.kind(),
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// How many keys and values, and bytes of text, it holds.
    pub fn size(&self) -> (usize, usize) {
        match &self.value {
            Value::Null => (1, 0),
            Value::Scalar(scalar) => (1, scalar.text.len()),
            Value::List(items) => items.iter().map(Node::size).fold((1, 0), add),
            Value::Map(map) => {
                map.iter().map(|(key, entry)| add(entry.node.size(), (1, key.len()))).fold((1, 0), add)
            }
        }
    }
}

fn add(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    (a.0.saturating_add(b.0), a.1.saturating_add(b.1))
}

impl Scalar {
    /// Reads a truth value in any spelling that YAML ever had.
    pub fn boolean(&self) -> Option<bool> {
        let text = self.text.as_str();
        let is = |words: &[&str]| {
            words.iter().any(|word| {
                let capital = word.chars().next().is_some_and(|c| text.starts_with(c.to_ascii_uppercase()));
                text == *word
                    || text == word.to_ascii_uppercase()
                    || (capital && text.get(1..) == word.get(1..))
            })
        };
        if is(&["true", "yes", "on", "y"]) {
            Some(true)
        } else if is(&["false", "no", "off", "n"]) {
            Some(false)
        } else {
            None
        }
    }

    /// Whether it stands without quotes and is a truth value of YAML 1.2.
    pub fn is_plain_boolean(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
    }

    /// Reads a whole number: decimal, `0x…`, `0o…` or `0b…`, with `_` between digits.
    pub fn integer(&self) -> Option<i64> {
        let text = self.text.trim();
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if !digits.as_bytes().first()?.is_ascii_digit() {
            return None;
        }
        let (base, digits) = match digits.get(..2) {
            Some("0x" | "0X") => (16, &digits[2..]),
            Some("0o" | "0O") => (8, &digits[2..]),
            Some("0b" | "0B") => (2, &digits[2..]),
            _ => (10, digits),
        };
        let clean: String = digits.chars().filter(|c| *c != '_').collect();
        if clean.starts_with(['+', '-']) {
            return None;
        }
        let value = i128::from_str_radix(&clean, base).ok()?;
        i64::try_from(if negative { -value } else { value }).ok()
    }

    /// Reads a finite number.
    pub fn number(&self) -> Option<f64> {
        if let Some(value) = self.integer() {
            #[expect(clippy::cast_precision_loss, reason = "limits and weights are far below 2^52")]
            return Some(value as f64);
        }
        let text = self.text.trim();
        let starts =
            text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
        text.parse::<f64>().ok().filter(|value| starts && value.is_finite())
    }

    fn kind(&self) -> &'static str {
        if !self.plain {
            "text"
        } else if self.is_plain_boolean() {
            "a truth value"
        } else if self.number().is_some() {
            "a number"
        } else {
            "text"
        }
    }
}

#[cfg(test)]
mod tests;
