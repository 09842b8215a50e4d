//! The engine's way to put two outputs into one stream: a head of eight bytes before each piece.

use bytes::{Buf, Bytes, BytesMut};
use host_driver::OutputChunk;

/// Takes a stream of output apart.
#[derive(Debug)]
pub(crate) struct Demux {
    /// With a terminal there is one output and there are no heads.
    is_plain: bool,
    head: BytesMut,
    /// What the piece under way belongs to, and how much of it is missing.
    piece: Option<(bool, usize)>,
}

impl Demux {
    pub(crate) fn new(is_plain: bool) -> Self {
        Self { is_plain, head: BytesMut::new(), piece: None }
    }

    /// Takes bytes in and gives what can be told already, without waiting for the end of a piece.
    pub(crate) fn push(&mut self, mut bytes: Bytes) -> Vec<OutputChunk> {
        if self.is_plain {
            return if bytes.is_empty() { Vec::new() } else { vec![OutputChunk::Out(bytes)] };
        }
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            match self.piece.take() {
                Some((is_error, missing)) => {
                    let piece = bytes.split_to(missing.min(bytes.len()));
                    if piece.len() < missing {
                        self.piece = Some((is_error, missing - piece.len()));
                    }
                    pieces.push(if is_error { OutputChunk::Err(piece) } else { OutputChunk::Out(piece) });
                }
                None => {
                    let length = (8 - self.head.len()).min(bytes.len());
                    self.head.extend_from_slice(&bytes.split_to(length));
                    if self.head.len() == 8 {
                        let is_error = self.head[0] == 2;
                        self.head.advance(4);
                        let length = usize::try_from(self.head.get_u32()).expect("four bytes fit a usize");
                        self.head.clear();
                        if length > 0 {
                            self.piece = Some((is_error, length));
                        }
                    }
                }
            }
        }
        pieces
    }
}
