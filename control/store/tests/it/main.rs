//! One suite over all engines, and what is particular to each.
#![allow(clippy::unwrap_used)]

mod cluster;
mod crash;
mod faults;
mod files;
mod outcome;
mod random;
mod schema;
mod shared;
mod suite;
mod support;
