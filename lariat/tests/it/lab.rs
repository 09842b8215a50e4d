//! Everyday work on real engines.

use std::io::Write as _;
use std::process::Stdio;

use testkit_lab::lab::Lab;

use crate::harness::{Server, Site, eventually, run};

const SHOP: &str = "\
services:
  web:
    image: lariat-test/busybox:1
    command: sh -c 'mkdir -p /www && echo hello > /www/index.html && echo web starts && exec httpd -f -p 80 -h /www'
    ports: [\"8000:80\"]
    stop_grace_period: 1s
    depends_on: [init]
  worker:
    image: lariat-test/busybox:1
    command: sh -c 'seq 1 300; while true; do echo tick; sleep 0.2; done'
    scale: 2
    stop_grace_period: 1s
  init:
    image: lariat-test/busybox:1
    command: sh -c 'echo done > /data/mark'
    volumes: [\"data:/data\"]
    labels:
      io.rancher.container.start_once: \"true\"
volumes:
  data: {}
";

#[tokio::test(flavor = "multi_thread")]
async fn lab_a_stack_from_up_to_rm() {
    let site = Site::new("stack", 1).await;
    site.server.file("docker-compose.yml", SHOP);
    let up = site.run(&["up", "-s", "shop", "--timeout", "60"]).await;
    assert_eq!(up.code, 0, "{}\n{}\n{}", up.out, up.err, site.agent_logs());
    let address = site.hosts[0].address();
    assert_eq!(up.out, format!("shop/web  {address}:8000\n"));
    let page = std::process::Command::new("curl")
        .args(["-fsS", &format!("http://{address}:8000/")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&page.stdout), "hello\n");
    let states = site.states().await;
    assert_eq!(states.len(), 4, "{states:?}");
    assert_eq!(states["shop-init-1"], "stopped");

    // Nothing has changed, so nothing is touched.
    let before = site.hosts[0]
        .docker(&["ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Status}}"])
        .await
        .unwrap();
    let ids = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.split(' ').next().unwrap().to_owned()).collect()
    };
    let again = site.run(&["up", "-s", "shop", "--timeout", "60"]).await;
    assert!(again.code == 0 && again.err.contains("stack shop unchanged"), "{}", again.err);
    let services = site.run(&["services", "-s", "shop"]).await.ok();
    let job = services.lines().find(|line| line.contains("shop/init")).unwrap();
    assert!(job.contains("started-once") && job.contains(" done "), "{services}");
    let after = site.hosts[0]
        .docker(&["ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Status}}"])
        .await
        .unwrap();
    assert_eq!(ids(&before), ids(&after));

    let logs = site.run(&["logs", "shop/web"]).await;
    assert_eq!(logs.out, "shop-web-1 | web starts\n", "{}", logs.err);
    let logs = site.run(&["logs", "shop-worker-1"]).await.ok();
    assert!(logs.starts_with("1\n2\n") && logs.contains("\n300\n"), "{logs}");
    let logs = site.run(&["logs", "-n", "2", "shop/worker"]).await.ok();
    assert_eq!(logs.lines().count(), 4, "{logs}");

    let done = site.run(&["exec", "shop/web", "sh", "-c", "echo out; echo err >&2; exit 7"]).await;
    assert_eq!((done.out.as_str(), done.err.as_str(), done.code), ("out\n", "err\n", 7));
    let mut cat = site
        .server
        .user(&["exec", "-i", "shop-web-1", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cat.stdin.take().unwrap().write_all(b"through\nand back\n").unwrap();
    let output = tokio::task::spawn_blocking(move || cat.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "through\nand back\n");

    // A terminal: its size arrives, and so does the exit code.
    let script = format!("stty cols 101 rows 33; exec {} exec -it shop/web sh", crate::harness::PROGRAM);
    let user = site.server.user(&[]);
    let mut terminal = std::process::Command::new("script");
    terminal.envs(user.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    let mut terminal = terminal
        .args(["-qec", &script, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(b"stty size; echo a$((1+1))b; exit 5\r").unwrap();
    let output = tokio::task::spawn_blocking(move || terminal.wait_with_output().unwrap()).await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("33 101") && shown.contains("a2b"), "{shown}");
    assert_eq!(output.status.code(), Some(5), "{shown}");
    drop(keys);

    site.run(&["scale", "shop/worker=3"]).await.ok();
    site.wait_for_running(0, &["shop-web-1", "shop-worker-1", "shop-worker-2", "shop-worker-3"]).await;
    site.run(&["scale", "shop/worker=1"]).await.ok();
    site.wait_for_states(&[
        ("shop-init-1", "stopped"),
        ("shop-web-1", "running"),
        ("shop-worker-1", "running"),
    ])
    .await;

    let started = || site.engine_says(0, "shop-web-1", "{{.State.StartedAt}}");
    let first = started().await;
    site.run(&["restart", "shop/web"]).await.ok();
    assert_ne!(started().await, first);
    site.run(&["stop", "shop"]).await.ok();
    site.wait_for_running(0, &[]).await;
    let alone = site.run(&["start", "shop/web"]).await;
    assert_eq!(alone.code, 1);
    assert!(alone.err.contains("service init, which it depends on, is not active"), "{}", alone.err);
    site.run(&["start", "shop"]).await.ok();
    site.wait_for_running(0, &["shop-web-1", "shop-worker-1"]).await;
    site.run(&["stop", "shop-web-1"]).await.ok();
    site.wait_for_running(0, &["shop-worker-1"]).await;

    site.run(&["rm", "-f", "--volumes", "shop"]).await.ok();
    assert_eq!(site.run(&["ps", "--format", "json"]).await.ok(), "[]\n");
    let left = site.hosts[0].docker(&["ps", "--all", "--quiet"]).await.unwrap();
    assert_eq!(left, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_two_hosts_share_the_load() {
    let site = Site::new("share", 2).await;
    site.server.file(
        "docker-compose.yml",
        "services:\n  web:\n    image: lariat-test/busybox:1\n    command: sleep 100000\n    scale: 4\n    stop_grace_period: 1s\n",
    );
    site.run(&["up", "-s", "shop", "--timeout", "60"]).await.ok();
    assert_eq!((site.running(0).await.len(), site.running(1).await.len()), (2, 2));
    site.run(&["hosts", "deactivate", "host-1"]).await.ok();
    site.run(&["scale", "shop/web=6"]).await.ok();
    assert_eq!((site.running(0).await.len(), site.running(1).await.len()), (2, 4));
    site.run(&["hosts", "activate", "host-1"]).await.ok();
    site.run(&["rm", "-f", "shop"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_containers_started_by_hand_belong_to_the_picture() {
    let site = Site::new("native", 1).await;
    let id = site.hosts[0]
        .docker(&[
            "run",
            "-d",
            "--name",
            "mine",
            "lariat-test/busybox:1",
            "sh",
            "-c",
            "echo by hand; trap 'exit 0' TERM; while true; do sleep 0.1; done",
        ])
        .await
        .unwrap();
    site.wait_for_states(&[("mine", "running")]).await;
    let list = site.run(&["ps", "--format", "json"]).await.json();
    assert_eq!((&list[0]["native"], &list[0]["dockerId"]), (&true.into(), &id.as_str().into()));
    assert_eq!(site.run(&["logs", "mine"]).await.ok(), "by hand\n");
    assert_eq!(site.run(&["exec", "mine", "echo", "in"]).await.ok(), "in\n");
    site.run(&["stop", "mine"]).await.ok();
    site.wait_for_running(0, &[]).await;
    site.run(&["start", "mine"]).await.ok();
    site.wait_for_running(0, &["mine"]).await;
    site.run(&["restart", "mine"]).await.ok();
    site.run(&["rm", "-f", "mine"]).await.ok();
    assert_eq!(site.hosts[0].docker(&["ps", "--all", "--quiet"]).await.unwrap(), "");
    // What the user stops by hand is not started again.
    site.hosts[0]
        .docker(&["run", "-d", "--name", "other", "lariat-test/busybox:1", "sleep", "1000"])
        .await
        .unwrap();
    site.wait_for_states(&[("other", "running")]).await;
    site.hosts[0].docker(&["stop", "-t", "0", "other"]).await.unwrap();
    site.wait_for_states(&[("other", "stopped")]).await;
    site.hosts[0].docker(&["rm", "other"]).await.unwrap();
    site.wait_for_states(&[]).await;
    // A process that ends at once is told, and nobody waits for it.
    site.hosts[0]
        .docker(&["run", "--name", "brief", "lariat-test/busybox:1", "sh", "-c", "exit 3"])
        .await
        .unwrap_err();
    site.wait_for_states(&[("brief", "stopped")]).await;
    let start = site.run(&["start", "brief"]).await;
    assert_eq!(start.code, 1, "{start:?}");
    assert!(start.err.contains("ended at once, with code 3"), "{start:?}");
    site.run(&["rm", "brief"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_logs_follow_what_joins_later() {
    let mut site = Site::new("follow", 1).await;
    site.server.file(
        "docker-compose.yml",
        "services:\n  web:\n    image: lariat-test/busybox:1\n    command: sh -c 'echo I am $$HOSTNAME; sleep 100000'\n    stop_grace_period: 1s\n",
    );
    site.run(&["up", "-s", "shop", "--timeout", "60"]).await.ok();
    let log = site.server.folder().join("followed");
    let mut follow = site
        .server
        .user(&["logs", "-f", "shop/web"])
        .stdout(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let names = |wanted: usize| {
        eventually("the lines come", std::time::Duration::from_secs(30), || {
            let text = std::fs::read_to_string(&log).unwrap();
            if text.lines().count() == wanted { Ok(text) } else { Err(text) }
        })
    };
    names(1);
    site.run(&["scale", "shop/web=2"]).await.ok();
    let text = names(2);
    assert!(text.contains("shop-web-1 | I am") && text.contains("shop-web-2 | I am"), "{text}");
    // A server that goes and comes back is no reason to end, and no line is shown twice.
    site.server.kill();
    site.server.launch();
    site.wait_for_host("host-1", "active");
    site.run(&["scale", "shop/web=3"]).await.ok();
    let text = names(3);
    assert!(text.contains("shop-web-3 | I am"), "{text}");
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_one_command_makes_a_machine_a_host() {
    let lab = Lab::new("command").await.unwrap();
    let server = Server::start_with(&format!("{}:0", lab.server_address()), &["--tls", "auto"]);
    let pin = server.pin();
    join(&lab, &server, ("LARIAT_PIN", &pin)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_one_command_makes_a_machine_a_host_under_an_authority_that_it_does_not_know() {
    let lab = Lab::new("command-ca").await.unwrap();
    let address = lab.server_address().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec![address.clone()]).unwrap();
    let own = own.signed_by(&key, &authority).unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let files =
        [file("ca.pem", authority.pem()), file("own.pem", own.pem()), file("key.pem", key.serialize_pem())];
    let options = ["--tls-cert", &files[1], "--tls-key", &files[2], "--tls-ca", &files[0]];
    let server = Server::start_with(&format!("{address}:0"), &options);
    join(&lab, &server, ("LARIAT_CA_FILE", &files[0])).await;
}

/// Pastes the command of a server on a machine, and waits until that is a host.
async fn join(lab: &Lab, server: &Server, trust: (&str, &str)) {
    let host = lab.add_host(1).await.unwrap();
    let user = |arguments: &[&str]| run(server.user(arguments).env(trust.0, trust.1));
    let command = user(&["hosts", "add"]).ok();
    assert!(command.contains("--pinnedpubkey 'sha256//"), "{command}");
    // What the script installs goes to places that end with the host.
    let script = format!(
        "set -e; mount -t tmpfs tmpfs /var/lib; mount -t tmpfs tmpfs /usr/local/bin; mount -t tmpfs tmpfs /etc/systemd; {}",
        command.trim().replace("sudo sh", "sh -s")
    );
    let said = host.run("unshare", ["--mount", "sh", "-c", &script]).await.unwrap();
    assert!(said.contains("joins https://"), "{said}");
    let list = eventually("the host is active", std::time::Duration::from_secs(40), || {
        let list = user(&["hosts", "--format", "json"]).json();
        if list[0]["state"] == "active" { Ok(list) } else { Err(format!("{list:#}")) }
    });
    assert_eq!((&list[0]["name"], list.as_array().unwrap().len()), (&"host-1".into(), 1));
}
