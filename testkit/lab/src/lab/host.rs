//! One host of a lab: its engine, its programs, its power switch.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::process::{Child, Command};

use super::init::{HostNamespaces, Init, only_child};
use super::network::{ip, output};
use super::{CGROUP, Shared, run_blocking};

/// How long an engine may take to answer; usually it is half a second.
const ENGINE_LIMIT: Duration = Duration::from_secs(60);

/// What a host may have that others have not.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// Puts the engine's data and the agent's on a disk of this size, for [`LabHost::fill_disk`].
    pub disk_mb: Option<u64>,
    /// Further flags of `dockerd`, such as `--live-restore`.
    pub engine_arguments: Vec<String>,
}

/// A handle to a host; clones are the same host.
#[derive(Clone)]
pub struct LabHost {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    number: u8,
    name: String,
    address: Ipv4Addr,
    directory: PathBuf,
    options: HostOptions,
    /// `None` while the host is powered off.
    power: Mutex<Option<Power>>,
}

struct Power {
    init: Init,
    engine: Option<Engine>,
}

struct Engine {
    /// The `nsenter` that waits for it.
    child: std::process::Child,
    pid: u32,
}

/// A program that runs on a host; dropping it kills it.
pub struct HostProcess {
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl LabHost {
    pub(super) fn create(shared: Arc<Shared>, number: u8, options: HostOptions) -> Result<Self> {
        let name = format!("host-{number}");
        let directory = shared.directory.join(&name);
        for part in ["disk", "etc-docker", "var-docker"] {
            std::fs::create_dir_all(directory.join(part))?;
        }
        // Bind mounts need a target. The second is not the engine's data, but Swarm writes there.
        for target in ["/etc/docker", "/var/lib/docker"] {
            std::fs::create_dir_all(target)?;
        }
        std::fs::write(directory.join("machine-id"), machine_id(&shared.tag, number))?;
        if let Some(megabytes) = options.disk_mb {
            let image = directory.join("disk.img");
            std::fs::File::create(&image)?.set_len(megabytes * 1024 * 1024)?;
            let image = image.to_str().context("the lab's path is not text")?;
            output("mkfs.ext4", &["-q", "-F", "-m", "0", "-O", "^has_journal", image])?;
        }
        let address = shared.subnet.host(number);
        let power = Mutex::new(None);
        let host =
            Self { inner: Arc::new(Inner { shared, number, name, address, directory, options, power }) };
        host.power_on()?;
        Ok(host)
    }

    /// The host's name, which is also its `hostname`: `host-1` and so on.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The host's address on the lab's network.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.inner.address
    }

    /// The engine's socket as a path that the root namespace can open; on the host itself
    /// it is also `/var/run/docker.sock`.
    #[must_use]
    pub fn docker_socket(&self) -> PathBuf {
        self.inner.directory.join("docker.sock")
    }

    /// The engine's socket in the form of `DOCKER_HOST`.
    #[must_use]
    pub fn docker_url(&self) -> String {
        format!("unix://{}", self.docker_socket().display())
    }

