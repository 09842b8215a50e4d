//! The machine's Docker engine: found running, or started and later stopped by us.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process::Background;
use crate::steps::{output, wait_for};

use super::{say, traces};

const URL: &str = "unix:///var/run/docker.sock";
/// On every container, network and volume that an agent makes; its value tells which agent.
const OWNER: &str = "io.lariat.owner";

pub struct Engine {
    process: Background,
    state: PathBuf,
}

impl Engine {
    pub fn new(state: &Path) -> Self {
        Self { process: Background::new("dockerd", state), state: state.to_owned() }
    }

    pub fn url(&self) -> &'static str {
        URL
    }

    pub fn answers(&self) -> bool {
        self.ask(&["version", "--format", "{{.Server.Version}}"]).is_ok()
    }

    pub fn start(&self) -> Result<()> {
        if self.answers() {
            return Ok(());
        }
        say("starting a Docker engine, since none answers on /var/run/docker.sock");
        traces::note(&self.state.join("before"))?;
        self.process.start(
            Command::new("dockerd")
                .args(["--host", URL, "--data-root"])
                .arg(self.state.join("docker"))
                .arg("--exec-root")
                .arg(self.state.join("run"))
                .arg("--pidfile")
                .arg(self.state.join("docker.pid")),
        )?;
        wait_for("the Docker engine answers", Duration::from_secs(60), || {
            self.process.check()?;
            self.ask(&["version"])
        })
        .map(drop)
    }

    /// Stops the engine if it is one that we started.
    pub fn stop(&self) -> Result<()> {
        if self.process.stop(Duration::from_secs(60))? {
            say("stopped the Docker engine");
        }
        traces::remove(&self.state.join("before"))
    }

    /// Notes whose mark the containers of the stack bear: this agent's, not that of another on the same engine.
    pub fn note_owner(&self, stack: &str) -> Result<()> {
        let stack = format!("label=io.rancher.stack.name={stack}");
        let format = format!("{{{{.Label {OWNER:?}}}}}");
        let owners = self.ask(&["ps", "--all", "--filter", &stack, "--format", &format])?;
        match owners.split_whitespace().next() {
            Some(owner) => Ok(std::fs::write(self.state.join("owner"), owner)?),
            None => bail!("the stack answers, but none of its containers is on this engine"),
        }
    }

    /// Removes containers, networks, volumes and images of quickstart, whoever runs the engine.
    pub fn remove_what_is_ours(&self) -> Result<()> {
        // Without a mark nothing was deployed.
        let Ok(owner) = std::fs::read_to_string(self.state.join("owner")) else { return Ok(()) };
        let ours = &format!("label={OWNER}={owner}");
        let groups: [(&[&str], &[&str]); 4] = [
            (&["ps", "--all", "--quiet", "--filter", ours], &["rm", "--force", "--volumes"]),
            (&["network", "ls", "--quiet", "--filter", ours], &["network", "rm"]),
            (&["volume", "ls", "--quiet", "--filter", ours], &["volume", "rm", "--force"]),
            (
                &[
                    "images",
                    "--format",
                    "{{.Repository}}:{{.Tag}}",
                    "--filter",
                    "reference=lariat-examples/*",
                ],
                &["image", "rm", "--force"],
            ),
        ];
        for (find, remove) in groups {
            let found = self.ask(find)?;
            let found: Vec<&str> = found.split_whitespace().collect();
            if !found.is_empty() {
                self.ask(&[remove, &found].concat())?;
            }
        }
        Ok(())
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        output(Command::new("docker").env("DOCKER_HOST", URL).args(arguments))
    }
}
