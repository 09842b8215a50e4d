//! `lariat cp`: files between a container and this machine.
//!
//! Between the two travels a tar stream, which the engine packs and unpacks itself, so the image needs no `tar`.

use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use contract_client::{Container, EngineBody, HostEngine};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::docker::engine_of_container;
use crate::error::CliError;
use crate::names::{Directory, Kind, Target};
use crate::session::Session;

const KINDS: &[Kind] = &[Kind::Service, Kind::Container];
/// Pieces of a stream that wait while one side is slow.
const QUEUE: usize = 16;
/// How long a piece is at most.
const PIECE: usize = 64 * 1024;

/// Copy files between a container and this machine
///
/// A path in a container is written CONTAINER:PATH. As with `docker cp`: into a folder that there is, or to a new name; `SRC/.` is
/// what is in the folder; `-` is a tar stream on the standard input or output.
#[derive(Debug, Args)]
pub struct Cp {
    /// What is copied: PATH, CONTAINER:PATH or -
    #[arg(value_name = "FROM")]
    source: String,
    /// Where to: PATH, CONTAINER:PATH or -
    #[arg(value_name = "TO")]
    target: String,
    /// Keep the owners of files, by their numbers
    #[arg(short, long)]
    archive: bool,
}

/// What the engine says of a path.
#[derive(Debug, Deserialize)]
struct PathStat {
    name: String,
    mode: u64,
}

impl PathStat {
    /// The engine writes modes as its language does; this bit is a folder.
    fn is_folder(&self) -> bool {
        self.mode & (1 << 31) != 0
    }
}

/// Takes `CONTAINER:PATH` apart; a path that begins like one is a path.
fn in_container(text: &str) -> Option<(&str, &str)> {
    let (container, path) = text.split_once(':')?;
    let is_path = container.is_empty() || container.starts_with(['/', '.']);
    (!is_path).then_some((container, path))
}

impl Cp {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        match (in_container(&self.source), in_container(&self.target)) {
            (Some((container, path)), None) => self.copy_out(session, container, path).await,
            (None, Some((container, path))) => self.copy_in(session, container, path).await,
            (Some(_), Some(_)) => Err(CliError::usage("from one container to another is not copied at once")
                .hint("copy to this machine first; or pipe: `lariat cp A:/x - | lariat cp - B:/`")),
            (None, None) => Err(CliError::usage("neither path is in a container")
                .hint("write it as CONTAINER:PATH, such as shop/web:/etc/hosts")),
        }
    }

    async fn container(
        &self,
        session: &Session,
        name: &str,
    ) -> Result<(Container, HostEngine, String), CliError> {
        let client = session.client().await?;
        let directory = Directory::load(&client, KINDS).await?;
        let container = match directory.resolve(name, KINDS)? {
            Target::Container(container) => container,
            target => {
                let own = directory.containers_of(&target.meta().id);
                let first = own.into_iter().find(|container| container.external_id.is_some());
                first.cloned().ok_or_else(|| CliError::new(format!("{name} has no container")))?
            }
        };
        let (engine, id) = engine_of_container(&client, &container).await?;
        Ok((container, engine, id))
    }

    /// From a container to here.
    async fn copy_out(&self, session: &Session, name: &str, path: &str) -> Result<(), CliError> {
        let (_, engine, id) = self.container(session, name).await?;
        let mut answer = engine
            .send("GET", &archive_path(&id, &[("path", path)]), &[], EngineBody::Empty)
            .await
            .map_err(|error| CliError::from(error).during(format!("{name}:{path}")))?;
        if self.target == "-" {
            while let Some(bytes) = answer.chunk().await? {
                session.io.out_bytes(&bytes)?;
            }
            return Ok(());
        }
        let stat = answer.header("x-docker-container-path-stat").and_then(read_stat);
        let target = session.io.folder.join(&self.target);
        let contents = path.ends_with("/.");
        let place = place(&target, stat.as_ref().map_or("", |stat| &stat.name), contents)?;
        let keep_owners = self.archive;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let unpacking =
            tokio::task::spawn_blocking(move || unpack(Pieces::new(receiver), &place, keep_owners));
        loop {
            match answer.chunk().await {
                Ok(Some(bytes)) => {
                    if sender.send(Ok(bytes)).await.is_err() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    // What has come so far is not put in its place.
                    let broken = std::io::Error::other("the stream broke");
                    let _ = sender.send(Err(broken)).await;
                    drop(sender);
                    let _ = unpacking.await;
                    return Err(error.into());
                }
            }
        }
        drop(sender);
        unpacking
            .await
            .map_err(|error| CliError::new(format!("could not unpack: {error}")))?
            .map_err(|error| CliError::new(format!("could not write below `{}`: {error}", self.target)))
    }

    /// From here into a container.
    async fn copy_in(&self, session: &Session, name: &str, path: &str) -> Result<(), CliError> {
        let source = session.io.folder.join(&self.source);
        if self.source != "-" && !source.exists() {
            return Err(CliError::new(format!("there is no `{}`", self.source)));
        }
        let (_, engine, id) = self.container(session, name).await?;
        let stat = engine
            .send("HEAD", &archive_path(&id, &[("path", path)]), &[], EngineBody::Empty)
            .await
            .ok()
            .and_then(|answer| answer.header("x-docker-container-path-stat").and_then(read_stat));
        let is_folder = stat.as_ref().is_some_and(PathStat::is_folder);
        let (sender, receiver) = mpsc::channel(QUEUE);
        let folder = if self.source == "-" {
            if !is_folder {
                return Err(CliError::new(format!("{name}:{path} is no folder"))
                    .hint("a tar stream is unpacked into a folder that there is"));
            }
            let io = session.io.clone();
            tokio::task::spawn_blocking(move || {
                let outcome = io.read_file(Path::new("-"));
                let piece = outcome.map(Bytes::from).map_err(|error| std::io::Error::other(error.what));
                let _ = sender.blocking_send(piece);
            });
            path.to_owned()
        } else {
            let contents = self.source.ends_with("/.");
            let own = source.file_name().map(|name| name.to_string_lossy().into_owned());
            let (folder, entry) = match (is_folder, contents) {
                (true, true) => (path.to_owned(), PathBuf::from(".")),
                (true, false) => (path.to_owned(), PathBuf::from(own.unwrap_or_else(|| ".".to_owned()))),
                (false, _) if path.ends_with('/') => {
                    return Err(CliError::new(format!("there is no folder {path} in {name}")));
                }
                (false, _) => {
                    let path = Path::new(path);
                    let parent = path.parent().map_or("/".into(), |parent| parent.display().to_string());
                    let parent = if parent.is_empty() { "/".to_owned() } else { parent };
                    (parent, PathBuf::from(path.file_name().unwrap_or_default()))
                }
            };
            tokio::task::spawn_blocking(move || {
                let mut writer = PieceWriter { sender: sender.clone(), buffer: Vec::new() };
                if let Err(error) = pack(&mut writer, &source, &entry) {
                    let _ = sender.blocking_send(Err(error));
                }
            });
            folder
        };
        let mut query = vec![("path", folder.as_str()), ("noOverwriteDirNonDir", "true")];
        if self.archive {
            query.push(("copyUIDGID", "true"));
        }
        let headers = [("content-type", "application/x-tar")];
        engine
            .send("PUT", &archive_path(&id, &query), &headers, EngineBody::Stream(receiver))
            .await
            .map_err(|error| CliError::from(error).during(format!("{name}:{path}")))?;
        Ok(())
    }
}

