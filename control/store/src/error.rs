//! What can go wrong.

use std::path::PathBuf;
use std::sync::Arc;

use contract_values::Revision;
use control_model::Refused;

/// The cause of a failure, shared by all who were in the same batch.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that we know.
    #[error("`{scheme}` is no database; expected `sqlite:PATH`, `postgres://…` or `memory:`")]
    Scheme {
        /// What stands before the first colon.
        scheme: String,
    },
    /// The URL of a PostgreSQL database does not parse. It may hold a password, so it is not repeated.
    #[error("the address of the PostgreSQL database is not valid")]
    Address(#[source] Cause),
    /// Another server has the database open.
    #[error("{} is in use by another server{}", path.display(), process.map(|p| format!(" (process {p})")).unwrap_or_default())]
    InUse {
        /// The file.
        path: PathBuf,
        /// The other server's process, where it said so.
        process: Option<u32>,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "the database has schema {found}, but this version knows only up to {known}; use a newer version"
    )]
    Newer {
        /// The number of the database's schema.
        found: u32,
        /// The newest schema that this version knows.
        known: u32,
    },
    /// The file is not a database, or it is damaged.
    #[error("the database {place} is damaged or is no database of this program: {detail}")]
    Damaged {
        /// Which database.
        place: String,
        /// What was found.
        detail: String,
    },
    /// The database cannot be reached or refuses to serve.
    #[error("the database {place} cannot be used")]
    Unavailable {
        /// Which database.
        place: String,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// Why a commit did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A condition of the transaction does not hold; nothing was written.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database could not take it.
    #[error("the database cannot be written: {reason}{}", if *.outcome_unknown { " (it may have taken effect)" } else { "" })]
    Unavailable {
        /// Why.
        reason: &'static str,
        /// Whether it may have taken effect all the same. When false, nothing was written.
        outcome_unknown: bool,
        /// The cause, where there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// The database has lost writes that this server has seen (an old copy was put in its place). The server must
    /// start anew.
    #[error("the database is no longer the one that this server knows; the server must start anew")]
    Fenced,
}

impl CommitError {
    pub(crate) const fn closed() -> Self {
        Self::Unavailable { reason: "the store is closed", outcome_unknown: false, cause: None }
    }
}

/// Why a part of the history cannot be told.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HistoryError {
    /// That far back it has been cut.
    #[error("the history after {after} is no longer kept")]
    Cut {
        /// What was asked for.
        after: Revision,
    },
    /// The database cannot be read.
    #[error("the history cannot be read")]
    Unavailable(#[source] CommitError),
}
