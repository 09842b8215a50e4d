//! The audit log.

use serde_json::{Value, json};

use crate::world::{COMPOSE, Keys, World};

const IN: &str = "/v2-beta/projects/1a5";

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_is_told_with_who_when_and_from_where() {
    let world = World::start().await;
    let stack =
        world.admin(&format!("POST {IN}/stacks"), json!({"name": "shop", "dockerCompose": COMPOSE})).await;
    let path = format!("{IN}/stacks/{}", stack.id());
    world.admin(&format!("PUT {path}"), json!({"description": "new"})).await;
    // It changes nothing, and yet somebody asked for it.
    world.admin(&format!("PUT {path}"), json!({"description": "new"})).await;
    let refused = world.admin(&format!("POST {IN}/stacks"), json!({"name": "SHOP"})).await;
    assert_eq!(refused.status, 422);
    world.admin(&format!("POST {path}/?action=deactivateservices"), json!({})).await;
    world.admin(&format!("DELETE {path}"), Value::Null).await;
    // Who only looks leaves nothing.
    world.get(&path).await;
    world.admin(&format!("POST {path}/?action=exportconfig"), json!({})).await;
    let log = world.get(&format!("{IN}/auditlogs?sort=id")).await;
    assert_eq!(
        log.column("eventType"),
        [
            "api.stack.create",
            "api.stack.update",
            "api.stack.update",
            "api.stack.create",
            "api.stack.deactivateservices",
            "api.stack.delete"
        ],
        "{}",
        log.text
    );
    assert_eq!(log.column("responseCode")[..4], ["201", "200", "200", "422"]);
    let id = stack.id()[3..].to_owned();
    assert_eq!(log.column("resourceId"), [&id, &id, &id, "null", &id, &id]);
    let first = &log.body["data"][0];
    assert_eq!(
        (first["resourceType"].as_str(), first["authType"].as_str()),
        (Some("stack"), Some("BasicAuth"))
    );
    assert_eq!(
        (first["accountId"].as_str(), first["authenticatedAsAccountId"].as_str()),
        (Some("1a5"), Some("1a1"))
    );
    assert_eq!(first["clientIp"], "127.0.0.1");
    assert!(first["createdTS"].as_i64().unwrap() > 1_500_000_000_000, "{first}");
    let request: Value = serde_json::from_str(first["requestObject"].as_str().unwrap()).unwrap();
    assert_eq!(request, json!({"name": "shop", "dockerCompose": format!("({} bytes)", COMPOSE.len())}));
    assert_eq!(log.body["data"][3]["description"], "NotUnique");
    let filtered = world.get(&format!("{IN}/auditlogs?eventType=api.stack.delete")).await;
    assert_eq!(filtered.column("eventType").len(), 1);
    // It cannot be changed.
    let entry = format!("{IN}/auditlogs/{}", log.column("id")[0]);
    for method in ["PUT", "DELETE"] {
        let answer = world.admin(&format!("{method} {entry}"), json!({"eventType": "x"})).await;
        assert_eq!(answer.status, 405, "{}", answer.text);
    }
    assert_eq!(world.admin(&format!("POST {IN}/auditlogs"), json!({})).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_is_told_and_who_guesses_fills_no_log() {
    let world = World::start().await;
    let code = json!({"code": format!("admin:{}", world.password)});
    let signed_in = world.call(&Keys::default(), "POST /v2-beta/token", code, &[]).await;
    assert_eq!(signed_in.status, 201, "{}", signed_in.text);
    for _ in 0..3 {
        let guess =
            world.call(&Keys::default(), "POST /v2-beta/token", json!({"code": "admin:wrong"}), &[]).await;
        assert_eq!(guess.status, 401);
    }
    let log = world.get("/v2-beta/auditlogs").await;
    assert_eq!(log.column("eventType"), ["api.token.create"], "{}", log.text);
    let entry = &log.body["data"][0];
    assert_eq!(
        (entry["authType"].as_str(), entry["authenticatedAsAccountId"].as_str()),
        (Some("TokenAccount"), Some("1a1"))
    );
    // The session acts as its person.
    let jwt = signed_in.body["jwt"].as_str().unwrap();
    let bearer = format!("Bearer {jwt}");
    let made = world
        .call(
            &Keys::default(),
            &format!("POST {IN}/stacks"),
            json!({"name": "a"}),
            &[("authorization", &bearer)],
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let log = world.get(&format!("{IN}/auditlogs")).await;
    assert_eq!(log.column("authType"), ["TokenAuth"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_an_environment_is_its_own() {
    let world = World::start().await;
    let (project, key) = world.project("team").await;
    let within = format!("/v2-beta/projects/{project}");
    world.call(&key, &format!("POST {within}/stacks"), json!({"name": "theirs"}), &[]).await;
    world.admin(&format!("POST {IN}/stacks"), json!({"name": "ours"})).await;
    let theirs = world.call(&key, &format!("GET {within}/auditlogs"), Value::Null, &[]).await;
    assert!(!theirs.text.contains("ours"), "{}", theirs.text);
    let last = theirs.body["data"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (last["authenticatedAsAccountId"].as_str(), last["eventType"].as_str()),
        (Some(project.as_str()), Some("api.stack.create"))
    );
    let (_, user) = world.account("somebody", "user").await;
    let nothing = world.call(&user, "GET /v2-beta/auditlogs", Value::Null, &[]).await;
    assert!(nothing.status == 404 || nothing.column("id").is_empty(), "{}", nothing.text);
    let all = world.get("/v2-beta/auditlogs?limit=1000").await;
    assert!(all.text.contains("theirs") && all.text.contains("ours"), "{}", all.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_bounded() {
    let world = World::start().await;
    world.admin("PUT /v2-beta/settings/audit_log.max.rows", json!({"value": "10"})).await;
    for number in 0..60 {
        let answer = world.admin(&format!("POST {IN}/stacks"), json!({"name": format!("s{number}")})).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let live = world.store.snapshot().audit.live().count();
    assert!((8..=12).contains(&live), "{live}");
    let log = world.get(&format!("{IN}/auditlogs?sort=id&order=desc")).await;
    assert!(log.body["data"][0]["requestObject"].as_str().unwrap().contains("s59"), "{}", log.text);
}
