//! What the agent knows of the engine, kept up to date by events and now and then compared with a full list.

use std::collections::{BTreeMap, BTreeSet};

use contract_protocol::{LABEL_CONTAINER, LABEL_INCARNATION, LABEL_OWNER};
use contract_values::{ContainerId, Incarnation, Labels, Timestamp};
use host_driver::{ContainerState, ContainerSummary, ContainerView, NetworkView};

/// The label with which a person keeps a container out of the platform's sight.
pub(crate) const LABEL_IGNORE: &str = "io.lariat.ignore";
/// The label of the platform's own helpers.
pub(crate) const LABEL_SYSTEM: &str = "io.lariat.system";

/// Whose a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Made by this agent, for this run of this container.
    Ours { id: ContainerId, incarnation: Incarnation },
    /// Made by hand, or by another agent.
    Native,
    /// None of our business.
    Ignored,
}

impl Owner {
    /// Reads the labels. Ours is only what carries this host's own mark.
    pub(crate) fn of(labels: &Labels, host_uuid: &str) -> Self {
        if labels.get(LABEL_OWNER).is_some_and(|owner| owner == host_uuid) {
            let id = labels.get(LABEL_CONTAINER).and_then(|text| text.parse().ok());
            let incarnation = labels.get(LABEL_INCARNATION).and_then(|text| text.parse().ok());
            if let (Some(id), Some(incarnation)) = (id, incarnation) {
                return Self::Ours { id: ContainerId::new(id), incarnation: Incarnation(incarnation) };
            }
        }
        let is_set = |name| labels.get(name).is_some_and(|value| value != "false");
        if is_set(LABEL_IGNORE) || is_set(LABEL_SYSTEM) { Self::Ignored } else { Self::Native }
    }
}

/// The labels for a container of ours.
pub(crate) fn labels_for(host_uuid: &str, id: ContainerId, incarnation: Incarnation) -> Labels {
    [
        (LABEL_OWNER.to_owned(), host_uuid.to_owned()),
        (LABEL_CONTAINER.to_owned(), id.raw().to_string()),
        (LABEL_INCARNATION.to_owned(), incarnation.0.to_string()),
    ]
    .into()
}

/// The labels for a network or a volume of ours.
pub(crate) fn owner_labels(host_uuid: &str) -> Labels {
    [(LABEL_OWNER.to_owned(), host_uuid.to_owned())].into()
}

/// A container as last seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) view: ContainerView,
    pub(crate) owner: Owner,
    /// When its process last ended, by an event; a description from before that is out of date.
    died_at: Option<Timestamp>,
    /// When it was last touched, on the counter of the world.
    touched: u64,
}

/// What a new description of a container meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing new.
    None,
    /// Something changed.
    Some,
    /// Its process has ended since the last look.
    Died,
}

/// Everything seen.
#[derive(Debug)]
pub(crate) struct World {
    host_uuid: String,
    containers: BTreeMap<String, Seen>,
    by_id: BTreeMap<ContainerId, BTreeSet<String>>,
    /// Networks by name, and whether they are ours.
    pub(crate) networks: BTreeMap<String, bool>,
    counter: u64,
}

impl World {
    pub(crate) fn new(host_uuid: String) -> Self {
        Self {
            host_uuid,
            containers: BTreeMap::new(),
            by_id: BTreeMap::new(),
            networks: BTreeMap::new(),
            counter: 0,
        }
    }

    pub(crate) fn host_uuid(&self) -> &str {
        &self.host_uuid
    }

