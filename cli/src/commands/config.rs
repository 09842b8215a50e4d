//! `lariat config`: which server, key and environment are used, where that is said, and which servers are kept.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use contract_client::{ConfigFile, Given, Origin, ServerAddress};
use serde_json::{Value, json};

use crate::error::{CliError, chain};
use crate::output::{Listing, Table, or_dash};
use crate::session::Session;

/// Show which server, key and environment are used, and why
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    command: Option<ConfigCommand>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show what is used, and where that is said
    Show,
    /// List, choose, rename and forget the servers that `login` kept
    Context {
        #[command(subcommand)]
        command: Option<ContextCommand>,
    },
    /// Print the path of the configuration file
    Path,
}

#[derive(Debug, Subcommand)]
enum ContextCommand {
    /// List contexts; a star marks the one that is used
    Ls,
    /// Use a context from now on
    #[command(visible_alias = "switch")]
    Use {
        /// Its name
        name: String,
    },
    /// Give a context another name
    Rename {
        /// Its name
        name: String,
        /// The new name
        new: String,
    },
    /// Forget contexts; their keys stay valid, unlike with `logout`
    Rm {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Take over the file of the old command line, such as ~/.rancher/cli.json
    Import {
        /// The file
        file: PathBuf,
        /// The name of the new context [default: made from the server's address]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

impl Config {
    pub(super) fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(ConfigCommand::Show) {
            ConfigCommand::Show => show(session),
            ConfigCommand::Path => session.io.line(&session.config_path()?.display().to_string()),
            ConfigCommand::Context { command } => match command.unwrap_or(ContextCommand::Ls) {
                ContextCommand::Ls => list(session),
                ContextCommand::Use { name } => {
                    change(session, &name, |file| file.current = Some(name.clone()))
                }
                ContextCommand::Rename { name, new } => rename(session, &name, &new),
                ContextCommand::Rm { names } => remove(session, &names),
                ContextCommand::Import { file, name } => import(session, &file, name),
            },
        }
    }
}

fn show(session: &Session) -> Result<(), CliError> {
    let settings = session.settings()?;
    fn text<T>(setting: Option<Given<T>>, show: impl Fn(T) -> String) -> Option<(String, Origin)> {
        setting.map(|setting| (show(setting.value), setting.origin))
    }
    let proxy = settings
        .url
        .as_ref()
        .and_then(|url| ServerAddress::parse(&url.value).ok())
        .and_then(|server| session.proxies().shown_for(&server));
    let rows: [(&str, Option<(String, Origin)>); 8] = [
        ("context", text(settings.context, |name| name)),
        ("url", text(settings.url, |url| url)),
        ("accessKey", text(settings.access_key, |key| key)),
        ("secretKey", text(settings.secret_key, |_| "***".to_owned())),
        ("environment", text(settings.environment, |name| name)),
        ("pin", text(settings.pin, |pin| pin)),
        ("caFile", text(settings.ca_file, |path| path.display().to_string())),
        ("proxy", text(proxy, |proxy| proxy)),
    ];
    if session.is_machine() {
        let document = rows
            .into_iter()
            .map(|(name, found)| {
                let value =
                    found.map(|(value, origin)| json!({ "value": value, "from": origin.to_string() }));
                (name.to_owned(), value.into())
            })
            .collect();
        return session.document(&Value::Object(document));
    }
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
    for (name, found) in rows {
        let (value, origin) = found.map_or(("-".to_owned(), "-".to_owned()), |(v, o)| (v, o.to_string()));
        table.row(vec![name.to_owned(), value, origin]);
    }
    session.io.out(&table.render())?;
    if let Ok(path) = session.config_path() {
        session.note(&format!("configuration file: {}", path.display()));
    }
    Ok(())
}

fn list(session: &Session) -> Result<(), CliError> {
    let file = session.config_file()?;
    let used = session.settings()?.context.map(|given| given.value);
    let mut listing = Listing::new(&["", "NAME", "SERVER", "ENVIRONMENT", "ACCESS KEY"]);
    for (name, context) in &file.contexts {
        let is_used = used.as_ref() == Some(name);
        let cells = vec![
            if is_used { "*" } else { "" }.to_owned(),
            name.clone(),
            or_dash(context.url.as_deref()),
            or_dash(context.environment.as_deref()),
            or_dash(context.access_key.as_deref()),
        ];
        let document = json!({
            "name": name,
            "url": context.url,
            "environment": context.environment,
            "accessKey": context.access_key,
            "current": is_used,
        });
        listing.add(name, cells, document);
    }
    if listing.is_empty() {
        listing.note("hint: `lariat login URL` keeps a server".to_owned());
    }
    listing.print(session)
}

fn unknown(file: &ConfigFile, name: &str) -> CliError {
    let known: Vec<&str> = file.contexts.keys().map(String::as_str).collect();
    let hint = match known.as_slice() {
        [] => "`lariat login URL` keeps a server".to_owned(),
        known => format!("there are: {}", known.join(", ")),
    };
    CliError::new(format!("there is no context `{name}`")).hint(hint)
}

/// Changes the file, in which a context must be.
fn change(session: &Session, name: &str, change: impl FnOnce(&mut ConfigFile)) -> Result<(), CliError> {
    session.change_config(|file| {
        if !file.contexts.contains_key(name) {
            return Err(unknown(file, name));
        }
        change(file);
        Ok(())
    })??;
    session.done(name, name)
}

fn rename(session: &Session, name: &str, new: &str) -> Result<(), CliError> {
    if session.config_file()?.contexts.contains_key(new) {
        return Err(CliError::new(format!("there is a context `{new}` already")));
    }
    change(session, name, |file| {
        let context = file.contexts.remove(name).expect("it was just found");
        file.contexts.insert(new.to_owned(), context);
        if file.current.as_deref() == Some(name) {
            file.current = Some(new.to_owned());
        }
    })
}

fn remove(session: &Session, names: &[String]) -> Result<(), CliError> {
    session.change_config(|file| {
        if let Some(name) = names.iter().find(|name| !file.contexts.contains_key(*name)) {
            return Err(unknown(file, name));
        }
        for name in names {
            file.contexts.remove(name);
            file.current = file.current.take().filter(|current| current != name);
        }
        Ok(())
    })??;
    names.iter().try_for_each(|name| session.done(name, name))
}

fn import(session: &Session, path: &std::path::Path, name: Option<String>) -> Result<(), CliError> {
    let path = session.io.folder.join(path);
    if !path.is_file() {
        return Err(CliError::new(format!("there is no file `{}`", path.display())));
    }
    let old = ConfigFile::load(&path).map_err(|error| {
        CliError::new(chain(&error)).hint(format!("it must be yours alone: chmod 600 {}", path.display()))
    })?;
    let context = old
        .contexts
        .into_values()
        .find(|context| context.url.is_some())
        .ok_or_else(|| CliError::new(format!("`{}` names no server", path.display())))?;
    let mut context = context;
    // The old program kept the address of its schemas.
    let address = ServerAddress::parse(context.url.as_deref().unwrap_or_default())
        .map_err(|error| CliError::new(error.to_string()))?;
    if context.environment.as_deref().is_none_or(str::is_empty) {
        context.environment = address.project().map(str::to_owned);
    }
    let url = address.to_string();
    context.url = Some(url.clone());
    let name = session.change_config(|file| {
        let name = name.unwrap_or_else(|| file.name_for(&url));
        file.contexts.insert(name.clone(), context);
        file.current.get_or_insert_with(|| name.clone());
        name
    })?;
    session.done(&name, &name)
}
