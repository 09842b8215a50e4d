//! The driver against a real engine.

#![allow(clippy::unwrap_used)]
#![recursion_limit = "256"]

use std::sync::Arc;

use bytes::Bytes;
use contract_protocol::{BuildRequest, ContainerSpec, CopyInRequest, FailureCode};
use futures_util::StreamExt;
use host_docker::DockerEngine;
use host_driver::conformance::{Suite, run_all};
use host_driver::{CreateRequest, Engine, Upload};
use testkit_lab::images::Images;
use testkit_lab::lab::{HostOptions, Lab, LabHost};

async fn engine_of(host: &LabHost) -> (Arc<DockerEngine>, String) {
    let image = Images::for_tests().busybox().unwrap();
    host.load_image(&image.archive).await.unwrap();
    (Arc::new(DockerEngine::new(&host.docker_url())), image.reference)
}

fn spec(json: serde_json::Value) -> ContainerSpec {
    serde_json::from_value(json).unwrap()
}

async fn create(
    engine: &DockerEngine,
    name: &str,
    spec: &ContainerSpec,
) -> Result<String, host_driver::EngineError> {
    let labels = [("io.lariat.owner".to_owned(), "test".to_owned())].into();
    let request =
        CreateRequest { name, labels: &labels, spec, network_container: None, volumes_from: &[], files: &[] };
    engine.create(&request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_real_engine_keeps_every_promise() {
    let lab = Lab::new("conform").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    let (engine, image) = engine_of(&host).await;
    let suite = Suite { engine, image: image.parse().unwrap(), free_port: 18_080.try_into().unwrap() };
    run_all(&suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_every_option_arrives_at_the_engine() {
    let lab = Lab::new("options").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    let (engine, image) = engine_of(&host).await;
    let spec = spec(serde_json::json!({
        "image": image, "command": ["sleep", "100"], "entrypoint": [], "environment": {"A": "1"},
        "labels": {"team": "x"}, "hostname": "h", "domain_name": "d.example", "user": "0:0",
        "working_dir": "/tmp", "tty": true, "stdin_open": true, "init": true,
        "ports": ["127.0.0.1:18081:80/tcp", "18082:53/udp"], "expose": ["9000/tcp"],
        "dns": ["10.9.8.7"], "dns_options": ["ndots:1"], "dns_search": ["example.org"],
        "extra_hosts": ["db:10.1.2.3"],
        "mounts": [
            {"kind": "bind", "source": "/srv/made", "target": "/srv", "read_only": true},
            {"kind": "volume", "source": "data", "target": "/data", "options": ["nocopy"]},
            {"kind": "volume", "target": "/cache"},
            {"kind": "tmpfs", "target": "/run", "options": ["size=1m"]}
        ],
        "devices": [{"host_path": "/dev/null", "container_path": "/dev/zilch", "permissions": "rw"}],
        "privileged": false, "read_only": true, "cap_add": ["NET_ADMIN"], "cap_drop": ["CHOWN"],
        "group_add": ["7"], "security_options": ["no-new-privileges"],
        "sysctls": {"net.ipv4.ip_forward": "0"}, "ulimits": [{"name": "nofile", "soft": 100, "hard": 200}],
        "pid_mode": "host", "ipc_mode": "private", "shm_size": 2_097_152,
        "resources": {"memory": 33_554_432, "memory_swap": 67_108_864, "memory_reservation": 16_777_216,
            "cpu_shares": 512, "cpu_quota": 50_000, "cpu_period": 100_000, "cpuset": "0", "pids_limit": 64,
            "oom_score_adj": 100},
        "stop_signal": "SIGINT", "stop_timeout": 2500, "restart": {"name": "on-failure", "most": 3},
        "health": {"test": ["CMD", "true"], "interval": 2000, "timeout": 1000, "retries": 4, "start_period": 500},
        "log": {"driver": "json-file", "options": {"max-size": "1m"}}
    }));
    let id = create(&engine, "every-option", &spec).await.unwrap();
    engine.start(&id).await.unwrap();
    let seen: serde_json::Value = serde_json::from_str(&engine.inspect_json(&id).await.unwrap()).unwrap();
    for (pointer, expected) in [
        ("/Config/Cmd", serde_json::json!(["sleep", "100"])),
        ("/Config/Hostname", "h".into()),
        ("/Config/Domainname", "d.example".into()),
        ("/Config/User", "0:0".into()),
        ("/Config/WorkingDir", "/tmp".into()),
        ("/Config/Tty", true.into()),
        ("/Config/OpenStdin", true.into()),
        ("/Config/Labels/team", "x".into()),
        ("/Config/Labels/io.lariat.owner", "test".into()),
        ("/Config/StopSignal", "SIGINT".into()),
        ("/Config/StopTimeout", 3.into()),
        ("/Config/Healthcheck/Interval", 2_000_000_000_i64.into()),
        ("/Config/Healthcheck/Retries", 4.into()),
        ("/Config/Healthcheck/StartPeriod", 500_000_000.into()),
        ("/HostConfig/Binds", serde_json::json!(["/srv/made:/srv:ro", "data:/data:nocopy"])),
        ("/HostConfig/Tmpfs/~1run", "size=1m".into()),
        ("/HostConfig/PortBindings/80~1tcp/0/HostIp", "127.0.0.1".into()),
        ("/HostConfig/PortBindings/53~1udp/0/HostPort", "18082".into()),
        ("/HostConfig/Init", true.into()),
        ("/HostConfig/Dns", serde_json::json!(["10.9.8.7"])),
        ("/HostConfig/DnsOptions", serde_json::json!(["ndots:1"])),
        ("/HostConfig/DnsSearch", serde_json::json!(["example.org"])),
        ("/HostConfig/ExtraHosts", serde_json::json!(["db:10.1.2.3"])),
        ("/HostConfig/Devices/0/PathInContainer", "/dev/zilch".into()),
        ("/HostConfig/ReadonlyRootfs", true.into()),
        ("/HostConfig/CapAdd/0", "NET_ADMIN".into()),
        ("/HostConfig/CapDrop/0", "CHOWN".into()),
        ("/HostConfig/GroupAdd/0", "7".into()),
        ("/HostConfig/SecurityOpt/0", "no-new-privileges".into()),
        ("/HostConfig/Sysctls/net.ipv4.ip_forward", "0".into()),
        ("/HostConfig/Ulimits/0/Soft", 100.into()),
        ("/HostConfig/PidMode", "host".into()),
        ("/HostConfig/IpcMode", "private".into()),
        ("/HostConfig/ShmSize", 2_097_152.into()),
        ("/HostConfig/Memory", 33_554_432.into()),
        ("/HostConfig/MemorySwap", 67_108_864.into()),
        ("/HostConfig/MemoryReservation", 16_777_216.into()),
        ("/HostConfig/CpuShares", 512.into()),
        ("/HostConfig/CpuQuota", 50_000.into()),
        ("/HostConfig/CpuPeriod", 100_000.into()),
        ("/HostConfig/CpusetCpus", "0".into()),
        ("/HostConfig/PidsLimit", 64.into()),
        ("/HostConfig/OomScoreAdj", 100.into()),
        ("/HostConfig/RestartPolicy/Name", "on-failure".into()),
        ("/HostConfig/RestartPolicy/MaximumRetryCount", 3.into()),
        ("/HostConfig/LogConfig/Config/max-size", "1m".into()),
    ] {
        assert_eq!(seen.pointer(pointer), Some(&expected), "{pointer} in {seen:#}");
    }
    assert!(seen.pointer("/Config/ExposedPorts/9000~1tcp").is_some(), "{seen:#}");
    assert!(seen.pointer("/Config/Volumes/~1cache").is_some(), "{seen:#}");
    let view = engine.inspect(&id).await.unwrap();
    let ports: Vec<String> = view.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["18082:53/udp", "127.0.0.1:18081:80/tcp"]);
    assert!(view.address.is_some() && view.started_at.is_some() && view.created_at.is_some(), "{view:?}");
    engine.remove(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_an_engine_that_was_killed_is_found_again() {
    let lab = Lab::new("found").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    let (engine, _) = engine_of(&host).await;
    let before = engine.facts().await.unwrap();
    host.kill_engine().await.unwrap();
    let error = engine.facts().await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    host.start_engine().await.unwrap();
    assert_eq!(engine.facts().await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_full_disk_is_told_apart() {
    let lab = Lab::new("full").await.unwrap();
    let host = lab.add_host_with(1, HostOptions { disk_mb: Some(64), ..Default::default() }).await.unwrap();
    let (engine, image) = engine_of(&host).await;
    host.fill_disk().await.unwrap();
    let spec = spec(serde_json::json!({"image": image, "command": ["sleep", "100"]}));
    let failed = match create(&engine, "no-room", &spec).await {
        Ok(id) => engine.start(&id).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(failed.code(), FailureCode::DiskFull, "{failed:?}");
    host.free_disk().await.unwrap();
}

fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o640);
        header.set_uid(7);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn pieces(bytes: &[u8]) -> Upload {
    let pieces: Vec<_> = bytes.chunks(700).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    futures_util::stream::iter(pieces).boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_files_go_in_and_come_out() {
    let lab = Lab::new("copy").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    let (engine, image) = engine_of(&host).await;
    let spec = spec(serde_json::json!({"image": image, "command": ["sleep", "100"]}));
    let id = create(&engine, "copy", &spec).await.unwrap();
    engine.start(&id).await.unwrap();
    let long = "x".repeat(100_000);
    let tar = tar_of(&[("a.txt", "hello"), ("deep/b.txt", &long)]);
    let request = CopyInRequest {
        docker_id: id.clone(),
        path: "/tmp".into(),
        keep_owners: true,
        no_overwrite_dir: false,
    };
    engine.copy_in(&request, pieces(&tar)).await.unwrap();
    let stat: serde_json::Value =
        serde_json::from_str(&engine.path_stat(&id, "/tmp/a.txt").await.unwrap()).unwrap();
    assert_eq!((&stat["name"], &stat["size"]), (&"a.txt".into(), &5.into()), "{stat}");

    let mut stream = engine.copy_out(&id, "/tmp/deep").await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    let mut archive = tar::Archive::new(&bytes[..]);
    let found: Vec<(String, u64)> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.path().unwrap().display().to_string(), entry.size()))
        .collect();
    assert_eq!(found, [("deep/".to_owned(), 0), ("deep/b.txt".to_owned(), 100_000)]);

    let missing = engine.path_stat(&id, "/nowhere").await.unwrap_err();
    assert!(missing.is_not_found() && missing.to_string().contains("/nowhere"), "{missing:?}");
    assert!(engine.copy_out(&id, "/nowhere").await.err().unwrap().is_not_found());
    let onto_file = CopyInRequest { path: "/tmp/a.txt".into(), ..request.clone() };
    engine.copy_in(&onto_file, pieces(&tar)).await.unwrap_err();
    engine.copy_in(&request, pieces(b"this is no tar at all")).await.unwrap_err();
    engine.remove(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_an_image_is_built_from_a_tar() {
    let lab = Lab::new("build").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    let (engine, image) = engine_of(&host).await;
    let build = async |dockerfile: &str, request: BuildRequest| {
        let tar = tar_of(&[("Dockerfile", dockerfile), ("hello.txt", "hello")]);
        let mut words = engine.build(&request, pieces(&tar)).await?;
        let mut text = Vec::new();
        while let Some(word) = words.next().await {
            text.push(serde_json::from_str::<serde_json::Value>(&word?).unwrap());
        }
        Ok::<_, host_driver::EngineError>(text)
    };
    let request = BuildRequest {
        tags: vec!["built:1".into(), "built:2".into()],
        target: Some("wanted".into()),
        args: [("GREETING".to_owned(), Some("good day".to_owned()))].into(),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        ..Default::default()
    };
    let dockerfile = format!(
        "FROM {image} AS wanted\nARG GREETING\nENV SAID=$GREETING\nCOPY hello.txt /\nFROM wanted\nRUN exit 9\n"
    );
    let words = build(&dockerfile, request.clone()).await.unwrap();
    assert!(words.iter().all(|word| word.get("error").is_none()), "{words:?}");
    for tag in ["built:1", "built:2"] {
        assert!(engine.image_id(&tag.parse().unwrap()).await.unwrap().is_some(), "{tag}");
    }
    let spec = spec(serde_json::json!({"image": "built:1", "command": ["cat", "/hello.txt"]}));
    let id = create(&engine, "of-it", &spec).await.unwrap();
    let seen: serde_json::Value = serde_json::from_str(&engine.inspect_json(&id).await.unwrap()).unwrap();
    let environment = seen["Config"]["Env"].as_array().unwrap();
    assert!(environment.contains(&"SAID=good day".into()), "{environment:?}");
    assert_eq!(seen["Config"]["Labels"]["team"], "x");

    let words = build(&format!("FROM {image}\nRUN exit 9\n"), BuildRequest::default()).await.unwrap();
    let error = words.iter().find_map(|word| word.get("error")).unwrap();
    assert!(error.as_str().unwrap().contains("returned a non-zero code: 9"), "{error}");
    build("FORM nothing\n", BuildRequest::default()).await.unwrap_err();
    engine.remove(&id).await.unwrap();
}
