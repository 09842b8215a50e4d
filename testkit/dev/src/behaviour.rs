//! What a simulated container does, as its image, its environment and its labels tell. Pure.
//!
//! The image's tag is a list of words joined by `_`, some with a figure after a `-`: `sim:web`, `sim:exit-3`,
//! `sim:pull-2s_crash`. Words that are not known change nothing, so a tag may carry a name and a version. The
//! environment (`SIM_EXIT_AFTER=2s`) and labels (`sim.exit-after=2s`) say more than a tag can; a label wins over the
//! environment, and both over the tag.

use std::collections::BTreeMap;
use std::time::Duration;

use contract_values::{ImageRef, Labels};

/// How an image comes to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// It is there.
    Present,
    /// It is fetched in so much time.
    Pulled(Duration),
    /// No registry has it.
    Missing,
    /// The registry refuses.
    Refused,
}

/// What the health check finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All is well after this time.
    Healthy(Duration),
    /// All is bad after this time.
    Unhealthy(Duration),
    /// Well and bad take turns, each for this time.
    Flapping(Duration),
}

/// What a simulated container does.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// How its image comes to a host.
    pub supply: Supply,
    /// How long its start takes.
    pub start: Duration,
    /// Why its start fails, if it does.
    pub fails: Option<String>,
    /// When its process ends by itself, and with which code.
    pub ends: Option<(Duration, i64)>,
    /// How long it takes to end when it is told to; `None` must be killed.
    pub stop: Option<Duration>,
    /// When its memory runs out.
    pub out_of_memory: Option<Duration>,
    /// What its health check finds, where it has one.
    pub health: Health,
    /// Lines of its log in a second.
    pub lines_per_second: f64,
    /// What each line says; a number is put in for `{n}`. Something like an access log when `None`.
    pub line: Option<String>,
    /// Cores that it uses on average.
    pub cpu: f64,
    /// Bytes of memory that it uses on average.
    pub memory: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            supply: Supply::Present,
            start: Duration::ZERO,
            fails: None,
            ends: None,
            stop: Some(Duration::ZERO),
            out_of_memory: None,
            health: Health::Healthy(Duration::from_secs(1)),
            lines_per_second: 1.0,
            line: None,
            cpu: 0.05,
            memory: 64 << 20,
        }
    }
}

impl Behaviour {
    /// What containers of an image do when nothing else is said. Images by other names than `sim` are fetched in half
    /// a second, and run.
    pub fn of_image(image: &ImageRef) -> Self {
        let text = image.to_string();
        let name = text.rsplit('/').next().unwrap_or_default();
        let mut behaviour = Self::default();
        match name.split_once(':') {
            Some(("sim", tag)) => tag.split('_').for_each(|word| behaviour.tag_word(word)),
            None if name == "sim" => {}
            Some(_) | None => behaviour.supply = Supply::Pulled(Duration::from_millis(500)),
        }
        behaviour
    }

    /// The same with what a container's environment and labels say.
    pub fn of_container(image: &ImageRef, environment: &BTreeMap<String, String>, labels: &Labels) -> Self {
        let mut behaviour = Self::of_image(image);
        let from_environment = environment.iter().filter_map(|(name, value)| {
            Some((name.strip_prefix("SIM_")?.to_ascii_lowercase().replace('_', "-"), value))
        });
        let from_labels =
            labels.iter().filter_map(|(name, value)| Some((name.strip_prefix("sim.")?.to_owned(), value)));
        // A code without a time, or a time without a code, keeps the other of the two.
        for (name, value) in from_environment.chain(from_labels) {
            behaviour.set(&name, value.trim());
        }
        behaviour
    }

    fn tag_word(&mut self, word: &str) {
        let (word, figure) = match word.split_once('-') {
            Some((word, figure)) => (word, Some(figure)),
            None => (word, None),
        };
        let time = |default| figure.and_then(read_duration).unwrap_or(Duration::from_millis(default));
        match word {
            "job" => self.ends = Some((time(1000), 0)),
            "exit" => {
                let code = figure.and_then(|code| code.parse().ok()).unwrap_or(1);
                self.ends = Some((Duration::from_secs(1), code));
            }
            "crash" => self.ends = Some((time(200), 1)),
            "oom" => self.out_of_memory = Some(time(2000)),
            "stubborn" => self.stop = None,
            "lazy" => self.stop = Some(time(3000)),
            "slow" => self.start = time(5000),
            "broken" => {
                self.fails = Some(
                    "OCI runtime create failed: exec: \"sim\": executable file not found in $PATH".to_owned(),
                );
            }
            "pull" => self.supply = Supply::Pulled(time(5000)),
            "missing" => self.supply = Supply::Missing,
            "private" => self.supply = Supply::Refused,
            "sick" => self.health = Health::Unhealthy(time(3000)),
            "flapping" => self.health = Health::Flapping(time(5000)),
            "quiet" => self.lines_per_second = 0.0,
            "chatty" => {
                self.lines_per_second = figure.and_then(|rate| rate.parse().ok()).map_or(100.0, rate);
            }
            "hungry" => (self.cpu, self.memory) = (1.5, 2 << 30),
            _ => {}
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let time = read_duration(value);
        match name {
            "exit-after" => {
                if let Some(time) = time {
                    self.ends = Some((time, self.ends.map_or(0, |(_, code)| code)));
                }
            }
            "exit-code" => {
                if let Ok(code) = value.parse() {
                    self.ends = Some((self.ends.map_or(Duration::from_secs(1), |(after, _)| after), code));
                }
            }
            "oom-after" => self.out_of_memory = time.or(self.out_of_memory),
            "start-time" => self.start = time.unwrap_or(self.start),
            "stop-time" => self.stop = time.or(self.stop),
            "stubborn" if value == "true" => self.stop = None,
            "fail" if !value.is_empty() => self.fails = Some(value.to_owned()),
            "health" => {
                let (Health::Healthy(after) | Health::Unhealthy(after) | Health::Flapping(after)) =
                    self.health;
                self.health = match value {
                    "healthy" => Health::Healthy(after),
                    "unhealthy" => Health::Unhealthy(after),
                    "flapping" => Health::Flapping(after),
                    _ => self.health,
                };
            }
            "health-after" => {
                if let Some(time) = time {
                    self.health = match self.health {
                        Health::Healthy(_) => Health::Healthy(time),
                        Health::Unhealthy(_) => Health::Unhealthy(time),
                        // Turns of no length would never end.
                        Health::Flapping(_) => Health::Flapping(time.max(Duration::from_millis(50))),
                    };
                }
            }
            "log-rate" => {
                if let Ok(lines) = value.parse() {
                    self.lines_per_second = rate(lines);
                }
            }
            "log-line" => self.line = Some(value.to_owned()),
            "cpu" => {
                if let Ok(cores) = value.parse::<f64>() {
                    self.cpu = if cores.is_finite() { cores.clamp(0.0, 1024.0) } else { self.cpu };
                }
            }
            "memory" => self.memory = read_bytes(value).unwrap_or(self.memory),
            _ => {}
        }
    }
}

/// Lines in a second, within what one process can write.
fn rate(lines: f64) -> f64 {
    if lines.is_finite() { lines.clamp(0.0, 100_000.0) } else { 1.0 }
}

/// Reads `1.5s`, `200ms`, `2m`, or seconds without a unit; at most a day.
pub fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(seconds.min(86_400.0)))
}

/// Reads `64m`, `1g`, `4096`.
fn read_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests;
