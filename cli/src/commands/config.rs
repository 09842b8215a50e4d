//! `lariat config`: which server, key and environment are used, and where that is said.

use clap::Args;
use contract_client::{Given, Origin, ServerAddress};
use serde_json::json;

use crate::error::CliError;
use crate::output::{self, Table};
use crate::session::Session;

/// Show which server, key and environment are used, and why
#[derive(Debug, Args)]
pub struct Config {}

impl Config {
    pub(super) fn run(self, session: &Session) -> Result<(), CliError> {
        let settings = session.settings()?;
        fn text<T>(setting: Option<Given<T>>, show: impl Fn(T) -> String) -> Option<(String, Origin)> {
            setting.map(|setting| (show(setting.value), setting.origin))
        }
        let proxy = settings
            .url
            .as_ref()
            .and_then(|url| ServerAddress::parse(&url.value).ok())
            .and_then(|server| session.proxies().shown_for(&server));
        let rows: [(&str, Option<(String, Origin)>); 7] = [
            ("url", text(settings.url, |url| url)),
            ("accessKey", text(settings.access_key, |key| key)),
            ("secretKey", text(settings.secret_key, |_| "***".to_owned())),
            ("environment", text(settings.environment, |name| name)),
            ("pin", text(settings.pin, |pin| pin)),
            ("caFile", text(settings.ca_file, |path| path.display().to_string())),
            ("proxy", text(proxy, |proxy| proxy)),
        ];
        if session.is_json() {
            let document = rows
                .into_iter()
                .map(|(name, found)| {
                    let value =
                        found.map(|(value, origin)| json!({ "value": value, "from": origin.to_string() }));
                    (name.to_owned(), value.into())
                })
                .collect();
            return output::json(&session.io, &serde_json::Value::Object(document));
        }
        let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
        for (name, found) in rows {
            let (value, origin) = found.map_or(("-".to_owned(), "-".to_owned()), |(v, o)| (v, o.to_string()));
            table.row(vec![name.to_owned(), value, origin]);
        }
        session.io.out(&table.render())?;
        if let Ok(path) = session.config_path() {
            session.io.say(&format!("configuration file: {}", path.display()));
        }
        Ok(())
    }
}