fn archive_path(id: &str, query: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("/containers/{id}/archive?{query}")
}

fn read_stat(header: &str) -> Option<PathStat> {
    serde_json::from_slice(&STANDARD.decode(header).ok()?).ok()
}

/// Where the first part of a stream goes.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The folder that it is unpacked in.
    folder: PathBuf,
    /// Its name there; nothing for what is in it.
    name: Option<String>,
}

fn place(target: &Path, name: &str, contents: bool) -> Result<Place, CliError> {
    if target.is_dir() {
        let name =
            (!contents).then(|| name.to_owned()).filter(|name| !matches!(name.as_str(), "" | "/" | "."));
        return Ok(Place { folder: target.to_owned(), name });
    }
    let parent = target.parent().unwrap_or(Path::new("/"));
    if !parent.is_dir() {
        return Err(CliError::new(format!("there is no folder `{}`", parent.display())));
    }
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Place { folder: parent.to_owned(), name })
}

/// Unpacks beside the place, then moves it there: a stream that breaks leaves nothing half done, and nothing in it can point out
/// of its own folder.
fn unpack(stream: impl Read, place: &Place, keep_owners: bool) -> std::io::Result<()> {
    let beside = tempfile::Builder::new().prefix(".lariat-cp-").tempdir_in(&place.folder)?;
    let mut archive = tar::Archive::new(stream);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(keep_owners);
    archive.set_overwrite(true);
    archive.unpack(beside.path())?;
    let mut first = std::fs::read_dir(beside.path())?;
    let Some(top) = first.next().transpose()? else { return Ok(()) };
    match &place.name {
        Some(name) => settle(&top.path(), &place.folder.join(name)),
        None if top.path().is_dir() => std::fs::read_dir(top.path())?.try_for_each(|entry| {
            let entry = entry?;
            settle(&entry.path(), &place.folder.join(entry.file_name()))
        }),
        None => settle(&top.path(), &place.folder.join(top.file_name())),
    }
}

/// Moves a file or folder to its place; folders are joined, files replaced.
fn settle(from: &Path, to: &Path) -> std::io::Result<()> {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    match (is_folder(from), is_folder(to)) {
        (true, true) => std::fs::read_dir(from)?.try_for_each(|entry| {
            let entry = entry?;
            settle(&entry.path(), &to.join(entry.file_name()))
        }),
        (false, true) => Err(std::io::Error::other(format!("`{}` is a folder", to.display()))),
        (true, false) if to.symlink_metadata().is_ok() => {
            Err(std::io::Error::other(format!("`{}` is no folder", to.display())))
        }
        _ => std::fs::rename(from, to),
    }
}

/// Packs a file or folder under a name; links stay links.
fn pack(writer: &mut PieceWriter, source: &Path, entry: &Path) -> std::io::Result<()> {
    let mut builder = tar::Builder::new(writer);
    builder.follow_symlinks(false);
    // What was named is meant itself, also through a link.
    let source = std::fs::canonicalize(source)?;
    if source.is_dir() {
        builder.append_dir_all(entry, &source)?;
    } else {
        builder.append_path_with_name(&source, entry)?;
    }
    std::io::Write::flush(builder.into_inner()?)
}

/// A stream of pieces as a reader for code that waits.
pub(super) struct Pieces {
    receiver: mpsc::Receiver<Result<Bytes, std::io::Error>>,
    rest: Bytes,
}

impl Pieces {
    fn new(receiver: mpsc::Receiver<Result<Bytes, std::io::Error>>) -> Self {
        Self { receiver, rest: Bytes::new() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let length = self.rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

/// A stream of pieces as a writer for code that waits.
pub(super) struct PieceWriter {
    pub sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    pub buffer: Vec<u8>,
}

impl std::io::Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender.blocking_send(Ok(piece)).map_err(|_| std::io::Error::other("nobody reads any more"))
    }
}

#[cfg(test)]
mod tests;
