//! `lariat secrets`: what containers may know and nobody may read back.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use contract_client::{Collection, Query};
use serde_json::json;

use super::{Names, Removal};
use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

/// How they are asked for and listed.
pub const SECRETS: Thing = Thing {
    collection: Collection { kind: "secret", plural: "secrets", at_root: false },
    word: "secret",
    words: "secrets",
    columns: &[
        column("NAME", "name", Show::Plain),
        column("STATE", "state", Show::State),
        column("DESCRIPTION", "description", Show::Plain),
        column("AGE", "createdTS", Show::Age),
    ],
};

/// List, create and remove secrets
#[derive(Debug, Args)]
pub struct Secrets {
    #[command(subcommand)]
    command: Option<SecretsCommand>,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// List secrets; their values are never shown
    Ls,
    /// Create a secret from a file or the standard input
    Create {
        /// Its name
        name: String,
        /// The file that holds it; `-` reads the standard input
        file: PathBuf,
        /// A note
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Remove secrets; containers that have them keep them
    Rm(Removal),
    /// Show everything about secrets but their values
    Inspect(Names),
}

impl Secrets {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(SecretsCommand::Ls) {
            SecretsCommand::Ls => SECRETS.list(session, &Query::all()).await,
            SecretsCommand::Create { name, file, description } => {
                let value = session.io.read_file(&file)?;
                let input = json!({
                    "name": name,
                    "description": description,
                    "value": STANDARD.encode(&value),
                });
                let made = SECRETS.create(session, &input).await?;
                session.done(&made.meta.id, &name)
            }
            SecretsCommand::Rm(removal) => removal.run(session, &SECRETS).await,
            SecretsCommand::Inspect(names) => SECRETS.inspect(session, &names.names).await,
        }
    }
}
