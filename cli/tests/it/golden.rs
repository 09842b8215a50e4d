//! Texts that are compared as a whole. `LARIAT_RENEW_GOLDEN=1 cargo nextest run -p lariat-cli` writes them anew; the
//! difference is reviewed like code.

use std::path::PathBuf;

pub fn check(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("LARIAT_RENEW_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "`{name}` has changed.\n--- kept\n{kept}\n--- now\n{text}");
}
