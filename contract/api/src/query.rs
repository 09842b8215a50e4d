//! What follows the question mark of a list: filters, order, page, include.
//!
//! An unknown filter, field or modifier is ignored without an error, because old clients send such.

use std::cmp::Ordering;

use serde_json::Value;

use crate::date::parse_date;
use crate::field_type::{FieldType, Modifier};
use crate::schema::Schema;

/// How many rows a page has unless the caller says so.
pub const DEFAULT_LIMIT: usize = 100;
/// How many rows a page has at most.
pub const MAX_LIMIT: usize = 3000;

/// One condition on one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The field.
    pub field: &'static str,
    /// How to compare.
    pub modifier: Modifier,
    /// With what.
    pub value: String,
}

/// By what to order, and which way.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// The field.
    pub field: &'static str,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// A parsed query of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// The conditions; all must hold.
    pub filters: Vec<Filter>,
    /// The order; by id when absent.
    pub sort: Option<Sort>,
    /// The size of a page.
    pub limit: usize,
    /// How many rows earlier pages held.
    pub offset: usize,
    /// The link to show in place, in its declared spelling; only the first include of a request counts.
    pub include: Option<&'static str>,
}

impl ListQuery {
    /// Reads the decoded parameters of a request.
    pub fn parse(schema: &Schema, parameters: &[(String, String)]) -> Self {
        let mut query =
            Self { filters: Vec::new(), sort: None, limit: DEFAULT_LIMIT, offset: 0, include: None };
        let known: Vec<_> = schema.filters().collect();
        let mut sort = None;
        let mut descending = false;
        let mut include_seen = false;
        for (name, value) in parameters {
            match name.as_str() {
                "limit" => {
                    query.limit = match value.parse::<i64>() {
                        Ok(limit) if limit > 0 && limit <= MAX_LIMIT as i64 => limit.unsigned_abs() as usize,
                        Ok(_) => MAX_LIMIT,
                        Err(_) => DEFAULT_LIMIT,
                    };
                }
                "marker" => {
                    query.offset = value.strip_prefix('m').and_then(|n| n.parse().ok()).unwrap_or(0);
                }
                "sort" => sort = known.iter().find(|(field, _)| field == value).map(|(field, _)| *field),
                "order" => descending = value.eq_ignore_ascii_case("desc"),
                "include" if !include_seen => {
                    include_seen = true;
                    query.include = schema.includeable_links().find(|link| link.eq_ignore_ascii_case(value));
                }
                _ => query.filters.extend(filter(&known, name, value)),
            }
        }
        query.sort = sort.map(|field| Sort { field, descending });
        query
    }

    /// Whether rows that were removed belong into the list: only when a filter names `removed` itself.
    pub fn names_removed(&self) -> bool {
        self.filters.iter().any(|filter| filter.field == "removed")
    }
}

fn filter(known: &[(&'static str, &'static [Modifier])], name: &str, value: &str) -> Option<Filter> {
    let make = |field: &str, modifier: Modifier| {
        let (field, allowed) = known.iter().find(|(known, _)| *known == field)?;
        allowed.contains(&modifier).then(|| Filter { field, modifier, value: value.to_owned() })
    };
    make(name, Modifier::Eq).or_else(|| {
        let (field, modifier) = name.rsplit_once('_')?;
        make(field, Modifier::from_name(modifier)?)
    })
}

impl Filter {
    /// Whether a field's value passes.
    pub fn matches(&self, kind: &FieldType, actual: &Value) -> bool {
        let unset = actual.is_null();
        match self.modifier {
            Modifier::Null => unset,
            Modifier::NotNull => !unset,
            // As in SQL, an unset value is neither equal nor unequal to a set one. The exception keeps `state_ne`
            // and `system_ne` useful: what is unset is certainly not that value.
            Modifier::Ne => unset || compare(kind, actual, &self.value) != Some(Ordering::Equal),
            _ if unset => false,
            Modifier::Eq => compare(kind, actual, &self.value) == Some(Ordering::Equal),
            Modifier::Lt => compare(kind, actual, &self.value) == Some(Ordering::Less),
            Modifier::Lte => {
                matches!(compare(kind, actual, &self.value), Some(Ordering::Less | Ordering::Equal))
            }
            Modifier::Gt => compare(kind, actual, &self.value) == Some(Ordering::Greater),
            Modifier::Gte => {
                matches!(compare(kind, actual, &self.value), Some(Ordering::Greater | Ordering::Equal))
            }
            Modifier::Prefix => {
                actual.as_str().is_some_and(|text| starts_with_ignoring_case(text, &self.value))
            }
            Modifier::Like => actual.as_str().is_some_and(|text| like(&self.value, text)),
            Modifier::NotLike => actual.as_str().is_some_and(|text| !like(&self.value, text)),
        }
    }
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn compare(kind: &FieldType, actual: &Value, wanted: &str) -> Option<Ordering> {
    match kind {
        FieldType::Boolean => {
            let wanted = parse_boolean(wanted)?;
            actual.as_bool().map(|actual| actual.cmp(&wanted))
        }
        FieldType::Date => {
            let wanted = parse_date(wanted)?.0;
            // A date is shown in whole seconds, so what a client saw must find its row.
            let floor = |millis: i64| millis.div_euclid(1000);
            actual.as_i64().map(|actual| floor(actual).cmp(&floor(wanted)))
        }
        FieldType::Int | FieldType::Float => match actual {
            Value::Number(actual) => actual.as_f64()?.partial_cmp(&wanted.parse().ok()?),
            // The id of a row is declared as a number and shown as text.
            Value::String(actual) => Some(compare_ids(actual, &wanted.to_ascii_lowercase())),
            _ => None,
        },
        FieldType::Reference(_) => {
            actual.as_str().map(|actual| compare_ids(actual, &wanted.to_ascii_lowercase()))
        }
        _ => actual.as_str().map(|actual| actual.cmp(wanted)),
    }
}

/// Reads a boolean as the Go, Python and shell clients write it.
pub fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "1" => Some(true),
        "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

fn compare_ids(one: &str, other: &str) -> Ordering {
    let parts = |id: &str| {
        let id = id.parse::<crate::id::ApiId>().ok()?;
        // A stack has two spellings; rows keep that of v2-beta.
        let prefix = if id.prefix == "1e" { "1st".to_owned() } else { id.prefix };
        Some((prefix, id.number))
    };
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

/// Orders two rows by the value of one field; unset comes first.
pub fn compare_values(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Value::String(one), Value::String(other)) => compare_ids(one, other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// Whether `text` matches an SQL pattern with `%` and `_`, without regard to case.
pub fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    // The usual two-pointer walk: on a mismatch go back to the last `%`, so that no pattern costs more than
    // pattern times text.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '%' {
            star = Some((p + 1, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '_' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after, from)) = star {
            p = after;
            t = from + 1;
            star = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}
