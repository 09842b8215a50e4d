//! The table of all keys: it is complete, and every row is tried.

use std::collections::{BTreeMap, BTreeSet};

use contract_compose::{ComposeInput, SourceFile, StackPlan, Support, SupportStatus, load, support};
use serde_json::{Map, Value, json};

use crate::apps::round_trip;

fn keys(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned)
}

#[test]
fn every_key_of_every_version_is_in_the_table() {
    let table: BTreeSet<&str> = support().iter().map(|row| row.path).collect();
    assert_eq!(table.len(), support().len(), "a key stands in the table twice");
    let old = keys(include_str!("../data/old-keys.txt")).map(|key| match key.strip_prefix('/') {
        Some(key) => key.to_owned(),
        None => format!("services.*.{key}"),
    });
    let wanted = keys(include_str!("../data/specification-keys.txt")).chain(old);
    let missing: Vec<String> = wanted.filter(|key| !table.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "these keys are not in the table: {missing:#?}");
    for key in contract_compose::SERVICE_KEYS {
        assert!(table.contains(format!("services.*.{key}").as_str()), "{key} is not in the table");
    }
    for row in support() {
        let key = row.path.strip_prefix("services.*.").unwrap_or("image");
        let key = key.split(['.', '[']).next().unwrap();
        assert!(contract_compose::SERVICE_KEYS.contains(&key), "{} has no reader", row.path);
        assert_eq!(row.why.is_empty(), row.status == SupportStatus::Works, "{}", row.path);
    }
}

/// Keys whose effect is not in the plan.
const WITHOUT_TRACE: &[&str] = &[
    // They say how the file is to be read.
    "version",
    "include",
    "include[].path",
    "include[].env_file",
    "include[].project_directory",
    "services.*.extends",
    "services.*.extends.service",
    "services.*.extends.file",
    "services.*.profiles",
    // It describes the catalog entry.
    "catalog",
    ".catalog",
    "services.*.env_file[].required",
    // They hold others, which are tried; the name is shown nowhere.
    "services.*.load_balancer_config",
    "services.*.load_balancer_config.name",
    "services.*.load_balancer_config.haproxy_config",
    // What no service uses is not made.
    "secrets",
    "configs",
    // The default, or what is so anyway.
    "services",
    "services.*.volumes[].type",
];

