//! A part of a benchmark that needs the product's own rooms: a program of its own on a core of its own, which takes a
//! command a line and answers with a line of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::run;
use crate::{target, tree};

pub struct Part {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What it said when it was ready.
    pub ready: Value,
}

/// Builds the parts as they would ship.
pub fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo).current_dir(tree()).args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "testkit-bench",
    ]))?;
    Ok(target().join("release/testkit-bench"))
}

impl Part {
    /// Starts a part on these cores, and waits until it is ready.
    pub fn start(
        program: &std::path::Path,
        cores: &str,
        arguments: &[&str],
        key: Option<&str>,
    ) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cores]).arg(program).args(arguments);
        if let Some(key) = key {
            command.env("LARIAT_BENCH_KEY", key);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start a part of the benchmark")?;
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the pipe was asked for")?);
        let mut part = Self { child, commands, answers, ready: Value::Null };
        part.ready = part.read()?;
        Ok(part)
    }

    pub fn ask(&mut self, command: &str) -> Result<Value> {
        let commands = self.commands.as_mut().context("a part takes commands until it is dropped")?;
        writeln!(commands, "{command}").with_context(|| format!("`{command}` found nobody"))?;
        self.read().with_context(|| format!("`{command}` failed"))
    }

    /// One figure of an answer.
    pub fn figure(&mut self, command: &str, name: &str) -> Result<f64> {
        let answer = self.ask(command)?;
        figure(&answer, name)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("a part of the benchmark ended; it says why above");
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // The end of its commands is the end of its work.
        self.commands.take();
        let _ = self.child.wait();
    }
}

pub fn figure(answer: &Value, name: &str) -> Result<f64> {
    answer[name].as_f64().with_context(|| format!("no `{name}` in {answer}"))
}
