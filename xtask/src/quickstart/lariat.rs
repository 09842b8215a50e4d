//! The server, the agent and the commands of quickstart's Lariat.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::Background;
use crate::steps::{output, wait_for};

use super::{get, say};

pub struct Lariat {
    state: PathBuf,
    built: PathBuf,
    port: u16,
    server: Background,
    agent: Background,
}

/// What the server writes on its first start.
pub struct Credentials {
    pub user: String,
    pub password: String,
    pub access_key: String,
    pub secret_key: String,
}

impl Lariat {
    /// `port` counts only until the server has been started once.
    pub fn new(state: &Path, built: &Path, port: u16) -> Self {
        let noted = fs::read_to_string(state.join("port")).ok().and_then(|text| text.trim().parse().ok());
        Self {
            state: state.to_owned(),
            built: built.to_owned(),
            port: noted.unwrap_or(port),
            server: Background::new("server", state),
            agent: Background::new("agent", state),
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Our copy of the program, which a later build does not change under a running server.
    pub fn program(&self) -> PathBuf {
        self.state.join("bin/lariat")
    }

    /// A script for a shell that makes the commands find server and keys.
    pub fn environment_file(&self) -> PathBuf {
        self.state.join("env")
    }

    /// Puts the built program in place; if it is a new one, what runs is stopped and comes back with it.
    pub fn install(&self) -> Result<()> {
        let program = self.program();
        let built =
            fs::read(&self.built).with_context(|| format!("could not read `{}`", self.built.display()))?;
        if fs::read(&program).is_ok_and(|installed| installed == built) {
            return Ok(());
        }
        if self.server.pid().is_some() {
            say("the program is a new one: server and agent start again, containers go on");
        }
        self.agent.stop(Duration::from_secs(20))?;
        self.server.stop(Duration::from_secs(20))?;
        fs::create_dir_all(self.state.join("bin"))?;
        let new = program.with_extension("new");
        fs::copy(&self.built, &new)?;
        fs::rename(&new, &program)?;
        Ok(())
    }

    pub fn server_runs(&self) -> bool {
        self.server.pid().is_some() && self.answers().is_ok()
    }

    /// Starts the server if it is not running, and gives the credentials if nobody has seen them yet.
    pub fn start_server(&self) -> Result<Option<Credentials>> {
        let bootstrap = self.bootstrap_file();
        if self.server.pid().is_none() {
            say(&format!("starting the server at {}", self.url()));
            fs::write(self.state.join("port"), self.port.to_string())?;
            self.server.start(
                Command::new(self.program())
                    .args(["server", "--listen", &format!("127.0.0.1:{}", self.port), "--data-dir"])
                    .arg(self.state.join("server"))
                    .arg("--bootstrap-file")
                    .arg(&bootstrap),
            )?;
        }
        wait_for("the server answers", Duration::from_secs(60), || {
            self.server.check()?;
            self.answers()
        })?;
        if !bootstrap.exists() {
            return Ok(None);
        }
        let credentials = Credentials::read(&bootstrap)?;
        self.write_environment(&credentials)?;
        Ok(Some(credentials))
    }

    /// Removes what the server wrote on its first start, once a person has seen it.
    pub fn forget_credentials(&self) -> Result<()> {
        match fs::remove_file(self.bootstrap_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn bootstrap_file(&self) -> PathBuf {
        self.state.join("bootstrap.json")
    }

    fn answers(&self) -> Result<()> {
        let answer = get("127.0.0.1", self.port, "/v2-beta")?;
        let line = answer.lines().next().unwrap_or("nothing");
        // Without credentials it may also say who is to be asked for.
        if line.contains(" 200 ") || line.contains(" 401 ") {
            return Ok(());
        }
        bail!("it answers: {line}")
    }

    fn write_environment(&self, credentials: &Credentials) -> Result<()> {
        let path = self.environment_file();
        let mut file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
        writeln!(file, "export LARIAT_URL='{}'", self.url())?;
        writeln!(file, "export LARIAT_ACCESS_KEY='{}'", credentials.access_key)?;
        writeln!(file, "export LARIAT_SECRET_KEY='{}'", credentials.secret_key)?;
        Ok(())
    }

    /// A user command with server and keys in its environment.
    pub fn command(&self) -> Result<Command> {
        let text = fs::read_to_string(self.environment_file())
            .context("the first run did not get as far as the credentials; `--down` and start again")?;
        let mut command = Command::new(self.program());
        for line in text.lines() {
            if let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
                command.env(name, value.trim_matches('\''));
            }
        }
        Ok(command)
    }

    /// Starts the agent if it is not running, and waits until its host is active.
    pub fn start_agent(&self, docker: &str) -> Result<()> {
        if self.agent.pid().is_none() {
            say("registering this machine as a host");
            let text = output(self.command()?.args(["hosts", "add", "--format", "json"]))?;
            let answer: Value =
                serde_json::from_str(&text).context("`lariat hosts add` did not answer in JSON")?;
            let token = answer["token"].as_str().context("`lariat hosts add` gave no token")?;
            self.agent.start(
                Command::new(self.program())
                    .args(["agent", "--server", &self.url(), "--docker", docker, "--data-dir"])
                    .arg(self.state.join("agent"))
                    // Not among the arguments, which every user of the machine may read.
                    .env("LARIAT_AGENT_TOKEN", token),
            )?;
        }
        wait_for("this machine is an active host", Duration::from_secs(60), || {
            self.agent.check()?;
            let hosts = output(self.command()?.args(["hosts", "--format", "json"]))?;
            let list: Value = serde_json::from_str(&hosts)?;
            let list = list.as_array().or_else(|| list["data"].as_array());
            if list.is_some_and(|hosts| hosts.iter().any(|host| host["state"] == "active")) {
                return Ok(());
            }
            bail!("`lariat hosts` says: {hosts}")
        })
    }

    pub fn stop_agent(&self) -> Result<()> {
        if self.agent.stop(Duration::from_secs(20))? {
            say("stopped the agent");
        }
        Ok(())
    }

    pub fn stop_server(&self) -> Result<()> {
        if self.server.stop(Duration::from_secs(20))? {
            say("stopped the server");
        }
        Ok(())
    }
}

impl Credentials {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let value: Value =
            serde_json::from_str(&text).context("the server's first credentials are not JSON")?;
        let field = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| value[*name].as_str())
                .map(str::to_owned)
                .with_context(|| format!("the server's first credentials have no `{}`", names[0]))
        };
        Ok(Self {
            user: field(&["username", "user", "login"])?,
            password: field(&["password"])?,
            access_key: field(&["accessKey", "access_key", "publicValue"])?,
            secret_key: field(&["secretKey", "secret_key", "secretValue"])?,
        })
    }
}
