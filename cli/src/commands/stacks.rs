//! `lariat stacks`: stacks.

use clap::Args;
use contract_client::Stack;
use serde_json::json;

use crate::error::CliError;
use crate::names::{Directory, Kind, natural};
use crate::output::{self, Table, ago, colour_of};
use crate::session::Session;

/// List stacks
#[derive(Debug, Args)]
pub struct Stacks {
    /// Also stacks of the platform itself
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

impl Stacks {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let directory = Directory::load(&client, &[Kind::Stack, Kind::Service]).await?;
        let mut stacks: Vec<&Stack> = directory.stacks.values().filter(|s| self.all || !s.system).collect();
        stacks.sort_by_key(|stack| natural(stack.meta.title()));
        if session.is_json() {
            let documents = stacks.iter().map(|stack| {
                json!({
                    "id": stack.meta.id,
                    "name": stack.meta.name,
                    "state": stack.meta.state,
                    "health": stack.health_state,
                    "transitioning": stack.meta.transitioning,
                    "message": stack.meta.transitioning_message,
                    "reason": stack.meta.reason.as_ref().map(super::up::reason_document),
                    "services": directory.services_of(&stack.meta.id).iter().map(|s| s.meta.title()).collect::<Vec<_>>(),
                    "created": stack.meta.created_ms,
                })
            });
            return output::json(&session.io, &documents.collect());
        }
        if self.quiet {
            return stacks.iter().try_for_each(|stack| session.io.line(&stack.meta.id));
        }
        let mut table = Table::new(&["ID", "NAME", "STATE", "HEALTH", "SERVICES", "AGE"]);
        for stack in stacks {
            let meta = &stack.meta;
            let health = stack.health_state.as_deref().unwrap_or("-");
            table.row(vec![
                meta.id.clone(),
                meta.title().to_owned(),
                session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
                session.io.paint(colour_of(health, ""), health),
                directory.services_of(&meta.id).len().to_string(),
                ago(session.io.now_ms(), meta.created_ms),
            ]);
        }
        session.io.out(&table.render())
    }
}
