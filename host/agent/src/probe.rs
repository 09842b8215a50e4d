//! What the host is and how it fares.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use contract_protocol::{HostFacts, HostMetrics};
use host_driver::Clock;

/// Above this share of the disk in use a host says that it is nearly full, in percent.
const NEARLY_FULL: u64 = 95;

/// Reads facts and figures of the host.
pub trait Probe: Debug + Send + Sync {
    /// What the host is. What only the engine knows is left empty.
    fn facts(&self) -> HostFacts;

    /// How it fares now; `None` where that cannot be told.
    fn metrics(&self) -> Option<HostMetrics>;

    /// Says so if the disk with this folder is nearly full.
    fn disk_trouble(&self, folder: &str) -> Option<String>;
}

/// Reads `/proc`, `/etc` and the file systems of a Linux host.
#[derive(Debug)]
pub struct LinuxProbe {
    clock: Arc<dyn Clock>,
    /// The folder whose disk counts, until the engine names its own.
    folder: PathBuf,
    engine_folder: Mutex<Option<PathBuf>>,
    last_cpu: Mutex<Vec<CpuTimes>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct CpuTimes {
    busy: u64,
    all: u64,
}

impl LinuxProbe {
    /// A probe that looks at the disk of `folder`.
    pub fn new(clock: Arc<dyn Clock>, folder: PathBuf) -> Self {
        Self { clock, folder, engine_folder: Mutex::default(), last_cpu: Mutex::default() }
    }

    fn disk(&self) -> Option<rustix::fs::StatVfs> {
        let engine = self.engine_folder.lock().ok().and_then(|folder| folder.clone());
        engine
            .and_then(|folder| rustix::fs::statvfs(&folder).ok())
            .or_else(|| rustix::fs::statvfs(&self.folder).ok())
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Finds `name:  value` in the style of `/proc/cpuinfo` and `/proc/meminfo`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

fn kibibytes(meminfo: &str, name: &str) -> u64 {
    field(meminfo, name)
        .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        .saturating_mul(1024)
}

/// Reads the name of the system from `os-release`.
fn os_name(text: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

fn cpu_times(stat: &str) -> Vec<CpuTimes> {
    stat.lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
        .map(|line| {
            let times: Vec<u64> =
                line.split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
            let all = times.iter().sum();
            let idle = times.get(3).copied().unwrap_or(0) + times.get(4).copied().unwrap_or(0);
            CpuTimes { busy: all - idle, all }
        })
        .collect()
}

/// Adds up what came and went over all interfaces but loopback.
fn traffic(net_dev: &str) -> (u64, u64) {
    let mut sums = (0_u64, 0_u64);
    for line in net_dev.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        if name.trim() == "lo" {
            continue;
        }
        let numbers: Vec<u64> = rest.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        sums.0 = sums.0.saturating_add(numbers.first().copied().unwrap_or(0));
        sums.1 = sums.1.saturating_add(numbers.get(8).copied().unwrap_or(0));
    }
    sums
}

/// The host's own addresses, from the kernel's table of local routes.
fn addresses(fib_trie: &str, if_inet6: &str) -> Vec<IpAddr> {
    let mut found = std::collections::BTreeSet::new();
    let mut candidate = None;
    for line in fib_trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            candidate = address.parse::<IpAddr>().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = candidate
        {
            found.insert(address);
        }
    }
    for line in if_inet6.lines() {
        let Some(hex) = line.split_whitespace().next().filter(|hex| hex.len() == 32) else { continue };
        if let Ok(bits) = u128::from_str_radix(hex, 16) {
            found.insert(IpAddr::from(bits.to_be_bytes()));
        }
    }
    found
        .into_iter()
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect()
}

impl Probe for LinuxProbe {
    fn facts(&self) -> HostFacts {
        let cpuinfo = read("/proc/cpuinfo");
        let uname = rustix::system::uname();
        let disk_total = self.disk().map_or(0, |disk| disk.f_blocks * disk.f_frsize);
        let cpu_count = cpu_times(&read("/proc/stat")).len();
        HostFacts {
            hostname: uname.nodename().to_string_lossy().into_owned(),
            operating_system: os_name(&read("/etc/os-release")),
            kernel: uname.release().to_string_lossy().into_owned(),
            architecture: uname.machine().to_string_lossy().into_owned(),
            cpu_count: u32::try_from(cpu_count).unwrap_or(0),
            cpu_model: field(&cpuinfo, "model name").unwrap_or_default().to_owned(),
            memory_total: kibibytes(&read("/proc/meminfo"), "MemTotal"),
            disk_total,
            engine: Default::default(),
            labels: BTreeMap::new(),
            addresses: addresses(&read("/proc/net/fib_trie"), &read("/proc/net/if_inet6")),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            troubles: BTreeMap::new(),
        }
    }

