//! PUT, DELETE and actions: from a checked input to a call of `app`.

use axum::http::StatusCode;
use contract_api::{Schema, Schemas, format_id, in_version, parse_reference, validate_input};
use contract_values::{Secret, kind};
use control_model::{AnyRow, CredentialKind};
use serde_json::{Map, Value, json};

use crate::app::account::AccountUpdate;
use crate::app::container::ContainerUpdate;
use crate::app::credential::CredentialUpdate;
use crate::app::export::export_stack;
use crate::app::host::HostUpdate;
use crate::app::project::ProjectUpdate;
use crate::app::service::{LinkChange, ServiceUpdate};
use crate::app::stack::{StackUpdate, StackUpgrade};
use crate::app::{
    AppError, ErrorCode, account, certificate, container, credential, host, project, registry, secret,
    service, setting, stack, template, volume,
};
use crate::present::Item;
use crate::routes::api::{Context, guard_system};
use crate::routes::create::{
    account_kind, certificate_input, dependencies_input, launch_input, links_input, members_input,
    notice_texts, template_input,
};
use crate::routes::input::Fields;
use crate::routes::reply::Reply;
use crate::routes::sockets::{self, ALL_LINES};

/// Changes fields of an object.
///
/// # Errors
/// Names the field that is wrong.
pub async fn update(context: &Context, item: &Item, checked: &Map<String, Value>) -> Result<Reply, AppError> {
    guard_system(context, &item.row(&context.cx))?;
    let fields = Fields(checked);
    let cx = &context.cx;
    match item {
        Item::Row(AnyRow::Stack(row)) => {
            let update = StackUpdate {
                name: fields.text("name"),
                description: fields.change("description"),
                external_id: fields.change("externalId"),
            };
            stack::update_stack(cx, row.id, update).await?;
        }
        Item::Row(AnyRow::Service(row)) => {
            let update = ServiceUpdate {
                name: fields.text("name"),
                description: fields.change("description"),
                scale: fields.count("scale")?,
                metadata: checked
                    .contains_key("metadata")
                    .then(|| fields.object("metadata").unwrap_or_default()),
                depends_on: dependencies_input(&fields)?,
            };
            service::update_service(cx, row.id, update).await?;
        }
        Item::Row(AnyRow::Container(row)) => {
            let update =
                ContainerUpdate { name: fields.text("name"), description: fields.change("description") };
            container::update_container(cx, row.id, update).await?;
        }
        Item::Row(AnyRow::Host(row)) => {
            let update = HostUpdate {
                name: fields.change("name"),
                description: fields.change("description"),
                labels: fields.texts("labels"),
            };
            host::update_host(cx, row.id, update).await?;
        }
        Item::Row(AnyRow::Volume(row)) => {
            if let Some(description) = fields.change("description") {
                volume::describe_volume(cx, row.id, description).await?;
            }
        }
        Item::Row(AnyRow::Project(row)) => {
            let update = ProjectUpdate {
                name: fields.text("name"),
                description: fields.change("description"),
                inactive: None,
            };
            need_owner(context, row.id)?;
            project::update_project(cx, row.id, update).await?;
        }
        Item::Row(AnyRow::Account(row)) => {
            let update = AccountUpdate {
                name: fields.text("name"),
                description: fields.change("description"),
                kind: fields.text("kind").as_deref().map(account_kind).transpose()?,
                inactive: None,
            };
            account::update_account(cx, row.id, update).await?;
        }
        Item::Row(AnyRow::Credential(row)) => {
            let update = CredentialUpdate {
                name: fields.change("name"),
                description: fields.change("description"),
                inactive: None,
                expires: checked.contains_key("expires").then(|| fields.date("expires")),
            };
            if row.intent.kind == CredentialKind::RegistryLogin {
                let (user, password) = (fields.text("publicValue"), fields.secret("secretValue"));
                registry::update_credential(cx, row.id, user, password).await?;
            }
            credential::update_credential(cx, row.id, update).await?;
        }
        Item::Setting(value) => {
            setting::store(cx, &value.name, &fields.text("value").unwrap_or_default()).await?;
        }
        Item::Row(AnyRow::Certificate(row)) => {
            certificate::update_certificate(cx, row.id, &certificate_input(&fields)).await?;
        }
        Item::Row(AnyRow::Registry(row)) => {
            registry::update_registry(cx, row.id, fields.change("name"), fields.change("description"), None)
                .await?;
        }
        Item::Row(AnyRow::ProjectTemplate(row)) => {
            template::update_template(cx, row.id, template_input(&fields)?).await?;
        }
        Item::Row(AnyRow::SealedSecret(row)) => {
            if let Some(description) = fields.change("description") {
                secret::describe_secret(cx, row.id, description).await?;
            }
        }
        Item::Row(AnyRow::Member(_) | AnyRow::Setting(_) | AnyRow::AuditEntry(_))
        | Item::Port(..)
        | Item::Expose(_)
        | Item::Derived(_) => {
            return Err(AppError::new(ErrorCode::MethodNotAllowed, "this type cannot be changed"));
        }
    }
    Ok(Reply::ok(context.show_fresh(item)?))
}

