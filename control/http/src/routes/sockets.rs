//! Interactive sockets: first the API gives a URL and a token, then the URL opens with that token alone.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::header;
use axum::http::request::Parts;
use contract_api::{Purpose as Input, Schema, format_id, parse_date, validate};
use contract_values::{Duration, HostId, Timestamp};
use control_model::{AgentLink, AnyRow, Container, Host, Origin, Row, RunReport};
use serde_json::{Map, Value, json};

use crate::Shared;
use crate::app::{AppError, ErrorCode, policy};
use crate::auth::token::Purpose;
use crate::present::Item;
use crate::routes::SocketKind;
use crate::routes::api::Context;
use crate::routes::input::Fields;
use crate::routes::reply::Reply;
use crate::ws;

/// How long a token opens its socket.
const TOKEN: Duration = Duration::seconds(300);
/// How a client says that it wants every line of a log.
pub const ALL_LINES: i64 = -1;
/// The most hosts in one stats socket.
const MOST_HOSTS: usize = 200;

fn access(context: &Context, kind: &str, url: &str, claims: Map<String, Value>) -> Reply {
    let cx = &context.cx;
    let token = cx.shared.signer.jwt(Purpose::Socket, claims, cx.now + TOKEN);
    let url = format!("{}://{}{url}", context.origin.socket_scheme(), context.origin.host);
    Reply::ok(json!({ "type": kind, "url": url, "token": token, "links": {}, "actions": {} }))
}

/// Where a container runs, if its agent is connected.
fn place(context: &Context, row: &Row<Container>) -> Result<(Arc<Row<Host>>, String), AppError> {
    let away = |what: &str| AppError::new(ErrorCode::ServiceUnavailable, what.to_owned());
    let host = row.keys().host.and_then(|id| context.cx.tables.hosts.get(id));
    let host = host.ok_or_else(|| away("the container is on no host yet; try again when it runs"))?;
    if host.observation.link != AgentLink::Connected {
        return Err(away("the agent of the container's host is not connected; try again when it is"));
    }
    let docker_id = match &row.intent.origin {
        Origin::Native { docker_id, .. } => Some(docker_id.clone()),
        Origin::Standalone | Origin::Service { .. } => row.observation.docker_id.clone(),
    };
    let docker_id = docker_id.ok_or_else(|| away("the container has not been made yet; try again soon"))?;
    Ok((host.clone(), docker_id))
}

fn claims(host: &Row<Host>) -> Map<String, Value> {
    Map::from_iter([
        ("hostUuid".to_owned(), host.intent.agent_uuid.clone().into()),
        ("hostId".to_owned(), format_id(host.id).into()),
    ])
}

/// The action `execute`.
///
/// # Errors
/// [`ErrorCode::ServiceUnavailable`] when the host is not connected.
pub fn exec_access(context: &Context, row: &Row<Container>, fields: &Fields<'_>) -> Result<Reply, AppError> {
    let (host, docker_id) = place(context, row)?;
    let command: Vec<&str> = fields.list("command").iter().filter_map(Value::as_str).collect();
    let command = if command.is_empty() { vec!["/bin/sh"] } else { command };
    let mut claims = claims(&host);
    claims.insert(
        "exec".to_owned(),
        json!({
            "AttachStdin": fields.flag("attachStdin").unwrap_or(true),
            "AttachStdout": fields.flag("attachStdout").unwrap_or(true),
            "Tty": fields.flag("tty").unwrap_or(true),
            "Cmd": command,
            "Container": docker_id,
            "User": fields.text("user"),
            "WorkingDir": fields.text("workingDir"),
            "Environment": fields.list("environment"),
        }),
    );
    Ok(access(context, "hostAccess", "/v1/exec/", claims))
}

/// The action `logs`.
///
/// # Errors
/// [`ErrorCode::ServiceUnavailable`] when the host is not connected.
pub fn logs_access(context: &Context, row: &Row<Container>, fields: &Fields<'_>) -> Result<Reply, AppError> {
    let (host, docker_id) = place(context, row)?;
    let since = match fields.text("since") {
        None => None,
        Some(text) => Some(since_of(&text, context.cx.now).ok_or_else(|| {
            AppError::field(
                ErrorCode::InvalidDateFormat,
                "since",
                "`since` is a date, seconds since 1970, or a span such as 10m",
            )
        })?),
    };
    let mut claims = claims(&host);
    claims.insert(
        "logs".to_owned(),
        json!({
            "Container": docker_id,
            // Without a number all lines are sent.
            "Lines": fields.0.get("lines").and_then(Value::as_u64),
            "Follow": fields.flag("follow").unwrap_or(true),
            "Since": since.map(|at| at.0),
            "Timestamps": fields.flag("timestamps").unwrap_or(false),
            "Tty": row.intent.launch.tty,
        }),
    );
    Ok(access(context, "hostAccess", "/v1/logs/", claims))
}

