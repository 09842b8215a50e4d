//! `cargo xtask bench ID`: one target, measured against its peers in the same run.
//!
//! Machines are noisy, so only ratios are judged: ours and a peer's run take
//! turns, each pair gives a ratio, and the median of these counts. If the peer
//! itself wavers by more than a quarter, there is no verdict. A figure counts
//! only if its run was correct: every container accounted for.

mod http;
mod idle;
mod peers;
mod stage;
mod start;
mod statistics;
mod usage;

use std::path::PathBuf;

use anyhow::{Result, bail};
use testkit_lab::lab::Lab;

use crate::{debian, program};

pub use statistics::Verdict;

#[derive(clap::Args)]
pub struct Arguments {
    /// P1 (containers started), P9 (idle server) or P10 (idle agent)
    id: String,
    /// The form by which targets are judged, not the short one of a minute or two
    #[arg(long)]
    long: bool,
    /// A built `lariat`, instead of a release build of this tree
    #[arg(long)]
    program: Option<PathBuf>,
    /// How many containers, instead of the form's own number
    #[arg(long)]
    count: Option<u32>,
    /// How many pairs of runs
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Only peers against each other, without lariat
    #[arg(long)]
    peers_only: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let id = arguments.id.to_uppercase();
    if !["P1", "P9", "P10"].contains(&id.as_str()) {
        bail!("there is no benchmark `{id}` yet; there are P1, P9 and P10");
    }
    debian::install(&["docker.io", "iptables", "iproute2", "busybox-static"])?;
    let program = match (&arguments.program, arguments.peers_only) {
        (Some(program), _) => std::fs::canonicalize(program)?,
        (None, true) => PathBuf::new(),
        (None, false) => {
            eprintln!("building a release");
            program::build_release()?
        }
    };
    let _ = Lab::sweep();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let form = if arguments.long { "long form" } else { "short form" };
    println!("{id}, {form}; load average {}", usage::load_average());
    let verdicts = runtime.block_on(async {
        match id.as_str() {
            "P1" => start::run(arguments, &program).await,
            "P9" => idle::run(arguments, &program, idle::Part::Server).await,
            _ => idle::run(arguments, &program, idle::Part::Agent).await,
        }
    })?;
    println!("load average at the end {}", usage::load_average());
    for verdict in &verdicts {
        println!("{verdict}");
    }
    if verdicts.iter().any(|verdict| !verdict.is_good()) {
        bail!("{id}: not every target is reached");
    }
    Ok(())
}