fn need_owner(context: &Context, project: contract_values::ProjectId) -> Result<(), AppError> {
    let role = crate::auth::scope::role_in(&context.cx.tables, context.cx.caller, project);
    if role == Some(contract_api::Role::Owner) {
        Ok(())
    } else {
        Err(AppError::new(ErrorCode::Forbidden, "only an owner of the project may do this"))
    }
}

/// Removes an object.
///
/// # Errors
/// Says why it cannot be removed.
pub async fn remove(context: &Context, item: &Item) -> Result<Reply, AppError> {
    remove_item(context, item).await?;
    Ok(Reply::ok(context.show_fresh(item)?))
}

async fn remove_item(context: &Context, item: &Item) -> Result<(), AppError> {
    let cx = &context.cx;
    match item {
        Item::Row(AnyRow::Stack(row)) => stack::remove_stack(cx, row.id).await,
        Item::Row(AnyRow::Service(row)) => service::remove_service(cx, row.id).await,
        Item::Row(AnyRow::Container(row)) => container::remove_container(cx, row.id).await,
        Item::Row(AnyRow::Host(row)) => host::remove_host(cx, row.id).await,
        Item::Row(AnyRow::Volume(row)) => volume::remove_volume(cx, row.id).await,
        Item::Row(AnyRow::Project(row)) => {
            need_owner(context, row.id)?;
            project::remove_project(cx, row.id).await
        }
        Item::Row(AnyRow::Account(row)) => account::remove_account(cx, row.id).await,
        Item::Row(AnyRow::Credential(row)) => credential::remove_credential(cx, row.id).await,
        Item::Row(AnyRow::Member(row)) => {
            let project = row.intent.project.ok_or_else(AppError::not_found)?;
            need_owner(context, project)?;
            let rest: Vec<_> = cx
                .tables
                .members
                .of_project(project)
                .filter(|member| !member.is_going() && member.id != row.id)
                .map(|member| project::MemberInput {
                    external_id: member.intent.external_id.clone(),
                    external_id_type: member.intent.external_id_type.clone(),
                    role: member.intent.role,
                })
                .collect();
            project::set_members(cx, project, &rest).await
        }
        Item::Setting(value) => setting::reset(cx, &value.name).await,
        Item::Row(AnyRow::SealedSecret(row)) => secret::remove_secret(cx, row.id).await,
        Item::Row(AnyRow::Certificate(row)) => certificate::remove_certificate(cx, row.id).await,
        Item::Row(AnyRow::Registry(row)) => registry::remove_registry(cx, row.id).await,
        Item::Row(AnyRow::ProjectTemplate(row)) => template::remove_template(cx, row.id).await,
        Item::Row(AnyRow::Setting(_) | AnyRow::AuditEntry(_))
        | Item::Port(..)
        | Item::Expose(_)
        | Item::Derived(_) => Err(AppError::new(ErrorCode::MethodNotAllowed, "this type cannot be removed")),
    }
}

/// An action that can be run now.
pub struct Chosen {
    schema: &'static Schema,
    name: String,
    input: Option<&'static Schema>,
}

