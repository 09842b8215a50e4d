//! The file that the agent's state survives in: a list of records, each with checksums.
//!
//! A record is added and synced before anything is done because of it. When the machine dies in the middle of that,
//! the file ends in a torn record, of which nobody has heard yet: it is cut off. Damage anywhere else means that
//! the disk lies, and then nothing in the file is believed.
//!
//! Layout of a record: length (4 bytes, least significant first), checksum of the length (4), checksum of the
//! payload (4), payload (JSON).

use contract_protocol::{Assignment, AssignmentChange, Position, ReportItem};
use contract_values::{ContainerId, Epoch, Incarnation, Timestamp};
use serde::{Deserialize, Serialize};

/// The bytes before each payload.
const HEAD: usize = 12;

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(crate) enum Record {
    /// A complete assignment was received.
    Complete { position: Position, assignment: Assignment },
    /// The assignment was changed.
    Changes { to: Position, changes: Vec<AssignmentChange> },
    /// A server with this term of office was heard; lower ones are refused from now on.
    Fence { epoch: Epoch },
    /// This was seen and shall be reported.
    Seen { items: Vec<ReportItem> },
    /// The server has the last word about this; nothing of it is kept.
    Forget { what: Forgotten },
    /// A run is demanded that begins after the present one: a restart, or a start after a stop.
    Demand { id: ContainerId, demand: Demand },
}

/// What need not be kept any longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Forgotten {
    /// A run of a container that has gone.
    Container { id: ContainerId, incarnation: Incarnation },
    /// A container made by hand that has gone.
    Native { docker_id: String },
    /// A volume that was removed by an order.
    Volume { name: String },
}

/// A demand for a new run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Demand {
    /// The restart request that it carries out.
    pub(crate) asked: u32,
    /// When the run began that shall not be the last.
    pub(crate) not: Option<Timestamp>,
}

/// What was read from a journal.
#[derive(Debug, PartialEq)]
pub(crate) enum Scan {
    /// All records, and the length up to which the file is sound; a torn rest follows if that is less than all.
    Sound { records: Vec<Record>, length: usize },
    /// Damaged at this place.
    Corrupt { at: usize, reason: &'static str },
}

/// Writes one record.
pub(crate) fn encode(record: &Record, into: &mut Vec<u8>) {
    let payload = serde_json::to_vec(record).expect("a record has text keys only");
    let length = u32::try_from(payload.len()).expect("a record is far below 4 GiB").to_le_bytes();
    into.extend_from_slice(&length);
    into.extend_from_slice(&crc32fast::hash(&length).to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    into.extend_from_slice(&payload);
}

/// Reads all records.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut records = Vec::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let torn = |records| Scan::Sound { records, length: at };
        let Some((head, after)) = rest.split_at_checked(HEAD) else { return torn(records) };
        let word = |n: usize| [head[n], head[n + 1], head[n + 2], head[n + 3]];
        let (length, length_sum, sum) = (word(0), u32::from_le_bytes(word(4)), u32::from_le_bytes(word(8)));
        if crc32fast::hash(&length) != length_sum {
            // A file system may have made the file longer before it wrote the bytes.
            if after.iter().all(|&byte| byte == 0) {
                return torn(records);
            }
            return Scan::Corrupt { at, reason: "the length of a record has a wrong checksum" };
        }
        let length = usize::try_from(u32::from_le_bytes(length)).expect("four bytes fit a usize");
        let Some(payload) = after.get(..length) else { return torn(records) };
        if crc32fast::hash(payload) != sum {
            // Only the last record can have been torn.
            if after[length..].iter().all(|&byte| byte == 0) {
                return torn(records);
            }
            return Scan::Corrupt { at, reason: "a record has a wrong checksum" };
        }
        match serde_json::from_slice(payload) {
            Ok(record) => records.push(record),
            Err(_) => {
                return Scan::Corrupt { at, reason: "a record is not of a form that this version knows" };
            }
        }
        at += HEAD + length;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
