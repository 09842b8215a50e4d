//! Variables in values: `$NAME`, `${NAME}`, `${NAME:-default}` and its kin, `$$` for a dollar sign.
//!
//! Keys are never touched. A variable that is not set is the empty text and is noted once. Values are often
//! secret, and a password with a `$` in it is a common mistake, so no message repeats what stands around a variable.

use std::collections::BTreeMap;

use crate::error::{At, Path, Report, shorten};
use crate::yaml::{Map, Node, Value};

/// Variables by rising precedence.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    pub given: &'a BTreeMap<String, String>,
    pub files: &'a BTreeMap<String, String>,
    pub project: &'a str,
    /// A `$` that no name follows stays as it is, as today's specification has it.
    pub lenient: bool,
}

impl<'a> Variables<'a> {
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.given.get(name).or_else(|| self.files.get(name)).map(String::as_str);
        match found {
            None if name == "COMPOSE_PROJECT_NAME" && !self.project.is_empty() => Some(self.project),
            found => found,
        }
    }
}

/// Why a text cannot be interpolated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A `$` that no name follows.
    Dollar,
    /// A `${` that no `}` follows.
    Open,
    /// Braces around something that is no variable; with the name that it begins with.
    Form(String),
    /// A variable that must be set is not; with the message from the file.
    Required(String, String),
    /// Defaults in defaults in defaults.
    Depth,
}

const FORMS: &str = "write `$$` for a dollar sign, or `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, \
                     `${NAME:+text}` for a variable";
const DEEPEST: usize = 16;

/// Replaces the variables of one text; `unset` hears of each one that has no value, and, if `lenient`, of each `$`
/// without a name as of one without a name.
pub(crate) fn expand<'v>(
    text: &str,
    get: &dyn Fn(&str) -> Option<&'v str>,
    unset: &mut dyn FnMut(&str),
    lenient: bool,
) -> Result<String, Fault> {
    expand_at(text, get, unset, 0, lenient)
}

fn expand_at<'v>(
    text: &str,
    get: &dyn Fn(&str) -> Option<&'v str>,
    unset: &mut dyn FnMut(&str),
    depth: usize,
    lenient: bool,
) -> Result<String, Fault> {
    if depth > DEEPEST {
        return Err(Fault::Depth);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let piece = &rest[dollar..];
        let after = &piece[1..];
        if let Some(more) = after.strip_prefix('$') {
            out.push('$');
            rest = more;
        } else if let Some(inside) = after.strip_prefix('{') {
            let end = closing_brace(inside).ok_or(Fault::Open)?;
            out.push_str(&braced(&inside[..end], get, unset, depth, lenient)?);
            rest = &inside[end + 1..];
        } else {
            let end = name_length(after);
            if end == 0 && !lenient {
                return Err(Fault::Dollar);
            }
            match get(&after[..end]).filter(|_| end > 0) {
                Some(value) => out.push_str(value),
                None => unset(&after[..end]),
            }
            if end == 0 {
                out.push('$');
            }
            rest = &after[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Replaces `NAME`, `NAME:-default` and so on, the inside of a pair of braces.
fn braced<'v>(
    inside: &str,
    get: &dyn Fn(&str) -> Option<&'v str>,
    unset: &mut dyn FnMut(&str),
    depth: usize,
    lenient: bool,
) -> Result<String, Fault> {
    let (name, rest) = inside.split_at(name_length(inside));
    let form = || Fault::Form(shorten(name));
    if name.is_empty() {
        return Err(form());
    }
    let value = get(name);
    if rest.is_empty() {
        if value.is_none() {
            unset(name);
        }
        return Ok(value.unwrap_or_default().to_owned());
    }
    let (colon, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let operator = rest.chars().next().ok_or_else(form)?;
    let word = &rest[operator.len_utf8()..];
    // With a colon, a variable that is set to nothing counts as not set.
    let value = value.filter(|value| !colon || !value.is_empty());
    match (operator, value) {
        ('-' | '?', Some(value)) => Ok(value.to_owned()),
        ('-', None) | ('+', Some(_)) => expand_at(word, get, unset, depth + 1, lenient),
        ('+', None) => Ok(String::new()),
        ('?', None) => Err(Fault::Required(name.to_owned(), shorten(word))),
        _ => Err(form()),
    }
}

/// The place of the brace that closes what `inside` begins with.
fn closing_brace(inside: &str) -> Option<usize> {
    let bytes = inside.as_bytes();
    let (mut open, mut at) = (0_usize, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'$') => at += 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Replaces the variables of every value below a node; `budget` bounds the bytes that this may add.
pub(crate) fn interpolate(
    node: &mut Node,
    path: Path<'_>,
    variables: &Variables<'_>,
    budget: &mut usize,
    report: &mut Report,
) {
    match &mut node.value {
        Value::Null => {}
        Value::Scalar(scalar) if scalar.text.contains('$') => {
            let at = node.at;
            let expanded = {
                let mut unset = |name: &str| note_unset(name, at, path, report);
                expand(&scalar.text, &|name| variables.get(name), &mut unset, variables.lenient)
            };
            match expanded {
                Ok(text) if text.len() > *budget => {
                    *budget = 0;
                    report.error(
                        at,
                        path,
                        "the values of the variables make the text too long",
                        "shorten them",
                    );
                }
                Ok(text) => {
                    *budget -= text.len();
                    scalar.text = text;
                    // What a variable brought is not read as a word of YAML.
                    scalar.plain = false;
                }
                Err(fault) => {
                    report_fault(&fault, at, path, report);
                    report.spoil(at);
                }
            }
        }
        Value::Scalar(_) => {}
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                interpolate(item, path.index(index), variables, budget, report);
            }
        }
        Value::Map(map) => interpolate_map(map, path, variables, budget, report),
    }
}

/// The same for the values of a map.
pub(crate) fn interpolate_map(
    map: &mut Map,
    path: Path<'_>,
    variables: &Variables<'_>,
    budget: &mut usize,
    report: &mut Report,
) {
    for (key, entry) in map.iter_mut() {
        interpolate(&mut entry.node, path.key(key), variables, budget, report);
    }
}

fn note_unset(name: &str, at: At, path: Path<'_>, report: &mut Report) {
    if name.is_empty() {
        report.notice_once(
            "stray dollar",
            at,
            path,
            "a `$` that begins no variable stays as it is, here and elsewhere; write `$$` to say so",
        );
        return;
    }
    let topic = format!("unset {name}");
    report.notice_once(
        &topic,
        at,
        path,
        format!("the variable `{name}` is not set and counts as empty text; give it a value, or write `${{{name}:-default}}`"),
    );
}

pub(crate) fn report_fault(fault: &Fault, at: At, path: Path<'_>, report: &mut Report) {
    match fault {
        Fault::Dollar => report.error(at, path, "a `$` begins no variable", FORMS),
        Fault::Open => report.error(at, path, "a `${` is opened and never closed", FORMS),
        Fault::Form(name) => {
            report.error(at, path, format!("`${{{name}…}}` is not a variable"), FORMS);
        }
        Fault::Required(name, message) if message.is_empty() => {
            report.error(
                at,
                path,
                format!("the variable `{name}` must be set"),
                format!("give `{name}` a value"),
            );
        }
        Fault::Required(name, message) => report.error(
            at,
            path,
            format!("the variable `{name}` must be set: {message}"),
            format!("give `{name}` a value"),
        ),
        Fault::Depth => report.error(
            at,
            path,
            format!("defaults of variables are nested deeper than {DEEPEST} levels"),
            "write a plain default",
        ),
    }
}

#[cfg(test)]
mod tests;
