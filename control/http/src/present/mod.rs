//! From stored rows to the rows of the API: what they hold, before a role looks at them.
//!
//! States come from `control_model::state`; nothing here works one out by itself.

mod actions;
pub mod derived;
mod keeps;
pub mod launches;
mod rows;
pub mod views;

use std::sync::Arc;

use contract_api::{ApiId, Role, Row as ApiRow};
use contract_values::ProjectId;
use control_model::{AnyRow, Container, CredentialKind, Kind, Row};

pub use actions::delete_allowed;
use derived::Derived;
pub use rows::container_ports;

use crate::app::setting::SettingValue;
use crate::app::{Cx, registry, setting};
use crate::auth::Caller;
use crate::auth::scope::role_in;

/// One thing that the API shows: a stored row, or what is computed from one.
#[derive(Clone, Debug)]
pub enum Item {
    /// A stored row.
    Row(AnyRow),
    /// One published port of a container.
    Port(Arc<Row<Container>>, usize),
    /// The membership of a container in its service.
    Expose(Arc<Row<Container>>),
    /// A setting, stored or not.
    Setting(SettingValue),
    /// What follows from rows of other types.
    Derived(Derived),
}

/// A port's number: ports have no rows, so it is made of the container's number and the place in its list.
const PORTS_PER_CONTAINER: i64 = 10_000;

impl Item {
    /// The row of the API.
    pub fn row(&self, cx: &Cx) -> ApiRow {
        match self {
            Self::Row(AnyRow::Account(row)) => rows::account(cx, row),
            Self::Row(AnyRow::Credential(row)) => rows::credential(cx, row),
            Self::Row(AnyRow::Project(row)) => rows::project(cx, row),
            Self::Row(AnyRow::Member(row)) => rows::member(row),
            Self::Row(AnyRow::Setting(row)) => rows::setting(&setting::effective(cx, &row.intent.name)),
            Self::Row(AnyRow::Host(row)) => rows::host(cx, row),
            Self::Row(AnyRow::Stack(row)) => rows::stack(cx, row),
            Self::Row(AnyRow::Service(row)) => rows::service(cx, row),
            Self::Row(AnyRow::Container(row)) => rows::container(cx, row),
            Self::Row(AnyRow::Volume(row)) => rows::volume(cx, row),
            Self::Row(AnyRow::SealedSecret(row)) => keeps::secret(row),
            Self::Row(AnyRow::Certificate(row)) => keeps::certificate(row),
            Self::Row(AnyRow::Registry(row)) => keeps::registry(cx, row),
            Self::Row(AnyRow::AuditEntry(row)) => keeps::audit_entry(row),
            Self::Row(AnyRow::ProjectTemplate(row)) => keeps::project_template(row),
            Self::Port(row, index) => {
                rows::port(row, *index, row.id.raw() * PORTS_PER_CONTAINER + *index as i64)
            }
            Self::Expose(row) => rows::expose_map(row),
            Self::Setting(value) => rows::setting(value),
            Self::Derived(derived) => derived.row(cx),
        }
    }

    /// The same thing in another picture, whoever looks.
    pub fn refetched(&self, cx: &Cx) -> Option<Self> {
        let container = |row: &Row<Container>| cx.tables.containers.get(row.id).cloned();
        Some(match self {
            Self::Row(row) => Self::Row(cx.tables.any(row.kind(), row.id())?),
            Self::Port(row, index) => Self::Port(container(row)?, *index),
            Self::Expose(row) => Self::Expose(container(row)?),
            Self::Setting(value) => Self::Setting(setting::effective(cx, &value.name)),
            Self::Derived(derived) => Self::Derived(derived.refetched(&cx.tables)?),
        })
    }

    /// Whether it is removed, so that lists leave it out.
    pub fn is_removed(&self) -> bool {
        match self {
            Self::Row(row) => control_model::with_row!(row, row => row.removed.is_some()),
            Self::Port(row, _) | Self::Expose(row) => row.removed.is_some(),
            Self::Setting(_) => false,
            Self::Derived(derived) => derived.is_removed(),
        }
    }

