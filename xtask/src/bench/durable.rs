//! P13: durable creates, and how fast the same rows are read at the next start.
//!
//! What is measured is the store: the thread that writes has core 0, its clients core 1. One client can be no faster
//! than the disk flushes; many share a flush. PostgreSQL's programs are Debian's, with its own defaults for
//! durability.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::child::{self, Part, figure};
use super::statistics::{list, median, spread};
use super::{Arguments, Verdict};
use crate::steps::{output, wait_for};

pub fn run(arguments: &Arguments) -> Result<Vec<Verdict>> {
    let program = child::build()?;
    let span = if arguments.long { 4.0 } else { 1.5 };
    let folder = Folder::new()?;
    let postgres = Postgres::start(&folder.0)?;
    let text = folder.0.to_str().context("the folder's path is not text")?.to_owned();
    let mut store = Part::start(&program, "0,1", &["store", &text], None)?;

    let mut times = Figures::default();
    for pair in 1..=arguments.pairs {
        times.disk.push(store.figure(&format!("disk {span}"), "rate")?);
        let one = store.ask(&format!("creates 1 {span}"))?;
        times.one.push(figure(&one, "rate")?);
        times.one_cpu.push(figure(&one, "cpuPerCreate")? * 1e6);
        times.sqlite.push(store.figure(&format!("sqlite {span}"), "rate")?);
        times.postgres_one.push(postgres.rate(1, span)?);
        let many = store.ask(&format!("creates 64 {span}"))?;
        times.many.push(figure(&many, "rate")?);
        times.many_cpu.push(figure(&many, "cpuPerCreate")? * 1e6);
        times.postgres_many.push(postgres.rate(64, span)?);
        eprintln!(
            "pair {pair} of {}: disk {:.0}, one {:.0}, 64 clients {:.0}",
            arguments.pairs,
            times.disk[pair - 1],
            times.one[pair - 1],
            times.many[pair - 1]
        );
    }
    let reopened = store.ask("reopen")?;
    drop(store);

    println!("durable creates a second, {} pairs of {span} s", arguments.pairs);
    for (name, values) in [
        ("fdatasync of 4 KiB appends", &times.disk),
        ("lariat's store, 1 client", &times.one),
        ("SQLite alone, synchronous=FULL", &times.sqlite),
        ("PostgreSQL, 1 client", &times.postgres_one),
        ("lariat's store, 64 clients", &times.many),
        ("PostgreSQL, 64 clients", &times.postgres_many),
    ] {
        let spread = spread(values) * 100.0;
        println!("  {name:<32} median {:>8.0}, spread {spread:>3.0}%: {}", median(values), list(values));
    }
    println!(
        "  CPU for a create, store and client: {:.0} µs alone, {:.0} µs among 64",
        median(&times.one_cpu),
        median(&times.many_cpu)
    );
    println!(
        "  opening again: {:.0} rows in {:.2} s, {:.0} rows/s; SQLite's own reading of them {:.2} s",
        figure(&reopened, "rows")?,
        figure(&reopened, "seconds")?,
        figure(&reopened, "rate")?,
        figure(&reopened, "rawSeconds")?,
    );
    Ok(vec![
        Verdict::at_least("1 client, against the disk's own rate", &times.one, &times.disk, 0.85),
        Verdict::floor("64 clients", median(&times.many), 20_000.0, "creates/s"),
        Verdict::at_least("64 clients, against PostgreSQL with 64", &times.many, &times.postgres_many, 1.5),
    ])
}

#[derive(Default)]
struct Figures {
    disk: Vec<f64>,
    one: Vec<f64>,
    one_cpu: Vec<f64>,
    sqlite: Vec<f64>,
    postgres_one: Vec<f64>,
    many: Vec<f64>,
    many_cpu: Vec<f64>,
    postgres_many: Vec<f64>,
}

/// A folder on the disk under the tree, because `/tmp` may be memory.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let folder = crate::target().join(format!("bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(std::fs::canonicalize(folder)?))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A PostgreSQL of our own, as durable as it comes, on core 0.
struct Postgres {
    server: Child,
    programs: PathBuf,
    folder: PathBuf,
    /// Sockets have short paths.
    sockets: PathBuf,
}

impl Postgres {
    fn start(folder: &Path) -> Result<Self> {
        let programs = crate::test::postgres_programs()?;
        let root = rustix::process::geteuid().is_root();
        let data = folder.join("postgres");
        let sockets = std::env::temp_dir().join(format!("lariat-bench-{}", std::process::id()));
        for folder in [&data, &sockets] {
            std::fs::create_dir_all(folder)?;
            if root {
                output(Command::new("chown").arg("postgres:postgres").arg(folder))?;
            }
        }
        let program = |name: &str| {
            let mut command = Command::new("setpriv");
            if root {
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            }
            command.args(["--pdeathsig=INT", "--"]).arg(programs.join(name)).current_dir(&sockets);
            command
        };
        output(program("initdb").arg("--pgdata").arg(&data).args([
            "--username=bench",
            "--auth=trust",
            "--no-locale",
            "--encoding=UTF8",
        ]))?;
        let log = std::fs::File::create(sockets.join("log"))?;
        let mut server = program("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(&sockets).args(["-c", "listen_addresses="]);
        let server = server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let pid = server.id().to_string();
        let mut postgres = Self { server, programs, folder: folder.to_owned(), sockets };
        // Its children inherit the core.
        output(Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", "0", &pid]))?;
        wait_for("PostgreSQL answers", Duration::from_secs(60), || {
            if let Some(status) = postgres.server.try_wait()? {
                bail!("PostgreSQL ended with {status}");
            }
            postgres.query("SELECT 1").map(drop)
        })?;
        postgres.query("CREATE TABLE peer (id bigserial PRIMARY KEY, body bytea NOT NULL)")?;
        let script = "INSERT INTO peer (body) VALUES (decode(repeat('00', 256), 'hex'));\n";
        std::fs::write(postgres.folder.join("insert.sql"), script)?;
        Ok(postgres)
    }

    fn query(&self, text: &str) -> Result<String> {
        output(
            Command::new(self.programs.join("psql"))
                .args(["-qtA", "-U", "bench", "-d", "postgres", "-c", text, "-h"])
                .arg(&self.sockets),
        )
    }

    /// Inserts a second with so many clients on core 1.
    fn rate(&self, clients: u32, span: f64) -> Result<f64> {
        let count = || -> Result<f64> { Ok(self.query("SELECT count(*) FROM peer")?.parse()?) };
        let before = count()?;
        let seconds = span.ceil().max(1.0);
        let text = output(
            Command::new("taskset")
                .args(["--cpu-list", "1"])
                .arg(self.programs.join("pgbench"))
                .args(["-n", "-U", "bench", "-M", "prepared", "-j", "1", "-c"])
                .arg(clients.to_string())
                .args(["-T", &seconds.to_string(), "-f"])
                .arg(self.folder.join("insert.sql"))
                .arg("-h")
                .arg(&self.sockets)
                .arg("postgres"),
        )?;
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok())
            .with_context(|| format!("pgbench gave no rate: {text}"))?;
        if count()? - before < rate * seconds * 0.8 {
            bail!("PostgreSQL has fewer rows than it counted");
        }
        Ok(rate)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.server.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.sockets);
    }
}
