//! POST to a collection: from a checked input to a call of `app`.

use axum::http::StatusCode;
use contract_api::launch::LaunchConfig;
use contract_api::{ApiId, Purpose, Schema, Showing, canonical_field, format_id, validate};
use contract_values::{AccountId, ProjectId, kind};
use control_model::{
    AccountIntent, AccountKind, Dependency, DependencyCondition, MemberRole, ServiceLink, TemplateStack,
};
use serde_json::{Map, Value};

use crate::app::certificate::CertificateInput;
use crate::app::container::ContainerCreate;
use crate::app::credential::Owner;
use crate::app::project::MemberInput;
use crate::app::secret::SecretCreate;
use crate::app::service::ServiceCreate;
use crate::app::stack::{StackCreate, StackFiles};
use crate::app::template::TemplateInput;
use crate::app::volume::VolumeCreate;
use crate::app::{
    AppError, ErrorCode, account, certificate, container, credential, project, registry, secret, service,
    setting, stack, template, volume,
};
use crate::auth::Caller;
use crate::launch::read_config;
use crate::routes::api::{Context, canonical_type};
use crate::routes::input::Fields;
use crate::routes::reply::Reply;

/// Creates an object of a type.
///
/// # Errors
/// Names the field that is wrong.
pub async fn create(
    context: &Context,
    schema: &Schema,
    input: &Map<String, Value>,
) -> Result<Reply, AppError> {
    let type_name = canonical_type(schema);
    let checked = validate(context.schemas, schema, Purpose::Create, input)?;
    let fields = Fields(&checked);
    let cx = &context.cx;
    let mut once = Map::new();
    let id = match type_name {
        "stack" => {
            let (id, notices) = stack::create_stack(cx, stack_input(&fields)?).await?;
            once.insert("notices".to_owned(), notice_texts(&notices));
            format_id(id)
        }
        "service" => format_id(service::create_service(cx, service_input(&fields)?).await?),
        "container" => {
            let ids = container::create_containers(cx, container_input(&fields, &checked)?).await?;
            if ids.len() > 1 {
                return created_many(context, schema, ids.into_iter().map(format_id).collect());
            }
            ids.into_iter().map(format_id).next().ok_or_else(AppError::not_found)?
        }
        "apiKey" => {
            let owner = key_owner(context, &fields)?;
            let (id, secret) =
                credential::create_api_key(cx, owner, fields.text("name"), fields.text("description"))
                    .await?;
            once.insert("secretValue".to_owned(), secret.expose().into());
            format_id(id)
        }
        "registrationToken" => format_id(
            credential::create_registration_token(
                cx,
                fields.text("name"),
                fields.text("description"),
                fields.date("expires"),
            )
            .await?,
        ),
        "password" => {
            let owner = match key_owner(context, &fields)? {
                Owner::Account(id) => id,
                Owner::Project(_) => {
                    return Err(AppError::field(
                        ErrorCode::InvalidReference,
                        "accountId",
                        "a password belongs to an account; use /v2-beta/passwords",
                    ));
                }
            };
            let user = fields.required("publicValue")?;
            let secret = fields.secret("secretValue").ok_or_else(|| {
                AppError::field(ErrorCode::MissingRequired, "secretValue", "`secretValue` is missing")
            })?;
            let name = fields.text("name");
            format_id(credential::create_password(cx, owner, &user, secret, name).await?)
        }
        "account" => format_id(account::create_account(cx, account_input(&fields)?).await?),
        "project" => {
            let name = fields.required("name")?;
            let members = match checked.get("members") {
                Some(Value::Array(members)) => Some(members_input(members)?),
                _ => None,
            };
            let template = fields.reference::<kind::ProjectTemplate>("projectTemplateId")?;
            let description = fields.text("description");
            format_id(project::create_project(cx, name, description, members, template).await?)
        }
        "projectMember" => {
            // `projectId` is no field that may be given: it comes from the scope or the parent's URL.
            let parent = match cx.scope.project {
                Some(project) => project,
                None => project_of(context, input)?,
            };
            let member = member_input(&checked)?;
            format_id(project::add_member(cx, parent, member).await?)
        }
        "volume" => {
            let input = VolumeCreate {
                name: fields.required("name")?,
                description: fields.text("description"),
                driver: fields.text("driver").unwrap_or_default(),
                options: fields.texts("driverOpts").unwrap_or_default(),
                host: fields.reference::<kind::Host>("hostId")?,
            };
            format_id(volume::create_volume(cx, input).await?)
        }
        "secret" => {
            let input = SecretCreate {
                name: fields.required("name")?,
                description: fields.text("description"),
                value: fields.secret("value"),
                labels: fields.texts("labels").unwrap_or_default(),
                ..SecretCreate::default()
            };
            format_id(secret::create_secret(cx, input).await?)
        }
        "certificate" => format_id(certificate::create_certificate(cx, certificate_input(&fields)).await?),
        "registry" => {
            let server = fields.required("serverAddress")?;
            let (name, description) = (fields.text("name"), fields.text("description"));
            format_id(registry::create_registry(cx, &server, name, description).await?)
        }
        "registryCredential" => {
            let registry = fields.reference::<kind::Registry>("registryId")?.ok_or_else(|| {
                AppError::field(ErrorCode::MissingRequired, "registryId", "`registryId` is missing")
            })?;
            let user = fields.required("publicValue")?;
            let password = fields.secret("secretValue").ok_or_else(|| {
                AppError::field(ErrorCode::MissingRequired, "secretValue", "`secretValue` is missing")
            })?;
            let (name, description) = (fields.text("name"), fields.text("description"));
            format_id(registry::create_credential(cx, registry, &user, password, name, description).await?)
        }
        "projectTemplate" => {
            fields.required("name")?;
            format_id(template::create_template(cx, template_input(&fields)?).await?)
        }
        "setting" => {
            let name = fields.required("name")?;
            setting::store(cx, &name, &fields.text("value").unwrap_or_default()).await?;
            name
        }
        _ => {
            return Err(AppError::new(
                ErrorCode::MethodNotAllowed,
                format!("a {type_name} cannot be made this way"),
            ));
        }
    };
    let fresh = context.refreshed();
    let item = fresh.find(type_name, &id)?;
    let document = fresh.show_with(&item, Showing::Created, &once).ok_or_else(AppError::not_found)?;
    Ok(Reply::Json(StatusCode::CREATED, document))
}

