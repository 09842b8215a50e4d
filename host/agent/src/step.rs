//! What the core asks the world to do, and what comes back.

use std::collections::BTreeSet;

use contract_protocol::{ContainerAssignment, NetworkSpec, Progress, RegistryLogin, VolumeSpec};
use contract_values::{ContainerId, Duration, ImageRef, Incarnation, Labels, VolumeId};
use host_driver::{ContainerSummary, ContainerView, EngineError, Limits, NetworkView};

/// The object of a step; there is one step at a time for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    Container(ContainerId),
    Native(String),
    Network(String),
    Volume(String),
    /// The files of all containers.
    Files,
    /// A look at one container changes nothing, so it goes beside the steps.
    Look(String),
    /// A look at everything.
    List,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) object: Object,
    pub(crate) work: Work,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Raise(Box<Raise>),
    Fetch {
        image: ImageRef,
        platform: Option<String>,
        login: Option<RegistryLogin>,
        always: bool,
    },
    Halt {
        docker_id: String,
        timeout: Option<Duration>,
    },
    Retire {
        docker_id: String,
        timeout: Option<Duration>,
        running: bool,
    },
    MakeNetwork {
        name: String,
        spec: NetworkSpec,
        labels: Labels,
    },
    DropNetwork {
        name: String,
    },
    MakeVolume {
        name: String,
        spec: VolumeSpec,
        labels: Labels,
    },
    DropVolume {
        name: String,
        volume: VolumeId,
        force: bool,
    },
    /// Change the limits of a container that is there.
    Update {
        docker_id: String,
        limits: Limits,
    },
    /// Remove the files of all containers but these.
    Sweep {
        keep: BTreeSet<String>,
    },
    Native {
        docker_id: String,
        action: NativeAction,
    },
    Look {
        docker_id: String,
    },
    List,
}

/// Making and starting a container.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raise {
    pub(crate) want: ContainerAssignment,
    pub(crate) labels: Labels,
    /// The container, if it is made already.
    pub(crate) docker_id: Option<String>,
    pub(crate) start: bool,
    /// Whether the image must be fetched before the container is made.
    pub(crate) pull: bool,
    pub(crate) network_container: Option<String>,
    pub(crate) volumes_from: Vec<String>,
    /// The name under which its files are placed.
    pub(crate) files_key: String,
}

/// What to do with a container that was started by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NativeAction {
    Start,
    Stop(Option<Duration>),
    Restart(Option<Duration>),
    Remove(Option<Duration>),
}

/// Word from a step under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note {
    Pulling(Progress),
    Created {
        docker_id: String,
        name: String,
        incarnation: Incarnation,
    },
    Starting,
    /// A container has been removed.
    Removed(String),
}

/// What a step has brought.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Done {
    Raised {
        view: Box<ContainerView>,
        /// What it was made with, if it was made in this step.
        made_with: Option<Limits>,
    },
    Fetched,
    Halted,
    Retired,
    /// It was called back before it changed anything that counts.
    CalledBack,
    NetworkMade,
    NetworkDropped,
    VolumeMade,
    VolumeDropped {
        volume: VolumeId,
    },
    Updated {
        view: Box<ContainerView>,
        limits: Limits,
    },
    Swept,
    Native(Option<Box<ContainerView>>),
    Seen(Box<ContainerView>),
    Listed {
        containers: Vec<ContainerSummary>,
        networks: Vec<NetworkView>,
    },
}

/// The end of a step.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) object: Object,
    pub(crate) result: Result<Done, EngineError>,
}
