//! No name that somebody sends becomes the name of a file of ours, and no file is followed out of its place.

use serde_json::{Value, json};

use crate::world::{Keys, World};

#[tokio::test(flavor = "multi_thread")]
async fn class_12_no_path_leads_out_of_what_is_served() {
    let world = World::start().await;
    let secret = world.folder().join("secret.txt");
    std::fs::write(&secret, "canary-of-a-file").unwrap();
    std::os::unix::fs::symlink(&secret, world.folder().join("x86_64")).unwrap();
    let nobody = Keys::default();
    let target = secret.display().to_string();
    for prefix in [
        "/v1/scripts/agent/",
        "/v1/scripts/",
        "/v2-beta/scripts/",
        "/api-view/",
        "/v2-beta/schemas/",
        "/v2-beta/settings/",
        "/",
    ] {
        for name in [
            "../secret.txt".to_owned(),
            "..%2fsecret.txt".to_owned(),
            "..%2Fsecret.txt".to_owned(),
            "%2e%2e/secret.txt".to_owned(),
            "%2e%2e%2fsecret.txt".to_owned(),
            "..%5csecret.txt".to_owned(),
            "....//secret.txt".to_owned(),
            "..;/secret.txt".to_owned(),
            "%c0%ae%c0%ae/secret.txt".to_owned(),
            "..%00/secret.txt".to_owned(),
            format!("/{target}"),
            target.replace('/', "%2f"),
            format!("../../../../../../../..{target}"),
            "../../../../../../../../etc/passwd".to_owned(),
            "x86_64%00".to_owned(),
            "x86_64/../../secret.txt".to_owned(),
        ] {
            for keys in [&nobody, &world.admin] {
                let answer = world.call(keys, &format!("GET {prefix}{name}"), Value::Null, &[]).await;
                assert!(!answer.text.contains("canary-of-a-file"), "{prefix}{name}: {}", answer.text);
                assert!(!answer.text.contains("root:"), "{prefix}{name}");
                assert!(answer.status < 500, "{prefix}{name}: {}", answer.text);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn class_12_compose_files_read_no_file_of_the_server() {
    let world = World::start().await;
    let folder = world.folder().display().to_string();
    std::fs::write(world.folder().join("secret.env"), "CANARY=canary-of-a-file\n").unwrap();
    std::fs::write(world.folder().join("other.yml"), "services:\n  base:\n    image: canary-of-a-file\n")
        .unwrap();
    for (what, text) in [
        ("env_file", format!("services:\n  web:\n    image: a\n    env_file: {folder}/secret.env\n")),
        (
            "relative env_file",
            "services:\n  web:\n    image: a\n    env_file: ../../../../../etc/passwd\n".to_owned(),
        ),
        ("extends", format!("services:\n  web:\n    extends: {{file: {folder}/other.yml, service: base}}\n")),
        ("include", format!("include: ['{folder}/other.yml']\nservices:\n  web:\n    image: a\n")),
        (
            "secrets",
            format!(
                "services:\n  web:\n    image: a\n    secrets: [s]\nsecrets: {{s: {{file: {folder}/secret.env}}}}\n"
            ),
        ),
        (
            "configs",
            format!(
                "services:\n  web:\n    image: a\n    configs: [c]\nconfigs: {{c: {{file: {folder}/secret.env}}}}\n"
            ),
        ),
        ("label_file", format!("services:\n  web:\n    image: a\n    label_file: {folder}/secret.env\n")),
        (
            "environment",
            "services:\n  web:\n    image: a\n    environment: [PATH, HOME, CARGO_MANIFEST_DIR]\n".to_owned(),
        ),
        (
            "interpolation",
            "services:\n  web:\n    image: a\n    environment: {A: '${CARGO_MANIFEST_DIR:-none}'}\n"
                .to_owned(),
        ),
    ] {
        let name = what.replace([' ', '_'], "-");
        let body = json!({"name": name, "dockerCompose": text});
        let answer = world.admin("POST /v2-beta/projects/1a5/stacks", body).await;
        assert!(matches!(answer.status, 201 | 422), "{what}: {}", answer.text);
        let services = world.get("/v2-beta/projects/1a5/services?limit=-1").await;
        for found in ["canary-of-a-file", "root:x:", env!("CARGO_MANIFEST_DIR")] {
            assert!(!answer.text.contains(found), "{what}: {}", answer.text);
            assert!(!services.text.contains(found), "{what}: {}", services.text);
        }
    }
}
