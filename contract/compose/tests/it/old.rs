//! What the old platform read: versions 1 and 2, its second file, its sections and keys.

use serde_json::json;

use crate::kit::{launch_in, notices, read, read_all, service};

const V2: &str = "version: '2'\n";

#[test]
fn version_1_has_services_at_the_top() {
    let plan = read(
        "web:\n  image: nginx\n  net: host\n  log_driver: syslog\n  log_opt: {tag: x}\n  links: [db]\n  volumes: ['data:/d']\n  labels:\n    io.rancher.sidekicks: side\nside:\n  build: https://example.org/repo.git\n  dockerfile: D\n  volumes_from: [web]\n  net: 'container:web'\ndb:\n  image: mysql\n  restart: always\n",
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(&plan.services).unwrap(),
        json!([
            {
                "name": "web",
                "launchConfig": {
                    "imageUuid": "docker:nginx", "networkMode": "host", "dataVolumes": ["data:/d"],
                    "logConfig": {"driver": "syslog", "config": {"tag": "x"}},
                    "labels": {"io.rancher.sidekicks": "side"},
                },
                "secondaryLaunchConfigs": [{
                    "name": "side", "build": {"remote": "https://example.org/repo.git", "dockerfile": "D"},
                    "networkMode": "container", "networkLaunchConfig": "web",
                    "dataVolumesFromLaunchConfigs": ["web"],
                }],
                "links": [{"service": "db", "alias": "db"}],
            },
            {"name": "db", "launchConfig": {"imageUuid": "docker:mysql"}},
        ])
    );
    assert_eq!(plan.notices, []);
    let error = read("web:\n  image: x\n  build: .\n").unwrap_err();
    assert!(error.contains("docker-compose.yml:3:3: web: version 1 of the format takes either"), "{error}");
}

#[test]
fn the_second_file_adds_platform_keys() {
    for version in ["", "version: '2'\n"] {
        let docker = format!("{version}services:\n  web:\n    image: nginx\n    ports: ['80:80']\n");
        let rancher = format!(
            "{version}services:\n  web:\n    scale: 3\n    start_on_create: true\n    retain_ip: true\n    drain_timeout_ms: 1000\n    milli_cpu_reservation: 100\n    description: d\n    scale_policy: {{min: 1, max: 5, increment: 2}}\n    upgrade_strategy: {{start_first: false}}\n    metadata: {{a: {{b: [1, true, 1.5, x, '7']}}}}\n    health_check:\n      port: '80'\n      request_line: GET / HTTP/1.0\n      interval: 2000\n      response_timeout: 2000\n      healthy_threshold: 2\n      unhealthy_threshold: 3\n      initializing_timeout: 60000\n      strategy: recreateOnQuorum\n      recreate_on_quorum_strategy_config: {{quorum: 1}}\n"
        );
        let plan =
            read_all(&[("docker-compose.yml", &docker), ("rancher-compose.yml", &rancher)], &[]).unwrap();
        assert_eq!(
            serde_json::to_value(&plan.services).unwrap(),
            json!([{
                "name": "web", "scale": 3, "startOnCreate": true, "retainIp": true, "description": "d",
                "scalePolicy": {"min": 1, "max": 5, "increment": 2},
                "upgradeStrategy": {"startFirst": false},
                "metadata": {"a": {"b": [1, true, 1.5, "x", "7"]}},
                "launchConfig": {
                    "imageUuid": "docker:nginx", "ports": ["80:80/tcp"],
                    "drainTimeoutMs": 1000, "milliCpuReservation": 100,
                    "healthCheck": {
                        "port": 80, "requestLine": "GET / HTTP/1.0", "interval": 2000, "responseTimeout": 2000,
                        "healthyThreshold": 2, "unhealthyThreshold": 3, "initializingTimeout": 60000,
                        "strategy": "recreateOnQuorum", "recreateOnQuorumStrategyConfig": {"quorum": 1},
                    },
                },
            }])
        );
    }
    let error = read_all(
        &[("docker-compose.yml", "web: {image: x}\n"), ("rancher-compose.yml", "wbe:\n  scale: 2\n")],
        &[],
    )
    .unwrap_err();
    assert!(error.contains("rancher-compose.yml:1:1: wbe: the service `wbe` has neither"), "{error}");
}

#[test]
fn labels_and_environment_follow_the_old_words() {
    assert_eq!(
        launch_in(V2, "labels: {a: yes, b: 'yes', c: off, d: 010, e: y}\nenvironment: {A: on, B: 1.50}"),
        json!({
            "labels": {"a": "true", "b": "yes", "c": "false", "d": "010", "e": "y"},
            "environment": {"A": "true", "B": "1.50"},
        })
    );
}

