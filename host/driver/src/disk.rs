//! The folder that holds the agent's state.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

/// A few named files. What a method has returned `Ok` for survives a crash of the machine.
#[async_trait]
pub trait Disk: Debug + Send + Sync {
    /// Reads a file; `None` when there is none.
    async fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a file as a whole: after a crash there is the old or the new one, never a part.
    async fn replace(&self, name: &str, bytes: Vec<u8>) -> io::Result<()>;

    /// Adds to the end of a file. After a crash in the middle a part of the bytes, or zeros, may be there.
    async fn append(&self, name: &str, bytes: Vec<u8>) -> io::Result<()>;

    /// Cuts a file.
    async fn truncate(&self, name: &str, length: u64) -> io::Result<()>;

    /// Gives a file another name, replacing what had it.
    async fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, if it is there.
    async fn remove(&self, name: &str) -> io::Result<()>;
}

/// A folder on the host, locked against a second agent; files are readable by their owner only.
///
/// It keeps a little space in reserve and gives it up when the disk is full: an agent must be able to write down the
/// very order that makes room.
#[derive(Debug)]
pub struct FolderDisk {
    folder: PathBuf,
    _lock: File,
}

/// The file that holds the reserve, and its size.
const RESERVE: &str = "reserve";
const RESERVE_SIZE: u64 = 2 * 1024 * 1024;

/// Sets the reserve aside, if it is not and there is room.
fn keep_reserve(folder: &Path) {
    let path = folder.join(RESERVE);
    if path.exists() {
        return;
    }
    let taken = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).and_then(|file| {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_SIZE)?;
        file.sync_all()
    });
    if taken.is_err() {
        let _ = fs::remove_file(&path);
    }
}

/// Does it again with the reserve given up, if the disk was full.
fn with_reserve<T>(folder: &Path, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match work() {
        Err(error) if is_full(&error) => match fs::remove_file(folder.join(RESERVE)) {
            Ok(()) => work(),
            Err(_) => Err(error),
        },
        result => result,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl FolderDisk {
    /// Opens the folder and makes it where it is missing.
    ///
    /// # Errors
    /// Fails when the folder cannot be made or written, and with [`io::ErrorKind::ResourceBusy`] when another
    /// process has it open.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            if error == rustix::io::Errno::WOULDBLOCK {
                let text = format!("another agent uses the folder {}", folder.display());
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            } else {
                error.into()
            }
        })?;
        keep_reserve(folder);
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let folder = self.folder.clone();
        let path = folder.join(name);
        tokio::task::spawn_blocking(move || work(&folder, &path)).await.map_err(io::Error::other)?
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[async_trait]
impl Disk for FolderDisk {
    async fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.blocking(name, |_, path| match File::open(path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn replace(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.blocking(name, move |folder, path| {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".new");
            let beside = PathBuf::from(beside);
            with_reserve(folder, || {
                let written = (|| {
                    let mut file = OpenOptions::new()
                        .create(true)
                        .truncate(true)
                        .write(true)
                        .mode(0o600)
                        .open(&beside)?;
                    file.write_all(&bytes)?;
                    file.sync_all()
                })();
                if written.is_err() {
                    // A half written file would keep space on a disk that is full already.
                    let _ = fs::remove_file(&beside);
                }
                written
            })?;
            fs::rename(&beside, path)?;
            sync_folder(folder)?;
            // Files are replaced seldom, so this is the moment to see whether there is room again.
            keep_reserve(folder);
            Ok(())
        })
        .await
    }

    async fn append(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.blocking(name, move |folder, path| {
            let is_new = !path.exists();
            with_reserve(folder, || {
                let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
                let length = file.metadata()?.len();
                if let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_data()) {
                    // What was not written as a whole must not stand before what is added later.
                    file.set_len(length)?;
                    return Err(error);
                }
                Ok(())
            })?;
            if is_new { sync_folder(folder) } else { Ok(()) }
        })
        .await
    }

    async fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.blocking(name, move |_, path| {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(length)?;
            file.sync_all()
        })
        .await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = self.folder.join(to);
        self.blocking(from, move |folder, path| {
            fs::rename(path, to)?;
            sync_folder(folder)
        })
        .await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.blocking(name, |folder, path| match fs::remove_file(path) {
            Ok(()) => sync_folder(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        })
        .await
    }
}

/// What shall go wrong with a [`MemoryDisk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The machine dies in the middle of the write after so many more, and a part of its bytes got through.
    CrashAfter {
        /// How many writes still succeed.
        writes: u64,
        /// How many bytes of the fatal append get through; of a replacement none or, if this is not 0, all.
        torn: usize,
    },
    /// There is no space until the fault is taken away.
    Full,
}

/// A disk in memory that outlives the agent which uses it; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    inner: Arc<Mutex<MemoryInner>>,
}

#[derive(Debug, Default)]
struct MemoryInner {
    files: BTreeMap<String, Vec<u8>>,
    writes: u64,
    fault: Option<DiskFault>,
    dead: bool,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what shall go wrong; `None` also revives a disk that died.
    pub fn set_fault(&self, fault: Option<DiskFault>) {
        let mut inner = self.lock();
        inner.fault = fault;
        inner.dead = false;
    }

    /// Whether it died of [`DiskFault::CrashAfter`].
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// How many writes there were.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// The names of its files.
    pub fn names(&self) -> Vec<String> {
        self.lock().files.keys().cloned().collect()
    }

    /// Changes the bytes of a file behind the agent's back.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.lock().files.entry(name.to_owned()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, MemoryInner> {
        self.inner.lock().expect("changing files in memory does not panic")
    }

    fn write(&self, effect: impl FnOnce(&mut MemoryInner, Option<usize>)) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.dead {
            return Err(io::Error::other("the machine is dead"));
        }
        match &mut inner.fault {
            Some(DiskFault::Full) => return Err(io::ErrorKind::StorageFull.into()),
            Some(DiskFault::CrashAfter { writes: 0, torn }) => {
                let torn = *torn;
                effect(&mut inner, Some(torn));
                inner.dead = true;
                return Err(io::Error::other("the machine died"));
            }
            Some(DiskFault::CrashAfter { writes, .. }) => *writes -= 1,
            None => {}
        }
        inner.writes += 1;
        effect(&mut inner, None);
        Ok(())
    }
}

#[async_trait]
impl Disk for MemoryDisk {
    async fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let inner = self.lock();
        if inner.dead {
            return Err(io::Error::other("the machine is dead"));
        }
        Ok(inner.files.get(name).cloned())
    }

    async fn replace(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.write(|inner, torn| {
            if torn != Some(0) {
                inner.files.insert(name.to_owned(), bytes);
            }
        })
    }

    async fn append(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.write(|inner, torn| {
            let length = torn.unwrap_or(bytes.len()).min(bytes.len());
            inner.files.entry(name.to_owned()).or_default().extend_from_slice(&bytes[..length]);
        })
    }

    async fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.write(|inner, torn| {
            if torn != Some(0)
                && let Some(file) = inner.files.get_mut(name)
            {
                file.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            }
        })
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.write(|inner, torn| {
            if torn != Some(0)
                && let Some(file) = inner.files.remove(from)
            {
                inner.files.insert(to.to_owned(), file);
            }
        })
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.write(|inner, torn| {
            if torn != Some(0) {
                inner.files.remove(name);
            }
        })
    }
}
