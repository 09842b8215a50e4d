//! Streams between somebody at the server and a host: logs, consoles, figures.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use contract_link::{FrameReader, FrameWriter, LinkError, LinkStream};
use contract_protocol::{StreamFrame, StreamRequest};
use contract_values::HostId;
use tokio::io::{ReadHalf, WriteHalf};
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

pub(crate) async fn open(
    shared: &Arc<Shared>,
    host: HostId,
    request: &StreamRequest,
) -> Result<(mpsc::Sender<StreamFrame>, mpsc::Receiver<StreamFrame>), OpenStreamError> {
    let link = shared.link(host).ok_or(OpenStreamError::NotConnected { host })?;
    let handle = link.handle().ok_or(OpenStreamError::NotConnected { host })?;
    let opening = async {
        let (read, write) = tokio::io::split(handle.open().await?);
        let mut writer = FrameWriter::new(write);
        writer.write(request).await?;
        Ok((FrameReader::with_limit(read, LONGEST_FRAME), writer))
    };
    let opened = tokio::select! {
        opened = timeout(shared.options.open_limit, opening) => opened,
        () = link.ended.cancelled() => return Err(OpenStreamError::NotConnected { host }),
    };
    let (reader, writer) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(source)) => return Err(OpenStreamError::Broken { host, source }),
        Err(_) => return Err(OpenStreamError::Busy { host }),
    };
    let frames = shared.options.stream_frames.max(1);
    let (to_host, from_user) = mpsc::channel(frames);
    let (to_user, from_host) = mpsc::channel(frames);
    let counted = Counted::new(link);
    shared.tasks.spawn(async move {
        tokio::select! {
            () = inward(reader, &to_user) => {}
            () = outward(writer, from_user) => {}
            () = to_user.closed() => {}
            () = counted.0.ended.cancelled() => say_failed(&to_user, "the link to the host ended"),
        }
    });
    Ok((to_host, from_host))
}

/// Counts a stream of a link for as long as it lives.
struct Counted(Arc<LinkState>);

impl Counted {
    fn new(link: Arc<LinkState>) -> Self {
        link.streams.fetch_add(1, Ordering::Relaxed);
        Self(link)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hands on what the host sends until it says that it is over. A user who is slow is waited for; the host then stops
/// by itself, because the window of its stream is full.
async fn inward(mut reader: FrameReader<ReadHalf<LinkStream>>, to_user: &mpsc::Sender<StreamFrame>) {
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
async fn outward(mut writer: FrameWriter<WriteHalf<LinkStream>>, mut from_user: mpsc::Receiver<StreamFrame>) {
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
