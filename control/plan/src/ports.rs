//! Public ports: when two clash, and which one is chosen where none was asked for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU16;

use contract_values::{PortMapping, Transport};
use control_model::{ContainerIntent, NetworkMode, Origin, Tables};

use crate::engine::published;
use crate::settings::Settings;

/// A public port that something holds on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PublicPort {
    pub number: NonZeroU16,
    pub transport: Transport,
    /// All addresses when absent or unspecified.
    pub address: Option<IpAddr>,
}

impl PublicPort {
    pub fn of(port: &PortMapping) -> Option<Self> {
        let address = port.address.filter(|address| !address.is_unspecified());
        port.public.map(|number| Self { number, transport: port.transport, address })
    }

    /// Whether both cannot be bound at a time. Without an address a port takes all of them.
    pub fn clashes(self, other: Self) -> bool {
        self.number == other.number
            && self.transport == other.transport
            && match (self.address, other.address) {
                (Some(mine), Some(other)) => mine == other,
                (None, _) | (_, None) => true,
            }
    }
}

impl std::fmt::Display for PublicPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            None => {}
        }
        write!(f, "{}/{}", self.number, self.transport)
    }
}

/// The public ports that a container takes on its host.
pub(crate) fn public_ports(intent: &ContainerIntent, chosen: &[PortMapping]) -> Vec<PublicPort> {
    match &intent.launch.network {
        // What has no network of its own publishes nothing.
        NetworkMode::Host | NetworkMode::None | NetworkMode::Container { .. } => Vec::new(),
        NetworkMode::Managed | NetworkMode::Bridge => {
            published(&intent.launch.ports, chosen).iter().filter_map(PublicPort::of).collect()
        }
    }
}

/// Chooses public ports for those that have none: what the container's siblings have, else the lowest that nobody in
/// the environment has. Where the range is used up, the engine chooses.
pub(crate) fn choose_ports(
    tables: &Tables,
    settings: &Settings,
    intent: &ContainerIntent,
    siblings: &[PortMapping],
) -> Vec<PortMapping> {
    let open: Vec<&PortMapping> = intent.launch.ports.iter().filter(|port| port.public.is_none()).collect();
    let Some(project) = intent.project.filter(|_| !open.is_empty()) else { return Vec::new() };
    if matches!(intent.origin, Origin::Native { .. }) {
        return Vec::new();
    }
    let mut taken: Option<BTreeSet<(u16, Transport)>> = None;
    let mut chosen = Vec::with_capacity(open.len());
    for port in open {
        let inherited =
            siblings.iter().find(|s| s.private == port.private && s.transport == port.transport).copied();
        if let Some(inherited) = inherited {
            chosen.push(inherited);
            continue;
        }
        let taken = taken.get_or_insert_with(|| {
            let rows = tables.containers.of_project(project).filter(|row| row.removed.is_none());
            rows.flat_map(|row| published(&row.intent.launch.ports, &row.decision.ports))
                .filter_map(|port| port.public.map(|public| (public.get(), port.transport)))
                .collect()
        });
        let (first, last) = settings.port_range;
        let free = (first..=last).find(|number| !taken.contains(&(*number, port.transport)));
        if let Some(number) = free.and_then(NonZeroU16::new) {
            taken.insert((number.get(), port.transport));
            chosen.push(PortMapping { public: Some(number), ..*port });
        }
    }
    chosen
}
