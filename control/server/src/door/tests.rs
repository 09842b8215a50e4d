#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Instant;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Open {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

async fn open(limits: Limits) -> Open {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let router = Router::new().route("/", get(|| async { "here" }));
    let mut door = Door::new(listener, None, router, stop.clone(), tasks.clone());
    door.limits = limits;
    tasks.spawn(door.open());
    tasks.close();
    Open { address, stop, tasks }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Whether the other side closes within a while.
async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    let mut bytes = Vec::new();
    tokio::time::timeout(within, stream.read_to_end(&mut bytes)).await.is_ok()
}

#[tokio::test]
async fn class_14_who_does_not_begin_or_does_not_finish_is_sent_away() {
    let patience = Duration::from_millis(300);
    let door = open(Limits { patience, ..Limits::default() }).await;
    let mut silent = TcpStream::connect(door.address).await.unwrap();
    let mut half = TcpStream::connect(door.address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
    let mut drips = TcpStream::connect(door.address).await.unwrap();
    let dripping = async {
        // A byte now and then keeps a kernel's clock from running out, not ours.
        for byte in b"GET / HTTP/1.1\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            if drips.write_all(&[*byte]).await.is_err() {
                return true;
            }
            let mut chunk = [0; 256];
            let read = tokio::time::timeout(Duration::from_millis(100), drips.read(&mut chunk)).await;
            if matches!(read, Ok(Ok(0) | Err(_))) {
                return true;
            }
        }
        false
    };
    let limit = Duration::from_secs(5);
    let (silent, half, drips) =
        tokio::join!(is_closed(&mut silent, limit), is_closed(&mut half, limit), dripping);
    assert!(silent && half && drips, "silent {silent}, half {half}, drips {drips}");
    assert!(ask(door.address).await.unwrap().ends_with("here"));
    door.stop.cancel();
    door.tasks.wait().await;
}

#[tokio::test]
async fn class_14_the_silent_make_room_for_who_speaks() {
    let door = open(Limits { connections: 4, ..Limits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(door.address).await.unwrap());
    }
    for _ in 0..3 {
        let answer = tokio::time::timeout(Duration::from_secs(5), ask(door.address)).await;
        assert!(answer.expect("an answer in time").unwrap().ends_with("here"));
    }
    assert!(is_closed(&mut silent[0], Duration::from_secs(5)).await, "the oldest went first");
    door.stop.cancel();
    door.tasks.wait().await;
}

/// The slowest of a hundred.
async fn slowest(address: SocketAddr) -> Duration {
    let mut times = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        assert!(ask(address).await.unwrap().ends_with("here"));
        times.push(start.elapsed());
    }
    times.sort();
    times[98]
}

#[tokio::test(flavor = "multi_thread")]
async fn class_14_ten_thousand_silent_sockets_keep_nobody_waiting() {
    let files = crate::files::raise_limit();
    assert!(files >= 11_000, "this machine allows {files} open files");
    let patience = Duration::from_secs(300);
    let door = open(Limits { patience, ..Limits::default() }).await;
    let before = slowest(door.address).await;
    // The other ends are in a process of their own, which has files of its own.
    let script = "import resource, socket, sys\n\
                  most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n\
                  resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n\
                  held = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for _ in range(10000)]\n\
                  print('ready', flush=True)\n\
                  sys.stdin.read()\n";
    let mut holder = tokio::process::Command::new("python3")
        .args(["-c", script, &door.address.port().to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = tokio::io::BufReader::new(holder.stdout.take().unwrap());
    let reading = tokio::io::AsyncBufReadExt::read_line(&mut output, &mut said);
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("ten thousand in time").unwrap();
    assert_eq!(said, "ready\n");
    let after = slowest(door.address).await;
    // Unchanged but for what a shared machine does to any two measurements.
    assert!(after < before * 5 + Duration::from_millis(20), "{before:?} without them, {after:?} with them");
    drop(holder.stdin.take());
    holder.wait().await.unwrap();
    door.stop.cancel();
    door.tasks.wait().await;
}
