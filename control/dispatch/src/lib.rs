//! One link per host: assignments out, reports in, streams between.
//!
//! An agent dials in; [`Dispatch::serve`] is the whole life of its connection. It checks the hello, sends the
//! complete assignment once, and then what differs. Nothing here decides: what a host shall be is
//! [`control_plan::assignment`], what a report means is [`control_plan::ingest`].
//!
//! **Down.** One task, the [`feed`], follows the store's changes and marks the hosts that they may concern. It folds
//! what comes close together and derives the assignment of each marked host once, from the newest picture. A link
//! holds two assignments: the one that was sent last and the newest. What is sent is always the difference of the two,
//! so a host that is slow costs no queue: it skips the steps between. A host that does not read at all is cut off and
//! begins anew with a complete set.
//!
//! **Up.** Reports of all hosts go through one [`reports`] writer, which is the only one that writes observations. It
//! merges what has gathered against the newest picture and commits it as one transaction; only then is it
//! acknowledged. A report may come twice, from this link or from the one before: merging it again changes nothing.
//! Heartbeats and live figures stay in memory and never reach the store.
//!
//! **Nobody is lost by our own fault.** A restart of the server is not a host's absence: the time at which a host
//! went away never lies before the start of this server. A clean stop writes nothing, so that it is the same as a
//! crash, and the path after a crash is the everyday path.
//!
//! Every queue is bounded, every task has [`Dispatch`] as its owner, and every wait has a limit or ends with the link.

mod dispatch;
mod feed;
mod link;
mod mailbox;
mod options;
mod registry;
mod reports;
mod status;
mod streams;

pub use dispatch::{Dispatch, StartError};
pub use options::DispatchOptions;
pub use status::{Counts, DispatchStatus, LinkStatus};
pub use streams::{HostStream, OpenStreamError};
