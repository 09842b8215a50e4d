//! What the tests of all modules share, and the tests that need the whole crate.

mod properties;
pub(crate) mod testbed;
