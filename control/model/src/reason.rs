//! Why something is not ready, in a form that programs and people can use.

use contract_values::Timestamp;
use serde::{Deserialize, Serialize};

/// A closed set of causes; the API shows the text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The environment has no host that can take work.
    NoHosts,
    /// No host passes all filters; the message says what each one lacks.
    NoHostFits,
    /// It waits for another service.
    WaitsForDependency,
    /// A service that it depends on cannot become ready.
    DependencyFailed,
    /// The image is not there.
    ImageNotFound,
    /// The registry refused.
    RegistryDenied,
    /// The registry does not answer.
    RegistryUnreachable,
    /// A port is taken on the host by something else.
    PortTaken,
    /// The command is not in the image.
    CommandNotFound,
    /// The host's disk is full.
    DiskFull,
    /// The engine refused a setting.
    InvalidOption,
    /// A folder that it mounts is not there.
    MountMissing,
    /// Another container has its name.
    NameTaken,
    /// Its process keeps ending.
    CrashLoop,
    /// Its process ended once with an error and is not to run again.
    Failed,
    /// Memory ran out.
    OutOfMemory,
    /// The engine on its host does not answer.
    EngineUnreachable,
    /// Its host is not connected.
    HostAway,
    /// Its host was removed.
    HostRemoved,
    /// Work is under way.
    InProgress,
    /// It is being removed and waits for its host.
    Removing,
    /// Its health check fails.
    Unhealthy,
    /// Anything else; the message says what.
    #[serde(other)]
    Other,
}

/// Why an object is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The cause.
    pub code: ReasonCode,
    /// One sentence for people.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When the platform tries again by itself.
    #[serde(default)]
    pub next_try: Option<Timestamp>,
    /// What a person can do.
    #[serde(default)]
    pub remedy: Option<String>,
    /// Whether only a person can help: waiting alone will not.
    #[serde(default)]
    pub needs_person: bool,
}
