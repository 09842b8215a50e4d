//! Pages for people: a browsable view of documents, and a page that says where things are.
//!
//! Nothing in a page comes from elsewhere and nothing in a document can run: the one script is a file of ours, the
//! document is data beside it, and the policy that goes with each page allows no more than that.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use crate::Shared;
use crate::app::AppError;
use crate::routes::reply::Reply;

/// What a page may load and do: our own files, requests to this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const SCRIPT: &str = include_str!("html/view.js");
const STYLE: &str = include_str!("html/view.css");

/// Whether the address bar of a browser asks, as opposed to a program.
pub fn wants_html(headers: &HeaderMap, format: Option<&str>) -> bool {
    match format {
        Some("html") => return true,
        Some("json") => return false,
        _ => {}
    }
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("*/*"));
    accepts && crate::auth::is_browser(headers)
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn html(status: StatusCode, title: &str, head: &str, body: &str) -> Result<Reply, AppError> {
    let title = escape(title);
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/api-view/view.css\">{head}</head>{body}</html>\n"
    );
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
        .body(Body::from(page))
        .map(Reply::Stream)
        .map_err(AppError::internal)
}

/// A document as a page: readable as it is, and with the script a place to work in.
///
/// # Errors
/// Never in practice: the page is made of valid parts.
pub fn document(status: StatusCode, value: &Value, schemas: &str) -> Result<Reply, AppError> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut lines = String::new();
    for line in text.lines() {
        let url = line
            .split('"')
            .find(|part| part.starts_with("http://") || part.starts_with("https://"))
            .map(escape);
        let line = escape(line);
        match url {
            Some(url) => {
                let link = format!("<a href=\"{url}\">{url}</a>");
                lines.push_str(&line.replacen(&url, &link, 1));
            }
            None => lines.push_str(&line),
        }
        lines.push('\n');
    }
    let title = value.get("type").and_then(Value::as_str).unwrap_or("document");
    // Without `<` no text of the document can end the element that it stands in.
    let data = value.to_string().replace('<', "\\u003c");
    let head = format!(
        "<script type=\"application/json\" id=\"answer\">{data}</script>\
         <script src=\"/api-view/view.js\" defer></script>"
    );
    let shown = escape(title);
    let body = format!(
        "<body data-schemas=\"{}\"><nav><a href=\"/v2-beta\">v2-beta</a><a href=\"/v1\">v1</a>\
         <a href=\"{}\">schemas</a></nav><h1>{shown}</h1><main><pre>{lines}</pre></main></body>",
        escape(schemas),
        escape(schemas),
    );
    html(status, title, &head, &body)
}

/// A file of the pages.
///
/// # Errors
/// [`crate::app::ErrorCode::NotFound`] for any other name.
pub fn asset(path: &str) -> Result<Reply, AppError> {
    let (kind, text) = match path.rsplit('/').next().unwrap_or_default() {
        "view.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "view.css" => ("text/css; charset=utf-8", STYLE),
        _ => return Err(AppError::not_found()),
    };
    Ok(Reply::Text(StatusCode::OK, kind, text.to_owned()))
}

/// The page of every path that is none of the API's.
///
/// # Errors
/// Never in practice: the page is made of valid parts.
pub fn page(shared: &Shared) -> Result<Reply, AppError> {
    let version = escape(&shared.settings.version);
    let body = format!(
        "<body><h1>Lariat {version}</h1><p>This server is up. Its API is at <a href=\"/v2-beta\">/v2-beta</a>, \
         described for programs at <a href=\"/v2-beta/openapi.json?_format=json\">/v2-beta/openapi.json</a>; \
         the program <code>lariat</code> speaks it.</p></body>"
    );
    html(StatusCode::OK, "Lariat", "", &body)
}
