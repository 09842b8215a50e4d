//! `lariat registries`: where images come from, and who fetches them.

use clap::{Args, Subcommand};
use contract_client::{Client, Collection, Query, Resource};
use serde_json::json;

use super::{Names, Removal};
use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

/// How they are asked for and listed.
pub const REGISTRIES: Thing = Thing {
    collection: Collection { kind: "registry", plural: "registries", at_root: false },
    word: "registry",
    words: "registries",
    columns: &[
        column("ADDRESS", "serverAddress", Show::Plain),
        column("NAME", "name", Show::Plain),
        column("STATE", "state", Show::State),
        column("AGE", "createdTS", Show::Age),
    ],
};

const CREDENTIALS: Collection =
    Collection { kind: "registryCredential", plural: "registrycredentials", at_root: false };

/// List, create and remove registries of images
#[derive(Debug, Args)]
pub struct Registries {
    #[command(subcommand)]
    command: Option<RegistriesCommand>,
}

#[derive(Debug, Subcommand)]
enum RegistriesCommand {
    /// List registries
    Ls,
    /// Add a registry, or another user of one that there is
    Create {
        /// Its address, such as registry.example.org:5000
        address: String,
        /// The user who fetches images
        #[arg(short, long, value_name = "NAME")]
        user: Option<String>,
        /// Read his password from the standard input
        #[arg(long, requires = "user")]
        password_stdin: bool,
        /// A name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Use registries again
    Activate(Names),
    /// Do not use registries
    Deactivate(Names),
    /// Remove registries
    Rm(Removal),
    /// Show everything about registries but their passwords
    Inspect(Names),
}

impl Registries {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(RegistriesCommand::Ls) {
            RegistriesCommand::Ls => REGISTRIES.list(session, &Query::all()).await,
            RegistriesCommand::Create { address, user, password_stdin, name } => {
                create(session, &address, user.as_deref(), password_stdin, name.as_deref()).await
            }
            RegistriesCommand::Activate(names) => {
                REGISTRIES.act(session, &by_id(session, names).await?, "activate").await
            }
            RegistriesCommand::Deactivate(names) => {
                REGISTRIES.act(session, &by_id(session, names).await?, "deactivate").await
            }
            RegistriesCommand::Rm(mut removal) => {
                removal.names = by_id(session, Names { names: removal.names }).await?;
                removal.run(session, &REGISTRIES).await
            }
            RegistriesCommand::Inspect(names) => {
                REGISTRIES.inspect(session, &by_id(session, names).await?).await
            }
        }
    }
}

/// Registries are called by their addresses too; those become ids.
async fn by_id(session: &Session, names: Names) -> Result<Vec<String>, CliError> {
    let client = REGISTRIES.client(session).await?;
    let mut ids = Vec::new();
    for name in names.names {
        ids.push(at(&client, &name).await?.map_or(name, |registry| registry.meta.id));
    }
    Ok(ids)
}

async fn at(client: &Client, address: &str) -> Result<Option<Resource>, CliError> {
    let all = client.list_of(REGISTRIES.collection, &Query::all()).await?;
    let own =
        |registry: &Resource| registry.fields.get("serverAddress").and_then(|a| a.as_str()) == Some(address);
    Ok(all.into_iter().find(|registry| own(registry) && !registry.meta.is_removed()))
}

async fn create(
    session: &Session,
    address: &str,
    user: Option<&str>,
    password_stdin: bool,
    name: Option<&str>,
) -> Result<(), CliError> {
    let client = REGISTRIES.client(session).await?;
    let password = match user {
        Some(_) => Some(session.ask_secret(password_stdin, "--password-stdin", "Password: ")?),
        None => None,
    };
    let registry = match at(&client, address).await? {
        Some(registry) => registry,
        None => {
            let input = json!({ "serverAddress": address, "name": name });
            client.create_in(REGISTRIES.collection, &input).await?
        }
    };
    if let (Some(user), Some(password)) = (user, password) {
        let query = Query::all().with("registryId", registry.meta.id.as_str());
        let known = client.list_of(CREDENTIALS, &query).await?;
        let same = known.into_iter().find(|credential| {
            !credential.meta.is_removed()
                && credential.fields.get("publicValue").and_then(|name| name.as_str()) == Some(user)
        });
        let secret = password.expose();
        match same {
            Some(credential) => {
                let input = json!({ "publicValue": user, "secretValue": secret });
                client.update_in(CREDENTIALS, &credential.meta.id, &input).await?;
            }
            None => {
                let input =
                    json!({ "registryId": registry.meta.id, "publicValue": user, "secretValue": secret });
                client.create_in(CREDENTIALS, &input).await?;
            }
        }
    }
    session.done(&registry.meta.id, address)
}
