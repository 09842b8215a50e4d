use std::sync::Arc;

use serde_json::{Value, json};

use crate::world::{Objects, World, container, error, service, shop, stack};

const FILE: &str = "\
services:
  web:
    image: example/web:1
    ports: [\"${PORT:-80}:80\"]
    depends_on: [db]
  db:
    image: example/db:1
";

/// Takes the files; services are ready as `state` says.
fn deploying(
    state: Value,
) -> impl Fn(&mut Objects, &str, &str, &Value) -> Option<(u16, Value)> + Send + Sync {
    move |objects, what, id, input| {
        if what != "POST" || id != "stacks" {
            return None;
        }
        let made = stack("1st5", input["name"].as_str().unwrap());
        objects.put("stacks", made.clone());
        for (number, name) in [("1", "web"), ("2", "db")] {
            let mut own = service(&format!("1s{number}"), "1st5", name, 1);
            if let Some(changes) = state[name].as_object() {
                for (field, value) in changes {
                    own[field] = value.clone();
                }
            }
            if name == "web" {
                own["publicEndpoints"] = json!([{"ipAddress": "10.0.0.1", "port": 80}]);
            }
            objects.put("services", own);
            let mut own =
                container(&format!("1i{number}"), "1st5", &format!("1s{number}"), &format!("shop-{name}-1"));
            if state[name].is_object() {
                own["state"] = "creating".into();
                own["transitioning"] = "yes".into();
            }
            objects.put("containers", own);
        }
        let mut shown = made;
        shown["actions"] = json!({});
        Some((201, shown))
    }
}

#[tokio::test]
async fn up_creates_a_stack_and_waits() {
    let world = World::with(deploying(json!({}))).await;
    world.file("shop/docker-compose.yml", FILE);
    let done = world.golden("up", "up -f shop/docker-compose.yml").await;
    assert_eq!(done.code, 0);
    let (line, input) = world.orders().remove(0);
    assert_eq!(line, "POST /projects/1a5/stacks");
    assert_eq!(
        input,
        json!({"name": "shop", "dockerCompose": FILE, "rancherCompose": "", "environment": {}, "startOnCreate": true})
    );
}

#[tokio::test]
async fn up_follows_what_happens() {
    let moving =
        json!({"state": "activating", "transitioning": "yes", "transitioningMessage": "db: pulling"});
    let world = Arc::new(World::with(deploying(json!({"db": moving}))).await);
    world.file("docker-compose.yml", FILE);
    let ready = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            world.somebody_listens().await;
            world.change("1i2", &json!({"state": "running", "transitioning": "no"}));
            world.change(
                "1s2",
                &json!({"state": "active", "transitioning": "no", "transitioningMessage": null}),
            );
        })
    };
    let done = world.run("up -s shop --format json").await;
    ready.await.unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    let events: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        events[0],
        json!({"event": "stack", "id": "1st5", "stack": "shop", "created": true, "effect": "created"})
    );
    let of_db: Vec<&Value> =
        events.iter().filter(|event| event["service"] == "db").map(|event| &event["status"]).collect();
    assert_eq!(
        (of_db.first(), of_db.last()),
        (Some(&&json!("working")), Some(&&json!("ready"))),
        "{}",
        done.out
    );
    let end = events.last().unwrap();
    assert_eq!((&end["event"], &end["ok"], &end["result"]), (&json!("end"), &json!(true), &json!("ready")));
    assert_eq!(end["endpoints"], json!([{"service": "web", "address": "10.0.0.1:80"}]));
}

#[tokio::test]
async fn up_fails_with_reason_and_remedy() {
    let failed = json!({
        "state": "activating", "transitioning": "error",
        "reason": {"code": "image_not_found", "message": "there is no image `example/db:1`",
                   "remedy": "check the name and tag of `example/db:1`"}
    });
    let waits = json!({
        "state": "activating", "transitioning": "yes",
        "reason": {"code": "waits_for_dependency", "message": "waits for db"}
    });
    let world = World::with(deploying(json!({"db": failed, "web": waits}))).await;
    world.file("docker-compose.yml", FILE);
    let done = world.golden("up-fails", "up -s shop").await;
    assert_eq!(done.code, 1);
    let done = World::with(deploying(json!({"db": failed.clone(), "web": waits.clone()}))).await;
    done.file("docker-compose.yml", FILE);
    let done = done.run("up -s shop --format json").await;
    let end: Value = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (done.code, &end["ok"], &end["services"][0]["reason"]["code"]),
        (1, &json!(false), &json!("image_not_found"))
    );
}

#[tokio::test]
async fn up_does_not_wait_for_ever_and_not_at_all_when_detached() {
    let moving = json!({"state": "activating", "transitioning": "yes"});
    let world = World::with(deploying(json!({"db": moving}))).await;
    world.file("docker-compose.yml", FILE);
    world.golden("up-timeout", "up -s shop --timeout 1").await;
    let world = World::with(deploying(json!({"db": moving}))).await;
    world.file("docker-compose.yml", FILE);
    world.golden("up-detached", "up -s shop -d").await;
}

