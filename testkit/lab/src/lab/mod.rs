//! Several Docker hosts on one machine.
//!
//! A [`Lab`] is a switch (a bridge in a network namespace of its own) with one
//! cable to the root namespace and one to each host. A host is a set of
//! namespaces (network, mount, process, host name) with a `dockerd` of its own.
//! The root namespace is untouched but for one interface per lab, so labs run
//! beside each other and beside an engine of the machine itself.
//!
//! The first process of every namespace waits on a pipe whose other end the
//! owner holds. When the owner ends, even by `kill -9`, the pipe closes, that
//! process ends, and the kernel takes all other processes, mounts and
//! interfaces with it. Only directories can be left over; [`Lab::sweep`] finds
//! them by the process id in their name.
//!
//! Needs root, `docker.io`, `iproute2`, `util-linux` and, for small disks,
//! `e2fsprogs`.

mod host;
mod init;
mod network;
mod sweep;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};

pub use host::{HostOptions, HostProcess, LabHost};
pub use rustix::process::Signal;

use init::Init;
use network::{Subnet, ip};

/// Where labs keep their directories; a real disk, since engines put overlays there.
const ROOT: &str = "/var/lib/lariat-lab";
/// The control group under which all engines of labs put their containers.
const CGROUP: &str = "lariat-lab";

/// A switch with hosts on it; everything ends when this is dropped.
pub struct Lab {
    shared: Arc<Shared>,
    hosts: Mutex<Vec<LabHost>>,
}

struct Shared {
    tag: String,
    directory: PathBuf,
    subnet: Subnet,
    interface: String,
    /// `None` once the lab has been taken down.
    switch: Mutex<Option<Init>>,
}

impl Lab {
    /// Makes an empty lab; `name` only helps to recognise its directory.
    ///
    /// # Errors
    /// Fails without root, without the needed programs, or without a free subnet.
    pub async fn new(name: &str) -> Result<Self> {
        let name = name.to_owned();
        run_blocking(move || Self::create(&name)).await
    }

    fn create(name: &str) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("a lab needs root: it makes namespaces, bridges and Docker engines");
        }
        for (program, package) in [
            ("dockerd", "docker.io"),
            ("docker", "docker.io"),
            ("ip", "iproute2"),
            ("unshare", "util-linux"),
            ("iptables", "iptables"),
        ] {
            if !has_program(program) {
                bail!("a lab needs the program `{program}`: apt-get install {package}");
            }
        }
        std::fs::create_dir_all(ROOT).with_context(|| format!("could not make `{ROOT}`"))?;
        // Two labs that start at once must not take the same subnet.
        let _lock = lock()?;
        sweep::sweep();

        static NEXT: AtomicU32 = AtomicU32::new(0);
        let owner = std::process::id();
        let sequence = NEXT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{owner}-{sequence}-{}", clean(name));
        let directory = Path::new(ROOT).join(&tag);
        std::fs::create_dir_all(&directory)?;
        sweep::write_owner(&directory)?;

        let interface = format!("lab{owner}x{sequence}");
        let subnet = Subnet::pick(owner.wrapping_mul(31).wrapping_add(sequence))?;
        let switch = Init::start_switch(&directory)?;
        let pid = switch.pid().to_string();
        let shared = Shared { tag, directory, subnet, interface, switch: Mutex::new(Some(switch)) };
        // From here on a failure drops `shared`, which takes everything down.
        let address = format!("{}/24", subnet.server());
        ip(None, &["link", "add", &shared.interface, "type", "veth", "peer", "name", "up0", "netns", &pid])?;
        shared.on_switch(&["link", "set", "up0", "master", "br0", "up"])?;
        ip(None, &["address", "add", &address, "dev", &shared.interface])?;
        ip(None, &["link", "set", &shared.interface, "up"])?;
        Ok(Self { shared: Arc::new(shared), hosts: Mutex::new(Vec::new()) })
    }

    /// Adds host `number` (1 to 200) with an engine that answers when this returns.
    ///
    /// # Errors
    /// Fails if the number is taken or the engine does not come up; the error ends with its log.
    pub async fn add_host(&self, number: u8) -> Result<LabHost> {
        self.add_host_with(number, HostOptions::default()).await
    }

    /// As [`Lab::add_host`], with a small disk or further engine flags.
    ///
    /// # Errors
    /// As [`Lab::add_host`].
    pub async fn add_host_with(&self, number: u8, options: HostOptions) -> Result<LabHost> {
        if !(1..=200).contains(&number) {
            bail!("hosts of a lab are numbered 1 to 200, not {number}");
        }
        let name = format!("host-{number}");
        if self.hosts.lock().expect("no holder of this lock panics").iter().any(|host| host.name() == name) {
            bail!("the lab has a host `{name}` already");
        }
        let shared = Arc::clone(&self.shared);
        let host = run_blocking(move || LabHost::create(shared, number, options)).await?;
        host.start_engine().await?;
        self.hosts.lock().expect("no holder of this lock panics").push(host.clone());
        Ok(host)
    }

    /// The address of the root namespace on the lab's network: where a server of the test is reached.
    #[must_use]
    pub fn server_address(&self) -> Ipv4Addr {
        self.shared.subnet.server()
    }

    /// The lab's directory, which goes with it; a good place for a test's own files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Takes the host off the network: it reaches nobody and nobody reaches it.
    ///
    /// Its interface stays up, so packets are lost without an error, as behind a dead switch.
    ///
    /// # Errors
    /// Fails if the host is down.
    pub fn cut(&self, host: &LabHost) -> Result<()> {
        self.shared.on_switch(&["link", "set", &host.port(), "nomaster"])
    }

    /// Puts a host that was cut off back on the network.
    ///
    /// # Errors
    /// Fails if the host is down.
    pub fn heal(&self, host: &LabHost) -> Result<()> {
        self.shared.on_switch(&["link", "set", &host.port(), "master", "br0"])
    }

    /// Removes what labs of ended processes left behind, and says what that was.
    #[must_use]
    pub fn sweep() -> Vec<String> {
        match lock() {
            Ok(_lock) => sweep::sweep(),
            Err(_) => Vec::new(),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in self.hosts.lock().expect("no holder of this lock panics").iter() {
            host.power_off();
        }
        self.shared.take_down();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.take_down();
    }
}

impl Shared {
    fn on_switch(&self, arguments: &[&str]) -> Result<()> {
        let switch = self.switch.lock().expect("no holder of this lock panics");
        let switch = switch.as_ref().context("the lab has been taken down")?;
        ip(Some(switch.pid()), arguments)
    }

    fn take_down(&self) {
        if let Some(switch) = self.switch.lock().expect("no holder of this lock panics").take() {
            // The kernel removes a veth with its peer's namespace, but a moment later; a test that
            // looks for leftovers must not see it.
            let _ = ip(None, &["link", "delete", &self.interface]);
            drop(switch);
            sweep::remove_directory(&self.directory);
            sweep::remove_cgroups(&format!("{CGROUP}/{}", self.tag));
        }
    }
}

fn lock() -> Result<std::fs::File> {
    std::fs::create_dir_all(ROOT).with_context(|| format!("could not make `{ROOT}`"))?;
    let file = std::fs::File::create(Path::new(ROOT).join(".lock"))?;
    file.lock()?;
    Ok(file)
}

/// Runs short blocking work where it stalls no timer of the test.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work was cut short")?
}

fn clean(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(24).collect()
}

fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .any(|directory| directory.join(name).is_file())
}
