//! Shows the first way in, once.

use std::path::Path;

use control_http::FirstCredentials;

use crate::tls::write;

/// Writes the first administrator's password and key for their owner's eyes, or prints them.
///
/// # Errors
/// Fails if the file cannot be written; then they are printed instead, because nothing else knows them.
pub fn show(first: &FirstCredentials, file: Option<&Path>, url: &str) {
    if let Some(path) = file {
        let document = serde_json::json!({
            "url": url,
            "user": first.user,
            "password": first.password.expose(),
            "accessKey": first.access_key,
            "secretKey": first.secret_key.expose(),
        });
        let text = serde_json::to_string_pretty(&document).expect("texts become JSON") + "\n";
        match write(path, text.as_bytes(), 0o600) {
            Ok(()) => {
                tracing::info!("the first administrator's password and key are in `{}`", path.display());
                return;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not write `{}`",
                    path.display()
                );
            }
        }
    }
    println!(
        "First administrator of {url}, shown only this once:\n  user        {}\n  password    {}\n  access key  {}\n  secret key  {}",
        first.user,
        first.password.expose(),
        first.access_key,
        first.secret_key.expose(),
    );
}