    fn metrics(&self) -> Option<HostMetrics> {
        let now = cpu_times(&read("/proc/stat"));
        let before =
            std::mem::replace(&mut *self.last_cpu.lock().expect("no panic while it is held"), now.clone());
        let cpu_percent = now
            .iter()
            .enumerate()
            .map(|(core, now)| {
                let before = before.get(core).copied().unwrap_or_default();
                let all = now.all.saturating_sub(before.all).max(1);
                let busy = now.busy.saturating_sub(before.busy);
                (busy as f64 * 1000.0 / all as f64).round() / 10.0
            })
            .collect();
        let mut load = [0.0; 3];
        for (place, word) in load.iter_mut().zip(read("/proc/loadavg").split_whitespace()) {
            *place = word.parse().unwrap_or(0.0);
        }
        let meminfo = read("/proc/meminfo");
        let (network_received, network_sent) = traffic(&read("/proc/net/dev"));
        Some(HostMetrics {
            at: self.clock.now(),
            cpu_percent,
            load,
            memory_free: kibibytes(&meminfo, "MemFree"),
            memory_available: kibibytes(&meminfo, "MemAvailable"),
            memory_buffers: kibibytes(&meminfo, "Buffers"),
            memory_cached: kibibytes(&meminfo, "Cached"),
            swap_total: kibibytes(&meminfo, "SwapTotal"),
            swap_free: kibibytes(&meminfo, "SwapFree"),
            disk_used: self.disk().map_or(0, |disk| (disk.f_blocks - disk.f_bfree) * disk.f_frsize),
            network_received,
            network_sent,
        })
    }

    fn disk_trouble(&self, folder: &str) -> Option<String> {
        if !folder.is_empty()
            && let Ok(mut known) = self.engine_folder.lock()
        {
            *known = Some(PathBuf::from(folder));
        }
        let disk = self.disk()?;
        let used =
            (disk.f_blocks - disk.f_bfree) * 100 / (disk.f_blocks - disk.f_bfree + disk.f_bavail).max(1);
        (used >= NEARLY_FULL).then(|| format!("{used} % of the disk of {folder} are in use"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_kernels_texts() {
        let stat = "cpu  20 0 20 60 0 0 0 0 0 0\ncpu0 10 0 10 70 10 0 0 0 5 0\ncpu1 1 1 1 1 1 1 1 1\nintr 5";
        assert_eq!(cpu_times(stat), [CpuTimes { busy: 20, all: 100 }, CpuTimes { busy: 6, all: 8 }]);
        let net = "Inter-|   Receive\n face |bytes\n    lo: 5 0 0 0 0 0 0 0 5 0\n  eth0: 100 1 0 0 0 0 0 0 200 2 0\n";
        assert_eq!(traffic(net), (100, 200));
        assert_eq!(kibibytes("MemTotal:       2048 kB\n", "MemTotal"), 2 * 1024 * 1024);
        assert_eq!(os_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"), "Debian GNU/Linux 12");
        let trie = "     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     \
                    |-- 10.0.0.255\n        /32 link BROADCAST\n";
        let v6 = "fe800000000000000000000000000001 02 40 20 80 eth0\nfd000000000000000000000000000002 02 40 00 80 eth0\n";
        let expected: Vec<IpAddr> =
            ["10.0.0.5", "fd00::2"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(addresses(trie, v6), expected);
    }

    #[test]
    fn this_machine_has_facts_and_figures() {
        let probe = LinuxProbe::new(Arc::new(host_driver::SystemClock), PathBuf::from("/"));
        let facts = probe.facts();
        assert!(facts.cpu_count > 0 && facts.memory_total > 0 && facts.disk_total > 0, "{facts:?}");
        let metrics = probe.metrics().unwrap();
        assert_eq!(metrics.cpu_percent.len(), facts.cpu_count as usize);
    }
}
