//! From what people type to the object they mean: ids, `stack/service`, names of containers, services and stacks.

use std::collections::BTreeMap;

use contract_client::{Client, Container, Host, Meta, Object, Query, Resource, Service, Stack, Volume};

use crate::error::CliError;
use crate::things::Thing;

/// The kinds of objects that a command can work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// Stacks.
    Stack,
    /// Services.
    Service,
    /// Containers.
    Container,
    /// Hosts.
    Host,
    /// Volumes.
    Volume,
    /// Secrets.
    Secret,
    /// Networks.
    Network,
    /// Registries of images.
    Registry,
    /// Certificates.
    Certificate,
    /// Environments.
    Environment,
}

/// The kinds that are only known by name.
const THINGS: &[(Kind, &Thing)] = &[
    (Kind::Secret, &crate::commands::secrets::SECRETS),
    (Kind::Network, &crate::commands::networks::NETWORKS),
    (Kind::Registry, &crate::commands::registries::REGISTRIES),
    (Kind::Certificate, &crate::commands::certificates::CERTIFICATES),
    (Kind::Environment, &crate::commands::env::ENVIRONMENTS),
];

impl Kind {
    fn thing(self) -> Option<&'static Thing> {
        THINGS.iter().find(|(kind, _)| *kind == self).map(|(_, thing)| *thing)
    }

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Service => "service",
            Self::Container => "container",
            Self::Host => "host",
            Self::Volume => "volume",
            Self::Secret => "secret",
            Self::Network => "network",
            Self::Registry => "registry",
            Self::Certificate => "certificate",
            Self::Environment => "environment",
        }
    }
}

/// Stacks, services and containers.
pub const WORKLOADS: &[Kind] = &[Kind::Stack, Kind::Service, Kind::Container];

/// An object that somebody meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A stack.
    Stack(Stack),
    /// A service.
    Service(Service),
    /// A container.
    Container(Container),
    /// A host.
    Host(Host),
    /// A volume.
    Volume(Volume),
    /// An object of a kind that is only known by name.
    Thing(Kind, Resource),
}

impl Target {
    /// What all objects have.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Stack(object) => &object.meta,
            Self::Service(object) => &object.meta,
            Self::Container(object) => &object.meta,
            Self::Host(object) => &object.meta,
            Self::Volume(object) => &object.meta,
            Self::Thing(_, object) => &object.meta,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Stack(_) => Kind::Stack,
            Self::Service(_) => Kind::Service,
            Self::Container(_) => Kind::Container,
            Self::Host(_) => Kind::Host,
            Self::Volume(_) => Kind::Volume,
            Self::Thing(kind, _) => *kind,
        }
    }

    /// Its collection: the name in links, and whether it lies outside environments.
    pub fn place(&self) -> (&'static str, bool) {
        match self {
            Self::Stack(_) => (Stack::PLURAL, false),
            Self::Service(_) => (Service::PLURAL, false),
            Self::Container(_) => (Container::PLURAL, false),
            Self::Host(_) => (Host::PLURAL, false),
            Self::Volume(_) => (Volume::PLURAL, false),
            Self::Thing(kind, _) => {
                let collection = kind.thing().expect("a thing has its kind").collection;
                (collection.plural, collection.at_root)
            }
        }
    }

    /// How it is listed and removed, where it is only known by name.
    pub fn thing(&self) -> Option<&'static Thing> {
        self.kind().thing()
    }
}

/// All objects of some kinds, as they were when a command began.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Stacks by id.
    pub stacks: BTreeMap<String, Stack>,
    /// Services by id.
    pub services: BTreeMap<String, Service>,
    /// Containers by id.
    pub containers: BTreeMap<String, Container>,
    /// Hosts by id.
    pub hosts: BTreeMap<String, Host>,
    /// Volumes by id.
    pub volumes: BTreeMap<String, Volume>,
    /// Objects of kinds that are only known by name.
    pub things: Vec<(Kind, Resource)>,
}

async fn all<T: Object>(client: &Client, wanted: bool) -> Result<BTreeMap<String, T>, CliError> {
    if !wanted {
        return Ok(BTreeMap::new());
    }
    let list = client.list::<T>(&Query::all()).await?;
    Ok(list.into_iter().map(|object| (object.meta().id.clone(), object)).collect())
}

