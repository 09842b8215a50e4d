//! What people and machines get wrong, on real engines: each is told with its reason, and nothing else breaks.

use std::time::Duration;

use crate::harness::{Site, run};

fn service(name: &str, image: &str, rest: &str) -> String {
    format!("services:\n  {name}:\n    image: {image}\n{rest}")
}

/// Brings up a stack that cannot work, and gives what was said of it.
async fn fails(site: &Site, stack: &str, text: &str, timeout: &str) -> String {
    let file = format!("{stack}.yml");
    site.server.file(&file, text);
    let up = site.run(&["up", "-s", stack, "-f", &file, "--timeout", timeout]).await;
    assert_eq!(up.code, 1, "{stack}: {}", up.err);
    up.err
}

/// All at once: each waits most of its time, to see whether its trouble passes.
#[tokio::test(flavor = "multi_thread")]
async fn lab_files_that_cannot_work() {
    let site = Site::new("wrong", 1).await;
    let busybox = "lariat-test/busybox:1";

    let two_want_one_port = async {
        let text = format!(
            "services:\n  one:\n    image: {busybox}\n    command: sleep 1000\n    stop_grace_period: 1s\n    ports: [\"8080:80\"]\n  two:\n    image: {busybox}\n    command: sleep 1000\n    stop_grace_period: 1s\n    ports: [\"8080:80\"]\n"
        );
        let told = fails(&site, "ports", &text, "60").await;
        assert!(told.contains("8080") && told.contains("hint: "), "{told}");
        let states = site.states().await;
        let running = states.iter().filter(|(name, state)| name.starts_with("ports-") && *state == "running");
        assert_eq!(running.count(), 1, "the other one runs: {states:?}");
    };
    let image_that_nobody_may_look_for_elsewhere = async {
        let text = service("web", "lariat-test/nowhere:9", "    pull_policy: never\n");
        let told = fails(&site, "image", &text, "60").await;
        assert!(told.contains("lariat-test/nowhere:9"), "{told}");
        assert!(told.contains("docker load"), "{told}");
    };
    let registry_without_a_way_to_it = async {
        let told = fails(&site, "registry", &service("web", "registry.invalid/nowhere:9", ""), "15").await;
        assert!(told.contains("registry.invalid"), "{told}");
    };
    let command_that_ends_at_once = async {
        let text = service("web", busybox, "    command: sh -c 'echo I give up; exit 3'\n");
        let told = fails(&site, "crash", &text, "60").await;
        assert!(told.contains("code 3") && told.contains("lariat logs"), "{told}");
        let logs = site.run(&["logs", "--no-prefix", "crash/web"]).await.ok();
        assert!(logs.starts_with("I give up\n"), "{logs}");
    };
    let command_that_is_not_in_the_image = async {
        let text = service("web", busybox, "    command: [\"no-such-program\"]\n");
        let told = fails(&site, "command", &text, "60").await;
        assert!(told.contains("no-such-program"), "{told}");
    };
    let job_that_fails_is_not_done = async {
        let job =
            "    command: sh -c 'exit 4'\n    labels:\n      io.rancher.container.start_once: \"true\"\n";
        let told = fails(&site, "job", &service("job", busybox, job), "60").await;
        assert!(told.contains("code 4"), "{told}");
    };
    tokio::join!(
        two_want_one_port,
        image_that_nobody_may_look_for_elsewhere,
        registry_without_a_way_to_it,
        command_that_ends_at_once,
        command_that_is_not_in_the_image,
        job_that_fails_is_not_done,
    );

    for stack in ["ports", "image", "registry", "crash", "command", "job"] {
        site.run(&["rm", "-f", stack]).await.ok();
    }
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
