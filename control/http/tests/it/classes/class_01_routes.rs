//! A route, action, link or stream without a rule lets nobody in.
//!
//! The test goes over everything that any schema of any role names, as every kind of caller, at the root, in the own
//! environment and in another one. Who has which role where stands here by itself, so that the server is not asked
//! whether it is right.

use std::collections::{BTreeMap, BTreeSet};

use contract_api::{LinkKind, Role, Schemas, Version, declarations};
use futures_util::StreamExt;
use futures_util::stream::iter;
use serde_json::{Value, json};

use crate::sockets::{basic, open};
use crate::world::{COMPOSE, Keys, World, keys_of};

/// Marks everything in the environment that is looked at.
const MARK: &str = "hush";

struct Caller {
    name: &'static str,
    keys: Keys,
    root: Option<Role>,
    own: Option<Role>,
    foreign: Option<Role>,
    /// Whether the keys act in the environment without naming it.
    inside: bool,
}

struct Stage {
    world: World,
    callers: Vec<Caller>,
    /// The environment that is looked at, and another one.
    own: String,
    foreign: String,
    /// One object of each type in the environment.
    objects: BTreeMap<&'static str, String>,
}

async fn stage() -> Stage {
    let world = World::start().await;
    let (own, project_keys) = world.project(&format!("{MARK}project")).await;
    let (foreign, foreign_keys) = world.project("elsewhere").await;
    let number: i64 = own[2..].parse().unwrap();
    let input = json!({"name": format!("{MARK}stack"), "dockerCompose": COMPOSE, "startOnCreate": true});
    let stack = world.admin(&format!("POST /v2-beta/projects/{own}/stacks"), input).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    let host = world.host(number, &format!("{MARK}host")).await;
    let service = world.store.snapshot().services.named("web").next().unwrap().id;
    let origin = control_model::Origin::Service { service, index: 1, create_index: 1, launch_version: 1 };
    let container = world.container(number, host, &format!("{MARK}container"), origin).await;
    let token = world.admin(&format!("POST /v2-beta/projects/{own}/registrationtokens"), json!({})).await;
    let key = world
        .admin(&format!("POST /v2-beta/projects/{own}/apikeys"), json!({"name": format!("{MARK}key")}))
        .await;
    let objects = BTreeMap::from([
        ("stack", stack.id()),
        ("environment", stack.id().replace("1st", "1e")),
        ("service", format!("1s{}", service.raw())),
        ("host", format!("1h{}", host.raw())),
        ("container", format!("1i{}", container.raw())),
        ("instance", format!("1i{}", container.raw())),
        ("serviceExposeMap", format!("1sem{}", container.raw())),
        ("registrationToken", token.id()),
        ("apiKey", key.id()),
        ("credential", key.id()),
        ("project", own.clone()),
    ]);
    let mut members = vec![json!({"externalId": "1", "role": "owner"})];
    let mut callers = Vec::new();
    for (name, role) in [
        ("owner", Role::Owner),
        ("member", Role::Member),
        ("restricted", Role::Restricted),
        ("readonly", Role::ReadOnly),
    ] {
        let (id, keys) = world.account(name, "user").await;
        members.push(json!({"externalId": id, "role": name}));
        callers.push(Caller {
            name,
            keys,
            root: Some(Role::User),
            own: Some(role),
            foreign: None,
            inside: false,
        });
    }
    let set = world
        .admin(&format!("POST /v2-beta/projects/{own}/?action=setmembers"), json!({"members": members}))
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    let caller = |name, keys, root, own, foreign, inside| Caller { name, keys, root, own, foreign, inside };
    callers.push(caller(
        "admin",
        world.admin.clone(),
        Some(Role::Admin),
        Some(Role::Owner),
        Some(Role::Owner),
        false,
    ));
    let (_, keys) = world.account("auditor", "readAdmin").await;
    callers.push(caller(
        "readAdmin",
        keys,
        Some(Role::ReadAdmin),
        Some(Role::ReadOnly),
        Some(Role::ReadOnly),
        false,
    ));
    let (_, keys) = world.account("stranger", "user").await;
    callers.push(caller("stranger", keys, Some(Role::User), None, None, false));
    callers.push(caller("project", project_keys, Some(Role::Project), Some(Role::Project), None, true));
    callers.push(caller(
        "other project",
        foreign_keys,
        Some(Role::Project),
        None,
        Some(Role::Project),
        false,
    ));
    let secret = token.body["token"].as_str().unwrap().to_owned();
    let register = Keys { public: "registrationToken".into(), secret };
    let body = json!({"uuid": "0123456789abcdef", "hostname": "agent"});
    let agent = world.call(&register, "POST /v1/agent/register", body, &[]).await;
    assert_eq!(agent.status, 201, "{}", agent.text);
    let agent = Keys {
        public: agent.body["accessKey"].as_str().unwrap().into(),
        secret: agent.body["secretKey"].as_str().unwrap().into(),
    };
    callers.push(caller("register", register, Some(Role::Register), Some(Role::Register), None, true));
    callers.push(caller("agent", agent, Some(Role::Agent), Some(Role::Agent), None, true));
    callers.push(caller("nobody", Keys::default(), Some(Role::Token), None, None, false));
    let wrong = Keys { public: keys_of(&key).public, secret: "wrong".into() };
    callers.push(caller("wrong secret", wrong, None, None, None, false));
    Stage { world, callers, own, foreign, objects }
}

