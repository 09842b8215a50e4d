//! Several files as one: merging, `extends`, `include`, `env_file`.

use serde_json::{Value, json};

use crate::kit::read_all;

fn services(files: &[(&str, &str)]) -> Value {
    let plan = read_all(files, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    serde_json::to_value(&plan.services).unwrap()
}

#[test]
fn tags_work_on_whole_entries_and_in_old_files() {
    let names = |over: &str| {
        let base = "services: {a: {image: x, ports: ['80']}, b: {image: y}}\nvolumes: {v: {driver: d}}\n";
        let plan = read_all(&[("docker-compose.yml", base), ("over.yml", over)], &[]).unwrap();
        let names: Vec<_> = plan.services.iter().map(|service| service.name.clone()).collect();
        (names.join(" "), plan.services[0].launch_config.ports.len(), plan.volumes.len())
    };
    assert_eq!(names("services: {b: !reset {}}\nvolumes: {v: !reset null}\n"), ("a".into(), 1, 0));
    assert_eq!(names("services: {a: !override {image: z}}\n"), ("a b".into(), 0, 1));
    let old = services(&[
        ("docker-compose.yml", "version: '2'\nservices: {a: {image: x, command: [x], cap_add: [KILL]}}\n"),
        ("over.yml", "version: '2'\nservices: {a: {command: !reset null, cap_add: !override [CHOWN]}}\n"),
    ]);
    assert_eq!(old[0]["launchConfig"], json!({"imageUuid": "docker:x", "capAdd": ["CHOWN"]}));
}

#[test]
fn secrets_and_configs_of_one_place_are_merged() {
    let tail =
        "secrets: {s: {external: true}, t: {external: true}}\nconfigs: {c: {content: x}, d: {content: y}}\n";
    let plan = services(&[
        (
            "docker-compose.yml",
            &format!(
                "services: {{a: {{image: x, secrets: [s, t], configs: [{{source: c, target: /c}}]}}}}\n{tail}"
            ),
        ),
        (
            "over.yml",
            "services: {a: {secrets: [{source: t, target: s}], configs: [{source: d, target: /c}]}}\n",
        ),
    ]);
    assert_eq!(
        plan[0]["launchConfig"],
        json!({
            "imageUuid": "docker:x",
            "secrets": [{"secret": "t", "name": "t"}, {"secret": "t", "name": "s"}],
            "configs": [{"config": "d", "target": "/c"}],
        })
    );
}

#[test]
fn an_included_project_brings_its_variables_and_its_folder() {
    let inner = "services: {i: {image: 'i:${TAG:-none}', env_file: [own.env], volumes: ['./d:/d']}}\n";
    let files = |include: &str| {
        let text = format!("services: {{a: {{image: 'a:${{TAG:-none}}'}}}}\ninclude:\n- {include}\n");
        let plan = services(&[
            ("docker-compose.yml", &text),
            ("+sub/inc.yml", inner),
            ("+sub/.env", "TAG=1\n"),
            ("+sub/own.env", "A=sub\n"),
            ("+other/.env", "TAG=2\n"),
            ("+other/own.env", "A=other\n"),
        ]);
        let config = &plan[1]["launchConfig"];
        assert_eq!(plan[0]["launchConfig"]["imageUuid"], "docker:a:none");
        format!("{} {} {}", config["imageUuid"], config["environment"]["A"], config["dataVolumes"][0])
    };
    assert_eq!(files("sub/inc.yml"), r#""docker:i:1" "sub" "/srv/demo/sub/d:/d""#);
    assert_eq!(
        files("{path: sub/inc.yml, project_directory: other}"),
        r#""docker:i:2" "other" "/srv/demo/other/d:/d""#
    );
    assert_eq!(
        files("{path: sub/inc.yml, env_file: other/.env}"),
        r#""docker:i:2" "sub" "/srv/demo/sub/d:/d""#
    );
}

#[test]
fn names_that_dns_cannot_hold_stay_as_second_names() {
    let text = "services:
  my_web:
    image: x
    links: [my_db, 'my_db:database']
    depends_on: {my_db: {condition: service_started}}
    labels: {io.rancher.sidekicks: log_er}
  my_db: {image: y, networks: {default: {aliases: [sql]}}}
  log_er: {image: z, network_mode: 'service:my_web', volumes_from: [my_web]}
  v2.api: {image: x, network_mode: host}
";
    let plan = read_all(&[("docker-compose.yml", text)], &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        serde_json::to_value(&plan.services).unwrap(),
        json!([
            {
                "name": "my-web",
                "launchConfig": {
                    "labels": {"io.rancher.sidekicks": "log-er"}, "imageUuid": "docker:x", "netAlias": ["my_web"],
                },
                "secondaryLaunchConfigs": [{
                    "name": "log-er", "imageUuid": "docker:z", "networkMode": "container",
                    "networkLaunchConfig": "my-web", "dataVolumesFromLaunchConfigs": ["my-web"],
                }],
                "links": [{"service": "my-db", "alias": "my_db"}, {"service": "my-db", "alias": "database"}],
                "dependsOn": [{"service": "my-db", "condition": "started"}],
            },
            {"name": "my-db", "launchConfig": {"imageUuid": "docker:y", "netAlias": ["sql", "my_db"]}},
            {"name": "v2-api", "launchConfig": {"imageUuid": "docker:x", "networkMode": "host"}},
        ])
    );
    assert_eq!(
        plan.notices[0].to_string(),
        "docker-compose.yml:2:3: services.my_web: the service is called `my-web` here, since names in DNS hold \
         letters, digits and `-` only; `my_web` leads to it too"
    );
    crate::apps::round_trip(&plan);
    let said = error(&[("docker-compose.yml", "services: {a_b: {image: x}, a-b: {image: x}}\n")]);
    assert!(said.contains("services.a_b: `a_b` and `a-b` would have the same name in DNS: `a-b`"), "{said}");
    let said = error(&[("docker-compose.yml", "services: {'a b': {image: x}, '_': {image: x}}\n")]);
    assert!(said.contains("services.a b: a service cannot be called so"), "{said}");
    assert!(said.contains("services._: a service cannot be called so"), "{said}");
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
