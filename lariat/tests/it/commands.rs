//! The user commands against a real server, as far as they need no host.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::json;

use crate::harness::{Server, Signal, send_signal};

const FILES: &str = "\
services:
  web:
    image: example/web:1
    ports: [\"8080:80\"]
    environment: {COLOUR: green}
  db:
    image: example/db:1
";

#[test]
fn stacks_are_created_exported_and_removed_without_hosts() {
    let server = Server::start();
    server.file("docker-compose.yml", FILES);
    assert_eq!(server.run(&["create", "-s", "shop"]).ok(), "shop\n");
    let services = server.run(&["services", "--format", "{{.name}} {{.state}}"]).ok();
    assert_eq!(services, "shop/db inactive\nshop/web inactive\n");
    let again = server.run(&["create", "-s", "shop"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("there is a stack `shop` already"), "{}", again.err);

    server.run(&["export", "shop"]).ok();
    let exported = std::fs::read_to_string(server.folder().join("shop/docker-compose.yml")).unwrap();
    assert!(exported.contains("example/web:1") && exported.contains("green"), "{exported}");
    // What was exported means the same.
    let render = |file: &str| server.run(&["up", "-s", "shop", "-f", file, "--render"]).ok();
    let (first, second) = (render("docker-compose.yml"), render("shop/docker-compose.yml"));
    assert!(first.contains("example/db:1") && second.contains("example/db:1"), "{first}\n{second}");

    let none = server.run(&["up", "-s", "shop", "--timeout", "20"]);
    assert_eq!(none.code, 1);
    assert!(none.err.contains("the environment has no host"), "{}", none.err);
    let smaller = "services:\n  web:\n    image: example/web:1\n";
    server.file("smaller.yml", smaller);
    let pruned = server.run(&["up", "-s", "shop", "-f", "smaller.yml", "--prune", "-d"]);
    assert_eq!(pruned.code, 0, "{}", pruned.err);
    server.run(&["wait", "shop/db", "--state", "removed", "--timeout", "20"]).ok();
    assert_eq!(server.run(&["services", "--format", "{{.name}}"]).ok(), "shop/web\n");
    assert_eq!(server.run(&["rm", "-f", "shop"]).ok(), "shop\n");
    assert_eq!(server.run(&["stacks", "-q"]).ok(), "");
}

#[test]
fn environments_keys_and_settings_are_managed() {
    let server = Server::start();
    let prod = server.run(&["env", "create", "Prod", "--description", "real"]).ok();
    let prod = prod.trim();
    assert_eq!(server.run(&["env", "switch", "Prod"]).code, 0);
    let chosen = server.run(&["env", "ls", "--format", "{{.name}} {{.chosen}}"]).ok();
    assert_eq!(chosen, "Default false\nProd true\n");
    assert_eq!(server.run(&["env", "inspect", "Prod", "--format", "{{.description}}"]).ok(), "real\n");
    assert_eq!(server.run(&["stacks", "create", "bare", "--empty"]).ok(), "bare\n");
    assert_eq!(server.run(&["stacks", "-q", "--env", "Default"]).ok(), "");

    let key = server.run(&["keys", "create", "robot", "--format", "json"]).json();
    let keys = server.run(&["keys", "--format", "{{.name}} {{.publicValue}} {{.state}}"]).ok();
    let access = key["accessKey"].as_str().unwrap();
    assert!(keys.contains(&format!("robot {access} active")), "{keys}");
    let own = server
        .user(&["env", "-q"])
        .env("LARIAT_ACCESS_KEY", access)
        .env("LARIAT_SECRET_KEY", key["secretKey"].as_str().unwrap())
        .output()
        .unwrap();
    assert!(own.status.success() && String::from_utf8_lossy(&own.stdout).contains(prod), "{own:?}");
    assert_eq!(server.run(&["keys", "rm", "-f", "robot"]).ok(), "robot\n");
    assert!(!server.run(&["keys"]).ok().contains("robot"));

    let before = server.run(&["settings", "get", "api.host"]).ok();
    server.run(&["settings", "set", "api.host", "https://public.test"]).ok();
    assert_eq!(
        server.run(&["settings", "get", "api.host"]).ok(),
        "https://public.test\n",
        "before: {before}"
    );
    assert_eq!(server.run(&["settings", "get", "no.such.setting"]).code, 1);

    let members = server.run(&["members", "--format", "json"]).json();
    assert_eq!(members[0]["role"], json!("owner"));
    assert_eq!(server.run(&["env", "rm", "-f", "Prod"]).ok(), "Prod\n");
}

#[test]
fn a_person_signs_in_and_out() {
    use std::io::Write as _;
    let server = Server::start();
    let password = server.first()["password"].as_str().unwrap().to_owned();
    let with_input = |arguments: &[&str], input: &str| {
        let mut command = server.user(arguments);
        command
            .env_remove("LARIAT_URL")
            .env_remove("LARIAT_ACCESS_KEY")
            .env_remove("LARIAT_SECRET_KEY")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let url = server.url();
    let login = ["login", &url, "--user", "admin", "--password-stdin"];
    assert_eq!(with_input(&login, "wrong\n").status.code(), Some(1));
    let done = with_input(&login, &format!("{password}\n"));
    assert!(done.status.success(), "{done:?}");
    let config = server.folder().join(".lariat/config.json");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(with_input(&["stacks"], "").status.success());
    let shown = with_input(&["config", "--debug"], "");
    assert!(!String::from_utf8_lossy(&shown.stdout).contains(&password));
    assert!(with_input(&["logout"], "").status.success());
    assert_eq!(with_input(&["stacks"], "").status.code(), Some(2));
}

/// Runs a command until it says something, presses Ctrl-C, and gives its code and all its messages.
fn interrupted(server: &Server, arguments: &[&str], sign: &str) -> (Option<i32>, String) {
    let mut child = server.user(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut all = String::new();
    while !all.contains(sign) {
        assert_ne!(messages.read_line(&mut all).unwrap(), 0, "it ended without saying `{sign}`: {all}");
    }
    send_signal(child.id(), Signal::INT);
    messages.read_to_string(&mut all).unwrap();
    (child.wait().unwrap().code(), all)
}

#[test]
fn ctrl_c_says_what_goes_on() {
    let server = Server::start();
    server.file("docker-compose.yml", FILES);
    let (code, said) = interrupted(&server, &["up", "-s", "shop"], "web: ");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("detached: the server goes on deploying shop"), "{said}");
    assert_eq!(server.run(&["stacks", "--format", "{{.name}}"]).ok(), "shop\n", "it is there as a whole");

    // The requests are told, so that the test knows when the command has begun to wait.
    let waiting = ["wait", "shop/web", "--state", "active", "--debug"];
    let (code, said) = interrupted(&server, &waiting, "/services/");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("error: interrupted; nothing was changed"), "{said}");
    server.run(&["rm", "-f", "shop"]).ok();
}
