use contract_values::Incarnation;
use control_model::{Kind, Origin, RunReport, Transaction};
use serde_json::{Value, json};

use crate::world::{COMPOSE, World};

async fn stack(world: &World, name: &str, compose: &str) -> String {
    let input = json!({"name": name, "dockerCompose": compose, "startOnCreate": true});
    let answer = world.admin("POST /v2-beta/projects/1a5/stacks", input).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.id()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_made_of_compose_files() {
    let world = World::start().await;
    let id = stack(&world, "shop", COMPOSE).await;
    let services = world.get(&format!("/v2-beta/projects/1a5/services?stackId={id}&sort=name")).await;
    assert_eq!(services.column("name"), ["app", "web"]);
    let app = &services.body["data"][0];
    assert_eq!((&app["scale"], &app["state"]), (&json!(2), &json!("activating")), "{app}");
    assert_eq!(app["transitioning"], "yes");
    assert_eq!(app["launchConfig"]["imageUuid"], "docker:example/app");
    assert_eq!(app["launchConfig"]["type"], "launchConfig");
    assert_eq!(app["launchConfig"]["environment"], json!({"DATABASE": "db"}));
    assert!(app["launchConfig"]["logConfig"].is_object(), "old clients crash on null");
    let web = &services.body["data"][1];
    assert_eq!(web["launchConfig"]["ports"], json!(["8080:80/tcp"]));
    assert_eq!(web["dependsOn"][0]["service"], "app");
    let shown = world.get(&format!("/v2-beta/projects/1a5/stacks/{id}")).await;
    assert_eq!(shown.body["serviceIds"].as_array().unwrap().len(), 2);
    assert_eq!(shown.body["accountId"], "1a5");
    let export = world
        .admin(&format!("POST /v2-beta/projects/1a5/stacks/{id}/?action=exportconfig"), Value::Null)
        .await;
    assert_eq!(export.status, 200, "{}", export.text);
    let files = export.body["dockerComposeConfig"].as_str().unwrap();
    let again = json!({"name": "again", "dockerCompose": files, "rancherCompose": export.body["rancherComposeConfig"]});
    let again = world.admin("POST /v2-beta/projects/1a5/stacks", again).await;
    assert_eq!(again.status, 201, "what was exported can be made again: {}", again.text);
    let services = world.get(again.body["links"]["services"].as_str().unwrap()).await;
    assert_eq!(services.body["data"][1]["scale"], 2, "{files}");
    let off = format!("POST /v2-beta/projects/1a5/stacks/{id}/?action=deactivateservices");
    assert_eq!(world.admin(&off, json!({})).await.status, 200);
    let states = world.get(&format!("/v2-beta/projects/1a5/stacks/{id}/services")).await.column("state");
    assert_eq!(states, ["registering", "registering"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_are_exported_with_what_is_in_them() {
    let world = World::start().await;
    let compose = "services:\n  web:\n    image: a\n    configs: [{source: app, target: /etc/app}]\nconfigs:\n  app: {content: \"price: $$5\\n\"}\n";
    let made = world
        .admin("POST /v2-beta/projects/1a5/stacks", json!({"name": "one", "dockerCompose": compose}))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.body["id"].as_str().unwrap();
    let export = world
        .admin(&format!("POST /v2-beta/projects/1a5/stacks/{id}/?action=exportconfig"), Value::Null)
        .await;
    let files = export.body["dockerComposeConfig"].as_str().unwrap();
    assert!(files.contains("configs:\n  app:\n    content: \"price: $$5\\n\"\n"), "{files}");
    let again =
        json!({"name": "two", "dockerCompose": files, "rancherCompose": export.body["rancherComposeConfig"]});
    let again = world.admin("POST /v2-beta/projects/1a5/stacks", again).await;
    assert_eq!(again.status, 201, "{}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_effect_is_said() {
    let world = World::start().await;
    let compose =
        "services:\n  web:\n    image: a\n    x-nothing: 1\n    networks: [front]\nnetworks:\n  front: {}\n";
    let input = json!({"name": "noted", "dockerCompose": compose});
    let answer = world.admin("POST /v2-beta/projects/1a5/stacks", input.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let notices = answer.body["notices"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    assert!(
        notices.iter().any(|notice| notice.as_str().unwrap().contains("docker-compose.yml:")),
        "{notices:?}"
    );
    let upgrade = format!("POST /v2-beta/projects/1a5/stacks/{}/?action=upgrade", answer.id());
    let again = world.admin(&upgrade, input).await;
    assert_eq!(again.body["notices"], answer.body["notices"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_changes_nothing_and_names_line_and_column() {
    let world = World::start().await;
    for (compose, wanted) in [
        ("services:\n  web:\n    image: [", "docker-compose.yml:"),
        ("services:\n  web:\n    image: a\n    depends_on: [nope]\n", "nope"),
        ("services:\n  web:\n    image: a\n    ports: ['70000:80']\n", "70000"),
    ] {
        let input = json!({"name": "bad", "dockerCompose": compose});
        let answer = world.admin("POST /v2-beta/projects/1a5/stacks", input).await;
        assert_eq!(answer.outcome(), "422 InvalidComposeFile dockerCompose", "{}", answer.text);
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(wanted) && message.contains("hint"), "{message}");
        assert!(world.get("/v2-beta/projects/1a5/stacks").await.column("name").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_change_what_changed_and_no_more() {
    let world = World::start().await;
    let id = stack(&world, "shop", COMPOSE).await;
    let before = world.store.snapshot();
    let changed = COMPOSE.replace("nginx:1.27", "nginx:1.28") + "  cache:\n    image: redis\n";
    let upgrade = format!("POST /v2-beta/projects/1a5/stacks/{id}/?action=upgrade");
    let answer = world.admin(&upgrade, json!({"dockerCompose": changed})).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let after = world.store.snapshot();
    let find =
        |tables: &control_model::Tables, name: &str| tables.services.named(name).next().cloned().unwrap();
    assert_eq!(find(&after, "web").intent.launch_version, 2);
    assert_eq!(find(&after, "app"), find(&before, "app"), "an unchanged service is not written");
    assert!(find(&after, "cache").intent.active, "a new service runs as the others do");
    let id_of = |name: &str| format!("1s{}", find(&after, name).id.raw());
    assert_eq!(answer.body["changedServiceIds"], json!([id_of("web")]));
    assert_eq!(answer.body["createdServiceIds"], json!([id_of("cache")]));
    // The same again changes nothing at all, and says so.
    let all = |tables: &control_model::Tables| {
        let stacks: Vec<_> = tables.stacks.iter().cloned().collect();
        (stacks, tables.services.iter().cloned().collect::<Vec<_>>())
    };
    let before = all(&world.store.snapshot());
    let same = world.admin(&upgrade, json!({"dockerCompose": changed})).await;
    assert_eq!(all(&world.store.snapshot()), before);
    assert_eq!(same.body["changedServiceIds"], json!([]));
    assert_eq!(same.body["createdServiceIds"], json!([]));
    assert_eq!(
        world.store.reserve_ids(Kind::Service, 1).await.unwrap().start,
        find(&after, "cache").id.raw() + 1
    );
    let bad = world.admin(&upgrade, json!({"dockerCompose": "services: 5"})).await;
    assert_eq!(bad.status, 422, "{}", bad.text);
    assert_eq!(all(&world.store.snapshot()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_inputs_name_field_and_remedy() {
    let world = World::start().await;
    let id = stack(&world, "shop", COMPOSE).await;
    let base = "/v2-beta/projects/1a5";
    let image = json!({"imageUuid": "docker:nginx"});
    for (request, body, want) in [
        ("POST /stacks", json!({}), "422 MissingRequired name"),
        ("POST /stacks", json!({"name": "-a"}), "422 InvalidCharacters name"),
        ("POST /stacks", json!({"name": "a_b"}), "422 InvalidCharacters name"),
        ("POST /stacks", json!({"name": "SHOP"}), "422 NotUnique name"),
        ("POST /services", json!({"name": "a", "launchConfig": image}), "422 MissingRequired stackId"),
        (
            "POST /services",
            json!({"name": "a", "stackId": "1st99", "launchConfig": image}),
            "422 InvalidReference stackId",
        ),
        (
            "POST /services",
            json!({"name": "a", "stackId": "x", "launchConfig": image}),
            "422 InvalidReference stackId",
        ),
        (
            "POST /services",
            json!({"name": "a--b", "stackId": id, "launchConfig": image}),
            "422 InvalidCharacters name",
        ),
        (
            "POST /services",
            json!({"name": "WEB", "stackId": id, "launchConfig": image}),
            "422 NotUnique name",
        ),
        ("POST /services", json!({"name": "a", "stackId": id}), "422 MissingRequired imageUuid"),
        (
            "POST /services",
            json!({"name": "a", "stackId": id, "launchConfig": image, "scale": -1}),
            "422 MinLimitExceeded scale",
        ),
        (
            "POST /services",
            json!({"name": "a", "stackId": id, "launchConfig": image, "scale": 1_000_000}),
            "422 MaxLimitExceeded scale",
        ),
        ("POST /containers", json!({}), "422 MissingRequired imageUuid"),
        (
            "POST /containers",
            json!({"imageUuid": "docker:a", "ports": ["70000:80"]}),
            "422 PortInvalidPublicPort ports",
        ),
        (
            "POST /containers",
            json!({"imageUuid": "docker:a", "ports": ["80:0"]}),
            "422 PortInvalidPrivatePort ports",
        ),
        (
            "POST /containers",
            json!({"imageUuid": "docker:a", "ports": ["80/icmp"]}),
            "422 PortInvalidProtocol ports",
        ),
        (
            "POST /containers",
            json!({"imageUuid": "docker:a", "ports": ["a:b:c:d"]}),
            "422 PortWrongFormat ports",
        ),
        (
            "POST /containers",
            json!({"imageUuid": "docker:a", "requestedHostId": "1h9"}),
            "422 InvalidReference requestedHostId",
        ),
        ("POST /containers", json!({"imageUuid": "docker:a", "count": 0}), "422 MinLimitExceeded count"),
        ("POST /containers", json!({"imageUuid": "docker:a", "name": "a b"}), "422 InvalidCharacters name"),
        ("POST /hosts", json!({"hostname": "x"}), "405 Method not allowed"),
        ("PUT /stacks/1st1", json!({"name": null}), "200"),
        ("POST /stacks/1st1?action=explode", json!({}), "422 InvalidAction"),
        ("POST /stacks/1st1?action=finishupgrade", json!({}), "422 ActionNotAvailable"),
        ("POST /stacks/1st1", json!({}), "405 Method not allowed"),
    ] {
        let (method, path) = request.split_once(' ').unwrap();
        let path = path.replace("1st1?", &format!("{id}?"));
        let answer = world.admin(&format!("{method} {base}{path}"), body.clone()).await;
        assert_eq!(answer.outcome(), want, "{request} {body}: {}", answer.text);
        if answer.status >= 400 {
            assert!(answer.body["message"].as_str().is_some_and(|text| !text.is_empty()), "{request}");
            assert!(!answer.id().is_empty());
        }
    }
    for body in ["{", "[1]", "\"x\"", "{\"name\": }"] {
        let url = world.url("/v2-beta/projects/1a5/stacks");
        let request = world.http.post(url).body(body);
        let keys = &world.admin;
        let answer = request.basic_auth(&keys.public, Some(&keys.secret)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{body}");
        let error: Value = answer.json().await.unwrap();
        assert_eq!(error["code"], "InvalidBodyContent", "{body}");
    }
    let big = json!({"name": "a", "description": "x".repeat(9 << 20)});
    assert_eq!(world.admin("POST /v2-beta/projects/1a5/stacks", big).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_can_be_sent_back_as_it_came() {
    let world = World::start().await;
    let id = stack(&world, "shop", COMPOSE).await;
    let services = world.get(&format!("/v2-beta/projects/1a5/stacks/{id}/services")).await;
    let mut service = services.body["data"][0].clone();
    service["scale"] = json!(3);
    service["links"] = Value::Null;
    service["currentScale"] = json!(77);
    let url = services.body["data"][0]["links"]["self"].as_str().unwrap();
    let answer = world.admin(&format!("PUT {url}"), service).await;
    assert_eq!((answer.status, &answer.body["scale"]), (200, &json!(3)), "{}", answer.text);
    assert_eq!(answer.body["currentScale"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_at_the_same_time_all_count() {
    let world = std::sync::Arc::new(World::start().await);
    let id = stack(&world, "shop", COMPOSE).await;
    let services = world.get(&format!("/v2-beta/projects/1a5/stacks/{id}/services")).await;
    let service = services.body["data"][0]["id"].as_str().unwrap().to_owned();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let world = world.clone();
        let request = format!("PUT /v2-beta/projects/1a5/services/{service}");
        let body = match number % 2 {
            0 => json!({"scale": 5}),
            _ => json!({"description": "busy"}),
        };
        tasks.spawn(async move { world.admin(&request, body).await.status });
    }
    while let Some(status) = tasks.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    let answer = world.get(&format!("/v2-beta/projects/1a5/services/{service}")).await;
    assert_eq!((&answer.body["scale"], &answer.body["description"]), (&json!(5), &json!("busy")));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_linked_restarted_and_upgraded() {
    let world = World::start().await;
    let id = stack(&world, "shop", COMPOSE).await;
    let services = world.get(&format!("/v2-beta/projects/1a5/stacks/{id}/services")).await;
    let of = |index: usize| services.body["data"][index]["id"].as_str().unwrap().to_owned();
    let (web, app) = (of(0), of(1));
    let act = async |action: &str, body: Value| {
        world.admin(&format!("POST /v2-beta/projects/1a5/services/{web}/?action={action}"), body).await
    };
    let link = json!({"serviceId": app, "name": "backend"});
    let set =
        act("setservicelinks", json!({"serviceLinks": [link, {"serviceId": app, "name": "other"}]})).await;
    assert_eq!((set.status, &set.body["linkedServices"]["backend"]), (200, &json!(app)), "{}", set.text);
    let twice = act("addservicelink", json!({"serviceLink": link})).await;
    assert_eq!(twice.outcome(), "422 NotUnique serviceId");
    let consumed = world.get(&format!("/v2-beta/projects/1a5/services/{app}/consumedbyservices")).await;
    assert_eq!(consumed.column("name"), ["web"]);
    // Nothing to link arrives as an object without links, and means none.
    assert_eq!(act("setservicelinks", json!({})).await.body["linkedServices"], json!({}));
    let no = act("setservicelinks", json!({"serviceLinks": [{"serviceId": "1s999"}]})).await;
    assert_eq!(no.outcome(), "422 InvalidReference serviceId");
    assert_eq!(act("upgrade", json!({})).await.outcome(), "422 MissingRequired inServiceStrategy");
    let strategy = json!({"inServiceStrategy": {"launchConfig": {"imageUuid": "docker:nginx:1.28"}}});
    let up = act("upgrade", strategy.clone()).await;
    assert_eq!(
        (up.status, &up.body["launchConfig"]["imageUuid"]),
        (202, &json!("docker:nginx:1.28")),
        "{}",
        up.text
    );
    // Whoever upgrades to what there is wants new containers.
    let version =
        |name: &str| world.store.snapshot().services.named(name).next().unwrap().intent.launch_version;
    let before = version(up.body["name"].as_str().unwrap());
    assert_eq!(act("upgrade", strategy).await.status, 202);
    assert_eq!(version(up.body["name"].as_str().unwrap()), before + 1);
    assert_eq!(act("restart", json!({})).await.outcome(), "422 ActionNotAvailable", "it is still starting");
    assert_eq!(act("deactivate", Value::Null).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_made_stopped_and_removed() {
    let world = World::start().await;
    let base = "/v2-beta/projects/1a5/containers";
    let input = json!({"name": "one", "imageUuid": "docker:busybox", "command": ["sleep", "9"], "tty": true});
    let made = world.admin(&format!("POST {base}"), input).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!((&made.body["type"], &made.body["baseType"]), (&json!("container"), &json!("instance")));
    assert_eq!((&made.body["state"], &made.body["transitioning"]), (&json!("creating"), &json!("yes")));
    assert_eq!((&made.body["command"], &made.body["tty"]), (&json!(["sleep", "9"]), &json!(true)));
    let act = async |action: &str, body: Value| {
        world.admin(&format!("POST {base}/{}/?action={action}", made.id()), body).await
    };
    let stop = act("stop", json!({"timeout": 3})).await;
    assert_eq!((stop.status, &stop.body["state"]), (202, &json!("stopped")), "{}", stop.text);
    assert_eq!(act("execute", json!({})).await.outcome(), "422 ActionNotAvailable");
    assert_eq!(act("start", json!({})).await.status, 202);
    let removed = act("remove", Value::Null).await;
    assert_eq!((removed.status, &removed.body["state"]), (202, &json!("removing")), "{}", removed.text);
    let input = json!({"name": "many", "imageUuid": "docker:busybox", "count": 3});
    let many = world.admin(&format!("POST {base}"), input.clone()).await;
    assert_eq!(many.column("name"), ["many-1", "many-2", "many-3"]);
    assert_eq!(world.admin(&format!("POST {base}"), input).await.outcome(), "422 NotUnique name");
    assert_eq!(world.get("/v2-beta/projects/1a5/instances?name_prefix=many").await.column("type").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_deactivated_before_they_are_deleted() {
    let world = World::start().await;
    let host = world.host(5, "metal").await;
    let path = format!("/v2-beta/projects/1a5/hosts/1h{}", host.raw());
    assert_eq!(world.get(&path).await.body["state"], "active");
    assert_eq!(world.admin(&format!("DELETE {path}"), Value::Null).await.outcome(), "405 Method not allowed");
    let put = world.admin(&format!("PUT {path}"), json!({"name": "m1", "labels": {"zone": "a"}})).await;
    assert_eq!(
        (&put.body["name"], &put.body["labels"]),
        (&json!("m1"), &json!({"zone": "a"})),
        "{}",
        put.text
    );
    let off = world.admin(&format!("POST {path}/?action=deactivate"), json!({})).await;
    assert_eq!((off.status, &off.body["state"]), (202, &json!("inactive")));
    let gone = world.admin(&format!("DELETE {path}"), Value::Null).await;
    assert_eq!((gone.status, &gone.body["state"]), (200, &json!("removing")), "{}", gone.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    let world = World::start().await;
    let off = "POST /v2-beta/accounts/1a1/?action=deactivate";
    assert_eq!(world.admin(off, json!({})).await.outcome(), "405 LastAdminAccount");
    let (_, _) = world.account("second", "admin").await;
    assert_eq!(world.admin(off, json!({})).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_shows_the_same_things_in_its_own_words() {
    let world = World::start().await;
    let id = stack(&world, "shop", COMPOSE).await;
    let shown = world.get("/v1/projects/1a5/environments").await;
    let environment = &shown.body["data"][0];
    assert_eq!(
        (&environment["type"], &environment["id"]),
        (&json!("environment"), &json!(id.replace("1st", "1e")))
    );
    let services = world.get(environment["links"]["services"].as_str().unwrap()).await;
    assert_eq!(services.column("environmentId"), [id.replace("1st", "1e"), id.replace("1st", "1e")]);
    let filtered = format!("/v1/projects/1a5/services?environmentId={}&name=web", id.replace("1st", "1e"));
    assert_eq!(world.get(&filtered).await.column("name"), ["web"]);
    let input = json!({"name": "x", "environmentId": id.replace("1st", "1e"), "launchConfig": {"imageUuid": "docker:a"}});
    let made = world.admin("POST /v1/projects/1a5/services", input).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let parent = world.get(made.body["links"]["environment"].as_str().unwrap()).await;
    assert_eq!(parent.body["name"], "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_ended_well_counts_as_finished() {
    let world = World::start().await;
    let id = stack(&world, "jobs", "services:\n  job:\n    image: a\n    restart: 'no'\n").await;
    let host = world.host(5, "metal").await;
    let service = world.store.snapshot().services.named("job").next().unwrap().id;
    let origin = Origin::Service { service, index: 1, create_index: 1, launch_version: 1 };
    let container = world.container(5, host, "jobs-job-1", origin).await;
    let path = format!("/v2-beta/projects/1a5/stacks/{id}/services");
    let figures = async || {
        let answer = world.get(&path).await;
        let row = &answer.body["data"][0];
        (row["startOnce"].clone(), row["currentScale"].clone(), row["finishedScale"].clone())
    };
    for (rank, exit_code, current, finished) in [
        (RunReport::Running, None, 1, 0),
        (RunReport::Stopped, Some(1), 0, 0),
        (RunReport::Stopped, Some(0), 0, 1),
    ] {
        let row = world.store.snapshot().containers.get(container).unwrap().clone();
        let mut transaction = Transaction::new(row.created);
        let mut intent = row.intent.clone();
        intent.launch = world.store.snapshot().services.get(service).unwrap().intent.launch.clone();
        transaction.set_intent(&*row, intent);
        let mut seen = row.observation.clone();
        (seen.rank, seen.exit_code, seen.incarnation) = (rank, exit_code, Incarnation::default());
        transaction.set_observation(&*row, seen);
        world.store.commit(transaction).await.unwrap();
        assert_eq!(figures().await, (json!(true), json!(current), json!(finished)), "{rank:?} {exit_code:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_change_without_new_containers() {
    let world = World::start().await;
    let files = |limit: &str| format!("services:\n  web:\n    image: a\n    mem_limit: {limit}\n");
    let id = stack(&world, "soft", &files("64m")).await;
    let host = world.host(5, "metal").await;
    let service = || world.store.snapshot().services.named("web").next().unwrap().clone();
    let origin = Origin::Service { service: service().id, index: 1, create_index: 1, launch_version: 1 };
    let container = world.container(5, host, "soft-web-1", origin).await;
    let old = Origin::Service { service: service().id, index: 2, create_index: 2, launch_version: 0 };
    let older = world.container(5, host, "soft-web-2", old).await;
    let memory = |id| world.store.snapshot().containers.get(id).unwrap().intent.launch.resources.memory;
    let upgrade = format!("POST /v2-beta/projects/1a5/stacks/{id}/?action=upgrade");
    let changed = world.admin(&upgrade, json!({"dockerCompose": files("96m")})).await;
    assert_eq!(changed.status, 202, "{}", changed.text);
    assert_eq!((service().intent.launch_version, memory(container)), (1, Some(96 << 20)));
    assert_eq!(memory(older), None, "one of another version is left alone");

    // Taking a limit away needs new containers, and the old ones keep theirs.
    let fewer = world.admin(&upgrade, json!({"dockerCompose": "services:\n  web:\n    image: a\n"})).await;
    assert_eq!(fewer.status, 202, "{}", fewer.text);
    assert_eq!((service().intent.launch_version, memory(container)), (2, Some(96 << 20)));
}
