//! A stream shows what its reader could read, no more and no longer.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::sockets::{Socket, basic, open};
use crate::world::{COMPOSE, Keys, World, keys_of};

/// Everything that a socket says until it is quiet for a while, or ends.
async fn all(socket: &mut Socket) -> (String, bool) {
    let mut text = String::new();
    loop {
        match tokio::time::timeout(Duration::from_millis(1500), socket.next()).await {
            Err(_) => return (text, false),
            Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => return (text, true),
            Ok(Some(Ok(message))) => {
                if let Ok(frame) = message.to_text() {
                    if frame.contains("\"ping\"") && text.ends_with("quiet\n") {
                        return (text, false);
                    }
                    text.push_str(frame);
                    text.push('\n');
                }
            }
        }
    }
}

/// Does the same in an environment, with a mark in every name.
async fn act(world: &World, project: &str, mark: &str) {
    let number: i64 = project[2..].parse().unwrap();
    let base = format!("/v2-beta/projects/{project}");
    let input = json!({"name": mark, "dockerCompose": COMPOSE, "startOnCreate": true});
    let stack = world.admin(&format!("POST {base}/stacks"), input).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    world.host(number, mark).await;
    let host = world.host(number, &format!("{mark}2")).await;
    world.container(number, host, mark, control_model::Origin::default()).await;
    for (plural, body) in [
        ("containers", json!({"name": format!("{mark}-alone"), "imageUuid": "docker:a"})),
        ("apikeys", json!({"name": mark})),
        ("registrationtokens", json!({"name": mark})),
    ] {
        let made = world.admin(&format!("POST {base}/{plural}"), body).await;
        assert_eq!(made.status, 201, "{plural}: {}", made.text);
    }
    world.admin(&format!("DELETE {base}/stacks/{}", stack.id()), Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn class_16_two_environments_hear_each_their_own() {
    let world = World::start().await;
    let (one, one_keys) = world.project("one").await;
    let (two, two_keys) = world.project("two").await;
    let (id, owner) = world.account("kim", "user").await;
    let members =
        json!({"members": [{"externalId": "1", "role": "owner"}, {"externalId": id, "role": "readonly"}]});
    let set = world.admin(&format!("POST /v2-beta/projects/{one}/?action=setmembers"), members).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let events = "subscribe?eventNames=resource.change";
    let mut sockets = Vec::new();
    for (who, keys, path, hears) in [
        ("key of one", &one_keys, format!("/v2-beta/{events}"), "markone"),
        ("key of two", &two_keys, format!("/v2-beta/{events}"), "marktwo"),
        ("reader of one", &owner, format!("/v2-beta/projects/{one}/{events}"), "markone"),
        (
            "reader with include",
            &owner,
            format!("/v2-beta/projects/{one}/{events}&include=instances"),
            "markone",
        ),
        ("reader of v1", &owner, format!("/v1/projects/{one}/{events}"), "markone"),
        ("admin in two", &world.admin, format!("/v2-beta/projects/{two}/{events}"), "marktwo"),
        (
            "who asks for the other's things",
            &one_keys,
            format!("/v2-beta/{events}&resourceId={two}&resourceType=project"),
            "",
        ),
        (
            "who names the other",
            &one_keys,
            format!("/v2-beta/{events}&eventNames=resource.change;account={two}"),
            "markone",
        ),
    ] {
        sockets.push((who, hears, open(&world, &path, &[basic(keys)]).await.unwrap()));
    }
    // Nobody gets in by naming the other environment.
    for path in [format!("/v2-beta/projects/{two}/{events}"), format!("/v2-beta/{events}&projectId={two}")] {
        assert_eq!(open(&world, &path, &[basic(&one_keys)]).await.err(), Some(403), "{path}");
        assert_eq!(open(&world, &path, &[basic(&owner)]).await.err(), Some(403), "{path}");
    }
    act(&world, &one, "markone").await;
    act(&world, &two, "marktwo").await;
    for (who, hears, socket) in &mut sockets {
        let (text, _) = all(socket).await;
        for mark in ["markone", "marktwo"] {
            assert_eq!(text.contains(mark), *hears == mark, "{who}: {mark}: {text:.2000}");
        }
        // What may not be read is not heard either: a reader learns no registration token.
        if who.starts_with("reader") {
            assert!(!text.contains("/v1/scripts/") && !text.contains("curl "), "{who}");
        }
        for secret in ["secretValue\":\"", "secret_hash"] {
            assert!(!text.contains(secret), "{who}: {secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn class_16_a_stream_ends_with_the_right_to_it() {
    let world = World::start().await;
    let events = "/v2-beta/projects/1a5/subscribe?eventNames=resource.change";
    let key = world.admin("POST /v2-beta/projects/1a5/apikeys", json!({"name": "listener"})).await;
    let (id, user) = world.account("kim", "user").await;
    let member = |role: &str| json!({"members": [{"externalId": "1", "role": "owner"}, {"externalId": id, "role": role}]});
    let set = "POST /v2-beta/projects/1a5/?action=setmembers";
    assert_eq!(world.admin(set, member("member")).await.status, 200);
    let code = json!({"code": format!("admin:{}", world.password)});
    let signed = world.call(&Keys::default(), "POST /v2-beta/token", code, &[]).await;
    let jwt = signed.body["jwt"].as_str().unwrap();
    let cookie = ("cookie", format!("token={jwt}"));
    let mut by_key = open(&world, events, &[basic(&keys_of(&key))]).await.unwrap();
    let mut by_membership = open(&world, events, &[basic(&user)]).await.unwrap();
    let mut by_session = open(&world, events, std::slice::from_ref(&cookie)).await.unwrap();
    // A weaker role ends the stream of the stronger one.
    assert_eq!(world.admin(set, member("readonly")).await.status, 200);
    let off = format!("POST /v2-beta/projects/1a5/apikeys/{}/?action=deactivate", key.id());
    assert_eq!(world.admin(&off, json!({})).await.status, 202);
    let headers = [("cookie", cookie.1.as_str()), ("x-api-csrf", "a")];
    let cookies = format!("{}; CSRF=a", cookie.1);
    let headers = [("cookie", cookies.as_str()), headers[1]];
    let out = world.call(&Keys::default(), "DELETE /v2-beta/token/current", Value::Null, &headers).await;
    assert_eq!(out.status, 204, "{}", out.text);
    world.admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "after"})).await;
    for (who, socket) in
        [("key", &mut by_key), ("membership", &mut by_membership), ("session", &mut by_session)]
    {
        let mut text = String::new();
        let ended = loop {
            match tokio::time::timeout(Duration::from_secs(10), socket.next()).await {
                Err(_) => break false,
                Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => break true,
                Ok(Some(Ok(message))) => text.push_str(message.to_text().unwrap_or_default()),
            }
        };
        assert!(ended, "the stream by {who} goes on: {text}");
        assert!(!text.contains("\"after\""), "the stream by {who} told what came after: {text}");
        assert!(text.contains("\"logout\""), "the stream by {who} did not say why it ended: {text}");
    }
}
