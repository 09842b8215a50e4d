//! Headers that a proxy adds, drops, doubles or writes in another way never make somebody of nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Keys, World};

/// Sends bytes as they are and reads what comes until the server has said all.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while let Ok(length) = stream.read(&mut chunk).await {
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(&chunk[..length]);
        }
    };
    // A server that keeps the connection open has answered by then.
    let _ = tokio::time::timeout(std::time::Duration::from_millis(700), reading).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn class_10_no_forwarded_header_says_who_somebody_is() {
    let world = World::start().await;
    let nobody = Keys::default();
    for name in [
        "X-API-Account-Id",
        "X-API-User-Id",
        "X-API-Account-Kind",
        "X-API-Account-Name",
        "X-API-Roles",
        "X-API-Client-Access-Key",
        "X-API-Auth-Header",
        "X-Forwarded-User",
        "X-Remote-User",
        "X-Forwarded-Client-Cert",
        "Remote-User",
        "Forwarded",
        "X-Real-IP",
        "X-ENFORCE-AUTHENTICATION",
        "Impersonate-User",
    ] {
        for value in ["1a1", "admin", "false", world.admin.public.as_str(), "for=127.0.0.1;by=admin"] {
            for spelled in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                let headers = [(spelled.as_str(), value)];
                let answer =
                    world.call(&nobody, "GET /v2-beta/projects/1a5/stacks", Value::Null, &headers).await;
                assert!(matches!(answer.status, 401 | 403), "{name}: {value}: {}", answer.text);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn class_10_doubled_folded_and_dropped_headers_let_nobody_in() {
    let world = World::start().await;
    let right = STANDARD.encode(format!("{}:{}", world.admin.public, world.admin.secret));
    let wrong = STANDARD.encode("a:b");
    let get = |headers: &str| {
        format!("GET /v2-beta/projects HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n")
    };
    assert_eq!(status(&raw(&world, &get(&format!("Authorization: Basic {right}\r\n"))).await), 200);
    assert_eq!(status(&raw(&world, &get(&format!("aUTHORIZATION: bASIC {right}\r\n"))).await), 200);
    for headers in [
        format!("Authorization: Basic {wrong}\r\nAuthorization: Basic {right}\r\n"),
        format!("Authorization: Basic {right}\r\nAuthorization: Basic {wrong}\r\n"),
        format!("Authorization: Basic\r\n {right}\r\n"),
        format!("Authorization : Basic {right}\r\n"),
        format!("Authorization: Basic {right}, Basic {wrong}\r\n"),
        format!("X-Authorization: Basic {right}\r\n"),
        format!("Authorization: Digest {right}\r\n"),
        // What a hop was told to drop proves nothing when it is dropped.
        "Connection: authorization\r\n".to_owned(),
    ] {
        let answer = raw(&world, &get(&headers)).await;
        assert!(matches!(status(&answer), 400 | 401), "{headers}: {answer}");
    }
    // A header that the caller lists under Connection is no way to lose the guard of a browser.
    let csrf = "Connection: close, x-api-csrf, cookie\r\nUser-Agent: Mozilla\r\n";
    let post = format!(
        "POST /v2-beta/projects/1a5/stacks HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {right}\r\n{csrf}Content-Length: 12\r\n\r\n{{\"name\":\"x\"}}"
    );
    assert_eq!(status(&raw(&world, &post).await), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn class_10_no_request_hides_in_another() {
    let world = World::start().await;
    let right = STANDARD.encode(format!("{}:{}", world.admin.public, world.admin.secret));
    let before = world.store.snapshot().revision;
    let hidden =
        format!("DELETE /v2-beta/projects/1a5 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {right}\r\n\r\n");
    let length = hidden.len();
    for head in [
        // Two lengths, a length and chunks, spellings of chunked that some read and some do not.
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Transfer-Encoding:\u{b}chunked\r\n".to_owned(),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: {length},{length}\r\n"),
        "Content-Length: 99999999999999999999\r\n".to_owned(),
    ] {
        let request = format!("POST /v2-beta/token HTTP/1.1\r\nHost: h\r\n{head}\r\n0\r\n\r\n{hidden}");
        let answer = raw(&world, &request).await;
        let answers = answer.matches("HTTP/1.1 ").count();
        let deleted = answer.contains("\"removing\"") || answer.contains("\"removed\"");
        assert!(!deleted, "{head}: {answer}");
        // Whatever was read as a second request was refused, or the connection was closed at once.
        assert!(answers <= 2, "{head}: {answer}");
    }
    assert_eq!(world.store.snapshot().revision, before);
    let project = world.get("/v2-beta/projects/1a5").await;
    assert_eq!(project.body["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn class_10_odd_hosts_do_not_get_into_links() {
    let world = World::start().await;
    let right = STANDARD.encode(format!("{}:{}", world.admin.public, world.admin.secret));
    for host in ["evil\"><script>", "a b", "a/b", "a@b", "a?b", "a#b", "a\\b", "a%0d%0ab", "[::1]'", ""] {
        let request = format!(
            "GET /v2-beta/projects HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Basic {right}\r\n\r\n"
        );
        let answer = raw(&world, &request).await;
        assert!(matches!(status(&answer), 200 | 400), "{host}: {answer}");
        assert!(host.is_empty() || !answer.contains(host), "{host}: {answer}");
    }
    let forwarded = [
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-host", "evil.example/<b>"),
        ("x-forwarded-port", "80@evil.example"),
    ];
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &forwarded).await;
    assert!(!answer.text.contains("evil.example") && !answer.text.contains("javascript"), "{}", answer.text);
}
