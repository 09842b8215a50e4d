//! The feed of changes in its other forms, and a host's engine through the server.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::sockets::{basic, claims, next, open};
use crate::world::{COMPOSE, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_may_ask_for_some_types_and_ids_only() {
    let world = World::start().await;
    let events = "/v2-beta/projects/1a5/subscribe?eventNames=resource.change";
    let mut services =
        open(&world, &format!("{events}&resourceType=service"), &[basic(&world.admin)]).await.unwrap();
    let first = world.admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "first"})).await;
    let path = format!("{events}&resourceId={}", first.id());
    let mut one = open(&world, &path, &[basic(&world.admin)]).await.unwrap();
    for socket in [&mut services, &mut one] {
        let ping: Value = serde_json::from_str(next(socket).await.to_text().unwrap()).unwrap();
        assert_eq!(ping["name"], "ping");
    }
    let input = json!({"name": "second", "dockerCompose": COMPOSE});
    world.admin("POST /v2-beta/projects/1a5/stacks", input).await;
    let put = format!("PUT /v2-beta/projects/1a5/stacks/{}", first.id());
    world.admin(&put, json!({"description": "changed"})).await;
    let seen = change_of_any(&mut services).await;
    assert_eq!(seen["resourceType"], "service", "{seen}");
    let seen = change_of_any(&mut one).await;
    assert_eq!(seen["resourceId"], first.id(), "{seen}");
    assert_eq!(seen["data"]["resource"]["description"], "changed");
}

