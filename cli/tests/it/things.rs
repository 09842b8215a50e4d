use serde_json::{Value, json};

use crate::world::{NOW, Objects, World, error, shop};

/// Makes what it is told to make, with an id from the collection.
fn making(objects: &mut Objects, what: &str, id: &str, input: &Value) -> Option<(u16, Value)> {
    let (prefix, kind) = match (what, id) {
        ("POST", "secrets") => ("1se", "secret"),
        ("POST", "registries") => ("1sp", "registry"),
        ("POST", "registrycredentials") => ("1c", "registryCredential"),
        ("POST", "certificates") => ("1c", "certificate"),
        ("POST", "accounts") => ("1a", "account"),
        ("POST", "passwords") => ("1c", "password"),
        ("POST", "volumes") => ("1v", "volume"),
        ("POST", "projects") => ("1a", "project"),
        ("POST", "apikeys") => ("1c", "apiKey"),
        _ => return None,
    };
    let mut object = input.clone();
    object["id"] = format!("{prefix}70").into();
    object["type"] = kind.into();
    object["state"] = "active".into();
    object["transitioning"] = "no".into();
    object["createdTS"] = NOW.into();
    object["actions"] = json!(["deactivate", "remove"]);
    // What is secret is not shown again.
    let mut kept = object.clone();
    for secret in ["value", "secretValue", "key"] {
        kept.as_object_mut().unwrap().remove(secret);
    }
    objects.put(id, kept);
    if kind == "apiKey" {
        object["publicValue"] = "NEWKEY".into();
        object["secretValue"] = "new-secret".into();
    }
    object["actions"] = json!({});
    Some((201, object))
}

fn put(world: &World, plural: &str, kind: &str, id: &str, fields: Value) {
    let mut object = json!({
        "id": id, "type": kind, "state": "active", "transitioning": "no", "createdTS": NOW - 60_000,
        "actions": ["activate", "deactivate", "remove"],
    });
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    world.put(plural, object);
}

async fn office() -> World {
    let world = shop(making).await;
    put(&world, "secrets", "secret", "1se1", json!({"name": "token", "description": "of the shop"}));
    put(&world, "networks", "network", "1n1", json!({"name": "managed", "kind": "network"}));
    put(&world, "registries", "registry", "1sp1", json!({"serverAddress": "registry.test:5000"}));
    put(
        &world,
        "certificates",
        "certificate",
        "1c5",
        json!({"name": "www", "CN": "www.test",
        "subjectAlternativeNames": ["www.test", "test"], "expiresAt": "2027-01-01T00:00:00Z"}),
    );
    put(&world, "accounts", "account", "1a1", json!({"name": "Ann", "kind": "admin"}));
    put(&world, "accounts", "account", "1a2", json!({"name": "Bob", "kind": "user"}));
    put(&world, "accounts", "account", "1a5", json!({"name": "Default", "kind": "project"}));
    put(
        &world,
        "apikeys",
        "apiKey",
        "1c9",
        json!({"name": "robot", "publicValue": "ROBOT", "accountId": "1a1"}),
    );
    put(
        &world,
        "projectmembers",
        "projectMember",
        "1pm1",
        json!({"name": "Ann", "role": "owner",
        "externalId": "1a1", "externalIdType": "rancher_id"}),
    );
    put(
        &world,
        "settings",
        "setting",
        "api.host",
        json!({"name": "api.host", "value": null,
        "activeValue": "http://server", "source": "Default"}),
    );
    put(
        &world,
        "auditlogs",
        "auditLog",
        "1al1",
        json!({"created": "2026-01-31T12:00:00Z",
        "eventType": "api.stack.create", "resourceType": "stack", "resourceId": 1,
        "authenticatedAsAccountId": "1a1", "clientIp": "10.0.0.9", "responseCode": 201}),
    );
    world
}

#[tokio::test]
async fn every_noun_lists() {
    let world = office().await;
    for noun in
        ["secrets", "networks", "registries", "certificates", "users", "keys", "members", "settings", "audit"]
    {
        world.golden(&format!("ls-{noun}"), noun).await;
        let done = world.run(&format!("{noun} --format json")).await;
        let list: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{noun}: {done:?}"));
        let ids: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        let quiet = world.run(&format!("{noun} -q")).await;
        assert_eq!(quiet.out.lines().collect::<Vec<_>>(), ids, "{noun}");
    }
    // The singular is the same noun.
    assert_eq!(world.run("secret ls").await.out, world.run("secrets").await.out);
    assert_eq!(world.run("registry inspect registry.test:5000 --format '{{.id}}'").await.code, 0);
}

#[tokio::test]
async fn what_the_server_does_not_have_is_said() {
    let world = office().await;
    let done = world.golden("no-processes", "processes").await;
    assert_eq!(done.code, 1);
}

