//! What others need for the same work: the engine's own ceiling, Swarm, a shell loop.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use testkit_lab::images::BUSYBOX;

use super::http::Connection;
use crate::steps::{output, wait_for};

/// What every container of the benchmark runs; it ends when asked, so that clearing up is quick.
pub const SCRIPT: &str = "trap 'exit 0' TERM; sleep 86400 & wait";
/// The network that the ceiling's containers share.
pub const NETWORK: &str = "ceiling";
const SWARM_NETWORK: &str = "swarm";
/// How many requests are under way at once at the ceiling; more gain nothing.
const IN_FLIGHT: usize = 16;

/// An engine reached through its socket.
#[derive(Debug, Clone)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    pub fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Makes the network of [`Engine::ceiling`]: one of a user's own, as every stack has, where names resolve.
    pub fn make_network(&self) -> Result<()> {
        let network = json!({ "Name": NETWORK, "CheckDuplicate": true });
        Connection::open(&self.socket)?.call("POST", "/networks/create", Some(&network)).map(drop)
    }

    /// Creates and starts `count` containers as fast as the engine can, and says how long that took.
    pub fn ceiling(&self, count: u32, network: &str) -> Result<Duration> {
        let body = json!({
            "Image": BUSYBOX,
            "Cmd": ["sh", "-c", SCRIPT],
            "Labels": { "bench": "ceiling" },
            "HostConfig": { "NetworkMode": network },
        });
        let left = Mutex::new(0..count);
        let started = Instant::now();
        self.in_parallel(|connection| {
            while let Some(number) = take(&left) {
                let path = format!("/containers/create?name=ceiling-{number}");
                let created = connection.call("POST", &path, Some(&body))?;
                let id = created["Id"].as_str().unwrap_or_default();
                connection.call("POST", &format!("/containers/{id}/start"), None)?;
            }
            Ok(())
        })?;
        let took = started.elapsed();
        self.expect_running("bench=ceiling", count)?;
        Ok(took)
    }

    pub fn clear_ceiling(&self) -> Result<()> {
        self.remove("bench=ceiling")
    }

    pub fn start_swarm(&self, address: &str) -> Result<()> {
        self.docker(&["swarm", "init", "--advertise-addr", address])?;
        self.docker(&["network", "create", "--driver", "overlay", SWARM_NETWORK]).map(drop)
    }

    /// A Swarm service, from the order to its last container running; with names it has an overlay network.
    pub fn swarm(&self, count: u32, names: bool) -> Result<Duration> {
        let replicas = count.to_string();
        let started = Instant::now();
        let mut order =
            vec!["service", "create", "--detach", "--quiet", "--no-resolve-image", "--name", "bench"];
        order.extend(["--replicas", &replicas, "--container-label", "bench=swarm"]);
        if names {
            // Virtual addresses need IPVS, which not every kernel has.
            order.extend(["--network", SWARM_NETWORK, "--endpoint-mode", "dnsrr"]);
        }
        order.extend([BUSYBOX, "sh", "-c", SCRIPT]);
        self.docker(&order)?;
        let mut connection = Connection::open(&self.socket)?;
        wait_for("all replicas run", Duration::from_secs(300), || {
            let running = count_tasks(&mut connection)?;
            if running < count as usize {
                bail!("{running} of {count}");
            }
            Ok(())
        })?;
        let took = started.elapsed();
        self.expect_running("bench=swarm", count)?;
        Ok(took)
    }

    pub fn clear_swarm(&self) -> Result<()> {
        self.docker(&["service", "rm", "bench"])?;
        wait_for("Swarm has removed its containers", Duration::from_secs(300), || {
            match self.list("bench=swarm", true)?.len() {
                0 => Ok(()),
                left => bail!("{left} are left"),
            }
        })
    }

    /// `docker run -d` one after the other.
    pub fn shell_loop(&self, count: u32) -> Result<Duration> {
        let started = Instant::now();
        for _ in 0..count {
            self.docker(&["run", "--detach", "--label", "bench=loop", BUSYBOX, "sh", "-c", SCRIPT])?;
        }
        let took = started.elapsed();
        self.expect_running("bench=loop", count)?;
        Ok(took)
    }

    pub fn clear_loop(&self) -> Result<()> {
        self.remove("bench=loop")
    }

    /// Fails unless exactly `count` containers with the label run.
    pub fn expect_running(&self, label: &str, count: u32) -> Result<()> {
        let running = self.list(label, false)?.len();
        if running != count as usize {
            bail!("{running} containers with `{label}` run, not {count}: this run does not count");
        }
        Ok(())
    }

    pub fn list(&self, label: &str, all: bool) -> Result<Vec<String>> {
        let path =
            format!("/containers/json?all={all}&filters=%7B%22label%22%3A%5B%22{}%22%5D%7D", escape(label));
        let answer = Connection::open(&self.socket)?.call("GET", &path, None)?;
        let ids = answer.as_array().into_iter().flatten().filter_map(|one| one["Id"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    fn remove(&self, label: &str) -> Result<()> {
        let ids = Mutex::new(self.list(label, true)?.into_iter());
        self.in_parallel(|connection| {
            while let Some(id) = take(&ids) {
                connection.call("DELETE", &format!("/containers/{id}?force=true&v=true"), None)?;
            }
            Ok(())
        })
    }

    fn in_parallel(&self, work: impl Fn(&mut Connection) -> Result<()> + Sync) -> Result<()> {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..IN_FLIGHT).map(|_| scope.spawn(|| work(&mut Connection::open(&self.socket)?))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("the work does not panic"))
        })
    }

    fn docker(&self, arguments: &[&str]) -> Result<String> {
        let host = format!("unix://{}", self.socket.display());
        output(Command::new("docker").env("DOCKER_HOST", host).args(arguments).stdin(Stdio::null()))
    }
}

fn take<T>(left: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    left.lock().expect("no holder of this lock panics").next()
}

/// Tasks of the service that Swarm itself says are running.
fn count_tasks(connection: &mut Connection) -> Result<usize> {
    let filters = "%7B%22service%22%3A%5B%22bench%22%5D%7D";
    let tasks = connection.call("GET", &format!("/tasks?filters={filters}"), None)?;
    let running = |task: &&Value| task["Status"]["State"] == "running";
    Ok(tasks.as_array().into_iter().flatten().filter(running).count())
}

fn escape(text: &str) -> String {
    text.replace('=', "%3D").replace('/', "%2F")
}
