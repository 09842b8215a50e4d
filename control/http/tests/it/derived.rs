//! What follows from rows of other types, and what hosts and volumes can be told.

use contract_values::{ProjectId, VolumeId};
use control_model::{HostIntent, Kind, Origin, Transaction, Volume, VolumeIntent};
use serde_json::{Value, json};

use crate::world::World;

const IN: &str = "/v2-beta/projects/1a5";

const COMPOSE: &str = "\
version: '2'
services:
  web:
    image: a
    links: [app]
    labels: {tier: front}
    volumes: ['data:/data:ro']
  app:
    image: b
volumes:
  data: {driver: local, driver_opts: {a: b}}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_rows_is_listed_found_and_linked() {
    let world = World::start().await;
    let host = world.host(5, "metal").await;
    let stack =
        world.admin(&format!("POST {IN}/stacks"), json!({"name": "shop", "dockerCompose": COMPOSE})).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let web = world.store.snapshot().services.named("web").next().unwrap().clone();
    let origin = Origin::Service { service: web.id, index: 1, create_index: 1, launch_version: 1 };
    let container = world.container(5, host, "shop-web-1", origin).await;
    let row = world.store.snapshot().containers.get(container).unwrap().clone();
    let mut tx = Transaction::new(row.created);
    let mut intent = row.intent.clone();
    intent.launch = web.intent.launch.clone();
    tx.set_intent(&*row, intent);
    let metal = world.store.snapshot().hosts.get(host).unwrap().clone();
    let labels = [("zone".to_owned(), "a".to_owned())].into_iter().collect();
    tx.set_intent(&*metal, HostIntent { labels, ..metal.intent.clone() });
    let volume = VolumeId::new(world.store.reserve_ids(Kind::Volume, 1).await.unwrap().start);
    let made = VolumeIntent {
        project: Some(ProjectId::new(5)),
        stack: web.intent.stack,
        host: Some(host),
        name: "shop_data".into(),
        template: Some("data".into()),
        driver: "local".into(),
        ..VolumeIntent::default()
    };
    tx.insert::<Volume>(volume, "v".into(), made);
    world.store.commit(tx).await.unwrap();

    // One after the other: the list, the thing itself, and its links.
    for (plural, field, wanted) in [
        ("mounts", "path", "/data"),
        ("mounts", "permissions", "ro"),
        ("labels", "key", "zone"),
        ("networks", "stackId", stack.id().as_str()),
        ("storagepools", "driverName", "local"),
        ("serviceconsumemaps", "consumedService", "app"),
        ("volumetemplates", "name", "data"),
    ] {
        let list = world.get(&format!("{IN}/{plural}?limit=1000")).await;
        assert_eq!(list.status, 200, "{plural}: {}", list.text);
        assert!(list.column(field).contains(&wanted.to_owned()), "{plural}: {}", list.text);
        for id in list.column("id") {
            let one = world.get(&format!("{IN}/{plural}/{id}")).await;
            assert_eq!(
                (one.status, one.body["id"].as_str()),
                (200, Some(id.as_str())),
                "{plural}: {}",
                one.text
            );
            for (link, url) in one.body["links"].as_object().unwrap() {
                let answer = world.get(url.as_str().unwrap()).await;
                assert_eq!(answer.status, 200, "{plural} {link}: {}", answer.text);
            }
        }
        let filtered = world.get(&format!("{IN}/{plural}?{field}={}", wanted.replace('/', "%2F"))).await;
        assert!(!filtered.column("id").is_empty(), "{plural}: {}", filtered.text);
        for method in ["POST", "PUT", "DELETE"] {
            let path = if method == "POST" {
                format!("{IN}/{plural}")
            } else {
                format!("{IN}/{plural}/{}", list.column("id")[0])
            };
            let answer = world.admin(&format!("{method} {path}"), json!({})).await;
            assert_eq!(answer.status, 405, "{method} {plural}: {}", answer.text);
        }
    }
    let host_id = format!("1h{}", host.raw());
    for (path, field, wanted) in [
        (format!("hosts/{host_id}/hostlabels"), "value", "a"),
        (format!("hosts/{host_id}/storagepools"), "volumeAccessMode", "singleHostRW"),
        (format!("volumes/1v{}/mounts", volume.raw()), "path", "/data"),
        (format!("stacks/{}/volumetemplates", stack.id()), "driver", "local"),
        (format!("containers/1i{}/mounts", container.raw()), "path", "/data"),
    ] {
        let answer = world.get(&format!("{IN}/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(answer.column(field).contains(&wanted.to_owned()), "{path}: {}", answer.text);
    }
    let shown = world.get(&format!("{IN}/volumes/1v{}", volume.raw())).await;
    let template = world.get(shown.body["links"]["volumeTemplate"].as_str().unwrap()).await;
    assert_eq!(template.body["driverOpts"], json!({"a": "b"}), "{}", template.text);
    let zone = world.get(&format!("{IN}/labels?key=zone")).await.body["data"][0].clone();
    let hosts = world.get(zone["links"]["hosts"].as_str().unwrap()).await;
    assert_eq!(hosts.column("id"), [host_id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_made_on_a_host_and_removed() {
    let world = World::start().await;
    let create = async |body: Value| world.admin(&format!("POST {IN}/volumes"), body).await;
    assert_eq!(create(json!({"name": "data"})).await.outcome(), "422 MissingRequired hostId");
    let first = world.host(5, "one").await;
    let made = create(json!({"name": "data", "driver": "local", "driverOpts": {"type": "tmpfs"}})).await;
    assert_eq!((made.status, made.body["state"].as_str()), (201, Some("inactive")), "{}", made.text);
    assert_eq!(made.body["hostId"], format!("1h{}", first.raw()));
    assert_eq!(made.body["driverOpts"], json!({"type": "tmpfs"}));
    let second = world.host(5, "two").await;
    let (foreign, _) = world.project("other").await;
    let foreign = world.host(foreign[2..].parse().unwrap(), "three").await;
    for (body, want) in [
        (json!({"name": "more"}), "422 MissingRequired hostId"),
        (json!({"hostId": format!("1h{}", first.raw())}), "422 MissingRequired name"),
        (json!({"name": "a b", "hostId": format!("1h{}", first.raw())}), "422 InvalidCharacters name"),
        (json!({"name": "data", "hostId": format!("1h{}", first.raw())}), "422 NotUnique name"),
        (json!({"name": "more", "hostId": format!("1h{}", foreign.raw())}), "422 InvalidReference hostId"),
        (json!({"name": "data", "hostId": format!("1h{}", second.raw())}), "201"),
    ] {
        let answer = create(body).await;
        assert_eq!(answer.outcome(), want, "{}", answer.text);
    }
    let path = format!("{IN}/volumes/{}", made.id());
    let put = world.admin(&format!("PUT {path}"), json!({"description": "for the shop"})).await;
    assert_eq!(put.body["description"], "for the shop", "{}", put.text);
    let gone = world.admin(&format!("DELETE {path}"), Value::Null).await;
    assert_eq!((gone.status, gone.body["state"].as_str()), (200, Some("removing")), "{}", gone.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_switched_off_emptied_and_switched_on() {
    let world = World::start().await;
    let id = world.host(5, "metal").await;
    let act = async |action: &str| {
        world.admin(&format!("POST {IN}/hosts/1h{}/?action={action}", id.raw()), json!({})).await
    };
    let intent = || {
        let row = world.store.snapshot().hosts.get(id).unwrap().clone();
        (row.intent.inactive, row.intent.evacuate)
    };
    let off = act("deactivate").await;
    assert_eq!(
        (off.status, off.body["state"].as_str(), intent()),
        (202, Some("inactive"), (true, false)),
        "{}",
        off.text
    );
    let empty = act("evacuate").await;
    assert_eq!(
        (empty.status, empty.body["state"].as_str(), intent()),
        (202, Some("inactive"), (true, true)),
        "{}",
        empty.text
    );
    let on = act("activate").await;
    assert_eq!((on.body["state"].as_str(), intent()), (Some("active"), (false, false)), "{}", on.text);
    assert_eq!(act("evacuate").await.body["state"], "inactive");
    assert_eq!(intent(), (true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_what_is_under_way() {
    let world = World::start().await;
    let input = json!({"name": "shop", "dockerCompose": COMPOSE, "startOnCreate": true});
    let stack = world.admin(&format!("POST {IN}/stacks"), input).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let list = world.get("/v2-beta/processinstances?resourceType=service&sort=id").await;
    assert_eq!(list.column("processName"), ["service.activate", "service.activate"], "{}", list.text);
    let one = world.get(&format!("/v2-beta/processinstances/{}", list.column("id")[0])).await;
    assert_eq!(
        (one.body["phase"].as_str(), one.body["accountId"].as_str()),
        (Some("HANDLERS"), Some("1a5")),
        "{}",
        one.text
    );
    assert!(one.body["startTimeTS"].as_i64().unwrap() > 0, "{}", one.text);
    world.admin(&format!("DELETE {IN}/stacks/{}", stack.id()), Value::Null).await;
    let list = world.get("/v2-beta/processinstances?resourceType=stack").await;
    assert_eq!(list.column("processName"), ["stack.remove"], "{}", list.text);
    let (_, user) = world.account("somebody", "user").await;
    let answer = world.call(&user, "GET /v2-beta/processinstances", Value::Null, &[]).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert_eq!(world.get(&format!("{IN}/processinstances")).await.status, 404);
}
