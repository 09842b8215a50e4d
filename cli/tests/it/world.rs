//! A small server: collections of objects, and what commands did to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use clap::Parser as _;
use futures_util::{SinkExt as _, StreamExt as _};
use lariat_cli::{Cli, Io};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// Milliseconds at which all tests play: 2026-01-31T12:00:00Z.
pub const NOW: i64 = 1_769_860_800_000;

/// What a command's change of an object causes: it gets verb, action, the object and the input, and changes the world.
pub type Rule = dyn Fn(&mut Objects, &str, &str, &Value) -> Option<(u16, Value)> + Send + Sync;

/// All objects, by collection.
#[derive(Default)]
pub struct Objects {
    pub collections: BTreeMap<String, Vec<Value>>,
    changes: Option<broadcast::Sender<Value>>,
}

impl Objects {
    pub fn find(&mut self, id: &str) -> Option<&mut Value> {
        self.collections.values_mut().flatten().find(|object| object["id"] == id)
    }

    pub fn put(&mut self, plural: &str, object: Value) {
        self.collections.entry(plural.to_owned()).or_default().push(object);
    }

    /// Changes fields of an object and tells subscribers.
    pub fn change(&mut self, id: &str, fields: &Value) {
        let Some(object) = self.find(id) else { return };
        for (name, value) in fields.as_object().unwrap() {
            object[name] = value.clone();
        }
        let object = object.clone();
        if let Some(changes) = &self.changes {
            let _ = changes.send(object);
        }
    }

    pub fn remove(&mut self, id: &str) {
        self.change(id, &json!({"state": "removed"}));
        for list in self.collections.values_mut() {
            list.retain(|object| object["id"] != id);
        }
    }
}

/// What a socket says.
pub type Frames = Vec<Message>;

pub struct World {
    pub objects: Arc<Mutex<Objects>>,
    pub asked: Arc<Mutex<Vec<(String, Value)>>>,
    pub sockets: Arc<Mutex<BTreeMap<String, Frames>>>,
    pub address: SocketAddr,
    /// Where the engine of every host is, if there is one.
    pub engine: Arc<Mutex<Option<SocketAddr>>>,
    pub folder: tempfile::TempDir,
    /// How many listeners to changes there have been.
    listeners: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a command wrote, and its exit code.
#[derive(Debug)]
pub struct Done {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl Done {
    /// All of it, for golden texts; addresses and folders of the run are replaced.
    pub fn transcript(&self, world: &World, command: &str) -> String {
        let text = format!(
            "$ lariat {command}\n--- output\n{}--- messages\n{}--- exit code {}\n",
            self.out, self.err, self.code
        );
        without_seconds(&text)
            .replace(&world.address.to_string(), "SERVER")
            .replace(world.folder.path().to_str().unwrap(), "FOLDER")
    }
}

/// Puts `N` for the seconds that something took.
fn without_seconds(text: &str) -> String {
    let mut parts = text.split(" in ");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let is_time = digits > 0 && part[digits..].starts_with(" s\n");
        all.push_str(" in ");
        all.push_str(if is_time { "N" } else { "" });
        all.push_str(if is_time { &part[digits..] } else { part });
    }
    all
}

pub fn error(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({"id": "e-1", "type": "error", "status": status, "code": code, "message": message}))
}

