use contract_values::Timestamp;
use control_model::{CredentialIntent, Transaction};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::world::{Keys, World};

async fn token(world: &World) -> (String, Keys) {
    let made = world.admin("POST /v2-beta/projects/1a5/registrationtokens", json!({})).await;
    assert_eq!((made.status, made.body["state"].as_str()), (201, Some("active")), "{}", made.text);
    let text = made.body["token"].as_str().unwrap().to_owned();
    (made.id(), Keys { public: "registrationToken".into(), secret: text })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_token_leads_to_a_script_that_runs() {
    let world = World::start().await;
    let made = world.admin("POST /v2-beta/projects/1a5/registrationtokens", json!({})).await;
    let url = made.body["registrationUrl"].as_str().unwrap();
    assert_eq!(made.body["links"]["registrationUrl"], url);
    assert!(made.body["command"].as_str().unwrap().contains(url), "{}", made.text);
    let script = world.call(&Keys::default(), &format!("GET {url}"), Value::Null, &[]).await;
    assert_eq!(script.status, 200);
    assert!(script.headers["content-type"].starts_with("text/plain"));
    assert!(
        script.text.starts_with("#!/bin/sh") && !script.text.contains('@') || !script.text.contains("@BASE@")
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &script.text).unwrap();
    let check = std::process::Command::new("sh").arg("-n").arg(file.path()).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    for wrong in ["/v1/scripts/AB:1:c", "/v1/scripts/x'; reboot;'"] {
        let answer = world.call(&Keys::default(), &format!("GET {wrong}"), Value::Null, &[]).await;
        assert_eq!(answer.outcome(), "404 Not Found", "{wrong}");
    }
    let program = world.call(&Keys::default(), "GET /v1/scripts/agent/amd64", Value::Null, &[]).await;
    assert_eq!((program.status, program.text.as_str()), (200, "#!/bin/sh\necho agent\n"));
    let none = world.call(&Keys::default(), "GET /v1/scripts/agent/mips", Value::Null, &[]).await;
    assert_eq!(none.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_registers_once_and_connects() {
    let world = World::start().await;
    let (_, token) = token(&world).await;
    let body = json!({"uuid": "0123456789abcdef", "hostname": "metal", "labels": {"zone": "a"}});
    let register =
        async |keys: &Keys, body: Value| world.call(keys, "POST /v1/agent/register", body, &[]).await;
    let first = register(&token, body.clone()).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let keys = Keys {
        public: first.body["accessKey"].as_str().unwrap().into(),
        secret: first.body["secretKey"].as_str().unwrap().into(),
    };
    let hosts = world.get("/v2-beta/projects/1a5/hosts").await;
    assert_eq!(hosts.column("hostname"), ["metal"]);
    assert_eq!(hosts.column("state"), ["registering"]);
    // Nothing else opens to an agent or a registration token.
    for keys in [&keys, &token] {
        for path in ["/v2-beta/stacks", "/v2-beta/schemas/account", "/v2-beta/apikeys"] {
            let answer = world.call(keys, &format!("GET {path}"), Value::Null, &[]).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        }
        for path in ["/v2-beta/projects/1a5/stacks", "/v1/projects/1a5/services"] {
            let answer = world.call(keys, &format!("GET {path}"), Value::Null, &[]).await;
            assert!(answer.status >= 400, "{path}: {}", answer.text);
        }
    }
    // An agent that lost its keys registers again: the host is the same, the old keys end.
    let again = register(&token, body.clone()).await;
    assert_eq!(again.body["hostId"], first.body["hostId"], "{}", again.text);
    let old = world.call(&keys, "GET /v1/agent/connect", Value::Null, &[]).await;
    assert_eq!(old.status, 401);
    let keys = Keys {
        public: again.body["accessKey"].as_str().unwrap().into(),
        secret: again.body["secretKey"].as_str().unwrap().into(),
    };
    let mut request = format!("ws://{}/v1/agent/connect", world.address).into_client_request().unwrap();
    use base64::Engine;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", keys.public, keys.secret));
    request.headers_mut().insert("authorization", format!("Basic {pair}").parse().unwrap());
    let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    socket.send(Message::Binary(b"hello".to_vec().into())).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    assert_eq!(answer.into_data().as_ref(), b"olleh");
    assert_eq!(format!("1h{}", world.agents.connected.lock().unwrap()[0].0.raw()), again.body["hostId"]);
    for wrong in
        [json!({"uuid": "x", "hostname": "y"}), json!({"uuid": "0123456789", "hostname": ""}), json!({})]
    {
        assert!(register(&token, wrong.clone()).await.status >= 400, "{wrong}");
    }
    for keys in [&world.admin, &keys, &Keys::default()] {
        assert_eq!(register(keys, body.clone()).await.status, 401);
    }
    world.stop();
    let end = tokio::time::timeout(std::time::Duration::from_secs(10), socket.next()).await;
    assert!(end.is_ok(), "a stopping server lets go of its agents");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_with_one_identity_are_refused() {
    let world = World::start().await;
    let (id, token) = token(&world).await;
    world.host(5, "metal").await;
    let body = json!({"uuid": "uuid-of-metal-5", "hostname": "copy"});
    let answer = world.call(&token, "POST /v1/agent/register", body.clone(), &[]).await;
    assert_eq!(answer.outcome(), "409 IdentityInUse");
    assert!(answer.text.contains("two agents with one identity"), "{}", answer.text);
    let off = format!("POST /v2-beta/projects/1a5/registrationtokens/{id}/?action=deactivate");
    assert_eq!(world.admin(&off, json!({})).await.status, 202);
    let answer = world.call(&token, "POST /v1/agent/register", body, &[]).await;
    assert_eq!(answer.outcome(), "401 Unauthorized", "a token that is switched off opens nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_registration_token_says_so_and_opens_nothing() {
    let world = World::start().await;
    let tokens = "POST /v2-beta/projects/1a5/registrationtokens";
    for wrong in [json!("2001-01-01T00:00:00Z"), json!(0)] {
        let answer = world.admin(tokens, json!({"expires": wrong})).await;
        assert_eq!(answer.outcome(), "422 InvalidOption expires", "{}", answer.text);
    }
    let wrong = world.admin(tokens, json!({"expires": "tomorrow"})).await;
    assert_eq!(wrong.outcome(), "422 InvalidDateFormat expires", "{}", wrong.text);
    let made = world.admin(tokens, json!({"expires": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(made.body["expires"], "2999-01-01T00:00:00Z", "{}", made.text);
    let keys =
        Keys { public: "registrationToken".into(), secret: made.body["token"].as_str().unwrap().into() };
    let script = format!("GET {}", made.body["registrationUrl"].as_str().unwrap());
    let body = json!({"uuid": "0123456789abcdef", "hostname": "metal"});
    let first = world.call(&keys, "POST /v1/agent/register", body.clone(), &[]).await;
    assert_eq!(first.status, 201, "{}", first.text);

    let id: i64 = made.id()[2..].parse().unwrap();
    let row = world.store.snapshot().credentials.get_raw(id).unwrap().clone();
    let mut transaction = Transaction::new(Timestamp(2000));
    transaction.set_intent(&*row, CredentialIntent { expires: Some(Timestamp(1000)), ..row.intent.clone() });
    world.store.commit(transaction).await.unwrap();

    let refused = world.call(&keys, "POST /v1/agent/register", body.clone(), &[]).await;
    assert_eq!(refused.outcome(), "401 Unauthorized");
    let text =
        "this registration token expired at 1970-01-01T00:00:01Z; run `lariat hosts add` for a new command";
    assert_eq!(refused.body["message"], text);
    // Whoever pastes the old command reads the same, and nothing is installed.
    let answer = world.call(&Keys::default(), &script, Value::Null, &[]).await;
    assert_eq!(answer.status, 200);
    let run = std::process::Command::new("sh").arg("-c").arg(&answer.text).output().unwrap();
    assert_eq!((run.status.code(), run.stdout.len()), (Some(1), 0), "{}", answer.text);
    assert_eq!(String::from_utf8_lossy(&run.stderr).trim(), format!("error: {text}"));
    // Who knows the public half only learns nothing.
    let public = keys.secret.split(':').next().unwrap();
    let guess = Keys { secret: format!("{public}:1:x"), ..keys.clone() };
    let guessed = world.call(&guess, "POST /v1/agent/register", body.clone(), &[]).await;
    assert!(guessed.status == 401 && !guessed.text.contains("expired"), "{}", guessed.text);
    // A later end makes it good again; none at all makes it last.
    let path = format!("POST /v2-beta/projects/1a5/registrationtokens/{}/?action=update", made.id());
    let put = world.admin(&path, json!({"expires": null})).await;
    assert_eq!((put.status, put.body["expires"].clone()), (202, Value::Null), "{}", put.text);
    let again = world.call(&keys, "POST /v1/agent/register", body, &[]).await;
    assert_eq!(again.status, 201, "{}", again.text);
}
