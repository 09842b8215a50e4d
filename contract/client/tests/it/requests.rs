use contract_client::{
    Client, ClientError, ClientOptions, Credentials, Query, ServerAddress, Service, Stack,
};
use serde_json::json;

use crate::server::{Server, json};

#[tokio::test]
async fn lists_follow_their_pages_on_the_same_server() {
    let server = Server::answering(|line, _, _| {
        if line.contains("marker=m2") {
            return json(200, &json!({"data": [{"id": "1st3", "name": "c"}], "pagination": {"next": null}}));
        }
        // The server believes that it has another name.
        let next = "https://elsewhere/v2-beta/projects/1a5/stacks?limit=2&marker=m2";
        json(200, &json!({"data": [{"id": "1st1"}, {"id": "1st2"}], "pagination": {"next": next}}))
    })
    .await;
    let stacks: Vec<Stack> = server.client().list(&Query::all().with("name", "a b&c")).await.unwrap();
    assert_eq!(
        stacks.iter().map(|stack| stack.meta.id.as_str()).collect::<Vec<_>>(),
        ["1st1", "1st2", "1st3"]
    );
    assert_eq!(
        server.lines(),
        [
            "GET /v2-beta/projects/1a5/stacks?limit=3000&name=a+b%26c",
            "GET /v2-beta/projects/1a5/stacks?limit=2&marker=m2"
        ]
    );
    let asked = server.asked.lock().unwrap();
    assert!(asked.iter().all(|asked| asked.authorization.as_deref() == Some("Basic S0VZOnNlY3JldA==")));
}

#[tokio::test]
async fn nulls_and_absent_fields_are_defaults() {
    let server = Server::answering(|_, _, _| {
        json(
            200,
            &json!({
                "id": "1s5", "type": "service", "links": {"self": "http://h/x"}, "actions": null, "name": "web",
                "state": "active", "transitioning": "no", "transitioningMessage": null, "createdTS": 5,
                "publicEndpoints": null, "launchConfig": {"imageUuid": "docker:x", "labels": null, "more": [1]},
                "reason": {"code": "no_hosts", "message": "m", "remedy": null}, "scale": 2, "unknown": {"a": 1}
            }),
        )
    })
    .await;
    let service: Service = server.client().get("1s5").await.unwrap();
    assert_eq!((service.meta.title(), service.scale, service.meta.created_ms), ("web", Some(2), Some(5)));
    assert_eq!(service.meta.reason.unwrap().code, "no_hosts");
    assert!(service.public_endpoints.is_empty());
}

#[tokio::test]
async fn an_id_of_another_kind_is_not_found() {
    let server = Server::answering(|line, _, _| match line {
        "GET /v2-beta/projects/1a5/services/1i5" => json(200, &json!({"id": "1s5"})),
        _ => json(404, &json!({"type": "error", "status": 404, "code": "Not Found"})),
    })
    .await;
    assert_eq!(server.client().find::<Service>("1i5").await.unwrap(), None);
    assert_eq!(server.client().find::<Service>("1s9").await.unwrap(), None);
}

#[tokio::test]
async fn errors_carry_the_servers_words() {
    let server = Server::answering(|line, _, _| {
        if line.starts_with("GET") {
            return (axum::http::StatusCode::BAD_GATEWAY, "<html>proxy</html>").into_response();
        }
        json(
            422,
            &json!({"id": "u-1", "type": "error", "status": 422, "code": "NotUnique", "fieldName": "name",
                    "message": "there is a stack `a` already"}),
        )
    })
    .await;
    use axum::response::IntoResponse as _;
    let error = server.client().create::<Stack>(&json!({"name": "a"})).await.unwrap_err();
    let api = error.api().unwrap();
    assert_eq!((api.status, api.code.as_str(), api.field.as_deref()), (422, "NotUnique", Some("name")));
    assert_eq!(error.to_string(), "there is a stack `a` already (field `name`)");
    let error = server.client().get::<Stack>("1st1").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server answered 502 Bad Gateway to `GET /v2-beta/projects/1a5/stacks/1st1`"
    );
}

#[tokio::test]
async fn only_requests_without_effect_are_repeated() {
    let server = Server::answering(|_, number, _| match number {
        1 | 2 => json(503, &json!({"type": "error", "status": 503, "code": "Service Unavailable"})),
        _ => json(200, &json!({"id": "1st1"})),
    })
    .await;
    server.client().get::<Stack>("1st1").await.unwrap();
    assert_eq!(server.lines().len(), 3);

    let busy = Server::answering(|_, _, _| {
        json(503, &json!({"type": "error", "status": 503, "code": "Service Unavailable"}))
    })
    .await;
    busy.client().create::<Stack>(&json!({})).await.unwrap_err();
    assert_eq!(busy.lines().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let address = ServerAddress::parse(&format!("http://{free}")).unwrap();
    let client = Client::new(ClientOptions::new(address, Credentials::None)).unwrap();
    let error = client.list::<Stack>(&Query::all()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.is_passing());
    assert_eq!(error.to_string(), format!("could not reach the server at http://{free}"));
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("refused"), "{error:?}");
}

#[tokio::test]
async fn actions_are_refused_here_when_they_are_not_offered() {
    let server = Server::answering(|line, _, address| {
        if line.starts_with("POST") {
            return json(202, &json!({"id": "1st1", "state": "upgrading"}));
        }
        let link = format!("http://{address}/v2-beta/stacks/1st1/?action=upgrade");
        json(200, &json!({"id": "1st1", "type": "stack", "name": "shop", "state": "active", "actions": {"upgrade": link}}))
    })
    .await;
    let client = server.client();
    let stack: Stack = client.get("1st1").await.unwrap();
    let error = client.act(&stack, "rollback", None).await.unwrap_err();
    assert_eq!(error.to_string(), "`rollback` is not possible while stack `shop` is active");
    let after: Stack = client.action(&stack, "upgrade", Some(&json!({"dockerCompose": "x"}))).await.unwrap();
    assert_eq!(after.meta.state, "upgrading");
    let asked = server.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!(
        (asked.line.as_str(), asked.body),
        ("POST /v2-beta/stacks/1st1/?action=upgrade", json!({"dockerCompose": "x"}))
    );
}

#[tokio::test]
async fn schemas_are_asked_for_once() {
    let server = Server::answering(|_, _, _| {
        json(
            200,
            &json!({"data": [{"id": "stack", "type": "schema", "pluralName": "stacks", "collectionMethods": ["GET", "POST"],
                     "resourceFields": {"name": {"type": "string"}}}], "pagination": null}),
        )
    })
    .await;
    let client = server.client();
    assert!(client.schemas().await.unwrap().get("Stack").unwrap().can_create());
    assert!(client.schemas().await.unwrap().get("stack").unwrap().has_field("name"));
    assert!(client.schemas().await.unwrap().get("host").is_none());
    assert_eq!(server.lines(), ["GET /v2-beta/projects/1a5/schemas"]);
}
