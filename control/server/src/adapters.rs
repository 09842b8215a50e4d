//! Joins the door for people to the links to hosts: neither knows the other.

use std::net::SocketAddr;

use async_trait::async_trait;
use contract_link::{BoxedIo, FrameReader, FrameWriter};
use contract_protocol::{StreamFrame, StreamRequest};
use contract_values::HostId;
use control_dispatch::Dispatch;
use control_http::{AgentAcceptor, AgentLinks, OpenStreamError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes that may lie between the two sides of a stream.
const BUFFER: usize = 64 * 1024;

/// The links to hosts, as the door for people wants to see them.
#[derive(Clone)]
pub struct Links {
    dispatch: Dispatch,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Links {
    /// Wraps the links; the tasks that pass on streams belong to `tasks` and end with `stop`.
    pub fn new(dispatch: Dispatch, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { dispatch, tasks, stop }
    }
}

#[async_trait]
impl AgentLinks for Links {
    async fn open_stream(&self, host: HostId, request: StreamRequest) -> Result<BoxedIo, OpenStreamError> {
        use control_dispatch::OpenStreamError as Cause;
        let (to_host, mut from_host) = match self.dispatch.open_stream(host, request).await {
            Ok(pipes) => pipes,
            Err(Cause::NotConnected { .. }) => return Err(OpenStreamError::Away),
            Err(cause @ (Cause::Busy { .. } | Cause::Broken { .. })) => {
                return Err(OpenStreamError::Failed(Box::new(cause)));
            }
        };
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let (read, write) = tokio::io::split(ours);
        let stop = self.stop.clone();
        let up = async move {
            let mut reader = FrameReader::new(read);
            while let Ok(Some(frame)) = reader.read_stream_frame().await {
                if to_host.send(frame).await.is_err() {
                    return;
                }
            }
        };
        let down = async move {
            let mut writer = FrameWriter::new(write);
            while let Some(frame) = from_host.recv().await {
                let last = matches!(frame, StreamFrame::End { .. } | StreamFrame::Failed { .. });
                if writer.write_stream_frame(&frame).await.is_err() || last {
                    break;
                }
            }
            // Who reads may be gone already.
            let _ = writer.finish().await;
        };
        self.tasks.spawn(async move {
            tokio::select! {
                // When the host has said its last, there is nobody left to pass input to.
                () = down => {}
                () = async { up.await; std::future::pending().await } => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(Box::new(theirs))
    }
}

#[async_trait]
impl AgentAcceptor for Links {
    async fn accept(&self, host: HostId, remote: SocketAddr, io: BoxedIo) {
        self.dispatch.serve(host, remote, io).await;
    }
}