/// Values to try: a key works if one of them is read and changes the plan.
fn values() -> Vec<Value> {
    let texts = [
        "x",
        "1",
        "1s",
        "64m",
        "/x",
        "/x:/y",
        "10.0.0.1",
        "a=b",
        "host",
        "linux/arm64",
        "0700",
        "udp",
        "always",
        "no",
        "NET_ADMIN",
        "/dev/a:1",
        "/dev/a",
        "h:10.0.0.1",
        "02:42:ac:11:65:43",
        "rslave",
        "z",
        "f",
        "b",
        "s",
        "c",
        "raw",
        "service_healthy",
        "global",
        "start-first",
        "none",
        "on-failure",
        "virtual_machine",
        "all",
        "sub/inc.yml",
        "sub",
        "2",
        "node.labels.a == b",
        "./d",
        "node-exporter",
        "container:x",
        "read.env",
        "https://example.org/repo.git",
        "recreate",
        "true",
        "missing",
        "VARIABLE",
        "[::1]:1:1",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend([json!(true), json!(false), json!(7), json!({"a": "b"}), json!({})]);
    values.extend(texts.iter().map(|text| json!([text])));
    values.extend([
        json!({"q": {"image": "y"}}),
        json!({"q": {}}),
        json!({"q": {"environment": "VARIABLE"}}),
        json!("rw"),
        json!("volume"),
        json!("read.yml"),
        json!({"web": {"services": ["b"]}}),
        json!([{"port": 1}]),
        json!({"port": 1}),
        json!({"min": 1}),
        json!({"test": "x"}),
        json!({"driver": "none"}),
        json!({"replicas": 2}),
        json!({"limits": {"cpus": "0.5"}}),
        json!({"cpus": "0.5"}),
        json!({"condition": "on-failure"}),
        json!({"parallelism": 2}),
        json!({"constraints": ["node.labels.a == b"]}),
        json!({"nofile": 5}),
        json!({"weight": 10}),
        json!({"quorum": 1}),
        json!({"start_first": true}),
        json!({"subpath": "x"}),
        json!({"size": 5}),
        json!({"propagation": "rslave"}),
        json!({"nocopy": true}),
        json!([{"path": "/dev/a", "rate": 5}]),
        json!([{"path": "/dev/a", "weight": 5}]),
        json!([{"capabilities": ["gpu"]}]),
        json!([{"name": "d"}]),
        json!({"condition": "service_healthy"}),
        json!({"default": {"aliases": ["q"]}}),
        json!({"aliases": ["q"]}),
        json!({"file": "f"}),
        json!({"name": "n"}),
        json!({"soft": 1, "hard": 2}),
        json!({"context": "."}),
        json!({"service": "b"}),
        json!({"devices": [{"capabilities": ["gpu"]}]}),
        json!({"port_rules": [{"source_port": 80, "target_port": 80, "service": "b"}]}),
    ]);
    values
}

/// What must stand beside a key so that it can be read.
fn beside(path: &str) -> Option<Value> {
    Some(match path {
        "services.*" => json!({"image": "x"}),
        "services.*.ports[]" => json!({"target": 80}),
        "services.*.volumes[]" => json!({"type": "volume", "source": "v", "target": "/t"}),
        "services.*.secrets[]" | "services.*.build.secrets[]" => json!({"source": "s"}),
        "services.*.configs[]" => json!({"source": "c"}),
        "services.*.healthcheck" => json!({"test": "x"}),
        "services.*.build" => json!({"context": "."}),
        "services.*.deploy.resources.reservations.devices[]" | "services.*.gpus[]" => {
            json!({"capabilities": ["gpu"]})
        }
        "services.*.env_file[]" => json!({"path": "read.env"}),
        "services.*.extends" => json!({"service": "b"}),
        "include[]" => json!({"path": "sub/inc.yml"}),
        "services.*.devices[]" => json!({"source": "/dev/a"}),
        "services.*.ulimits.*" | "services.*.build.ulimits.*" => json!({"soft": 3, "hard": 3}),
        "services.*.health_check" => json!({"port": 1}),
        "secrets.*" => json!({"environment": "VARIABLE"}),
        "configs.*" => json!({"content": "text"}),
        "aliases.*" => json!({"services": ["b"]}),
        "services.*.deploy.restart_policy" => json!({"condition": "on-failure"}),
        "services.*.lb_config.port_rules[]" => json!({"source_port": 81, "target_port": 81, "service": "b"}),
        path if path.starts_with("services.*.blkio_config.") && path.ends_with("weight_device[]") => {
            json!({"path": "/dev/a", "weight": 1})
        }
        path if path.starts_with("services.*.blkio_config.") && path.ends_with("[]") => {
            json!({"path": "/dev/a", "rate": 1})
        }
        _ => return None,
    })
}

/// What must stand elsewhere in the file.
fn around(path: &str) -> Value {
    let mut file = json!({
        "services": {"a": {"image": "x"}, "b": {"image": "y", "healthcheck": {"test": "true"}}},
        "volumes": {"v": {}, "b": {}},
        "secrets": {"s": {"environment": "VARIABLE"}, "b": {"environment": "OTHER"}},
        "configs": {"c": {"content": "text"}, "b": {"content": "other"}},
    });
    let services = &mut file["services"]["a"];
    if path.starts_with("secrets.") {
        services["secrets"] = json!(["s"]);
    }
    if path.starts_with("configs.") {
        services["configs"] = json!(["c"]);
    }
    if path == "services.*.memswap_limit" {
        services["mem_limit"] = json!("1m");
    }
    if path.starts_with("services.*.volumes[].") {
        let kind = path.split('.').nth(3).filter(|kind| ["bind", "tmpfs", "image"].contains(kind));
        if let Some(kind) = kind {
            services["volumes"] = match kind {
                "tmpfs" => json!([{"type": "tmpfs", "target": "/t"}]),
                kind => json!([{"type": kind, "source": "/s", "target": "/t"}]),
            };
        }
    }
    if path.starts_with("services.*.load_balancer_config") {
        services["image"] = json!("rancher/load-balancer-service");
    }
    if path == "services.*.dockerfile" {
        services.as_object_mut().unwrap().shift_remove("image");
        services["build"] = json!(".");
    }
    file
}

/// The name that `*` stands for below a key.
fn name_below(path: &str) -> &'static str {
    match path {
        "services" => "a",
        "services.*.depends_on" => "b",
        "services.*.networks" => "default",
        "services.*.ulimits" | "services.*.build.ulimits" => "nofile",
        "volumes" => "v",
        "secrets" => "s",
        "configs" => "c",
        _ => "n",
    }
}

/// Puts a value at a path, with what must stand beside it.
fn put(node: &mut Value, done: &str, rest: &[&str], value: &Value) {
    let Some((step, rest)) = rest.split_first() else {
        *node = value.clone();
        return;
    };
    let mut path = done.to_owned();
    let (name, item) = match step.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (*step, false),
    };
    let real = if name == "*" { name_below(done) } else { name };
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
    if !node.is_object() {
        *node = Value::Object(Map::new());
    }
    let mut slot = node.as_object_mut().unwrap().entry(real).or_insert(Value::Null);
    if item {
        path.push_str("[]");
        if !slot.is_array() {
            *slot = json!([null]);
        }
        slot = &mut slot[0];
    }
    if !rest.is_empty()
        && let Some(Value::Object(more)) = beside(&path)
    {
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        // What is built needs no image.
        let built = slot.get("build").is_some();
        for (key, value) in more.into_iter().filter(|_| !built) {
            slot.as_object_mut().unwrap().entry(key).or_insert(value);
        }
        // These exclude the key that is tried.
        if let Some(kind) = ["file", "environment", "content", "external"].iter().find(|k| **k == rest[0]) {
            for other in ["file", "environment", "content"] {
                if other != *kind {
                    slot.as_object_mut().unwrap().shift_remove(other);
                }
            }
        }
    }
    put(slot, &path, rest, value);
}

