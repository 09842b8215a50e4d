//! What an engine changes on its machine outside its own directories.
//!
//! An engine that stops leaves its bridge, its firewall chains and its key; who
//! only tried quickstart shall get the machine back as it was.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::steps::{has_program, output};

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
const BRIDGE: &str = "/sys/class/net/docker0";
const KEY: &str = "/etc/docker/key.json";
/// Sockets and locks, which an engine makes there whatever it is told.
const RUNTIME: [&str; 2] = ["/run/docker", "/run/containerd"];
/// IPv4 and IPv6: the program that saves all rules, and the one that puts them back.
const FIREWALLS: [(&str, &str); 2] =
    [("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore")];

/// Notes how the machine is before the engine's first start.
pub fn note(file: &Path) -> Result<()> {
    // A second start by us must not take the first one's traces for the machine's own.
    if file.exists() {
        return Ok(());
    }
    let policies: Vec<Option<String>> = FIREWALLS.iter().map(|(save, _)| forward_policy(save)).collect();
    let before = json!({
        "forwarding": fs::read_to_string(FORWARDING)?.trim(),
        "bridge": Path::new(BRIDGE).exists(),
        "key": Path::new(KEY).exists(),
        "policies": policies,
        "runtime": RUNTIME.map(|path| Path::new(path).exists()),
    });
    Ok(fs::write(file, before.to_string())?)
}

/// Takes back what was not there before; does nothing if the engine was not ours.
pub fn remove(file: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(()) };
    let before: Value = serde_json::from_str(&text)?;
    if before["bridge"] == false {
        if Path::new(BRIDGE).exists() {
            output(Command::new("ip").args(["link", "delete", "docker0"]))?;
        }
        for ((save, restore), policy) in
            FIREWALLS.iter().zip(before["policies"].as_array().into_iter().flatten())
        {
            if has_program(save) {
                remove_rules(save, restore, policy.as_str())?;
            }
        }
    }
    if before["key"] == false {
        let _ = fs::remove_file(KEY);
        // Goes only if nothing else lies there.
        let _ = fs::remove_dir("/etc/docker");
    }
    for (path, existed) in RUNTIME.iter().zip(before["runtime"].as_array().into_iter().flatten()) {
        if *existed == false {
            let _ = fs::remove_dir_all(path);
        }
    }
    if let Some(forwarding) = before["forwarding"].as_str() {
        fs::write(FORWARDING, forwarding)?;
    }
    Ok(fs::remove_file(file)?)
}

fn forward_policy(save: &str) -> Option<String> {
    let rules = output(Command::new(save).args(["-t", "filter"])).ok()?;
    let line = rules.lines().find_map(|line| line.strip_prefix(":FORWARD "))?.to_owned();
    line.split(' ').next().map(str::to_owned)
}

fn remove_rules(save: &str, restore: &str, policy: Option<&str>) -> Result<()> {
    let rules = output(&mut Command::new(save))?;
    let kept = without_docker(&rules, policy.unwrap_or("ACCEPT"));
    let mut child =
        Command::new(restore).stdin(Stdio::piped()).spawn().context("could not restore the firewall")?;
    let mut input = child.stdin.take().context("the pipe was asked for")?;
    std::io::Write::write_all(&mut input, kept.as_bytes())?;
    drop(input);
    let status = child.wait()?;
    if !status.success() {
        bail!("`{restore}` ended with {status}");
    }
    Ok(())
}

/// A table of rules without those of an engine, and with the policy that was.
pub fn without_docker(rules: &str, policy: &str) -> String {
    let mut kept = String::new();
    for line in rules.lines() {
        let dockers = line.contains("DOCKER") || line.contains("docker0");
        match line.strip_prefix(":FORWARD ") {
            // In other tables than `filter` the policy is never anything else.
            Some(rest) => {
                let counters = rest.split_once(' ').map_or("[0:0]", |(_, counters)| counters);
                let policy = if rest.starts_with("DROP") { policy } else { "ACCEPT" };
                kept.push_str(&format!(":FORWARD {policy} {counters}\n"));
            }
            None if dockers => {}
            None => kept.push_str(&format!("{line}\n")),
        }
    }
    kept
}

#[cfg(test)]
mod tests;
