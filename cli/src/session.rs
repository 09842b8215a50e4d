//! What most commands begin with: who the user is, which server and environment he means.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use contract_client::{
    Client, ClientOptions, ConfigError, ConfigFile, Credentials, Given, Object as _, Origin, Pin, Project,
    Proxies, Query, ServerAddress, Settings, Trust,
};
use contract_values::Secret;

use crate::error::{CliError, chain};
use crate::io::Io;
use crate::output::Format;

/// Options that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Globals {
    /// The server, such as http://host:8080 [variable: LARIAT_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The public half of a key [variable: LARIAT_ACCESS_KEY]
    #[arg(long, global = true, value_name = "KEY", requires = "secret_key")]
    pub access_key: Option<String>,
    /// The secret half of a key; others on this machine can see it [better, the variable: LARIAT_SECRET_KEY]
    #[arg(long, global = true, value_name = "KEY", requires = "access_key")]
    pub secret_key: Option<String>,
    /// The server and key that `login` kept under this name [variable: LARIAT_CONTEXT]
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The environment, by name or id [variable: LARIAT_ENVIRONMENT]
    #[arg(long, alias = "environment", global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// The SHA-256 of the server's certificate, as sha256:HEX [variable: LARIAT_PIN]
    #[arg(long, global = true, value_name = "HASH")]
    pub pin: Option<String>,
    /// A PEM file with the authorities to believe [variable: LARIAT_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The configuration file [default: ~/.lariat/config.json]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The form of output: table, json, yaml, or a template such as '{{.name}} {{.state}}'
    #[arg(long, global = true, default_value = "table", hide_default_value = true, value_name = "FORM")]
    pub format: Format,
    /// Print ids only, and say nothing of what is going on
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say which requests are sent to the server
    #[arg(long, global = true)]
    pub debug: bool,
    /// Seconds that one request to the server may take [default: 30]
    #[arg(long, global = true, default_value_t = 30, value_name = "SECONDS", hide_default_value = true)]
    pub request_timeout: u64,
}

/// The surroundings and options of one command.
#[derive(Clone)]
pub struct Session {
    /// Where it reads and writes.
    pub io: Io,
    /// The options of all commands.
    pub globals: Globals,
}

impl Session {
    /// The file where `login` keeps things.
    ///
    /// # Errors
    /// Fails without a home.
    pub fn config_path(&self) -> Result<PathBuf, CliError> {
        if let Some(path) = &self.globals.config {
            return Ok(path.clone());
        }
        let home = self.io.variable("HOME").filter(|home| !home.is_empty()).ok_or_else(|| {
            CliError::new("there is no home folder for the configuration")
                .hint("set HOME, or give --config FILE")
        })?;
        Ok(PathBuf::from(home).join(".lariat/config.json"))
    }

    /// Reads that file.
    ///
    /// # Errors
    /// Fails if it cannot be used as it is.
    pub fn config_file(&self) -> Result<ConfigFile, CliError> {
        match self.config_path() {
            Ok(path) => ConfigFile::load(&path).map_err(|error| config_error(&path, &error)),
            // Everything may come from the environment.
            Err(_) => Ok(ConfigFile::default()),
        }
    }

    /// Changes that file.
    ///
    /// # Errors
    /// Fails if it cannot be read or written; then it is as it was.
    pub fn change_config<T>(&self, change: impl FnOnce(&mut ConfigFile) -> T) -> Result<T, CliError> {
        let path = self.config_path()?;
        ConfigFile::change(&path, change).map_err(|error| config_error(&path, &error))
    }

