//! The user commands: what people and their scripts type.
//!
//! Each command is one file below `commands`: its options, and a function that does it through `contract-client`.
//! What was asked for goes to standard output, everything else (progress, warnings, errors) beside it, so that output
//! can be piped. Lists have a form for people and one for programs. A command ends with 0 when it did what it says,
//! with 1 when it could not, with 2 when the command line makes no sense; `exec` ends with the code of its process.
//!
//! A command never leaves a person guessing: an error says in one line what could not be done and why, and a line
//! `hint:` says what to do, where that is known. Nothing here may know the control plane or hosts: all of it goes over the
//! public API, so that whatever these commands can do, anybody's client can do.

mod bundle;
pub mod commands;
mod compatibility;
pub mod error;
pub mod io;
mod names;
mod output;
mod progress;
mod session;
mod terminal;
mod things;

pub use commands::Command;
pub use compatibility::{Answer, COMPATIBILITY, Entry, Tool};
pub use error::CliError;
pub use io::Io;
pub use session::{Globals, Session};

/// Runs a command and gives the exit code; errors have been told.
pub async fn run(globals: Globals, command: Command, io: Io) -> i32 {
    let session = Session { io: io.clone(), globals };
    // A program that the command runs gets the key press itself.
    let own_interrupt = matches!(command, Command::Docker(_));
    let outcome = tokio::select! {
        // A command that knows better what goes on says so itself.
        biased;
        outcome = commands::run(&session, command) => outcome,
        Ok(()) = tokio::signal::ctrl_c(), if !own_interrupt => Err(interrupted(&io)),
    };
    match outcome {
        Ok(()) => error::DONE,
        Err(error) => {
            if !error.silent {
                io.say(&format!("{} {}", io.paint_message("1;31", "error:"), error.what));
                if let Some(hint) = &error.hint {
                    io.say(&format!("{} {hint}", io.paint_message("1;36", "hint:")));
                }
            }
            error.code
        }
    }
}

/// What a person who pressed Ctrl-C must know: whether anything was begun that goes on without this command.
fn interrupted(io: &Io) -> CliError {
    let error = match io.orders.load(std::sync::atomic::Ordering::Relaxed) {
        0 => CliError::new("interrupted; nothing was changed"),
        orders => CliError::new(format!(
            "interrupted; the server goes on with what it was told ({})",
            commands::up::count(usize::try_from(orders).unwrap_or(usize::MAX), "order")
        ))
        .hint("`lariat events` shows what happens"),
    };
    CliError { code: error::INTERRUPTED, ..error }
}

/// The user commands alone, as a program; `lariat` adds its roles to them.
#[derive(Debug, clap::Parser)]
#[command(
    name = "lariat",
    version,
    about = "Runs Docker Compose stacks on many Docker hosts",
    max_term_width = 100
)]
pub struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}
