//! What a command says when it could not do its work: one line on what and why, and a hint where a step is known.

use contract_client::{ApiError, ClientError, WaitError};

/// It was done.
pub const DONE: i32 = 0;
/// It could not be done.
pub const FAILED: i32 = 1;
/// The command line itself makes no sense.
pub const USAGE: i32 = 2;

/// Somebody pressed Ctrl-C.
pub const INTERRUPTED: i32 = 130;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    /// What could not be done, and why.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit code.
    pub code: i32,
    /// Everything has been said already, or nobody listens.
    pub silent: bool,
}

impl CliError {
    /// Something that could not be done.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, code: FAILED, silent: false }
    }

    /// A command line that makes no sense.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { code: USAGE, ..Self::new(what) }
    }

    /// Ends with a code; all has been said.
    pub fn exit(code: i32) -> Self {
        Self { code, silent: true, ..Self::new("") }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done in front.
    #[must_use]
    pub fn during(mut self, doing: impl std::fmt::Display) -> Self {
        if !self.silent {
            self.what = format!("{doing}: {}", self.what);
        }
        self
    }
}

/// Walks a chain of causes, once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Some libraries repeat their cause in their own words.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let hint = match &error {
            ClientError::Api(error) => api_hint(error),
            ClientError::Unreachable { .. } => {
                Some("is the server running, and LARIAT_URL right? `lariat config` shows what is used".to_owned())
            }
            ClientError::Untrusted { .. } => Some(
                "if the server has a certificate of its own, give its hash with --pin; the server prints it at its start"
                    .to_owned(),
            ),
            ClientError::TimedOut { .. } => Some("try again, or give more time with --request-timeout".to_owned()),
            ClientError::Answer { .. } => {
                Some("the address may be that of another program; `lariat config` shows it".to_owned())
            }
            ClientError::Proxy(_) => Some("write it as http://host:port, or list the server in NO_PROXY".to_owned()),
            ClientError::Trust(_) | ClientError::Engine { .. } | ClientError::Socket { .. } | ClientError::ActionNotOffered { .. } => None,
        };
        Self { hint, ..Self::new(chain(&error)) }
    }
}

fn api_hint(error: &ApiError) -> Option<String> {
    Some(match error.status {
        401 => "sign in with `lariat login URL`, or set LARIAT_ACCESS_KEY and LARIAT_SECRET_KEY".to_owned(),
        403 => "your keys do not allow this; ask an owner of the environment".to_owned(),
        405 => "your keys may not do this; ask an owner of the environment".to_owned(),
        500..=599 => match &error.id {
            Some(id) => format!("the server's log says more under {id}"),
            None => "the server's log may say more".to_owned(),
        },
        _ => return None,
    })
}

impl From<WaitError> for CliError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Client(error) => error.into(),
            WaitError::TimedOut { .. } => Self::new(error.to_string())
                .hint("it goes on without this command; give more time with --timeout"),
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            // The reader has seen enough.
            return Self::exit(FAILED);
        }
        Self::new(format!("could not read or write: {error}"))
    }
}
