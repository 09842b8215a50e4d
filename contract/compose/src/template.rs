//! Templates of catalog entries: the language of Go's `text/template` with the functions that such entries use.
//!
//! A template is a pure function of its values: there is no clock, chance, network or process environment in it, and
//! functions that would need them are refused by name. Steps, depth and output are bounded. What it gives knows from
//! which line of the template each of its lines comes, so that a fault found later still names a place that a person
//! can find.

mod encode;
mod exec;
mod format;
mod functions;
mod lex;
mod lists;
mod numbers;
mod parse;
mod texts;
mod value;

use std::collections::BTreeMap;

use crate::error::{At, ComposeErrors, Path, Report};
use crate::input::{Limits, SourceFile};

/// What a template can read, as `.Values`, `.Stack`, `.Release` and `.Environment`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TemplateData {
    /// `.Values`: the answers; one that is absent is the empty text.
    pub values: BTreeMap<String, String>,
    /// `.Stack.Name`.
    pub stack: String,
    /// `.Stack.Version`: the version of the catalog entry.
    pub version: String,
    /// `.Stack.PreviousVersion`: the one that it replaces; empty at first.
    pub previous_version: String,
    /// `.Environment.Name`.
    pub environment: String,
}

impl std::fmt::Debug for TemplateData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self.values.keys();
        f.debug_struct("TemplateData").field("stack", &self.stack).field("values", &values).finish()
    }
}

/// Fills in a template.
///
/// # Errors
/// Returns what is wrong with it, with its place.
pub fn render_template(file: &SourceFile, data: &TemplateData) -> Result<String, ComposeErrors> {
    let limits = Limits::default();
    let mut report = Report::new(limits.errors);
    let number = report.add_file(&file.name);
    let output = render(number, &file.text, data, &limits, &mut report);
    report.finish().map(|_| output.map(|output| output.text).unwrap_or_default())
}

/// What a template gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    pub text: String,
    /// For each line of the text, the line of the template that its first character comes from.
    pub lines: Vec<u32>,
}

/// Why a template cannot be read or filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The place in the text, in bytes.
    pub offset: usize,
    pub message: String,
    pub remedy: String,
}

impl Fault {
    pub fn new(offset: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { offset, message: message.into(), remedy: remedy.into() }
    }
}

/// Tells whether a text means to be a template: whether it has an action that names what only templates have, or a
/// variable of its own.
///
/// Other texts hold `{{ }}` for other programs, as Docker's own formats.
pub(crate) fn is_template(text: &str) -> bool {
    const NAMES: &[&str] = &[".Values", ".Stack", ".Release", ".Environment"];
    if is_excepted(text) {
        return false;
    }
    text.split("{{").skip(1).any(|piece| {
        let action = piece.split("}}").next().unwrap_or(piece);
        let sets = action.trim_start_matches('-').trim_start().starts_with('$');
        sets || NAMES.iter().any(|name| action.contains(name))
    })
}

/// Tells whether a text begins with the line that asks to be left alone.
pub(crate) fn is_excepted(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    matches!(first, "#notemplating" | "# notemplating")
}

/// Fills in a template; what is wrong with it goes to the report.
pub(crate) fn render(
    file: u16,
    text: &str,
    data: &TemplateData,
    limits: &Limits,
    report: &mut Report,
) -> Option<Output> {
    if text.len() > limits.file_bytes {
        report.error(
            At { file, line: 1, column: 1 },
            Path::Root,
            format!("the template has {} bytes; at most {} are read", text.len(), limits.file_bytes),
            "split it into several files",
        );
        return None;
    }
    let result = lex::split(text)
        .and_then(parse::parse)
        .and_then(|template| exec::run(&template, text, data, limits.expanded_bytes));
    match result {
        Ok(output) => Some(output),
        Err(fault) => {
            let at = place(file, text, fault.offset);
            report.error(at, Path::Root, fault.message, fault.remedy);
            None
        }
    }
}

fn place(file: u16, text: &str, offset: usize) -> At {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    At { file, line: number(line), column: number(column) }
}

#[cfg(test)]
mod tests;
