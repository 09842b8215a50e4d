//! The objects of the API that programs of ours read, with the fields that they read.
//!
//! An absent field, a null and a field that an older server does not know are the same here: the default.

use std::collections::BTreeMap;

use contract_values::Secret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(value: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(value)?.unwrap_or_default())
}

/// Why an object is not what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reason {
    /// The cause, such as `image_not_found`.
    #[serde(deserialize_with = "or_default")]
    pub code: String,
    /// One sentence for people.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
    /// What a person can do.
    pub remedy: Option<String>,
    /// Since when.
    pub since: Option<String>,
    /// When the platform tries again by itself.
    pub next_try: Option<String>,
}

/// What all objects have.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The id, such as `1st7`.
    pub id: String,
    /// The concrete type, such as `container`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// Where related objects are.
    #[serde(deserialize_with = "or_default")]
    pub links: BTreeMap<String, String>,
    /// What can be done now.
    #[serde(deserialize_with = "or_default")]
    pub actions: BTreeMap<String, String>,
    /// The name.
    pub name: Option<String>,
    /// A note.
    pub description: Option<String>,
    /// The state.
    #[serde(deserialize_with = "or_default")]
    pub state: String,
    /// `yes` on the way to another state, `error` when the last move failed.
    #[serde(deserialize_with = "or_default")]
    pub transitioning: String,
    /// What is going on or what went wrong.
    pub transitioning_message: Option<String>,
    /// 0 to 100 where it is known.
    pub transitioning_progress: Option<i64>,
    /// Milliseconds since 1970.
    #[serde(rename = "createdTS")]
    pub created_ms: Option<i64>,
    /// When it was removed.
    pub removed: Option<String>,
    /// Why it is not what was asked for.
    pub reason: Option<Reason>,
    /// The environment.
    pub account_id: Option<String>,
    /// An id that other systems know it by.
    pub uuid: Option<String>,
}

impl Meta {
    /// The name, or the id where it has none.
    pub fn title(&self) -> &str {
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.id)
    }

    /// Whether it is on the way to another state.
    pub fn is_moving(&self) -> bool {
        self.transitioning == "yes"
    }

    /// Whether the last move failed.
    pub fn has_failed(&self) -> bool {
        self.transitioning == "error"
    }

    /// Whether it is removed for good.
    pub fn is_removed(&self) -> bool {
        matches!(self.state.as_str(), "removed" | "purging" | "purged")
    }
}

/// A type of the API.
pub trait Object: DeserializeOwned + Send {
    /// The name of the collection.
    const PLURAL: &'static str;
    /// Whether it lies outside environments.
    const AT_ROOT: bool = false;
    /// What all objects have.
    fn meta(&self) -> &Meta;
}

macro_rules! object {
    ($name:ident, $plural:literal $(, $root:literal)?) => {
        impl Object for $name {
            const PLURAL: &'static str = $plural;
            $(const AT_ROOT: bool = $root;)?
            fn meta(&self) -> &Meta {
                &self.meta
            }
        }
    };
}

/// An environment.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Project {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// The engine of its services, such as `cattle`.
    pub orchestration: Option<String>,
}
object!(Project, "projects", true);

/// A pair of keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiKey {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// The public half.
    #[serde(deserialize_with = "or_default")]
    pub public_value: String,
    /// The secret half; only in the answer to its creation.
    pub secret_value: Option<Secret>,
}
object!(ApiKey, "apikeys", true);

/// A setting of the server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Setting {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// The stored value.
    pub value: Option<String>,
    /// The value in effect.
    pub active_value: Option<String>,
}
object!(Setting, "settings", true);

/// A token with which hosts register.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistrationToken {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// The token itself.
    pub token: Option<Secret>,
    /// Where the script for new hosts is.
    pub registration_url: Option<String>,
    /// The command for new hosts, in the server's form.
    pub command: Option<String>,
    /// When it ends by itself.
    pub expires: Option<String>,
}
object!(RegistrationToken, "registrationtokens");

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stack {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// How its services are, in sum.
    pub health_state: Option<String>,
    /// Its services.
    #[serde(deserialize_with = "or_default")]
    pub service_ids: Vec<String>,
    /// Whether it is part of the platform.
    #[serde(deserialize_with = "or_default")]
    pub system: bool,
}
object!(Stack, "stacks");

/// A place where a published port answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// The address.
    pub ip_address: Option<String>,
    /// The port.
    #[serde(deserialize_with = "or_default")]
    pub port: u16,
    /// The host.
    pub host_id: Option<String>,
}