    /// A directory for an agent's data, on the host's disk.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.inner.directory.join("disk/agent")
    }

    /// What the engine wrote so far.
    #[must_use]
    pub fn engine_log(&self) -> String {
        std::fs::read_to_string(self.inner.directory.join("dockerd.log")).unwrap_or_default()
    }

    /// The engine's process id, as the root namespace counts.
    #[must_use]
    pub fn engine_pid(&self) -> Option<u32> {
        self.power().as_ref()?.engine.as_ref().map(|engine| engine.pid)
    }

    /// Loads an image archive into the engine.
    ///
    /// # Errors
    /// Fails with what the engine says.
    pub async fn load_image(&self, archive: &Path) -> Result<()> {
        let archive = archive.to_str().context("the archive's path is not text")?;
        self.docker(&["load", "--quiet", "--input", archive]).await.map(drop)
    }

    /// Runs Docker's own command against the engine and gives its output, trimmed.
    ///
    /// # Errors
    /// Fails with what the command printed as its complaint.
    pub async fn docker(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("docker")
            .env("DOCKER_HOST", self.docker_url())
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("could not run `docker`")?;
        if !output.status.success() {
            bail!(
                "`docker {}` on `{}` ended with {}: {}",
                arguments.join(" "),
                self.name(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Prepares a program to run on the host: in its network, its mounts, its processes.
    ///
    /// The child that this gives is `nsenter`, which waits for the program and ends as it does; to
    /// send signals to the program itself use [`LabHost::spawn`].
    ///
    /// # Errors
    /// Fails if the host is powered off.
    pub fn command<I, S>(&self, program: impl AsRef<OsStr>, arguments: I) -> Result<Command>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::from(self.enter()?);
        command.arg(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Starts a program on the host, with its output going to `LOG.log` in the host's directory.
    ///
    /// # Errors
    /// Fails if the host is powered off or the program cannot be started.
    pub async fn spawn<I, S>(
        &self,
        log: &str,
        program: impl AsRef<OsStr>,
        arguments: I,
    ) -> Result<HostProcess>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let command = self.command(program, arguments)?;
        self.spawn_command(log, command).await
    }

    /// As [`LabHost::spawn`], for a command from [`LabHost::command`] with an environment of its own.
    ///
    /// # Errors
    /// As [`LabHost::spawn`].
    pub async fn spawn_command(&self, log: &str, mut command: Command) -> Result<HostProcess> {
        let log = self.inner.directory.join(format!("{log}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("could not start a program on `{}`", self.name()))?;
        let nsenter = child.id().context("the program ended at once")?;
        let pid = run_blocking(move || only_child(nsenter).context("the program ended at once"))
            .await
            .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        Ok(HostProcess { child, pid, log })
    }

    /// What all containers of the host do and last said: for the message of a failing test.
    pub async fn describe_containers(&self) -> String {
        let mut text = self.docker(&["ps", "--all"]).await.unwrap_or_else(|error| format!("{error:#}"));
        for id in self.docker(&["ps", "--all", "--quiet"]).await.unwrap_or_default().split_whitespace() {
            // Both streams: most programs complain on the second.
            let script = "exec docker logs --tail 20 \"$0\" 2>&1";
            let logs = self.run("sh", ["-c", script, id]).await.unwrap_or_else(|error| format!("{error:#}"));
            text.push_str(&format!("\n--- {id}\n{logs}"));
        }
        text
    }

    /// Starts the engine and waits until it answers. Does nothing if it runs.
    ///
    /// # Errors
    /// Fails with the end of the engine's log.
    pub async fn start_engine(&self) -> Result<()> {
        let host = self.clone();
        run_blocking(move || host.start_engine_now()).await
    }

    fn start_engine_now(&self) -> Result<()> {
        if self.engine_pid().is_some() {
            return Ok(());
        }
        let directory = &self.inner.directory;
        let log = std::fs::File::options().create(true).append(true).open(directory.join("dockerd.log"))?;
        // A socket that a killed engine left would be taken for the new one's.
        let _ = std::fs::remove_file(self.docker_socket());
        let mut command = self.enter()?;
        command
            .arg("dockerd")
            .arg("--data-root")
            .arg(directory.join("disk/docker"))
            .args(["--host", &self.docker_url(), "--host", "unix:///var/run/docker.sock"])
            .args(["--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"])
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            .args(["--cgroup-parent", &self.cgroup()])
            .args(&self.inner.options.engine_arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.spawn().context("could not run `nsenter`")?;
        let pid = only_child(child.id());
        let limit = Instant::now() + ENGINE_LIMIT;
        let state = loop {
            if let Some(status) = child.try_wait()? {
                break format!("ended with {status}");
            }
            match ping(&self.docker_socket()) {
                Ok(()) => {
                    let pid = pid.context("the engine's process is not to be seen")?;
                    let mut power = self.power();
                    let power = power.as_mut().context("the host was powered off meanwhile")?;
                    power.engine = Some(Engine { child, pid });
                    return Ok(());
                }
                Err(error) if Instant::now() > limit => break format!("does not answer: {error:#}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        if let Some(pid) = pid {
            signal(pid, Signal::KILL);
        }
        let _ = child.wait();
        bail!("the engine of `{}` {state}\n{}", self.name(), tail(&self.engine_log(), 30))
    }

    /// Ends the engine in good order; it stops its containers first.
    ///
    /// # Errors
    /// Fails if it does not end in time.
    pub async fn stop_engine(&self) -> Result<()> {
        self.end_engine(Signal::TERM).await
    }

    /// Kills the engine on the spot (`kill -9`); its containers go on running.
    ///
    /// # Errors
    /// Fails if it does not end in time.
    pub async fn kill_engine(&self) -> Result<()> {
        self.end_engine(Signal::KILL).await
    }

    async fn end_engine(&self, how: Signal) -> Result<()> {
        let engine = self.power().as_mut().and_then(|power| power.engine.take());
        let Some(mut engine) = engine else { return Ok(()) };
        let name = self.name().to_owned();
        run_blocking(move || {
            signal(engine.pid, how);
            let limit = Instant::now() + ENGINE_LIMIT;
            while engine.child.try_wait()?.is_none() {
                if Instant::now() > limit {
                    signal(engine.pid, Signal::KILL);
                    let _ = engine.child.wait();
                    bail!("the engine of `{name}` did not end within {} s", ENGINE_LIMIT.as_secs());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        })
        .await
    }

    /// Switches the host off and on: all its processes die at once, containers and agent among
    /// them; disks stay. The engine runs again when this returns; an agent is for the test to start.
    ///
    /// # Errors
    /// Fails if the engine does not come back.
    pub async fn reboot(&self) -> Result<()> {
        let host = self.clone();
        run_blocking(move || {
            host.power_off();
            host.power_on()
        })
        .await?;
        self.start_engine().await
    }

    /// Switches the host off; [`LabHost::reboot`] brings it back.
    pub fn power_off(&self) {
        let power = self.power().take();
        if let Some(Power { init, engine }) = power {
            drop(init);
            if let Some(mut engine) = engine {
                let _ = engine.child.wait();
            }
        }
    }

    fn power_on(&self) -> Result<()> {
        let inner = &self.inner;
        let disk = inner.directory.join("disk.img");
        let init = Init::start_host(&HostNamespaces {
            directory: &inner.directory,
            name: &inner.name,
            disk: inner.options.disk_mb.map(|_| disk.as_path()),
        })?;
        let pid = init.pid();
        let text = pid.to_string();
        let port = self.port();
        // A namespace that just died may keep its end of the cable for a moment.
        let _ = inner.shared.on_switch(&["link", "delete", &port]);
        inner
            .shared
            .on_switch(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &text])?;
        inner.shared.on_switch(&["link", "set", &port, "master", "br0", "up"])?;
        ip(Some(pid), &["address", "add", &format!("{}/24", inner.address), "dev", "eth0"])?;
        ip(Some(pid), &["link", "set", "eth0", "up"])?;
        *self.power() = Some(Power { init, engine: None });
        Ok(())
    }

    /// Fills the host's small disk to the last block.
    ///
    /// # Errors
    /// Fails on a host without [`HostOptions::disk_mb`].
    pub async fn fill_disk(&self) -> Result<()> {
        if self.inner.options.disk_mb.is_none() {
            bail!("`{}` has the machine's own disk; ask for one with `disk_mb`", self.name());
        }
        let script = r#"dd if=/dev/zero of="$1" bs=64k status=none 2>/dev/null
            dd if=/dev/zero of="$1" bs=512 oflag=append conv=notrunc status=none 2>/dev/null; sync -f "$1""#;
        self.run("sh", [OsStr::new("-c"), OsStr::new(script), OsStr::new("sh"), self.ballast().as_os_str()])
            .await
            .map(drop)
    }

    /// Gives back what [`LabHost::fill_disk`] took.
    ///
    /// # Errors
    /// Fails if the host is powered off.
    pub async fn free_disk(&self) -> Result<()> {
        self.run("rm", [OsStr::new("-f"), self.ballast().as_os_str()]).await.map(drop)
    }

    /// Runs a program on the host to its end and gives its output, trimmed.
    ///
    /// # Errors
    /// Fails with what the program printed as its complaint.
    pub async fn run<I, S>(&self, program: &str, arguments: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = self.command(program, arguments)?.output().await?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("`{program}` on `{}` ended with {}: {}", self.name(), output.status, complaint.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn ballast(&self) -> PathBuf {
        self.inner.directory.join("disk/ballast")
    }

    /// The name of the host's port on the switch.
    pub(super) fn port(&self) -> String {
        format!("port{}", self.inner.number)
    }

    fn cgroup(&self) -> String {
        format!("/{CGROUP}/{}/{}", self.inner.shared.tag, self.inner.name)
    }

    fn enter(&self) -> Result<std::process::Command> {
        let power = self.power();
        let power = power.as_ref().with_context(|| format!("`{}` is powered off", self.inner.name))?;
        let mut command = std::process::Command::new("nsenter");
        command
            .arg(format!("--target={}", power.init.pid()))
            .args(["--net", "--mount", "--uts", "--pid"])
            // `sbin` holds iptables and dockerd, and is missing from some users' paths.
            .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        Ok(command)
    }

    fn power(&self) -> MutexGuard<'_, Option<Power>> {
        self.inner.power.lock().expect("no holder of this lock panics")
    }
}

impl HostProcess {
    /// The program's process id, as the root namespace counts.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What the program wrote so far, with what earlier ones under the same log name wrote.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal to the program.
    pub fn signal(&self, how: Signal) {
        signal(self.pid, how);
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the program to end by itself.
    ///
    /// # Errors
    /// Fails if the system cannot say.
    pub async fn wait(&mut self) -> Result<std::process::ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Kills the program on the spot (`kill -9`) and waits for its end.
    ///
    /// # Errors
    /// Fails if the system cannot say.
    pub async fn kill(mut self) -> Result<()> {
        self.signal(Signal::KILL);
        self.wait().await.map(drop)
    }

    /// Asks the program to end, and waits for that.
    ///
    /// # Errors
    /// Fails if it does not end within the limit.
    pub async fn stop(mut self, limit: Duration) -> Result<std::process::ExitStatus> {
        self.signal(Signal::TERM);
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("the program did not end within {limit:?}\n{}", tail(&self.log(), 30)),
        }
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        if self.is_running() {
            self.signal(Signal::KILL);
        }
    }
}

fn signal(pid: u32, how: Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        // It may be gone already, and that is what most signals are for.
        let _ = rustix::process::kill_process(pid, how);
    }
}

/// Asks an engine for a sign of life.
fn ping(socket: &Path) -> Result<()> {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.contains(" 200 ") {
        bail!("{}", answer.lines().next().unwrap_or("no answer"));
    }
    Ok(())
}

/// 32 hex digits that differ between hosts and stay the same over a reboot.
fn machine_id(tag: &str, number: u8) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let digits = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (tag, number, salt).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}\n", digits(0), digits(1))
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
