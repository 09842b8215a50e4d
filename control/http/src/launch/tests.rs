#![allow(clippy::unwrap_used, reason = "tests may panic")]

use serde_json::{Value, json};

use super::*;

fn config(value: Value) -> LaunchConfig {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_rich_configuration_comes_back_as_it_went_in() {
    let wire = json!({
        "labels": {"a": "b"},
        "imageUuid": "docker:nginx:1.27",
        "pullPolicy": "always",
        "command": ["nginx", "-g", "daemon off;"],
        "entryPoint": [],
        "workingDir": "/srv",
        "environment": {"A": "1"},
        "tty": true,
        "runInit": true,
        "stopTimeout": 20,
        "restartPolicy": {"name": "on-failure", "maximumRetryCount": 3},
        "logConfig": {"driver": "json-file", "config": {"max-size": "1m"}},
        "networkMode": "managed",
        "ports": ["8080:80/tcp", "53/udp"],
        "expose": ["9000/tcp"],
        "dataVolumes": ["data:/var/lib/data", "/etc/x:/etc/x:ro,z", "/scratch"],
        "tmpfs": {"/run": "size=1m"},
        "memory": 1048576,
        "blkioDeviceOptions": {"/dev/sda": {"readBps": 1000}},
        "ulimits": [{"name": "nofile", "soft": 10, "hard": 20}],
        "devices": ["/dev/a:/dev/b:rw"],
        "healthCmd": ["CMD", "true"],
        "healthInterval": 5,
        "healthTimeoutMs": 1500,
        "healthCheck": {"port": 80, "interval": 2000},
        "annotations": {"k": "v"},
        "deviceRequests": [{"driver": "nvidia", "count": -1, "capabilities": [["gpu"]]}],
        "deviceCgroupRules": ["c 13:* rmw"],
        "cgroupnsMode": "private",
        "cpuCount": 2,
        "cpuPercent": 50,
        "diskQuota": 1000,
        "healthStartIntervalMs": 500,
    });
    let config = config(wire.clone());
    let back = serde_json::to_value(config_of(&spec_of(&config).unwrap())).unwrap();
    for (name, value) in wire.as_object().unwrap() {
        assert_eq!(&back[name], value, "{name}");
    }
    for name in back.as_object().unwrap().keys() {
        assert!(wire.get(name).is_some(), "{name} came out of nothing");
    }
}

/// `field: value -> code of the field`.
#[test]
fn wrong_values_name_their_field() {
    for (input, field) in [
        (json!({"imageUuid": "UPPER"}), "imageUuid"),
        (json!({"networkMode": "moon"}), "networkMode"),
        (json!({"networkMode": "container"}), "networkContainerId"),
        (json!({"dataVolumes": ["./a:/b"]}), "dataVolumes"),
        (json!({"dataVolumes": ["a:b:c:d"]}), "dataVolumes"),
        (json!({"dataVolumes": ["relative"]}), "dataVolumes"),
        (json!({"devices": ["null"]}), "devices"),
        (json!({"restartPolicy": {"name": "sometimes"}}), "restartPolicy"),
        (json!({"expose": ["x"]}), "expose"),
    ] {
        let invalid = spec_of(&config(input.clone())).unwrap_err();
        assert_eq!(invalid.field.as_deref(), Some(field), "{input}: {invalid}");
    }
}

#[test]
fn wrong_ports_have_codes_of_their_own() {
    for (port, code) in [
        ("70000:80", ErrorCode::PortInvalidPublicPort),
        ("80:70000", ErrorCode::PortInvalidPrivatePort),
        ("80/icmp", ErrorCode::PortInvalidProtocol),
        ("1:2:3:4", ErrorCode::PortWrongFormat),
    ] {
        let input = json!({"ports": [port]});
        let invalid = read_config(input.as_object().unwrap()).unwrap_err();
        assert_eq!((invalid.code, invalid.field.as_deref()), (code, Some("ports")), "{port}");
        assert!(invalid.message.contains(port));
    }
}
