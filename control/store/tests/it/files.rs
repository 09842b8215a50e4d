//! The file of SQLite: who may open it, and what is said when it is not what it should be.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use control_store::{CommitError, OpenError, Store, StoreOptions};

use crate::suite::insert;
use crate::support::{assert_same, sqlite_url};

const PAGE: u64 = 8192;

async fn open(url: &str) -> Result<Store, OpenError> {
    Store::open(url, StoreOptions::default()).await
}

async fn filled(directory: &Path, rows: i64) -> String {
    let url = sqlite_url(directory);
    let store = open(&url).await.unwrap();
    for id in 1..=rows {
        store.commit(insert(id, &format!("stack-{id}-{}", "x".repeat(500)), 1)).await.unwrap();
    }
    store.close().await;
    url
}

#[tokio::test]
async fn a_second_server_is_told_who_has_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_url(directory.path());
    let store = open(&url).await.unwrap();
    let error = open(&url).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with(&format!("is in use by another server (process {})", std::process::id())),
        "{text}"
    );
    store.commit(insert(1, "a", 1)).await.unwrap();
    store.close().await;
    open(&url).await.unwrap().close().await;
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/not/yet/there/lariat.db", directory.path().display());
    let store = open(&url).await.unwrap();
    store.commit(insert(1, "a", 1)).await.unwrap();
    let folder = directory.path().join("not/yet/there");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        seen.push(entry.file_name().into_string().unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["lariat.db", "lariat.db-shm", "lariat.db-wal", "lariat.db.lock"]);
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    store.close().await;
    // A file that was left open to all is closed to them.
    let file = folder.join("lariat.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    open(&url).await.unwrap().close().await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lariat.db");
    let text = "dear diary, ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = open(&sqlite_url(directory.path())).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("file is not a database"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(directory.path().join("lariat.db")).unwrap();
    connection.execute_batch("CREATE TABLE account (nonsense)").unwrap();
    drop(connection);
    let error = open(&sqlite_url(directory.path())).await.unwrap_err();
    assert!(error.to_string().contains("it is the file of another program"), "{error}");
}

#[tokio::test]
async fn a_damaged_page_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let url = filled(directory.path(), 200).await;
    let path = directory.path().join("lariat.db");
    let size = std::fs::metadata(&path).unwrap().len();
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut page = size / PAGE / 2;
    // The middle of the file is full of rows; one page of them becomes noise.
    file.seek(SeekFrom::Start(page * PAGE)).unwrap();
    let mut kind = [0];
    file.read_exact(&mut kind).unwrap();
    while kind != [0x0d] {
        page += 1;
        file.seek(SeekFrom::Start(page * PAGE)).unwrap();
        file.read_exact(&mut kind).unwrap();
    }
    file.seek(SeekFrom::Start(page * PAGE)).unwrap();
    file.write_all(&[0xa5; PAGE as usize]).unwrap();
    drop(file);
    let error = open(&url).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let url = filled(directory.path(), 200).await;
    let path = directory.path().join("lariat.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(std::fs::metadata(&path).unwrap().len() / (2 * PAGE) * PAGE).unwrap();
    let error = open(&url).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let url = filled(directory.path(), 3).await;
    let connection = rusqlite::Connection::open(directory.path().join("lariat.db")).unwrap();
    connection.execute_batch(r#"UPDATE stack SET intent = '{"name": ["hush"]}' WHERE id = 2"#).unwrap();
    drop(connection);
    let text = open(&url).await.unwrap_err().to_string();
    assert!(text.contains("the intent of stack 2 cannot be read") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let error = open(&format!("sqlite:{}/file/lariat.db", directory.path().display())).await.unwrap_err();
    assert!(matches!(error, OpenError::Unavailable { .. }), "{error:?}");
    let error = open("mysql://root:secret@host/db").await.unwrap_err().to_string();
    assert_eq!(error, "`mysql` is no database; expected `sqlite:PATH`, `postgres://…` or `memory:`");
}

/// Runs itself again in a mount namespace, where a small file system is the disk.
#[test]
fn a_full_disk_refuses_and_recovers() {
    if let Some(disk) = std::env::var_os("LARIAT_TEST_DISK") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(on_a_small_disk(Path::new(&disk)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new("unshare");
    command.args(if root { &["--mount"][..] } else { &["--mount", "--map-root-user"] });
    let status = command
        .args([
            "sh",
            "-c",
            "mount -t tmpfs -o size=4m none \"$1\" && LARIAT_TEST_DISK=$1 exec \"$2\" --exact \"$3\"",
            "sh",
        ])
        .arg(directory.path())
        .arg(std::env::current_exe().unwrap())
        .arg("files::a_full_disk_refuses_and_recovers")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

async fn on_a_small_disk(disk: &Path) {
    let url = sqlite_url(disk);
    let store = open(&url).await.unwrap();
    let big = |id: i64| insert(id, &format!("{id}-{}", "x".repeat(20_000)), 1);
    for id in 1..=10 {
        store.commit(big(id)).await.unwrap();
    }
    let ballast = disk.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let before = store.snapshot();
    let mut failed = 0;
    for id in 11..=20 {
        match store.commit(big(id)).await {
            Ok(_) => panic!("there is no room"),
            Err(CommitError::Unavailable { outcome_unknown: false, .. }) => failed += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(failed, 10);
    let error = store.commit(big(21)).await.unwrap_err().to_string();
    assert!(error.contains("the disk is full"), "{error}");
    assert_same(&store.snapshot(), &before);
    std::fs::remove_file(&ballast).unwrap();
    for id in 11..=20 {
        store.commit(big(id)).await.unwrap();
    }
    let after = store.snapshot();
    assert_eq!(after.stacks.len(), 20);
    store.close().await;
    let store = open(&url).await.unwrap();
    assert_same(&store.snapshot(), &after);
    store.close().await;
}
