//! What the second file of a catalog entry says about the entry: its versions and its questions.
//!
//! The answers become variables of the compose files. Keys that nobody knows are left alone here: entries are written
//! for many programs.

use std::collections::BTreeMap;

use crate::error::{ComposeErrors, Path, Report, shorten};
use crate::field::Field;
use crate::input::{Limits, SourceFile};
use crate::words;
use crate::yaml::{self, Node, Value};

/// A catalog entry in one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is.
    pub description: String,
    /// Its id.
    pub uuid: String,
    /// Who keeps it.
    pub maintainer: String,
    /// The first version of the server that it fits.
    pub minimum_rancher_version: String,
    /// The last one.
    pub maximum_rancher_version: String,
    /// The versions that may be upgraded to this one, as a range.
    pub upgrade_from: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What is asked before it is deployed.
    pub questions: Vec<CatalogQuestion>,
}

impl CatalogEntry {
    /// The answers of somebody who changes nothing.
    pub fn default_answers(&self) -> BTreeMap<String, String> {
        self.questions.iter().map(|question| (question.variable.clone(), question.default.clone())).collect()
    }
}

/// A question of a catalog entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogQuestion {
    /// The variable that the answer becomes.
    pub variable: String,
    /// The question.
    pub label: String,
    /// What it is about.
    pub description: String,
    /// `string`, `multiline`, `password`, `int`, `boolean`, `enum`, `service`, `certificate` or `secret`.
    pub kind: String,
    /// Whether it must be answered.
    pub required: bool,
    /// The answer that is proposed.
    pub default: String,
    /// The answers to choose from.
    pub options: Vec<String>,
    /// The heading that it stands under.
    pub group: String,
    /// The least number.
    pub min: Option<i64>,
    /// The greatest number.
    pub max: Option<i64>,
    /// The least number of characters.
    pub min_length: Option<i64>,
    /// The greatest number of characters.
    pub max_length: Option<i64>,
    /// The characters that may stand in it.
    pub valid_chars: String,
    /// The characters that may not.
    pub invalid_chars: String,
}