    /// What options, variables and the file say together.
    ///
    /// # Errors
    /// Fails if the file cannot be used.
    pub fn settings(&self) -> Result<Settings, CliError> {
        let io = self.io.clone();
        let url = self.globals.url.clone();
        let file = self.config_file()?;
        // An address on the command line decides, as a variable does, whether the keys of the file are meant.
        let variable = move |name: &str| match (name, &url) {
            ("LARIAT_URL", Some(url)) => Some(url.clone()),
            _ => io.variable(name),
        };
        let context =
            self.globals.context.clone().map(|value| Given { value, origin: Origin::Option("--context") });
        let mut settings = Settings::join(variable, &file, context).map_err(|error| {
            let hint = match error.known.as_slice() {
                [] => "`lariat login URL --context NAME` makes one".to_owned(),
                known => format!("there are: {}", known.join(", ")),
            };
            CliError::usage(error.to_string()).hint(hint)
        })?;
        if let (Some(access), Some(secret_key)) = (&self.globals.access_key, &self.globals.secret_key) {
            let origin = Origin::Option("--access-key");
            settings.access_key = Some(Given { value: access.clone(), origin });
            let origin = Origin::Option("--secret-key");
            settings.secret_key = Some(Given { value: secret(secret_key.clone()), origin });
        }
        if self.globals.url.is_some()
            && let Some(url) = &mut settings.url
        {
            url.origin = Origin::Option("--url");
        }
        if let Some(value) = self.globals.env.clone() {
            settings.environment = Some(Given { value, origin: Origin::Option("--env") });
        }
        if let Some(value) = self.globals.pin.clone() {
            settings.pin = Some(Given { value, origin: Origin::Option("--pin") });
            settings.ca_file = None;
        }
        if let Some(value) = self.globals.ca_file.clone() {
            settings.ca_file = Some(Given { value, origin: Origin::Option("--ca-file") });
            if self.globals.pin.is_none() {
                settings.pin = None;
            }
        }
        Ok(settings)
    }

    /// A client of the chosen server, outside environments.
    ///
    /// # Errors
    /// Fails if no server is chosen, or the choice makes no sense.
    pub fn root_client(&self) -> Result<Client, CliError> {
        let settings = self.settings()?;
        let url = settings.url.as_ref().ok_or_else(|| {
            CliError::usage("no server is chosen").hint(
                "sign in with `lariat login URL`, or set LARIAT_URL, LARIAT_ACCESS_KEY and LARIAT_SECRET_KEY",
            )
        })?;
        let credentials = match (settings.access_key, settings.secret_key) {
            (Some(access), Some(secret)) => Credentials::Keys { access: access.value, secret: secret.value },
            (None, None) => Credentials::None,
            (Some(_), None) => return Err(half_a_key("LARIAT_SECRET_KEY")),
            (None, Some(_)) => return Err(half_a_key("LARIAT_ACCESS_KEY")),
        };
        let trust =
            trust(settings.pin.map(|pin| pin.value).as_deref(), settings.ca_file.map(|file| file.value))?;
        self.client_of(&url.value, credentials, trust)
    }

    /// A client of a given server.
    ///
    /// # Errors
    /// Fails if the address or the trust makes no sense.
    pub fn client_of(&self, url: &str, credentials: Credentials, trust: Trust) -> Result<Client, CliError> {
        let address = ServerAddress::parse(url)
            .map_err(|error| CliError::usage(error.to_string()).hint("write it as http://host:8080"))?;
        let options = ClientOptions {
            trust,
            proxies: self.proxies(),
            orders: Some(std::sync::Arc::clone(&self.io.orders)),
            timeout: Duration::from_secs(self.globals.request_timeout.max(1)),
            ..ClientOptions::new(address, credentials)
        };
        Ok(Client::new(options)?)
    }

    /// The proxies that the environment variables name.
    pub fn proxies(&self) -> Proxies {
        Proxies::from_variables(|name| self.io.variable(name))
    }

    /// Asks a person for a secret, or reads it from the input where an option says so.
    ///
    /// # Errors
    /// Fails when nobody is there to be asked.
    pub fn ask_secret(&self, from_stdin: bool, option: &str, question: &str) -> Result<Secret, CliError> {
        if from_stdin {
            return Ok(secret(self.io.read_line()?));
        }
        if !self.io.in_is_terminal {
            return Err(CliError::usage("nobody is there to be asked for a secret")
                .hint(format!("pipe it in with {option}")));
        }
        self.io.say_bytes(question.as_bytes());
        let hidden = crate::terminal::without_echo()?;
        let line = self.io.read_line();
        drop(hidden);
        self.io.say("");
        Ok(secret(line?))
    }

