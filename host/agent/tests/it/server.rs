//! A small server that speaks what an agent needs: registration, a WebSocket, the protocol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use contract_link::{BoxedIo, FrameReader, FrameWriter, Link, LinkHandle, MessageIo, Received, Side};
use contract_protocol::*;
use contract_values::{ContainerId, Epoch, HostId, Incarnation, Revision};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

#[derive(Debug, Default)]
pub struct State {
    pub refuse: Option<(u16, &'static str)>,
    /// The heads of all requests.
    pub heads: Vec<String>,
    pub bodies: Vec<String>,
    pub hellos: Vec<Hello>,
    pub containers: BTreeMap<(ContainerId, Incarnation), ContainerReport>,
    pub history: Vec<ContainerReport>,
    pub natives: BTreeMap<String, NativeReport>,
    pub facts: Option<HostFacts>,
    pub heartbeats: u64,
    pub assignment: Assignment,
    pub revision: u64,
    sender: Option<mpsc::Sender<ToHost>>,
    pub link: Option<LinkHandle>,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub address: std::net::SocketAddr,
    pub state: Arc<Mutex<State>>,
    _tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Server {
    pub async fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let tasks = Arc::new(Mutex::new(JoinSet::new()));
        let server = Self { address, state: Arc::clone(&state), _tasks: Arc::clone(&tasks) };
        let accepting = async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (state, tls) = (Arc::clone(&state), tls.clone());
                connections.spawn(async move {
                    let io: BoxedIo = match tls {
                        None => Box::new(tcp),
                        Some(config) => match tokio_rustls::TlsAcceptor::from(config).accept(tcp).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    serve(io, state).await;
                });
            }
        };
        tasks.lock().unwrap().spawn(accepting);
        server
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes the assignment and sends it.
    pub fn assign(&self, change: impl FnOnce(&mut Assignment)) {
        let mut state = self.lock();
        change(&mut state.assignment);
        state.revision += 1;
        let message = complete(&state);
        if let Some(sender) = &state.sender {
            sender.try_send(message).unwrap();
        }
    }

    pub async fn until(&self, what: &str, done: impl Fn(&State) -> bool) {
        let begun = Instant::now();
        while !done(&self.lock()) {
            if begun.elapsed() > Duration::from_secs(90) {
                panic!("waited too long for: {what}\n{:#?}", self.lock());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn complete(state: &State) -> ToHost {
    let position = Position { epoch: Epoch(1), revision: Revision(state.revision) };
    ToHost::Complete { position, assignment: state.assignment.clone() }
}

async fn serve(mut io: BoxedIo, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    state.lock().unwrap().heads.push(text.clone());
    let refuse = state.lock().unwrap().refuse;
    if text.starts_with("POST") {
        let length: usize = text
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
            .unwrap();
        let mut body = vec![0; length];
        io.read_exact(&mut body).await.unwrap();
        state.lock().unwrap().bodies.push(String::from_utf8(body).unwrap());
        let (status, body) = match refuse {
            Some((status, message)) => (status, format!(r#"{{"type":"error","message":"{message}"}}"#)),
            None => (201, r#"{"hostId":"1h7","accessKey":"key","secretKey":"s3cret"}"#.to_owned()),
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let _ = io.write_all(answer.as_bytes()).await;
        let _ = io.flush().await;
        return;
    }
    if let Some((status, message)) = refuse {
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{message}", message.len());
        let _ = io.write_all(answer.as_bytes()).await;
        let _ = io.flush().await;
        return;
    }
    let (read, write) = tokio::io::split(io);
    let again = tokio::io::join(std::io::Cursor::new(head).chain(read), write);
    let Ok(socket) = tokio_tungstenite::accept_async(again).await else { return };
    let socket = MessageIo::new(socket, Message::Binary, |message| match message {
        Message::Binary(bytes) => Received::Bytes(bytes),
        Message::Close(_) => Received::End,
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Received::Skip,
        Message::Text(_) => Received::Refused("text"),
    });
    let (handle, driver) = Link::new(socket, Side::Server);
    tokio::select! {
        _ = driver.run() => {}
        () = talk(handle, &state) => {}
    }
    let mut state = state.lock().unwrap();
    state.sender = None;
    state.link = None;
}

async fn talk(handle: LinkHandle, state: &Mutex<State>) {
    let Ok(control) = handle.accept().await else { return };
    let (read, write) = tokio::io::split(control);
    let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
    let Ok(Some(FromHost::Hello(hello))) = reader.read().await else { return };
    let (sender, mut outgoing) = mpsc::channel(64);
    {
        let mut state = state.lock().unwrap();
        state.hellos.push(*hello);
        let welcome = Welcome {
            protocol: 1,
            version: "test".into(),
            epoch: Epoch(1),
            host: HostId::new(7),
            heartbeat_seconds: 2,
        };
        sender.try_send(ToHost::Welcome(welcome)).unwrap();
        sender.try_send(complete(&state)).unwrap();
        state.sender = Some(sender.clone());
        state.link = Some(handle);
    }
    loop {
        tokio::select! {
            Some(message) = outgoing.recv() => if writer.write(&message).await.is_err() { return },
            read = reader.read::<FromHost>() => {
                let Ok(Some(message)) = read else { return };
                let mut state = state.lock().unwrap();
                match message {
                    FromHost::Heartbeat { number, .. } => {
                        state.heartbeats += 1;
                        let _ = sender.try_send(ToHost::HeartbeatSeen { number });
                    }
                    FromHost::Resync { .. } => {
                        let _ = sender.try_send(complete(&state));
                    }
                    FromHost::Report(Report { outbox, sequence, items }) => {
                        for item in items {
                            match item {
                                ReportItem::Container(report) => {
                                    state.history.push((*report).clone());
                                    let key = (report.id, report.incarnation);
                                    let is_newer = state
                                        .containers
                                        .get(&key)
                                        .is_none_or(|old| (old.starts, old.rank) <= (report.starts, report.rank));
                                    if is_newer {
                                        state.containers.insert(key, *report);
                                    }
                                }
                                ReportItem::Native(report) => {
                                    state.natives.insert(report.docker_id.clone(), *report);
                                }
                                ReportItem::NativeGone { docker_id } => {
                                    state.natives.remove(&docker_id);
                                }
                                ReportItem::NativeList { docker_ids } => {
                                    state.natives.retain(|id, _| docker_ids.contains(id));
                                }
                                ReportItem::Host(facts) => state.facts = Some(*facts),
                                ReportItem::Volume(_) => {}
                            }
                        }
                        let _ = sender.try_send(ToHost::Acknowledge { outbox, sequence });
                    }
                    _ => {}
                }
            }
        }
    }
}
