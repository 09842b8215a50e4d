//! Building the program as it ships.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::steps::run;
use crate::{target, tree};

/// No library of the machine it runs on; and relocations packed, since a process
/// reads all of them at its start and keeps their pages (1.1 MiB unpacked).
const RUSTFLAGS: &str = "-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs";

/// A release build that needs no library of the machine it runs on.
pub fn build_release() -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .current_dir(tree())
        .args(["build", "--quiet", "--release", "--package", "lariat", "--target", &triple])
        .env("RUSTFLAGS", RUSTFLAGS))?;
    Ok(target().join(triple).join("release/lariat"))
}
