//! Packages and all that they need, from Debian's mirrors, through apt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Fetches packages with what they depend on, but for `without`, into a directory, and gives their files.
pub(super) fn fetch(directory: &Path, packages: &[&str], without: &[&str]) -> Result<Vec<PathBuf>> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    fs::create_dir_all(directory)?;
    let wanted = match closure(directory, packages) {
        Ok(wanted) => wanted,
        // A fresh machine has no package lists yet, and old lists name packages that are gone.
        Err(_) => {
            update()?;
            closure(directory, packages)?
        }
    };
    let wanted: Vec<String> =
        wanted.into_iter().filter(|file| !without.contains(&package_name(file))).collect();
    if download(directory, &wanted).is_err() {
        update()?;
        let again = closure(directory, packages)?;
        let again: Vec<String> =
            again.into_iter().filter(|file| !without.contains(&package_name(file))).collect();
        download(directory, &again)?;
        return Ok(again.iter().map(|file| directory.join(file)).collect());
    }
    Ok(wanted.iter().map(|file| directory.join(file)).collect())
}

/// The files that an empty machine would have to install.
fn closure(directory: &Path, packages: &[&str]) -> Result<Vec<String>> {
    let status = directory.join(".status");
    fs::write(&status, "")?;
    fs::create_dir_all(directory.join(".archives/partial"))?;
    let text = apt(Command::new("apt-get")
        .args(["-qq", "--yes", "--no-install-recommends", "--print-uris"])
        .arg("-o")
        .arg(format!("Dir::State::status={}", status.display()))
        .arg("-o")
        // Empty, so that what was fetched before is listed all the same.
        .arg(format!("Dir::Cache::archives={}", directory.join(".archives").display()))
        .args(["-o", "Debug::NoLocking=1", "install"])
        .args(packages))?;
    let files: Vec<String> =
        text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect();
    if files.is_empty() {
        bail!("apt finds nothing to install for {}", packages.join(", "));
    }
    Ok(files)
}

fn download(directory: &Path, files: &[String]) -> Result<()> {
    let missing: Vec<String> = files
        .iter()
        .filter(|file| !directory.join(file).is_file())
        .filter_map(|file| {
            let mut parts = file.split('_');
            Some(format!("{}={}", parts.next()?, parts.next()?.replace("%3a", ":")))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt(Command::new("apt-get")
        .current_dir(directory)
        .args(["-qq", "-o", "APT::Sandbox::User=root", "download"])
        .args(&missing))?;
    match files.iter().find(|file| !directory.join(file).is_file()) {
        Some(file) => bail!("apt did not deliver `{file}`"),
        None => Ok(()),
    }
}

fn update() -> Result<()> {
    apt(Command::new("apt-get").args(["-qq", "update"])).map(drop)
}

fn apt(command: &mut Command) -> Result<String> {
    let output =
        command.output().context("could not run `apt-get`: images are made from Debian's packages")?;
    if !output.status.success() {
        bail!("`apt-get` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn package_name(file: &str) -> &str {
    file.split('_').next().unwrap_or(file)
}
