//! What can go wrong with an engine, as the agent tells it apart.

use std::error::Error;
use std::fmt;

use contract_protocol::FailureCode;

/// A kind of object in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A container.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// A process started in a container.
    Exec,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Exec => "process in a container",
        })
    }
}

/// Why the engine did not do it. The texts are the engine's own and hold no secrets.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot be reached or went away in the middle: wait for it, blame nobody.
    #[error("the engine does not answer")]
    Unreachable {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The engine took longer than it may: look again at what is there.
    #[error("the engine did not finish to {operation} in time")]
    TimedOut {
        /// What it was to do, such as `create a container`.
        operation: &'static str,
    },
    /// What was named is not there: look again at what is there.
    #[error("the engine has no such {kind}: {text}")]
    NotFound {
        /// What kind of object.
        kind: ObjectKind,
        /// The engine's words.
        text: String,
    },
    /// The engine could not or would not.
    #[error("{text}")]
    Refused {
        /// Why, as far as its words tell.
        code: FailureCode,
        /// The engine's words.
        text: String,
    },
}

impl EngineError {
    /// Makes the error for an engine that is not there.
    pub fn unreachable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unreachable { source: source.into() }
    }

    /// The code that goes into reports.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Unreachable { .. } => FailureCode::EngineUnreachable,
            Self::TimedOut { .. } | Self::NotFound { .. } => FailureCode::Other,
            Self::Refused { code, .. } => *code,
        }
    }

    /// Whether the engine itself is away, which is no fault of the object.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