/// The next change, whatever it is of.
async fn change_of_any(socket: &mut crate::sockets::Socket) -> Value {
    loop {
        let frame: Value = serde_json::from_str(next(socket).await.to_text().unwrap()).unwrap();
        if frame["name"] == "resource.change" {
            return frame;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_without_sockets_read_one_change_a_line() {
    let world = World::start().await;
    let answer = world
        .http
        .post(world.url("/v2-beta/projects/1a5/subscribe"))
        .basic_auth(&world.admin.public, Some(&world.admin.secret))
        .body(json!({"eventNames": ["resource.change"]}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.bytes_stream();
    let mut text = Vec::new();
    world.admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "shop"})).await;
    let reading = async {
        while let Some(chunk) = body.next().await {
            text.extend_from_slice(&chunk.unwrap());
            if String::from_utf8_lossy(&text).contains("\"resource.change\"") && text.ends_with(b"\n") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("a change in time");
    let lines: Vec<Value> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines[0]["name"], "ping");
    assert!(lines.iter().any(|line| line["data"]["resource"]["name"] == "shop"), "{lines:?}");
    // It ends with the server.
    world.stop();
    let rest = async { while body.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), rest).await.expect("an end in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_engine_is_reached_through_the_server() {
    let world = World::start().await;
    let host = world.host(5, "h").await;
    let path = format!("/v2-beta/projects/1a5/hosts/1h{}", host.raw());
    let shown = world.get(&path).await;
    let action = shown.body["actions"]["dockersocket"].as_str().unwrap_or_else(|| panic!("{}", shown.text));
    let answer = world.admin(&format!("POST {action}"), Value::Null).await;
    assert_eq!((answer.status, answer.body["type"].as_str()), (200, Some("hostAccess")), "{}", answer.text);
    let (url, token) = (answer.body["url"].as_str().unwrap(), answer.body["token"].as_str().unwrap());
    assert_eq!(url, format!("ws://{}/v1/dockersocket/", world.address));
    assert!(claims(token)["hostUuid"].is_string());
    let binary = ("sec-websocket-protocol", "binary".to_owned());
    let mut socket = open(&world, &format!("{url}?token={token}"), &[binary]).await.unwrap();
    socket.send(Message::Binary(b"GET /_ping".to_vec().into())).await.unwrap();
    assert_eq!(next(&mut socket).await.into_data().as_ref(), b"engine: GET /_ping");
    let mut old = open(&world, &format!("{url}?token={token}"), &[]).await.unwrap();
    old.send(Message::Text("aGk=".into())).await.unwrap();
    assert_eq!(next(&mut old).await.to_text().unwrap(), "ZW5naW5lOiBoaQ==");
    // The token opens nothing else, and others do not open this.
    for path in ["exec", "logs", "containerstats"] {
        assert_eq!(
            open(&world, &format!("/v1/{path}/?token={token}"), &[]).await.unwrap_err(),
            401,
            "{path}"
        );
    }
    let link = shown.body["links"]["hostStats"].as_str().unwrap();
    let stats = world.get(link).await;
    let other = stats.body["token"].as_str().unwrap();
    assert_eq!(open(&world, &format!("/v1/dockersocket/?token={other}"), &[]).await.unwrap_err(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_change_hosts_gets_at_their_engine() {
    let world = World::start().await;
    let host = world.host(5, "h").await;
    let (user, keys) = world.account("kim", "user").await;
    for (role, allowed) in [("owner", true), ("member", true), ("restricted", false), ("readonly", false)] {
        let members = json!({"members": [
            {"externalId": "1", "externalIdType": "rancher_id", "role": "owner"},
            {"externalId": user, "externalIdType": "rancher_id", "role": role},
        ]});
        let set = world.admin("POST /v2-beta/projects/1a5/?action=setmembers", members).await;
        assert_eq!(set.status, 200, "{}", set.text);
        let path = format!("/v2-beta/projects/1a5/hosts/1h{}", host.raw());
        let shown = world.call(&keys, &format!("GET {path}"), Value::Null, &[]).await;
        assert_eq!(shown.body["actions"]["dockersocket"].is_string(), allowed, "{role}: {}", shown.text);
        let request = format!("POST {path}/?action=dockersocket");
        let answer = world.call(&keys, &request, Value::Null, &[]).await;
        assert_eq!(answer.status == 200, allowed, "{role}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_named_in_five_ways() {
    let world = World::start().await;
    let (project, keys) = world.project("other").await;
    world.admin(&format!("POST /v2-beta/projects/{project}/stacks"), json!({"name": "hidden"})).await;
    let session = json!({"code": format!("admin:{}", world.password)});
    let jwt = world.call(&crate::world::Keys::default(), "POST /v2-beta/token", session, &[]).await;
    let bearer = crate::world::Keys {
        public: format!("x-api-bearer={project}"),
        secret: jwt.body["jwt"].as_str().unwrap().to_owned(),
    };
    for (keys, path, headers) in [
        (&world.admin, format!("/v2-beta/projects/{project}/stacks"), vec![]),
        (&world.admin, "/v2-beta/stacks".to_owned(), vec![("x-api-project-id", project.as_str())]),
        (&world.admin, format!("/v2-beta/stacks?projectId={project}"), vec![]),
        (&bearer, "/v2-beta/stacks".to_owned(), vec![]),
        (&world.admin, "/v2-beta/stacks".to_owned(), vec![("x-api-client-access-key", keys.public.as_str())]),
        // The path wins.
        (
            &world.admin,
            format!("/v2-beta/projects/{project}/stacks?projectId=1a5"),
            vec![("x-api-project-id", "1a5")],
        ),
    ] {
        let answer = world.call(keys, &format!("GET {path}"), Value::Null, &headers).await;
        assert_eq!(answer.status, 200, "{path} {headers:?}: {}", answer.text);
        assert_eq!(answer.column("name"), ["hidden"], "{path} {headers:?}");
        let scoped = format!("/projects/{project}/schemas");
        assert!(
            answer.headers["x-api-schemas"].ends_with(&scoped),
            "{path} {headers:?}: {:?}",
            answer.headers
        );
    }
    // Naming a key chooses a scope and lets nobody in.
    let (_, stranger) = world.account("kim", "user").await;
    for key in [keys.public.as_str(), "0123456789ABCDEF0123"] {
        let headers = [("x-api-client-access-key", key)];
        let answer = world.call(&stranger, "GET /v2-beta/stacks", Value::Null, &headers).await;
        assert_eq!(answer.outcome(), "403 Forbidden", "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_in_their_order() {
    let world = World::start().await;
    let stack = world.admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "s"})).await.id();
    let broken = async |request: &str| {
        let (method, path) = request.split_once(' ').unwrap();
        let answer = world
            .http
            .request(method.parse().unwrap(), world.url(path))
            .basic_auth(&world.admin.public, Some(&world.admin.secret))
            .body("{")
            .send()
            .await
            .unwrap();
        let body: Value = answer.json().await.unwrap();
        format!("{} {}", body["status"], body["code"].as_str().unwrap())
    };
    for (request, want) in [
        ("POST /v2-beta/projects/1a5/nonsense".to_owned(), "404 Not Found"),
        ("PUT /v2-beta/projects/1a5/stacks/1st999".to_owned(), "404 Not Found"),
        ("PUT /v2-beta/projects/1a5/stacks".to_owned(), "405 Method not allowed"),
        ("PUT /v2-beta/projects/1a5/ports/1p1".to_owned(), "404 Not Found"),
        (format!("POST /v2-beta/projects/1a5/stacks/{stack}/?action=fly"), "422 InvalidAction"),
        (format!("POST /v2-beta/projects/1a5/stacks/{stack}/?action=rollback"), "422 ActionNotAvailable"),
        (format!("POST /v2-beta/projects/1a5/stacks/{stack}/?action=upgrade"), "400 InvalidBodyContent"),
        (format!("PUT /v2-beta/projects/1a5/stacks/{stack}"), "400 InvalidBodyContent"),
    ] {
        assert_eq!(broken(&request).await, want, "{request}");
    }
}
