use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use testkit_lab::images::{BUSYBOX, Images};
use testkit_lab::lab::{HostOptions, Lab, LabHost};

async fn load_busybox(host: &LabHost) {
    let image = Images::for_tests().busybox().unwrap();
    host.load_image(&image.archive).await.unwrap();
}

/// Opens a connection from a host.
async fn connect(host: &LabHost, server: SocketAddr) -> anyhow::Result<String> {
    let script = format!("exec 3<>/dev/tcp/{}/{}", server.ip(), server.port());
    host.run("timeout", ["1", "bash", "-c", &script]).await
}

/// Asks for a page, briefly.
fn get(address: Ipv4Addr, port: u16) -> Result<String, std::io::Error> {
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((address, port)), Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Waits for a condition and fails with the last thing seen.
async fn eventually<T: std::fmt::Debug>(mut look: impl AsyncFnMut() -> Result<(), T>) {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        match look().await {
            Ok(()) => return,
            Err(seen) if Instant::now() > limit => panic!("it did not come true; last seen: {seen:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_publishes_ports_on_the_address_of_each_host() {
    let lab = Lab::new("ports").await.unwrap();
    let hosts = [lab.add_host(1).await.unwrap(), lab.add_host(2).await.unwrap()];
    for host in &hosts {
        load_busybox(host).await;
        let page =
            format!("mkdir /www && echo {} > /www/index.html && exec httpd -f -p 80 -h /www", host.name());
        host.docker(&["run", "-d", "--name", "web", "-p", "8000:80", BUSYBOX, "sh", "-c", &page])
            .await
            .unwrap();
    }
    for host in &hosts {
        eventually(async || match get(host.address(), 8000) {
            Ok(page) if page.trim_end().ends_with(host.name()) => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_hosts_differ_where_real_hosts_differ() {
    let lab = Lab::new("identity").await.unwrap();
    let one = lab.add_host(1).await.unwrap();
    let two = lab.add_host(2).await.unwrap();
    assert_eq!(one.run("hostname", [] as [&str; 0]).await.unwrap(), "host-1");
    let format = ["info", "--format", "{{.ID}} {{.Name}}"];
    assert_ne!(one.docker(&format).await.unwrap(), two.docker(&format).await.unwrap());
    if Path::new("/etc/machine-id").exists() {
        let id = |host: LabHost| async move { host.run("cat", ["/etc/machine-id"]).await.unwrap() };
        assert_ne!(id(one.clone()).await, id(two.clone()).await);
    }
    // An agent finds its own engine at the usual place.
    let inner =
        one.run("docker", ["-H", "unix:///var/run/docker.sock", "info", "--format", "{{.Name}}"]).await;
    assert_eq!(inner.unwrap(), "host-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_host_that_is_cut_off_reaches_nobody_until_healed() {
    let lab = Lab::new("cut").await.unwrap();
    let one = lab.add_host(1).await.unwrap();
    let two = lab.add_host(2).await.unwrap();
    let listener = TcpListener::bind((lab.server_address(), 0)).unwrap();
    let server = listener.local_addr().unwrap();
    let ping = async |from: &LabHost, to: &LabHost| {
        // Not every machine has a `ping`, but the images are made of a busybox.
        from.run("busybox", ["ping", "-c", "1", "-W", "1", &to.address().to_string()]).await
    };
    connect(&one, server).await.unwrap();
    ping(&one, &two).await.unwrap();

    lab.cut(&one).unwrap();
    connect(&one, server).await.unwrap_err();
    ping(&one, &two).await.unwrap_err();
    ping(&two, &one).await.unwrap_err();
    connect(&two, server).await.unwrap();
    assert!(one.docker(&["version"]).await.is_ok(), "the engine itself is reached through its socket");

    lab.heal(&one).unwrap();
    connect(&one, server).await.unwrap();
    ping(&two, &one).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_reboot_ends_all_processes_and_keeps_the_disk() {
    let lab = Lab::new("reboot").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    load_busybox(&host).await;
    host.docker(&["run", "-d", "--name", "sleeper", BUSYBOX, "sleep", "1000"]).await.unwrap();
    let mut agent = host.spawn("agent", "sleep", ["1000"]).await.unwrap();
    let pids = [agent.pid(), host.engine_pid().unwrap()];
    assert!(agent.is_running());

    host.reboot().await.unwrap();
    agent.wait().await.unwrap();
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
    let state = host.docker(&["inspect", "--format", "{{.State.Status}}", "sleeper"]).await.unwrap();
    assert_eq!(state, "exited");
    host.docker(&["start", "sleeper"]).await.unwrap();
    let listener = TcpListener::bind((lab.server_address(), 0)).unwrap();
    connect(&host, listener.local_addr().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_killed_engine_comes_back_with_its_images() {
    let lab = Lab::new("engine").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    load_busybox(&host).await;
    let before = host.engine_pid().unwrap();
    host.kill_engine().await.unwrap();
    assert!(!Path::new(&format!("/proc/{before}")).exists());
    host.docker(&["version"]).await.unwrap_err();
    host.start_engine().await.unwrap();
    host.docker(&["run", "--rm", BUSYBOX, "true"]).await.unwrap();
    host.stop_engine().await.unwrap();
    host.start_engine().await.unwrap();
    host.docker(&["image", "inspect", BUSYBOX]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_disk_fills_and_empties() {
    let lab = Lab::new("disk").await.unwrap();
    let host =
        lab.add_host_with(1, HostOptions { disk_mb: Some(96), ..HostOptions::default() }).await.unwrap();
    load_busybox(&host).await;
    host.fill_disk().await.unwrap();
    let full = host.docker(&["run", "--name", "one", BUSYBOX, "true"]).await.unwrap_err();
    assert!(full.to_string().contains("no space left on device"), "{full:#}");
    host.free_disk().await.unwrap();
    host.docker(&["run", "--name", "two", BUSYBOX, "true"]).await.unwrap();
    host.reboot().await.unwrap();
    assert!(host.docker(&["ps", "--all", "--format", "{{.Names}}"]).await.unwrap().contains("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_leaves_nothing_behind() {
    let lab = Lab::new("gone").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    load_busybox(&host).await;
    host.docker(&["run", "-d", BUSYBOX, "sleep", "1000"]).await.unwrap();
    let directory = lab.directory().to_owned();
    let address = lab.server_address().to_string();
    let pid = host.engine_pid().unwrap();
    drop(lab);
    assert!(!directory.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let routes =
        std::process::Command::new("ip").args(["-4", "route", "show", "table", "all"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&routes.stdout).contains(&address));
    let tag = directory.file_name().unwrap().to_str().unwrap();
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        assert!(!hierarchy.path().join("lariat-lab").join(tag).exists(), "{:?}", hierarchy.path());
    }
    host.docker(&["version"]).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_sweeps_what_a_dead_owner_left() {
    // A process that has ended, with the directory of a lab it might have had.
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    let pid = ended.id();
    ended.wait().unwrap();
    let lab = Lab::new("sweep").await.unwrap();
    let left = lab.directory().with_file_name(format!("{pid}-0-left"));
    std::fs::create_dir_all(left.join("host-1")).unwrap();
    std::fs::write(left.join("owner"), format!("{pid} 1")).unwrap();
    assert!(Lab::sweep().contains(&format!("{pid}-0-left")));
    assert!(!left.exists());
    assert!(lab.directory().exists());
}

/// Set in the process that is to be killed.
const VICTIM: &str = "LARIAT_LAB_VICTIM";

#[tokio::test(flavor = "multi_thread")]
async fn lab_dies_with_its_owner() {
    if std::env::var_os(VICTIM).is_some() {
        let lab = Lab::new("victim").await.unwrap();
        let host = lab.add_host(1).await.unwrap();
        let tag = lab.directory().file_name().unwrap().to_str().unwrap();
        eprintln!("\nLAB {tag} {}", host.engine_pid().unwrap());
        std::future::pending::<()>().await;
    }
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lab::lab_dies_with_its_owner", "--nocapture"])
        .env(VICTIM, "yes")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(victim.stderr.take().unwrap()));
    let line = lines.find_map(|line| line.unwrap().strip_prefix("LAB ").map(str::to_owned)).unwrap();
    let (tag, engine) = line.split_once(' ').unwrap();
    let engine = Path::new("/proc").join(engine);
    assert!(engine.exists());

    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually(async || if engine.exists() { Err("the engine still runs") } else { Ok(()) }).await;
    let directory = Path::new("/var/lib/lariat-lab").join(tag);
    // Another test may start a lab just now, which sweeps as well.
    let _ = Lab::sweep();
    assert!(!directory.exists());
}
