//! All live objects in memory, found by their keys.
//!
//! A [`Tables`] is an immutable picture at one revision. Cloning it costs a few pointers, because the maps share
//! their structure; so a reader never makes a writer wait, and a controller decides on a picture that does not
//! change under it.

use std::sync::Arc;

use contract_values::{HostId, Id, ProjectId, Revision, ServiceId, StackId};
use imbl::{OrdMap, OrdSet};

use crate::access::{Account, Credential, Member, Project, Setting};
use crate::container::Container;
use crate::host::Host;
use crate::object::{Keys, Kind, Object, Row};
use crate::record::{AuditEntry, ProjectTemplate};
use crate::sealed::{Certificate, Registry, SealedSecret};
use crate::stack::{Service, Stack};
use crate::volume::Volume;
use crate::write::AnyRow;

/// Every object that is not removed, or was so only a while ago, at one revision.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The revision of the newest write that is in here.
    pub revision: Revision,
    /// Accounts.
    pub accounts: Table<Account>,
    /// Credentials.
    pub credentials: Table<Credential>,
    /// Environments.
    pub projects: Table<Project>,
    /// Memberships.
    pub members: Table<Member>,
    /// Stored settings.
    pub settings: Table<Setting>,
    /// Hosts.
    pub hosts: Table<Host>,
    /// Stacks.
    pub stacks: Table<Stack>,
    /// Services.
    pub services: Table<Service>,
    /// Containers.
    pub containers: Table<Container>,
    /// Volumes.
    pub volumes: Table<Volume>,
    /// Secrets.
    pub secrets: Table<SealedSecret>,
    /// Certificates.
    pub certificates: Table<Certificate>,
    /// Registries.
    pub registries: Table<Registry>,
    /// The audit log.
    pub audit: Table<AuditEntry>,
    /// Drafts of environments.
    pub templates: Table<ProjectTemplate>,
}

impl Tables {
    /// Puts a row in the place of what had its id.
    pub fn put(&mut self, row: AnyRow) {
        match row {
            AnyRow::Account(row) => self.accounts.put(row),
            AnyRow::Credential(row) => self.credentials.put(row),
            AnyRow::Project(row) => self.projects.put(row),
            AnyRow::Member(row) => self.members.put(row),
            AnyRow::Setting(row) => self.settings.put(row),
            AnyRow::Host(row) => self.hosts.put(row),
            AnyRow::Stack(row) => self.stacks.put(row),
            AnyRow::Service(row) => self.services.put(row),
            AnyRow::Container(row) => self.containers.put(row),
            AnyRow::Volume(row) => self.volumes.put(row),
            AnyRow::SealedSecret(row) => self.secrets.put(row),
            AnyRow::Certificate(row) => self.certificates.put(row),
            AnyRow::Registry(row) => self.registries.put(row),
            AnyRow::AuditEntry(row) => self.audit.put(row),
            AnyRow::ProjectTemplate(row) => self.templates.put(row),
        }
    }

    /// Takes a row away for good.
    pub fn purge(&mut self, kind: Kind, id: i64) {
        match kind {
            Kind::Account => self.accounts.purge(id),
            Kind::Credential => self.credentials.purge(id),
            Kind::Project => self.projects.purge(id),
            Kind::Member => self.members.purge(id),
            Kind::Setting => self.settings.purge(id),
            Kind::Host => self.hosts.purge(id),
            Kind::Stack => self.stacks.purge(id),
            Kind::Service => self.services.purge(id),
            Kind::Container => self.containers.purge(id),
            Kind::Volume => self.volumes.purge(id),
            Kind::Secret => self.secrets.purge(id),
            Kind::Certificate => self.certificates.purge(id),
            Kind::Registry => self.registries.purge(id),
            Kind::AuditLog => self.audit.purge(id),
            Kind::ProjectTemplate => self.templates.purge(id),
        }
    }

