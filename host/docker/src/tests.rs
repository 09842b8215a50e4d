use bytes::Bytes;
use contract_protocol::{BuildRequest, ContainerSpec, FailureCode};
use contract_values::{Labels, Timestamp};
use host_driver::{CreateRequest, EngineError, EventKind, Limits, MountedFile, ObjectKind, OutputChunk};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::quoted;
use crate::create::{create_body, update_body};
use crate::demux::Demux;
use crate::engine::build_query;
use crate::failure::{Operation, answer_error};
use crate::view;

#[test]
fn the_engines_words_become_codes() {
    const MAKE: Operation = Operation::on(ObjectKind::Container, "make a container");
    use FailureCode::*;
    let samples = [
        (MAKE, 404, "No such image: nginx:1.99", ImageNotFound),
        (
            MAKE,
            500,
            "driver failed programming external connectivity on endpoint web (ab): Bind for 0.0.0.0:8080 failed: port is already allocated",
            PortTaken,
        ),
        (
            MAKE,
            500,
            "driver failed programming external connectivity on endpoint web: Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
            PortTaken,
        ),
        (
            MAKE,
            500,
            "failed to set up container networking: driver failed programming external connectivity on endpoint x: failed to bind host port for 0.0.0.0:8080:172.17.0.3:80/tcp: address already in use",
            PortTaken,
        ),
        (
            MAKE,
            409,
            "Conflict. The container name \"/web\" is already in use by container \"0123\". You have to remove (or rename) that container to be able to reuse that name.",
            NameTaken,
        ),
        (
            MAKE,
            400,
            "OCI runtime create failed: container_linux.go:380: starting container process caused: exec: \"nope\": executable file not found in $PATH: unknown",
            CommandNotFound,
        ),
        (
            MAKE,
            404,
            "OCI runtime create failed: runc create failed: unable to start container process: exec: \"/no/such\": stat /no/such: no such file or directory: unknown",
            CommandNotFound,
        ),
        (
            MAKE,
            400,
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: \"/data\": permission denied",
            CommandNotFound,
        ),
        (
            MAKE,
            400,
            "invalid mount config for type \"bind\": bind source path does not exist: /nope",
            MountMissing,
        ),
        (MAKE, 500, "mkdir /var/lib/docker/overlay2/ab: no space left on device", DiskFull),
        (MAKE, 400, "Minimum memory limit allowed is 6MB", InvalidOption),
        (MAKE, 500, "Unknown runtime specified gvisor", InvalidOption),
        (MAKE, 500, "logger: no log driver named 'nope' is registered", InvalidOption),
        (MAKE, 500, "something else", Other),
        (
            Operation::PULL,
            404,
            "manifest for nginx:9 not found: manifest unknown: manifest unknown",
            ImageNotFound,
        ),
        (
            Operation::PULL,
            404,
            "pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            ImageNotFound,
        ),
        (
            Operation::PULL,
            500,
            "Get https://r.example/v2/: unauthorized: authentication required",
            RegistryDenied,
        ),
        (
            Operation::PULL,
            500,
            "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
            RegistryUnreachable,
        ),
        (
            Operation::PULL,
            500,
            "Get \"https://r/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            RegistryUnreachable,
        ),
        (Operation::PULL, 500, "write /var/lib/docker/tmp/GetImageBlob: no space left on device", DiskFull),
    ];
    for (operation, status, text, code) in samples {
        match answer_error(operation, status, text) {
            EngineError::Refused { code: found, .. } => assert_eq!(found, code, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(answer_error(MAKE, 404, "No such container: abc").is_not_found());
    for text in ["rpc error: code = Unavailable desc = transport is closing", "ttrpc: closed: unknown"] {
        assert!(answer_error(MAKE, 500, text).is_unreachable(), "{text}");
    }
}

#[test]
fn output_is_taken_apart_however_it_is_cut() {
    let mut stream = Vec::new();
    for (kind, text) in [(1_u8, "hello "), (2, "oops"), (1, ""), (1, "world")] {
        stream.extend_from_slice(&[kind, 0, 0, 0]);
        stream.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        stream.extend_from_slice(text.as_bytes());
    }
    for size in 1..=stream.len() {
        let mut demux = Demux::new(false);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for piece in stream.chunks(size) {
            for chunk in demux.push(Bytes::copy_from_slice(piece)) {
                match chunk {
                    OutputChunk::Out(bytes) => out.extend_from_slice(&bytes),
                    OutputChunk::Err(bytes) => err.extend_from_slice(&bytes),
                }
            }
        }
        assert_eq!((out.as_slice(), err.as_slice()), (&b"hello world"[..], &b"oops"[..]), "cut at {size}");
    }
    let plain = Demux::new(true).push(Bytes::from_static(b"\x01\x02raw"));
    assert_eq!(plain, [OutputChunk::Out(Bytes::from_static(b"\x01\x02raw"))]);
}

fn full_spec() -> ContainerSpec {
    serde_json::from_value(json!({
        "image": "reg.example/shop/web:1", "pull": "never", "command": ["run"], "entrypoint": [],
        "environment": {"A": "1"}, "labels": {"x": "y"}, "hostname": "h", "domain_name": "d", "user": "1:2",
        "working_dir": "/w", "tty": true, "stdin_open": true, "init": true,
        "ports": ["127.0.0.1:8080:80/tcp", "81/udp"], "expose": ["90/tcp"], "publish_all_ports": true,
        "network": {"mode": "named", "network": "n", "aliases": ["web"]}, "mac_address": "02:42:ac:11:00:02",
        "dns": ["1.1.1.1"], "dns_options": ["ndots:1"], "dns_search": ["s"], "extra_hosts": ["a:1.2.3.4"],
        "mounts": [
            {"kind": "bind", "source": "/h", "target": "/c", "read_only": true, "options": ["z"]},
            {"kind": "bind", "source": "/with:colon", "target": "/colon", "options": ["rshared"]},
            {"kind": "volume", "source": "v", "target": "/v", "options": ["nocopy"]},
            {"kind": "volume", "target": "/plain"},
            {"kind": "volume", "target": "/sealed", "read_only": true},
            {"kind": "volume", "source": "w", "target": "/part", "subpath": "in/it"},
            {"kind": "bind", "source": "/must", "target": "/be", "create_source": false},
            {"kind": "tmpfs", "target": "/t", "read_only": true, "options": ["size=1m"]}
        ],
        "volumes_from": [3], "volume_driver": "vd",
        "devices": [{"host_path": "/dev/a", "container_path": "/dev/b", "permissions": "rw"}],
        "device_cgroup_rules": ["c 13:* rmw"],
        "device_requests": [{"driver": "nvidia", "count": -1, "device_ids": ["0"], "capabilities": [["gpu"]],
            "options": {"o": "1"}}],
        "annotations": {"a": "b"}, "cgroupns_mode": "private",
        "files": [{"path": "/run/secrets/s", "content": "cw=="}],
        "registry_login": {"server": "reg.example", "username": "u", "password": "p"},
        "privileged": true, "read_only": true, "cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"],
        "group_add": ["g"], "security_options": ["no-new-privileges"], "sysctls": {"net.x": "1"},
        "ulimits": [{"name": "nofile", "soft": 1, "hard": 2}], "pid_mode": "host", "ipc_mode": "private",
        "uts_mode": "host", "userns_mode": "host", "cgroup_parent": "/p", "isolation": "default",
        "runtime": "runc", "platform": "linux/amd64", "storage_options": {"size": "1G"},
        "resources": {
            "memory": 1, "memory_swap": -1, "memory_reservation": 2, "memory_swappiness": 3, "kernel_memory": 4,
            "cpu_shares": 5, "cpu_quota": 6, "cpu_period": 7, "nano_cpus": 8, "cpuset": "0", "cpuset_mems": "0",
            "cpu_realtime_period": 9, "cpu_realtime_runtime": 10, "blkio_weight": 11,
            "blkio_weight_device": {"/dev/a": 12}, "device_read_bps": {"/dev/a": 13},
            "device_write_bps": {"/dev/a": 14}, "device_read_iops": {"/dev/a": 15},
            "device_write_iops": {"/dev/a": 16}, "pids_limit": 17, "oom_kill_disable": true, "oom_score_adj": 18,
            "cpu_count": 20, "cpu_percent": 21, "disk_quota": 22
        },
        "shm_size": 19, "stop_signal": "SIGINT", "stop_timeout": 1500,
        "restart": {"name": "on-failure", "most": 3},
        "health": {"test": ["CMD", "x"], "interval": 1000, "timeout": 2, "retries": 4, "start_period": 5,
            "start_interval": 6},
        "log": {"driver": "json-file", "options": {"max-size": "1m"}}
    }))
    .unwrap()
}

fn body(spec: &ContainerSpec, version: (usize, usize)) -> (Value, Option<String>) {
    let labels: Labels = [("x".to_owned(), "ours".to_owned())].into();
    let volumes_from = ["docker-3".to_owned()];
    create_body(
        &CreateRequest {
            name: "web",
            labels: &labels,
            spec,
            network_container: Some("docker-9"),
            volumes_from: &volumes_from,
            files: &[MountedFile { source: "/run/f/0".into(), target: "/run/secrets/s".into() }],
        },
        version,
    )
}

#[test]
fn every_field_reaches_the_engine() {
    let (found, platform) = body(&full_spec(), (1, 41));
    assert_eq!(platform.as_deref(), Some("linux/amd64"));
    let rate = |rate: u64| json!([{"Path": "/dev/a", "Rate": rate}]);
    let expected = json!({
        "Image": "reg.example/shop/web:1", "Cmd": ["run"], "Entrypoint": [""], "Env": ["A=1"],
        "Labels": {"x": "ours"}, "Hostname": "h", "Domainname": "d", "User": "1:2", "WorkingDir": "/w",
        "Tty": true, "OpenStdin": true, "StopSignal": "SIGINT", "StopTimeout": 2,
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1_000_000_000, "Timeout": 2_000_000, "Retries": 4,
            "StartPeriod": 5_000_000, "StartInterval": 6_000_000},
        "ExposedPorts": {"80/tcp": {}, "81/udp": {}, "90/tcp": {}}, "Volumes": {"/plain": {}},
        "HostConfig": {
            "Init": true,
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
                "81/udp": [{"HostIp": "", "HostPort": ""}]},
            "PublishAllPorts": true, "Dns": ["1.1.1.1"], "DnsOptions": ["ndots:1"], "DnsSearch": ["s"],
            "ExtraHosts": ["a:1.2.3.4"], "Binds": ["/h:/c:ro,z", "v:/v:nocopy"],
            "Mounts": [
                {"Target": "/colon", "ReadOnly": false, "Source": "/with:colon", "Type": "bind",
                    "BindOptions": {"Propagation": "rshared"}},
                {"Target": "/sealed", "ReadOnly": true, "Type": "volume"},
                {"Target": "/part", "ReadOnly": false, "Source": "w", "Type": "volume",
                    "VolumeOptions": {"Subpath": "in/it"}},
                {"Target": "/be", "ReadOnly": false, "Source": "/must", "Type": "bind"},
                {"Target": "/run/secrets/s", "ReadOnly": true, "Source": "/run/f/0", "Type": "bind"}
            ],
            "Tmpfs": {"/t": "ro,size=1m"}, "VolumesFrom": ["docker-3"], "VolumeDriver": "vd",
            "Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rw"}],
            "DeviceCgroupRules": ["c 13:* rmw"],
            "DeviceRequests": [{"Driver": "nvidia", "Count": -1, "DeviceIDs": ["0"], "Capabilities": [["gpu"]],
                "Options": {"o": "1"}}],
            "Annotations": {"a": "b"}, "CgroupnsMode": "private",
            "Privileged": true, "ReadonlyRootfs": true, "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"],
            "GroupAdd": ["g"], "SecurityOpt": ["no-new-privileges"], "Sysctls": {"net.x": "1"},
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "PidMode": "host", "IpcMode": "private",
            "UTSMode": "host", "UsernsMode": "host", "CgroupParent": "/p", "Isolation": "default",
            "Runtime": "runc", "StorageOpt": {"size": "1G"}, "ShmSize": 19,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
            "Memory": 1, "MemorySwap": -1, "MemoryReservation": 2, "MemorySwappiness": 3, "KernelMemory": 4,
            "CpuShares": 5, "CpuQuota": 6, "CpuPeriod": 7, "NanoCpus": 8, "CpusetCpus": "0", "CpusetMems": "0",
            "CpuRealtimePeriod": 9, "CpuRealtimeRuntime": 10, "BlkioWeight": 11,
            "BlkioWeightDevice": [{"Path": "/dev/a", "Weight": 12}], "BlkioDeviceReadBps": rate(13),
            "BlkioDeviceWriteBps": rate(14), "BlkioDeviceReadIOps": rate(15), "BlkioDeviceWriteIOps": rate(16),
            "PidsLimit": 17, "OomKillDisable": true, "OomScoreAdj": 18, "NetworkMode": "n",
            "CpuCount": 20, "CpuPercent": 21, "DiskQuota": 22
        },
        "MacAddress": "02:42:ac:11:00:02",
        "NetworkingConfig": {"EndpointsConfig": {"n": {"Aliases": ["web"]}}}
    });
    for (name, value) in expected["HostConfig"].as_object().unwrap() {
        assert_eq!(&found["HostConfig"][name], value, "HostConfig.{name}");
    }
    assert_eq!(found, expected);
    let (newer, _) = body(&full_spec(), (1, 44));
    assert_eq!(newer.get("MacAddress"), None);
    assert_eq!(newer["NetworkingConfig"]["EndpointsConfig"]["n"]["MacAddress"], "02:42:ac:11:00:02");
}

