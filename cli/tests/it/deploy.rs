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

#[tokio::test]
async fn only_some_services_and_what_they_need() {
    let world = World::with(deploying(json!({}))).await;
    world.file(
        "docker-compose.yml",
        "services:\n  web:\n    image: a\n    depends_on: [db]\n  db:\n    image: b\n  extra:\n    image: c\n",
    );
    assert_eq!(world.run("up -s shop web").await.code, 0);
    let text = world.orders().remove(0).1["dockerCompose"].as_str().unwrap().to_owned();
    assert!(text.contains("db:") && !text.contains("extra"), "{text}");
    let done = world.run("up -s shop nope").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("there are: web, db, extra"), "{}", done.err);
}

#[tokio::test]
async fn upgrades_are_forced_pruned_and_taken_back() {
    let world = shop(|_, _, _, _| None).await;
    world.put("services", service("1s3", "1st1", "old", 1));
    world.change("1s1", &json!({"actions": ["upgrade"]}));
    world.change("1s2", &json!({"actions": ["upgrade"]}));
    world.file("docker-compose.yml", FILE);
    let done = world.run("up -s shop --force-upgrade --prune --batch-size 2 --interval 3s").await;
    assert_eq!(done.code, 0, "{done:?}");
    let orders = world.orders();
    let lines: Vec<&str> = orders.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /projects/1a5/stacks/1st1?action=upgrade",
            "DELETE /projects/1a5/services/1s3",
            "POST /projects/1a5/services/1s1?action=upgrade",
            "POST /projects/1a5/services/1s2?action=upgrade",
        ]
    );
    assert!(orders[0].1["rancherCompose"].as_str().unwrap().contains("batch_size: 2"), "{orders:?}");
    let strategy = &orders[2].1["inServiceStrategy"];
    assert_eq!((&strategy["batchSize"], &strategy["intervalMillis"]), (&json!(2), &json!(3000)));
    assert_eq!(strategy["launchConfig"]["imageUuid"], "docker:example/web:1");

    let done = world.run("up -s shop --rollback").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("`rollback` is not possible"), "{}", done.err);
    world.change("1st1", &json!({"actions": ["rollback"]}));
    assert_eq!(world.run("up -s shop --rollback").await.code, 0);
    assert_eq!(world.orders().pop().unwrap().0, "POST /projects/1a5/stacks/1st1?action=rollback");
}

#[tokio::test]
async fn up_starts_what_was_stopped() {
    let world = shop(|objects, what, id, _| {
        if what == "activate" {
            objects.change(id, &json!({"state": "active"}));
        }
        None
    })
    .await;
    world.change("1s1", &json!({"state": "inactive"}));
    world.file("docker-compose.yml", FILE);
    let done = world.run("up -s shop").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("service web started\n"), "{}", done.err);
    let lines: Vec<String> = world.orders().into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines[1..], ["POST /projects/1a5/services/1s1?action=activate"]);
}

#[tokio::test]
async fn files_are_shown_as_they_are_understood() {
    let world = World::empty().await;
    world.file("docker-compose.yml", FILE);
    world.golden("up-render", "up -s shop --render").await;
    assert_eq!(world.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_stack_is_created_without_being_started() {
    let world = World::with(deploying(json!({}))).await;
    world.file("docker-compose.yml", FILE);
    let done = world.run("create -s shop").await;
    assert_eq!((done.code, done.out.as_str()), (0, "shop\n"), "{done:?}");
    assert_eq!(world.orders().remove(0).1["startOnCreate"], false);
    let done = world.run("stacks create shop").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("there is a stack `shop` already"), "{}", done.err);

    let world = World::with(deploying(json!({}))).await;
    let done = world.run("stack create bare --empty --description x").await;
    assert_eq!(done.code, 0, "{done:?}");
    let input = world.orders().remove(0).1;
    assert_eq!(input, json!({"name": "bare", "description": "x", "startOnCreate": true}));
}

#[tokio::test]
async fn secrets_of_the_files_are_made_first() {
    let world = World::with(|objects, what, id, input| match (what, id) {
        ("POST", "secrets") => {
            let made = json!({"id": "1se9", "type": "secret", "name": input["name"], "state": "active"});
            objects.put("secrets", made.clone());
            Some((201, made))
        }
        _ => deploying(json!({}))(objects, what, id, input),
    })
    .await;
    world.file("pass.txt", "hush");
    world.file(
        "docker-compose.yml",
        "services:\n  web:\n    image: a\n    secrets: [pass]\n  db:\n    image: b\nsecrets:\n  pass:\n    file: pass.txt\n",
    );
    let done = world.run("up -s shop").await;
    assert_eq!(done.code, 0, "{done:?}");
    let orders = world.orders();
    assert_eq!(orders[0].0, "POST /projects/1a5/secrets");
    assert_eq!(orders[0].1["value"], "aHVzaA==");
    let sent = orders[1].1.to_string();
    assert!(!sent.contains("hush") && !sent.contains("aHVzaA=="), "{sent}");
    // The second time it is there.
    world.change("1st5", &json!({"actions": ["upgrade"]}));
    world.run("up -s shop").await;
    assert_eq!(world.orders().iter().filter(|(line, _)| line.ends_with("/secrets")).count(), 1);
}

#[tokio::test]
async fn an_image_becomes_a_service() {
    let world = World::with(|objects, what, id, input| match (what, id) {
        ("POST", "stacks") => {
            let mut made = stack("1st8", input["name"].as_str().unwrap());
            objects.put("stacks", made.clone());
            made["actions"] = json!({});
            Some((201, made))
        }
        ("POST", "services") => {
            let made = service("1s8", "1st8", input["name"].as_str().unwrap(), 1);
            objects.put("services", made.clone());
            Some((
                201,
                json!({"id": "1s8", "type": "service", "name": input["name"], "state": "registering"}),
            ))
        }
        _ => None,
    })
    .await;
    let done = world.run("run -p 80:80 library/nginx:1.27 nginx -g x").await;
    assert_eq!((done.code, done.out.as_str()), (0, "Default/nginx\n"), "{done:?}");
    let orders = world.orders();
    assert_eq!(orders[0].1, json!({"name": "Default"}));
    assert_eq!(
        orders[1].1,
        json!({"name": "nginx", "stackId": "1st8", "scale": 1, "startOnCreate": true, "launchConfig":
            {"imageUuid": "docker:library/nginx:1.27", "command": ["nginx", "-g", "x"], "ports": ["80:80"]}})
    );
    // The name is taken now.
    assert_eq!(world.run("run -d nginx").await.out, "Default/nginx-2\n");
}

#[tokio::test]
async fn stacks_become_files_again() {
    let world = shop(|_, what, id, _| {
        (what == "exportconfig").then(|| {
            (200, json!({"dockerComposeConfig": format!("# of {id}\n"), "rancherComposeConfig": "version: '2'\n"}))
        })
    })
    .await;
    world.change("1st1", &json!({"actions": ["exportconfig"]}));
    assert_eq!(world.run("export shop").await.out, "shop/docker-compose.yml\nshop/rancher-compose.yml\n");
    let kept = world.folder.path().join("shop/docker-compose.yml");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "# of 1st1\n");
    let done = world.run("export").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("nothing was written"), "{}", done.err);
    assert_eq!(world.run("export -f all.tar").await.code, 0);
    let bytes = std::fs::read(world.folder.path().join("all.tar")).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let paths: Vec<String> =
        archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(paths, ["shop/docker-compose.yml", "shop/rancher-compose.yml"]);
}
