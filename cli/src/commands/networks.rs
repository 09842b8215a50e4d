//! `lariat networks`: the networks of an environment.

use clap::{Args, Subcommand};
use contract_client::{Collection, Query};

use super::{Names, Removal};
use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

/// How they are asked for and listed.
pub const NETWORKS: Thing = Thing {
    collection: Collection { kind: "network", plural: "networks", at_root: false },
    word: "network",
    words: "networks",
    columns: &[
        column("NAME", "name", Show::Plain),
        column("KIND", "kind", Show::Plain),
        column("STATE", "state", Show::State),
        column("AGE", "createdTS", Show::Age),
    ],
};

/// List and remove networks
#[derive(Debug, Args)]
pub struct Networks {
    #[command(subcommand)]
    command: Option<NetworksCommand>,
}

#[derive(Debug, Subcommand)]
enum NetworksCommand {
    /// List networks
    Ls,
    /// Remove networks
    Rm(Removal),
    /// Show everything about networks
    Inspect(Names),
}

impl Networks {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(NetworksCommand::Ls) {
            NetworksCommand::Ls => NETWORKS.list(session, &Query::all()).await,
            NetworksCommand::Rm(removal) => removal.run(session, &NETWORKS).await,
            NetworksCommand::Inspect(names) => NETWORKS.inspect(session, &names.names).await,
        }
    }
}
