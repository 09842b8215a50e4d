//! P11: lists of a large installation. The server has core 0; requests come at a fixed rate from core 1, and each
//! wait is counted from the time when the request was due.

use anyhow::{Context, Result};

use super::child::{self, Part, figure};
use super::statistics::{list, median};
use super::{Arguments, Verdict};

/// What people ask for: the first page as it comes, a page by name of what runs, and a page in the middle.
const QUERIES: [(&str, &str); 3] = [
    ("by name, what runs", "limit=100&sort=name&order=asc&state=running"),
    ("the first", "limit=100"),
    ("names that begin with…", "limit=100&sort=name&order=desc&name_prefix=stack7"),
];

pub fn run(arguments: &Arguments) -> Result<Vec<Verdict>> {
    let program = child::build()?;
    let rows = arguments.count.unwrap_or(100_000);
    let seconds = if arguments.long { 10.0 } else { 3.0 };
    let mut server = Part::start(&program, "0", &["api", "--rows", &rows.to_string()], None)?;
    let text =
        |name: &str| server.ready[name].as_str().map(str::to_owned).with_context(|| format!("no `{name}`"));
    let (url, access, secret) = (text("containers")?, text("accessKey")?, text("secretKey")?);
    let key = format!("{access}:{secret}");
    let mut load = Part::start(&program, "1", &["load", "--url", &url], Some(&key))?;
    let server_pid =
        server.ready["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).context("no pid")?;
    println!("{rows} containers, 500 requests a second, {} rounds of {seconds} s", arguments.pairs);
    let mut worst = Vec::new();
    for (name, query) in QUERIES {
        let (mut p99, mut medians, mut cpu, mut rates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..arguments.pairs {
            let before = server.figure("cpu", "seconds")?;
            let answer = load.ask(&format!("pages 500 {seconds} 100 {query}"))?;
            let used = server.figure("cpu", "seconds")? - before;
            p99.push(figure(&answer, "p99")? * 1000.0);
            medians.push(figure(&answer, "median")? * 1000.0);
            rates.push(figure(&answer, "rate")?);
            cpu.push(used / figure(&answer, "requests")? * 1e6);
        }
        println!(
            "  page {name:<24} p99 {:>8.2} ms ({}), median {:.2} ms, {:.0} µs CPU, {:.0}/s answered",
            median(&p99),
            list(&p99),
            median(&medians),
            median(&cpu),
            median(&rates)
        );
        worst.push((name, median(&p99)));
    }
    let (mut whole, mut first) = (Vec::new(), Vec::new());
    for _ in 0..arguments.pairs {
        let answer = load.ask("whole _format=ndjson&fields=name,state,hostId,serviceId,created")?;
        anyhow::ensure!(figure(&answer, "rows")? >= f64::from(rows), "rows are missing: {answer}");
        whole.push(figure(&answer, "seconds")?);
        first.push(figure(&answer, "firstByte")? * 1000.0);
    }
    println!(
        "  the whole list: {:.2} s ({}), {:.0} objects/s; first byte {:.1} ms; server's memory {:.0} MiB",
        median(&whole),
        list(&whole),
        f64::from(rows) / median(&whole),
        median(&first),
        super::usage::resident_mib(server_pid)?
    );
    let mut verdicts: Vec<Verdict> = worst
        .iter()
        .map(|(name, p99)| Verdict::limit(&format!("page {name}: p99"), *p99, 5.0, "ms"))
        .collect();
    verdicts.push(Verdict::limit("whole list", median(&whole), 0.5, "s"));
    verdicts.push(Verdict::limit("first byte of the whole list", median(&first), 10.0, "ms"));
    Ok(verdicts)
}