#[tokio::test]
async fn secrets_travel_in_base64_and_are_not_shown() {
    let world = office().await;
    world.file("pass", "hush\n");
    let done = world.run("secrets create db-pass pass --description x").await;
    assert_eq!((done.code, done.out.as_str()), (0, "db-pass\n"), "{done:?}");
    let (line, input) = world.orders().pop().unwrap();
    assert_eq!(line, "POST /projects/1a5/secrets");
    assert_eq!(input, json!({"name": "db-pass", "description": "x", "value": "aHVzaAo="}));
    let done = world.run_with("secret create other -", world.variables(), "from stdin").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(world.orders().pop().unwrap().1["value"], "ZnJvbSBzdGRpbg==");
    let shown = world.run("secrets inspect db-pass").await.out;
    assert!(!shown.contains("aHVzaAo") && shown.contains("1se70"), "{shown}");
    assert_eq!(world.run("rm -f token").await.code, 0);
    assert_eq!(world.orders().pop().unwrap().0, "DELETE /projects/1a5/secrets/1se1");
    world.golden("secret-unknown", "secrets rm -f nope").await;
}

#[tokio::test]
async fn registries_get_users_and_their_passwords() {
    let world = office().await;
    let command = "registries create docker.test --user ann --password-stdin";
    let done = world.run_with(command, world.variables(), "hush\n").await;
    assert_eq!((done.code, done.out.as_str()), (0, "docker.test\n"), "{done:?}");
    let orders = world.orders();
    assert_eq!(orders[0].1, json!({"serverAddress": "docker.test", "name": null}));
    assert_eq!(orders[1].1, json!({"registryId": "1sp70", "publicValue": "ann", "secretValue": "hush"}));
    // The same user gets another password; a second credential would stand in its way.
    world.change("1c70", &json!({"publicValue": "ann", "registryId": "1sp70"}));
    world.run_with(command, world.variables(), "other\n").await;
    let (line, input) = world.orders().pop().unwrap();
    assert_eq!(line, "PUT /projects/1a5/registrycredentials/1c70");
    assert_eq!(input, json!({"publicValue": "ann", "secretValue": "other"}));
}

#[tokio::test]
async fn certificates_come_from_files() {
    let world = office().await;
    world.file("cert.pem", "CERT");
    world.file("key.pem", "KEY");
    let done = world.run("certificates create api --cert cert.pem --key key.pem --chain cert.pem").await;
    assert_eq!(done.code, 0, "{done:?}");
    let input = world.orders().pop().unwrap().1;
    assert_eq!(
        input,
        json!({"cert": "CERT", "key": "KEY", "certChain": "CERT", "name": "api", "description": null})
    );
    assert_eq!(world.run("certificates update www --cert cert.pem --key key.pem").await.code, 0);
    assert_eq!(world.orders().pop().unwrap().0, "PUT /projects/1a5/certificates/1c5");
    let done = world.run("certificates create api --cert nope.pem --key key.pem").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("could not read `nope.pem`"), "{}", done.err);
}

#[tokio::test]
async fn users_are_made_with_passwords_or_not_at_all() {
    let world = office().await;
    let done =
        world.run_with("users create eve --kind admin --password-stdin", world.variables(), "hush\n").await;
    assert_eq!((done.code, done.out.as_str()), (0, "eve\n"), "{done:?}");
    let orders = world.orders();
    assert_eq!(orders[0].1, json!({"name": "eve", "kind": "admin"}));
    assert_eq!(orders[1].1, json!({"accountId": "1a70", "publicValue": "eve", "secretValue": "hush"}));

    let world = shop(|objects, what, id, input| match (what, id) {
        ("POST", "passwords") => Some(error(422, "NotUnique", "the name is taken")),
        _ => making(objects, what, id, input),
    })
    .await;
    let done = world.run_with("users create eve --password-stdin", world.variables(), "hush\n").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("nothing was created: the name is taken"), "{}", done.err);
    assert_eq!(world.orders().pop().unwrap().0, "DELETE /accounts/1a70");
    assert!(!done.err.contains("hush"));
}

#[tokio::test]
async fn keys_show_their_secret_once() {
    let world = office().await;
    world.golden("keys-create", "keys create robot2").await;
    assert_eq!(world.orders().pop().unwrap().0, "POST /apikeys");
    world.run("keys create --environment-key").await;
    assert_eq!(world.orders().pop().unwrap().0, "POST /projects/1a5/apikeys");
    assert_eq!(world.run("keys deactivate robot").await.code, 0);
    assert_eq!(world.orders().pop().unwrap().0, "POST /apikeys/1c9?action=deactivate");
}