    /// Finds a row of any kind.
    pub fn any(&self, kind: Kind, id: i64) -> Option<AnyRow> {
        Some(match kind {
            Kind::Account => AnyRow::Account(self.accounts.get_raw(id)?.clone()),
            Kind::Credential => AnyRow::Credential(self.credentials.get_raw(id)?.clone()),
            Kind::Project => AnyRow::Project(self.projects.get_raw(id)?.clone()),
            Kind::Member => AnyRow::Member(self.members.get_raw(id)?.clone()),
            Kind::Setting => AnyRow::Setting(self.settings.get_raw(id)?.clone()),
            Kind::Host => AnyRow::Host(self.hosts.get_raw(id)?.clone()),
            Kind::Stack => AnyRow::Stack(self.stacks.get_raw(id)?.clone()),
            Kind::Service => AnyRow::Service(self.services.get_raw(id)?.clone()),
            Kind::Container => AnyRow::Container(self.containers.get_raw(id)?.clone()),
            Kind::Volume => AnyRow::Volume(self.volumes.get_raw(id)?.clone()),
            Kind::Secret => AnyRow::SealedSecret(self.secrets.get_raw(id)?.clone()),
            Kind::Certificate => AnyRow::Certificate(self.certificates.get_raw(id)?.clone()),
            Kind::Registry => AnyRow::Registry(self.registries.get_raw(id)?.clone()),
            Kind::AuditLog => AnyRow::AuditEntry(self.audit.get_raw(id)?.clone()),
            Kind::ProjectTemplate => AnyRow::ProjectTemplate(self.templates.get_raw(id)?.clone()),
        })
    }

    /// The id of the live row of a kind that holds a unique text.
    pub fn unique_holder(&self, kind: Kind, unique: &str) -> Option<i64> {
        match kind {
            Kind::Account => self.accounts.unique.get(unique),
            Kind::Credential => self.credentials.unique.get(unique),
            Kind::Project => self.projects.unique.get(unique),
            Kind::Member => self.members.unique.get(unique),
            Kind::Setting => self.settings.unique.get(unique),
            Kind::Host => self.hosts.unique.get(unique),
            Kind::Stack => self.stacks.unique.get(unique),
            Kind::Service => self.services.unique.get(unique),
            Kind::Container => self.containers.unique.get(unique),
            Kind::Volume => self.volumes.unique.get(unique),
            Kind::Secret => self.secrets.unique.get(unique),
            Kind::Certificate => self.certificates.unique.get(unique),
            Kind::Registry => self.registries.unique.get(unique),
            Kind::AuditLog => self.audit.unique.get(unique),
            Kind::ProjectTemplate => self.templates.unique.get(unique),
        }
        .copied()
    }
}

/// A row as it was and as it is.
pub type Difference<'a, O> = (Option<&'a Arc<Row<O>>>, Option<&'a Arc<Row<O>>>);

/// The objects of one kind.
#[derive(Clone, Debug)]
pub struct Table<O: Object> {
    rows: OrdMap<i64, Arc<Row<O>>>,
    by_project: OrdSet<(i64, i64)>,
    by_stack: OrdSet<(i64, i64)>,
    by_service: OrdSet<(i64, i64)>,
    by_host: OrdSet<(i64, i64)>,
    by_name: OrdSet<(String, i64)>,
    unique: OrdMap<String, i64>,
}

impl<O: Object> Default for Table<O> {
    fn default() -> Self {
        Self {
            rows: OrdMap::new(),
            by_project: OrdSet::new(),
            by_stack: OrdSet::new(),
            by_service: OrdSet::new(),
            by_host: OrdSet::new(),
            by_name: OrdSet::new(),
            unique: OrdMap::new(),
        }
    }
}

impl<O: Object> Table<O> {
    /// Finds a row by its id, also when it was removed a while ago.
    pub fn get(&self, id: Id<O::IdKind>) -> Option<&Arc<Row<O>>> {
        self.rows.get(&id.raw())
    }

    /// Finds a row by its bare number.
    pub fn get_raw(&self, id: i64) -> Option<&Arc<Row<O>>> {
        self.rows.get(&id)
    }