/// What files say without effect, as lines with file, line and column.
pub fn notice_texts(notices: &[contract_api::launch::Notice]) -> Value {
    notices.iter().map(ToString::to_string).collect()
}

fn created_many(context: &Context, schema: &Schema, ids: Vec<String>) -> Result<Reply, AppError> {
    let fresh = context.refreshed();
    let mut data = Vec::new();
    for id in ids {
        let item = fresh.find(canonical_type(schema), &id)?;
        data.extend(fresh.show(&item, Showing::Created));
    }
    let query = contract_api::ListQuery::parse(schema, &[]);
    let url = context.urls.collection(&schema.declaration.plural);
    let document = contract_api::collection(context.schemas, schema, &context.urls, &url, &query, data, None);
    Ok(Reply::Json(StatusCode::CREATED, document))
}

fn project_of(context: &Context, input: &Map<String, Value>) -> Result<ProjectId, AppError> {
    let id = Fields(input)
        .reference::<kind::Project>("projectId")?
        .ok_or_else(|| AppError::field(ErrorCode::MissingRequired, "projectId", "`projectId` is missing"))?;
    crate::auth::scope::role_in(&context.cx.tables, context.cx.caller, id)
        .filter(|role| *role == contract_api::Role::Owner)
        .map(|_| id)
        .ok_or_else(|| {
            AppError::field(ErrorCode::InvalidReference, "projectId", "you own no project of that id")
        })
}

/// Whose a new key is: as said, where an administrator says it; else the caller's or the project's.
fn key_owner(context: &Context, fields: &Fields<'_>) -> Result<Owner, AppError> {
    let cx = &context.cx;
    if let Some(text) = fields.text("accountId") {
        let number = text.parse::<ApiId>().ok().filter(|id| id.prefix == "1a").map(|id| id.number);
        let owner = number.and_then(|number| {
            let project = ProjectId::new(number);
            let account = AccountId::new(number);
            if cx.tables.projects.get(project).is_some_and(|row| !row.is_going()) {
                Some(Owner::Project(project))
            } else if cx.tables.accounts.get(account).is_some_and(|row| !row.is_going()) {
                Some(Owner::Account(account))
            } else {
                None
            }
        });
        return owner.ok_or_else(|| {
            AppError::field(
                ErrorCode::InvalidReference,
                "accountId",
                "`accountId` names no account and no project",
            )
        });
    }
    match (cx.scope.project, cx.caller) {
        (Some(project), _) => Ok(Owner::Project(project)),
        (None, Caller::Account { id, .. }) => Ok(Owner::Account(id)),
        (
            None,
            Caller::Anonymous
            | Caller::ProjectKey { .. }
            | Caller::Registration { .. }
            | Caller::Agent { .. },
        ) => Err(AppError::new(ErrorCode::Forbidden, "only accounts and projects have keys")),
    }
}

