//! A rule that one way in obeys holds on every other way in, too.

use serde_json::{Value, json};

use crate::world::{Keys, World};

/// An option that gives power over the host: in the API's words and in those of a compose file.
fn options() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("privileged", json!({"privileged": true}), "privileged: true"),
        ("pid", json!({"pidMode": "host"}), "pid: host"),
        ("network", json!({"networkMode": "host"}), "network_mode: host"),
        ("ipc", json!({"ipcMode": "host"}), "ipc: host"),
        ("uts", json!({"uts": "host"}), "uts: host"),
        ("userns", json!({"usernsMode": "host"}), "userns_mode: host"),
        ("capabilities", json!({"capAdd": ["SYS_ADMIN"]}), "cap_add: [SYS_ADMIN]"),
        ("devices", json!({"devices": ["/dev/sda:/dev/sda:rwm"]}), "devices: ['/dev/sda:/dev/sda:rwm']"),
        ("bind", json!({"dataVolumes": ["/:/host"]}), "volumes: ['/:/host']"),
        (
            "long bind",
            json!({"dataVolumes": ["/etc:/e:ro"]}),
            "volumes: [{type: bind, source: /etc, target: /e, read_only: true}]",
        ),
        (
            "socket",
            json!({"dataVolumes": ["/var/run/docker.sock:/s"]}),
            "volumes: ['/var/run/docker.sock:/s']",
        ),
        ("security", json!({"securityOpt": ["seccomp=unconfined"]}), "security_opt: ['seccomp=unconfined']"),
        ("cgroup", json!({"cgroupParent": "/"}), "cgroup_parent: /"),
        ("sysctl", json!({"sysctls": {"kernel.core_pattern": "x"}}), "sysctls: {kernel.core_pattern: x}"),
        ("runtime", json!({"runtime": "runc"}), "runtime: runc"),
        ("device rules", json!({"deviceCgroupRules": ["c 1:3 mr"]}), "device_cgroup_rules: ['c 1:3 mr']"),
        ("gpus", json!({"deviceRequests": [{"count": 1, "capabilities": [["gpu"]]}]}), "gpus: all"),
        ("control groups", json!({"cgroupnsMode": "host"}), "cgroup: host"),
    ]
}

fn launch(option: &Value) -> Value {
    let mut launch = json!({"imageUuid": "docker:nginx"});
    for (name, value) in option.as_object().unwrap() {
        launch[name] = value.clone();
    }
    launch
}

fn compose(option: &str) -> String {
    format!("services:\n  web:\n    image: nginx\n    {option}\n")
}

struct Ground {
    world: World,
    member: Keys,
    stack: String,
    service: String,
}

/// Every way in which a container's options come in: a request and its body.
fn ways(ground: &Ground, name: &str, option: &Value, text: &str) -> Vec<(&'static str, String, Value)> {
    let base = "/v2-beta/projects/1a5";
    let (stack, service) = (&ground.stack, &ground.service);
    let mut container = launch(option);
    container["name"] = name.into();
    let spec = launch(option);
    vec![
        ("container", format!("POST {base}/containers"), container.clone()),
        ("container of v1", "POST /v1/projects/1a5/containers".to_owned(), container),
        (
            "service",
            format!("POST {base}/services"),
            json!({"name": name, "stackId": stack, "launchConfig": spec}),
        ),
        (
            "service by the link",
            format!("POST {base}/stacks/{stack}/services"),
            json!({"name": name, "launchConfig": spec}),
        ),
        ("service's launch", format!("PUT {base}/services/{service}"), json!({"launchConfig": spec})),
        (
            "service's upgrade",
            format!("POST {base}/services/{service}/?action=upgrade"),
            json!({"inServiceStrategy": {"launchConfig": spec}}),
        ),
        ("stack", format!("POST {base}/stacks"), json!({"name": name, "dockerCompose": compose(text)})),
        (
            "environment of v1",
            "POST /v1/projects/1a5/environments".to_owned(),
            json!({"name": name, "dockerCompose": compose(text)}),
        ),
        (
            "stack's upgrade",
            format!("POST {base}/stacks/{stack}/?action=upgrade"),
            json!({"dockerCompose": compose(text)}),
        ),
        (
            "stack through a variable",
            format!("POST {base}/stacks"),
            json!({"name": name, "dockerCompose": "services:\n  web:\n    image: nginx\n    x-a: ${A}\n    ".to_owned() + text, "environment": {"A": "b"}}),
        ),
    ]
}

async fn ground() -> Ground {
    let world = World::start().await;
    let (id, member) = world.account("kim", "user").await;
    let members =
        json!({"members": [{"externalId": "1", "role": "owner"}, {"externalId": id, "role": "member"}]});
    let set = world.admin("POST /v2-beta/projects/1a5/?action=setmembers", members).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let stack = world
        .admin(
            "POST /v2-beta/projects/1a5/stacks",
            json!({"name": "ground", "dockerCompose": compose("tty: true"), "startOnCreate": true}),
        )
        .await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let services = world.get(&format!("/v2-beta/projects/1a5/stacks/{}/services", stack.id())).await;
    let service = services.body["data"][0]["id"].as_str().unwrap().to_owned();
    Ground { stack: stack.id(), world, member, service }
}

