//! The commands against a small server that holds objects and speaks the documented wire.

#![allow(clippy::unwrap_used)]

mod compatibility;
mod contexts;
mod deploy;
mod engine;
mod golden;
mod help;
mod lists;
mod mistakes;
mod streams;
mod things;
mod work;
mod world;
