use serde_json::{Value, json};

use crate::world::{Keys, World, keys_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_ends_with_its_key() {
    let world = World::start().await;
    let made = world.admin("POST /v2-beta/apikeys", json!({"name": "ci"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let keys = keys_of(&made);
    assert_eq!((keys.public.len(), keys.secret.len()), (20, 40));
    assert_eq!(made.body["state"], "active");
    let id = made.id();
    for path in [format!("/v2-beta/apikeys/{id}"), "/v2-beta/apikeys".into(), "/v2-beta/credentials".into()] {
        let answer = world.get(&path).await;
        assert!(!answer.text.contains(&keys.secret), "{path}");
        assert!(answer.text.contains(&keys.public), "{path}");
    }
    let whoami = async |keys: Keys| world.call(&keys, "GET /v2-beta/projects", Value::Null, &[]).await.status;
    assert_eq!(whoami(keys.clone()).await, 200);
    assert_eq!(whoami(Keys { secret: "wrong".into(), ..keys.clone() }).await, 401);
    let off = world.admin(&format!("POST /v2-beta/apikeys/{id}/?action=deactivate"), Value::Null).await;
    assert_eq!((off.status, off.body["state"].as_str()), (202, Some("inactive")));
    assert_eq!(whoami(keys.clone()).await, 401);
    world.admin(&format!("POST /v2-beta/apikeys/{id}/?action=activate"), json!({})).await;
    assert_eq!(whoami(keys.clone()).await, 200);
    let gone = world.admin(&format!("DELETE /v2-beta/apikeys/{id}"), Value::Null).await;
    assert_eq!((gone.status, gone.body["state"].as_str()), (200, Some("removed")), "{}", gone.text);
    assert_eq!(whoami(keys).await, 401);
    assert_eq!(world.get(&format!("/v2-beta/apikeys/{id}")).await.body["state"], "removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_key() {
    let world = World::start().await;
    let nobody = Keys::default();
    let answer = world.call(&nobody, "GET /v2-beta/projects", Value::Null, &[]).await;
    assert_eq!(answer.outcome(), "401 Unauthorized");
    assert!(answer.headers["www-authenticate"].starts_with("Basic"));
    let quiet = [("x-api-no-challenge", "true")];
    let answer = world.call(&nobody, "GET /v2-beta/projects", Value::Null, &quiet).await;
    assert!(!answer.headers.contains_key("www-authenticate"));
    // The schemas of nobody hold the way in and no more.
    let schemas = world.call(&nobody, "GET /v2-beta/schemas", Value::Null, &[]).await;
    assert!(schemas.column("id").contains(&"token".to_owned()), "{}", schemas.text);
    assert!(!schemas.column("id").contains(&"stack".to_owned()));
    for header in ["Basic !!!", "Basic", "Bearer x.y.z", "Digest a", "Basic OjpA"] {
        let headers = [("authorization", header)];
        let answer = world.call(&nobody, "GET /v2-beta/projects", Value::Null, &headers).await;
        assert_eq!(answer.status, 401, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_out() {
    let world = World::start().await;
    let nobody = Keys::default();
    let before = world.call(&nobody, "GET /v2-beta/token", Value::Null, &[]).await;
    assert_eq!(before.body["data"][0]["security"], true, "{}", before.text);
    let wrong = world.call(&nobody, "POST /v2-beta/token", json!({"code": "admin:wrong"}), &[]).await;
    assert_eq!(wrong.outcome(), "401 Unauthorized");
    let code = format!("admin:{}", world.password);
    let right = world.call(&nobody, "POST /v2-beta/token", json!({"code": code}), &[]).await;
    assert_eq!(right.status, 201, "{}", right.text);
    assert_eq!((&right.body["userType"], &right.body["accountId"]), (&json!("admin"), &json!("1a1")));
    let jwt = right.body["jwt"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {jwt}");
    let cookie = format!("token={jwt}; CSRF=abc");
    let with = async |name: &str, value: &str, request: &str| {
        world.call(&nobody, request, Value::Null, &[(name, value)]).await
    };
    assert_eq!(with("authorization", &bearer, "GET /v2-beta/projects").await.status, 200);
    assert_eq!(with("cookie", &cookie, "GET /v2-beta/projects").await.status, 200);
    let by_query = format!("GET /v2-beta/projects?token={jwt}");
    assert_eq!(world.call(&nobody, &by_query, Value::Null, &[]).await.status, 200);
    let project_key = Keys { public: "x-api-bearer=1a5".into(), secret: jwt.clone() };
    let answer = world.call(&project_key, "GET /v2-beta/stacks", Value::Null, &[]).await;
    assert_eq!((answer.status, answer.headers["x-api-account-id"].as_str()), (200, "1a5"));
    // A cookie alone writes nothing: the page must repeat the other cookie.
    let make = "POST /v2-beta/apikeys";
    assert_eq!(with("cookie", &cookie, make).await.outcome(), "403 InvalidCSRFToken");
    let headers = [("cookie", cookie.as_str()), ("x-api-csrf", "abc")];
    assert_eq!(world.call(&nobody, make, json!({}), &headers).await.status, 201);
    let out = with("authorization", &bearer, "DELETE /v2-beta/token/current").await;
    assert_eq!(out.status, 204, "{}", out.text);
    assert!(out.headers["set-cookie"].starts_with("token=;"));
    assert_eq!(with("authorization", &bearer, "GET /v2-beta/projects").await.status, 401);
    assert_eq!(
        with("authorization", &bearer, "GET /v2-beta/token/current").await.outcome(),
        "401 JWTNotProvided"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let world = World::start().await;
    let nobody = Keys::default();
    for _ in 0..5 {
        let answer = world.call(&nobody, "POST /v2-beta/token", json!({"code": "admin:guess"}), &[]).await;
        assert_eq!(answer.status, 401);
    }
    let answer = world.call(&nobody, "POST /v2-beta/token", json!({"code": "admin:guess"}), &[]).await;
    assert_eq!(answer.outcome(), "429 Too Many Requests");
    let password = Keys { public: "admin".into(), secret: world.password.clone() };
    let answer = world.call(&password, "GET /v2-beta/projects", Value::Null, &[]).await;
    assert_eq!(answer.status, 429, "the other door is no way around");
    assert_eq!(world.get("/v2-beta/projects").await.status, 200, "keys are not held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_changed_by_their_owner() {
    let world = World::start().await;
    let (account, _) = world.account("kim", "user").await;
    let input = json!({"accountId": account, "publicValue": "kim", "secretValue": "first password"});
    let made = world.admin("POST /v2-beta/passwords", input.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(!made.text.contains("first password"));
    assert_eq!(
        world.admin("POST /v2-beta/passwords", input).await.outcome(),
        "409 UsernameIsTaken publicValue"
    );
    let kim = Keys { public: "kim".into(), secret: "first password".into() };
    assert_eq!(world.call(&kim, "GET /v2-beta/accounts", Value::Null, &[]).await.column("name"), ["kim"]);
    let change = format!("POST /v2-beta/passwords/{}/?action=changesecret", made.id());
    let wrong = json!({"oldSecret": "x", "newSecret": "second password"});
    assert_eq!(world.call(&kim, &change, wrong, &[]).await.outcome(), "400 InvalidOldPassword oldSecret");
    let short = json!({"oldSecret": "first password", "newSecret": "short"});
    assert_eq!(world.call(&kim, &change, short, &[]).await.outcome(), "422 MinLengthExceeded newSecret");
    let right = json!({"oldSecret": "first password", "newSecret": "second password"});
    assert_eq!(world.call(&kim, &change, right, &[]).await.status, 200);
    assert_eq!(world.call(&kim, "GET /v2-beta/accounts", Value::Null, &[]).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_have_defaults_and_stored_values() {
    let world = World::start().await;
    let version = world.get("/v2-beta/settings/rancher.server.version").await;
    assert_eq!(version.body["value"], "v0.1.0", "{}", version.text);
    assert_eq!(
        (&version.body["type"], &version.body["baseType"]),
        (&json!("activeSetting"), &json!("setting"))
    );
    assert_eq!(world.get("/v2-beta/settings/no.such.thing").await.body["value"], Value::Null);
    let put = world.admin("PUT /v2-beta/settings/api.host", json!({"value": "https://x"})).await;
    assert_eq!((put.status, &put.body["inDb"]), (200, &json!(true)), "{}", put.text);
    let id = world.admin("POST /v2-beta/settings", json!({"name": "api.host", "value": "https://y"})).await;
    assert_eq!((id.status, id.id().as_str()), (201, "api.host"), "{}", id.text);
    assert_eq!(world.get("/v2-beta/settings/1as!api.host").await.body["value"], "https://y");
    assert_eq!(world.admin("DELETE /v2-beta/settings/api.host", Value::Null).await.status, 200);
    assert_eq!(world.get("/v2-beta/settings/api.host").await.body["value"], Value::Null);
    let all = world.get("/v2-beta/settings").await;
    assert!(all.column("name").len() > 16);
    assert!(world.get("/v2-beta/settings?all=false").await.column("name").len() < 18);
    // The key that signs everything is no setting, whatever one calls it.
    assert!(!all.text.contains("lariat.installation.key"));
    for request in ["GET", "PUT", "DELETE"] {
        let answer = world
            .admin(&format!("{request} /v2-beta/settings/lariat.installation.key"), json!({"value": "x"}))
            .await;
        assert_eq!(answer.status, 404, "{request}: {}", answer.text);
    }
    let (_, user) = world.account("kim", "user").await;
    let path = "GET /v2-beta/settings/exec.agent.path";
    assert_eq!(world.call(&user, path, Value::Null, &[]).await.status, 404);
    let path = "PUT /v2-beta/settings/rancher.server.version";
    assert_eq!(world.call(&user, path, json!({"value": "x"}), &[]).await.status, 405);
}
