//! What requests do: plain functions that check rights and objects, and write intents.
//!
//! Nothing here knows HTTP. A function takes a [`Cx`], which says who asks, where and when, and answers with a value
//! or an [`AppError`].

pub mod account;
pub mod audit;
pub mod certificate;
pub mod container;
pub mod credential;
pub mod export;
pub mod host;
pub mod policy;
pub mod project;
pub mod readiness;
pub mod registry;
pub mod secret;
pub mod service;
pub mod setting;
pub mod setup;
pub mod stack;
pub mod template;
pub mod volume;

use std::net::IpAddr;
use std::sync::Arc;

pub use contract_api::ErrorCode;
use contract_api::{Invalid, Role};
use contract_values::{AccountId, Id, ProjectId, Secret, Timestamp};
use control_model::{AuditEntry, Kind, Refused, Stored, Tables, Transaction};
use control_plan::Vault;
use control_store::CommitError;

use crate::Shared;
use crate::auth::Caller;
use crate::auth::secret::new_uuid;

/// Why a request was not done: what the caller may know, and what only the log may.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// The closed set of causes.
    pub kind: ErrorCode,
    /// The field that is to blame.
    pub field: Option<String>,
    /// For the caller: what could not be done and what to do about it.
    pub message: String,
    /// More for the caller, such as every fault of a compose file.
    pub detail: Option<String>,
    /// For the log.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AppError {
    /// An error that is no one field's fault.
    pub fn new(kind: ErrorCode, message: impl Into<String>) -> Self {
        Self { kind, field: None, message: message.into(), detail: None, cause: None }
    }

    /// An error that is one field's fault.
    pub fn field(kind: ErrorCode, field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(kind, message) }
    }

    /// No such thing, or none that the caller may see: the two look the same.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "there is no such object, or you cannot see it")
    }

    /// Something inside failed; the caller learns no more than that.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(
                ErrorCode::ServerError,
                "the server could not do this; its log says why under this id",
            )
        }
    }
}

impl From<Invalid> for AppError {
    fn from(invalid: Invalid) -> Self {
        Self { field: invalid.field, ..Self::new(invalid.code, invalid.message) }
    }
}

/// Where a request acts: at the root or in a project, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The project, inside one.
    pub project: Option<ProjectId>,
    /// The role there.
    pub role: Role,
}

/// Who asks, where, when, and on which picture of the world.
#[derive(Clone)]
pub struct Cx {
    /// What all requests share.
    pub shared: Arc<Shared>,
    /// The picture that the request is answered from.
    pub tables: Arc<Tables>,
    /// The time.
    pub now: Timestamp,
    /// Who asks.
    pub caller: Caller,
    /// Where, and as what.
    pub scope: Scope,
    /// From where.
    pub client_ip: IpAddr,
    /// The entry of the audit log that this will be, if it changes something.
    pub audit: Option<Arc<audit::Audit>>,
}

/// How often a write is tried anew when others write the same rows.
const MOST_ATTEMPTS: u32 = 16;

impl Cx {
    /// The same request on a fresh picture.
    #[must_use]
    pub fn refreshed(&self) -> Self {
        Self { tables: self.shared.store.snapshot(), ..self.clone() }
    }

    /// The project of the scope.
    ///
    /// # Errors
    /// Says how to name one when the request is at the root.
    pub fn project(&self) -> Result<ProjectId, AppError> {
        self.scope.project.ok_or_else(|| {
            AppError::new(
                ErrorCode::MethodNotAllowed,
                "this works inside a project only; use the URL /v2-beta/projects/<id>/…",
            )
        })
    }

    /// The account behind the caller, if it has one.
    pub fn account(&self) -> Option<AccountId> {
        match self.caller {
            Caller::Account { id, .. } => Some(id),
            Caller::Anonymous
            | Caller::ProjectKey { .. }
            | Caller::Registration { .. }
            | Caller::Agent { .. } => None,
        }
    }

    /// A fresh UUID.
    pub fn new_uuid(&self) -> String {
        new_uuid(&self.shared.random)
    }

    /// Seals a text for the row that `place` names.
    pub fn seal(&self, place: &str, text: &Secret) -> Secret {
        let mut nonce = [0; Vault::NONCE];
        (self.shared.random)(&mut nonce);
        self.shared.vault.seal(place, text, nonce)
    }

    /// A fresh id.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn new_id<O: Stored>(&self) -> Result<Id<O::IdKind>, AppError> {
        let ids = self.shared.store.reserve_ids(O::KIND, 1).await.map_err(unwritten)?;
        Ok(Id::new(ids.start))
    }

    /// Builds a transaction on a fresh picture and writes it; when somebody else was faster, builds it anew.
    ///
    /// # Errors
    /// Passes on what `build` refuses; [`ErrorCode::Conflict`] when others keep being faster.
    pub async fn commit<T>(
        &self,
        build: impl Fn(&Tables, &mut Transaction) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        self.commit_audited(build, false).await
    }

    /// The same; with `always` also when there is nothing to write but the entry of the audit log.
    async fn commit_audited<T>(
        &self,
        build: impl Fn(&Tables, &mut Transaction) -> Result<T, AppError>,
        always: bool,
    ) -> Result<T, AppError> {
        let audit = match self.audit.as_ref().filter(|audit| audit.is_open()) {
            Some(audit) => Some((audit, self.new_id::<AuditEntry>().await?, self.new_uuid())),
            None => None,
        };
        for _ in 0..MOST_ATTEMPTS {
            let tables = self.shared.store.snapshot();
            let mut transaction = Transaction::new(self.now);
            let value = build(&tables, &mut transaction)?;
            if transaction.is_empty() && !always {
                return Ok(value);
            }
            policy::check(self, &tables, &transaction)?;
            if let Some((audit, id, uuid)) = &audit {
                audit.write(&tables, &mut transaction, *id, uuid);
            }
            match self.shared.store.commit(transaction).await {
                Ok(_) => {
                    if let Some((audit, ..)) = &audit {
                        audit.close();
                    }
                    return Ok(value);
                }
                Err(CommitError::Refused(Refused::Stale { .. })) => {}
                // Somebody else's entry has taken the same old one along.
                Err(CommitError::Refused(Refused::Missing { kind: Kind::AuditLog, .. })) => {}
                Err(CommitError::Refused(Refused::Missing { .. })) => return Err(AppError::not_found()),
                Err(CommitError::Refused(Refused::NotUnique { kind, .. })) => {
                    return Err(AppError::field(
                        ErrorCode::NotUnique,
                        "name",
                        format!("there is a {} with that name already; choose another one", kind.table()),
                    ));
                }
                Err(error) => return Err(unwritten(error)),
            }
        }
        Err(AppError::new(ErrorCode::Conflict, "others keep changing this object; try again"))
    }
}

/// The error of a write that the database could not take.
fn unwritten(error: CommitError) -> AppError {
    AppError {
        cause: Some(Box::new(error)),
        ..AppError::new(
            ErrorCode::ServiceUnavailable,
            "the database cannot be written now; try again in a while",
        )
    }
}
