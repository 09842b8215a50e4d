//! What the API shows as objects of their own and is told by rows of other types: mounts, labels, networks, storage
//! pools, links of services and definitions of volumes. Their ids follow from what they are made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract_api::{Row as ApiRow, format_id};
use contract_values::{ContainerId, HostId, ProjectId, ServiceId, StackId, Timestamp, VolumeId};
use control_model::state::{
    PublicState, Transitioning, container_reason, container_state, host_state, service_state, simple_state,
    stack_state, volume_state,
};
use control_model::{
    AnyRow, Container, Host, Kind, MountKind, Object, Origin, Row, Service, Stack, Tables, Volume,
};
use control_plan::stack_network;
use sha2::{Digest as _, Sha256};

use super::rows::{base, mount_path, object, volumes_on};
use crate::app::Cx;

/// One thing that follows from rows.
#[derive(Clone, Debug)]
pub enum Derived {
    /// A volume in a container.
    Mount(Arc<Row<Container>>, Arc<Row<Volume>>),
    /// A label of hosts or containers of an environment.
    Label(Label),
    /// The network of a stack.
    Network(Arc<Row<Stack>>),
    /// The local volumes of a host.
    Pool(Arc<Row<Host>>),
    /// A link from a service to another one.
    Consume(Arc<Row<Service>>, Arc<Row<Service>>),
    /// A volume that a stack's files define, by its name there.
    Template(Arc<Row<Stack>>, String),
    /// What is under way, or cannot go on, with an object.
    Process(AnyRow),
}

/// A label that hosts or containers of an environment have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The environment.
    pub project: ProjectId,
    /// `host` or `container`.
    pub of: &'static str,
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Two numbers in one: the first is worth so much.
const PAIR: i64 = 1_000_000_000;
/// Pools of hosts are counted from here, above registries.
const FIRST_POOL: i64 = 1 << 40;

/// A number for what has none, from its text. Two of one environment that share it are beyond all likelihood.
fn number_of(text: &str) -> i64 {
    let digest = Sha256::digest(text.as_bytes());
    digest[..6].iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte))
}

