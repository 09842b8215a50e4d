//! Where a client finds its server and keys: options, environment variables, the user's file; in this order.

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
    /// Others may read the keys in it.
    #[error("`{path}` holds keys and can be read by others (mode {mode:o})")]
    Open {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
}

/// What `login` keeps for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigFile {
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
        let config: Self =
            serde_json::from_str(&text).map_err(|source| ConfigError::Format { path: shown(), source })?;
        let mode = std::fs::metadata(path)
            .map_err(|source| ConfigError::Read { path: shown(), source })?
            .permissions()
            .mode();
        if config.secret_key.is_some() && mode & 0o077 != 0 {
            return Err(ConfigError::Open { path: shown(), mode: mode & 0o777 });
        }
        Ok(config)
    }

    /// Writes the file for its owner's eyes only; a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// Fails if the folder or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ConfigError> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        let fail = |source| ConfigError::Write { path: path.display().to_string(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
        let unfinished = path.with_extension(format!("json.{}", std::process::id()));
        let text = serde_json::to_string_pretty(self).expect("texts and paths become JSON");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(fail)?;
        file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        std::fs::rename(&unfinished, path).map_err(fail)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option on the command line.
    Option(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// The user's file.
    File,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Option(name) | Self::Variable(name) => f.write_str(name),
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

/// Everything that says how to reach a server, from all places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
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
    /// Joins what environment variables and the file say. Keys and trust of the file only hold for the server of the file,
    /// so that an address from elsewhere is never given them.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>, file: &ConfigFile) -> Self {
        let one = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = variable(name).filter(|value| !value.is_empty())?;
                Some(Setting { value, origin: Origin::Variable(name) })
            })
        };
        let url = one(["LARIAT_URL", "RANCHER_URL"]);
        let file = match (&url, &file.url) {
            (Some(given), Some(own)) if given.value.trim_end_matches('/') != own.trim_end_matches('/') => {
                &ConfigFile::default()
            }
            _ => file,
        };
        fn of_file<T>(value: Option<T>) -> Option<Setting<T>> {
            value.map(|value| Setting { value, origin: Origin::File })
        }
        let access_key = one(["LARIAT_ACCESS_KEY", "RANCHER_ACCESS_KEY"]);
        let secret_key = one(["LARIAT_SECRET_KEY", "RANCHER_SECRET_KEY"])
            .map(|found| Setting { value: Secret::new(found.value), origin: found.origin });
        // Half a pair from here and half from there is no pair.
        let (access_key, secret_key) = if access_key.is_some() || secret_key.is_some() {
            (access_key, secret_key)
        } else {
            (of_file(file.access_key.clone()), of_file(file.secret_key.clone()))
        };
        Self {
            access_key,
            secret_key,
            environment: one(["LARIAT_ENVIRONMENT", "RANCHER_ENVIRONMENT"])
                .or_else(|| of_file(file.environment.clone())),
            pin: one(["LARIAT_PIN", "LARIAT_PIN"]).or_else(|| of_file(file.pin.clone())),
            ca_file: one(["LARIAT_CA_FILE", "LARIAT_CA_FILE"])
                .map(|found| Setting { value: PathBuf::from(found.value), origin: found.origin })
                .or_else(|| of_file(file.ca_file.clone())),
            url: url.or_else(|| of_file(file.url.clone())),
        }
    }
}
