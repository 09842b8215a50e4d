//! Turns a channel of messages, such as a WebSocket, into a byte connection.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Written bytes are collected up to this size, or until a flush, into one message.
const CHUNK: usize = 32 * 1024;

/// What a message of the channel is to the byte connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes of it.
    Bytes(Bytes),
    /// None of its business, such as a ping.
    Skip,
    /// The peer says that it is over.
    End,
    /// A message that may not come here; the connection breaks.
    Refused(&'static str),
}

/// A byte connection over a channel of messages `M`, each of which carries some bytes.
///
/// It does not know the channel: `wrap` and `unwrap` are two small functions for one kind of WebSocket.
#[derive(Debug)]
pub struct MessageIo<S, M> {
    channel: S,
    wrap: fn(Bytes) -> M,
    unwrap: fn(M) -> Received,
    unread: Bytes,
    unsent: BytesMut,
    ended: bool,
}

impl<S, M, E> MessageIo<S, M>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    /// Wraps a channel of messages.
    pub fn new(channel: S, wrap: fn(Bytes) -> M, unwrap: fn(M) -> Received) -> Self {
        Self { channel, wrap, unwrap, unread: Bytes::new(), unsent: BytesMut::new(), ended: false }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unsent.is_empty() {
            ready!(Pin::new(&mut self.channel).poll_ready(cx)).map_err(io::Error::other)?;
            let message = (self.wrap)(self.unsent.split().freeze());
            Pin::new(&mut self.channel).start_send(message).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S, E> MessageIo<S, Bytes>
where
    S: Stream<Item = Result<Bytes, E>> + Sink<Bytes, Error = E> + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    /// Wraps a channel whose messages are bytes already.
    pub fn of_bytes(channel: S) -> Self {
        Self::new(channel, |bytes| bytes, Received::Bytes)
    }
}

impl<S, M, E> AsyncRead for MessageIo<S, M>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() && !this.ended {
            match ready!(Pin::new(&mut this.channel).poll_next(cx)) {
                None => this.ended = true,
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
                Some(Ok(message)) => match (this.unwrap)(message) {
                    Received::Bytes(bytes) => this.unread = bytes,
                    Received::Skip => {}
                    Received::End => this.ended = true,
                    Received::Refused(reason) => {
                        this.ended = true;
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
                    }
                },
            }
        }
        let length = this.unread.len().min(into.remaining());
        into.put_slice(&this.unread[..length]);
        this.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S, M, E> AsyncWrite for MessageIo<S, M>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.unsent.len() >= CHUNK {
            ready!(this.poll_send(cx))?;
        }
        let length = bytes.len().min(CHUNK - this.unsent.len());
        this.unsent.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.channel).poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.channel).poll_close(cx).map_err(io::Error::other)
    }
}