impl Derived {
    /// Its type.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Mount(..) => "mount",
            Self::Label(_) => "label",
            Self::Network(_) => "network",
            Self::Pool(_) => "storagePool",
            Self::Consume(..) => "serviceConsumeMap",
            Self::Template(..) => "volumeTemplate",
            Self::Process(_) => "processInstance",
        }
    }

    /// The environment that it is in.
    pub fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Mount(row, _) => row.intent.project,
            Self::Label(label) => Some(label.project),
            Self::Network(row) | Self::Template(row, _) => row.intent.project,
            Self::Pool(row) => row.intent.project,
            Self::Consume(row, _) => row.intent.project,
            // Operators look at all of them, and nobody else at any.
            Self::Process(_) => None,
        }
    }

    /// Whether what it follows from is removed.
    pub fn is_removed(&self) -> bool {
        match self {
            Self::Mount(container, volume) => container.removed.is_some() || volume.removed.is_some(),
            Self::Label(_) => false,
            Self::Network(row) | Self::Template(row, _) => row.removed.is_some(),
            Self::Pool(row) => row.removed.is_some(),
            Self::Consume(row, _) => row.removed.is_some(),
            Self::Process(_) => false,
        }
    }

    /// Its number.
    fn number(&self) -> i64 {
        match self {
            Self::Mount(container, volume) => container.id.raw() * PAIR + volume.id.raw(),
            Self::Label(Label { project, of, key, value }) => {
                number_of(&format!("label/{project}/{of}/{key}={value}"))
            }
            Self::Network(row) => row.id.raw(),
            Self::Pool(row) => FIRST_POOL + row.id.raw(),
            Self::Consume(row, target) => row.id.raw() * PAIR + target.id.raw(),
            Self::Template(row, name) => number_of(&format!("template/{}/{name}", row.id)),
            Self::Process(row) => kind_number(row.kind()) * PROCESSES + row.id(),
        }
    }

    /// Its id.
    pub fn id(&self) -> String {
        let prefix = match self {
            Self::Mount(..) => "1m",
            Self::Label(_) => "1l",
            Self::Network(_) => "1n",
            Self::Pool(_) => "1sp",
            Self::Consume(..) => "1scm",
            Self::Template(..) => "1vt",
            Self::Process(_) => "1pi",
        };
        format!("{prefix}{}", self.number())
    }

    /// The same thing in another picture.
    pub fn refetched(&self, tables: &Tables) -> Option<Self> {
        Some(match self {
            Self::Mount(container, volume) => Self::Mount(
                tables.containers.get(container.id)?.clone(),
                tables.volumes.get(volume.id)?.clone(),
            ),
            Self::Label(label) => Self::Label(label.clone()),
            Self::Network(row) => Self::Network(tables.stacks.get(row.id)?.clone()),
            Self::Pool(row) => Self::Pool(tables.hosts.get(row.id)?.clone()),
            Self::Consume(row, target) => {
                Self::Consume(tables.services.get(row.id)?.clone(), tables.services.get(target.id)?.clone())
            }
            Self::Template(row, name) => Self::Template(tables.stacks.get(row.id)?.clone(), name.clone()),
            Self::Process(row) => Self::Process(tables.any(row.kind(), row.id())?),
        })
    }

    /// The row of the API.
    pub fn row(&self, cx: &Cx) -> ApiRow {
        let (name, id) = (self.type_name(), self.id());
        match self {
            Self::Mount(container, volume) => {
                let (path, read_only) = mount_path(container, volume).unwrap_or_default();
                let mut api = base(name, id, &**container, &on(self.is_removed() || container.is_going()));
                api.set("uuid", format!("{}-{}", container.uuid, volume.id.raw()))
                    .set("accountId", container.intent.project.map(format_id))
                    .set("instanceId", format_id(container.id))
                    .set("volumeId", format_id(volume.id))
                    .set("path", path)
                    .set("permissions", if read_only { "ro" } else { "rw" });
                api
            }
            Self::Label(Label { project, of, key, value }) => {
                let mut api = ApiRow::new(name, id.clone());
                api.set("kind", name)
                    .set("uuid", id)
                    .set("state", "active")
                    .set("transitioning", "no")
                    .set("accountId", format_id(*project))
                    .set("type", *of)
                    .set("key", key.clone())
                    .set("value", value.clone());
                api
            }
            Self::Network(stack) => {
                let mut api = base(name, id, &**stack, &on(stack.is_going()));
                api.set("uuid", format!("{}-network", stack.uuid))
                    .set("accountId", stack.intent.project.map(format_id))
                    .set("stackId", format_id(stack.id))
                    .set("name", stack_network(stack.intent.project, Some(stack.id)))
                    .set("driver", "bridge");
                api
            }
            Self::Pool(host) => {
                let volumes: Vec<String> = cx
                    .tables
                    .volumes
                    .of_host(host.id)
                    .filter(|row| row.removed.is_none())
                    .map(|row| format_id(row.id))
                    .collect();
                let mut api = base(name, id, &**host, &on(host.is_going()));
                let called = host.intent.name.as_deref().unwrap_or(&host.intent.hostname);
                api.set("uuid", format!("{}-pool", host.uuid))
                    .set("accountId", host.intent.project.map(format_id))
                    .set("name", format!("{called} local"))
                    .set("driverName", "local")
                    .set("volumeAccessMode", "singleHostRW")
                    .set("hostIds", vec![format_id(host.id)])
                    .set("volumeIds", volumes);
                api
            }
            Self::Consume(service, target) => {
                let alias = service.intent.links.iter().find(|link| link.service == target.id);
                let mut api = base(name, id, &**service, &on(service.is_going()));
                api.set("uuid", format!("{}-{}", service.uuid, target.id.raw()))
                    .set("accountId", service.intent.project.map(format_id))
                    .set("serviceId", format_id(service.id))
                    .set("consumedServiceId", format_id(target.id))
                    .set("consumedService", target.intent.name.clone())
                    .set("name", alias.and_then(|link| link.alias.clone()));
                api
            }
            Self::Template(stack, volume) => {
                let mut api = base(name, id, &**stack, &on(stack.is_going()));
                api.set("uuid", format!("{}-{volume}", stack.uuid))
                    .set("accountId", stack.intent.project.map(format_id))
                    .set("stackId", format_id(stack.id))
                    .set("name", volume.clone());
                if let Some(template) = stack.intent.volumes.get(volume) {
                    let driver = template.driver.clone().unwrap_or_else(|| "local".to_owned());
                    api.set("driver", driver)
                        .set("driverOpts", object(&template.driver_options))
                        .set("external", template.external)
                        .set("perContainer", template.per_container);
                }
                api
            }
            Self::Process(row) => {
                let mut api = ApiRow::new(name, id);
                let Some(process) = Process::of(&cx.tables, row) else { return api };
                api.set("accountId", process.project.map(format_id))
                    .set("processName", format!("{}.{}", process.type_name, process.verb))
                    .set("resourceType", process.type_name)
                    .set("resourceId", row.id().to_string())
                    .set("phase", if process.stuck { "HANDLER_FAILED" } else { "HANDLERS" })
                    .set("exitReason", process.reason)
                    .set("executionCount", 1)
                    .set("priority", 0)
                    .set("runningProcessServerId", cx.shared.install_uuid.clone())
                    .set_date("startTime", process.since);
                api
            }
        }
    }
}

