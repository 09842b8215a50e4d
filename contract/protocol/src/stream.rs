//! Byte streams that the server opens to a host: logs, exec, figures.
//!
//! The server opens a stream and sends one [`StreamRequest`] as a frame; then both sides send [`StreamFrame`]s until
//! one says [`StreamFrame::End`] or [`StreamFrame::Failed`].

use contract_values::Timestamp;
use serde::{Deserialize, Serialize};

/// What a stream is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum StreamRequest {
    /// Output of a container.
    Logs(LogsRequest),
    /// A process in a container.
    Exec(ExecRequest),
    /// One JSON document of the engine's figures a second for each container, as `Output` frames.
    Stats {
        /// The engine's ids.
        docker_ids: Vec<String>,
    },
    /// One JSON [`crate::HostMetrics`] a second, as `Output` frames.
    HostStats,
    /// The engine's JSON description of a container, as one `Output` frame.
    Inspect {
        /// The engine's id.
        docker_id: String,
    },
    /// A raw connection to the engine's socket.
    DockerSocket,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Which output of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogsRequest {
    /// The engine's id.
    pub docker_id: String,
    /// Whether to wait for more.
    pub follow: bool,
    /// How many of the last lines; all when `None`.
    pub tail: Option<u64>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Whether each line begins with its time.
    pub timestamps: bool,
}

/// Which process in which container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecRequest {
    /// The engine's id.
    pub docker_id: String,
    /// The command.
    pub command: Vec<String>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether its input is joined.
    pub stdin: bool,
    /// Environment, as `NAME=value`.
    pub environment: Vec<String>,
    /// User, as `user[:group]`.
    pub user: Option<String>,
    /// The working folder.
    pub working_dir: Option<String>,
}

/// One frame of a stream: a byte that says what it is, then the payload.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamFrame {
    /// Bytes for the process (tag 0).
    Input(Vec<u8>),
    /// Standard output, or all output with a terminal (tag 1).
    Output(Vec<u8>),
    /// Standard error (tag 2).
    Error(Vec<u8>),
    /// The terminal has a new size (tag 3).
    Resize {
        /// In characters.
        columns: u16,
        /// In lines.
        rows: u16,
    },
    /// No more input (tag 4).
    InputEnd,
    /// It is over, with the exit code where there is one (tag 5).
    End {
        /// The exit code.
        code: Option<i64>,
    },
    /// It could not be done (tag 6).
    Failed {
        /// Why, for people.
        message: String,
    },
}

impl StreamFrame {
    /// Writes tag and payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (tag, payload): (u8, Vec<u8>) = match self {
            Self::Input(bytes) => (0, bytes.clone()),
            Self::Output(bytes) => (1, bytes.clone()),
            Self::Error(bytes) => (2, bytes.clone()),
            Self::Resize { columns, rows } => (3, [columns.to_be_bytes(), rows.to_be_bytes()].concat()),
            Self::InputEnd => (4, Vec::new()),
            Self::End { code } => (5, code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec())),
            Self::Failed { message } => (6, message.clone().into_bytes()),
        };
        let mut bytes = Vec::with_capacity(payload.len() + 1);
        bytes.push(tag);
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// Reads tag and payload; `None` when they make no frame that this version knows.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, payload) = bytes.split_first()?;
        Some(match tag {
            0 => Self::Input(payload.to_vec()),
            1 => Self::Output(payload.to_vec()),
            2 => Self::Error(payload.to_vec()),
            3 => {
                let [a, b, c, d] = *payload else { return None };
                Self::Resize { columns: u16::from_be_bytes([a, b]), rows: u16::from_be_bytes([c, d]) }
            }
            4 if payload.is_empty() => Self::InputEnd,
            5 if payload.is_empty() => Self::End { code: None },
            5 => Self::End { code: Some(i64::from_be_bytes(payload.try_into().ok()?)) },
            6 => Self::Failed { message: String::from_utf8_lossy(payload).into_owned() },
            _ => return None,
        })
    }
}
