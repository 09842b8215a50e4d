//! P9 and the agent's part of P10: what a small installation costs while nothing happens.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::peers::Engine;
use super::stage::{STACK_LABEL, Stage};
use super::statistics::median;
use super::usage::{cpu_seconds, resident_mib};
use super::{Arguments, Verdict};
use crate::steps::wait_for;

const HOSTS: u8 = 3;
/// Time for what a start stirred up to come to rest.
const REST: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Server,
    Agent,
}

pub async fn run(arguments: &Arguments, program: &Path, part: Part) -> Result<Vec<Verdict>> {
    let count = arguments.count.unwrap_or(50);
    let window = Duration::from_secs(if arguments.long { 600 } else { 30 });
    let mut stage = Stage::hosts("idle", HOSTS, program).await?;
    stage.start_lariat(usize::from(HOSTS)).await?;
    let file = stage.compose_file(count)?;
    stage.lariat(&["up", "-s", "bench", "-f", &file])?;
    expect(&stage, count)?;
    tokio::time::sleep(REST).await;

    let server = stage.server_pid()?;
    let agents: Vec<u32> = stage.agents.iter().map(testkit_lab::lab::HostProcess::pid).collect();
    let engines: Vec<u32> = stage
        .hosts
        .iter()
        .map(|host| host.engine_pid().context("the engine has ended"))
        .collect::<Result<_>>()?;
    let cpu = |pids: &[u32]| pids.iter().map(|pid| cpu_seconds(*pid)).sum::<Result<f64>>();
    let before = (cpu(&[server])?, cpu(&agents)?, cpu(&engines)?);
    let started = std::time::Instant::now();
    let (mut server_mib, mut agent_mib, mut engine_mib) = (Vec::new(), Vec::new(), Vec::new());
    let samples = 10;
    for _ in 0..samples {
        tokio::time::sleep(window / samples).await;
        server_mib.push(resident_mib(server)?);
        agent_mib.push(most(&agents)?);
        engine_mib.push(mean(&engines)?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let percent = |after: f64, before: f64, of: usize| (after - before) / seconds / of as f64 * 100.0;
    let server_cpu = percent(cpu(&[server])?, before.0, 1);
    let agent_cpu = percent(cpu(&agents)?, before.1, agents.len());
    let engine_cpu = percent(cpu(&engines)?, before.2, engines.len());
    // A figure counts only if all still ran while it was taken.
    expect(&stage, count)?;

    let (server_mib, agent_mib, engine_mib) = (median(&server_mib), median(&agent_mib), median(&engine_mib));
    println!("{HOSTS} hosts, {count} containers, idle for {seconds:.0} s");
    println!("  server   {server_mib:>6.1} MiB, {server_cpu:.3}% of a core");
    println!("  agent    {agent_mib:>6.1} MiB (largest), {agent_cpu:.3}% of a core (mean)");
    println!("  dockerd  {engine_mib:>6.1} MiB (mean), {engine_cpu:.3}% of a core (mean)");
    Ok(match part {
        Part::Server => vec![
            Verdict::limit("server's memory", server_mib, 40.0, "MiB"),
            Verdict::limit("server's memory against dockerd's", server_mib / engine_mib, 0.3, "×"),
            Verdict::limit("server's CPU", server_cpu, 0.3, "% of a core"),
        ],
        Part::Agent => vec![
            Verdict::limit("agent's memory", agent_mib, 15.0, "MiB"),
            Verdict::limit("agent's memory against dockerd's", agent_mib / engine_mib, 0.12, "×"),
            Verdict::limit("agent's CPU", agent_cpu, 0.2, "% of a core"),
        ],
    })
}

fn expect(stage: &Stage, count: u32) -> Result<()> {
    wait_for("all containers run", Duration::from_secs(30), || {
        let mut running = 0;
        for host in &stage.hosts {
            running += Engine::at(host.docker_socket()).list(STACK_LABEL, false)?.len();
        }
        if running != count as usize {
            bail!("{running} of {count} do");
        }
        Ok(())
    })
}

fn most(pids: &[u32]) -> Result<f64> {
    pids.iter().map(|pid| resident_mib(*pid)).try_fold(0.0, |most, one| Ok(f64::max(most, one?)))
}

fn mean(pids: &[u32]) -> Result<f64> {
    Ok(pids.iter().map(|pid| resident_mib(*pid)).sum::<Result<f64>>()? / pids.len() as f64)
}
