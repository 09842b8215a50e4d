//! `lariat docker`: the Docker command line against a host, through the server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Args;
use contract_client::{Client, Container, Host, HostEngine, Query};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::error::CliError;
use crate::names::{Directory, Kind, Target};
use crate::session::Session;

/// Run the Docker command line against a host, through the server
///
/// What comes after the options goes to the program `docker` of this machine as it is: `lariat docker --host alpha ps -a`. With
/// --program, it is another program, which is run with DOCKER_HOST set: `lariat docker --host alpha --program docker-compose ps`.
#[derive(Debug, Args)]
pub struct Docker {
    /// The host, by name or id; not needed where there is only one [variable: LARIAT_DOCKER_HOST]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// What follows is a program and its arguments, instead of arguments of `docker`
    #[arg(long, requires = "arguments")]
    program: bool,
    /// The arguments of `docker`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// The host that is meant, and the way to its engine.
pub(super) async fn engine_of(
    session: &Session,
    client: &Client,
    name: Option<&str>,
) -> Result<(Host, HostEngine), CliError> {
    let given = ["LARIAT_DOCKER_HOST", "RANCHER_DOCKER_HOST"]
        .iter()
        .find_map(|name| session.io.variable(name).filter(|value| !value.is_empty()));
    let directory = Directory::load(client, &[Kind::Host]).await?;
    let host = match name.map(str::to_owned).or(given) {
        Some(name) => match directory.resolve(&name, &[Kind::Host])? {
            Target::Host(host) => host,
            _ => return Err(CliError::usage(format!("`{name}` is no host"))),
        },
        None => match directory.hosts.values().collect::<Vec<_>>().as_slice() {
            [] => return Err(CliError::new("there is no host").hint("`lariat hosts add` adds one")),
            [one] => (*one).clone(),
            several => {
                let names: Vec<&str> = several.iter().map(|host| host.title()).collect();
                return Err(CliError::usage("there is more than one host, and none is named")
                    .hint(format!("give --host NAME; there are: {}", names.join(", "))));
            }
        },
    };
    let engine = client.engine(&host).await.map_err(|error| CliError::from(error).during(host.title()))?;
    Ok((host, engine))
}

/// The engine that a container runs on, and its id there.
pub(super) async fn engine_of_container(
    client: &Client,
    container: &Container,
) -> Result<(HostEngine, String), CliError> {
    let (Some(host), Some(id)) = (&container.host_id, &container.external_id) else {
        return Err(CliError::new(format!("{} is on no host yet", container.meta.title())));
    };
    let host: Host = client.get(host).await?;
    let engine = client.engine(&host).await.map_err(|error| CliError::from(error).during(host.title()))?;
    Ok((engine, id.clone()))
}

/// The hosts that can do work now, each with the way to its engine.
pub(super) async fn engines(
    session: &Session,
    client: &Client,
    names: &[String],
) -> Result<Vec<(Host, HostEngine)>, CliError> {
    let mut found = Vec::new();
    if !names.is_empty() {
        for name in names {
            found.push(engine_of(session, client, Some(name)).await?);
        }
        return Ok(found);
    }
    let mut hosts: Vec<Host> = client.list(&Query::all()).await?;
    hosts.sort_by_key(|host| crate::names::natural(host.title()));
    for host in hosts.into_iter().filter(|host| host.meta.state == "active") {
        let engine =
            client.engine(&host).await.map_err(|error| CliError::from(error).during(host.title()))?;
        found.push((host, engine));
    }
    if found.is_empty() {
        return Err(CliError::new("no host is active").hint("`lariat hosts` shows them"));
    }
    Ok(found)
}

impl Docker {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let (host, engine) = engine_of(session, &client, self.host.as_deref()).await?;
        let folder = tempfile::Builder::new().prefix("lariat-docker-").tempdir()?;
        // Whoever reaches this socket is root on the host.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket)?;
        let mut command = self.command(&socket);
        let mut child = command.spawn().map_err(|error| {
            let program = command.as_std().get_program().to_string_lossy().into_owned();
            let failed = CliError::new(format!("could not run `{program}`: {error}"));
            match error.kind() {
                std::io::ErrorKind::NotFound => {
                    failed.hint("install the Docker command line on this machine")
                }
                _ => failed,
            }
        })?;
        let status = tokio::select! {
            status = child.wait() => status?,
            error = serve(&listener, &engine, session) => {
                let _ = child.kill().await;
                return Err(error.during(host.title()));
            }
        };
        match status.code() {
            Some(0) => Ok(()),
            Some(code) => Err(CliError::exit(code)),
            // As a shell tells that a signal ended a program.
            None => {
                use std::os::unix::process::ExitStatusExt as _;
                Err(CliError::exit(128 + status.signal().unwrap_or(0)))
            }
        }
    }

    fn command(&self, socket: &Path) -> tokio::process::Command {
        let (program, arguments) = match self.arguments.as_slice() {
            [program, arguments @ ..] if self.program => (program.as_str(), arguments),
            arguments => ("docker", arguments),
        };
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_TLS_VERIFY")
            .env_remove("DOCKER_CERT_PATH")
            .kill_on_drop(true);
        command
    }
}

/// Carries connections to the engine until the listener breaks. Signals are the child's affair: it is in our group and gets them
/// itself.
async fn serve(listener: &UnixListener, engine: &HostEngine, session: &Session) -> CliError {
    let mut connections: JoinSet<Result<(), CliError>> = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let engine = engine.clone();
                    connections.spawn(async move { carry(stream, &engine).await });
                }
                Err(error) => return error.into(),
            },
            Some(ended) = connections.join_next() => {
                // The program only sees that its connection broke; here is why.
                if let Ok(Err(error)) = ended {
                    session.io.say(&format!("{} {}", session.io.paint_message("1;31", "error:"), error.what));
                }
            }
            _ = tokio::signal::ctrl_c() => {}
        }
    }
}

async fn carry(mut stream: UnixStream, engine: &HostEngine) -> Result<(), CliError> {
    let mut far = engine.connect().await?;
    // How the program ends its connection is its own affair.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
    match far.trouble() {
        Some(what) => Err(CliError::new(what)),
        None => Ok(()),
    }
}
