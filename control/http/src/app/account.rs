//! Accounts.

use contract_values::AccountId;
use control_model::{Account, AccountIntent, AccountKind, Row, Tables};

use crate::app::{AppError, Cx, ErrorCode};

/// Whether the account is one of those that a server always has.
pub fn is_built_in(id: AccountId) -> bool {
    (1..=4).contains(&id.raw())
}

/// Makes an account.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_account(cx: &Cx, intent: AccountIntent) -> Result<AccountId, AppError> {
    let id = cx.new_id::<Account>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|_, transaction| {
        transaction.insert::<Account>(id, uuid.clone(), intent.clone());
        Ok(id)
    })
    .await
}

/// What may be changed of an account.
#[derive(Clone, Debug, Default)]
pub struct AccountUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new note, or none.
    pub description: Option<Option<String>>,
    /// Other rights.
    pub kind: Option<AccountKind>,
    /// Whether it is shut out.
    pub inactive: Option<bool>,
}

/// Changes an account.
///
/// # Errors
/// [`ErrorCode::LastAdminAccount`] when nobody would be left who may do everything.
pub async fn update_account(cx: &Cx, id: AccountId, update: AccountUpdate) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = tables.accounts.get(id).filter(|row| !row.is_going()).ok_or_else(AppError::not_found)?;
        let mut intent = row.intent.clone();
        if let Some(name) = &update.name {
            intent.name.clone_from(name);
        }
        if let Some(description) = &update.description {
            intent.description.clone_from(description);
        }
        if let Some(kind) = update.kind {
            intent.kind = kind;
        }
        if let Some(inactive) = update.inactive {
            intent.inactive = inactive;
        }
        if is_working_admin(&row.intent) && !is_working_admin(&intent) {
            keep_an_admin(tables, row)?;
        }
        if intent != row.intent {
            transaction.set_intent(&**row, intent);
        }
        Ok(())
    })
    .await
}

/// Removes an account and everything by which it signs in.
///
/// # Errors
/// [`ErrorCode::LastAdminAccount`] when nobody would be left who may do everything.
pub async fn remove_account(cx: &Cx, id: AccountId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = tables.accounts.get(id).filter(|row| !row.is_going()).ok_or_else(AppError::not_found)?;
        if is_built_in(id) && row.intent.kind != AccountKind::Admin {
            return Err(AppError::new(ErrorCode::MethodNotAllowed, "the server needs this account"));
        }
        if is_working_admin(&row.intent) {
            keep_an_admin(tables, row)?;
        }
        transaction.finish_removal(&**row);
        for credential in tables.credentials.live().filter(|key| key.intent.account == Some(id)) {
            transaction.finish_removal(&**credential);
        }
        let external = id.raw().to_string();
        for member in tables.members.live().filter(|member| {
            member.intent.external_id_type == crate::auth::scope::OWN_DIRECTORY
                && member.intent.external_id == external
        }) {
            transaction.finish_removal(&**member);
        }
        Ok(())
    })
    .await
}

fn is_working_admin(intent: &AccountIntent) -> bool {
    intent.kind == AccountKind::Admin && !intent.inactive
}

fn keep_an_admin(tables: &Tables, leaving: &Row<Account>) -> Result<(), AppError> {
    let other = tables
        .accounts
        .live()
        .any(|row| row.id != leaving.id && !row.is_going() && is_working_admin(&row.intent));
    if other {
        return Ok(());
    }
    Err(AppError::new(
        ErrorCode::LastAdminAccount,
        "this is the last administrator; make another account an administrator first",
    ))
}
