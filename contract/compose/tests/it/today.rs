//! Keys of today's specification, each with what it becomes.

use serde_json::json;

use crate::kit::{launch, notices, read, read_all, service};

#[test]
fn processes() {
    for (lines, config) in [
        ("command: sh -c 'echo hi'", json!({"command": ["sh", "-c", "echo hi"]})),
        ("command: [a, 1, b c]", json!({"command": ["a", "1", "b c"]})),
        ("command: ''", json!({"command": []})),
        ("command:", json!({})),
        ("entrypoint: []", json!({"entryPoint": []})),
        ("entrypoint: /run.sh", json!({"entryPoint": ["/run.sh"]})),
        ("user: 1000", json!({"user": "1000"})),
        ("working_dir: /w", json!({"workingDir": "/w"})),
        ("stdin_open: true\ntty: yes\ninit: on", json!({"stdinOpen": true, "tty": true, "runInit": true})),
        (
            "stop_signal: SIGINT\nstop_grace_period: 1m1500ms",
            json!({"stopSignal": "SIGINT", "stopTimeout": 62}),
        ),
        (
            "labels:\n  a: 1\n  b: true\n  c: yes\n  d:",
            json!({"labels": {"a": "1", "b": "true", "c": "yes", "d": ""}}),
        ),
        ("labels: [a=1, b]", json!({"labels": {"a": "1", "b": ""}})),
        (
            "environment:\n  A: 1.10\n  B: True\n  C: 'x=y'\n  D:",
            json!({"environment": {"A": "1.10", "B": "true", "C": "x=y"}}),
        ),
        ("environment: [A=1, B=x=y, C]", json!({"environment": {"A": "1", "B": "x=y"}})),
        (
            "logging: {driver: syslog, options: {max-file: 3}}",
            json!({"logConfig": {"driver": "syslog", "config": {"max-file": "3"}}}),
        ),
        ("pull_policy: always", json!({"pullPolicy": "always"})),
        ("pull_policy: if_not_present", json!({"pullPolicy": "missing"})),
        ("platform: linux/arm64\nruntime: runsc", json!({"platform": "linux/arm64", "runtime": "runsc"})),
        ("annotations: {a: b}", json!({"annotations": {"a": "b"}})),
        ("restart: always", json!({})),
        ("restart: unless-stopped", json!({})),
        (
            "restart: no",
            json!({"labels": {"io.rancher.container.start_once": "true"}, "restartPolicy": {"name": "no"}}),
        ),
        (
            "restart: 'no'",
            json!({"labels": {"io.rancher.container.start_once": "true"}, "restartPolicy": {"name": "no"}}),
        ),
        ("restart: on-failure:3", json!({"restartPolicy": {"name": "on-failure", "maximumRetryCount": 3}})),
        (
            "healthcheck: {test: curl localhost, interval: 5s, timeout: 500ms, retries: 3, start_period: 1m}",
            json!({"healthCmd": ["CMD-SHELL", "curl localhost"], "healthInterval": 5, "healthTimeoutMs": 500, "healthRetries": 3, "healthStartPeriodMs": 60000}),
        ),
        ("healthcheck: {test: [CMD, a, b]}", json!({"healthCmd": ["CMD", "a", "b"]})),
        ("healthcheck: {disable: true}", json!({"healthCmd": ["NONE"]})),
        ("healthcheck: {test: [NONE]}", json!({"healthCmd": ["NONE"]})),
    ] {
        assert_eq!(launch(lines), config, "{lines}");
    }
}

