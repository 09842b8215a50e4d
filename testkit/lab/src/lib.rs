//! Real Docker hosts and container images for tests, benchmarks and the quickstart.
//!
//! `lab` makes real Docker hosts out of namespaces, so that a test has several machines with engines of their own on
//! one machine, and may cut their cables. `images` makes the container images of tests and examples without a
//! registry. The crate knows none of the others, so that `cargo xtask` is built in seconds.
//!
//! Whatever a test makes through this crate is gone when the test ends, however it ends: the things live in namespaces
//! whose first process dies with its owner.

pub mod images;
pub mod lab;
