//! `cargo xtask devserver`: a server with simulated hosts, until it is told to stop.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use testkit_dev::{DevOptions, DevServer, fast};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(
    name = "cargo xtask devserver",
    about = "Runs a server with simulated hosts, for whoever builds clients",
    after_help = "Containers of images named `sim:…` do what the tag says, in words joined by `_`: \
                  job[-TIME], exit-CODE, crash, oom, slow, lazy, stubborn, broken, pull[-TIME], missing, private, \
                  sick, flapping, chatty[-RATE], quiet, hungry. The environment (SIM_EXIT_AFTER=2s) and labels \
                  (sim.exit-after=2s) say more: exit-after, exit-code, oom-after, start-time, stop-time, stubborn, \
                  fail, health, health-after, log-rate, log-line, cpu, memory.",
    max_term_width = 100
)]
struct Arguments {
    /// How many simulated hosts there are
    #[arg(long, default_value_t = 3)]
    hosts: u32,
    /// The database, as `lariat server` takes it [default: SQLite in the folder]
    #[arg(long)]
    database: Option<String>,
    /// Where to listen; port 0 is any
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where everything is kept for the next start [default: a temporary folder]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Loops as fast as those of the product, and no faster
    #[arg(long)]
    real_pace: bool,
    /// How the keys are printed: for people, or as one line of JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("LARIAT_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut server = DevServer::start(DevOptions {
        hosts: arguments.hosts,
        database: arguments.database,
        listen: arguments.listen,
        folder: arguments.data_dir,
        tuning: if arguments.real_pace { Default::default() } else { fast() },
    })
    .await?;
    print(&server, arguments.format)?;
    tokio::select! {
        ended = server.failed() => ended?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    server.stop().await
}

fn print(server: &DevServer, format: Format) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    match format {
        Format::Json => writeln!(output, "{}", server.to_json())?,
        Format::Text => {
            writeln!(output, "{} answers, with {} simulated hosts", server.url(), server.hosts().len())?;
            writeln!(output, "\n{:<12} {:<22} {:<42} sign in as", "role", "access key", "secret key")?;
            for key in server.keys().iter() {
                let sign_in = key
                    .sign_in
                    .as_ref()
                    .map_or(String::new(), |(user, password)| format!("{user} {}", password.expose()));
                let line = format!(
                    "{:<12} {:<22} {:<42} {sign_in}",
                    key.role.name(),
                    key.access_key,
                    key.secret_key.expose()
                );
                writeln!(output, "{}", line.trim_end())?;
            }
            writeln!(output, "\nThese keys are for this server only. Stop it with Ctrl-C.")?;
        }
    }
    output.flush()
}
