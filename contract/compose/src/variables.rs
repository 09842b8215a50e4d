//! Files that hold variables: `.env` and `env_file` as Docker reads them, and the variable files of the old CLI.

use std::collections::BTreeMap;

use crate::error::{At, ComposeErrors, Path, Report, shorten};
use crate::input::{Limits, SourceFile};
use crate::interpolate::{Variables, expand, report_fault};
use crate::yaml::{self, Value};

// The line itself is not repeated: it may be the rest of a secret of several lines.
const NO_NAME: &str = "the line does not begin with the name of a variable";

/// One line of such a file: the name, and the value unless the line has none.
pub(crate) type Pair = (String, Option<String>);

/// Reads `NAME=value` lines with quotes, escapes, comments and variables, as Docker Compose does.
pub(crate) fn dotenv(file: u16, text: &str, variables: &Variables<'_>, report: &mut Report) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    let mut lines = text.trim_start_matches('\u{feff}').split('\n').enumerate();
    while let Some((number, line)) = lines.next() {
        let at = At { file, line: u32::try_from(number + 1).unwrap_or(u32::MAX), column: 1 };
        let line = line.trim_end_matches('\r');
        let bare = line.trim_start();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let bare = bare.strip_prefix("export ").unwrap_or(bare).trim_start();
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (bare.trim_end(), None),
        };
        if !is_name(name) {
            report.error(
                at,
                Path::Root,
                NO_NAME,
                "write one `NAME=value` per line, and quotes around a value of several lines; a comment begins with `#`",
            );
            continue;
        }
        let Some(value) = value else {
            pairs.push((name.to_owned(), None));
            continue;
        };
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = match quote {
            None => {
                let end = value
                    .match_indices('#')
                    .map(|(i, _)| i)
                    .find(|i| *i == 0 || value[..*i].ends_with([' ', '\t']));
                substitute(value[..end.unwrap_or(value.len())].trim_end(), variables, &own, at, report)
            }
            Some(quote) => {
                // A quoted value may go over several lines.
                let mut raw = value[1..].to_owned();
                let mut end = closing(&raw, quote);
                while end.is_none() {
                    let Some((_, more)) = lines.next() else { break };
                    raw.push('\n');
                    raw.push_str(more.trim_end_matches('\r'));
                    end = closing(&raw, quote);
                }
                let Some(end) = end else {
                    report.error(
                        at,
                        Path::Root,
                        format!("the value of `{}` opens a quote that is never closed", shorten(name)),
                        "close it with the same quote",
                    );
                    break;
                };
                let after = raw[end + 1..].trim();
                if !after.is_empty() && !after.starts_with('#') {
                    report.error(
                        at,
                        Path::Root,
                        format!("text follows the quoted value of `{}`", shorten(name)),
                        "put the whole value in one pair of quotes",
                    );
                    continue;
                }
                if quote == '\'' {
                    raw[..end].to_owned()
                } else {
                    substitute(&unescape(&raw[..end]), variables, &own, at, report)
                }
            }
        };
        own.insert(name.to_owned(), value.clone());
        pairs.push((name.to_owned(), Some(value)));
    }
    pairs
}

/// Reads `NAME=value` lines as they stand, without quotes or variables; whole-line comments only.
pub(crate) fn raw_lines(file: u16, text: &str, report: &mut Report) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let at = At { file, line: u32::try_from(number + 1).unwrap_or(u32::MAX), column: 1 };
        let line = line.trim_end_matches('\r').trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line.trim_end(), None),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            report.error(
                at,
                Path::Root,
                NO_NAME,
                "write one `NAME=value` per line, and quotes around a value of several lines; a comment begins with `#`",
            );
            continue;
        }
        pairs.push((name.to_owned(), value));
    }
    pairs
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return Some(index);
        }
        None
    })
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\' | '\'')) => out.push(c),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

fn substitute(
    text: &str,
    variables: &Variables<'_>,
    own: &BTreeMap<String, String>,
    at: At,
    report: &mut Report,
) -> String {
    if !text.contains('$') {
        return text.to_owned();
    }
    let get = |name: &str| variables.get(name).or_else(|| own.get(name).map(String::as_str));
    match expand(text, &get, &mut |_| {}, true) {
        Ok(value) => value,
        Err(fault) => {
            report_fault(&fault, at, Path::Root, report);
            String::new()
        }
    }
}

/// Reads a file of variables as the old CLI does: a flat map where the name ends in `.yml`, `.yaml` or `.json`, else
/// one `KEY=VALUE` per line, without comments and quotes.
///
/// # Errors
/// Returns every line or key that is wrong.
pub fn read_variables(file: &SourceFile) -> Result<BTreeMap<String, String>, ComposeErrors> {
    let limits = Limits::default();
    let mut report = Report::new(limits.errors);
    let number = report.add_file(&file.name);
    let mut variables = BTreeMap::new();
    if [".yml", ".yaml", ".json"].iter().any(|end| file.name.to_ascii_lowercase().ends_with(end)) {
        if let Some(root) = yaml::parse(number, &file.text, &limits, &mut report) {
            match &root.value {
                Value::Null => {}
                Value::Map(map) => {
                    for (key, entry) in map {
                        let path = Path::Key(&Path::Root, key);
                        match &entry.node.value {
                            Value::Null => drop(variables.insert(key.clone(), String::new())),
                            Value::Scalar(scalar) => drop(variables.insert(key.clone(), scalar.text.clone())),
                            Value::List(_) | Value::Map(_) => report.error(
                                entry.node.at,
                                path,
                                "the value of a variable is a text, a number or a truth value",
                                "write a text",
                            ),
                        }
                    }
                }
                Value::Scalar(_) | Value::List(_) => {
                    report.error(
                        root.at,
                        Path::Root,
                        "the file is no map",
                        "write one `NAME: value` per line",
                    );
                }
            }
        }
    } else {
        for line in file.text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty())
        {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    report.finish().map(|_| variables)
}

/// Reads a `.env` file as Docker Compose does; `variables` are those that it may refer to.
///
/// # Errors
/// Returns every line that is wrong.
pub fn read_dotenv(
    file: &SourceFile,
    variables: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ComposeErrors> {
    let mut report = Report::new(Limits::default().errors);
    let number = report.add_file(&file.name);
    let none = BTreeMap::new();
    let known = Variables { given: variables, files: &none, project: "", lenient: true };
    let pairs = dotenv(number, &file.text, &known, &mut report);
    report.finish().map(|_| pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

#[cfg(test)]
mod tests;
