//! The program: one `main`, all roles. The first word says which: `server`, `agent`, or a user command.
//!
//! Each role gets the runtime that fits it. The server works on a few threads, because more cost memory and gain
//! nothing; the agent and the user commands on one.

mod agent;
mod log;
mod server;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use lariat_cli::{Command, Globals, Io};

#[derive(Debug, clap::Parser)]
#[command(
    name = "lariat",
    version,
    about = "Runs Docker Compose stacks on many Docker hosts",
    after_help = "A first stack: `lariat login URL`, then `lariat up -f docker-compose.yml`.",
    max_term_width = 100
)]
struct Lariat {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    #[command(flatten)]
    User(Command),
    /// Run the server: the API, the database and the controllers
    Server(server::Server),
    /// Run the agent that makes this machine a host
    Agent(agent::Agent),
}

fn main() -> ExitCode {
    let arguments = match Lariat::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when the output is closed.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(2),
            };
        }
    };
    // Whoever speaks TLS without saying how speaks it with this.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let code = match arguments.role {
        Role::User(command) => user(arguments.globals, command),
        Role::Server(options) => server::run(options),
        // `--pin` and `--ca-file` are options of all commands.
        Role::Agent(options) => agent::run(&options, arguments.globals.pin, arguments.globals.ca_file),
    };
    // A thread may still wait for a key to be pressed; it must not hold up the end.
    std::process::exit(code)
}

fn user(globals: Globals, command: Command) -> i32 {
    if globals.debug
        && let Err(error) = log::start(log::LogFormat::Text, "warn,contract_client=debug,lariat_cli=debug")
    {
        eprintln!("error: {error}");
        return 1;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: could not start: {error}");
            return 1;
        }
    };
    let code = runtime.block_on(lariat_cli::run(globals, command, Io::process()));
    runtime.shutdown_background();
    code
}
