//! The multiplexer and the future that drives it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

use crate::LinkError;

/// How many streams each side may have opened at a time.
pub const MAX_STREAMS: usize = 128;

/// How many streams may wait for [`LinkHandle::accept`]; what comes above that is reset.
const ACCEPT_QUEUE: usize = 64;

/// How long a close may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that was dialled.
    Server,
    /// The one that dialled.
    Agent,
}

/// Settings of a link.
#[derive(Clone, Copy, Debug)]
pub struct LinkOptions {
    /// After so long without a byte from the peer the link is given up. Whoever sets it sees to it that each side
    /// sends something more often than that, as the heartbeats of the control stream do.
    pub silence: Duration,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { silence: Duration::from_secs(60) }
    }
}

/// Makes links.
#[derive(Debug)]
pub struct Link;

impl Link {
    /// Puts a link over a byte connection, with the default options.
    #[expect(clippy::new_ret_no_self, reason = "a link is its handle and its driver")]
    pub fn new<T: AsyncRead + AsyncWrite + Unpin>(io: T, side: Side) -> (LinkHandle, LinkDriver<T>) {
        Self::with_options(io, side, LinkOptions::default())
    }

    /// Puts a link over a byte connection.
    pub fn with_options<T: AsyncRead + AsyncWrite + Unpin>(
        io: T,
        side: Side,
        options: LinkOptions,
    ) -> (LinkHandle, LinkDriver<T>) {
        let mut config = yamux::Config::default();
        // Room above what both sides may open, because a stream counts until its end has travelled.
        let streams = 4 * MAX_STREAMS;
        config.set_max_num_streams(streams);
        config.set_max_connection_receive_window(Some(streams * 256 * 1024));
        let mode = match side {
            Side::Agent => yamux::Mode::Client,
            Side::Server => yamux::Mode::Server,
        };
        let heard = Arc::new(AtomicBool::new(false));
        let io = HeardIo { io, heard: Arc::clone(&heard) };
        let connection = yamux::Connection::new(io.compat(), config, mode);
        let (open_tx, open_rx) = mpsc::channel(16);
        let (accept_tx, accept_rx) = mpsc::channel(ACCEPT_QUEUE);
        let handle = LinkHandle {
            opens: open_tx,
            accepted: Arc::new(Mutex::new(accept_rx)),
            permits: Arc::new(Semaphore::new(MAX_STREAMS)),
        };
        let driver =
            LinkDriver { connection, opens: open_rx, waiting: None, accepted: accept_tx, heard, options };
        (handle, driver)
    }
}

/// Opens and accepts streams. The link closes when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    opens: mpsc::Sender<oneshot::Sender<yamux::Stream>>,
    accepted: Arc<Mutex<mpsc::Receiver<yamux::Stream>>>,
    permits: Arc<Semaphore>,
}

impl LinkHandle {
    /// Opens a stream; waits while this side has [`MAX_STREAMS`]. The peer sees it with the first bytes written.
    ///
    /// # Errors
    /// Fails when the link is closed.
    pub async fn open(&self) -> Result<LinkStream, LinkError> {
        let permits = Arc::clone(&self.permits);
        let permit = tokio::select! {
            permit = permits.acquire_owned() => permit.expect("the semaphore is never closed"),
            () = self.opens.closed() => return Err(LinkError::Closed),
        };
        let (reply, stream) = oneshot::channel();
        self.opens.send(reply).await.map_err(|_| LinkError::Closed)?;
        let stream = stream.await.map_err(|_| LinkError::Closed)?;
        Ok(LinkStream { io: stream.compat(), _permit: Some(permit) })
    }

    /// Waits for the next stream that the peer opens.
    ///
    /// # Errors
    /// Fails when the link is closed.
    pub async fn accept(&self) -> Result<LinkStream, LinkError> {
        let stream = self.accepted.lock().await.recv().await.ok_or(LinkError::Closed)?;
        Ok(LinkStream { io: stream.compat(), _permit: None })
    }

    /// Waits until the link is closed.
    pub async fn closed(&self) {
        self.opens.closed().await;
    }
}

