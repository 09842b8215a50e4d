use serde_json::{Value, json};

use crate::world::{Keys, World};

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_found_in_every_form() {
    let world = World::start().await;
    let stack = world.admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "web"})).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let id = stack.id();
    for path in [
        format!("/v2-beta/projects/1a5/stacks/{id}"),
        format!("/v2-beta/projects/1a5/stack/{id}"),
        format!("//v2-beta//projects/1a5/Stacks/{id}/"),
        format!("/v2-beta/stacks/{id}"),
        format!("/V2-BETA/STACKS/{id}"),
        format!("/v2-beta/stacks/{id}?projectId=1a5"),
        format!("/v1/environments/{id}"),
        format!("/v1/projects/1a5/environment/{}", id.replace("1st", "1e")),
    ] {
        let answer = world.get(&path).await;
        assert_eq!(answer.body["name"], "web", "{path}: {}", answer.text);
    }
    let header = [("x-api-project-id", "1a5")];
    let answer = world.call(&world.admin, "GET /v2-beta/stacks", Value::Null, &header).await;
    assert_eq!(answer.column("name"), ["web"]);
    let delete = format!("POST /v2-beta/projects/1a5/stacks/{id}?_method=DELETE");
    let deleted = world.admin(&delete, Value::Null).await;
    assert_eq!(deleted.body["state"], "removing");
    for (path, want) in [
        ("/v2-beta/nonsense", "404 Not Found"),
        ("/v2-beta/launchconfigs", "404 Not Found"),
        ("/v2-beta/stacks/5", "404 Not Found"),
        ("/v2-beta/stacks/1st999", "404 Not Found"),
        ("/v2-beta/stacks/1st1/nonsense", "404 Not Found"),
        ("/v2-beta/projects/nonsense/stacks", "400 InvalidFormat projectId"),
        ("/v2-beta/projects/1a999/stacks", "403 Forbidden"),
    ] {
        assert_eq!(world.get(path).await.outcome(), want, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bootstrap_of_clients_works() {
    let world = World::start().await;
    let base = world.url("").to_lowercase();
    let root = world.get("/v2-beta").await;
    assert_eq!(root.headers["x-api-schemas"], format!("{base}/v2-beta/schemas"));
    assert_eq!(root.body["type"], "apiVersion");
    assert!(root.body["links"]["projects"].is_string());
    let schemas = world.get("/v2-beta/projects/1a5/schemas").await;
    assert_eq!(schemas.body["resourceType"], "schema");
    assert_eq!(schemas.headers["x-api-schemas"], format!("{base}/v2-beta/projects/1a5/schemas"));
    // The CLI appends `/schemas` to the URL of the schemas.
    let odd = world.get("/v2-beta/projects/1a5/schemas/schemas").await;
    assert_eq!((odd.status, odd.body["id"].as_str()), (200, Some("schema")));
    assert_eq!(odd.headers["x-api-schemas"], format!("{base}/v2-beta/projects/1a5/schemas"));
    // Root types work inside a scope.
    for path in ["projects", "projects/1a5", "settings/rancher.server.version"] {
        let answer = world.get(&format!("/v2-beta/projects/1a5/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let nobody = Keys::default();
    for (path, want) in [("/ping", "pong"), ("/healthcheck", "healthy")] {
        assert_eq!(world.call(&nobody, &format!("GET {path}"), Value::Null, &[]).await.text, want);
    }
    let versions = world.call(&nobody, "GET /", Value::Null, &[]).await;
    assert_eq!(versions.column("id"), ["v1", "v2-beta"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_begin_where_a_proxy_says() {
    let world = World::start().await;
    let headers =
        [("x-forwarded-proto", "https"), ("x-forwarded-host", "lariat.example"), ("x-forwarded-port", "443")];
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &headers).await;
    let project = &answer.body["data"][0];
    assert_eq!(project["links"]["self"], "https://lariat.example/v2-beta/projects/1a5");
    assert_eq!(answer.headers["x-api-schemas"], "https://lariat.example/v2-beta/schemas");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_pages_and_programs_documents() {
    let world = World::start().await;
    let browser = [("user-agent", "Mozilla/5.0"), ("accept", "text/html,*/*;q=0.8")];
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &browser).await;
    assert!(answer.headers["content-type"].starts_with("text/html"), "{:?}", answer.headers);
    assert!(answer.text.contains("<a href="));
    let xhr = [("user-agent", "Mozilla/5.0"), ("accept", "application/json")];
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &xhr).await;
    assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
    assert!(answer.headers["set-cookie"].starts_with("CSRF="));
    let name = "<script>alert(1)</script>";
    world.admin("POST /v2-beta/projects", json!({"name": name})).await;
    let answer = world.call(&world.admin, "GET /v2-beta/projects?_format=html", Value::Null, &[]).await;
    assert!(!answer.text.contains(name), "documents cannot run");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_where_the_schemas_are() {
    let world = World::start().await;
    for path in ["/v2-beta", "/v2-beta/nonsense", "/v2-beta/stacks/x", "/v1/scripts/x", "/ping"] {
        let answer = world.get(path).await;
        assert!(answer.headers.contains_key("x-api-schemas"), "{path}");
        assert_eq!(answer.headers["x-rancher-version"], "v0.1.0", "{path}");
    }
    let answer = world.get("/v2-beta/projects/1a5/stacks").await;
    assert_eq!(answer.headers["x-api-account-id"], "1a5");
    assert_eq!(answer.headers["x-api-account-kind"], "project");
    assert_eq!(answer.headers["x-api-user-id"], "1a1");
    assert_eq!(answer.headers["x-api-client-ip"], "127.0.0.1");
}