    pub(crate) fn get(&self, docker_id: &str) -> Option<&Seen> {
        self.containers.get(docker_id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Seen> {
        self.containers.values()
    }

    /// The runs of one container of ours.
    pub(crate) fn of(&self, id: ContainerId) -> impl Iterator<Item = &Seen> {
        self.by_id.get(&id).into_iter().flatten().filter_map(|docker_id| self.containers.get(docker_id))
    }

    /// The ids of all containers of ours that are there.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ContainerId> {
        self.by_id.keys().copied()
    }

    /// Takes a description in, corrected by what events have told since it was asked for.
    pub(crate) fn put(&mut self, mut view: ContainerView) -> Change {
        self.counter += 1;
        let owner = Owner::of(&view.labels, &self.host_uuid);
        let old = self.containers.get(&view.docker_id);
        let died_at = old.and_then(|old| old.died_at);
        let runs = matches!(view.state, ContainerState::Running | ContainerState::Paused);
        if let Some(old) = old
            && runs
            && died_at.is_some()
            && view.started_at <= died_at
        {
            // It was looked at before it ended; the rest of the description holds.
            view.state = ContainerState::Exited;
            view.exit_code = old.view.exit_code;
            view.finished_at = died_at;
            view.out_of_memory |= old.view.out_of_memory;
            view.address = None;
            view.ports.clear();
        }
        let change = match old {
            None => Change::Some,
            Some(old) if old.view == view => Change::None,
            Some(old) if old.view.state.has_process() && !view.state.has_process() => Change::Died,
            Some(_) => Change::Some,
        };
        if let Owner::Ours { id, .. } = owner {
            self.by_id.entry(id).or_default().insert(view.docker_id.clone());
        }
        let seen = Seen { owner, died_at, touched: self.counter, view };
        self.containers.insert(seen.view.docker_id.clone(), seen);
        change
    }

    /// A container has gone; returns whose it was.
    pub(crate) fn remove(&mut self, docker_id: &str) -> Option<Owner> {
        let seen = self.containers.remove(docker_id)?;
        if let Owner::Ours { id, .. } = seen.owner
            && let Some(runs) = self.by_id.get_mut(&id)
        {
            runs.remove(docker_id);
            if runs.is_empty() {
                self.by_id.remove(&id);
            }
        }
        Some(seen.owner)
    }

    /// An event says that a process has ended; `None` when that is no news.
    pub(crate) fn died(&mut self, docker_id: &str, at: Timestamp, exit_code: Option<i64>) -> Option<&Seen> {
        self.counter += 1;
        let counter = self.counter;
        let seen = self.containers.get_mut(docker_id)?;
        if seen.view.started_at.is_some_and(|started| at < started) {
            return None;
        }
        seen.died_at = Some(at);
        seen.touched = counter;
        // Whoever stopped it may have noted the end before the event came, without the code.
        let is_news = seen.view.state.has_process() || seen.view.exit_code != exit_code;
        seen.view.state = ContainerState::Exited;
        seen.view.exit_code = exit_code;
        seen.view.finished_at = Some(at);
        seen.view.address = None;
        seen.view.ports.clear();
        is_news.then_some(&*seen)
    }

    /// A stop has returned: the process has ended, whatever the events have said so far.
    pub(crate) fn halted(&mut self, docker_id: &str) {
        self.counter += 1;
        let counter = self.counter;
        if let Some(seen) = self.containers.get_mut(docker_id)
            && seen.view.state.has_process()
        {
            seen.touched = counter;
            seen.view.state = ContainerState::Exited;
            seen.view.exit_code = None;
            seen.view.address = None;
            seen.view.ports.clear();
        }
    }

    pub(crate) fn change(&mut self, docker_id: &str, change: impl FnOnce(&mut ContainerView)) -> bool {
        self.counter += 1;
        let Some(seen) = self.containers.get_mut(docker_id) else { return false };
        let before = seen.view.clone();
        change(&mut seen.view);
        seen.touched = self.counter;
        before != seen.view
    }

    /// Marks the beginning of a list; what is touched after it is newer than the list.
    pub(crate) fn mark(&self) -> u64 {
        self.counter
    }

    /// Compares with a list that was asked for at `mark`: what to look at again, and what has gone.
    pub(crate) fn compare(&self, list: &[ContainerSummary], mark: u64) -> (Vec<String>, Vec<String>) {
        let look = |entry: &&ContainerSummary| match self.containers.get(&entry.docker_id) {
            None => true,
            Some(seen) => {
                seen.touched <= mark && (seen.view.state != entry.state || seen.view.name != entry.name)
            }
        };
        let look = list.iter().filter(look).map(|entry| entry.docker_id.clone()).collect();
        let listed: BTreeSet<&str> = list.iter().map(|entry| entry.docker_id.as_str()).collect();
        let gone = self
            .containers
            .iter()
            .filter(|(docker_id, seen)| seen.touched <= mark && !listed.contains(docker_id.as_str()))
            .map(|(docker_id, _)| docker_id.clone())
            .collect();
        (look, gone)
    }

    /// Takes in the list of networks.
    pub(crate) fn put_networks(&mut self, list: Vec<NetworkView>) {
        let host_uuid = &self.host_uuid;
        self.networks = list
            .into_iter()
            .map(|network| {
                let is_ours = network.labels.get(LABEL_OWNER).is_some_and(|owner| owner == host_uuid);
                (network.name, is_ours)
            })
            .collect();
    }
}
