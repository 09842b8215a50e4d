//! `lariat hosts`: the machines that run containers.

use std::time::Duration;

use clap::{Args, Subcommand};
use contract_client::{Client, Host, Query, RegistrationToken, ServerAddress, Trust};
use contract_values::Timestamp;
use serde_json::{Value, json};

use super::lifecycle::Waiting;
use super::{Names, Removal};
use crate::error::CliError;
use crate::names::{Directory, Kind, Target, natural};
use crate::output::{Listing, ago, colour_of, or_dash};
use crate::session::Session;

const KINDS: &[Kind] = &[Kind::Host];

/// List, add and remove hosts
#[derive(Debug, Args)]
pub struct Hosts {
    #[command(subcommand)]
    command: Option<HostsCommand>,
}

#[derive(Debug, Subcommand)]
enum HostsCommand {
    /// List hosts
    Ls,
    /// Print the one command that makes another machine a host
    #[command(visible_alias = "create")]
    Add {
        /// The server as the other machine reaches it [default: as this command does]
        #[arg(long, value_name = "URL")]
        server: Option<String>,
        /// Make a new token, instead of the one that there is
        #[arg(long)]
        new_token: bool,
        /// Hours until the command is good for nothing; 0 is never
        #[arg(long, default_value_t = 24, value_name = "NUMBER")]
        hours: u32,
    },
    /// Remove hosts; what ran on them runs elsewhere
    Rm(Removal),
    /// Let hosts take new containers again
    Activate {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Give hosts no new containers
    Deactivate {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Give hosts no new containers, and move those of services elsewhere
    Evacuate {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Change the name, the note and the labels of a host
    Set {
        /// Its name or id
        name: String,
        /// Its new name
        #[arg(long = "name", value_name = "NAME")]
        new_name: Option<String>,
        /// A note
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// A label, as NAME=VALUE, or NAME alone; may be given several times
        #[arg(short, long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// A label that shall go; may be given several times
        #[arg(long, value_name = "NAME")]
        remove_label: Vec<String>,
    },
    /// Show everything about hosts
    Inspect(Names),
}

impl Hosts {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(HostsCommand::Ls) {
            HostsCommand::Ls => list(session).await,
            HostsCommand::Add { server, new_token, hours } => {
                add(session, server.as_deref(), new_token, hours).await
            }
            HostsCommand::Rm(removal) => remove(session, removal).await,
            HostsCommand::Activate { names, waiting } => {
                switch(session, &names.names, "activate", waiting).await
            }
            HostsCommand::Deactivate { names, waiting } => {
                switch(session, &names.names, "deactivate", waiting).await
            }
            HostsCommand::Evacuate { names, waiting } => evacuate(session, &names.names, waiting).await,
            HostsCommand::Set { name, new_name, description, labels, remove_label } => {
                let labels = Labels { add: labels, remove: remove_label };
                set(session, &name, new_name, description, &labels).await
            }
            HostsCommand::Inspect(names) => super::inspect::inspect(session, &names.names, KINDS, true).await,
        }
    }
}

async fn list(session: &Session) -> Result<(), CliError> {
    let client = session.client().await?;
    let mut hosts: Vec<Host> = client.list(&Query::all()).await?;
    hosts.sort_by_key(|host| natural(host.title()));
    let mut listing = Listing::new(&["ID", "NAME", "STATE", "ADDRESS", "CONTAINERS", "DOCKER", "AGE"]);
    for host in &hosts {
        let meta = &host.meta;
        let cells = vec![
            meta.id.clone(),
            host.title().to_owned(),
            session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
            or_dash(host.agent_ip_address.as_deref()),
            host.instance_ids.len().to_string(),
            or_dash(docker(host).as_deref()),
            ago(session.io.now_ms(), meta.created_ms),
        ];
        let document = json!({
            "id": meta.id,
            "name": host.title(),
            "hostname": host.hostname,
            "state": meta.state,
            "agentState": host.agent_state,
            "transitioning": meta.transitioning,
            "message": meta.transitioning_message,
            "reason": meta.reason.as_ref().map(super::up::reason_document),
            "address": host.agent_ip_address,
            "containers": host.instance_ids.len(),
            "labels": host.labels,
            "docker": docker(host),
            "os": fact(host, "osInfo", "operatingSystem"),
            "created": meta.created_ms,
        });
        listing.add(&meta.id, cells, document);
        if let Some(message) = &meta.transitioning_message {
            listing.note(format!("{}: {message}", host.title()));
        }
    }
    if listing.is_empty() {
        listing.note("hint: `lariat hosts add` prints the command that makes a machine a host".to_owned());
    }
    listing.print(session)
}

fn fact(host: &Host, group: &str, name: &str) -> Option<String> {
    host.info.as_ref()?.get(group)?.get(name)?.as_str().map(str::to_owned)
}

fn docker(host: &Host) -> Option<String> {
    let version = fact(host, "osInfo", "dockerVersion")?;
    // The old product wrote "Docker version 20.10.24, build 297e128".
    let version = version.strip_prefix("Docker version ").unwrap_or(&version);
    Some(version.split(',').next().unwrap_or(version).to_owned())
}

async fn add(session: &Session, server: Option<&str>, new: bool, hours: u32) -> Result<(), CliError> {
    let client = session.client().await?;
    let token = registration_token(&client, new, hours, session.io.now_ms()).await?;
    let link = token.registration_url.clone().ok_or_else(|| {
        CliError::new("the server gave no address for new hosts")
            .hint("set the setting `api.host` of the server")
    })?;
    let secret = token.token.clone().ok_or_else(|| {
        CliError::new("the server does not show you its registration token")
            .hint("only owners and members of the environment may add hosts")
    })?;
    // The other machine reaches the server as this command does, unless somebody says otherwise.
    let base = match server {
        Some(text) => ServerAddress::parse(text).map_err(|error| CliError::usage(error.to_string()))?,
        None => client.address().clone(),
    };
    let path = link.find("/v1/").or_else(|| link.find("/v2-beta/")).map_or("", |at| &link[at..]);
    let url = format!("{base}{path}");
    let command = command(&client, &base, &url).await?;
    if session.is_machine() {
        return session.document(&json!({
            "command": command,
            "registrationUrl": url,
            "token": secret.expose(),
            "expires": token.expires,
        }));
    }
    session.note("Run this on the machine that shall become a host (it needs Docker):");
    session.io.line(&command)?;
    if let Some(expires) = &token.expires {
        session.note(&format!("It is good until {expires}."));
    }
    if is_loopback(base.host()) {
        session.note(&format!(
            "{} {} is this machine only; for another one give the address that it reaches with --server URL",
            session.io.paint_message("33", "note:"),
            base.host()
        ));
    }
    Ok(())
}

/// The command for the other machine. It must not be fooled by whoever sits between it and the server: where no
/// authority that every machine knows vouches for the server, `-k` switches that check off and `--pinnedpubkey` puts the check
/// of the server's very key in its place. The script that comes this way carries the pin on to the agent.
async fn command(client: &Client, base: &ServerAddress, url: &str) -> Result<String, CliError> {
    if !base.is_tls() {
        return Ok(format!("curl -fsSL '{url}' | sudo sh"));
    }
    let pinned = match client.trust() {
        Trust::System => None,
        Trust::Pin(_) | Trust::CaFile(_) => client.server_certificate().await?,
    };
    Ok(match pinned {
        None => format!("curl -fsSL --proto '=https' '{url}' | sudo sh"),
        Some(certificate) => {
            let pin = certificate.public_key_pin;
            format!("curl -fsSL --proto '=https' -k --pinnedpubkey '{pin}' '{url}' | sudo sh")
        }
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// How long a token that there is must still be good for: time to walk to the other machine.
const STILL_GOOD_MS: i64 = 60 * 60 * 1000;

/// The token of the environment; one is made where there is none that is still good.
async fn registration_token(
    client: &Client,
    new: bool,
    hours: u32,
    now_ms: i64,
) -> Result<RegistrationToken, CliError> {
    let for_ever = hours == 0;
    if !new {
        let query = Query::all().with("state", "active");
        let mut tokens: Vec<RegistrationToken> = client.list(&query).await?;
        tokens.retain(|token| {
            let still_good = match token.expires.as_deref() {
                None => true,
                Some(time) => {
                    !for_ever
                        && contract_api::parse_date(time).is_some_and(|end| {
                            end.0 - now_ms >= STILL_GOOD_MS.min(i64::from(hours) * 3_600_000)
                        })
                }
            };
            token.registration_url.is_some() && token.token.is_some() && still_good
        });
        if let Some(token) = tokens.into_iter().next() {
            return Ok(token);
        }
    }
    let mut input = json!({});
    let knows_end = client.schemas().await?.get("registrationToken").is_some_and(|t| t.has_field("expires"));
    if !for_ever && knows_end {
        input["expires"] = Timestamp(now_ms + i64::from(hours) * 3_600_000).to_string().into();
    }
    let made: RegistrationToken = client.create(&input).await?;
    let limit = Duration::from_secs(30);
    let ready = client
        .wait::<RegistrationToken>(&made.meta.id, limit, |token| {
            token.meta.state == "active" && token.registration_url.is_some()
        })
        .await?;
    ready.ok_or_else(|| CliError::new("the registration token was removed meanwhile"))
}

async fn switch(session: &Session, names: &[String], action: &str, waiting: Waiting) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, KINDS).await?;
    for host in resolve(&directory, names)? {
        switch_one(&client, &host, action, waiting).await?;
        session.done(&host.meta.id, host.title())?;
    }
    Ok(())
}

/// Switches a host on or off.
pub(super) async fn switch_one(
    client: &Client,
    host: &Host,
    action: &str,
    waiting: Waiting,
) -> Result<(), CliError> {
    let state = if action == "activate" { "active" } else { "inactive" };
    if host.meta.state == state {
        return Ok(());
    }
    client.act(host, action, None).await.map_err(|error| CliError::from(error).during(host.title()))?;
    if !waiting.no_wait {
        // A host that is away is switched all the same; its state shows that it is away.
        client.wait::<Host>(&host.meta.id, waiting.limit(), |h| h.meta.state != host.meta.state).await?;
    }
    Ok(())
}

/// Moves what runs on hosts elsewhere.
async fn evacuate(session: &Session, names: &[String], waiting: Waiting) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, KINDS).await?;
    for host in resolve(&directory, names)? {
        let failed = |error: CliError| error.during(host.title());
        client.act(&host, "evacuate", None).await.map_err(|error| failed(error.into()))?;
        if !waiting.no_wait {
            client
                .wait::<Host>(&host.meta.id, waiting.limit(), |h| {
                    !h.meta.is_moving() && h.meta.state != "active"
                })
                .await
                .map_err(|error| failed(error.into()))?;
        }
        session.done(&host.meta.id, host.title())?;
    }
    Ok(())
}

struct Labels {
    add: Vec<String>,
    remove: Vec<String>,
}

async fn set(
    session: &Session,
    name: &str,
    new_name: Option<String>,
    description: Option<String>,
    labels: &Labels,
) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, KINDS).await?;
    let Target::Host(host) = directory.resolve(name, KINDS)? else { return Ok(()) };
    let mut input = serde_json::Map::new();
    if let Some(name) = new_name {
        input.insert("name".to_owned(), name.into());
    }
    if let Some(description) = description {
        input.insert("description".to_owned(), description.into());
    }
    if !labels.add.is_empty() || !labels.remove.is_empty() {
        let mut all = host.labels.clone();
        for name in &labels.remove {
            if all.remove(name).is_none() {
                return Err(CliError::new(format!("{} has no label `{name}`", host.title())));
            }
        }
        for label in &labels.add {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            all.insert(name.to_owned(), value.into());
        }
        input.insert("labels".to_owned(), json!(all));
    }
    if input.is_empty() {
        return Err(CliError::usage("nothing is to be changed").hint("give --name, --description or --label"));
    }
    let host = client.update(&host, &Value::Object(input)).await?;
    session.done(&host.meta.id, host.title())
}

