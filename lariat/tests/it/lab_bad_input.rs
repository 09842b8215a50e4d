//! What people and machines get wrong, on real engines: each is told with its reason, and nothing else breaks.

use std::time::Duration;

use crate::harness::{Site, run};

fn service(name: &str, image: &str, rest: &str) -> String {
    format!("services:\n  {name}:\n    image: {image}\n{rest}")
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_files_that_cannot_work() {
    let site = Site::new("wrong", 1).await;
    let busybox = "lariat-test/busybox:1";

    // Two services want one port of the only host.
    let text = format!(
        "services:\n  one:\n    image: {busybox}\n    command: sleep 1000\n    stop_grace_period: 1s\n    ports: [\"8080:80\"]\n  two:\n    image: {busybox}\n    command: sleep 1000\n    stop_grace_period: 1s\n    ports: [\"8080:80\"]\n"
    );
    site.server.file("ports.yml", &text);
    let up = site.run(&["up", "-s", "ports", "-f", "ports.yml"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("8080") && up.err.contains("hint: "), "{}", up.err);
    assert_eq!(site.running(0).await.len(), 1, "the other one runs: {}", up.err);
    site.run(&["rm", "-f", "ports"]).await.ok();

    // The image is nowhere, and nobody may look for it elsewhere.
    site.server.file("image.yml", &service("web", "lariat-test/nowhere:9", "    pull_policy: never\n"));
    let up = site.run(&["up", "-s", "image", "-f", "image.yml"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("lariat-test/nowhere:9"), "{}", up.err);
    assert!(up.err.contains("docker load"), "{}", up.err);
    site.run(&["rm", "-f", "image"]).await.ok();

    // There is no way to a registry.
    site.server.file("registry.yml", &service("web", "registry.invalid/nowhere:9", ""));
    let up = site.run(&["up", "-s", "registry", "-f", "registry.yml", "--timeout", "20"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("registry.invalid"), "{}", up.err);
    site.run(&["rm", "-f", "registry"]).await.ok();

    // The command ends at once.
    site.server.file("crash.yml", &service("web", busybox, "    command: sh -c 'echo I give up; exit 3'\n"));
    let up = site.run(&["up", "-s", "crash", "-f", "crash.yml", "--timeout", "60"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("code 3") && up.err.contains("lariat logs"), "{}", up.err);
    let logs = site.run(&["logs", "--no-prefix", "crash/web"]).await.ok();
    assert!(logs.starts_with("I give up\n"), "{logs}");
    site.run(&["rm", "-f", "crash"]).await.ok();

    // The command is not in the image.
    site.server.file("command.yml", &service("web", busybox, "    command: [\"no-such-program\"]\n"));
    let up = site.run(&["up", "-s", "command", "-f", "command.yml", "--timeout", "60"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("no-such-program"), "{}", up.err);
    site.run(&["rm", "-f", "command"]).await.ok();

    // A job that fails is not taken for one that is done.
    let job = "    command: sh -c 'exit 4'\n    labels:\n      io.rancher.container.start_once: \"true\"\n";
    site.server.file("job.yml", &service("job", busybox, job));
    let up = site.run(&["up", "-s", "job", "-f", "job.yml", "--timeout", "60"]).await;
    assert_eq!(up.code, 1, "{}", up.err);
    assert!(up.err.contains("code 4"), "{}", up.err);
    site.run(&["rm", "-f", "job"]).await.ok();
    assert_eq!(site.hosts[0].docker(&["ps", "--all", "--quiet"]).await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_agents_that_are_not_let_in() {
    let site = Site::new("strangers", 1).await;
    let stranger = site.lab.add_host(2).await.unwrap();
    let agent = async |token: &str| {
        let url = site.server.url();
        let folder = stranger.data_directory().join("fresh").display().to_string();
        let mut agent = stranger
            .spawn(
                "agent",
                crate::harness::PROGRAM,
                ["agent", "--server", &url, "--token", token, "--data-dir", &folder],
            )
            .await
            .unwrap();
        let status = tokio::time::timeout(Duration::from_secs(30), agent.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it goes on: {}", agent.log())).unwrap();
        (status.code(), agent.log())
    };
    let (code, log) = agent("NONSENSE:1:token").await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("401"), "{log}");

    // A token that was switched off is as good as one that has ended.
    let token =
        site.run(&["hosts", "add", "--format", "json"]).await.json()["token"].as_str().unwrap().to_owned();
    let first = site.server.first();
    let keys = format!("{}:{}", first["accessKey"].as_str().unwrap(), first["secretKey"].as_str().unwrap());
    let base = format!("{}/v2-beta/projects/1a5/registrationtokens", site.server.url());
    let list = run(std::process::Command::new("curl").args(["-fsS", "-u", &keys, &base])).json();
    let id = list["data"][0]["id"].as_str().unwrap();
    let off = format!("{base}/{id}/?action=deactivate");
    run(std::process::Command::new("curl").args(["-fsS", "-u", &keys, "-X", "POST", &off])).ok();
    let (code, log) = agent(&token).await;
    assert_eq!(code, Some(1), "{log}");
    let list = site.run(&["hosts", "--format", "json"]).await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_two_agents_with_one_identity() {
    let site = Site::new("twins", 2).await;
    // The second machine is a copy of the first, agent and all.
    let copy = site.hosts[1].data_directory().with_file_name("copied");
    run(std::process::Command::new("cp").arg("-a").arg(site.hosts[0].data_directory()).arg(&copy)).ok();
    let url = site.server.url();
    let folder = copy.display().to_string();
    let mut twin = site.hosts[1]
        .spawn("twin", crate::harness::PROGRAM, ["agent", "--server", &url, "--data-dir", &folder])
        .await
        .unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(30);
    let told = loop {
        let log = twin.log() + &site.server.log();
        if log.contains("identity") || !twin.is_running() {
            break log;
        }
        assert!(std::time::Instant::now() < until, "{log}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(told.contains("identity"), "{told}");
    // The one that was there first is not disturbed.
    let list = site.run(&["hosts", "--format", "json"]).await.json();
    let states: Vec<&str> =
        list.as_array().unwrap().iter().map(|host| host["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["active", "active"]);
    twin.kill().await.unwrap();
}
