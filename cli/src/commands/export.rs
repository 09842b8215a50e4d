//! `lariat export`: the compose files of stacks.

use std::path::PathBuf;

use clap::Args;
use contract_client::{Query, Stack};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::names::{Directory, Kind, Target, natural};
use crate::session::Session;

/// Write the compose files of stacks
///
/// Each stack becomes a folder with docker-compose.yml and rancher-compose.yml, here or in a tar archive.
#[derive(Debug, Args)]
pub struct Export {
    /// Stacks [default: all of the environment]
    names: Vec<String>,
    /// Write a tar archive into this file, instead of folders; `-` writes to the standard output
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where all are exported, also stacks of the platform itself
    #[arg(short, long, visible_alias = "all")]
    system: bool,
    /// Write over files that there are
    #[arg(long)]
    force: bool,
}

/// A file of an export: its path and its text.
type File = (String, String);

impl Export {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let stacks: Vec<Stack> = if self.names.is_empty() {
            let mut all: Vec<Stack> = client.list(&Query::all()).await?;
            all.retain(|stack| self.system || !stack.system);
            all.sort_by_key(|stack| natural(stack.meta.title()));
            all
        } else {
            let (_, found) = Directory::find(&client, &self.names, &[Kind::Stack]).await?;
            found
                .into_iter()
                .filter_map(|t| if let Target::Stack(stack) = t { Some(stack) } else { None })
                .collect()
        };
        let mut files: Vec<File> = Vec::new();
        let mut documents = Vec::new();
        for stack in &stacks {
            let name = stack.meta.title();
            let config: Value = client
                .action(stack, "exportconfig", Some(&json!({})))
                .await
                .map_err(|error| CliError::from(error).during(format!("could not export {name}")))?;
            for (field, file) in [
                ("dockerComposeConfig", "docker-compose.yml"),
                ("rancherComposeConfig", "rancher-compose.yml"),
            ] {
                if let Some(text) = config[field].as_str().filter(|text| !text.trim().is_empty()) {
                    files.push((format!("{name}/{file}"), text.to_owned()));
                }
            }
            documents.push(json!({
                "stack": name,
                "dockerCompose": config["dockerComposeConfig"],
                "rancherCompose": config["rancherComposeConfig"],
            }));
        }
        match &self.file {
            Some(path) => {
                let archive = archive(&files)?;
                if path.as_os_str() == "-" {
                    return session.io.out_bytes(&archive);
                }
                std::fs::write(session.io.folder.join(path), archive)
                    .map_err(|error| CliError::new(format!("could not write `{}`: {error}", path.display())))
            }
            None if session.is_machine() => session.document(&Value::Array(documents)),
            None => self.write_folders(session, &files),
        }
    }

    fn write_folders(&self, session: &Session, files: &[File]) -> Result<(), CliError> {
        let taken = files.iter().find(|(path, _)| session.io.folder.join(path).exists());
        if let (Some((path, _)), false) = (taken, self.force) {
            return Err(CliError::new(format!("there is a file `{path}` already; nothing was written"))
                .hint("give --force to write over it"));
        }
        for (path, text) in files {
            let full = session.io.folder.join(path);
            let write = || {
                std::fs::create_dir_all(full.parent().unwrap_or(&full))?;
                std::fs::write(&full, text)
            };
            write().map_err(|error| CliError::new(format!("could not write `{path}`: {error}")))?;
            session.io.line(path)?;
        }
        Ok(())
    }
}

fn archive(files: &[File]) -> Result<Vec<u8>, CliError> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(builder.into_inner()?)
}
