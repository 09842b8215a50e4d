use std::sync::Arc;
use std::time::Duration;

use contract_protocol::FailureCode;
use contract_values::Timestamp;
use futures_util::StreamExt;

use super::conformance::Suite;
use super::fake::{FakeEngine, Fault, Operation, Program};
use super::*;

fn fake() -> FakeEngine {
    let clock = PausedClock::starting_at(Timestamp(1_700_000_000_000));
    let engine = FakeEngine::new(Arc::new(clock));
    engine.add_image("busybox:1", Program::service());
    engine
}

#[tokio::test(start_paused = true)]
async fn the_fake_engine_conforms() {
    let suite = Suite {
        engine: Arc::new(fake()),
        image: "busybox:1".parse().unwrap(),
        free_port: 8080.try_into().unwrap(),
    };
    conformance::run_all(&suite).await;
}

#[tokio::test(start_paused = true)]
async fn a_pull_takes_its_time_and_tells_how_far_it_is() {
    let engine = fake();
    engine.add_to_registry("redis:7", Duration::from_secs(4), Program::service());
    let image = "redis:7".parse().unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let begun = tokio::time::Instant::now();
    engine.pull(&image, None, None, &|progress| told.lock().unwrap().push(progress.percent)).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
    assert_eq!(*told.lock().unwrap(), [Some(0), Some(50)]);
    assert!(engine.image_id(&image).await.unwrap().is_some());
    let error = engine.pull(&"nowhere:1".parse().unwrap(), None, None, &|_| ()).await.unwrap_err();
    assert_eq!(error.code(), FailureCode::ImageNotFound);
}

#[tokio::test(start_paused = true)]
async fn scripted_faults_happen_as_often_as_asked() {
    let engine = fake();
    engine.script(Operation::List, 1, Fault::Unreachable);
    engine.script(Operation::List, 1, Fault::Refuse(FailureCode::Other, "not now".into()));
    engine.script(Operation::List, 1, Fault::Slow(Duration::from_secs(9)));
    assert!(engine.list().await.unwrap_err().is_unreachable());
    assert_eq!(engine.list().await.unwrap_err().to_string(), "not now");
    let begun = tokio::time::Instant::now();
    engine.list().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(9));
    assert_eq!(engine.calls(Operation::List), 3);
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_the_engine_ends_its_events_and_its_processes() {
    let engine = fake();
    let id = engine.run_by_hand("web", "busybox:1", Default::default());
    let mut events = engine.events(None).await.unwrap();
    engine.crash(false);
    assert!(events.next().await.unwrap().unwrap_err().is_unreachable());
    assert!(engine.inspect(&id).await.unwrap_err().is_unreachable());
    engine.recover();
    assert_eq!(engine.inspect(&id).await.unwrap().state, ContainerState::Exited);
}

#[tokio::test]
async fn a_folder_keeps_files_and_lets_in_one_agent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let disk = FolderDisk::open(&path).unwrap();
    assert_eq!(FolderDisk::open(&path).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    assert_eq!(disk.read("a").await.unwrap(), None);
    disk.replace("a", b"one".to_vec()).await.unwrap();
    disk.append("a", b" two".to_vec()).await.unwrap();
    assert_eq!(disk.read("a").await.unwrap().unwrap(), b"one two");
    disk.truncate("a", 3).await.unwrap();
    disk.rename("a", "b").await.unwrap();
    assert_eq!(disk.read("b").await.unwrap().unwrap(), b"one");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(path.join("b")).unwrap().permissions().mode() & 0o777, 0o600);
    disk.remove("b").await.unwrap();
    disk.remove("b").await.unwrap();
    drop(disk);
    FolderDisk::open(&path).unwrap();
}

#[tokio::test]
async fn a_memory_disk_dies_in_the_middle_of_a_write() {
    let disk = MemoryDisk::new();
    disk.append("log", b"abc".to_vec()).await.unwrap();
    disk.set_fault(Some(DiskFault::CrashAfter { writes: 1, torn: 2 }));
    disk.append("log", b"def".to_vec()).await.unwrap();
    disk.append("log", b"ghi".to_vec()).await.unwrap_err();
    assert!(disk.is_dead());
    disk.read("log").await.unwrap_err();
    disk.set_fault(None);
    assert_eq!(disk.read("log").await.unwrap().unwrap(), b"abcdefgh");
    disk.set_fault(Some(DiskFault::Full));
    assert_eq!(disk.append("log", vec![1]).await.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn chance_repeats_with_its_seed() {
    let (one, two) = (SeededRandom::new(7), SeededRandom::new(7));
    assert_eq!(one.uuid(), two.uuid());
    assert_ne!(one.uuid(), SystemRandom.uuid());
    let uuid = one.uuid();
    assert_eq!(uuid.len(), 36);
    assert_eq!(&uuid[14..15], "4");
}

fn placed(text: &str, uid: u32, mode: u32) -> PlacedFile {
    PlacedFile { bytes: text.as_bytes().to_vec(), uid, gid: uid + 1, mode }
}

#[tokio::test]
async fn files_lie_in_memory_with_their_owners_and_rights() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    // The one place that is in memory on every Linux.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let root = folder.path().join("deep/files");
    let files = FolderFiles::new(root.clone());
    let paths = files.place("1-1", vec![placed("a", 5, 0o400), placed("b", 0, 0o644)]).await.unwrap();
    let first = std::fs::metadata(&paths[0]).unwrap();
    assert_eq!((first.uid(), first.gid(), first.mode() & 0o7777), (5, 6, 0o400));
    assert_eq!(std::fs::read_to_string(&paths[1]).unwrap(), "b");
    for folder in [&root, &root.join("1-1")] {
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
    // Again, with another content: the same paths, and nothing left over.
    let again = files.place("1-1", vec![placed("c", 7, 0o4777)]).await.unwrap();
    assert_eq!(again[0], paths[0]);
    let first = std::fs::metadata(&again[0]).unwrap();
    assert_eq!((std::fs::read_to_string(&again[0]).unwrap().as_str(), first.mode() & 0o7777), ("c", 0o777));
    assert!(!std::path::Path::new(&paths[1]).exists());

    files.place("2-1", vec![placed("d", 0, 0o444)]).await.unwrap();
    files.keep_only(&["2-1".to_owned(), "9-9".to_owned()].into()).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["2-1"]);
    for odd in ["", "..", "a/b", "/etc"] {
        assert!(files.place(odd, vec![]).await.is_err(), "{odd}");
    }
    assert!(!format!("{:?}", placed("secret", 0, 0)).contains("secret"));
}

#[tokio::test]
async fn what_is_secret_is_written_to_no_disk() {
    // Where the tests are built is a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let files = FolderFiles::new(folder.path().join("files"));
    let error = files.place("1-1", vec![placed("a", 0, 0o444)]).await.unwrap_err();
    assert!(error.to_string().contains("not in memory"), "{error}");
    let missing = FolderFiles::new(folder.path().join("never"));
    missing.keep_only(&Default::default()).await.unwrap();
}
