//! A value on its way into a type: each reading gives the typed value, or leaves a fault that names place and remedy.

use std::collections::BTreeMap;

use contract_values::Duration;
use serde_json::{Map as JsonMap, Number, Value as Json};

use crate::error::{At, Path, Report, shorten};
use crate::words;
use crate::yaml::{Map, Node, Value};

/// A value and the way to it.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub node: &'a Node,
    pub path: Path<'a>,
}

impl<'a> Field<'a> {
    pub fn new(node: &'a Node, path: Path<'a>) -> Self {
        Self { node, path }
    }

    pub fn at(&self) -> At {
        self.node.at
    }

    pub fn is_null(&self) -> bool {
        self.node.is_null()
    }

    pub fn error(&self, report: &mut Report, message: impl Into<String>, remedy: impl Into<String>) {
        report.error(self.node.at, self.path, message, remedy);
    }

    pub fn notice(&self, report: &mut Report, message: impl Into<String>) {
        report.notice(self.node.at, self.path, message);
    }

    /// Says that a key is read and has no effect.
    pub fn ignored(&self, report: &mut Report, key: &str, why: &str) {
        self.notice(report, format!("`{key}` has no effect: {why}"));
    }

    fn wrong(&self, report: &mut Report, wanted: &str, remedy: impl Into<String>) {
        self.error(report, format!("{wanted} is expected here, not {}", self.node.kind()), remedy);
    }

