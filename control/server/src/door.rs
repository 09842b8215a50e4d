//! Takes connections, encrypted or not, and hands their requests to the router.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use control_http::Peer;
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many connections are served at once; who comes later waits in the kernel's queue.
const CONNECTIONS: usize = 4096;
/// A client that does not finish its hello or its headers is not served.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long requests under way may take to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// A listening socket and what stands behind it.
pub struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    /// Makes a door; connections become tasks of `tasks` and end in order after `stop`.
    pub fn new(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        router: Router,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self { listener, tls, router, stop, tasks }
    }

    /// Takes connections until the server stops.
    pub async fn open(self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = async {
                    let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
                    (place, self.listener.accept().await)
                } => accepted,
            };
            let (place, (stream, address)) = match accepted {
                (place, Ok(connection)) => (place, connection),
                (_, Err(error)) => {
                    // Out of file descriptors, or a client that went away at once: the next one may have more luck.
                    tracing::warn!(error = &error as &dyn std::error::Error, "could not take a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let (tls, router, stop) = (self.tls.clone(), self.router.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                serve(stream, address, tls, router, stop).await;
                drop(place);
            });
        }
    }
}

async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    // Keystrokes are small and must not wait for company.
    let _ = stream.set_nodelay(true);
    match tls {
        None => converse(stream, Peer { address, tls: false }, router, stop).await,
        Some(tls) => match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, Peer { address, tls: true }, router, stop).await,
            Ok(Err(error)) => {
                tracing::debug!(%address, error = &error as &dyn std::error::Error, "a client did not manage TLS");
            }
            Err(_) => tracing::debug!(%address, "a client did not finish its TLS hello"),
        },
    }
}

async fn converse<T>(stream: T, peer: Peer, router: Router, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(address = %peer.address, error = &*error, "a connection ended badly");
    }
}
