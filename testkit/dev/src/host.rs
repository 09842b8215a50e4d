//! A simulated host: a real agent, which registers and dials as any agent does, over a simulated engine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use contract_protocol::{HostFacts, HostMetrics};
use contract_values::{Labels, Secret, Timestamp};
use host_agent::{AgentConfig, AgentError, Probe, Standing, Surroundings, run_in};
use host_driver::{Clock, Disk, FolderDisk, MemoryDisk, MemoryFiles, SystemClock, SystemRandom};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::curves;
use crate::engine::SimEngine;

/// How long an agent may take to register and connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// When the simulated machines were switched on.
const BOOT: Timestamp = Timestamp(1_700_000_000_000);

/// A simulated host.
#[derive(Debug)]
pub struct DevHost {
    name: String,
    engine: Arc<SimEngine>,
    config: AgentConfig,
    disk: Arc<dyn Disk>,
    agent: Option<Agent>,
}

#[derive(Debug)]
struct Agent {
    task: JoinHandle<Result<(), AgentError>>,
    end: CancellationToken,
    standing: watch::Receiver<Standing>,
}

impl DevHost {
    /// Sets up the host with this number; its agent does not run yet. What the agent keeps is in memory unless there
    /// is a folder.
    pub(crate) fn new(number: u32, server: &str, token: &str, folder: Option<&Path>) -> Result<Self> {
        let name = format!("sim-{number}");
        let [_, high, middle, low] = number.to_be_bytes();
        let zone = ["a", "b", "c"][number as usize % 3];
        let data = folder.map(|folder| folder.join("hosts").join(&name));
        let disk: Arc<dyn Disk> = match &data {
            Some(folder) => Arc::new(FolderDisk::open(folder).context("could not use a host's folder")?),
            None => Arc::new(MemoryDisk::new()),
        };
        let config = AgentConfig {
            server: server.to_owned(),
            token: Some(Secret::new(token.to_owned())),
            data_dir: data.unwrap_or_default(),
            run_dir: PathBuf::new(),
            docker: "unix:///simulated".to_owned(),
            address: Some(IpAddr::V4(Ipv4Addr::new(10, 100_u8.wrapping_add(high), middle, low))),
            labels: Labels::from([
                ("zone".to_owned(), zone.to_owned()),
                ("simulated".to_owned(), "true".to_owned()),
            ]),
            pin: None,
            ca_file: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let engine = Arc::new(SimEngine::new(Arc::new(SystemClock)));
        Ok(Self { name, engine, config, disk, agent: None })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its engine.
    pub fn engine(&self) -> &SimEngine {
        &self.engine
    }

    /// Starts its agent, unless that runs.
    pub fn start(&mut self) {
        if self.agent.as_ref().is_some_and(|agent| !agent.task.is_finished()) {
            return;
        }
        let surroundings = Surroundings {
            engine: Arc::clone(&self.engine) as _,
            disk: Arc::clone(&self.disk),
            files: Some(Arc::new(MemoryFiles::default())),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            probe: Arc::new(SimProbe { name: self.name.clone() }),
        };
        let end = CancellationToken::new();
        let (sender, standing) = watch::channel(Standing::default());
        let task = tokio::spawn(run_in(self.config.clone(), surroundings, end.clone(), sender));
        self.agent = Some(Agent { task, end, standing });
    }

    /// Waits until its agent is connected.
    ///
    /// # Errors
    /// Fails when the agent ends or takes too long.
    pub async fn connected(&mut self) -> Result<()> {
        let name = self.name.clone();
        let agent = self.agent.as_mut().with_context(|| format!("the agent of {name} does not run"))?;
        let connected = agent.standing.wait_for(|now| now.connected);
        let ended = tokio::time::timeout(CONNECT_LIMIT, connected).await.map(|standing| standing.is_err());
        let Ok(ended) = ended else {
            bail!("{name} did not connect; last: {:?}", *agent.standing.borrow());
        };
        if ended {
            let result = (&mut agent.task).await.context("an agent broke")?;
            self.agent = None;
            result.with_context(|| format!("the agent of {name} could not start"))?;
            bail!("the agent of {name} ended");
        }
        Ok(())
    }

    /// Stops its agent, as when the network is cut: its containers go on, and the server hears nothing.
    pub async fn cut_off(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.end.cancel();
            // Whatever it ended with, it has ended.
            let _ = agent.task.await;
        }
    }

    /// Ends agent, engine and all processes, as when the power fails.
    pub async fn power_off(&mut self) {
        self.cut_off().await;
        self.engine.fake().crash(false);
    }

    /// Switches it on again.
    pub fn power_on(&mut self) {
        self.engine.fake().recover();
        self.start();
    }
}

impl Drop for DevHost {
    fn drop(&mut self) {
        if let Some(agent) = &self.agent {
            agent.task.abort();
        }
    }
}

#[derive(Debug)]
struct SimProbe {
    name: String,
}

impl SimProbe {
    fn memory(&self) -> u64 {
        // Machines of a fleet differ.
        if curves::fraction(&self.name, 9) < 0.5 { 8 << 30 } else { 16 << 30 }
    }
}

const CORES: u32 = 4;
const DISK: u64 = 100 << 30;

impl Probe for SimProbe {
    fn facts(&self) -> HostFacts {
        HostFacts {
            hostname: self.name.clone(),
            operating_system: "Debian GNU/Linux 12 (simulated)".into(),
            kernel: "6.1.0-sim".into(),
            architecture: std::env::consts::ARCH.into(),
            cpu_count: CORES,
            cpu_model: "Simulated CPU at 2.4 GHz".into(),
            memory_total: self.memory(),
            disk_total: DISK,
            ..HostFacts::default()
        }
    }

    fn metrics(&self) -> Option<HostMetrics> {
        let now = SystemClock.now();
        let cpu_percent: Vec<f64> =
            (0..CORES).map(|core| curves::percent(&format!("{}{core}", self.name), 30.0, now)).collect();
        let load = cpu_percent.iter().sum::<f64>() / 100.0;
        let used = curves::level(&self.name, self.memory() / 3, now);
        let sum = |what: &str, rate: f64| curves::sum(&format!("{}{what}", self.name), rate, BOOT, now);
        Some(HostMetrics {
            at: now,
            cpu_percent,
            load: [load, load * 0.9, load * 0.8],
            memory_free: self.memory() / 3,
            memory_available: self.memory() - used,
            memory_buffers: self.memory() / 40,
            memory_cached: self.memory() / 5,
            swap_total: 1 << 30,
            swap_free: 1 << 30,
            disk_used: curves::level(&self.name, DISK / 3, now),
            network_received: sum("received", 400_000.0),
            network_sent: sum("sent", 900_000.0),
        })
    }

    fn disk_trouble(&self, _: &str) -> Option<String> {
        None
    }
}