/// Finds an action of an object that can be run now.
///
/// # Errors
/// [`ErrorCode::InvalidAction`] when the type has none of that name, [`ErrorCode::ActionNotAvailable`] when the
/// state does not allow it.
pub fn action_of(context: &Context, item: &Item, name: &str) -> Result<Chosen, AppError> {
    let name = name.to_ascii_lowercase();
    let row = item.row(&context.cx);
    let schemas: &'static Schemas = context.schemas;
    let schema = schemas.shown_as(in_version(schemas, row.kind)).ok_or_else(AppError::not_found)?;
    let Some(declared) = schema.actions.get(name.as_str()) else {
        let known: Vec<_> = schema.actions.keys().copied().collect();
        return Err(AppError::new(
            ErrorCode::InvalidAction,
            format!("a {} has no action `{name}`; it has: {}", row.kind, known.join(", ")),
        ));
    };
    guard_system(context, &row)?;
    let shown = context.show(item, contract_api::Showing::Later).ok_or_else(AppError::not_found)?;
    let listed = ["actions", "actionLinks"].iter().any(|member| !shown[*member][&name].is_null());
    if !listed {
        let state = row.value("state").as_str().unwrap_or("unknown").to_owned();
        return Err(AppError::new(
            ErrorCode::ActionNotAvailable,
            format!("the action `{name}` does not work in the state `{state}`"),
        ));
    }
    let input = declared.input.as_deref().and_then(|input| schemas.find(input));
    Ok(Chosen { schema, name, input })
}

/// Runs an action on an object.
///
/// # Errors
/// Names what is wrong in the input, and passes on what the action refuses.
pub async fn action(
    context: &Context,
    item: &Item,
    chosen: &Chosen,
    mut input: Map<String, Value>,
) -> Result<Reply, AppError> {
    // Elsewhere null means «not given», but a client that writes it here wants no bound.
    if chosen.name == "logs" && input.get("lines").is_some_and(Value::is_null) {
        input.insert("lines".to_owned(), ALL_LINES.into());
    }
    if let Some(schema) = chosen.input {
        input = validate_input(context.schemas, schema, &input)?;
    }
    run(context, chosen.schema, item, &chosen.name, &input).await
}

