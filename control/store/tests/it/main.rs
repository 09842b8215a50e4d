//! One suite over all engines, and what is particular to each.
#![allow(clippy::unwrap_used)]

mod cluster;
mod suite;
mod support;
