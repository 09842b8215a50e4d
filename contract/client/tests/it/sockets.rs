use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_client::{
    Client, ClientError, Container, ExecEvent, ExecOptions, LogOptions, LogSource, Stack, WaitError,
    WatchEvent,
};
use serde_json::{Value, json};

use crate::server::{Server, json};

async fn close(mut socket: WebSocket) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code: 1000, reason: "".into() }))).await;
    while let Some(Ok(_)) = socket.recv().await {}
}

fn container(actions: &[&str]) -> Value {
    let actions: serde_json::Map<String, Value> = actions
        .iter()
        .map(|action| {
            ((*action).to_owned(), format!("http://h/v2-beta/containers/1i1/?action={action}").into())
        })
        .collect();
    json!({"id": "1i1", "type": "container", "name": "web", "state": "running", "actions": actions})
}

/// A server with one container whose action answers with a socket's address.
async fn with_socket(path: &'static str, socket: axum::routing::MethodRouter) -> Server {
    let access = move |_: Request| async move {
        json(200, &json!({"type": "hostAccess", "url": format!("ws://elsewhere{path}"), "token": "t.o.k"}))
    };
    Server::routed(
        Router::new()
            .route("/v2-beta/containers/1i1/", any(access))
            .route(path, socket)
            .route(
                "/v2-beta/projects/1a5/containers/1i1",
                get(|| async { json(200, &container(&["logs", "execute"])) }),
            )
            .route("/v2-beta/projects/1a5/schemas", get(|| async { json(200, &json!({"data": []})) })),
    )
    .await
}

async fn the_container(client: &Client) -> Container {
    client.get("1i1").await.unwrap()
}

#[tokio::test]
async fn logs_are_read_to_their_end() {
    let server = with_socket(
        "/v1/logs/",
        get(|upgrade: WebSocketUpgrade, request: Request| async move {
            assert_eq!(request.uri().query(), Some("token=t.o.k"));
            assert!(request.headers().get("authorization").is_none(), "the token is enough");
            upgrade.on_upgrade(|mut socket| async move {
                for frame in ["", "01 one\n", "02 two\n"] {
                    socket.send(Message::Text(frame.into())).await.unwrap();
                }
                close(socket).await;
            })
        }),
    )
    .await;
    let client = server.client();
    let mut stream = client.logs(&the_container(&client).await, &LogOptions::default()).await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = stream.next().await.unwrap() {
        lines.push((line.source, line.text));
    }
    assert_eq!(lines, [(LogSource::Output, "one".to_owned()), (LogSource::Error, "two".to_owned())]);
}

#[tokio::test]
async fn a_log_that_breaks_off_is_an_error() {
    let server = with_socket(
        "/v1/logs/",
        get(|upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(|mut socket| async move {
                socket.send(Message::Text("01 one".into())).await.unwrap();
                // Gone without a word.
            })
        }),
    )
    .await;
    let client = server.client();
    let mut stream = client.logs(&the_container(&client).await, &LogOptions::default()).await.unwrap();
    stream.next().await.unwrap();
    let error = stream.next().await.unwrap_err();
    assert!(error.is_passing(), "{error:?}");
}

#[tokio::test]
async fn exec_with_frames_knows_outputs_and_exit_code() {
    let server = with_socket(
        "/v1/exec/",
        get(|upgrade: WebSocketUpgrade| async move {
            upgrade.protocols(["lariat.frames"]).on_upgrade(|mut socket| async move {
                let mut got = Vec::new();
                while got.len() < 3 {
                    if let Some(Ok(Message::Binary(bytes))) = socket.recv().await {
                        got.push(bytes.to_vec());
                    }
                }
                assert_eq!(got, [vec![3, 0, 80, 0, 24], b"\0hi".to_vec(), vec![4]]);
                let mut end = vec![5];
                end.extend(7i64.to_be_bytes());
                for frame in [b"\x01out".to_vec(), b"\x02err".to_vec(), vec![99, 1], end] {
                    socket.send(Message::Binary(frame.into())).await.unwrap();
                }
                close(socket).await;
            })
        }),
    )
    .await;
    let client = server.client();
    let options = ExecOptions { command: vec!["sh".into()], stdin: true, ..ExecOptions::default() };
    let (input, mut output) = client.exec(&the_container(&client).await, &options).await.unwrap();
    input.resize(80, 24).await;
    assert!(input.send(b"hi".to_vec()).await);
    input.end().await;
    let mut events = Vec::new();
    while let Some(event) = output.next().await.unwrap() {
        events.push(event);
    }
    let expected =
        [ExecEvent::Output(b"out".to_vec()), ExecEvent::Error(b"err".to_vec()), ExecEvent::End(Some(7))];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn exec_works_on_the_old_wire_too() {
    let server = with_socket(
        "/v1/exec/",
        get(|upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(|mut socket| async move {
                let Some(Ok(Message::Text(text))) = socket.recv().await else { panic!("no text") };
                assert_eq!(STANDARD.decode(text.as_str()).unwrap(), b"hi");
                socket.send(Message::Text(STANDARD.encode("ho").into())).await.unwrap();
                close(socket).await;
            })
        }),
    )
    .await;
    let client = server.client();
    let options = ExecOptions { command: vec!["sh".into()], stdin: true, ..ExecOptions::default() };
    let (input, mut output) = client.exec(&the_container(&client).await, &options).await.unwrap();
    input.resize(80, 24).await;
    assert!(input.send(b"hi".to_vec()).await);
    assert_eq!(output.next().await.unwrap(), Some(ExecEvent::Output(b"ho".to_vec())));
    assert_eq!(output.next().await.unwrap(), Some(ExecEvent::End(None)));
    assert_eq!(output.next().await.unwrap(), None);
}