async fn refuse(world: &World, powers: &str) {
    let set = world.admin("PUT /v2-beta/settings/container.refused.powers", json!({"value": powers})).await;
    assert_eq!(set.status, 200, "{}", set.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn class_02_what_is_refused_in_one_way_is_refused_in_all() {
    let ground = ground().await;
    let world = &ground.world;
    // Without the setting it is as old users know it.
    let free = json!({"name": "free", "imageUuid": "docker:nginx", "privileged": true});
    let free = world.call(&ground.member, "POST /v2-beta/projects/1a5/containers", free, &[]).await;
    assert_eq!(free.status, 201, "{}", free.text);
    refuse(world, "all").await;
    let before = world.store.snapshot().revision;
    for (index, (option, value, text)) in options().into_iter().enumerate() {
        for (way, request, body) in ways(&ground, &format!("n{index}"), &value, text) {
            let answer = world.call(&ground.member, &request, body, &[]).await;
            // Some ways take no such input at all; then the answer must not be that it was taken.
            let ignored = way == "service's launch" && answer.status == 200 && {
                let launch = &answer.body["launchConfig"];
                value.as_object().unwrap().iter().all(|(name, value)| launch[name] != *value)
            };
            assert!(
                ignored || answer.outcome() == "403 Forbidden",
                "{option} through {way}: {} {}",
                answer.status,
                answer.text
            );
        }
    }
    for (way, text) in [
        ("local bind", "volumes: {v: {driver: local, driver_opts: {type: none, o: bind, device: /etc}}}"),
        ("rbind", "volumes: {v: {driver_opts: {type: none, o: 'ro,rbind', device: /}}}"),
        (
            "overlay",
            "volumes: {v: {driver_opts: {type: overlay, o: 'lowerdir=/etc,upperdir=/tmp/a,workdir=/tmp/b', device: overlay}}}",
        ),
    ] {
        let files = format!("services:\n  web:\n    image: nginx\n    volumes: ['v:/v']\n{text}\n");
        for request in [
            "POST /v2-beta/projects/1a5/stacks".to_owned(),
            format!("POST /v2-beta/projects/1a5/stacks/{}/?action=upgrade", ground.stack),
        ] {
            let body = json!({"name": "disguise", "dockerCompose": files});
            let answer = world.call(&ground.member, &request, body, &[]).await;
            assert_eq!(answer.outcome(), "403 Forbidden", "{way}: {request}: {}", answer.text);
        }
    }
    let after = world.store.snapshot();
    let written =
        after.services.iter().map(|row| row.revision).chain(after.stacks.iter().map(|row| row.revision));
    let written =
        written.chain(after.containers.iter().map(|row| row.revision)).filter(|revision| *revision > before);
    // The one write that may have been is the empty change of the service's launch.
    assert!(after.services.iter().all(|row| !row.intent.launch.privileged), "nothing slipped through");
    assert!(written.count() <= 18);
    // The engine itself is the widest way in.
    let host = world.host(5, "metal").await;
    let socket = format!("POST /v2-beta/projects/1a5/hosts/1h{}/?action=dockersocket", host.raw());
    assert_eq!(world.call(&ground.member, &socket, Value::Null, &[]).await.outcome(), "403 Forbidden");
    assert_eq!(world.admin(&socket, Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn class_02_administrators_give_what_others_may_keep_but_not_widen() {
    let ground = ground().await;
    let world = &ground.world;
    refuse(world, "privileged, paths").await;
    let spec = json!({"imageUuid": "docker:nginx", "privileged": true});
    let input =
        json!({"name": "allowed", "stackId": ground.stack, "launchConfig": spec, "startOnCreate": true});
    let made = world.admin("POST /v2-beta/projects/1a5/services", input).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let put = format!("PUT /v2-beta/projects/1a5/services/{}", made.id());
    let note = world.call(&ground.member, &put, json!({"description": "seen"}), &[]).await;
    assert_eq!(note.status, 200, "{}", note.text);
    let upgrade = format!("POST /v2-beta/projects/1a5/services/{}/?action=upgrade", made.id());
    let wider = json!({"inServiceStrategy": {"launchConfig": {"imageUuid": "docker:nginx", "privileged": true, "dataVolumes": ["/:/h"]}}});
    assert_eq!(world.call(&ground.member, &upgrade, wider, &[]).await.outcome(), "403 Forbidden");
    // What the setting does not name stays free.
    let other = json!({"name": "net", "imageUuid": "docker:nginx", "networkMode": "host"});
    let other = world.call(&ground.member, "POST /v2-beta/projects/1a5/containers", other, &[]).await;
    assert_eq!(other.status, 201, "{}", other.text);
    let wrong = world
        .admin("PUT /v2-beta/settings/container.refused.powers", json!({"value": "privileged,rights"}))
        .await;
    assert_eq!(wrong.outcome(), "422 InvalidFormat value", "{}", wrong.text);
    let member = world
        .call(&ground.member, "PUT /v2-beta/settings/container.refused.powers", json!({"value": ""}), &[])
        .await;
    assert!(matches!(member.status, 404 | 405), "{}", member.text);
}