impl CatalogQuestion {
    /// Checks an answer; gives what is wrong with it.
    ///
    /// # Errors
    /// Says in words what an answer must be.
    pub fn check(&self, answer: &str) -> Result<(), String> {
        if answer.is_empty() {
            return if self.required { Err("an answer is needed".to_owned()) } else { Ok(()) };
        }
        let length = i64::try_from(answer.chars().count()).unwrap_or(i64::MAX);
        if self.min_length.is_some_and(|least| length < least) {
            return Err(format!("it needs at least {} characters", self.min_length.unwrap_or_default()));
        }
        if self.max_length.is_some_and(|most| length > most) {
            return Err(format!("it may have at most {} characters", self.max_length.unwrap_or_default()));
        }
        if let Some(odd) = answer.chars().find(|c| {
            (!self.valid_chars.is_empty() && !self.valid_chars.contains(*c))
                || self.invalid_chars.contains(*c)
        }) {
            return Err(format!("it may not hold `{odd}`"));
        }
        match self.kind.as_str() {
            "int" => {
                let number: i64 = answer.parse().map_err(|_| "it must be a whole number".to_owned())?;
                if self.min.is_some_and(|least| number < least) {
                    return Err(format!("it must be at least {}", self.min.unwrap_or_default()));
                }
                if self.max.is_some_and(|most| number > most) {
                    return Err(format!("it may be at most {}", self.max.unwrap_or_default()));
                }
                Ok(())
            }
            "boolean" if !matches!(answer, "true" | "false") => {
                Err("it must be `true` or `false`".to_owned())
            }
            "enum" if !self.options.iter().any(|option| option == answer) => {
                let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
                Err(words::one_of(&options))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the section of a `rancher-compose.yml` that describes a catalog entry; `None` where it has none.
///
/// # Errors
/// Returns what is wrong with it, with its place.
pub fn read_catalog(file: &SourceFile) -> Result<Option<CatalogEntry>, ComposeErrors> {
    let limits = Limits::default();
    let mut report = Report::new(limits.errors);
    let number = report.add_file(&file.name);
    let root = yaml::parse(number, &file.text, &limits, &mut report);
    let found = root.as_ref().and_then(|root| {
        let top = [".catalog", "catalog"].iter().find_map(|key| root.get(key).map(|node| (*key, node)));
        top.or_else(|| Some((".catalog", root.get("services")?.get(".catalog")?)))
    });
    let entry = found.map(|(key, node)| entry(node, Path::Key(&Path::Root, key), &mut report));
    report.settle_doubles(true);
    report.finish().map(|_| entry)
}

fn entry(node: &Node, path: Path<'_>, report: &mut Report) -> CatalogEntry {
    let mut entry = CatalogEntry::default();
    let field = Field::new(node, path);
    let entries: Vec<_> = field.entries(report).collect();
    for (key, _, value) in entries.iter().filter(|(_, _, value)| !value.is_null()) {
        let slot = match *key {
            "name" => &mut entry.name,
            "version" => &mut entry.version,
            "description" => &mut entry.description,
            "uuid" => &mut entry.uuid,
            "maintainer" => &mut entry.maintainer,
            "minimum_rancher_version" => &mut entry.minimum_rancher_version,
            "maximum_rancher_version" => &mut entry.maximum_rancher_version,
            "upgrade_from" => &mut entry.upgrade_from,
            "labels" => {
                entry.labels = value.text_map(report, true);
                continue;
            }
            "questions" => {
                for item in value.items(report).collect::<Vec<_>>() {
                    entry.questions.extend(question(&item, report));
                }
                continue;
            }
            _ => continue,
        };
        *slot = plain(value, report);
    }
    entry
}

/// The text of any scalar: numbers and truth values as they are written.
fn plain(field: &Field<'_>, report: &mut Report) -> String {
    match &field.node.value {
        Value::Null => String::new(),
        Value::Scalar(scalar) if scalar.is_plain_boolean() => (scalar.boolean() == Some(true)).to_string(),
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::List(_) | Value::Map(_) => field.text(report).unwrap_or_default(),
    }
}

fn question(field: &Field<'_>, report: &mut Report) -> Option<CatalogQuestion> {
    const KINDS: &[&str] =
        &["string", "multiline", "password", "int", "boolean", "enum", "service", "certificate", "secret"];
    let mut question = CatalogQuestion { kind: "string".to_owned(), ..CatalogQuestion::default() };
    let entries: Vec<_> = field.entries(report).collect();
    for (key, _, value) in entries.iter().filter(|(_, _, value)| !value.is_null()) {
        let slot = match *key {
            "variable" => &mut question.variable,
            "label" => &mut question.label,
            "description" => &mut question.description,
            "type" => &mut question.kind,
            "default" => &mut question.default,
            "group" => &mut question.group,
            "valid_chars" => &mut question.valid_chars,
            "invalid_chars" => &mut question.invalid_chars,
            "required" => {
                question.required = value.boolean(report) == Some(true);
                continue;
            }
            "options" => {
                let items: Vec<_> = value.items(report).collect();
                question.options = items.iter().map(|item| plain(item, report)).collect();
                continue;
            }
            "min" => {
                question.min = value.integer(report);
                continue;
            }
            "max" => {
                question.max = value.integer(report);
                continue;
            }
            "min_length" => {
                question.min_length = value.integer(report);
                continue;
            }
            "max_length" => {
                question.max_length = value.integer(report);
                continue;
            }
            _ => continue,
        };
        *slot = plain(value, report);
    }
    if question.variable.is_empty() {
        field.error(
            report,
            "the question has no `variable`",
            "add `variable: NAME`, which the answer becomes",
        );
        return None;
    }
    if !KINDS.contains(&question.kind.as_str()) {
        let message = format!("`{}` is no type of a question", shorten(&question.kind));
        field.error(report, message, words::did_you_mean(&question.kind, KINDS));
    }
    Some(question)
}

#[cfg(test)]
mod tests;