#[tokio::test]
async fn members_are_told_as_a_whole() {
    let world = office().await;
    world.change("1a5", &json!({"actions": ["setmembers"]}));
    assert_eq!(world.run("members add Bob --role readonly").await.code, 0);
    let (line, input) = world.orders().pop().unwrap();
    assert_eq!(line, "POST /projects/1a5?action=setmembers");
    let ann = json!({"externalId": "1a1", "externalIdType": "rancher_id", "role": "owner"});
    assert_eq!(
        input,
        json!({"members": [ann, {"externalId": "1a2", "externalIdType": "rancher_id", "role": "readonly"}]})
    );
    world.run("members add Ann --role member").await;
    assert_eq!(world.orders().pop().unwrap().1["members"][0]["role"], "member");
    assert_eq!(world.run("members rm Ann").await.code, 0);
    assert_eq!(world.orders().pop().unwrap().1, json!({"members": []}));
    assert_eq!(world.run("members rm Bob").await.code, 1);
}

#[tokio::test]
async fn settings_are_read_and_changed() {
    let world = office().await;
    assert_eq!(world.run("settings get api.host").await.out, "http://server\n");
    assert_eq!(world.run("settings set api.host https://other").await.code, 0);
    let (line, input) = world.orders().pop().unwrap();
    assert_eq!((line.as_str(), input), ("PUT /settings/api.host", json!({"value": "https://other"})));
    world.golden("setting-unknown", "settings get nope").await;
}

#[tokio::test]
async fn volumes_environments_and_hosts_are_changed() {
    let world = office().await;
    let done = world.run("volumes create cache --driver local -o type=tmpfs -o o --host alpha").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        world.orders().pop().unwrap().1,
        json!({"name": "cache", "driver": "local", "driverOpts": {"type": "tmpfs", "o": ""}, "hostId": "1h1"})
    );
    world.change("1h1", &json!({"labels": {"zone": "a", "old": "1"}}));
    assert_eq!(world.run("hosts set alpha --name beta -l zone=b --remove-label old").await.code, 0);
    assert_eq!(world.orders().pop().unwrap().1, json!({"name": "beta", "labels": {"zone": "b"}}));
    let done = world.run("hosts set beta").await;
    assert_eq!(done.code, 2, "{done:?}");
    assert_eq!(world.run("env create Prod").await.out, "1a70\n");
    world.change("1a70", &json!({"actions": ["deactivate"]}));
    assert_eq!(world.run("env deactivate Prod").await.code, 0);
    assert_eq!(world.orders().pop().unwrap().0, "POST /projects/1a70?action=deactivate");
    assert_eq!(world.run("env rm -f Prod").await.out, "Prod\n");
}

#[tokio::test]
async fn every_form_of_output() {
    let world = office().await;
    world.golden("form-yaml", "stacks --format yaml").await;
    let done = world.run_with("ps --format {{.name}}={{.state}}", world.variables(), "").await;
    assert_eq!(done.out, "shop-db-1=running\nshop-web-1=running\nshop-web-2=running\n", "{}", done.err);
    let done = world.run("services --format {{.Name}}:{{.scale}}").await;
    assert_eq!(done.out, "shop/db:1\nshop/web:2\n");
    let done = world.run("inspect 1h1 --format {{.hostname}}").await;
    assert_eq!(done.out, "alpha\n");
    let done = world.run("stacks --format {{.nope}}").await;
    assert_eq!(done.code, 2);
    assert!(done.err.contains("there is no field `nope`") && done.err.contains("hint: "), "{}", done.err);
    let wrong = <lariat_cli::Cli as clap::Parser>::try_parse_from(["lariat", "ps", "--format", "xml"]);
    assert_eq!(wrong.unwrap_err().exit_code(), 2);
}

#[tokio::test]
async fn ports_and_what_is_not_used() {
    let world = office().await;
    world.change("1i1", &json!({"ports": ["8080:80/tcp", "10.9.9.9:53:53/udp"]}));
    world.golden("port", "port shop/web").await;
    assert_eq!(world.run("port shop-web-1 80").await.out, "10.0.0.1:8080\n");
    assert_eq!(world.run("port shop-web-1 53/udp").await.out, "10.9.9.9:53\n");
    assert_eq!(world.run("port shop-web-1 81").await.code, 1);

    let mut alone = crate::world::container("1i9", "1st1", "1s1", "old");
    alone["serviceId"] = Value::Null;
    alone["stackId"] = Value::Null;
    alone["state"] = "stopped".into();
    world.put("containers", alone);
    put(&world, "volumes", "volume", "1v7", json!({"name": "left"}));
    world.golden("prune-dry", "prune --volumes --dry-run").await;
    assert_eq!(world.run("prune -f").await.code, 0);
    let gone: Vec<String> = world.orders().into_iter().map(|(line, _)| line).collect();
    assert_eq!(gone, ["DELETE /projects/1a5/containers/1i9"]);
}
