//! `cargo xtask devserver`: builds and becomes the server with simulated hosts.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::run as run_program;
use crate::{target, tree};

#[derive(clap::Args)]
pub struct Arguments {
    /// Build it as it would ship, for load
    #[arg(long)]
    release: bool,
    /// What the server is told: --hosts N, --database URL, --listen ADDRESS, --data-dir FOLDER, --format json, --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(tree()).args(["build", "--quiet", "--package", "testkit-dev", "--bin", "devserver"]);
    if arguments.release {
        build.arg("--release");
    }
    eprintln!("building the server");
    run_program(&mut build)?;
    let folder = if arguments.release { "release" } else { "debug" };
    let program = target().join(folder).join("devserver");
    // Signals reach it at once, and its exit code is ours.
    let error = Command::new(&program).args(&arguments.arguments).exec();
    Err(error).with_context(|| format!("could not run `{}`", program.display()))
}