#[test]
fn restart_is_dropped_for_services_and_kept_for_containers() {
    for policy in ["always", "no", "on-failure"] {
        assert_eq!(launch_in(V2, &format!("restart: {policy}")), json!({}), "{policy}");
    }
    let said = notices("version: '2'\nservices: {a: {image: x, restart: no}}\n");
    assert!(said.contains("services.a.restart: `restart: no` has no effect in this version"), "{said}");
    let plan = read(
        "version: '2'\nservices: {a: {image: x}}\ncontainers: {c: {image: y, restart: 'on-failure:2'}}\n",
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(&plan.containers).unwrap(),
        json!([{"name": "c", "launchConfig": {"imageUuid": "docker:y", "restartPolicy": {"name": "on-failure", "maximumRetryCount": 2}}}])
    );
    // Versions that the old product never read mean what Docker says they mean.
    assert_eq!(
        launch_in("version: '2.4'\n", "restart: on-failure"),
        json!({"restartPolicy": {"name": "on-failure"}})
    );
}

#[test]
fn links_to_nowhere_and_undeclared_volumes_are_no_faults() {
    let plan = read("version: '2'\nservices: {a: {image: x, links: [b], volumes: ['v:/v']}}\n").unwrap();
    assert_eq!(plan.services[0].links, []);
    assert_eq!(plan.services[0].launch_config.data_volumes, ["v:/v"]);
    assert!(plan.notices[0].to_string().contains("there is no service `b`; the link has no effect"));
}

#[test]
fn kinds_of_services() {
    let plan = read_all(
        &[(
            "docker-compose.yml",
            "version: '2'\nservices:\n  lb: {image: rancher/lb-service-haproxy:v0.9.1, ports: ['80:80']}\n  old: {image: rancher/load-balancer-service, links: [web]}\n  ext: {image: rancher/external-service}\n  cname: {image: rancher/external-service, hostname: example.org}\n  alias: {image: rancher/dns-service, links: [web]}\n  sel: {image: rancher/none, labels: {io.rancher.service.selector.container: a=b}}\n  nfs: {image: rancher/storage-nfs}\n  web: {image: nginx, labels: {io.rancher.service.selector.link: c=d}}\nload_balancers:\n  lb2: {port_rules: [{source_port: '81', target_port: '80', service: web}], certs: [c]}\nexternal_services:\n  ext2: {external_ips: [1.2.3.5]}\naliases:\n  alias2: {services: [web, db]}\nvirtual_machines:\n  vm: {vcpu: 2, memory: 1024, disks: [{name: a, size: 10g, root: true}]}\nstorage_drivers:\n  sd: {image: x, name: my, scope: local}\nnetwork_drivers:\n  nd: {image: x, name: net, cni_config: {'10.conf': {type: bridge}}}\n",
        ),
        (
            "rancher-compose.yml",
            "version: '2'\nservices:\n  lb: {lb_config: {port_rules: [{source_port: '80', target_port: 80, service: web, protocol: http}]}}\n  ext: {external_ips: [1.2.3.4], health_check: {port: 1}}\n  nfs: {storage_driver: {name: rancher-nfs}}\n  web: {lb_config: {port_rules: [{target_port: 80, hostname: a}]}}\n",
        )],
        &[],
    )
    .unwrap();
    let said: Vec<_> = plan
        .services
        .iter()
        .map(|service| {
            let mut value = serde_json::to_value(service).unwrap();
            let map = value.as_object_mut().unwrap();
            map.shift_remove("launchConfig");
            value.to_string()
        })
        .collect();
    assert_eq!(
        said,
        [
            r#"{"name":"lb","kind":"loadBalancerService","lbConfig":{"port_rules":[{"source_port":80,"target_port":80,"service":"web","protocol":"http"}]}}"#,
            r#"{"name":"old","kind":"loadBalancerService"}"#,
            r#"{"name":"ext","kind":"externalService","healthCheck":{"port":1},"externalIpAddresses":["1.2.3.4"]}"#,
            r#"{"name":"cname","kind":"externalService","hostname":"example.org"}"#,
            r#"{"name":"alias","kind":"dnsService","links":[{"service":"web","alias":"web"}]}"#,
            r#"{"name":"sel","kind":"selectorService","selectorContainer":"a=b"}"#,
            r#"{"name":"nfs","kind":"storageDriverService","storageDriver":{"name":"rancher-nfs"}}"#,
            r#"{"name":"web","selectorLink":"c=d","lbConfig":{"port_rules":[{"target_port":80,"hostname":"a"}]}}"#,
            r#"{"name":"lb2","kind":"loadBalancerService","lbConfig":{"port_rules":[{"source_port":81,"target_port":80,"service":"web"}],"certs":["c"]}}"#,
            r#"{"name":"ext2","kind":"externalService","externalIpAddresses":["1.2.3.5"]}"#,
            r#"{"name":"alias2","kind":"dnsService","links":[{"service":"web","alias":"web"}]}"#,
            r#"{"name":"vm","kind":"virtualMachine"}"#,
            r#"{"name":"sd","kind":"storageDriverService","storageDriver":{"name":"my","scope":"local"}}"#,
            r#"{"name":"nd","kind":"networkDriverService","networkDriver":{"name":"net","cni_config":{"10.conf":{"type":"bridge"}}}}"#,
        ]
    );
}

#[test]
fn catalog_data_is_no_service() {
    let plan =
        read("version: '2'\n.catalog: {name: x}\nservices:\n  .catalog: {questions: []}\n  a: {image: x}\n")
            .unwrap();
    assert_eq!(plan.services.len(), 1);
    assert_eq!(read(".catalog: {name: x}\na: {image: x}\n").unwrap().services.len(), 1);
}