/// The files of a stack: answers and environment are two words for one thing.
pub fn files_input(fields: &Fields<'_>) -> StackFiles {
    let mut environment = fields.texts("environment").unwrap_or_default();
    environment.extend(fields.texts("answers").unwrap_or_default());
    StackFiles {
        docker_compose: fields.text("dockerCompose"),
        rancher_compose: fields.text("rancherCompose"),
        environment,
    }
}

fn stack_input(fields: &Fields<'_>) -> Result<StackCreate, AppError> {
    Ok(StackCreate {
        name: fields.required("name")?,
        description: fields.text("description"),
        files: files_input(fields),
        external_id: fields.text("externalId"),
        start_on_create: fields.flag("startOnCreate").unwrap_or(false),
        system: fields.flag("system").unwrap_or(false),
    })
}

/// Reads a launch configuration out of a field.
///
/// # Errors
/// Names what is wrong in it.
pub fn launch_input(fields: &Fields<'_>, name: &str) -> Result<LaunchConfig, AppError> {
    Ok(read_config(&fields.object(name).unwrap_or_default())?)
}

/// Reads the conditions of a service.
///
/// # Errors
/// Names what is wrong in them.
pub fn dependencies_input(fields: &Fields<'_>) -> Result<Option<Vec<Dependency>>, AppError> {
    if !fields.0.contains_key("dependsOn") {
        return Ok(None);
    }
    let mut dependencies = Vec::new();
    for value in fields.list("dependsOn") {
        let Value::Object(members) = value else { continue };
        let fields = Fields(members);
        dependencies.push(Dependency {
            service: fields.required("service")?,
            condition: match fields.text("condition").as_deref() {
                Some("healthy") => DependencyCondition::Healthy,
                Some("completedSuccessfully") => DependencyCondition::CompletedSuccessfully,
                _ => DependencyCondition::Started,
            },
            optional: fields.flag("optional").unwrap_or(false),
        });
    }
    Ok(Some(dependencies))
}

fn service_input(fields: &Fields<'_>) -> Result<ServiceCreate, AppError> {
    if !fields.list("secondaryLaunchConfigs").is_empty() {
        return Err(AppError::field(
            ErrorCode::InvalidOption,
            "secondaryLaunchConfigs",
            "this version does not run sidekicks yet; make a service of each",
        ));
    }
    Ok(ServiceCreate {
        stack: fields.reference::<kind::Stack>("stackId")?,
        name: fields.required("name")?,
        description: fields.text("description"),
        scale: fields.count("scale")?.unwrap_or(1),
        launch: launch_input(fields, "launchConfig")?,
        metadata: fields.object("metadata").unwrap_or_default(),
        depends_on: dependencies_input(fields)?.unwrap_or_default(),
        external_id: fields.text("externalId"),
        start_on_create: fields.flag("startOnCreate").unwrap_or(false),
    })
}

fn container_input(fields: &Fields<'_>, checked: &Map<String, Value>) -> Result<ContainerCreate, AppError> {
    Ok(ContainerCreate {
        name: fields.text("name"),
        description: fields.text("description"),
        launch: read_config(&launch_part(checked))?,
        stack: fields.reference::<kind::Stack>("stackId")?,
        host: fields.reference::<kind::Host>("requestedHostId")?,
        count: fields.count("count")?.unwrap_or(1),
        start: fields.flag("startOnCreate").unwrap_or(true),
    })
}