/// One stream of a link. Dropping it resets it; `shutdown` ends what is written and leaves reading open.
#[derive(Debug)]
pub struct LinkStream {
    io: Compat<yamux::Stream>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for LinkStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, into)
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// Moves the bytes of a link. Nothing happens on the link unless [`Self::run`] is polled.
///
/// Whoever has last words to say writes them, drops its handles and then polls `run` to its end: a driver that is
/// dropped earlier takes what was not sent with it.
#[derive(Debug)]
pub struct LinkDriver<T> {
    connection: yamux::Connection<Compat<HeardIo<T>>>,
    opens: mpsc::Receiver<oneshot::Sender<yamux::Stream>>,
    waiting: Option<oneshot::Sender<yamux::Stream>>,
    accepted: mpsc::Sender<yamux::Stream>,
    heard: Arc<AtomicBool>,
    options: LinkOptions,
}

impl<T: AsyncRead + AsyncWrite + Unpin> LinkDriver<T> {
    /// Drives the link until it ends: in order when the peer closed it or the last handle was dropped.
    ///
    /// # Errors
    /// Fails when the connection breaks, the peer breaks the rules or was silent too long.
    pub async fn run(mut self) -> Result<(), LinkError> {
        // The ticks also poll the multiplexer, which then sends its own ping on a connection that idles.
        let mut tick = tokio::time::interval(self.options.silence / 4);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_heard = Instant::now();
        loop {
            tokio::select! {
                biased;
                end = poll_fn(|cx| self.poll_work(cx)) => {
                    match end? {
                        End::ByPeer => return Ok(()),
                        End::ByUs => break,
                    }
                }
                now = tick.tick() => {
                    if self.heard.swap(false, Ordering::Relaxed) {
                        last_heard = now;
                    } else if now.duration_since(last_heard) >= self.options.silence {
                        return Err(LinkError::Silent { seconds: self.options.silence.as_secs() });
                    }
                }
            }
        }
        // The close was asked for: a peer that has gone or does not read must neither fail nor hold it up.
        match tokio::time::timeout(CLOSE_LIMIT, poll_fn(|cx| self.connection.poll_close(cx))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %error, "the peer did not hear the link close"),
            Err(_) => tracing::debug!("the peer did not take the close of the link in time"),
        }
        Ok(())
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<End, LinkError>> {
        loop {
            if self.waiting.is_none() {
                match self.opens.poll_recv(cx) {
                    Poll::Ready(Some(reply)) => self.waiting = Some(reply),
                    Poll::Ready(None) => return Poll::Ready(Ok(End::ByUs)),
                    Poll::Pending => {}
                }
            }
            if self.waiting.is_some()
                && let Poll::Ready(opened) = self.connection.poll_new_outbound(cx)
            {
                let stream = match opened {
                    Ok(stream) => stream,
                    Err(yamux::ConnectionError::Closed) => return Poll::Ready(Ok(End::ByPeer)),
                    Err(error) => return Poll::Ready(Err(multiplexer_error(error))),
                };
                // Whoever asked may have gone; the stream is then dropped, which resets it.
                let _ = self.waiting.take().expect("checked just above").send(stream);
                continue;
            }
            match ready!(self.connection.poll_next_inbound(cx)) {
                Some(Ok(stream)) => {
                    if self.accepted.try_send(stream).is_err() {
                        tracing::debug!("reset a stream because too many wait to be accepted");
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(multiplexer_error(error))),
                None => return Poll::Ready(Ok(End::ByPeer)),
            }
        }
    }
}

enum End {
    ByPeer,
    ByUs,
}

fn multiplexer_error(error: yamux::ConnectionError) -> LinkError {
    match error {
        yamux::ConnectionError::Closed => LinkError::Closed,
        yamux::ConnectionError::Io(source) => LinkError::Io(source),
        other => LinkError::Multiplexer(other),
    }
}

/// Notes that something was read.
#[derive(Debug)]
struct HeardIo<T> {
    io: T,
    heard: Arc<AtomicBool>,
}

impl<T: AsyncRead + Unpin> AsyncRead for HeardIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let result = Pin::new(&mut this.io).poll_read(cx, into);
        if into.filled().len() > before {
            this.heard.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for HeardIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
