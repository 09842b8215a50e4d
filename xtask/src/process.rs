//! Processes that outlive the chore that started them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A background process known by a file with its id and, since ids come again, its time of start.
pub struct Background {
    name: &'static str,
    directory: PathBuf,
}

impl Background {
    pub fn new(name: &'static str, directory: &Path) -> Self {
        Self { name, directory: directory.to_owned() }
    }

    pub fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    fn pid_file(&self) -> PathBuf {
        self.directory.join(format!("{}.pid", self.name))
    }

    /// The process id, if it runs.
    pub fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let pid = pid.parse().ok()?;
        (start_time(pid)? == started).then_some(pid)
    }

    /// Starts it in a session of its own, so that closing the terminal does not end it.
    pub fn start(&self, command: &mut Command) -> Result<()> {
        fs::create_dir_all(&self.directory)?;
        let log = fs::File::options().create(true).append(true).open(self.log())?;
        let mut child = Command::new("setsid");
        child.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        let child = child
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", self.name))?;
        // `setsid` does not fork here, so this is the id of the program itself.
        let pid = child.id();
        let started = start_time(pid).with_context(|| self.last_words("ended at once"))?;
        fs::write(self.pid_file(), format!("{pid} {started}\n"))?;
        Ok(())
    }

    /// Fails with the end of the log if it runs no more.
    pub fn check(&self) -> Result<u32> {
        self.pid().with_context(|| self.last_words("has ended"))
    }

    /// Ends it, in good order if it obeys, and says whether there was anything to end.
    pub fn stop(&self, limit: Duration) -> Result<bool> {
        let Some(pid) = self.pid() else {
            let _ = fs::remove_file(self.pid_file());
            return Ok(false);
        };
        let handle = Pid::from_raw(pid.cast_signed()).context("a process id is not zero")?;
        for (signal, limit) in [(Signal::TERM, limit), (Signal::KILL, Duration::from_secs(10))] {
            let _ = kill_process(handle, signal);
            let end = Instant::now() + limit;
            while Instant::now() < end {
                if self.pid().is_none() {
                    let _ = fs::remove_file(self.pid_file());
                    return Ok(true);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        bail!("{} (process {pid}) cannot be ended", self.name)
    }

    fn last_words(&self, what: &str) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        format!("{} {what}; its log {} ends with\n{tail}", self.name, self.log().display())
    }
}

/// When a process started, in ticks since boot; `None` if it is gone or dead and not yet buried.
pub fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; what follows the last bracket does not.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    (fields.next()? != "Z").then(|| fields.nth(18).map(str::to_owned))?
}