fn read(file: &Value, flat: bool) -> Result<StackPlan, String> {
    let text = if flat { file["services"].to_string() } else { file.to_string() };
    let sources: BTreeMap<String, String> = [
        ("f", "text"),
        ("read.env", "FROM_FILE=a b # c"),
        ("x", "l=1"),
        ("sub/inc.yml", "services: {i: {image: 'z:${INNER:-1}'}}"),
        ("sub/read.env", "INNER=2"),
        ("read.yml", "services: {b: {image: from-file}}"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    let input = ComposeInput {
        files: vec![SourceFile::new("f.yml", text)],
        variables: [("VARIABLE", "value"), ("OTHER", "other")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        stack_name: "demo".into(),
        project_folder: Some("/srv/demo".into()),
        sources: &sources,
        ..ComposeInput::default()
    };
    load(&input).map_err(|errors| errors.to_string())
}

/// What became of a key with one value.
#[derive(Debug)]
enum Seen {
    Changed,
    Same,
    Notice(String),
    Error(String),
}

fn observe(row: &Support, value: &Value, before: &mut Option<Result<StackPlan, String>>) -> Seen {
    let flat = ["net", "dockerfile", "log_driver", "log_opt"]
        .iter()
        .any(|key| row.path == format!("services.*.{key}"));
    let steps: Vec<&str> = row.path.split('.').collect();
    // `.catalog` begins with a dot.
    let steps = if row.path == ".catalog" { vec![".catalog"] } else { steps };
    let mut with = around(row.path);
    put(&mut with, "", &steps, value);
    let mut without = with.clone();
    let last = steps.last().unwrap();
    // The same file without the key.
    let parent =
        steps[..steps.len() - 1].iter().fold((String::new(), Some(&mut without)), |(done, node), step| {
            let name = step.trim_end_matches("[]");
            let real = if name == "*" { name_below(&done) } else { name };
            let done = if done.is_empty() { name.to_owned() } else { format!("{done}.{name}") };
            let node = node.and_then(|node| node.get_mut(real));
            if step.ends_with("[]") {
                (done + "[]", node.and_then(|node| node.get_mut(0)))
            } else {
                (done, node)
            }
        });
    if let Some(map) = parent.1.and_then(Value::as_object_mut) {
        map.shift_remove(last.trim_end_matches("[]"));
    }
    match read(&with, flat) {
        Err(errors) => Seen::Error(errors),
        Ok(plan) => {
            let said: String = plan.notices.iter().map(|notice| format!("{notice}\n")).collect();
            let bare = |plan: StackPlan| StackPlan { notices: Vec::new(), ..plan };
            if row.status == SupportStatus::Ignored {
                return Seen::Notice(said);
            }
            let plan = bare(plan);
            // Whatever the value, the file without the key is the same.
            let before = before.get_or_insert_with(|| read(&without, flat).map(bare));
            if before.as_ref().is_ok_and(|before| *before == plan) {
                return Seen::Same;
            }
            // Whatever is read can be written.
            round_trip(&plan);
            Seen::Changed
        }
    }
}

#[test]
fn the_table_is_true() {
    let values = values();
    let mut faults = Vec::new();
    for row in support() {
        let mut seen = Vec::new();
        let mut fine = false;
        let mut before = None;
        for value in &values {
            let now = observe(row, value, &mut before);
            fine = match (&now, row.status) {
                (Seen::Changed, SupportStatus::Works) => true,
                (Seen::Same, SupportStatus::Works) => WITHOUT_TRACE.contains(&row.path),
                (Seen::Notice(said), SupportStatus::Ignored) => said.contains(row.why),
                (Seen::Error(said), SupportStatus::Refused) => said.contains(row.why),
                _ => false,
            };
            let too_kind = row.status == SupportStatus::Refused && !matches!(now, Seen::Error(_));
            if !matches!(&now, Seen::Error(said) if said.contains("is expected here")) {
                seen.push(format!("{value}: {now:?}"));
            }
            if fine || too_kind {
                break;
            }
        }
        if !fine {
            let example: String = seen.last().map_or("", String::as_str).chars().take(400).collect();
            faults.push(format!("{} ({:?}): {example}", row.path, row.status));
        }
    }
    assert!(faults.is_empty(), "{} rows are not true:\n{}", faults.len(), faults.join("\n"));
}
