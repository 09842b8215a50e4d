//! `lariat version`: this program and the server.

use clap::Args;
use serde_json::json;

use crate::error::CliError;
use crate::session::Session;

/// Show the versions of this program and of the server
#[derive(Debug, Args)]
pub struct Version {}

impl Version {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let own = env!("CARGO_PKG_VERSION");
        let server = match session.root_client() {
            // Without a server the question for this program's version is answered all the same.
            Err(_) => Err("none chosen".to_owned()),
            Ok(client) => match client.server_version().await {
                Ok(version) => Ok(version.unwrap_or_else(|| "unknown".to_owned())),
                Err(error) => Err(crate::error::chain(&error)),
            },
        };
        if session.is_machine() {
            return session.document(&json!({ "client": own, "server": server.ok() }));
        }
        session.io.line(&format!("client  {own}"))?;
        session.io.line(&match server {
            Ok(version) => format!("server  {version}"),
            Err(why) => format!("server  - ({why})"),
        })
    }
}
