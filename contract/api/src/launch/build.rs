//! How an image is built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Environment, SecretReference, Ulimit, or_default, texts};

/// How to build an image on a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DockerBuild {
    /// The folder or archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// A Git or HTTP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The file with the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The name of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Uses no cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nocache: Option<bool>,
    /// Removes what a step leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rm: Option<bool>,
    /// Removes it even after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forcerm: Option<bool>,
    /// Build arguments (ours); they may hold passwords.
    #[serde(skip_serializing_if = "Environment::is_empty")]
    pub args: Environment,
    /// The stage to build (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Everything else that a compose file can say about a build (ours).
    #[serde(skip_serializing_if = "BuildOptions::is_empty", deserialize_with = "or_default")]
    pub options: BuildOptions,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a compose file can say about a build beside its context, file, stage and arguments (ours).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildOptions {
    /// The text of the file with the steps, in place of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile_inline: Option<String>,
    /// More contexts by name: a folder, an address, `docker-image://…` or `service:…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub additional_contexts: BTreeMap<String, String>,
    /// Labels of the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub labels: BTreeMap<String, String>,
    /// More names of the image.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// Platforms to build for, as `linux/arm64`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub platforms: Vec<String>,
    /// Where to look for cached steps: image names, or `type=…,key=value`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub cache_from: Vec<String>,
    /// Where to put them.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub cache_to: Vec<String>,
    /// Fetches the base images even where they are already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<bool>,
    /// The network of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// More lines for `/etc/hosts` of the steps, as `name:address`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub extra_hosts: Vec<String>,
    /// Bytes of `/dev/shm` of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<i64>,
    /// Resource limits of the steps.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub ulimits: Vec<Ulimit>,
    /// Secrets that the steps may mount.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub secrets: Vec<SecretReference>,
    /// Keys that the steps may use: `default`, or `id=path`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub ssh: Vec<String>,
    /// Rights beyond the usual, as `network.host`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub entitlements: Vec<String>,
    /// Gives the steps all rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// The isolation technology (Windows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// The record of how the image came to be: `true`, `false` or its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
    /// The list of what is in the image: `true`, `false` or its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
}

impl BuildOptions {
    /// Tells whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
