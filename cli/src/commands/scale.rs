//! `lariat scale`: how many containers services have.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::lifecycle::{Waiting, wait_services};
use crate::error::CliError;
use crate::names::{Directory, Kind, Target};
use crate::progress::{Goal, Wanted};
use crate::session::Session;

/// Set how many containers services have
#[derive(Debug, Args)]
pub struct Scale {
    /// The service and the number, as shop/worker=3
    #[arg(required = true, value_name = "SERVICE=NUMBER")]
    wishes: Vec<String>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Scale {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let mut wishes = Vec::new();
        for wish in &self.wishes {
            let parsed =
                wish.rsplit_once('=').and_then(|(name, number)| Some((name, number.parse::<u32>().ok()?)));
            wishes.push(parsed.ok_or_else(|| {
                CliError::usage(format!("`{wish}` is no service and number"))
                    .hint("write it as shop/worker=3")
            })?);
        }
        let client = session.client().await?;
        let directory = Directory::load(&client, &[Kind::Service]).await?;
        let mut found = Vec::new();
        for (name, scale) in &wishes {
            let Target::Service(service) = directory.resolve(name, &[Kind::Service])? else { continue };
            found.push((directory.service_path(&service), service, *scale));
        }
        let mut services = BTreeMap::new();
        for (path, service, scale) in &found {
            client
                .update(service, &json!({ "scale": scale }))
                .await
                .map_err(|error| CliError::from(error).during(format!("could not scale {path}")))?;
            // A service that is stopped takes note of its scale and makes nothing yet.
            if service.meta.state != "inactive" {
                services.insert(service.meta.id.clone(), path.clone());
            }
        }
        if !self.waiting.no_wait {
            let wanted = Wanted { stack: None, services, untouched: false };
            wait_services(session, &client, &wanted, Goal::Ready, self.waiting.limit()).await?;
        }
        for (path, service, scale) in found {
            if session.is_machine() {
                session.event(&json!({ "id": service.meta.id, "service": path, "scale": scale }))?;
            } else {
                session.io.line(&format!("{path}={scale}"))?;
            }
        }
        Ok(())
    }
}