#[test]
fn networks() {
    for (lines, config) in [
        (
            "ports: ['80', '8080:80', 127.0.0.1:5:6/udp, '[::1]:7:8']",
            json!({"ports": ["80/tcp", "8080:80/tcp", "127.0.0.1:5:6/udp", "[::1]:7:8/tcp"]}),
        ),
        (
            "ports: [80, 3000-3002, '9000-9001:80-81', '127.0.0.1::9']",
            json!({"ports": ["80/tcp", "3000/tcp", "3001/tcp", "3002/tcp", "9000:80/tcp", "9001:81/tcp", "127.0.0.1::9/tcp"]}),
        ),
        (
            "ports: [{target: 80, published: '8080', protocol: udp, host_ip: 10.0.0.1, mode: host}, {target: 81}]",
            json!({"ports": ["10.0.0.1:8080:80/udp", "81/tcp"]}),
        ),
        ("ports: ['80:80', '80:80']", json!({"ports": ["80:80/tcp"]})),
        ("ports: [22:22]", json!({"ports": ["22:22/tcp"]})),
        ("expose: [80, '90-91/udp', 80]", json!({"expose": ["80", "90/udp", "91/udp"]})),
        ("network_mode: host", json!({"networkMode": "host"})),
        ("network_mode: ''", json!({})),
        (
            "extra_hosts: ['a:1.2.3.4', 'b=::1', 'c:host-gateway']",
            json!({"extraHosts": ["a:1.2.3.4", "b:::1", "c:host-gateway"]}),
        ),
        ("extra_hosts: {a: 1.2.3.4}", json!({"extraHosts": ["a:1.2.3.4"]})),
        (
            "dns: 9.9.9.9\ndns_search: [a, b]\ndns_opt: [ndots:1]",
            json!({"dns": ["9.9.9.9"], "dnsSearch": ["a", "b"], "dnsOpt": ["ndots:1"]}),
        ),
        (
            "hostname: h\ndomainname: d.e\nmac_address: 02:42:ac:11:65:43",
            json!({"hostname": "h", "domainName": "d.e", "macAddress": "02:42:ac:11:65:43"}),
        ),
        ("networks: {default: {aliases: [x, y]}}", json!({"netAlias": ["x", "y"]})),
    ] {
        assert_eq!(launch(lines), config, "{lines}");
    }
}

#[test]
fn storage() {
    for (lines, config) in [
        (
            "volumes: [/data, '/h:/c', '/h2:/c2:ro', './x:/c3', '../y:/c4:rw,z']",
            json!({"dataVolumes": ["/data", "/h:/c", "/h2:/c2:ro", "/srv/demo/x:/c3", "/srv/y:/c4:rw,z"]}),
        ),
        (
            "volumes: [{type: bind, source: ./x, target: /c, read_only: true, bind: {propagation: rslave, selinux: z}}]",
            json!({"dataVolumes": ["/srv/demo/x:/c:ro,rslave,z"]}),
        ),
        (
            "volumes: [{type: bind, source: /x, target: /c, bind: {create_host_path: false}}]",
            json!({"engineMounts": [{"type": "bind", "source": "/x", "target": "/c", "createHostPath": false}]}),
        ),
        ("volumes: [{type: volume, target: /c}]", json!({"dataVolumes": ["/c"]})),
        (
            "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0755}}]",
            json!({"tmpfs": {"/t": "size=1048576,mode=755"}}),
        ),
        ("tmpfs: [/a, '/b:size=1m']", json!({"tmpfs": {"/a": "", "/b": "size=1m"}})),
        ("tmpfs: /a", json!({"tmpfs": {"/a": ""}})),
        (
            "read_only: true\nshm_size: 64m\nstorage_opt: {size: 1G}",
            json!({"readOnly": true, "shmSize": 67108864, "storageOpt": {"size": "1G"}}),
        ),
        (
            "devices: [/dev/snd, '/dev/a:/dev/b:r', {source: /dev/c, target: /dev/d, permissions: rw}]",
            json!({"devices": ["/dev/snd", "/dev/a:/dev/b:r", "/dev/c:/dev/d:rw"]}),
        ),
    ] {
        assert_eq!(launch(lines), config, "{lines}");
    }
}

