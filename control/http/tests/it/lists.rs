use serde_json::{Value, json};

use crate::world::{COMPOSE, World};

async fn stacks(world: &World, names: &[&str]) {
    for name in names {
        let answer = world.admin("POST /v2-beta/projects/1a5/stacks", json!({"name": name})).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_sorted_and_paged() {
    let world = World::start().await;
    stacks(&world, &["alpha", "beta", "gamma", "delta", "alpine"]).await;
    let list = async |query: &str| {
        world.get(&format!("/v2-beta/projects/1a5/stacks?{query}")).await.column("name").join(" ")
    };
    for (query, want) in [
        ("", "alpha beta gamma delta alpine"),
        ("name=beta", "beta"),
        ("name_ne=beta&name_ne=gamma", "alpha delta alpine"),
        ("name_prefix=alp", "alpha alpine"),
        ("name_like=%25ta", "beta delta"),
        ("description_null", "alpha beta gamma delta alpine"),
        ("description_notnull=", ""),
        ("nonsense=1&name_gt=b", "alpha beta gamma delta alpine"),
        ("system=True", ""),
        ("system=false&all=true", "alpha beta gamma delta alpine"),
        ("state=active", "alpha beta gamma delta alpine"),
        ("state_ne=active", ""),
        ("sort=name", "alpha alpine beta delta gamma"),
        ("sort=name&order=desc", "gamma delta beta alpine alpha"),
        ("accountId=1a5&limit=-1", "alpha beta gamma delta alpine"),
        ("accountId=1a6", ""),
        ("removed_null=%3Cnil%3E&limit=-2", "alpha beta gamma delta alpine"),
        ("created_gt=2001-01-01T00:00:00Z&name=beta", "beta"),
        ("created_lt=2001-01-01T00:00:00Z", ""),
    ] {
        assert_eq!(list(query).await, want, "{query}");
    }
    let mut names = Vec::new();
    let mut next = world.url("/v2-beta/projects/1a5/stacks?limit=2&sort=name");
    loop {
        let page = world.get(&next).await;
        assert!(page.column("name").len() <= 2);
        names.extend(page.column("name"));
        match page.body["pagination"]["next"].as_str() {
            Some(url) => {
                assert_eq!(page.body["pagination"]["partial"], true);
                next = url.to_owned();
            }
            None => break,
        }
    }
    assert_eq!(names, ["alpha", "alpine", "beta", "delta", "gamma"]);
    let page = world.get("/v2-beta/projects/1a5/stacks?state_ne=removed&sort=name").await;
    assert_eq!(page.body["filters"]["state"], json!([{"value": "removed", "modifier": "ne"}]));
    assert_eq!(page.body["filters"]["name"], Value::Null);
    assert_eq!(page.body["sort"]["order"], "asc");
    let base = world.url("/v2-beta/projects/1a5/stacks");
    assert_eq!(page.body["createTypes"], json!({"stack": base}));
    assert_eq!(page.body["sortLinks"]["name"], format!("{base}?sort=name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_includes_lead_to_related_things() {
    let world = World::start().await;
    let stack = world
        .admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "s", "dockerCompose": COMPOSE}))
        .await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let services = world.get(stack.body["links"]["services"].as_str().unwrap()).await;
    assert_eq!(services.column("name"), ["web", "app"]);
    assert_eq!(services.body["createDefaults"], json!({"stackId": stack.id()}));
    let service = &services.body["data"][0];
    let parent = world.get(service["links"]["stack"].as_str().unwrap()).await;
    assert_eq!(parent.id(), stack.id());
    let included = world.get("/v2-beta/projects/1a5/stacks?include=SERVICES&include=hosts").await;
    let first = &included.body["data"][0];
    assert_eq!(first["services"].as_array().unwrap().len(), 2, "{}", included.text);
    assert!(first.get("hosts").is_none(), "only the first include counts");
    let path = format!("/v2-beta/projects/1a5/services/{}?include=stack", service["id"].as_str().unwrap());
    let one = world.get(&path).await;
    assert_eq!(one.body["stack"]["name"], "s");
    let child = world
        .admin(
            &format!("POST /v2-beta/projects/1a5/stacks/{}/services", stack.id()),
            json!({"name": "third", "launchConfig": {"imageUuid": "docker:redis"}}),
        )
        .await;
    assert_eq!(
        (child.status, child.body["stackId"].as_str()),
        (201, Some(stack.id().as_str())),
        "{}",
        child.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_things_leave_lists_and_stay_readable() {
    let world = World::start().await;
    let made = world.admin("POST /v2-beta/apikeys", json!({"name": "gone"})).await;
    world.admin(&format!("DELETE /v2-beta/apikeys/{}", made.id()), Value::Null).await;
    assert!(!world.get("/v2-beta/apikeys").await.column("name").contains(&"gone".to_owned()));
    let all = world.get("/v2-beta/apikeys?removed_notnull").await;
    assert_eq!(all.column("name"), ["gone"]);
    let read = world.get(&format!("/v2-beta/apikeys/{}", made.id())).await;
    assert_eq!((read.status, read.body["state"].as_str()), (200, Some("removed")));
    assert!(read.body["removed"].is_string() && read.body["removedTS"].is_i64());
}
