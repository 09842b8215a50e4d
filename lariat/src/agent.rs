//! `lariat agent`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use contract_values::{Labels, Secret};
use host_agent::AgentConfig;
use tokio_util::sync::CancellationToken;

use crate::log::{self, LogFormat};

/// Run the agent that makes this machine a host
///
/// `lariat hosts add` prints the command that installs and registers it. Containers go on when the agent ends.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of the agent")]
pub struct Agent {
    /// The server, as https://host[:port] or http://…
    #[arg(long, value_name = "URL")]
    server: String,
    /// The token that registers this host; needed once [variable: LARIAT_AGENT_TOKEN]
    #[arg(long, value_name = "TOKEN", env = "LARIAT_AGENT_TOKEN", hide_env = true, hide_env_values = true)]
    token: Option<String>,
    /// A file with the token
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Where the agent keeps its state
    #[arg(long, alias = "state", value_name = "FOLDER", default_value = "/var/lib/lariat")]
    data_dir: PathBuf,
    /// Where secrets of containers lie; a folder in memory
    #[arg(long, value_name = "FOLDER", default_value = "/run/lariat")]
    run_dir: PathBuf,
    /// The Docker engine
    #[arg(long, value_name = "ADDRESS", default_value = "unix:///var/run/docker.sock")]
    docker: String,
    /// The address at which people and other hosts reach this one [default: the one that the server sees]
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// A label of this host, as NAME=value; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// Labels of this host in one text, as NAME=value&NAME=value
    #[arg(long = "labels", value_name = "TEXT", hide = true)]
    label_text: Option<String>,
    /// The form of the log
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "text|json")]
    log_format: LogFormat,
    /// What is logged, such as `debug` or `info,host_agent=debug`
    #[arg(long, value_name = "FILTER", env = "LARIAT_LOG", hide_env = true, default_value = "info")]
    log: String,
}

impl Agent {
    fn config(&self, pin: Option<String>, ca_file: Option<PathBuf>) -> Result<AgentConfig, String> {
        let mut labels = Labels::new();
        let text = self.label_text.iter().flat_map(|text| text.split(['&', ',']));
        for pair in self.labels.iter().map(String::as_str).chain(text.filter(|pair| !pair.is_empty())) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("`{pair}` is no label; write it as NAME=value"))?;
            labels.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => Some(
                std::fs::read_to_string(path)
                    .map_err(|error| format!("could not read `{}`: {error}", path.display()))?,
            ),
            (None, None) => None,
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        Ok(AgentConfig {
            server: self.server.clone(),
            token: token.map(Secret::new),
            data_dir: self.data_dir.clone(),
            run_dir: self.run_dir.clone(),
            docker: self.docker.clone(),
            address: self.address,
            labels,
            pin,
            ca_file,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

/// Runs the agent until it is asked to end; gives the exit code.
pub fn run(options: &Agent, pin: Option<String>, ca_file: Option<PathBuf>) -> i32 {
    let config = match options.config(pin, ca_file).and_then(|config| {
        log::start(options.log_format, &options.log)?;
        Ok(config)
    }) {
        Ok(config) => config,
        Err(what) => {
            eprintln!("error: {what}");
            return 2;
        }
    };
    // One thread: an agent waits far more than it works, and each further thread costs memory on every host.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not start");
            return 1;
        }
    };
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let agent = host_agent::run(config, shutdown.clone());
        tokio::pin!(agent);
        tokio::select! {
            ended = &mut agent => ended,
            () = log::asked_to_end() => {
                shutdown.cancel();
                agent.await
            }
        }
    });
    match ended {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{}", log::chain(&error));
            1
        }
    }
}
