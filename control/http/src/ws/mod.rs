//! What does not end with one answer: the feed of changes, and the streams from and to hosts.
//!
//! Each socket is served by the task that its upgrade made, ends with the server, and holds bounded memory: a reader
//! that does not keep up loses the socket, never the server's memory.

pub mod streams;
pub mod subscribe;
