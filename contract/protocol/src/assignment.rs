//! What a host shall be.

use std::collections::BTreeMap;

use contract_values::{ContainerId, Duration, Incarnation, Labels, VolumeId};
use serde::{Deserialize, Serialize};

use crate::spec::ContainerSpec;

/// Everything that one host shall run; it is complete, so what is ours and not in it goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Assignment {
    /// The containers, by id.
    pub containers: BTreeMap<ContainerId, ContainerAssignment>,
    /// The networks that they need, by name.
    pub networks: BTreeMap<String, NetworkSpec>,
    /// The named volumes that they need, by name. A volume is never removed because it left this list.
    pub volumes: BTreeMap<String, VolumeSpec>,
    /// Orders about containers that were started by hand, by the engine's id.
    pub natives: BTreeMap<String, NativeOrder>,
    /// Orders to remove volumes with what is in them, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volume_orders: BTreeMap<String, VolumeOrder>,
}

/// One step from an assignment to the next; `None` takes the entry away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum AssignmentChange {
    /// A container was added, changed or taken away.
    Container {
        /// Which one.
        id: ContainerId,
        /// What it shall be.
        to: Option<Box<ContainerAssignment>>,
    },
    /// A network was added, changed or taken away.
    Network {
        /// Its name.
        name: String,
        /// What it shall be.
        to: Option<NetworkSpec>,
    },
    /// A volume was added, changed or taken away.
    Volume {
        /// Its name.
        name: String,
        /// What it shall be.
        to: Option<VolumeSpec>,
    },
    /// An order about a native container was given or withdrawn.
    Native {
        /// The engine's id.
        docker_id: String,
        /// The order.
        to: Option<NativeOrder>,
    },
    /// An order to remove a volume was given or withdrawn.
    VolumeOrder {
        /// The volume's name.
        name: String,
        /// The order.
        to: Option<VolumeOrder>,
    },
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Assignment {
    /// Applies changes in order.
    pub fn apply(&mut self, changes: &[AssignmentChange]) {
        fn put<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, key: &K, to: Option<&V>) {
            match to {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
        for change in changes {
            match change {
                AssignmentChange::Container { id, to } => put(&mut self.containers, id, to.as_deref()),
                AssignmentChange::Network { name, to } => put(&mut self.networks, name, to.as_ref()),
                AssignmentChange::Volume { name, to } => put(&mut self.volumes, name, to.as_ref()),
                AssignmentChange::Native { docker_id, to } => put(&mut self.natives, docker_id, to.as_ref()),
                AssignmentChange::VolumeOrder { name, to } => {
                    put(&mut self.volume_orders, name, to.as_ref());
                }
                AssignmentChange::Unknown => {}
            }
        }
    }

    /// Lists the changes that lead from `self` to `next`.
    pub fn changes_to(&self, next: &Self) -> Vec<AssignmentChange> {
        fn each<K: Ord + Clone, V: PartialEq + Clone>(
            old: &BTreeMap<K, V>,
            new: &BTreeMap<K, V>,
            mut emit: impl FnMut(K, Option<V>),
        ) {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                emit(key.clone(), None);
            }
            for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
                emit(key.clone(), Some(value.clone()));
            }
        }
        let mut changes = Vec::new();
        each(&self.networks, &next.networks, |name, to| changes.push(AssignmentChange::Network { name, to }));
        each(&self.volumes, &next.volumes, |name, to| changes.push(AssignmentChange::Volume { name, to }));
        each(&self.containers, &next.containers, |id, to| {
            changes.push(AssignmentChange::Container { id, to: to.map(Box::new) });
        });
        each(&self.natives, &next.natives, |docker_id, to| {
            changes.push(AssignmentChange::Native { docker_id, to });
        });
        each(&self.volume_orders, &next.volume_orders, |name, to| {
            changes.push(AssignmentChange::VolumeOrder { name, to });
        });
        changes
    }
}

/// What one container shall be on this host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerAssignment {
    /// The name in the engine, such as `shop-web-1`.
    pub name: String,
    /// The platform's uuid of the container.
    pub uuid: String,
    /// Which run is wanted. A higher one than the host has means: take the old away and make it anew.
    pub incarnation: Incarnation,
    /// Whether it shall run.
    pub run: DesiredRun,
    /// What to do when its process ends by itself.
    pub rule: RunRule,
    /// How often a person has asked for a restart; a higher number than the last one done means: restart now.
    #[serde(default)]
    pub restarts_asked: u32,
    /// The container itself.
    pub spec: ContainerSpec,
}

/// Whether a container shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredRun {
    /// It is made and started.
    Running,
    /// It is made, if it was not, and is not running.
    Stopped,
}

/// What to do when the process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunRule {
    /// Start it again, with a delay that grows while it keeps failing.
    KeepRunning,
    /// Leave it be: it was to run once. A non-zero exit code is reported as a failure.
    Once,
    /// Start it again, up to so many times, when its exit code is not zero.
    OnFailure {
        /// How often; without limit when absent.
        most: Option<u32>,
    },
}

/// An order about a container that was started by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeOrder {
    /// The platform's id of it.
    pub container: ContainerId,
    /// What it shall do; `None` leaves it as it is.
    pub run: Option<DesiredRun>,
    /// Counts the orders, so that one is carried out once and the host's own view wins afterwards.
    pub order: u32,
    /// How often a restart was asked for.
    #[serde(default)]
    pub restarts_asked: u32,
    /// Whether it shall be removed.
    #[serde(default)]
    pub remove: bool,
    /// How long a stop may take.
    #[serde(default)]
    pub stop_timeout: Option<Duration>,
}

/// An order to remove a volume and all that is in it.
///
/// It is carried out once for each volume of the platform, and never while a container of the assignment mounts the
/// name: whatever has the name afterwards is another volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeOrder {
    /// The platform's id of it.
    pub volume: VolumeId,
    /// Whether containers that are none of ours and not running may be removed with it, where they hold it.
    #[serde(default)]
    pub force: bool,
}

/// A network to have on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSpec {
    /// The engine's driver; `bridge` when empty.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels besides our own.
    pub labels: Labels,
}

/// A named volume to have on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSpec {
    /// The engine's driver; `local` when empty.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels besides our own.
    pub labels: Labels,
}
