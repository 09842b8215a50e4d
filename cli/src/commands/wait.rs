//! `lariat wait`: until objects are in a state.

use std::time::Duration;

use clap::Args;
use contract_client::{Client, Container, Host, Object, Service, Stack, Volume};
use tokio::time::Instant;

use crate::error::CliError;
use crate::names::{Directory, Kind, Target};
use crate::progress::sentence;
use crate::session::Session;

const KINDS: &[Kind] = &[Kind::Stack, Kind::Service, Kind::Container, Kind::Host, Kind::Volume];

/// Wait until objects are in a state
#[derive(Debug, Args)]
pub struct Wait {
    /// Stacks, services, containers, hosts or volumes
    #[arg(required = true)]
    names: Vec<String>,
    /// The state, such as active, running, stopped, healthy or removed
    /// [default: any in which nothing is going on]
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Seconds to wait
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
}

impl Wait {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let until = Instant::now() + Duration::from_secs(self.timeout);
        let directory = Directory::load(&client, KINDS).await?;
        for name in &self.names {
            let limit = until.saturating_duration_since(Instant::now());
            let waited = match directory.resolve(name, KINDS) {
                // What is not there is removed.
                Err(error)
                    if error.code != crate::error::USAGE && self.state.as_deref() == Some("removed") =>
                {
                    if error.what.starts_with("there is no") {
                        Ok(())
                    } else {
                        Err(error)
                    }
                }
                Err(error) => Err(error),
                Ok(Target::Stack(o)) => {
                    self.one::<Stack>(&client, &o, |s| s.health_state.clone(), limit).await
                }
                Ok(Target::Service(o)) => {
                    self.one::<Service>(&client, &o, |s| s.health_state.clone(), limit).await
                }
                Ok(Target::Container(o)) => {
                    self.one::<Container>(&client, &o, |c| c.health_state.clone(), limit).await
                }
                Ok(Target::Host(o)) => self.one::<Host>(&client, &o, |_| None, limit).await,
                Ok(Target::Volume(o)) => self.one::<Volume>(&client, &o, |_| None, limit).await,
                Ok(Target::Thing(kind, _)) => {
                    Err(CliError::usage(format!("a {} is not waited for", kind.word())))
                }
            };
            waited.map_err(|error| error.during(name))?;
            session.io.line(name)?;
        }
        Ok(())
    }

    async fn one<T: Object>(
        &self,
        client: &Client,
        object: &T,
        health: impl Fn(&T) -> Option<String>,
        limit: Duration,
    ) -> Result<(), CliError> {
        let there = |object: &T| {
            let meta = object.meta();
            match self.state.as_deref() {
                None => !meta.is_moving() && !meta.has_failed(),
                Some(state @ ("healthy" | "unhealthy" | "degraded" | "started-once")) => {
                    !meta.is_moving() && health(object).as_deref() == Some(state)
                }
                Some(state) => !meta.is_moving() && meta.state == state,
            }
        };
        let removed = self.state.as_deref() == Some("removed");
        let failed = |object: &T| self.state.is_none() && object.meta().has_failed();
        let seen = client.wait::<T>(&object.meta().id, limit, |o| there(o) || failed(o)).await?;
        match seen {
            None if removed => Ok(()),
            None => Err(CliError::new("it is gone")),
            Some(seen) if there(&seen) => Ok(()),
            Some(seen) if seen.meta().is_removed() => Err(CliError::new("it was removed")),
            Some(seen) => {
                let meta = seen.meta();
                Err(CliError::new(match &meta.reason {
                    Some(reason) => sentence(reason),
                    None => meta.transitioning_message.clone().unwrap_or_else(|| meta.state.clone()),
                }))
            }
        }
    }
}
