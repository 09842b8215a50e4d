//! A server with a real store on a port of its own, and the few words that tests say to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use contract_link::{BoxedIo, FrameReader, FrameWriter};
use contract_protocol::{StreamFrame, StreamRequest};
use contract_values::{ContainerId, HostId, ProjectId, Secret, Timestamp};
use control_http::{
    AgentAcceptor, AgentLinks, App, Clock, OpenStreamError, Random, ServerSettings, ensure_installed, router,
};
use control_model::{
    AgentLink, Container, ContainerDecision, ContainerIntent, ContainerObservation, Host, HostIntent,
    HostObservation, Kind, Origin, RunReport, Transaction,
};
use control_store::{Store, StoreOptions};
use rand::Rng;
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a host's stream does in these tests.
pub struct FakeAgents {
    pub asked: Mutex<Vec<(HostId, StreamRequest)>>,
    pub connected: Mutex<Vec<(HostId, SocketAddr)>>,
}

#[async_trait]
impl AgentLinks for FakeAgents {
    async fn open_stream(&self, host: HostId, request: StreamRequest) -> Result<BoxedIo, OpenStreamError> {
        self.asked.lock().unwrap().push((host, request.clone()));
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let (reader, writer) = tokio::io::split(theirs);
        tokio::spawn(async move {
            let mut reader = FrameReader::new(reader);
            let mut writer = FrameWriter::new(writer);
            match request {
                StreamRequest::Exec(request) => {
                    let hello = format!("run {}\n", request.command.join(" "));
                    writer.write_stream_frame(&StreamFrame::Output(hello.into_bytes())).await.unwrap();
                    while let Ok(Some(frame)) = reader.read_stream_frame().await {
                        match frame {
                            StreamFrame::Input(bytes) if bytes == b"exit\n" => break,
                            StreamFrame::Input(bytes) => {
                                if writer.write_stream_frame(&StreamFrame::Output(bytes)).await.is_err() {
                                    return;
                                }
                            }
                            StreamFrame::InputEnd => break,
                            other => {
                                let text = format!("{other:?}").into_bytes();
                                writer.write_stream_frame(&StreamFrame::Error(text)).await.unwrap();
                            }
                        }
                    }
                    let _ = writer.write_stream_frame(&StreamFrame::End { code: Some(3) }).await;
                }
                StreamRequest::Logs(_) => {
                    for frame in [
                        StreamFrame::Output(b"one\ntw".to_vec()),
                        StreamFrame::Error(b"bad\n".to_vec()),
                        StreamFrame::Output(b"o\n".to_vec()),
                        StreamFrame::End { code: None },
                    ] {
                        writer.write_stream_frame(&frame).await.unwrap();
                    }
                }
                StreamRequest::Stats { docker_ids } => {
                    for id in docker_ids {
                        let sample = json!({"id": id, "memory_stats": {"usage": 5, "limit": 9}});
                        let frame = StreamFrame::Output(sample.to_string().into_bytes());
                        writer.write_stream_frame(&frame).await.unwrap();
                    }
                    let _ = writer.write_stream_frame(&StreamFrame::End { code: None }).await;
                }
                StreamRequest::HostStats => {
                    let frame = StreamFrame::Output(br#"{"at":0,"memory_free":7}"#.to_vec());
                    writer.write_stream_frame(&frame).await.unwrap();
                    let _ = writer.write_stream_frame(&StreamFrame::End { code: None }).await;
                }
                StreamRequest::DockerSocket => {
                    while let Ok(Some(StreamFrame::Input(bytes))) = reader.read_stream_frame().await {
                        let answer = [b"engine: ".as_slice(), &bytes].concat();
                        writer.write_stream_frame(&StreamFrame::Output(answer)).await.unwrap();
                    }
                    let _ = writer.write_stream_frame(&StreamFrame::End { code: None }).await;
                }
                StreamRequest::Inspect { .. }
                | StreamRequest::Top { .. }
                | StreamRequest::PathStat { .. }
                | StreamRequest::CopyOut { .. }
                | StreamRequest::CopyIn(_)
                | StreamRequest::Build(_)
                | StreamRequest::Unknown => {}
            }
        });
        Ok(Box::new(ours))
    }
}

#[async_trait]
impl AgentAcceptor for FakeAgents {
    async fn accept(&self, host: HostId, remote: SocketAddr, mut io: BoxedIo) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        self.connected.lock().unwrap().push((host, remote));
        let mut bytes = [0; 5];
        if io.read_exact(&mut bytes).await.is_ok() {
            bytes.reverse();
            let _ = io.write_all(&bytes).await;
            let _ = io.flush().await;
            let _ = io.read(&mut bytes).await;
        }
    }
}