    /// The concrete type of a stored row; `None` for one that is never shown.
    pub fn type_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Row(AnyRow::Account(_)) => "account",
            Self::Row(AnyRow::Credential(row)) => match row.intent.kind {
                CredentialKind::ApiKey => "apiKey",
                CredentialKind::RegistrationToken => "registrationToken",
                CredentialKind::Password => "password",
                CredentialKind::RegistryLogin => "registryCredential",
                CredentialKind::AgentKey | CredentialKind::Session => return None,
            },
            Self::Row(AnyRow::Project(_)) => "project",
            Self::Row(AnyRow::Member(_)) => "projectMember",
            Self::Row(AnyRow::Setting(row)) if setting::is_secret(&row.intent.name) => return None,
            Self::Row(AnyRow::Setting(_)) | Self::Setting(_) => "activeSetting",
            Self::Row(AnyRow::Host(_)) => "host",
            Self::Row(AnyRow::Stack(_)) => "stack",
            Self::Row(AnyRow::Service(_)) => "service",
            Self::Row(AnyRow::Container(_)) => "container",
            Self::Row(AnyRow::Volume(_)) => "volume",
            Self::Row(AnyRow::SealedSecret(_)) => "secret",
            Self::Row(AnyRow::Certificate(_)) => "certificate",
            Self::Row(AnyRow::Registry(_)) => "registry",
            Self::Row(AnyRow::AuditEntry(_)) => "auditLog",
            Self::Row(AnyRow::ProjectTemplate(_)) => "projectTemplate",
            Self::Port(..) => "port",
            Self::Expose(_) => "serviceExposeMap",
            Self::Derived(derived) => derived.type_name(),
        })
    }

    /// Whether the caller may know that it exists. Everything that leaves the server passes here: lists, reads,
    /// links, includes and events.
    pub fn visible(&self, cx: &Cx) -> bool {
        if self.type_name().is_none() {
            return false;
        }
        match self {
            Self::Row(AnyRow::Account(row)) => sees_root(cx) || cx.account() == Some(row.id),
            Self::Row(AnyRow::Project(row)) => {
                // From inside a project one may look at the others that one is in as well.
                role_in(&cx.tables, cx.caller, row.id).is_some_and(|role| role != Role::Register)
                    || row.removed.is_some() && sees_root(cx)
            }
            Self::Row(AnyRow::Member(row)) => match cx.scope.project {
                Some(project) => row.intent.project == Some(project),
                None => row.intent.project.is_some_and(|p| role_in(&cx.tables, cx.caller, p).is_some()),
            },
            Self::Row(AnyRow::Credential(row)) => {
                let account = cx.account();
                match cx.scope.project {
                    Some(project) => row.intent.account.is_none() && row.intent.project == Some(project),
                    None => sees_root(cx) || account.is_some() && row.intent.account == account,
                }
            }
            Self::Row(AnyRow::Setting(row)) => setting_visible(cx, &row.intent.name),
            Self::Setting(value) => setting_visible(cx, &value.name),
            Self::Row(AnyRow::Host(row)) => match cx.caller {
                Caller::Agent { host, .. } => host == row.id,
                Caller::Anonymous
                | Caller::Account { .. }
                | Caller::ProjectKey { .. }
                | Caller::Registration { .. } => in_scope(cx, row.intent.project),
            },
            Self::Row(AnyRow::Stack(row)) => in_scope(cx, row.intent.project),
            Self::Row(AnyRow::Service(row)) => in_scope(cx, row.intent.project),
            Self::Row(AnyRow::Container(row)) | Self::Port(row, _) | Self::Expose(row) => {
                in_scope(cx, row.intent.project)
            }
            Self::Row(AnyRow::Volume(row)) => in_scope(cx, row.intent.project),
            Self::Derived(derived) => match derived.project() {
                Some(project) => in_scope(cx, Some(project)),
                None => sees_root(cx),
            },
            Self::Row(AnyRow::SealedSecret(row)) => in_scope(cx, row.intent.project),
            Self::Row(AnyRow::Certificate(row)) => in_scope(cx, row.intent.project),
            Self::Row(AnyRow::Registry(row)) => in_scope(cx, row.intent.project),
            Self::Row(AnyRow::AuditEntry(row)) => in_scope(cx, row.intent.project),
            Self::Row(AnyRow::ProjectTemplate(row)) => {
                row.intent.public
                    || sees_root(cx)
                    || cx.account().is_some() && row.intent.account == cx.account()
            }
        }
    }
}

