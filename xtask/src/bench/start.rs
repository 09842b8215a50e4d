//! P1: containers of one service on one engine, from the order to all running.
//!
//! A container of a stack has an address and a name that others resolve, so the
//! peers' containers have them too: the engine's on a network of its own,
//! Swarm's on an overlay. The long form shows both without names as well.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::peers::{Engine, NETWORK};
use super::stage::{STACK_LABEL, Stage};
use super::statistics::{list, median, spread};
use super::usage::cpu_seconds;
use super::{Arguments, Verdict};
use crate::steps::wait_for;

/// Part of the loop that the short form runs; the loop is linear.
const SHORT_LOOP: u32 = 6;

pub async fn run(arguments: &Arguments, program: &Path) -> Result<Vec<Verdict>> {
    let count = arguments.count.unwrap_or(if arguments.long { 200 } else { 16 });
    let looped = if arguments.long { count.min(40) } else { count.min(SHORT_LOOP) };
    // Swarm gets an engine of its own: its manager must not weigh on the other runs.
    let mut stage = Stage::hosts("p1", 2, program).await?;
    let engine = Engine::at(stage.hosts[0].docker_socket());
    let swarm_engine = Engine::at(stage.hosts[1].docker_socket());
    engine.make_network()?;
    swarm_engine.start_swarm(&stage.hosts[1].address().to_string())?;
    if !arguments.peers_only {
        stage.start_lariat(1).await?;
    }

    let mut times = Times::default();
    for pair in 1..=arguments.pairs {
        if !arguments.peers_only {
            times.lariat.push(lariat(&stage, &engine, count, &mut times.cpu)?.as_secs_f64());
        }
        times.ceiling.push(engine.ceiling(count, NETWORK)?.as_secs_f64());
        engine.clear_ceiling()?;
        if arguments.long {
            times.bridge.push(engine.ceiling(count, "bridge")?.as_secs_f64());
            engine.clear_ceiling()?;
        }
        times.swarm.push(swarm_engine.swarm(count, true)?.as_secs_f64());
        swarm_engine.clear_swarm()?;
        if arguments.long {
            times.plain_swarm.push(swarm_engine.swarm(count, false)?.as_secs_f64());
            swarm_engine.clear_swarm()?;
        }
        let one = engine.shell_loop(looped)?.as_secs_f64() / f64::from(looped);
        times.shell_loop.push(one * f64::from(count));
        engine.clear_loop()?;
        eprintln!("pair {pair} of {}: {}", arguments.pairs, times.last());
    }
    println!("{count} containers, {} pairs; seconds", arguments.pairs);
    for (name, values) in [
        ("lariat", &times.lariat),
        ("engine's ceiling, 16 in flight", &times.ceiling),
        ("the same without names", &times.bridge),
        ("Docker Swarm, overlay network", &times.swarm),
        ("the same without names", &times.plain_swarm),
        ("`docker run` loop (from a part)", &times.shell_loop),
    ] {
        if values.is_empty() {
            continue;
        }
        let spread = spread(values) * 100.0;
        println!("  {name:<32} median {:>6.2}, spread {spread:>3.0}%: {}", median(values), list(values));
    }
    if arguments.peers_only {
        return Ok(Vec::new());
    }
    println!("  CPU per container, server and agent together: {:.1} ms", median(&times.cpu) * 1000.0);
    Ok(vec![
        Verdict::ratio("at most 1.05 of the engine's ceiling", &times.lariat, &times.ceiling, 1.05),
        Verdict::ratio("at most 0.95 of Swarm", &times.lariat, &times.swarm, 0.95),
        Verdict::ratio("at most 0.55 of a loop", &times.lariat, &times.shell_loop, 0.55),
    ])
}

#[derive(Default)]
struct Times {
    lariat: Vec<f64>,
    ceiling: Vec<f64>,
    bridge: Vec<f64>,
    swarm: Vec<f64>,
    plain_swarm: Vec<f64>,
    shell_loop: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    fn last(&self) -> String {
        let one = |name: &str, values: &[f64]| values.last().map(|value| format!("{name} {value:.2} s"));
        let all = [
            one("lariat", &self.lariat),
            one("ceiling", &self.ceiling),
            one("without names", &self.bridge),
            one("swarm", &self.swarm),
            one("without names", &self.plain_swarm),
            one("loop", &self.shell_loop),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// `lariat up`, from its start to its end: it ends when all runs.
fn lariat(stage: &Stage, engine: &Engine, count: u32, cpu: &mut Vec<f64>) -> Result<Duration> {
    let file = stage.compose_file(count)?;
    let used =
        || -> Result<f64> { Ok(cpu_seconds(stage.server_pid()?)? + cpu_seconds(stage.agents[0].pid())?) };
    let before = used()?;
    let started = Instant::now();
    stage.lariat(&["up", "-s", "bench", "-f", &file])?;
    let took = started.elapsed();
    cpu.push((used()? - before) / f64::from(count));
    engine.expect_running(STACK_LABEL, count)?;
    stage.lariat(&["rm", "--force", "bench"])?;
    wait_for("the stack's containers are gone", Duration::from_secs(300), || {
        match engine.list(STACK_LABEL, true)?.len() {
            0 => Ok(()),
            left => bail!("{left} are left"),
        }
    })?;
    Ok(took)
}
