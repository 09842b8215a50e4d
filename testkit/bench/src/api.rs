//! A server whose store holds many containers.

use anyhow::{Context, Result, ensure};
use contract_values::{HostId, Timestamp};
use control_model::Transaction;
use serde_json::json;
use testkit_dev::{DevOptions, DevServer, Role, ask, fast};

use crate::rows;
use crate::usage::cpu_seconds;

#[derive(clap::Args)]
pub struct Arguments {
    /// How many containers
    #[arg(long, default_value_t = 100_000)]
    rows: i64,
    /// The database
    #[arg(long)]
    database: Option<String>,
}

/// Commands: `cpu`.
pub fn run(arguments: &Arguments) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(async {
        let mut tuning = fast();
        // No agent will ever come: the hosts must not be given up while something is measured.
        tuning.settings.host_grace = contract_values::Duration::seconds(86_400);
        tuning.dispatch.start_grace = std::time::Duration::from_secs(86_400);
        let options =
            DevOptions { hosts: 0, database: arguments.database.clone(), tuning, ..DevOptions::default() };
        let server = DevServer::start(options).await?;
        fill(&server, arguments.rows).await?;
        let key = server.key(Role::Owner);
        let one = ask(key, "GET", &server.api("/containers?limit=1"), None).await?;
        ensure!(
            one["data"].as_array().is_some_and(|rows| rows.len() == 1),
            "there is no first container: {one}"
        );
        crate::answer(&json!({
            "containers": server.api("/containers"),
            "accessKey": key.access_key,
            "secretKey": key.secret_key.expose(),
            "pid": std::process::id(),
        }))?;
        let server = tokio::task::spawn_blocking(move || {
            while let Some(command) = crate::command()? {
                ensure!(command == ["cpu"], "there is no command {command:?}");
                crate::answer(&json!({ "seconds": cpu_seconds() }))?;
            }
            Ok(server)
        })
        .await
        .context("reading commands broke")??;
        server.stop().await
    })
}

async fn fill(server: &DevServer, rows: i64) -> Result<()> {
    let (store, project) = (server.store(), server.keys().project);
    let now = Timestamp(1_700_000_000_000);
    let hosts = 1 + rows / 200;
    let mut transaction = Transaction::new(now);
    for id in 1..=hosts {
        rows::host(&mut transaction, project, id);
    }
    store.commit(transaction).await?;
    for first in (0..rows).step_by(500) {
        let mut transaction = Transaction::new(now);
        rows::stack(&mut transaction, project, 1 + first / 500);
        for id in first..(first + 500).min(rows) {
            rows::placed(&mut transaction, project, 1 + id, HostId::new(1 + id % hosts));
        }
        store.commit(transaction).await?;
    }
    Ok(())
}
