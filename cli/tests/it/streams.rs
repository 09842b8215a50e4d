use axum::extract::ws::Message;
use serde_json::json;

use crate::world::{Objects, World, shop};

/// Gives each container a socket of its own for its logs and processes.
fn with_access(
    _: &mut Objects,
    what: &str,
    id: &str,
    _: &serde_json::Value,
) -> Option<(u16, serde_json::Value)> {
    match what {
        "logs" | "execute" => Some((
            200,
            json!({"type": "hostAccess", "url": format!("ws://elsewhere/v1/{what}/"), "token": format!("{what}-{id}")}),
        )),
        _ => None,
    }
}

fn says(world: &World, socket: &str, frames: &[&str]) {
    let frames = frames.iter().map(|text| Message::Text((*text).into())).collect();
    world.sockets.lock().unwrap().insert(socket.to_owned(), frames);
}

async fn talking() -> World {
    let world = shop(with_access).await;
    says(
        &world,
        "/v1/logs?logs-1i1",
        &["", "01 2026-01-31T12:00:00.000000001Z one\n", "01 2026-01-31T12:00:00.000000004Z four\n"],
    );
    says(
        &world,
        "/v1/logs?logs-1i2",
        &["02 2026-01-31T12:00:00.000000002Z two\n", "01 2026-01-31T12:00:00.000000003Z \n"],
    );
    says(&world, "/v1/logs?logs-1i3", &["01 2026-01-31T12:00:00.000000005Z five\n"]);
    world
}

#[tokio::test]
async fn logs_of_many_are_one_in_the_order_of_time() {
    let world = talking().await;
    world.golden("logs-stack", "logs shop").await;
    world.golden("logs-times", "logs -t shop/web").await;
    world.golden("logs-json", "logs shop/db --format json").await;
    let inputs: Vec<serde_json::Value> = world.orders().into_iter().map(|(_, input)| input).collect();
    assert_eq!(
        inputs[0],
        json!({"follow": false, "lines": 1_000_000_000, "since": null, "timestamps": true})
    );
    world.run("logs shop/db -n 5 --since 10m").await;
    let input = world.orders().pop().unwrap().1;
    assert_eq!(
        input,
        json!({"follow": false, "lines": 5, "since": "2026-01-31T11:50:00Z", "timestamps": true})
    );
}

#[tokio::test]
async fn logs_of_one_container_are_its_own_words() {
    let world = talking().await;
    world.golden("logs-container", "logs shop-web-2").await;
}

#[tokio::test]
async fn following_one_container_ends_with_it() {
    let world = talking().await;
    world.change("1i3", &json!({"state": "stopped"}));
    let done = world.run("logs -f shop-db-1").await;
    assert_eq!((done.code, done.out.as_str()), (0, "five\n"), "{}", done.err);
}

#[tokio::test]
async fn logs_of_what_has_not_begun() {
    let world = talking().await;
    world.change("1i3", &json!({"state": "creating", "actions": []}));
    world.golden("logs-not-begun", "logs shop/db").await;
}

fn frames(parts: &[(u8, &[u8])]) -> Vec<Message> {
    parts.iter().map(|(tag, payload)| Message::Binary([&[*tag], *payload].concat().into())).collect()
}

#[tokio::test]
async fn exec_passes_on_outputs_and_exit_code() {
    let world = shop(with_access).await;
    let code = 3i64.to_be_bytes();
    world
        .sockets
        .lock()
        .unwrap()
        .insert("/v1/execute?execute-1i1".into(), frames(&[(1, b"out\n"), (2, b"err\n"), (5, &code)]));
    let done = world.run("exec shop/web ls -l --all").await;
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (3, "out\n", "err\n"));
    let input = world.orders().pop().unwrap().1;
    assert_eq!(
        input,
        json!({"command": ["ls", "-l", "--all"], "tty": false, "attachStdin": false, "attachStdout": true})
    );
    world.run("exec -u app -w /srv shop-web-1 id").await;
    let input = world.orders().pop().unwrap().1;
    assert_eq!((&input["user"], &input["workingDir"]), (&json!("app"), &json!("/srv")));
}

#[tokio::test]
async fn exec_says_why_it_could_not() {
    let world = shop(with_access).await;
    world
        .sockets
        .lock()
        .unwrap()
        .insert("/v1/execute?execute-1i1".into(), frames(&[(6, b"`nope` is not in the image")]));
    world.golden("exec-failed", "exec shop-web-1 nope").await;
    world.golden("exec-no-terminal", "exec -it shop-web-1 sh").await;
    world.change("1i3", &json!({"state": "stopped", "actions": ["start"]}));
    world.golden("exec-not-running", "exec shop/db sh").await;
    world.golden("exec-stopped", "exec shop-db-1 sh").await;
}

#[tokio::test]
async fn events_are_shown_as_they_come() {
    let world = shop(with_access).await;
    let change = async {
        world.somebody_listens().await;
        let moving =
            json!({"state": "activating", "transitioning": "yes", "transitioningMessage": "pulling"});
        world.change("1s1", &moving);
    };
    tokio::join!(world.golden("events", "events --type service --count 1"), change);
}
