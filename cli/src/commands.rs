//! The commands, one file each.
//!
//! Verbs work on whatever objects are named. Nouns are in the plural, with the singular as another name; alone they list, and
//! what can be done to such objects alone comes behind them: `lariat hosts`, `lariat hosts add`.

mod audit;
mod build;
pub mod certificates;
mod completion;
mod config;
mod cp;
mod docker;
pub mod env;
mod events;
mod exec;
mod export;
mod hosts;
mod inspect;
mod keys;
pub mod lifecycle;
mod login;
mod logs;
mod members;
pub mod networks;
mod port;
mod prune;
mod ps;
mod pull;
pub mod registries;
pub mod rm;
mod run;
mod scale;
pub mod secrets;
mod services;
mod settings;
mod stacks;
mod top;
pub mod up;
mod users;
mod version;
mod volumes;
mod wait;

use clap::{Args, Subcommand};

use crate::error::CliError;
use crate::session::Session;
use crate::things::Thing;

/// Objects of one kind.
#[derive(Debug, Args)]
pub struct Names {
    /// Names or ids
    #[arg(required = true)]
    pub names: Vec<String>,
}

/// Objects of one kind that shall go.
#[derive(Debug, Args)]
pub struct Removal {
    /// Names or ids
    #[arg(required = true)]
    pub names: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Whether and how long to wait.
    #[command(flatten)]
    pub waiting: lifecycle::Waiting,
}

impl Removal {
    async fn run(self, session: &Session, thing: &Thing) -> Result<(), CliError> {
        thing.remove(session, &self.names, self.force, self.waiting).await
    }
}

/// What is to be done with a noun: what was said, else its list with the options that stand behind the noun itself.
fn or_list<C, L: Default + PartialEq>(
    command: Option<C>,
    list: L,
    make: impl FnOnce(L) -> C,
) -> Result<C, CliError> {
    match command {
        None => Ok(make(list)),
        Some(command) if list == L::default() => Ok(command),
        Some(_) => Err(CliError::usage("options of the list do not fit what comes after them")
            .hint("write them behind the last word")),
    }
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deploy compose files as a stack and wait until it is ready
    Up(up::Up),
    /// Create a stack from compose files without starting it
    Create(up::Create),
    /// Run an image as a service
    Run(Box<run::Run>),
    /// Fetch the images of compose files on all hosts
    Pull(pull::Pull),
    /// Build the images of compose files on a host
    Build(build::Build),
    /// List containers
    #[command(visible_alias = "containers")]
    Ps(ps::Ps),
    /// Show the output of containers, services or stacks
    Logs(logs::Logs),
    /// Run a command in a container
    Exec(exec::Exec),
    /// Copy files between a container and this machine
    Cp(cp::Cp),
    /// Show the processes of containers
    Top(top::Top),
    /// Show where the ports of containers and services are published
    Port(port::Port),
    /// Set how many containers services have
    Scale(scale::Scale),
    /// Start stacks, services, containers or hosts
    #[command(visible_alias = "activate")]
    Start(lifecycle::Start),
    /// Stop stacks, services, containers or hosts
    #[command(visible_aliases = ["deactivate", "down"])]
    Stop(lifecycle::Stop),
    /// Restart stacks, services or containers
    Restart(lifecycle::Restart),
    /// Remove stacks, services, containers, hosts, volumes and other objects
    Rm(rm::Rm),
    /// Remove what nothing uses
    Prune(prune::Prune),
    /// Show everything about objects
    Inspect(inspect::Inspect),
    /// Write the compose files of stacks
    Export(export::Export),
    /// Show changes as they happen
    #[command(visible_alias = "event")]
    Events(events::Events),
    /// Wait until objects are in a state
    Wait(wait::Wait),
    /// Run the Docker command line against a host, through the server
    Docker(docker::Docker),
    /// List, create and remove stacks
    #[command(visible_alias = "stack")]
    Stacks(stacks::Stacks),
    /// List and remove services
    #[command(visible_alias = "service")]
    Services(services::Services),
    /// List, create and remove volumes
    #[command(visible_alias = "volume")]
    Volumes(volumes::Volumes),
    /// List and remove networks
    #[command(visible_alias = "network")]
    Networks(networks::Networks),
    /// List, create and remove secrets
    #[command(visible_alias = "secret")]
    Secrets(secrets::Secrets),
    /// List, create and remove registries of images
    #[command(visible_alias = "registry")]
    Registries(registries::Registries),
    /// List, create, renew and remove certificates
    #[command(visible_alias = "certificate")]
    Certificates(certificates::Certificates),
    /// List, add and remove hosts
    #[command(visible_alias = "host")]
    Hosts(hosts::Hosts),
    /// List, create, choose and remove environments
    #[command(visible_aliases = ["environment", "environments"])]
    Env(env::Env),
    /// List, add and remove the members of an environment
    #[command(visible_alias = "member")]
    Members(members::Members),
    /// List, create and remove users
    #[command(visible_alias = "user")]
    Users(users::Users),
    /// List, create and remove API keys
    #[command(visible_alias = "key")]
    Keys(keys::Keys),
    /// Show and change the settings of the server
    #[command(visible_alias = "setting")]
    Settings(settings::Settings),
    /// Show who did what
    Audit(audit::Audit),
    /// Show what the server is doing and did
    Processes(audit::Processes),
    /// Sign in to a server and remember it
    Login(login::Login),
    /// Forget a server and take back its key
    Logout(login::Logout),
    /// Show which server, key and environment are used, and keep several
    Config(config::Config),
    /// Show the versions of this program and of the server
    Version(version::Version),
    /// Print a script that completes commands in a shell
    Completion(completion::Completion),
    /// Print manual pages
    Man(completion::Man),
}

