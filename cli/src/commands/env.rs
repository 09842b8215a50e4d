//! `lariat env`: environments.

use clap::{Args, Subcommand};
use contract_client::{Collection, Context, Project, Query};
use serde_json::json;

use super::{Names, Removal};
use crate::error::CliError;
use crate::output::{Listing, ago, colour_of, or_dash};
use crate::session::{Session, list_projects, pick_project};
use crate::things::{Show, Thing, column};

/// How they are asked for by name.
pub const ENVIRONMENTS: Thing = Thing {
    collection: Collection { kind: "project", plural: "projects", at_root: true },
    word: "environment",
    words: "environments",
    columns: &[column("NAME", "name", Show::Plain), column("STATE", "state", Show::State)],
};

const TEMPLATES: Thing = Thing {
    collection: Collection { kind: "projectTemplate", plural: "projecttemplates", at_root: true },
    word: "environment template",
    words: "environment templates",
    columns: &[
        column("NAME", "name", Show::Plain),
        column("PUBLIC", "isPublic", Show::Flag),
        column("DESCRIPTION", "description", Show::Plain),
    ],
};

/// List, create, choose and remove environments
#[derive(Debug, Args)]
pub struct Env {
    #[command(subcommand)]
    command: Option<EnvCommand>,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// List environments; a star marks the chosen one
    Ls,
    /// Create an environment
    Create {
        /// Its name
        name: String,
        /// A note
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// The template to make it from, by name or id
        #[arg(short, long, value_name = "NAME")]
        template: Option<String>,
    },
    /// Choose the environment for further commands
    #[command(visible_alias = "default")]
    Switch {
        /// Its name or id
        name: String,
    },
    /// Switch environments on again
    Activate(Names),
    /// Switch environments off: nothing in them can be changed
    Deactivate(Names),
    /// Remove environments with everything in them
    Rm(Removal),
    /// Show everything about environments
    Inspect(Names),
    /// List the templates that environments can be made from
    #[command(visible_alias = "template")]
    Templates,
}

impl Env {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(EnvCommand::Ls) {
            EnvCommand::Ls => list(session).await,
            EnvCommand::Create { name, description, template } => {
                let root = session.root_client()?;
                let mut input = json!({ "name": name, "description": description });
                if let Some(template) = template {
                    let client = TEMPLATES.client(session).await?;
                    input["projectTemplateId"] = TEMPLATES.find(&client, &template).await?.meta.id.into();
                }
                let project: Project = root.create(&input).await?;
                if session.is_machine() {
                    return session.document(&json!({ "id": project.meta.id, "name": project.meta.name }));
                }
                session.io.line(&project.meta.id)
            }
            EnvCommand::Switch { name } => switch(session, &name).await,
            EnvCommand::Activate(names) => ENVIRONMENTS.act(session, &names.names, "activate").await,
            EnvCommand::Deactivate(names) => ENVIRONMENTS.act(session, &names.names, "deactivate").await,
            EnvCommand::Rm(removal) => remove(session, removal).await,
            EnvCommand::Inspect(names) => ENVIRONMENTS.inspect(session, &names.names).await,
            EnvCommand::Templates => TEMPLATES.list(session, &Query::all()).await,
        }
    }
}

async fn list(session: &Session) -> Result<(), CliError> {
    let root = session.root_client()?;
    let chosen = session.settings()?.environment.map(|setting| setting.value);
    let projects = list_projects(&root).await?;
    let is_chosen = |project: &Project| match &chosen {
        Some(name) => *name == project.meta.id || *name == project.meta.title(),
        None => projects.len() == 1,
    };
    let mut listing = Listing::new(&["", "ID", "NAME", "ENGINE", "STATE", "AGE"]);
    for project in &projects {
        let meta = &project.meta;
        let cells = vec![
            if is_chosen(project) { "*" } else { "" }.to_owned(),
            meta.id.clone(),
            meta.title().to_owned(),
            or_dash(project.orchestration.as_deref()),
            session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state),
            ago(session.io.now_ms(), meta.created_ms),
        ];
        let document = json!({
            "id": meta.id,
            "name": meta.name,
            "state": meta.state,
            "orchestration": project.orchestration,
            "chosen": is_chosen(project),
            "created": meta.created_ms,
        });
        listing.add(&meta.id, cells, document);
    }
    listing.print(session)
}

async fn switch(session: &Session, name: &str) -> Result<(), CliError> {
    let root = session.root_client()?;
    let project = pick_project(list_projects(&root).await?, name)?;
    let settings = session.settings()?;
    let url = root.address().to_string();
    session.change_config(|file| {
        // A server that is not in the file yet is remembered by its address, without keys.
        let context =
            settings.context.as_ref().map_or_else(|| file.name_for(&url), |given| given.value.clone());
        let entry = file
            .contexts
            .entry(context)
            .or_insert_with(|| Context { url: Some(url.clone()), ..Context::default() });
        entry.environment = Some(project.meta.id.clone());
    })?;
    session.note(&format!("environment {} ({}) is chosen", project.meta.title(), project.meta.id));
    if session.io.variable("LARIAT_ENVIRONMENT").is_some_and(|value| !value.is_empty()) {
        session.note("note: LARIAT_ENVIRONMENT is set and wins over this choice");
    }
    Ok(())
}

async fn remove(session: &Session, removal: Removal) -> Result<(), CliError> {
    let root = session.root_client()?;
    let projects = list_projects(&root).await?;
    let mut going = Vec::new();
    for name in &removal.names {
        going.push(pick_project(projects.clone(), name)?);
    }
    if !removal.force && session.io.in_is_terminal {
        let mut all = Vec::new();
        for project in &going {
            let inside = root.in_project(&project.meta.id);
            let stacks = inside.list::<contract_client::Stack>(&Query::all()).await?;
            let what = super::up::count(stacks.len(), "stack");
            all.push(format!("the environment {} with {what}", project.meta.title()));
        }
        super::rm::ask(session, &format!("Remove {}?", all.join(", ")))?;
    }
    for (name, project) in removal.names.iter().zip(going) {
        root.delete(&project).await?;
        session.done(&project.meta.id, name)?;
    }
    Ok(())
}