/// Whether a role in the environment sees what lies in it.
fn sees(role: Role) -> bool {
    !matches!(role, Role::Agent | Role::Register | Role::Token)
}

/// A request, and whether it may be answered.
struct Probe<'a> {
    caller: &'a Caller,
    request: String,
    allowed: bool,
    /// Whether the answer may hold what lies in the environment.
    reads: bool,
}

fn probes(stage: &Stage) -> Vec<Probe<'_>> {
    let mut all = Vec::new();
    for caller in &stage.callers {
        for version in Version::ALL {
            let scopes = [
                (
                    String::new(),
                    caller.root,
                    caller.inside || matches!(caller.root, Some(Role::Admin | Role::ReadAdmin)),
                ),
                (format!("/projects/{}", stage.own), caller.own, true),
                (format!("/projects/{}", stage.foreign), caller.foreign, false),
            ];
            for (scope, role, inside) in scopes {
                let base = format!("/{}{scope}", version.path());
                let inside = inside && role.is_some_and(sees);
                probe(stage, caller, version, &base, role, inside, &mut all);
            }
        }
    }
    all
}

fn probe<'a>(
    stage: &Stage,
    caller: &'a Caller,
    version: Version,
    base: &str,
    role: Option<Role>,
    inside: bool,
    all: &mut Vec<Probe<'a>>,
) {
    let schemas = role.map(|role| Schemas::of(version, role));
    for declaration in declarations(version) {
        let name = declaration.id.as_str();
        // These are open before anybody is known, or answer with what is the caller's own.
        if matches!(name, "schema" | "token" | "identity" | "apiVersion" | "subscribe" | "activeSetting") {
            continue;
        }
        // Members of a project are its children by its own URL, which is no scope.
        if name == "projectMember" && base.contains("/projects/") {
            continue;
        }
        let plural = declaration.plural.to_ascii_lowercase();
        let schema = schemas.and_then(|schemas| schemas.find(name)).filter(|schema| schema.has_collection);
        let mut push = |request: String, allowed: bool, reads: bool| {
            all.push(Probe { caller, request, allowed, reads });
        };
        let lists = schema.is_some_and(|schema| schema.collection_takes("GET"));
        let public = matches!(name, "setting" | "activeSetting" | "project" | "account" | "projectTemplate");
        push(format!("GET {base}/{plural}?limit=-1"), lists, inside || public);
        if !schema.is_some_and(|schema| schema.collection_takes("POST")) {
            push(format!("POST {base}/{plural}"), false, false);
        }
        let Some(id) = stage.objects.get(name) else {
            // Nothing of that number is there; whether the type is known must not matter.
            if schema.is_none() {
                for method in ["GET", "PUT", "DELETE"] {
                    push(format!("{method} {base}/{plural}/1x1"), false, false);
                }
            }
            continue;
        };
        let path = format!("{base}/{plural}/{id}");
        // A project is seen from the root by its members, too.
        let visible = match name {
            "project" => caller.own.is_some_and(sees) && role.is_some(),
            _ => inside,
        };
        let reads = visible && schema.is_some_and(|schema| schema.resource_takes("GET"));
        push(format!("GET {path}"), reads, reads);
        for method in ["PUT", "DELETE"] {
            if !(visible && schema.is_some_and(|schema| schema.resource_takes(method))) {
                push(format!("{method} {path}"), false, false);
                push(format!("POST {path}?_method={method}"), false, false);
            }
        }
        let every: BTreeSet<&str> =
            declaration.actions.keys().map(String::as_str).chain(["remove", "delete", "nonsense"]).collect();
        for action in every {
            if !(visible && schema.is_some_and(|schema| schema.actions.contains_key(action))) {
                push(format!("POST {path}/?action={action}"), false, false);
            }
        }
        for (link, declared) in &declaration.links {
            // Below a project all but its members is the scope, which is looked at as such.
            if name == "project" && link != "projectMembers" {
                continue;
            }
            let known = visible && schema.is_some_and(|schema| schema.links.contains_key(link.as_str()));
            // A reference may lead nowhere, or out of what the caller sees; then it is refused, which is right too.
            if known && declared.kind != LinkKind::Reference {
                push(format!("GET {path}/{link}"), true, true);
            } else if !known {
                push(format!("GET {path}/{link}"), false, false);
                push(format!("POST {path}/{link}"), false, false);
            }
        }
        if !visible {
            for link in ["stats", "containerstats", "hoststats", "registrationurl"] {
                push(format!("GET {path}/{link}"), false, false);
            }
        }
    }
}