#[test]
fn only_what_can_be_changed_in_place_is() {
    let mut spec = full_spec();
    let limits = Limits::of(&spec);
    assert_eq!(
        update_body(&limits),
        json!({
            "Memory": 1, "MemorySwap": -1, "MemoryReservation": 2, "CpuShares": 5, "CpuQuota": 6, "CpuPeriod": 7,
            "NanoCpus": 8, "CpusetCpus": "0", "CpusetMems": "0", "CpuRealtimePeriod": 9, "CpuRealtimeRuntime": 10,
            "BlkioWeight": 11, "PidsLimit": 17, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}
        })
    );
    assert!(limits.are_met_by(&limits));
    spec.resources.memory = Some(2);
    assert!(!Limits::of(&spec).are_met_by(&limits));
    // What nobody asks for may be as it is, and the engine says nothing where there is no limit.
    let bare: ContainerSpec = serde_json::from_value(json!({ "image": "a" })).unwrap();
    assert!(Limits::of(&bare).are_met_by(&Limits { restart: Default::default(), ..limits.clone() }));
    assert!(!Limits::of(&bare).are_met_by(&limits), "a restart policy is always one");
    let endless = Limits { pids_limit: Some(-1), memory_swap: Some(-1), ..Limits::default() };
    assert!(endless.are_met_by(&Limits { pids_limit: None, memory_swap: Some(-1), ..Limits::default() }));
    // As at the creation, there is as much swap as memory.
    let plain: ContainerSpec =
        serde_json::from_value(json!({ "image": "a", "resources": {"memory": 100} })).unwrap();
    assert_eq!(update_body(&Limits::of(&plain))["MemorySwap"], 200);
}

