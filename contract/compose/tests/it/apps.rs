//! Whole applications in the style of those that people run, and what each becomes; and the way back.

use contract_compose::{ComposeInput, SourceFile, StackPlan, load, render};

use crate::kit::{golden, read_all};

macro_rules! app {
    ($name:literal) => {
        include_str!(concat!("../apps/", $name))
    };
}

/// Checks the plan of an application against its golden file, and that its rendering reads the same.
fn check(name: &str, files: &[(&str, &str)], variables: &[(&str, &str)]) {
    let plan = read_all(files, variables).unwrap_or_else(|errors| panic!("{name}: {errors}"));
    golden(&format!("{name}.json"), &format!("{}\n", serde_json::to_string_pretty(&plan).unwrap()));
    let rendered = round_trip(&plan);
    golden(
        &format!("{name}.rendered.yml"),
        &format!("{}---\n{}", rendered.docker_compose, rendered.rancher_compose),
    );
}

/// Renders a plan and reads it again; all must be the same but what is said about the files themselves.
#[track_caller]
pub fn round_trip(plan: &StackPlan) -> contract_compose::Rendered {
    let rendered = render(plan);
    let again = read_all(
        &[
            ("docker-compose.yml", &rendered.docker_compose),
            ("rancher-compose.yml", &rendered.rancher_compose),
        ],
        &[],
    )
    .unwrap_or_else(|errors| {
        panic!("{errors}\n{}---\n{}", rendered.docker_compose, rendered.rancher_compose)
    });
    let bare = |plan: &StackPlan| {
        let mut plan = StackPlan { name: None, notices: Vec::new(), ..plan.clone() };
        for secret in &mut plan.secrets {
            // The value of a secret is never written down.
            (secret.external, secret.value) = (true, None);
        }
        plan
    };
    let json = |plan: &StackPlan| serde_json::to_string_pretty(&bare(plan)).unwrap();
    assert_eq!(json(&again), json(plan), "{}---\n{}", rendered.docker_compose, rendered.rancher_compose);
    rendered
}

#[test]
fn wordpress() {
    check("wordpress", &[("docker-compose.yml", app!("wordpress.yml"))], &[("DB_PASSWORD", "pa$$word")]);
    let error = read_all(&[("docker-compose.yml", app!("wordpress.yml"))], &[]).unwrap_err();
    assert!(error.contains("docker-compose.yml:14:9: services.db.environment[3]: the variable `DB_PASSWORD` must be set: set DB_PASSWORD"), "{error}");
}

#[test]
fn nextcloud() {
    check("nextcloud", &[("docker-compose.yml", app!("nextcloud.yml")), (".env", "DB_PASSWORD=x\n")], &[]);
}

#[test]
fn gitea() {
    check("gitea", &[("docker-compose.yml", app!("gitea.yml"))], &[]);
}

#[test]
fn voting() {
    check("voting", &[("docker-compose.yml", app!("voting.yml"))], &[]);
}

#[test]
fn prometheus() {
    check(
        "prometheus",
        &[
            ("docker-compose.yml", app!("prometheus.yml")),
            ("+grafana.env", "GF_SECURITY_ADMIN_PASSWORD=\"s3 cret\"\n"),
            ("profile ui", ""),
        ],
        &[],
    );
}

#[test]
fn old_platform() {
    check(
        "old",
        &[("docker-compose.yml", app!("old-docker.yml")), ("rancher-compose.yml", app!("old-rancher.yml"))],
        &[("APP_TAG", "7")],
    );
}

