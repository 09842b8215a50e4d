use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use contract_client::{
    Client, ClientError, ClientOptions, Credentials, Pin, Proxies, Query, ServerAddress, Stack, Trust,
    WatchEvent,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{server::Server, trust};

/// Passes everything on to one server, whatever it is called, and remembers the first line and the key of each request.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(pass_on(stream, server, Arc::clone(&seen)));
            }
        });
        Self { address, heads, task }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn variables(&self) -> Proxies {
        let value = format!("http://user:hush@{}", self.address);
        Proxies::from_variables(|name| ["HTTP_PROXY", "HTTPS_PROXY"].contains(&name).then(|| value.clone()))
    }
}

async fn pass_on(
    mut from: TcpStream,
    server: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let first = text.lines().next().unwrap_or_default().to_owned();
    let key = text.lines().find(|line| line.to_lowercase().starts_with("proxy-authorization")).unwrap_or("");
    seen.lock().unwrap().push(format!("{first} {}", key.split_once(": ").map_or("", |(_, value)| value)));
    let mut to = TcpStream::connect(server).await?;
    if first.starts_with("CONNECT") {
        from.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        to.write_all(&head).await?;
    }
    tokio::io::copy_bidirectional(&mut from, &mut to).await?;
    Ok(())
}

fn options(url: &str, proxy: &Proxy) -> ClientOptions {
    ClientOptions {
        proxies: proxy.variables(),
        ..ClientOptions::new(ServerAddress::parse(url).unwrap(), Credentials::None)
    }
}

/// `user:hush`, as the proxy is told it.
const KEY: &str = "Basic dXNlcjpodXNo";

#[tokio::test]
async fn requests_over_tls_go_through_a_tunnel_and_the_server_is_still_checked() {
    let server = trust::serve().await;
    let proxy = Proxy::to(server.address).await;
    let pin = Pin::of(server.certificate.cert.der());
    let trusting = |pin| ClientOptions { trust: Trust::Pin(pin), ..options("https://server.test", &proxy) };
    let client = Client::new(trusting(pin.clone())).unwrap();
    let stacks: Vec<Stack> = client.list(&Query::all()).await.unwrap();
    assert_eq!(stacks.len(), 0);
    assert_eq!(proxy.heads(), [format!("CONNECT server.test:443 HTTP/1.1 {KEY}")]);
    assert_eq!(client.server_certificate().await.unwrap().unwrap().pin, pin);

    let address = ServerAddress::parse("https://server.test").unwrap();
    let seen = contract_client::peek_certificate(&address, &proxy.variables()).await.unwrap();
    assert_eq!(seen.pin, pin);

    let fooled = Client::new(trusting(Pin::of(b"other"))).unwrap();
    let error = fooled.list::<Stack>(&Query::all()).await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
}

async fn say_hello(mut socket: WebSocket) {
    let change = r#"{"name":"resource.change","data":{"resource":{"id":"1st1","type":"stack"}}}"#;
    let _ = socket.send(Message::Text(change.into())).await;
    while let Some(Ok(_)) = socket.recv().await {}
}

#[tokio::test]
async fn sockets_pass_the_proxy_too() {
    let subscribe = |upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(say_hello) };
    let server =
        Server::routed(Router::new().route("/v2-beta/subscribe", axum::routing::get(subscribe))).await;
    let proxy = Proxy::to(server.address).await;
    let client = Client::new(options("http://server.test:8080", &proxy)).unwrap();
    let mut watch = client.watch();
    assert_eq!(watch.next().await.unwrap(), WatchEvent::Connected);
    let WatchEvent::Changed(resource) = watch.next().await.unwrap() else { panic!("no change came") };
    assert_eq!(resource.meta.id, "1st1");
    let line = "GET http://server.test:8080/v2-beta/subscribe?eventNames=resource.change HTTP/1.1";
    assert_eq!(proxy.heads(), [format!("{line} {KEY}")]);
}

#[tokio::test]
async fn a_proxy_that_is_away_is_an_error_and_loopback_needs_none() {
    let server =
        Server::answering(|_, _, _| crate::server::json(200, &serde_json::json!({"data": []}))).await;
    let gone = Proxy::to(server.address).await;
    gone.task.abort();
    while !gone.task.is_finished() {
        tokio::task::yield_now().await;
    }
    let client = Client::new(options("http://server.test:8080", &gone)).unwrap();
    let error = client.list::<Stack>(&Query::all()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");

    let client = Client::new(options(&format!("http://{}", server.address), &gone)).unwrap();
    client.list::<Stack>(&Query::all()).await.unwrap();
    assert!(gone.heads().is_empty());
}
