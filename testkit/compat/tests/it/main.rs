//! The document says what the tables say.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let document = testkit_compat::document();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(document.lines()).position(|(kept, made)| kept != made);
    assert!(
        kept == document,
        "docs/compatibility.md is out of date from line {} on; UPDATE_GOLDEN=1 writes it anew",
        differs.map_or(kept.lines().count().min(document.lines().count()), |line| line) + 1
    );
}

#[test]
fn nothing_is_missing_without_a_reason() {
    let document = testkit_compat::document();
    for line in document.lines() {
        for word in ["absent: ", "ignored: "] {
            let Some((_, why)) = line.split_once(word) else { continue };
            let why = why.trim_end_matches('|').trim();
            assert!(why.len() > 8 && why != contract_api::NO_REASON, "no reason: {line}");
        }
    }
}
