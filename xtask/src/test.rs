//! `cargo xtask test`: what must hold before a change lands, on a machine with nothing but Rust.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testkit_lab::images::Images;
use testkit_lab::lab::Lab;

use crate::process::start_time;
use crate::steps::{has_program, output, run as run_program, wait_for};
use crate::{debian, target, tidy, tree};

mod python;

/// What the tests use, besides what building them needs.
const PACKAGES: &[&str] = &[
    "docker.io",
    "iptables",
    "iproute2",
    "e2fsprogs",
    "busybox-static",
    "postgresql",
    "python3-venv",
    "docker-compose",
];

#[derive(clap::Args)]
pub struct Arguments {
    /// `style` (format, lints, dependencies, arrows), `tests`, or the name of one crate [default: all]
    part: Option<String>,
    /// Only tests whose name contains this
    #[arg(requires = "part")]
    name: Option<String>,
}

/// One thing checked, and how it went.
struct Step {
    name: &'static str,
    took: Duration,
    result: Result<()>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let part = arguments.part.as_deref();
    let style = matches!(part, None | Some("style"));
    let tests = part != Some("style");
    let mut steps = Steps { cargo: cargo_settings(), done: Vec::new() };
    let mut counts = Counts::default();

    if style {
        steps.take("install cargo-deny", |_| install_cargo_tool("cargo-deny"));
        steps.take("format", |steps| run_program(steps.cargo().args(["fmt", "--all", "--check"])));
        steps.take("lints", |steps| {
            let all = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
            run_program(steps.cargo().args(all))
        });
        steps.take("dependencies", |steps| {
            run_program(steps.cargo().args(["deny", "check", "bans", "licenses", "sources"]))
        });
        steps.take("tidy", |_| tidy::run());
    }
    if tests {
        let ready = steps.take("install what tests use", |_| {
            debian::install(PACKAGES)?;
            python::install()?;
            install_cargo_tool("cargo-nextest")
        });
        let built = steps
            .take("build the program", |steps| run_program(steps.cargo().args(["build", "-p", "lariat"])));
        let images = target().join("images");
        let imaged = steps.take("build images", |_| Images::in_directory(&images).all().map(drop));
        if ready && built && imaged {
            for leftover in Lab::sweep() {
                eprintln!("removed what an earlier run left: {leftover}");
            }
            steps.take("tests", |steps| {
                let database = Database::start()?;
                let mut command = steps.cargo();
                command.args(["nextest", "run", "--no-fail-fast", "--color", "never"]);
                match part {
                    None | Some("tests") => command.arg("--workspace"),
                    Some(package) => command.args(["--package", package]),
                };
                command
                    .args(arguments.name.as_deref())
                    .env("LARIAT_TEST_POSTGRES", database.url())
                    .env("LARIAT_TEST_IMAGES", &images)
                    .env("LARIAT_TEST_PYTHON", python::folder())
                    // Properties see the same cases each time: a red result belongs to the change.
                    .env("PROPTEST_RNG_SEED", "1")
                    .env("LARIAT_BIN", target().join("debug/lariat"));
                counts = run_tests(&mut command)?;
                // A filter by name leaves tests out on purpose.
                let skipped = counts.skipped > 0 && arguments.name.is_none();
                if counts.failed > 0 || counts.passed == 0 || skipped {
                    bail!("{} tests failed, {} were skipped", counts.failed, counts.skipped);
                }
                Ok(())
            });
            steps.take("leave nothing behind", |_| {
                let left = Lab::sweep();
                if !left.is_empty() {
                    bail!("tests left labs behind: {}", left.join(", "));
                }
                Ok(())
            });
        }
    }

    println!();
    for step in &steps.done {
        let verdict = if step.result.is_ok() { "ok" } else { "FAILED" };
        println!("{:>8.1} s  {:<24} {verdict}", step.took.as_secs_f64(), step.name);
    }
    let failed: Vec<&Step> = steps.done.iter().filter(|step| step.result.is_err()).collect();
    for step in &failed {
        if let Err(error) = &step.result {
            println!("{}: {error:#}", step.name);
        }
    }
    // Each check of style counts as one test, so that the line tells the whole.
    let checks = steps.done.iter().filter(|step| step.name != "tests");
    let (good, bad): (Vec<_>, Vec<_>) = checks.partition(|step| step.result.is_ok());
    counts.passed += good.len() as u64;
    counts.failed += bad.len() as u64;
    let tests_broke =
        failed.iter().any(|step| step.name == "tests") && counts.failed == 0 && counts.skipped == 0;
    counts.failed += u64::from(tests_broke);
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    if !failed.is_empty() {
        std::process::exit(1);
    }
    Ok(())
}

struct Steps {
    cargo: Vec<(&'static str, &'static str)>,
    done: Vec<Step>,
}

impl Steps {
    fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(tree()).envs(self.cargo.iter().copied());
        command
    }

    fn take(&mut self, name: &'static str, work: impl FnOnce(&Self) -> Result<()>) -> bool {
        eprintln!("== {name}");
        let started = Instant::now();
        let result = work(self);
        if let Err(error) = &result {
            eprintln!("== {name}: {error:#}");
        }
        let good = result.is_ok();
        self.done.push(Step { name, took: started.elapsed(), result });
        good
    }
}

