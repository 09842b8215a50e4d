//! The commands, one file each.

mod completion;
mod config;
mod env;
mod events;
mod exec;
mod hosts;
mod inspect;
mod lifecycle;
mod login;
mod logs;
mod ps;
mod rm;
mod scale;
mod services;
mod stacks;
mod up;
mod version;
mod volumes;
mod wait;

use clap::Subcommand;

use crate::error::CliError;
use crate::session::Session;

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deploy compose files as a stack and wait until it is ready
    Up(up::Up),
    /// List containers
    Ps(ps::Ps),
    /// Show the output of containers, services or stacks
    Logs(logs::Logs),
    /// Run a command in a container
    Exec(exec::Exec),
    /// Set how many containers services have
    Scale(scale::Scale),
    /// Start stacks, services or containers
    Start(lifecycle::Start),
    /// Stop stacks, services or containers
    Stop(lifecycle::Stop),
    /// Restart stacks, services or containers
    Restart(lifecycle::Restart),
    /// Remove stacks, services, containers or volumes
    Rm(rm::Rm),
    /// Show everything about objects
    Inspect(inspect::Inspect),
    /// List stacks
    Stacks(stacks::Stacks),
    /// List services
    Services(services::Services),
    /// List volumes
    Volumes(volumes::Volumes),
    /// List, add and remove hosts
    Hosts(hosts::Hosts),
    /// List, create, choose and remove environments
    Env(env::Env),
    /// Show changes as they happen
    Events(events::Events),
    /// Wait until objects are in a state
    Wait(wait::Wait),
    /// Sign in to a server and remember it
    Login(login::Login),
    /// Forget the server and take back its key
    Logout(login::Logout),
    /// Show which server, key and environment are used, and why
    Config(config::Config),
    /// Show the versions of this program and of the server
    Version(version::Version),
    /// Print a script that completes commands in a shell
    Completion(completion::Completion),
}

/// Runs a command.
///
/// # Errors
/// Says why it could not be done.
pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Up(command) => command.run(session).await,
        Command::Ps(command) => command.run(session).await,
        Command::Logs(command) => command.run(session).await,
        Command::Exec(command) => command.run(session).await,
        Command::Scale(command) => command.run(session).await,
        Command::Start(command) => command.run(session).await,
        Command::Stop(command) => command.run(session).await,
        Command::Restart(command) => command.run(session).await,
        Command::Rm(command) => command.run(session).await,
        Command::Inspect(command) => command.run(session).await,
        Command::Stacks(command) => command.run(session).await,
        Command::Services(command) => command.run(session).await,
        Command::Volumes(command) => command.run(session).await,
        Command::Hosts(command) => command.run(session).await,
        Command::Env(command) => command.run(session).await,
        Command::Events(command) => command.run(session).await,
        Command::Wait(command) => command.run(session).await,
        Command::Login(command) => command.run(session).await,
        Command::Logout(command) => command.run(session).await,
        Command::Config(command) => command.run(session),
        Command::Version(command) => command.run(session).await,
        Command::Completion(command) => command.run(session),
    }
}
