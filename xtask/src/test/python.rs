//! The Python programs that tests run: strangers' clients of the API.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::steps::run as run_program;
use crate::target;

/// Every package with its version, so that the same programs run everywhere.
const REQUIREMENTS: &str = include_str!("python.txt");

/// Where the programs are.
pub fn folder() -> PathBuf {
    target().join("python")
}

/// Makes the folder with the programs, unless it is there already with the same versions.
pub fn install() -> Result<()> {
    let folder = folder();
    let made = folder.join("requirements.txt");
    if std::fs::read_to_string(&made).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(());
    }
    run_program(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    // The list is put in its place at the end, so that a folder that was made in part is made anew.
    let wanted = folder.join("wanted.txt");
    std::fs::write(&wanted, REQUIREMENTS)?;
    run_program(
        Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
            .arg(&wanted),
    )?;
    std::fs::rename(&wanted, &made)?;
    Ok(())
}
