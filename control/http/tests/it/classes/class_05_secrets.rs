//! A secret stands in one answer, once, and nowhere else: not in the database, not in its journal, not in any other
//! answer of any role, not in the log.

use std::io;
use std::sync::{Arc, Mutex};

use contract_api::{Role, Schemas, Version};
use serde_json::{Value, json};

use crate::world::{Keys, World, keys_of};

/// What was logged, by all threads of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything that lies in a folder.
fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.path().display().to_string(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn class_05_planted_secrets_are_found_nowhere() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // Another test of this process may have set one; the runner gives each test a process of its own.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let world = World::start().await;
    let mut canaries: Vec<(&str, String)> = Vec::new();

    // Passwords, old and new, right and wrong.
    let (id, keys) = world.account("kim", "user").await;
    canaries.push(("secret key", keys.secret.clone()));
    let first = "canary-first-password-4711";
    let made = world
        .admin(
            "POST /v2-beta/passwords",
            json!({"accountId": id, "publicValue": "kim", "secretValue": first}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    canaries.push(("first password", first.to_owned()));
    let second = "canary-second-password-4712";
    let change = format!("POST /v2-beta/passwords/{}/?action=changesecret", made.id());
    let changed = world.admin(&change, json!({"oldSecret": first, "newSecret": second})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    canaries.push(("second password", second.to_owned()));
    let wrong = "canary-wrong-password-4713";
    let nobody = Keys::default();
    let refused =
        world.call(&nobody, "POST /v2-beta/token", json!({"code": format!("kim:{wrong}")}), &[]).await;
    assert_eq!(refused.status, 401);
    canaries.push(("wrong password", wrong.to_owned()));
    let signed =
        world.call(&nobody, "POST /v2-beta/token", json!({"code": format!("kim:{second}")}), &[]).await;
    assert_eq!(signed.status, 201, "{}", signed.text);
    let jwt = signed.body["jwt"].as_str().unwrap().to_owned();
    let by_query =
        world.call(&nobody, &format!("GET /v2-beta/projects?token={jwt}&limit=1"), Value::Null, &[]).await;
    assert_eq!(by_query.status, 200, "{}", by_query.text);
    assert!(!by_query.text.contains(&jwt), "a page does not repeat the session: {}", by_query.text);
    canaries.push(("session", jwt));
    let guess = Keys { public: keys.public.clone(), secret: "canary-wrong-key-4714".into() };
    assert_eq!(world.call(&guess, "GET /v2-beta/projects", Value::Null, &[]).await.status, 401);
    canaries.push(("wrong key", guess.secret));

    // Keys of the environment, of the registration, of an agent, of the administrator and of the installation.
    let key = world.admin("POST /v2-beta/projects/1a5/apikeys", json!({"name": "k"})).await;
    canaries.push(("environment key", keys_of(&key).secret));
    canaries.push(("administrator's key", world.admin.secret.clone()));
    canaries.push(("administrator's password", world.password.clone()));
    canaries.push(("installation key", "07".repeat(32)));
    let token = world.admin("POST /v2-beta/projects/1a5/registrationtokens", json!({})).await;
    let token = token.body["token"].as_str().unwrap().to_owned();
    let register = Keys { public: "registrationToken".into(), secret: token.clone() };
    let body = json!({"uuid": "0123456789abcdef", "hostname": "h"});
    let agent = world.call(&register, "POST /v1/agent/register", body, &[]).await;
    canaries.push(("agent's key", agent.body["secretKey"].as_str().unwrap().to_owned()));

    // Fields that the schemas call secret, on every type that takes them.
    for (index, declaration) in contract_api::declarations(Version::V2Beta).iter().enumerate() {
        let Some(schema) = Schemas::of(Version::V2Beta, Role::Owner).find(&declaration.id) else { continue };
        if !schema.has_collection || !schema.collection_takes("POST") {
            continue;
        }
        for (field, declared, _) in &schema.fields {
            use contract_api::FieldType;
            let text = matches!(declared.kind, FieldType::String | FieldType::Base64 | FieldType::Blob);
            if declared.kind != FieldType::Password && !(declared.write_only && text) {
                continue;
            }
            let canary = format!("canary-{field}-{index}-471500");
            let plural = &declaration.plural;
            let body = json!({"name": format!("n{index}"), *field: canary});
            world.admin(&format!("POST /v2-beta/projects/1a5/{plural}"), body).await;
            canaries.push((field, canary));
        }
    }

    // Every list and document of every role.
    let mut answers = Vec::new();
    for (who, keys) in [("admin", &world.admin), ("kim", &keys), ("nobody", &nobody)] {
        for version in ["v1", "v2-beta"] {
            for scope in ["", "/projects/1a5"] {
                for declaration in contract_api::declarations(Version::V2Beta) {
                    let path = format!("/{version}{scope}/{}?limit=-1&_removed=true", declaration.plural);
                    let answer = world.call(keys, &format!("GET {path}"), Value::Null, &[]).await;
                    answers.push((format!("{who} {path}"), answer.text));
                }
            }
        }
    }
    world.store.close().await;
    let log = log.0.lock().unwrap().clone();
    assert!(log.len() > 1000, "the log is read");
    for (what, canary) in &canaries {
        for (path, text) in &answers {
            assert!(!text.contains(canary.as_str()), "{what} stands in {path}");
        }
        for (file, bytes) in files(world.folder()) {
            assert!(!holds(&bytes, canary), "{what} stands in {file}");
        }
        assert!(!holds(&log, canary), "{what} stands in the log");
    }
    // A registration token is shown again on purpose, but it is stored nowhere and logged nowhere.
    for (file, bytes) in files(world.folder()) {
        assert!(!holds(&bytes, &token), "the registration token stands in {file}");
    }
    assert!(!holds(&log, &token), "the registration token stands in the log");
}
