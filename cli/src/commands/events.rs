//! `lariat events`: changes as they happen.

use clap::Args;
use contract_client::{Resource, WatchEvent};
use serde_json::json;

use crate::error::CliError;
use crate::output::{colour_of, or_dash};
use crate::session::Session;

/// Show changes as they happen, until Ctrl-C
#[derive(Debug, Args)]
pub struct Events {
    /// Only of these types, such as container or service
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// End after so many
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
}

impl Events {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let mut watch = client.watch();
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut connected = false;
        while left > 0 {
            let event = tokio::select! {
                event = watch.next() => event?,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            match event {
                WatchEvent::Connected if connected => {
                    session.io.say("connected again; changes in between are not shown")
                }
                WatchEvent::Connected => connected = true,
                WatchEvent::Lost(why) => {
                    session.io.say(&format!("the connection broke ({why}); trying again"))
                }
                WatchEvent::Changed(resource) => {
                    let kind = &resource.meta.kind;
                    if self.types.is_empty()
                        || self.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind))
                    {
                        show(session, &resource)?;
                        left -= 1;
                    }
                }
            }
        }
        Ok(())
    }
}

fn show(session: &Session, resource: &Resource) -> Result<(), CliError> {
    let meta = &resource.meta;
    let now = session.io.now_ms();
    if session.is_json() {
        let document = json!({
            "time": now,
            "type": meta.kind,
            "id": meta.id,
            "name": meta.name,
            "state": meta.state,
            "transitioning": meta.transitioning,
            "message": meta.transitioning_message,
            "resource": resource.fields,
        });
        return session.io.line(&document.to_string());
    }
    let time = contract_values::Timestamp(now).to_string();
    let state = session.io.paint(colour_of(&meta.state, &meta.transitioning), &meta.state);
    let message = meta.transitioning_message.as_deref().map(|text| format!("  {text}")).unwrap_or_default();
    session.io.line(&format!(
        "{time}  {:<12} {:<8} {:<24} {state}{message}",
        meta.kind,
        meta.id,
        or_dash(meta.name.as_deref())
    ))
}
