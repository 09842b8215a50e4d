//! From samples to a verdict.

use std::fmt;

/// A peer whose runs differ by more than this tells nothing.
const LARGEST_SPREAD: f64 = 0.25;

/// How a target was met.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub what: String,
    pub result: Outcome,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Reached,
    Missed,
    /// The peer wavered too much to be a measure.
    NotJudged,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.result == Outcome::Reached
    }

    /// Judges a value that has a fixed limit.
    pub fn limit(what: &str, value: f64, limit: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            result: if value <= limit { Outcome::Reached } else { Outcome::Missed },
            detail: format!("{value:.2} {unit}, limit {limit} {unit}"),
        }
    }

    /// Judges a rate that must not be lower.
    pub fn floor(what: &str, value: f64, limit: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            result: if value >= limit { Outcome::Reached } else { Outcome::Missed },
            detail: format!("{value:.0} {unit}, at least {limit} {unit}"),
        }
    }

    /// Judges rates against a peer's that took turns with them: the median of the ratios must not be lower.
    pub fn at_least(what: &str, ours: &[f64], peer: &[f64], limit: f64) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(peer).map(|(ours, peer)| ours / peer).collect();
        let ratio = median(&ratios);
        let spread = spread(peer);
        let result = match (spread > LARGEST_SPREAD, ratio >= limit) {
            (true, _) => Outcome::NotJudged,
            (false, true) => Outcome::Reached,
            (false, false) => Outcome::Missed,
        };
        let detail = format!(
            "ratio {ratio:.3} (at least {limit}), medians {:.0}/s and {:.0}/s, ratios {}, peer's spread {:.0}%",
            median(ours),
            median(peer),
            list(&ratios),
            spread * 100.0
        );
        Self { what: what.to_owned(), result, detail }
    }

    /// Judges the median of the ratios of runs that took turns.
    pub fn ratio(what: &str, ours: &[f64], peer: &[f64], limit: f64) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(peer).map(|(ours, peer)| ours / peer).collect();
        let ratio = median(&ratios);
        let spread = spread(peer);
        let result = if spread > LARGEST_SPREAD {
            Outcome::NotJudged
        } else if ratio <= limit {
            Outcome::Reached
        } else {
            Outcome::Missed
        };
        let detail = format!(
            "ratio {ratio:.3} (limit {limit}), medians {:.2} s and {:.2} s, ratios {}, peer's spread {:.0}%",
            median(ours),
            median(peer),
            list(&ratios),
            spread * 100.0
        );
        Self { what: what.to_owned(), result, detail }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.result {
            Outcome::Reached => "reached   ",
            Outcome::Missed => "MISSED    ",
            Outcome::NotJudged => "NOT JUDGED",
        };
        write!(f, "{word}  {}: {}", self.what, self.detail)
    }
}

/// The middle value; of an even number the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The distance between the ends, as a part of the median.
pub fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (most - least) / median(values)
}

pub fn list(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:.2}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
