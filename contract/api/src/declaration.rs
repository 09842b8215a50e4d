//! The declarations: what each type is, and what each role may do with it.
//!
//! They are data (`types/*.json`), read once. Generic code makes schema documents, validation, filters and rights of
//! them; nothing is generated per type, so a new type is a new file.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::field_type::{FieldType, Modifier};
use crate::role::{Role, Version};

/// One type of the API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Declaration {
    /// The type's name, as it stands in `type`.
    pub id: String,
    /// Its plural, which lower-cased is the segment of its URLs.
    pub plural: String,
    /// The prefix of its ids; empty for types that are named instead.
    pub id_prefix: String,
    /// The type that it is a kind of.
    #[serde(default)]
    pub parent: Option<String>,
    /// The types that are kinds of it.
    #[serde(default)]
    pub children: Vec<String>,
    /// Its fields, in the order of checks.
    #[serde(deserialize_with = "ordered")]
    pub fields: Vec<(String, Field)>,
    /// The fields that a list can be filtered and sorted by.
    #[serde(default)]
    pub filters: Vec<String>,
    /// Modifiers of filters where they differ from those of the field's type.
    #[serde(default)]
    pub modifiers: BTreeMap<String, Vec<Modifier>>,
    /// What can be done to one object besides changing its fields.
    #[serde(default)]
    pub actions: BTreeMap<String, Action>,
    /// Its relations to objects of other types.
    #[serde(default)]
    pub links: BTreeMap<String, Link>,
    /// The links that `include=` understands.
    #[serde(default)]
    pub includeable_links: Vec<String>,
    /// The rights, per group of roles.
    pub access: Vec<Access>,
}

/// One field of a type.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    /// What it holds.
    #[serde(rename = "type", deserialize_with = "field_type")]
    pub kind: FieldType,
    /// Whether it may be null.
    #[serde(default)]
    pub nullable: bool,
    /// Whether a new object needs it.
    #[serde(default)]
    pub required: bool,
    /// Whether no two live objects of an account share it.
    #[serde(default)]
    pub unique: bool,
    /// Whether it is taken and never shown.
    #[serde(default)]
    pub write_only: bool,
    /// Whether changing it is work for a controller rather than a note.
    #[serde(default)]
    pub update_starts_process: bool,
    /// What a new object gets when nothing is given.
    #[serde(default)]
    pub default: Option<Value>,
    /// The shortest text.
    #[serde(default)]
    pub min_length: Option<u64>,
    /// The longest text.
    #[serde(default)]
    pub max_length: Option<u64>,
    /// The smallest number.
    #[serde(default)]
    pub min: Option<i64>,
    /// The greatest number.
    #[serde(default)]
    pub max: Option<i64>,
    /// The values of an enum.
    #[serde(default)]
    pub options: Vec<String>,
    /// The characters allowed in a text, as the inside of a character class.
    #[serde(default)]
    pub valid_chars: Option<String>,
    /// The characters refused in a text.
    #[serde(default)]
    pub invalid_chars: Option<String>,
    /// Whether the compatible API lacks it; old clients ignore such fields.
    #[serde(default)]
    pub ours: bool,
}

/// One action of a type.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// The schema of its input.
    #[serde(default)]
    pub input: Option<String>,
    /// The schema of its answer.
    #[serde(default)]
    pub output: Option<String>,
    /// The capability that the caller needs to see it.
    #[serde(default)]
    pub capability: Option<String>,
    /// The one state in which it is offered.
    #[serde(default)]
    pub state: Option<String>,
    /// The states in which it is offered.
    #[serde(default)]
    pub states: Vec<String>,
}

/// How one type leads to another.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// Whether it leads to one object or many.
    pub kind: LinkKind,
    /// The type at its end.
    #[serde(rename = "type")]
    pub target: String,
    /// The field that holds the id of the one object.
    #[serde(default)]
    pub field: Option<String>,
}

/// Whether a link leads to one object or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// To the object whose id a field holds.
    Reference,
    /// To the objects that hold our id.
    Child,
    /// To objects related through a third.
    Map,
}

/// The rights of a group of roles on a type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// The roles.
    pub roles: Vec<Role>,
    /// The methods on the collection.
    pub collection: Vec<String>,
    /// The methods on one object.
    pub resource: Vec<String>,
    /// Whether the schema shows where the collection is.
    #[serde(default = "yes")]
    pub collection_link: bool,
    /// Field names by right: `r` read, `c` create, `u` update, `o` shown in the create response only.
    #[serde(default)]
    pub fields: BTreeMap<String, Vec<String>>,
    /// The actions.
    #[serde(default)]
    pub actions: Vec<String>,
    /// Attributes of fields that differ for these roles.
    #[serde(default)]
    pub overrides: BTreeMap<String, Map<String, Value>>,
}

