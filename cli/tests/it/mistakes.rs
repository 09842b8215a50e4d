use serde_json::json;

use crate::world::{World, error, service, shop, stack};

#[tokio::test]
async fn names_that_mean_nothing_or_too_much() {
    let world = shop(|_, _, _, _| None).await;
    world.put("stacks", stack("1st2", "blog"));
    world.put("services", service("1s9", "1st2", "web", 1));
    world.golden("name-near", "logs shop/wep").await;
    world.golden("name-far", "stop nothing-like-it").await;
    world.golden("name-ambiguous", "restart web").await;
    world.golden("name-wrong-kind", "scale shop=3").await;
    // A bare name is the stack's; its service has a longer one.
    world.put("stacks", stack("1st3", "db"));
    world.run("rm -f db").await;
    assert_eq!(world.orders().pop().unwrap().0, "DELETE /projects/1a5/stacks/1st3");
}

#[tokio::test]
async fn servers_that_do_not_answer_or_do_not_let_in() {
    let world = World::empty().await;
    let mut variables = world.variables();
    variables.insert("LARIAT_URL".into(), "http://127.0.0.1:1".into());
    let done = world.run_with("ps --env 1a5", variables.clone(), "").await;
    crate::golden::check("no-answer", &done.transcript(&world, "ps"));
    variables.remove("LARIAT_URL");
    let done = world.run_with("ps", variables, "").await;
    crate::golden::check("no-server", &done.transcript(&world, "ps"));
    let mut half = world.variables();
    half.remove("LARIAT_SECRET_KEY");
    let done = world.run_with("ps", half, "").await;
    crate::golden::check("half-a-key", &done.transcript(&world, "ps"));

    let shut = World::with(|_, _, _, _| Some(error(403, "Forbidden", "members only"))).await;
    shut.put("stacks", stack("1st1", "shop"));
    shut.golden("forbidden", "start shop").await;
}

#[tokio::test]
async fn command_lines_that_make_no_sense_end_with_2() {
    let world = shop(|_, _, _, _| None).await;
    for command in
        ["scale shop/web", "scale shop/web=many", "logs shop --since yesterday", "ps --url ftp://x"]
    {
        let done = world.run(command).await;
        assert_eq!(done.code, 2, "{command}: {done:?}");
        assert!(done.err.contains("hint: "), "{command}: {done:?}");
    }
    let wrong = <lariat_cli::Cli as clap::Parser>::try_parse_from(["lariat", "logs"]).unwrap_err();
    assert_eq!(wrong.exit_code(), 2);
}

#[tokio::test]
async fn a_configuration_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::empty().await;
    let path =
        world.file("home/.lariat/config.json", &json!({"url": "http://h", "secretKey": "s3"}).to_string());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let done = world.golden("config-open", "ps").await;
    assert!(!done.err.contains("s3"), "{}", done.err);
}

#[tokio::test]
async fn signing_in_makes_a_key_and_signing_out_takes_it_back() {
    let world = World::with(|objects, what, id, input| match (what, id) {
        ("POST", "token") if input["code"] == "ann:right" => Some((201, json!({"id": "jwt", "jwt": "j.w.t"}))),
        ("POST", "token") => Some(error(401, "Unauthorized", "no")),
        ("POST", "apikeys") => {
            let key = json!({"id": "1c7", "type": "apiKey", "state": "active", "publicValue": "NEW", "actions": ["deactivate"]});
            objects.put("apikeys", key.clone());
            let mut shown = key;
            shown["secretValue"] = "new-secret".into();
            shown["actions"] = json!({});
            Some((201, shown))
        }
        ("DELETE", "1c7") => Some(error(405, "Method not allowed", "deactivate it first")),
        _ => None,
    })
    .await;
    let nobody = || {
        let mut variables = world.variables();
        variables.retain(|name, _| name == "HOME");
        variables
    };
    let login = format!("login http://{} --user ann --password-stdin", world.address);
    let done = world.run_with(&login, nobody(), "wrong\n").await;
    assert_eq!((done.code, done.err.as_str()), (1, "error: the user name or the password is wrong\n"));
    let done = world.run_with(&login, nobody(), "right\n").await;
    crate::golden::check("login", &done.transcript(&world, &login));
    let kept = std::fs::read_to_string(world.folder.path().join("home/.lariat/config.json")).unwrap();
    assert!(kept.contains("new-secret") && !kept.contains("right"), "{kept}");
    assert_eq!(world.run_with("ps", nobody(), "").await.code, 0);
    let done = world.run_with("logout", nobody(), "").await;
    crate::golden::check("logout", &done.transcript(&world, "logout"));
    assert_eq!(world.orders().last().unwrap().0, "POST /apikeys/1c7?action=deactivate");
    let done = world.run_with("ps", nobody(), "").await;
    assert_eq!(done.code, 2);
}
