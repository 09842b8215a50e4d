//! Docker's own tool reads what is written here.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use contract_compose::render;

use crate::kit::read_all;

/// Lets `docker-compose` check a file; gives what it says.
fn check(text: &str) -> Result<(), String> {
    let mut tool = Command::new("docker-compose")
        .args(["--file", "-", "config", "--quiet"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("docker-compose: {error}; `cargo xtask test` installs it"));
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn docker_compose_reads_what_is_written() {
    let old = "version: '2'\nservices:\n  web:\n    image: nginx\n    build: {context: ., args: {A: b$$c}}\n    ports: ['80:80', '127.0.0.1:81:81/udp', '90-91']\n    volumes: ['data:/d', '/h:/p:ro']\n    environment: {A: '$$x', B: ''}\n    command: [sh, -c, 'echo $$1']\n    links: ['db:d']\n    depends_on: [db]\n    logging: {driver: none}\n    ulimits: {nofile: {soft: 1, hard: 2}}\n    mem_limit: 1g\n    labels: {io.rancher.sidekicks: side}\n  side: {image: x, volumes_from: [web], network_mode: none}\n  db: {image: mysql, cap_add: [NET_ADMIN], tmpfs: /t}\nvolumes: {data: {driver: local}}\n";
    let files = [
        ("old", old),
        ("wordpress", include_str!("../apps/wordpress.yml")),
        // `nextcloud.yml` restarts a service with another, which this tool does not know yet.
        ("gitea", include_str!("../apps/gitea.yml")),
        ("voting", include_str!("../apps/voting.yml")),
        ("prometheus", include_str!("../apps/prometheus.yml")),
    ];
    for (name, text) in files {
        let plan = read_all(
            &[("docker-compose.yml", text), ("+grafana.env", "A=b\n"), ("profile *", "")],
            &[("DB_PASSWORD", "p$w")],
        )
        .unwrap_or_else(|errors| panic!("{name}: {errors}"));
        let written = render(&plan).docker_compose;
        check(&written).unwrap_or_else(|said| panic!("{name}: {said}\n{written}"));
    }
    assert!(check("services: {a: {imgae: x}}").is_err(), "the tool checks nothing");
}
