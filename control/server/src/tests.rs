use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use control_model::{Clock as _, Random as _};
use control_store::{Store, StoreOptions};

use crate::first::{self, WayIn};
use crate::key;
use crate::seams::{SystemClock, SystemRandom};

#[test]
fn the_key_is_made_once_for_its_owner_alone_and_a_broken_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = key::ensure(folder.path()).unwrap();
    assert_eq!(key::ensure(folder.path()).unwrap(), first);
    assert_eq!(format!("{first:?}"), "***");
    let path = folder.path().join(key::FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "abc").unwrap();
    assert!(key::ensure(folder.path()).unwrap_err().to_string().contains("restore it from a backup"));
}

/// Everything that a start does to the administrator's way in, up to a step; then the process is gone.
async fn start(folder: &std::path::Path, reset: bool, steps: u32) -> Option<control_http::Installation> {
    let url = format!("sqlite:{}", folder.join("lariat.db").display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let random: control_http::Random = Arc::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
    let key = key::ensure(folder).unwrap();
    let mut installation = None;
    'killed: {
        if steps == 0 {
            break 'killed;
        }
        let mut way_in = WayIn::prepare(folder, &store, reset, &random).unwrap();
        if steps == 1 {
            break 'killed;
        }
        installation = Some(way_in.install(&store, key, &random, SystemClock.now()).await.unwrap());
        if steps == 2 {
            break 'killed;
        }
        way_in.show(Some(&folder.join("shown.json")), "http://here").unwrap();
        if steps == 3 {
            break 'killed;
        }
        way_in.forget().unwrap();
    }
    store.close().await;
    installation
}

async fn shown_works(folder: &std::path::Path) -> bool {
    let url = format!("sqlite:{}", folder.join("lariat.db").display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let shown = first::read(&folder.join("shown.json")).unwrap();
    let works = shown.is_some_and(|shown| shown.work(&store));
    store.close().await;
    works
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_at_any_step_still_shows_a_password_that_works() {
    for steps in 0..=4 {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), false, steps).await;
        let before = std::fs::read_to_string(folder.path().join("shown.json")).ok();
        start(folder.path(), false, 4).await;
        assert!(shown_works(folder.path()).await, "killed after step {steps}");
        let after = std::fs::read_to_string(folder.path().join("shown.json")).unwrap();
        assert!(before.is_none_or(|before| before == after), "what was shown once holds");
        assert!(!folder.path().join(first::FILE).exists(), "killed after step {steps}");
        // A later start shows nothing.
        std::fs::remove_file(folder.path().join("shown.json")).unwrap();
        start(folder.path(), false, 4).await;
        assert!(!folder.path().join("shown.json").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_that_is_cut_off_leaves_the_old_one_or_is_shown() {
    for steps in 0..=4 {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), false, 4).await;
        let old = std::fs::read_to_string(folder.path().join("shown.json")).unwrap();
        start(folder.path(), true, steps).await;
        start(folder.path(), false, 4).await;
        assert!(shown_works(folder.path()).await, "killed after step {steps}");
        let now = std::fs::read_to_string(folder.path().join("shown.json")).unwrap();
        assert_eq!(now == old, steps < 2, "killed after step {steps}");
        assert!(!folder.path().join(first::FILE).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_slower_to_set_up_a_database_shows_nothing() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The slower one has drawn its own, and the database was set up by somebody else meanwhile.
    start(other.path(), false, 1).await;
    start(folder.path(), false, 4).await;
    for name in ["lariat.db", key::FILE] {
        std::fs::copy(folder.path().join(name), other.path().join(name)).unwrap();
    }
    start(other.path(), false, 4).await;
    assert!(!other.path().join("shown.json").exists());
    assert!(!other.path().join(first::FILE).exists());
}