/// The newest write to anything but the audit log, which tells of what was refused.
fn written(world: &World) -> contract_values::Revision {
    let tables = world.store.snapshot();
    macro_rules! newest {
        ($($table:ident)*) => {
            [$(tables.$table.iter().map(|row| row.revision).max()),*].into_iter().flatten().max()
        };
    }
    newest!(accounts credentials projects members settings hosts stacks services containers volumes secrets certificates registries templates)
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn class_01_every_route_action_and_link_refuses_whom_no_rule_admits() {
    let stage = stage().await;
    let before = written(&stage.world);
    let probes = probes(&stage);
    assert!(probes.len() > 5_000, "only {} requests", probes.len());
    let faults: Vec<String> = iter(probes)
        .map(|probe| {
            let world = &stage.world;
            async move {
                let Probe { caller, request, allowed, reads } = probe;
                let answer = world.call(&caller.keys, &request, json!({"name": "x"}), &[]).await;
                let refused = matches!(answer.status, 401 | 403 | 404 | 405)
                    || answer.status == 422
                        && matches!(
                            answer.body["code"].as_str(),
                            Some("InvalidAction" | "ActionNotAvailable")
                        );
                let right = if allowed { answer.status == 200 } else { refused };
                let leaks = !reads && answer.text.contains(MARK);
                (!right || leaks || answer.status >= 500).then(|| {
                    format!(
                        "{}: {request}: wanted {allowed}, got {} {:.300}",
                        caller.name, answer.status, answer.text
                    )
                })
            }
        })
        .buffer_unordered(16)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
    assert_eq!(written(&stage.world), before, "a refused request has written");
}

#[tokio::test(flavor = "multi_thread")]
async fn class_01_every_stream_refuses_whom_no_rule_admits() {
    let stage = stage().await;
    for caller in &stage.callers {
        let header = if caller.keys.public.is_empty() { Vec::new() } else { vec![basic(&caller.keys)] };
        for version in Version::ALL {
            for (scope, role) in [
                (String::new(), caller.root),
                (format!("/projects/{}", stage.own), caller.own),
                (format!("/projects/{}", stage.foreign), caller.foreign),
            ] {
                let path = format!("/{}{scope}/subscribe?eventNames=resource.change", version.path());
                let allowed = role.is_some_and(|role| {
                    let schema = Schemas::of(version, role).find("subscribe");
                    schema.is_some_and(|schema| schema.has_collection && schema.collection_takes("GET"))
                });
                let opened = open(&stage.world, &path, &header).await;
                assert_eq!(opened.is_ok(), allowed, "{}: {path}", caller.name);
            }
        }
        // Keys open no socket that wants a token, and nobody but an agent is one.
        for path in [
            "/v1/exec/",
            "/v1/logs/",
            "/v1/stats",
            "/v1/stats/docker-hushcontainer",
            "/v1/containerstats",
            "/v1/containerstats/service/",
            "/v1/hoststats",
            "/v1/hoststats/project/",
            "/v1/dockersocket/",
            "/v1/exec/?token=",
            "/v1/exec/?token=a.b.c",
        ] {
            assert_eq!(open(&stage.world, path, &header).await.err(), Some(401), "{}: {path}", caller.name);
        }
        let agent = open(&stage.world, "/v1/agent/connect", &header).await;
        assert_eq!(agent.is_ok(), caller.name == "agent", "{}", caller.name);
        let body = json!({"uuid": "fedcba9876543210", "hostname": "intruder"});
        if caller.name != "register" {
            let answer = stage.world.call(&caller.keys, "POST /v1/agent/register", body, &[]).await;
            assert_eq!(answer.status, 401, "{}: {}", caller.name, answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn class_01_whoever_may_nothing_learns_nothing_of_types_and_objects() {
    let stage = stage().await;
    let nobody = Keys::default();
    let mut answers = BTreeSet::new();
    for path in ["stacks", "nonsense", "containers/1i1", "accounts", "settings/lariat.installation.key"] {
        let answer = stage.world.call(&nobody, &format!("GET /v2-beta/{path}"), Value::Null, &[]).await;
        answers.insert((answer.status, answer.body["code"].to_string(), answer.body["message"].to_string()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}
