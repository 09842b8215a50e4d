//! A large Compose file: read, imported, and applied again without a change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use contract_compose::{ComposeInput, SourceFile, load};
use control_model::Tables;
use serde_json::{Value, json};
use testkit_dev::{DevOptions, DevServer, Role, ask};

use crate::usage::cpu_seconds;

#[derive(clap::Args)]
pub struct Arguments {
    /// How many services
    #[arg(long, default_value_t = 200)]
    services: u32,
}

/// Commands: `parse`, `apply`.
pub fn run(arguments: &Arguments) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(async {
        let text = file(arguments.services);
        let server = DevServer::start(DevOptions { hosts: 1, ..DevOptions::default() }).await?;
        let started = Instant::now();
        let body = json!({ "name": "large", "dockerCompose": text, "startOnCreate": true });
        let stack = ask(server.key(Role::Owner), "POST", &server.api("/stacks"), Some(&body)).await?;
        let import = started.elapsed().as_secs_f64();
        let id = stack["id"].as_str().context("the stack has no id")?.to_owned();
        all_run(&server, arguments.services as usize).await?;
        let running = started.elapsed().as_secs_f64();
        crate::answer(&json!({ "import": import, "running": running, "bytes": text.len() }))?;
        loop {
            let Some(command) = tokio::task::spawn_blocking(crate::command).await?? else { break };
            match command[..] {
                [ref word] if word == "parse" => {
                    let started = Instant::now();
                    let services = parse(&text)?;
                    ensure!(services == arguments.services as usize, "{services} services were read");
                    crate::answer(&json!({ "seconds": started.elapsed().as_secs_f64() }))?;
                }
                [ref word] if word == "apply" => crate::answer(&apply(&server, &id, &text).await?)?,
                _ => bail!("there is no command {command:?}"),
            }
        }
        server.stop().await
    })
}

/// Like a file that people write: images, environments, ports, volumes, labels, dependencies.
fn file(services: u32) -> String {
    let mut text = "x-common: &common\n  restart: always\n  environment: &environment\n    LOG_LEVEL: info\n    REGION: eu-1\n\nservices:\n"
        .to_owned();
    for number in 0..services {
        let previous = number.saturating_sub(1);
        let depends =
            if number % 10 == 0 { String::new() } else { format!("    depends_on: [service-{previous}]\n") };
        write!(
            text,
            "  service-{number}:\n    <<: *common\n    image: sim:quiet_{number}\n    command: [\"serve\", \"--port\", \"{}\"]\n    \
             environment:\n      <<: *environment\n      NAME: service-{number}\n      PORT: ${{PORT:-8080}}\n    \
             volumes:\n      - data-{number}:/var/lib/data\n    labels:\n      com.example.team: team-{}\n{depends}",
            8000 + number,
            number % 7
        )
        .expect("a text takes more text");
    }
    text.push_str("volumes:\n");
    for number in 0..services {
        writeln!(text, "  data-{number}: {{}}").expect("a text takes more text");
    }
    text
}

fn parse(text: &str) -> Result<usize> {
    let sources = BTreeMap::<String, String>::new();
    let input = ComposeInput {
        files: vec![SourceFile::new("docker-compose.yml", text)],
        stack_name: "large".into(),
        sources: &sources,
        ..ComposeInput::default()
    };
    let plan = load(&input).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    Ok(plan.services.len())
}

/// Waits until all containers run.
async fn all_run(server: &DevServer, count: usize) -> Result<()> {
    let wait = async {
        loop {
            let mut watch = server.store().watch();
            let tables = server.store().snapshot();
            let running = tables
                .containers
                .live()
                .filter(|row| row.observation.rank == control_model::RunReport::Running)
                .count();
            if running == count {
                return;
            }
            // Lagging is news too.
            let _ = watch.next().await;
        }
    };
    let limit = std::time::Duration::from_secs(120);
    tokio::time::timeout(limit, wait).await.context("not all containers ran in time")
}

/// What must not change when nothing has: each container with its engine's id, and each service's launch version.
fn fingerprint(tables: &Tables) -> Vec<String> {
    let containers = tables.containers.live().map(|row| {
        format!(
            "{} {:?} {:?} {}",
            row.id, row.observation.docker_id, row.observation.started_at, row.generation.0
        )
    });
    let services = tables.services.live().map(|row| format!("{} {}", row.id, row.intent.launch_version));
    containers.chain(services).collect()
}

/// Applies the same file again.
async fn apply(server: &DevServer, id: &str, text: &str) -> Result<Value> {
    let before = fingerprint(&server.store().snapshot());
    let url = server.api(&format!("/stacks/{id}/?action=upgrade"));
    let body = json!({ "dockerCompose": text });
    let cpu = cpu_seconds();
    let started = Instant::now();
    let answer = ask(server.key(Role::Owner), "POST", &url, Some(&body)).await?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    let state = answer["state"].as_str().unwrap_or_default().to_owned();
    ensure!(state == "active", "the stack is {state} after it was applied again");
    let after = fingerprint(&server.store().snapshot());
    ensure!(before == after, "containers or services were touched");
    Ok(json!({ "seconds": seconds, "cpu": cpu, "touched": 0 }))
}
