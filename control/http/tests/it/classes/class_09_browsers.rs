//! Another site makes somebody's browser do things here, listens on a socket, or has its text run in our pages.

use serde_json::{Value, json};

use crate::sockets::open;
use crate::world::{Keys, World};

const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");

async fn session(world: &World) -> String {
    let code = json!({"code": format!("admin:{}", world.password)});
    let signed = world.call(&Keys::default(), "POST /v2-beta/token", code, &[]).await;
    assert_eq!(signed.status, 201, "{}", signed.text);
    signed.body["jwt"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn class_09_a_cookie_alone_changes_nothing() {
    let world = World::start().await;
    let jwt = session(&world).await;
    let nobody = Keys::default();
    let before = world.store.snapshot().revision;
    let cookie = format!("token={jwt}; CSRF=abc");
    for (method, path) in [
        ("POST", "/v2-beta/projects/1a5/stacks"),
        ("PUT", "/v2-beta/projects/1a5"),
        ("DELETE", "/v2-beta/projects/1a5"),
        ("POST", "/v2-beta/projects/1a5/?action=deactivate"),
        ("POST", "/v1/projects/1a5/environments"),
        // The method that counts is the one that is meant.
        ("GET", "/v2-beta/projects/1a5?_method=DELETE"),
        ("GET", "/v2-beta/projects/1a5/stacks?_method=POST&name=x"),
        ("HEAD", "/v2-beta/projects/1a5?_method=DELETE"),
    ] {
        for headers in [
            vec![("cookie", cookie.as_str())],
            vec![("cookie", cookie.as_str()), BROWSER],
            vec![("cookie", cookie.as_str()), BROWSER, ("x-api-csrf", "")],
            vec![("cookie", cookie.as_str()), BROWSER, ("x-api-csrf", "other")],
            vec![
                ("cookie", cookie.as_str()),
                ("content-type", "text/plain"),
                ("origin", "https://evil.example"),
            ],
        ] {
            let body = if method == "GET" || method == "HEAD" { Value::Null } else { json!({"name": "x"}) };
            let answer = world.call(&nobody, &format!("{method} {path}"), body, &headers).await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}: {}", answer.text);
        }
    }
    assert_eq!(world.store.snapshot().revision, before);
    let echoed = [("cookie", cookie.as_str()), BROWSER, ("x-api-csrf", "abc")];
    let made = world.call(&nobody, "POST /v2-beta/projects/1a5/stacks", json!({"name": "x"}), &echoed).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn class_09_no_other_site_opens_a_socket_or_reads_an_answer() {
    let world = World::start().await;
    let jwt = session(&world).await;
    let path = "/v2-beta/projects/1a5/subscribe?eventNames=resource.change";
    let cookie = ("cookie", format!("token={jwt}"));
    for (origin, want) in [
        (Some("https://evil.example".to_owned()), Some(403)),
        (Some("null".to_owned()), Some(403)),
        (Some(format!("http://{}.evil.example", world.address)), Some(403)),
        (Some(String::new()), Some(403)),
        (Some(format!("http://{}", world.address)), None),
        (None, None),
    ] {
        let mut headers = vec![cookie.clone()];
        headers.extend(origin.clone().map(|origin| ("origin", origin)));
        assert_eq!(open(&world, path, &headers).await.err(), want, "{origin:?}");
    }
    for origin in ["https://evil.example", "null"] {
        let headers = [("origin", origin), ("access-control-request-method", "PUT")];
        for request in ["GET /v2-beta/projects", "OPTIONS /v2-beta/projects"] {
            let answer = world.call(&world.admin, request, Value::Null, &headers).await;
            let allows: Vec<_> =
                answer.headers.keys().filter(|name| name.starts_with("access-control-")).collect();
            assert!(allows.is_empty(), "{request}: {allows:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn class_09_stored_texts_never_become_part_of_a_page() {
    let world = World::start().await;
    let attacks = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "javascript:alert(1)",
        "http://a\" onmouseover=\"alert(1)",
        "https://a'><svg/onload=alert(1)>",
        "\u{2028}alert(1)//",
        "{{constructor.constructor('alert(1)')()}}",
    ];
    for (index, attack) in attacks.iter().enumerate() {
        let project = json!({"name": format!("p{index}"), "description": attack});
        let made = world.admin("POST /v2-beta/projects", project).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let key = json!({"name": attack, "description": attack});
        assert_eq!(world.admin("POST /v2-beta/apikeys", key).await.status, 201);
        let service = json!({"name": format!("c{index}"), "imageUuid": "docker:a", "environment": {"A": attack}, "labels": {"l": attack}});
        let made = world.admin("POST /v2-beta/projects/1a5/containers", service).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let mut pages = vec![
        "/".to_owned(),
        "/env/<script>alert(1)</script>".to_owned(),
        "/v2-beta/nonsense<script>alert(1)</script>".to_owned(),
    ];
    for list in
        ["projects", "apikeys", "projects/1a5/containers", "projects/1a5", "schemas/stack", "settings"]
    {
        pages.push(format!("/v2-beta/{list}?limit=-1"));
    }
    pages.push("/v2-beta/projects?name=<script>alert(1)</script>&sort=\"><script>".to_owned());
    for path in pages {
        let path = path.replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
        let headers = [BROWSER, ("accept", "text/html,*/*")];
        let answer = world.call(&world.admin, &format!("GET {path}"), Value::Null, &headers).await;
        if !answer.headers["content-type"].starts_with("text/html") {
            // An error is a document for programs, and no browser may take it for a page.
            assert!(answer.headers["content-type"].starts_with("application/json"), "{path}");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            continue;
        }
        let policy = &answer.headers["content-security-policy"];
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers["x-frame-options"], "DENY");
        let scripts: Vec<&str> = answer
            .text
            .match_indices("<script")
            .map(|(at, _)| &answer.text[at..(at + 60).min(answer.text.len())])
            .collect();
        for script in &scripts {
            let ours = script.starts_with("<script type=\"application/json\" id=\"answer\">")
                || script.starts_with("<script src=\"/api-view/view.js\" defer></script>");
            assert!(ours, "{path}: {script}");
        }
        assert!(scripts.len() <= 2, "{path}");
        assert!(!answer.text.contains("<img") && !answer.text.contains("<svg"), "{path}");
        // Every attribute that leads somewhere leads to a place of ours or to an address that a document names.
        for (at, _) in answer.text.match_indices("href=\"") {
            let target = answer.text[at + 6..].split('"').next().unwrap();
            assert!(target.starts_with('/') || target.starts_with("http"), "{path}: {target}");
            assert!(!target.contains(['<', '>', '\'']), "{path}: {target}");
        }
        // Nothing is loaded from elsewhere.
        for (at, _) in answer.text.match_indices(" src=\"") {
            assert!(answer.text[at + 6..].starts_with("/api-view/"), "{path}");
        }
    }
    let script = world.call(&Keys::default(), "GET /api-view/view.js", Value::Null, &[]).await;
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
    for word in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"]
    {
        assert!(!script.text.contains(word), "the page's script has {word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn class_09_cookies_do_not_travel_with_other_sites_requests() {
    let world = World::start().await;
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &[BROWSER]).await;
    let cookie = &answer.headers["set-cookie"];
    assert!(cookie.contains("SameSite="), "{cookie}");
    let secure = [BROWSER, ("x-forwarded-proto", "https")];
    let answer = world.call(&world.admin, "GET /v2-beta/projects", Value::Null, &secure).await;
    assert!(answer.headers["set-cookie"].contains("; Secure"), "{:?}", answer.headers);
    let jwt = session(&world).await;
    let cookie = format!("token={jwt}; CSRF=a");
    let headers = [("cookie", cookie.as_str()), ("x-api-csrf", "a")];
    let out = world.call(&Keys::default(), "DELETE /v2-beta/token/current", Value::Null, &headers).await;
    assert_eq!(out.status, 204, "{}", out.text);
    let cookie = &out.headers["set-cookie"];
    assert!(
        cookie.starts_with("token=;") && cookie.contains("HttpOnly") && cookie.contains("SameSite="),
        "{cookie}"
    );
    let again = world.call(&Keys::default(), "GET /v2-beta/projects", Value::Null, &headers).await;
    assert_eq!(again.status, 401, "the session is over on the server, too");
}