fn yes() -> bool {
    true
}

fn field_type<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<FieldType, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn ordered<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Field)>, D::Error> {
    let map = Map::<String, Value>::deserialize(deserializer)?;
    map.into_iter()
        .map(|(name, value)| {
            Field::deserialize(value).map(|field| (name, field)).map_err(serde::de::Error::custom)
        })
        .collect()
}

impl Declaration {
    /// Finds a field by its exact name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, field)| field)
    }

    /// Finds the rights of a role; without any, the type does not exist for that role.
    pub fn access(&self, role: Role) -> Option<&Access> {
        self.access.iter().find(|access| access.roles.contains(&role))
    }
}

macro_rules! files {
    ($($name:literal)*) => {
        &[$(include_str!(concat!("../types/", $name, ".json"))),*]
    };
}

/// The text of every declaration; a test compares this list with the folder.
const FILES: &[&str] = files! {
    "account" "activeSetting" "addOutputsInput" "addRemoveServiceLinkInput" "apiKey" "apiVersion" "auditLog"
    "blkioDeviceOption" "catalogTemplate" "certificate" "changeSecretInput" "collection" "composeConfig"
    "composeConfigInput" "configReference" "container" "containerExec" "containerLogs" "credential"
    "dockerBuild" "error" "host" "hostAccess" "identity" "inServiceUpgradeStrategy" "instance"
    "instanceHealthCheck" "instanceStop" "label" "launchConfig" "logConfig" "mount" "mountEntry" "network"
    "password" "port" "processInstance" "project" "projectMember" "projectTemplate" "publicEndpoint"
    "reason" "recreateOnQuorumStrategyConfig" "registrationToken" "registry" "registryCredential" "resource"
    "restartPolicy" "rollingRestartStrategy" "scalePolicy" "schema" "secondaryLaunchConfig" "secret"
    "secretReference" "service" "serviceConsumeMap" "serviceDependency" "serviceExposeMap" "serviceLink"
    "serviceRestart" "serviceUpgrade" "serviceUpgradeStrategy" "setProjectMembersInput"
    "setServiceLinksInput" "setting" "stack" "stackUpgrade" "statsAccess" "storagePool" "subscribe" "token"
    "ulimit" "volume" "volumeTemplate"
};

/// Returns every declaration of a version, sorted by name without regard to case.
///
/// # Panics
/// When a declaration that is part of this program does not parse, which a test rules out.
pub fn declarations(version: Version) -> &'static [Declaration] {
    static PARSED: [OnceLock<Vec<Declaration>>; 2] = [OnceLock::new(), OnceLock::new()];
    PARSED[version as usize].get_or_init(|| {
        let mut all: Vec<Declaration> = FILES
            .iter()
            .filter_map(|text| {
                let value: Value = serde_json::from_str(text).expect("a declaration is JSON");
                let value = of_version(value, version)?;
                let value = match version {
                    Version::V1 => in_v1(value),
                    Version::V2Beta => value,
                };
                Some(Declaration::deserialize(value).expect("a declaration has the form of one"))
            })
            .collect();
        all.sort_by_key(|declaration| declaration.id.to_ascii_lowercase());
        all
    })
}

/// What a version has of a declaration. A type or field with the member `only` is in that version alone.
fn of_version(mut value: Value, version: Version) -> Option<Value> {
    let belongs = |members: &mut Map<String, Value>| {
        let only = members.remove("only");
        only.is_none_or(|only| only == version.path())
    };
    let members = value.as_object_mut().expect("a declaration is an object");
    if !belongs(members) {
        return None;
    }
    if let Some(Value::Object(fields)) = members.get_mut("fields") {
        let all = std::mem::take(fields);
        fields.extend(all.into_iter().filter_map(|(name, mut field)| {
            let kept = field.as_object_mut().is_none_or(&belongs);
            kept.then_some((name, field))
        }));
    }
    Some(value)
}

/// The word of `v1` for a name of `v2-beta`; most are the same.
pub fn v1_name(name: &str) -> &str {
    match name {
        "stack" => "environment",
        "stacks" => "environments",
        "stackId" => "environmentId",
        "stackUpgrade" => "environmentUpgrade",
        "reference[stack]" => "reference[environment]",
        "array[reference[stack]]" => "array[reference[environment]]",
        "1st" => "1e",
        _ => name,
    }
}

fn in_v1(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(v1_name(&text).to_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(in_v1).collect()),
        Value::Object(members) => {
            let rename = |(name, value): (String, Value)| (v1_name(&name).to_owned(), in_v1(value));
            Value::Object(members.into_iter().map(rename).collect())
        }
        other => other,
    }
}