#[test]
fn a_build_is_asked_for_in_the_engines_words() {
    let bare = BuildRequest::default();
    assert_eq!(build_query(&bare), "rm=1&forcerm=1");
    let full: BuildRequest = serde_json::from_value(json!({
        "tags": ["a:1", "b/c:2"], "dockerfile": "x/Dockerfile", "target": "t", "args": {"A": "1 2", "B": null},
        "labels": {"l": "m"}, "no_cache": true, "pull": true, "network": "host", "extra_hosts": ["h:1.2.3.4"],
        "shm_size": 5, "platform": "linux/amd64", "cache_from": ["c:1"], "memory": 6,
        "logins": [{"server": "s", "username": "u", "password": "secret"}]
    }))
    .unwrap();
    assert_eq!(
        build_query(&full),
        "rm=1&forcerm=1&t=a%3A1&t=b%2Fc%3A2&dockerfile=x%2FDockerfile&target=t\
         &buildargs=%7B%22A%22%3A%221%202%22%2C%22B%22%3Anull%7D&labels=%7B%22l%22%3A%22m%22%7D&nocache=1&pull=1\
         &networkmode=host&extrahosts=h%3A1.2.3.4&shmsize=5&platform=linux%2Famd64&cachefrom=%5B%22c%3A1%22%5D&memory=6"
    );
    assert!(!format!("{full:?}").contains("secret"), "a password is never printed");
}

