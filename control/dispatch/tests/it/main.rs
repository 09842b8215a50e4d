//! Dispatch over the real protocol: a store in memory, pipes in memory, scripted agents, and a clock that stands still
//! unless everybody waits.
#![allow(clippy::unwrap_used)]

mod assignments;
mod chaos;
mod links;
mod many;
mod reports;
mod restarts;
mod streams;
mod world;
