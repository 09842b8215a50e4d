//! Every chore of this tree: `cargo xtask help`.
//!
//! A chore is a program like any other: it says what it does, leaves nothing
//! behind that it was not asked for, and may be run twice.

mod bench;
mod debian;
mod devserver;
mod fuzz;
mod process;
mod program;
mod quickstart;
mod steps;
mod test;
mod tidy;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of this tree", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs Lariat with a sample application on this machine, from nothing
    Quickstart(quickstart::Arguments),
    /// Checks everything that must hold before a change lands
    Test(test::Arguments),
    /// Runs a server with simulated hosts and a key for each role, for whoever builds clients
    Devserver(devserver::Arguments),
    /// Runs the property tests with new seeds and many cases
    Fuzz(fuzz::Arguments),
    /// Measures one target of the benchmark list against its peers
    Bench(bench::Arguments),
    /// Checks the arrows between crates and the habits of this tree
    Tidy,
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::Quickstart(arguments) => quickstart::run(&arguments),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Devserver(arguments) => devserver::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Tidy => tidy::run(),
    }
}

/// The root of this source tree.
fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the tree")
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => tree().join(directory),
        None => tree().join("target"),
    }
}
