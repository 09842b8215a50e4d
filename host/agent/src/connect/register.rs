//! Registration: a token for credentials.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contract_values::{Labels, Secret};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use crate::session::ConnectError;

/// The user that registers, by the rules of the API.
const REGISTRAR: &str = "registrationToken";
/// The longest answer that is read.
const LONGEST: usize = 64 * 1024;
/// How long what has arrived may take to be read when the connection has ended.
const LAST_BYTES_LIMIT: Duration = Duration::from_secs(1);

/// What the server knows this host by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: Secret,
    /// The host's id as the server writes it.
    #[serde(default)]
    pub(crate) host_id: serde_json::Value,
}

/// The value of an `Authorization` header.
pub(crate) fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
}

/// What a host says of itself when it registers.
#[derive(Clone, Debug)]
pub(crate) struct Registration<'a> {
    pub(crate) host_uuid: &'a str,
    pub(crate) hostname: &'a str,
    pub(crate) labels: &'a Labels,
    pub(crate) agent_version: &'a str,
    pub(crate) address: Option<IpAddr>,
}

/// Registers this host.
pub(crate) async fn register(
    endpoint: &Endpoint,
    token: &Secret,
    registration: Registration<'_>,
) -> Result<Credentials, ConnectError> {
    let Registration { host_uuid, hostname, labels, agent_version, address } = registration;
    let mut body = serde_json::json!({
        "uuid": host_uuid, "hostUuid": host_uuid, "hostname": hostname, "labels": labels,
        "agentVersion": agent_version,
    });
    if let Some(address) = address {
        body["address"] = serde_json::json!(address);
    }
    let mut authorization = header::HeaderValue::from_str(basic(REGISTRAR, token).expose())
        .map_err(|error| endpoint.unreachable(error))?;
    authorization.set_sensitive(true);
    let request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.path("/v1/agent/register"))
        .header(header::HOST, endpoint.authority())
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| endpoint.unreachable(error))?;
    let io = TokioIo::new(endpoint.dial().await?);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|error| endpoint.unreachable(error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| endpoint.unreachable(error))?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), LONGEST)
            .collect()
            .await
            .map_err(|error| endpoint.unreachable(error))?
            .to_bytes();
        if !status.is_success() {
            return Err(endpoint.refused(status.as_u16(), &bytes));
        }
        serde_json::from_slice::<Credentials>(&bytes).map_err(|_| {
            endpoint.refused(status.as_u16(), b"its answer holds no credentials; is it a Lariat server?")
        })
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        result = &mut exchange => result,
        // A connection may end with the answer, and not every server ends it in good order: what has arrived counts.
        ended = connection => match (tokio::time::timeout(LAST_BYTES_LIMIT, exchange).await, ended) {
            (Ok(Ok(credentials)), _) => Ok(credentials),
            (_, Err(error)) => Err(endpoint.unreachable(error)),
            (Ok(Err(error)), Ok(())) => Err(error),
            (Err(_), Ok(())) => Err(endpoint.unreachable("the server closed the connection without an answer")),
        },
    }
}
