//! The whole system in simulation.

#![allow(clippy::unwrap_used)]

mod sim;
