//! Addresses of labs, and the `ip` program.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A /24 out of 100.64.0.0/10, the range set aside for carriers: neither Docker nor a home or office uses it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subnet(u16);

impl Subnet {
    const COUNT: u32 = 64 * 256;

    /// Takes the first subnet from `seed` on that no route of the root namespace knows.
    pub(super) fn pick(seed: u32) -> Result<Self> {
        let routes = output("ip", &["-4", "-oneline", "route", "show", "table", "all"])?;
        for step in 0..Self::COUNT {
            let number = u16::try_from((seed.wrapping_add(step)) % Self::COUNT)?;
            let subnet = Self(number);
            let [a, b, c, _] = subnet.server().octets();
            if !routes.contains(&format!("{a}.{b}.{c}.")) {
                return Ok(subnet);
            }
        }
        bail!("no free subnet for a lab in 100.64.0.0/10")
    }

    pub(super) fn server(self) -> Ipv4Addr {
        self.address(1)
    }

    pub(super) fn host(self, number: u8) -> Ipv4Addr {
        self.address(10 + number)
    }

    fn address(self, last: u8) -> Ipv4Addr {
        let [high, low] = self.0.to_be_bytes();
        Ipv4Addr::new(100, 64 + high, low, last)
    }
}

/// Runs `ip` in the root namespace, or in the network namespace of a process.
pub(super) fn ip(namespace_of: Option<u32>, arguments: &[&str]) -> Result<()> {
    match namespace_of {
        None => output("ip", arguments),
        Some(pid) => {
            let target = format!("--target={pid}");
            let mut all = vec![target.as_str(), "--net", "ip"];
            all.extend_from_slice(arguments);
            output("nsenter", &all)
        }
    }
    .map(drop)
}

/// Runs a program to its end and gives its output, or its complaint as an error.
pub(super) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("could not run `{program}`"))?;
    if !output.status.success() {
        bail!(
            "`{program} {}` ended with {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
