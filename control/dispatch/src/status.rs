//! What operators can ask.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use contract_protocol::Position;
use contract_values::{HostId, Timestamp};

use crate::registry::{LinkState, Shared};

/// How dispatch is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct DispatchStatus {
    /// Each link, by host.
    pub links: Vec<LinkStatus>,
    /// How many reports wait to be written, of all hosts.
    pub reports_waiting: usize,
    /// What was done since the start.
    pub counts: Counts,
}

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Assignments derived.
    pub derivations: u64,
    /// Complete assignments sent.
    pub completes: u64,
    /// Steps from one assignment to the next sent.
    pub deltas: u64,
    /// Reports taken in.
    pub reports: u64,
    /// Transactions written.
    pub transactions: u64,
    /// Agents that were not let in or were sent away.
    pub refused: u64,
}

/// How one link is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkStatus {
    /// Whose link.
    pub host: HostId,
    /// Where it comes from.
    pub remote: SocketAddr,
    /// Since when.
    pub since: Timestamp,
    /// The run of the agent's process.
    pub run_id: String,
    /// The agent's version.
    pub agent_version: String,
    /// The protocol that it speaks.
    pub protocol: u32,
    /// When anything came last.
    pub last_heard: Option<Timestamp>,
    /// When a heartbeat came last.
    pub last_heartbeat: Option<Timestamp>,
    /// The assignment that was sent last.
    pub sent: Option<Position>,
    /// The assignment that is on the host's disk.
    pub applied: Option<Position>,
    /// How many of its reports wait to be written.
    pub reports_waiting: usize,
    /// How many streams are open.
    pub streams: usize,
}

pub(crate) fn status(shared: &Shared) -> DispatchStatus {
    let counters = &shared.counters;
    DispatchStatus {
        links: shared.all_links().iter().map(|link| link_status(link)).collect(),
        reports_waiting: shared.reports.max_capacity() - shared.reports.capacity(),
        counts: Counts {
            derivations: counters.derivations.load(Ordering::Relaxed),
            completes: counters.completes.load(Ordering::Relaxed),
            deltas: counters.deltas.load(Ordering::Relaxed),
            reports: counters.reports.load(Ordering::Relaxed),
            transactions: counters.transactions.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
        },
    }
}

fn link_status(link: &LinkState) -> LinkStatus {
    let live = link.with_live(|live| live.clone());
    LinkStatus {
        host: link.host,
        remote: link.remote,
        since: link.since,
        run_id: link.hello.run_id.clone(),
        agent_version: link.hello.version.clone(),
        protocol: link.hello.protocol,
        last_heard: live.last_heard,
        last_heartbeat: live.last_heartbeat,
        sent: live.sent,
        applied: live.applied,
        reports_waiting: link.reports_waiting.load(Ordering::Relaxed),
        streams: link.streams.load(Ordering::Relaxed),
    }
}
