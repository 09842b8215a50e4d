//! Frames on a byte stream: a length of four bytes, most significant first, then so many bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame that is read or written, in bytes.
pub const MAX_FRAME: usize = 32 * 1024 * 1024;

/// Why bytes are no message.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    #[error("a frame of {length} bytes is longer than the {MAX_FRAME} that are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// No JSON of this shape.
    #[error("a frame is not a message of this protocol")]
    Json(#[source] serde_json::Error),
}

/// Writes a message as one frame, length included.
///
/// # Errors
/// Fails when the message is longer than [`MAX_FRAME`].
pub fn encode_frame<M: Serialize>(message: &M) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(FrameError::Json)?;
    let length = bytes.len() - 4;
    if length > MAX_FRAME {
        return Err(FrameError::TooLong { length });
    }
    let prefix = u32::try_from(length).expect("MAX_FRAME fits four bytes").to_be_bytes();
    bytes[..4].copy_from_slice(&prefix);
    Ok(bytes)
}

/// Reads a message from the bytes of one frame, without its length.
///
/// # Errors
/// Fails when the bytes are no JSON of this shape.
pub fn decode_frame<M: DeserializeOwned>(payload: &[u8]) -> Result<M, FrameError> {
    serde_json::from_slice(payload).map_err(FrameError::Json)
}
