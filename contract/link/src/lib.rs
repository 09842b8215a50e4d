//! Carries the protocol between server and agent over one byte connection.
//!
//! An agent makes one outbound connection, so that hosts behind address translation work, and everything goes
//! through it: the control stream, which is the first stream that the agent opens, and whatever streams the server
//! opens for logs, consoles and figures. A multiplexer (yamux) keeps them apart and gives each its own window, so
//! that a reader who is slow stops only his own stream.
//!
//! [`Link`] works over anything that reads and writes bytes: a WebSocket through [`MessageIo`], a socket, or a pipe
//! in memory, which is what simulations use. It owns no task: [`LinkDriver::run`] is a future that its owner polls,
//! and the link lives as long as that future and one [`LinkHandle`] live.
//!
//! Everything is bounded: frames by [`contract_protocol::MAX_FRAME`], unread bytes by the window of each stream,
//! streams by [`MAX_STREAMS`], streams nobody has accepted by a queue that resets what does not fit. A peer that
//! vanished without a word is noticed by silence, see [`LinkOptions::silence`].
//!
//! This crate must never know what the messages mean: it moves them.

mod frames;
mod link;
mod message_io;

pub use frames::{FrameReader, FrameWriter, message_type};
pub use link::{Link, LinkDriver, LinkHandle, LinkOptions, LinkStream, MAX_STREAMS, Side};
pub use message_io::{MessageIo, Received};

use contract_protocol::FrameError;

/// A byte connection of any kind.
pub trait ByteStream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> ByteStream for T {}

/// A byte connection whose kind is not known to its user.
pub type BoxedIo = Box<dyn ByteStream>;

/// Why a link or a stream of it ended or could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The link is closed, by either side.
    #[error("the link is closed")]
    Closed,
    /// Nothing came from the peer for longer than allowed.
    #[error("the peer was silent for {seconds} seconds")]
    Silent {
        /// How long.
        seconds: u64,
    },
    /// The connection below failed.
    #[error("the connection broke")]
    Io(#[source] std::io::Error),
    /// The peer broke the rules of the multiplexer.
    #[error("the peer broke the rules of the multiplexer")]
    Multiplexer(#[source] yamux::ConnectionError),
    /// The stream ended in the middle of a frame.
    #[error("the stream ended in the middle of a frame")]
    Torn,
    /// A frame is too long, or not a message of this protocol. After the latter the next frame can be read.
    #[error("a frame was not understood")]
    Frame(#[source] FrameError),
    /// A frame of a stream has a tag or a payload that this version does not know.
    #[error("a frame of a stream was not understood")]
    StreamFrame,
}

impl LinkError {
    /// Whether the stream can still be used after this error.
    pub fn is_recoverable(&self) -> bool {
        matches!(self, Self::Frame(FrameError::Json(_)) | Self::StreamFrame)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod hostile;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
