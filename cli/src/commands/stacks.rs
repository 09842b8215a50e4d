//! `lariat stacks`: stacks.

use clap::{Args, Subcommand};
use contract_client::Stack;
use serde_json::json;

use super::lifecycle::Waiting;
use super::{Names, Removal};
use crate::error::CliError;
use crate::names::{Directory, Kind, natural};
use crate::output::{Listing, ago, colour_of};
use crate::session::Session;

/// List, create and remove stacks
#[derive(Debug, Args)]
pub struct Stacks {
    #[command(subcommand)]
    command: Option<StacksCommand>,
    #[command(flatten)]
    ls: Ls,
}

#[derive(Debug, Default, PartialEq, Args)]
struct Ls {
    /// Also stacks of the platform itself
    #[arg(short, long, visible_alias = "system")]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum StacksCommand {
    /// List stacks
    Ls(Ls),
    /// Create a stack
    Create(super::up::StackCreate),
    /// Remove stacks
    Rm(Removal),
    /// Show everything about stacks
    Inspect(Names),
    /// Accept upgrades: what the old containers were kept for is over
    Confirm {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Go back to what ran before the last upgrade
    Rollback {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        waiting: Waiting,
    },
}

impl Stacks {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match super::or_list(self.command, self.ls, StacksCommand::Ls)? {
            StacksCommand::Ls(ls) => list(session, ls.all).await,
            StacksCommand::Create(create) => create.run(session).await,
            StacksCommand::Rm(removal) => super::rm::remove(session, removal, &[Kind::Stack]).await,
            StacksCommand::Inspect(names) => {
                super::inspect::inspect(session, &names.names, &[Kind::Stack], true).await
            }
            StacksCommand::Confirm { names, waiting } => {
                act(session, &names.names, "finishupgrade", waiting).await
            }
            StacksCommand::Rollback { names, waiting } => {
                act(session, &names.names, "rollback", waiting).await
            }
        }
    }
}

async fn act(session: &Session, names: &[String], action: &str, waiting: Waiting) -> Result<(), CliError> {
    let client = session.client().await?;
    let (_, found) = Directory::find(&client, names, &[Kind::Stack]).await?;
    for (name, target) in names.iter().zip(&found) {
        let crate::names::Target::Stack(stack) = target else { continue };
        client.act(stack, action, None).await.map_err(|error| CliError::from(error).during(name))?;
        if !waiting.no_wait {
            client.wait::<Stack>(&stack.meta.id, waiting.limit(), |stack| !stack.meta.is_moving()).await?;
        }
        session.done(&stack.meta.id, name)?;
    }
    Ok(())
}

async fn list(session: &Session, all: bool) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, &[Kind::Stack, Kind::Service]).await?;
    let mut stacks: Vec<&Stack> = directory.stacks.values().filter(|s| all || !s.system).collect();
    stacks.sort_by_key(|stack| natural(stack.meta.title()));
    let mut listing = Listing::new(&["ID", "NAME", "STATE", "HEALTH", "SERVICES", "AGE"]);
    for stack in stacks {
        let meta = &stack.meta;
        let health = stack.health_state.as_deref().unwrap_or("-");
        let services = directory.services_of(&meta.id);
        let cells = vec![
            meta.id.clone(),
            meta.title().to_owned(),
            session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
            session.io.paint(colour_of(health, ""), health),
            services.len().to_string(),
            ago(session.io.now_ms(), meta.created_ms),
        ];
        let document = json!({
            "id": meta.id,
            "name": meta.name,
            "state": meta.state,
            "health": stack.health_state,
            "transitioning": meta.transitioning,
            "message": meta.transitioning_message,
            "reason": meta.reason.as_ref().map(super::up::reason_document),
            "services": services.iter().map(|s| s.meta.title()).collect::<Vec<_>>(),
            "created": meta.created_ms,
        });
        listing.add(&meta.id, cells, document);
    }
    listing.print(session)
}
