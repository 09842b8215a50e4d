//! The reader from outside: whole files in, plans and errors out.

mod apps;
mod errors;
mod files;
mod hostile;
mod kit;
mod old;
mod today;
