//! `lariat exec`: a command in a container.

use clap::Args;
use contract_client::{Client, Container, ExecEvent, ExecInput, ExecOptions, ExecOutput};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;
use crate::names::{Directory, Kind, Target};
use crate::session::Session;
use crate::terminal;

const KINDS: &[Kind] = &[Kind::Service, Kind::Container];

/// Run a command in a container
///
/// The exit code is that of the command. Of a service, the first running container is taken.
#[derive(Debug, Args)]
pub struct Exec {
    /// Pass on the standard input
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// The user in the container, as name or number, with :group
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The folder in the container
    #[arg(short, long, value_name = "FOLDER")]
    workdir: Option<String>,
    /// A variable for the command, as NAME=value; may be given several times
    #[arg(short, long = "env-var", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// A container, or a service (stack/service)
    container: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Exec {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        if self.tty && self.interactive && !session.io.in_is_terminal {
            return Err(CliError::usage("the standard input is no terminal")
                .hint("leave -t out: `lariat exec -i CONTAINER COMMAND`"));
        }
        let client = session.client().await?;
        let container = self.container(&client).await?;
        let options = ExecOptions {
            command: self.command,
            tty: self.tty,
            stdin: self.interactive,
            user: self.user,
            working_dir: self.workdir,
            environment: self.environment,
        };
        let (input, output) = client.exec(&container, &options).await?;
        let restored = match options.tty && options.stdin {
            true => Some(terminal::raw()?),
            false => None,
        };
        let code = attach(session, input, output, options.tty, options.stdin).await;
        drop(restored);
        match code? {
            0 => Ok(()),
            code => Err(CliError::exit(code)),
        }
    }

    async fn container(&self, client: &Client) -> Result<Container, CliError> {
        let directory = Directory::load(client, KINDS).await?;
        match directory.resolve(&self.container, KINDS)? {
            Target::Container(container) => Ok(container),
            Target::Service(service) => {
                let path = directory.service_path(&service);
                let running =
                    directory.containers_of(&service.meta.id).into_iter().find(|c| c.meta.state == "running");
                running.cloned().ok_or_else(|| {
                    CliError::new(format!("no container of {path} is running"))
                        .hint(format!("`lariat ps {path}` shows them"))
                })
            }
            Target::Stack(_) | Target::Host(_) | Target::Volume(_) | Target::Thing(..) => {
                Err(CliError::usage(format!("`{}` is no container", self.container)))
            }
        }
    }
}

/// Joins this process's input and output to the command until it ends; gives its exit code.
async fn attach(
    session: &Session,
    input: ExecInput,
    mut output: ExecOutput,
    tty: bool,
    stdin: bool,
) -> Result<i32, CliError> {
    let mut resized = signal(SignalKind::window_change())?;
    if tty && let Some((columns, rows)) = terminal::size() {
        input.resize(columns, rows).await;
    }
    let typing = stdin.then(|| tokio::spawn(pass_on(input.clone())));
    let code = loop {
        tokio::select! {
            event = output.next() => match event {
                Ok(Some(ExecEvent::Output(bytes))) => session.io.out_bytes(&bytes)?,
                Ok(Some(ExecEvent::Error(bytes))) => session.io.say_bytes(&bytes),
                Ok(Some(ExecEvent::End(code))) => {
                    break Ok(code.map_or(0, |code| i32::try_from(code).unwrap_or(crate::error::FAILED)));
                }
                Ok(Some(ExecEvent::Failed(message))) => break Err(CliError::new(message)),
                Ok(None) => break Ok(0),
                Err(error) => break Err(error.into()),
            },
            _ = resized.recv() => {
                if tty && let Some((columns, rows)) = terminal::size() {
                    input.resize(columns, rows).await;
                }
            }
        }
    };
    if let Some(typing) = typing {
        typing.abort();
    }
    code
}

async fn pass_on(input: ExecInput) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
        if !input.send(buffer[..read].to_vec()).await {
            return;
        }
    }
    input.end().await;
}