#[test]
fn a_bare_spec_leaves_the_choice_to_the_engine() {
    let spec: ContainerSpec = serde_json::from_value(json!({ "image": "a" })).unwrap();
    let (found, platform) = body(&spec, (1, 41));
    assert_eq!(platform, None);
    assert_eq!(found["HostConfig"]["NetworkMode"], "bridge");
    for name in ["Cmd", "Entrypoint", "Env", "Hostname", "Healthcheck", "StopTimeout", "NetworkingConfig"] {
        assert_eq!(found.get(name), None, "{name}");
    }
}

#[test]
fn what_belongs_to_a_network_is_left_to_the_container_that_has_it() {
    let mut spec = full_spec();
    spec.network =
        contract_protocol::NetworkAttachment::Container { id: contract_values::ContainerId::new(9) };
    let (found, _) = body(&spec, (1, 44));
    assert_eq!(found["HostConfig"]["NetworkMode"], "container:docker-9");
    for name in ["Hostname", "Domainname", "ExposedPorts", "MacAddress", "NetworkingConfig"] {
        assert_eq!(found.get(name), None, "{name}");
    }
    for name in ["PortBindings", "PublishAllPorts", "Dns", "DnsSearch", "DnsOptions", "ExtraHosts"] {
        assert_eq!(found["HostConfig"].get(name), None, "HostConfig.{name}");
    }
}

