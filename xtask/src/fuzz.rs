//! `cargo xtask fuzz`: all properties with new seeds and many cases, round after round.

use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::test::install_cargo_tool;
use crate::tree;

#[derive(clap::Args)]
pub struct Arguments {
    /// Minutes to go on; the round that runs then is finished
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Cases of each property in the first round; each later round has twice as many
    #[arg(long, default_value_t = 5_000)]
    cases: u32,
    /// Only tests of this crate
    #[arg(long, short)]
    package: Option<String>,
}

/// Properties stand among the tests of the libraries, and in modules named `hostile`.
const PROPERTIES: &str = "kind(lib) | test(/(^|::)hostile::/)";

pub fn run(arguments: &Arguments) -> Result<()> {
    install_cargo_tool("cargo-nextest")?;
    let started = Instant::now();
    let limit = Duration::from_secs(arguments.minutes * 60);
    let mut cases = arguments.cases;
    for round in 1.. {
        let mut seed = [0; 8];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        let seed = u64::from_ne_bytes(seed);
        println!("round {round}: {cases} cases of each property, PROPTEST_RNG_SEED={seed}");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(tree()).args(["nextest", "run", "--no-fail-fast", "--status-level", "fail"]);
        match &arguments.package {
            Some(package) => command.args(["--package", package]),
            None => command.arg("--workspace"),
        };
        let status = command
            .args(["--profile", "fuzz", "--filterset", PROPERTIES])
            .env("PROPTEST_CASES", cases.to_string())
            .env("PROPTEST_RNG_SEED", seed.to_string())
            .status()?;
        if !status.success() {
            bail!(
                "a property does not hold; its smallest case now stands in `proptest-regressions`: keep it"
            );
        }
        if started.elapsed() >= limit {
            break;
        }
        cases = cases.saturating_mul(2);
    }
    Ok(())
}
