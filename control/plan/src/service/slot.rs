//! A place of a service, and the copies in it.

use contract_values::HostId;
use control_model::{Container, Origin, Row, RunReport, Service, Tables};

use crate::removal::is_ready;

/// Which place: a number, or a host for services with one container on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SlotKey {
    Index(u32),
    Host(HostId),
}

/// A container in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub id: i64,
    pub index: u32,
    pub create_index: u32,
    host: Option<HostId>,
    /// It has a host.
    pub placed: bool,
    /// It is to be replaced: made for an earlier launch version, or on a host that is being emptied.
    pub outdated: bool,
    /// Its host is being emptied.
    pub evacuating: bool,
    /// Its host is given up or gone.
    pub lost: bool,
    /// It is as it shall be, as far as is known.
    pub ready: bool,
    /// It is ready and its process runs.
    pub serves: bool,
}

impl Copy {
    pub fn of(tables: &Tables, service: &Row<Service>, row: &Row<Container>) -> Self {
        let (index, create_index, version) = match row.intent.origin {
            Origin::Service { index, create_index, launch_version, .. } => {
                (index, create_index, launch_version)
            }
            Origin::Standalone | Origin::Native { .. } => (0, 0, 0),
        };
        let host = row.decision.host;
        let lost = host.is_some_and(|id| {
            tables.hosts.get(id).is_none_or(|host| host.is_going() || host.decision.lost_since.is_some())
        });
        let evacuating = host.and_then(|id| tables.hosts.get(id)).is_some_and(|host| host.intent.evacuate);
        let ready = is_ready(tables, row) && !row.decision.held;
        Self {
            id: row.id.raw(),
            index,
            create_index,
            host: row.intent.requested_host.or(host),
            placed: host.is_some(),
            outdated: evacuating || version != service.intent.launch_version,
            evacuating,
            lost,
            ready,
            serves: ready && row.observation.rank == RunReport::Running,
        }
    }

    pub fn key(&self, global: bool) -> SlotKey {
        match self.host {
            Some(host) if global => SlotKey::Host(host),
            Some(_) | None => SlotKey::Index(self.index),
        }
    }
}

/// A place with its copies, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub copies: Vec<Copy>,
}

impl Slot {
    fn current(&self) -> impl DoubleEndedIterator<Item = &Copy> {
        self.copies.iter().filter(|copy| !copy.outdated && !copy.lost)
    }

    /// The copy that makes all others needless: the newest that is ready.
    pub fn keeper(&self) -> Option<i64> {
        self.current().rev().find(|copy| copy.ready).map(|copy| copy.id)
    }

    /// The copy that shall become ready: the newest, rather one that has a host.
    pub fn newest_current(&self) -> Option<i64> {
        self.current().max_by_key(|copy| (copy.placed, copy.create_index)).map(|copy| copy.id)
    }

    /// Whether it serves, in whatever version.
    pub fn is_ready(&self) -> bool {
        self.copies.iter().any(|copy| copy.ready && !copy.lost)
    }

    /// Whether a copy in it is on its way.
    pub fn is_changing(&self) -> bool {
        self.keeper().is_none() && self.newest_current().is_some()
    }

    /// The copy that stays when the service is switched off: one that has a host, rather not a lost one, rather of the
    /// wanted version, rather a new one.
    pub fn resting(&self) -> Option<i64> {
        let placed = self.copies.iter().filter(|copy| copy.placed);
        placed.max_by_key(|copy| (!copy.lost, !copy.outdated, copy.create_index)).map(|copy| copy.id)
    }

    pub fn create_index(&self) -> u32 {
        self.copies.iter().map(|copy| copy.create_index).max().unwrap_or(0)
    }
}
