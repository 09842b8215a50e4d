//! The messages of the control stream.

use contract_values::{Epoch, HostId, Revision};
use serde::{Deserialize, Serialize};

use crate::assignment::{Assignment, AssignmentChange};
use crate::report::{HostFacts, HostMetrics, Report};

/// A place in the sequence of assignments of one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The server's term of office that made it.
    pub epoch: Epoch,
    /// The store's revision that it was made from.
    pub revision: Revision,
}

/// The first message of an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The protocol that it speaks.
    pub protocol: u32,
    /// The agent's version.
    pub version: String,
    /// What it can do beyond the first version, by name.
    pub abilities: Vec<String>,
    /// The host's identity, made once and kept on its disk.
    pub host_uuid: String,
    /// Drawn anew at each start of the agent's process, to tell two agents with one identity from a restart.
    pub run_id: String,
    /// The assignment that its ledger holds, if any.
    pub ledger: Option<Position>,
    /// What the host is.
    pub facts: HostFacts,
}

/// The server's answer to a hello.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol that the server speaks.
    pub protocol: u32,
    /// The server's version.
    pub version: String,
    /// The server's term of office.
    pub epoch: Epoch,
    /// The host's id.
    pub host: HostId,
    /// Seconds between heartbeats.
    pub heartbeat_seconds: u32,
}

/// Why a server does not serve an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Another live agent has this identity.
    DuplicateIdentity,
    /// The host was removed.
    HostRemoved,
    /// The protocol is too old.
    ProtocolTooOld,
    /// Anything else; the text says what.
    #[serde(other)]
    Other,
}

/// From server to host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToHost {
    /// The hello was taken.
    Welcome(Welcome),
    /// The hello was not taken; the connection ends.
    Refused {
        /// Why.
        reason: Refusal,
        /// What a person should do.
        message: String,
    },
    /// Everything the host shall be.
    Complete {
        /// Where it stands.
        position: Position,
        /// All of it.
        assignment: Assignment,
    },
    /// What changed since `from`. A host that stands elsewhere asks again with [`FromHost::Resync`].
    Delta {
        /// Where the host must stand for this to apply.
        from: Position,
        /// Where it stands afterwards.
        to: Position,
        /// The changes in order.
        changes: Vec<AssignmentChange>,
    },
    /// Reports up to this number are stored; the host may forget them.
    Acknowledge {
        /// Which outbox.
        outbox: String,
        /// The highest number.
        sequence: u64,
    },
    /// The answer to a heartbeat.
    HeartbeatSeen {
        /// The number of the heartbeat.
        number: u64,
    },
    /// A message that this version does not know.
    #[serde(other)]
    Unknown,
}

/// From host to server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromHost {
    /// The first message.
    Hello(Box<Hello>),
    /// The assignment at this place is on the host's disk.
    Applied {
        /// Which one.
        position: Position,
    },
    /// Send the complete assignment: the host cannot apply the last delta.
    Resync {
        /// Where the host stands.
        have: Option<Position>,
    },
    /// Observations.
    Report(Report),
    /// A sign of life, with live figures.
    Heartbeat {
        /// Grows by one.
        number: u64,
        /// Live figures.
        metrics: Option<Box<HostMetrics>>,
    },
    /// The host got a message that it does not know.
    NotUnderstood {
        /// Its type, as far as it could be read.
        message: String,
    },
    /// A message that this version does not know.
    #[serde(other)]
    Unknown,
}
