//! The two doors of our own agents: register a host, and connect.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use contract_api::{Role, format_id};
use contract_link::{BoxedIo, MessageIo, Received};
use contract_protocol::MAX_FRAME;
use contract_values::{HostId, Labels, ProjectId};
use serde::Deserialize;
use serde_json::json;

use crate::Shared;
use crate::app::audit::Audit;
use crate::app::host::{Registration, register_host};
use crate::app::{AppError, Cx, ErrorCode, Scope};
use crate::auth::Caller;
use crate::routes::input::MOST_BYTES_UNKNOWN;
use crate::routes::read_body;
use crate::routes::reply::Reply;

/// What an agent sends to register its host. Fields that this version does not know are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegisterBody {
    uuid: String,
    hostname: String,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    address: Option<IpAddr>,
}

/// `POST /v1/agent/register`, with a registration token.
///
/// # Errors
/// [`ErrorCode::IdentityInUse`] for a second live agent with the identity of the first.
pub async fn register(
    shared: &Arc<Shared>,
    parts: &Parts,
    body: Body,
    project: ProjectId,
    caller: Caller,
    client_ip: IpAddr,
) -> Result<Reply, AppError> {
    if parts.method != Method::POST {
        return Err(AppError::new(ErrorCode::MethodNotAllowed, "hosts are registered by POST"));
    }
    let now = shared.now();
    let tables = shared.store.snapshot();
    let bytes = read_body(body, MOST_BYTES_UNKNOWN).await?;
    let input: RegisterBody = serde_json::from_slice(&bytes).map_err(|error| {
        AppError::new(ErrorCode::InvalidBodyContent, format!("the body is no registration: {error}"))
    })?;
    let scope = Scope { project: Some(project), role: Role::Register };
    let mut cx = Cx { shared: shared.clone(), tables, now, caller, scope, client_ip, audit: None };
    cx.audit = Some(Arc::new(Audit::begin(&cx, "host", None, "register")));
    let registration = Registration {
        uuid: input.uuid,
        hostname: input.hostname,
        labels: input.labels,
        address: input.address,
    };
    let registered = register_host(&cx, project, registration).await?;
    tracing::info!(host.id = %registered.host, "host {} registered from {client_ip}", registered.host);
    Ok(Reply::Json(
        StatusCode::CREATED,
        json!({
            "type": "agentRegistration",
            "hostId": format_id(registered.host),
            "hostNumber": registered.host.raw(),
            "projectId": format_id(project),
            "accessKey": registered.access_key,
            "secretKey": registered.secret_key.expose(),
        }),
    ))
}

/// `GET /v1/agent/connect`, with an agent's keys: the connection becomes the agent's link.
///
/// # Errors
/// Refuses what is no WebSocket.
pub fn connect(
    shared: &Arc<Shared>,
    upgrade: Option<WebSocketUpgrade>,
    host: HostId,
    remote: SocketAddr,
) -> Result<Reply, AppError> {
    let upgrade = upgrade.ok_or_else(|| {
        AppError::new(
            ErrorCode::BadRequest,
            "an agent connects with a WebSocket; something between may not pass it on",
        )
    })?;
    let shared = shared.clone();
    let response = upgrade
        .max_frame_size(MAX_FRAME)
        .max_message_size(MAX_FRAME)
        .on_upgrade(move |socket| serve(shared, host, remote, socket));
    Ok(Reply::Upgrade(response))
}

async fn serve(shared: Arc<Shared>, host: HostId, remote: SocketAddr, socket: axum::extract::ws::WebSocket) {
    let io: BoxedIo = Box::new(MessageIo::new(socket, wrap, unwrap));
    let mut shutdown = shared.shutdown.clone();
    tokio::select! {
        () = shared.acceptor.accept(host, remote, io) => {}
        () = crate::stopping(&mut shutdown) => {}
    }
}

fn wrap(bytes: Bytes) -> Message {
    Message::Binary(bytes)
}

fn unwrap(message: Message) -> Received {
    match message {
        Message::Binary(bytes) => Received::Bytes(bytes),
        Message::Ping(_) | Message::Pong(_) => Received::Skip,
        Message::Close(_) => Received::End,
        Message::Text(_) => Received::Refused("an agent's link carries bytes, not text"),
    }
}
