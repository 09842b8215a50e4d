//! What breaks by itself, on real engines: everything comes back to what was asked for.

use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use testkit_lab::lab::{HostOptions, HostProcess, LabHost};

use crate::harness::{Site, eventually};

const SIX: &str = "\
services:
  web:
    image: lariat-test/busybox:1
    command: sleep 100000
    scale: 6
    stop_grace_period: 1s
";

const WITH_VOLUME: &str = "\
services:
  store:
    image: lariat-test/busybox:1
    command: sleep 100000
    stop_grace_period: 1s
    volumes: [data:/data]
volumes:
  data: {}
";

const ALL_SIX: [&str; 6] = ["six-web-1", "six-web-2", "six-web-3", "six-web-4", "six-web-5", "six-web-6"];

async fn finish(child: Child) -> (i32, String) {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

/// Begins to deploy, and returns when the first containers are being made.
async fn begin(site: &Site) -> Child {
    site.server.file("docker-compose.yml", SIX);
    let up = site.start(&["up", "-s", "six", "--timeout", "120"]);
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while site.hosts[0].docker(&["ps", "--all", "--quiet"]).await.unwrap().is_empty() {
        assert!(std::time::Instant::now() < until, "nothing is being made");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    up
}

async fn expect_six(site: &Site, up: Child) {
    let (code, text) = finish(up).await;
    assert_eq!(code, 0, "{text}\n{}", site.agent_logs());
    site.wait_for_running(0, &ALL_SIX).await;
    let all = site.hosts[0].docker(&["ps", "--all", "--quiet"]).await.unwrap();
    assert_eq!(all.lines().count(), 6, "nothing was made twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_the_server_is_killed_during_up() {
    let mut site = Site::new("kill-server", 1).await;
    let up = begin(&site).await;
    site.server.kill();
    site.server.launch();
    expect_six(&site, up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_the_agent_is_killed_during_up() {
    let mut site = Site::new("kill-agent", 1).await;
    let up = begin(&site).await;
    site.kill_agent(0).await;
    site.start_agent(0).await;
    expect_six(&site, up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_the_engine_is_killed_during_up() {
    let site = Site::new("kill-engine", 1).await;
    let up = begin(&site).await;
    site.hosts[0].kill_engine().await.unwrap();
    site.hosts[0].start_engine().await.unwrap();
    expect_six(&site, up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_stack_is_removed_although_its_host_is_gone() {
    let site = Site::new("gone", 1).await;
    site.server.file("docker-compose.yml", SIX);
    site.run(&["up", "-s", "six", "--timeout", "60"]).await.ok();
    site.hosts[0].power_off();
    let name = site.hosts[0].name().to_owned();
    eventually("the host is missed", Duration::from_secs(60), || {
        let list = site.server.run(&["hosts", "--format", "json"]).json();
        if list[0]["state"] == "active" { Err(format!("{list:#}")) } else { Ok(()) }
    });
    site.run(&["rm", "-f", "six", "--timeout", "60"]).await.ok();
    assert_eq!(site.run(&["ps", "--format", "json"]).await.ok(), "[]\n");
    site.run(&["hosts", "rm", "-f", &name, "--timeout", "60"]).await.ok();
    assert_eq!(site.run(&["hosts", "--format", "json"]).await.ok(), "[]\n");
}

/// Fills the disk of a host and keeps it full: the engine frees some of its own files now and then, and those blocks
/// are taken too.
struct Glutton {
    host: LabHost,
    process: HostProcess,
    more: PathBuf,
}

impl Glutton {
    async fn fill(host: &LabHost) -> Self {
        host.fill_disk().await.unwrap();
        let more = host.data_directory().with_file_name("more");
        let script = "while true; do dd if=/dev/zero of=\"$0\" bs=512 oflag=append conv=notrunc 2>/dev/null; sleep 0.05; done";
        let process = host.spawn("glutton", "sh", ["-c", script, more.to_str().unwrap()]).await.unwrap();
        Self { host: host.clone(), process, more }
    }

    async fn free(self) {
        self.host.free_disk().await.unwrap();
        self.process.kill().await.unwrap();
        self.host.run("rm", [&self.more]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_full_disk_fails_what_waits_for_a_network_or_volume() {
    let options = HostOptions { disk_mb: Some(128), ..HostOptions::default() };
    let site = Site::with("full-net", 1, &[], options).await;
    let glutton = Glutton::fill(&site.hosts[0]).await;
    site.server.file("docker-compose.yml", WITH_VOLUME);
    let up = site.run(&["up", "-s", "other", "--timeout", "60"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("no space left"), "{}", up.err);
    assert!(up.err.contains("free space on the host"), "{}", up.err);
    glutton.free().await;
    // Nobody has to ask again.
    site.wait_for_states(&[("other-store-1", "running")]).await;
    site.run(&["up", "-s", "other", "--timeout", "60"]).await.ok();
    site.wait_for_running(0, &["other-store-1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_full_disk_is_told_and_forgotten() {
    let options = HostOptions { disk_mb: Some(128), ..HostOptions::default() };
    let site = Site::with("full", 1, &[], options).await;
    site.server.file("docker-compose.yml", &SIX.replace("scale: 6", "scale: 1"));
    site.run(&["up", "-s", "six", "--timeout", "60"]).await.ok();
    let glutton = Glutton::fill(&site.hosts[0]).await;
    site.server.file("docker-compose.yml", SIX);
    let up = site.run(&["up", "-s", "six", "--timeout", "60"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("no space left") || up.err.contains("disk"), "{}", up.err);
    assert!(up.err.contains("free space on the host"), "{}", up.err);
    glutton.free().await;
    site.run(&["up", "-s", "six", "--timeout", "75"]).await.ok();
    site.wait_for_running(0, &ALL_SIX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_everything_goes_on_without_the_server() {
    let mut site = Site::new("alone", 1).await;
    site.server.file("docker-compose.yml", SIX);
    site.run(&["up", "-s", "six", "--timeout", "60"]).await.ok();
    assert_eq!(site.server.stop(), Some(0));
    let host = site.hosts[0].clone();
    assert_eq!(site.running(0).await, ALL_SIX);

    // A container that dies is started again.
    let id = host.docker(&["ps", "--quiet", "--latest"]).await.unwrap();
    host.docker(&["kill", &id]).await.unwrap();
    wait_for_six(&site).await;

    // The host restarts, and still there is no server.
    host.reboot().await.unwrap();
    let mut dead = site.agents[0].take().unwrap();
    dead.wait().await.unwrap();
    let agent = site.spawn_agent(0, &[]).await;
    site.agents[0] = Some(agent);
    wait_for_six(&site).await;

    // And when it comes back, it finds everything as it was.
    site.server.launch();
    site.wait_for_host("host-1", "active");
    let expected: Vec<(&str, &str)> = ALL_SIX.iter().map(|name| (*name, "running")).collect();
    site.wait_for_states(&expected).await;
    assert_eq!(host.docker(&["ps", "--all", "--quiet"]).await.unwrap().lines().count(), 6);
}

async fn wait_for_six(site: &Site) {
    let until = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let running = site.running(0).await;
        if running == ALL_SIX {
            return;
        }
        assert!(std::time::Instant::now() < until, "{running:?}\n{}", site.agent_logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
