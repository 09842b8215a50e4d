//! From the engine's words to a closed set of failures.
//!
//! Statuses of HTTP tell little (a missing command was 404, then 400), so the texts decide first. They have been
//! stable over many versions; the tests keep samples of them.

use bollard::errors::Error;
use contract_protocol::FailureCode;
use host_driver::{EngineError, ObjectKind};

/// What was asked of the engine, for the words that mean different things in different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Such as `create a container`.
    pub(crate) text: &'static str,
    /// What a 404 is about.
    pub(crate) kind: ObjectKind,
    /// Whether a registry has its part in it.
    pub(crate) is_pull: bool,
}

impl Operation {
    pub(crate) const fn on(kind: ObjectKind, text: &'static str) -> Self {
        Self { text, kind, is_pull: false }
    }

    pub(crate) const PULL: Self = Self { text: "pull an image", kind: ObjectKind::Container, is_pull: true };
}

/// What the engine answered.
pub(crate) fn answer_error(operation: Operation, status: u16, text: &str) -> EngineError {
    let low = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
    // The engine is there, but what it stands on is not.
    if status == 503
        || has(&[
            "transport is closing",
            "ttrpc: closed",
            "connection is unavailable",
            "containerd.sock",
            "daemon is shutting down",
            "server is shutting down",
        ])
    {
        return EngineError::unreachable(text.to_owned());
    }
    let refused = |code| EngineError::Refused { code, text: tidy(text) };
    let code = if has(&["no space left on device", "disk quota exceeded"]) {
        Some(FailureCode::DiskFull)
    } else if has(&["port is already allocated", "address already in use", "ports are not available"]) {
        Some(FailureCode::PortTaken)
    } else if has(&["is already in use by container", "conflict. the container name"]) {
        Some(FailureCode::NameTaken)
    } else if has(&[
        "unauthorized",
        "authentication required",
        "incorrect username or password",
        "no basic auth",
    ]) && !has(&["pull access denied"])
    {
        Some(FailureCode::RegistryDenied)
    } else if has(&[
        "no such image",
        "manifest unknown",
        "pull access denied",
        "repository name not known",
        "name unknown",
        "no matching manifest",
    ]) || (has(&["manifest for"]) && has(&["not found"]))
        || (operation.is_pull && has(&["not found"]))
    {
        Some(FailureCode::ImageNotFound)
    } else if operation.is_pull
        && has(&[
            "dial tcp",
            "no such host",
            "connection refused",
            "connection reset",
            "i/o timeout",
            "tls handshake",
            "x509:",
            "client.timeout",
            "server misbehaving",
            "request canceled",
            "http response to https client",
            "unexpected eof",
            "service unavailable",
            "bad gateway",
            "toomanyrequests",
            "network is unreachable",
            "no route to host",
            "context deadline exceeded",
            "temporary failure in name resolution",
        ])
    {
        Some(FailureCode::RegistryUnreachable)
    } else if has(&["executable file not found", "exec format error", "no command specified"])
        || (has(&["exec:", "exec \""])
            && has(&["no such file or directory", "permission denied", "not a directory", "is a directory"]))
    {
        Some(FailureCode::CommandNotFound)
    } else if has(&["bind source path does not exist", "error while creating mount source path"]) {
        Some(FailureCode::MountMissing)
    } else {
        None
    };
    if let Some(code) = code {
        return refused(code);
    }
    match status {
        404 => EngineError::NotFound { kind: operation.kind, text: tidy(text) },
        400 => refused(FailureCode::InvalidOption),
        _ if has(&[
            "unknown runtime",
            "no log driver named",
            "unknown log opt",
            "invalid",
            "cannot be used with",
        ]) =>
        {
            refused(FailureCode::InvalidOption)
        }
        _ => refused(FailureCode::Other),
    }
}

/// Engine texts repeat themselves and may be pages long; a person needs the beginning.
fn tidy(text: &str) -> String {
    const LIMIT: usize = 1000;
    let text = text.trim();
    let end = text.char_indices().map(|(place, _)| place).find(|&place| place >= LIMIT).unwrap_or(text.len());
    text[..end].to_owned()
}

/// Whatever bollard says.
pub(crate) fn engine_error(operation: Operation, error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            answer_error(operation, status_code, &message)
        }
        Error::DockerStreamError { error } => answer_error(operation, 500, &error),
        Error::RequestTimeoutError => EngineError::TimedOut { operation: operation.text },
        error @ (Error::JsonDataError { .. }
        | Error::JsonSerdeError { .. }
        | Error::StrParseError { .. }
        | Error::URLEncodedError { .. }
        | Error::URLParseError { .. }) => EngineError::Refused {
            code: FailureCode::Other,
            text: format!("the engine's answer was not understood: {error}"),
        },
        other => EngineError::unreachable(other),
    }
}
