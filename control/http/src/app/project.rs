//! Projects, which people call environments, and who may work in them.

use contract_api::Role;
use contract_values::{MemberId, ProjectId, ProjectTemplateId};
use control_model::{
    Container, CredentialIntent, Member, MemberIntent, MemberRole, Origin, Project, ProjectIntent,
    ProjectTemplate, Row, Tables, Transaction,
};
use control_plan::end_keeps;

use crate::app::{AppError, Cx, ErrorCode, Scope, stack};
use crate::auth::Caller;
use crate::auth::scope::OWN_DIRECTORY;

/// Somebody who shall be a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInput {
    /// Who.
    pub external_id: String,
    /// Which directory knows the id.
    pub external_id_type: String,
    /// What they may do.
    pub role: MemberRole,
}

fn check_members(tables: &Tables, members: &[MemberInput]) -> Result<(), AppError> {
    for (index, member) in members.iter().enumerate() {
        let known = member.external_id_type == OWN_DIRECTORY
            && member
                .external_id
                .parse::<i64>()
                .ok()
                .and_then(|id| tables.accounts.get_raw(id))
                .is_some_and(|account| !account.is_going());
        if !known {
            return Err(AppError::field(
                ErrorCode::InvalidReference,
                "externalId",
                format!(
                    "`{}` of `{}` is nobody that this server knows",
                    member.external_id, member.external_id_type
                ),
            ));
        }
        let same = |other: &MemberInput| {
            (&other.external_id, &other.external_id_type) == (&member.external_id, &member.external_id_type)
        };
        if members[..index].iter().any(same) {
            return Err(AppError::field(ErrorCode::NotUnique, "members", "somebody is listed twice"));
        }
    }
    if members.iter().any(|member| member.role == MemberRole::Owner) {
        return Ok(());
    }
    Err(AppError {
        field: Some("members".to_owned()),
        ..AppError::new(
            ErrorCode::InvalidRequest,
            "a project needs at least one member with the role `owner`",
        )
    })
}

/// Makes a project. Whoever makes it owns it, unless members are given.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_project(
    cx: &Cx,
    name: String,
    description: Option<String>,
    members: Option<Vec<MemberInput>>,
    template: Option<ProjectTemplateId>,
) -> Result<ProjectId, AppError> {
    let Caller::Account { id: creator, .. } = cx.caller else {
        return Err(AppError::new(ErrorCode::Forbidden, "a project's own key cannot make projects"));
    };
    let members = members.filter(|members| !members.is_empty()).unwrap_or_else(|| {
        vec![MemberInput {
            external_id: creator.raw().to_string(),
            external_id_type: OWN_DIRECTORY.to_owned(),
            role: MemberRole::Owner,
        }]
    });
    check_members(&cx.tables, &members)?;
    if let Some(template) = template {
        check_template(cx, template)?;
    }
    let id = cx.new_id::<Project>().await?;
    let uuid = cx.new_uuid();
    let mut fresh = Vec::new();
    for member in members {
        fresh.push((cx.new_id::<Member>().await?, cx.new_uuid(), member));
    }
    cx.commit(|_, transaction| {
        let intent = ProjectIntent {
            name: name.clone(),
            description: description.clone(),
            template,
            ..ProjectIntent::default()
        };
        transaction.insert::<Project>(id, uuid.clone(), intent);
        for (member_id, uuid, member) in &fresh {
            transaction.insert::<Member>(*member_id, uuid.clone(), member_intent(id, member));
        }
        Ok(id)
    })
    .await?;
    if let Some(template) = template {
        begin_with(cx, id, template).await?;
    }
    Ok(id)
}

/// Checks that the caller sees a draft, and that this version can make all of it.
fn check_template(cx: &Cx, id: ProjectTemplateId) -> Result<(), AppError> {
    let row = cx.tables.templates.get(id).filter(|row| row.removed.is_none());
    let sees = |row: &Row<ProjectTemplate>| {
        row.intent.public || cx.scope.role == Role::Admin || row.intent.account == cx.account()
    };
    let row = row.filter(|row| sees(row)).ok_or_else(|| {
        AppError::field(
            ErrorCode::InvalidReference,
            "projectTemplateId",
            "`projectTemplateId` names no draft that you can see",
        )
    })?;
    match row.intent.stacks.iter().find(|stack| stack.docker_compose.is_none() && stack.template.is_some()) {
        Some(stack) => Err(AppError::field(
            ErrorCode::InvalidOption,
            "projectTemplateId",
            format!(
                "the stack `{}` of this draft comes from a catalog, which this version does not read; give the \
                 draft its compose file",
                stack.name
            ),
        )),
        None => Ok(()),
    }
}

/// Makes the stacks that an environment made of a draft begins with.
async fn begin_with(cx: &Cx, project: ProjectId, id: ProjectTemplateId) -> Result<(), AppError> {
    let fresh = cx.refreshed();
    let Some(row) = fresh.tables.templates.get(id).cloned() else { return Ok(()) };
    let inside = Cx { scope: Scope { project: Some(project), role: Role::Owner }, ..fresh };
    for draft in row.intent.stacks.iter().filter(|stack| stack.docker_compose.is_some()) {
        let input = stack::StackCreate {
            name: draft.name.clone(),
            description: draft.description.clone(),
            files: stack::StackFiles {
                docker_compose: draft.docker_compose.clone(),
                rancher_compose: draft.rancher_compose.clone(),
                environment: draft.answers.clone(),
            },
            external_id: None,
            start_on_create: true,
            system: false,
        };
        stack::create_stack(&inside, input).await?;
    }
    Ok(())
}

