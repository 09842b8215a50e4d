//! `lariat keys`: pairs of keys for programs.

use clap::{Args, Subcommand};
use contract_client::{Collection, Query};
use serde_json::json;

use super::{Names, Removal};
use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

const COLUMNS: &[crate::things::Column] = &[
    column("NAME", "name", Show::Plain),
    column("ACCESS KEY", "publicValue", Show::Plain),
    column("STATE", "state", Show::State),
    column("ACCOUNT", "accountId", Show::Plain),
    column("AGE", "createdTS", Show::Age),
];

/// Keys of people: they can do what their person can.
const KEYS: Thing = Thing {
    collection: Collection { kind: "apiKey", plural: "apikeys", at_root: true },
    word: "key",
    words: "keys",
    columns: COLUMNS,
};

/// Keys of the chosen environment: they can do what its owners can, in it.
const OF_ENVIRONMENT: Thing =
    Thing { collection: Collection { kind: "apiKey", plural: "apikeys", at_root: false }, ..KEYS };

/// List, create and remove API keys
#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    command: Option<KeysCommand>,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// List your keys
    Ls {
        /// Those of the chosen environment
        #[arg(long)]
        environment_keys: bool,
    },
    /// Create a key; its secret half is shown now and never again
    Create {
        /// A name
        name: Option<String>,
        /// A note
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// A key of the chosen environment, instead of your own
        #[arg(long)]
        environment_key: bool,
    },
    /// Switch keys on again
    Activate(Names),
    /// Switch keys off
    Deactivate(Names),
    /// Remove keys
    Rm(Removal),
    /// Show everything about keys but their secret halves
    Inspect(Names),
}

impl Keys {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(KeysCommand::Ls { environment_keys: false }) {
            KeysCommand::Ls { environment_keys: false } => KEYS.list(session, &Query::all()).await,
            KeysCommand::Ls { environment_keys: true } => OF_ENVIRONMENT.list(session, &Query::all()).await,
            KeysCommand::Create { name, description, environment_key } => {
                let input = json!({ "name": name, "description": description });
                let thing = if environment_key { OF_ENVIRONMENT } else { KEYS };
                let made = thing.create(session, &input).await?;
                let text = |field: &str| made.fields.get(field).and_then(|v| v.as_str()).unwrap_or_default();
                let (access, secret) = (text("publicValue"), text("secretValue"));
                if session.is_machine() {
                    return session
                        .document(&json!({ "id": made.meta.id, "accessKey": access, "secretKey": secret }));
                }
                session.note("The secret key is shown now and never again.");
                session.io.line(&format!("LARIAT_ACCESS_KEY={access}\nLARIAT_SECRET_KEY={secret}"))
            }
            KeysCommand::Activate(names) => KEYS.act(session, &names.names, "activate").await,
            KeysCommand::Deactivate(names) => KEYS.act(session, &names.names, "deactivate").await,
            KeysCommand::Rm(removal) => removal.run(session, &KEYS).await,
            KeysCommand::Inspect(names) => KEYS.inspect(session, &names.names).await,
        }
    }
}
