//! A server to develop against: the real server over a real store, with simulated hosts, in one process.
//!
//! Hosts are real agents, which register and dial over HTTP as any agent does; only the engine beneath them is
//! simulated. What a container does there is told by its image's tag, its environment and its labels
//! ([`Behaviour`]): it starts slowly, writes logs, falls ill, runs out of memory, ends with a code. So whoever builds
//! a client, a page or a load test has every state at hand, within seconds and without an engine.
//!
//! Loops run fast ([`fast`]), and each role has a key ([`Keys`]). Neither exists in what ships: this crate is used by
//! tests and by `cargo xtask devserver`, and by no program of the product.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use testkit_dev::{DevOptions, DevServer, Role, ask};
//!
//! let server = DevServer::start(DevOptions { hosts: 3, ..DevOptions::default() }).await?;
//! let hosts = ask(server.key(Role::Owner), "GET", &server.api("/hosts"), None).await?;
//! assert_eq!(hosts["data"].as_array().map(Vec::len), Some(3));
//! server.stop().await?;
//! # Ok(())
//! # }
//! ```

mod behaviour;
mod curves;
mod engine;
mod host;
mod http;
mod keys;
mod logs;
mod seams;
mod server;
mod shell;

pub use behaviour::{Behaviour, Health, Supply};
pub use engine::SimEngine;
pub use host::DevHost;
pub use http::{ask, send};
pub use keys::{Key, Keys, Role};
pub use server::{DevOptions, DevServer, fast};
