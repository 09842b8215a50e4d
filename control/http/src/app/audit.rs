//! The audit log: who changed what, when and from where.
//!
//! An entry is written in the transaction that does what it tells of, so that neither is there without the other. What
//! was refused, or changed nothing, gets an entry of its own. The log is bounded as it is written: each entry takes the
//! oldest ones along that are too old or too many.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use contract_api::{FieldType, Version, declarations};
use contract_values::{AccountId, AuditEntryId};
use control_model::{
    AuditEntry, AuditIntent, AuthKind, Credential, CredentialKind, Part, Row, Tables, Transaction,
};
use serde_json::{Map, Value, json};

use crate::app::{AppError, Cx, setting};
use crate::auth::Caller;

/// For how many seconds entries are kept.
pub const AGE_SETTING: &str = "audit_log.purge.after.seconds";
/// How many entries are kept.
pub const COUNT_SETTING: &str = "audit_log.max.rows";
/// How many entries are kept when nobody says.
const MOST_ENTRIES: usize = 10_000;
/// How many old entries one new one takes along.
const TAKES_ALONG: usize = 3;
/// Among how many old ones it looks for them.
const MOST_LOOKED_AT: usize = 256;
/// The longest text of a request that is kept whole.
const LONGEST_TEXT: usize = 512;
/// The largest request that is kept.
const MOST_BYTES: usize = 8 << 10;
/// How deep a request is looked into.
const MOST_DEPTH: usize = 8;

/// What will be an entry.
#[derive(Debug)]
pub struct Audit {
    draft: Mutex<AuditIntent>,
    creates: bool,
    written: AtomicBool,
}

impl Audit {
    /// Begins an entry for something that is about to be done to an object, or to make one.
    pub fn begin(cx: &Cx, resource_type: &str, resource_id: Option<i64>, verb: &str) -> Self {
        let credential = |row: &Row<Credential>| match row.intent.kind {
            CredentialKind::Session => AuthKind::Token,
            CredentialKind::RegistrationToken => AuthKind::Registration,
            CredentialKind::ApiKey
            | CredentialKind::AgentKey
            | CredentialKind::Password
            | CredentialKind::RegistryLogin => AuthKind::Basic,
        };
        let (account, auth) = match cx.caller {
            Caller::Account { id, credential: key, .. } => (
                Some(id.raw()),
                cx.tables.credentials.get(key).map_or(AuthKind::Basic, |row| credential(row)),
            ),
            Caller::ProjectKey { project, .. } => (Some(project.raw()), AuthKind::Basic),
            Caller::Registration { project, .. } => (Some(project.raw()), AuthKind::Registration),
            Caller::Agent { project, .. } => (Some(project.raw()), AuthKind::Basic),
            Caller::Anonymous => (None, AuthKind::TokenAccount),
        };
        let creates = verb == "create";
        let draft = AuditIntent {
            project: cx.scope.project,
            event: format!("api.{}.{verb}", resource_type.to_ascii_lowercase()),
            auth,
            account,
            client_ip: cx.client_ip.to_string(),
            resource_type: resource_type.to_owned(),
            resource_id,
            response_code: match verb {
                "create" => 201,
                "update" | "delete" => 200,
                _ => 202,
            },
            request: None,
            error: None,
        };
        Self { draft: Mutex::new(draft), creates, written: AtomicBool::new(false) }
    }

