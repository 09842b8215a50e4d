//! Answers: documents, headers, and the one place where an error becomes a status.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contract_api::ErrorDocument;
use serde_json::Value;

use crate::Shared;
use crate::app::{AppError, Cx, ErrorCode};
use crate::auth::Caller;

/// What a handler answers.
pub enum Reply {
    /// A document.
    Json(StatusCode, Value),
    /// The text of a document, with status 200.
    JsonText(Bytes),
    /// Text.
    Text(StatusCode, &'static str, String),
    /// Nothing but the status.
    Empty(StatusCode),
    /// A file, as it comes from the disk.
    Stream(Response),
    /// The connection turns into a socket.
    Upgrade(Response),
}

impl Reply {
    /// A document with status 200.
    pub const fn ok(value: Value) -> Self {
        Self::Json(StatusCode::OK, value)
    }

    /// Plain text with status 200.
    pub const fn text(text: String) -> Self {
        Self::Text(StatusCode::OK, "text/plain; charset=utf-8", text)
    }
}

/// Turns an error into its document, and writes the log entry that the document's id points to.
pub fn error_document(shared: &Shared, error: &AppError) -> ErrorDocument {
    let id = crate::auth::secret::new_uuid(&shared.random);
    let status = error.kind.status();
    let chain = causes(error);
    if status >= 500 {
        tracing::error!(error.id = %id, error.code = error.kind.text(), cause = %chain, "a request failed: {error}");
    } else {
        tracing::debug!(error.id = %id, error.code = error.kind.text(), cause = %chain, "a request was refused: {error}");
    }
    let mut document = ErrorDocument::new(id, error.kind, error.message.clone());
    document.detail.clone_from(&error.detail);
    document.field_name.clone_from(&error.field);
    document
}

fn causes(error: &AppError) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// The headers that say where and as whom the caller acts.
pub fn context_headers(headers: &mut HeaderMap, cx: &Cx) {
    let (user, kind, name) = match cx.caller {
        Caller::Account { id, .. } => {
            let name = cx.tables.accounts.get(id).map(|row| row.intent.name.clone());
            (Some(contract_api::format_id(id)), "account", name)
        }
        Caller::ProjectKey { project, .. } => (Some(contract_api::format_id(project)), "project", None),
        Caller::Agent { .. } => (None, "agent", None),
        Caller::Registration { .. } => (None, "register", None),
        Caller::Anonymous => (None, "token", None),
    };
    let project = cx.scope.project.and_then(|id| cx.tables.projects.get(id));
    let (account, kind, name) = match project {
        Some(row) => (Some(contract_api::format_id(row.id)), "project", Some(row.intent.name.clone())),
        None => (user.clone(), if kind == "account" { cx.scope.role.name() } else { kind }, name),
    };
    let mut put = |header: &'static str, value: Option<String>| {
        // A name may hold what no header can; then the header is left out.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(HeaderName::from_static(header), value);
        }
    };
    put("x-api-account-id", account);
    put("x-api-account-kind", Some(kind.to_owned()));
    put("x-api-account-name", name);
    put("x-api-user-id", user);
    put("x-api-client-ip", Some(cx.client_ip.to_string()));
}

/// Makes the response of a reply.
pub fn response(reply: Reply) -> Response {
    const JSON: &str = "application/json; charset=utf-8";
    let (status, kind, body) = match reply {
        Reply::Upgrade(response) | Reply::Stream(response) => return response,
        Reply::Json(status, value) => (status, JSON, Bytes::from(value.to_string())),
        Reply::JsonText(text) => (StatusCode::OK, JSON, text),
        Reply::Text(status, kind, text) => (status, kind, text.into()),
        Reply::Empty(status) => (status, "text/plain; charset=utf-8", Bytes::new()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Makes the response of an error.
pub fn error_response(shared: &Shared, error: &AppError, challenge: bool) -> Response {
    let document = error_document(shared, error);
    let status = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let value = serde_json::to_value(&document).expect("an error document is plain data");
    let mut response = response(Reply::Json(status, value));
    if challenge && error.kind == ErrorCode::Unauthorized {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(
                "Basic realm=\"Enter API access key and secret key as username and password\"",
            ),
        );
    }
    response
}

/// The headers of every answer: nothing of ours belongs into a frame, a cache or a guess of the content type.
pub fn common_headers(headers: &mut HeaderMap, shared: &Shared) {
    if let Ok(version) = HeaderValue::from_str(&shared.settings.version) {
        headers.insert(HeaderName::from_static("x-rancher-version"), version);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}