#[test]
fn per_container_volumes_and_old_blkio() {
    let plan = read("version: '2'\nservices: {a: {image: x, volumes: ['v:/v']}}\nvolumes: {v: {per_container: true, driver: rancher-nfs}}\n").unwrap();
    assert_eq!(
        serde_json::to_value(&plan.volumes).unwrap(),
        json!([{"name": "v", "driver": "rancher-nfs", "perContainer": true}])
    );
    assert_eq!(
        launch_in(
            V2,
            "blkio_weight: 100\nblkio_weight_device: ['/dev/sda:10']\ndevice_read_iops: []\ndevice_write_bps: ['/dev/sda:1m']"
        ),
        json!({"blkioWeight": 100, "blkioDeviceOptions": {"/dev/sda": {"weight": 10, "writeBps": 1048576}}})
    );
}

#[test]
fn pulling_by_label() {
    let value = service(
        "version: '2'\nservices: {a: {image: x, labels: {io.rancher.container.pull_image: always}}}\n",
    );
    assert_eq!(value["launchConfig"]["pullPolicy"], "always");
}

#[test]
fn variables_without_a_value_unset_what_they_stand_for() {
    assert_eq!(
        launch_in(
            V2,
            "hostname: ${NO}\nmem_limit: ${NO}\nvolume_driver: ${NO}\nuser: ''\nlogging: {driver: \"${NO}\"}\nenvironment: {A: \"${NO}\"}",
        ),
        json!({"logConfig": {}, "environment": {"A": ""}})
    );
    let plan = read("db:\n  image: x\n  log_driver: ${NO}\n  scale: ${NO}\n  external_links: ['${NO}:db']\n")
        .unwrap();
    assert_eq!(plan.services[0].scale, None);
    assert_eq!(plan.services[0].external_links, []);
    let said = notices("db: {image: x, external_links: [':db']}\n");
    assert!(said.contains("db.external_links[0]: the link names no service and has no effect"), "{said}");
    let said = read("services: {a: {image: '${NO}'}}\n").unwrap_err();
    assert!(said.contains("services.a.image: the text is empty"), "{said}");
}

#[test]
fn a_key_that_stands_twice_is_a_fault_of_today_only() {
    let lines = "services:\n  a:\n    image: x\n    image: y\n";
    let said = notices(&format!("{V2}{lines}"));
    assert_eq!(
        said,
        "docker-compose.yml:5:5: services.a.image: the key `image` stands here for the second time; the first is in line 4; this one counts\n"
    );
    assert_eq!(service(&format!("{V2}{lines}"))["launchConfig"]["imageUuid"], "docker:y");
    let said = read(lines).unwrap_err();
    assert!(
        said.contains("docker-compose.yml:4:5: services.a.image: the key `image` stands here for"),
        "{said}"
    );
}

#[test]
fn networks_of_the_old_platform_are_the_managed_one() {
    assert_eq!(launch_in(V2, "network_mode: ipsec"), json!({"labels": {"io.rancher.cni.network": "ipsec"}}));
    let said = read("services: {a: {image: x, network_mode: ipsec}}\n").unwrap_err();
    assert!(said.contains("the network mode `ipsec` is not known"), "{said}");
}

#[test]
fn second_files_of_old_entries() {
    // Without a version and sections, its services stand at the top; one without a value changes nothing.
    let docker = "version: '2'\nservices:\n  web: {image: x}\n  db: {image: y}\n";
    let plan = read_all(
        &[
            ("docker-compose.yml", docker),
            ("rancher-compose.yml", ".catalog: {name: n}\nweb: {scale: 2}\ndb:\n"),
        ],
        &[],
    )
    .unwrap();
    assert_eq!(plan.services[0].scale, Some(2));
    assert_eq!(plan.services.len(), 2);
    // With a version they must stand below `services`; others are passed by.
    let plan = read_all(
        &[("docker-compose.yml", docker), ("rancher-compose.yml", "version: '2'\nweb: {scale: 2}\n")],
        &[],
    )
    .unwrap();
    assert_eq!(plan.services[0].scale, None);
    assert_eq!(
        plan.notices[0].to_string(),
        "rancher-compose.yml:2:1: web: `web` has no effect here: services stand below `services`"
    );
}

#[test]
fn sections_of_drivers_and_machines_say_what_their_services_are() {
    let text = "version: '2'\nstorage_drivers: {s: {image: x}}\nnetwork_drivers: {n: {image: x}}\nvirtual_machines: {v: {vcpu: 1}}\naliases: {a: {image: other, services: [s]}}\n";
    let plan = read(text).unwrap();
    let kinds: Vec<_> = plan.services.iter().map(|service| service.kind.type_name()).collect();
    assert_eq!(kinds, ["storageDriverService", "networkDriverService", "virtualMachine", "dnsService"]);
    assert_eq!(plan.services[0].storage_driver, Some(json!({"name": "s"})));
    crate::apps::round_trip(&plan);
}
