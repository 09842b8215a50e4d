//! Processes of the real program, which end with the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use serde_json::Value;
use testkit_lab::images::Images;
use testkit_lab::lab::{HostOptions, HostProcess, Lab, LabHost};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lariat");

/// No command of a test takes longer.
const COMMAND_LIMIT: Duration = Duration::from_secs(80);

/// Waits for a condition and fails with the last thing seen.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > until => panic!("{what} did not come true; last seen:\n{seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Sends a signal to a process that the test started.
pub fn send_signal(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A server with a data folder of its own.
pub struct Server {
    folder: tempfile::TempDir,
    options: Vec<String>,
    listen: String,
    child: Option<Child>,
}

/// What a user command wrote, and its exit code.
#[derive(Debug)]
pub struct Done {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl Done {
    fn of(output: Output) -> Self {
        Self {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// The output of a command that must have worked.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

impl Server {
    /// Starts a server on a free port of this machine.
    pub fn start() -> Self {
        Self::start_with("127.0.0.1:0", &[])
    }

    /// Starts a server that listens somewhere else, or with further options.
    pub fn start_with(listen: &str, options: &[&str]) -> Self {
        let mut server = Self::prepared(listen, options);
        server.launch();
        server
    }

    /// A server that is not running yet.
    pub fn prepared(listen: &str, options: &[&str]) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            listen: listen.to_owned(),
            child: None,
        }
    }

    /// Starts a server that was stopped, with other options.
    pub fn start_again(mut server: Self, options: &[&str]) -> Self {
        server.options = options.iter().map(|option| (*option).to_owned()).collect();
        server.launch();
        server
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(["server", "--listen", &self.listen, "--data-dir"])
            .arg(self.folder().join("data"))
            .arg("--address-file")
            .arg(self.folder().join("address"))
            .arg("--bootstrap-file")
            .arg(self.folder().join("bootstrap"))
            .args(&self.options)
            .stdin(Stdio::null());
        command
    }

    /// Starts it, again after a kill, and waits until it answers. It keeps its port.
    pub fn launch(&mut self) {
        let _ = std::fs::remove_file(self.folder().join("address"));
        let log = std::fs::File::options().create(true).append(true).open(self.folder().join("log")).unwrap();
        self.child = Some(self.command().stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let address = eventually("the server answers", Duration::from_secs(30), || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}\n{}", self.log());
            std::fs::read_to_string(self.folder().join("address")).map_err(|_| self.log())
        });
        let (_, rest) = address.trim().split_once("://").unwrap();
        self.listen = rest.to_owned();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        std::fs::read_to_string(self.folder().join("address")).unwrap().trim().to_owned()
    }

    pub fn first(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.folder().join("bootstrap")).unwrap()).unwrap()
    }

    fn signal(&mut self, signal: Signal) -> std::process::ExitStatus {
        let mut child = self.child.take().unwrap();
        send_signal(child.id(), signal);
        eventually("the server ends", Duration::from_secs(30), || {
            child
                .try_wait()
                .unwrap()
                .ok_or_else(|| std::fs::read_to_string(self.folder().join("log")).unwrap())
        })
    }

    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to end; gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM).code()
    }

    /// A user command as the first administrator.
    pub fn user(&self, arguments: &[&str]) -> Command {
        let first = self.first();
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.folder())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LARIAT_URL", self.url())
            .env("LARIAT_ACCESS_KEY", first["accessKey"].as_str().unwrap())
            .env("LARIAT_SECRET_KEY", first["secretKey"].as_str().unwrap())
            .stdin(Stdio::null());
        command
    }

    /// The pin of its own certificate, which it prints at its start.
    pub fn pin(&self) -> String {
        let log = self.log();
        let (_, rest) = log.split_once("--pin ").unwrap_or_else(|| panic!("no pin in the log: {log}"));
        rest.split_whitespace().next().unwrap().to_owned()
    }

    pub fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.user(arguments).output().unwrap())
    }

    /// Writes a file that commands find by its name.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the server\n{}", self.log());
        }
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Done {
    Done::of(command.output().unwrap())
}

/// A server and hosts with agents, in a lab.
pub struct Site {
    pub lab: Lab,
    pub server: Server,
    pub hosts: Vec<LabHost>,
    pub agents: Vec<Option<HostProcess>>,
    options: Vec<String>,
}

impl Site {
    /// A site with so many hosts, each with the test image and an agent that is connected.
    pub async fn new(name: &str, hosts: u8) -> Self {
        Self::with(name, hosts, &[], HostOptions::default()).await
    }

    pub async fn with(name: &str, hosts: u8, server: &[&str], options: HostOptions) -> Self {
        let lab = Lab::new(name).await.unwrap();
        let listen = format!("{}:0", lab.server_address());
        let server = Server::start_with(&listen, server);
        let mut site = Self { lab, server, hosts: Vec::new(), agents: Vec::new(), options: Vec::new() };
        for number in 1..=hosts {
            site.add_host(number, options.clone()).await;
        }
        site
    }