fn setting_visible(cx: &Cx, name: &str) -> bool {
    !setting::is_secret(name) && (setting::is_public(name) || setting::may_read_all(cx))
}

/// Whether the caller sees the rows of every project: administrators at the root.
fn sees_root(cx: &Cx) -> bool {
    cx.scope.project.is_none() && matches!(cx.scope.role, Role::Admin | Role::ReadAdmin)
}

/// Whether the caller sees the ordinary rows of a project.
pub fn in_scope(cx: &Cx, project: Option<ProjectId>) -> bool {
    let role_works = match cx.scope.role {
        // An agent speaks its own protocol; the API shows it nothing but its host.
        Role::Agent | Role::Register | Role::Token => false,
        Role::Admin
        | Role::ReadAdmin
        | Role::User
        | Role::Owner
        | Role::Member
        | Role::Project
        | Role::ReadOnly
        | Role::Restricted
        | Role::Environment
        | Role::ProjectAdmin => true,
    };
    role_works && (sees_root(cx) || cx.scope.project.is_some() && cx.scope.project == project)
}

/// Lists what there is of a type, before filters. Only what the caller may see.
pub fn list(cx: &Cx, type_name: &str) -> Vec<Item> {
    let tables = &cx.tables;
    macro_rules! rows {
        ($table:ident, $kind:ident) => {
            match cx.scope.project {
                Some(project) => tables
                    .$table
                    .of_project(project)
                    .map(|row| Item::Row(AnyRow::$kind(row.clone())))
                    .collect::<Vec<_>>(),
                None => {
                    tables.$table.iter().map(|row| Item::Row(AnyRow::$kind(row.clone()))).collect::<Vec<_>>()
                }
            }
        };
    }
    let accounts = || tables.accounts.iter().map(|row| Item::Row(AnyRow::Account(row.clone())));
    let projects = || tables.projects.iter().map(|row| Item::Row(AnyRow::Project(row.clone())));
    let items: Vec<Item> = match type_name {
        "account" => accounts().chain(projects()).collect(),
        "project" => projects().collect(),
        "projectMember" => rows!(members, Member),
        "credential" | "apiKey" | "password" | "registrationToken" | "registryCredential" => {
            let all = rows!(credentials, Credential);
            all.into_iter()
                .filter(|item| type_name == "credential" || item.type_name() == Some(type_name))
                .collect()
        }
        "setting" | "activeSetting" => setting::list(cx, true).into_iter().map(Item::Setting).collect(),
        "host" => rows!(hosts, Host),
        "stack" => rows!(stacks, Stack),
        "service" => rows!(services, Service),
        "container" | "instance" => rows!(containers, Container),
        "volume" => rows!(volumes, Volume),
        "secret" => rows!(secrets, SealedSecret),
        "certificate" => rows!(certificates, Certificate),
        "registry" => rows!(registries, Registry),
        "storagePool" => {
            let mut pools = rows!(registries, Registry);
            pools.extend(derived::list(cx, type_name).unwrap_or_default().into_iter().map(Item::Derived));
            pools
        }
        "auditLog" => rows!(audit, AuditEntry),
        "projectTemplate" => {
            tables.templates.iter().map(|row| Item::Row(AnyRow::ProjectTemplate(row.clone()))).collect()
        }
        "port" => containers(cx).flat_map(ports_of).collect(),
        "serviceExposeMap" => containers(cx).filter(in_service).map(Item::Expose).collect(),
        _ => derived::list(cx, type_name).unwrap_or_default().into_iter().map(Item::Derived).collect(),
    };
    items.into_iter().filter(|item| item.visible(cx)).collect()
}

