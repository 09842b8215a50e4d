//! `lariat users`: who may sign in.

use clap::{Args, Subcommand};
use contract_client::{Client, Collection, Query, Resource};
use serde_json::json;

use super::{Names, Removal};
use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

/// How they are asked for and listed.
pub const USERS: Thing = Thing {
    collection: Collection { kind: "account", plural: "accounts", at_root: true },
    word: "user",
    words: "users",
    columns: &[
        column("NAME", "name", Show::Plain),
        column("KIND", "kind", Show::Plain),
        column("STATE", "state", Show::State),
        column("AGE", "createdTS", Show::Age),
    ],
};

const PASSWORDS: Collection = Collection { kind: "password", plural: "passwords", at_root: true };

/// What a user may do outside environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum UserKind {
    /// Works in environments of which he is a member
    User,
    /// May do everything
    Admin,
    /// May see everything
    #[value(name = "readAdmin")]
    ReadAdmin,
}

/// List, create and remove users
#[derive(Debug, Args)]
pub struct Users {
    #[command(subcommand)]
    command: Option<UsersCommand>,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// List users
    Ls {
        /// Also the accounts of environments, agents and services
        #[arg(short, long)]
        all: bool,
    },
    /// Create a user who signs in with a password
    Create {
        /// The name that he signs in with
        login: String,
        /// His name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// What he may do outside environments
        #[arg(long, value_enum, default_value = "user", value_name = "KIND")]
        kind: UserKind,
        /// Read the password from the standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user another password
    Password {
        /// The name that he signs in with
        login: String,
        /// Read the new password from the standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Let users sign in again
    Activate(Names),
    /// Let users sign in no more
    Deactivate(Names),
    /// Remove users
    Rm(Removal),
    /// Show everything about users but their passwords
    Inspect(Names),
}

impl Users {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(UsersCommand::Ls { all: false }) {
            UsersCommand::Ls { all } => {
                let client = USERS.client(session).await?;
                let mut found = client.list_of(USERS.collection, &Query::all()).await?;
                found.retain(|account| {
                    let kind = account.fields.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
                    all || matches!(kind, "user" | "admin" | "readAdmin" | "readadmin")
                });
                USERS.print(session, &found)
            }
            UsersCommand::Create { login, name, kind, password_stdin } => {
                create(session, &login, name.as_deref(), kind, password_stdin).await
            }
            UsersCommand::Password { login, password_stdin } => {
                change_password(session, &login, password_stdin).await
            }
            UsersCommand::Activate(names) => USERS.act(session, &names.names, "activate").await,
            UsersCommand::Deactivate(names) => USERS.act(session, &names.names, "deactivate").await,
            UsersCommand::Rm(removal) => removal.run(session, &USERS).await,
            UsersCommand::Inspect(names) => USERS.inspect(session, &names.names).await,
        }
    }
}

async fn create(
    session: &Session,
    login: &str,
    name: Option<&str>,
    kind: UserKind,
    password_stdin: bool,
) -> Result<(), CliError> {
    let client = USERS.client(session).await?;
    let password = session.ask_secret(password_stdin, "--password-stdin", "Password of the new user: ")?;
    let word = match kind {
        UserKind::User => "user",
        UserKind::Admin => "admin",
        UserKind::ReadAdmin => "readAdmin",
    };
    let account = json!({ "name": name.unwrap_or(login), "kind": word });
    let account = client.create_in(USERS.collection, &account).await?;
    let input =
        json!({ "accountId": account.meta.id, "publicValue": login, "secretValue": password.expose() });
    if let Err(error) = client.create_in(PASSWORDS, &input).await {
        // A user who cannot sign in would only be in the way of the next try.
        let left = match take_back(&client, &account).await {
            Ok(()) => "nothing was created".to_owned(),
            Err(_) => format!("the account {} stays behind without a password", account.meta.id),
        };
        return Err(CliError::from(error).during(format!("could not create the user {login}, {left}")));
    }
    session.done(&account.meta.id, login)
}

async fn take_back(client: &Client, account: &Resource) -> Result<(), CliError> {
    let waiting = super::lifecycle::Waiting { no_wait: true, timeout: 30 };
    let now = client.find_in(USERS.collection, &account.meta.id).await?;
    match now {
        Some(now) => USERS.remove_one(client, &now, waiting).await,
        None => Ok(()),
    }
}

async fn change_password(session: &Session, login: &str, from_stdin: bool) -> Result<(), CliError> {
    let client = USERS.client(session).await?;
    let all = client.list_of(PASSWORDS, &Query::all()).await?;
    let own = |password: &&Resource| {
        !password.meta.is_removed()
            && password.fields.get("publicValue").and_then(|name| name.as_str()) == Some(login)
    };
    let known = all
        .iter()
        .find(own)
        .ok_or_else(|| CliError::new(format!("nobody signs in as `{login}`, or you may not see it")))?;
    // Administrators need not know the old one; the server decides.
    let old = if from_stdin || !session.io.in_is_terminal {
        String::new()
    } else {
        session
            .ask_secret(false, "--password-stdin", "Old password (empty for administrators): ")?
            .expose()
            .to_owned()
    };
    let new = session.ask_secret(from_stdin, "--password-stdin", "New password: ")?;
    let input = json!({ "oldSecret": old, "newSecret": new.expose() });
    client.act_on(known, "changesecret", Some(&input)).await?;
    session.done(&known.meta.id, login)
}
