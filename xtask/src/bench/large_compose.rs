//! P18: a Compose file of two hundred services, applied again without a change.

use anyhow::Result;

use super::child::{self, Part, figure};
use super::statistics::{list, median};
use super::{Arguments, Verdict};

pub fn run(arguments: &Arguments) -> Result<Vec<Verdict>> {
    let program = child::build()?;
    let services = arguments.count.unwrap_or(200);
    let mut server = Part::start(&program, "0", &["compose", "--services", &services.to_string()], None)?;
    println!(
        "{services} services, {:.0} bytes; imported in {:.0} ms, all running after {:.2} s",
        figure(&server.ready, "bytes")?,
        figure(&server.ready, "import")? * 1000.0,
        figure(&server.ready, "running")?
    );
    let (mut parse, mut apply, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.pairs.max(5) {
        parse.push(server.figure("parse", "seconds")? * 1000.0);
        let answer = server.ask("apply")?;
        apply.push(figure(&answer, "seconds")? * 1000.0);
        cpu.push(figure(&answer, "cpu")? * 1000.0);
    }
    println!("  reading the file alone   {:>7.1} ms: {}", median(&parse), list(&parse));
    println!("  applying it again        {:>7.1} ms: {}; nothing touched", median(&apply), list(&apply));
    println!("  CPU of that              {:>7.1} ms", median(&cpu));
    Ok(vec![Verdict::limit("no-op re-apply", median(&apply), 100.0, "ms")])
}