    /// The text of any scalar that does not say what only a text can hold.
    pub fn text(&self, report: &mut Report) -> Option<String> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.is_plain_boolean() => {
                self.wrong(report, "a text", format!("put it in quotes: \"{}\"", scalar.text));
                None
            }
            Value::Scalar(scalar) if scalar.text.contains('\0') => {
                self.error(report, "the text holds a zero byte", "remove it");
                None
            }
            Value::Scalar(scalar) => Some(scalar.text.clone()),
            Value::Null => {
                self.wrong(report, "a text", "write a text, or remove the key");
                None
            }
            Value::List(_) | Value::Map(_) => {
                self.wrong(report, "a text", "write a single text");
                None
            }
        }
    }

    /// A text that is not empty.
    pub fn filled_text(&self, report: &mut Report) -> Option<String> {
        let text = self.text(report)?;
        if text.is_empty() {
            self.error(report, "the text is empty", "write a value, or remove the key");
            return None;
        }
        Some(text)
    }

    /// A text; an empty one says nothing, as from a variable without a value.
    pub fn optional_text(&self, report: &mut Report) -> Option<String> {
        self.text(report).filter(|text| !text.is_empty())
    }

    pub fn boolean(&self, report: &mut Report) -> Option<bool> {
        let value = self.node.as_scalar().and_then(crate::yaml::Scalar::boolean);
        if value.is_none() {
            self.wrong(report, "a truth value", "write `true` or `false`");
        }
        value
    }

    pub fn integer(&self, report: &mut Report) -> Option<i64> {
        let value = self.node.as_scalar().and_then(crate::yaml::Scalar::integer);
        if value.is_none() {
            self.wrong(report, "a whole number", "write a whole number, as `3`");
        }
        value
    }

    /// A whole number between two bounds.
    pub fn integer_in(&self, report: &mut Report, low: i64, high: i64) -> Option<i64> {
        let value = self.integer(report)?;
        if (low..=high).contains(&value) {
            return Some(value);
        }
        let (message, remedy) = if high == i64::MAX || high == i64::from(u32::MAX) {
            (format!("{value} is less than {low}"), format!("write a whole number from {low} on"))
        } else {
            (
                format!("{value} is not between {low} and {high}"),
                format!("write a whole number from {low} to {high}"),
            )
        };
        self.error(report, message, remedy);
        None
    }

    /// A number from 0 on that fits 32 bits.
    pub fn count(&self, report: &mut Report) -> Option<u32> {
        self.integer_in(report, 0, i64::from(u32::MAX)).and_then(|value| u32::try_from(value).ok())
    }

    pub fn number(&self, report: &mut Report) -> Option<f64> {
        let value = self.node.as_scalar().and_then(crate::yaml::Scalar::number);
        if value.is_none() {
            self.wrong(report, "a number", "write a number, as `0.5`");
        }
        value
    }

    /// A size in bytes.
    pub fn bytes(&self, report: &mut Report) -> Option<i64> {
        let value = self.node.as_text().and_then(words::bytes);
        if value.is_none() {
            self.wrong(report, "a size", "write bytes, or a number with `k`, `m` or `g`, as `512m`");
        }
        value
    }

    /// A size in bytes, or -1 for no bound.
    pub fn bytes_or_unlimited(&self, report: &mut Report) -> Option<i64> {
        if self.node.as_text().is_some_and(|text| text.trim() == "-1") {
            Some(-1)
        } else {
            self.bytes(report)
        }
    }

    pub fn duration(&self, report: &mut Report) -> Option<Duration> {
        let value = self.node.as_text().and_then(words::duration);
        if value.is_none() {
            let number = self.node.as_scalar().and_then(crate::yaml::Scalar::integer);
            let remedy = match number {
                Some(seconds) => format!("write the unit too, as `{seconds}s`"),
                None => "write a number with its unit, as `30s` or `1m30s`".to_owned(),
            };
            self.wrong(report, "a time", remedy);
        }
        value
    }

    /// One of some words, as they are written.
    pub fn word<T: Copy>(&self, report: &mut Report, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(report)?;
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            if report.is_full() {
                report.overflow();
                return None;
            }
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            self.error(
                report,
                format!("`{}` is not known here", shorten(&text)),
                words::did_you_mean(&text, &words),
            );
        }
        found
    }

    /// The entries of a map, without those that begin with `x-`; an empty value has none.
    pub fn entries(&'a self, report: &mut Report) -> impl Iterator<Item = (&'a str, At, Field<'a>)> {
        let map: Option<&Map> = match &self.node.value {
            Value::Map(map) => Some(map),
            Value::Null => None,
            Value::Scalar(_) | Value::List(_) => {
                self.wrong(report, "a map", "write `key: value` lines below the key");
                None
            }
        };
        map.into_iter()
            .flatten()
            .filter(|(key, _)| !key.starts_with("x-"))
            .map(|(key, entry)| (key.as_str(), entry.at, Field::new(&entry.node, self.path.key(key))))
    }

    /// The items of a list; an empty value has none.
    pub fn items(&'a self, report: &mut Report) -> impl Iterator<Item = Field<'a>> {
        let items: &[Node] = match &self.node.value {
            Value::List(items) => items,
            Value::Null => &[],
            Value::Scalar(_) | Value::Map(_) => {
                self.wrong(report, "a list", "write the items below the key, each after a `- `");
                &[]
            }
        };
        items.iter().enumerate().map(|(index, node)| Field::new(node, self.path.index(index)))
    }

    /// The items of a list, or a single value as its only item.
    pub fn one_or_more(&'a self, report: &mut Report) -> Vec<Field<'a>> {
        match &self.node.value {
            Value::Scalar(_) => vec![*self],
            Value::Null | Value::List(_) | Value::Map(_) => self.items(report).collect(),
        }
    }

    pub fn texts(&self, report: &mut Report) -> Vec<String> {
        let items: Vec<_> = self.items(report).collect();
        items.into_iter().filter_map(|item| item.text(report)).collect()
    }

    pub fn one_or_more_texts(&self, report: &mut Report) -> Vec<String> {
        self.one_or_more(report).into_iter().filter_map(|item| item.text(report)).collect()
    }

    /// A command: a text is split as a shell does, a list is taken as it is; empty clears that of the image.
    pub fn command(&self, report: &mut Report) -> Option<Vec<String>> {
        match &self.node.value {
            Value::Null => None,
            Value::List(_) => Some(self.texts(report)),
            Value::Scalar(_) | Value::Map(_) => {
                let text = self.text(report)?;
                match words::split(&text) {
                    Ok(words) => Some(words),
                    Err(words::SplitError::Quote(quote)) => {
                        self.error(
                            report,
                            format!("the command opens a quote ({quote}) that is never closed"),
                            "close it, or write the command as a list of words",
                        );
                        None
                    }
                    Err(words::SplitError::Backslash) => {
                        self.error(
                            report,
                            "the command ends with a `\\`",
                            "remove it, or write the command as a list",
                        );
                        None
                    }
                }
            }
        }
    }

    /// A map of scalars, or a list of `key=value`; the value is `None` where only a key stands.
    ///
    /// Truth values become `true` and `false`; `old_words` makes that of `yes`, `no`, `on` and `off` too.
    pub fn pairs(&self, report: &mut Report, old_words: bool) -> Vec<(String, Option<String>, Field<'a>)> {
        let mut pairs = Vec::new();
        match &self.node.value {
            Value::Map(map) => {
                for (key, entry) in map {
                    let field = Field { node: &entry.node, path: self.path };
                    match &entry.node.value {
                        Value::Null => pairs.push((key.clone(), None, field)),
                        Value::Scalar(scalar) => {
                            let word = match scalar.boolean() {
                                Some(value)
                                    if scalar.is_plain_boolean()
                                        || (old_words && scalar.plain && scalar.text.len() > 1) =>
                                {
                                    value.to_string()
                                }
                                _ => scalar.text.clone(),
                            };
                            pairs.push((key.clone(), Some(word), field));
                        }
                        Value::List(_) | Value::Map(_) => {
                            Field::new(&entry.node, self.path.key(key)).wrong(
                                report,
                                "a text",
                                "write a single text, a number or a truth value",
                            );
                        }
                    }
                }
            }
            Value::List(items) => {
                for (index, node) in items.iter().enumerate() {
                    let Some(text) = Field::new(node, self.path.index(index)).text(report) else { continue };
                    let field = Field { node, path: self.path };
                    match text.split_once('=') {
                        Some((key, value)) => pairs.push((key.to_owned(), Some(value.to_owned()), field)),
                        None => pairs.push((text, None, field)),
                    }
                }
            }
            Value::Null => {}
            Value::Scalar(_) => {
                self.wrong(report, "a map or a list", "write `key: value` lines, or `- key=value` items");
            }
        }
        pairs
    }

    /// The same as a sorted map, an absent value being the empty text; a later pair wins.
    pub fn text_map(&self, report: &mut Report, old_words: bool) -> BTreeMap<String, String> {
        self.pairs(report, old_words)
            .into_iter()
            .map(|(key, value, _)| (key, value.unwrap_or_default()))
            .collect()
    }

    /// The value as data, numbers and truth values as such.
    pub fn json(&self) -> Json {
        to_json(self.node)
    }

    /// The entries as data.
    pub fn json_map(&self, report: &mut Report) -> JsonMap<String, Json> {
        match self.json() {
            Json::Object(map) => map,
            Json::Null => JsonMap::new(),
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                self.wrong(report, "a map", "write `key: value` lines below the key");
                JsonMap::new()
            }
        }
    }
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) if !scalar.plain => Json::String(scalar.text.clone()),
        Value::Scalar(scalar) => {
            if scalar.is_plain_boolean() {
                return Json::Bool(scalar.boolean() == Some(true));
            }
            let number =
                scalar.integer().map(Number::from).or_else(|| scalar.number().and_then(Number::from_f64));
            number.map_or_else(|| Json::String(scalar.text.clone()), Json::Number)
        }
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(key, entry)| (key.clone(), to_json(&entry.node))).collect())
        }
    }
}

/// Turns texts that are whole numbers into numbers, as platform keys need it.
pub(crate) fn numbers_from_text(value: &mut Json) {
    match value {
        Json::String(text) => {
            if let Ok(number) = text.parse::<i64>() {
                *value = Json::from(number);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(numbers_from_text),
        Json::Object(map) => map.iter_mut().for_each(|(_, value)| numbers_from_text(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