/// A server and its administrator's key.
pub struct World {
    pub address: SocketAddr,
    pub store: Store,
    pub agents: Arc<FakeAgents>,
    pub admin: Keys,
    pub password: String,
    pub http: reqwest::Client,
    stop: watch::Sender<bool>,
    folder: tempfile::TempDir,
}

/// A pair of keys; empty for nobody.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pub public: String,
    pub secret: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// The id of the document.
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {}", self.text)).to_owned()
    }

    /// `status code fieldName` of an error, or just the status.
    pub fn outcome(&self) -> String {
        match (self.body["code"].as_str(), self.body["fieldName"].as_str()) {
            (Some(code), Some(field)) if self.status >= 400 => format!("{} {code} {field}", self.status),
            (Some(code), None) if self.status >= 400 => format!("{} {code}", self.status),
            _ => self.status.to_string(),
        }
    }

    /// The given field of each row of a list.
    pub fn column(&self, field: &str) -> Vec<String> {
        self.body["data"]
            .as_array()
            .unwrap_or_else(|| panic!("no list in {}", self.text))
            .iter()
            .map(|row| row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned))
            .collect()
    }
}

pub const COMPOSE: &str = "\
version: '2'
services:
  web:
    image: nginx:1.27
    ports: ['8080:80']
    depends_on: [app]
  app:
    image: example/app
    environment: {DATABASE: db}
    scale: 2
";

impl World {
    pub async fn start() -> Self {
        Self::start_with(ServerSettings::default()).await
    }

