//! What server and host tell each other.
//!
//! An agent dials out, says [`FromHost::Hello`], receives the complete [`Assignment`] at a revision and then
//! changes from one revision to the next; a gap makes it ask for the complete set again. What it sees on its host
//! goes back as numbered [`Report`]s from an outbox on its disk until the server acknowledges them, so a report may
//! arrive twice and none is lost. Each order carries the server's [`Epoch`]; an agent refuses a lower one.
//!
//! Messages are JSON, because both sides live with older and newer peers: unknown fields are ignored by the reader,
//! unknown messages are answered with [`FromHost::NotUnderstood`] and never end the connection. This crate is pure:
//! it knows bytes and no sockets.

mod assignment;
mod frame;
mod message;
mod report;
mod spec;
mod stream;

pub use assignment::{
    Assignment, AssignmentChange, ContainerAssignment, DesiredRun, NativeOrder, NetworkSpec, RunRule,
    VolumeOrder, VolumeSpec,
};
pub use frame::{FrameError, MAX_FRAME, decode_frame, encode_frame};
pub use message::{FromHost, Hello, Position, Refusal, ToHost, Welcome};
pub use report::{
    ContainerReport, EngineFacts, FailureCode, HostFacts, HostMetrics, NativeReport, Progress, Rank, Report,
    ReportItem, VolumeReport,
};
pub use spec::{
    ContainerSpec, DeviceRequestSpec, DeviceSpec, FileSpec, HealthSpec, LogSpec, MountKind, MountSpec,
    NetworkAttachment, PullPolicy, RegistryLogin, ResourceSpec, RestartPolicy, UlimitSpec,
};
pub use stream::{BuildRequest, CopyInRequest, ExecRequest, LogsRequest, StreamFrame, StreamRequest};

/// The version of the protocol that this program speaks; a hello with a lower major part is still served.
pub const PROTOCOL_VERSION: u32 = 1;

/// The label that marks everything Lariat makes on a host; nothing without it is changed without an order.
pub const LABEL_OWNER: &str = "io.lariat.owner";
/// The label that holds a container's id in the store, as a number.
pub const LABEL_CONTAINER: &str = "io.lariat.container";
/// The label that holds the incarnation, as a number.
pub const LABEL_INCARNATION: &str = "io.lariat.incarnation";

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
