//! Tables for people, documents for programs, and words for times.

mod template;
mod yaml;

use std::str::FromStr;

use serde_json::Value;

use crate::error::CliError;
use crate::io::Io;
use crate::session::Session;
use template::Template;
use yaml::to_yaml;

/// The form of output.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// Aligned columns, or words.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// A template for each object.
    Template(Template),
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            template if template.contains("{{") => Template::parse(template).map(Self::Template),
            _ => Err("it is table, json, yaml or a template such as '{{.name}} {{.state}}'".to_owned()),
        }
    }
}

impl Session {
    /// Whether a program reads the output.
    pub fn is_machine(&self) -> bool {
        self.globals.format != Format::Table
    }

    /// Prints what was asked for: an object, or a list of objects. Where a table would say too little, it is JSON.
    ///
    /// # Errors
    /// Fails when nobody reads any more, or a template does not fit.
    pub fn document(&self, value: &Value) -> Result<(), CliError> {
        match (&self.globals.format, value) {
            (Format::Table | Format::Json, _) => json(&self.io, value),
            (Format::Yaml, _) => self.io.out(&to_yaml(value)),
            (Format::Template(template), Value::Array(list)) => {
                list.iter().try_for_each(|value| self.io.line(&template.render(value)?))
            }
            (Format::Template(template), _) => self.io.line(&template.render(value)?),
        }
    }

    /// Prints one of many documents that come one after the other.
    ///
    /// # Errors
    /// As [`Session::document`].
    pub fn event(&self, value: &Value) -> Result<(), CliError> {
        match &self.globals.format {
            Format::Table | Format::Json => self.io.line(&value.to_string()),
            Format::Yaml => self.io.out(&format!("---\n{}", to_yaml(value))),
            Format::Template(template) => self.io.line(&template.render(value)?),
        }
    }

    /// Says that something was done to an object.
    ///
    /// # Errors
    /// As [`Session::document`].
    pub fn done(&self, id: &str, name: &str) -> Result<(), CliError> {
        if self.is_machine() {
            self.event(&serde_json::json!({ "id": id, "name": name }))
        } else {
            self.io.line(if self.globals.quiet { id } else { name })
        }
    }

    /// Says something beside the output that a person may like to know.
    pub fn note(&self, text: &str) {
        if !self.globals.quiet {
            self.io.say(text);
        }
    }
}

/// A list of objects, in every form at once.
pub struct Listing {
    table: Table,
    ids: Vec<String>,
    documents: Vec<Value>,
    notes: Vec<String>,
}

impl Listing {
    /// An empty list.
    pub fn new(headings: &[&str]) -> Self {
        Self { table: Table::new(headings), ids: Vec::new(), documents: Vec::new(), notes: Vec::new() }
    }

    /// Adds an object: its row, and what programs are told of it.
    pub fn add(&mut self, id: &str, cells: Vec<String>, document: Value) {
        self.ids.push(id.to_owned());
        self.table.row(cells);
        self.documents.push(document);
    }

    /// Adds a line for people, below the table and beside the output.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Prints it.
    ///
    /// # Errors
    /// As [`Session::document`].
    pub fn print(self, session: &Session) -> Result<(), CliError> {
        if session.is_machine() {
            return session.document(&Value::Array(self.documents));
        }
        if session.globals.quiet {
            return self.ids.iter().try_for_each(|id| session.io.line(id));
        }
        session.io.out(&self.table.render())?;
        self.notes.iter().for_each(|note| session.io.say(note));
        Ok(())
    }
}

/// Rows under headings, aligned.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as text.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width_of_column) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width_of_column - width(cell) + 2));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The places that a text takes, without its colours.
pub fn width(text: &str) -> usize {
    let (mut places, mut in_colour) = (0, false);
    for character in text.chars() {
        match character {
            '\x1b' => in_colour = true,
            'm' if in_colour => in_colour = false,
            _ if in_colour => {}
            _ => places += 1,
        }
    }
    places
}

/// Cuts a text to so many places.
pub fn cut(text: &str, places: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= places {
        return line;
    }
    line.chars().take(places.saturating_sub(1)).chain(['…']).collect()
}

/// Prints a JSON document, readable for people too.
///
/// # Errors
/// Fails when nobody reads any more.
pub fn json(io: &Io, value: &Value) -> Result<(), CliError> {
    io.line(&serde_json::to_string_pretty(value).expect("a JSON value becomes text"))
}

/// How long ago something was, in one number and word.
pub fn ago(now_ms: i64, then_ms: Option<i64>) -> String {
    let Some(then) = then_ms else { return "-".to_owned() };
    let seconds = (now_ms - then).max(0) / 1000;
    let (number, word) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// A text, or a dash where there is none.
pub fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// The colour of a state.
pub fn colour_of(state: &str, transitioning: &str) -> &'static str {
    match (state, transitioning) {
        (_, "error") | ("error" | "unhealthy" | "disconnected", _) => "31",
        (_, "yes") | ("degraded" | "initializing" | "reconnecting", _) => "33",
        ("active" | "running" | "healthy", _) => "32",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
