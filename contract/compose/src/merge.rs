//! A later file over an earlier one, and a service over the one that it extends.
//!
//! There are two tables: that of the old product, for files of its versions, and that of today's specification.

use std::collections::BTreeSet;

use crate::document::Dialect;
use crate::error::At;
use crate::yaml::{Entry, Map, MergeTag, Node, Scalar, Value};

/// Merges `over` into the service `base`.
pub(crate) fn merge_service(base: &mut Map, over: Map, dialect: Dialect) {
    match dialect {
        Dialect::Old => merge_old(base, over),
        Dialect::Today => merge_today(base, over, ""),
    }
}

/// Merges the entries of a section whose values are no services: volumes, networks, secrets, configs.
pub(crate) fn merge_section(base: &mut Map, over: Map, dialect: Dialect) {
    for (name, entry) in over {
        let Some(entry) = apply_tag(base, &name, entry) else { continue };
        match (base.get_mut(&name).map(|old| &mut old.node), dialect) {
            (Some(Node { value: Value::Map(old), .. }), _) if entry.node.as_map().is_some() => {
                let Value::Map(new) = entry.node.value else { continue };
                merge_service(old, new, dialect);
            }
            (Some(_), _) if entry.node.is_null() => {}
            _ => {
                base.insert(name, entry);
            }
        }
    }
}

/// Lists are joined, maps united one level deep, all else is replaced.
fn merge_old(base: &mut Map, over: Map) {
    for (key, entry) in over {
        let Some(entry) = apply_tag(base, &key, entry) else { continue };
        match key.as_str() {
            "image" => drop(base.shift_remove("build")),
            "build" => drop(base.shift_remove("image")),
            _ => {}
        }
        match (base.get_mut(&key).map(|old| &mut old.node.value), entry.node.value) {
            (Some(Value::List(old)), Value::List(new)) => old.extend(new),
            (Some(Value::Map(old)), Value::Map(new)) => old.extend(new),
            (_, value) => {
                base.insert(key, Entry { at: entry.at, node: Node { value, ..entry.node } });
            }
        }
    }
}

/// Does what `!reset` and `!override` ask for; gives the entry back when it is to be merged.
fn apply_tag(base: &mut Map, key: &str, entry: Entry) -> Option<Entry> {
    match entry.node.tag {
        MergeTag::None => Some(entry),
        MergeTag::Reset => {
            base.shift_remove(key);
            None
        }
        MergeTag::Override => {
            base.insert(key.to_owned(), entry);
            None
        }
    }
}

/// How two values of one key become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Maps are merged at every level, lists joined, all else is replaced.
    Usual,
    /// The later one stands.
    Replace,
    /// A list of `key=value` counts as a map.
    Pairs,
    /// A list of names counts as a map with empty values.
    Names,
    /// A single text counts as a list of one.
    List,
    /// A list in which a later item takes the place of one for the same path in the container.
    Mounts,
    /// The same for files that stand at one place in the container.
    Grants,
    /// A single text counts as a map with this key.
    Under(&'static str),
    /// Maps are merged if they name the same driver.
    Driver,
}

/// `path` is the dotted way below the service.
fn rule(path: &str) -> Rule {
    match path {
        "command" | "entrypoint" | "healthcheck.test" => Rule::Replace,
        "annotations"
        | "environment"
        | "labels"
        | "sysctls"
        | "extra_hosts"
        | "build.args"
        | "build.labels"
        | "build.additional_contexts"
        | "build.extra_hosts"
        | "deploy.labels"
        | "driver_opts" => Rule::Pairs,
        "networks" | "depends_on" | "build.ssh" => Rule::Names,
        "dns" | "dns_opt" | "dns_search" | "env_file" | "label_file" | "tmpfs" => Rule::List,
        "volumes" | "devices" => Rule::Mounts,
        "secrets" | "configs" => Rule::Grants,
        "build" => Rule::Under("context"),
        "logging" => Rule::Driver,
        _ => Rule::Usual,
    }
}

fn merge_today(base: &mut Map, over: Map, prefix: &str) {
    for (key, entry) in over {
        let Some(entry) = apply_tag(base, &key, entry) else { continue };
        let Some(old) = base.get_mut(&key) else {
            base.insert(key, entry);
            continue;
        };
        if entry.node.is_null() {
            continue;
        }
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        let before = std::mem::take(&mut old.node);
        old.node = merge_node(before, entry.node, &path);
        old.at = entry.at;
    }
}

