//! What went wrong, as the API says it: a closed set of codes, each with its status.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $status:literal $text:literal),* $(,)?) => {
        /// The stable code of an error; scripts compare it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name),*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The text in the member `code`.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }
        }
    };
}

codes! {
    /// The request cannot be understood.
    BadRequest 400 "Bad Request",
    /// A part of the request that is no field has another shape.
    InvalidRequest 400 "InvalidFormat",
    /// The body is no JSON.
    InvalidBodyContent 400 "InvalidBodyContent",
    /// The old password does not match.
    InvalidOldPassword 400 "InvalidOldPassword",
    /// Nobody is signed in, or the key is wrong.
    Unauthorized 401 "Unauthorized",
    /// The caller may not do this.
    Forbidden 403 "Forbidden",
    /// A browser's request lacks the token against forgery.
    InvalidCsrfToken 403 "InvalidCSRFToken",
    /// No such type, object or link.
    NotFound 404 "Not Found",
    /// The type or the state of the object does not allow the method.
    MethodNotAllowed 405 "Method not allowed",
    /// The last administrator stays.
    LastAdminAccount 405 "LastAdminAccount",
    /// The body did not arrive in time.
    RequestTimeout 408 "Request Timeout",
    /// Somebody else changed the object at the same time.
    Conflict 409 "Conflict",
    /// An agent runs already with the same identity.
    IdentityInUse 409 "IdentityInUse",
    /// The name of a person is taken.
    UsernameIsTaken 409 "UsernameIsTaken",
    /// The body is larger than allowed.
    TooLarge 413 "Request Entity Too Large",
    /// The content type is none that the API reads.
    UnsupportedMediaType 415 "Unsupported Media Type",
    /// A field is missing.
    MissingRequired 422 "MissingRequired",
    /// A field cannot be null.
    NotNullable 422 "NotNullable",
    /// The value is taken.
    NotUnique 422 "NotUnique",
    /// The value is none of the options.
    InvalidOption 422 "InvalidOption",
    /// The id names no object that the caller can see.
    InvalidReference 422 "InvalidReference",
    /// The value has another shape.
    InvalidFormat 422 "InvalidFormat",
    /// A secret has no value.
    EmptySecret 422 "EmptySecret",
    /// The value is not base64.
    InvalidBase64 422 "InvalidBase64",
    /// The value is no date.
    InvalidDateFormat 422 "InvalidDateFormat",
    /// The text holds characters that are not allowed.
    InvalidCharacters 422 "InvalidCharacters",
    /// The text is too short.
    MinLengthExceeded 422 "MinLengthExceeded",
    /// The text is too long.
    MaxLengthExceeded 422 "MaxLengthExceeded",
    /// The number is too small.
    MinLimitExceeded 422 "MinLimitExceeded",
    /// The number is too large.
    MaxLimitExceeded 422 "MaxLimitExceeded",
    /// The type has no such action.
    InvalidAction 422 "InvalidAction",
    /// The state of the object does not allow the action.
    ActionNotAvailable 422 "ActionNotAvailable",
    /// A parent is in no state for this.
    InvalidState 422 "InvalidState",
    /// A port mapping has another shape.
    PortWrongFormat 422 "PortWrongFormat",
    /// The port on the host is out of range.
    PortInvalidPublicPort 422 "PortInvalidPublicPort",
    /// The port in the container is out of range.
    PortInvalidPrivatePort 422 "PortInvalidPrivatePort",
    /// The protocol of a port is neither tcp nor udp.
    PortInvalidProtocol 422 "PortInvalidProtocol",
    /// A compose file does not parse or breaks a rule.
    InvalidComposeFile 422 "InvalidComposeFile",
    /// Too many attempts in a short time.
    TooManyRequests 429 "Too Many Requests",
    /// Something failed inside.
    ServerError 500 "Server Error",
    /// A request for the current token without a token.
    JwtNotProvided 401 "JWTNotProvided",
    /// The server cannot do this.
    NotImplemented 501 "Not Implemented",
    /// What is needed cannot be reached now.
    ServiceUnavailable 503 "Service Unavailable",
}

/// An error as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDocument {
    /// Finds the error in the server's log.
    #[serde(default)]
    pub id: String,
    /// Always `error`.
    #[serde(rename = "type", default = "error_type")]
    pub kind: String,
    /// Always `error`.
    #[serde(default = "error_type")]
    pub base_type: String,
    /// Always empty.
    #[serde(default)]
    pub links: std::collections::BTreeMap<String, String>,
    /// Always empty.
    #[serde(default)]
    pub actions: std::collections::BTreeMap<String, String>,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What could not be done and what to do about it.
    #[serde(default)]
    pub message: Option<String>,
    /// More, where there is more.
    #[serde(default)]
    pub detail: Option<String>,
    /// The field that is wrong.
    #[serde(default)]
    pub field_name: Option<String>,
}

fn error_type() -> String {
    "error".to_owned()
}

impl ErrorDocument {
    /// Makes the document of an error.
    pub fn new(id: String, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            id,
            kind: error_type(),
            base_type: error_type(),
            links: Default::default(),
            actions: Default::default(),
            status: code.status(),
            code: code.text().to_owned(),
            message: Some(message.into()),
            detail: None,
            field_name: None,
        }
    }
}

/// Input that breaks a rule: which field, which rule, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The rule.
    pub code: ErrorCode,
    /// The field, if it is one field's fault.
    pub field: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Invalid {
    /// Blames a field.
    pub fn field(code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: Some(field.into()), message: message.into() }
    }
}
