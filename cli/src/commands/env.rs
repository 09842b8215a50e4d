//! `lariat env`: environments.

use clap::{Args, Subcommand};
use contract_client::{Project, Query};
use serde_json::json;

use crate::error::CliError;
use crate::output::{self, Table, ago, colour_of};
use crate::session::{Session, list_projects, pick_project};

/// List, create, choose and remove environments
#[derive(Debug, Args)]
pub struct Env {
    #[command(subcommand)]
    command: Option<EnvCommand>,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// List environments; a star marks the chosen one
    Ls {
        /// Print ids only
        #[arg(short, long)]
        quiet: bool,
    },
    /// Create an environment
    Create {
        /// Its name
        name: String,
        /// A note
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Choose the environment for further commands
    Switch {
        /// Its name or id
        name: String,
    },
    /// Remove an environment with everything in it
    Rm {
        /// Its name or id
        name: String,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

impl Env {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let root = session.root_client()?;
        match self.command.unwrap_or(EnvCommand::Ls { quiet: false }) {
            EnvCommand::Ls { quiet } => {
                let chosen = session.settings()?.environment.map(|setting| setting.value);
                let projects = list_projects(&root).await?;
                let is_chosen = |project: &Project| match &chosen {
                    Some(name) => *name == project.meta.id || *name == project.meta.title(),
                    None => projects.len() == 1,
                };
                if session.is_json() {
                    let documents = projects.iter().map(|project| {
                        json!({
                            "id": project.meta.id,
                            "name": project.meta.name,
                            "state": project.meta.state,
                            "chosen": is_chosen(project),
                            "created": project.meta.created_ms,
                        })
                    });
                    return output::json(&session.io, &documents.collect());
                }
                if quiet {
                    return projects.iter().try_for_each(|project| session.io.line(&project.meta.id));
                }
                let mut table = Table::new(&["", "ID", "NAME", "STATE", "AGE"]);
                for project in &projects {
                    let meta = &project.meta;
                    table.row(vec![
                        if is_chosen(project) { "*" } else { "" }.to_owned(),
                        meta.id.clone(),
                        meta.title().to_owned(),
                        session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
                        ago(session.io.now_ms(), meta.created_ms),
                    ]);
                }
                session.io.out(&table.render())
            }
            EnvCommand::Create { name, description } => {
                let project: Project =
                    root.create(&json!({ "name": name, "description": description })).await?;
                if session.is_json() {
                    return output::json(
                        &session.io,
                        &json!({ "id": project.meta.id, "name": project.meta.name }),
                    );
                }
                session.io.line(&project.meta.id)
            }
            EnvCommand::Switch { name } => {
                let project = pick_project(list_projects(&root).await?, &name)?;
                let path = session.config_path()?;
                let mut file = session.config_file()?;
                file.environment = Some(project.meta.id.clone());
                file.save(&path).map_err(|error| CliError::new(crate::error::chain(&error)))?;
                session.io.say(&format!(
                    "environment {} ({}) is chosen",
                    project.meta.title(),
                    project.meta.id
                ));
                if session.io.variable("LARIAT_ENVIRONMENT").is_some_and(|value| !value.is_empty()) {
                    session.io.say("note: LARIAT_ENVIRONMENT is set and wins over this choice");
                }
                Ok(())
            }
            EnvCommand::Rm { name, force } => {
                let project = pick_project(list_projects(&root).await?, &name)?;
                if !force && session.io.in_is_terminal {
                    let stacks = root
                        .in_project(&project.meta.id)
                        .list::<contract_client::Stack>(&Query::all())
                        .await?;
                    let what = super::up::count(stacks.len(), "stack");
                    super::rm::ask(
                        session,
                        &format!("Remove the environment {} with {what}?", project.meta.title()),
                    )?;
                }
                root.delete(&project).await?;
                session.io.line(&name)
            }
        }
    }
}
