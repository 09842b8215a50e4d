//! Byte streams that the server opens to a host: logs, exec, figures.
//!
//! The server opens a stream and sends one [`StreamRequest`] as a frame; then both sides send [`StreamFrame`]s until
//! one says [`StreamFrame::End`] or [`StreamFrame::Failed`].

use std::collections::BTreeMap;

use contract_values::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

use crate::spec::RegistryLogin;

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
    /// The processes of a container, as one `Output` frame with `{"Titles": […], "Processes": [[…], …]}` in JSON.
    Top {
        /// The engine's id.
        docker_id: String,
        /// Options of `ps`; `-ef` when empty.
        #[serde(default)]
        arguments: String,
    },
    /// What is at a path in a container, as one `Output` frame with `{"name", "size", "mode", "mtime", "linkTarget"}`
    /// in JSON, as Docker has it.
    PathStat {
        /// The engine's id.
        docker_id: String,
        /// The path.
        path: String,
    },
    /// A file or folder of a container, as `Output` frames that make a tar.
    CopyOut {
        /// The engine's id.
        docker_id: String,
        /// The path.
        path: String,
    },
    /// A tar, as `Input` frames and an `InputEnd`, that is unpacked in a folder of a container.
    CopyIn(CopyInRequest),
    /// A tar with what an image is built from, as `Input` frames and an `InputEnd`; the engine's words come back as
    /// `Output` frames with a JSON document a line. A build that fails ends with `Failed`.
    Build(Box<BuildRequest>),
    /// A raw connection to the engine's socket; `InputEnd` closes the half towards the engine.
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

/// Where a tar is unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyInRequest {
    /// The engine's id.
    pub docker_id: String,
    /// A folder in the container.
    pub path: String,
    /// Whether owners are those of the tar; else they become root.
    pub keep_owners: bool,
    /// Whether it is refused to replace a folder by a file or a file by a folder.
    pub no_overwrite_dir: bool,
}

/// How an image is built from a tar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildRequest {
    /// Names that the image gets.
    pub tags: Vec<String>,
    /// The path of the Dockerfile in the tar; `Dockerfile` when empty.
    pub dockerfile: String,
    /// The stage that is built; the last one when `None`.
    pub target: Option<String>,
    /// Arguments; one without a value takes the engine's.
    pub args: BTreeMap<String, Option<String>>,
    /// Labels of the image.
    pub labels: Labels,
    /// Whether nothing built before is used again.
    pub no_cache: bool,
    /// Whether images that it builds on are fetched anew.
    pub pull: bool,
    /// The network of its steps.
    pub network: Option<String>,
    /// Lines for `/etc/hosts` of its steps, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// Size of `/dev/shm` of its steps.
    pub shm_size: Option<i64>,
    /// The platform, such as `linux/amd64`.
    pub platform: Option<String>,
    /// Images whose layers may be used again.
    pub cache_from: Vec<String>,
    /// Most memory of its steps.
    pub memory: Option<i64>,
    /// Who fetches the images that it builds on.
    pub logins: Vec<RegistryLogin>,
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