/// Kinds are told apart by a number above that of any row.
const PROCESSES: i64 = 1_000_000_000_000;

/// The kinds that things go on with; their places are part of ids.
const WITH_PROCESSES: [Kind; 6] =
    [Kind::Project, Kind::Host, Kind::Stack, Kind::Service, Kind::Container, Kind::Volume];

fn kind_number(kind: Kind) -> i64 {
    let place = WITH_PROCESSES.iter().position(|known| *known == kind);
    place.map_or(0, |place| i64::try_from(place + 1).unwrap_or(0))
}

/// What is under way with an object.
struct Process {
    type_name: &'static str,
    verb: &'static str,
    project: Option<ProjectId>,
    since: Option<Timestamp>,
    reason: Option<String>,
    stuck: bool,
}

impl Process {
    fn of(tables: &Tables, row: &AnyRow) -> Option<Self> {
        let (type_name, state, since) = match row {
            AnyRow::Project(row) => ("project", simple_state(row, row.intent.inactive), None),
            AnyRow::Host(row) => ("host", host_state(row), Some(row.observation.link_since)),
            AnyRow::Stack(row) => {
                let services = tables.services.of_stack(row.id).map(|service| &**service);
                ("stack", stack_state(row, services), None)
            }
            AnyRow::Service(row) => {
                ("service", service_state(row), row.decision.reason.as_ref().map(|reason| reason.since))
            }
            AnyRow::Container(row) => {
                ("instance", container_state(row), container_reason(row).map(|reason| reason.since))
            }
            AnyRow::Volume(row) => ("volume", volume_state(row, false), None),
            AnyRow::Account(_)
            | AnyRow::Credential(_)
            | AnyRow::Member(_)
            | AnyRow::Setting(_)
            | AnyRow::SealedSecret(_)
            | AnyRow::Certificate(_)
            | AnyRow::Registry(_)
            | AnyRow::AuditEntry(_)
            | AnyRow::ProjectTemplate(_) => return None,
        };
        let stuck = match state.transitioning {
            Transitioning::No => return None,
            Transitioning::Yes => false,
            Transitioning::Error => true,
        };
        let verb = match state.name {
            "creating" | "registering" => "create",
            "activating" => "activate",
            "deactivating" => "deactivate",
            "removing" => "remove",
            "starting" => "start",
            "stopping" => "stop",
            "restarting" => "restart",
            "reconnecting" | "disconnected" => "reconnect",
            _ => "update",
        };
        let (project, asked, created) = control_model::with_row!(row, row => {
            (row.keys().project, row.removal_asked, row.created)
        });
        Some(Self {
            type_name,
            verb,
            project,
            since: asked.or(since).or(Some(created)),
            reason: state.message,
            stuck,
        })
    }
}

/// Everything that is under way.
fn processes(tables: &Tables) -> Vec<Derived> {
    let rows = tables
        .projects
        .iter()
        .map(|row| AnyRow::Project(row.clone()))
        .chain(tables.hosts.iter().map(|row| AnyRow::Host(row.clone())))
        .chain(tables.stacks.iter().map(|row| AnyRow::Stack(row.clone())))
        .chain(tables.services.iter().map(|row| AnyRow::Service(row.clone())))
        .chain(tables.containers.iter().map(|row| AnyRow::Container(row.clone())))
        .chain(tables.volumes.iter().map(|row| AnyRow::Volume(row.clone())));
    rows.filter(|row| Process::of(tables, row).is_some()).map(Derived::Process).collect()
}

fn on(gone: bool) -> PublicState {
    PublicState {
        name: if gone { "removed" } else { "active" },
        transitioning: Transitioning::No,
        message: None,
        progress: None,
    }
}

/// The rows of a table that the scope looks at.
fn scoped<'a, O: Object>(
    cx: &Cx,
    table: &'a control_model::Table<O>,
) -> Box<dyn Iterator<Item = &'a Arc<Row<O>>> + 'a> {
    match cx.scope.project {
        Some(project) => Box::new(table.of_project(project)),
        None => Box::new(table.iter()),
    }
}

