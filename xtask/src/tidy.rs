//! `cargo xtask tidy`: what the compiler does not check.
//!
//! The arrows between crates are the plan of the house; a wrong one is cheap to
//! remove on the day it is drawn, and dear a year later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::steps::output;
use crate::tree;

/// Which of our crates may use which; the test kits and `xtask` may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("contract-values", &[]),
    ("contract-api", &["contract-values"]),
    ("contract-protocol", &["contract-values"]),
    ("contract-link", &["contract-values", "contract-protocol"]),
    ("contract-compose", &["contract-values", "contract-api"]),
    ("contract-tls", &[]),
    ("contract-client", &["contract-values", "contract-api", "contract-tls"]),
    ("control-model", &["contract-values"]),
    ("control-store", &["contract-values", "control-model"]),
    ("control-plan", &["contract-values", "control-model", "contract-protocol"]),
    (
        "control-http",
        &[
            "contract-values",
            "contract-api",
            "contract-protocol",
            "contract-link",
            "contract-compose",
            "control-model",
            "control-store",
            "control-plan",
        ],
    ),
    ("control-controllers", &["contract-values", "control-model", "control-store", "control-plan"]),
    (
        "control-dispatch",
        &[
            "contract-values",
            "contract-protocol",
            "contract-link",
            "control-model",
            "control-store",
            "control-plan",
        ],
    ),
    ("control-server", &["contract-*", "control-*"]),
    ("host-driver", &["contract-values", "contract-protocol"]),
    ("host-docker", &["contract-values", "contract-protocol", "host-driver"]),
    ("host-net", &["contract-values", "contract-protocol", "host-driver"]),
    ("host-services", &["contract-values", "contract-protocol", "host-driver"]),
    ("host-agent", &["contract-values", "contract-protocol", "contract-link", "contract-tls", "host-*"]),
    ("lariat-cli", &["contract-values", "contract-api", "contract-compose", "contract-client"]),
    ("lariat", &["contract-values", "control-server", "host-agent", "lariat-cli"]),
];

/// Used by tests and chores only.
const TOOLS: &[&str] = &["testkit", "testkit-lab", "testkit-dev", "testkit-compat", "testkit-bench", "xtask"];

const LONGEST_FILE: usize = 800;

pub fn run() -> Result<()> {
    let faults = check(tree())?;
    if faults.is_empty() {
        return Ok(());
    }
    for fault in &faults {
        println!("{fault}");
    }
    bail!("{} things are not tidy", faults.len())
}

/// Looks at the whole tree and gives what is wrong, a line each.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut faults = check_arrows(&packages(root)?);
    for file in files(root)? {
        let path = root.join(&file);
        // Deleted but not yet committed, or no text: nothing to read.
        if let Ok(text) = std::fs::read_to_string(&path) {
            faults.extend(check_file(&file, &text, &machine_paths(root)));
        }
    }
    Ok(faults)
}

/// Our packages with those of ours that they use outside tests.
fn packages(root: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = output(Command::new(cargo).current_dir(root).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` lists packages")?;
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    Ok(packages
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().into_iter().flatten();
            let uses = uses.filter(|dependency| dependency["kind"].as_str() != Some("dev")).map(name);
            (name(package), uses.filter(|used| ours.contains(used)).collect())
        })
        .collect())
}

pub fn check_arrows(packages: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (package, uses) in packages {
        if TOOLS.contains(&package.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == package) else {
            faults.push(format!("{package}: has no line in the table of arrows (xtask/src/tidy.rs)"));
            continue;
        };
        for used in uses {
            let fits = |rule: &&str| match rule.strip_suffix('*') {
                Some(floor) => used.starts_with(floor),
                None => used == *rule,
            };
            if !allowed.iter().any(fits) {
                faults.push(format!("{package}: must not use {used}"));
            }
        }
    }
    faults
}

/// Files under version control, and new ones that are not ignored.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let text = output(Command::new("git").current_dir(root).args(list))?;
    let mut files: Vec<PathBuf> =
        text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Where this tree and this user's files happen to lie: nobody else's machine is like that.
fn machine_paths(root: &Path) -> Vec<String> {
    let mut paths = vec![root.to_owned()];
    if let Some(home) = std::env::var_os("HOME") {
        paths.extend([".cargo", ".rustup", ".ssh"].map(|part| Path::new(&home).join(part)));
    }
    // A tree at `/src` would find itself in every second file.
    paths.retain(|path| path.components().count() > 2);
    paths.into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect()
}

pub fn check_file(file: &Path, text: &str, machine_paths: &[String]) -> Vec<String> {
    let name = file.display();
    let mut faults = Vec::new();
    let kind = file.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
    let code = ["rs", "ts", "tsx", "sql", "sh", "py", "css"].contains(&kind);
    let lines = text.lines().count();
    if code && lines > LONGEST_FILE {
        faults.push(format!("{name}: {lines} lines; split it by resource before {LONGEST_FILE}"));
    }
    if kind == "rs" && file.ends_with("src/lib.rs") && !text.starts_with("//!") {
        faults.push(format!("{name}: a crate opens with an essay (`//!`)"));
    }
    // Spelled in two parts, or this file would accuse itself.
    let unwanted = [
        (concat!("#[", "ignore"), "a test that does not run is no test"),
        (concat!("todo", "!("), "finish it or leave it out"),
        (concat!("unimplemented", "!("), "finish it or leave it out"),
        (concat!("dbg", "!("), "left over from a search"),
    ];
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if kind == "rs" {
            for (words, why) in unwanted {
                if line.contains(words) && !line.trim_start().starts_with("//") {
                    faults.push(format!("{name}:{number}: `{words}`: {why}"));
                }
            }
        }
        for path in machine_paths {
            let whole =
                |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-');
            if line.match_indices(path.as_str()).any(|(at, _)| whole(&line[at + path.len()..])) {
                faults.push(format!("{name}:{number}: a path of this machine: {path}"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests;
