//! The server to develop against, from outside: over HTTP, as its users see it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use testkit_dev::{DevOptions, DevServer, Role, ask, send};

/// Waits until a document is as it shall be, asking again at each change of the store.
async fn until(server: &DevServer, path: &str, what: &str, good: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let wait = async {
        loop {
            let mut watch = server.store().watch();
            last = ask(server.key(Role::Owner), "GET", &server.api(path), None).await.unwrap();
            if good(&last) {
                return;
            }
            // Lagging is news too.
            let _ = watch.next().await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(40), wait).await.is_err() {
        panic!("{what} did not come; last: {last:#}");
    }
    last
}

async fn deploy(server: &DevServer, name: &str, compose: &str) {
    let body = json!({ "name": name, "dockerCompose": compose, "startOnCreate": true });
    ask(server.key(Role::Member), "POST", &server.api("/stacks"), Some(&body)).await.unwrap();
}

fn states(list: &Value) -> Vec<(String, String)> {
    let name = |row: &Value| row["name"].as_str().or(row["hostname"].as_str()).unwrap_or_default().to_owned();
    let state = |row: &Value| row["state"].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|row| (name(row), state(row))).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stacks_run_fail_and_outlive_hosts() {
    let mut server = DevServer::start(DevOptions::default()).await.unwrap();
    let compose = "services:\n  web:\n    image: sim:web\n    scale: 3\n  broken:\n    image: sim:missing\n    pull_policy: always\n";
    deploy(&server, "shop", compose).await;
    let running = |list: &Value| {
        states(list).iter().filter(|(name, state)| name.contains("web") && state == "running").count() == 3
    };
    let list = until(&server, "/containers", "three running containers", running).await;
    let hosts: std::collections::BTreeSet<_> =
        list["data"].as_array().unwrap().iter().map(|row| row["hostId"].to_string()).collect();
    assert_eq!(hosts.len(), 3, "one on each: {list:#}");
    until(&server, "/services", "a reason", |list| list.to_string().contains("manifest unknown")).await;

    server.hosts_mut()[0].power_off().await;
    let hosts = until(&server, "/hosts", "a lost host", |list| {
        states(list).iter().any(|(_, state)| state != "active")
    })
    .await;
    let lost = hosts["data"].as_array().unwrap().iter().find(|row| row["hostname"] == "sim-1").unwrap();
    // Its container runs elsewhere.
    let alive = |list: &Value| {
        let rows = list["data"].as_array().unwrap().iter();
        let alive = rows.filter(|row| {
            row["name"].as_str().unwrap_or_default().contains("web")
                && row["state"] == "running"
                && row["hostId"] != lost["id"]
        });
        alive.count() == 3
    };
    until(&server, "/containers", "three on the other hosts", alive).await;
    server.hosts_mut()[0].power_on();
    until(&server, "/hosts", "all hosts", |list| states(list).iter().all(|(_, state)| state == "active"))
        .await;
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_has_a_key_and_no_more_rights_than_it_should() {
    let server = DevServer::start(DevOptions { hosts: 1, ..DevOptions::default() }).await.unwrap();
    let all: Vec<Role> = server.keys().iter().map(|key| key.role).collect();
    assert_eq!(all, Role::ALL);
    let status = async |role: Role, method: &str, url: &str, body: Option<&Value>| {
        send(Some(server.key(role)), method, url, body).await.unwrap().0
    };
    let root = format!("{}/v2-beta/accounts", server.url());
    for role in Role::ALL {
        let project = status(role, "GET", &server.api("/services"), None).await;
        let expected = match role {
            Role::User | Role::Stranger => 403,
            Role::Agent => 404,
            _ => 200,
        };
        assert!(
            project == expected || (role == Role::Agent && project != 500),
            "{role:?} reads services: {project}"
        );
        let may_administer = matches!(role, Role::Superadmin | Role::Admin | Role::ReadAdmin);
        let accounts = send(Some(server.key(role)), "GET", &root, None).await.unwrap();
        let count = accounts.1["data"].as_array().map_or(0, Vec::len);
        // Who is in an environment sees who else is.
        assert_eq!(count > Role::ALL.len(), may_administer, "{role:?} sees {count} accounts");
        let stack = json!({ "name": format!("of-{}", role.name().to_lowercase()) });
        let made = status(role, "POST", &server.api("/stacks"), Some(&stack)).await;
        let may_write = matches!(
            role,
            Role::Superadmin
                | Role::Admin
                | Role::Environment
                | Role::Owner
                | Role::Member
                | Role::Restricted
        );
        assert_eq!(made == 201, may_write, "{role:?} makes a stack: {made}");
    }
    let elsewhere =
        format!("{}/v2-beta/projects/1a{}/services", server.url(), server.keys().other_project.raw());
    assert_eq!(status(Role::Stranger, "GET", &elsewhere, None).await, 200);
    assert_eq!(status(Role::Owner, "GET", &elsewhere, None).await, 403);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_keys_and_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let options =
            DevOptions { hosts: 2, folder: Some(folder.path().to_owned()), ..DevOptions::default() };
        DevServer::start(options).await.unwrap()
    };
    let first = start().await;
    let keys = first.to_json()["keys"].clone();
    let hosts = ask(first.key(Role::Readonly), "GET", &first.api("/hosts"), None).await.unwrap();
    first.stop().await.unwrap();
    let second = start().await;
    assert_eq!(second.to_json()["keys"], keys);
    let again = ask(second.key(Role::Readonly), "GET", &second.api("/hosts"), None).await.unwrap();
    assert_eq!(states(&again), states(&hosts));
    assert_eq!(states(&again), [("sim-1".into(), "active".into()), ("sim-2".into(), "active".into())]);
    second.stop().await.unwrap();
}
