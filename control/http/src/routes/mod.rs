//! From HTTP to calls of `app`, and back.
//!
//! There is one door. It finds out which [`Endpoint`] is meant, and each endpoint has its [`Rule`] in one `match`,
//! so an endpoint without a rule does not compile. The door checks the rule and hands the handler what it proved;
//! a handler cannot be called without that.

mod agent;
mod api;
mod create;
mod html;
mod input;
mod lists;
mod reply;
mod request;
mod scripts;
mod sockets;
mod token;
mod update;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::{Router, extract::FromRequestParts, extract::ws::WebSocketUpgrade};

pub use api::Context;
pub use lists::include;
pub use request::{Origin, Peer};

use contract_values::{HostId, ProjectId};

use crate::app::{AppError, ErrorCode};
use crate::auth::{Caller, authenticate, proof_of};
use crate::{App, Shared};
use reply::{Reply, common_headers, error_response, response};
use request::peer_of;

/// How long a request may take that is no socket and no download.
const REQUEST_TIME: std::time::Duration = std::time::Duration::from_secs(60);

/// Makes the router of the API.
pub fn router(app: App) -> Router {
    Router::new().fallback(entry).with_state(Arc::new(Shared::new(app)))
}

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/ping`: the process answers.
    Ping,
    /// `/healthcheck`: the server can be used, its database included.
    HealthCheck,
    /// The list of versions, at `/`.
    Root,
    /// A page for people.
    Page,
    /// A file that pages for people load.
    PageFile,
    /// The install script of a registration token.
    Script,
    /// The agent's program.
    AgentProgram,
    /// The certificate of our authority.
    CaCertificate,
    /// The public key of host tokens; ours are signed with a shared key, so there is none.
    ApiCertificate,
    /// An agent registers its host.
    AgentRegister,
    /// An agent connects.
    AgentConnect,
    /// An interactive socket.
    Socket(SocketKind),
    /// Everything under a version.
    Api,
}

/// What an interactive socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// A process in a container.
    Exec,
    /// Output of a container.
    Logs,
    /// Figures of one or more containers.
    ContainerStats,
    /// Figures of one or more hosts.
    HostStats,
    /// A host's engine.
    DockerSocket,
}

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everybody: it tells and changes nothing that is anyone's.
    Everybody,
    /// Whoever holds the token that stands in the URL.
    TokenInUrl,
    /// Whoever holds a registration token.
    Registration,
    /// The agent of a host.
    Agent,
    /// Each role what its schemas say.
    Schemas,
}

impl Endpoint {
    /// The rule of the endpoint.
    pub const fn rule(self) -> Rule {
        match self {
            Self::Ping
            | Self::HealthCheck
            | Self::Root
            | Self::Page
            | Self::PageFile
            | Self::CaCertificate
            | Self::ApiCertificate
            // The program is the same that everybody can download elsewhere.
            | Self::AgentProgram => Rule::Everybody,
            Self::Script | Self::Socket(_) => Rule::TokenInUrl,
            Self::AgentRegister => Rule::Registration,
            Self::AgentConnect => Rule::Agent,
            Self::Api => Rule::Schemas,
        }
    }

    /// Finds the endpoint of a path; whatever is none of ours is a page for people.
    pub fn of(path: &str) -> Self {
        let parts: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts[..] {
            [] => Self::Root,
            ["ping"] => Self::Ping,
            ["healthcheck"] => Self::HealthCheck,
            ["api-view", "view.js" | "view.css"] => Self::PageFile,
            ["v1" | "v2-beta", "scripts", "ca.pem"] => Self::CaCertificate,
            ["v1" | "v2-beta", "scripts", "api.crt"] => Self::ApiCertificate,
            ["v1" | "v2-beta", "scripts", "agent", _] => Self::AgentProgram,
            // `transform` is part of the API: it needs keys.
            ["v1" | "v2-beta", "scripts", name] if name != "transform" => Self::Script,
            ["v1", "agent", "register"] => Self::AgentRegister,
            ["v1", "agent", "connect"] => Self::AgentConnect,
            ["v1", "exec"] => Self::Socket(SocketKind::Exec),
            ["v1", "logs"] => Self::Socket(SocketKind::Logs),
            ["v1", "containerstats", ..] => Self::Socket(SocketKind::ContainerStats),
            ["v1", "dockersocket"] => Self::Socket(SocketKind::DockerSocket),
            ["v1", "stats", _] => Self::Socket(SocketKind::ContainerStats),
            ["v1", "stats"] | ["v1", "hoststats", ..] => Self::Socket(SocketKind::HostStats),
            ["v1" | "v2-beta", ..] => Self::Api,
            _ => Self::Page,
        }
    }
}

/// What the rule of an endpoint has proved.
enum Admission {
    /// Nothing was to be proved, or the handler's own token or schema proves it.
    Open,
    /// A registration token.
    Registration(ProjectId, Caller),
    /// The keys of a host's agent.
    Agent(HostId),
}

async fn admit(shared: &Shared, parts: &Parts, rule: Rule, ip: IpAddr) -> Result<Admission, AppError> {
    match rule {
        Rule::Everybody | Rule::TokenInUrl | Rule::Schemas => return Ok(Admission::Open),
        Rule::Registration | Rule::Agent => {}
    }
    let (proof, _) = proof_of(&parts.headers, &[]);
    let caller = authenticate(shared, &shared.store.snapshot(), &proof, ip, shared.now()).await?;
    match (rule, caller) {
        (Rule::Registration, Caller::Registration { project, .. }) => {
            Ok(Admission::Registration(project, caller))
        }
        (Rule::Registration, _) => Err(AppError::new(
            ErrorCode::Unauthorized,
            "register with the user name `registrationToken` and a registration token as password",
        )),
        (Rule::Agent, Caller::Agent { host, .. }) => Ok(Admission::Agent(host)),
        (Rule::Agent, _) => {
            Err(AppError::new(ErrorCode::Unauthorized, "these are not the keys of a registered host"))
        }
        (Rule::Everybody | Rule::TokenInUrl | Rule::Schemas, _) => Ok(Admission::Open),
    }
}

async fn entry(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let endpoint = Endpoint::of(parts.uri.path());
    let peer = peer_of(&parts);
    shared.settings.trusted_proxies.cleanse(&mut parts.headers, peer.address.ip());
    let origin = Origin::of(&parts.headers, &parts.uri, peer);
    if endpoint == Endpoint::Api {
        let mut answer = api::entry(&shared, &mut parts, body, &origin, peer).await;
        common_headers(answer.headers_mut(), &shared);
        return answer;
    }
    let ip = shared.settings.trusted_proxies.client(&parts.headers, peer.address.ip());
    let answer = match admit(&shared, &parts, endpoint.rule(), ip).await {
        Ok(admission) => outside(&shared, &mut parts, body, endpoint, admission, &origin, peer).await,
        Err(error) => Err(error),
    };
    let mut answer = match answer {
        Ok(reply) => response(reply),
        Err(error) => error_response(&shared, &error, challenges(&parts.headers)),
    };
    common_headers(answer.headers_mut(), &shared);
    let schemas = format!("{}/v2-beta/schemas", origin.text()).to_ascii_lowercase();
    if let Ok(value) = HeaderValue::from_str(&schemas) {
        answer.headers_mut().insert(HeaderName::from_static("x-api-schemas"), value);
    }
    answer
}

/// Serves what lies outside the schemas.
async fn outside(
    shared: &Arc<Shared>,
    parts: &mut Parts,
    body: Body,
    endpoint: Endpoint,
    admission: Admission,
    origin: &Origin,
    peer: Peer,
) -> Result<Reply, AppError> {
    let ip = shared.settings.trusted_proxies.client(&parts.headers, peer.address.ip());
    match (endpoint, admission) {
        (Endpoint::AgentRegister, Admission::Registration(project, caller)) => {
            return agent::register(shared, parts, body, project, caller, ip).await;
        }
        (Endpoint::AgentConnect, Admission::Agent(host)) => {
            let upgrade = upgrade_of(parts).await;
            return agent::connect(shared, upgrade, host, std::net::SocketAddr::new(ip, peer.address.port()));
        }
        (Endpoint::Socket(kind), Admission::Open) => {
            let upgrade = upgrade_of(parts).await;
            return sockets::open(shared, parts, upgrade, kind);
        }
        _ => {}
    }
    only_get(&parts.method)?;
    match endpoint {
        Endpoint::Ping => Ok(Reply::text("pong".to_owned())),
        Endpoint::HealthCheck => Ok(match shared.readiness.check(&shared.store, shared.now()).await {
            Ok(()) => Reply::text("healthy".to_owned()),
            Err(reason) => {
                let kind = "text/plain; charset=utf-8";
                Reply::Text(StatusCode::SERVICE_UNAVAILABLE, kind, format!("not ready: {reason}"))
            }
        }),
        Endpoint::Root if html::wants_html(&parts.headers, None) => html::page(shared),
        Endpoint::Root => Ok(api::versions(origin)),
        Endpoint::Page => html::page(shared),
        Endpoint::PageFile => html::asset(parts.uri.path()),
        Endpoint::Script => scripts::install(shared, parts.uri.path(), origin, ip),
        Endpoint::AgentProgram => scripts::agent_program(shared, parts.uri.path()).await,
        Endpoint::CaCertificate => Ok(match &shared.settings.ca_certificate {
            Some(pem) => Reply::text(pem.clone()),
            None => Reply::Empty(StatusCode::NO_CONTENT),
        }),
        Endpoint::ApiCertificate => Ok(Reply::Empty(StatusCode::NO_CONTENT)),
        Endpoint::AgentRegister | Endpoint::AgentConnect | Endpoint::Socket(_) | Endpoint::Api => {
            Err(AppError::new(ErrorCode::Forbidden, "this is not open to you"))
        }
    }
}

fn only_get(method: &Method) -> Result<(), AppError> {
    if matches!(*method, Method::GET | Method::HEAD) {
        Ok(())
    } else {
        Err(AppError::new(ErrorCode::MethodNotAllowed, "only GET works here"))
    }
}

/// Whether a 401 asks a browser for keys.
fn challenges(headers: &HeaderMap) -> bool {
    let has = |name: &str, wanted: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().contains(wanted))
    };
    !has("x-api-no-challenge", "true") && !has("connection", "upgrade")
}

/// The upgrade to a WebSocket, if the request asks for one properly.
async fn upgrade_of(parts: &mut axum::http::request::Parts) -> Option<WebSocketUpgrade> {
    WebSocketUpgrade::from_request_parts(parts, &()).await.ok()
}

/// A body has this long to arrive, and longer only as far as it comes at a decent speed.
const BODY_TIME: std::time::Duration = std::time::Duration::from_secs(20);
/// So many bytes a second are decent.
const BODY_SPEED: u64 = 32 << 10;

/// Reads a body up to a limit.
///
/// # Errors
/// [`ErrorCode::TooLarge`] beyond it, [`ErrorCode::RequestTimeout`] for one that drips.
async fn read_body(body: Body, limit: usize) -> Result<bytes::Bytes, AppError> {
    use futures_util::StreamExt as _;
    let start = tokio::time::Instant::now();
    let mut chunks = body.into_data_stream();
    let mut read = bytes::BytesMut::new();
    loop {
        let deadline = start + BODY_TIME + std::time::Duration::from_secs(read.len() as u64 / BODY_SPEED);
        let chunk = match tokio::time::timeout_at(deadline, chunks.next()).await {
            Ok(None) => return Ok(read.freeze()),
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(_))) => {
                return Err(AppError::new(ErrorCode::BadRequest, "the body did not arrive in whole"));
            }
            Err(_) => {
                return Err(AppError::new(ErrorCode::RequestTimeout, "the body did not arrive in time"));
            }
        };
        if read.len() + chunk.len() > limit {
            return Err(AppError::new(ErrorCode::TooLarge, format!("the body is larger than {limit} bytes")));
        }
        read.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