    /// A client inside the chosen environment.
    ///
    /// # Errors
    /// Fails if no environment can be chosen without the user.
    pub async fn client(&self) -> Result<Client, CliError> {
        let root = self.root_client()?;
        let wanted = self.settings()?.environment.map(|setting| setting.value);
        let project = match wanted.or_else(|| root.address().project().map(str::to_owned)) {
            // An id needs no question; a wrong one is refused by the next request.
            Some(id) if is_id(&id, "1a") => return Ok(root.in_project(&id)),
            Some(name) => pick_project(list_projects(&root).await?, &name)?,
            None => only_project(list_projects(&root).await?)?,
        };
        Ok(root.in_project(&project.meta.id))
    }
}

fn config_error(path: &std::path::Path, error: &ConfigError) -> CliError {
    let told = CliError::new(chain(error));
    match error {
        ConfigError::Open { path, .. } => told.hint(format!("chmod 600 {path}")),
        ConfigError::Read { .. } | ConfigError::Format { .. } => told.hint(format!(
            "repair it, or remove it and sign in again with `lariat login URL`: {}",
            path.display()
        )),
        ConfigError::Write { .. } | ConfigError::Lock { .. } => told,
    }
}

/// Makes trust of a pin or a file of authorities.
///
/// # Errors
/// Fails if the pin makes no sense.
pub fn trust(pin: Option<&str>, ca_file: Option<PathBuf>) -> Result<Trust, CliError> {
    Ok(match (pin, ca_file) {
        (Some(pin), _) => Trust::Pin(pin.parse::<Pin>().map_err(|error| CliError::usage(error.to_string()))?),
        (None, Some(path)) => Trust::CaFile(path),
        (None, None) => Trust::System,
    })
}

fn half_a_key(missing: &str) -> CliError {
    CliError::usage(format!("half of the key is missing: {missing}"))
        .hint("set LARIAT_ACCESS_KEY and LARIAT_SECRET_KEY, or neither")
}

/// All environments that the user can see.
///
/// # Errors
/// As any request.
pub async fn list_projects(root: &Client) -> Result<Vec<Project>, CliError> {
    let mut projects: Vec<Project> = root.list(&Query::all()).await?;
    projects.sort_by(|a, b| a.meta.title().cmp(b.meta.title()));
    Ok(projects)
}

/// Finds an environment by name or id.
///
/// # Errors
/// Fails if there is none or more than one.
pub fn pick_project(projects: Vec<Project>, name: &str) -> Result<Project, CliError> {
    let same =
        |project: &&Project| project.meta.id.eq_ignore_ascii_case(name) || project.meta().title() == name;
    let found: Vec<&Project> = projects.iter().filter(same).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(CliError::new(format!("there is no environment `{name}`, or you cannot see it"))
            .hint(format!("there are: {}", names(&projects)))),
        _ => Err(CliError::new(format!("more than one environment is called `{name}`"))
            .hint(format!("say its id: {}", names(&projects)))),
    }
}

fn only_project(projects: Vec<Project>) -> Result<Project, CliError> {
    match projects.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            Err(CliError::new("you can see no environment").hint("ask an owner to make you a member of one"))
        }
        _ => Err(CliError::usage("there is more than one environment, and none is chosen").hint(format!(
            "choose with --env NAME, LARIAT_ENVIRONMENT or `lariat env switch NAME`; there are: {}",
            names(&projects)
        ))),
    }
}

fn names(projects: &[Project]) -> String {
    if projects.is_empty() {
        return "none".to_owned();
    }
    projects
        .iter()
        .map(|project| format!("{} ({})", project.meta.title(), project.meta.id))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether a text has the form of an id of a kind.
pub fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Wraps a secret that was typed.
pub fn secret(text: String) -> Secret {
    Secret::new(text)
}
