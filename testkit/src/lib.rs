//! The whole system in one process, for tests only.
//!
//! `sim` runs servers, agents and engines in simulation, with faults from a seed. Nothing in here may be linked into a
//! program that ships. Real hosts for tests are in `testkit-lab`.

pub mod sim;
