//! What the commands do with the engine of a host, through server and agent.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::Site;

const APP: &str = "\
services:
  app:
    build: ./app
    command: httpd -f -p 80 -h /www
    ports: [\"8000:80\"]
    stop_grace_period: 1s
";

#[tokio::test(flavor = "multi_thread")]
async fn lab_the_engine_of_a_host_through_the_server() {
    let site = Site::new("docker", 1).await;
    // Images are built from files of this machine; nothing of them was on the host.
    site.server.file("docker-compose.yml", APP);
    let folder = site.server.folder().join("app");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM lariat-test/busybox:1\nCOPY www /www\n").unwrap();
    std::fs::create_dir(folder.join("www")).unwrap();
    std::fs::write(folder.join("www/index.html"), "built\n").unwrap();
    std::fs::write(folder.join("www/big"), vec![b'x'; 3_000_000]).unwrap();
    let up = site.run(&["up", "-s", "shop", "--timeout", "60"]).await;
    assert_eq!(up.code, 0, "{}\n{}\n{}", up.out, up.err, site.agent_logs());
    assert!(up.err.contains("app: building shop-app on"), "{}", up.err);
    let again = site.run(&["up", "-s", "shop", "--timeout", "60"]).await;
    assert!(!again.err.contains("building") && again.err.contains("unchanged"), "{}", again.err);
    let page = site.run(&["exec", "shop/app", "cat", "/www/index.html"]).await.ok();
    assert_eq!(page, "built\n");

    let address = site.hosts[0].address();
    assert_eq!(site.run(&["port", "shop/app", "80"]).await.ok(), format!("{address}:8000\n"));
    let top = site.run(&["top", "shop/app", "--format", "{{.container}} {{.cmd}}"]).await.ok();
    assert!(top.contains("shop-app-1 httpd -f -p 80"), "{top}");

    // Files travel both ways.
    std::fs::create_dir(site.server.folder().join("up")).unwrap();
    std::fs::write(site.server.folder().join("up/new.html"), "copied\n").unwrap();
    site.run(&["cp", "up/.", "shop/app:/www"]).await.ok();
    assert_eq!(site.run(&["exec", "shop/app", "cat", "/www/new.html"]).await.ok(), "copied\n");
    site.run(&["cp", "shop-app-1:/www", "back"]).await.ok();
    let back = site.server.folder().join("back");
    assert_eq!(std::fs::read(back.join("big")).unwrap().len(), 3_000_000);
    assert_eq!(std::fs::read_to_string(back.join("new.html")).unwrap(), "copied\n");
    let missing = site.run(&["cp", "shop-app-1:/nope", "."]).await;
    assert_eq!(missing.code, 1);

    // The Docker command line itself, with input that ends.
    let names = site.run(&["docker", "ps", "--format", "{{.Names}}"]).await.ok();
    assert!(names.contains("shop-app-1"), "{names}");
    let mut cat = site
        .server
        .user(&["docker", "run", "--rm", "-i", "lariat-test/busybox:1", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cat.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let output = tokio::task::spawn_blocking(move || cat.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout).as_ref(), output.status.code()),
        ("through\n", Some(0))
    );
    let code = site.run(&["docker", "run", "--rm", "lariat-test/busybox:1", "sh", "-c", "exit 9"]).await.code;
    assert_eq!(code, 9);

    // An image as a service, and everything gone again.
    let run = site.run(&["run", "--name", "shop/one", "lariat-test/busybox:1", "sleep", "1000"]).await;
    assert_eq!((run.code, run.out.as_str()), (0, "shop/one\n"), "{}", run.err);
    site.run(&["rm", "-f", "shop"]).await.ok();
    let left = site.run(&["docker", "ps", "--all", "--quiet"]).await.ok();
    assert_eq!(left, "");
}
