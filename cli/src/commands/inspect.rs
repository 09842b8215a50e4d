//! `lariat inspect`: everything about objects.

use clap::Args;
use serde_json::Value;

use crate::error::CliError;
use crate::names::{Directory, Kind};
use crate::session::Session;

const KINDS: &[Kind] = &[
    Kind::Stack,
    Kind::Service,
    Kind::Container,
    Kind::Host,
    Kind::Volume,
    Kind::Secret,
    Kind::Network,
    Kind::Registry,
    Kind::Certificate,
    Kind::Environment,
];

/// Show everything about objects
#[derive(Debug, Args)]
pub struct Inspect {
    /// Stacks, services, containers, hosts, volumes or other objects
    #[arg(required = true)]
    names: Vec<String>,
    /// Only objects of this kind; may be given several times
    #[arg(long = "type", value_enum, value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Leave out the addresses of links and actions
    #[arg(long)]
    no_links: bool,
}

impl Inspect {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let kinds = if self.kinds.is_empty() { KINDS } else { self.kinds.as_slice() };
        inspect(session, &self.names, kinds, !self.no_links).await
    }
}

/// Prints objects of some kinds with all their fields.
pub(super) async fn inspect(
    session: &Session,
    names: &[String],
    kinds: &[Kind],
    links: bool,
) -> Result<(), CliError> {
    let client = session.client().await?;
    let (_, found) = Directory::find(&client, names, kinds).await?;
    let mut documents = Vec::new();
    for target in found {
        let (plural, at_root) = target.place();
        let scope = if at_root { client.at_root() } else { client.clone() };
        let mut resource = scope.get_resource(plural, &target.meta().id).await?;
        if !links {
            resource.fields.remove("links");
            resource.fields.remove("actions");
            resource.fields.remove("actionLinks");
        }
        documents.push(Value::Object(resource.fields));
    }
    session.document(&Value::Array(documents))
}
