//! The values of a template.

use std::collections::BTreeMap;
use std::rc::Rc;

/// A value; cloning it is cheap.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing: a key that a map does not have.
    Nil,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
    /// The answers: a key that is absent is the empty text.
    Answers(Rc<Map>),
}

/// The items of a list, and how deep lists and maps are nested in it, itself included.
#[derive(Debug, PartialEq)]
pub(super) struct List {
    pub depth: usize,
    pub items: Vec<Value>,
}

/// The entries of a map, and how deep lists and maps are nested in it, itself included.
#[derive(Debug, PartialEq)]
pub(super) struct Map {
    pub depth: usize,
    pub entries: BTreeMap<String, Value>,
}

impl Value {
    pub fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn list(items: Vec<Value>) -> Self {
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
        Self::List(Rc::new(List { depth, items }))
    }

    pub fn map(entries: BTreeMap<String, Value>) -> Self {
        let depth = 1 + entries.values().map(Value::depth).max().unwrap_or(0);
        Self::Map(Rc::new(Map { depth, entries }))
    }

    pub fn answers<'a>(answers: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let entries =
            answers.into_iter().map(|(name, text)| (name.clone(), Self::text(text.as_str()))).collect();
        Self::Answers(Rc::new(Map { depth: 1, entries }))
    }

    /// How deep lists and maps are nested.
    pub fn depth(&self) -> usize {
        match self {
            Self::Nil | Self::Bool(_) | Self::Integer(_) | Self::Float(_) | Self::Text(_) => 0,
            Self::List(list) => list.depth,
            Self::Map(map) | Self::Answers(map) => map.depth,
        }
    }

    /// Whether `if` takes it for true.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Integer(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) | Self::Answers(map) => !map.entries.is_empty(),
        }
    }

    /// The word for what it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) => "a number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Answers(_) => "a map",
        }
    }

    /// The name of the kind, as Go calls it.
    pub fn go_kind(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Integer(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "slice",
            Self::Map(_) | Self::Answers(_) => "map",
        }
    }

    /// How much it holds, for the count of steps.
    pub fn size(&self) -> usize {
        match self {
            Self::Nil | Self::Bool(_) | Self::Integer(_) | Self::Float(_) => 1,
            Self::Text(text) => 1 + text.len() / 16,
            Self::List(list) => 1 + list.items.len(),
            Self::Map(map) | Self::Answers(map) => 1 + map.entries.len(),
        }
    }

    /// Writes it as `{{ }}` does; `None` when that is longer than any text may be.
    pub fn show(&self) -> Option<String> {
        let mut out = String::new();
        self.write(&mut out).then_some(out)
    }

    /// Adds its text; `false` when that makes the text too long.
    fn write(&self, out: &mut String) -> bool {
        use std::fmt::Write;
        match self {
            Self::Nil => out.push_str("<no value>"),
            Self::Bool(value) => drop(write!(out, "{value}")),
            Self::Integer(value) => drop(write!(out, "{value}")),
            Self::Float(value) => out.push_str(&super::format::shortest(*value)),
            Self::Text(text) => out.push_str(text),
            Self::List(list) => {
                out.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    if !item.write(out) {
                        return false;
                    }
                }
                out.push(']');
            }
            Self::Map(map) | Self::Answers(map) => {
                out.push_str("map[");
                for (index, (key, value)) in map.entries.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    let _ = write!(out, "{key}:");
                    if !value.write(out) {
                        return false;
                    }
                }
                out.push(']');
            }
        }
        out.len() <= LONGEST
    }
}

/// Bytes of one text.
pub(super) const LONGEST: usize = 1 << 20;
/// Items of one list, and entries of one map.
pub(super) const MOST: usize = 10_000;
/// Levels of lists and maps in each other.
pub(super) const DEEPEST: usize = 16;
