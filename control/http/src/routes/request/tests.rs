#![allow(clippy::unwrap_used, reason = "tests may panic")]

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::*;

fn origin(headers: &[(&str, &str)], tls: bool) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let peer = Peer { address: "10.0.0.1:5".parse().unwrap(), tls };
    Origin::of(&map, &Uri::from_static("/v1"), peer).text()
}

#[test]
fn links_begin_where_the_client_reached_us() {
    for (headers, want) in [
        (&[("host", "h:8080")][..], "http://h:8080"),
        (&[], "http://localhost"),
        (&[("host", "h:443")], "https://h"),
        (&[("host", "h"), ("x-forwarded-proto", "https")], "https://h"),
        (&[("host", "h"), ("x-forwarded-proto", "https, http"), ("x-forwarded-host", "a, b")], "https://a"),
        (&[("host", "h:8080"), ("x-forwarded-proto", "http"), ("x-forwarded-port", "80")], "http://h"),
        (
            &[("host", "h:8080"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "8443")],
            "https://h:8443",
        ),
        (&[("host", "h:8080"), ("x-forwarded-port", "443")], "https://h"),
        (
            &[("host", "[::1]:8080"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "443")],
            "https://[::1]",
        ),
        (&[("host", "h/<script>")], "http://localhost"),
        (&[("host", "h"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "x'y")], "https://h"),
    ] {
        assert_eq!(origin(headers, false), want, "{headers:?}");
    }
    assert_eq!(origin(&[("host", "h:8443")], true), "https://h:8443");
}

/// `method path -> version project | path`.
fn check(request: &str, want: &str) {
    let (method, uri) = request.split_once(' ').unwrap();
    let parsed = ApiRequest::parse(&method.parse::<Method>().unwrap(), &uri.parse().unwrap()).unwrap();
    let got = match parsed {
        None => "none".to_owned(),
        Some(request) => format!(
            "{} {} {} | {}",
            request.method,
            request.version.path(),
            request.path_project.as_deref().unwrap_or("-"),
            request.path.join(" ")
        ),
    };
    assert_eq!(got, want, "{request}");
}

#[test]
fn paths_are_taken_apart() {
    check("GET /v2-beta", "GET v2-beta - | ");
    check("GET /v2-beta/", "GET v2-beta - | ");
    check("GET //V1///stacks//1e5/", "GET v1 - | stacks 1e5");
    check("GET /v2-beta/projects/1a5", "GET v2-beta - | projects 1a5");
    check("GET /v2-beta/projects/1a5/schemas", "GET v2-beta 1a5 | schemas");
    check("GET /v2-beta/projects/1a5/schemas/schemas", "GET v2-beta 1a5 | schemas schemas");
    check("GET /v2-beta/projects/1a5/projectmembers", "GET v2-beta - | projects 1a5 projectmembers");
    check("GET /v2-beta/projects/1a5/projectmembers/1pm1", "GET v2-beta 1a5 | projectmembers 1pm1");
    check("GET /v2-beta/projects/1a5/projects/1a5", "GET v2-beta 1a5 | projects 1a5");
    check("POST /v2-beta/stacks/1st5/?_method=delete", "DELETE v2-beta - | stacks 1st5");
    check("POST /v2-beta/stacks/1st5/?action=remove", "POST v2-beta - | stacks 1st5");
    check("GET /v2-beta/settings/api.host%20x", "GET v2-beta - | settings api.host x");
    check("GET /assets/app.js", "none");
    check("GET /", "none");
}

#[test]
fn endless_queries_are_refused() {
    let uri: Uri = format!("/v1/stacks?a={}", "x".repeat(17_000)).parse().unwrap();
    assert!(ApiRequest::parse(&Method::GET, &uri).is_err());
    let uri: Uri = format!("/v1/stacks?a={}", "x".repeat(15_000)).parse().unwrap();
    assert!(ApiRequest::parse(&Method::GET, &uri).is_ok());
}
