//! `lariat completion` and `lariat man`: what shells and manuals know of the commands.

use std::path::PathBuf;

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

/// Print a manual page, or write all of them into a folder
#[derive(Debug, Args)]
pub struct Man {
    /// The command, such as `hosts add` [default: the program itself]
    command: Vec<String>,
    /// Write a page for each command into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    all: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, session: &Session) -> Result<(), CliError> {
        let mut root = Cli::command();
        if let Some(folder) = self.all {
            let folder = session.io.folder.join(folder);
            std::fs::create_dir_all(&folder)?;
            return clap_mangen::generate_to(root, &folder).map_err(|error| {
                CliError::new(format!("could not write pages into `{}`: {error}", folder.display()))
            });
        }
        // This gives commands their full names.
        root.build();
        let mut command = &root;
        for word in &self.command {
            command = command.find_subcommand(word).ok_or_else(|| {
                CliError::usage(format!("there is no command `{}`", self.command.join(" ")))
                    .hint("`lariat help` lists them")
            })?;
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        session.io.out_bytes(&page)
    }
}