/// Everything of a derived type in the scope; `None` for other types.
pub fn list(cx: &Cx, type_name: &str) -> Option<Vec<Derived>> {
    let tables = &cx.tables;
    Some(match type_name {
        "mount" => scoped(cx, &tables.containers).flat_map(|row| mounts_of(tables, row)).collect(),
        "label" => {
            let mut labels = BTreeSet::new();
            for row in scoped(cx, &tables.hosts).filter(|row| row.removed.is_none()) {
                labels.extend(host_labels(row));
            }
            for row in scoped(cx, &tables.containers).filter(|row| row.removed.is_none()) {
                labels.extend(container_labels(row));
            }
            labels.into_iter().map(Derived::Label).collect()
        }
        "network" => scoped(cx, &tables.stacks).cloned().map(Derived::Network).collect(),
        "storagePool" => scoped(cx, &tables.hosts).cloned().map(Derived::Pool).collect(),
        "serviceConsumeMap" => {
            scoped(cx, &tables.services).flat_map(|row| consumes_of(tables, row)).collect()
        }
        "volumeTemplate" => scoped(cx, &tables.stacks).flat_map(templates_of).collect(),
        "processInstance" => processes(tables),
        _ => return None,
    })
}

/// Finds a derived thing by its number, whoever looks.
pub fn find(cx: &Cx, type_name: &str, number: i64) -> Option<Derived> {
    let tables = &cx.tables;
    match type_name {
        "mount" => {
            let container = tables.containers.get(ContainerId::new(number / PAIR))?;
            let volume = tables.volumes.get(VolumeId::new(number % PAIR))?;
            mount_path(container, volume)?;
            Some(Derived::Mount(container.clone(), volume.clone()))
        }
        "network" => tables.stacks.get(StackId::new(number)).cloned().map(Derived::Network),
        "storagePool" => tables.hosts.get(HostId::new(number - FIRST_POOL)).cloned().map(Derived::Pool),
        "serviceConsumeMap" => {
            let service = tables.services.get(ServiceId::new(number / PAIR))?;
            let target = ServiceId::new(number % PAIR);
            service.intent.links.iter().find(|link| link.service == target)?;
            Some(Derived::Consume(service.clone(), tables.services.get(target)?.clone()))
        }
        "processInstance" => {
            let kind =
                usize::try_from(number / PROCESSES - 1).ok().and_then(|place| WITH_PROCESSES.get(place))?;
            let row = tables.any(*kind, number % PROCESSES)?;
            Process::of(tables, &row)?;
            Some(Derived::Process(row))
        }
        "label" | "volumeTemplate" => {
            list(cx, type_name)?.into_iter().find(|derived| derived.number() == number)
        }
        _ => None,
    }
}

/// The volumes in a container.
pub fn mounts_of(tables: &Tables, row: &Arc<Row<Container>>) -> Vec<Derived> {
    if !row.intent.launch.mounts.iter().any(|mount| mount.kind == MountKind::Volume) {
        return Vec::new();
    }
    volumes_on(tables, row).into_iter().map(|volume| Derived::Mount(row.clone(), volume)).collect()
}

/// The containers that a volume is in.
pub fn mounts_of_volume(tables: &Tables, volume: &Arc<Row<Volume>>) -> Vec<Derived> {
    crate::app::volume::users(tables, volume)
        .filter_map(|user| tables.containers.get(user.id))
        .map(|container| Derived::Mount(container.clone(), volume.clone()))
        .collect()
}

/// The labels of a host.
pub fn host_labels(row: &Row<Host>) -> Vec<Label> {
    labels(row.intent.project, "host", &row.intent.labels)
}

/// The labels of a container.
pub fn container_labels(row: &Row<Container>) -> Vec<Label> {
    match row.intent.origin {
        Origin::Service { .. } | Origin::Standalone | Origin::Native { .. } => {
            labels(row.intent.project, "container", &row.intent.launch.labels)
        }
    }
}

fn labels(project: Option<ProjectId>, of: &'static str, labels: &contract_values::Labels) -> Vec<Label> {
    let Some(project) = project else { return Vec::new() };
    labels.iter().map(|(key, value)| Label { project, of, key: key.clone(), value: value.clone() }).collect()
}

/// The links of a service.
pub fn consumes_of(tables: &Tables, row: &Arc<Row<Service>>) -> Vec<Derived> {
    let mut targets: Vec<ServiceId> = row.intent.links.iter().map(|link| link.service).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
        .into_iter()
        .filter_map(|target| tables.services.get(target))
        .map(|target| Derived::Consume(row.clone(), target.clone()))
        .collect()
}

/// The volumes that a stack's files define.
pub fn templates_of(row: &Arc<Row<Stack>>) -> Vec<Derived> {
    row.intent.volumes.keys().map(|name| Derived::Template(row.clone(), name.clone())).collect()
}

/// The definition that a volume was made of.
pub fn template_of(tables: &Tables, volume: &Row<Volume>) -> Option<Derived> {
    let stack = tables.stacks.get(volume.intent.stack?)?;
    let name = volume.intent.template.clone().filter(|name| stack.intent.volumes.contains_key(name))?;
    Some(Derived::Template(stack.clone(), name))
}