fn containers(cx: &Cx) -> impl Iterator<Item = Arc<Row<Container>>> {
    let rows: Vec<_> = match cx.scope.project {
        Some(project) => cx.tables.containers.of_project(project).cloned().collect(),
        None => cx.tables.containers.iter().cloned().collect(),
    };
    rows.into_iter()
}

fn ports_of(container: Arc<Row<Container>>) -> Vec<Item> {
    let count = container_ports(&container).len();
    (0..count).map(|index| Item::Port(container.clone(), index)).collect()
}

fn in_service(container: &Arc<Row<Container>>) -> bool {
    container.keys().service.is_some()
}

/// Finds one thing of a type; `None` when there is none or the caller may not see it.
pub fn find(cx: &Cx, type_name: &str, id: &str) -> Option<Item> {
    let item = if matches!(type_name, "setting" | "activeSetting") {
        find_setting(cx, id)?
    } else {
        let number = id.parse::<ApiId>().ok()?.number;
        find_number(cx, type_name, number)?
    };
    item.visible(cx).then_some(item)
}

fn find_number(cx: &Cx, type_name: &str, number: i64) -> Option<Item> {
    let tables = &cx.tables;
    let any = |kind: Kind| tables.any(kind, number).map(Item::Row);
    match type_name {
        "account" => any(Kind::Account).or_else(|| any(Kind::Project)),
        "project" => any(Kind::Project),
        "projectMember" => any(Kind::Member),
        "credential" => any(Kind::Credential),
        "apiKey" | "password" | "registrationToken" | "registryCredential" => {
            any(Kind::Credential).filter(|item| item.type_name() == Some(type_name))
        }
        "host" => any(Kind::Host),
        "stack" => any(Kind::Stack),
        "service" => any(Kind::Service),
        "container" | "instance" => any(Kind::Container),
        "volume" => any(Kind::Volume),
        "secret" => any(Kind::Secret),
        "certificate" => any(Kind::Certificate),
        "registry" => any(Kind::Registry),
        "auditLog" => any(Kind::AuditLog),
        "projectTemplate" => any(Kind::ProjectTemplate),
        "port" => {
            let container = tables.containers.get_raw(number / PORTS_PER_CONTAINER)?;
            let index = usize::try_from(number % PORTS_PER_CONTAINER).ok()?;
            (index < container_ports(container).len()).then(|| Item::Port(container.clone(), index))
        }
        "storagePool" => {
            any(Kind::Registry).or_else(|| derived::find(cx, type_name, number).map(Item::Derived))
        }
        "serviceExposeMap" => {
            tables.containers.get_raw(number).filter(|row| in_service(row)).cloned().map(Item::Expose)
        }
        _ => derived::find(cx, type_name, number).map(Item::Derived),
    }
}

fn find_setting(cx: &Cx, id: &str) -> Option<Item> {
    let name = match id.strip_prefix("1as!") {
        Some(name) => name.to_owned(),
        None => match id.strip_prefix("1as").and_then(|number| number.parse::<i64>().ok()) {
            Some(number) => cx.tables.settings.get_raw(number)?.intent.name.clone(),
            None => id.to_owned(),
        },
    };
    if setting::is_secret(&name) {
        return None;
    }
    let value = setting::effective(cx, &name);
    Some(Item::Setting(value))
}

