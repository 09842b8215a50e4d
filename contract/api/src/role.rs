//! Who asks: each role sees its own set of schemas, and that set is its rights.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The role in which a caller acts, at the root or inside a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Administrator of the installation, at the root.
    #[serde(rename = "admin")]
    Admin,
    /// Reads what an administrator reads, writes nothing.
    #[serde(rename = "readAdmin")]
    ReadAdmin,
    /// An ordinary person, at the root.
    #[serde(rename = "user")]
    User,
    /// Owner of a project.
    #[serde(rename = "owner")]
    Owner,
    /// Member of a project.
    #[serde(rename = "member")]
    Member,
    /// A key that belongs to the project itself.
    #[serde(rename = "project")]
    Project,
    /// Member who may only look.
    #[serde(rename = "readonly")]
    ReadOnly,
    /// Member who may not touch the infrastructure.
    #[serde(rename = "restricted")]
    Restricted,
    /// A container with a key of its project.
    #[serde(rename = "environment")]
    Environment,
    /// A system container with a key of its project.
    #[serde(rename = "projectadmin")]
    ProjectAdmin,
    /// The agent of a host.
    #[serde(rename = "agent")]
    Agent,
    /// Someone who holds a registration token.
    #[serde(rename = "register")]
    Register,
    /// Nobody in particular: may only sign in.
    #[serde(rename = "token")]
    Token,
}

impl Role {
    /// Every role, in the order of declaration.
    pub const ALL: [Self; 13] = [
        Self::Admin,
        Self::ReadAdmin,
        Self::User,
        Self::Owner,
        Self::Member,
        Self::Project,
        Self::ReadOnly,
        Self::Restricted,
        Self::Environment,
        Self::ProjectAdmin,
        Self::Agent,
        Self::Register,
        Self::Token,
    ];

    /// The name in the declarations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ReadAdmin => "readAdmin",
            Self::User => "user",
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Project => "project",
            Self::ReadOnly => "readonly",
            Self::Restricted => "restricted",
            Self::Environment => "environment",
            Self::ProjectAdmin => "projectadmin",
            Self::Agent => "agent",
            Self::Register => "register",
            Self::Token => "token",
        }
    }

    /// Whether the role may change hosts and what else belongs to the infrastructure.
    pub const fn may_modify_infrastructure(self) -> bool {
        match self {
            Self::Admin
            | Self::Owner
            | Self::Member
            | Self::Project
            | Self::Environment
            | Self::ProjectAdmin
            | Self::Agent => true,
            Self::ReadAdmin
            | Self::User
            | Self::ReadOnly
            | Self::Restricted
            | Self::Register
            | Self::Token => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of the two schema sets a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `/v1`, the older one, where a stack is called an environment.
    V1,
    /// `/v2-beta`.
    V2Beta,
}

impl Version {
    /// Both versions, older first.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2Beta];

    /// The first segment of its paths.
    pub const fn path(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2Beta => "v2-beta",
        }
    }

    /// Finds the version whose paths begin with `segment`.
    pub fn from_path(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.path().eq_ignore_ascii_case(segment))
    }
}
