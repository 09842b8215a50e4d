//! The commands against a small server that holds objects and speaks the documented wire.

#![allow(clippy::unwrap_used)]

mod deploy;
mod golden;
mod help;
mod lists;
mod mistakes;
mod streams;
mod work;
mod world;
