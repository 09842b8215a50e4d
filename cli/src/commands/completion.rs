//! `lariat completion`: a script for the shell.

use clap::{Args, CommandFactory as _};

use crate::Cli;
use crate::error::CliError;
use crate::session::Session;

/// Print a script that completes commands in a shell
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completion {
    pub(super) fn run(self, session: &Session) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lariat", &mut script);
        session.io.out_bytes(&script)
    }
}