/// The action `dockersocket` of a host: a raw connection to its engine.
///
/// # Errors
/// [`ErrorCode::ServiceUnavailable`] when the host is not connected.
pub fn docker_access(context: &Context, host: &Row<Host>) -> Result<Reply, AppError> {
    // Through the engine one gives containers whatever one likes.
    if !policy::refused(&context.cx, &context.cx.tables).is_empty() {
        return Err(AppError::new(
            ErrorCode::Forbidden,
            format!(
                "only administrators reach the engine while the setting {} refuses something",
                policy::SETTING
            ),
        ));
    }
    if host.observation.link != AgentLink::Connected {
        return Err(AppError::new(
            ErrorCode::ServiceUnavailable,
            "the agent of the host is not connected; try again when it is",
        ));
    }
    let mut claims = claims(host);
    claims.insert("dockersocket".to_owned(), true.into());
    Ok(access(context, "hostAccess", "/v1/dockersocket/", claims))
}

/// Reads a point in time as Docker's `--since` takes it.
fn since_of(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(at) = parse_date(text).filter(|_| text.contains('T')) {
        return Some(at);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return (0.0..4e10).contains(&seconds).then_some(Timestamp((seconds * 1000.0) as i64));
    }
    let unit = text.chars().last()?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok().filter(|number| *number >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    Some(now - Duration::seconds(number.checked_mul(seconds)?))
}

/// The links `containerStats`, `hostStats` and `stats`.
///
/// # Errors
/// [`ErrorCode::ServiceUnavailable`] when no host is connected.
pub fn stats_access(context: &Context, item: &Item, link: &str) -> Result<Reply, AppError> {
    let tables = &context.cx.tables;
    let resource = crate::present::Item::row(item, &context.cx).id;
    match item {
        Item::Row(AnyRow::Container(row)) => {
            let (host, docker_id) = place(context, row)?;
            let mut claims = claims(&host);
            claims.insert("containerIds".to_owned(), json!({ docker_id.clone(): format_id(row.id) }));
            claims.insert("resourceId".to_owned(), resource.into());
            let path = if link == "stats" { "stats" } else { "containerstats" };
            Ok(access(context, "statsAccess", &format!("/v1/{path}/{docker_id}"), claims))
        }
        Item::Row(AnyRow::Host(host)) => {
            if host.observation.link != AgentLink::Connected {
                return Err(AppError::new(
                    ErrorCode::ServiceUnavailable,
                    "the agent of the host is not connected; try again when it is",
                ));
            }
            let mut claims = claims(host);
            claims.insert("resourceId".to_owned(), resource.into());
            if link == "containerStats" {
                claims.insert("containerIds".to_owned(), running(tables.containers.of_host(host.id)).into());
                return Ok(access(context, "statsAccess", "/v1/containerstats", claims));
            }
            let path = if link == "stats" { "/v1/stats" } else { "/v1/hoststats" };
            Ok(access(context, "statsAccess", path, claims))
        }
        Item::Row(AnyRow::Service(service)) => {
            let mut by_host: std::collections::BTreeMap<HostId, Map<String, Value>> = Default::default();
            for container in tables.containers.of_service(service.id) {
                let Some(host) = container.keys().host else { continue };
                by_host.entry(host).or_default().extend(running(std::iter::once(container)));
            }
            let parts: Vec<Value> = by_host
                .into_iter()
                .take(MOST_HOSTS)
                .filter_map(|(host, ids)| {
                    let host = tables.hosts.get(host)?;
                    let mut claims = claims(host);
                    claims.insert("containerIds".to_owned(), ids.into());
                    claims.insert("resourceId".to_owned(), resource.clone().into());
                    Some(part(context, claims, "/v1/containerstats"))
                })
                .collect();
            if parts.is_empty() {
                return Ok(Reply::ok(
                    json!({ "type": "statsAccess", "url": null, "token": null, "links": {}, "actions": {} }),
                ));
            }
            let claims = Map::from_iter([
                ("service".to_owned(), parts.into()),
                ("resourceId".to_owned(), resource.into()),
            ]);
            Ok(access(context, "statsAccess", "/v1/containerstats/service/", claims))
        }
        Item::Row(AnyRow::Project(project)) => {
            let parts: Vec<Value> = tables
                .hosts
                .of_project(project.id)
                .filter(|host| host.observation.link == AgentLink::Connected)
                .take(MOST_HOSTS)
                .map(|host| {
                    let mut claims = claims(host);
                    claims.insert("resourceId".to_owned(), format_id(host.id).into());
                    part(context, claims, "/v1/hoststats")
                })
                .collect();
            let claims = Map::from_iter([
                ("project".to_owned(), parts.into()),
                ("resourceId".to_owned(), resource.into()),
            ]);
            Ok(access(context, "statsAccess", "/v1/hoststats/project/", claims))
        }
        Item::Row(
            AnyRow::Account(_)
            | AnyRow::Credential(_)
            | AnyRow::Member(_)
            | AnyRow::Setting(_)
            | AnyRow::Stack(_)
            | AnyRow::Volume(_)
            | AnyRow::SealedSecret(_)
            | AnyRow::Certificate(_)
            | AnyRow::Registry(_)
            | AnyRow::AuditEntry(_)
            | AnyRow::ProjectTemplate(_),
        )
        | Item::Port(..)
        | Item::Expose(_)
        | Item::Derived(_)
        | Item::Setting(_) => Err(AppError::not_found()),
    }
}

fn part(context: &Context, claims: Map<String, Value>, path: &str) -> Value {
    let cx = &context.cx;
    let url = format!("{}://{}{path}", context.origin.socket_scheme(), context.origin.host);
    json!({ "url": url, "token": cx.shared.signer.jwt(Purpose::Socket, claims, cx.now + TOKEN) })
}

/// The engine's ids of running containers, each with the id that people see.
fn running<'a>(containers: impl Iterator<Item = &'a Arc<Row<Container>>>) -> Map<String, Value> {
    containers
        .filter(|container| !container.is_going() && container.observation.rank == RunReport::Running)
        .filter_map(|container| {
            let docker_id = match &container.intent.origin {
                Origin::Native { docker_id, .. } => Some(docker_id.clone()),
                Origin::Standalone | Origin::Service { .. } => container.observation.docker_id.clone(),
            };
            Some((docker_id?, format_id(container.id).into()))
        })
        .collect()
}

