//! `lariat settings`: how the server works.

use clap::{Args, Subcommand};
use contract_client::{Collection, Query, Resource};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

const SETTINGS: Thing = Thing {
    collection: Collection { kind: "setting", plural: "settings", at_root: true },
    word: "setting",
    words: "settings",
    columns: &[
        column("VALUE", "activeValue", Show::Plain),
        column("STORED", "value", Show::Plain),
        column("SOURCE", "source", Show::Plain),
    ],
};

/// Show and change the settings of the server
#[derive(Debug, Args)]
pub struct Settings {
    #[command(subcommand)]
    command: Option<SettingsCommand>,
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// List settings
    Ls {
        /// Only those whose names hold this text
        pattern: Option<String>,
    },
    /// Show the value of a setting
    Get {
        /// Its name
        name: String,
    },
    /// Change a setting
    Set {
        /// Its name
        name: String,
        /// The new value
        value: String,
    },
}

impl Settings {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(SettingsCommand::Ls { pattern: None }) {
            SettingsCommand::Ls { pattern } => {
                let client = SETTINGS.client(session).await?;
                let mut found = client.list_of(SETTINGS.collection, &Query::all()).await?;
                found.retain(|setting| {
                    pattern.as_ref().is_none_or(|text| setting.meta.id.contains(text.as_str()))
                });
                found.sort_by(|a, b| a.meta.id.cmp(&b.meta.id));
                SETTINGS.print(session, &found)
            }
            SettingsCommand::Get { name } => {
                let setting = self::find(session, &name).await?;
                if session.is_machine() {
                    return session.document(&Value::Object(setting.fields));
                }
                let value = setting.fields.get("activeValue").and_then(Value::as_str).unwrap_or_default();
                session.io.line(value)
            }
            SettingsCommand::Set { name, value } => {
                let client = SETTINGS.client(session).await?;
                let setting = self::find(session, &name).await?;
                let input = json!({ "value": value });
                client.update_in(SETTINGS.collection, &setting.meta.id, &input).await?;
                session.done(&setting.meta.id, &name)
            }
        }
    }
}

async fn find(session: &Session, name: &str) -> Result<Resource, CliError> {
    let client = SETTINGS.client(session).await?;
    let unknown =
        || CliError::new(format!("there is no setting `{name}`")).hint("`lariat settings` lists them");
    let found = client.find_in(SETTINGS.collection, name).await?.ok_or_else(unknown)?;
    let has = |field: &str| found.fields.get(field).is_some_and(|value| !value.is_null());
    if has("value") || has("activeValue") {
        return Ok(found);
    }
    // The wire answers for any name; only the list tells a setting without a value from none.
    let all = client.list_of(SETTINGS.collection, &Query::all()).await?;
    if all.iter().any(|setting| setting.meta.id == found.meta.id) { Ok(found) } else { Err(unknown()) }
}
