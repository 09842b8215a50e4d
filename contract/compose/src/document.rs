//! One file, sorted into sections: which shape it has, which keys may stand at its top, and how the special sections
//! of the old product become services.

use indexmap::IndexMap;

use contract_api::launch::ServiceKind;

use crate::error::{At, Path, Report, shorten};
use crate::field::Field;
use crate::support;
use crate::words;
use crate::yaml::{Entry, Map, Node, Value};

/// Which rules a file follows where the old product and today's specification differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dialect {
    /// Version 1 or 2 as the old product read it.
    Old,
    /// Docker's versions 2.1 to 3.x, and the specification without a version.
    Today,
}

/// The sections of one or more files.
#[derive(Debug)]
pub(crate) struct Document {
    pub dialect: Dialect,
    /// Services stand at the top of the file, without sections.
    pub flat: bool,
    pub name: Option<Node>,
    pub services: Map,
    pub containers: Map,
    pub volumes: Map,
    pub networks: Map,
    pub secrets: Map,
    pub configs: Map,
    pub include: Option<Node>,
    /// What a section makes of a service.
    pub kinds: IndexMap<String, ServiceKind>,
}

impl Document {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            flat: false,
            name: None,
            services: Map::new(),
            containers: Map::new(),
            volumes: Map::new(),
            networks: Map::new(),
            secrets: Map::new(),
            configs: Map::new(),
            include: None,
            kinds: IndexMap::new(),
        }
    }
}

/// Keys that may stand at the top of a file with sections.
const SECTIONS: &[&str] = &[
    "version",
    "name",
    "services",
    "volumes",
    "networks",
    "secrets",
    "configs",
    "include",
    "containers",
    "load_balancers",
    "storage_drivers",
    "network_drivers",
    "virtual_machines",
    "external_services",
    "aliases",
    "dependencies",
    "hosts",
    "catalog",
    ".catalog",
    "models",
];

/// Keys of a service that show that an unknown top-level key is a service in the wrong place.
const SERVICE_MARKS: &[&str] = &["image", "build"];

/// Sorts the parts of a file.
pub(crate) fn read(root: Node, rancher: bool, report: &mut Report) -> Document {
    let at = root.at;
    let map = match root.value {
        Value::Map(map) => map,
        Value::Null => {
            if !rancher {
                report.error(
                    at,
                    Path::Root,
                    "the file is empty",
                    "write `services:` with at least one service below",
                );
            }
            return Document::new(Dialect::Old);
        }
        Value::Scalar(_) | Value::List(_) => {
            report.error(
                at,
                Path::Root,
                format!("a compose file is a map, not {}", root.kind()),
                "write `services:` with at least one service below",
            );
            return Document::new(Dialect::Today);
        }
    };
    match shape(&map, rancher, report) {
        Shape::Flat => flat(map),
        Shape::Sections(dialect) => sections(map, dialect, rancher, report),
    }
}

enum Shape {
    Flat,
    Sections(Dialect),
}

fn shape(map: &Map, rancher: bool, report: &mut Report) -> Shape {
    if let Some(entry) = map.get("version").filter(|entry| !is_service(&entry.node)) {
        let field = Field::new(&entry.node, Path::Key(&Path::Root, "version"));
        let text = field.node.as_text().unwrap_or("").trim();
        return match text.split('.').next() {
            Some("1") => Shape::Flat,
            Some("2") if text == "2" || text == "2.0" => Shape::Sections(Dialect::Old),
            Some("2" | "3") => Shape::Sections(Dialect::Today),
            _ => {
                field.error(
                    report,
                    format!("the version `{}` is not known", shorten(text)),
                    "remove the line to use today's format, or write \"2\" or \"3\"",
                );
                Shape::Sections(Dialect::Today)
            }
        };
    }
    let section = |key: &str| map.get(key).is_some_and(|entry| !is_service(&entry.node));
    if section("services") || section("include") {
        return Shape::Sections(Dialect::Today);
    }
    if rancher && !SECTIONS.iter().any(|key| !key.ends_with("catalog") && section(key)) {
        return Shape::Flat;
    }
    let other = |key: &String| !key.starts_with("x-") && !SECTIONS.contains(&key.as_str());
    let services = map.iter().filter(|(key, _)| other(key));
    if services.clone().count() > 0 && services.clone().all(|(_, entry)| entry.node.as_map().is_some()) {
        return Shape::Flat;
    }
    Shape::Sections(Dialect::Today)
}

fn is_service(node: &Node) -> bool {
    SERVICE_MARKS
        .iter()
        .any(|key| node.get(key).is_some_and(|value| value.as_map().is_none() || *key == "build"))
}

fn flat(map: Map) -> Document {
    let mut document = Document::new(Dialect::Old);
    document.flat = true;
    for (key, entry) in map {
        if key == "version" || key == ".catalog" || key == "catalog" || key.starts_with("x-") {
            continue;
        }
        document.services.insert(key, entry);
    }
    document
}