async fn run(
    context: &Context,
    schema: &Schema,
    item: &Item,
    name: &str,
    input: &Map<String, Value>,
) -> Result<Reply, AppError> {
    let cx = &context.cx;
    let fields = Fields(input);
    let mut status = StatusCode::ACCEPTED;
    match (item, name) {
        (_, "remove" | "delete") => remove_item(context, item).await?,
        (_, "update") => {
            let checked =
                contract_api::validate(context.schemas, schema, contract_api::Purpose::Update, input)?;
            let Reply::Json(_, document) = update(context, item, &checked).await? else {
                return Err(AppError::not_found());
            };
            return Ok(Reply::Json(status, document));
        }
        (Item::Row(AnyRow::Stack(row)), "activateservices") => {
            status = StatusCode::OK;
            stack::set_services_active(cx, row.id, true).await?;
        }
        (Item::Row(AnyRow::Stack(row)), "deactivateservices") => {
            status = StatusCode::OK;
            stack::set_services_active(cx, row.id, false).await?;
        }
        (Item::Row(AnyRow::Stack(row)), "upgrade") => {
            let upgrade = StackUpgrade {
                docker_compose: fields.text("dockerCompose"),
                rancher_compose: fields.text("rancherCompose"),
                environment: fields.texts("environment").or_else(|| fields.texts("answers")),
                external_id: fields.text("externalId"),
            };
            let upgraded = stack::upgrade_stack(cx, row.id, upgrade).await?;
            let mut document = context.show_fresh(item)?;
            let ids =
                |ids: &[contract_values::ServiceId]| ids.iter().copied().map(format_id).collect::<Vec<_>>();
            document["notices"] = notice_texts(&upgraded.notices);
            document["createdServiceIds"] = ids(&upgraded.created).into();
            document["changedServiceIds"] = ids(&upgraded.changed).into();
            return Ok(Reply::Json(status, document));
        }
        (Item::Row(AnyRow::Stack(row)), "exportconfig") => {
            let only = fields
                .list("serviceIds")
                .iter()
                .filter_map(|id| parse_reference::<kind::Service>(id.as_str()?).ok())
                .collect::<Vec<_>>();
            let files = export_stack(&cx.tables, row, &only);
            return Ok(Reply::ok(json!({
                "type": "composeConfig",
                "dockerComposeConfig": files.docker_compose,
                "rancherComposeConfig": files.rancher_compose,
            })));
        }
        (Item::Row(AnyRow::Service(row)), "activate") => service::set_active(cx, row.id, true).await?,
        (Item::Row(AnyRow::Service(row)), "deactivate") => service::set_active(cx, row.id, false).await?,
        (Item::Row(AnyRow::Service(row)), "restart") => service::restart(cx, row.id).await?,
        (Item::Row(AnyRow::Service(row)), "upgrade") => {
            let strategy = fields.object("inServiceStrategy").ok_or_else(|| {
                AppError::field(
                    ErrorCode::MissingRequired,
                    "inServiceStrategy",
                    "`inServiceStrategy` is missing: an upgrade replaces the containers in their service",
                )
            })?;
            let strategy = Fields(&strategy);
            if strategy.object("launchConfig").is_none() {
                return Err(AppError::field(
                    ErrorCode::InvalidOption,
                    "launchConfig",
                    "`inServiceStrategy.launchConfig` is missing: it says what the containers become",
                ));
            }
            service::upgrade(cx, row.id, &launch_input(&strategy, "launchConfig")?).await?;
        }
        (Item::Row(AnyRow::Service(row)), "setservicelinks") => {
            status = StatusCode::OK;
            let links = links_input(input, "serviceLinks")?;
            service::change_links(cx, row.id, &links, LinkChange::Set).await?;
        }
        (Item::Row(AnyRow::Service(row)), "addservicelink") => {
            status = StatusCode::OK;
            let links = links_input(input, "serviceLink")?;
            service::change_links(cx, row.id, &links, LinkChange::Add).await?;
        }
        (Item::Row(AnyRow::Service(row)), "removeservicelink") => {
            status = StatusCode::OK;
            let links = links_input(input, "serviceLink")?;
            service::change_links(cx, row.id, &links, LinkChange::Remove).await?;
        }
        (Item::Row(AnyRow::Container(row)), "start") => container::start(cx, row.id).await?,
        (Item::Row(AnyRow::Container(row)), "stop") => {
            let remove = fields.flag("remove").unwrap_or(false);
            container::stop(cx, row.id, fields.count("timeout")?, remove).await?;
        }
        (Item::Row(AnyRow::Container(row)), "restart") => container::restart(cx, row.id).await?,
        (Item::Row(AnyRow::Container(row)), "execute") => {
            return sockets::exec_access(context, row, &fields);
        }
        (Item::Row(AnyRow::Container(row)), "logs") => return sockets::logs_access(context, row, &fields),
        (Item::Row(AnyRow::Host(row)), "activate") => host::set_active(cx, row.id, true).await?,
        (Item::Row(AnyRow::Host(row)), "evacuate") => host::evacuate(cx, row.id).await?,
        (Item::Row(AnyRow::Host(row)), "deactivate") => host::set_active(cx, row.id, false).await?,
        (Item::Row(AnyRow::Host(row)), "dockersocket") => return sockets::docker_access(context, row),
        (Item::Row(AnyRow::Project(row)), "activate" | "deactivate") => {
            need_owner(context, row.id)?;
            let update = ProjectUpdate { inactive: Some(name == "deactivate"), ..ProjectUpdate::default() };
            project::update_project(cx, row.id, update).await?;
        }
        (Item::Row(AnyRow::Project(row)), "setmembers") => {
            status = StatusCode::OK;
            need_owner(context, row.id)?;
            project::set_members(cx, row.id, &members_input(fields.list("members"))?).await?;
        }
        (Item::Row(AnyRow::Account(row)), "activate" | "deactivate") => {
            let update = AccountUpdate { inactive: Some(name == "deactivate"), ..AccountUpdate::default() };
            account::update_account(cx, row.id, update).await?;
        }
        (Item::Row(AnyRow::Registry(row)), "activate" | "deactivate") => {
            registry::update_registry(cx, row.id, None, None, Some(name == "deactivate")).await?;
        }
        (Item::Row(AnyRow::Credential(row)), "activate" | "deactivate") => {
            let update =
                CredentialUpdate { inactive: Some(name == "deactivate"), ..CredentialUpdate::default() };
            credential::update_credential(cx, row.id, update).await?;
        }
        (Item::Row(AnyRow::Credential(row)), "changesecret")
            if row.intent.kind == CredentialKind::Password =>
        {
            status = StatusCode::OK;
            let new = fields.secret("newSecret").ok_or_else(|| {
                AppError::field(ErrorCode::MissingRequired, "newSecret", "`newSecret` is missing")
            })?;
            let old: Option<Secret> = fields.secret("oldSecret");
            credential::change_password(cx, row.id, old, new).await?;
        }
        _ => {
            return Err(AppError::new(
                ErrorCode::ActionNotAvailable,
                format!("this version does not have the action `{name}` yet"),
            ));
        }
    }
    Ok(Reply::Json(status, context.show_fresh(item)?))
}
