//! Real randomness.

use control_model::Random;
use host_driver::Random as _;

/// The machine's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let number = host_driver::SystemRandom.next_u64().to_ne_bytes();
            piece.copy_from_slice(&number[..piece.len()]);
        }
    }
}