/// The members of a container's input that say how it is launched; the others are its own.
fn launch_part(checked: &Map<String, Value>) -> Map<String, Value> {
    let own = |name: &str| {
        matches!(
            canonical_field(name),
            "name"
                | "description"
                | "stackId"
                | "requestedHostId"
                | "count"
                | "startOnCreate"
                | "version"
                | "system"
                | "accountId"
                | "uuid"
                | "state"
                | "kind"
        )
    };
    checked.iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Reads a kind of account.
///
/// # Errors
/// [`ErrorCode::InvalidOption`] for one that people cannot have.
pub fn account_kind(text: &str) -> Result<AccountKind, AppError> {
    match text {
        "admin" => Ok(AccountKind::Admin),
        "readAdmin" => Ok(AccountKind::ReadAdmin),
        "user" => Ok(AccountKind::User),
        other => Err(AppError::field(
            ErrorCode::InvalidOption,
            "kind",
            format!("`kind` is `{other}`; it may be admin, readAdmin or user"),
        )),
    }
}

fn account_input(fields: &Fields<'_>) -> Result<AccountIntent, AppError> {
    Ok(AccountIntent {
        name: fields.text("name").unwrap_or_default(),
        description: fields.text("description"),
        kind: account_kind(&fields.text("kind").unwrap_or_else(|| "user".to_owned()))?,
        inactive: false,
    })
}

/// Reads what a certificate is made of, or becomes.
pub fn certificate_input(fields: &Fields<'_>) -> CertificateInput {
    CertificateInput {
        name: fields.text("name"),
        description: fields.change("description"),
        certificate: fields.text("cert"),
        chain: fields.change("certChain"),
        key: fields.secret("key"),
    }
}

/// Reads what a draft of environments is made of.
///
/// # Errors
/// Names what is wrong in it.
pub fn template_input(fields: &Fields<'_>) -> Result<TemplateInput, AppError> {
    let stack = |value: &Value| -> Result<TemplateStack, AppError> {
        let Value::Object(members) = value else {
            return Err(AppError::field(ErrorCode::InvalidFormat, "stacks", "a stack is an object"));
        };
        let fields = Fields(members);
        Ok(TemplateStack {
            name: fields.required("name")?,
            description: fields.text("description"),
            template: fields.text("templateVersionId").or_else(|| fields.text("templateId")),
            docker_compose: fields.text("dockerCompose"),
            rancher_compose: fields.text("rancherCompose"),
            answers: fields.texts("answers").unwrap_or_default(),
        })
    };
    Ok(TemplateInput {
        name: fields.text("name"),
        description: fields.change("description"),
        external_id: fields.change("externalId"),
        public: fields.flag("isPublic"),
        stacks: match fields.0.contains_key("stacks") {
            true => Some(fields.list("stacks").iter().map(stack).collect::<Result<_, _>>()?),
            false => None,
        },
    })
}

/// Reads a list of members.
///
/// # Errors
/// Names what is wrong in it.
pub fn members_input(members: &[Value]) -> Result<Vec<MemberInput>, AppError> {
    members
        .iter()
        .map(|member| match member {
            Value::Object(fields) => member_input(fields),
            _ => Err(AppError::field(ErrorCode::InvalidFormat, "members", "a member is an object")),
        })
        .collect()
}

fn member_input(members: &Map<String, Value>) -> Result<MemberInput, AppError> {
    let fields = Fields(members);
    let role = match fields.text("role").as_deref() {
        Some("owner") => MemberRole::Owner,
        Some("restricted") => MemberRole::Restricted,
        Some("readonly") => MemberRole::Readonly,
        None | Some("member") => MemberRole::Member,
        Some(other) => {
            return Err(AppError::field(
                ErrorCode::InvalidOption,
                "role",
                format!("`role` is `{other}`; it may be owner, member, restricted or readonly"),
            ));
        }
    };
    let external_id_type =
        fields.text("externalIdType").unwrap_or_else(|| crate::auth::scope::OWN_DIRECTORY.to_owned());
    let mut external_id = fields.required("externalId")?;
    // Our own directory takes the id that people see, too.
    if external_id_type == crate::auth::scope::OWN_DIRECTORY
        && let Ok(id) = external_id.parse::<ApiId>()
    {
        external_id = id.number.to_string();
    }
    Ok(MemberInput { external_id, external_id_type, role })
}

/// Reads one link to a service, or a list of them.
///
/// # Errors
/// Names what is wrong in it.
pub fn links_input(members: &Map<String, Value>, field: &str) -> Result<Vec<ServiceLink>, AppError> {
    let one = |value: &Value| -> Result<ServiceLink, AppError> {
        let Value::Object(link) = value else {
            return Err(AppError::field(ErrorCode::InvalidFormat, field, "a link is an object"));
        };
        let fields = Fields(link);
        let service = fields.reference::<kind::Service>("serviceId")?.ok_or_else(|| {
            AppError::field(ErrorCode::MissingRequired, "serviceId", "`serviceId` is missing")
        })?;
        Ok(ServiceLink { service, alias: fields.text("name") })
    };
    match members.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(links)) => links.iter().map(one).collect(),
        Some(link) => Ok(vec![one(link)?]),
    }
}
