//! The commands that speak to the engine of a host through the server, against a small engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::world::{Objects, World, shop};

type Parameters = Query<BTreeMap<String, String>>;

/// What the engine was asked.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<Question>>>);

/// What was asked, its parameters and its body.
type Question = (String, BTreeMap<String, String>, Vec<u8>);

impl Asked {
    fn note(&self, what: &str, parameters: &BTreeMap<String, String>, body: &[u8]) {
        self.0.lock().unwrap().push((what.to_owned(), parameters.clone(), body.to_vec()));
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(what, _, _)| what.clone()).collect()
    }

    fn last(&self) -> Question {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

struct Office {
    world: World,
    asked: Asked,
    engine: JoinHandle<()>,
}

impl Drop for Office {
    fn drop(&mut self) {
        self.engine.abort();
    }
}

fn with_access(_: &mut Objects, what: &str, _: &str, _: &Value) -> Option<(u16, Value)> {
    let url = "ws://elsewhere/v1/dockersocket/";
    (what == "dockersocket").then(|| (200, json!({"type": "hostAccess", "url": url, "token": "T"})))
}

fn stat(name: &str, folder: bool) -> HeaderMap {
    let mode: u64 = if folder { 1 << 31 | 0o755 } else { 0o644 };
    let text = STANDARD.encode(json!({"name": name, "size": 3, "mode": mode}).to_string());
    HeaderMap::from_iter([("x-docker-container-path-stat".parse().unwrap(), text.parse().unwrap())])
}

async fn read_archive(State(asked): State<Asked>, Query(given): Parameters) -> Response {
    asked.note("GET archive", &given, &[]);
    let path = given["path"].as_str();
    if path == "/nope" {
        let body = json!({"message": "Could not find the file /nope in container"});
        return (StatusCode::NOT_FOUND, body.to_string()).into_response();
    }
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(100_000);
    builder.append_data(&mut header, "hosts", vec![b'x'; 100_000].as_slice()).unwrap();
    (stat("hosts", false), builder.into_inner().unwrap()).into_response()
}

async fn office() -> Office {
    let asked = Asked::default();
    let top = async |Query(given): Parameters, State(asked): State<Asked>| {
        asked.note("top", &given, &[]);
        json!({"Titles": ["PID", "CMD"], "Processes": [["1", "httpd"], ["7", "sh"]]}).to_string()
    };
    let head = async |Query(given): Parameters| match given["path"].as_str() {
        "/data" => (stat("data", true), ()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    let put = async |State(asked): State<Asked>, Query(given): Parameters, body: Bytes| {
        asked.note("PUT archive", &given, &body);
        StatusCode::OK
    };
    let build = async |State(asked): State<Asked>, Query(given): Parameters, body: Bytes| {
        asked.note("build", &given, &body);
        let last = match given["t"].as_str() {
            "shop-broken" => json!({"error": "the step failed", "errorDetail": {"message": "x"}}),
            _ => json!({"stream": "Successfully tagged\n"}),
        };
        format!(
            "{}\r\n{}\n{last}\n",
            json!({"stream": "Step 1/2 : FROM x\n"}),
            json!({"status": "Pulling", "progressDetail": {"total": 3}})
        )
    };
    let image = async |Path(name): Path<String>| match name.as_str() {
        "there/json" | "example/web:1/json" => "{}".into_response(),
        _ => (StatusCode::NOT_FOUND, json!({"message": "no such image"}).to_string()).into_response(),
    };
    let pull = async |State(asked): State<Asked>, Query(given): Parameters| {
        asked.note("pull", &given, &[]);
        match given["fromImage"].as_str() {
            "example/secret:1" => json!({"error": "pull access denied"}).to_string(),
            _ => json!({"status": "Status: Downloaded newer image"}).to_string() + "\n",
        }
    };
    let router = Router::new()
        .route("/containers/{id}/top", get(top))
        .route("/containers/{id}/archive", get(read_archive).head(head).put(put))
        .route("/build", post(build))
        .route("/images/{*name}", get(image))
        .route("/images/create", post(pull))
        .route("/_ping", get(async || "OK"))
        .with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = shop(with_access).await;
    world.change("1h1", &json!({"actions": ["deactivate", "dockersocket"]}));
    *world.engine.lock().unwrap() = Some(listener.local_addr().unwrap());
    let engine = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Office { world, asked, engine }
}

#[tokio::test]
async fn processes_of_one_and_of_many() {
    let office = office().await;
    office.world.golden("top", "top shop/web").await;
    assert_eq!(office.world.run("top shop-db-1 --ps aux --format json").await.code, 0);
    assert_eq!(office.asked.last().1["ps_args"], "aux");
    office.world.change("1i3", &json!({"state": "stopped"}));
    let done = office.world.run("top shop/db").await;
    assert_eq!((done.code, done.err.contains("no container of them is running")), (1, true), "{done:?}");
}

#[tokio::test]
async fn files_are_copied_both_ways() {
    let office = office().await;
    let world = &office.world;
    assert_eq!(world.run("cp shop-web-1:/etc/hosts here").await.code, 0);
    assert_eq!(std::fs::read(world.folder.path().join("here")).unwrap().len(), 100_000);
    assert_eq!(world.run("cp shop/web:/etc/hosts .").await.code, 0);
    assert!(world.folder.path().join("hosts").is_file());
    let done = world.run("cp shop-web-1:/nope .").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("Could not find the file /nope"), "{}", done.err);
    let done = world.run("cp shop-web-1:/etc/hosts -").await;
    assert_eq!((done.code, done.out.len() > 100_000), (0, true));

    world.file("up/a.txt", "A");
    world.file("up/deep/b.txt", "B");
    let entries = |office: &Office| -> Vec<String> {
        let body = office.asked.last().2;
        let mut archive = tar::Archive::new(body.as_slice());
        let entries = archive.entries().unwrap();
        let mut paths: Vec<String> = entries
            .map(|entry| {
                entry.unwrap().path().unwrap().display().to_string().trim_end_matches('/').to_owned()
            })
            .collect();
        paths.sort();
        paths
    };
    // Into a folder that there is, under its own name.
    assert_eq!(world.run("cp up shop-web-1:/data").await.code, 0);
    assert_eq!(entries(&office), ["up", "up/a.txt", "up/deep", "up/deep/b.txt"]);
    assert_eq!(office.asked.last().1["path"], "/data");
    // To a new name.
    assert_eq!(world.run("cp -a up/a.txt shop-web-1:/srv/new.txt").await.code, 0);
    let (_, given, _) = office.asked.last();
    assert_eq!((given["path"].as_str(), given["copyUIDGID"].as_str()), ("/srv", "true"));
    assert_eq!(entries(&office), ["new.txt"]);
    assert_eq!(world.run_with("cp - shop-web-1:/data", world.variables(), "tar").await.code, 0);
    assert_eq!(office.asked.last().2, b"tar");
    for wrong in ["cp a b", "cp shop-web-1:/a shop-web-2:/b"] {
        assert_eq!(world.run(wrong).await.code, 2, "{wrong}");
    }
    assert_eq!(world.run("cp nope shop-web-1:/data").await.code, 1);
}

#[tokio::test]
async fn images_are_built_on_hosts() {
    let office = office().await;
    let world = &office.world;
    world.file(
        "docker-compose.yml",
        "services:\n  app:\n    build: ./app\n  there:\n    image: there\n    build: ./app\n",
    );
    world.file("app/Dockerfile", "FROM x\n");
    world.file("app/main.c", "int main;\n");
    world.golden("build", "build -s shop").await;
    let builds = office.asked.lines().iter().filter(|line| *line == "build").count();
    assert_eq!(builds, 2);
    let done = world.run("build -s shop app --build-arg V=1 --no-cache --quiet").await;
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "shop-app\n", ""), "{done:?}");
    let (_, given, body) = office.asked.last();
    assert_eq!((given["buildargs"].as_str(), given["nocache"].as_str()), ("{\"V\":\"1\"}", "1"));
    assert!(String::from_utf8_lossy(&body).contains("int main;"));

    world.file("broken.yml", "services:\n  broken:\n    build: ./app\n");
    let done = world.run("build -s shop -f broken.yml").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("could not build shop-broken on alpha: the step failed"), "{}", done.err);
    world.file("none.yml", "services:\n  none:\n    build: ./nothing\n");
    let done = world.run("build -s shop -f none.yml").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("is no folder"), "{}", done.err);
}