fn merge_node(old: Node, new: Node, path: &str) -> Node {
    let rule = rule(path);
    let (old, new) = match rule {
        Rule::Replace => return new,
        Rule::Pairs => (as_pairs(old), as_pairs(new)),
        Rule::Names => (as_names(old), as_names(new)),
        Rule::List => (as_list(old), as_list(new)),
        Rule::Under(key) => (as_under(old, key), as_under(new, key)),
        Rule::Driver => {
            let driver = |node: &Node| node.get("driver").and_then(Node::as_text).map(str::to_owned);
            match (driver(&old), driver(&new)) {
                (Some(a), Some(b)) if a != b => return new,
                _ => (old, new),
            }
        }
        Rule::Usual | Rule::Mounts | Rule::Grants => (old, new),
    };
    let (at, tag) = (new.at, new.tag);
    let value = match (old.value, new.value) {
        (Value::Map(mut old), Value::Map(new)) => {
            merge_today(&mut old, new, path);
            Value::Map(old)
        }
        (Value::List(mut old), Value::List(new)) => {
            let target = match rule {
                Rule::Mounts => Some(mount_target as fn(&Node) -> Option<String>),
                Rule::Grants => Some(grant_target as fn(&Node) -> Option<String>),
                _ => None,
            };
            if let Some(target) = target {
                let targets: BTreeSet<String> = new.iter().filter_map(target).collect();
                old.retain(|item| target(item).is_none_or(|target| !targets.contains(&target)));
            }
            old.extend(new);
            Value::List(old)
        }
        (_, value) => value,
    };
    Node { at, value, tag }
}

fn as_pairs(node: Node) -> Node {
    let Value::List(items) = node.value else { return node };
    let mut map = Map::new();
    for item in items {
        let at = item.at;
        match item.as_text() {
            Some(text) => {
                let (key, value) = match text.split_once('=') {
                    Some((key, value)) => (key.to_owned(), scalar(at, value)),
                    None => (text.to_owned(), Node { at, ..Node::default() }),
                };
                map.insert(key, Entry { at, node: value });
            }
            // Its reader says what is wrong with it.
            None => drop(map.insert(format!("[{}]", map.len()), Entry { at, node: item })),
        }
    }
    Node { at: node.at, value: Value::Map(map), tag: node.tag }
}

fn as_names(node: Node) -> Node {
    let Value::List(items) = node.value else { return node };
    let mut map = Map::new();
    for item in items {
        let at = item.at;
        match item.as_text() {
            Some(name) => {
                drop(map.insert(name.to_owned(), Entry { at, node: Node { at, ..Node::default() } }))
            }
            None => drop(map.insert(format!("[{}]", map.len()), Entry { at, node: item })),
        }
    }
    Node { at: node.at, value: Value::Map(map), tag: node.tag }
}

fn as_list(node: Node) -> Node {
    match node.value {
        Value::Scalar(_) => Node::list(node.at, vec![node]),
        Value::Null | Value::List(_) | Value::Map(_) => node,
    }
}

fn as_under(node: Node, key: &str) -> Node {
    match node.value {
        Value::Scalar(_) => {
            let at = node.at;
            Node::map(at, Map::from_iter([(key.to_owned(), Entry { at, node })]))
        }
        Value::Null | Value::List(_) | Value::Map(_) => node,
    }
}

fn scalar(at: At, text: &str) -> Node {
    let value = Value::Scalar(Scalar { text: text.to_owned(), plain: false });
    Node { at, value, tag: MergeTag::None }
}

/// The path in the container of an item of `volumes` or `devices`.
fn mount_target(node: &Node) -> Option<String> {
    match &node.value {
        Value::Map(_) => node.get("target").and_then(Node::as_text).map(str::to_owned),
        Value::Scalar(scalar) => {
            let mut parts = scalar.text.split(':');
            let first = parts.next()?;
            Some(parts.next().unwrap_or(first).to_owned())
        }
        Value::Null | Value::List(_) => None,
    }
}

/// The place in the container of an item of `secrets` or `configs`.
fn grant_target(node: &Node) -> Option<String> {
    let text = match &node.value {
        Value::Map(_) => node.get("target").or(node.get("source")).and_then(Node::as_text),
        Value::Scalar(scalar) => Some(scalar.text.as_str()),
        Value::Null | Value::List(_) => None,
    };
    text.map(str::to_owned)
}
