//! A host: a real agent over an engine and a disk in memory. It also serves tests of a server, which it talks to over
//! the real protocol through any connector.

use std::sync::Arc;
use std::time::Duration;

use contract_protocol::{HostFacts, HostMetrics};
use contract_values::HostId;
use host_agent::{Connector, HostIdentity, Probe, Seams, Standing, run_agent};
use host_driver::fake::{FakeEngine, Program};
use host_driver::{DiskFault, MemoryDisk, MemoryFiles};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::chance::{Chance, SimClock};

/// A host with its agent.
#[derive(Debug)]
pub struct SimHost {
    /// Its id in the store.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// Its engine.
    pub engine: FakeEngine,
    /// Its agent's disk.
    pub disk: MemoryDisk,
    files: MemoryFiles,
    identity: String,
    clock: SimClock,
    chance: Chance,
    connector: Arc<dyn Connector>,
    agent: Option<Agent>,
}

#[derive(Debug)]
struct Agent {
    task: JoinHandle<()>,
    standing: watch::Receiver<Standing>,
}

#[derive(Debug)]
struct SimProbe {
    name: String,
}

impl Probe for SimProbe {
    fn facts(&self) -> HostFacts {
        HostFacts {
            hostname: self.name.clone(),
            operating_system: "Simulated".into(),
            architecture: "x86_64".into(),
            cpu_count: 4,
            memory_total: 8 << 30,
            ..HostFacts::default()
        }
    }

    fn metrics(&self) -> Option<HostMetrics> {
        Some(HostMetrics::default())
    }

    fn disk_trouble(&self, _: &str) -> Option<String> {
        None
    }
}

impl SimHost {
    /// Sets up a host whose agent does not run yet. It has the images `web:1` to `web:9`, which run for ever, and can
    /// fetch `slow:1`; `job:N` ends after a second with the exit code N.
    pub fn new(
        id: HostId,
        name: &str,
        identity: &str,
        clock: SimClock,
        chance: Chance,
        connector: Arc<dyn Connector>,
    ) -> Self {
        let engine = FakeEngine::new(Arc::new(clock));
        for version in 1..=9 {
            engine.add_image(&format!("web:{version}"), Program::service());
        }
        for code in 0..=3 {
            engine.add_image(&format!("job:{code}"), Program::job(Duration::from_secs(1), code));
        }
        engine.add_image("stubborn:1", Program::stubborn());
        engine.add_to_registry("slow:1", Duration::from_secs(8), Program::service());
        Self {
            id,
            name: name.to_owned(),
            engine,
            disk: MemoryDisk::new(),
            files: MemoryFiles::default(),
            identity: identity.to_owned(),
            clock,
            chance,
            connector,
            agent: None,
        }
    }

    /// Starts the agent, unless it runs.
    pub fn start(&mut self) {
        if self.is_running() {
            return;
        }
        self.disk.set_fault(None);
        let seams = Seams {
            files: Arc::new(self.files.clone()),
            engine: Arc::new(self.engine.clone()),
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(self.clock),
            random: Arc::new(self.chance.fork()),
            connector: Arc::clone(&self.connector),
            probe: Arc::new(SimProbe { name: self.name.clone() }),
        };
        let identity = HostIdentity {
            host_uuid: self.identity.clone(),
            agent_version: "1.0.0-sim".into(),
            ..HostIdentity::default()
        };
        let (sender, standing) = watch::channel(Standing::default());
        let task = tokio::spawn(async move {
            // An agent whose disk died under it ends; whoever watches sees that it does not run.
            let _ = run_agent(seams, identity, CancellationToken::new(), sender).await;
        });
        self.agent = Some(Agent { task, standing });
    }

    /// Kills the agent, as `kill -9` does.
    pub async fn kill(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.task.abort();
            // The error says that it was killed, which is what was asked for.
            let _ = agent.task.await;
        }
    }

    /// Lets the machine die in the middle of a write of the agent, after so many that succeed; the rest of the
    /// agent's life is lost on nobody's disk.
    pub fn tear_disk(&self, writes: u64, torn: usize) {
        self.disk.set_fault(Some(DiskFault::CrashAfter { writes, torn }));
    }

    /// Reboots: agent and all processes end, nobody is told, and both engine and agent come up again.
    pub async fn reboot(&mut self) {
        self.power_off().await;
        self.power_on();
    }

    /// Ends the agent and all processes.
    pub async fn power_off(&mut self) {
        self.kill().await;
        self.engine.crash(false);
    }

    /// Starts the engine and the agent.
    pub fn power_on(&mut self) {
        self.engine.recover();
        self.start();
    }

    /// Whether the agent's process lives.
    pub fn is_running(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| !agent.task.is_finished())
    }

    /// What the agent says of itself.
    pub fn standing(&self) -> Standing {
        self.agent.as_ref().map(|agent| agent.standing.borrow().clone()).unwrap_or_default()
    }
}

impl Drop for SimHost {
    fn drop(&mut self) {
        if let Some(agent) = &self.agent {
            agent.task.abort();
        }
    }
}