#[tokio::test]
async fn images_are_fetched_on_hosts() {
    let office = office().await;
    let world = &office.world;
    world.file(
        "docker-compose.yml",
        "services:\n  web:\n    image: example/web:1\n  new:\n    image: example/new\n",
    );
    assert_eq!(world.run("pull -s shop --quiet").await.out, "example/new\nexample/web:1\n");
    assert_eq!(office.asked.last().1["fromImage"], "example/web:1");
    assert_eq!(office.asked.lines(), ["pull", "pull"]);
    // Only what is there already is made new.
    assert_eq!(world.run("pull -s shop --cached --quiet").await.code, 0);
    assert_eq!(office.asked.lines().len(), 3);
    world.file("denied.yml", "services:\n  web:\n    image: example/secret:1\n");
    let done = world.run("pull -f denied.yml").await;
    assert_eq!(done.code, 1);
    assert!(
        done.err.contains("could not fetch example/secret:1 on alpha: pull access denied"),
        "{}",
        done.err
    );
}

#[tokio::test]
async fn other_programs_reach_the_engine() {
    let office = office().await;
    let world = &office.world;
    let answer = world.folder.path().join("answer");
    let script = world.file(
        "ask.sh",
        &format!(
            "curl -sS --unix-socket \"${{DOCKER_HOST#unix://}}\" http://docker/_ping > {}\nexit 7\n",
            answer.display()
        ),
    );
    let done = world.run(&format!("docker --host alpha --program sh {}", script.display())).await;
    assert_eq!((done.code, done.err.as_str()), (7, ""), "the exit code is that of the program");
    assert_eq!(std::fs::read_to_string(&answer).unwrap(), "OK");
    let done = world.run("docker --host alpha --program no-such-program-here").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("could not run `no-such-program-here`"), "{}", done.err);
    let mut variables = world.variables();
    variables.insert("LARIAT_DOCKER_HOST".into(), "nope".into());
    let done = world.run_with("docker --program true", variables, "").await;
    assert!(done.err.contains("there is no host `nope`"), "{}", done.err);
    // Where the server does not offer it, it says so.
    world.change("1h1", &json!({"actions": ["deactivate"]}));
    let done = world.run("docker --program true").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("`dockersocket` is not possible while host"), "{}", done.err);
}