#[test]
fn descriptions_are_read() {
    let found = serde_json::from_value(json!({
        "Id": "abc", "Created": "2026-01-31T12:00:00.5Z", "Path": "sh", "Args": ["-c", "x"], "Image": "sha256:1",
        "Name": "/web", "HostConfig": {"NetworkMode": "n", "Memory": 7, "CpusetCpus": "0", "PidsLimit": null,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}},
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-31T12:00:01.123456789+01:00",
            "FinishedAt": "0001-01-01T00:00:00Z", "Health": {"Status": "healthy"}, "OOMKilled": false, "Error": ""},
        "Config": {"Image": "nginx:1", "Labels": {"a": "b"}},
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
                "53/udp": [{"HostIp": "10.0.0.1", "HostPort": "53"}], "90/tcp": null, "5/sctp": [{"HostPort": "5"}]},
            "Networks": {"a": {"IPAddress": "10.1.0.2"}, "n": {"IPAddress": "10.2.0.2"}}
        }
    }))
    .unwrap();
    let view = view::view(found);
    assert_eq!((view.name.as_str(), view.image.as_str()), ("web", "nginx:1"));
    assert_eq!(view.started_at, Some(Timestamp(1_769_857_201_123)));
    assert_eq!((view.finished_at, view.exit_code, view.health.as_deref()), (None, None, Some("healthy")));
    let ports: Vec<String> = view.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["8080:80/tcp", "10.0.0.1:53:53/udp"]);
    assert_eq!(view.address.unwrap().to_string(), "10.2.0.2", "its own network comes first");
    assert_eq!(view.command, ["sh", "-c", "x"]);
    let restart = contract_protocol::RestartPolicy::OnFailure { most: Some(2) };
    let limits = Limits { memory: Some(7), cpuset: Some("0".into()), restart, ..Limits::default() };
    assert_eq!(view.limits, limits);
}

