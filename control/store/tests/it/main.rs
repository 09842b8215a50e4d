//! One suite over all engines, and what is particular to each.
#![allow(clippy::unwrap_used)]

mod cluster;
mod crash;
mod faults;
mod files;
mod outcome;
mod random;
mod relay;
mod schema;
mod server_log;
mod shared;
mod suite;
mod support;
