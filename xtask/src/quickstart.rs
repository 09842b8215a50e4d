//! `cargo xtask quickstart`: Lariat with a sample application on this machine, from nothing.
//!
//! Each step looks first whether its work is done, so that a second run changes
//! nothing, and a run that was cut short goes on where it stopped. All that is
//! made lies under one directory or carries our labels, so that `--down` finds it.

mod engine;
mod lariat;
mod traces;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit_lab::images::Images;

use crate::steps::{output, run as run_program, wait_for};
use crate::{debian, tree};

use engine::Engine;
use lariat::{Credentials, Lariat};

const STATE: &str = "/var/lib/lariat/quickstart";
const CACHE: &str = "/var/cache/lariat";
/// The command for people: a link to the program that was built.
const COMMAND: &str = "/usr/local/bin/lariat";
const STACK: &str = "shop";

#[derive(clap::Args)]
pub struct Arguments {
    /// Removes the application, the server, the agent and all that they keep
    #[arg(long)]
    down: bool,
    /// The server's port
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The shop's port
    #[arg(long, default_value_t = 8088)]
    shop_port: u16,
    /// A built `lariat`, instead of a release build of this tree
    #[arg(long)]
    program: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "quickstart starts a Docker engine and an agent for it, which needs root: try `sudo -E cargo xtask quickstart`"
        );
    }
    let state = Path::new(STATE);
    if arguments.down { down(state) } else { up(arguments, state) }
}

fn up(arguments: &Arguments, state: &Path) -> Result<()> {
    std::fs::create_dir_all(state).with_context(|| format!("could not make `{STATE}`"))?;
    debian::install(&["docker.io", "iptables", "ca-certificates"])?;

    // Compiling takes both cores for minutes, fetching packages takes the network: side by side.
    let images = std::thread::spawn(|| Images::in_directory(Path::new(CACHE).join("images")).shop());
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => {
            say("building lariat (a first build takes some minutes)");
            crate::program::build_release()?
        }
    };
    let images = images.join().ok().context("building the images was cut short")??;

    let engine = Engine::new(state);
    engine.start()?;
    for image in &images {
        if image.load_into(engine.url())? {
            say(&format!("loaded the image {}", image.reference));
        }
    }

    let lariat = Lariat::new(state, &program, arguments.port);
    lariat.install()?;
    let first = lariat.start_server()?;
    lariat.start_agent(engine.url())?;
    link_command(&lariat)?;

    let file = tree().join("examples/shop/docker-compose.yml");
    say(&format!("deploying {}", file.strip_prefix(tree()).unwrap_or(&file).display()));
    let deployed = run_program(
        lariat
            .command()?
            .args(["up", "-s", STACK, "-f"])
            .arg(&file)
            .env("SHOP_PORT", arguments.shop_port.to_string()),
    );
    // Also of half a stack: `--down` must find it.
    let noted = engine.note_owner(STACK);
    deployed?;
    noted?;
    let shop = arguments.shop_port;
    wait_for("the shop answers", Duration::from_secs(120), || {
        get("127.0.0.1", shop, "/").and_then(check_page)
    })?;
    farewell(arguments, &lariat, first.as_ref())
}

fn check_page(answer: String) -> Result<()> {
    let line = answer.lines().next().unwrap_or("nothing");
    if !line.contains(" 200 ") {
        bail!("it answers: {line}");
    }
    Ok(())
}

fn link_command(lariat: &Lariat) -> Result<()> {
    match std::fs::symlink_metadata(COMMAND) {
        Ok(_) if is_our_link() => Ok(()),
        // Somebody else's program; ours is told about by its whole path.
        Ok(_) => Ok(()),
        Err(_) => std::os::unix::fs::symlink(lariat.program(), COMMAND)
            .with_context(|| format!("could not link `{COMMAND}`")),
    }
}

fn is_our_link() -> bool {
    std::fs::read_link(COMMAND).is_ok_and(|target| target.starts_with(STATE))
}

fn farewell(arguments: &Arguments, lariat: &Lariat, first: Option<&Credentials>) -> Result<()> {
    let name = if is_our_link() { "lariat".to_owned() } else { lariat.program().display().to_string() };
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    writeln!(out, "The shop is open:    http://127.0.0.1:{}/", arguments.shop_port)?;
    writeln!(out, "Lariat's API:        {}/v2-beta", lariat.url())?;
    match first {
        Some(credentials) => {
            writeln!(out, "\nThe first administrator, shown this once:")?;
            writeln!(out, "  user        {}", credentials.user)?;
            writeln!(out, "  password    {}", credentials.password)?;
            writeln!(out, "  access key  {}", credentials.access_key)?;
            writeln!(out, "  secret key  {}", credentials.secret_key)?;
        }
        None => writeln!(out, "The credentials were shown by the first run.")?,
    }
    writeln!(out, "\nWhat next:")?;
    writeln!(out, "  . {}     # who you are, for the commands below", lariat.environment_file().display())?;
    writeln!(out, "  {name} logs -f {STACK}")?;
    writeln!(out, "  {name} exec -it {STACK}/app sh")?;
    writeln!(out, "  {name} scale {STACK}/worker=3")?;
    writeln!(out, "\n`cargo xtask quickstart --down` removes all of it.")?;
    out.flush()?;
    // From here on the password is known to the person who saw it, and to nobody else.
    lariat.forget_credentials()
}

/// Takes down what is there, and goes on after an error, so that as little as possible is left.
fn down(state: &Path) -> Result<()> {
    if !state.exists() && !Path::new(CACHE).exists() {
        say("there is nothing to remove");
        return Ok(());
    }
    let mut faults = Vec::new();
    let mut note = |what: &str, result: Result<()>| {
        if let Err(error) = result {
            faults.push(format!("{what}: {error:#}"));
        }
    };
    let engine = Engine::new(state);
    let lariat = Lariat::new(state, Path::new(""), 0);
    if engine.answers() && lariat.server_runs() {
        say("removing the stack");
        // What the server cannot remove is found by its labels below.
        let _ = lariat
            .command()
            .and_then(|mut command| run_program(command.args(["rm", "--force", "--volumes", STACK])));
    }
    note("the agent", lariat.stop_agent());
    note("the server", lariat.stop_server());
    if engine.answers() {
        note("containers", engine.remove_what_is_ours());
    }
    note("the engine", engine.stop());
    if is_our_link() {
        note("the link", std::fs::remove_file(COMMAND).map_err(Into::into));
    }
    for directory in [state, Path::new(CACHE)] {
        if directory.exists() {
            // An engine leaves mounts behind if it was killed.
            note("mounts", unmount_below(directory));
            let what = format!("`{}`", directory.display());
            note(&what, std::fs::remove_dir_all(directory).map_err(Into::into));
        }
    }
    // Goes only if nothing else of Lariat lies there.
    let _ = std::fs::remove_dir("/var/lib/lariat");
    if faults.is_empty() {
        say("everything is removed, but for the Debian packages");
        return Ok(());
    }
    bail!("some things could not be removed:\n  {}", faults.join("\n  "))
}

fn unmount_below(directory: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mut points: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| Path::new(point).starts_with(directory))
        .collect();
    // The innermost first.
    points.sort_by_key(|point| std::cmp::Reverse(point.len()));
    for point in points {
        output(Command::new("umount").arg(point))?;
    }
    Ok(())
}

/// Asks for a page and gives the whole answer.
fn get(host: &str, port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn say(text: &str) {
    eprintln!("· {text}");
}
