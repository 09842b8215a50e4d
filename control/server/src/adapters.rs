//! Joins the door for people to the links to hosts: neither knows the other.

use std::net::SocketAddr;

use async_trait::async_trait;
use contract_link::BoxedIo;
use contract_protocol::StreamRequest;
use contract_values::HostId;
use control_dispatch::Dispatch;
use control_http::{AgentAcceptor, AgentLinks, OpenStreamError};

/// The links to hosts, as the door for people wants to see them.
#[derive(Clone)]
pub struct Links(pub Dispatch);

#[async_trait]
impl AgentLinks for Links {
    async fn open_stream(&self, host: HostId, request: StreamRequest) -> Result<BoxedIo, OpenStreamError> {
        use control_dispatch::OpenStreamError as Cause;
        match self.0.open_io(host, &request).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(Cause::NotConnected { .. }) => Err(OpenStreamError::Away),
            Err(cause @ (Cause::Busy { .. } | Cause::Broken { .. })) => {
                Err(OpenStreamError::Failed(Box::new(cause)))
            }
        }
    }
}

#[async_trait]
impl AgentAcceptor for Links {
    async fn accept(&self, host: HostId, remote: SocketAddr, io: BoxedIo) {
        self.0.serve(host, remote, io).await;
    }
}
