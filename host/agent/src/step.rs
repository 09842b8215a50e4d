//! What the core asks the world to do, and what comes back.

use contract_protocol::{ContainerAssignment, NetworkSpec, Progress, VolumeSpec};
use contract_values::{ContainerId, Duration, ImageRef, Incarnation, Labels};
use host_driver::{ContainerSummary, ContainerView, EngineError, NetworkView};

/// The object of a step; there is one step at a time for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    Container(ContainerId),
    Native(String),
    Network(String),
    Volume(String),
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
    Fetch { image: ImageRef, platform: Option<String>, always: bool },
    Halt { docker_id: String, timeout: Option<Duration> },
    Retire { docker_id: String, timeout: Option<Duration>, running: bool },
    MakeNetwork { name: String, spec: NetworkSpec, labels: Labels },
    DropNetwork { name: String },
    MakeVolume { name: String, spec: VolumeSpec, labels: Labels },
    Native { docker_id: String, action: NativeAction },
    Look { docker_id: String },
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
    Raised(Box<ContainerView>),
    Fetched,
    Halted,
    Retired,
    /// It was called back before it changed anything that counts.
    CalledBack,
    NetworkMade,
    NetworkDropped,
    VolumeMade,
    Native,
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