fn sections(map: Map, dialect: Dialect, rancher: bool, report: &mut Report) -> Document {
    let mut document = Document::new(dialect);
    for (key, entry) in map {
        let path = Path::Key(&Path::Root, &key);
        match key.as_str() {
            "version" | "catalog" | ".catalog" => {}
            "name" => document.name = Some(entry.node),
            "include" => document.include = Some(entry.node),
            "services" => {
                for (name, service) in section(entry, path, report) {
                    if name != ".catalog" && !name.starts_with("x-") {
                        document.services.insert(name, service);
                    }
                }
            }
            "containers" => document.containers = section(entry, path, report),
            "volumes" => document.volumes = section(entry, path, report),
            "networks" => document.networks = section(entry, path, report),
            "secrets" => document.secrets = section(entry, path, report),
            "configs" => document.configs = section(entry, path, report),
            "load_balancers" => fold(&mut document, entry, path, ServiceKind::LoadBalancerService, report),
            "storage_drivers" => fold(&mut document, entry, path, ServiceKind::StorageDriverService, report),
            "network_drivers" => fold(&mut document, entry, path, ServiceKind::NetworkDriverService, report),
            "virtual_machines" => fold(&mut document, entry, path, ServiceKind::VirtualMachine, report),
            "external_services" => fold(&mut document, entry, path, ServiceKind::ExternalService, report),
            "aliases" => fold(&mut document, entry, path, ServiceKind::DnsService, report),
            "dependencies" | "hosts" | "models" => {
                let (why, remedy) = match key.as_str() {
                    "dependencies" => {
                        (support::DEPENDENCIES, "deploy those entries first, and remove the section")
                    }
                    "hosts" => (support::HOSTS, "add the hosts to the environment, and remove the section"),
                    _ => (support::MODELS, "run the models as services, and remove the section"),
                };
                report.error(entry.at, path, format!("`{key}` is not available: {why}"), remedy);
            }
            _ if key.starts_with("x-") => {}
            // The old product passed these by, and old catalog entries have them.
            _ if rancher && dialect == Dialect::Old => report.notice(
                entry.at,
                path,
                format!("`{}` has no effect here: services stand below `services`", shorten(&key)),
            ),
            _ if report.is_full() => report.overflow(),
            _ => {
                let remedy = if entry
                    .node
                    .as_map()
                    .is_some_and(|map| SERVICE_MARKS.iter().any(|m| map.contains_key(*m)))
                {
                    "it looks like a service: indent it below `services:`".to_owned()
                } else {
                    words::did_you_mean(&key, SECTIONS)
                };
                report.error(entry.at, path, format!("unknown key `{}`", shorten(&key)), remedy);
            }
        }
    }
    document
}

/// The entries of a section.
fn section(entry: Entry, path: Path<'_>, report: &mut Report) -> Map {
    let at = entry.node.at;
    match entry.node.value {
        Value::Map(map) => map,
        Value::Null => Map::new(),
        Value::List(_) | Value::Scalar(_) => {
            report.error(
                at,
                path,
                format!("a map is expected here, not {}", entry.node.kind()),
                "write each name as a key with its settings below",
            );
            Map::new()
        }
    }
}

/// Turns the entries of a special section into services.
fn fold(document: &mut Document, entry: Entry, path: Path<'_>, kind: ServiceKind, report: &mut Report) {
    const BALANCER: &[&str] = &["port_rules", "certs", "default_cert", "config", "stickiness_policy"];
    const STORAGE: &[&str] = &[
        "name",
        "description",
        "scope",
        "volume_access_mode",
        "volume_capabilities",
        "create_supported",
        "block_device_path",
    ];
    const NETWORK: &[&str] = &["name", "default_network", "cni_config", "network_metadata"];
    for (name, mut service) in section(entry, path, report) {
        if name.starts_with("x-") {
            continue;
        }
        let here = path.key(&name);
        if let Value::Map(map) = &mut service.node.value {
            match kind {
                ServiceKind::LoadBalancerService => gather(map, "lb_config", BALANCER, service.at),
                ServiceKind::StorageDriverService | ServiceKind::NetworkDriverService => {
                    let (below, keys) = match kind {
                        ServiceKind::StorageDriverService => ("storage_driver", STORAGE),
                        _ => ("network_driver", NETWORK),
                    };
                    gather(map, below, keys, service.at);
                    if !map.contains_key(below) {
                        // A driver without a name is called as its service.
                        let named = Entry { at: service.at, node: Node::text(service.at, name.as_str()) };
                        let inner = Map::from_iter([("name".to_owned(), named)]);
                        let node = Node::map(service.at, inner);
                        map.insert(below.to_owned(), Entry { at: service.at, node });
                    }
                }
                ServiceKind::DnsService => {
                    let image = Node::text(service.at, "rancher/dns-service");
                    map.insert("image".to_owned(), Entry { at: service.at, node: image });
                    if let Some(list) = map.shift_remove("services") {
                        map.insert("links".to_owned(), list);
                    }
                }
                ServiceKind::ExternalService => {
                    let image = Node::text(service.at, "rancher/external-service");
                    map.insert("image".to_owned(), Entry { at: service.at, node: image });
                }
                ServiceKind::VirtualMachine => {
                    let node = Node::text(service.at, "virtual_machine");
                    map.entry("type".to_owned()).or_insert(Entry { at: service.at, node });
                }
                ServiceKind::Service | ServiceKind::SelectorService => {}
            }
        }
        let at = service.at;
        if document.services.contains_key(&name) {
            report.error(
                at,
                here,
                format!("a service `{}` stands in another section too", shorten(&name)),
                "give one of the two another name",
            );
            continue;
        }
        document.kinds.insert(name.clone(), kind);
        document.services.insert(name, service);
    }
}

/// Moves some keys of a map into a map below it.
fn gather(map: &mut Map, below: &str, keys: &[&str], at: At) {
    let mut inner = match map.shift_remove(below) {
        Some(Entry { node: Node { value: Value::Map(inner), .. }, .. }) => inner,
        Some(other) => {
            // Its reader says what is wrong with it.
            map.insert(below.to_owned(), other);
            return;
        }
        None => Map::new(),
    };
    for key in keys {
        if let Some(entry) = map.shift_remove(*key) {
            inner.insert((*key).to_owned(), entry);
        }
    }
    if !inner.is_empty() {
        map.insert(below.to_owned(), Entry { at, node: Node::map(at, inner) });
    }
}