/// Under CI nothing is built twice, so what incremental builds keep is only in the way.
fn cargo_settings() -> Vec<(&'static str, &'static str)> {
    match std::env::var("CI").as_deref() {
        Ok("true" | "1") => vec![("CARGO_INCREMENTAL", "0")],
        _ => Vec::new(),
    }
}

pub fn install_cargo_tool(name: &str) -> Result<()> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    if has_program(name) || home.is_some_and(|home| home.join("bin").join(name).is_file()) {
        return Ok(());
    }
    eprintln!("installing {name}");
    run_program(Command::new("cargo").args(["install", "--locked", "--quiet", name]))
}

/// Runs nextest with its output on the screen, and counts by its closing line.
fn run_tests(command: &mut Command) -> Result<Counts> {
    let mut child = command.stderr(Stdio::piped()).spawn().context("could not run cargo-nextest")?;
    let reader = BufReader::new(child.stderr.take().expect("the pipe was asked for"));
    let mut counts = None;
    for line in reader.lines() {
        let line = line?;
        eprintln!("{line}");
        counts = read_summary(&line).or(counts);
    }
    child.wait()?;
    counts.context("the tests did not run to their end")
}

/// Reads «Summary [   9.184s] 4/10 tests run: 3 passed (1 slow), 1 failed, 0 skipped».
pub fn read_summary(line: &str) -> Option<Counts> {
    let (_, rest) = line.trim_start().strip_prefix("Summary [")?.split_once(']')?;
    let (run, results) = rest.split_once(':')?;
    let mut counts = Counts::default();
    for result in results.split(',') {
        let mut words = result.split_whitespace();
        let (Some(number), Some(kind)) = (words.next().and_then(|n| n.parse::<u64>().ok()), words.next())
        else {
            continue;
        };
        match kind {
            "passed" => counts.passed += number,
            "skipped" => counts.skipped += number,
            // Failed, timed out, could not be started.
            _ => counts.failed += number,
        }
    }
    // «4/10 tests run»: six never ran.
    let mut numbers = run.split_whitespace().next()?.split('/').filter_map(|n| n.parse::<u64>().ok());
    if let (Some(ran), Some(all)) = (numbers.next(), numbers.next()) {
        counts.failed += all.saturating_sub(ran);
    }
    Some(counts)
}

/// Where Debian keeps the programs of the newest PostgreSQL.
pub fn postgres_programs() -> Result<PathBuf> {
    let mut versions: Vec<u32> = std::fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL is not installed")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let newest = versions.last().context("PostgreSQL is not installed")?;
    Ok(PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin")))
}

/// A PostgreSQL of our own on a socket in a directory of its own.
struct Database {
    server: Child,
    directory: PathBuf,
}

impl Database {
    const PREFIX: &'static str = "lariat-postgres-";

    fn start() -> Result<Self> {
        Self::sweep();
        let programs = postgres_programs()?;
        let directory = std::env::temp_dir().join(format!("{}{}", Self::PREFIX, std::process::id()));
        std::fs::create_dir(&directory)?;
        std::fs::write(directory.join("owner"), start_time(std::process::id()).unwrap_or_default())?;
        let root = rustix::process::geteuid().is_root();
        if root {
            output(Command::new("chown").args(["-R", "postgres:postgres"]).arg(&directory))?;
        }
        // The server refuses to run as root, and must not outlive us, however we end.
        let unprivileged = |program: &str| {
            let mut command = Command::new("setpriv");
            if root {
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            }
            command.args(["--pdeathsig=INT", "--"]).arg(programs.join(program)).current_dir(&directory);
            command
        };
        let data = directory.join("data");
        let initdb = unprivileged("initdb")
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=lariat", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
            .stdout(Stdio::null())
            .status()?;
        if !initdb.success() {
            bail!("`initdb` ended with {initdb}");
        }
        let log = std::fs::File::create(directory.join("postgres.log"))?;
        let server = unprivileged("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&directory)
            // Tests kill our programs, never this machine: commits need not reach the disk.
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=300"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("could not start PostgreSQL")?;
        let mut database = Self { server, directory };
        wait_for("PostgreSQL answers", Duration::from_secs(30), || {
            if let Some(status) = database.server.try_wait()? {
                bail!("PostgreSQL ended with {status}");
            }
            output(Command::new(programs.join("pg_isready")).arg("-q").arg("-h").arg(&database.directory))
        })
        .with_context(|| {
            std::fs::read_to_string(database.directory.join("postgres.log")).unwrap_or_default()
        })?;
        Ok(database)
    }

    fn url(&self) -> String {
        let directory = self.directory.to_string_lossy().replace('/', "%2F");
        format!("postgres://lariat@{directory}/postgres")
    }

    /// Removes directories whose owner is gone; the server in them ended with it.
    fn sweep() {
        let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(owner) = name.strip_prefix(Self::PREFIX).and_then(|pid| pid.parse().ok()) else {
                continue;
            };
            let started = std::fs::read_to_string(path.join("owner")).unwrap_or_default();
            if start_time(owner).is_none_or(|time| time != started) {
                let _ = std::fs::remove_dir_all(&path);
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.server.id().cast_signed()) {
            // A fast shutdown: clients are cut off, nothing is left running.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests;
