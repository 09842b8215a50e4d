//! `cargo xtask bench ID`: one target, measured against its peers in the same run.
//!
//! Machines are noisy, so only ratios are judged: ours and a peer's run take
//! turns, each pair gives a ratio, and the median of these counts. If the peer
//! itself wavers by more than a quarter, there is no verdict. A figure counts
//! only if its run was correct: every container accounted for.

mod child;
mod durable;
mod http;
mod idle;
mod large_compose;
mod pages;
mod peers;
mod stage;
mod start;
mod statistics;
mod streams;
mod usage;

use std::path::PathBuf;

use anyhow::{Result, bail};
use testkit_lab::lab::Lab;

use crate::{debian, program};

pub use statistics::Verdict;

const BENCHMARKS: [&str; 7] = ["P1", "P9", "P10", "P11", "P13", "P18", "P19"];
/// What a lab with engines is made of.
const ENGINE: &[&str] = &["docker.io", "iptables", "iproute2", "busybox-static", "util-linux"];

#[derive(clap::Args)]
pub struct Arguments {
    /// P1 (containers started), P9 (idle server), P10 (idle agent), P11 (long lists), P13 (durable creates), P18 (large
    /// Compose file) or P19 (logs and consoles)
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
    let id = id.as_str();
    if !BENCHMARKS.contains(&id) {
        bail!("there is no benchmark `{id}` yet; there are {}", BENCHMARKS.join(", "));
    }
    // These need no engine, and no program as it ships: their parts are built by themselves.
    let alone = ["P11", "P13", "P18"].contains(&id);
    debian::install(if alone { &["postgresql", "util-linux"] } else { ENGINE })?;
    let program = match (&arguments.program, arguments.peers_only || alone) {
        (Some(program), _) => std::fs::canonicalize(program)?,
        (None, true) => PathBuf::new(),
        (None, false) => {
            eprintln!("building a release");
            program::build_release()?
        }
    };
    if !alone {
        let _ = Lab::sweep();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let form = if arguments.long { "long form" } else { "short form" };
    println!("{id}, {form}; load average {}", usage::load_average());
    let verdicts = runtime.block_on(async {
        match id {
            "P1" => start::run(arguments, &program).await,
            "P9" => idle::run(arguments, &program, idle::Part::Server).await,
            "P10" => idle::run(arguments, &program, idle::Part::Agent).await,
            "P11" => pages::run(arguments),
            "P13" => durable::run(arguments),
            "P18" => large_compose::run(arguments),
            _ => streams::run(arguments, &program).await,
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
