use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract_protocol::StreamFrame;
use control_model::Origin;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::world::{COMPOSE, Keys, World};

pub type Socket = WebSocketStream<TcpStream>;

pub async fn open(world: &World, path: &str, headers: &[(&'static str, String)]) -> Result<Socket, u16> {
    let url = path.replace("http://", "ws://");
    let url = if url.starts_with("ws://") { url } else { format!("ws://{}{url}", world.address) };
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(world.address).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

pub fn basic(keys: &Keys) -> (&'static str, String) {
    ("authorization", format!("Basic {}", STANDARD.encode(format!("{}:{}", keys.public, keys.secret))))
}

pub async fn next(socket: &mut Socket) -> Message {
    timeout(Duration::from_secs(20), socket.next()).await.expect("a frame in time").unwrap().unwrap()
}

/// The next change of a type; pings and other changes are passed by.
async fn change(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let frame: Value = serde_json::from_str(next(socket).await.to_text().unwrap()).unwrap();
        if frame["name"] == "resource.change" && frame["resourceType"] == kind {
            return frame;
        }
        assert!(frame["name"] == "ping" || frame["name"] == "resource.change", "{frame}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_as_resources() {
    let world = World::start().await;
    let path = "/v2-beta/projects/1a5/subscribe?eventNames=resource.change&include=services";
    let mut socket = open(&world, path, &[basic(&world.admin)]).await.unwrap();
    let first: Value = serde_json::from_str(next(&mut socket).await.to_text().unwrap()).unwrap();
    assert_eq!(first["name"], "ping", "the first frame is a sign of life");
    let made = world
        .admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "shop", "dockerCompose": COMPOSE}))
        .await;
    let event = change(&mut socket, "stack").await;
    assert_eq!(event["resourceId"], made.id());
    let resource = &event["data"]["resource"];
    assert_eq!(resource["name"], "shop");
    assert_eq!(resource["links"]["self"], made.body["links"]["self"]);
    assert_eq!(resource["services"].as_array().unwrap().len(), 2, "{resource}");
    let remove = format!("DELETE /v2-beta/projects/1a5/stacks/{}", made.id());
    world.admin(&remove, Value::Null).await;
    let event = change(&mut socket, "stack").await;
    assert_eq!(event["data"]["resource"]["state"], "removing");
    world.stop();
    loop {
        match timeout(Duration::from_secs(10), socket.next()).await.expect("an end in time") {
            None | Some(Err(_) | Ok(Message::Close(_))) => break,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_hears_nothing_of_other_projects_and_ends_with_its_key() {
    let world = World::start().await;
    let (project, _) = world.project("other").await;
    let key = world.admin("POST /v2-beta/projects/1a5/apikeys", json!({"name": "listener"})).await;
    let keys = crate::world::keys_of(&key);
    let path = "/v2-beta/subscribe?eventNames=resource.change";
    let mut socket = open(&world, path, &[basic(&keys)]).await.unwrap();
    world.admin(&format!("POST /v2-beta/projects/{project}/stacks"), json!({"name": "foreign"})).await;
    world.admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "own"})).await;
    let event = change(&mut socket, "stack").await;
    assert_eq!(event["data"]["resource"]["name"], "own");
    world.admin(&format!("DELETE /v2-beta/apikeys/{}", key.id()), Value::Null).await;
    let mut logged_out = false;
    loop {
        match timeout(Duration::from_secs(20), socket.next()).await.expect("an end in time") {
            None | Some(Err(_) | Ok(Message::Close(_))) => break,
            Some(Ok(message)) => logged_out |= message.to_text().unwrap_or("").contains("logout"),
        }
    }
    assert!(logged_out);
    for (headers, want) in [(vec![], 401), (vec![basic(&keys)], 401)] {
        assert_eq!(open(&world, path, &headers).await.unwrap_err(), want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_listen_with_somebodys_cookie() {
    let world = World::start().await;
    let body = json!({"code": format!("admin:{}", world.password)});
    let token = world.call(&Keys::default(), "POST /v2-beta/token", body, &[]).await;
    let cookie = ("cookie", format!("token={}", token.body["jwt"].as_str().unwrap()));
    let path = "/v2-beta/projects/1a5/subscribe?eventNames=resource.change";
    let evil = ("origin", "http://evil.example".to_owned());
    assert_eq!(open(&world, path, &[cookie.clone(), evil]).await.unwrap_err(), 403);
    let own = ("origin", format!("http://{}", world.address));
    assert!(open(&world, path, &[cookie, own]).await.is_ok());
}

async fn running(world: &World) -> (String, control_model::Origin) {
    let host = world.host(5, "metal").await;
    let id = world.container(5, host, "web", Origin::Standalone).await;
    (format!("/v2-beta/projects/1a5/containers/1i{}", id.raw()), Origin::Standalone)
}

pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

async fn access(world: &World, request: &str, body: Value) -> (String, String) {
    let answer = world.admin(request, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let text =
        |name: &str| answer.body[name].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned();
    (text("url"), text("token"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_speaks_base64_to_old_clients() {
    let world = World::start().await;
    let (path, _) = running(&world).await;
    let body = json!({"attachStdin": true, "attachStdout": true, "command": ["/bin/cat", "x"], "tty": true});
    let (url, token) = access(&world, &format!("POST {path}/?action=execute"), body).await;
    assert_eq!(url, format!("ws://{}/v1/exec/", world.address));
    assert_eq!(claims(&token)["exec"]["Cmd"], json!(["/bin/cat", "x"]));
    assert_eq!(claims(&token)["hostUuid"], "uuid-of-metal-5");
    let mut socket = open(&world, &format!("{url}?token={token}"), &[]).await.unwrap();
    let decode = |message: Message| STANDARD.decode(message.to_text().unwrap()).unwrap();
    assert_eq!(decode(next(&mut socket).await), b"run /bin/cat x\n");
    socket.send(Message::Text(STANDARD.encode("hi").into())).await.unwrap();
    assert_eq!(decode(next(&mut socket).await), b"hi");
    socket.send(Message::Text(STANDARD.encode("exit\n").into())).await.unwrap();
    let Message::Close(Some(close)) = next(&mut socket).await else { panic!("a close was expected") };
    assert_eq!(u16::from(close.code), 1000);
    for wrong in ["", "?token=", "?token=a.b.c", &format!("?token={token}x")] {
        assert_eq!(open(&world, &format!("/v1/exec/{wrong}"), &[]).await.unwrap_err(), 401, "{wrong}");
    }
    // A token for one socket opens no other.
    assert_eq!(open(&world, &format!("/v1/logs/?token={token}"), &[]).await.unwrap_err(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_clients_get_the_hosts_frames() {
    let world = World::start().await;
    let (path, _) = running(&world).await;
    let (url, token) =
        access(&world, &format!("POST {path}/?action=execute"), json!({"command": ["sh"]})).await;
    let protocol = ("sec-websocket-protocol", "lariat.frames".to_owned());
    let mut socket = open(&world, &format!("{url}?token={token}"), &[protocol]).await.unwrap();
    let frame = |message: Message| StreamFrame::from_bytes(&message.into_data()).unwrap();
    assert_eq!(frame(next(&mut socket).await), StreamFrame::Output(b"run sh\n".to_vec()));
    let resize = StreamFrame::Resize { columns: 80, rows: 24 };
    socket.send(Message::Binary(resize.to_bytes().into())).await.unwrap();
    assert!(matches!(frame(next(&mut socket).await), StreamFrame::Error(_)));
    socket.send(Message::Binary(StreamFrame::InputEnd.to_bytes().into())).await.unwrap();
    assert_eq!(frame(next(&mut socket).await), StreamFrame::End { code: Some(3) });
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_come_in_lines_with_their_source() {
    let world = World::start().await;
    let (path, _) = running(&world).await;
    let (url, token) =
        access(&world, &format!("POST {path}/?action=logs"), json!({"lines": 5, "follow": false})).await;
    let mut socket = open(&world, &format!("{url}?token={token}"), &[]).await.unwrap();
    let mut lines = Vec::new();
    let code = loop {
        match next(&mut socket).await {
            Message::Text(text) => lines.push(text.to_string()),
            Message::Close(close) => break close.map(|close| u16::from(close.code)),
            _ => {}
        }
    };
    assert_eq!((lines, code), (vec!["01 one".into(), "02 bad".into(), "01 two".to_owned()], Some(1000)));
    let (_, request) = world.agents.asked.lock().unwrap()[0].clone();
    let contract_protocol::StreamRequest::Logs(request) = request else { panic!("{request:?}") };
    assert_eq!((request.tail, request.follow, request.docker_id.as_str()), (Some(5), false, "docker-web"));
    let wrong = world.admin(&format!("POST {path}/?action=logs"), json!({"since": "yesterday"})).await;
    assert_eq!(wrong.outcome(), "422 InvalidDateFormat since");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_come_as_lists_of_samples() {
    let world = World::start().await;
    let (path, _) = running(&world).await;
    let container = world.get(&path).await;
    let link = container.body["links"]["containerStats"].as_str().unwrap().to_owned();
    let (url, token) = access(&world, &format!("GET {link}"), Value::Null).await;
    assert_eq!(url, format!("ws://{}/v1/containerstats/docker-web", world.address));
    assert_eq!(claims(&token)["containerIds"], json!({"docker-web": container.id()}));
    let mut socket = open(&world, &format!("{url}?token={token}"), &[]).await.unwrap();
    let sample: Value = serde_json::from_str(next(&mut socket).await.to_text().unwrap()).unwrap();
    assert_eq!(
        (&sample[0]["id"], &sample[0]["memory"]["usage"]),
        (&json!(container.id()), &json!(5)),
        "{sample}"
    );
    let host = world.get("/v2-beta/projects/1a5/hosts").await;
    let link = host.body["data"][0]["links"]["hoststats"].as_str();
    let link = link.or_else(|| host.body["data"][0]["links"]["hostStats"].as_str()).unwrap().to_owned();
    let (url, token) = access(&world, &format!("GET {link}"), Value::Null).await;
    let mut socket = open(&world, &format!("{url}?token={token}"), &[]).await.unwrap();
    let sample: Value = serde_json::from_str(next(&mut socket).await.to_text().unwrap()).unwrap();
    assert_eq!(sample[0]["memory"]["free"], 7, "{sample}");
}
