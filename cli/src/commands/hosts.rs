//! `lariat hosts`: the machines that run containers.

use std::time::Duration;

use clap::{Args, Subcommand};
use contract_client::{Client, Host, Query, RegistrationToken, ServerAddress, Trust};
use serde_json::{Value, json};

use super::lifecycle::Waiting;
use crate::error::CliError;
use crate::names::{Directory, Kind, Target, natural};
use crate::output::{self, Table, ago, colour_of, or_dash};
use crate::session::Session;

const KINDS: &[Kind] = &[Kind::Host];

/// List, add and remove hosts
#[derive(Debug, Args)]
pub struct Hosts {
    #[command(subcommand)]
    command: Option<HostsCommand>,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum HostsCommand {
    /// List hosts
    Ls {
        /// Print ids only
        #[arg(short, long)]
        quiet: bool,
    },
    /// Print the one command that makes another machine a host
    Add {
        /// The server as the other machine reaches it [default: as this command does]
        #[arg(long, value_name = "URL")]
        server: Option<String>,
        /// Make a new token, instead of the one that there is
        #[arg(long)]
        new_token: bool,
    },
    /// Remove hosts; what ran on them runs elsewhere
    Rm {
        /// Hosts
        #[arg(required = true)]
        names: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Let hosts take new containers again
    Activate {
        /// Hosts
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Give hosts no new containers
    Deactivate {
        /// Hosts
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Show everything about hosts, as JSON
    Inspect {
        /// Hosts
        #[arg(required = true)]
        names: Vec<String>,
    },
}

impl Hosts {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(HostsCommand::Ls { quiet: self.quiet }) {
            HostsCommand::Ls { quiet } => list(session, quiet).await,
            HostsCommand::Add { server, new_token } => add(session, server.as_deref(), new_token).await,
            HostsCommand::Rm { names, force, waiting } => remove(session, &names, force, waiting).await,
            HostsCommand::Activate { names, waiting } => switch(session, &names, "activate", waiting).await,
            HostsCommand::Deactivate { names, waiting } => {
                switch(session, &names, "deactivate", waiting).await
            }
            HostsCommand::Inspect { names } => super::inspect::inspect(session, &names, KINDS).await,
        }
    }
}

async fn list(session: &Session, quiet: bool) -> Result<(), CliError> {
    let client = session.client().await?;
    let mut hosts: Vec<Host> = client.list(&Query::all()).await?;
    hosts.sort_by_key(|host| natural(host.title()));
    if session.is_json() {
        let documents = hosts.iter().map(|host| {
            json!({
                "id": host.meta.id,
                "name": host.title(),
                "hostname": host.hostname,
                "state": host.meta.state,
                "agentState": host.agent_state,
                "transitioning": host.meta.transitioning,
                "message": host.meta.transitioning_message,
                "reason": host.meta.reason.as_ref().map(super::up::reason_document),
                "address": host.agent_ip_address,
                "containers": host.instance_ids.len(),
                "labels": host.labels,
                "docker": docker(host),
                "os": fact(host, "osInfo", "operatingSystem"),
                "created": host.meta.created_ms,
            })
        });
        return output::json(&session.io, &documents.collect());
    }
    if quiet {
        return hosts.iter().try_for_each(|host| session.io.line(&host.meta.id));
    }
    let mut table = Table::new(&["ID", "NAME", "STATE", "ADDRESS", "CONTAINERS", "DOCKER", "AGE"]);
    for host in &hosts {
        let meta = &host.meta;
        table.row(vec![
            meta.id.clone(),
            host.title().to_owned(),
            session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
            or_dash(host.agent_ip_address.as_deref()),
            host.instance_ids.len().to_string(),
            or_dash(docker(host).as_deref()),
            ago(session.io.now_ms(), meta.created_ms),
        ]);
    }
    session.io.out(&table.render())?;
    for host in &hosts {
        if let Some(message) = &host.meta.transitioning_message {
            session.io.say(&format!("{}: {message}", host.title()));
        }
    }
    if hosts.is_empty() {
        session.io.say("hint: `lariat hosts add` prints the command that makes a machine a host");
    }
    Ok(())
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

async fn add(session: &Session, server: Option<&str>, new: bool) -> Result<(), CliError> {
    let client = session.client().await?;
    let token = registration_token(&client, new).await?;
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
    if session.is_json() {
        let document = json!({
            "command": command,
            "registrationUrl": url,
            "token": secret.expose(),
            "expires": token.expires,
        });
        return output::json(&session.io, &document);
    }
    session.io.say("Run this on the machine that shall become a host (it needs Docker):");
    session.io.line(&command)?;
    if is_loopback(base.host()) {
        session.io.say(&format!(
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

/// The token of the environment; one is made where there is none.
async fn registration_token(client: &Client, new: bool) -> Result<RegistrationToken, CliError> {
    if !new {
        let query = Query::all().with("state", "active");
        let mut tokens: Vec<RegistrationToken> = client.list(&query).await?;
        tokens.retain(|token| {
            token.registration_url.is_some() && token.token.is_some() && token.expires.is_none()
        });
        if let Some(token) = tokens.into_iter().next() {
            return Ok(token);
        }
    }
    let made: RegistrationToken = client.create(&json!({})).await?;
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
    let state = if action == "activate" { "active" } else { "inactive" };
    for host in resolve(&directory, names)? {
        if host.meta.state != state {
            client
                .act(&host, action, None)
                .await
                .map_err(|error| CliError::from(error).during(host.title()))?;
            if !waiting.no_wait {
                // A host that is away is switched all the same; its state shows that it is away.
                client
                    .wait::<Host>(&host.meta.id, waiting.limit(), |h| h.meta.state != host.meta.state)
                    .await?;
            }
        }
        done(session, &host)?;
    }
    Ok(())
}

async fn remove(session: &Session, names: &[String], force: bool, waiting: Waiting) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, KINDS).await?;
    let hosts = resolve(&directory, names)?;
    if !force && session.io.in_is_terminal {
        let all: Vec<String> = hosts
            .iter()
            .map(|host| {
                format!("{} with {}", host.title(), super::up::count(host.instance_ids.len(), "container"))
            })
            .collect();
        super::rm::ask(session, &format!("Remove {}?", all.join(", ")))?;
    }
    for host in hosts {
        let failed = |error: CliError| error.during(format!("could not remove {}", host.title()));
        // Only an inactive host can be removed.
        if host.meta.actions.contains_key("deactivate") {
            client.act(&host, "deactivate", None).await.map_err(|error| failed(error.into()))?;
            client
                .wait::<Host>(&host.meta.id, waiting.limit(), |h| h.meta.actions.contains_key("remove"))
                .await
                .map_err(|error| failed(error.into()))?;
        }
        client.delete(&host).await.map_err(|error| failed(error.into()))?;
        if !waiting.no_wait {
            client
                .wait::<Host>(&host.meta.id, waiting.limit(), |h| h.meta.is_removed())
                .await
                .map_err(|error| failed(error.into()))?;
        }
        done(session, &host)?;
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

fn done(session: &Session, host: &Host) -> Result<(), CliError> {
    if session.is_json() {
        let document: Value = json!({ "id": host.meta.id, "name": host.title() });
        return session.io.line(&document.to_string());
    }
    session.io.line(host.title())
}
