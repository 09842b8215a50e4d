//! P19: logs and a console through server and agent, against the engine itself.
//!
//! The server has core 0, the reader core 1; engine and agent run where the kernel puts them, in both cases alike.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::child::{self, Part, figure};
use super::peers::Engine;
use super::stage::{STACK_LABEL, Stage};
use super::statistics::{list, median, spread};
use super::{Arguments, Verdict};
use crate::steps::{output, wait_for};

/// Keys typed in one round.
const KEYS: u32 = 200;

pub async fn run(arguments: &Arguments, program: &Path) -> Result<Vec<Verdict>> {
    let part = child::build()?;
    let count = arguments.count.unwrap_or(if arguments.long { 100 } else { 20 });
    let megabytes = if arguments.long { 10 } else { 5 };
    let mut stage = Stage::hosts("p19", 1, program).await?;
    stage.start_lariat(1).await?;
    let pid = stage.server_pid()?.to_string();
    output(Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", "0", &pid]))?;
    let file = stage.file("logs", &compose(count, megabytes))?;
    stage.lariat(&["up", "-s", "bench", "-f", &file, "--timeout", "600"])?;
    let engine = Engine::at(stage.hosts[0].docker_socket());
    engine.expect_running(STACK_LABEL, count)?;

    let socket = stage.hosts[0].docker_socket();
    let socket = socket.to_str().context("the socket's path is not text")?;
    let url = format!("{}/v2-beta/projects/1a5", stage.url());
    let key = stage.key()?;
    let arguments_of = ["streams", "--engine", socket, "--url", &url];
    let mut reader = Part::start(&part, "1", &arguments_of, Some(&key))?;
    ensure!(figure(&reader.ready, "containers")? == f64::from(count), "not all containers run");
    let wanted = f64::from(count) * f64::from(megabytes) * 1e6;
    wait_for("all logs are written", std::time::Duration::from_secs(300), || {
        let bytes = reader.figure("direct-logs", "bytes")?;
        ensure!(bytes >= wanted, "{bytes} of {wanted} bytes are");
        Ok(())
    })?;

    let mut times = Figures::default();
    for pair in 1..=arguments.pairs {
        let direct = reader.ask("direct-logs")?;
        let ours = reader.ask("logs")?;
        ensure!(figure(&direct, "bytes")? == figure(&ours, "bytes")?, "bytes differ: {direct} and {ours}");
        times.direct.push(figure(&direct, "seconds")?);
        times.ours.push(figure(&ours, "seconds")?);
        let direct = reader.ask(&format!("direct-echo {KEYS}"))?;
        let ours = reader.ask(&format!("echo {KEYS}"))?;
        for (answer, medians, p99) in [
            (&direct, &mut times.direct_echo, &mut times.direct_echo_p99),
            (&ours, &mut times.echo, &mut times.echo_p99),
        ] {
            medians.push(figure(answer, "median")? * 1000.0);
            p99.push(figure(answer, "p99")? * 1000.0);
        }
        eprintln!(
            "pair {pair} of {}: logs {:.2} s and {:.2} s direct, echo {:.2} ms and {:.2} ms direct",
            arguments.pairs,
            times.ours[pair - 1],
            times.direct[pair - 1],
            times.echo[pair - 1],
            times.direct_echo[pair - 1]
        );
    }
    println!("{count} logs of {megabytes} MB at once, {} pairs", arguments.pairs);
    for (name, unit, values) in [
        ("logs straight from the engine", "s", &times.direct),
        ("logs through server and agent", "s", &times.ours),
        ("echo straight from the engine", "ms", &times.direct_echo),
        ("echo through server and agent", "ms", &times.echo),
        ("p99 of the engine's echo", "ms", &times.direct_echo_p99),
        ("p99 of ours", "ms", &times.echo_p99),
    ] {
        let spread = spread(values) * 100.0;
        println!(
            "  {name:<32} median {:>6.2} {unit}, spread {spread:>3.0}%: {}",
            median(values),
            list(values)
        );
    }
    let more: Vec<f64> =
        times.echo.iter().zip(&times.direct_echo).map(|(ours, direct)| ours - direct).collect();
    Ok(vec![
        // 0.8 of the throughput is 1 / 0.8 of the time.
        Verdict::ratio("logs: at least 0.8 of the engine's throughput", &times.ours, &times.direct, 1.25),
        Verdict::limit("echo: more than the engine's own", median(&more), 2.0, "ms"),
    ])
}

#[derive(Default)]
struct Figures {
    direct: Vec<f64>,
    ours: Vec<f64>,
    direct_echo: Vec<f64>,
    echo: Vec<f64>,
    direct_echo_p99: Vec<f64>,
    echo_p99: Vec<f64>,
}

/// Containers that write so much, and then only live.
fn compose(count: u32, megabytes: u32) -> String {
    let line = "2026-01-01T00:00:00Z INFO request handled path=/api/items status=200 took=13ms bytes=5120 ab";
    let lines = megabytes * 1_000_000 / (line.len() as u32 + 1) + 1;
    format!(
        "version: '2'\nservices:\n  bench:\n    image: {}\n    scale: {count}\n    stop_grace_period: 1s\n    command: \
         [\"sh\", \"-c\", \"yes '{line}' | head -n {lines}; trap 'exit 0' TERM; sleep 86400 & wait\"]\n",
        testkit_lab::images::BUSYBOX
    )
}
