//! What an environment keeps to itself: secrets, certificates and registries. What must not be read is sealed with the
//! installation's key before it comes here; these rows never hold it in the clear.

use contract_values::{Labels, ProjectId, Secret, StackId, Timestamp, kind};
use serde::{Deserialize, Serialize};

use crate::object::{Body, Keys, Kind, Nothing, Object};

fn named(project: Option<ProjectId>, name: &str) -> Keys {
    Keys {
        project,
        name: Some(name.to_owned()),
        unique: project.map(|project| format!("{}/{name}", project.raw())),
        ..Keys::default()
    }
}

/// A secret of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedSecret;
impl Object for SealedSecret {
    const KIND: Kind = Kind::Secret;
    type IdKind = kind::Secret;
    type Intent = SealedSecretIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &SealedSecretIntent, _: &Nothing) -> Keys {
        Keys { stack: intent.stack, ..named(intent.project, &intent.name) }
    }
}

/// A secret. Its value never changes: a new value is a new secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SealedSecretIntent {
    /// The environment.
    pub project: Option<ProjectId>,
    /// The stack that it was made for.
    pub stack: Option<StackId>,
    /// Its name, which nothing else in the environment has.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// The value in base64, sealed.
    pub sealed: Secret,
}
impl Body for SealedSecretIntent {}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate;
impl Object for Certificate {
    const KIND: Kind = Kind::Certificate;
    type IdKind = kind::Certificate;
    type Intent = CertificateIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &CertificateIntent, _: &Nothing) -> Keys {
        named(intent.project, &intent.name)
    }
}

/// A certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateIntent {
    /// The environment.
    pub project: Option<ProjectId>,
    /// Its name, which nothing else in the environment has.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The certificate itself, in PEM.
    pub certificate: String,
    /// The certificates of the authorities above it, in PEM, the one that signed it first.
    pub chain: Option<String>,
    /// Its key in PEM, sealed.
    pub sealed_key: Secret,
    /// What stands in it.
    pub facts: CertificateFacts,
}
impl Body for CertificateIntent {}

/// What stands in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateFacts {
    /// The SHA-1 of the certificate, in pairs of digits, as old clients show it.
    pub fingerprint: String,
    /// The name of its subject.
    pub common_name: String,
    /// Who signed it.
    pub issuer: String,
    /// From when it holds.
    pub issued: Timestamp,
    /// Until when it holds.
    pub expires: Timestamp,
    /// The algorithm of the signature.
    pub algorithm: String,
    /// The version of its form.
    pub version: String,
    /// Its number.
    pub serial_number: String,
    /// The size of its key in bits.
    pub key_size: u32,
    /// The names and addresses that it is for.
    pub alternative_names: Vec<String>,
}

/// A registry that images come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Registry;
impl Object for Registry {
    const KIND: Kind = Kind::Registry;
    type IdKind = kind::Registry;
    type Intent = RegistryIntent;
    type Decision = Nothing;
    type Observation = Nothing;
    fn keys(intent: &RegistryIntent, _: &Nothing) -> Keys {
        Keys {
            project: intent.project,
            name: intent.name.clone(),
            unique: intent.project.map(|project| format!("{}/{}", project.raw(), intent.server)),
            ..Keys::default()
        }
    }
}

/// A registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistryIntent {
    /// The environment.
    pub project: Option<ProjectId>,
    /// The name that people gave it.
    pub name: Option<String>,
    /// A note.
    pub description: Option<String>,
    /// Host or address and port, without a scheme.
    pub server: String,
    /// Whether its credentials are not used.
    pub inactive: bool,
}
impl Body for RegistryIntent {}
