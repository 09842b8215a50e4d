//! Streams between somebody at the server and a host: logs, consoles, figures.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use contract_link::{FrameReader, FrameWriter, LinkError, LinkStream};
use contract_protocol::{StreamFrame, StreamRequest};
use contract_values::HostId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::registry::{LinkState, Shared};

/// The longest frame of a host's stream, in bytes.
const LONGEST_FRAME: usize = 4 * 1024 * 1024;

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStreamError {
    /// The host's agent is not connected.
    #[error("{host} is not connected")]
    NotConnected {
        /// The host.
        host: HostId,
    },
    /// The host has too many streams, or does not answer.
    #[error("{host} could not take another stream in time")]
    Busy {
        /// The host.
        host: HostId,
    },
    /// The link broke meanwhile.
    #[error("the link to {host} broke")]
    Broken {
        /// The host.
        host: HostId,
        /// How.
        #[source]
        source: LinkError,
    },
}

/// One stream to a host, after its request: frames both ways, as bytes. Dropping it cancels it.
pub struct HostStream {
    io: LinkStream,
    link: Arc<LinkState>,
}

impl HostStream {
    fn new(io: LinkStream, link: Arc<LinkState>) -> Self {
        link.streams.fetch_add(1, Ordering::Relaxed);
        Self { io, link }
    }
}

impl std::fmt::Debug for HostStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostStream").field("host", &self.link.host).finish_non_exhaustive()
    }
}

impl Drop for HostStream {
    fn drop(&mut self) {
        self.link.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for HostStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, into)
    }
}

impl AsyncWrite for HostStream {
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

/// Opens a stream to a host and sends its request.
pub(crate) async fn open_io(
    shared: &Shared,
    host: HostId,
    request: &StreamRequest,
) -> Result<HostStream, OpenStreamError> {
    let link = shared.link(host).ok_or(OpenStreamError::NotConnected { host })?;
    let handle = link.handle().ok_or(OpenStreamError::NotConnected { host })?;
    let opening = async {
        let mut io = handle.open().await?;
        FrameWriter::new(&mut io).write(request).await?;
        Ok(io)
    };
    let opened = tokio::select! {
        biased;
        opened = timeout(shared.options.open_limit, opening) => opened,
        () = link.ended.cancelled() => return Err(OpenStreamError::NotConnected { host }),
    };
    match opened {
        Ok(Ok(io)) => Ok(HostStream::new(io, link)),
        Ok(Err(source)) => Err(OpenStreamError::Broken { host, source }),
        Err(_) => Err(OpenStreamError::Busy { host }),
    }
}

/// Opens a stream to a host and moves its frames through two bounded channels.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    host: HostId,
    request: &StreamRequest,
) -> Result<(mpsc::Sender<StreamFrame>, mpsc::Receiver<StreamFrame>), OpenStreamError> {
    let stream = open_io(shared, host, request).await?;
    let link = stream.link.clone();
    let (read, write) = tokio::io::split(stream);
    let (reader, writer) = (FrameReader::with_limit(read, LONGEST_FRAME), FrameWriter::new(write));
    let frames = shared.options.stream_frames.max(1);
    let (to_host, from_user) = mpsc::channel(frames);
    let (to_user, from_host) = mpsc::channel(frames);
    shared.tasks.spawn(async move {
        tokio::select! {
            biased;
            () = inward(reader, &to_user) => {}
            () = outward(writer, from_user) => {}
            () = to_user.closed() => {}
            () = link.ended.cancelled() => say_failed(&to_user, "the link to the host ended"),
        }
    });
    Ok((to_host, from_host))
}

/// Hands on what the host sends until it says that it is over. A user who is slow is waited for; the host then stops
/// by itself, because the window of its stream is full.
async fn inward(mut reader: FrameReader<ReadHalf<HostStream>>, to_user: &mpsc::Sender<StreamFrame>) {
    loop {
        match reader.read_stream_frame().await {
            Ok(Some(frame)) => {
                let last = matches!(frame, StreamFrame::End { .. } | StreamFrame::Failed { .. });
                if to_user.send(frame).await.is_err() || last {
                    return;
                }
            }
            Ok(None) => return say_failed(to_user, "the host ended the stream without a result"),
            Err(error) if error.is_recoverable() => {}
            Err(_) => return say_failed(to_user, "the stream from the host broke"),
        }
    }
}

/// Hands on what the user sends. It never ends the stream: a user who sends no more may still read, and a host that
/// takes no more may still have something to say.
async fn outward(mut writer: FrameWriter<WriteHalf<HostStream>>, mut from_user: mpsc::Receiver<StreamFrame>) {
    while let Some(frame) = from_user.recv().await {
        if writer.write_stream_frame(&frame).await.is_err() {
            from_user.close();
            break;
        }
    }
    std::future::pending().await
}

/// Says it if there is room; a closed channel says the same with fewer words.
fn say_failed(to_user: &mpsc::Sender<StreamFrame>, message: &str) {
    let _ = to_user.try_send(StreamFrame::Failed { message: message.to_owned() });
}
