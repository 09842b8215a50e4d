//! `lariat inspect`: everything about objects.

use clap::Args;
use serde_json::Value;

use crate::error::CliError;
use crate::names::{Directory, Kind};
use crate::output;
use crate::session::Session;

/// Show everything about objects, as JSON
#[derive(Debug, Args)]
pub struct Inspect {
    /// Stacks, services, containers, hosts or volumes
    #[arg(required = true)]
    names: Vec<String>,
}

impl Inspect {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let kinds = [Kind::Stack, Kind::Service, Kind::Container, Kind::Host, Kind::Volume];
        inspect(session, &self.names, &kinds).await
    }
}

/// Prints objects of some kinds with all their fields.
pub(super) async fn inspect(session: &Session, names: &[String], kinds: &[Kind]) -> Result<(), CliError> {
    let client = session.client().await?;
    let directory = Directory::load(&client, kinds).await?;
    let mut documents = Vec::new();
    for name in names {
        let target = directory.resolve(name, kinds)?;
        let resource = client.get_resource(target.plural(), &target.meta().id).await?;
        documents.push(Value::Object(resource.fields));
    }
    output::json(&session.io, &Value::Array(documents))
}