#[tokio::test]
async fn exec_does_not_run_as_somebody_else() {
    let server = with_socket("/v1/exec/", get(|| async { "never" })).await;
    let client = server.client();
    let options =
        ExecOptions { command: vec!["id".into()], user: Some("app".into()), ..ExecOptions::default() };
    let Err(error) = client.exec(&the_container(&client).await, &options).await else { panic!("it was run") };
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "this server does not know `user` for processes");
}

#[tokio::test]
async fn a_refused_socket_says_why() {
    let server = with_socket(
        "/v1/logs/",
        get(|| async {
            json(401, &json!({"type": "error", "status": 401, "code": "Unauthorized", "message": "Failed authentication"}))
        }),
    )
    .await;
    let client = server.client();
    let Err(error) = client.logs(&the_container(&client).await, &LogOptions::default()).await else {
        panic!("it was opened")
    };
    assert_eq!(error.api().map(|api| api.status), Some(401));
    assert_eq!(error.to_string(), "Failed authentication");
}

fn change(state: &str) -> Message {
    let resource =
        json!({"id": "1st1", "type": "stack", "name": "shop", "state": state, "transitioning": "no"});
    Message::Text(json!({"name": "resource.change", "data": {"resource": resource}}).to_string().into())
}

fn ping() -> Message {
    Message::Text(json!({"name": "ping", "data": {"resources": [], "options": {}}}).to_string().into())
}

#[tokio::test]
async fn a_watch_comes_back_by_itself() {
    let opened = Arc::new(AtomicUsize::new(0));
    let server = Server::routed(Router::new().route(
        "/v2-beta/projects/1a5/subscribe",
        get(move |upgrade: WebSocketUpgrade, request: Request| async move {
            assert_eq!(request.uri().query(), Some("eventNames=resource.change"));
            assert!(request.headers().get("authorization").is_some());
            let number = opened.fetch_add(1, Ordering::SeqCst);
            upgrade.on_upgrade(move |mut socket| async move {
                socket.send(ping()).await.unwrap();
                socket.send(change(&format!("state-{number}"))).await.unwrap();
            })
        }),
    ))
    .await;
    let mut watch = server.client().watch();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(match watch.next().await.unwrap() {
            WatchEvent::Connected => "connected".to_owned(),
            WatchEvent::Changed(resource) => resource.meta.state.clone(),
            WatchEvent::Lost(_) => "lost".to_owned(),
        });
    }
    assert_eq!(seen, ["connected", "state-0", "lost", "connected", "state-1"]);
}

#[tokio::test]
async fn a_watch_with_wrong_keys_ends() {
    let server = Server::answering(|_, _, _| {
        json(401, &json!({"type": "error", "status": 401, "code": "Unauthorized"}))
    })
    .await;
    let error = server.client().watch().next().await.unwrap_err();
    assert_eq!(error.api().map(|api| api.status), Some(401));
}

#[tokio::test]
async fn waiting_ends_with_the_change_it_waits_for() {
    let asked = Arc::new(AtomicUsize::new(0));
    let state = move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let word = if number < 2 { "activating" } else { "active" };
        async move { json(200, &json!({"id": "1st1", "type": "stack", "state": word, "transitioning": "yes"})) }
    };
    let subscribe = |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(|mut socket| async move {
            socket.send(ping()).await.unwrap();
            socket.send(change("active")).await.unwrap();
            close(socket).await;
        })
    };
    let server = Server::routed(
        Router::new()
            .route("/v2-beta/projects/1a5/stacks/1st1", get(state))
            .route("/v2-beta/projects/1a5/subscribe", get(subscribe)),
    )
    .await;
    let limit = Duration::from_secs(20);
    let stack =
        server.client().wait::<Stack>("1st1", limit, |stack| stack.meta.state == "active").await.unwrap();
    assert_eq!(stack.unwrap().meta.state, "active");
}

#[tokio::test]
async fn waiting_tells_what_was_seen_last() {
    let server = Server::answering(|line, _, _| {
        if line.contains("subscribe") {
            return (axum::http::StatusCode::SERVICE_UNAVAILABLE, "").into_response() as Response;
        }
        json(200, &json!({"id": "1st1", "state": "activating", "transitioningMessage": "web: pulling"}))
    })
    .await;
    let error =
        server.client().wait::<Stack>("1st1", Duration::from_millis(300), |_| false).await.unwrap_err();
    assert_eq!(error.to_string(), "after 0 s it was still activating (web: pulling)");
    let gone =
        Server::answering(|_, _, _| json(404, &json!({"type": "error", "status": 404, "code": "Not Found"})))
            .await;
    let found = gone.client().wait::<Stack>("1st1", Duration::from_secs(5), |_| false).await;
    assert!(matches!(found, Ok(None)), "{found:?}");
    let WaitError::TimedOut { .. } = error else { panic!("{error:?}") };
    let denied =
        Server::answering(|_, _, _| json(403, &json!({"type": "error", "status": 403, "code": "Forbidden"})))
            .await;
    let error = denied.client().wait::<Stack>("1st1", Duration::from_secs(5), |_| false).await.unwrap_err();
    assert!(matches!(error, WaitError::Client(ClientError::Api(_))), "{error:?}");
}
