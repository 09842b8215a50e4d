//! The install script for hosts, and the agent's program.
//!
//! Both come from this server, so that a site without a way to the internet works like any other.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header;
use axum::response::Response;

use crate::Shared;
use crate::app::{AppError, ErrorCode};
use crate::auth::{TokenTrouble, registration, token_expired};
use crate::routes::reply::Reply;
use crate::routes::request::Origin;

/// The command that people paste on a host: it fetches the script and runs it.
pub fn command(shared: &Shared, url: &str) -> String {
    match &shared.settings.public_key_hash {
        // No authority that every machine knows vouches for the certificate; its key does.
        Some(hash) if url.starts_with("https://") => {
            format!("curl -fsSL --insecure --pinnedpubkey 'sha256//{hash}' '{url}' | sudo sh")
        }
        _ => format!("curl -fsSL '{url}' | sudo sh"),
    }
}

/// Quotes a text for a shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The install script of a registration token.
///
/// # Errors
/// [`ErrorCode::NotFound`] for a token that no project has given out. One that has ended gives a script that says so.
pub fn install(shared: &Shared, path: &str, origin: &Origin, client: IpAddr) -> Result<Reply, AppError> {
    let token = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let token = percent_encoding::percent_decode_str(token).decode_utf8_lossy();
    let tables = shared.store.snapshot();
    match registration(shared, &tables, &token, shared.now()) {
        Ok(_) => {}
        Err(TokenTrouble::Unknown) => {
            return Err(AppError::new(
                ErrorCode::NotFound,
                "this registration token is unknown, switched off or removed",
            ));
        }
        // `curl -f` drops the text of an error, so the one who pasted the command is told by a script.
        Err(TokenTrouble::Expired(at)) => {
            let text = quote(&format!("error: {}", token_expired(at)));
            return Ok(Reply::text(format!("#!/bin/sh\necho {text} >&2\nexit 1\n")));
        }
    }
    let base = crate::app::setting::value(&tables, "api.host")
        .filter(|host| host.starts_with("http://") || host.starts_with("https://"))
        .map(|host| host.trim_end_matches('/').to_owned())
        .unwrap_or_else(|| origin.text());
    let secure = base.starts_with("https://");
    let (curl, wget) = match &shared.settings.public_key_hash {
        Some(hash) if secure => (
            format!("--insecure --pinnedpubkey {}", quote(&format!("sha256//{hash}"))),
            // `wget` cannot pin a key, so it is not used where that is all we have.
            None,
        ),
        _ => (String::new(), Some(String::new())),
    };
    let pin = match &shared.settings.certificate_hash {
        Some(hash) if secure => format!("--pin {}", quote(&format!("sha256:{hash}"))),
        _ => String::new(),
    };
    // An authority that machines do not know by themselves comes with the script, which the pinned key vouches for.
    let authority = match &shared.settings.ca_certificate {
        Some(pem) if secure && pin.is_empty() => pem.trim(),
        _ => "",
    };
    let script = SCRIPT
        .replace("@BASE@", &quote(&base))
        .replace("@TOKEN@", &quote(&token))
        .replace("@CLIENT@", &quote(&client.to_string()))
        .replace("@CURL@", &curl)
        .replace("@WGET@", if wget.is_some() { "yes" } else { "no" })
        .replace("@PIN@", &pin)
        .replace("@AUTHORITY@", &quote(authority))
        .replace("@VERSION@", &quote(&shared.settings.version));
    Ok(Reply::text(script))
}

/// The script. Words between `@` are filled in, quoted for the shell.
const SCRIPT: &str = include_str!("install.sh");

/// The agent's program for an architecture.
///
/// # Errors
/// [`ErrorCode::NotFound`] for one that this server does not have.
pub async fn agent_program(shared: &Shared, path: &str) -> Result<Reply, AppError> {
    let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let architecture = match name {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    let file = shared.settings.agent_programs.get(architecture).ok_or_else(|| {
        let known: Vec<_> = shared.settings.agent_programs.keys().map(String::as_str).collect();
        AppError::new(
            ErrorCode::NotFound,
            format!("this server has no agent for `{architecture}`; it has: {}", known.join(", ")),
        )
    })?;
    let file = tokio::fs::File::open(file).await.map_err(AppError::internal)?;
    let length = file.metadata().await.map_err(AppError::internal)?.len();
    let stream = futures_util::stream::try_unfold(file, |mut file| async move {
        use tokio::io::AsyncReadExt;
        let mut chunk = bytes::BytesMut::with_capacity(64 << 10);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (chunk.freeze(), file)))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, length)
        .body(Body::from_stream(stream))
        .map(Reply::Stream)
        .map_err(AppError::internal)
}
