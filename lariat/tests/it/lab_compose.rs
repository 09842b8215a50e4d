//! The same Compose file with `docker-compose` and with Lariat: what the engine says of the containers is the same, but for
//! the few things on a list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::Site;

const OPTIONS: &str = include_str!("compose/options.yml");

/// What belongs to a container as such, and is another for each.
const OWN: &[&str] = &[
    "/Id",
    "/Created",
    "/Name",
    "/State",
    "/RestartCount",
    "/ResolvConfPath",
    "/HostnamePath",
    "/HostsPath",
    "/LogPath",
    "/GraphDriver",
    "/NetworkSettings",
    "/Mounts/*/Source",
    "/Mounts/*/Name",
];

/// Where Lariat differs on purpose, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("/Config/Labels/com.docker.compose.*", "the other tool's own bookkeeping"),
    ("/Config/Labels/io.lariat.*", "our own bookkeeping"),
    ("/Config/Labels/io.rancher.*", "labels that Rancher's users rely on"),
];

/// Everything in a description by its path; what is empty says nothing, so it is left out.
fn flatten(value: &Value, path: &str, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::String(text) if text.is_empty() => {}
        Value::Number(number) if number.as_i64() == Some(0) => {}
        Value::Object(members) => {
            for (name, member) in members {
                flatten(member, &format!("{path}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                flatten(item, &format!("{path}/{number}"), into);
            }
        }
        Value::Bool(true) | Value::String(_) | Value::Number(_) => {
            into.insert(path.to_owned(), value.to_string());
        }
    }
}

/// Lists in which the order says nothing.
const UNORDERED: &[&str] = &[
    "/Config/Env",
    "/HostConfig/Binds",
    "/HostConfig/CapAdd",
    "/HostConfig/CapDrop",
    "/HostConfig/Mounts",
    "/HostConfig/Ulimits",
    "/Mounts",
];

fn sort_lists(description: &mut Value) {
    for pointer in UNORDERED {
        if let Some(Value::Array(items)) = description.pointer_mut(pointer) {
            let key = |item: &Value| {
                item.pointer("/Destination").or(item.pointer("/Target")).unwrap_or(item).to_string()
            };
            items.sort_by_key(key);
        }
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, _) => return true,
            (Some(_), None) => return false,
            (Some("*"), Some(_)) => {}
            (Some(part), Some(found)) => match part.strip_suffix('*') {
                Some(start) if found.starts_with(start) => {}
                None if part == found => {}
                Some(_) | None => return false,
            },
        }
    }
}

/// The differences between two descriptions, by path.
fn differences(mut theirs: Value, mut ours: Value) -> BTreeMap<String, (String, String)> {
    sort_lists(&mut theirs);
    sort_lists(&mut ours);
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    flatten(&theirs, "", &mut left);
    flatten(&ours, "", &mut right);
    let paths: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let text = |side: &BTreeMap<String, String>, path: &String| {
        side.get(path).cloned().unwrap_or_else(|| "nothing".into())
    };
    paths
        .into_iter()
        .filter(|path| left.get(*path) != right.get(*path))
        .filter(|path| !OWN.iter().any(|own| fits(own, path)))
        .map(|path| (path.clone(), (text(&left, path), text(&right, path))))
        .collect()
}

/// What the engine says of all containers, by a label that names the service.
async fn described(site: &Site, label: &str) -> BTreeMap<String, Value> {
    let host = &site.hosts[0];
    let ids = host.docker(&["ps", "--all", "--quiet", "--filter", &format!("label={label}")]).await.unwrap();
    let mut arguments = vec!["inspect"];
    arguments.extend(ids.lines());
    let list: Value = serde_json::from_str(&host.docker(&arguments).await.unwrap()).unwrap();
    list.as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let name = one["Config"]["Labels"][label].as_str().unwrap();
            (name.rsplit('/').next().unwrap().to_owned(), one.clone())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_every_option_of_a_compose_file_is_as_with_docker_compose() {
    let site = Site::new("compose", 1).await;
    let host = &site.hosts[0];
    let file = site.server.file("docker-compose.yml", OPTIONS);
    let file = file.to_str().unwrap();
    let compose = async |arguments: &[&str]| {
        let mut all = vec!["--no-ansi", "--project-name", "opt", "--file", file];
        all.extend_from_slice(arguments);
        host.run("docker-compose", all).await.unwrap()
    };
    compose(&["up", "--detach", "--timeout", "1"]).await;
    let theirs = described(&site, "com.docker.compose.service").await;
    compose(&["down", "--volumes", "--timeout", "1"]).await;

    site.run(&["up", "-s", "opt", "--timeout", "75"]).await.ok();
    let ours = described(&site, "io.rancher.stack_service.name").await;

    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    for (service, described) in theirs {
        for (path, (their, our)) in differences(described, ours[&service].clone()) {
            match ALLOWED.iter().find(|(pattern, _)| fits(pattern, &path)) {
                Some((pattern, _)) => drop(used.insert(*pattern)),
                None => {
                    wrong.push(format!("{service} {path}: {their} with docker-compose, {our} with Lariat"))
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    let idle: Vec<_> = ALLOWED.iter().filter(|(pattern, _)| !used.contains(pattern)).collect();
    assert!(idle.is_empty(), "these differ nowhere and need not be allowed: {idle:#?}");
}
