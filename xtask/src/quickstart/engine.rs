//! The machine's Docker engine: found running, or started and later stopped by us.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process::Background;
use crate::steps::{output, wait_for};

use super::{say, traces};

const URL: &str = "unix:///var/run/docker.sock";
/// On every container, network and volume that the agent makes.
const OURS: &str = "label=io.lariat.stack";

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

    /// Removes containers, networks, volumes and images of quickstart, whoever runs the engine.
    pub fn remove_what_is_ours(&self) -> Result<()> {
        let groups: [(&[&str], &[&str]); 4] = [
            (&["ps", "--all", "--quiet", "--filter", OURS], &["rm", "--force", "--volumes"]),
            (&["network", "ls", "--quiet", "--filter", OURS], &["network", "rm"]),
            (&["volume", "ls", "--quiet", "--filter", OURS], &["volume", "rm", "--force"]),
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
