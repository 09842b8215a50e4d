//! The store: what the control plane knows, kept safe, and told to whoever waits for it.
//!
//! All objects live in memory as [`control_model::Tables`], an immutable picture at one revision, and in one SQL
//! database. Reading never waits: [`Store::snapshot`] hands out the picture. Writing is a
//! [`control_model::Transaction`] of conditional writes; it takes effect wholly or not at all, and
//! [`Store::commit`] returns only after the database has it on disk. Each write has an entry in the **change feed**,
//! numbered without gaps in the order of the commits; [`Store::watch`] gives a consistent picture and then all that
//! follows, so that nobody has to poll.
//!
//! One loop, in `writer`, is the only place that changes the picture. It takes the transactions that have
//! gathered, begins one SQL transaction (which makes it the only writer of the database), brings the picture up to
//! what other servers have written meanwhile, applies each transaction to the picture by
//! [`control_model::apply`], hands the rows that result to the database, and commits: many transactions, one flush
//! of the disk. Because the picture is exact while the loop holds the database, what one engine answers is what all
//! engines answer. The SQL checks the expected revisions once more; a mismatch there is a fault of ours, and the
//! picture is loaded anew.
//!
//! The crate decides nothing, and neither rows of SQL nor its types leave it. It reads no clock: the time comes in
//! with each transaction. History is cut when something is written, so it is bounded without a timer. A slow
//! reader of a watch is cut off and lists again; it never makes the writer wait.

mod database;
mod error;
mod memory;
mod migrate;
mod options;
mod postgres;
mod row;
mod sql;
mod sqlite;
mod store;
mod watch;
mod writer;

pub use error::{Cause, CommitError, HistoryError, OpenError};
pub use memory::{MemoryDatabase, MemoryFault, MemoryStep};
pub use options::StoreOptions;
pub use store::{Change, Committed, Store};
pub use watch::{Changes, Lagged, Watch};