    /// Starts a server with what an operator set.
    pub async fn start_with(settings: ServerSettings) -> Self {
        // A second test of this process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("lariat.db").display());
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        let clock: Clock = Arc::new(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            Timestamp(i64::try_from(now.as_millis()).unwrap())
        });
        let random: Random = Arc::new(|bytes: &mut [u8]| rand::rng().fill_bytes(bytes));
        let mut installation =
            ensure_installed(&store, Secret::new("07".repeat(32)), &random, clock()).await.unwrap();
        let first = installation.first.take().expect("the database is fresh");
        let agents =
            Arc::new(FakeAgents { asked: Mutex::new(Vec::new()), connected: Mutex::new(Vec::new()) });
        let program = folder.path().join("agent");
        std::fs::write(&program, b"#!/bin/sh\necho agent\n").unwrap();
        let (stop, shutdown) = watch::channel(false);
        let app = App {
            store: store.clone(),
            clock,
            random,
            agents: agents.clone(),
            acceptor: agents.clone(),
            installation,
            settings: ServerSettings {
                version: "v0.1.0".to_owned(),
                agent_programs: BTreeMap::from([("x86_64".to_owned(), program)]),
                ..settings
            },
            shutdown,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            address,
            store,
            agents,
            admin: Keys { public: first.access_key, secret: first.secret_key.expose().to_owned() },
            password: first.password.expose().to_owned(),
            http: reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap(),
            stop,
            folder,
        }
    }

    /// Where the server keeps its database.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends the server's sockets.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `METHOD /path`, with keys and a body; more headers as pairs.
    pub async fn call(&self, keys: &Keys, request: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
        let (method, path) = request.split_once(' ').unwrap();
        let url = if path.starts_with("http") { path.to_owned() } else { self.url(path) };
        let mut builder = self.http.request(method.parse().unwrap(), url);
        if !keys.public.is_empty() {
            builder = builder.basic_auth(&keys.public, Some(&keys.secret));
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        if !body.is_null() {
            builder = builder.body(body.to_string());
        }
        let response = builder.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()))
            .collect();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, body, text }
    }

    pub async fn admin(&self, request: &str, body: Value) -> Answer {
        self.call(&self.admin, request, body, &[]).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.admin(&format!("GET {path}"), Value::Null).await
    }

    /// Makes an account of a kind with a key.
    pub async fn account(&self, name: &str, kind: &str) -> (String, Keys) {
        let account = self.admin("POST /v2-beta/accounts", json!({"name": name, "kind": kind})).await;
        assert_eq!(account.status, 201, "{}", account.text);
        let key = self.admin("POST /v2-beta/apikeys", json!({"accountId": account.id()})).await;
        assert_eq!(key.status, 201, "{}", key.text);
        (account.id(), keys_of(&key))
    }

    /// Makes a project, and a key of its own.
    pub async fn project(&self, name: &str) -> (String, Keys) {
        let project = self.admin("POST /v2-beta/projects", json!({"name": name})).await;
        assert_eq!(project.status, 201, "{}", project.text);
        let key = self
            .admin(&format!("POST /v2-beta/projects/{}/apikeys", project.id()), json!({"name": "own"}))
            .await;
        assert_eq!(key.status, 201, "{}", key.text);
        (project.id(), keys_of(&key))
    }

    /// Puts a connected host into a project, as the link to its agent would.
    pub async fn host(&self, project: i64, name: &str) -> HostId {
        let id = HostId::new(self.store.reserve_ids(Kind::Host, 1).await.unwrap().start);
        let mut transaction = Transaction::new(Timestamp(1000));
        let intent = HostIntent {
            project: Some(ProjectId::new(project)),
            hostname: name.to_owned(),
            agent_uuid: format!("uuid-of-{name}-{project}"),
            ..HostIntent::default()
        };
        let observation = HostObservation { link: AgentLink::Connected, ..HostObservation::default() };
        transaction.insert_seen::<Host>(id, format!("host-{name}"), intent, Default::default(), observation);
        self.store.commit(transaction).await.unwrap();
        id
    }

    /// Puts a running container on a host, as controller and reports would.
    pub async fn container(&self, project: i64, host: HostId, name: &str, origin: Origin) -> ContainerId {
        let id = ContainerId::new(self.store.reserve_ids(Kind::Container, 1).await.unwrap().start);
        let mut transaction = Transaction::new(Timestamp(1000));
        let stack = match &origin {
            Origin::Service { service, .. } => {
                self.store.snapshot().services.get(*service).and_then(|row| row.intent.stack)
            }
            _ => None,
        };
        let intent = ContainerIntent {
            project: Some(ProjectId::new(project)),
            name: name.to_owned(),
            stack,
            origin,
            ..ContainerIntent::default()
        };
        let decision = ContainerDecision { host: Some(host), ..ContainerDecision::default() };
        let observation = ContainerObservation {
            host: Some(host),
            rank: RunReport::Running,
            docker_id: Some(format!("docker-{name}")),
            ..ContainerObservation::default()
        };
        transaction.insert_seen::<Container>(id, format!("c-{name}"), intent, decision, observation);
        self.store.commit(transaction).await.unwrap();
        id
    }
}

/// The keys in the answer to their creation.
pub fn keys_of(answer: &Answer) -> Keys {
    Keys {
        public: answer.body["publicValue"].as_str().unwrap().to_owned(),
        secret: answer.body["secretValue"].as_str().unwrap().to_owned(),
    }
}
