//! Everything that tests need and no program uses.
//!
//! `lab` makes real Docker hosts out of namespaces, so that a test has several
//! machines with engines of their own on one machine, and may cut their cables.
//! `sim` runs the whole system in one process, with faults from a seed.
//! `images` makes the container images of tests and examples without a registry.
//!
//! Nothing in here may be linked into a program that ships. Whatever a test
//! makes through this crate is gone when the test ends, however it ends: the
//! things live in namespaces whose first process dies with its owner.

pub mod images;
pub mod lab;
pub mod sim;
