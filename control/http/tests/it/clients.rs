//! Strangers' programs against the API: they know its documents and nothing of its code.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::world::{COMPOSE, Keys, World};

/// A program of the Python environment that `cargo xtask test` makes.
fn python(program: &str) -> PathBuf {
    let folder = std::env::var_os("LARIAT_TEST_PYTHON")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/python"));
    let program = folder.join("bin").join(program);
    assert!(program.exists(), "{} is missing; `cargo xtask test` makes it", program.display());
    program
}

/// Sends requests to every operation of a document, and fails for each answer that the document does not foretell.
async fn schemathesis(world: &World, keys: &Keys, path: &str, seconds: u32) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(python("st"));
    command
        .current_dir(folder.path())
        .args(["--no-color", "run", &world.url(path)])
        .args(["--auth", &format!("{}:{}", keys.public, keys.secret)])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        // What goes on until the caller leaves is tested where sockets are.
        .args(["--exclude-path-regex", "/subscribe$"])
        // Threads of this Python trip over each other while they read their own source.
        .args(["--workers", "1", "--max-examples", "8", "--seed", "7", "--request-timeout", "20"])
        .args(["--max-time", &seconds.to_string(), "--generation-database", "none", "--no-shrink"])
        .args(["--suppress-health-check", "all", "--warnings", "off"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let limit = Duration::from_secs(u64::from(seconds) * 3 + 60);
    let output = tokio::time::timeout(limit, command.output()).await.expect("an end in time").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Ok(file) = std::env::var("LARIAT_TEST_REPORT") {
        std::fs::write(file, &text).unwrap();
    }
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("passed"), "{text}");
}

/// A server with one of many things.
async fn furnished() -> World {
    let world = World::start().await;
    let host = world.host(5, "h").await;
    let input = json!({"name": "shop", "dockerCompose": COMPOSE, "startOnCreate": true});
    let stack = world.admin("POST /v2-beta/projects/1a5/stacks", input).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let service = world.store.snapshot().services.named("web").next().unwrap().id;
    let origin = control_model::Origin::Service { service, index: 1, create_index: 1, launch_version: 1 };
    world.container(5, host, "web-1", origin).await;
    world.container(5, host, "alone", control_model::Origin::default()).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_every_answer_of_an_owner_foretold() {
    let world = furnished().await;
    schemathesis(&world, &world.admin, "/v2-beta/projects/1a5/openapi.json", 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_every_answer_of_an_administrator_foretold() {
    let world = furnished().await;
    schemathesis(&world, &world.admin, "/v2-beta/openapi.json", 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_every_answer_of_the_older_version_foretold() {
    let world = furnished().await;
    schemathesis(&world, &world.admin, "/v1/projects/1a5/openapi.json", 25).await;
}