#[test]
fn resources() {
    for (lines, config) in [
        (
            "mem_limit: 512m\nmemswap_limit: 1g\nmem_reservation: 1048576\nmem_swappiness: 0",
            json!({"memory": 536870912, "memorySwap": 1073741824, "memoryReservation": 1048576, "memorySwappiness": 0}),
        ),
        (
            "cpus: 1.5\ncpu_shares: 512\ncpuset: 0-2,4",
            json!({"nanoCpus": 1500000000, "cpuShares": 512, "cpuSet": "0-2,4"}),
        ),
        (
            "cpu_quota: 50000\ncpu_period: 100ms\npids_limit: -1",
            json!({"cpuQuota": 50000, "cpuPeriod": 100000, "pidsLimit": -1}),
        ),
        (
            "ulimits: {nproc: 65535, nofile: {soft: 1, hard: 2}}",
            json!({"ulimits": [{"name": "nproc", "soft": 65535, "hard": 65535}, {"name": "nofile", "soft": 1, "hard": 2}]}),
        ),
        (
            "blkio_config: {weight: 300, weight_device: [{path: /dev/sda, weight: 4}], device_read_bps: [{path: /dev/sda, rate: 1mb}]}",
            json!({"blkioWeight": 300, "blkioDeviceOptions": {"/dev/sda": {"weight": 4, "readBps": 1048576}}}),
        ),
        (
            "privileged: true\ncap_add: [NET_ADMIN, cap_sys_time]\ncap_drop: [all]",
            json!({"privileged": true, "capAdd": ["NET_ADMIN", "SYS_TIME"], "capDrop": ["ALL"]}),
        ),
        (
            "security_opt: ['no-new-privileges:true']\ngroup_add: [mail, 5]\nsysctls: [net.core.somaxconn=1]",
            json!({"securityOpt": ["no-new-privileges:true"], "groupAdd": ["mail", "5"], "sysctls": {"net.core.somaxconn": "1"}}),
        ),
        (
            "pid: host\nipc: shareable\nuts: host\nuserns_mode: host\ncgroup: private\ncgroup_parent: m",
            json!({"pidMode": "host", "ipcMode": "shareable", "uts": "host", "usernsMode": "host", "cgroupnsMode": "private", "cgroupParent": "m"}),
        ),
        (
            "oom_kill_disable: false\noom_score_adj: -500",
            json!({"oomKillDisable": false, "oomScoreAdj": -500}),
        ),
        ("gpus: all", json!({"deviceRequests": [{"count": -1, "capabilities": [["gpu"]]}]})),
        (
            "deploy: {resources: {limits: {cpus: '0.5', memory: 50M, pids: 10}, reservations: {cpus: 0.25, memory: 20M, devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}",
            json!({"nanoCpus": 500000000, "memory": 52428800, "pidsLimit": 10, "milliCpuReservation": 250, "memoryReservation": 20971520,
                "deviceRequests": [{"driver": "nvidia", "count": 1, "capabilities": [["gpu"]]}]}),
        ),
    ] {
        assert_eq!(launch(lines), config, "{lines}");
    }
}

#[test]
fn deploy_becomes_scale_labels_and_strategy() {
    let value = service(
        "services:\n  a:\n    image: x\n    deploy:\n      replicas: 3\n      labels: {l: 1}\n      update_config: {parallelism: 2, delay: 5s, order: start-first}\n      restart_policy: {condition: on-failure, max_attempts: 4}\n      placement: {constraints: [node.labels.disk == ssd, node.labels.zone != b, node.role == manager]}\n",
    );
    assert_eq!(
        value,
        json!({
            "name": "a", "scale": 3,
            "launchConfig": {
                "imageUuid": "docker:x",
                "labels": {
                    "l": "1",
                    "io.rancher.scheduler.affinity:host_label": "disk=ssd",
                    "io.rancher.scheduler.affinity:host_label_ne": "zone=b",
                },
                "restartPolicy": {"name": "on-failure", "maximumRetryCount": 4},
            },
            "upgradeStrategy": {"startFirst": true, "batchSize": 2, "intervalMillis": 5000},
        })
    );
    let global = service("services:\n  a:\n    image: x\n    deploy: {mode: global}\n");
    assert_eq!(global["launchConfig"]["labels"], json!({"io.rancher.scheduler.global": "true"}));
}

#[test]
fn relations() {
    let plan = read(
        "services:\n  web:\n    image: x\n    depends_on:\n      db: {condition: service_healthy, restart: true}\n      job: {condition: service_completed_successfully}\n    links: [db, 'db:database']\n    external_links: ['other/api:api']\n  db:\n    image: x\n    healthcheck: {test: 'true'}\n  job:\n    image: x\n    depends_on: [db]\n",
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(&plan.services).unwrap(),
        json!([
            {
                "name": "web", "launchConfig": {"imageUuid": "docker:x"},
                "links": [{"service": "db", "alias": "db"}, {"service": "db", "alias": "database"}],
                "externalLinks": [{"service": "other/api", "alias": "api"}],
                "dependsOn": [
                    {"service": "db", "condition": "healthy", "restart": true},
                    {"service": "job", "condition": "completedSuccessfully"},
                ],
            },
            {"name": "db", "launchConfig": {"imageUuid": "docker:x", "healthCmd": ["CMD-SHELL", "true"]}},
            {
                "name": "job",
                "launchConfig": {
                    "imageUuid": "docker:x",
                    "labels": {"io.rancher.container.start_once": "true"},
                    "restartPolicy": {"name": "no"},
                },
                "dependsOn": [{"service": "db", "condition": "started"}],
            },
        ])
    );
    assert_eq!(plan.notices, []);
}

