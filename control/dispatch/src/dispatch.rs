//! The handle that the server holds.

use std::net::SocketAddr;
use std::sync::Arc;

use contract_protocol::{HostMetrics, StreamFrame, StreamRequest};
use contract_values::HostId;
use control_model::{Clock, Random};
use control_store::{CommitError, Store};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use crate::options::DispatchOptions;
use crate::registry::Shared;
use crate::status::DispatchStatus;
use crate::streams::{HostStream, OpenStreamError};
use crate::{feed, link, reports, status, streams};

/// Why dispatch could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be written.
    #[error("could not note that absent hosts are so since this start")]
    Commit(#[source] CommitError),
}

/// Links to all hosts. Clones are the same; everything ends with the last one or with [`Dispatch::shutdown`].
#[derive(Clone)]
pub struct Dispatch {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").field("links", &self.shared.all_links().len()).finish_non_exhaustive()
    }
}

impl Dispatch {
    /// Starts, before any controller does: hosts that were away before are away since now, so that nobody takes the
    /// server's own absence for theirs.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub async fn start(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        options: DispatchOptions,
    ) -> Result<Self, StartError> {
        let (shared, arrived) = Shared::new(store, clock, random, options);
        let absences = reports::restart_absences(&shared.store.snapshot(), shared.started);
        if !absences.is_empty() {
            shared.store.commit(absences).await.map_err(StartError::Commit)?;
        }
        shared.tasks.spawn(feed::run(shared.clone()));
        shared.tasks.spawn(reports::run(shared.clone(), arrived));
        shared.tasks.spawn(reports::end_grace(shared.clone()));
        let stop = Arc::new(shared.stop.clone().drop_guard());
        Ok(Self { shared, _stop: stop })
    }

    /// Serves one connection of a host's agent, whose keys were checked before; returns when it has ended. The link
    /// also ends when this is dropped.
    pub async fn serve<T>(&self, host: HostId, remote: SocketAddr, io: T)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if self.shared.stop.is_cancelled() {
            return;
        }
        let stop = self.shared.stop.child_token();
        let _ends_with_this = stop.clone().drop_guard();
        // A task of its own, so that a link also ends in order when its caller does not wait for it.
        let life = self.shared.tasks.spawn(link::run(self.shared.clone(), host, remote, io, stop));
        if let Err(error) = life.await
            && error.is_panic()
        {
            // A fault of ours belongs to whoever called, as if there were no task between.
            std::panic::resume_unwind(error.into_panic());
        }
    }

    /// Opens a stream to a host. What the host says ends with `End` or `Failed`; dropping the receiver cancels it.
    ///
    /// # Errors
    /// Fails when the host is not connected or takes no more streams.
    pub async fn open_stream(
        &self,
        host: HostId,
        request: StreamRequest,
    ) -> Result<(mpsc::Sender<StreamFrame>, mpsc::Receiver<StreamFrame>), OpenStreamError> {
        streams::open(&self.shared, host, &request).await
    }

    /// Opens a stream to a host and hands it out as bytes: frames of [`StreamFrame`] both ways, after the request.
    /// Dropping it cancels it.
    ///
    /// # Errors
    /// Fails when the host is not connected or takes no more streams.
    pub async fn open_io(
        &self,
        host: HostId,
        request: &StreamRequest,
    ) -> Result<HostStream, OpenStreamError> {
        streams::open_io(&self.shared, host, request).await
    }

    /// The last live figures of a host while it is connected.
    pub fn metrics(&self, host: HostId) -> Option<HostMetrics> {
        self.shared.link(host)?.with_live(|live| live.metrics.clone())
    }

    /// Whether a host's agent is connected to this server.
    pub fn is_connected(&self, host: HostId) -> bool {
        self.shared.link(host).is_some()
    }

    /// How dispatch is doing.
    pub fn status(&self) -> DispatchStatus {
        status::status(&self.shared)
    }

    /// Ends all links and tasks and waits for them. Nothing is written of it, because hosts do not go away when the
    /// server does.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}
