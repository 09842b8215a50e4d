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
pub mod error;
pub mod io;
mod names;
mod output;
mod progress;
mod session;
mod terminal;

pub use commands::Command;
pub use error::CliError;
pub use io::Io;
pub use session::{Globals, Session};

/// Runs a command and gives the exit code; errors have been told.
pub async fn run(globals: Globals, command: Command, io: Io) -> i32 {
    let session = Session { io: io.clone(), globals };
    match commands::run(&session, command).await {
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
