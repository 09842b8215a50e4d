//! On real engines. The agent is a process of its own, so that it can be killed as processes are killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract_link::{FrameReader, FrameWriter};
use contract_protocol::*;
use contract_values::{ContainerId, Incarnation, Secret};
use host_agent::{AgentConfig, run};
use testkit_lab::images::Images;
use testkit_lab::lab::{HostOptions, Lab, LabHost};
use tokio_util::sync::CancellationToken;

use super::server::Server;

const SERVER: &str = "LARIAT_TEST_AGENT_SERVER";
const FOLDER: &str = "LARIAT_TEST_AGENT_FOLDER";
const ENGINE: &str = "LARIAT_TEST_AGENT_ENGINE";
const MEMORY: &str = "LARIAT_TEST_AGENT_MEMORY";

/// The agent's process: this very program, called with the settings in its environment. As a test it does nothing.
#[test]
fn agent_process() {
    let (Ok(server), Ok(folder), Ok(docker)) =
        (std::env::var(SERVER), std::env::var(FOLDER), std::env::var(ENGINE))
    else {
        return;
    };
    let config = AgentConfig {
        server,
        token: Some(Secret::new("token-1".into())),
        run_dir: std::env::var(MEMORY).unwrap().into(),
        data_dir: PathBuf::from(folder),
        docker,
        address: None,
        labels: Default::default(),
        pin: None,
        ca_file: None,
        version: "lab".into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(config, CancellationToken::new())).unwrap();
}

struct Agent(Child);

