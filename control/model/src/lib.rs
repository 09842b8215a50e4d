//! What the control plane knows of the world: intents, decisions, observations, and the state that they add up to.
//!
//! Every object is a [`Row`] with three bodies, and each body has one writer: the **intent** is written by the API,
//! the **decision** by one controller, the **observation** from what hosts report. The state that people see is
//! never stored; [`state`] computes it from the three by total functions. These types are stored as JSON and
//! therefore change by migration: a new field has a default, a removed one is ignored, and each body says its
//! format. They are never seen outside the control plane.

mod access;
mod container;
mod host;
mod launch;
mod object;
mod reason;
mod record;
mod sealed;
mod seams;
mod stack;
pub mod state;
mod tables;
mod volume;
mod write;

pub use access::{
    Account, AccountIntent, AccountKind, Credential, CredentialIntent, CredentialKind, Member, MemberIntent,
    MemberRole, Project, ProjectIntent, Setting, SettingIntent,
};
pub use container::{
    Container, ContainerDecision, ContainerIntent, ContainerObservation, ContainerRun, Origin, RunReport,
};
pub use host::{AgentLink, Host, HostDecision, HostFacts, HostIntent, HostObservation};
pub use launch::{
    BuildSource, Device, DeviceRequest, FileMount, HealthCheck, LaunchSpec, LogConfig, Mount, MountKind,
    NetworkMode, PullPolicy, Resources, RestartPolicy, SecretMount, Ulimit,
};
pub use object::{Body, Keys, Kind, Nothing, Object, Row, Unknown};
pub use reason::{Reason, ReasonCode};
pub use record::{AuditEntry, AuditIntent, AuthKind, ProjectTemplate, ProjectTemplateIntent, TemplateStack};
pub use sealed::{
    Certificate, CertificateFacts, CertificateIntent, Registry, RegistryIntent, SealedSecret,
    SealedSecretIntent,
};
pub use seams::{Clock, Random};
pub use stack::{
    Dependency, DependencyCondition, Service, ServiceDecision, ServiceIntent, ServiceKind, ServiceLink,
    ServiceObservation, Stack, StackIntent, VolumeTemplate,
};
pub use tables::{Difference, Table, Tables};
pub use volume::{Volume, VolumeIntent, VolumeObservation};
pub use write::{AnyRow, Part, Refused, Stored, Transaction, Write, apply};

#[cfg(test)]
mod tests;
