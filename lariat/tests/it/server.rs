//! A server by itself: its start, its end, its first administrator, its certificate.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{PROGRAM, Server, Signal, eventually, run, send_signal};

#[test]
fn the_first_start_makes_one_way_in_and_later_ones_none() {
    let mut server = Server::start();
    let first = server.first();
    assert_eq!(first["user"], "admin");
    assert!(first["password"].as_str().unwrap().len() >= 16);
    let path = server.folder().join("bootstrap");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let projects = server.run(&["env", "ls", "--format", "json"]).json();
    assert_eq!((&projects[0]["id"], &projects[0]["name"]), (&"1a5".into(), &"Default".into()));
    assert_eq!(projects.as_array().unwrap().len(), 1);

    assert_eq!(server.stop(), Some(0));
    let kept = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    server.launch();
    assert!(!path.exists(), "the credentials are not made again");
    std::fs::write(&path, kept).unwrap();
    server.run(&["env"]).ok();
    let log = server.log();
    for secret in ["password", "secretKey"] {
        assert!(!log.contains(first[secret].as_str().unwrap()), "{log}");
    }
}

#[test]
fn without_a_file_the_way_in_is_printed_once() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let _ = std::fs::remove_file(folder.path().join("address"));
        let mut child = Command::new(PROGRAM)
            .args(["server", "--listen", "127.0.0.1:0", "--log-format", "json", "--data-dir"])
            .arg(folder.path().join("data"))
            .arg("--address-file")
            .arg(folder.path().join("address"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("it answers", Duration::from_secs(30), || {
            std::fs::read_to_string(folder.path().join("address")).map_err(|error| error.to_string())
        });
        send_signal(child.id(), Signal::TERM);
        let status = child.wait().unwrap();
        assert!(status.success(), "{status}");
        let output = child.wait_with_output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (out, log) = start();
    assert!(out.contains("password") && out.contains("secret key"), "{out}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    assert_eq!(start().0, "");
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let server = Server::start();
    let second = run(server.command().args(["--listen", "127.0.0.1:0"]));
    assert_eq!(second.code, 1, "{}", second.err);
    assert!(second.err.contains("another server is running on the data folder"), "{}", second.err);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let server = Server::start();
    let taken = server.url().replace("http://", "");
    let second = run(Server::prepared(&taken, &[]).command().env("NO_COLOR", "1"));
    assert_eq!(second.code, 1);
    assert!(
        second.err.contains(&format!("could not listen on {taken}: Address already in use")),
        "{}",
        second.err
    );
}

#[test]
fn options_that_make_no_sense_end_with_2() {
    for arguments in [
        &["server", "--listen", "nowhere"][..],
        &["server", "--tls", "maybe"],
        &["server", "--tls-cert", "x"],
        &["server", "--log", "=="],
        &["nonsense"],
    ] {
        let done = run(Command::new(PROGRAM)
            .args(arguments)
            .args(["--data-dir", "/nonexistent/x"])
            .stdin(Stdio::null()));
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.err);
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut server = Server::start();
    server.file("docker-compose.yml", "services:\n  web:\n    image: example/none:1\n");
    for number in 0..5 {
        let name = format!("stack{number}");
        server.run(&["up", "-d", "-s", &name]).ok();
        server.kill();
        server.launch();
        let stacks = server.run(&["stacks", "--format", "json"]).json();
        assert_eq!(stacks.as_array().unwrap().len(), number + 1);
    }
}

#[test]
fn a_stack_without_hosts_says_so() {
    let server = Server::start();
    server.file("docker-compose.yml", "services:\n  web:\n    image: example/none:1\n");
    let done = server.run(&["up", "-s", "shop", "--timeout", "60"]);
    assert_eq!(done.code, 1);
    assert!(
        done.err.contains("the environment has no host") && done.err.contains("lariat hosts add"),
        "{}",
        done.err
    );
    server.run(&["rm", "-f", "shop"]).ok();
    assert_eq!(server.run(&["ps", "--format", "json"]).ok(), "[]\n");
}

#[test]
fn mistakes_in_files_change_nothing() {
    let server = Server::start();
    for (text, place) in [
        ("services:\n  web: [\n", "docker-compose.yml:3:1: "),
        (
            "services:\n  web:\n    image: a\n    depends_on: [dbb]\n  db:\n    image: b\n",
            "docker-compose.yml:4:18: ",
        ),
        ("services:\n  web:\n    image: a\n    ports: [\"70000:80\"]\n", "docker-compose.yml:4:13: "),
    ] {
        server.file("docker-compose.yml", text);
        let done = server.run(&["up", "-s", "shop"]);
        assert_eq!(done.code, 1, "{}", done.err);
        assert!(
            done.err.starts_with(&format!("error: {place}")) && done.err.contains("hint: "),
            "{}",
            done.err
        );
    }
    assert_eq!(server.run(&["stacks", "--format", "json"]).ok(), "[]\n");
}

#[test]
fn wrong_keys_are_refused() {
    let server = Server::start();
    let done = run(server.user(&["ps"]).env("LARIAT_SECRET_KEY", "wrong"));
    assert_eq!(done.code, 1);
    assert!(done.err.contains("hint: sign in with `lariat login URL`"), "{}", done.err);
}

#[test]
fn signing_in_and_out() {
    let server = Server::start();
    let first = server.first();
    let bare = |arguments: &[&str]| {
        let mut command = server.user(arguments);
        for name in ["LARIAT_URL", "LARIAT_ACCESS_KEY", "LARIAT_SECRET_KEY"] {
            command.env_remove(name);
        }
        command
    };
    let password = server.file("password", first["password"].as_str().unwrap());
    let mut login = bare(&["login", &server.url(), "--user", "admin", "--password-stdin"]);
    let done = run(login.stdin(std::fs::File::open(password).unwrap()));
    assert_eq!(done.code, 0, "{}", done.err);
    run(&mut bare(&["stacks"])).ok();
    run(&mut bare(&["logout"])).ok();
    assert_eq!(run(&mut bare(&["stacks"])).code, 2);
}

#[test]
fn its_own_certificate_is_pinned() {
    let server = Server::start_with("127.0.0.1:0", &["--tls", "auto"]);
    assert!(server.url().starts_with("https://"));
    let pin = server.pin();
    let pin = pin.as_str();
    let with_pin = |arguments: &[&str]| {
        let mut command = server.user(arguments);
        command.env("LARIAT_PIN", pin);
        command
    };
    run(&mut with_pin(&["stacks"])).ok();
    let done = server.run(&["stacks"]);
    assert_eq!(done.code, 1);
    assert!(
        done.err.contains("did not prove that it is the right one") && done.err.contains("--pin"),
        "{}",
        done.err
    );
    let done = run(server.user(&["stacks"]).env("LARIAT_PIN", format!("sha256:{}", "0".repeat(64))));
    assert_eq!(done.code, 1);

    // The command for new hosts works with curl and is of no use to somebody in the middle.
    let command = run(&mut with_pin(&["hosts", "add"])).ok();
    let (fetch, rest) = command.trim().split_once(" | ").unwrap();
    assert_eq!(rest, "sudo sh");
    let script = run(Command::new("sh").args(["-c", fetch])).ok();
    assert!(script.starts_with("#!/bin/sh") && script.contains(pin), "{script}");
    let other = fetch.replace("sha256//", "sha256//A");
    let refused = run(Command::new("sh").args(["-c", &other]));
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert_eq!(refused.out, "");
}

#[test]
fn the_server_hands_out_its_own_program() {
    let server = Server::start();
    let url = format!("{}/v1/scripts/agent/{}", server.url(), std::env::consts::ARCH);
    let file = server.folder().join("agent");
    let done = run(Command::new("curl").args(["-fsS", "-o"]).arg(&file).arg(&url));
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(std::fs::read(&file).unwrap() == std::fs::read(PROGRAM).unwrap());
    let missing = run(Command::new("curl").args(["-fsS", &format!("{}/v1/scripts/agent/vax", server.url())]));
    assert_ne!(missing.code, 0);
}

#[test]
fn a_lost_password_is_made_anew() {
    let mut server = Server::start();
    let old = server.first();
    assert_eq!(server.stop(), Some(0));
    let mut again = Server::start_again(server, &["--reset-admin"]);
    let new = again.first();
    assert_ne!(old["password"], new["password"]);
    again.run(&["stacks"]).ok();
    let sign_in = |password: &str| {
        let body = serde_json::json!({ "code": format!("admin:{password}") }).to_string();
        let url = format!("{}/v2-beta/token", again.url());
        run(Command::new("curl").args(["-fsS", "-X", "POST", "-d", &body, &url])).code
    };
    assert_eq!(sign_in(new["password"].as_str().unwrap()), 0);
    assert_ne!(sign_in(old["password"].as_str().unwrap()), 0);
    assert_eq!(again.stop(), Some(0));
}
