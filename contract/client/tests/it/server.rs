//! A small server: answers that a test chooses, and what was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use contract_client::{Client, ClientOptions, Credentials, ServerAddress};
use contract_values::Secret;
use serde_json::Value;
use tokio::task::JoinHandle;

/// What was asked: method, path with query, authorization, body.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub line: String,
    pub authorization: Option<String>,
    pub body: Value,
}

/// A server on a port of its own, which ends with this.
pub struct Server {
    pub address: SocketAddr,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer in JSON.
pub fn json(status: u16, body: &Value) -> Response {
    let headers = [("content-type", "application/json; charset=utf-8")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}

impl Server {
    /// Answers each request by a function of its method and path, its number and its own address.
    pub async fn answering(
        answer: impl Fn(&str, usize, SocketAddr) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(move |request: Request| {
            let (seen, answer) = (Arc::clone(&seen), answer.clone());
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let authorization =
                    request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
                let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(Asked { line: line.clone(), authorization, body });
                    seen.len()
                };
                answer(&line, number, address)
            }
        });
        Self::serving(listener, router, asked)
    }

    /// Serves a router.
    pub async fn routed(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serving(listener, router, Arc::default())
    }

    fn serving(listener: tokio::net::TcpListener, router: Router, asked: Arc<Mutex<Vec<Asked>>>) -> Self {
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked, task }
    }

    pub fn client(&self) -> Client {
        let address = ServerAddress::parse(&format!("http://{}", self.address)).unwrap();
        let keys = Credentials::Keys { access: "KEY".into(), secret: Secret::new("secret".into()) };
        Client::new(ClientOptions::new(address, keys)).unwrap().in_project("1a5")
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.line.clone()).collect()
    }
}
