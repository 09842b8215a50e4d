//! Lists that are too long to be made anew for each request.

use contract_values::{ContainerId, HostId, ProjectId, Timestamp};
use control_model::{
    Container, ContainerDecision, ContainerIntent, ContainerObservation, Kind, Origin, RunReport, Transaction,
};
use serde_json::Value;

use crate::world::World;

const MANY: usize = 2_100;

/// Puts many containers of all sorts into the environment, as controllers and reports would.
async fn many(world: &World) -> Vec<ContainerId> {
    let hosts = [world.host(5, "h1").await, world.host(5, "h2").await];
    let first = world.store.reserve_ids(Kind::Container, MANY as u32).await.unwrap().start;
    let mut ids = Vec::new();
    let mut transaction = Transaction::new(Timestamp(1_000_000));
    for index in 0..MANY {
        let id = ContainerId::new(first + index as i64);
        put(&mut transaction, id, index, hosts[index % 2]);
        ids.push(id);
    }
    world.store.commit(transaction).await.unwrap();
    ids
}

fn put(transaction: &mut Transaction, id: ContainerId, index: usize, host: HostId) {
    let intent = ContainerIntent {
        project: Some(ProjectId::new(if index % 10 == 9 { 6 } else { 5 })),
        name: format!("c{}", (index * 7919) % MANY),
        description: index.is_multiple_of(3).then(|| format!("note {}", index % 5)),
        origin: Origin::Standalone,
        system: index.is_multiple_of(11),
        ..ContainerIntent::default()
    };
    let decision =
        ContainerDecision { host: (index % 4 != 3).then_some(host), ..ContainerDecision::default() };
    let observation = ContainerObservation {
        host: Some(host),
        rank: if index.is_multiple_of(3) { RunReport::Stopped } else { RunReport::Running },
        docker_id: Some(format!("docker{index}")),
        starts: (index % 6) as u32,
        ..ContainerObservation::default()
    };
    transaction.insert_seen::<Container>(id, format!("u{index}"), intent, decision, observation);
}

