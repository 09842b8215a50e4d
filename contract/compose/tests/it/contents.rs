//! Secrets, configs and builds: what services read and how their images are made.

use contract_compose::{StackPlan, render};
use serde_json::json;

use crate::apps::round_trip;
use crate::kit::{launch, notices, read, read_all};

fn plan(files: &[(&str, &str)], variables: &[(&str, &str)]) -> StackPlan {
    read_all(files, variables).unwrap_or_else(|errors| panic!("{errors}"))
}

const FILES: &str = "services:
  a:
    image: x
    secrets:
    - token
    - {source: key, target: /etc/key.pem, uid: '103', gid: 104, mode: 0440}
    - source: there
      target: other
    configs:
    - app
    - {source: inline, target: /etc/inline.conf, mode: '0644'}
secrets:
  token: {environment: TOKEN}
  key: {file: ./key.pem, labels: [a=b]}
  there: {external: true, name: real-name}
configs:
  app: {file: conf/app.conf}
  inline:
    content: |
      stack=${COMPOSE_PROJECT_NAME}
      price=$$5
";

#[test]
fn secrets_and_configs_are_read_with_what_is_in_them() {
    let plan = plan(
        &[("docker-compose.yml", FILES), ("+key.pem", "PEM"), ("+conf/app.conf", "a: 1\n")],
        &[("TOKEN", "hunter2")],
    );
    assert_eq!(
        serde_json::to_value(&plan.services[0].launch_config).unwrap(),
        json!({
            "imageUuid": "docker:x",
            "secrets": [
                {"secret": "token", "name": "token"},
                {"secret": "key", "name": "/etc/key.pem", "uid": "103", "gid": "104", "mode": "0440"},
                {"secret": "real-name", "name": "other"},
            ],
            "configs": [{"config": "app"}, {"config": "inline", "target": "/etc/inline.conf", "mode": "0644"}],
        })
    );
    assert_eq!(
        serde_json::to_value(&plan.secrets).unwrap(),
        json!([
            {"name": "token", "value": "aHVudGVyMg=="},
            {"name": "key", "value": "UEVN", "labels": {"a": "b"}},
            {"name": "there", "realName": "real-name", "external": true},
        ])
    );
    assert_eq!(
        serde_json::to_value(&plan.configs).unwrap(),
        json!([
            {"name": "app", "value": "YTogMQo="},
            {"name": "inline", "value": "c3RhY2s9ZGVtbwpwcmljZT0kNQo="},
        ])
    );
    assert_eq!(plan.notices, []);
    assert!(!format!("{plan:?}").contains("aHVudGVyMg"), "the value of a secret is never shown");
    let rendered = round_trip(&plan);
    let text = rendered.docker_compose;
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    assert!(text.contains("content: \"stack=demo\\nprice=$$5\\n\""), "{text}");
    assert!(text.contains("  there:\n    external: true\n    name: real-name\n"), "{text}");
}

#[test]
fn old_files_have_secrets_too() {
    let plan = plan(
        &[
            (
                "docker-compose.yml",
                "version: '2'\nservices:\n  a: {image: x, secrets: [one, {source: two, mode: '400'}]}\nsecrets:\n  one: {external: 'true'}\n  two: {file: ./two}\n",
            ),
            ("+two", "2"),
        ],
        &[],
    );
    assert!(plan.secrets[0].external);
    assert_eq!(plan.services[0].launch_config.secrets[1].mode.as_deref(), Some("0400"));
    let text = round_trip(&plan).docker_compose;
    assert!(text.starts_with("version: \"2\"\n"), "{text}");
}

