//! The real program: a server, agents on hosts of a lab, and the user commands, each a process of its own.

mod harness;
mod lab;
mod server;
