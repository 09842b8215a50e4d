//! Strangers' clients against the real program and a real engine.

use std::path::PathBuf;
use std::time::Duration;

use crate::harness::Site;

/// A program of the Python environment that `cargo xtask test` makes.
fn python() -> PathBuf {
    let folder = std::env::var_os("LARIAT_TEST_PYTHON")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/python"));
    let program = folder.join("bin/python");
    assert!(program.exists(), "{} is missing; `cargo xtask test` makes it", program.display());
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_the_old_python_client_works_with_every_type() {
    let site = Site::new("cattle", 1).await;
    let first = site.server.first();
    let certificate = rcgen::generate_simple_self_signed(vec!["shop.example.test".to_owned()]).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients/old_client.py");
    let mut command = tokio::process::Command::new(python());
    command
        .arg(script)
        .env("SERVER_URL", site.server.url())
        .env("ACCESS_KEY", first["accessKey"].as_str().unwrap())
        .env("SECRET_KEY", first["secretKey"].as_str().unwrap())
        .env("IMAGE", "lariat-test/busybox:1")
        .env("CERTIFICATE", certificate.cert.pem())
        .env("CERTIFICATE_KEY", certificate.signing_key.serialize_pem())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(240), command.output()).await;
    let output = output.expect("the script ends in time").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}\n{}", site.agent_logs());
    assert!(text.contains("done: "), "{text}");
}
