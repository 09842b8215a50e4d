//! How far the API is that of the old product: type by type, field by field, action by action.
//!
//! `reference/v2-beta.json` names what old clients know: each type with the fields and actions that any role of ours
//! could see there. What our declarations hold works; what they lack has its reason here, and a test fails for a thing
//! without one, so that nothing is missing by oversight. The same holds for what is taken and has no effect.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::declaration::{Declaration, declarations};
use crate::role::Version;

/// How a thing of the old API stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does what it did.
    Works,
    /// It is taken, kept and shown, and changes nothing, for a reason.
    Ignored(&'static str),
    /// It is not there, for a reason.
    Absent(&'static str),
}

/// How a type of the old API stands here.
#[derive(Clone, Debug)]
pub struct TypeStanding {
    /// Its name.
    pub name: String,
    /// Whether the command lines, the Terraform provider or the old tests need it.
    pub core: bool,
    /// The type as a whole.
    pub standing: Standing,
    /// Its fields; those of a type that is absent as a whole are not listed.
    pub fields: Vec<(String, Standing)>,
    /// Its actions.
    pub actions: Vec<(String, Standing)>,
    /// Fields by which old clients filter and sort, and we do not.
    pub filters_absent: Vec<String>,
    /// The fields and actions that are ours alone.
    pub ours: Vec<String>,
}

#[derive(Deserialize)]
struct Reference {
    class: String,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    filters: Vec<String>,
}

const REFERENCE: &str = include_str!("../reference/v2-beta.json");

const PROCESS: &str = "a step of the old product's machinery; here it happens by itself";
const LAUNCHED: &str = "says something about a container that runs, which a launch configuration is not";
const NETWORKS: &str = "networks are one managed network for each environment until the overlay is built";
const BALANCERS: &str = "load balancers are not built yet";
const MACHINES: &str = "hosts are not made by the server; the command of a registration token joins them";
const VIRTUAL: &str = "virtual machines are not run";
const ALIASES: &str = "services without containers are not built yet";
const OTHERS: &str = "only one kind of volume driver is known, the engine's own";

/// Why a thing is absent: `type`, `type.field`, `type!action`, or the same with `*` for the type. The first that fits
/// counts.
const ABSENT: &[(&str, &str)] = &[
    ("*.data", "raw internals of the old product"),
    ("*!create", PROCESS),
    ("*!purge", PROCESS),
    ("*!allocate", PROCESS),
    ("*!deallocate", PROCESS),
    ("*!error", PROCESS),
    ("*!migrate", "containers are replaced, not moved"),
    ("*!updatehealthy", PROCESS),
    ("*!updateunhealthy", PROCESS),
    ("*!updatereinitializing", PROCESS),
    ("*!console", VIRTUAL),
    ("*!proxy", "what runs in a container is reached through published ports"),
    ("*.agentId", "agents are part of their hosts, not rows of their own"),
    ("*.allocationState", "placing shows in the state and in `reason`"),
    ("*.lxcConf", "the engine that took it is long gone"),
    ("*.networkIds", NETWORKS),
    ("*.primaryNetworkId", NETWORKS),
    ("*.defaultNetworkId", NETWORKS),
    ("*.registryCredentialId", "the registry's address chooses the credential"),
    ("*.storageDriverId", OTHERS),
    ("*.token", "containers get keys by label, not by a token of their own"),
    ("*.binding", "catalog entries are not built yet"),
    ("*.lbConfig", BALANCERS),
    ("*.imageId", "images are named, not numbered"),
    ("launchConfig!", LAUNCHED),
    ("secondaryLaunchConfig!", LAUNCHED),
    ("launchConfig.vcpu", VIRTUAL),
    ("launchConfig.disks", VIRTUAL),
    ("launchConfig.userdata", VIRTUAL),
    ("launchConfig.memoryMb", VIRTUAL),
    ("secondaryLaunchConfig.vcpu", VIRTUAL),
    ("secondaryLaunchConfig.disks", VIRTUAL),
    ("secondaryLaunchConfig.userdata", VIRTUAL),
    ("secondaryLaunchConfig.memoryMb", VIRTUAL),
    ("launchConfig.", LAUNCHED),
    ("secondaryLaunchConfig.", LAUNCHED),
    ("network.", NETWORKS),
    ("network!", NETWORKS),
    ("host.physicalHostId", MACHINES),
    ("host.hostTemplateId", MACHINES),
    ("host!provision", MACHINES),
    ("host!upgrade", "an agent is upgraded with its server"),
    ("host!delete", "the same as `remove`"),
    ("host!evacuate", "comes with draining of hosts"),
    ("project.servicesPortRange", "public ports are chosen by the engine's range"),
    ("project!defaultNetworkId", NETWORKS),
    ("project!upgrade", "templates of environments do not change what runs"),
    ("account!upgrade", "templates of environments do not change what runs"),
    ("service!certificate", BALANCERS),
    ("serviceConsumeMap.ports", BALANCERS),
    (
        "serviceUpgrade.toServiceStrategy",
        "an upgrade into another service is done by two services and a scale",
    ),
    ("volume!snapshot", OTHERS),
    ("volume!restorefrombackup", OTHERS),
    ("volume!reverttosnapshot", OTHERS),
    ("volume!activate", PROCESS),
    ("volume!deactivate", PROCESS),
    ("mount!", "a mount comes and goes with its container"),
    ("label!", "a label comes and goes with what it is on"),
    ("storagePool!", "a registry is the only pool, and has actions of its own"),
    ("serviceConsumeMap!", "a link is changed through its service"),
    ("volumeTemplate!", "a template comes and goes with its stack"),
    ("stack!", PROCESS),
    ("defaultNetwork", NETWORKS),
    ("networkDriver", NETWORKS),
    ("networkDriverService", NETWORKS),
    ("networkPolicyRule", NETWORKS),
    ("networkPolicyRuleBetween", NETWORKS),
    ("networkPolicyRuleMember", NETWORKS),
    ("networkPolicyRuleWithin", NETWORKS),
    ("network", NETWORKS),
    ("subnet", NETWORKS),
    ("dnsService", ALIASES),
    ("externalService", ALIASES),
    ("haproxyConfig", BALANCERS),
    ("lbConfig", BALANCERS),
    ("lbTargetConfig", BALANCERS),
    ("loadBalancerConfig", BALANCERS),
    ("loadBalancerCookieStickinessPolicy", BALANCERS),
    ("loadBalancerService", BALANCERS),
    ("portRule", BALANCERS),
    ("targetPortRule", BALANCERS),
    (
        "healthcheckInstanceHostMap",
        "platform health checks are not built yet; Docker's own HEALTHCHECK counts",
    ),
    ("hostTemplate", MACHINES),
    ("localAuthConfig", "access control is always on; accounts and passwords are types of their own"),
    ("register", "agents register at an address of their own"),
    ("storageDriver", OTHERS),
    ("storageDriverService", OTHERS),
    ("toServiceUpgradeStrategy", "an upgrade into another service is done by two services and a scale"),
    ("virtualMachineDisk", VIRTUAL),
    ("volumeActivateInput", PROCESS),
    ("pullTask", "images are pulled when they are needed"),
    ("serviceLog", "what happened to a service stands in `reason`; a history of it is not built yet"),
];

/// Why a thing is taken and has no effect.
const IGNORED: &[(&str, &str)] = &[
    ("*.requestedIpAddress", NETWORKS),
    ("*.ip", NETWORKS),
    ("*.ip6", NETWORKS),
    ("*.instanceLinks", "links between single containers ended with the engine's; services have links"),
    ("*.dataVolumeMounts", "volumes are mounted by name"),
    ("*.cpuCount", "only Windows engines know it"),
    ("*.cpuPercent", "only Windows engines know it"),
    ("*.ioMaximumBandwidth", "only Windows engines know it"),
    ("*.ioMaximumIOps", "only Windows engines know it"),
    ("*.diskQuota", "no engine that we run on knows it"),
    ("*.healthCheck", "platform health checks are not built yet; Docker's own HEALTHCHECK counts"),
    ("*.drainTimeoutMs", BALANCERS),
    ("*.instanceTriggeredStop", "a container that ends by itself is treated by its restart policy"),
];

/// Compares our declarations with the old API, type by type in the order of their names.
///
/// # Panics
/// When the reference that is part of this program does not parse, which a test rules out.
pub fn compatibility() -> Vec<TypeStanding> {
    let reference: BTreeMap<String, Reference> =
        serde_json::from_str(REFERENCE).expect("the reference is a list of types");
    let ours = declarations(Version::V2Beta);
    reference
        .into_iter()
        .map(|(name, known)| {
            let core = known.class == "core";
            match ours.iter().find(|declaration| declaration.id == name) {
                Some(declaration) => of_type(name, core, &known, declaration),
                None => TypeStanding {
                    standing: Standing::Absent(reason(ABSENT, &name).unwrap_or(if core {
                        NO_REASON
                    } else {
                        "no client that we promise to serve needs it"
                    })),
                    name,
                    core,
                    fields: Vec::new(),
                    actions: Vec::new(),
                    filters_absent: Vec::new(),
                    ours: Vec::new(),
                },
            }
        })
        .collect()
}

/// Stands where a reason is missing; a test finds it.
pub const NO_REASON: &str = "nobody has said why";

fn of_type(name: String, core: bool, known: &Reference, declaration: &Declaration) -> TypeStanding {
    let field = |field: &String| {
        let key = format!("{name}.{field}");
        let standing = if declaration.field(field).is_none() {
            Standing::Absent(reason(ABSENT, &key).unwrap_or(NO_REASON))
        } else {
            reason(IGNORED, &key).map_or(Standing::Works, Standing::Ignored)
        };
        (field.clone(), standing)
    };
    let action = |action: &String| {
        let standing = if declaration.actions.contains_key(action) {
            Standing::Works
        } else {
            Standing::Absent(reason(ABSENT, &format!("{name}!{action}")).unwrap_or(NO_REASON))
        };
        (action.clone(), standing)
    };
    let own_fields = declaration.fields.iter().filter(|(field, _)| core && !known.fields.contains(field));
    let own_actions = declaration.actions.keys().filter(|action| core && !known.actions.contains(action));
    TypeStanding {
        core,
        standing: Standing::Works,
        fields: known.fields.iter().map(field).collect(),
        actions: known.actions.iter().map(action).collect(),
        filters_absent: known
            .filters
            .iter()
            .filter(|filter| declaration.field(filter).is_some() && !declaration.filters.contains(filter))
            .cloned()
            .collect(),
        ours: own_fields.map(|(field, _)| field.clone()).chain(own_actions.cloned()).collect(),
        name,
    }
}

/// Finds the reason of `type`, `type.field` or `type!action`.
fn reason(table: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    let cut = key.find(['.', '!']);
    let fits = |pattern: &str| match cut {
        None => pattern == key,
        Some(cut) => {
            let (kind, rest) = key.split_at(cut);
            pattern == key
                || pattern.strip_prefix('*') == Some(rest)
                // `launchConfig.` stands for each of its fields.
                || pattern.len() == kind.len() + 1 && key.starts_with(pattern)
        }
    };
    table.iter().find(|(pattern, _)| fits(pattern)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests;
