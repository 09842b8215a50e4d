//! What a simulated container has written, worked out when somebody reads it. Pure: nothing is kept but when its
//! process ran, so a million containers may write a hundred lines a second each and cost nothing until they are read.

use std::collections::VecDeque;

use contract_values::Timestamp;

use crate::behaviour::Behaviour;
use crate::curves::{Moment, fraction};

/// Runs of a process that are remembered.
const RUNS_KEPT: usize = 20;
/// Lines that a reader gets of the past, at most.
const LINES_KEPT: u64 = 10_000;
/// A piece of output is about this long at most.
const PIECE: usize = 32 * 1024;

/// One run of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    from: Timestamp,
    until: Option<(Timestamp, i64)>,
}

/// All runs of a container's process.
#[derive(Clone, Debug)]
pub struct Journal {
    name: String,
    behaviour: Behaviour,
    runs: VecDeque<Run>,
    /// The number of the first run that is remembered.
    first: u64,
}

/// The next line for a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    run: u64,
    line: u64,
}

/// What a reader gets.
#[derive(Debug, PartialEq)]
pub struct Piece {
    /// Whole lines.
    pub text: String,
    /// When there is more; `None` when nothing comes before the process changes.
    pub due: Option<Timestamp>,
}

impl Journal {
    /// A container that has not run yet.
    pub fn new(name: &str, behaviour: Behaviour) -> Self {
        Self { name: name.to_owned(), behaviour, runs: VecDeque::new(), first: 0 }
    }

    /// What it does.
    pub fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// Notes that its process began.
    pub fn started(&mut self, at: Timestamp) {
        if self.runs.len() == RUNS_KEPT {
            self.runs.pop_front();
            self.first += 1;
        }
        self.runs.push_back(Run { from: at, until: None });
    }

    /// Notes that its process ended.
    pub fn ended(&mut self, at: Timestamp, code: i64) {
        if let Some(run) = self.runs.back_mut().filter(|run| run.until.is_none()) {
            run.until = Some((at.max(run.from), code));
        }
    }

    /// When its last run began, and whether it goes on.
    pub fn last_run(&self) -> Option<(Timestamp, bool)> {
        self.runs.back().map(|run| (run.from, run.until.is_none()))
    }

    /// Where a reader begins who wants the last so many lines, or those from a time on.
    pub fn begin(&self, tail: Option<u64>, since: Option<Timestamp>, now: Timestamp) -> Place {
        let mut wanted = tail.unwrap_or(LINES_KEPT).min(LINES_KEPT);
        let mut by_count = self.end(now);
        for (back, record) in self.runs.iter().rev().enumerate() {
            if wanted == 0 {
                break;
            }
            let run = self.first + (self.runs.len() - 1 - back) as u64;
            let lines = self.lines(record, now);
            by_count = Place { run, line: lines.saturating_sub(wanted) };
            wanted = wanted.saturating_sub(lines);
        }
        by_count.max(since.map_or(by_count, |since| self.first_from(since, now)))
    }

    /// Behind the last line that there is.
    fn end(&self, now: Timestamp) -> Place {
        match (self.runs.len() as u64, self.runs.back()) {
            (count, Some(run)) => Place { run: self.first + count - 1, line: self.lines(run, now) },
            (_, None) => Place { run: self.first, line: 0 },
        }
    }

    /// The first line that is not older.
    fn first_from(&self, since: Timestamp, now: Timestamp) -> Place {
        for (run, record) in (self.first..).zip(&self.runs) {
            let lines = self.lines(record, now);
            // They are in the order of time.
            let (mut low, mut high) = (0, lines);
            while low < high {
                let middle = low + (high - low) / 2;
                match self.time(record, middle) < since {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            if low < lines {
                return Place { run, line: low };
            }
        }
        self.end(now)
    }

    /// Reads on from a place.
    pub fn read(&self, place: &mut Place, timestamps: bool, now: Timestamp) -> Piece {
        let mut text = String::new();
        loop {
            place.run = place.run.max(self.first);
            let Some(run) = usize::try_from(place.run - self.first).ok().and_then(|at| self.runs.get(at))
            else {
                return Piece { text, due: None };
            };
            let lines = self.lines(run, now);
            while place.line < lines {
                if text.len() >= PIECE {
                    return Piece { text, due: Some(now) };
                }
                let at = self.time(run, place.line);
                if timestamps {
                    text.push_str(&format!("{} ", Moment(at)));
                }
                text.push_str(&self.line(run, place.line, lines));
                text.push('\n');
                place.line += 1;
            }
            if run.until.is_none() {
                let due = (self.behaviour.lines_per_second > 0.0).then(|| self.time(run, place.line));
                return Piece { text, due };
            }
            *place = Place { run: place.run + 1, line: 0 };
        }
    }

    /// How many lines a run has written: one at its start, then at its rate, and one at its end.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn lines(&self, run: &Run, now: Timestamp) -> u64 {
        let until = run.until.map_or(now, |(at, _)| at);
        let millis = (until.0 - run.from.0).max(0) as f64;
        1 + (millis * self.behaviour.lines_per_second / 1000.0) as u64 + u64::from(run.until.is_some())
    }

    /// When a line was or will be written.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn time(&self, run: &Run, line: u64) -> Timestamp {
        let rate = self.behaviour.lines_per_second;
        let after = if rate > 0.0 { (line as f64 * 1000.0 / rate).ceil() as i64 } else { 0 };
        let at = Timestamp(run.from.0.saturating_add(after));
        match run.until {
            Some((end, _)) => at.min(end),
            None => at,
        }
    }

    fn line(&self, run: &Run, line: u64, lines: u64) -> String {
        if line == 0 {
            return format!("{} starts", self.name);
        }
        if let Some((_, code)) = run.until.filter(|_| line + 1 == lines) {
            return format!("{} ends with code {code}", self.name);
        }
        if let Some(text) = &self.behaviour.line {
            return text.replace("{n}", &line.to_string());
        }
        let pick = |salt: u32, from: &[&'static str]| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let at = (fraction(&format!("{}{line}", self.name), salt) * from.len() as f64) as usize;
            from[at.min(from.len() - 1)]
        };
        let path = pick(3, &["/", "/", "/health", "/api/items", "/api/items/17", "/static/app.js", "/login"]);
        let status = pick(4, &["200", "200", "200", "200", "200", "304", "404", "500"]);
        let took = pick(5, &["1", "2", "3", "5", "8", "13", "21", "144"]);
        format!("request {line}: GET {path} {status} in {took} ms")
    }
}

#[cfg(test)]
mod tests;