#[test]
fn events_are_read() {
    let read = |value: Value| view::event(serde_json::from_value(value).unwrap()).map(|event| event.what);
    let container = |action: &str| {
        json!({"Type": "container", "Action": action, "time": 5, "timeNano": 5_123_000_000_i64,
            "Actor": {"ID": "abc", "Attributes": {"exitCode": "3", "name": "web"}}})
    };
    let docker_id = || "abc".to_owned();
    assert_eq!(read(container("die")), Some(EventKind::Died { docker_id: docker_id(), exit_code: Some(3) }));
    assert_eq!(
        read(container("health_status: healthy")),
        Some(EventKind::Health { docker_id: docker_id(), status: "healthy".into() })
    );
    assert_eq!(read(container("pause")), Some(EventKind::Changed { docker_id: docker_id() }));
    assert_eq!(read(container("exec_start: ls")), None);
    let network = json!({"Type": "network", "Action": "destroy", "time": 5,
        "Actor": {"ID": "net", "Attributes": {"name": "shop"}}});
    assert_eq!(read(network), Some(EventKind::NetworkRemoved { name: "shop".into() }));
}

proptest! {
    /// An engine may be another one than we know, or broken: its words are taken or left, and end nothing.
    #[test]
    fn odd_answers_end_nothing(text in odd_answer()) {
        if let Ok(found) = serde_json::from_str(&text) {
            let _ = view::view(found);
        }
        if let Ok(found) = serde_json::from_str(&text) {
            let _ = view::summary(found);
        }
        if let Ok(found) = serde_json::from_str(&text) {
            let _ = view::event(found);
        }
        let _ = answer_error(Operation::PULL, 500, &text);
        let _ = view::timestamp(&text);
    }

    #[test]
    fn odd_output_ends_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300), plain: bool, size in 1..40_usize) {
        let mut demux = Demux::new(plain);
        let mut length = 0;
        for piece in bytes.chunks(size) {
            for chunk in demux.push(Bytes::copy_from_slice(piece)) {
                length += match chunk {
                    OutputChunk::Out(bytes) | OutputChunk::Err(bytes) => bytes.len(),
                };
            }
        }
        prop_assert!(length <= bytes.len());
    }
}

/// A sound answer with some of its values put out of shape.
fn odd_answer() -> impl Strategy<Value = String> {
    const SOUND: &str = r#"{"Id":"a","Created":"2026-01-31T12:00:00Z","Name":"/w","Names":["/w","/x/y"],"Path":"sh",
        "Args":["-c"],"State":{"Status":"running","ExitCode":0,"StartedAt":"2026-01-31T12:00:01Z","OOMKilled":false},
        "HostConfig":{"NetworkMode":"n","Memory":5,"RestartPolicy":{"Name":"always","MaximumRetryCount":0}},
        "Config":{"Image":"i","Labels":{"a":"b"}},"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"::","HostPort":"80"}]},
        "Networks":{"n":{"IPAddress":"10.0.0.2"}}},"Type":"container","Action":"die","time":5,"timeNano":5,
        "Actor":{"ID":"a","Attributes":{"exitCode":"3"}}}"#;
    let tokens = [
        "\"a\"",
        "5",
        "0",
        "false",
        "\"running\"",
        "\"80/tcp\"",
        "\"2026-01-31T12:00:00Z\"",
        "\"always\"",
        "\"3\"",
        "\"80\"",
        "\"10.0.0.2\"",
        "\"container\"",
        "\"die\"",
    ];
    let odd = [
        "null",
        "-1",
        "99999999999999999999",
        "1e400",
        "[]",
        "{}",
        "\"\"",
        "\"9999-99-99T99:99:99Z\"",
        "\"/\"",
        "\"99999999/tcp\"",
        "-9223372036854775808",
        "9223372036854775807",
        "\"\\u0000\"",
    ];
    let change = (proptest::sample::select(tokens.to_vec()), proptest::sample::select(odd.to_vec()));
    proptest::collection::vec(change, 0..4).prop_map(|changes| {
        changes.iter().fold(SOUND.to_owned(), |text, (token, odd)| text.replacen(token, odd, 1))
    })
}

#[test]
fn a_query_is_quoted() {
    assert_eq!(quoted("a b/ä&c=1"), "a%20b%2F%C3%A4%26c%3D1");
}
