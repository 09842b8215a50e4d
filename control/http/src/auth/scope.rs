//! From caller and project to the role: the one place that decides it.

use contract_api::{Role, parse_id};
use contract_values::{AccountId, ProjectId, kind};
use control_model::state::project_usable;
use control_model::{AccountKind, MemberRole, Tables};

use crate::app::{AppError, ErrorCode, Scope};
use crate::auth::Caller;

/// Which directory knows our own accounts.
pub const OWN_DIRECTORY: &str = "rancher_id";

/// Chooses the scope of a request: the wanted project, or where the caller acts by nature.
///
/// # Errors
/// [`ErrorCode::Forbidden`] for a project that the caller has no business in, whether it exists or not.
pub fn scope_of(tables: &Tables, caller: Caller, wanted: Option<&str>) -> Result<Scope, AppError> {
    let Some(wanted) = wanted else { return Ok(natural_scope(caller)) };
    let project = parse_id::<kind::Project>(wanted).map_err(|_| AppError {
        field: Some("projectId".to_owned()),
        ..AppError::new(
            ErrorCode::InvalidRequest,
            format!("`{}` is no project id of the form 1a5", wanted.chars().take(40).collect::<String>()),
        )
    })?;
    let role = role_in(tables, caller, project).ok_or_else(|| {
        AppError::new(ErrorCode::Forbidden, "there is no such project, or you are no member of it")
    })?;
    Ok(Scope { project: Some(project), role })
}

fn natural_scope(caller: Caller) -> Scope {
    match caller {
        Caller::Anonymous => Scope { project: None, role: Role::Token },
        Caller::Account { kind, .. } => Scope { project: None, role: root_role(kind) },
        Caller::ProjectKey { project, .. } => Scope { project: Some(project), role: Role::Project },
        Caller::Registration { project, .. } => Scope { project: Some(project), role: Role::Register },
        Caller::Agent { project, .. } => Scope { project: Some(project), role: Role::Agent },
    }
}

fn root_role(kind: AccountKind) -> Role {
    match kind {
        AccountKind::Admin => Role::Admin,
        AccountKind::ReadAdmin => Role::ReadAdmin,
        AccountKind::User => Role::User,
        // These accounts exist for the server's own use; nobody signs in as them.
        AccountKind::System | AccountKind::Token | AccountKind::Agent => Role::Token,
    }
}

/// The role of a caller in a project; `None` when it has none there.
pub fn role_in(tables: &Tables, caller: Caller, project: ProjectId) -> Option<Role> {
    let row = tables.projects.get(project).filter(|row| row.removed.is_none())?;
    let role = match caller {
        Caller::Anonymous => return None,
        Caller::Account { kind: AccountKind::Admin, .. } => Role::Owner,
        Caller::Account { kind: AccountKind::ReadAdmin, .. } => Role::ReadOnly,
        Caller::Account { kind: AccountKind::User, id, .. } => match membership(tables, project, id)? {
            MemberRole::Owner => Role::Owner,
            MemberRole::Member => Role::Member,
            MemberRole::Restricted => Role::Restricted,
            MemberRole::Readonly => Role::ReadOnly,
        },
        Caller::Account { kind: AccountKind::System | AccountKind::Token | AccountKind::Agent, .. } => {
            return None;
        }
        Caller::ProjectKey { project: own, .. } if own == project => Role::Project,
        Caller::Registration { project: own, .. } if own == project => Role::Register,
        Caller::Agent { project: own, .. } if own == project => Role::Agent,
        Caller::ProjectKey { .. } | Caller::Registration { .. } | Caller::Agent { .. } => return None,
    };
    // Owners may still look at a project that is switched off, in order to switch it on again or remove it.
    (project_usable(&row.intent) || role == Role::Owner).then_some(role)
}

/// The strongest membership of an account in a project.
pub fn membership(tables: &Tables, project: ProjectId, account: AccountId) -> Option<MemberRole> {
    let external = account.raw().to_string();
    tables
        .members
        .of_project(project)
        .filter(|member| !member.is_going())
        .filter(|member| {
            member.intent.external_id_type == OWN_DIRECTORY && member.intent.external_id == external
        })
        .map(|member| member.intent.role)
        .max()
}