impl Directory {
    /// Asks the server for all objects of some kinds.
    ///
    /// # Errors
    /// As any request.
    pub async fn load(client: &Client, kinds: &[Kind]) -> Result<Self, CliError> {
        let wanted = |kind| kinds.contains(&kind);
        // A service is named by its stack, so the stacks come along.
        let stacks = wanted(Kind::Stack) || wanted(Kind::Service) || wanted(Kind::Container);
        let (stacks, services, containers, hosts, volumes) = tokio::try_join!(
            all(client, stacks),
            all(client, wanted(Kind::Service)),
            all(client, wanted(Kind::Container)),
            all(client, wanted(Kind::Host)),
            all(client, wanted(Kind::Volume)),
        )?;
        Ok(Self { stacks, services, containers, hosts, volumes, things: Vec::new() })
    }

    /// Asks for all objects of some kinds, and finds those that are named. What is seldom meant is only asked for when a
    /// name means nothing else.
    ///
    /// # Errors
    /// Fails if a name means nothing or too much; then nothing has happened yet.
    pub async fn find(
        client: &Client,
        names: &[String],
        kinds: &[Kind],
    ) -> Result<(Self, Vec<Target>), CliError> {
        let mut directory = Self::load(client, kinds).await?;
        let found: Result<Vec<Target>, CliError> =
            names.iter().map(|name| directory.resolve(name, kinds)).collect();
        let things: Vec<&(Kind, &Thing)> = THINGS.iter().filter(|(kind, _)| kinds.contains(kind)).collect();
        match found {
            Ok(found) => return Ok((directory, found)),
            Err(error) if things.is_empty() || error.code == crate::error::USAGE => return Err(error),
            Err(_) => {}
        }
        for (kind, thing) in things {
            let scope = if thing.collection.at_root { client.at_root() } else { client.clone() };
            if scope.offers(thing.collection).await? {
                let own = scope.list_of(thing.collection, &Query::all()).await?;
                directory.things.extend(own.into_iter().map(|resource| (*kind, resource)));
            }
        }
        let found = names.iter().map(|name| directory.resolve(name, kinds)).collect::<Result<_, _>>()?;
        Ok((directory, found))
    }

    /// The name of a stack.
    pub fn stack_name(&self, id: Option<&str>) -> Option<&str> {
        self.stacks.get(id?).map(|stack| stack.meta.title())
    }

    /// The full name of a service.
    pub fn service_path(&self, service: &Service) -> String {
        match self.stack_name(service.stack_id.as_deref()) {
            Some(stack) => format!("{stack}/{}", service.meta.title()),
            None => service.meta.title().to_owned(),
        }
    }

    /// The full name of the service of a container.
    pub fn service_of(&self, container: &Container) -> Option<String> {
        match (&container.stack_name, &container.service_name) {
            (Some(stack), Some(service)) => Some(format!("{stack}/{service}")),
            _ => self.services.get(container.service()?).map(|service| self.service_path(service)),
        }
    }

    /// The containers of a service.
    pub fn containers_of(&self, service: &str) -> Vec<&Container> {
        let mut own: Vec<&Container> =
            self.containers.values().filter(|container| container.service() == Some(service)).collect();
        own.sort_by_key(|container| natural(container.meta.title()));
        own
    }

    /// The services of a stack.
    pub fn services_of(&self, stack: &str) -> Vec<&Service> {
        let mut own: Vec<&Service> =
            self.services.values().filter(|service| service.stack_id.as_deref() == Some(stack)).collect();
        own.sort_by_key(|service| natural(service.meta.title()));
        own
    }

    /// The name of a host.
    pub fn host_name(&self, container: &Container) -> Option<String> {
        match &container.host_name {
            Some(name) => Some(name.clone()),
            None => self.hosts.get(container.host_id.as_deref()?).map(|host| host.title().to_owned()),
        }
    }

    /// Finds the one object that a text means.
    ///
    /// # Errors
    /// Fails if there is none or more than one; the hint names what comes near.
    pub fn resolve(&self, text: &str, kinds: &[Kind]) -> Result<Target, CliError> {
        let mut found: Vec<Target> =
            self.candidates(text).into_iter().filter(|t| kinds.contains(&t.kind())).collect();
        // Who says an id means that object, whatever else has such a name.
        if let Some(exact) = found.iter().position(|target| target.meta().id.eq_ignore_ascii_case(text)) {
            return Ok(found.swap_remove(exact));
        }
        // A service has a longer name that says exactly what is meant, a stack has not.
        if found.iter().any(|target| target.kind() == Kind::Stack) {
            found.retain(|target| target.kind() != Kind::Service);
        }
        match found.len() {
            1 => Ok(found.swap_remove(0)),
            0 => Err(self.not_found(text, kinds)),
            _ => Err(self.ambiguous(text, &found)),
        }
    }

