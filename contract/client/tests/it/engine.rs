//! The engine of a host, over both framings of its socket.

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_client::{Client, ClientError, EngineBody, Host, HostEngine};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::{Server, json};

async fn server(socket: axum::routing::MethodRouter) -> Server {
    let access = async |_: Request| {
        json(200, &json!({"type": "hostAccess", "url": "ws://elsewhere/v1/dockersocket/", "token": "t.o.k"}))
    };
    let host = async || {
        let link = "http://h/v2-beta/projects/1a5/hosts/1h1/?action=dockersocket";
        json(200, &json!({"id": "1h1", "type": "host", "state": "active", "actions": {"dockersocket": link}}))
    };
    Server::routed(
        Router::new()
            .route("/v2-beta/projects/1a5/hosts/1h1/", any(access))
            .route("/v2-beta/projects/1a5/hosts/1h1", get(host))
            .route("/v1/dockersocket/", socket),
    )
    .await
}

async fn engine(client: &Client) -> HostEngine {
    let host: Host = client.get("1h1").await.unwrap();
    client.engine(&host).await.unwrap()
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    while let Some(Ok(_)) = socket.recv().await {}
}

/// Gives everything back once the input has ended.
async fn echo(mut socket: WebSocket) {
    let mut all = vec![1];
    while let Some(Ok(Message::Binary(bytes))) = socket.recv().await {
        match bytes[0] {
            0 => all.extend_from_slice(&bytes[1..]),
            4 => break,
            tag => panic!("the tag {tag} is not one of ours"),
        }
    }
    socket.send(Message::Binary(all.into())).await.unwrap();
    socket.send(Message::Binary(vec![5].into())).await.unwrap();
    close(socket, 1000, "").await;
}

#[tokio::test]
async fn the_end_of_the_input_arrives_and_the_answer_comes_after_it() {
    let server = server(get(async |upgrade: WebSocketUpgrade, request: Request| {
        assert_eq!(request.uri().query(), Some("token=t.o.k"));
        upgrade.protocols(["lariat.frames"]).on_upgrade(echo)
    }))
    .await;
    let engine = engine(&server.client()).await;
    // One token, many connections.
    for size in [3usize, 300_000] {
        let mut stream = engine.connect().await.unwrap();
        let sent = vec![7; size];
        stream.write_all(&sent).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        assert_eq!((got.len(), stream.trouble()), (size, None));
    }
}

/// Answers the first request over the compatible framing.
async fn answer_as_text(mut socket: WebSocket) {
    let mut request = String::new();
    while !request.contains("\r\n\r\n") {
        let Some(Ok(Message::Text(text))) = socket.recv().await else { panic!("no text came") };
        request.push_str(&String::from_utf8(STANDARD.decode(text.as_str()).unwrap()).unwrap());
    }
    let (status, body) = match request.split(' ').nth(1).unwrap() {
        "/info" => ("200 OK", r#"{"Name":"alpha"}"#),
        _ => ("409 Conflict", r#"{"message":"it is in use"}"#),
    };
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for part in text.as_bytes().chunks(20) {
        socket.send(Message::Text(STANDARD.encode(part).into())).await.unwrap();
    }
    close(socket, 1000, "").await;
}

#[tokio::test]
async fn requests_pass_over_the_compatible_framing_too() {
    let server = server(get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(answer_as_text))).await;
    let engine = engine(&server.client()).await;
    let mut answer = engine.send("GET", "/info", &[], EngineBody::Empty).await.unwrap();
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), json!({"Name": "alpha"}));
    let body = EngineBody::Bytes("x".into());
    match engine.send("DELETE", "/volumes/x", &[], body).await.map(drop).unwrap_err() {
        ClientError::Engine { status, words } => assert_eq!((status, words.as_str()), (409, "it is in use")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn why_a_host_cannot_be_reached_is_told() {
    let failing = get(async |upgrade: WebSocketUpgrade| {
        upgrade.protocols(["lariat.frames"]).on_upgrade(async |mut socket| {
            let frame = [&[6], "the host alpha is not connected".as_bytes()].concat();
            socket.send(Message::Binary(frame.into())).await.unwrap();
            close(socket, 1000, "").await;
        })
    });
    let server = server(failing).await;
    let engine = engine(&server.client()).await;
    let error = engine.send("GET", "/info", &[], EngineBody::Empty).await.map(drop).unwrap_err();
    let ClientError::Socket { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "the host alpha is not connected");
}
