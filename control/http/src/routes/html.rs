//! Pages for people: a browsable view of documents, and a page that says where things are.

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use crate::Shared;
use crate::routes::reply::Reply;

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

/// A document with its URLs as links. The page holds no script, so nothing in a document can run.
pub fn document(status: StatusCode, value: &Value) -> Reply {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut body = String::new();
    for line in text.lines() {
        let url = line
            .split('"')
            .find(|part| part.starts_with("http://") || part.starts_with("https://"))
            .map(escape);
        let line = escape(line);
        match url {
            Some(url) => {
                let link = format!("<a href=\"{url}\">{url}</a>");
                body.push_str(&line.replacen(&url, &link, 1));
            }
            None => body.push_str(&line),
        }
        body.push('\n');
    }
    let title = escape(value.get("type").and_then(Value::as_str).unwrap_or("document"));
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <style>body{{font:14px/1.5 monospace;margin:2em}}a{{color:#0550ae}}</style></head>\
         <body><pre>{body}</pre></body></html>\n"
    );
    Reply::Text(status, "text/html; charset=utf-8", page)
}

/// The page of every path that is none of the API's.
pub fn page(shared: &Shared) -> Reply {
    let version = escape(&shared.settings.version);
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lariat</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <style>body{{font:16px/1.6 sans-serif;margin:3em auto;max-width:40em;padding:0 1em}}</style></head>\
         <body><h1>Lariat {version}</h1><p>This server is up. Its API is at <a href=\"/v2-beta\">/v2-beta</a>; \
         the program <code>lariat</code> speaks it.</p></body></html>\n"
    );
    Reply::Text(StatusCode::OK, "text/html; charset=utf-8", page)
}
