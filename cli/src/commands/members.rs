//! `lariat members`: who may work in an environment.

use clap::{Args, Subcommand, ValueEnum};
use contract_client::{Client, Collection, Query, Resource};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

const MEMBERS: Thing = Thing {
    collection: Collection { kind: "projectMember", plural: "projectmembers", at_root: false },
    word: "member",
    words: "members",
    columns: &[
        column("NAME", "name", Show::Plain),
        column("ROLE", "role", Show::Plain),
        column("IDENTITY", "externalId", Show::Plain),
        column("KIND OF IDENTITY", "externalIdType", Show::Plain),
        column("STATE", "state", Show::State),
    ],
};

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything, also who else is a member
    Owner,
    /// Everything but who is a member
    Member,
    /// Everything but hosts and what else belongs to the infrastructure
    Restricted,
    /// Look
    Readonly,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Restricted => "restricted",
            Self::Readonly => "readonly",
        }
    }
}

/// List, add and remove the members of an environment
#[derive(Debug, Args)]
pub struct Members {
    #[command(subcommand)]
    command: Option<MembersCommand>,
}

#[derive(Debug, Subcommand)]
enum MembersCommand {
    /// List members
    Ls,
    /// Add a member, or change what he may do
    Add {
        /// The name or id of a user; with --identity-type, the identity as that directory has it
        identity: String,
        /// What he may do
        #[arg(long, value_enum, default_value = "member", value_name = "ROLE")]
        role: Role,
        /// The kind of identity, such as ldap_group
        #[arg(long, default_value = "rancher_id", value_name = "KIND")]
        identity_type: String,
    },
    /// Remove members
    Rm {
        /// Names of users, identities, or ids of members
        #[arg(required = true)]
        names: Vec<String>,
    },
}

impl Members {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(MembersCommand::Ls) {
            MembersCommand::Ls => list(session).await,
            MembersCommand::Add { identity, role, identity_type } => {
                add(session, &identity, role, &identity_type).await
            }
            MembersCommand::Rm { names } => remove(session, &names).await,
        }
    }
}

async fn list(session: &Session) -> Result<(), CliError> {
    let client = MEMBERS.client(session).await?;
    let mut members = current(&client).await?;
    if members.iter().any(|member| text(member, "name").is_empty()) {
        // Not everybody may see who the users are; then the identities have to do.
        let users = client.at_root().list_of(super::users::USERS.collection, &Query::all()).await;
        let users = users.unwrap_or_default();
        for member in &mut members {
            let own = users.iter().find(|user| {
                text(member, "externalIdType") == "rancher_id"
                    && same_user(&user.meta.id, text(member, "externalId"))
            });
            if let (Some(user), true) = (own, text(member, "name").is_empty()) {
                member.meta.name.clone_from(&user.meta.name);
                member.fields.insert("name".to_owned(), user.meta.name.clone().into());
            }
        }
    }
    members.sort_by_cached_key(|member| crate::names::natural(member.meta.title()));
    MEMBERS.print(session, &members)
}

fn text<'a>(member: &'a Resource, field: &str) -> &'a str {
    member.fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whether two texts mean the same identity: users of the server itself are written `1a7` or `7`.
fn same_user(one: &str, other: &str) -> bool {
    one.strip_prefix("1a").unwrap_or(one) == other.strip_prefix("1a").unwrap_or(other)
}

fn as_input(member: &Resource) -> Value {
    json!({
        "externalId": text(member, "externalId"),
        "externalIdType": text(member, "externalIdType"),
        "role": text(member, "role"),
    })
}

async fn current(client: &Client) -> Result<Vec<Resource>, CliError> {
    let mut members = client.list_of(MEMBERS.collection, &Query::all()).await?;
    members.retain(|member| !member.meta.is_removed());
    Ok(members)
}

/// The id of a user of this server, by his name.
async fn user_id(client: &Client, name: &str) -> Result<String, CliError> {
    if crate::session::is_id(name, "1a") {
        return Ok(name.to_owned());
    }
    let users = &super::users::USERS;
    let found = users.find(&client.at_root(), name).await.map_err(|error| {
        error.hint("say the id of the user, as `lariat users` shows it; with --identity-type, the identity")
    })?;
    Ok(found.meta.id)
}

async fn add(session: &Session, identity: &str, role: Role, kind: &str) -> Result<(), CliError> {
    let client = MEMBERS.client(session).await?;
    let id = if kind == "rancher_id" { user_id(&client, identity).await? } else { identity.to_owned() };
    let members = current(&client).await?;
    let same = |member: &&Resource| {
        same_user(text(member, "externalId"), &id) && text(member, "externalIdType") == kind
    };
    let mut all: Vec<Value> = members.iter().filter(|member| !same(member)).map(as_input).collect();
    all.push(json!({ "externalId": id, "externalIdType": kind, "role": role.word() }));
    set(&client, &all).await?;
    session.done(&id, identity)
}

async fn remove(session: &Session, names: &[String]) -> Result<(), CliError> {
    let client = MEMBERS.client(session).await?;
    let members = current(&client).await?;
    let is = |member: &Resource, name: &str| {
        member.meta.id == name
            || member.meta.name.as_deref() == Some(name)
            || same_user(text(member, "externalId"), name)
    };
    let mut going = Vec::new();
    for name in names {
        let id = match members.iter().find(|member| is(member, name)) {
            Some(member) => member.meta.id.clone(),
            None => {
                let user = user_id(&client, name).await?;
                let member = members.iter().find(|member| same_user(text(member, "externalId"), &user));
                member
                    .ok_or_else(|| CliError::new(format!("`{name}` is no member of the environment")))?
                    .meta
                    .id
                    .clone()
            }
        };
        going.push(id);
    }
    let left: Vec<Value> =
        members.iter().filter(|member| !going.contains(&member.meta.id)).map(as_input).collect();
    set(&client, &left).await?;
    names.iter().zip(&going).try_for_each(|(name, id)| session.done(id, name))
}

/// Tells the server who all the members are.
async fn set(client: &Client, members: &[Value]) -> Result<(), CliError> {
    let id = client.project().expect("this client sees an environment").to_owned();
    let environments = &super::env::ENVIRONMENTS;
    let environment = environments.find(&client.at_root(), &id).await?;
    client.at_root().act_on(&environment, "setmembers", Some(&json!({ "members": members }))).await?;
    Ok(())
}
