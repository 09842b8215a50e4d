//! Where a container runs: filters that explain, then the least loaded host.
//!
//! [`Fleet`] is read from the picture once for a plan and keeps count of what the plan itself places, so that many
//! containers can be placed in one go.

use std::collections::{BTreeMap, BTreeSet};

use contract_values::{ContainerId, HostId, ProjectId, ServiceId};
use control_model::{AgentLink, ContainerIntent, Host, Origin, Row, Tables};

use crate::assignment::peer_of;
use crate::ports::{PublicPort, public_ports};
use crate::removal::occupies;
use crate::storage::{NamedVolume, holders, volumes_of};

mod affinity;
mod misfit;

pub(crate) use affinity::{HostRules, host_rules};
pub use misfit::Misfit;
pub(crate) use misfit::explain as misfit_text;

/// What a container needs of a host.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    service: Option<ServiceId>,
    requested: Option<HostId>,
    joins: Vec<Join>,
    volumes: Vec<(NamedVolume, Vec<HostId>)>,
    ports: Vec<PublicPort>,
    memory: i64,
    milli_cpu: i64,
    rules: HostRules,
    /// Holders whose ports do not count, because they would make way.
    ignoring: BTreeSet<ContainerId>,
}

#[derive(Clone, Debug)]
struct Join {
    name: String,
    host: Option<HostId>,
}

impl Wish {
    /// Reads what a container needs. `chosen` are the public ports that were chosen for it.
    pub fn of(tables: &Tables, intent: &ContainerIntent, chosen: &[contract_values::PortMapping]) -> Self {
        let launch = &intent.launch;
        let joined = match &launch.network {
            control_model::NetworkMode::Container { name } => Some(name),
            control_model::NetworkMode::Managed
            | control_model::NetworkMode::Bridge
            | control_model::NetworkMode::Host
            | control_model::NetworkMode::None => None,
        };
        let joins = launch.volumes_from.iter().chain(joined).map(|name| Join {
            name: name.clone(),
            host: peer_of(tables, intent, name).and_then(|peer| peer.keys().host),
        });
        let everywhere = launch.global();
        let volumes =
            volumes_of(tables, intent).into_iter().filter(|volume| volume.is_local() && !everywhere);
        Self {
            service: match intent.origin {
                Origin::Service { service, .. } => Some(service),
                Origin::Standalone | Origin::Native { .. } => None,
            },
            requested: intent.requested_host,
            joins: joins.collect(),
            volumes: volumes
                .map(|volume| {
                    let hosts = holders(tables, intent, &volume);
                    (volume, hosts)
                })
                .collect(),
            ports: public_ports(intent, chosen),
            memory: launch.resources.memory_reservation.unwrap_or(0).max(0),
            milli_cpu: launch.resources.milli_cpu_reservation.unwrap_or(0).max(0),
            rules: host_rules(tables, intent),
            ignoring: BTreeSet::new(),
        }
    }

    /// The same wish as if these containers made way.
    #[must_use]
    pub fn ignoring(mut self, holders: impl IntoIterator<Item = ContainerId>) -> Self {
        self.ignoring.extend(holders);
        self
    }
}

/// The hosts of an environment, with what is used on them.
#[derive(Clone, Debug)]
pub struct Fleet {
    hosts: Vec<Candidate>,
}

#[derive(Clone, Debug)]
struct Candidate {
    id: HostId,
    name: String,
    labels: contract_values::Labels,
    out: Option<Misfit>,
    ports: BTreeMap<u16, Vec<(PublicPort, ContainerId, String)>>,
    containers: u32,
    of_service: BTreeMap<ServiceId, u32>,
    memory_total: i64,
    memory_used: i64,
    milli_cpu_total: i64,
    milli_cpu_used: i64,
}

impl Fleet {
    /// Reads the hosts of an environment and what runs on them.
    pub fn read(tables: &Tables, project: ProjectId) -> Self {
        let hosts = tables.hosts.of_project(project).filter(|host| host.removed.is_none());
        Self { hosts: hosts.map(|host| Candidate::read(tables, host)).collect() }
    }

    /// Whether there is no host at all.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Finds the best host and takes the room there.
    ///
    /// # Errors
    /// Says for each host why it does not fit, in the order of their ids.
    pub fn place(
        &mut self,
        container: ContainerId,
        name: &str,
        wish: &Wish,
    ) -> Result<HostId, Vec<(String, Misfit)>> {
        let (index, _) = self.best(wish)?;
        let host = &mut self.hosts[index];
        host.take(container, name, wish);
        Ok(host.id)
    }

