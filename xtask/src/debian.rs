//! Packages of the machine that a chore needs.

use std::process::Command;

use anyhow::{Result, bail};

use crate::steps;

/// Installs those packages that are missing, and says which.
pub fn install(packages: &[&str]) -> Result<()> {
    if !steps::has_program("apt-get") {
        bail!(
            "this chore installs Debian packages, and here is no `apt-get`; needed are {}",
            packages.join(", ")
        );
    }
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("these Debian packages are missing, and only root may install them: {}", missing.join(", "));
    }
    eprintln!("installing Debian packages: {}", missing.join(", "));
    // Package lists may be missing or old; the first is an error at once, the second a failing install.
    if apt(&missing).is_err() {
        steps::output(apt_get().args(["-qq", "update"]))?;
        apt(&missing)?;
    }
    Ok(())
}

fn apt(packages: &[&str]) -> Result<()> {
    steps::output(apt_get().args(["-qq", "--yes", "--no-install-recommends", "install"]).args(packages))
        .map(drop)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status}", package]);
    steps::output(&mut query).is_ok_and(|status| status == "installed")
}
