//! `lariat certificates`: what balancers show to browsers.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use contract_client::{Collection, Query};
use serde_json::{Value, json};

use super::{Names, Removal};
use crate::error::CliError;
use crate::session::Session;
use crate::things::{Show, Thing, column};

/// How they are asked for and listed.
pub const CERTIFICATES: Thing = Thing {
    collection: Collection { kind: "certificate", plural: "certificates", at_root: false },
    word: "certificate",
    words: "certificates",
    columns: &[
        column("NAME", "name", Show::Plain),
        column("STATE", "state", Show::State),
        column("COMMON NAME", "CN", Show::Plain),
        column("OTHER NAMES", "subjectAlternativeNames", Show::Plain),
        column("EXPIRES", "expiresAt", Show::Plain),
    ],
};

/// List, create, renew and remove certificates
#[derive(Debug, Args)]
pub struct Certificates {
    #[command(subcommand)]
    command: Option<CertificatesCommand>,
}

#[derive(Debug, Subcommand)]
enum CertificatesCommand {
    /// List certificates
    Ls,
    /// Create a certificate from PEM files
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        files: Files,
        /// A note
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Put new PEM files in the place of old ones
    Update {
        /// Its name or id
        name: String,
        #[command(flatten)]
        files: Files,
    },
    /// Remove certificates
    Rm(Removal),
    /// Show everything about certificates but their keys
    Inspect(Names),
}

#[derive(Debug, Args)]
struct Files {
    /// The certificate
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Its private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The certificates between it and an authority
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

impl Files {
    fn read(&self, session: &Session) -> Result<Value, CliError> {
        let text = |path: &Path| {
            String::from_utf8(session.io.read_file(path)?)
                .map_err(|_| CliError::new(format!("`{}` is no PEM file", path.display())))
        };
        let mut input = json!({ "cert": text(&self.cert)?, "key": text(&self.key)? });
        if let Some(chain) = &self.chain {
            input["certChain"] = text(chain)?.into();
        }
        Ok(input)
    }
}

impl Certificates {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.command.unwrap_or(CertificatesCommand::Ls) {
            CertificatesCommand::Ls => CERTIFICATES.list(session, &Query::all()).await,
            CertificatesCommand::Create { name, files, description } => {
                let mut input = files.read(session)?;
                input["name"] = name.clone().into();
                input["description"] = description.into();
                let made = CERTIFICATES.create(session, &input).await?;
                session.done(&made.meta.id, &name)
            }
            CertificatesCommand::Update { name, files } => {
                let input = files.read(session)?;
                let client = CERTIFICATES.client(session).await?;
                let known = CERTIFICATES.find(&client, &name).await?;
                client.update_in(CERTIFICATES.collection, &known.meta.id, &input).await?;
                session.done(&known.meta.id, &name)
            }
            CertificatesCommand::Rm(removal) => removal.run(session, &CERTIFICATES).await,
            CertificatesCommand::Inspect(names) => CERTIFICATES.inspect(session, &names.names).await,
        }
    }
}
