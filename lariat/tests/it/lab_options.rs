//! What changes in place, and data that goes, on a real engine.

use std::time::Duration;

use crate::harness::{Site, eventually};

const LIMITED: &str = "\
services:
  web:
    image: lariat-test/busybox:1
    command: sleep 100000
    scale: 2
    stop_grace_period: 1s
    mem_limit: 64m
    cpu_shares: 512
";

const WITH_VOLUME: &str = "\
services:
  store:
    image: lariat-test/busybox:1
    command: sh -c 'echo precious > /data/file; sleep 100000'
    stop_grace_period: 1s
    volumes: [data:/data, kept:/kept]
volumes:
  data: {}
  kept: {external: true}
";

/// The engine's ids of running containers with what a template says of each.
async fn told(site: &Site, template: &str) -> Vec<String> {
    let host = &site.hosts[0];
    let ids = host.docker(&["ps", "--quiet", "--no-trunc"]).await.unwrap();
    let mut arguments = vec!["inspect", "--format", template];
    arguments.extend(ids.lines());
    let mut lines: Vec<String> = host.docker(&arguments).await.unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_limits_change_without_a_restart() {
    let site = Site::new("limits", 1).await;
    site.server.file("docker-compose.yml", LIMITED);
    site.run(&["up", "-s", "web", "--timeout", "60"]).await.ok();
    let run = "{{.Id}} {{.State.StartedAt}} {{.State.Pid}}";
    let before = told(&site, run).await;
    assert_eq!(before.len(), 2);

    let changed = LIMITED.replace("64m", "300m").replace("512", "256")
        + "    pids_limit: 99\n    restart: on-failure:3\n";
    site.server.file("docker-compose.yml", &changed);
    site.run(&["up", "-s", "web", "--timeout", "60"]).await.ok();
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}";
    let expected = "314572800 256 99 on-failure";
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let found = told(&site, limits).await;
        if found == [expected, expected] {
            break;
        }
        assert!(std::time::Instant::now() < until, "{found:?}\n{}", site.agent_logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(told(&site, run).await, before, "the same containers, and the same processes in them");

    // The engine cannot take a limit away from a container that is there.
    let fewer = changed.replace("    pids_limit: 99\n", "");
    site.server.file("docker-compose.yml", &fewer);
    site.run(&["up", "-s", "web", "--timeout", "60"]).await.ok();
    let after = told(&site, run).await;
    assert!(after.len() == 2 && after.iter().all(|line| !before.contains(line)), "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_data_goes_when_it_is_asked_for() {
    let mut site = Site::new("data", 1).await;
    site.hosts[0].docker(&["volume", "create", "kept"]).await.unwrap();
    site.server.file("docker-compose.yml", WITH_VOLUME);
    let volumes = async |site: &Site| {
        let text = site.hosts[0].docker(&["volume", "ls", "--quiet"]).await.unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // Without being asked for, it stays.
    site.run(&["up", "-s", "keep", "--timeout", "60"]).await.ok();
    site.run(&["rm", "-f", "keep", "--timeout", "60"]).await.ok();
    assert_eq!(volumes(&site).await, ["keep_data", "kept"]);

    site.run(&["up", "-s", "drop", "--timeout", "60"]).await.ok();
    site.run(&["rm", "-f", "drop", "--volumes", "--timeout", "60"]).await.ok();
    wait_for(&site, &["keep_data", "kept"]).await;

    // The host is away: nobody waits for it, and it does it when it is back.
    site.run(&["up", "-s", "late", "--timeout", "60"]).await.ok();
    site.kill_agent(0).await;
    eventually("the host is missed", Duration::from_secs(60), || {
        let list = site.server.run(&["hosts", "--format", "json"]).json();
        if list[0]["state"] == "active" { Err(format!("{list:#}")) } else { Ok(()) }
    });
    site.run(&["rm", "-f", "late", "--volumes", "--timeout", "60"]).await.ok();
    assert_eq!(volumes(&site).await, ["keep_data", "kept", "late_data"]);
    site.start_agent(0).await;
    wait_for(&site, &["keep_data", "kept"]).await;
}

async fn wait_for(site: &Site, expected: &[&str]) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let text = site.hosts[0].docker(&["volume", "ls", "--quiet"]).await.unwrap();
        if text.lines().eq(expected.iter().copied()) {
            return;
        }
        assert!(std::time::Instant::now() < until, "{text}\n{}", site.agent_logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
