//! The real program: a server, agents on hosts of a lab, and the user commands, each a process of its own.

#![allow(clippy::unwrap_used)]

mod harness;
mod lab;
mod lab_bad_input;
mod lab_bad_luck;
mod server;
