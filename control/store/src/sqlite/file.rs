//! The file of the database: who may use it, and who may read it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::store::IntoCause;

/// The right to use the file, for as long as this lives.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

/// Takes the file for this server, and makes it, readable by nobody else, where there is none.
pub(super) fn claim(path: &Path) -> Result<FileLock, OpenError> {
    let fail = |error: std::io::Error| OpenError::Unavailable {
        place: path.display().to_string(),
        cause: error.into_cause(),
    };
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
    let lock = lock(path)?;
    if !path.exists() {
        private().create(true).append(true).open(path).map_err(fail)?.sync_all().map_err(fail)?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(fail)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fail)?;
    Ok(lock)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// A lock beside the database rather than on it, so that a person may still look into it with other tools.
fn lock(path: &Path) -> Result<FileLock, OpenError> {
    let lock_path = beside(path, ".lock");
    let fail = |error: std::io::Error| OpenError::Unavailable {
        place: path.display().to_string(),
        cause: error.into_cause(),
    };
    let mut file =
        private().create(true).read(true).write(true).truncate(false).open(&lock_path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The number is only for the message.
            let _ = file.read_to_string(&mut text);
            return Err(OpenError::InUse { path: path.to_owned(), process: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    // A full disk is no reason not to open: the number is only for another server's message.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    Ok(FileLock { _file: file })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