fn member_intent(project: ProjectId, member: &MemberInput) -> MemberIntent {
    MemberIntent {
        project: Some(project),
        external_id: member.external_id.clone(),
        external_id_type: member.external_id_type.clone(),
        role: member.role,
    }
}

fn live(tables: &Tables, id: ProjectId) -> Result<&Row<Project>, AppError> {
    let row = tables.projects.get(id).filter(|row| !row.is_going());
    row.map(|row| &**row).ok_or_else(AppError::not_found)
}

/// What may be changed of a project.
#[derive(Clone, Debug, Default)]
pub struct ProjectUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new note, or none.
    pub description: Option<Option<String>>,
    /// Whether it is switched off.
    pub inactive: Option<bool>,
}

/// Changes a project.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn update_project(cx: &Cx, id: ProjectId, update: ProjectUpdate) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = live(tables, id)?;
        let mut intent = row.intent.clone();
        if let Some(name) = &update.name {
            intent.name.clone_from(name);
        }
        if let Some(description) = &update.description {
            intent.description.clone_from(description);
        }
        if let Some(inactive) = update.inactive {
            intent.inactive = inactive;
        }
        if intent != row.intent {
            transaction.set_intent(row, intent);
        }
        Ok(())
    })
    .await
}

/// Replaces the members of a project.
///
/// # Errors
/// Refuses a list without an owner.
pub async fn set_members(cx: &Cx, id: ProjectId, members: &[MemberInput]) -> Result<(), AppError> {
    check_members(&cx.tables, members)?;
    let mut fresh = Vec::new();
    for _ in members {
        fresh.push((cx.new_id::<Member>().await?, cx.new_uuid()));
    }
    cx.commit(|tables, transaction| {
        live(tables, id)?;
        let old: Vec<_> = tables.members.of_project(id).filter(|row| row.removed.is_none()).collect();
        let same = |row: &Row<Member>, member: &MemberInput| {
            row.intent.external_id == member.external_id
                && row.intent.external_id_type == member.external_id_type
        };
        for row in &old {
            match members.iter().find(|member| same(row, member)) {
                None => transaction.finish_removal(&***row),
                Some(member) if member.role != row.intent.role => {
                    let intent = MemberIntent { role: member.role, ..row.intent.clone() };
                    transaction.set_intent(&***row, intent);
                }
                Some(_) => {}
            }
        }
        for (member, (member_id, uuid)) in members.iter().zip(&fresh) {
            if !old.iter().any(|row| same(row, member)) {
                transaction.insert::<Member>(*member_id, uuid.clone(), member_intent(id, member));
            }
        }
        Ok(())
    })
    .await
}

/// Adds a member to a project.
///
/// # Errors
/// Refuses somebody whom nobody knows.
pub async fn add_member(cx: &Cx, project: ProjectId, member: MemberInput) -> Result<MemberId, AppError> {
    let owner = MemberInput { role: MemberRole::Owner, ..member.clone() };
    check_members(&cx.tables, std::slice::from_ref(&owner))?;
    let id = cx.new_id::<Member>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|tables, transaction| {
        live(tables, project)?;
        transaction.insert::<Member>(id, uuid.clone(), member_intent(project, &member));
        Ok(id)
    })
    .await
}

/// Asks for the removal of a project and of everything in it.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_project(cx: &Cx, id: ProjectId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = tables.projects.get(id).filter(|row| row.removed.is_none());
        let row = row.ok_or_else(AppError::not_found)?;
        for stack in tables.stacks.of_project(id).filter(|stack| !stack.is_going()) {
            stack::ask_stack_removal(tables, transaction, stack);
        }
        ask_containers(tables, transaction, id);
        for host in tables.hosts.of_project(id).filter(|host| !host.is_going()) {
            transaction.ask_removal(&**host);
        }
        for credential in tables.credentials.of_project(id).filter(|key| key.removed.is_none()) {
            // The keys of agents stay, so that hosts can still carry out the removal.
            if credential.intent.host.is_none() {
                if credential.intent.sealed.is_some() {
                    let intent = CredentialIntent { sealed: None, ..credential.intent.clone() };
                    transaction.set_intent(&**credential, intent);
                }
                transaction.finish_removal(&**credential);
            }
        }
        let empty = tables.stacks.of_project(id).all(|row| row.removed.is_some())
            && tables.containers.of_project(id).all(|row| row.removed.is_some())
            && tables.hosts.of_project(id).all(|row| row.removed.is_some());
        if empty {
            end_keeps(tables, transaction, id);
            transaction.finish_removal(&**row);
            for member in tables.members.of_project(id).filter(|row| row.removed.is_none()) {
                transaction.finish_removal(&**member);
            }
        } else {
            transaction.ask_removal(&**row);
        }
        Ok(())
    })
    .await
}

fn ask_containers(tables: &Tables, transaction: &mut Transaction, id: ProjectId) {
    let own = |container: &Row<Container>| {
        !container.is_going()
            && container.intent.stack.is_none()
            && matches!(container.intent.origin, Origin::Standalone)
    };
    for container in tables.containers.of_project(id).filter(|container| own(container)) {
        transaction.ask_removal(&**container);
    }
}
