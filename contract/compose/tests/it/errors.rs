//! Bad files, and the whole text of what is said about them.

use crate::kit::{golden, read, read_all};

fn said(text: &str) -> String {
    match read(text) {
        Ok(_) => "no error\n".to_owned(),
        Err(errors) => format!("{errors}\n"),
    }
}

/// Checks what is said about a list of files, each told apart by a line of dashes.
fn check(name: &str, texts: &[&str]) {
    let out: String =
        texts.iter().map(|text| format!("{}\n=====\n{}-----\n", text.trim_end(), said(text))).collect();
    golden(name, &out);
}

#[test]
fn syntax() {
    check(
        "errors-syntax.txt",
        &[
            "",
            "services:\n\tweb:\n",
            "services:\n  web:\n    image: \"nginx\n",
            "services:\n  web:\n    image: x\n   ports: []\n",
            "services:\n  web:\n    image: x\n    image: y\n",
            "services:\n  web:\n    command: @x\n",
            "services:\n  web:\n    image x\n    ports: []\n",
            "services:\n  web: {image: x\n",
            "services:\n  web: [image: x\n",
            "services:\n  web:\n    image: *none\n",
            "services:\n  web:\n    image: {{ .Values.image }}\n",
            "services:\n  web:\n    command: a: b\n",
            "services:\n  ? [a]\n  : {image: x}\n",
            "- a\n- b\n",
            "just text\n",
            "services: 5\n",
            "services: {}\n",
            "services:\n  web:\n",
            "version: '4'\nservices: {a: {image: x}}\n",
        ],
    );
}

#[test]
fn keys_and_types() {
    check(
        "errors-keys.txt",
        &[
            "services:\n  web:\n    imgae: x\n",
            "services:\n  web:\n    image: x\n    prots: ['80:80']\n    qqqq: 1\n    healthcheck: {tset: x}\n",
            "service:\n  web: {image: x}\nservices:\n  a: {image: x}\n",
            "services:\n  a: {image: x}\nweb:\n  image: x\n",
            "services:\n  web:\n    image: x\n    net: host\n    dockerfile: D\n",
            "services:\n  web:\n    image: true\n    privileged: maybe\n    scale: many\n    environment: text\n    ports: '80:80'\n    labels: {a: [b]}\n    command: {a: b}\n",
            "services:\n  web:\n    image: x\n    mem_limit: lots\n    stop_grace_period: 10\n    oom_score_adj: 2000\n    mem_swappiness: 101\n    cpus: -1\n    scale: -1\n",
            "services:\n  web:\n    image: x\n    restart: allways\n    pull_policy: sometimes\n    network_mode: hots\n    pid: service:db\n    cap_add: [NET_ADMN]\n",
            "services:\n  web:\n    image: x\n    memswap_limit: 1g\n    cpus: 1\n    cpu_quota: 5\n",
            "services:\n  web:\n    image: x\n    scale: 2\n    deploy: {replicas: 3, resources: {limits: {memory: 1g}}}\n    mem_limit: 2g\n",
            "services:\n  web:\n    image: x\n    command: \"sh -c 'x\"\n    healthcheck: {test: [curl, x]}\n",
            "services:\n  my_web: {image: x}\n  -a: {image: x}\n  '': {image: x}\n",
            "services:\n  web: {image: x}\n  Web: {image: x}\n",
            "services:\n  web: {image: 'Bad Image'}\n  b: {build: {}, image: 'a:b:c'}\n",
            "services:\n  web:\n    image: x\n    secrets: [s]\n    configs: [c]\n    post_start: [{command: x}]\nmodels: {m: {}}\n",
            "services:\n  web:\n    image: x:${NO:?tag is needed}\n    command: echo $1 ${X\n",
            "services:\n  web:\n    image: x\n    ulimits: {nofile: {soft: 5, hard: 1}, nofiles: 1}\n    devices: ['/dev/a:/dev/b:q']\n    extra_hosts: [x]\n    dns: example.org\n",
        ],
    );
}

