//! What controllers write, so that a test can see that no two of them write the same.

/// A part of some objects, finer than a column where two controllers share a table by the origin of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The completion of an environment's removal, and the removal of what is in it.
    ProjectRemoval,
    /// The completion of a stack's removal, and the removal of what is in it.
    StackRemoval,
    /// The decision of a service.
    ServiceDecision,
    /// The completion of a service's removal.
    ServiceRemoval,
    /// New containers of services, their decisions and the completion of their removal.
    ContainersOfServices,
    /// Decisions on all other containers, and the completion of their removal.
    OtherContainers,
    /// The decision of a host.
    HostDecision,
    /// The completion of a host's removal.
    HostRemoval,
    /// The removal of credentials that have ended.
    CredentialRemoval,
    /// The completion of a volume's removal.
    VolumeRemoval,
}
