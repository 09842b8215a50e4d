//! The whole agent against an engine in memory and a scripted server.

mod crash;
mod options;
mod reconcile;
mod rig;
mod server;
