use std::path::Path;

use super::{Place, in_container, place, unpack};

#[test]
fn paths_in_containers_are_told_from_paths_here() {
    assert_eq!(in_container("web:/etc/hosts"), Some(("web", "/etc/hosts")));
    assert_eq!(in_container("shop/web:data"), Some(("shop/web", "data")));
    for here in ["-", "file", "./a:b", "/a:b", ":x", "../c:d"] {
        assert_eq!(in_container(here), None, "{here}");
    }
}

fn archive(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if text.is_some() { 0o640 } else { 0o755 });
        header.set_entry_type(if text.is_some() {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        header.set_size(text.map_or(0, |text| text.len() as u64));
        builder.append_data(&mut header, path, text.unwrap_or_default().as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_goes_into_a_folder_or_gets_a_new_name() {
    let folder = tempfile::tempdir().unwrap();
    let stream = archive(&[("hosts", Some("127.0.0.1\n"))]);
    unpack(stream.as_slice(), &place(folder.path(), "hosts", false).unwrap(), false).unwrap();
    unpack(stream.as_slice(), &place(&folder.path().join("copy"), "hosts", false).unwrap(), false).unwrap();
    assert_eq!(files(folder.path()), ["copy", "hosts"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("copy")).unwrap(), "127.0.0.1\n");
    assert!(place(&folder.path().join("no/such"), "x", false).is_err());
}

#[test]
fn folders_are_joined_and_files_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/old"), "old").unwrap();
    std::fs::write(folder.path().join("data/a"), "old").unwrap();
    let stream =
        archive(&[("data", None), ("data/a", Some("new")), ("data/in", None), ("data/in/b", Some("b"))]);
    unpack(stream.as_slice(), &place(folder.path(), "data", false).unwrap(), false).unwrap();
    assert_eq!(files(&folder.path().join("data")), ["a", "in", "old"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("data/a")).unwrap(), "new");
    // What is in it alone.
    unpack(stream.as_slice(), &place(folder.path(), "data", true).unwrap(), false).unwrap();
    assert_eq!(files(folder.path()), ["a", "data", "in"]);
    // A folder is not put in the place of a file.
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let odd = Place { folder: folder.path().to_owned(), name: Some("file".to_owned()) };
    assert!(unpack(stream.as_slice(), &odd, false).is_err());
    assert_eq!(files(folder.path()), ["a", "data", "file", "in"], "nothing else is left behind");
}

#[test]
fn nothing_in_a_stream_points_out_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    std::fs::create_dir(&target).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "data/out", folder.path()).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(4);
    builder.append_data(&mut header, "data/out/evil", &b"evil"[..]).unwrap();
    let stream = builder.into_inner().unwrap();
    let _ = unpack(stream.as_slice(), &place(&target, "data", false).unwrap(), false);
    assert_eq!(files(folder.path()), ["target"]);
}

#[test]
fn a_stream_that_breaks_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stream = archive(&[("data", None), ("data/a", Some(&"x".repeat(5000)))]);
    let outcome = unpack(&stream[..2048], &place(folder.path(), "data", false).unwrap(), false);
    assert!(outcome.is_err());
    assert_eq!(files(folder.path()), [""; 0]);
}
