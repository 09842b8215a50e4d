use serde_json::{Value, json};

use crate::world::{COMPOSE, Keys, World};

/// A second project with one of everything.
async fn neighbour(world: &World) -> (String, Keys, Vec<String>) {
    let (project, keys) = world.project("neighbour").await;
    let number: i64 = project[2..].parse().unwrap();
    let input = json!({"name": "hushstack", "dockerCompose": COMPOSE, "startOnCreate": true});
    let stack = world.admin(&format!("POST /v2-beta/projects/{project}/stacks"), input).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let host = world.host(number, "hushhost").await;
    let service = world.store.snapshot().services.named("web").next().unwrap().id;
    let origin = control_model::Origin::Service { service, index: 1, create_index: 1, launch_version: 1 };
    let container = world.container(number, host, "hushcontainer", origin).await;
    let token = world.admin(&format!("POST /v2-beta/projects/{project}/registrationtokens"), json!({})).await;
    let paths = vec![
        format!("stacks/{}", stack.id()),
        format!("stacks/{}/services", stack.id()),
        format!("services/1s{}", service.raw()),
        format!("services/1s{}/instances", service.raw()),
        format!("hosts/1h{}", host.raw()),
        format!("hosts/1h{}/instances", host.raw()),
        format!("containers/1i{}", container.raw()),
        format!("instances/1i{}", container.raw()),
        format!("serviceexposemaps/1sem{}", container.raw()),
        format!("registrationtokens/{}", token.id()),
        format!("credentials/{}", token.id()),
    ];
    (project, keys, paths)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenant_sees_nothing_of_another() {
    let world = World::start().await;
    let (project, own_keys, paths) = neighbour(&world).await;
    let (_, other_keys) = world.project("mine").await;
    let (user, user_keys) = world.account("kim", "user").await;
    let members = json!({"members": [{"externalId": user, "role": "owner"}]});
    let set = world.admin("POST /v2-beta/projects/1a5/?action=setmembers", members).await;
    assert_eq!(set.status, 200, "{}", set.text);
    for path in &paths {
        let own = world.call(&own_keys, &format!("GET /v2-beta/{path}"), Value::Null, &[]).await;
        assert_eq!(own.status, 200, "{path}: {}", own.text);
        for (keys, prefix) in [
            (&other_keys, String::new()),
            (&user_keys, "/projects/1a5".to_owned()),
            (&user_keys, String::new()),
            (&world.admin, "/projects/1a5".to_owned()),
        ] {
            for version in ["v1", "v2-beta"] {
                let path =
                    if version == "v1" { path.replace("stacks/", "environments/") } else { path.clone() };
                for method in ["GET", "PUT", "DELETE", "POST"] {
                    let query = if method == "POST" { "?action=remove" } else { "" };
                    let request = format!("{method} /{version}{prefix}/{path}{query}");
                    let answer = world.call(keys, &request, json!({"name": "x"}), &[]).await;
                    assert!(answer.status >= 400, "{request} gave {}", answer.text);
                    assert!(!answer.text.contains("hush"), "{request}: {}", answer.text);
                }
            }
        }
    }
    for kind in [
        "stacks",
        "services",
        "containers",
        "instances",
        "hosts",
        "volumes",
        "ports",
        "serviceexposemaps",
        "credentials",
        "apikeys",
        "registrationtokens",
        "projectmembers",
        "accounts",
        "projects",
    ] {
        for keys in [&other_keys, &user_keys] {
            for query in
                ["", "?include=instances", "?include=services", "?removed_null=1&limit=-1", "?_removed=true"]
            {
                let answer = world.call(keys, &format!("GET /v2-beta/{kind}{query}"), Value::Null, &[]).await;
                assert!(!answer.text.contains("hush"), "{kind}: {}", answer.text);
                assert!(!answer.text.contains("neighbour"), "{kind}: {}", answer.text);
            }
        }
    }
    // A foreign project and one that does not exist look the same.
    for keys in [&other_keys, &user_keys] {
        for project in [project.as_str(), "1a987"] {
            for header in [false, true] {
                let headers = [("x-api-project-id", project)];
                let (request, headers) = if header {
                    ("GET /v2-beta/stacks".to_owned(), &headers[..])
                } else {
                    (format!("GET /v2-beta/projects/{project}/stacks"), &[][..])
                };
                let answer = world.call(keys, &request, Value::Null, headers).await;
                assert_eq!(answer.outcome(), "403 Forbidden", "{request}");
            }
        }
    }
    // References in bodies do not cross either.
    let stack = paths[0].rsplit('/').next().unwrap();
    let input = json!({"name": "x", "stackId": stack, "launchConfig": {"imageUuid": "docker:a"}});
    let answer = world.call(&other_keys, "POST /v2-beta/services", input, &[]).await;
    assert_eq!(answer.outcome(), "422 InvalidReference stackId");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_may_what_their_schemas_say() {
    let world = World::start().await;
    let input = json!({"name": "shop", "dockerCompose": COMPOSE});
    let stack = world.admin("POST /v2-beta/projects/1a5/stacks", input).await.id();
    let host = world.host(5, "metal").await;
    let mut members = vec![json!({"externalId": "1", "role": "owner"})];
    let mut people = Vec::new();
    for role in ["owner", "member", "restricted", "readonly"] {
        let (id, keys) = world.account(role, "user").await;
        members.push(json!({"externalId": id, "role": role}));
        people.push((role, keys));
    }
    let set = world.admin("POST /v2-beta/projects/1a5/?action=setmembers", json!({"members": members})).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let (_, stranger) = world.account("stranger", "user").await;
    people.push(("stranger", stranger));
    let project_key = world.admin("POST /v2-beta/projects/1a5/apikeys", json!({})).await;
    people.push(("project", crate::world::keys_of(&project_key)));
    let (_, auditor) = world.account("auditor", "readAdmin").await;
    people.push(("readAdmin", auditor));

    // What is asked, and who gets it: owner member restricted readonly stranger project readAdmin.
    let table = [
        ("GET /stacks", json!(null), [200, 200, 200, 200, 403, 200, 200]),
        ("GET /hosts", json!(null), [200, 200, 200, 200, 403, 200, 200]),
        ("GET /registrationtokens", json!(null), [200, 200, 404, 404, 403, 200, 404]),
        ("POST /registrationtokens", json!({}), [201, 201, 404, 404, 403, 201, 404]),
        ("POST /stacks", json!({"name": "NAME"}), [201, 201, 201, 405, 403, 201, 405]),
        ("PUT /stacks/STACK", json!({"description": "x"}), [200, 200, 200, 405, 403, 200, 405]),
        ("POST /stacks/STACK?action=activateservices", json!({}), [200, 200, 200, 422, 403, 200, 422]),
        ("PUT /hosts/HOST", json!({"description": "x"}), [200, 200, 405, 405, 403, 200, 405]),
        ("POST /hosts/HOST?action=deactivate", json!({}), [202, 202, 422, 422, 403, 202, 422]),
        ("POST /hosts/HOST?action=activate", json!({}), [202, 202, 422, 422, 403, 202, 422]),
        ("GET /projectmembers", json!(null), [200, 200, 200, 200, 404, 200, 200]),
        ("DELETE /stacks/STACK", json!(null), [200, 200, 200, 405, 403, 200, 405]),
    ];
    for (request, body, wanted) in table {
        for ((role, keys), want) in people.iter().zip(wanted) {
            let (method, path) = request.split_once(' ').unwrap();
            let path = path.replace("STACK", &stack).replace("HOST", &format!("1h{}", host.raw()));
            if path.ends_with("=activate") && want == 202 {
                world
                    .admin(
                        &format!("POST /v2-beta/projects/1a5/hosts/1h{}?action=deactivate", host.raw()),
                        json!({}),
                    )
                    .await;
            }
            if path.ends_with("=deactivate") && want == 202 {
                world
                    .admin(
                        &format!("POST /v2-beta/projects/1a5/hosts/1h{}?action=activate", host.raw()),
                        json!({}),
                    )
                    .await;
            }
            let body: Value =
                serde_json::from_str(&body.to_string().replace("NAME", &format!("of-{role}"))).unwrap();
            let answer = world.call(keys, &format!("{method} /v2-beta/projects/1a5{path}"), body, &[]).await;
            assert_eq!(answer.status, want, "{role}: {request}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_change_who_is_a_member() {
    let world = World::start().await;
    let (owner_id, owner) = world.account("owner", "user").await;
    let (member_id, member) = world.account("member", "user").await;
    let made = world.call(&owner, "POST /v2-beta/projects", json!({"name": "own"}), &[]).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = format!("/v2-beta/projects/{}", made.id());
    let both = json!({"members": [
        {"externalId": owner_id, "externalIdType": "rancher_id", "role": "owner"},
        {"externalId": member_id, "externalIdType": "rancher_id", "role": "member"},
    ]});
    let set = world.call(&owner, &format!("POST {path}/?action=setmembers"), both.clone(), &[]).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let list = world.call(&owner, &format!("GET {path}/projectmembers"), Value::Null, &[]).await;
    assert_eq!(list.column("role"), ["owner", "member"], "{}", list.text);
    let names = world.call(&member, "GET /v2-beta/projects", Value::Null, &[]).await.column("name");
    assert_eq!(names, ["own"]);
    let refused = world.call(&member, &format!("POST {path}/?action=setmembers"), both, &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(world.call(&member, &format!("DELETE {path}"), Value::Null, &[]).await.status >= 400);
    for (members, want) in [
        (json!([]), "422 MissingRequired members"),
        (json!([{"externalId": owner_id, "role": "member"}]), "400 InvalidFormat members"),
    ] {
        let input = json!({"members": members});
        let answer = world.call(&owner, &format!("POST {path}/?action=setmembers"), input, &[]).await;
        assert_eq!(answer.outcome(), want, "{}", answer.text);
    }
    let unknown = json!({"members": [{"externalId": "1a999", "role": "owner"}]});
    let answer = world.call(&owner, &format!("POST {path}/?action=setmembers"), unknown, &[]).await;
    assert_eq!(answer.outcome(), "422 InvalidReference externalId");
    let off = world.call(&owner, &format!("POST {path}/?action=deactivate"), json!({}), &[]).await;
    assert_eq!(off.status, 202, "{}", off.text);
    assert_eq!(world.call(&member, &format!("GET {path}/stacks"), Value::Null, &[]).await.status, 403);
    let gone = world.call(&owner, &format!("DELETE {path}"), Value::Null, &[]).await;
    assert_eq!((gone.status, &gone.body["state"]), (200, &json!("removed")), "{}", gone.text);
}
