//! Takes connections, encrypted or not, and hands their requests to the router.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
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

/// How long requests under way may take to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// How much the door puts up with from whom it does not know.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many connections are open at once; who comes later waits in the kernel's queue.
    pub connections: usize,
    /// A client that does not begin, or does not finish its hello or its headers, is not served.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 16_384, patience: Duration::from_secs(20) }
    }
}

/// A listening socket and what stands behind it.
pub struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
    tasks: TaskTracker,
    limits: Limits,
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
        Self { listener, tls, router, stop, tasks, limits: Limits::default() }
    }

    /// Takes connections until the server stops.
    pub async fn open(self) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let silent = Arc::new(Silent::default());
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = async {
                    let place = match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => place,
                        Err(_) => {
                            // Who has said nothing makes room for who may have something to say.
                            silent.send_away_the_oldest();
                            Arc::clone(&places).acquire_owned().await.expect("nobody closes it")
                        }
                    };
                    (place, self.listener.accept().await)
                } => accepted,
            };
            let (place, (stream, address)) = match accepted {
                (place, Ok(connection)) => (place, connection),
                (_, Err(error)) => {
                    // Out of file descriptors, or a client that went away at once: the next one may have more luck.
                    tracing::warn!(error = &error as &dyn std::error::Error, "could not take a connection");
                    silent.send_away_the_oldest();
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let (tls, router, stop) = (self.tls.clone(), self.router.clone(), self.stop.clone());
            let (silent, patience) = (Arc::clone(&silent), self.limits.patience);
            // It is noted before anything else happens, or the next one would find nobody to send away.
            let (number, away) = silent.enter();
            self.tasks.spawn(async move {
                if silent.until_it_speaks(number, away, &stream, patience, &stop).await {
                    // What serving takes is made when there is somebody to serve.
                    Box::pin(serve(stream, address, tls, router, stop, patience)).await;
                }
                drop(place);
            });
        }
    }
}

/// The connections on which nothing has come yet, oldest first. They are cheap, but they take places.
#[derive(Default)]
struct Silent {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

impl Silent {
    /// Notes a connection, and returns its number and what tells it to go.
    fn enter(&self) -> (u64, CancellationToken) {
        let away = CancellationToken::new();
        let mut waiting = self.waiting.lock().expect("nothing panics while it holds the lock");
        waiting.next += 1;
        let number = waiting.next;
        waiting.connections.insert(number, away.clone());
        (number, away)
    }

    /// Waits for the first byte; false when it does not come in time or the place is needed.
    async fn until_it_speaks(
        &self,
        number: u64,
        away: CancellationToken,
        stream: &TcpStream,
        patience: Duration,
        stop: &CancellationToken,
    ) -> bool {
        let mut first = [0];
        let speaks = tokio::select! {
            // Readiness alone may be a false alarm.
            peeked = tokio::time::timeout(patience, stream.peek(&mut first)) => matches!(peeked, Ok(Ok(1..))),
            () = away.cancelled() => false,
            () = stop.cancelled() => false,
        };
        self.waiting.lock().expect("nothing panics while it holds the lock").connections.remove(&number);
        speaks
    }

    fn send_away_the_oldest(&self) {
        let oldest =
            self.waiting.lock().expect("nothing panics while it holds the lock").connections.pop_first();
        if let Some((_, away)) = oldest {
            away.cancel();
        }
    }
}

async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
    patience: Duration,
) {
    // Keystrokes are small and must not wait for company.
    let _ = stream.set_nodelay(true);
    match tls {
        None => converse(stream, Peer { address, tls: false }, router, stop, patience).await,
        Some(tls) => match tokio::time::timeout(patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, Peer { address, tls: true }, router, stop, patience).await,
            Ok(Err(error)) => {
                tracing::debug!(%address, error = &error as &dyn std::error::Error, "a client did not manage TLS");
            }
            Err(_) => tracing::debug!(%address, "a client did not finish its TLS hello"),
        },
    }
}

async fn converse<T>(stream: T, peer: Peer, router: Router, stop: CancellationToken, patience: Duration)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
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

#[cfg(test)]
mod tests;
