//! What is wrong with a file: each fault with its place, its key path and the remedy; and the collector that lets one
//! reading find them all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use contract_api::launch::Notice;

use crate::words::nearest;

/// The place of a key or value: a file of the set, a line and a column, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub file: u16,
    pub line: u32,
    pub column: u32,
}

/// One fault of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposeError {
    /// The file, as it was named in the input.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1 in characters.
    pub column: u32,
    /// The key path, as `services.web.ports[0]`; empty when the file as a whole is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for ComposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}\n  hint: {}", self.message, self.remedy)
    }
}

impl std::error::Error for ComposeError {}

/// Every fault that one reading found, at least one, in the order of files and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposeErrors {
    errors: Vec<ComposeError>,
    left_off: usize,
}

impl ComposeErrors {
    /// The faults.
    pub fn errors(&self) -> &[ComposeError] {
        &self.errors
    }

    /// How many more there are than the list holds.
    pub fn left_off(&self) -> usize {
        self.left_off
    }
}

impl fmt::Display for ComposeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        if self.left_off > 0 {
            write!(f, "\nand {} more", self.left_off)?;
        }
        Ok(())
    }
}

impl std::error::Error for ComposeErrors {}

/// The way from the top of a document to a value; it becomes text only when something is to be said.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }
}

/// Shortens a text of the user for an error message.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

/// A key as it stands in a key path.
pub(crate) fn show_key(key: &str) -> String {
    if key.is_empty() { "\"\"".to_owned() } else { shorten(key) }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(&show_key(key)),
            Path::Key(parent, key) => write!(f, "{parent}.{}", show_key(key)),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Collects faults and notices of one reading, both bounded.
pub(crate) struct Report {
    files: Vec<String>,
    errors: Vec<(At, ComposeError)>,
    left_off: usize,
    notices: Vec<(At, Notice)>,
    said: BTreeSet<String>,
    /// Values that have a fault which is the cause of all further ones.
    spoiled: BTreeSet<At>,
    most_errors: usize,
    /// Keys that stand twice in one map, which not every version of the format forbids.
    doubles: Vec<(At, String, String)>,
    /// For files that a template gave: the line of the template that each line comes from.
    lines: BTreeMap<u16, Vec<u32>>,
}

const MOST_NOTICES: usize = 500;

impl Report {
    pub fn new(most_errors: usize) -> Self {
        Self {
            files: Vec::new(),
            errors: Vec::new(),
            left_off: 0,
            notices: Vec::new(),
            said: BTreeSet::new(),
            spoiled: BTreeSet::new(),
            most_errors: most_errors.max(1),
            doubles: Vec::new(),
            lines: BTreeMap::new(),
        }
    }

    /// Takes up a file and gives the number under which places name it.
    pub fn add_file(&mut self, name: &str) -> u16 {
        self.files.push(name.to_owned());
        u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX)
    }

    /// Lets the lines of a file be named as those of the template that gave it.
    pub fn set_lines(&mut self, file: u16, lines: Vec<u32>) {
        self.lines.insert(file, lines);
    }

    /// The line and column to show.
    fn shown(&self, at: At) -> (u32, u32) {
        let known = self.lines.get(&at.file);
        let line = known.and_then(|lines| {
            let index = usize::try_from(at.line).ok()?.checked_sub(1)?;
            lines.get(index).or(lines.last()).copied()
        });
        (line.unwrap_or(at.line).max(1), at.column.max(1))
    }

    pub fn file_name(&self, file: u16) -> &str {
        self.files.get(usize::from(file)).map_or("", String::as_str)
    }

    pub fn error(&mut self, at: At, path: Path<'_>, message: impl Into<String>, remedy: impl Into<String>) {
        self.error_at(at, path.to_string(), message, remedy);
    }

    /// The same with a key path that is text already.
    pub fn error_at(&mut self, at: At, path: String, message: impl Into<String>, remedy: impl Into<String>) {
        let message = message.into();
        // A value that an alias or `extends` put in several places is wrong once.
        let known = |(there, old): &(At, ComposeError)| *there == at && old.message == message;
        if self.spoiled.contains(&at) || self.errors.iter().any(known) {
            return;
        }
        if self.errors.len() >= self.most_errors {
            self.left_off += 1;
            return;
        }
        let (line, column) = self.shown(at);
        let error = ComposeError {
            file: self.file_name(at.file).to_owned(),
            line,
            column,
            path,
            message,
            remedy: remedy.into(),
        };
        self.errors.push((at, error));
    }

    /// Whether the list is full, so that looking for remedies is of no use any more.
    pub fn is_full(&self) -> bool {
        self.errors.len() >= self.most_errors
    }

    /// The known word that was most likely meant, unless the list is full and nobody will read it.
    pub fn nearest<'a>(&self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        if self.is_full() { None } else { nearest(word, known) }
    }

    /// Counts a fault that the list has no room for.
    pub fn overflow(&mut self) {
        self.left_off += 1;
    }

    /// Lets no further fault be said about a value.
    pub fn spoil(&mut self, at: At) {
        self.spoiled.insert(at);
    }

    /// Takes up a key that stands twice, until it is known what that means.
    pub fn double(&mut self, at: At, path: String, message: String) {
        if self.doubles.len() < MOST_NOTICES {
            self.doubles.push((at, path, message));
        }
    }

    /// Says of all keys that stand twice that the later one counts, or that one is too many.
    pub fn settle_doubles(&mut self, later_counts: bool) {
        for (at, path, message) in std::mem::take(&mut self.doubles) {
            if later_counts {
                self.notice_at(at, path, format!("{message}; this one counts"));
            } else {
                self.error_at(at, path, message, "keep one of the two");
            }
        }
    }

    /// Notes something without effect.
    pub fn notice(&mut self, at: At, path: Path<'_>, message: impl Into<String>) {
        if self.notices.len() < MOST_NOTICES {
            self.notice_at(at, path.to_string(), message.into());
        }
    }

    fn notice_at(&mut self, at: At, path: String, message: String) {
        if self.notices.len() >= MOST_NOTICES {
            return;
        }
        let (line, column) = self.shown(at);
        let notice = Notice { file: self.file_name(at.file).to_owned(), line, column, path, message };
        if !self.notices.iter().any(|(_, old)| *old == notice) {
            self.notices.push((at, notice));
        }
    }

    /// Notes it unless the same topic was noted before.
    pub fn notice_once(&mut self, topic: &str, at: At, path: Path<'_>, message: impl Into<String>) {
        if self.said.insert(topic.to_owned()) {
            self.notice(at, path, message);
        }
    }

    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Gives the notices of a reading without fault, or the faults.
    pub fn finish(mut self) -> Result<Vec<Notice>, ComposeErrors> {
        self.settle_doubles(false);
        if self.errors.is_empty() {
            self.notices.sort_by_key(|(at, _)| *at);
            return Ok(self.notices.into_iter().map(|(_, notice)| notice).collect());
        }
        self.errors.sort_by_key(|(at, _)| *at);
        let errors = self.errors.into_iter().map(|(_, error)| error).collect();
        Err(ComposeErrors { errors, left_off: self.left_off })
    }
}
