//! Signing in and out, and who the caller is.

use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use contract_api::{ListQuery, Row as ApiRow, Schema, Schemas, Showing, collection, show};
use contract_values::{AccountId, Secret};
use control_model::AccountKind;
use serde_json::{Map, Value, json};

use crate::app::credential::{remove_credential, sign_in};
use crate::app::{AppError, ErrorCode};
use crate::auth::scope::OWN_DIRECTORY;
use crate::auth::{Caller, Proof, proof_of, session};
use crate::routes::api::Context;
use crate::routes::input::Fields;
use crate::routes::reply::Reply;

/// Serves `/token` and `/tokens`.
///
/// # Errors
/// [`ErrorCode::Unauthorized`] for a wrong password.
pub async fn serve(
    context: &Context,
    parts: &Parts,
    method: &Method,
    rest: &[String],
    input: Map<String, Value>,
) -> Result<Reply, AppError> {
    let current = |name: &String| name.eq_ignore_ascii_case("current");
    match (method, rest) {
        (&Method::GET, []) => {
            let schema = context.schemas.find("token").ok_or_else(AppError::not_found)?;
            let query = ListQuery::parse(schema, &[]);
            let url = context.urls.collection("tokens");
            let data = vec![document(context, &situation(context, parts))?];
            Ok(Reply::ok(collection(context.schemas, schema, &context.urls, &url, &query, data, None)))
        }
        (&Method::GET, [name]) if current(name) => {
            let (account, _) = current_session(context, parts)?;
            let mut row = situation(context, parts);
            describe(context, &mut row, account);
            Ok(Reply::ok(document(context, &row)?))
        }
        (&Method::POST, []) => {
            let code = Fields(&input).required("code")?;
            let (user, password) = code.split_once(':').ok_or_else(|| {
                AppError::field(ErrorCode::InvalidFormat, "code", "`code` is written user:password")
            })?;
            let signed_in = sign_in(&context.cx, user, Secret::new(password.to_owned())).await?;
            let mut row = situation(context, parts);
            describe(&context.refreshed(), &mut row, signed_in.account);
            row.set("jwt", signed_in.jwt.expose());
            Ok(Reply::Json(StatusCode::CREATED, document(context, &row)?))
        }
        (&Method::DELETE, [name]) if current(name) => {
            let (_, credential) = current_session(context, parts)?;
            remove_credential(&context.cx, credential).await?;
            let secure = if context.origin.scheme == "https" { "; Secure" } else { "" };
            let response = axum::response::Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header("set-cookie", format!("token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"))
                .body(axum::body::Body::empty())
                .map_err(AppError::internal)?;
            Ok(Reply::Stream(response))
        }
        _ => Err(AppError::new(ErrorCode::MethodNotAllowed, "tokens are made by POST and ended by DELETE")),
    }
}

fn current_session(
    context: &Context,
    parts: &Parts,
) -> Result<(AccountId, contract_values::CredentialId), AppError> {
    let none = || AppError::new(ErrorCode::JwtNotProvided, "the request carries no token that still holds");
    let (proof, _) = proof_of(&parts.headers, &context.request.query);
    let Proof::Session { jwt, .. } = proof else { return Err(none()) };
    let cx = &context.cx;
    match session(&cx.shared, &cx.tables, jwt.expose(), cx.now) {
        Some((Caller::Account { id, .. }, credential)) => Ok((id, credential.id)),
        _ => Err(none()),
    }
}

fn situation(context: &Context, parts: &Parts) -> ApiRow {
    let mut row = ApiRow::new("token", "1t1");
    row.set("security", true).set("enabled", true).set("authProvider", "localauthconfig");
    if let Ok((account, _)) = current_session(context, parts) {
        describe(context, &mut row, account);
    }
    row
}

fn describe(context: &Context, row: &mut ApiRow, account: AccountId) {
    let Some(known) = context.cx.tables.accounts.get(account) else { return };
    let kind = match known.intent.kind {
        AccountKind::Admin => "admin",
        AccountKind::ReadAdmin => "readAdmin",
        AccountKind::User | AccountKind::System | AccountKind::Token | AccountKind::Agent => "user",
    };
    row.set("accountId", contract_api::format_id(account))
        .set("user", known.intent.name.clone())
        .set("userType", kind)
        .set("userIdentity", identity(account, &known.intent.name));
}

fn identity(account: AccountId, name: &str) -> Value {
    let external = account.raw().to_string();
    json!({
        "type": "identity",
        "id": format!("{OWN_DIRECTORY}:{external}"),
        "externalId": external,
        "externalIdType": OWN_DIRECTORY,
        "login": name,
        "name": name,
        "user": true,
    })
}

fn document(context: &Context, row: &ApiRow) -> Result<Value, AppError> {
    let token = Schemas::of(context.request.version, contract_api::Role::Token);
    let mut document =
        show(token, &context.urls, row, Showing::Created, false).ok_or_else(AppError::not_found)?;
    // The identity is a type that nobody may look up before signing in, so it is shown as it is.
    if let Some(identity) = row.fields.get("userIdentity") {
        document["userIdentity"] = identity.clone();
    }
    Ok(document)
}

/// Serves `/identities`: who the caller is, or who goes by a name.
///
/// # Errors
/// [`ErrorCode::NotFound`] for an id that is nobody's.
pub fn identities(context: &Context, schema: &Schema, rest: &[String]) -> Result<Reply, AppError> {
    let cx = &context.cx;
    let people = || {
        cx.tables.accounts.live().filter(|account| {
            matches!(account.intent.kind, AccountKind::Admin | AccountKind::ReadAdmin | AccountKind::User)
        })
    };
    let wrap = |mut identity: Value| {
        identity["baseType"] = "identity".into();
        identity["links"] = json!({});
        identity["actions"] = json!({});
        identity
    };
    if let [id] = rest {
        let found = people()
            .map(|account| identity(account.id, &account.intent.name))
            .find(|identity| identity["id"] == id.as_str())
            .ok_or_else(AppError::not_found)?;
        return Ok(Reply::ok(wrap(found)));
    }
    let wanted = context.request.parameter("name");
    let all = context.request.parameter("all").is_some_and(|value| value == "true");
    let data: Vec<Value> = people()
        .filter(|account| match wanted {
            Some(name) if all => account.intent.name.to_lowercase().starts_with(&name.to_lowercase()),
            Some(name) => account.intent.name == name,
            None => cx.account() == Some(account.id),
        })
        .map(|account| wrap(identity(account.id, &account.intent.name)))
        .collect();
    let query = ListQuery::parse(schema, &[]);
    let url = context.urls.collection("identities");
    Ok(Reply::ok(collection(context.schemas, schema, &context.urls, &url, &query, data, None)))
}