#[tokio::test]
async fn up_again_updates_and_names_what_is_left_over() {
    let world = shop(|objects, what, id, input| {
        if what == "upgrade" {
            objects.change(id, &json!({"dockerCompose": input["dockerCompose"]}));
        }
        None
    })
    .await;
    world.put("services", service("1s3", "1st1", "old", 1));
    world.file("docker-compose.yml", FILE);
    world.golden("up-again", "up -s shop").await;
    let (line, input) = world.orders().remove(0);
    assert_eq!(line, "POST /projects/1a5/stacks/1st1?action=upgrade");
    assert_eq!(input, json!({"dockerCompose": FILE, "rancherCompose": "", "environment": {}}));
}

#[tokio::test]
async fn up_of_the_same_files_says_that_nothing_changed() {
    let world = shop(|_, _, _, _| None).await;
    world.file("docker-compose.yml", FILE);
    world.golden("up-unchanged", "up -s shop").await;
    let done = world.run("up -s shop --format json").await;
    let first: Value = serde_json::from_str(done.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        first,
        json!({"event": "stack", "id": "1st1", "stack": "shop", "created": false, "effect": "unchanged"})
    );
    // A changed service alone is a change too.
    let world = shop(|objects, what, _, _| {
        if what == "upgrade" {
            objects.change("1s1", &json!({"launchConfig": {"imageUuid": "docker:example/web:2"}}));
        }
        None
    })
    .await;
    world.file("docker-compose.yml", FILE);
    let done = world.run("up -s shop").await;
    assert!(done.err.starts_with("stack shop updated (1st1)\n"), "{}", done.err);
}

#[tokio::test]
async fn mistakes_in_files_are_shown_with_their_place_and_nothing_is_sent() {
    let world = World::empty().await;
    for (name, text) in [
        ("no-yaml", "services:\n  web: [\n"),
        (
            "unknown-dependency",
            "services:\n  web:\n    image: a\n    depends_on: [dbb]\n  db:\n    image: b\n",
        ),
        ("port-70000", "services:\n  web:\n    image: a\n    ports: [\"70000:80\"]\n"),
        ("two-mistakes", "services:\n  web:\n    imagee: a\n    ports: [\"70000:80\"]\n"),
    ] {
        world.file(&format!("{name}.yml"), text);
        let done = world.golden(&format!("up-{name}"), &format!("up -s shop -f {name}.yml")).await;
        assert_eq!(done.code, 1);
    }
    world.golden("up-no-file", "up").await;
    world.golden("up-missing-file", "up -f nope.yml").await;
    assert_eq!(world.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_the_server_finds_wrong_is_shown_too() {
    let world = World::with(|_, _, _, _| {
        let (status, mut body) = error(422, "InvalidComposeFile", "the first fault");
        body["detail"] =
            "docker-compose.yml:3:5: services.web: the first fault\ndocker-compose.yml:4:5: the second"
                .into();
        Some((status, body))
    })
    .await;
    world.file("docker-compose.yml", FILE);
    world.golden("up-refused", "up -s shop").await;
}

#[tokio::test]
async fn only_variables_that_the_files_name_are_sent() {
    let world = World::with(deploying(json!({}))).await;
    world.file(
        "docker-compose.yml",
        "services:\n  web:\n    image: example/web:${TAG}\n    environment:\n      - TOKEN\n      - PLAIN=1\n  db:\n    image: x\n",
    );
    let mut variables = world.variables();
    variables.extend([
        ("TAG".into(), "7".into()),
        ("TOKEN".into(), "t".into()),
        ("OTHER_SECRET".into(), "x".into()),
    ]);
    let done = world.run_with("up -s shop", variables, "").await;
    assert_eq!(done.code, 0, "{done:?}");
    let (_, input) = world.orders().remove(0);
    assert_eq!(input["environment"], json!({"TAG": "7", "TOKEN": "t"}));
}

#[tokio::test]
async fn files_that_name_others_are_sent_in_one_piece() {
    let world = World::with(deploying(json!({}))).await;
    world.file("app/docker-compose.yml", "services:\n  web:\n    image: a\n    env_file: web.env\n    volumes: [\"./data:/data\"]\n  db:\n    image: b\n");
    world.file("app/web.env", "COLOUR=green\n");
    world.file("app/more.yml", "services:\n  db:\n    image: b:2\n");
    world.file("vars.env", "UNUSED=1\n");
    let done = world.run("up -s shop -f app/docker-compose.yml -f app/more.yml --env-file vars.env").await;
    assert_eq!(done.code, 0, "{done:?}");
    let (_, input) = world.orders().remove(0);
    let text = input["dockerCompose"].as_str().unwrap();
    assert!(text.contains("green") && text.contains("b:2"), "{text}");
    assert!(
        text.contains(&format!("{}/app/data:/data", world.folder.path().canonicalize().unwrap().display())),
        "{text}"
    );
    assert_eq!(input["environment"], json!({}));
}

#[tokio::test]
async fn up_reads_the_standard_input() {
    let world = World::with(deploying(json!({}))).await;
    let done = world.run_with("up -s shop -f -", world.variables(), FILE).await;
    assert_eq!(done.code, 0, "{done:?}");
    let done = world.run_with("up -s shop -f -", world.variables(), "services: 7\n").await;
    assert!(done.err.starts_with("error: <stdin>:1:"), "{}", done.err);
}
