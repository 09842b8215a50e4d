//! From the engine's errors to the agent's.

use bollard::errors::Error;
use contract_protocol::FailureCode;
use host_driver::{EngineError, ObjectKind};

/// Tells an error of the engine apart. `object` is what a 404 is about; `None` where it is an image.
pub(crate) fn explain(error: Error, operation: &'static str, object: Option<ObjectKind>) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            let code = failure_code(&message);
            match (status_code, object) {
                (404, Some(kind)) if code == FailureCode::Other => {
                    EngineError::NotFound { kind, text: message }
                }
                (404, None) => EngineError::Refused { code: FailureCode::ImageNotFound, text: message },
                (400, _) if code == FailureCode::Other => {
                    EngineError::Refused { code: FailureCode::InvalidOption, text: message }
                }
                _ => EngineError::Refused { code, text: message },
            }
        }
        Error::DockerStreamError { error } => {
            EngineError::Refused { code: failure_code(&error), text: error }
        }
        Error::RequestTimeoutError => EngineError::TimedOut { operation },
        other => EngineError::unreachable(other),
    }
}

/// Reads the cause out of the engine's words: it has no codes of its own for these. The texts are those of Docker
/// Engine 20.10 to 29, containerd's and runc's.
pub(crate) fn failure_code(text: &str) -> FailureCode {
    let text = text.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if has(&["no space left on device", "disk quota exceeded"]) {
        FailureCode::DiskFull
    } else if has(&["port is already allocated", "address already in use", "ports are not available"]) {
        FailureCode::PortTaken
    } else if has(&["is already in use by container", "conflict. the container name"]) {
        FailureCode::NameTaken
    } else if has(&[
        "pull access denied",
        "no basic auth credentials",
        "unauthorized",
        "authentication required",
    ]) {
        // A registry answers so for an image that does not exist, too; it will not say which.
        FailureCode::RegistryDenied
    } else if has(&[
        "no such image",
        "manifest unknown",
        "not found: manifest",
        "no matching manifest",
        "name unknown",
        "repository does not exist",
    ]) {
        FailureCode::ImageNotFound
    } else if has(&[
        "no such host",
        "connection refused",
        "i/o timeout",
        "tls handshake timeout",
        "network is unreachable",
        "no route to host",
        "context deadline exceeded",
        "request canceled while waiting for connection",
        "temporary failure in name resolution",
        "server misbehaving",
    ]) {
        FailureCode::RegistryUnreachable
    } else if has(&["executable file not found", "exec format error", "no command specified"])
        || (text.contains("exec:")
            && has(&["no such file or directory", "permission denied", "is a directory"]))
    {
        FailureCode::CommandNotFound
    } else if has(&["bind source path does not exist", "invalid mount config for type \"bind\""]) {
        FailureCode::MountMissing
    } else if has(&["out of memory", "cannot allocate memory"]) {
        FailureCode::OutOfMemory
    } else if has(&[
        "invalid ",
        "not supported",
        "unknown ",
        "conflicting options",
        "must be",
        "bad parameter",
    ]) {
        FailureCode::InvalidOption
    } else {
        FailureCode::Other
    }
}
