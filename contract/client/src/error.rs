//! What can go wrong between a client and its server.

use std::fmt;

use contract_api::ErrorDocument;

/// An answer that is an error, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The stable code; the reason phrase where the answer was none of the API's.
    pub code: String,
    /// The field that is wrong.
    pub field: Option<String>,
    /// What could not be done.
    pub message: Option<String>,
    /// More, where there is more.
    pub detail: Option<String>,
    /// Finds the error in the server's log.
    pub id: Option<String>,
    /// What was asked, as `GET /v2-beta/stacks`.
    pub request: String,
}

impl ApiError {
    /// Reads an error answer, whoever gave it.
    pub(crate) fn read(status: u16, body: &[u8], request: String) -> Self {
        let reason = reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("unknown status");
        match serde_json::from_slice::<ErrorDocument>(body) {
            Ok(document) => Self {
                status,
                code: document.code,
                field: document.field_name,
                message: document.message.filter(|text| !text.is_empty()),
                detail: document.detail.filter(|text| !text.is_empty()),
                id: Some(document.id).filter(|id| !id.is_empty()),
                request,
            },
            Err(_) => Self {
                status,
                code: reason.to_owned(),
                field: None,
                message: first_line(body),
                detail: None,
                id: None,
                request,
            },
        }
    }

    /// Whether the object is not there, or cannot be seen.
    pub fn is_not_found(&self) -> bool {
        self.status == 404
    }
}

/// A foreign server, such as a proxy, answers with a page; its first words may help.
fn first_line(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned();
    let line = text.lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
    (!line.starts_with('<') && !line.starts_with('{')).then_some(line)
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.message, &self.field) {
            (Some(message), Some(field)) if !message.contains(field.as_str()) => {
                write!(f, "{message} (field `{field}`)")
            }
            (Some(message), _) => f.write_str(message),
            (None, Some(field)) => write!(f, "the server refused the field `{field}`: {}", self.code),
            (None, None) => {
                write!(f, "the server answered {} {} to `{}`", self.status, self.code, self.request)
            }
        }
    }
}

impl std::error::Error for ApiError {}

/// Why something could not be had from a server.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server said no.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// Nobody answers at the address.
    #[error("could not reach the server at {url}")]
    Unreachable {
        /// The server.
        url: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate is not the one that was pinned, or nobody vouches for it.
    #[error("the server at {url} did not prove that it is the right one: {what}")]
    Untrusted {
        /// The server.
        url: String,
        /// What was wrong with the proof.
        what: String,
    },
    /// The answer took too long.
    #[error("the server at {url} did not answer within {seconds} s")]
    TimedOut {
        /// The server.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The answer is not what the API promises.
    #[error("the answer to `{request}` was not understood")]
    Answer {
        /// What was asked.
        request: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A socket ended before it was done.
    #[error("the connection for {what} broke")]
    Socket {
        /// What it was for.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine of a host said no.
    #[error("the engine refused: {words}")]
    Engine {
        /// The status of its answer.
        status: u16,
        /// Its words.
        words: String,
    },
    /// The trust settings cannot be used.
    #[error(transparent)]
    Trust(#[from] contract_tls::TrustError),
    /// The proxy on the way to the server cannot be used.
    #[error(transparent)]
    Proxy(#[from] crate::proxy::ProxyError),
    /// The object has no such action now.
    #[error("`{action}` is not possible while {object} is {state}")]
    ActionNotOffered {
        /// The action.
        action: String,
        /// The object, as people call it.
        object: String,
        /// Its state.
        state: String,
    },
}

impl From<ApiError> for ClientError {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl ClientError {
    /// The server's answer, if it was one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(ApiError::is_not_found)
    }

    /// Whether asking again later may help: the server is away or busy.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Api(error) => matches!(error.status, 409 | 429 | 502 | 503 | 504),
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Socket { .. } => true,
            Self::Untrusted { .. }
            | Self::Answer { .. }
            | Self::Engine { .. }
            | Self::Trust(_)
            | Self::Proxy(_)
            | Self::ActionNotOffered { .. } => false,
        }
    }
}