    async fn add_host(&mut self, number: u8, options: HostOptions) {
        let host = self.lab.add_host_with(number, options).await.unwrap();
        let image = Images::for_tests().busybox().unwrap();
        host.load_image(&image.archive).await.unwrap();
        self.hosts.push(host);
        self.agents.push(None);
        let token = self.server.run(&["hosts", "add", "--format", "json"]).json()["token"].clone();
        self.options = vec!["--token".into(), token.as_str().unwrap().to_owned()];
        self.start_agent(self.hosts.len() - 1).await;
        let name = self.hosts.last().unwrap().name().to_owned();
        self.wait_for_host(&name, "active");
    }

    /// Starts the agent of a host.
    pub async fn start_agent(&mut self, host: usize) {
        let process = self.spawn_agent(host, &self.options.clone()).await;
        self.agents[host] = Some(process);
    }

    /// Starts an agent on a host with options of its own.
    pub async fn spawn_agent(&self, host: usize, options: &[String]) -> HostProcess {
        let host = &self.hosts[host];
        let mut arguments: Vec<String> =
            ["agent", "--server", &self.server.url(), "--address", &host.address().to_string(), "--data-dir"]
                .map(str::to_owned)
                .to_vec();
        arguments.push(host.data_directory().display().to_string());
        arguments.extend_from_slice(options);
        host.spawn("agent", PROGRAM, &arguments).await.unwrap()
    }

    /// Kills the agent of a host.
    pub async fn kill_agent(&mut self, host: usize) {
        self.agents[host].take().unwrap().kill().await.unwrap();
    }

    pub fn wait_for_host(&self, name: &str, state: &str) {
        eventually(&format!("{name} is {state}"), Duration::from_secs(40), || {
            let list = self.server.run(&["hosts", "--format", "json"]).json();
            let found =
                list.as_array().unwrap().iter().any(|host| host["name"] == name && host["state"] == state);
            if found { Ok(()) } else { Err(format!("{list:#}\n{}", self.agent_logs())) }
        });
    }

    pub fn agent_logs(&self) -> String {
        self.agents.iter().flatten().map(|agent| format!("--- log of an agent\n{}", agent.log())).collect()
    }

    /// Runs a user command where it holds up no timer. One that does not end is a failure of its own.
    pub async fn run(&self, arguments: &[&str]) -> Done {
        let mut command = tokio::process::Command::from(self.server.user(arguments));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = command.spawn().unwrap().wait_with_output();
        match tokio::time::timeout(COMMAND_LIMIT, output).await {
            Ok(output) => Done::of(output.unwrap()),
            Err(_) => {
                let services = Done::of(self.server.user(&["services"]).output().unwrap());
                let containers = Done::of(self.server.user(&["ps"]).output().unwrap());
                panic!("`lariat {arguments:?}` did not end\n{services:#?}\n{containers:#?}");
            }
        }
    }

    /// Starts a user command that goes on beside the test.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.server.user(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The state of each container, by its name.
    pub async fn states(&self) -> BTreeMap<String, String> {
        let list = self.run(&["ps", "--format", "json"]).await.json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["state"].as_str().unwrap().to_owned()))
            .collect()
    }

    /// Waits until containers are as said.
    pub async fn wait_for_states(&self, expected: &[(&str, &str)]) {
        let until = Instant::now() + Duration::from_secs(60);
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect();
        loop {
            let states = self.states().await;
            if states == expected {
                return;
            }
            assert!(
                Instant::now() < until,
                "last seen: {states:?}, expected {expected:?}\n{}",
                self.agent_logs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Names of containers that run on a host, as its engine says.
    pub async fn running(&self, host: usize) -> Vec<String> {
        let text = self.hosts[host].docker(&["ps", "--format", "{{.Names}}"]).await.unwrap();
        let mut names: Vec<String> = text.lines().map(people_say).collect();
        names.sort();
        names
    }

    /// Waits until exactly these containers run on a host: the engine's list lags behind its events by a moment.
    pub async fn wait_for_running(&self, host: usize, expected: &[&str]) {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let running = self.running(host).await;
            if running == expected {
                return;
            }
            let states = self.states().await;
            assert!(
                Instant::now() < until,
                "{running:?} run, expected {expected:?}, the server says {states:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a container's engine says of it.
    pub async fn engine_says(&self, host: usize, name: &str, format: &str) -> String {
        let list = self.run(&["ps", "--format", "json", name]).await.json();
        let id = list[0]["dockerId"].as_str().unwrap().to_owned();
        self.hosts[host].docker(&["inspect", "--format", format, &id]).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.agent_logs());
        }
    }
}

/// The name of a container as people know it: engines call it `r-NAME-HASH`, so that two of a name can follow each
/// other.
fn people_say(name: &str) -> String {
    match name.strip_prefix("r-").and_then(|rest| rest.rsplit_once('-')) {
        Some((name, _)) => name.to_owned(),
        None => name.to_owned(),
    }
}
