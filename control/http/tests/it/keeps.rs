//! Secrets, certificates, registries and drafts: made, read, changed, removed; by each role; and kept to themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_values::Secret;
use control_plan::{Vault, credential_place, secret_place};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::world::{Answer, Keys, World};

const IN: &str = "/v2-beta/projects/1a5";

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// The vault of the tests' installation.
fn vault() -> Vault {
    Vault::new(&Secret::new("07".repeat(32)))
}

async fn made(world: &World, plural: &str, body: Value) -> Answer {
    let answer = world.admin(&format!("POST {IN}/{plural}"), body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_taken_and_never_shown() {
    let world = World::start().await;
    let value = base64("hunter2");
    let secret = made(&world, "secrets", json!({"name": "db_password", "value": value})).await;
    assert_eq!(
        (secret.body["type"].as_str(), secret.body["state"].as_str()),
        (Some("secret"), Some("active"))
    );
    assert!(secret.id().starts_with("1se") && !secret.text.contains(&value), "{}", secret.text);
    assert_eq!(secret.body["value"], Value::Null);
    let row = world.store.snapshot().secrets.live().next().unwrap().clone();
    assert!(!row.intent.sealed.expose().contains(&value));
    assert_eq!(vault().open(&secret_place(&row.uuid), &row.intent.sealed).unwrap().expose(), value);
    let list = world.get(&format!("{IN}/secrets?name=db_password")).await;
    assert_eq!(list.column("name"), ["db_password"]);
    assert!(!list.text.contains(&value));
    for (body, want) in [
        (json!({"name": "db_password", "value": value}), "422 NotUnique name"),
        (json!({"value": value}), "422 MissingRequired name"),
        (json!({"name": "a/b", "value": value}), "422 InvalidCharacters name"),
        (json!({"name": "empty"}), "422 EmptySecret value"),
        (json!({"name": "plain", "value": "not base64!"}), "422 InvalidBase64 value"),
        (json!({"name": "large", "value": base64(&"x".repeat(600_000))}), "422 MaxLengthExceeded value"),
    ] {
        let answer = world.admin(&format!("POST {IN}/secrets"), body).await;
        assert_eq!(answer.outcome(), want, "{}", answer.text);
    }
    let path = format!("{IN}/secrets/{}", secret.id());
    let put =
        world.admin(&format!("PUT {path}"), json!({"description": "for the shop", "value": "bmV3"})).await;
    assert_eq!((put.status, put.body["description"].as_str()), (200, Some("for the shop")), "{}", put.text);
    let row = world.store.snapshot().secrets.live().next().unwrap().clone();
    assert_eq!(
        vault().open(&secret_place(&row.uuid), &row.intent.sealed).unwrap().expose(),
        value,
        "it never changes"
    );
    let gone = world.admin(&format!("DELETE {path}"), Value::Null).await;
    assert_eq!((gone.status, gone.body["state"].as_str()), (200, Some("removed")), "{}", gone.text);
    let row = world.store.snapshot().secrets.iter().next().unwrap().clone();
    assert!(row.intent.sealed.expose().is_empty(), "nothing of it stays behind");
    made(&world, "secrets", json!({"name": "db_password", "value": value})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_take_secrets_by_id_or_name_and_name_what_is_missing() {
    let world = World::start().await;
    let secret = made(&world, "secrets", json!({"name": "token", "value": base64("x")})).await;
    let compose = "version: '3.8'\nservices:\n  web:\n    image: a\n    secrets:\n      - source: token\n        target: t\n        uid: '7'\n        mode: 0400\n    configs:\n      - source: site\n        target: /etc/site\nsecrets:\n  token:\n    external: true\nconfigs:\n  site:\n    content: 'hello'\n";
    let stack = made(&world, "stacks", json!({"name": "shop", "dockerCompose": compose})).await;
    let services = world.get(&format!("{IN}/stacks/{}/services", stack.id())).await;
    let launch = &services.body["data"][0]["launchConfig"];
    assert_eq!(launch["secrets"][0]["secretId"], secret.id(), "{launch}");
    assert_eq!(
        (
            launch["secrets"][0]["name"].as_str(),
            launch["secrets"][0]["uid"].as_str(),
            launch["secrets"][0]["mode"].as_str()
        ),
        (Some("t"), Some("7"), Some("0400"))
    );
    let row = world.store.snapshot().services.named("web").next().unwrap().clone();
    assert_eq!(row.intent.launch.files[0].target, "/etc/site");
    assert_eq!(STANDARD.decode(&row.intent.launch.files[0].content).unwrap(), b"hello");
    // The same files again change nothing.
    let upgrade = format!("POST {IN}/stacks/{}/?action=upgrade", stack.id());
    let same = world.admin(&upgrade, json!({"dockerCompose": compose})).await;
    assert_eq!(same.body["changedServiceIds"], json!([]), "{}", same.text);
    let missing = compose.replace("token", "nothing");
    let answer =
        world.admin(&format!("POST {IN}/stacks"), json!({"name": "bad", "dockerCompose": missing})).await;
    assert_eq!(answer.outcome(), "422 InvalidReference dockerCompose", "{}", answer.text);
    assert!(answer.text.contains("`nothing`"), "{}", answer.text);
    // A service of the API, and the secret of another environment.
    let (other, _) = world.project("other").await;
    let foreign = world
        .admin(
            &format!("POST /v2-beta/projects/{other}/secrets"),
            json!({"name": "far", "value": base64("x")}),
        )
        .await;
    for (id, want) in [
        (secret.id(), "201"),
        (foreign.id(), "422 InvalidReference secrets"),
        ("1se99".into(), "422 InvalidReference secrets"),
    ] {
        let launch = json!({"imageUuid": "docker:a", "secrets": [{"secretId": id}]});
        let body = json!({"name": format!("s{}", id.len() + want.len()), "stackId": stack.id(), "launchConfig": launch});
        let answer = world.admin(&format!("POST {IN}/services"), body).await;
        assert_eq!(answer.outcome(), want, "{}", answer.text);
    }
}

struct Pair {
    certificate: String,
    key: String,
}

/// A certificate for `shop.example` and the authority that signed it.
fn signed(days: i64) -> (Pair, Pair) {
    let pem = |certificate: &rcgen::Certificate, key: &KeyPair| Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    };
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
    let authority = params.self_signed(&authority_key).unwrap();
    let above = pem(&authority, &authority_key);
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["shop.example".to_owned(), "10.0.0.7".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "shop.example");
    if days < 0 {
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2001, 2, 1));
    } else {
        params.not_after = rcgen::date_time_ymd(2999, 1, 1);
    }
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (pem(&certificate, &key), above)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_and_its_key_kept() {
    let world = World::start().await;
    let (own, above) = signed(1);
    let (other, _) = signed(1);
    let (old, _) = signed(-1);
    let body =
        json!({"name": "shop", "cert": own.certificate, "certChain": above.certificate, "key": own.key});
    let answer = made(&world, "certificates", body.clone()).await;
    assert!(answer.id().starts_with("1c") && !answer.text.contains("PRIVATE KEY"), "{}", answer.text);
    assert_eq!(
        (answer.body["CN"].as_str(), answer.body["version"].as_str()),
        (Some("shop.example"), Some("v3"))
    );
    assert_eq!(answer.body["subjectAlternativeNames"], json!(["shop.example", "10.0.0.7"]));
    assert_eq!(answer.body["expiresAt"], "2999-01-01T00:00:00Z");
    assert_eq!(answer.body["certFingerprint"].as_str().unwrap().len(), 59);
    assert!(answer.body["issuer"].as_str().unwrap().contains("Test authority"), "{}", answer.text);
    let with = |changes: Value| {
        let mut body = body.clone();
        body["name"] = "other".into();
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for (changes, want) in [
        (json!({"name": "shop"}), "422 NotUnique name"),
        (json!({"key": other.key}), "422 InvalidFormat key"),
        (json!({"key": "nonsense"}), "422 InvalidFormat key"),
        (json!({"key": null}), "422 MissingRequired key"),
        (json!({"cert": "nonsense"}), "422 InvalidFormat cert"),
        (json!({"cert": old.certificate, "key": old.key, "certChain": null}), "422 InvalidFormat cert"),
        (json!({"certChain": other.certificate}), "422 InvalidFormat certChain"),
        (json!({"certChain": "nonsense"}), "422 InvalidFormat certChain"),
    ] {
        let answer = world.admin(&format!("POST {IN}/certificates"), with(changes)).await;
        assert_eq!(answer.outcome(), want, "{}", answer.text);
        assert!(!answer.text.contains("PRIVATE KEY"));
    }
    // The chain may stand behind the certificate; the wrong order is told.
    let both = format!("{}{}", own.certificate, above.certificate);
    let answer =
        world.admin(&format!("POST {IN}/certificates"), with(json!({"cert": both, "certChain": null}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let wrong = format!("{}{}", above.certificate, own.certificate);
    let answer = world
        .admin(
            &format!("POST {IN}/certificates"),
            with(json!({"name": "third", "cert": wrong, "certChain": null})),
        )
        .await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.text.contains("did not sign"), "{}", answer.text);
    // A new certificate needs its key.
    let path = format!("PUT {IN}/certificates/{}", made_id(&world, "shop").await);
    let alone = world.admin(&path, json!({"cert": other.certificate, "certChain": null})).await;
    assert_eq!(alone.outcome(), "422 InvalidFormat key", "{}", alone.text);
    let put = world
        .admin(
            &path,
            json!({"cert": other.certificate, "certChain": null, "key": other.key, "description": "new"}),
        )
        .await;
    assert_eq!((put.status, put.body["description"].as_str()), (200, Some("new")), "{}", put.text);
    let gone = world.admin(&path.replace("PUT", "DELETE"), Value::Null).await;
    assert_eq!((gone.status, gone.body["state"].as_str()), (200, Some("removed")), "{}", gone.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sealed_outlives_its_environment() {
    let world = World::start().await;
    let (project, _) = world.project("short").await;
    let within = format!("/v2-beta/projects/{project}");
    let make = async |plural: &str, body: Value| {
        let answer = world.admin(&format!("POST {within}/{plural}"), body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.id()
    };
    make("secrets", json!({"name": "s", "value": base64("x")})).await;
    let (own, _) = signed(1);
    make("certificates", json!({"name": "c", "cert": own.certificate, "key": own.key})).await;
    let registry = make("registries", json!({"serverAddress": "r.example"})).await;
    let login = json!({"registryId": registry, "publicValue": "u", "secretValue": "p"});
    make("registrycredentials", login).await;
    let gone = world.admin(&format!("DELETE /v2-beta/projects/{project}"), Value::Null).await;
    assert_eq!((gone.status, gone.body["state"].as_str()), (200, Some("removed")), "{}", gone.text);
    let tables = world.store.snapshot();
    let empty = |secret: &Secret| secret.expose().is_empty();
    assert!(tables.secrets.iter().all(|row| row.removed.is_some() && empty(&row.intent.sealed)));
    assert!(tables.certificates.iter().all(|row| row.removed.is_some() && empty(&row.intent.sealed_key)));
    assert!(tables.registries.iter().all(|row| row.removed.is_some()));
    assert!(
        tables
            .credentials
            .iter()
            .all(|row| row.intent.registry.is_none() || row.removed.is_some() && row.intent.sealed.is_none())
    );
}

async fn made_id(world: &World, name: &str) -> String {
    world.get(&format!("{IN}/certificates?name={name}")).await.column("id").remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_has_credentials_that_only_hosts_see() {
    let world = World::start().await;
    let registry = made(&world, "registries", json!({"serverAddress": "https://R.example:5000/v2/"})).await;
    assert_eq!(registry.body["serverAddress"], "r.example:5000");
    assert_eq!(
        (registry.body["type"].as_str(), registry.body["baseType"].as_str()),
        (Some("registry"), Some("storagePool"))
    );
    let body = json!({"registryId": registry.id(), "publicValue": "robot", "secretValue": "hunter2"});
    let login = made(&world, "registrycredentials", body.clone()).await;
    assert!(!login.text.contains("hunter2"), "{}", login.text);
    assert_eq!(
        (login.body["publicValue"].as_str(), login.body["registryId"].as_str()),
        (Some("robot"), Some(registry.id().as_str()))
    );
    let row = world
        .store
        .snapshot()
        .credentials
        .of_project(contract_values::ProjectId::new(5))
        .last()
        .unwrap()
        .clone();
    let opened = vault().open(&credential_place(&row.uuid), row.intent.sealed.as_ref().unwrap()).unwrap();
    assert_eq!(opened.expose(), "hunter2");
    // It opens nothing here: it is for another server.
    let keys = Keys { public: "robot".into(), secret: "hunter2".into() };
    assert_eq!(world.call(&keys, "GET /v2-beta/projects", Value::Null, &[]).await.status, 401);
    // The same user at another registry is somebody else.
    let second = made(&world, "registries", json!({"serverAddress": "docker.io"})).await;
    assert_eq!(second.body["serverAddress"], "index.docker.io");
    made(
        &world,
        "registrycredentials",
        json!({"registryId": second.id(), "publicValue": "robot", "secretValue": "x"}),
    )
    .await;
    for (plural, body, want) in [
        ("registries", json!({"serverAddress": "r.example:5000"}), "422 NotUnique serverAddress"),
        ("registries", json!({"serverAddress": "a b"}), "422 InvalidFormat serverAddress"),
        ("registries", json!({}), "422 MissingRequired serverAddress"),
        (
            "registrycredentials",
            json!({"publicValue": "a", "secretValue": "b"}),
            "422 MissingRequired registryId",
        ),
        (
            "registrycredentials",
            json!({"registryId": "1sp99", "publicValue": "a", "secretValue": "b"}),
            "422 InvalidReference registryId",
        ),
        (
            "registrycredentials",
            json!({"registryId": registry.id(), "publicValue": "a"}),
            "422 MissingRequired secretValue",
        ),
    ] {
        let answer = world.admin(&format!("POST {IN}/{plural}"), body).await;
        assert_eq!(answer.outcome(), want, "{}", answer.text);
    }
    let credentials = world.get(&format!("{IN}/registries/{}/credentials", registry.id())).await;
    assert_eq!(credentials.column("publicValue"), ["robot"]);
    let path = format!("{IN}/registrycredentials/{}", login.id());
    let put =
        world.admin(&format!("PUT {path}"), json!({"publicValue": "other", "secretValue": "new"})).await;
    assert_eq!((put.status, put.body["publicValue"].as_str()), (200, Some("other")), "{}", put.text);
    let off = world.admin(&format!("POST {path}/?action=deactivate"), json!({})).await;
    assert_eq!((off.status, off.body["state"].as_str()), (202, Some("inactive")), "{}", off.text);
    let gone = world.admin(&format!("DELETE {IN}/registries/{}", registry.id()), Value::Null).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(world.get(&format!("{IN}/registrycredentials")).await.column("publicValue"), ["robot"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_environment_keeps_is_for_those_who_may() {
    let world = World::start().await;
    let (project, key) = world.project("team").await;
    let (_, foreign_key) = world.project("foreign").await;
    let within = format!("/v2-beta/projects/{project}");
    let mut people = Vec::new();
    for role in ["owner", "member", "restricted", "readonly"] {
        let (account, keys) = world.account(role, "user").await;
        people.push((role, account, keys));
    }
    let members: Vec<Value> = people
        .iter()
        .map(
            |(role, account, _)| json!({"externalId": account, "externalIdType": "rancher_id", "role": role}),
        )
        .chain([json!({"externalId": "1a1", "externalIdType": "rancher_id", "role": "owner"})])
        .collect();
    let set = world.admin(&format!("POST {within}/?action=setmembers"), json!({"members": members})).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let secret = |name: &str| json!({"name": name, "value": base64("x")});
    for (who, keys, want) in people
        .iter()
        .map(|(role, _, keys)| (*role, keys, if *role == "readonly" { 405 } else { 201 }))
        .chain([("the key of the environment", &key, 404), ("another environment", &foreign_key, 401)])
    {
        let answer =
            world.call(keys, &format!("POST {within}/secrets"), secret(&who.replace(' ', "-")), &[]).await;
        let refused = answer.status == want || want >= 400 && matches!(answer.status, 401 | 403 | 404 | 405);
        assert!(refused, "{who}: {} {}", answer.status, answer.text);
        let certificates = world.call(keys, &format!("GET {within}/certificates"), Value::Null, &[]).await;
        assert_eq!(certificates.status == 200, who != "another environment", "{who}: {}", certificates.text);
    }
    // A registry may be used by the environment's key, and changed by nobody who may only look.
    let readonly = &people[3].2;
    let answer = world
        .call(&key, &format!("POST {within}/registries"), json!({"serverAddress": "r.example"}), &[])
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    for request in ["POST registries", "POST registrycredentials", "POST certificates", "POST volumes"] {
        let (method, plural) = request.split_once(' ').unwrap();
        let answer = world.call(readonly, &format!("{method} {within}/{plural}"), json!({}), &[]).await;
        assert_eq!(answer.status, 405, "{request}: {}", answer.text);
    }
    let delete = format!("DELETE {within}/registries/{}", answer.id());
    assert_eq!(world.call(readonly, &delete, Value::Null, &[]).await.status, 405);
    // Of another environment nothing is known, whatever is asked.
    for plural in
        ["secrets", "registries", "certificates", "auditlogs", "labels", "mounts", "networks", "storagepools"]
    {
        let list = world.call(&foreign_key, &format!("GET /v2-beta/{plural}"), Value::Null, &[]).await;
        assert!(
            list.status == 404 || list.column("accountId").iter().all(|id| *id != project),
            "{plural}: {}",
            list.text
        );
    }
    let read =
        world.call(&foreign_key, &format!("GET /v2-beta/registries/{}", answer.id()), Value::Null, &[]).await;
    assert_eq!(read.status, 404, "{}", read.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_made_of_a_draft() {
    let world = World::start().await;
    let compose = "services:\n  web:\n    image: a\n";
    let stacks = json!([{"name": "shop", "dockerCompose": compose, "answers": {"A": "b"}}]);
    let (_, user) = world.account("somebody", "user").await;
    let draft = world
        .call(&user, "POST /v2-beta/projecttemplates", json!({"name": "small", "stacks": stacks}), &[])
        .await;
    assert_eq!(draft.status, 201, "{}", draft.text);
    assert_eq!(draft.body["stacks"][0]["name"], "shop");
    let (_, stranger) = world.account("stranger", "user").await;
    assert!(
        world
            .call(&stranger, "GET /v2-beta/projecttemplates", Value::Null, &[])
            .await
            .column("name")
            .is_empty()
    );
    let path = format!("/v2-beta/projecttemplates/{}", draft.id());
    assert_eq!(world.call(&stranger, &format!("GET {path}"), Value::Null, &[]).await.status, 404);
    let bad = json!({"name": "bad", "stacks": [{"name": "shop", "dockerCompose": "services: 5"}]});
    let bad = world.call(&user, "POST /v2-beta/projecttemplates", bad, &[]).await;
    assert_eq!(bad.outcome(), "422 InvalidComposeFile stacks", "{}", bad.text);
    let make = json!({"name": "mine", "projectTemplateId": draft.id()});
    let refused = world.call(&stranger, "POST /v2-beta/projects", make.clone(), &[]).await;
    assert_eq!(refused.outcome(), "422 InvalidReference projectTemplateId", "{}", refused.text);
    let project = world.call(&user, "POST /v2-beta/projects", make, &[]).await;
    assert_eq!(project.body["projectTemplateId"], draft.id(), "{}", project.text);
    let stacks =
        world.call(&user, &format!("GET /v2-beta/projects/{}/stacks", project.id()), Value::Null, &[]).await;
    assert_eq!(stacks.column("name"), ["shop"]);
    let public = world.admin(&format!("PUT {path}"), json!({"isPublic": true})).await;
    assert_eq!(public.body["isPublic"], true, "{}", public.text);
    assert_eq!(
        world.call(&stranger, "GET /v2-beta/projecttemplates", Value::Null, &[]).await.column("name"),
        ["small"]
    );
    let refused = world.call(&stranger, &format!("DELETE {path}"), Value::Null, &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let gone = world.call(&user, &format!("DELETE {path}"), Value::Null, &[]).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
}

/// Texts that must be nowhere: each is given where a secret belongs, and then everything that the server keeps and says
/// is looked through.
#[tokio::test(flavor = "multi_thread")]
async fn canaries_are_found_nowhere() {
    let world = World::start().await;
    let (own, _) = signed(1);
    let canary = |number: u32| format!("canary-{number}-zQ7xK1vB9mT4");
    let encoded = base64(&canary(1));
    made(&world, "secrets", json!({"name": "s", "value": encoded})).await;
    let registry = made(&world, "registries", json!({"serverAddress": "r.example"})).await;
    let login = json!({"registryId": registry.id(), "publicValue": "u", "secretValue": canary(2)});
    made(&world, "registrycredentials", login).await;
    let certificate =
        made(&world, "certificates", json!({"name": "c", "cert": own.certificate, "key": own.key})).await;
    let (account, _) = world.account("person", "user").await;
    let password = json!({"accountId": account, "publicValue": "person", "secretValue": canary(3)});
    let password = world.admin("POST /v2-beta/passwords", password).await;
    assert_eq!(password.status, 201, "{}", password.text);
    let change = format!("POST /v2-beta/passwords/{}/?action=changesecret", password.id());
    let changed = world.admin(&change, json!({"oldSecret": canary(3), "newSecret": canary(4)})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let signed_in = world
        .call(&Keys::default(), "POST /v2-beta/token", json!({"code": format!("person:{}", canary(4))}), &[])
        .await;
    assert_eq!(signed_in.status, 201, "{}", signed_in.text);
    let key = world.admin("POST /v2-beta/apikeys", json!({})).await;
    let jwt = signed_in.body["jwt"].as_str().unwrap().to_owned();
    // Wrong ones, too: an error may repeat what was given.
    for (request, body) in [
        ("POST /v2-beta/projects/1a5/secrets", json!({"name": "s", "value": canary(5)})),
        ("POST /v2-beta/projects/1a5/secrets", json!({"name": "t", "value": {"a": canary(5)}})),
        (
            "POST /v2-beta/projects/1a5/registrycredentials",
            json!({"registryId": "x", "publicValue": "u", "secretValue": canary(6)}),
        ),
        ("POST /v2-beta/projects/1a5/certificates", json!({"name": "d", "cert": "x", "key": canary(7)})),
        ("POST /v2-beta/passwords", json!({"publicValue": "person", "secretValue": canary(8)})),
    ] {
        let answer = world.admin(request, body).await;
        assert!(answer.status >= 400 && !answer.text.contains("canary-"), "{request}: {}", answer.text);
    }
    let mut wanted: Vec<String> = (1..=8).map(canary).collect();
    wanted.push(encoded);
    wanted.push(key.body["secretValue"].as_str().unwrap().to_owned());
    wanted.push(jwt);
    wanted.push(own.key.lines().nth(1).unwrap().to_owned());
    let look = |what: &str, bytes: &[u8]| {
        for canary in &wanted {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{what} holds {canary}");
        }
    };
    for path in [
        "/v2-beta/projects/1a5/secrets",
        "/v2-beta/projects/1a5/registries?include=credentials",
        "/v2-beta/projects/1a5/registrycredentials",
        "/v2-beta/projects/1a5/credentials",
        "/v2-beta/projects/1a5/certificates",
        "/v2-beta/projects/1a5/auditlogs?limit=1000",
        "/v2-beta/auditlogs?limit=1000",
        "/v2-beta/passwords",
        "/v2-beta/apikeys",
        "/v2-beta/accounts",
        "/v2-beta/settings",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        look(path, answer.text.as_bytes());
    }
    let shown = world.get(&format!("{IN}/certificates/{}", certificate.id())).await;
    look("the certificate", shown.text.as_bytes());
    look("the picture", format!("{:?}", world.store.snapshot()).as_bytes());
    for file in std::fs::read_dir(world.folder()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            look(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}