    /// Takes the room of a container that is on a host already, unless somebody else has it.
    pub(crate) fn take_back(
        &mut self,
        host: HostId,
        container: ContainerId,
        name: &str,
        wish: &Wish,
    ) -> bool {
        let Some(host) = self.hosts.iter_mut().find(|known| known.id == host) else { return true };
        if host.lacks(wish).is_some() {
            return false;
        }
        host.take_room(container, name, wish);
        true
    }

    /// Whether some host fits.
    pub fn fits(&self, wish: &Wish) -> bool {
        self.best(wish).is_ok()
    }

    /// The hosts on which a service with one container on each host shall have one: those that take work and have
    /// the labels that it asks for.
    pub(crate) fn qualifying(&self, rules: &HostRules) -> Vec<HostId> {
        let fits = |host: &&Candidate| {
            host.out.is_none() && rules.misfit(&host.labels).is_none() && rules.dislikes(&host.labels) == 0
        };
        self.hosts.iter().filter(fits).map(|host| host.id).collect()
    }

    fn best(&self, wish: &Wish) -> Result<(usize, HostId), Vec<(String, Misfit)>> {
        let mut best: Option<((u32, u32, u32, HostId), usize)> = None;
        let mut misfits = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            match host.misfit(wish, self) {
                Some(misfit) if best.is_none() => misfits.push((host.name.clone(), misfit)),
                Some(_) => {}
                None => {
                    let of_service = wish.service.and_then(|s| host.of_service.get(&s)).copied().unwrap_or(0);
                    let rank = (wish.rules.dislikes(&host.labels), of_service, host.containers, host.id);
                    if best.as_ref().is_none_or(|(known, _)| rank < *known) {
                        best = Some((rank, index));
                    }
                }
            }
        }
        best.map(|((_, _, _, id), index)| (index, id)).ok_or(misfits)
    }

    fn name(&self, id: HostId) -> String {
        self.hosts.iter().find(|host| host.id == id).map_or_else(|| id.to_string(), |host| host.name.clone())
    }
}

impl Candidate {
    fn read(tables: &Tables, host: &Row<Host>) -> Self {
        let facts = &host.observation.facts;
        let mut candidate = Self {
            id: host.id,
            name: host.intent.name.clone().unwrap_or_else(|| host.intent.hostname.clone()),
            labels: host.intent.labels.clone(),
            out: unfit(host),
            ports: BTreeMap::new(),
            containers: 0,
            of_service: BTreeMap::new(),
            memory_total: i64::try_from(facts.memory_total).unwrap_or(i64::MAX),
            memory_used: 0,
            milli_cpu_total: i64::from(facts.cpu_count) * 1000,
            milli_cpu_used: 0,
        };
        for row in tables.containers.of_host(host.id).filter(|row| row.removed.is_none()) {
            let leaves = row.is_going() || row.decision.retire_since.is_some();
            if occupies(row) {
                let ports = public_ports(&row.intent, &row.decision.ports);
                candidate.take_ports(row.id, &row.intent.name, &ports);
                candidate.memory_used += row.intent.launch.resources.memory_reservation.unwrap_or(0).max(0);
                candidate.milli_cpu_used +=
                    row.intent.launch.resources.milli_cpu_reservation.unwrap_or(0).max(0);
            }
            if !leaves {
                candidate.count(row.keys().service);
            }
        }
        candidate
    }

    fn count(&mut self, service: Option<ServiceId>) {
        self.containers += 1;
        if let Some(service) = service {
            *self.of_service.entry(service).or_default() += 1;
        }
    }

    fn take_ports(&mut self, container: ContainerId, name: &str, ports: &[PublicPort]) {
        for port in ports {
            let holders = self.ports.entry(port.number.get()).or_default();
            holders.push((*port, container, name.to_owned()));
        }
    }

    fn take(&mut self, container: ContainerId, name: &str, wish: &Wish) {
        self.take_room(container, name, wish);
        self.count(wish.service);
    }

    fn take_room(&mut self, container: ContainerId, name: &str, wish: &Wish) {
        self.take_ports(container, name, &wish.ports);
        self.memory_used += wish.memory;
        self.milli_cpu_used += wish.milli_cpu;
    }

