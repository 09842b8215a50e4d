//! Everyday work on real engines.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::Site;

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
    site.run(&["up", "-s", "shop", "--timeout", "60"]).await.ok();
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
