//! Whatever the lowest roles write, the server stays up and the administrator gets in.

use contract_api::{FieldType, Role, Schemas, Version};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::world::{COMPOSE, Keys, World};

/// JSON of any shape, with the numbers and texts that programs stumble over.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![Just(0), Just(-1), Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,40}".prop_map(Value::String),
        prop_oneof![
            Just("1i1"),
            Just("1st1"),
            Just("1a1"),
            Just("1a5"),
            Just("1h1"),
            Just("1s1"),
            Just("1c1"),
            Just("docker:nginx"),
            Just("0:0/tcp"),
            Just("99999:1"),
            Just("\u{0}"),
            Just("../.."),
            Just("${A:-${A}}"),
            Just("1x999999999999999999999"),
        ]
        .prop_map(|text| Value::String(text.to_owned())),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map("[a-zA-Z_]{1,12}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

/// A value that a field of a type may take, more often than not.
fn of_type(schemas: &'static Schemas, kind: &FieldType, depth: u32) -> BoxedStrategy<Value> {
    let fitting = match kind {
        FieldType::Array(item) => {
            prop::collection::vec(of_type(schemas, item, depth + 1), 0..4).prop_map(Value::Array).boxed()
        }
        FieldType::Map(item) => {
            prop::collection::btree_map("[a-z./]{1,16}", of_type(schemas, item, depth + 1), 0..4)
                .prop_map(|map| json!(map))
                .boxed()
        }
        FieldType::Schema(name) if depth < 3 => match schemas.find(name) {
            Some(schema) => body(schemas, schema, depth + 1),
            None => any_json().boxed(),
        },
        FieldType::Int => prop_oneof![Just(0), Just(1), Just(-1), any::<i64>(), Just(65_535), Just(65_536)]
            .prop_map(Value::from)
            .boxed(),
        FieldType::Boolean => any::<bool>().prop_map(Value::Bool).boxed(),
        FieldType::Date => prop_oneof![Just("2026-01-01T00:00:00Z"), Just("9999-99-99T99:99:99Z"), Just("x")]
            .prop_map(|text| Value::String(text.to_owned()))
            .boxed(),
        _ => any_json().boxed(),
    };
    prop_oneof![4 => fitting, 1 => any_json()].boxed()
}

fn body(
    schemas: &'static Schemas,
    schema: &'static contract_api::Schema,
    depth: u32,
) -> BoxedStrategy<Value> {
    let fields: Vec<_> = schema
        .fields
        .iter()
        .map(|(name, field, _)| (*name, prop::option::weighted(0.3, of_type(schemas, &field.kind, depth))))
        .collect();
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values
        .prop_map(move |values| {
            let given =
                names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            Value::Object(given.collect())
        })
        .boxed()
}

async fn alive(world: &World, what: &str) {
    let answer = world.get("/v2-beta/projects/1a5").await;
    assert_eq!(answer.status, 200, "after {what}: {}", answer.text);
    let code = json!({"code": format!("admin:{}", world.password)});
    let signed = world.call(&Keys::default(), "POST /v2-beta/token", code, &[]).await;
    assert_eq!(signed.status, 201, "after {what} the administrator cannot sign in: {}", signed.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn class_15_whatever_low_roles_write_the_server_stays_up() {
    let world = World::start().await;
    let mut members = vec![json!({"externalId": "1", "role": "owner"})];
    let mut people = Vec::new();
    for (name, role) in
        [("restricted", Role::Restricted), ("readonly", Role::ReadOnly), ("member", Role::Member)]
    {
        let (id, keys) = world.account(name, "user").await;
        members.push(json!({"externalId": id, "role": name}));
        people.push((role, keys));
    }
    let set = world.admin("POST /v2-beta/projects/1a5/?action=setmembers", json!({"members": members})).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let stack = world
        .admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "s", "dockerCompose": COMPOSE}))
        .await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let host = world.host(5, "h").await;
    world.container(5, host, "c", control_model::Origin::default()).await;
    let seed = [7; 32];
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let cases: usize = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut sent = 0;
    for (role, keys) in &people {
        let schemas = Schemas::of(Version::V2Beta, *role);
        for schema in schemas.iter().filter(|schema| schema.has_collection) {
            let plural = schema.declaration.plural.to_ascii_lowercase();
            if matches!(schema.declaration.id.as_str(), "token" | "subscribe" | "schema") {
                continue;
            }
            let strategy = body(schemas, schema, 0);
            for _ in 0..cases.min(200) {
                let value = strategy.new_tree(&mut runner).unwrap().current();
                for request in [
                    format!("POST /v2-beta/projects/1a5/{plural}"),
                    format!("PUT /v2-beta/projects/1a5/{plural}/{}1", schema.declaration.id_prefix),
                ] {
                    let answer = world.call(keys, &request, value.clone(), &[]).await;
                    assert!(answer.status < 500, "{role}: {request} {value}: {}", answer.text);
                    sent += 1;
                }
            }
            for (action, declared) in &schema.actions {
                // What ends what the others need is tested elsewhere.
                if matches!(*action, "remove" | "delete") {
                    continue;
                }
                let input = declared.input.as_deref().and_then(|input| schemas.find(input));
                let value = match input {
                    Some(input) => body(schemas, input, 0).new_tree(&mut runner).unwrap().current(),
                    None => any_json().new_tree(&mut runner).unwrap().current(),
                };
                let request = format!(
                    "POST /v2-beta/projects/1a5/{plural}/{}1/?action={action}",
                    schema.declaration.id_prefix
                );
                let answer = world.call(keys, &request, value.clone(), &[]).await;
                // Some actions need a host that answers; that there is none is no fault of the server.
                assert!(
                    answer.status < 500 || answer.status == 503,
                    "{role}: {request} {value}: {}",
                    answer.text
                );
                sent += 1;
            }
        }
        alive(&world, role.name()).await;
    }
    assert!(sent > 200, "only {sent} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn class_15_nobody_takes_the_administrators_way_in() {
    let world = World::start().await;
    let (_, user) = world.account("kim", "user").await;
    let (_, second) = world.account("second", "admin").await;
    for (who, keys) in [("a user", &user), ("an environment", &world.project("own").await.1)] {
        for (request, body) in [
            ("PUT /v2-beta/accounts/1a1", json!({"kind": "user", "name": "x"})),
            ("POST /v2-beta/accounts/1a1/?action=deactivate", json!({})),
            ("DELETE /v2-beta/accounts/1a1", Value::Null),
            (
                "POST /v2-beta/passwords",
                json!({"accountId": "1a1", "publicValue": "admin", "secretValue": "taken over 1"}),
            ),
            (
                "POST /v2-beta/passwords",
                json!({"accountId": "1a1", "publicValue": "admin2", "secretValue": "taken over 1"}),
            ),
            ("POST /v2-beta/apikeys", json!({"accountId": "1a1"})),
            ("POST /v2-beta/accounts", json!({"kind": "admin", "name": "mine"})),
            ("PUT /v2-beta/settings/api.security.enabled", json!({"value": "false"})),
            ("POST /v2-beta/settings", json!({"name": "api.host", "value": "http://evil.example"})),
        ] {
            let answer = world.call(keys, request, body, &[]).await;
            let made_own = answer.status == 201 && answer.body["accountId"] != "1a1";
            assert!(answer.status >= 400 || made_own, "{who}: {request}: {}", answer.text);
        }
        alive(&world, who).await;
    }
    // Even another administrator cannot leave the installation without one.
    for request in
        ["POST /v2-beta/accounts/1a1/?action=deactivate", "POST /v2-beta/accounts/1a1/?action=deactivate"]
    {
        world.call(&second, request, json!({}), &[]).await;
    }
    let answer = world.call(&second, "GET /v2-beta/accounts", Value::Null, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let own = answer.body["data"].as_array().unwrap().iter().find(|row| row["name"] == "second").unwrap();
    let off = format!("POST /v2-beta/accounts/{}/?action=deactivate", own["id"].as_str().unwrap());
    let last = world.call(&second, &off, json!({}), &[]).await;
    assert_eq!(last.outcome(), "405 LastAdminAccount", "{}", last.text);
}