#[test]
fn ports_and_volumes() {
    check(
        "errors-ports.txt",
        &[
            "services:\n  web:\n    image: x\n    ports: ['70000:80', '80:70000', '0:80', 'a:b', '1:2:3:4', '80/sctp', '90-80', '1-2:3', '1-3:4-5']\n",
            "services:\n  web:\n    image: x\n    ports:\n      - '80:80'\n      - '127.0.0.1:80:81'\n      - {published: 5}\n      - {target: 70000}\n      - {target: 1, publishd: 2}\n",
            "services:\n  web:\n    image: x\n    ports: ['1-60000']\n    expose: ['80:80']\n",
            "services:\n  web:\n    image: x\n    volumes: ['data:/x', 'a:b', '/a:/b:/c:d', '/a:/b:rx', '/h:/', 'a/b:/c', '/x:/x', '/y:/x/']\n",
            "services:\n  web:\n    image: x\n    volumes: [{type: bind, target: /x}, {type: bond, source: /a, target: /b}, {source: /a, target: /c}, {type: volume, source: /a, target: /d}, {type: volume}]\n",
            "services:\n  web:\n    image: x\n    volumes: ['dta:/x']\n    networks: [frnt]\nvolumes: {data: , '.x': , v: {divers: x}}\nnetworks: {front: }\n",
        ],
    );
}

#[test]
fn relations() {
    check(
        "errors-relations.txt",
        &[
            "services:\n  web:\n    image: x\n    depends_on: [bd, web]\n    links: ['dbb:x']\n    volumes_from: [nope]\n  db: {image: x}\n",
            "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: [a]}\n",
            "services:\n  a: {image: x, depends_on: {b: {condition: service_ok, requird: true}}}\n  b: {image: x}\n",
            "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, profiles: [p]}\n",
            "services:\n  a: {image: x, volumes_from: [b], network_mode: 'service:b'}\n  b: {image: x}\n",
            "services:\n  a: {image: x, labels: {io.rancher.sidekicks: 'b,c,a'}}\n  b: {image: x, labels: {io.rancher.sidekicks: d}}\n  d: {image: x}\n  e: {image: x, labels: {io.rancher.sidekicks: d}}\n",
            "services:\n  lb: {image: rancher/lb-service-haproxy, lb_config: {port_rules: [{source_port: 80, service: wbe}]}}\n  web: {image: x}\n",
        ],
    );
}

#[test]
fn all_errors_of_all_files_come_at_once_and_in_order() {
    let said = read_all(
        &[
            (
                "docker-compose.yml",
                "services:\n  web:\n    image: x\n    ports: ['70000:80']\n    depnds_on: [db]\n",
            ),
            ("override.yml", "services:\n  web:\n    scale: x\n"),
            ("rancher-compose.yml", "services:\n  web:\n    health_check: {prt: 80}\n"),
        ],
        &[],
    )
    .unwrap_err();
    golden("errors-files.txt", &format!("{said}\n"));
}

#[test]
fn the_list_of_errors_is_bounded() {
    let mut text = "services:\n".to_owned();
    for n in 0..80 {
        text.push_str(&format!("  s{n}: {{image: x, oops: 1}}\n"));
    }
    let said = read(&text).unwrap_err();
    assert_eq!(said.matches("unknown key `oops`").count(), 50);
    assert!(said.ends_with("\nand 30 more"), "{said}");
}

#[test]
fn values_of_variables_are_never_repeated() {
    let said = read_all(
        &[("docker-compose.yml", "services:\n  a:\n    image: x\n    environment: {P: $PASSWORD}\n    scale: $PASSWORD\n    labels: $PASSWORD\n    oops: 1\n")],
        &[("PASSWORD", "hunter2")],
    )
    .unwrap_err();
    assert!(!said.contains("hunter2"), "{said}");
    for value in ["hunt$2er", "hunt${er", "hunt${1er}", "hunt$"] {
        let said =
            read(&format!("version: '2'\nservices: {{a: {{image: x, environment: {{P: '{value}'}}}}}}\n"))
                .unwrap_err();
        assert!(
            said.starts_with("docker-compose.yml:2:43: services.a.environment.P: a `$")
                || said.contains("`${…}` is not"),
            "{said}"
        );
        assert!(!said.contains("hunt") && !said.contains("er}") && !said.contains("2er"), "{said}");
    }
}
