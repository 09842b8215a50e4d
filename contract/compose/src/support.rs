//! The table of all keys: which work, which are ignored and why, which are refused and why.
//!
//! It holds every key of today's specification, of the versions before it and of the platform's second file. The
//! readers take their reasons from here, and a test tries every row: so the table says what is true.

mod services_a;
mod services_g;
mod top;

use std::sync::LazyLock;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SupportStatus {
    /// It is read into the plan.
    Works,
    /// It is read, has no effect, and a notice says so.
    Ignored,
    /// It is an error.
    Refused,
}

/// One key and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// The way to the key: `*` stands for any name, `[]` for the items of a list; as `services.*.ports[].target`.
    pub path: &'static str,
    /// What becomes of it.
    pub status: SupportStatus,
    /// Why it does not work; empty where it does.
    pub why: &'static str,
}

/// Every key that the format ever had.
pub fn support() -> &'static [Support] {
    static ALL: LazyLock<Vec<Support>> =
        LazyLock::new(|| [top::ROWS, services_a::ROWS, services_g::ROWS].concat());
    &ALL
}

const fn works(path: &'static str) -> Support {
    Support { path, status: SupportStatus::Works, why: "" }
}

const fn ignored(path: &'static str, why: &'static str) -> Support {
    Support { path, status: SupportStatus::Ignored, why }
}

const fn refused(path: &'static str, why: &'static str) -> Support {
    Support { path, status: SupportStatus::Refused, why }
}

// Why a key has no effect.
pub(crate) const ADDRESSES: &str = "addresses of the managed network are chosen by the platform";
pub(crate) const CONSISTENCY: &str = "it is for virtual machines on a developer's own machine";
pub(crate) const CONTAINER_NAME: &str = "a service may have many containers, which are named after it";
pub(crate) const DELAY: &str = "the platform waits longer after each try";
pub(crate) const DEVELOPER: &str = "it is for a developer's own machine";
pub(crate) const DRIVER_OPTS: &str = "a service has no driver";
pub(crate) const ENDPOINT: &str = "names lead to the containers themselves";
pub(crate) const GENERIC: &str =
    "hosts of the platform do not count other resources; labels of hosts choose among them";
pub(crate) const MOUNT: &str = "the platform's mounts do not know it";
pub(crate) const NETWORKS: &str =
    "all services of an environment share the managed network and find each other by name";
pub(crate) const PORT_MODE: &str = "a port is published on the hosts that the containers run on";
pub(crate) const PORT_NAME: &str = "it is a note for people";
pub(crate) const REFRESH: &str = "with `pull_policy: refresh` the image is pulled before every creation";
pub(crate) const ROLLBACK: &str = "a rollback goes the way of an upgrade";
pub(crate) const SECRET_DRIVER: &str = "the platform keeps secrets itself";
pub(crate) const SPREAD: &str =
    "units are spread over the hosts anyway; `io.rancher.scheduler.affinity` labels say more";
pub(crate) const TEMPLATE_DRIVER: &str = "the content is taken as it is";
pub(crate) const UPDATE: &str = "an upgrade that fails stops and waits for a person";
pub(crate) const WINDOWS: &str = "it is for Windows containers";

// Why a key is an error: without it the services would do something else than the file says.
pub(crate) const CONFIG_EXTERNAL: &str = "there are no configs outside of a stack";
pub(crate) const DEPENDENCIES: &str = "a stack does not deploy other catalog entries";
pub(crate) const HOOKS: &str = "commands are not run beside the container's own";
pub(crate) const HOSTS: &str = "a stack does not create hosts";
pub(crate) const MODELS: &str = "the platform runs no models";
pub(crate) const PROVIDER: &str = "a service is containers, not a program on a developer's own machine";
pub(crate) const SOCKET: &str = "the engine's socket would give the container every right on its host";
