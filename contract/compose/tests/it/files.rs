//! Several files as one: merging, `extends`, `include`, `env_file`.

use serde_json::{Value, json};

use crate::kit::read_all;

fn services(files: &[(&str, &str)]) -> Value {
    let plan = read_all(files, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    serde_json::to_value(&plan.services).unwrap()
}

fn error(files: &[(&str, &str)]) -> String {
    read_all(files, &[]).map(|plan| serde_json::to_string(&plan).unwrap()).unwrap_err()
}

#[test]
fn today_later_files_are_merged_at_every_level() {
    assert_eq!(
        services(&[
            (
                "docker-compose.yml",
                "services:\n  a:\n    image: x:1\n    command: [one, two]\n    environment: [A=1, B=2]\n    ports: ['80:80']\n    volumes: ['/a:/c', '/b:/d']\n    labels: {l: 1}\n    logging: {driver: json-file, options: {max-size: 1m}}\n    depends_on: [b]\n    healthcheck: {test: [CMD, x], interval: 5s}\n    dns: 1.1.1.1\n    tmpfs: /t\n    extra_hosts: ['h:1.2.3.4']\n    cap_add: [KILL]\n  b: {image: y}\n"
            ),
            (
                "override.yml",
                "services:\n  a:\n    image: x:2\n    command: [three]\n    environment: {B: 3, C: 4}\n    ports: ['81:81', '80:80']\n    volumes: ['/e:/c:ro']\n    labels: [m=2]\n    logging: {options: {max-file: 2}}\n    depends_on: {b: {condition: service_healthy}}\n    healthcheck: {test: 'y', retries: 2}\n    dns: [2.2.2.2]\n    tmpfs: [/u]\n    extra_hosts: ['i:1.2.3.5']\n    cap_add: [CHOWN]\n    user:\n  c: {image: z}\n"
            ),
        ]),
        json!([
            {
                "name": "a",
                "launchConfig": {
                    "labels": {"l": "1", "m": "2"},
                    "imageUuid": "docker:x:2", "command": ["three"],
                    "environment": {"A": "1", "B": "3", "C": "4"},
                    "logConfig": {"driver": "json-file", "config": {"max-file": "2", "max-size": "1m"}},
                    "ports": ["80:80/tcp", "81:81/tcp"],
                    "extraHosts": ["h:1.2.3.4", "i:1.2.3.5"],
                    "dns": ["1.1.1.1", "2.2.2.2"],
                    "dataVolumes": ["/b:/d", "/e:/c:ro"],
                    "tmpfs": {"/t": "", "/u": ""},
                    "capAdd": ["KILL", "CHOWN"],
                    "healthCmd": ["CMD-SHELL", "y"], "healthInterval": 5, "healthRetries": 2,
                },
                "dependsOn": [{"service": "b", "condition": "healthy"}],
            },
            {"name": "b", "launchConfig": {"imageUuid": "docker:y"}},
            {"name": "c", "launchConfig": {"imageUuid": "docker:z"}},
        ])
    );
}

#[test]
fn reset_and_override_tags() {
    assert_eq!(
        services(&[
            (
                "a.yml",
                "services:\n  a:\n    image: x\n    ports: ['80:80']\n    environment: {A: 1}\n    labels: {l: 1}\n"
            ),
            (
                "b.yml",
                "services:\n  a:\n    ports: !override ['81:81']\n    environment: !reset {}\n    labels: !reset\n"
            ),
        ]),
        json!([{"name": "a", "launchConfig": {"imageUuid": "docker:x", "ports": ["81:81/tcp"]}}])
    );
}

#[test]
fn old_files_are_merged_one_level_deep() {
    assert_eq!(
        services(&[
            (
                "a.yml",
                "version: '2'\nservices:\n  a:\n    image: x\n    command: [one]\n    environment: {A: 1, B: 2}\n    labels: [a=1]\n    logging: {driver: d, options: {o: 1}}\n"
            ),
            (
                "b.yml",
                "version: '2'\nservices:\n  a:\n    build: https://example.org/x.git\n    command: [two]\n    environment: {B: 3}\n    labels: {b: 2}\n    logging: {options: {p: 2}}\n"
            ),
        ]),
        json!([{"name": "a", "launchConfig": {
            "labels": {"b": "2"},
            "build": {"remote": "https://example.org/x.git"},
            "command": ["one", "two"],
            "environment": {"A": "1", "B": "3"},
            "logConfig": {"driver": "d", "config": {"p": "2"}},
        }}])
    );
}

#[test]
fn extends_takes_from_the_same_and_other_files() {
    assert_eq!(
        services(&[
            (
                "docker-compose.yml",
                "services:\n  a:\n    extends: {service: b}\n    environment: {A: 2}\n  b:\n    extends: {file: sub/base.yml, service: base}\n    image: y\n"
            ),
            (
                "+sub/base.yml",
                "services:\n  base:\n    extends: root\n    env_file: e.env\n    volumes: ['./v:/v']\n  root:\n    image: x\n    environment: {A: 1}\n    labels: {r: 1}\n"
            ),
            ("+sub/e.env", "E=5\nA=9\n"),
        ]),
        json!([
            {"name": "a", "launchConfig": {"labels": {"r": "1"}, "imageUuid": "docker:y", "environment": {"A": "2", "E": "5"}, "dataVolumes": ["/srv/demo/sub/v:/v"]}},
            {"name": "b", "launchConfig": {"labels": {"r": "1"}, "imageUuid": "docker:y", "environment": {"A": "1", "E": "5"}, "dataVolumes": ["/srv/demo/sub/v:/v"]}},
        ])
    );
}

#[test]
fn extends_that_fail() {
    for (files, text) in [
        (
            vec![("f.yml", "services:\n  a: {extends: {service: b}}\n  b: {extends: {service: a}}\n")],
            "f.yml:3:26: services.b.extends.service: `a` extends itself",
        ),
        (
            vec![("f.yml", "services:\n  a: {extends: {service: bass}}\n  base: {image: x}\n")],
            "did you mean `base`?",
        ),
        (
            vec![("f.yml", "services:\n  a: {extends: {file: o.yml, service: b}}\n")],
            "f.yml:2:23: services.a.extends.file: could not read `o.yml`: the file does not exist",
        ),
        (
            vec![("f.yml", "services:\n  a: {extends: {file: ../o.yml, service: b}}\n")],
            "`../o.yml` lies outside the folder of the project",
        ),
        (
            vec![("f.yml", "services:\n  a: {extends: {file: /etc/o.yml, service: b}}\n")],
            "`/etc/o.yml` is not a path inside the project",
        ),
        (vec![("f.yml", "services:\n  a: {extends: {file: o.yml}}\n")], "`extends` names no service"),
        (vec![("f.yml", "services:\n  a: {extends: {file: o.yml, servic: b}}\n")], "did you mean `service`?"),
        (
            vec![(
                "f.yml",
                "version: '2'\nservices:\n  a: {extends: {service: b}}\n  b: {image: x, links: [c]}\n  c: {image: x}\n",
            )],
            "the service `b` that this extends has `links`",
        ),
        (
            vec![
                ("f.yml", "services:\n  a: {extends: {file: o.yml, service: b}}\n"),
                ("+o.yml", "services:\n  b: {image: [x}\n"),
            ],
            "o.yml:2:",
        ),
    ] {
        let said = error(&files);
        assert!(said.contains(text), "{said}\n{text}");
    }
}

#[test]
fn include_adds_files() {
    let files = [
        (
            "docker-compose.yml",
            "include:\n  - sub/one.yml\n  - {path: [sub/two.yml, sub/over.yml], env_file: sub/two.env}\nservices:\n  a: {image: \"a:${T:-none}\", depends_on: [one, two]}\n",
        ),
        ("+sub/one.yml", "services:\n  one: {image: x, volumes: ['./d:/d', 'v:/v']}\nvolumes: {v: }\n"),
        ("+sub/two.yml", "services:\n  two: {image: \"x:$T\"}\n"),
        ("+sub/over.yml", "services:\n  two: {user: me}\n"),
        ("+sub/two.env", "T=7\n"),
    ];
    assert_eq!(
        services(&files),
        json!([
            {"name": "a", "launchConfig": {"imageUuid": "docker:a:none"}, "dependsOn": [{"service": "one", "condition": "started"}, {"service": "two", "condition": "started"}]},
            {"name": "one", "launchConfig": {"imageUuid": "docker:x", "dataVolumes": ["/srv/demo/sub/d:/d", "v:/v"]}},
            {"name": "two", "launchConfig": {"imageUuid": "docker:x:7", "user": "me"}},
        ])
    );
    let said = error(&[
        ("f.yml", "include: [o.yml]\nservices: {a: {image: x}}\n"),
        ("+o.yml", "include: [o.yml]\nservices: {a: {image: y}}\n"),
    ]);
    assert!(said.contains("o.yml:1:11: include[0]: `o.yml` includes itself"), "{said}");
    assert!(
        said.contains("f.yml:1:11: include[0]: the service `a` stands here and in `o.yml` (line 2)"),
        "{said}"
    );
}

#[test]
fn env_files_fill_in_what_is_not_set() {
    let env = |lines: &str, files: &[(&str, &str)]| {
        let text = format!("services:\n  a:\n    image: x\n{lines}");
        let all: Vec<_> = [("f.yml", text.as_str())].into_iter().chain(files.iter().copied()).collect();
        read_all(&all, &[("V", "v")]).map(|plan| {
            plan.services[0]
                .launch_config
                .environment
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>()
                .join(" ")
        })
    };
    let files = [("+one.env", "A=1\nB='two words' # c\nC=$V\nV\n"), ("+two.env", "B=2\n")];
    assert_eq!(
        env("    env_file: one.env\n    environment: {A: own}\n", &files).unwrap(),
        "A=own B=two words C=v V=v"
    );
    assert_eq!(env("    env_file: [one.env, two.env]\n", &files).unwrap(), "A=1 B=2 C=v V=v");
    assert_eq!(
        env("    env_file: [{path: no.env, required: false}, {path: one.env, format: raw}]\n", &files)
            .unwrap(),
        "A=1 B='two words' # c C=$V V=v"
    );
    let said = env("    env_file: no.env\n", &files).unwrap_err();
    assert!(
        said.contains("f.yml:4:15: services.a.env_file: could not read `no.env`: the file does not exist"),
        "{said}"
    );
    let said = env("    env_file: bad.env\n", &[("+bad.env", "ok=1\nnot ok=2\n")]).unwrap_err();
    assert!(said.starts_with("bad.env:2:1: the line does not begin with the name of a variable"), "{said}");
}

#[test]
fn label_files_fill_in_labels() {
    assert_eq!(
        services(&[
            ("f.yml", "services: {a: {image: x, label_file: l.env, labels: {a: own}}}\n"),
            ("+l.env", "a=1\nb.c=2\n")
        ]),
        json!([{"name": "a", "launchConfig": {"labels": {"a": "own", "b.c": "2"}, "imageUuid": "docker:x"}}])
    );
}