async fn remove(session: &Session, removal: Removal) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, KINDS).await?;
    let hosts = resolve(&directory, &removal.names)?;
    if !removal.force && session.io.in_is_terminal {
        let all: Vec<String> = hosts
            .iter()
            .map(|host| {
                format!("{} with {}", host.title(), super::up::count(host.instance_ids.len(), "container"))
            })
            .collect();
        super::rm::ask(session, &format!("Remove {}?", all.join(", ")))?;
    }
    for host in hosts {
        remove_one(&client, &host, removal.waiting)
            .await
            .map_err(|error| error.during(format!("could not remove {}", host.title())))?;
        session.done(&host.meta.id, host.title())?;
    }
    Ok(())
}

/// Removes a host, which is switched off first.
pub(super) async fn remove_one(client: &Client, host: &Host, waiting: Waiting) -> Result<(), CliError> {
    // Only an inactive host can be removed.
    if host.meta.actions.contains_key("deactivate") {
        client.act(host, "deactivate", None).await?;
        client
            .wait::<Host>(&host.meta.id, waiting.limit(), |h| h.meta.actions.contains_key("remove"))
            .await?;
    }
    client.delete(host).await?;
    if !waiting.no_wait {
        client.wait::<Host>(&host.meta.id, waiting.limit(), |h| h.meta.is_removed()).await?;
    }
    Ok(())
}

fn resolve(directory: &Directory, names: &[String]) -> Result<Vec<Host>, CliError> {
    let mut hosts = Vec::new();
    for name in names {
        if let Target::Host(host) = directory.resolve(name, KINDS)? {
            hosts.push(host);
        }
    }
    Ok(hosts)
}