    fn with<T>(&self, change: impl FnOnce(&mut AuditIntent) -> T) -> T {
        change(&mut self.draft.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds what was asked, without what is secret.
    pub fn note_request(&self, input: &Map<String, Value>) {
        self.with(|draft| {
            let secret = draft.resource_type == "secret";
            draft.request = (!input.is_empty()).then(|| masked(input, secret));
        });
    }

    /// Adds who it was, when that is known only after the fact.
    pub fn note_account(&self, account: AccountId) {
        self.with(|draft| draft.account = Some(account.raw()));
    }

    /// Whether it has not been written.
    pub fn is_open(&self) -> bool {
        !self.written.load(Ordering::Acquire)
    }

    /// Notes that the transaction it was written in took effect.
    pub fn close(&self) {
        self.written.store(true, Ordering::Release);
    }

    /// Adds the entry to a transaction, and takes along what the log has too much of.
    pub fn write(&self, tables: &Tables, transaction: &mut Transaction, id: AuditEntryId, uuid: &str) {
        let mut intent = self.with(|draft| draft.clone());
        if self.creates && intent.resource_id.is_none() {
            let made = transaction.writes.iter().find(|write| write.part == Part::Insert);
            intent.resource_id = made.map(|write| write.row.id());
        }
        transaction.insert::<AuditEntry>(id, uuid.to_owned(), intent);
        let number =
            |name: &str| setting::value(tables, name).and_then(|text| text.trim().parse::<u64>().ok());
        let most = number(COUNT_SETTING).and_then(|most| usize::try_from(most).ok()).unwrap_or(MOST_ENTRIES);
        let age = number(AGE_SETTING)
            .and_then(|age| i64::try_from(age).ok())
            .map_or(i64::MAX, |age| age.saturating_mul(1000));
        let oldest = transaction.now.since(contract_values::Timestamp(0)).0.saturating_sub(age);
        let surplus = (tables.audit.len() + 1).saturating_sub(most);
        let live = tables.audit.iter().filter(|row| row.removed.is_none());
        let oldest_rows: Vec<_> = live.take(surplus.clamp(TAKES_ALONG, MOST_LOOKED_AT)).collect();
        // Requests at one moment see one picture: each takes others along, or the log would grow with their number.
        let number = usize::try_from(id.raw()).unwrap_or_default();
        let start = number.wrapping_mul(TAKES_ALONG);
        for step in 0..TAKES_ALONG.min(oldest_rows.len()) {
            let index = start.wrapping_add(step) % oldest_rows.len();
            let row = oldest_rows[index];
            if index < surplus || row.created.0 < oldest {
                transaction.forget(&**row);
            }
        }
    }
}

/// Writes the entry of what was refused, or of what changed nothing.
///
/// # Errors
/// Fails when the store does.
pub async fn conclude(cx: &Cx, status: u16, error: Option<&str>) -> Result<(), AppError> {
    let Some(audit) = &cx.audit else { return Ok(()) };
    if !audit.is_open() && error.is_none() {
        return Ok(());
    }
    audit.with(|draft| {
        draft.response_code = status;
        draft.error = error.map(str::to_owned);
    });
    audit.written.store(false, Ordering::Release);
    // The entry is all that there is to write.
    cx.commit_audited(|_, _| Ok(()), true).await
}

/// The names of fields, in lower case, that some type takes and never shows.
fn unshown() -> &'static BTreeSet<String> {
    static NAMES: OnceLock<BTreeSet<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let fields = declarations(Version::V2Beta).iter().flat_map(|declaration| &declaration.fields);
        fields
            .filter(|(_, field)| field.write_only || field.kind == FieldType::Password)
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect()
    })
}

/// The members whose value is a secret, in whatever type.
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["secret", "password", "token", "jwt", "credential", "privatekey", "passphrase", "authorization"];
    let name = name.to_ascii_lowercase();
    // Names of secrets are no secrets.
    if matches!(name.as_str(), "secrets" | "secretid" | "registrycredentialid" | "secret") {
        return false;
    }
    matches!(name.as_str(), "key" | "code")
        || WORDS.iter().any(|word| name.contains(word))
        || unshown().contains(&name)
}

/// The request as JSON, without secrets, without the values of environment variables and of what is long.
fn masked(input: &Map<String, Value>, of_secret: bool) -> String {
    let shown = masked_members(input, of_secret, 0).to_string();
    if shown.len() <= MOST_BYTES {
        return shown;
    }
    let names: Vec<&String> = input.keys().take(100).collect();
    json!({ "fields": names, "bytes": shown.len() }).to_string()
}

fn masked_members(members: &Map<String, Value>, of_secret: bool, depth: usize) -> Value {
    members
        .iter()
        .map(|(name, value)| {
            let shown = match value {
                Value::Null => Value::Null,
                _ if is_secret(name) || of_secret && name == "value" => "***".into(),
                Value::Object(values) if matches!(name.as_str(), "environment" | "answers") => {
                    values.keys().map(|name| (name.clone(), Value::from("***"))).collect::<Map<_, _>>().into()
                }
                Value::String(text) if matches!(name.as_str(), "dockerCompose" | "rancherCompose") => {
                    format!("({} bytes)", text.len()).into()
                }
                value => masked_value(value, depth + 1),
            };
            (name.clone(), shown)
        })
        .collect::<Map<_, _>>()
        .into()
}

fn masked_value(value: &Value, depth: usize) -> Value {
    match value {
        _ if depth > MOST_DEPTH => "…".into(),
        Value::Object(members) => masked_members(members, false, depth),
        Value::Array(items) => items.iter().map(|item| masked_value(item, depth + 1)).collect(),
        Value::String(text) if text.len() > LONGEST_TEXT => format!("({} bytes)", text.len()).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