#[test]
fn secrets_of_services_that_no_file_declares_are_external() {
    let mut plan = plan(
        &[("docker-compose.yml", FILES), ("+key.pem", "PEM"), ("+conf/app.conf", "a")],
        &[("TOKEN", "t")],
    );
    plan.secrets.clear();
    let text = render(&plan).docker_compose;
    assert!(
        text.contains("\nsecrets:\n  token:\n    external: true\n  key:\n    external: true\n"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_with_secrets_and_configs() {
    let head =
        "services: {a: {image: x, secrets: [s], configs: [c]}}\nconfigs: {c: {content: x}}\nsecrets:\n";
    for (secret, want) in [
        (
            "s: {file: ../up}",
            "docker-compose.yml:4:13: secrets.s.file: `../up` lies outside the folder of the project",
        ),
        ("s: {file: none}", "could not read `none`: the file does not exist"),
        ("s: {environment: NONE}", "secrets.s.environment: the variable `NONE` must be set"),
        (
            "s: {}",
            "secrets.s: the secret has no content\n  hint: use one of `file`, `environment`, `external`",
        ),
        ("s: {file: a, environment: B}", "`environment` is a second content of one secret"),
        ("s: {external: true, file: a}", "`external` and `file` exclude each other"),
        ("s: {environment: EMPTY}", "secrets.s.environment: the secret is empty"),
        ("s: {fiel: a}", "unknown key `fiel`\n  hint: did you mean `file`?"),
        (
            "t: {external: true}",
            "services.a.secrets: the secret `s` is not declared\n  hint: add `s:` below `secrets:`",
        ),
    ] {
        let text = format!("{head}  {secret}\n");
        let said = read_all(&[("docker-compose.yml", &text)], &[("EMPTY", "")]).unwrap_err();
        assert!(said.contains(want), "{secret}\n{said}");
    }
    for (lines, want) in [
        ("secrets: [{target: x}]", "services.a.secrets[0]: the entry has no `source`"),
        (
            "secrets: [s, {source: t, target: s}]",
            "services.a.secrets[1]: a file stands at `/run/secrets/s` already",
        ),
        ("secrets: [{source: s, mode: 999}]", "services.a.secrets[0].mode: this is no file mode"),
        (
            "secrets: [{source: s, uid: root}]",
            "services.a.secrets[0].uid: `root` is not the number of a user or group",
        ),
        ("secrets: [{source: s, target: ../x}]", "the path `../x` leads out of its folder"),
        (
            "configs: [{source: c, target: conf}]",
            "the path in the container, `conf`, does not begin with `/`",
        ),
        ("configs: [d]", "services.a.configs: the config `d` is not declared"),
    ] {
        let text = format!(
            "services:\n  a:\n    image: x\n    {lines}\nsecrets: {{s: {{external: true}}, t: {{external: true}}}}\nconfigs: {{c: {{content: x}}}}\n"
        );
        let said = read(&text).unwrap_err();
        assert!(said.contains(want), "{lines}\n{said}");
    }
    let said = read("services: {a: {image: x, configs: [c]}}\nconfigs: {c: {external: true}}\n").unwrap_err();
    assert!(said.contains("configs.c: there are no configs outside of a stack"), "{said}");
    // What nobody uses need not be there.
    let said = notices("services: {a: {image: x}}\nsecrets: {s: {file: none}}\n");
    assert!(said.contains("secrets.s: no service uses the secret `s`: it is not created"), "{said}");
}

#[test]
fn builds_are_kept_whole() {
    assert_eq!(launch("build: ./app"), json!({"build": {"context": "./app"}}));
    assert_eq!(
        launch(
            "build: {context: 'git@example.org:a/b.git#main:docker', dockerfile: D, target: t, no_cache: true, args: [A=1]}"
        ),
        json!({"build": {
            "remote": "git@example.org:a/b.git#main:docker", "dockerfile": "D", "target": "t", "nocache": true,
            "args": {"A": "1"},
        }})
    );
    let lines = "build:
  context: .
  dockerfile_inline: |
    FROM busybox
    RUN --mount=type=secret,id=s cat /run/secrets/s
  additional_contexts: [base=docker-image://alpine]
  labels: {a: b}
  tags: ['r/i:1']
  platforms: [linux/amd64, linux/arm64]
  cache_from: ['type=registry,ref=r/c']
  cache_to: ['type=inline']
  pull: true
  network: host
  extra_hosts: ['h=10.0.0.1']
  shm_size: 64m
  ulimits: {nofile: 5}
  ssh: [default, 'k=~/.ssh/id']
  entitlements: [network.host]
  privileged: true
  isolation: default
  provenance: mode=max
  sbom: true";
    let value = launch(lines);
    assert_eq!(
        value,
        json!({"build": {"context": ".", "options": {
            "dockerfileInline": "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s\n",
            "additionalContexts": {"base": "docker-image://alpine"},
            "labels": {"a": "b"}, "tags": ["r/i:1"], "platforms": ["linux/amd64", "linux/arm64"],
            "cacheFrom": ["type=registry,ref=r/c"], "cacheTo": ["type=inline"], "pull": true, "network": "host",
            "extraHosts": ["h:10.0.0.1"], "shmSize": 67_108_864,
            "ulimits": [{"name": "nofile", "soft": 5, "hard": 5}],
            "ssh": ["default", "k=~/.ssh/id"], "entitlements": ["network.host"], "privileged": true,
            "isolation": "default", "provenance": "mode=max", "sbom": "true",
        }}})
    );
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "services:\n  a:\n    image: x\n{indented}      secrets: [s, {{source: s, target: u}}]\nsecrets: {{s: {{external: true}}}}\n"
    );
    let plan = plan(&[("docker-compose.yml", &text)], &[]);
    let build = plan.services[0].launch_config.build.as_ref().unwrap();
    assert_eq!(build.options.secrets.len(), 2);
    round_trip(&plan);
    let said = read("services: {a: {build: {dockerfile: D, dockerfile_inline: FROM x}}}\n").unwrap_err();
    assert!(said.contains("`dockerfile` and `dockerfile_inline` exclude each other"), "{said}");
}
