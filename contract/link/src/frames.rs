//! Frames on a stream: JSON messages and the frames of byte streams.

use bytes::{Buf, Bytes, BytesMut};
use contract_protocol::{FrameError, MAX_FRAME, StreamFrame, decode_frame, encode_frame};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// Buffers above this size are given back once they are empty.
const KEEP: usize = 16 * 1024;

/// Reads frames. Every method may be dropped while it waits without losing a byte.
#[derive(Debug)]
pub struct FrameReader<R> {
    io: R,
    buffer: BytesMut,
    limit: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames of up to [`MAX_FRAME`] bytes.
    pub fn new(io: R) -> Self {
        Self::with_limit(io, MAX_FRAME)
    }

    /// Reads frames of up to `limit` bytes.
    pub fn with_limit(io: R, limit: usize) -> Self {
        Self { io, buffer: BytesMut::new(), limit: limit.min(MAX_FRAME) }
    }

    /// Reads the payload of the next frame; `None` when the peer has ended the stream between two frames.
    ///
    /// # Errors
    /// Fails when the connection breaks, ends inside a frame, or announces a frame that is too long.
    pub async fn read_payload(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            if self.buffer.len() >= 4 {
                let prefix = [self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]];
                let length = usize::try_from(u32::from_be_bytes(prefix)).expect("four bytes fit a usize");
                if length > self.limit {
                    return Err(LinkError::Frame(FrameError::TooLong { length }));
                }
                if self.buffer.len() >= 4 + length {
                    self.buffer.advance(4);
                    let payload = self.buffer.split_to(length).freeze();
                    if self.buffer.is_empty() && length > KEEP {
                        self.buffer = BytesMut::new();
                    }
                    return Ok(Some(payload));
                }
                // Grows with what has come, so that a peer cannot make us reserve what it only announces.
                let missing = 4 + length - self.buffer.len();
                self.buffer.reserve(missing.min(self.buffer.len().max(KEEP)));
            } else {
                self.buffer.reserve(1024);
            }
            if self.io.read_buf(&mut self.buffer).await.map_err(LinkError::Io)? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(LinkError::Torn) };
            }
        }
    }

    /// Reads the next JSON message; `None` at the end.
    ///
    /// # Errors
    /// As [`Self::read_payload`]; also when the frame is no such message, after which reading may go on.
    pub async fn read<M: DeserializeOwned>(&mut self) -> Result<Option<M>, LinkError> {
        match self.read_payload().await? {
            Some(payload) => decode_frame(&payload).map(Some).map_err(LinkError::Frame),
            None => Ok(None),
        }
    }

    /// Reads the next frame of a byte stream; `None` at the end.
    ///
    /// # Errors
    /// As [`Self::read_payload`]; also when the frame is unknown, after which reading may go on.
    pub async fn read_stream_frame(&mut self) -> Result<Option<StreamFrame>, LinkError> {
        match self.read_payload().await? {
            Some(payload) => StreamFrame::from_bytes(&payload).map(Some).ok_or(LinkError::StreamFrame),
            None => Ok(None),
        }
    }
}

/// Writes frames and flushes each.
#[derive(Debug)]
pub struct FrameWriter<W> {
    io: W,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes to `io`.
    pub fn new(io: W) -> Self {
        Self { io }
    }

    /// Writes a JSON message. A write that is dropped while it waits leaves a torn frame: end the stream then.
    ///
    /// # Errors
    /// Fails when the message is too long or the connection breaks.
    pub async fn write<M: Serialize>(&mut self, message: &M) -> Result<(), LinkError> {
        let bytes = encode_frame(message).map_err(LinkError::Frame)?;
        self.write_bytes(&bytes).await
    }

    /// Writes a frame of a byte stream.
    ///
    /// # Errors
    /// Fails when the payload is too long or the connection breaks.
    pub async fn write_stream_frame(&mut self, frame: &StreamFrame) -> Result<(), LinkError> {
        let payload = frame.to_bytes();
        let length = payload.len();
        if length > MAX_FRAME {
            return Err(LinkError::Frame(FrameError::TooLong { length }));
        }
        let mut bytes = Vec::with_capacity(4 + length);
        bytes.extend_from_slice(&u32::try_from(length).expect("MAX_FRAME fits four bytes").to_be_bytes());
        bytes.extend_from_slice(&payload);
        self.write_bytes(&bytes).await
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// Fails when the connection is broken.
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.io.shutdown().await.map_err(LinkError::Io)
    }

    async fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.io.write_all(bytes).await.map_err(LinkError::Io)?;
        self.io.flush().await.map_err(LinkError::Io)
    }
}

/// Reads the type of a message whose other fields may be of a newer version.
pub fn message_type(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        name: String,
    }
    serde_json::from_slice::<Typed>(payload).ok().map(|typed| typed.name.chars().take(64).collect())
}
