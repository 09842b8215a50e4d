use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{check, check_arrows, check_file};

fn arrows(package: &str, uses: &[&str]) -> Vec<String> {
    let uses: BTreeSet<String> = uses.iter().map(|name| (*name).to_owned()).collect();
    check_arrows(&BTreeMap::from([(package.to_owned(), uses)]))
}

#[test]
fn this_tree_is_tidy() {
    let faults = check(crate::tree()).unwrap();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn knows_wrong_arrows() {
    assert!(arrows("control-store", &["contract-values", "control-model"]).is_empty());
    assert!(arrows("control-server", &["control-http", "contract-api"]).is_empty());
    assert!(arrows("xtask", &["control-store", "testkit"]).is_empty());
    assert_eq!(arrows("host-agent", &["control-store"]), ["host-agent: must not use control-store"]);
    assert_eq!(arrows("lariat", &["testkit"]), ["lariat: must not use testkit"]);
    assert_eq!(arrows("host-docker", &["host-agent"]).len(), 1);
    assert!(arrows("newcomer", &[])[0].contains("no line in the table"));
}

#[test]
fn knows_unwanted_lines() {
    let file =
        |name: &str, text: &str| check_file(Path::new(name), text, &["/somewhere/tree".to_owned()]).len();
    assert_eq!(file("a/src/lib.rs", "//! An essay.\n"), 0);
    assert_eq!(file("a/src/lib.rs", "pub fn a() {}\n"), 1);
    assert_eq!(file("a/src/b.rs", concat!("#[test]\n#[", "ignore]\nfn a() {}\n")), 1);
    assert_eq!(file("a/src/b.rs", concat!("fn a() { todo", "!() }\n")), 1);
    assert_eq!(file("README.md", "see /somewhere/tree/README.md"), 1);
    assert_eq!(file("README.md", "see /somewhere/trees and /somewhere/tree-house"), 0);
    assert_eq!(file("a/src/b.rs", &"\n".repeat(801)), 1);
    assert_eq!(file("notes.md", &"\n".repeat(801)), 0);
}