/// Every row of a list, page by page.
async fn pages(world: &World, query: &str, limit: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = Some(world.url(&format!("/v2-beta/projects/1a5/containers?{query}&limit={limit}")));
    while let Some(url) = next {
        let page = world.get(&url).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let data = page.body["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        rows.extend(data.iter().cloned());
        next = page.body["pagination"]["next"].as_str().map(str::to_owned);
    }
    rows
}

/// Every container of the environment, streamed.
async fn streamed(world: &World, query: &str) -> Vec<Value> {
    let answer = world.get(&format!("/v2-beta/projects/1a5/containers?_format=ndjson&{query}")).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson", "{}", answer.text);
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(row: &Value) -> i64 {
    row["id"].as_str().unwrap()[2..].parse().unwrap()
}

async fn compare(world: &World) {
    let all =
        streamed(world, "fields=state,description,hostId,name,startCount,system,imageUuid,hostname").await;
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    type Passes = fn(&Value) -> bool;
    let filters: [(&str, Passes); 9] = [
        ("", |_| true),
        ("state=running", |row| row["state"] == "running"),
        ("state_ne=running&description_notnull", |row| {
            row["state"] != "running" && !row["description"].is_null()
        }),
        ("hostId_null", |row| row["hostId"].is_null()),
        ("name_like=c1%25", |row| row["name"].as_str().unwrap().starts_with("c1")),
        ("startCount_gt=3", |row| row["startCount"].as_i64().unwrap_or(0) > 3),
        ("system=true", |row| row["system"] == true),
        ("description_prefix=NOTE 2", |row| row["description"] == "note 2"),
        ("imageUuid_null=&hostname_null", |row| row["imageUuid"].is_null() && row["hostname"].is_null()),
    ];
    for (filter, passes) in filters {
        for (sort, field, descending) in [
            ("", "", false),
            ("sort=name", "name", false),
            ("sort=name&order=desc", "name", true),
            ("sort=state", "state", false),
            ("sort=startCount&order=desc", "startCount", true),
            ("sort=hostId", "hostId", false),
            ("sort=id&order=desc", "id", true),
            ("sort=description", "description", false),
        ] {
            let mut wanted: Vec<&Value> = all.iter().filter(|row| passes(row)).collect();
            wanted.sort_by(|one, other| {
                let keys = match field {
                    "" => std::cmp::Ordering::Equal,
                    "startCount" => one[field].as_i64().cmp(&other[field].as_i64()),
                    "id" => number(one).cmp(&number(other)),
                    _ => text(one, field).cmp(&text(other, field)),
                };
                (if descending { keys.reverse() } else { keys }).then(number(one).cmp(&number(other)))
            });
            let wanted: Vec<&Value> = wanted.into_iter().map(|row| &row["id"]).collect();
            let found = pages(world, &format!("{filter}&{sort}&fields=name"), 700).await;
            let found: Vec<&Value> = found.iter().map(|row| &row["id"]).collect();
            assert_eq!(found.len(), wanted.len(), "{filter} {sort}");
            assert!(found == wanted, "{filter} {sort}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_what_short_ones_would_be() {
    let world = World::start().await;
    let other = world.project("other").await.0;
    assert_eq!(other, "1a6", "the second environment has the next number");
    let ids = many(&world).await;
    compare(&world).await;
    // Rows that change, go and come are seen by every view that was made before.
    let tables = world.store.snapshot();
    let mut transaction = Transaction::new(Timestamp(2_000_000));
    for (index, id) in ids.iter().enumerate().filter(|(index, _)| index % 13 == 0) {
        let row = tables.containers.get(*id).unwrap();
        match index % 3 {
            0 => {
                let intent = ContainerIntent { name: format!("renamed{index}"), ..row.intent.clone() };
                transaction.set_intent(&**row, intent);
            }
            1 => transaction.finish_removal(&**row),
            _ => {
                let intent = ContainerIntent { description: None, system: true, ..row.intent.clone() };
                transaction.set_intent(&**row, intent);
            }
        }
    }
    world.store.commit(transaction).await.unwrap();
    let host = world.host(5, "h3").await;
    let first = world.store.reserve_ids(Kind::Container, 5).await.unwrap().start;
    let mut transaction = Transaction::new(Timestamp(3_000_000));
    for index in 0..5 {
        put(&mut transaction, ContainerId::new(first + index), 10_000 + index as usize, host);
    }
    world.store.commit(transaction).await.unwrap();
    compare(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_hold_the_same_documents_and_only_the_wanted_members() {
    let world = World::start().await;
    world.project("other").await;
    many(&world).await;
    let page = world.get("/v2-beta/projects/1a5/containers?sort=name&limit=3").await;
    for row in page.body["data"].as_array().unwrap() {
        let one = world.get(row["links"]["self"].as_str().unwrap()).await;
        assert_eq!(&one.body, row);
    }
    let columns = "accountId,createIndex,created,description,externalId,firstRunning,healthState,hostId,kind,name,\
                   nativeContainer,removed,serviceId,stackId,startCount,state,system,uuid";
    let full = streamed(&world, "sort=id").await;
    let short = streamed(&world, &format!("sort=id&fields={columns}")).await;
    assert_eq!(full.len(), short.len());
    for (full, short) in full.iter().zip(&short) {
        let members = short.as_object().unwrap();
        assert!(members.len() < 26 && members.contains_key("id"), "{short}");
        for (name, value) in members {
            assert_eq!(&full[name], value, "{name}");
        }
    }
    let some = world.get("/v2-beta/projects/1a5/containers?fields=name,links,imageUuid&limit=2").await;
    let members: Vec<&String> = some.body["data"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "type", "links", "name", "imageUuid"]);
    // Another environment's rows are in none of these.
    let names = streamed(&world, "fields=accountId").await;
    assert!(names.iter().all(|row| row["accountId"] == "1a5"));
    let (_, stranger) = world.account("kim", "user").await;
    for path in ["/v2-beta/containers", "/v2-beta/containers?_format=ndjson", "/v2-beta/containers?sort=name"]
    {
        let answer = world.call(&stranger, &format!("GET {path}"), Value::Null, &[]).await;
        assert!(!answer.text.contains("\"1i"), "{path}: {:.300}", answer.text);
    }
}
