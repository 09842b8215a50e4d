//! Drafts of environments.

use contract_values::ProjectTemplateId;
use control_model::{ProjectTemplate, ProjectTemplateIntent, Row, Tables, TemplateStack};

use crate::app::stack::{StackFiles, read_files};
use crate::app::{AppError, Cx, ErrorCode};
use crate::auth::Caller;
use contract_api::Role;

/// What a draft is made of, or becomes.
#[derive(Clone, Debug, Default)]
pub struct TemplateInput {
    /// Its name.
    pub name: Option<String>,
    /// A note, or none.
    pub description: Option<Option<String>>,
    /// Its origin, or none.
    pub external_id: Option<Option<String>>,
    /// Whether others may use it.
    pub public: Option<bool>,
    /// The stacks.
    pub stacks: Option<Vec<TemplateStack>>,
}

impl TemplateInput {
    async fn check(&self) -> Result<(), AppError> {
        for stack in self.stacks.iter().flatten() {
            contract_values::check_stack_name(&stack.name).map_err(|error| {
                AppError::field(
                    ErrorCode::InvalidCharacters,
                    "stacks",
                    format!("`{}` is no name for a stack: {error}", stack.name),
                )
            })?;
            let files = StackFiles {
                docker_compose: stack.docker_compose.clone(),
                rancher_compose: stack.rancher_compose.clone(),
                environment: stack.answers.clone(),
            };
            read_files(&stack.name, &files).await.map_err(|error| AppError {
                field: Some("stacks".to_owned()),
                message: format!("stack `{}`: {}", stack.name, error.message),
                ..error
            })?;
        }
        Ok(())
    }

    fn apply(&self, intent: &mut ProjectTemplateIntent) {
        let Self { name, description, external_id, public, stacks } = self.clone();
        if let Some(name) = name {
            intent.name = name;
        }
        if let Some(description) = description {
            intent.description = description;
        }
        if let Some(external_id) = external_id {
            intent.external_id = external_id;
        }
        if let Some(public) = public {
            intent.public = public;
        }
        if let Some(stacks) = stacks {
            intent.stacks = stacks;
        }
    }
}

/// Makes a draft.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create_template(cx: &Cx, input: TemplateInput) -> Result<ProjectTemplateId, AppError> {
    let Caller::Account { id: account, .. } = cx.caller else {
        return Err(AppError::new(ErrorCode::Forbidden, "only accounts have drafts of environments"));
    };
    input.check().await?;
    let id = cx.new_id::<ProjectTemplate>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|_, transaction| {
        let mut intent = ProjectTemplateIntent { account: Some(account), ..ProjectTemplateIntent::default() };
        input.apply(&mut intent);
        transaction.insert::<ProjectTemplate>(id, uuid.clone(), intent);
        Ok(id)
    })
    .await
}

/// Finds a draft that the caller may change: their own, or any for administrators.
fn own<'a>(cx: &Cx, tables: &'a Tables, id: ProjectTemplateId) -> Result<&'a Row<ProjectTemplate>, AppError> {
    let row = tables.templates.get(id).filter(|row| row.removed.is_none()).ok_or_else(AppError::not_found)?;
    if cx.scope.role == Role::Admin || cx.account().is_some() && row.intent.account == cx.account() {
        return Ok(row);
    }
    Err(AppError::new(ErrorCode::Forbidden, "this draft belongs to somebody else"))
}

/// Changes a draft. Environments that were made of it stay as they are.
///
/// # Errors
/// Names the field that is wrong.
pub async fn update_template(cx: &Cx, id: ProjectTemplateId, input: TemplateInput) -> Result<(), AppError> {
    input.check().await?;
    cx.commit(|tables, transaction| {
        let row = own(cx, tables, id)?;
        let mut intent = row.intent.clone();
        input.apply(&mut intent);
        if intent != row.intent {
            transaction.set_intent(row, intent);
        }
        Ok(())
    })
    .await
}

/// Removes a draft.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_template(cx: &Cx, id: ProjectTemplateId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        transaction.finish_removal(own(cx, tables, id)?);
        Ok(())
    })
    .await
}
