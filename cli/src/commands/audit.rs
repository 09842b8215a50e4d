//! `lariat audit`: who did what. `lariat processes`: what the server did about it.

use clap::Args;
use contract_client::{Collection, Query};

use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

const AUDIT: Thing = Thing {
    collection: Collection { kind: "auditLog", plural: "auditlogs", at_root: true },
    word: "audit row",
    words: "audit rows",
    columns: &[
        column("TIME", "created", Show::Plain),
        column("EVENT", "eventType", Show::Plain),
        column("TYPE", "resourceType", Show::Plain),
        column("OBJECT", "resourceId", Show::Plain),
        column("BY", "authenticatedAsAccountId", Show::Plain),
        column("FROM", "clientIp", Show::Plain),
        column("CODE", "responseCode", Show::Plain),
    ],
};

const PROCESSES: Thing = Thing {
    collection: Collection { kind: "processInstance", plural: "processinstances", at_root: true },
    word: "process",
    words: "processes",
    columns: &[
        column("PROCESS", "processName", Show::Plain),
        column("TYPE", "resourceType", Show::Plain),
        column("OBJECT", "resourceId", Show::Plain),
        column("BEGUN", "startTime", Show::Plain),
        column("ENDED", "endTime", Show::Plain),
        column("RESULT", "exitReason", Show::Plain),
    ],
};

/// Show who did what, the latest first
#[derive(Debug, Args)]
pub struct Audit {
    /// Only about objects of this type, such as stack
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only events of this name, such as api.stack.create
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// So many rows
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: u32,
}

/// Show what the server is doing and did, the latest first
#[derive(Debug, Args)]
pub struct Processes {
    /// Only about objects of this type, such as stack
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// So many rows
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: u32,
}

impl Audit {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let mut query = latest();
        if let Some(kind) = self.kind {
            query = query.with("resourceType", kind);
        }
        if let Some(event) = self.event {
            query = query.with("eventType", event);
        }
        show(session, &AUDIT, &query, self.limit).await
    }
}

impl Processes {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let mut query = latest();
        if let Some(kind) = self.kind {
            query = query.with("resourceType", kind);
        }
        show(session, &PROCESSES, &query, self.limit).await
    }
}

fn latest() -> Query {
    Query::all().with("sort", "id").with("order", "desc")
}

async fn show(session: &Session, thing: &Thing, query: &Query, limit: u32) -> Result<(), CliError> {
    let client = thing.client(session).await?;
    let rows = client.page_of(thing.collection, query, limit.clamp(1, 3000)).await?;
    thing.print(session, &rows)
}
