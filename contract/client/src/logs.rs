//! Output of containers.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::error::ClientError;
use crate::objects::Container;
use crate::socket::{Access, Socket};

/// The wire has no word for all lines: without a number it gives the last hundred.
const ALL_LINES: u64 = 1_000_000_000;

/// Which output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Whether to wait for more.
    pub follow: bool,
    /// How many of the last lines; all when `None`.
    pub tail: Option<u64>,
    /// Only from then on, as RFC 3339 text in UTC.
    pub since: Option<String>,
    /// Whether each line begins with its time.
    pub timestamps: bool,
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// Standard output, or a terminal.
    Output,
    /// Standard error.
    Error,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written.
    pub source: LogSource,
    /// The text, without the end of the line.
    pub text: String,
}

/// The output of one container as it comes.
pub struct LogStream {
    socket: Socket,
}

impl Client {
    /// Opens the output of a container.
    ///
    /// # Errors
    /// As any request; a container that has never run offers none.
    pub async fn logs(&self, container: &Container, options: &LogOptions) -> Result<LogStream, ClientError> {
        let input = json!({
            "follow": options.follow,
            "lines": options.tail.unwrap_or(ALL_LINES),
            "since": options.since,
            "timestamps": options.timestamps,
        });
        let access: Access = self.action(container, "logs", Some(&input)).await?;
        Ok(LogStream { socket: Socket::open_with(self, &access, "logs", None).await? })
    }
}

impl LogStream {
    /// The next line; `None` when there is no more.
    ///
    /// # Errors
    /// Fails if the connection breaks before the end.
    pub async fn next(&mut self) -> Result<Option<LogLine>, ClientError> {
        loop {
            let text = match self.socket.next().await? {
                Some(Message::Text(text)) => text.as_str().to_owned(),
                Some(Message::Binary(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                Some(_) => continue,
                None => return Ok(None),
            };
            if let Some(line) = parse(&text) {
                return Ok(Some(line));
            }
        }
    }
}

/// Reads a frame: two digits and a blank say where the line was written. An empty frame is a sign of life.
pub(crate) fn parse(frame: &str) -> Option<LogLine> {
    if frame.is_empty() {
        return None;
    }
    let (source, text) = match frame.split_at_checked(3) {
        Some(("00 " | "01 ", text)) => (LogSource::Output, text),
        Some(("02 ", text)) => (LogSource::Error, text),
        _ => (LogSource::Output, frame),
    };
    let text = text.strip_suffix('\n').unwrap_or(text);
    Some(LogLine { source, text: text.strip_suffix('\r').unwrap_or(text).to_owned() })
}
