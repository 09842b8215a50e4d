use serde_json::{Value, json};

use crate::world::{World, host, service, shop};

fn nothing(_: &mut crate::world::Objects, _: &str, _: &str, _: &Value) -> Option<(u16, Value)> {
    None
}

/// A job that has run once and ended well.
fn job() -> Value {
    let mut job = service("1s3", "1st1", "migrate", 1);
    job["currentScale"] = 0.into();
    job["healthState"] = "started-once".into();
    job
}

#[tokio::test]
async fn lists_for_people() {
    let world = shop(nothing).await;
    world.change(
        "1i3",
        &json!({"state": "creating", "transitioning": "yes", "primaryIpAddress": null,
                "reason": {"code": "image_not_found", "message": "there is no image `example/db:1`",
                           "remedy": "check the name"}}),
    );
    world.change("1s2", &json!({"state": "activating", "transitioning": "error", "currentScale": 0,
                "reason": {"code": "image_not_found", "message": "there is no image `example/db:1`", "remedy": "check the name"}}));
    world.change("1s1", &json!({"publicEndpoints": [{"ipAddress": "10.0.0.1", "port": 80}, {"ipAddress": "10.0.0.1", "port": 80}]}));
    world.put("services", job());
    world.golden("ps", "ps").await;
    world.golden("ps-quiet", "ps -q shop/web").await;
    world.golden("services", "services").await;
    world.golden("stacks", "stacks").await;
    world.golden("volumes", "volumes").await;
    world.golden("hosts", "hosts").await;
    world.golden("env", "env").await;
}

#[tokio::test]
async fn lists_for_programs() {
    let world = shop(nothing).await;
    world.put("services", job());
    for (name, command) in [
        ("ps-json", "ps shop/db --format json"),
        ("services-json", "services --format json"),
        ("stacks-json", "stacks --format json"),
        ("volumes-json", "volumes --format json"),
        ("hosts-json", "hosts --format json"),
        ("env-json", "env ls --format json"),
        ("config-json", "config --format json"),
    ] {
        let done = world.golden(name, command).await;
        serde_json::from_str::<Value>(&done.out).unwrap();
    }
}

#[tokio::test]
async fn config_names_the_proxy_without_its_password() {
    let world = World::empty().await;
    let mut variables = world.variables();
    variables.extend([
        ("LARIAT_URL".to_owned(), "https://server.test".to_owned()),
        ("HTTPS_PROXY".to_owned(), "http://user:hush@proxy.test:3128".to_owned()),
    ]);
    let done = world.run_with("config", variables, "").await;
    assert!(done.out.contains("proxy        http://proxy.test:3128  HTTPS_PROXY\n"), "{}", done.out);
    assert!(!done.out.contains("hush"));
}

#[tokio::test]
async fn lists_of_nothing() {
    let world = World::empty().await;
    world.golden("hosts-none", "hosts").await;
    world.golden("ps-none", "ps").await;
    assert_eq!(world.run("ps --format json").await.out, "[]\n");
}

#[tokio::test]
async fn inspect_shows_every_field() {
    let world = shop(nothing).await;
    world.change("1st1", &json!({"somethingNew": {"deep": [1]}}));
    let done = world.run("inspect shop 1h1").await;
    let documents: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(documents[0]["somethingNew"], json!({"deep": [1]}));
    assert_eq!(documents[1]["hostname"], "alpha");
}

#[tokio::test]
async fn version_and_config() {
    let world = World::empty().await;
    world.golden("version", "version").await;
    let done = world.golden("config", "config").await;
    assert!(!done.out.contains("secret\n") && !done.out.contains(" secret "), "{}", done.out);
    let mut nothing = world.variables();
    nothing.remove("LARIAT_URL");
    let done = world.run_with("version", nothing, "").await;
    assert_eq!(done.code, 0);
    assert!(done.out.contains("server  - (none chosen)"), "{}", done.out);
}

#[tokio::test]
async fn environments_are_chosen_by_name_or_remembered() {
    let world = World::empty().await;
    world.put("projects", json!({"id": "1a7", "type": "project", "name": "Prod", "state": "active"}));
    world.golden("env-ambiguous", "ps").await;
    assert_eq!(world.run("ps --env 1a5").await.code, 0);
    assert_eq!(world.run("ps --env Prod").await.code, 0);
    world.golden("env-unknown", "ps --env Nope").await;
    world.golden("env-switch", "env switch Prod").await;
    assert_eq!(world.run("ps").await.code, 0, "the choice is remembered");
    let asked = world.asked.lock().unwrap().clone();
    assert!(asked.last().unwrap().0.starts_with("GET /projects/1a7/"), "{asked:?}");
}

#[tokio::test]
async fn hosts_add_prints_one_command() {
    let world = World::with(|objects, what, id, _| {
        if (what, id) == ("POST", "registrationtokens") {
            let token = json!({"id": "1c9", "type": "registrationToken", "state": "active", "token": "TOKEN:1:SIG",
                               "registrationUrl": "http://inside/v1/scripts/TOKEN:1:SIG"});
            objects.put("registrationtokens", token.clone());
            return Some((201, token));
        }
        None
    })
    .await;
    world.golden("hosts-add", "hosts add").await;
    let done = world.run("hosts add --format json --server https://server.example").await;
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(document["token"], "TOKEN:1:SIG");
    assert_eq!(document["registrationUrl"], "https://server.example/v1/scripts/TOKEN:1:SIG");
    assert_eq!(
        document["command"],
        "curl -fsSL --proto '=https' 'https://server.example/v1/scripts/TOKEN:1:SIG' | sudo sh"
    );
    let made = world.orders().len();
    assert_eq!(made, 1, "the second call takes the token that there is");
}

#[tokio::test]
async fn hosts_are_drained_before_they_go() {
    let world = World::with(|objects, what, id, _| {
        match what {
            "deactivate" => {
                objects.change(id, &json!({"state": "inactive", "actions": ["activate", "remove"]}))
            }
            "DELETE" if objects.find(id)?["state"] != "inactive" => {
                return Some(crate::world::error(405, "Method not allowed", "deactivate it first"));
            }
            _ => {}
        }
        None
    })
    .await;
    world.put("hosts", host("1h1", "alpha"));
    world.golden("hosts-rm", "hosts rm alpha --force").await;
    let lines: Vec<String> = world.orders().into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, ["POST /projects/1a5/hosts/1h1?action=deactivate", "DELETE /projects/1a5/hosts/1h1"]);
}
