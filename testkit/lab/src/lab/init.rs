//! The first process of a set of namespaces.
//!
//! It ends when its standard input closes, and so with its owner.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What a host's first process does: its own /run, engine identity, machine id and disk; then it reaps
/// orphans until its owner is gone.
const HOST: &str = r#"
set -e
directory=$1 name=$2 disk=$3
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
mount --bind "$directory/etc-docker" /etc/docker
mount --bind "$directory/var-docker" /var/lib/docker
if [ -e /etc/machine-id ]; then mount --bind "$directory/machine-id" /etc/machine-id; fi
if [ -n "$disk" ]; then mount -o loop "$disk" "$directory/disk"; fi
hostname "$name"
ip link set lo up
exec 3<&0
trap 'exit 0' TERM
(read -r _ <&3 || true; kill -TERM 1) &
echo ready
exec >/dev/null
while :; do sleep 1000 & wait $! || true; done
"#;

const SWITCH: &str = r#"
set -e
ip link add br0 type bridge
ip link set lo up
ip link set br0 up
echo ready
read -r _ || true
"#;

/// A running first process; dropping it ends the namespaces and everything in them.
pub(super) struct Init {
    child: Child,
    /// Held, not used: its closing is the signal to end.
    _lifeline: ChildStdin,
    pid: u32,
}

/// What differs between hosts.
pub(super) struct HostNamespaces<'a> {
    pub(super) directory: &'a Path,
    pub(super) name: &'a str,
    pub(super) disk: Option<&'a Path>,
}

impl Init {
    pub(super) fn start_switch(directory: &Path) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SWITCH]);
        Self::start(command, directory, "switch", false)
    }

    pub(super) fn start_host(host: &HostNamespaces<'_>) -> Result<Self> {
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["--propagation", "private", "sh", "-c", HOST, "sh"])
            .arg(host.directory)
            .arg(host.name)
            .arg(host.disk.unwrap_or(Path::new("")));
        Self::start(command, host.directory, "host", true)
    }

    fn start(mut command: Command, directory: &Path, what: &str, forks: bool) -> Result<Self> {
        let log = std::fs::File::create(directory.join("init.log"))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("could not run `unshare`")?;
        let lifeline = child.stdin.take().expect("the pipe was asked for");
        let stdout = child.stdout.take().expect("the pipe was asked for");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim() != "ready" {
            let _ = child.kill();
            let _ = child.wait();
            let complaint = std::fs::read_to_string(directory.join("init.log")).unwrap_or_default();
            bail!("could not make the namespaces of a {what}: {}", complaint.trim());
        }
        let mut init = Self { pid: child.id(), child, _lifeline: lifeline };
        if forks {
            init.pid = only_child(init.pid).context("`unshare` has no child")?;
        }
        Ok(init)
    }

    /// The process whose namespaces are to be entered, as the root namespace counts.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // A first process that dies takes its whole process namespace along, and is gone only when
        // all others are.
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid.cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// The one child of a process that forks once, waited for briefly.
pub(super) fn only_child(pid: u32) -> Option<u32> {
    let limit = Instant::now() + Duration::from_secs(5);
    let path = format!("/proc/{pid}/task/{pid}/children");
    while Instant::now() < limit {
        let children = std::fs::read_to_string(&path).ok()?;
        if let Some(child) = children.split_whitespace().next() {
            return child.parse().ok();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}
