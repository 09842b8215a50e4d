//! Where a client finds its server and keys: options, environment variables, the user's file; in this order.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use contract_values::Secret;
use serde::{Deserialize, Serialize};

/// Why the user's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("could not read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("could not write `{path}`")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It is not what we wrote.
    #[error("`{path}` is no configuration of this program")]
    Format {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Another program keeps it locked.
    #[error("could not lock `{path}`")]
    Lock {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the keys in it.
    #[error("`{path}` holds keys and can be read by others (mode {mode:o})")]
    Open {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
}

/// One server that `login` keeps for the user, and who he is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Context {
    /// The server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The public half of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The secret half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<Secret>,
    /// The environment, by id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The pin of the server's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// A file of authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The id of the key, so that `logout` can take it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

impl Context {
    /// Whether it is that of a server.
    fn is_of(&self, url: &str) -> bool {
        self.url.as_deref().is_some_and(|own| own.trim_end_matches('/') == url.trim_end_matches('/'))
    }
}

/// What is kept for the user: servers by names of his, and the one that is meant where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigFile {
    /// The name of the context that is meant where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The contexts by name.
    pub contexts: BTreeMap<String, Context>,
    /// A file with one server and no name for it, as this program and others wrote it once.
    #[serde(flatten, skip_serializing)]
    single: Context,
}

/// The name of a context that nobody named.
const UNNAMED: &str = "default";

impl ConfigFile {
    /// Reads the file; one that is not there is empty.
    ///
    /// # Errors
    /// Fails if it cannot be read or understood, or if others may read it while it holds keys.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        use std::os::unix::fs::PermissionsExt as _;
        let shown = || path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Read { path: shown(), source }),
        };
        let mut config: Self =
            serde_json::from_str(&text).map_err(|source| ConfigError::Format { path: shown(), source })?;
        let single = std::mem::take(&mut config.single);
        if config.contexts.is_empty() && single != Context::default() {
            config.current = Some(UNNAMED.to_owned());
            config.contexts.insert(UNNAMED.to_owned(), single);
        }
        let mode = std::fs::metadata(path)
            .map_err(|source| ConfigError::Read { path: shown(), source })?
            .permissions()
            .mode();
        if config.contexts.values().any(|context| context.secret_key.is_some()) && mode & 0o077 != 0 {
            return Err(ConfigError::Open { path: shown(), mode: mode & 0o777 });
        }
        Ok(config)
    }

    /// Changes the file; two programs that do so at once do not undo each other's change.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written; then it is as it was.
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> T) -> Result<T, ConfigError> {
        let _lock = Self::lock(path)?;
        let mut config = Self::load(path)?;
        let outcome = change(&mut config);
        config.save(path)?;
        Ok(outcome)
    }

    fn lock(path: &Path) -> Result<std::fs::File, ConfigError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let fail = |source| ConfigError::Lock { path: path.display().to_string(), source };
        make_folder(path).map_err(fail)?;
        let lock = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.with_extension("lock"))
            .map_err(fail)?;
        lock.lock().map_err(fail)?;
        Ok(lock)
    }

    /// Writes the file for its owner's eyes only; a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// Fails if the folder or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ConfigError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let fail = |source| ConfigError::Write { path: path.display().to_string(), source };
        make_folder(path).map_err(fail)?;
        let unfinished = path.with_extension(format!("json.{}", std::process::id()));
        let text = serde_json::to_string_pretty(self).expect("texts and paths become JSON");
        let written = (|| {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n"))?;
            file.sync_all()?;
            std::fs::rename(&unfinished, path)
        })();
        if written.is_err() {
            // What could not be finished would be a second copy of the keys.
            let _ = std::fs::remove_file(&unfinished);
        }
        written.map_err(fail)
    }

    /// The name of the context for a server: the one that it has, else one made from its address.
    pub fn name_for(&self, url: &str) -> String {
        if let Some((name, _)) = self.of_server(url) {
            return name.to_owned();
        }
        if self.contexts.is_empty() {
            return UNNAMED.to_owned();
        }
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or(host);
        let free = |name: &String| !self.contexts.contains_key(name);
        std::iter::once(host.to_owned())
            .chain((2..).map(|number| format!("{host}-{number}")))
            .find(free)
            .expect("there are more numbers than contexts")
    }

    /// The context of a server; the current one where there are several.
    fn of_server(&self, url: &str) -> Option<(&str, &Context)> {
        let current = self.current.as_deref().and_then(|name| self.contexts.get_key_value(name));
        let all = current.into_iter().chain(&self.contexts);
        let mut own = all.filter(|(_, context)| context.is_of(url));
        own.next().map(|(name, context)| (name.as_str(), context))
    }
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option on the command line.
    Option(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A context of the user's file.
    Context(String),
    /// The user's file.
    File,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Option(name) | Self::Variable(name) => f.write_str(name),
            Self::Context(name) => write!(f, "context {name}"),
            Self::File => f.write_str("configuration file"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// A context was named that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no context `{name}`")]
pub struct UnknownContext {
    /// The name.
    pub name: String,
    /// The contexts that there are.
    pub known: Vec<String>,
}

/// Everything that says how to reach a server, from all places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The context of the file that the rest was completed from.
    pub context: Option<Setting<String>>,
    /// The server.
    pub url: Option<Setting<String>>,
    /// The public half of the key.
    pub access_key: Option<Setting<String>>,
    /// The secret half.
    pub secret_key: Option<Setting<Secret>>,
    /// The environment, by id or name.
    pub environment: Option<Setting<String>>,
    /// The pin of the server's certificate.
    pub pin: Option<Setting<String>>,
    /// A file of authorities.
    pub ca_file: Option<Setting<PathBuf>>,
}

impl Settings {
    /// Joins what environment variables and the file say. Keys and trust of a context only hold for its server, so that an
    /// address from elsewhere is never given them.
    ///
    /// # Errors
    /// Fails when `context`, or the variable of that name, names one that there is not.
    pub fn join(
        variable: impl Fn(&str) -> Option<String>,
        file: &ConfigFile,
        context: Option<Setting<String>>,
    ) -> Result<Self, UnknownContext> {
        let one = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = variable(name).filter(|value| !value.is_empty())?;
                Some(Setting { value, origin: Origin::Variable(name) })
            })
        };
        let url = one(&["LARIAT_URL", "RANCHER_URL"]);
        let named = context.or_else(|| one(&["LARIAT_CONTEXT"]));
        let chosen = match (&named, &url) {
            (Some(named), _) => match file.contexts.get_key_value(&named.value) {
                Some((name, context)) => Some((name.as_str(), context, named.origin.clone())),
                None => {
                    let known = file.contexts.keys().cloned().collect();
                    return Err(UnknownContext { name: named.value.clone(), known });
                }
            },
            (None, Some(url)) => {
                file.of_server(&url.value).map(|(name, context)| (name, context, url.origin.clone()))
            }
            (None, None) => {
                let current = file.current.as_deref().or(match file.contexts.len() {
                    1 => file.contexts.keys().next().map(String::as_str),
                    _ => None,
                });
                current
                    .and_then(|name| file.contexts.get_key_value(name))
                    .map(|(name, context)| (name.as_str(), context, Origin::File))
            }
        };
        let (name, own) = match &chosen {
            Some((name, context, _)) => (*name, (*context).clone()),
            None => ("", Context::default()),
        };
        // A server that was named beside a context of another server is given nothing of that context.
        let own = match &url {
            Some(given) if !own.is_of(&given.value) => Context::default(),
            _ => own,
        };
        fn of<T>(name: &str, value: Option<T>) -> Option<Setting<T>> {
            value.map(|value| Setting { value, origin: Origin::Context(name.to_owned()) })
        }
        let access_key = one(&["LARIAT_ACCESS_KEY", "RANCHER_ACCESS_KEY"]);
        let secret_key = one(&["LARIAT_SECRET_KEY", "RANCHER_SECRET_KEY"])
            .map(|found| Setting { value: Secret::new(found.value), origin: found.origin });
        // Half a pair from here and half from there is no pair.
        let (access_key, secret_key) = if access_key.is_some() || secret_key.is_some() {
            (access_key, secret_key)
        } else {
            (of(name, own.access_key), of(name, own.secret_key))
        };
        Ok(Self {
            access_key,
            secret_key,
            environment: one(&["LARIAT_ENVIRONMENT", "RANCHER_ENVIRONMENT"])
                .or_else(|| of(name, own.environment)),
            pin: one(&["LARIAT_PIN"]).or_else(|| of(name, own.pin)),
            ca_file: one(&["LARIAT_CA_FILE"])
                .map(|found| Setting { value: PathBuf::from(found.value), origin: found.origin })
                .or_else(|| of(name, own.ca_file)),
            url: url.or_else(|| of(name, own.url)),
            context: chosen.map(|(name, _, origin)| Setting { value: name.to_owned(), origin }),
        })
    }
}
