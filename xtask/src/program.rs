//! Building the program as it ships.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::steps::run;
use crate::{target, tree};

/// A release build that needs no library of the machine it runs on.
pub fn build_release() -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .current_dir(tree())
        .args(["build", "--quiet", "--release", "--package", "lariat", "--target", &triple])
        .env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    Ok(target().join(triple).join("release/lariat"))
}