fn answer(status: u16, body: &Value) -> Response {
    let headers = [("content-type", "application/json; charset=utf-8"), ("x-rancher-version", "9.9.9")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}

impl World {
    /// A server with nothing but one environment.
    pub async fn empty() -> Self {
        Self::with(|_, _, _, _| None).await
    }

    pub async fn with(
        rule: impl Fn(&mut Objects, &str, &str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        let (changes, _) = broadcast::channel(64);
        let mut objects = Objects { changes: Some(changes.clone()), ..Objects::default() };
        objects
            .put("projects", json!({"id": "1a5", "type": "project", "name": "Default", "state": "active"}));
        let objects = Arc::new(Mutex::new(objects));
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let sockets: Arc<Mutex<BTreeMap<String, Frames>>> = Arc::default();
        let engine: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let (heard, listeners) = watch::channel(0);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server {
            objects: Arc::clone(&objects),
            asked: Arc::clone(&asked),
            sockets: Arc::clone(&sockets),
            engine: Arc::clone(&engine),
            rule: Arc::new(rule),
            changes,
            listeners: Arc::new(heard),
            address,
        };
        let router = Router::new().fallback(move |request: Request| {
            let server = server.clone();
            async move { server.serve(request).await }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            objects,
            asked,
            sockets,
            address,
            engine,
            folder: tempfile::tempdir().unwrap(),
            listeners,
            task,
        }
    }

    pub fn put(&self, plural: &str, object: Value) {
        self.objects.lock().unwrap().put(plural, object);
    }

    pub fn change(&self, id: &str, fields: &Value) {
        self.objects.lock().unwrap().change(id, fields);
    }

    /// Waits until somebody listens to changes: what happens from now on, he hears.
    pub async fn somebody_listens(&self) {
        let mut listeners = self.listeners.clone();
        let first = listeners.wait_for(|listeners| *listeners > 0);
        let outcome = tokio::time::timeout(Duration::from_secs(20), first).await;
        assert!(outcome.is_ok(), "nobody listens to changes; asked so far: {:?}", self.asked.lock().unwrap());
    }

    /// Everything but questions, as `METHOD path`, with the input.
    pub fn orders(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().iter().filter(|(line, _)| !line.starts_with("GET")).cloned().collect()
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn variables(&self) -> BTreeMap<String, String> {
        [
            ("LARIAT_URL", format!("http://{}", self.address)),
            ("LARIAT_ACCESS_KEY", "KEY".to_owned()),
            ("LARIAT_SECRET_KEY", "secret".to_owned()),
            ("HOME", self.folder.path().join("home").display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub async fn run(&self, command: &str) -> Done {
        self.run_with(command, self.variables(), "").await
    }

    pub async fn run_with(&self, command: &str, variables: BTreeMap<String, String>, input: &str) -> Done {
        let arguments = std::iter::once("lariat").chain(command.split_whitespace());
        let cli = Cli::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}"));
        let (io, out, err) = Io::captured(variables, self.folder.path().to_owned(), input, NOW);
        let code = lariat_cli::run(cli.globals, cli.command, io).await;
        Done { out: out.text(), err: err.text(), code }
    }

    /// Runs a command and compares all that it wrote.
    pub async fn golden(&self, name: &str, command: &str) -> Done {
        let done = self.run(command).await;
        crate::golden::check(name, &done.transcript(self, command));
        done
    }
}

#[derive(Clone)]
struct Server {
    objects: Arc<Mutex<Objects>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    sockets: Arc<Mutex<BTreeMap<String, Frames>>>,
    engine: Arc<Mutex<Option<SocketAddr>>>,
    rule: Arc<Rule>,
    changes: broadcast::Sender<Value>,
    listeners: Arc<watch::Sender<usize>>,
    address: SocketAddr,
}

impl Server {
    async fn serve(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let path = parts.uri.path().trim_end_matches('/').to_owned();
        let query: Vec<(String, String)> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.replace('+', " ")))
            .collect();
        let value =
            |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let action = value("action").unwrap_or_default().to_owned();
        let method = parts.method.to_string();
        let shown = if action.is_empty() { path.clone() } else { format!("{path}?action={action}") };
        self.asked
            .lock()
            .unwrap()
            .push((format!("{method} {}", shown.replace("/v2-beta", "")), body.clone()));

        let engine = *self.engine.lock().unwrap();
        if let ("/v1/dockersocket", Some(engine)) = (path.as_str(), engine) {
            let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
            return upgrade.protocols(["lariat.frames"]).on_upgrade(move |socket| bridge(socket, engine));
        }
        if path.starts_with("/v1/") {
            let key = format!("{path}?{}", value("token").unwrap_or_default());
            let frames = self.sockets.lock().unwrap().get(&key).cloned();
            let Some(frames) = frames else {
                return answer(401, &error(401, "Unauthorized", "no such socket").1);
            };
            let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
            return upgrade.protocols(["lariat.frames"]).on_upgrade(move |socket| say(socket, frames));
        }
        let inner = path.strip_prefix("/v2-beta").unwrap_or(&path);
        let steps: Vec<&str> = inner.split('/').filter(|step| !step.is_empty()).collect();
        let steps = match steps.as_slice() {
            ["projects", _, rest @ ..] if !rest.is_empty() => rest.to_vec(),
            _ => steps,
        };
        match (method.as_str(), steps.as_slice()) {
            ("GET", ["ping"]) => answer(200, &json!("pong")),
            ("GET", ["subscribe"]) => {
                let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
                let changes = self.changes.subscribe();
                self.listeners.send_modify(|listeners| *listeners += 1);
                let server = self.clone();
                upgrade.on_upgrade(move |socket| server.tell(socket, changes))
            }
            ("GET", ["schemas"]) => {
                let types = [
                    "secret",
                    "network",
                    "registry",
                    "registryCredential",
                    "certificate",
                    "apiKey",
                    "account",
                    "password",
                    "project",
                    "projectMember",
                    "setting",
                    "auditLog",
                    "registrationToken",
                ];
                let mut data: Vec<Value> = types.iter().map(|id| json!({ "id": id })).collect();
                data.push(json!({"id": "containerExec", "resourceFields": {"user": {}, "workingDir": {}}}));
                answer(200, &json!({ "data": data }))
            }
            ("GET", [plural]) => {
                let objects = self.objects.lock().unwrap();
                let filters: Vec<&(String, String)> = query
                    .iter()
                    .filter(|(name, _)| ["name", "stackId", "state"].contains(&name.as_str()))
                    .collect();
                let data: Vec<Value> = objects
                    .collections
                    .get(*plural)
                    .into_iter()
                    .flatten()
                    .filter(|object| filters.iter().all(|(name, value)| object[name] == **value))
                    .map(|object| self.shown(plural, object))
                    .collect();
                answer(200, &json!({"type": "collection", "data": data, "pagination": null}))
            }
            ("GET", [plural, id]) => match self.objects.lock().unwrap().find(id) {
                Some(object) => answer(200, &self.shown(plural, object)),
                None => answer(404, &error(404, "Not Found", "there is no such object").1),
            },
            (_, [plural, rest @ ..]) => {
                let id = rest.first().copied().unwrap_or_default();
                let what = if action.is_empty() { method.clone() } else { action };
                let mut objects = self.objects.lock().unwrap();
                if let Some((status, body)) =
                    (self.rule)(&mut objects, &what, if id.is_empty() { plural } else { id }, &body)
                {
                    return answer(status, &body);
                }
                if what == "PUT" {
                    objects.change(id, &body);
                }
                if what == "DELETE" {
                    objects.remove(id);
                    return answer(200, &json!({"id": id, "state": "removing"}));
                }
                match objects.find(id) {
                    Some(object) => answer(200, &self.shown(plural, object)),
                    None => answer(404, &error(404, "Not Found", "there is no such object").1),
                }
            }
            _ => answer(404, &error(404, "Not Found", "nothing is here").1),
        }
    }

    /// An object with the links of its actions.
    fn shown(&self, plural: &str, object: &Value) -> Value {
        let mut object = object.clone();
        let actions: serde_json::Map<String, Value> = object["actions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|action| {
                let id = object["id"].as_str().unwrap_or_default();
                let at_root = ["projects", "apikeys", "accounts", "passwords", "settings"].contains(&plural);
                let scope = if at_root { "" } else { "projects/1a5/" };
                let link = format!("http://{}/v2-beta/{scope}{plural}/{id}/?action={action}", self.address);
                (action.to_owned(), link.into())
            })
            .collect();
        object["actions"] = actions.into();
        object
    }

    async fn tell(self, mut socket: WebSocket, mut changes: broadcast::Receiver<Value>) {
        let ping = json!({"name": "ping", "data": {"resources": [], "options": {}}});
        if socket.send(Message::Text(ping.to_string().into())).await.is_err() {
            return;
        }
        while let Ok(change) = changes.recv().await {
            let plural = format!("{}s", change["type"].as_str().unwrap_or_default());
            let event =
                json!({"name": "resource.change", "data": {"resource": self.shown(&plural, &change)}});
            if socket.send(Message::Text(event.to_string().into())).await.is_err() {
                return;
            }
        }
    }
}

/// Carries a connection to the engine, as the server does.
async fn bridge(socket: WebSocket, engine: SocketAddr) {
    let (mut reader, mut writer) = tokio::net::TcpStream::connect(engine).await.unwrap().into_split();
    let (mut sink, mut stream) = socket.split();
    let up = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(bytes) = message else { continue };
            match bytes.split_first() {
                Some((0, payload)) => writer.write_all(payload).await.unwrap(),
                Some((4, _)) => writer.shutdown().await.unwrap(),
                _ => {}
            }
        }
    };
    let down = async {
        let mut buffer = vec![0; 4096];
        loop {
            let read = reader.read(&mut buffer).await.unwrap_or(0);
            let frame = if read == 0 { vec![5] } else { [&[1], &buffer[..read]].concat() };
            if sink.send(Message::Binary(frame.into())).await.is_err() || read == 0 {
                break;
            }
        }
        let _ = sink.send(Message::Close(Some(CloseFrame { code: 1000, reason: "".into() }))).await;
    };
    tokio::select! {
        () = down => {}
        () = async { up.await; std::future::pending::<()>().await } => {}
    }
}

async fn say(mut socket: WebSocket, frames: Frames) {
    for frame in frames {
        if socket.send(frame).await.is_err() {
            return;
        }
    }
    let _ = socket.send(Message::Close(Some(CloseFrame { code: 1000, reason: "".into() }))).await;
    while let Some(Ok(_)) = socket.recv().await {}
}

/// A stack.
pub fn stack(id: &str, name: &str) -> Value {
    json!({
        "id": id, "type": "stack", "name": name, "state": "active", "transitioning": "no", "healthState": "healthy",
        "createdTS": NOW - 7_200_000, "actions": ["activateservices", "deactivateservices", "upgrade", "remove"],
    })
}

/// A service that is ready.
pub fn service(id: &str, stack: &str, name: &str, scale: u32) -> Value {
    json!({
        "id": id, "type": "service", "name": name, "stackId": stack, "state": "active", "transitioning": "no",
        "healthState": "healthy", "scale": scale, "currentScale": scale, "createdTS": NOW - 3_600_000,
        "launchConfig": {"imageUuid": format!("docker:example/{name}:1")},
        "actions": ["activate", "deactivate", "restart", "remove", "update"],
    })
}

/// A container that runs.
pub fn container(id: &str, stack: &str, service: &str, name: &str) -> Value {
    json!({
        "id": id, "type": "container", "name": name, "stackId": stack, "serviceId": service, "state": "running",
        "transitioning": "no", "imageUuid": "docker:example/web:1", "hostId": "1h1", "hostName": "alpha",
        "primaryIpAddress": "10.42.1.2", "createdTS": NOW - 90_000, "startCount": 1,
        "externalId": format!("{id}0123456789ab"), "actions": ["stop", "restart", "execute", "logs", "update"],
    })
}

/// A host that works.
pub fn host(id: &str, name: &str) -> Value {
    json!({
        "id": id, "type": "host", "hostname": name, "state": "active", "agentState": "active",
        "transitioning": "no", "agentIpAddress": "10.0.0.1", "createdTS": NOW - 86_400_000,
        "instanceIds": ["1i1", "1i2"], "info": {"osInfo": {"dockerVersion": "Docker version 20.10.24, build 297e128",
        "operatingSystem": "Debian 12"}}, "actions": ["deactivate", "update"],
    })
}

/// A shop: two services, three containers, a host, a volume.
pub async fn shop(
    rule: impl Fn(&mut Objects, &str, &str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> World {
    let world = World::with(rule).await;
    world.put("stacks", stack("1st1", "shop"));
    world.put("services", service("1s1", "1st1", "web", 2));
    world.put("services", service("1s2", "1st1", "db", 1));
    for (id, service, name) in
        [("1i1", "1s1", "shop-web-1"), ("1i2", "1s1", "shop-web-2"), ("1i3", "1s2", "shop-db-1")]
    {
        world.put("containers", container(id, "1st1", service, name));
    }
    world.put("hosts", host("1h1", "alpha"));
    world.put(
        "volumes",
        json!({"id": "1v1", "type": "volume", "name": "shop_data_x1y2z", "state": "active", "driver": "local",
               "stackId": "1st1", "hostId": "1h1", "createdTS": NOW - 60_000, "mounts": [{"instanceName": "shop-db-1"}],
               "transitioning": "no", "actions": []}),
    );
    world
}
