//! What a fake process does, read from its command.

use std::time::Duration;

/// The behaviour of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// When it ends by itself, and with which code; never when `None`.
    pub ends: Option<(Duration, i64)>,
    /// The code with which it ends when told to; `None` does not listen and must be killed.
    pub obeys: Option<i64>,
    /// What it writes to standard output at its start.
    pub output: String,
    /// What it writes to standard error at its start.
    pub error: String,
    /// Whether it gives back what it reads.
    pub echoes: bool,
    /// Whether there is no such program in the image.
    pub missing: bool,
}

impl Program {
    /// A service: runs for ever and ends with 0 when told to.
    pub fn service() -> Self {
        Self {
            ends: None,
            obeys: Some(0),
            output: String::new(),
            error: String::new(),
            echoes: false,
            missing: false,
        }
    }

    /// A job: ends by itself.
    pub fn job(after: Duration, code: i64) -> Self {
        Self { ends: Some((after, code)), ..Self::service() }
    }

    /// A service that must be killed.
    pub fn stubborn() -> Self {
        Self { obeys: None, ..Self::service() }
    }

    /// Understands as much of a command as the tests use: `sleep`, `cat`, and `sh -c` with `echo`, `exit`, `trap`
    /// and `sleep` in it; `None` for anything else.
    pub fn of_command(command: &[String]) -> Option<Self> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        match words[..] {
            ["sleep", seconds] => {
                let ends = Some((Duration::from_secs(seconds.parse().ok()?), 0));
                Some(Self { ends, ..Self::stubborn() })
            }
            ["cat"] => Some(Self { echoes: true, ..Self::stubborn() }),
            ["sh", "-c", script] => Some(Self::of_script(script)),
            [first, ..] if first.starts_with("/no/such") => Some(Self { missing: true, ..Self::service() }),
            _ => None,
        }
    }

    fn of_script(script: &str) -> Self {
        let mut program = Self::stubborn();
        let mut after = Duration::ZERO;
        program.ends = Some((after, 0));
        for part in script.split(';').map(str::trim) {
            if let Some(code) = part.strip_prefix("trap 'exit ").and_then(|rest| rest.split('\'').next()) {
                program.obeys = code.parse().ok();
            } else if let Some(text) = part.strip_prefix("echo ") {
                match text.strip_suffix(" >&2") {
                    Some(text) => program.error.push_str(&format!("{text}\n")),
                    None => program.output.push_str(&format!("{text}\n")),
                }
            } else if let Some(code) = part.strip_prefix("exit ") {
                program.ends = Some((after, code.parse().unwrap_or(2)));
            } else if let Some(seconds) = part.strip_prefix("sleep ").and_then(|s| s.parse::<f64>().ok()) {
                after += Duration::from_secs_f64(seconds);
                program.ends = Some((after, 0));
            } else if part.starts_with("while :") {
                program.ends = None;
                break;
            }
        }
        program
    }
}
