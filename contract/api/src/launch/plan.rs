//! What a set of compose files means: the services, volumes and notices that one deploy of a stack consists of.

use std::collections::BTreeMap;

use contract_values::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Environment, InstanceHealthCheck, LaunchConfig, or_default, texts};

/// Everything that one set of compose files asks for, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StackPlan {
    /// The name that the files give the stack, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The services; sidekicks stand inside their primary.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub services: Vec<ServiceInput>,
    /// Stand-alone containers of the stack.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub containers: Vec<ServiceInput>,
    /// The declared volumes.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub volumes: Vec<VolumeInput>,
    /// The declared secrets.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub secrets: Vec<FileInput>,
    /// The declared configs.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub configs: Vec<FileInput>,
    /// What was read but has no effect, or not the one that a reader may expect; each once, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub notices: Vec<Notice>,
}

impl StackPlan {
    /// Finds a service by its name.
    pub fn service(&self, name: &str) -> Option<&ServiceInput> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Finds a declared volume by its name.
    pub fn volume(&self, name: &str) -> Option<&VolumeInput> {
        self.volumes.iter().find(|volume| volume.name == name)
    }
}

/// One service as it is to be created or changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceInput {
    /// Its name in the stack.
    pub name: String,
    /// What sort of service it is.
    #[serde(skip_serializing_if = "ServiceKind::is_service")]
    pub kind: ServiceKind,
    /// Free text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many units; 1 when absent, and of no effect on a global service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// As many units as fit, between bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_policy: Option<ScalePolicy>,
    /// How the primary container of each unit is launched.
    pub launch_config: LaunchConfig,
    /// The sidekicks of each unit, in start order; each has a name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub secondary_launch_configs: Vec<LaunchConfig>,
    /// Free data for the metadata service.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "or_default")]
    pub metadata: Map<String, Value>,
    /// The check of an external service; that of any other stands in its launch configurations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<InstanceHealthCheck>,
    /// Starts it right after its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_on_create: Option<bool>,
    /// Keeps the address of each unit over its containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_ip: Option<bool>,
    /// Gives the service an address of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_service_ip_address: Option<bool>,
    /// Services of the same stack that it reaches under another name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub links: Vec<ServiceLink>,
    /// Services of other stacks, as `stack/service`, that it reaches under a name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub external_links: Vec<ServiceLink>,
    /// What must be there before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub depends_on: Vec<Dependency>,
    /// How `up --upgrade` replaces its containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_strategy: Option<UpgradeStrategy>,
    /// Picks services that become link targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector_link: Option<String>,
    /// Picks stand-alone containers that join the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector_container: Option<String>,
    /// The addresses of an external service.
    #[serde(
        rename = "externalIpAddresses",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_default"
    )]
    pub external_ips: Vec<String>,
    /// The name that an external service stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Balancer rules, kept as they were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lb_config: Option<Value>,
    /// The volume driver that the service provides, kept as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_driver: Option<Value>,
    /// The network driver that the service provides, kept as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_driver: Option<Value>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The sorts of services, named as the API's types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceKind {
    /// Containers.
    #[default]
    Service,
    /// A balancer.
    LoadBalancerService,
    /// Addresses or a name outside.
    ExternalService,
    /// Another name for services.
    DnsService,
    /// A provider of volumes.
    StorageDriverService,
    /// A provider of networks.
    NetworkDriverService,
    /// No containers of its own; a selector picks them.
    SelectorService,
    /// Virtual machines.
    VirtualMachine,
}

impl ServiceKind {
    /// Tells whether it is the plain sort.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service)
    }

    /// The name of the API's type.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::LoadBalancerService => "loadBalancerService",
            Self::ExternalService => "externalService",
            Self::DnsService => "dnsService",
            Self::StorageDriverService => "storageDriverService",
            Self::NetworkDriverService => "networkDriverService",
            Self::SelectorService => "selectorService",
            Self::VirtualMachine => "virtualMachine",
        }
    }
}

/// As many units as fit, between bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScalePolicy {
    /// At least so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// So many at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub increment: Option<u32>,
}

/// A service that another one reaches under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceLink {
    /// The target: `service`, or `stack/service`.
    pub service: String,
    /// The name under which it is reached.
    pub alias: String,
}

/// What must be there before a service starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dependency {
    /// The service that must be there.
    pub service: String,
    /// The state in which it must be.
    pub condition: DependencyCondition,
    /// Goes on without it when it does not come.
    #[serde(skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Restarts the dependent service when a person changes or restarts this one.
    #[serde(skip_serializing_if = "is_false")]
    pub restart: bool,
}

/// The state in which a dependency must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DependencyCondition {
    /// Started.
    #[default]
    Started,
    /// Healthy.
    Healthy,
    /// Ended with exit code 0.
    CompletedSuccessfully,
}

/// How an upgrade replaces containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpgradeStrategy {
    /// Starts the new before it stops the old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_first: Option<bool>,
    /// So many at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Milliseconds between batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_millis: Option<i64>,
}

/// A declared volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeInput {
    /// Its name in the files.
    pub name: String,
    /// The name on the hosts, where the files give one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_name: Option<String>,
    /// Its driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options for the driver; they may hold passwords.
    #[serde(skip_serializing_if = "Environment::is_empty")]
    pub driver_opts: Environment,
    /// Labels of the volume.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub labels: BTreeMap<String, String>,
    /// It must exist already.
    #[serde(skip_serializing_if = "is_false")]
    pub external: bool,
    /// One per unit.
    #[serde(skip_serializing_if = "is_false")]
    pub per_container: bool,
}

/// A declared secret or config: a text for files in containers, never printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileInput {
    /// Its name in the files of the stack.
    pub name: String,
    /// The name in the environment, where the files give another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_name: Option<String>,
    /// It must exist already; then there is no value.
    #[serde(skip_serializing_if = "is_false")]
    pub external: bool,
    /// The content in base64, as `value` of a secret in the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Secret>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub labels: BTreeMap<String, String>,
}

impl FileInput {
    /// The name in the environment.
    pub fn environment_name(&self) -> &str {
        self.real_name.as_deref().unwrap_or(&self.name)
    }
}

/// Something that was read but has no effect, or not the one that a reader may expect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1 in characters.
    pub column: u32,
    /// The key path, as `services.web.networks`.
    pub path: String,
    /// What has no effect, and why.
    pub message: String,
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column, path, message } = self;
        write!(f, "{file}:{line}:{column}: {path}: {message}")
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
