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
    "/ExecIDs",
];

/// Where Lariat differs on purpose, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("/Config/Labels/com.docker.compose.*", "the other tool's own bookkeeping"),
    ("/HostConfig/RestartPolicy", "the platform itself keeps services running"),
    ("/HostConfig/NetworkMode", "the network of a stack has another name"),
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
const UNORDERED: &[&str] =
    &["/Config/Env", "/HostConfig/CapAdd", "/HostConfig/CapDrop", "/HostConfig/Ulimits"];

/// Brings a description into a form that can be compared.
fn tidy(description: &mut Value) {
    for pointer in UNORDERED {
        if let Some(Value::Array(items)) = description.pointer_mut(pointer) {
            items.sort_by_key(Value::to_string);
        }
    }
    // Who says nothing gets the beginning of the container's own id.
    let own = description["Id"].as_str().unwrap()[..12].to_owned();
    if description["Config"]["Hostname"] == own.as_str() {
        description["Config"]["Hostname"] = Value::Null;
    }
    let asked = mounts_asked_for(&description["HostConfig"]);
    let host = description["HostConfig"].as_object_mut().unwrap();
    for form in ["Binds", "Mounts", "Tmpfs"] {
        host.remove(form);
    }
    host.insert("AllMounts".into(), asked);
    // What the engine made of them, but for memory, which it lists only if it was asked for in one of the two forms, and
    // the words of the short form.
    let made = description["Mounts"].take();
    let made = made.as_array().unwrap().iter().filter(|mount| mount["Type"] != "tmpfs").map(|mount| {
        let mut mount = mount.clone();
        let members = mount.as_object_mut().unwrap();
        members.remove("Mode");
        if members["Type"] == "volume" {
            // An unnamed one has a name by chance, and all lie in the engine's folder.
            members.remove("Source");
            members.retain(|name, value| name != "Name" || value.as_str().unwrap().len() < 64);
        }
        (mount["Destination"].as_str().unwrap().to_owned(), mount)
    });
    description["Mounts"] = Value::Object(made.collect());
}

/// Everything that is to be mounted, by its place in the container. Docker has a short and a long form for it, which mean
/// the same.
fn mounts_asked_for(host: &Value) -> Value {
    let mut all = serde_json::Map::new();
    for bind in host["Binds"].as_array().into_iter().flatten() {
        let parts: Vec<&str> = bind.as_str().unwrap().split(':').collect();
        let options = parts.get(2).into_iter().flat_map(|options| options.split(','));
        let options: BTreeSet<&str> = options.filter(|option| *option != "rw").collect();
        all.insert(parts[1].to_owned(), serde_json::json!({ "from": parts[0], "options": options }));
    }
    for mount in host["Mounts"].as_array().into_iter().flatten() {
        let mut options = BTreeSet::new();
        if mount["ReadOnly"] == true {
            options.insert("ro".to_owned());
        }
        if mount["VolumeOptions"]["NoCopy"] == true {
            options.insert("nocopy".to_owned());
        }
        if let Some(size) = mount["TmpfsOptions"]["SizeBytes"].as_i64() {
            options.insert(format!("size={size}"));
        }
        let from = if mount["Type"] == "tmpfs" { "memory".into() } else { mount["Source"].clone() };
        let target = mount["Target"].as_str().unwrap().to_owned();
        all.insert(target, serde_json::json!({ "from": from, "options": options }));
    }
    for (target, options) in host["Tmpfs"].as_object().into_iter().flatten() {
        let options = options.as_str().unwrap().split(',').filter(|option| !option.is_empty());
        let options: BTreeSet<&str> = options.collect();
        all.insert(target.clone(), serde_json::json!({ "from": "memory", "options": options }));
    }
    Value::Object(all)
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
    tidy(&mut theirs);
    tidy(&mut ours);
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
        let mut all = vec!["--ansi", "never", "--project-name", "opt", "--file", file];
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
