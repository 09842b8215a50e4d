//! What a request says about how it came here, and who is believed.

use control_http::{ServerSettings, TrustedProxies};
use serde_json::{Value, json};

use crate::world::{Keys, World};

const FORGED: [(&str, &str); 4] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-port", "443"),
];

async fn trusting(list: &str) -> World {
    let trusted_proxies = TrustedProxies::parse(&[list.to_owned()]).unwrap();
    World::start_with(ServerSettings { trusted_proxies, ..ServerSettings::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_say_nothing_about_the_way_they_came() {
    let world = trusting("none").await;
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &FORGED).await;
    assert_eq!(answer.headers["x-api-client-ip"], "127.0.0.1");
    assert!(!answer.text.contains("evil.example"), "{}", answer.text);
    assert!(answer.headers["x-api-schemas"].starts_with("http://127.0.0.1"), "{:?}", answer.headers);
    let token = world.admin("POST /v2-beta/projects/1a5/registrationtokens", json!({})).await;
    let path = token.body["registrationUrl"].as_str().unwrap().replace(&world.url(""), "");
    let script = world.call(&Keys::default(), &format!("GET {path}"), Value::Null, &FORGED).await;
    assert!(script.text.contains("lariat") && !script.text.contains("evil.example"), "{}", script.text);
    assert!(!script.text.contains("203.0.113.9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed() {
    let world = trusting("127.0.0.1").await;
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &FORGED).await;
    assert_eq!(answer.headers["x-api-client-ip"], "203.0.113.9");
    assert_eq!(answer.headers["x-api-schemas"], "https://evil.example/v2-beta/schemas");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessers_do_not_get_a_new_address_for_each_guess() {
    let world = trusting("none").await;
    let mut refused = false;
    for attempt in 0..12 {
        // A new name and a new address each time: only the true address ties them together.
        let address = format!("203.0.113.{attempt}");
        let input = json!({"code": format!("nobody{attempt}:wrong")});
        let headers = [("x-forwarded-for", address.as_str())];
        let answer = world.call(&Keys::default(), "POST /v2-beta/token", input, &headers).await;
        assert!(matches!(answer.status, 401 | 429), "{}", answer.text);
        refused |= answer.status == 429;
    }
    assert!(refused, "twelve guesses from one address were all let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_of_a_log_is_asked_for_by_null_or_minus_one() {
    let world = World::start().await;
    let host = world.host(5, "h").await;
    let container = world.container(5, host, "web", control_model::Origin::default()).await;
    let path = format!("/v2-beta/projects/1a5/containers/1i{}", container.raw());
    for (lines, want) in [
        (json!({"lines": null}), Value::Null),
        (json!({"lines": -1}), Value::Null),
        (json!({"lines": 7}), 7.into()),
        (json!({}), 100.into()),
    ] {
        let answer = world.admin(&format!("POST {path}/?action=logs"), lines.clone()).await;
        let token = answer.body["token"].as_str().unwrap_or_else(|| panic!("{}", answer.text));
        let claims = crate::sockets::claims(token);
        assert_eq!(claims["logs"]["Lines"], want, "{lines}");
    }
    let wrong = world.admin(&format!("POST {path}/?action=logs"), json!({"lines": -2})).await;
    assert_eq!(wrong.outcome(), "422 MinLimitExceeded lines");
}