impl Agent {
    fn start(server: &str, folder: &Path, memory: &tempfile::TempDir, host: &LabHost) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["lab::agent_process", "--exact", "--nocapture"])
            .env(SERVER, server)
            .env(FOLDER, folder)
            .env(MEMORY, memory.path())
            .env(ENGINE, host.docker_url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Scene {
    host: LabHost,
    server: Server,
    folder: tempfile::TempDir,
    /// For secrets; the host has it too.
    memory: tempfile::TempDir,
    image: String,
    _lab: Lab,
}

impl Scene {
    async fn new(name: &str) -> Self {
        Self::with(name, HostOptions::default()).await
    }

    async fn with(name: &str, options: HostOptions) -> Self {
        let lab = Lab::new(name).await.unwrap();
        let host = lab.add_host_with(1, options).await.unwrap();
        let image = Images::for_tests().busybox().unwrap();
        host.load_image(&image.archive).await.unwrap();
        let server = Server::start(None).await;
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        Self { host, server, folder: tempfile::tempdir().unwrap(), memory, image: image.reference, _lab: lab }
    }

    fn agent(&self) -> Agent {
        Agent::start(&format!("http://{}", self.server.address), self.folder.path(), &self.memory, &self.host)
    }

    fn container(&self, name: &str, script: &str) -> ContainerAssignment {
        serde_json::from_value(serde_json::json!({
            "name": name, "uuid": name, "incarnation": 1, "run": "running", "rule": "keep_running",
            "spec": { "image": self.image, "command": ["sh", "-c", script], "stop_timeout": 2000 }
        }))
        .unwrap()
    }

    fn assign(&self, count: i64) {
        let containers: Vec<_> = (1..=count).map(|n| self.container(&format!("c-{n}"), SERVICE)).collect();
        self.server.assign(|assignment| {
            assignment.containers = (1..).map(ContainerId::new).zip(containers).collect();
        });
    }

    async fn until_running(&self, count: i64) {
        self.server
            .until("all run", |state| {
                (1..=count).all(|n| {
                    let key = (ContainerId::new(n), Incarnation(1));
                    state.containers.get(&key).is_some_and(|report| report.rank == Rank::Running)
                })
            })
            .await;
    }

    async fn names(&self, all: bool) -> Vec<String> {
        let mut arguments = vec!["ps", "--format", "{{.Names}}"];
        if all {
            arguments.push("--all");
        }
        let text = self.host.docker(&arguments).await.unwrap();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    async fn until_names(&self, expected: &[&str]) {
        let begun = Instant::now();
        loop {
            let names = self.names(false).await;
            if names == expected {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(90), "{names:?} instead of {expected:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

const SERVICE: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done";
const FIVE: [&str; 5] = ["c-1", "c-2", "c-3", "c-4", "c-5"];

#[tokio::test(flavor = "multi_thread")]
async fn lab_an_agent_that_is_killed_in_the_middle_ends_with_the_same_five() {
    let scene = Scene::new("agentkill").await;
    for pause in [100, 400, 800, 1200] {
        let mut agent = scene.agent();
        let greetings = scene.server.lock().hellos.len();
        scene
            .server
            .until("a greeting", |state| {
                state.hellos.len() > greetings || greetings == 0 && !state.hellos.is_empty()
            })
            .await;
        scene.assign(5);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        agent.kill();
    }
    let _agent = scene.agent();
    scene.until_names(&FIVE).await;
    scene.until_running(5).await;
    assert_eq!(scene.names(true).await, FIVE, "nothing is there twice");
    scene.server.assign(|assignment| assignment.containers.clear());
    scene.until_names(&[]).await;
    scene
        .server
        .until("all gone", |state| state.containers.values().all(|report| report.rank == Rank::Gone))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_an_engine_that_is_killed_is_survived() {
    let scene = Scene::new("enginekill").await;
    let _agent = scene.agent();
    scene.assign(5);
    scene.until_running(5).await;
    scene.host.kill_engine().await.unwrap();
    scene
        .server
        .until("the trouble", |state| {
            state.facts.as_ref().is_some_and(|facts| facts.troubles.contains_key("engine_unreachable"))
        })
        .await;
    scene.host.start_engine().await.unwrap();
    scene.until_names(&FIVE).await;
    scene
        .server
        .until("it is over", |state| state.facts.as_ref().is_some_and(|facts| facts.troubles.is_empty()))
        .await;
    scene.until_running(5).await;
    assert_eq!(scene.names(true).await, FIVE);
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_rebooted_host_brings_everything_back_without_a_server() {
    let scene = Scene::new("reboot").await;
    let mut agent = scene.agent();
    scene.assign(5);
    scene.until_running(5).await;
    agent.kill();
    scene.host.reboot().await.unwrap();
    assert_eq!(scene.names(false).await, [""; 0], "without the agent nothing comes back");
    // Nobody listens there.
    let nobody = "http://127.0.0.1:9";
    let _agent = Agent::start(nobody, scene.folder.path(), &scene.memory, &scene.host);
    scene.until_names(&FIVE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_dead_process_is_started_again_at_once() {
    let scene = Scene::new("restart").await;
    let _agent = scene.agent();
    scene.assign(1);
    scene.until_running(1).await;
    // The engine's own time for a start on this machine, for comparison.
    let id = scene.host.docker(&["create", &scene.image, "sh", "-c", SERVICE]).await.unwrap();
    let begun = Instant::now();
    scene.host.docker(&["start", &id]).await.unwrap();
    let by_hand = begun.elapsed();
    let begun = Instant::now();
    scene.host.docker(&["kill", "--signal", "KILL", "c-1"]).await.unwrap();
    scene
        .server
        .until("its second run", |state| {
            state
                .containers
                .get(&(ContainerId::new(1), Incarnation(1)))
                .is_some_and(|report| report.starts == 2 && report.rank == Rank::Running)
        })
        .await;
    let took = begun.elapsed();
    println!("start by hand {by_hand:?}, kill to running {took:?}");
    assert!(took < by_hand * 2 + Duration::from_millis(1500), "by hand {by_hand:?}, ours {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_natives_logs_and_consoles_go_through() {
    let scene = Scene::new("streams").await;
    let _agent = scene.agent();
    let talker = scene.container("talker", "echo hello; echo oops >&2; sleep 1000");
    scene.server.assign(|assignment| {
        assignment.containers.insert(ContainerId::new(1), talker);
    });
    scene.until_running(1).await;
    scene.host.docker(&["run", "-d", "--name", "by-hand", &scene.image, "sleep", "1000"]).await.unwrap();
    scene
        .host
        .docker(&["run", "-d", "--label", "io.lariat.ignore=true", &scene.image, "sleep", "1000"])
        .await
        .unwrap();
    scene
        .server
        .until("the native", |state| state.natives.values().any(|native| native.name == "by-hand"))
        .await;
    assert_eq!(scene.server.lock().natives.len(), 1);
    let docker_id = {
        let state = scene.server.lock();
        state.containers[&(ContainerId::new(1), Incarnation(1))].docker_id.clone().unwrap()
    };
    let link = scene.server.lock().link.clone().unwrap();
    let logs = LogsRequest { docker_id: docker_id.clone(), ..Default::default() };
    let frames = ask(&link, StreamRequest::Logs(logs), vec![]).await;
    assert!(frames.contains(&StreamFrame::Output(b"hello\n".to_vec())), "{frames:?}");
    assert!(frames.contains(&StreamFrame::Error(b"oops\n".to_vec())), "{frames:?}");
    let exec = StreamRequest::Exec(ExecRequest {
        docker_id: docker_id.clone(),
        command: ["sh", "-c", "stty size; exit 3"].map(str::to_owned).to_vec(),
        tty: true,
        stdin: true,
        ..Default::default()
    });
    let frames = ask(&link, exec, vec![StreamFrame::Resize { columns: 101, rows: 33 }]).await;
    assert_eq!(frames.last(), Some(&StreamFrame::End { code: Some(3) }), "{frames:?}");
    let inspect = StreamRequest::Inspect { docker_id };
    let frames = ask(&link, inspect, vec![]).await;
    let [StreamFrame::Output(bytes), StreamFrame::End { .. }] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["Name"], "/talker");
    scene.host.docker(&["rm", "--force", "by-hand"]).await.unwrap();
    scene.server.until("it has gone", |state| state.natives.is_empty()).await;
}

async fn ask(
    link: &contract_link::LinkHandle,
    request: StreamRequest,
    input: Vec<StreamFrame>,
) -> Vec<StreamFrame> {
    let (read, write) = tokio::io::split(link.open().await.unwrap());
    let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
    writer.write(&request).await.unwrap();
    for frame in input {
        writer.write_stream_frame(&frame).await.unwrap();
    }
    let mut frames = Vec::new();
    while let Some(frame) = reader.read_stream_frame().await.unwrap() {
        frames.push(frame);
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_full_disk_is_told_and_got_over() {
    let scene = Scene::with("agentfull", HostOptions { disk_mb: Some(64), ..Default::default() }).await;
    // The agent's own folder is on the very disk that is full.
    let folder = scene.host.data_directory().join("state");
    let server = format!("http://{}", scene.server.address);
    let _agent = Agent::start(&server, &folder, &scene.memory, &scene.host);
    scene.assign(1);
    scene.until_running(1).await;
    scene.host.fill_disk().await.unwrap();
    scene.assign(2);
    scene
        .server
        .until("the failure", |state| {
            let told = |report: &ContainerReport| {
                report.id == ContainerId::new(2) && report.failure == Some(FailureCode::DiskFull)
            };
            state.containers.values().any(told)
                && state.facts.as_ref().is_some_and(|facts| facts.troubles.contains_key("disk_full"))
        })
        .await;
    scene.host.free_disk().await.unwrap();
    scene.until_running(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_frozen_container_can_be_stopped_and_a_shared_network_is_followed() {
    let scene = Scene::new("frozen").await;
    let _agent = scene.agent();
    let main = scene.container("main", SERVICE);
    let mut side = scene.container("side", SERVICE);
    side.spec.network = NetworkAttachment::Container { id: ContainerId::new(1) };
    scene.server.assign(|assignment| {
        assignment.containers = [(ContainerId::new(1), main), (ContainerId::new(2), side)].into();
    });
    scene.until_running(2).await;
    scene.host.docker(&["kill", "main"]).await.unwrap();
    scene
        .server
        .until("both anew", |state| {
            (1..=2).all(|n| {
                let report = state.containers.get(&(ContainerId::new(n), Incarnation(1)));
                report.is_some_and(|report| report.starts == 2 && report.rank == Rank::Running)
            })
        })
        .await;
    let namespace =
        async |name: &str| scene.host.docker(&["exec", name, "readlink", "/proc/self/ns/net"]).await.unwrap();
    assert_eq!(namespace("side").await, namespace("main").await);
    scene.host.docker(&["pause", "side"]).await.unwrap();
    scene.server.assign(|assignment| assignment.containers.clear());
    scene.until_names(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_many_containers_come_and_go_together() {
    const COUNT: usize = 32;
    let scene = Scene::new("many").await;
    let _agent = scene.agent();
    scene.server.until("a greeting", |state| !state.hellos.is_empty()).await;
    for _ in 0..2 {
        scene.assign(i64::try_from(COUNT).unwrap());
        scene.until_running(i64::try_from(COUNT).unwrap()).await;
        scene.server.assign(|assignment| assignment.containers.clear());
        scene.until_names(&[]).await;
        scene
            .server
            .until("gone", |state| state.containers.values().all(|report| report.rank == Rank::Gone))
            .await;
        scene.server.lock().containers.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_secrets_reach_their_container_and_nothing_else() {
    // "correct horse" and "port = 80", in base64.
    const SECRET: &str = "Y29ycmVjdCBob3JzZQ==";
    const CONFIG: &str = "cG9ydCA9IDgw";
    let scene = Scene::new("secrets").await;
    let mut agent = scene.agent();
    let mut web = scene.container("web", SERVICE);
    web.spec.user = Some("1000:1001".into());
    web.spec.read_only = true;
    let file = |path: &str, content: &str, mode| FileSpec {
        path: path.into(),
        content: Secret::new(content.into()),
        uid: 1000,
        gid: 1001,
        mode,
    };
    web.spec.files =
        vec![file("/run/secrets/password", SECRET, 0o400), file("/etc/deep/app.conf", CONFIG, 0o444)];
    scene.server.assign(|assignment| {
        assignment.containers.insert(ContainerId::new(1), web);
    });
    scene.until_running(1).await;
    let exec = async |words: &[&str]| {
        let mut all = vec!["exec", "web"];
        all.extend_from_slice(words);
        scene.host.docker(&all).await
    };
    assert_eq!(exec(&["cat", "/run/secrets/password"]).await.unwrap(), "correct horse");
    assert_eq!(exec(&["cat", "/etc/deep/app.conf"]).await.unwrap(), "port = 80");
    let stat = exec(&["stat", "-c", "%u:%g %a", "/run/secrets/password"]).await.unwrap();
    assert_eq!(stat, "1000:1001 400");
    exec(&["sh", "-c", "echo x > /run/secrets/password"]).await.unwrap_err();

    // Not in the engine's words, not in the container's own files, not in the agent's.
    let inspect = scene.host.docker(&["inspect", "web"]).await.unwrap();
    assert!(inspect.contains("/run/secrets/password"), "{inspect}");
    let holds = |text: &str| text.contains("correct horse") || text.contains(SECRET);
    assert!(!holds(&inspect), "{inspect}");
    let export = scene.host.run("sh", ["-c", "docker export web | tr -d '\\000'"]).await.unwrap();
    assert!(!holds(&export), "it is in the container's layers");
    for entry in std::fs::read_dir(scene.folder.path().join("agent")).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!holds(&text), "{}", path.display());
    }

    // A host that went down has empty memory, and the container comes back all the same.
    agent.kill();
    scene.host.docker(&["kill", "web"]).await.unwrap();
    for entry in std::fs::read_dir(scene.memory.path()).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let _agent = Agent::start("http://127.0.0.1:9", scene.folder.path(), &scene.memory, &scene.host);
    scene.until_names(&["web"]).await;
    assert_eq!(exec(&["cat", "/run/secrets/password"]).await.unwrap(), "correct horse");
}
