//! The words that every room of the house shares: ids, names, image references, ports, times, labels and secrets.
//!
//! This crate is kept small and calm, because a change here rebuilds everything. It does no I/O, knows no wire and
//! no database, and holds only types whose meaning is the same for people, control plane and hosts.

mod id;
mod image;
mod name;
mod port;
mod secret;
mod time;

pub use id::{
    AccountId, AuditEntryId, CertificateId, ContainerId, CredentialId, HostId, Id, IdKind, MemberId,
    ProjectId, ProjectTemplateId, RegistryId, SecretId, ServiceId, SettingId, StackId, VolumeId, kind,
};
pub use image::{ImageRef, ImageRefError};
pub use name::{NameError, check_dns_label, check_stack_name};
pub use port::{PortError, PortMapping, PortNumber, Transport};
pub use secret::Secret;
pub use time::{Duration, Timestamp};

use serde::{Deserialize, Serialize};

/// Labels as Docker and the platform know them: sorted text pairs.
pub type Labels = std::collections::BTreeMap<String, String>;

/// The position of a write in the change feed of one database: global, without gaps, in commit order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// How often the intent of an object has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// Which run of a container is meant; starting again is a new incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u32);

/// The term of office of a server; an agent refuses orders that carry a lower one than it has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

#[cfg(test)]
mod tests;
