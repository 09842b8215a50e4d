//! Tables for people, JSON for programs, and words for times.

use serde_json::Value;

use crate::error::CliError;
use crate::io::Io;

/// The form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// JSON.
    Json,
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
