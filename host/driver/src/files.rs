//! Files that containers are given: secrets and configs.
//!
//! They lie in memory on the host, in a folder that only root may enter, and are mounted into their container one by
//! one. A reboot takes them away; the agent places them again before it starts a container.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

/// A file to place. Its content is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its rights.
    pub mode: u32,
}

impl Debug for PlacedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, uid, gid, mode } = self;
        write!(f, "PlacedFile({} bytes, {uid}:{gid}, {mode:o})", bytes.len())
    }
}

/// Keeps files for containers where only root can read them.
#[async_trait]
pub trait Files: Debug + Send + Sync {
    /// Places the files of a container, in place of those that it had, and gives their paths on the host in the same
    /// order. May be called again.
    async fn place(&self, key: &str, files: Vec<PlacedFile>) -> io::Result<Vec<String>>;

    /// Removes all files but those of these containers.
    async fn keep_only(&self, keys: &BTreeSet<String>) -> io::Result<()>;
}

/// Files below a folder that is in memory.
#[derive(Clone, Debug)]
pub struct FolderFiles {
    folder: PathBuf,
}

/// What the kernel calls file systems that are in memory.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

impl FolderFiles {
    /// Names the folder; it is made when the first file is placed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn prepare(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.folder)?;
        let kind = rustix::fs::statfs(&self.folder)?.f_type;
        let is_in_memory = u64::try_from(kind).is_ok_and(|kind| kind == TMPFS || kind == RAMFS);
        if !is_in_memory {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "the folder {} is not in memory, and what is secret is written to no disk; mount a tmpfs there",
                    self.folder.display()
                ),
            ));
        }
        // It may have been there with other rights.
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))
    }

    fn place_now(&self, key: &str, files: &[PlacedFile]) -> io::Result<Vec<String>> {
        self.prepare()?;
        let folder = self.folder.join(checked(key)?);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        // Fewer than before leave none behind.
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.parse::<usize>().ok());
            if number.is_none_or(|number| number >= files.len()) {
                fs::remove_file(entry.path())?;
            }
        }
        let mut paths = Vec::with_capacity(files.len());
        for (number, file) in files.iter().enumerate() {
            let path = folder.join(number.to_string());
            let fresh = folder.join(format!("{number}.new"));
            let mut handle = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
            handle.write_all(&file.bytes)?;
            std::os::unix::fs::fchown(&handle, Some(file.uid), Some(file.gid))?;
            // After the owner, since a change of that takes rights away.
            handle.set_permissions(fs::Permissions::from_mode(file.mode & 0o777))?;
            fs::rename(&fresh, &path)?;
            paths.push(path.to_string_lossy().into_owned());
        }
        Ok(paths)
    }

    fn keep_only_now(&self, keys: &BTreeSet<String>) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_str().is_none_or(|name| !keys.contains(name)) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// A key becomes the name of a folder, and must not lead out of its own.
fn checked(key: &str) -> io::Result<&Path> {
    let is_plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_plain {
        Ok(Path::new(key))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{key}` is no key of a container's files")))
    }
}

#[async_trait]
impl Files for FolderFiles {
    async fn place(&self, key: &str, files: Vec<PlacedFile>) -> io::Result<Vec<String>> {
        let (place, key) = (self.clone(), key.to_owned());
        tokio::task::spawn_blocking(move || place.place_now(&key, &files)).await.map_err(io::Error::other)?
    }

    async fn keep_only(&self, keys: &BTreeSet<String>) -> io::Result<()> {
        let (place, keys) = (self.clone(), keys.clone());
        tokio::task::spawn_blocking(move || place.keep_only_now(&keys)).await.map_err(io::Error::other)?
    }
}

/// Files in the memory of this process, for tests; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    placed: Arc<Mutex<BTreeMap<String, Vec<PlacedFile>>>>,
}

impl MemoryFiles {
    /// What is placed now, by key.
    pub fn placed(&self) -> BTreeMap<String, Vec<PlacedFile>> {
        self.placed.lock().expect("the map is changed without panics").clone()
    }

    /// A reboot takes everything away.
    pub fn reboot(&self) {
        self.placed.lock().expect("the map is changed without panics").clear();
    }
}

#[async_trait]
impl Files for MemoryFiles {
    async fn place(&self, key: &str, files: Vec<PlacedFile>) -> io::Result<Vec<String>> {
        let paths = (0..files.len()).map(|number| format!("/run/files/{key}/{number}")).collect();
        checked(key)?;
        self.placed.lock().expect("the map is changed without panics").insert(key.to_owned(), files);
        Ok(paths)
    }

    async fn keep_only(&self, keys: &BTreeSet<String>) -> io::Result<()> {
        self.placed.lock().expect("the map is changed without panics").retain(|key, _| keys.contains(key));
        Ok(())
    }
}