/// What is read of a service's launch options.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LaunchView {
    /// The image, as `docker:name`.
    pub image_uuid: Option<String>,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, Value>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// Its stack.
    pub stack_id: Option<String>,
    /// How many containers there shall be.
    pub scale: Option<i64>,
    /// How many there are.
    pub current_scale: Option<i64>,
    /// Whether its containers are to run once and are then done; not known of servers of another make.
    pub start_once: Option<bool>,
    /// How many of them have ended well.
    pub finished_scale: Option<i64>,
    /// How they are, in sum.
    pub health_state: Option<String>,
    /// What its containers are.
    pub launch_config: Option<LaunchView>,
    /// Where its ports answer.
    #[serde(deserialize_with = "or_default")]
    pub public_endpoints: Vec<Endpoint>,
    /// Its containers.
    #[serde(deserialize_with = "or_default")]
    pub instance_ids: Vec<String>,
    /// Whether it is part of the platform.
    #[serde(deserialize_with = "or_default")]
    pub system: bool,
}
object!(Service, "services");

/// Where a volume is used.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount {
    /// The container.
    pub instance_id: Option<String>,
    /// Its name.
    pub instance_name: Option<String>,
    /// The folder in it.
    pub path: Option<String>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// The engine's id.
    pub external_id: Option<String>,
    /// The image, as `docker:name`.
    pub image_uuid: Option<String>,
    /// Its host.
    pub host_id: Option<String>,
    /// The name of its host.
    pub host_name: Option<String>,
    /// Its service.
    pub service_id: Option<String>,
    /// Its services, as other servers say it.
    #[serde(deserialize_with = "or_default")]
    pub service_ids: Vec<String>,
    /// The name of its service.
    pub service_name: Option<String>,
    /// Its stack.
    pub stack_id: Option<String>,
    /// The name of its stack.
    pub stack_name: Option<String>,
    /// Its address.
    pub primary_ip_address: Option<String>,
    /// Its published ports.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<String>,
    /// How it is.
    pub health_state: Option<String>,
    /// The code with which its process ended last.
    pub exit_code: Option<i64>,
    /// How often it was started.
    pub start_count: Option<i64>,
    /// Whether somebody started it by hand on its host.
    #[serde(deserialize_with = "or_default")]
    pub native_container: bool,
    /// Whether it is part of the platform.
    #[serde(deserialize_with = "or_default")]
    pub system: bool,
}
object!(Container, "containers");

impl Container {
    /// Its service, whichever way the server says it.
    pub fn service(&self) -> Option<&str> {
        self.service_id.as_deref().or_else(|| self.service_ids.first().map(String::as_str))
    }
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Host {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// Its own name.
    pub hostname: Option<String>,
    /// Where it is reached.
    pub agent_ip_address: Option<String>,
    /// Its agent's state.
    pub agent_state: Option<String>,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, Value>,
    /// What its agent says about it.
    pub info: Option<Value>,
    /// Its containers.
    #[serde(deserialize_with = "or_default")]
    pub instance_ids: Vec<String>,
}
object!(Host, "hosts");

impl Host {
    /// Its name: the one that people gave it, else its own.
    pub fn title(&self) -> &str {
        match self.meta.name.as_deref() {
            Some(name) if !name.is_empty() => name,
            _ => self.hostname.as_deref().unwrap_or(&self.meta.id),
        }
    }
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// What all objects have.
    #[serde(flatten)]
    pub meta: Meta,
    /// Its driver.
    pub driver: Option<String>,
    /// Its name on the host.
    pub external_id: Option<String>,
    /// Its host.
    pub host_id: Option<String>,
    /// Its stack.
    pub stack_id: Option<String>,
    /// Whether it is a folder of the host.
    #[serde(deserialize_with = "or_default")]
    pub is_host_path: bool,
    /// Where it is used.
    #[serde(deserialize_with = "or_default")]
    pub mounts: Vec<Mount>,
}
object!(Volume, "volumes");

/// Any object, with all its fields as they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// What all objects have.
    pub meta: Meta,
    /// Every field.
    pub fields: Map<String, Value>,
}

impl Resource {
    /// Reads it as a type that the caller knows it to be.
    ///
    /// # Errors
    /// Returns what does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(Value::Object(self.fields.clone()))
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        let meta = Meta::deserialize(Value::Object(fields.clone())).map_err(serde::de::Error::custom)?;
        Ok(Self { meta, fields })
    }
}