#[test]
fn volumes_are_declared() {
    let plan = read(
        "services: {a: {image: x, volumes: ['data:/d', {type: volume, source: ext, target: /e, volume: {nocopy: true}}]}}\nvolumes:\n  data:\n  ext: {external: true, name: real}\n  nfs: {driver: local, driver_opts: {type: nfs, o: 'addr=1.2.3.4'}, labels: [a=b]}\n  old: {external: {name: there}}\n",
    )
    .unwrap();
    assert_eq!(plan.services[0].launch_config.data_volumes, ["data:/d", "ext:/e:nocopy"]);
    assert_eq!(
        serde_json::to_value(&plan.volumes).unwrap(),
        json!([
            {"name": "data"},
            {"name": "ext", "realName": "real", "external": true},
            {"name": "nfs", "driver": "local", "driverOpts": {"type": "nfs", "o": "addr=1.2.3.4"}, "labels": {"a": "b"}},
            {"name": "old", "realName": "there", "external": true},
        ])
    );
}

#[test]
fn profiles_switch_services_on() {
    let text = "services:\n  a: {image: x}\n  b: {image: x, profiles: [debug]}\n  c: {image: x, profiles: [debug, test]}\n";
    let names = |files: &[(&str, &str)]| {
        let plan = read_all(files, &[]).unwrap();
        plan.services.iter().map(|service| service.name.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&[("docker-compose.yml", text)]), "a");
    assert_eq!(names(&[("docker-compose.yml", text), ("profile test", "")]), "a c");
    assert_eq!(names(&[("docker-compose.yml", text), ("profile *", "")]), "a b c");
}

#[test]
fn variables_reach_every_value() {
    let plan = read_all(
        &[
            ("docker-compose.yml", "services:\n  a:\n    image: \"x:${TAG:-1}\"\n    scale: ${N}\n    privileged: ${P}\n    environment: {A: $A, B: '${B}', K: }\n    labels: {p: '$${stack_name}', s: $COMPOSE_PROJECT_NAME}\n"),
            (".env", "TAG=2\nN=7\nB=two\nP=true\nK=key"),
        ],
        &[("N", "5"), ("A", "yes")],
    )
    .unwrap();
    let service = &plan.services[0];
    assert_eq!(service.launch_config.image(), Some("x:2"));
    assert_eq!(service.scale, Some(5));
    assert_eq!(service.launch_config.privileged, Some(true));
    assert_eq!(
        *service.launch_config.environment,
        [("A", "yes"), ("B", "two"), ("K", "key")].map(|(k, v)| (k.into(), v.into())).into()
    );
    assert_eq!(
        service.launch_config.labels,
        [("p", "${stack_name}"), ("s", "demo")].map(|(k, v)| (k.into(), v.into())).into()
    );
}

#[test]
fn what_has_no_effect_is_said_once_with_the_reason() {
    crate::kit::golden(
        "notices.txt",
        &notices(
            "name: my_app\nservices:\n  a:\n    image: x$TAG\n    container_name: c\n    networks: [front, back]\n    volumes: ['./a:/a', './b:/b']\n    develop: {watch: []}\n    deploy: {rollback_config: {}, endpoint_mode: vip, placement: {preferences: [{spread: x}]}}\n    command: $TAG\n    build: .\n  b:\n    image: x\n    networks: [back]\n    depends_on: {a: {condition: service_healthy}, z: {condition: service_started, required: false}}\n    network_mode: host\n    ports: ['1:1']\nnetworks: {front: , back: {driver: overlay}}\nconfigs: {c: {file: ./c}}\n",
        ),
    );
}

#[test]
fn extension_keys_are_kept_out() {
    let plan = read("x-a: &a {image: x}\nservices:\n  x-b: {nonsense: 1}\n  a:\n    <<: *a\n    x-c: 1\n    logging: {x-d: 1, driver: none}\n").unwrap();
    assert_eq!(plan.services.len(), 1);
    assert_eq!(plan.services[0].launch_config.image(), Some("x"));
}
