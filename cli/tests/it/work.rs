use serde_json::{Value, json};

use crate::world::{Objects, World, error, shop};

/// Does what it is told, at once.
fn obedient(objects: &mut Objects, what: &str, id: &str, _: &Value) -> Option<(u16, Value)> {
    let stack_services = |objects: &mut Objects| -> Vec<String> {
        objects.collections["services"]
            .iter()
            .filter(|service| service["stackId"] == id)
            .map(|service| service["id"].as_str().unwrap().to_owned())
            .collect()
    };
    match what {
        "deactivate" => objects.change(id, &json!({"state": "inactive", "transitioning": "no"})),
        "activate" => objects.change(id, &json!({"state": "active", "transitioning": "no"})),
        "stop" => objects.change(id, &json!({"state": "stopped", "actions": ["start", "remove"]})),
        "start" | "restart" => {
            objects.change(id, &json!({"state": if id.starts_with("1i") {"running"} else {"active"}}))
        }
        "deactivateservices" | "activateservices" => {
            let state = if what.starts_with('d') { "inactive" } else { "active" };
            for service in stack_services(objects) {
                objects.change(&service, &json!({"state": state}));
            }
        }
        _ => {}
    }
    None
}

fn lines(world: &World) -> Vec<String> {
    world.orders().into_iter().map(|(line, _)| line.replace("/projects/1a5", "")).collect()
}

#[tokio::test]
async fn stop_start_restart() {
    let world = shop(obedient).await;
    world.golden("stop-stack", "stop shop").await;
    world.golden("start-service", "start shop/db").await;
    world.golden("stop-container", "stop shop-web-1 -t 5").await;
    world.golden("restart", "restart shop/db --batch 2").await;
    assert_eq!(
        lines(&world),
        [
            "POST /stacks/1st1?action=deactivateservices",
            "POST /services/1s2?action=activate",
            "POST /containers/1i1?action=stop",
            "POST /services/1s2?action=restart",
        ]
    );
    let orders = world.orders();
    assert_eq!(orders[2].1, json!({"remove": false, "timeout": 5}));
    assert_eq!(orders[3].1, json!({"rollingRestartStrategy": {"batchSize": 2, "intervalMillis": 100}}));
    let before = world.orders().len();
    assert_eq!(world.run("stop shop-web-1").await.code, 0, "what is stopped can be stopped again");
    assert_eq!(world.orders().len(), before);
}

#[tokio::test]
async fn nothing_happens_when_one_name_is_wrong() {
    let world = shop(obedient).await;
    assert_eq!(world.run("stop shop/web shop/nope").await.code, 1);
    assert_eq!(world.run("rm -f shop nope").await.code, 1);
    assert_eq!(lines(&world), [] as [&str; 0]);
}

#[tokio::test]
async fn scale_waits_until_all_run() {
    let world = shop(|objects, what, id, input| {
        if what == "PUT" {
            let scale = input["scale"].clone();
            objects.change(id, &json!({"scale": scale, "currentScale": scale}));
        }
        None
    })
    .await;
    world.golden("scale", "scale shop/web=3 shop/db=0").await;
    assert_eq!(
        world.orders(),
        [
            ("PUT /projects/1a5/services/1s1".to_owned(), json!({"scale": 3})),
            ("PUT /projects/1a5/services/1s2".to_owned(), json!({"scale": 0})),
        ]
    );
}

#[tokio::test]
async fn waiting_ends_with_the_reason() {
    let world = shop(|objects, what, id, _| {
        if what == "PUT" {
            objects.change(
                id,
                &json!({"state": "updating-active", "transitioning": "error", "scale": 3,
                        "reason": {"code": "no_host_fits", "message": "alpha lacks memory", "remedy": "add a host"}}),
            );
        }
        None
    })
    .await;
    world.golden("scale-fails", "scale shop/web=3").await;
}

#[tokio::test]
async fn removal_keeps_volumes_unless_told() {
    let world = shop(obedient).await;
    world.golden("rm", "rm shop --force").await;
    assert_eq!(lines(&world), ["DELETE /stacks/1st1"]);
    let world = shop(obedient).await;
    world.run("rm shop --volumes").await;
    assert_eq!(lines(&world), ["DELETE /stacks/1st1", "DELETE /volumes/1v1"]);
}

#[tokio::test]
async fn removal_stops_first_where_the_server_wants_that() {
    let world = shop(|objects, what, id, input| {
        if what == "DELETE" && objects.find(id)?["state"] == "running" {
            return Some(error(405, "Method not allowed", "stop it first"));
        }
        obedient(objects, what, id, input)
    })
    .await;
    let done = world.run("rm shop-web-1").await;
    assert_eq!((done.code, done.out.as_str()), (0, "shop-web-1\n"), "{}", done.err);
    assert_eq!(
        lines(&world),
        ["DELETE /containers/1i1", "POST /containers/1i1?action=stop", "DELETE /containers/1i1"]
    );
}

#[tokio::test]
async fn wait_for_states() {
    let world = shop(obedient).await;
    world.golden("wait", "wait shop shop/web --state active").await;
    world.golden("wait-removed", "wait gone --state removed").await;
    world.change(
        "1s1",
        &json!({"state": "activating", "transitioning": "error", "transitioningMessage": "no host"}),
    );
    world.golden("wait-failed", "wait shop/web").await;
    let done = world.run("wait shop/db --state inactive --timeout 1").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("after 1 s it was still active"), "{}", done.err);
}
