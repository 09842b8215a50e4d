use serde_json::{Value, json};

use crate::world::{World, shop};

fn nobody(world: &World) -> std::collections::BTreeMap<String, String> {
    let mut variables = world.variables();
    variables.retain(|name, _| name == "HOME");
    variables
}

async fn run(world: &World, command: &str) -> crate::world::Done {
    world.run_with(command, nobody(world), "secret\n").await
}

#[tokio::test]
async fn several_servers_are_kept_side_by_side() {
    let (one, two) = (shop(|_, _, _, _| None).await, World::empty().await);
    let login = |server: &World, name: &str| {
        format!("login http://{} --access-key K-{name} --secret-key-stdin --context {name}", server.address)
    };
    assert_eq!(run(&one, &login(&one, "one")).await.code, 0);
    assert_eq!(run(&one, &login(&two, "two")).await.code, 0);
    // The last one is current.
    assert_eq!(run(&one, "ps -q").await.out, "");
    assert_eq!(run(&one, "ps -q --context one").await.out, "1i3\n1i1\n1i2\n");
    assert_eq!(run(&one, "config context use one").await.code, 0);
    assert_eq!(run(&one, "ps -q").await.out, "1i3\n1i1\n1i2\n");
    let list: Value = serde_json::from_str(&run(&one, "config context ls --format json").await.out).unwrap();
    let names: Vec<(&str, bool)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["current"].as_bool().unwrap()))
        .collect();
    assert_eq!(names, [("one", true), ("two", false)]);
    // An address alone finds its own keys, and an unknown one gets none.
    let mut variables = nobody(&one);
    variables.insert("LARIAT_URL".into(), format!("http://{}", two.address));
    let done = one.run_with("config --format json", variables, "").await;
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(shown["accessKey"], json!({"value": "K-two", "from": "context two"}));
    assert!(!done.out.contains("secret\""), "{}", done.out);

    assert_eq!(run(&one, "config context rename two 2").await.code, 0);
    assert_eq!(run(&one, "config context rename one 2").await.code, 1);
    let done = run(&one, "ps --context two").await;
    assert_eq!(done.code, 2);
    assert!(done.err.contains("there are: 2, one"), "{}", done.err);
    assert_eq!(run(&one, "config context rm one").await.code, 0);
    assert_eq!(run(&one, "config context rm one").await.code, 1);
}

#[tokio::test]
async fn the_file_of_the_old_command_line_is_taken_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = shop(|_, _, _, _| None).await;
    let old = json!({
        "accessKey": "OLD", "secretKey": "old-secret", "environment": "",
        "url": format!("http://{}/v2-beta/projects/1a5/schemas", world.address),
    });
    let path = world.file("cli.json", &old.to_string());
    assert_eq!(run(&world, "config context import cli.json").await.code, 1, "others can read it");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let done = run(&world, "config context import cli.json --name old").await;
    assert_eq!((done.code, done.out.as_str()), (0, "old\n"), "{done:?}");
    assert_eq!(run(&world, "ps -q shop/db").await.out, "1i3\n");
}

#[tokio::test]
async fn keys_on_the_command_line_win() {
    let world = World::empty().await;
    let done = world.run("config --access-key A --secret-key B --format json").await;
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(shown["accessKey"], json!({"value": "A", "from": "--access-key"}));
    assert_eq!(shown["secretKey"]["value"], "***");
    let half = <lariat_cli::Cli as clap::Parser>::try_parse_from(["lariat", "ps", "--access-key", "A"]);
    assert_eq!(half.unwrap_err().exit_code(), 2);
}

#[tokio::test]
async fn manuals_and_completions_know_every_command() {
    let world = World::empty().await;
    let page = run(&world, "man hosts add").await.out;
    assert!(page.contains(".TH") && page.contains("lariat") && page.contains("new\\-token"), "{page}");
    assert_eq!(run(&world, "man nope").await.code, 2);
    assert_eq!(run(&world, "man --all pages").await.code, 0);
    let pages: Vec<String> = std::fs::read_dir(world.folder.path().join("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["lariat.1", "lariat-up.1", "lariat-hosts-add.1", "lariat-config-context-use.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&world, &format!("completion {shell}")).await.out;
        for word in ["up", "hosts", "force-upgrade", "secrets"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