/// What a link of a thing leads to, as far as the caller may see it.
pub fn related(cx: &Cx, item: &Item, link: &str) -> Vec<Item> {
    let tables = &cx.tables;
    let container = |row: &Arc<Row<Container>>| Item::Row(AnyRow::Container(row.clone()));
    let live = |row: &&Arc<Row<Container>>| row.removed.is_none();
    let hosts_of = |ids: std::collections::BTreeSet<contract_values::HostId>| -> Vec<Item> {
        ids.into_iter()
            .filter_map(|id| tables.hosts.get(id))
            .map(|row| Item::Row(AnyRow::Host(row.clone())))
            .collect()
    };
    let items: Vec<Item> = match (item, link) {
        (Item::Row(AnyRow::Stack(stack)), "services") => {
            tables.services.of_stack(stack.id).map(|row| Item::Row(AnyRow::Service(row.clone()))).collect()
        }
        (Item::Row(AnyRow::Stack(stack)), "instances") => {
            tables.containers.of_stack(stack.id).map(container).collect()
        }
        (Item::Row(AnyRow::Stack(stack)), "hosts") => hosts_of(
            tables.containers.of_stack(stack.id).filter(live).filter_map(|c| c.keys().host).collect(),
        ),
        (Item::Row(AnyRow::Stack(stack)), "volumes") => {
            tables.volumes.of_stack(stack.id).map(|row| Item::Row(AnyRow::Volume(row.clone()))).collect()
        }
        (Item::Row(AnyRow::Service(service)), "instances") => {
            tables.containers.of_service(service.id).map(container).collect()
        }
        (Item::Row(AnyRow::Service(service)), "serviceExposeMaps") => {
            tables.containers.of_service(service.id).cloned().map(Item::Expose).collect()
        }
        (Item::Row(AnyRow::Service(service)), "consumedservices") => service
            .intent
            .links
            .iter()
            .filter_map(|link| tables.services.get(link.service))
            .map(|row| Item::Row(AnyRow::Service(row.clone())))
            .collect(),
        (Item::Row(AnyRow::Service(service)), "consumedbyservices") => service
            .intent
            .project
            .into_iter()
            .flat_map(|project| tables.services.of_project(project))
            .filter(|other| other.intent.links.iter().any(|link| link.service == service.id))
            .map(|row| Item::Row(AnyRow::Service(row.clone())))
            .collect(),
        (Item::Row(AnyRow::Host(host)), "instances") => {
            tables.containers.of_host(host.id).map(container).collect()
        }
        (Item::Row(AnyRow::Host(host)), "volumes") => {
            tables.volumes.of_host(host.id).map(|row| Item::Row(AnyRow::Volume(row.clone()))).collect()
        }
        (Item::Row(AnyRow::Container(row)), "hosts") => hosts_of(row.keys().host.into_iter().collect()),
        (Item::Row(AnyRow::Container(row)), "ports") => ports_of(row.clone()),
        (Item::Row(AnyRow::Container(row)), "services") => row
            .keys()
            .service
            .and_then(|id| tables.services.get(id))
            .map(|row| Item::Row(AnyRow::Service(row.clone())))
            .into_iter()
            .collect(),
        (Item::Row(AnyRow::Container(row)), "serviceExposeMaps") => {
            Some(row.clone()).filter(in_service).map(Item::Expose).into_iter().collect()
        }
        (Item::Row(AnyRow::Container(row)), "volumes") => {
            rows::volumes_on(tables, row).into_iter().map(|row| Item::Row(AnyRow::Volume(row))).collect()
        }
        (Item::Row(AnyRow::Container(row)), "mounts") => {
            derived::mounts_of(tables, row).into_iter().map(Item::Derived).collect()
        }
        (Item::Row(AnyRow::Container(row)), "labels") => derived::container_labels(row)
            .into_iter()
            .map(|label| Item::Derived(Derived::Label(label)))
            .collect(),
        (Item::Row(AnyRow::Host(host)), "labels" | "hostLabels") => {
            derived::host_labels(host).into_iter().map(|label| Item::Derived(Derived::Label(label))).collect()
        }
        (Item::Row(AnyRow::Host(host)), "storagePools") => {
            vec![Item::Derived(Derived::Pool(host.clone()))]
        }
        (Item::Row(AnyRow::Volume(volume)), "mounts") => {
            derived::mounts_of_volume(tables, volume).into_iter().map(Item::Derived).collect()
        }
        (Item::Row(AnyRow::Volume(volume)), "storagePools") => volume
            .intent
            .host
            .and_then(|id| tables.hosts.get(id))
            .map(|host| Item::Derived(Derived::Pool(host.clone())))
            .into_iter()
            .collect(),
        (Item::Row(AnyRow::Stack(stack)), "volumeTemplates") => {
            derived::templates_of(stack).into_iter().map(Item::Derived).collect()
        }
        (Item::Row(AnyRow::Stack(stack)), "secrets") => tables
            .secrets
            .of_stack(stack.id)
            .map(|row| Item::Row(AnyRow::SealedSecret(row.clone())))
            .collect(),
        (Item::Row(AnyRow::Registry(registry)), "credentials") => {
            registry::credentials(tables, registry).map(|row| Item::Row(AnyRow::Credential(row))).collect()
        }
        (Item::Derived(Derived::Pool(host)), "hosts") => {
            vec![Item::Row(AnyRow::Host(host.clone()))]
        }
        (Item::Derived(Derived::Pool(host)), "volumes") => {
            tables.volumes.of_host(host.id).map(|row| Item::Row(AnyRow::Volume(row.clone()))).collect()
        }
        (Item::Derived(Derived::Template(stack, name)), "volumes") => tables
            .volumes
            .of_stack(stack.id)
            .filter(|row| row.intent.template.as_ref() == Some(name))
            .map(|row| Item::Row(AnyRow::Volume(row.clone())))
            .collect(),
        (Item::Derived(Derived::Label(label)), "hosts") => tables
            .hosts
            .of_project(label.project)
            .filter(|row| row.removed.is_none() && derived::host_labels(row).contains(label))
            .map(|row| Item::Row(AnyRow::Host(row.clone())))
            .collect(),
        (Item::Derived(Derived::Label(label)), "instances") => tables
            .containers
            .of_project(label.project)
            .filter(|row| row.removed.is_none() && derived::container_labels(row).contains(label))
            .map(container)
            .collect(),
        (Item::Row(AnyRow::Project(project)), "projectMembers") => {
            tables.members.of_project(project.id).map(|row| Item::Row(AnyRow::Member(row.clone()))).collect()
        }
        (Item::Row(AnyRow::Project(project)), _) => {
            let Some(role) = role_in(tables, cx.caller, project.id) else { return Vec::new() };
            let inside = Cx { scope: crate::app::Scope { project: Some(project.id), role }, ..cx.clone() };
            let target = match link {
                "credentials" => "credential",
                "hosts" => "host",
                "instances" => "instance",
                "ports" => "port",
                "serviceExposeMaps" => "serviceExposeMap",
                "services" => "service",
                "stacks" => "stack",
                "volumes" => "volume",
                "certificates" => "certificate",
                "secrets" => "secret",
                "labels" => "label",
                "mounts" => "mount",
                "networks" => "network",
                "storagePools" => "storagePool",
                "serviceConsumeMaps" => "serviceConsumeMap",
                "volumeTemplates" => "volumeTemplate",
                _ => return Vec::new(),
            };
            return list(&inside, target);
        }
        (Item::Row(AnyRow::Account(account)), "credentials") => tables
            .credentials
            .live()
            .filter(|row| row.intent.account == Some(account.id))
            .map(|row| Item::Row(AnyRow::Credential(row.clone())))
            .collect(),
        _ => Vec::new(),
    };
    items.into_iter().filter(|item| item.visible(cx)).collect()
}
