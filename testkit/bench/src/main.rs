//! The parts of benchmarks that need the product's own rooms. `cargo xtask bench` starts them pinned to a core each,
//! and talks to them by lines: a command in, one line of JSON out. Nothing is judged here.

mod api;
mod compose;
mod load;
mod rows;
mod store;
mod streams;
mod usage;

use std::io::Write as _;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::Value;

#[derive(Parser)]
#[command(name = "testkit-bench")]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Durable creates, in the store and in the peers that live in this process
    Store(store::Arguments),
    /// A server whose store holds many containers
    Api(api::Arguments),
    /// Requests at a fixed rate, whether answers come or not
    Load(load::Arguments),
    /// Logs and consoles, straight from an engine and through server and agent
    Streams(streams::Arguments),
    /// A server with one simulated host, and a large Compose file
    Compose(compose::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().part {
        Part::Store(arguments) => store::run(&arguments),
        Part::Api(arguments) => api::run(&arguments),
        Part::Load(arguments) => load::run(&arguments),
        Part::Streams(arguments) => streams::run(&arguments),
        Part::Compose(arguments) => compose::run(&arguments),
    }
}

/// Writes one line of JSON.
fn answer(value: &Value) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}")?;
    output.flush().context("nobody reads the answers")
}

/// Reads the next command; `None` when whoever gave them has gone.
fn command() -> Result<Option<Vec<String>>> {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(line.split_whitespace().map(str::to_owned).collect()))
}