/// Opens the socket that a token stands for.
///
/// # Errors
/// [`ErrorCode::Unauthorized`] for a token that is missing, wrong, too old, or for another socket.
pub fn open(
    shared: &Arc<Shared>,
    parts: &Parts,
    upgrade: Option<WebSocketUpgrade>,
    kind: SocketKind,
) -> Result<Reply, AppError> {
    let refused = || AppError::new(ErrorCode::Unauthorized, "Failed authentication");
    let query = parts.uri.query().unwrap_or("");
    let token = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned())
        .ok_or_else(refused)?;
    let claims = shared.signer.read_jwt(Purpose::Socket, &token, shared.now()).ok_or_else(refused)?;
    let plan = ws::streams::plan(shared, kind, &claims).ok_or_else(refused)?;
    let upgrade =
        upgrade.ok_or_else(|| AppError::new(ErrorCode::BadRequest, "this URL opens as a WebSocket only"))?;
    let shared = shared.clone();
    let upgrade = upgrade.protocols([ws::streams::FRAMES, "binary", "base64"]).max_message_size(1 << 20);
    Ok(Reply::Upgrade(upgrade.on_upgrade(move |socket| ws::streams::serve(shared, plan, socket))))
}

/// Opens the feed of changes on a WebSocket.
///
/// # Errors
/// [`ErrorCode::NotFound`] for a request that is no WebSocket.
pub fn subscribe(context: &Context, upgrade: Option<WebSocketUpgrade>) -> Result<Reply, AppError> {
    let upgrade = upgrade.ok_or_else(|| AppError::new(ErrorCode::NotFound, "subscribe with a WebSocket"))?;
    let context = context.clone();
    Ok(Reply::Upgrade(
        upgrade.max_message_size(64 << 10).on_upgrade(move |socket| ws::subscribe::serve(context, socket)),
    ))
}

/// Opens the feed of changes as an answer that goes on, with one document a line.
///
/// # Errors
/// Names what is wrong in the input.
pub fn subscribe_lines(
    context: &Context,
    schema: &Schema,
    input: &Map<String, Value>,
) -> Result<Reply, AppError> {
    let checked = validate(context.schemas, schema, Input::Create, input)?;
    let names =
        Fields(&checked).list("eventNames").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    axum::response::Response::builder()
        .header(header::CONTENT_TYPE, "application/x-ndjson")
        .body(ws::subscribe::lines(context.clone(), names))
        .map(Reply::Stream)
        .map_err(AppError::internal)
}