    /// All rows in the order of their ids, removed ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Row<O>>> {
        self.rows.values()
    }

    /// All rows that are not removed.
    pub fn live(&self) -> impl Iterator<Item = &Arc<Row<O>>> {
        self.rows.values().filter(|row| row.removed.is_none())
    }

    /// The rows that differ from an older picture of the table, as they were and as they are. It costs as much as
    /// there are differences.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Difference<'a, O>> {
        use imbl::ordmap::DiffItem;
        before.rows.diff(&self.rows).map(|item| match item {
            DiffItem::Add(_, new) => (None, Some(new)),
            DiffItem::Update { old: (_, old), new: (_, new) } => (Some(old), Some(new)),
            DiffItem::Remove(_, old) => (Some(old), None),
        })
    }

    /// How many rows there are, removed ones included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows of an environment.
    pub fn of_project(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Row<O>>> {
        self.under(&self.by_project, project.raw())
    }

    /// The rows of an environment whose ids come after one.
    pub fn of_project_after(&self, project: ProjectId, after: i64) -> impl Iterator<Item = &Arc<Row<O>>> {
        let ids = self.by_project.range((project.raw(), after)..=(project.raw(), i64::MAX));
        ids.filter(move |(_, id)| *id > after).filter_map(|(_, id)| self.rows.get(id))
    }

    /// The rows whose ids come after one, removed ones included.
    pub fn after(&self, after: i64) -> impl Iterator<Item = &Arc<Row<O>>> {
        self.rows.range(after..).filter(move |(id, _)| **id > after).map(|(_, row)| row)
    }

    /// The rows of a stack.
    pub fn of_stack(&self, stack: StackId) -> impl Iterator<Item = &Arc<Row<O>>> {
        self.under(&self.by_stack, stack.raw())
    }

    /// The rows of a service.
    pub fn of_service(&self, service: ServiceId) -> impl Iterator<Item = &Arc<Row<O>>> {
        self.under(&self.by_service, service.raw())
    }

    /// The rows on a host.
    pub fn of_host(&self, host: HostId) -> impl Iterator<Item = &Arc<Row<O>>> {
        self.under(&self.by_host, host.raw())
    }

    /// The rows with a name.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Arc<Row<O>>> + use<'a, O> {
        let range = (name.to_owned(), i64::MIN)..=(name.to_owned(), i64::MAX);
        self.by_name.range(range).filter_map(|(_, id)| self.rows.get(id))
    }

    /// The live row that holds a unique text.
    pub fn by_unique(&self, unique: &str) -> Option<&Arc<Row<O>>> {
        self.rows.get(self.unique.get(unique)?)
    }

    fn under<'a>(
        &'a self,
        index: &'a OrdSet<(i64, i64)>,
        parent: i64,
    ) -> impl Iterator<Item = &'a Arc<Row<O>>> + use<'a, O> {
        index.range((parent, i64::MIN)..=(parent, i64::MAX)).filter_map(|(_, id)| self.rows.get(id))
    }

    fn put(&mut self, row: Arc<Row<O>>) {
        let id = row.id.raw();
        let new = row.keys();
        let live = row.removed.is_none();
        if let Some(old) = self.rows.insert(id, row) {
            let keys = old.keys();
            if keys == new && old.removed.is_none() == live {
                return;
            }
            self.unlink(id, &keys);
        }
        let link = |index: &mut OrdSet<(i64, i64)>, parent: Option<i64>| {
            if let Some(parent) = parent {
                index.insert((parent, id));
            }
        };
        link(&mut self.by_project, new.project.map(Id::raw));
        link(&mut self.by_stack, new.stack.map(Id::raw));
        link(&mut self.by_service, new.service.map(Id::raw));
        link(&mut self.by_host, new.host.map(Id::raw));
        if let Some(name) = new.name {
            self.by_name.insert((name, id));
        }
        if let (Some(unique), true) = (new.unique, live) {
            self.unique.insert(unique, id);
        }
    }

    fn purge(&mut self, id: i64) {
        if let Some(old) = self.rows.remove(&id) {
            self.unlink(id, &old.keys());
        }
    }

    fn unlink(&mut self, id: i64, keys: &Keys) {
        let drop = |index: &mut OrdSet<(i64, i64)>, parent: Option<i64>| {
            if let Some(parent) = parent {
                index.remove(&(parent, id));
            }
        };
        drop(&mut self.by_project, keys.project.map(Id::raw));
        drop(&mut self.by_stack, keys.stack.map(Id::raw));
        drop(&mut self.by_service, keys.service.map(Id::raw));
        drop(&mut self.by_host, keys.host.map(Id::raw));
        if let Some(name) = &keys.name {
            self.by_name.remove(&(name.clone(), id));
        }
        if let Some(unique) = &keys.unique
            && self.unique.get(unique) == Some(&id)
        {
            self.unique.remove(unique);
        }
    }
}
