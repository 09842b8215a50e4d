//! Lariat on hosts of a lab: the server in the root namespace, an agent on each host.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit_lab::images::Images;
use testkit_lab::lab::{HostProcess, Lab, LabHost};

use super::peers::SCRIPT;
use crate::steps::{output, wait_for};
use crate::target;

/// The label by which a stack's containers are found on an engine.
pub const STACK_LABEL: &str = "io.rancher.stack.name=bench";

pub struct Stage {
    // In the order in which they end: first those that use the lab, then the lab.
    pub agents: Vec<HostProcess>,
    server: Option<Child>,
    pub hosts: Vec<LabHost>,
    pub lab: Lab,
    program: PathBuf,
    url: String,
    keys: Option<(String, String)>,
}

impl Stage {
    /// Hosts with the test image, without Lariat on them.
    pub async fn hosts(name: &str, count: u8, program: &Path) -> Result<Self> {
        let image = Images::in_directory(target().join("images")).busybox()?;
        let lab = Lab::new(name).await?;
        let mut hosts = Vec::new();
        for number in 1..=count {
            let host = lab.add_host(number).await?;
            host.load_image(&image.archive).await?;
            hosts.push(host);
        }
        let port = TcpListener::bind((lab.server_address(), 0))?.local_addr()?.port();
        let url = format!("http://{}:{port}", lab.server_address());
        Ok(Self {
            agents: Vec::new(),
            server: None,
            hosts,
            lab,
            program: program.to_owned(),
            url,
            keys: None,
        })
    }

    /// Starts the server, and an agent on the first `agents` hosts.
    pub async fn start_lariat(&mut self, agents: usize) -> Result<()> {
        let directory = self.lab.directory().to_owned();
        let bootstrap = directory.join("bootstrap.json");
        let log = File::create(directory.join("server.log"))?;
        let listen = self.url.trim_start_matches("http://").to_owned();
        let server = Command::new(&self.program)
            .args(["server", "--listen", &listen, "--data-dir"])
            .arg(directory.join("server"))
            .arg("--bootstrap-file")
            .arg(&bootstrap)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("could not start the server")?;
        self.server = Some(server);
        let text = wait_for("the server wrote its first credentials", Duration::from_secs(30), || {
            let text = std::fs::read_to_string(&bootstrap)?;
            serde_json::from_str::<Value>(&text).map_err(anyhow::Error::from)
        })
        .with_context(|| self.server_log())?;
        let key = |name: &str| text[name].as_str().map(str::to_owned).with_context(|| format!("no `{name}`"));
        self.keys = Some((key("accessKey")?, key("secretKey")?));
        for host in &self.hosts[..agents] {
            let answer: Value = serde_json::from_str(&self.lariat(&["hosts", "add", "--format", "json"])?)?;
            let token = answer["token"].as_str().context("`lariat hosts add` gave no token")?;
            let data = host.data_directory();
            let data = data.to_str().context("the lab's path is not text")?;
            let address = host.address().to_string();
            let arguments =
                ["agent", "--server", &self.url, "--token", token, "--data-dir", data, "--address", &address];
            self.agents.push(host.spawn("agent", &self.program, arguments).await?);
        }
        wait_for("all hosts are active", Duration::from_secs(60), || {
            let text = self.lariat(&["hosts", "--format", "json"])?;
            let list: Value = serde_json::from_str(&text)?;
            let list = list.as_array().or_else(|| list["data"].as_array()).cloned().unwrap_or_default();
            let active = list.iter().filter(|host| host["state"] == "active").count();
            if active < agents {
                bail!("{active} of {agents} are: {text}");
            }
            Ok(())
        })
        .with_context(|| self.server_log())
    }

    /// Runs a user command to its end and gives its output.
    pub fn lariat(&self, arguments: &[&str]) -> Result<String> {
        let (access, secret) = self.keys.as_ref().context("the server has not been started")?;
        output(
            Command::new(&self.program)
                .args(arguments)
                .env("LARIAT_URL", &self.url)
                .env("LARIAT_ACCESS_KEY", access)
                .env("LARIAT_SECRET_KEY", secret),
        )
    }

    /// Writes a stack of one service with that many containers, and gives the file.
    pub fn compose_file(&self, count: u32) -> Result<String> {
        let path = self.lab.directory().join(format!("bench-{count}.yml"));
        let text = format!(
            "version: '2'\nservices:\n  bench:\n    image: {}\n    scale: {count}\n    command: [\"sh\", \"-c\", {SCRIPT:?}]\n",
            testkit_lab::images::BUSYBOX
        );
        std::fs::write(&path, text)?;
        path.into_os_string().into_string().ok().context("the lab's path is not text")
    }

    /// Writes a stack's file, and gives its path.
    pub fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.lab.directory().join(format!("{name}.yml"));
        std::fs::write(&path, text)?;
        path.into_os_string().into_string().ok().context("the lab's path is not text")
    }

    /// Where the server answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's key, as `ACCESS:SECRET`.
    pub fn key(&self) -> Result<String> {
        let (access, secret) = self.keys.as_ref().context("the server has not been started")?;
        Ok(format!("{access}:{secret}"))
    }

    pub fn server_pid(&self) -> Result<u32> {
        self.server.as_ref().map(Child::id).context("the server has not been started")
    }

    pub fn server_log(&self) -> String {
        let log = std::fs::read_to_string(self.lab.directory().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