    /// Why the host does not fit; the most telling cause first.
    fn misfit(&self, wish: &Wish, fleet: &Fleet) -> Option<Misfit> {
        if wish.requested.is_some_and(|host| host != self.id) {
            return Some(Misfit::NotRequested);
        }
        if let Some(out) = &self.out {
            return Some(out.clone());
        }
        for join in &wish.joins {
            match join.host {
                Some(host) if host == self.id => {}
                Some(host) => {
                    return Some(Misfit::JoinedElsewhere { name: join.name.clone(), host: fleet.name(host) });
                }
                None => return Some(Misfit::JoinedNowhere { name: join.name.clone() }),
            }
        }
        for (volume, hosts) in &wish.volumes {
            if !hosts.is_empty() && !hosts.contains(&self.id) {
                let hosts = hosts.iter().map(|id| fleet.name(*id)).collect();
                return Some(Misfit::VolumeElsewhere { volume: volume.name.clone(), hosts });
            }
        }
        // Whom a person sends to a host goes there: what is taken there is for that person to see.
        if wish.requested.is_some() && wish.service.is_none() {
            return None;
        }
        if let Some(misfit) = wish.rules.misfit(&self.labels) {
            return Some(misfit);
        }
        self.lacks(wish)
    }
}

impl Candidate {
    /// What of the host's room is taken that is wished for.
    fn lacks(&self, wish: &Wish) -> Option<Misfit> {
        if let Some(misfit) = self.port_taken(wish) {
            return Some(misfit);
        }
        if self.memory_total > 0 && wish.memory > 0 && self.memory_used + wish.memory > self.memory_total {
            return Some(Misfit::Memory);
        }
        if self.milli_cpu_total > 0
            && wish.milli_cpu > 0
            && self.milli_cpu_used + wish.milli_cpu > self.milli_cpu_total
        {
            return Some(Misfit::Cpu);
        }
        None
    }

    fn port_taken(&self, wish: &Wish) -> Option<Misfit> {
        wish.ports.iter().find_map(|port| {
            let holders = self.ports.get(&port.number.get()).into_iter().flatten();
            let mut clash =
                holders.filter(|(taken, id, _)| taken.clashes(*port) && !wish.ignoring.contains(id));
            let (_, _, holder) = clash.next()?;
            Some(Misfit::PortTaken { port: port.to_string(), holder: holder.clone() })
        })
    }
}

/// Why a host takes no work from anybody.
fn unfit(host: &Row<Host>) -> Option<Misfit> {
    if host.is_going() {
        Some(Misfit::Going)
    } else if host.intent.inactive {
        Some(Misfit::Inactive)
    } else {
        match host.observation.link {
            AgentLink::Never => Some(Misfit::NeverConnected),
            AgentLink::Disconnected => Some(Misfit::Away),
            AgentLink::Connected if host.decision.lost_since.is_some() => Some(Misfit::Away),
            AgentLink::Connected => None,
        }
    }
}

/// The volumes of a placed container that have no row on its host yet.
pub(crate) fn new_volumes(
    wish: &Wish,
    tables: &Tables,
    intent: &ContainerIntent,
    host: HostId,
) -> Vec<NamedVolume> {
    let all = if intent.launch.global() {
        volumes_of(tables, intent)
            .into_iter()
            .filter(NamedVolume::is_local)
            .map(|volume| {
                let hosts = holders(tables, intent, &volume);
                (volume, hosts)
            })
            .collect()
    } else {
        wish.volumes.clone()
    };
    all.into_iter().filter(|(_, hosts)| !hosts.contains(&host)).map(|(volume, _)| volume).collect()
}

impl Wish {
    /// Pins the volumes that were just made to their host, for the next container that is placed by the same plan.
    pub(crate) fn pin(
        &mut self,
        made: &BTreeMap<(Option<ProjectId>, String), HostId>,
        project: Option<ProjectId>,
    ) {
        for (volume, hosts) in &mut self.volumes {
            if hosts.is_empty() {
                hosts.extend(made.get(&(project, volume.name.clone())));
            }
        }
    }

    pub(crate) fn wants_room(&self) -> bool {
        !self.ports.is_empty() || self.memory > 0 || self.milli_cpu > 0
    }
}

#[cfg(test)]
mod tests;
