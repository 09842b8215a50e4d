//! The reader from outside: whole files in, plans and errors out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod apps;
mod balancers;
mod contents;
mod errors;
mod files;
mod hostile;
mod kit;
mod old;
mod support;
mod templates;
mod today;
mod tool;