    fn candidates(&self, text: &str) -> Vec<Target> {
        let is = |meta: &Meta| meta.id.eq_ignore_ascii_case(text) || meta.name.as_deref() == Some(text);
        let mut found: Vec<Target> = Vec::new();
        found.extend(self.stacks.values().filter(|o| is(&o.meta)).cloned().map(Target::Stack));
        let parts: Vec<&str> = text.split('/').collect();
        found.extend(
            self.services
                .values()
                .filter(|service| match parts.as_slice() {
                    [stack, name] => {
                        self.stack_name(service.stack_id.as_deref()) == Some(stack)
                            && service.meta.name.as_deref() == Some(name)
                    }
                    _ => is(&service.meta),
                })
                .cloned()
                .map(Target::Service),
        );
        // `shop/web/2` is the container `shop-web-2`.
        let joined = (parts.len() == 3).then(|| parts.join("-"));
        found.extend(
            self.containers
                .values()
                .filter(|container| {
                    is(&container.meta)
                        || joined.is_some() && container.meta.name == joined
                        || container
                            .external_id
                            .as_deref()
                            .is_some_and(|id| text.len() >= 6 && id.starts_with(text))
                })
                .cloned()
                .map(Target::Container),
        );
        found.extend(
            self.hosts
                .values()
                .filter(|host| is(&host.meta) || host.hostname.as_deref() == Some(text))
                .cloned()
                .map(Target::Host),
        );
        found.extend(
            self.volumes
                .values()
                .filter(|volume| is(&volume.meta) || volume.external_id.as_deref() == Some(text))
                .cloned()
                .map(Target::Volume),
        );
        found.extend(
            self.things
                .iter()
                .filter(|(_, resource)| is(&resource.meta))
                .map(|(kind, resource)| Target::Thing(*kind, resource.clone())),
        );
        found
    }

    /// The shortest text that means an object and no other.
    fn name_of(&self, target: &Target) -> String {
        match target {
            Target::Service(service) => self.service_path(service),
            Target::Host(host) => host.title().to_owned(),
            Target::Stack(_) | Target::Container(_) | Target::Volume(_) | Target::Thing(..) => {
                target.meta().title().to_owned()
            }
        }
    }

    fn not_found(&self, text: &str, kinds: &[Kind]) -> CliError {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        let error = CliError::new(format!("there is no {} `{text}`", words.join(" or ")));
        let every = self
            .stacks
            .values()
            .cloned()
            .map(Target::Stack)
            .chain(self.services.values().cloned().map(Target::Service))
            .chain(self.containers.values().cloned().map(Target::Container))
            .chain(self.hosts.values().cloned().map(Target::Host))
            .chain(self.volumes.values().cloned().map(Target::Volume))
            .chain(self.things.iter().map(|(kind, resource)| Target::Thing(*kind, resource.clone())));
        let mut near: Vec<(usize, String)> = every
            .filter(|target| kinds.contains(&target.kind()))
            .map(|target| self.name_of(&target))
            .map(|name| (strsim::damerau_levenshtein(text, &name), name))
            .filter(|(distance, name)| *distance <= 1 + text.len() / 4 || name.ends_with(&format!("/{text}")))
            .collect();
        near.sort();
        near.dedup();
        match near.first() {
            Some((_, name)) => error.hint(format!("do you mean `{name}`?")),
            None => error.hint(match kinds {
                [Kind::Host] => "`lariat hosts` lists the hosts",
                [Kind::Volume] => "`lariat volumes` lists the volumes",
                _ => "`lariat stacks`, `lariat services` and `lariat ps` list what there is",
            }),
        }
    }

    fn ambiguous(&self, text: &str, found: &[Target]) -> CliError {
        let each: Vec<String> = found
            .iter()
            .map(|target| format!("{} {} ({})", target.kind().word(), self.name_of(target), target.meta().id))
            .collect();
        CliError::new(format!("`{text}` may mean more than one thing"))
            .hint(format!("say one of: {}", each.join(", ")))
    }
}

/// A key that sorts `web-2` before `web-10`.
pub fn natural(text: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let split = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(split);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (digits, next) = after.split_at(end);
        parts.push((word.to_owned(), digits.parse().unwrap_or(0)));
        rest = next;
    }
    parts
}
