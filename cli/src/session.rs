//! What most commands begin with: who the user is, which server and environment he means.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use contract_client::{
    Client, ClientOptions, ConfigFile, Credentials, Given, Object as _, Origin, Pin, Project, Proxies, Query,
    ServerAddress, Settings, Trust,
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
    /// The environment, by name or id [variable: LARIAT_ENVIRONMENT]
    #[arg(long, global = true, value_name = "NAME")]
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
    /// The form of output
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORM")]
    pub format: Format,
    /// Seconds that one request to the server may take
    #[arg(long, global = true, default_value_t = 30, value_name = "SECONDS", hide = true)]
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
        let path = match self.config_path() {
            Ok(path) => path,
            // Everything may come from the environment.
            Err(_) => return Ok(ConfigFile::default()),
        };
        ConfigFile::load(&path).map_err(|error| {
            let hint = match &error {
                contract_client::ConfigError::Open { path, .. } => format!("chmod 600 {path}"),
                _ => format!(
                    "repair it, or remove it and sign in again with `lariat login URL`: {}",
                    path.display()
                ),
            };
            CliError::new(chain(&error)).hint(hint)
        })
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
        let mut settings = Settings::from_environment(variable, &file);
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
            timeout: Duration::from_secs(self.globals.request_timeout.max(1)),
            ..ClientOptions::new(address, credentials)
        };
        Ok(Client::new(options)?)
    }

    /// The proxies that the environment variables name.
    pub fn proxies(&self) -> Proxies {
        Proxies::from_variables(|name| self.io.variable(name))
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

    /// Whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.globals.format == Format::Json
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