/// Runs a command.
///
/// # Errors
/// Says why it could not be done.
pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Up(command) => command.run(session).await,
        Command::Create(command) => command.run(session).await,
        Command::Run(command) => command.run(session).await,
        Command::Pull(command) => command.run(session).await,
        Command::Build(command) => command.run(session).await,
        Command::Ps(command) => command.run(session).await,
        Command::Logs(command) => command.run(session).await,
        Command::Exec(command) => command.run(session).await,
        Command::Cp(command) => command.run(session).await,
        Command::Top(command) => command.run(session).await,
        Command::Port(command) => command.run(session).await,
        Command::Scale(command) => command.run(session).await,
        Command::Start(command) => command.run(session).await,
        Command::Stop(command) => command.run(session).await,
        Command::Restart(command) => command.run(session).await,
        Command::Rm(command) => command.run(session).await,
        Command::Prune(command) => command.run(session).await,
        Command::Inspect(command) => command.run(session).await,
        Command::Export(command) => command.run(session).await,
        Command::Events(command) => command.run(session).await,
        Command::Wait(command) => command.run(session).await,
        Command::Docker(command) => command.run(session).await,
        Command::Stacks(command) => command.run(session).await,
        Command::Services(command) => command.run(session).await,
        Command::Volumes(command) => command.run(session).await,
        Command::Networks(command) => command.run(session).await,
        Command::Secrets(command) => command.run(session).await,
        Command::Registries(command) => command.run(session).await,
        Command::Certificates(command) => command.run(session).await,
        Command::Hosts(command) => command.run(session).await,
        Command::Env(command) => command.run(session).await,
        Command::Members(command) => command.run(session).await,
        Command::Users(command) => command.run(session).await,
        Command::Keys(command) => command.run(session).await,
        Command::Settings(command) => command.run(session).await,
        Command::Audit(command) => command.run(session).await,
        Command::Processes(command) => command.run(session).await,
        Command::Login(command) => command.run(session).await,
        Command::Logout(command) => command.run(session).await,
        Command::Config(command) => command.run(session),
        Command::Version(command) => command.run(session).await,
        Command::Completion(command) => command.run(session),
        Command::Man(command) => command.run(session),
    }
}
