//! Decisions of the control plane as pure functions: where containers run, which are made, replaced and taken away,
//! what each host shall be, and what a host's report means.
//!
//! Every function takes a picture of all objects ([`control_model::Tables`]), the time, and what it may use up (ids
//! and uuids), and returns a [`control_model::Transaction`] together with the time at which it wants to be asked
//! again. It never reads a clock, draws a random number, logs or does I/O, so the same picture and time give the same
//! plan, and the path after a crash is the everyday path.
//!
//! The rules that hold everything together:
//!
//! - A container's row never moves to another host. Work moves by a new row, so a container is on one host.
//! - A host runs exactly what its assignment holds. To take a container away is to leave it out; that the host was
//!   away, is slow or never answers changes nothing for whoever asked, because the complete set that a returning
//!   host gets leaves it out as well.
//! - Nothing waits for ever: what waits for a host has a deadline, and what waits for anything else has a reason.
//! - The last copy that serves is not stopped before its successor does, where both can run at a time.

mod assignment;
mod container;
mod credential;
mod dependency;
mod engine;
mod host;
mod ingest;
mod labels;
mod observe;
mod placement;
mod ports;
mod project;
mod removal;
mod sealed;
mod service;
mod settings;
mod stack;
mod storage;
mod supply;
mod touched;
mod vault;
mod volume;

pub use assignment::{assign_container, assignment, native_order, stack_network, support};
pub use container::plan_container;
pub use credential::plan_credential;
pub use dependency::{Progress, dependency_progress};
pub use host::plan_host;
pub use ingest::{Ingested, ingest};
pub use observe::{host_facts, observe, observe_native};
pub use placement::{Fleet, Misfit, Wish};
pub use project::{end_keeps, plan_project};
pub use removal::is_ready;
pub use service::plan_service;
pub use settings::Settings;
pub use stack::plan_stack;
pub use supply::{Demand, Plan, Supply};
pub use touched::{gives_room, touched};
pub use vault::{Vault, VaultError, certificate_place, credential_place, secret_place};
pub use volume::plan_volume;

#[cfg(test)]
mod tests;
