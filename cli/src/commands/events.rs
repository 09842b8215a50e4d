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
    /// Only of the object with this id or name; may be given several times
    #[arg(long = "object", value_name = "NAME")]
    objects: Vec<String>,
    /// Also of the server itself, and of all environments that you can see
    #[arg(short, long)]
    all: bool,
    /// End after so many
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
}

impl Events {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = if self.all { session.root_client()? } else { session.client().await? };
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
                    session.note("connected again; changes in between are not shown")
                }
                WatchEvent::Connected => connected = true,
                WatchEvent::Lost(why) => session.note(&format!("the connection broke ({why}); trying again")),
                WatchEvent::Changed(resource) => {
                    let meta = &resource.meta;
                    let of_type = self.types.is_empty()
                        || self.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(&meta.kind));
                    let of_object = self.objects.is_empty()
                        || self.objects.iter().any(|o| *o == meta.id || Some(o) == meta.name.as_ref());
                    if of_type && of_object {
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
    if session.is_machine() {
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
        return session.event(&document);
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
