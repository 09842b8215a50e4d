use clap::Parser as _;
use serde_json::{Value, json};

use super::{Run, bytes};

#[derive(clap::Parser)]
struct Alone {
    #[command(flatten)]
    run: Run,
}

fn config(line: &str) -> Value {
    let arguments = std::iter::once("run").chain(line.split_whitespace());
    let run = Alone::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).run;
    run.launch_config(|name| (name == "HOME").then(|| "/home/ann".to_owned())).unwrap()
}

#[test]
fn options_become_the_fields_of_a_launch_configuration() {
    for (line, expected) in [
        ("busybox", json!({"imageUuid": "docker:busybox"})),
        ("busybox sh -c id", json!({"imageUuid": "docker:busybox", "command": ["sh", "-c", "id"]})),
        (
            "-e A=1 -e B= -e HOME -e NOPE busybox",
            json!({"imageUuid": "docker:busybox", "environment": {"A": "1", "B": "", "HOME": "/home/ann", "NOPE": ""}}),
        ),
        (
            "--schedule-global --pull -l tier=web x",
            json!({"imageUuid": "docker:x", "labels": {"tier": "web", "io.rancher.scheduler.global": "true",
                    "io.rancher.container.pull_image": "always"}}),
        ),
        (
            "-p 80:8080 -P --expose 9 --net host --dns 1.1.1.1 --add-host a:1.2.3.4 x",
            json!({"imageUuid": "docker:x", "ports": ["80:8080"], "publishAllPorts": true, "expose": ["9"],
                   "networkMode": "host", "dns": ["1.1.1.1"], "extraHosts": ["a:1.2.3.4"]}),
        ),
        (
            "-m 512m --memory-swap -1 --shm-size 64mb --pids-limit -1 --cpuset-cpus 0-1 x",
            json!({"imageUuid": "docker:x", "memory": 536_870_912, "memorySwap": -1, "shmSize": 67_108_864,
                   "pidsLimit": -1, "cpuSet": "0-1"}),
        ),
        (
            "--log-driver syslog --log-opt tag=a --tmpfs /tmp:size=1m -v data:/data --read-only x",
            json!({"imageUuid": "docker:x", "logConfig": {"driver": "syslog", "config": {"tag": "a"}},
                   "tmpfs": {"/tmp": "size=1m"}, "dataVolumes": ["data:/data"], "readOnly": true}),
        ),
        (
            "--privileged --cap-add NET_ADMIN --cap-drop ALL --device /dev/kvm --pid host -it --init x",
            json!({"imageUuid": "docker:x", "privileged": true, "capAdd": ["NET_ADMIN"], "capDrop": ["ALL"],
                   "devices": ["/dev/kvm"], "pidMode": "host", "stdinOpen": true, "tty": true, "runInit": true}),
        ),
    ] {
        assert_eq!(config(line), expected, "{line}");
    }
}

#[test]
fn sizes_have_units() {
    for (text, expected) in
        [("0", Some(0)), ("1024", Some(1024)), ("1k", Some(1024)), ("2GiB", Some(2 << 30)), ("-1", Some(-1))]
    {
        assert_eq!(bytes(text).ok(), expected, "{text}");
    }
    for wrong in ["", "m", "1x", "99999999999t"] {
        assert!(bytes(wrong).is_err(), "{wrong}");
    }
}
