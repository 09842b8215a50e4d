//! The real program: a server, agents on hosts of a lab, and the user commands, each a process of its own.

#![allow(clippy::unwrap_used)]

mod clients;
mod commands;
mod harness;
mod lab;
mod lab_bad_input;
mod lab_bad_luck;
mod lab_compose;
mod lab_docker;
mod lab_options;
mod server;
mod sim;
