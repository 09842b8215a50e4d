//! Nobody brings the server down without being known to it: bodies, depth, counts and times have limits, and they
//! hold before anybody has proved who he is. That connections have a limit is tested where connections are taken.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Keys, World};

async fn post(world: &World, keys: &Keys, path: &str, body: String) -> (u16, String) {
    let mut request = world.http.post(world.url(path)).body(body);
    if !keys.public.is_empty() {
        request = request.basic_auth(&keys.public, Some(&keys.secret));
    }
    match request.send().await {
        Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
        // The server may answer and close before a large body is through.
        Err(_) => (413, String::new()),
    }
}

async fn is_well(world: &World) {
    let answer = world.get("/v2-beta/projects/1a5").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn class_14_bodies_have_a_limit_before_anybody_is_known() {
    let world = World::start().await;
    let nobody = Keys::default();
    let large = format!("{{\"code\":\"{}\"}}", "x".repeat(200 << 10));
    for path in ["/v2-beta/token", "/v1/tokens"] {
        assert_eq!(post(&world, &nobody, path, large.clone()).await.0, 413, "{path}");
    }
    // Whoever is not let in is told so, and not after his body was read.
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(64 << 20));
    for path in ["/v2-beta/projects/1a5/stacks", "/v1/agent/register", "/v2-beta/nonsense"] {
        let (status, text) = post(&world, &nobody, path, huge.clone()).await;
        assert!(matches!(status, 401 | 404 | 413), "{path}: {status} {text}");
    }
    assert_eq!(post(&world, &world.admin, "/v2-beta/projects/1a5/stacks", huge).await.0, 413);
    let form = format!("name={}", "x".repeat(200 << 10));
    let answer = world
        .http
        .post(world.url("/v2-beta/projects/1a5/stacks"))
        .basic_auth(&world.admin.public, Some(&world.admin.secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn class_14_depth_and_counts_have_limits() {
    let world = World::start().await;
    let deep =
        |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    for body in [
        deep("[", "]", 100_000),
        deep("{\"a\":", "}", 100_000).replace(":}", ":1}"),
        format!("{{\"name\":\"x\",\"labels\":{}}}", deep("{\"a\":", "}", 50_000).replace(":}", ":1}")),
        format!("{{\"name\":\"x\",\"metadata\":{}1{}}}", "{\"a\":".repeat(200), "}".repeat(200)),
    ] {
        for (keys, path) in [
            (&Keys::default(), "/v2-beta/token"),
            (&world.admin, "/v2-beta/projects/1a5/stacks"),
            (&world.admin, "/v2-beta/projects/1a5/services"),
        ] {
            let (status, text) = post(&world, keys, path, body.clone()).await;
            assert!((400..500).contains(&status), "{path}: {status} {text:.200}");
        }
    }
    // Compose files that grow when they are read.
    let mut bomb = "a: &a ['x','x','x','x','x','x','x','x','x','x']\n".to_owned();
    for (letter, last) in ('b'..='j').zip('a'..) {
        bomb.push_str(&format!("{letter}: &{letter} [{}]\n", vec![format!("*{last}"); 10].join(",")));
    }
    bomb.push_str("services: {web: {image: a, command: *j}}\n");
    let nested = format!("services: {{web: {{image: a, labels: {}}}}}\n", deep("[", "]", 20_000));
    let many = (0..200_000).map(|index| format!("  s{index}: {{image: a}}\n")).collect::<String>();
    for text in [bomb, nested, format!("services:\n{many}"), "${A:-".repeat(50_000)] {
        let start = std::time::Instant::now();
        let body = json!({"name": "bomb", "dockerCompose": text}).to_string();
        let (status, text) = post(&world, &world.admin, "/v2-beta/projects/1a5/stacks", body).await;
        assert!((400..500).contains(&status), "{status} {text:.200}");
        assert!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
    }
    // Words without end in every place that takes words.
    let long = "x".repeat(15_000);
    for path in [
        format!("/v2-beta/projects?name_like={}", "%25".repeat(5_000)),
        format!("/v2-beta/projects?{}", "name_like=%25a&".repeat(1_000)),
        format!("/v2-beta/projects?sort={long}"),
        format!("/v2-beta/projects?include={long}"),
        format!("/v2-beta/projects?limit={long}&marker=m{long}"),
        format!("/v2-beta/projects?marker=m{}", u64::MAX),
        format!("/v2-beta/{}", "a/".repeat(5_000)),
    ] {
        let start = std::time::Instant::now();
        let answer = world.get(&path).await;
        assert!(answer.status < 500, "{path:.80}: {}", answer.text);
        assert!(start.elapsed() < Duration::from_secs(5), "{path:.80} took {:?}", start.elapsed());
    }
    is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn class_14_patterns_cost_no_more_than_they_are_long() {
    let world = World::start().await;
    let name = "a".repeat(60);
    for _ in 0..20 {
        world.admin("POST /v2-beta/apikeys", json!({"name": name, "description": "a".repeat(1000)})).await;
    }
    let pattern = "%25a".repeat(500);
    let start = std::time::Instant::now();
    let answer = world.get(&format!("/v2-beta/apikeys?description_like={pattern}b")).await;
    assert_eq!(answer.column("id").len(), 0);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn class_14_slow_bodies_end() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /v2-beta/token HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut ended = false;
    let start = tokio::time::Instant::now();
    // One byte a second is a living client for the kernel, and must not be one for the server.
    while start.elapsed() < Duration::from_secs(40) {
        let mut chunk = [0; 1024];
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => {
                ended = true;
                break;
            }
            Ok(Ok(length)) => answer.extend_from_slice(&chunk[..length]),
            Err(_) => {
                if stream.write_all(b" ").await.is_err() {
                    ended = true;
                    break;
                }
            }
        }
        if answer.windows(4).any(|window| window == b"\r\n\r\n") {
            ended = true;
            break;
        }
    }
    assert!(ended, "the body was waited for longer than {:?}", start.elapsed());
    assert!(String::from_utf8_lossy(&answer).contains(" 408 ") || answer.is_empty());
    is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn class_14_guessing_passwords_does_not_occupy_the_server() {
    let world = World::start().await;
    let nobody = Keys::default();
    let guesses: Vec<_> = (0..200)
        .map(|index| {
            let world = &world;
            let nobody = &nobody;
            async move {
                let code = json!({"code": format!("admin:wrong{index}")});
                world.call(nobody, "POST /v2-beta/token", code, &[]).await.status
            }
        })
        .collect();
    let guessing = futures_util::future::join_all(guesses);
    let working = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let start = std::time::Instant::now();
            is_well(&world).await;
            slowest = slowest.max(start.elapsed());
        }
        slowest
    };
    let (statuses, slowest) = futures_util::future::join(guessing, working).await;
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 429).count() > 150, "{statuses:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let known = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &[]).await;
    assert_eq!(known.status, 200);
}