#[test]
fn every_setting_survives_rendering() {
    let text = "services:\n  a:\n    image: x\n    command: []\n    entrypoint: ['', \"a b\", '$$x']\n    user: '0'\n    working_dir: /w\n    environment: {A: '', B: \"l1\\nl2\", C: 'yes', D: '$$V ${V:-1}', 'E F': \"\\u0007\\u2028\"}\n    labels: {a: 'true', b: ''}\n    annotations: {x: y}\n    stdin_open: false\n    init: true\n    stop_signal: 9\n    stop_grace_period: 5s\n    platform: linux/arm64\n    runtime: runsc\n    pull_policy: never\n    restart: on-failure:2\n    logging: {}\n    healthcheck: {test: [CMD, 'a b'], interval: 1500ms, timeout: 2s, start_interval: 1s, start_period: 0, retries: 0}\n    build: {context: 'https://example.org/a.git#b', dockerfile: D, target: t, no_cache: true, args: {P: $$q}}\n    ports: ['80', '[::1]:1:2/udp', '1.2.3.4::5']\n    expose: ['7/udp']\n    hostname: h\n    domainname: d\n    extra_hosts: ['a:::1']\n    dns: ['::1']\n    dns_opt: [a]\n    dns_search: ['.']\n    mac_address: 02:42:ac:11:65:43\n    networks: {default: {aliases: [n]}}\n    volumes: [/anon, '/h:/p:ro,z', 'v:/v', {type: image, source: im, target: /i, image: {subpath: s}}, {type: volume, source: v, target: /w, volume: {subpath: q, nocopy: true}}, {type: bind, source: /s, target: /t, read_only: true, bind: {create_host_path: false, propagation: rslave}}]\n    volumes_from: ['container:other']\n    volume_driver: d\n    tmpfs: ['/t1', '/t2:size=1']\n    read_only: true\n    shm_size: 1\n    storage_opt: {size: 1}\n    mem_limit: 2k\n    memswap_limit: -1\n    mem_reservation: 1k\n    mem_swappiness: 1\n    cpus: 0.125\n    cpu_shares: 1\n    cpu_rt_runtime: 1\n    cpu_rt_period: 2\n    cpu_count: 1\n    cpu_percent: 1\n    cpuset: '0'\n    pids_limit: 5\n    oom_kill_disable: true\n    oom_score_adj: -1\n    ulimits: {nofile: 5, core: {soft: 0, hard: -1}}\n    blkio_weight: 10\n    blkio_weight_device: ['/dev/a:1']\n    device_read_bps: ['/dev/a:1k']\n    device_write_bps: ['/dev/a:2']\n    device_read_iops: ['/dev/b:3']\n    device_write_iops: ['/dev/a:4']\n    privileged: true\n    cap_add: [ALL]\n    cap_drop: [KILL]\n    security_opt: ['seccomp:unconfined']\n    pid: host\n    ipc: private\n    uts: host\n    userns_mode: host\n    cgroup: host\n    cgroup_parent: p\n    group_add: ['1']\n    devices: ['/dev/a:/dev/b:r']\n    device_cgroup_rules: ['c 1:3 mr']\n    sysctls: {a.b: '1'}\n    isolation: default\n    gpus: [{driver: nvidia, device_ids: ['0'], capabilities: [gpu, compute], options: {a: b}}, {count: 2}]\n    depends_on: {b: {condition: service_healthy, required: false, restart: true}}\n    links: ['b:c']\n    external_links: ['s/t', 's/u:v']\n    scale: 0\n    scale_policy: {min: 1}\n    start_on_create: false\n    retain_ip: false\n    description: 'd: #'\n    metadata: {a: [1, 2.5, null, {b: 'no'}], c: '12'}\n    health_check: {port: 1, name: n, strategy: none}\n    lb_config: {port_rules: [{target_port: 1, hostname: h}]}\n    upgrade_strategy: {batch_size: 3, interval_millis: 4}\n    drain_timeout_ms: 5\n    milli_cpu_reservation: 6\n    vcpu: 1\n    memory: 2\n    userdata: |\n      x\n        y\n    disks: [{name: d, size: 1g, root: true, driver: q, opts: {a: b}, readIops: 1, writeIops: 2}]\n    service_schemas: {s: {a: 1}}\n  b: {image: x, healthcheck: {disable: true}, network_mode: none, deploy: {mode: global}}\ncontainers:\n  c: {image: y, restart: always}\nvolumes: {v: {driver: x, driver_opts: {a: b}, labels: {c: d}, name: r}, e: {external: true}}\n";
    let plan = read_all(&[("docker-compose.yml", text)], &[]).unwrap_or_else(|errors| panic!("{errors}"));
    round_trip(&plan);
}

#[test]
fn two_hundred_services_are_read() {
    let mut text = "x-base: &base\n  restart: always\n  logging: {driver: json-file, options: {max-size: 10m}}\nservices:\n".to_owned();
    for n in 0..200 {
        let body = app!("nextcloud.yml").split("\n  app:").next().unwrap();
        let service = body.split("services:\n  db:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        text.push_str(&format!(
            "  s{n}:\n    <<: *base\n{}\n",
            service.replace("    restart: always\n", "").replace("db:/", "v:/")
        ));
    }
    text.push_str("volumes: {v: }\n");
    let input = ComposeInput { files: vec![SourceFile::new("f.yml", &text)], ..ComposeInput::default() };
    let start = std::time::Instant::now();
    let plan = load(&input).unwrap_or_else(|errors| panic!("{errors}"));
    println!("{} bytes in {:?}", text.len(), start.elapsed());
    assert_eq!(plan.services.len(), 200);
}
