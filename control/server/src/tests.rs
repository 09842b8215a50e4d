use std::os::unix::fs::PermissionsExt as _;

use crate::key;

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
