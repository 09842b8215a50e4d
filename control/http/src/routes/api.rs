//! Everything under a version: who asks, in which scope, for what, and the generic answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use contract_api::{
    ListQuery, Purpose, Role, Schema, Schemas, Showing, Urls, Version, openapi, show, validate, write,
};
use serde_json::{Map, Value, json};

use crate::Shared;
use crate::app::audit::Audit;
use crate::app::{AppError, Cx, ErrorCode, Scope, audit};
use crate::auth::scope::scope_of;
use crate::auth::{Caller, Proof, authenticate, cookie, is_browser, proof_of, unauthorized};
use crate::present::{Item, delete_allowed, find};
use crate::routes::input::{MOST_BYTES, MOST_BYTES_UNKNOWN, object_of};
use crate::routes::lists::{self, Source, include, linked, reference_target};
use crate::routes::reply::{Reply, context_headers, error_response, response};
use crate::routes::request::{ApiRequest, Origin, Peer};
use crate::routes::{REQUEST_TIME, challenges, create, html, read_body, sockets, token, update, upgrade_of};

/// What the description of a scope for machines is called.
const OPENAPI: &str = "openapi.json";

/// A request of the API with everything that an answer needs.
#[derive(Clone)]
pub struct Context {
    /// Who, where, when.
    pub cx: Cx,
    /// What is asked.
    pub request: ApiRequest,
    /// The schemas of the role.
    pub schemas: &'static Schemas,
    /// The links of the scope.
    pub urls: Urls,
    /// Where the client reached us.
    pub origin: Origin,
    /// Whether actions are shown under `actionLinks`.
    pub action_links: bool,
}

impl Context {
    /// Shows an item to the caller.
    pub fn show(&self, item: &Item, showing: Showing) -> Option<Value> {
        self.show_with(item, showing, &Map::new())
    }

    /// Shows an item with fields that are known in this answer only.
    pub fn show_with(&self, item: &Item, showing: Showing, more: &Map<String, Value>) -> Option<Value> {
        let mut row = item.row(&self.cx);
        row.fields.extend(more.clone());
        self.show_row(row, showing)
    }

    /// Writes the text of a row into a list; says whether the caller sees the type.
    pub fn write_row(
        &self,
        row: contract_api::Row,
        wanted: Option<&BTreeSet<String>>,
        out: &mut Vec<u8>,
    ) -> bool {
        if row.kind != "registrationToken" {
            return write(self.schemas, &self.urls, &row, self.action_links, wanted, out);
        }
        // The one row that is completed by what only this request knows.
        let document = self.show_row(row, Showing::Later);
        document.is_some_and(|document| serde_json::to_writer(out, &document).is_ok())
    }

    /// Shows a row.
    pub fn show_row(&self, mut row: contract_api::Row, showing: Showing) -> Option<Value> {
        let mut registration = None;
        if row.kind == "registrationToken"
            && let Some(text) = row.value("token").as_str()
        {
            let origin = self.public_origin();
            let url = format!("{origin}/v1/scripts/{text}");
            let command = super::scripts::command(&self.cx.shared, &url);
            row.set("registrationUrl", url.clone()).set("command", command);
            registration = Some(url);
        }
        let mut document = show(self.schemas, &self.urls, &row, showing, self.action_links)?;
        if let Some(url) = registration.filter(|_| document["registrationUrl"].is_string()) {
            // The one link that keeps its case, because a token has both.
            document["links"]["registrationUrl"] = url.into();
        }
        Some(document)
    }

    /// Where third parties reach this server: the setting `api.host`, or else as this client does.
    pub fn public_origin(&self) -> String {
        crate::app::setting::value(&self.cx.tables, "api.host")
            .filter(|host| host.starts_with("http://") || host.starts_with("https://"))
            .map(|host| host.trim_end_matches('/').to_owned())
            .unwrap_or_else(|| self.origin.text())
    }

    /// The same on a fresh picture, after a write.
    #[must_use]
    pub fn refreshed(&self) -> Self {
        Self { cx: self.cx.refreshed(), ..self.clone() }
    }

    /// Finds an item that the caller may see.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] otherwise.
    pub fn find(&self, type_name: &str, id: &str) -> Result<Item, AppError> {
        find(&self.cx, type_name, id).ok_or_else(AppError::not_found)
    }

    /// Shows what a write has left of an item that the caller was allowed to write.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is gone altogether.
    pub fn show_fresh(&self, item: &Item) -> Result<Value, AppError> {
        let fresh = self.refreshed();
        let item = item.refetched(&fresh.cx).ok_or_else(AppError::not_found)?;
        fresh.show(&item, Showing::Later).ok_or_else(AppError::not_found)
    }
}

/// The name of a schema in the words of `v2-beta`.
pub fn canonical_type(schema: &Schema) -> &str {
    match schema.declaration.id.as_str() {
        "environment" => "stack",
        "environmentUpgrade" => "stackUpgrade",
        other => other,
    }
}

/// Serves a request under a version.
pub async fn entry(
    shared: &Arc<Shared>,
    parts: &mut Parts,
    body: Body,
    origin: &Origin,
    peer: Peer,
) -> Response {
    let request = match ApiRequest::parse(&parts.method, &parts.uri) {
        Ok(Some(request)) => request,
        Ok(None) => return error_response(shared, &AppError::not_found(), false),
        Err(error) => return error_response(shared, &error, false),
    };
    let challenge = challenges(&parts.headers);
    let plain_urls = request.urls(origin, None);
    let mut context = match context_of(shared, parts, request, origin, peer).await {
        Ok(context) => context,
        Err(error) => {
            let mut answer = error_response(shared, &error, challenge);
            schemas_header(answer.headers_mut(), &plain_urls);
            return answer;
        }
    };
    context.cx.audit = audited(&context);
    let upgrade = upgrade_of(parts).await;
    let outcome = match tokio::time::timeout(REQUEST_TIME, serve(&context, parts, body, upgrade)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(AppError::new(ErrorCode::ServiceUnavailable, "the request took too long")),
    };
    let (status, refused) = told_of(&outcome);
    let outcome = match note_outcome(&context, status, refused).await {
        Ok(()) => outcome,
        Err(error) => outcome.and(Err(error)),
    };
    let html = html::wants_html(&parts.headers, context.request.parameter("_format"));
    let outcome = match outcome {
        Ok(Reply::Json(status, value)) if html => html::document(status, &value, &context.urls.schemas()),
        Ok(Reply::JsonText(text)) if html => {
            let value = serde_json::from_slice(&text).map_err(AppError::internal);
            value.and_then(|value| html::document(StatusCode::OK, &value, &context.urls.schemas()))
        }
        other => other,
    };
    let mut answer = match outcome {
        Ok(reply) => response(reply),
        Err(error) => error_response(shared, &error, challenge),
    };
    let headers = answer.headers_mut();
    schemas_header(headers, &context.urls);
    context_headers(headers, &context.cx);
    if is_browser(&parts.headers) && cookie(&parts.headers, "PL").is_none() {
        let flavour = crate::app::setting::value(&context.cx.tables, "ui.pl").unwrap_or_default();
        let plain = !flavour.is_empty() && flavour.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if let (true, Ok(value)) =
            (plain, HeaderValue::from_str(&format!("PL={flavour}; Path=/; SameSite=Lax")))
        {
            headers.append(header::SET_COOKIE, value);
        }
    }
    if is_browser(&parts.headers) && cookie(&parts.headers, "CSRF").is_none() {
        let value = crate::auth::secret::new_public_value(&shared.random);
        let secure = if origin.scheme == "https" { "; Secure" } else { "" };
        let value = format!("CSRF={value}; Path=/; SameSite=Lax{secure}");
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    answer
}

/// Begins the entry of the audit log for a request that changes something.
fn audited(context: &Context) -> Option<Arc<Audit>> {
    let request = &context.request;
    let name = request.path.first()?;
    let schema = context.schemas.find(name)?;
    let kind = canonical_type(schema);
    let id = request.path.get(1).and_then(|id| id.parse::<contract_api::ApiId>().ok()).map(|id| id.number);
    let begin = |kind: &str, id, verb: &str| Some(Arc::new(Audit::begin(&context.cx, kind, id, verb)));
    match (&request.method, request.path.len()) {
        (&Method::PUT, _) => begin(kind, id, "update"),
        (&Method::DELETE, _) => begin(kind, id, "delete"),
        (&Method::POST, 1) if kind != "subscribe" => begin(kind, None, "create"),
        (&Method::POST, 2) => {
            let action = request.parameter("action")?.to_ascii_lowercase();
            // These only look.
            let looks = matches!(action.as_str(), "logs" | "exportconfig");
            let known = schema.declaration.actions.contains_key(&action);
            if looks || !known { None } else { begin(kind, id, &action) }
        }
        (&Method::POST, 3) => {
            let link = request.path.get(2)?;
            let (_, link) = schema.links.iter().find(|(known, _)| known.eq_ignore_ascii_case(link))?;
            let target = context.schemas.find(&link.target)?;
            begin(canonical_type(target), None, "create")
        }
        _ => None,
    }
}

/// The status of an outcome and, if it was refused, the code of the error, as the audit log tells them.
fn told_of(outcome: &Result<Reply, AppError>) -> (u16, Option<ErrorCode>) {
    match outcome {
        Ok(Reply::Json(status, _) | Reply::Empty(status)) => (status.as_u16(), None),
        Ok(_) => (200, None),
        Err(error) => (error.kind.status(), Some(error.kind)),
    }
}

/// Completes the audit log with what was refused, or changed nothing.
async fn note_outcome(context: &Context, status: u16, error: Option<ErrorCode>) -> Result<(), AppError> {
    match error {
        // The database cannot take the entry either; and who has not proved who they are fills no log.
        Some(ErrorCode::ServiceUnavailable) => Ok(()),
        Some(_) if context.cx.caller == Caller::Anonymous => Ok(()),
        _ => audit::conclude(&context.cx, status, error.map(ErrorCode::text)).await,
    }
}

fn schemas_header(headers: &mut HeaderMap, urls: &Urls) {
    if let Ok(value) = HeaderValue::from_str(&urls.schemas()) {
        headers.insert(HeaderName::from_static("x-api-schemas"), value);
    }
}

async fn context_of(
    shared: &Arc<Shared>,
    parts: &Parts,
    request: ApiRequest,
    origin: &Origin,
    peer: Peer,
) -> Result<Context, AppError> {
    let headers = &parts.headers;
    let now = shared.now();
    let tables = shared.store.snapshot();
    let client_ip = shared.settings.trusted_proxies.client(headers, peer.address.ip());
    let (proof, bearer_project) = proof_of(headers, &request.query);
    let is_token_api = request
        .path
        .first()
        .is_some_and(|name| name.eq_ignore_ascii_case("token") || name.eq_ignore_ascii_case("tokens"));
    // Signing in must work with the cookie of a session that has ended, and needs nobody in particular.
    let caller = if is_token_api {
        Caller::Anonymous
    } else {
        authenticate(shared, &tables, &proof, client_ip, now).await?
    };
    guard_browser(headers, &request, &proof)?;
    let wanted = request
        .path_project
        .clone()
        .or_else(|| headers.get("x-api-project-id").and_then(|value| value.to_str().ok()).map(str::to_owned))
        .or_else(|| request.parameter("projectId").map(str::to_owned))
        .or(bearer_project)
        .or_else(|| project_of_key(&tables, headers))
        .filter(|project| !project.is_empty());
    let scope = if is_token_api {
        Scope { project: None, role: Role::Token }
    } else {
        if caller == Caller::Anonymous {
            let first = request.path.first().map(String::as_str).unwrap_or_default();
            let open = first.is_empty()
                || first.to_ascii_lowercase().starts_with("schema")
                || first.eq_ignore_ascii_case(OPENAPI);
            if !open || wanted.is_some() {
                return Err(unauthorized());
            }
        }
        scope_of(&tables, caller, wanted.as_deref())?
    };
    let schemas = Schemas::of(request.version, scope.role);
    let shown_project = wanted.and(scope.project).map(contract_api::format_id);
    let urls = request.urls(origin, shown_project.as_deref());
    let action_links =
        headers.contains_key("x-api-action-links") || request.parameter("_actionLinks").is_some();
    let cx = Cx { shared: shared.clone(), tables, now, caller, scope, client_ip, audit: None };
    Ok(Context { cx, request, schemas, urls, origin: origin.clone(), action_links })
}

/// The project of the key that a proxy or an agent names. It chooses the scope and proves nothing.
fn project_of_key(tables: &control_model::Tables, headers: &HeaderMap) -> Option<String> {
    let public = headers.get("x-api-client-access-key")?.to_str().ok()?;
    let project = tables.credentials.by_unique(public).and_then(|row| row.intent.project);
    // A key that there is not looks like one of a project where the caller has no business.
    Some(contract_api::format_id(project.unwrap_or(contract_values::ProjectId::new(0))))
}

/// Keeps other sites from using the session of somebody's browser.
fn guard_browser(headers: &HeaderMap, request: &ApiRequest, proof: &Proof) -> Result<(), AppError> {
    let by_cookie = matches!(proof, Proof::Session { by_cookie: true, .. });
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if matches!(request.method, Method::GET | Method::HEAD) {
        // A socket is opened by GET and is told where the page came from.
        let upgrade = text("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
        if by_cookie && upgrade && !same_site(text("origin"), text("x-forwarded-host").or(text("host"))) {
            return Err(AppError::new(ErrorCode::InvalidCsrfToken, "this page belongs to another site"));
        }
        return Ok(());
    }
    // The rule of the old product, and the stricter one: whatever a cookie alone would allow needs the echo.
    if !is_browser(headers) && !by_cookie {
        return Ok(());
    }
    let given = text("x-api-csrf").or_else(|| request.parameter("CSRF"));
    match (given, cookie(headers, "CSRF")) {
        (Some(given), Some(known)) if given == known => Ok(()),
        _ => Err(AppError::new(
            ErrorCode::InvalidCsrfToken,
            "repeat the cookie `CSRF` in the header `X-API-CSRF`",
        )),
    }
}

fn same_site(origin: Option<&str>, host: Option<&str>) -> bool {
    // Programs send no origin; browsers always do with a socket.
    let Some(origin) = origin else { return true };
    let site = origin.split_once("://").map(|(_, site)| site);
    site.is_some() && site.map(str::to_ascii_lowercase) == host.map(str::to_ascii_lowercase)
}

/// The list of versions.
pub fn versions(origin: &Origin) -> Reply {
    let root = origin.text().to_ascii_lowercase();
    let data: Vec<Value> = Version::ALL
        .iter()
        .map(|version| {
            json!({
                "id": version.path(),
                "type": "apiVersion",
                "baseType": "apiVersion",
                "links": { "self": format!("{root}/{}", version.path()) },
                "actions": {},
            })
        })
        .collect();
    Reply::ok(json!({
        "type": "collection",
        "resourceType": "apiVersion",
        "links": { "self": root, "latest": format!("{root}/v2-beta") },
        "createTypes": {},
        "actions": {},
        "data": data,
        "sortLinks": {},
        "pagination": null,
        "sort": null,
        "filters": {},
        "createDefaults": {},
    }))
}

fn api_root(context: &Context) -> Reply {
    let version = context.request.version.path();
    let mut links = Map::new();
    links.insert("self".to_owned(), context.urls.base().into());
    for schema in context.schemas.iter() {
        if schema.has_collection && schema.collection_takes("GET") {
            let plural = &schema.declaration.plural;
            links.insert(plural.clone(), context.urls.collection(plural).into());
        }
    }
    Reply::ok(json!({
        "id": version,
        "type": "apiVersion",
        "baseType": "apiVersion",
        "links": links,
        "actions": {},
    }))
}

async fn serve(
    context: &Context,
    parts: &Parts,
    body: Body,
    upgrade: Option<WebSocketUpgrade>,
) -> Result<Reply, AppError> {
    let request = &context.request;
    let method = if request.method == Method::HEAD { Method::GET } else { request.method.clone() };
    let (name, rest) = match request.path.split_first() {
        None if method == Method::GET => return Ok(api_root(context)),
        None => return Err(AppError::new(ErrorCode::MethodNotAllowed, "only GET works here")),
        Some((name, rest)) => (name, rest),
    };
    if name.eq_ignore_ascii_case(OPENAPI) && rest.is_empty() {
        need(method == Method::GET)?;
        let version = &context.cx.shared.settings.version;
        return Ok(Reply::ok(openapi(context.schemas, &context.urls, &context.origin.text(), version)));
    }
    let schema = context
        .schemas
        .find(name)
        .filter(|schema| schema.has_collection || is_setting(schema, rest))
        .ok_or_else(|| {
            AppError::new(ErrorCode::NotFound, format!("there is no type `{}` here", shorten(name)))
        })?;
    match canonical_type(schema) {
        "schema" => return schema_reply(context, &method, rest),
        "token" => {
            let bytes = read_body(body, MOST_BYTES_UNKNOWN).await?;
            let input = object_of(&parts.headers, &bytes)?;
            return token::serve(context, parts, &method, rest, input).await;
        }
        "identity" if method == Method::GET => return token::identities(context, schema, rest),
        "subscribe" if rest.is_empty() => match method {
            Method::GET => return sockets::subscribe(context, upgrade),
            Method::POST => {
                need(schema.collection_takes("POST"))?;
                let input = read_input(context, parts, body).await?;
                return sockets::subscribe_lines(context, schema, &input);
            }
            _ => {}
        },
        _ => {}
    }
    match (rest, &method) {
        ([], &Method::GET) => {
            need(schema.collection_takes("GET"))?;
            let url = context.urls.collection(&schema.declaration.plural);
            lists::reply(context, schema, &url, Source::Scope(&parts.headers), None)
        }
        ([], &Method::POST) => {
            need(schema.collection_takes("POST"))?;
            let input = read_input(context, parts, body).await?;
            create::create(context, schema, &input).await
        }
        ([id], &Method::GET) => {
            need(schema.resource_takes("GET"))?;
            let item = context.find(canonical_type(schema), id)?;
            let mut document = context.show(&item, Showing::Later).ok_or_else(AppError::not_found)?;
            let query = ListQuery::parse(schema, &request.query);
            include(context, &item, &mut document, query.include);
            Ok(Reply::ok(document))
        }
        ([id], &Method::PUT) => {
            let item = context.find(canonical_type(schema), id)?;
            need(schema.resource_takes("PUT"))?;
            let input = read_input(context, parts, body).await?;
            let checked = validate(context.schemas, schema, Purpose::Update, &input)?;
            update::update(context, &item, &checked).await
        }
        ([id], &Method::DELETE) => {
            let item = context.find(canonical_type(schema), id)?;
            need(schema.resource_takes("DELETE"))?;
            let row = item.row(&context.cx);
            let state = row.value("state").as_str().unwrap_or("active");
            let is_setting = matches!(item, Item::Setting(_));
            if !is_setting && !delete_allowed(row.kind, state) {
                return Err(not_deletable(row.kind, state));
            }
            guard_system(context, &row)?;
            update::remove(context, &item).await
        }
        ([id], &Method::POST) => {
            let Some(action) = request.parameter("action") else {
                return Err(AppError::new(
                    ErrorCode::MethodNotAllowed,
                    "POST to an object needs `?action=<name>`; use PUT to change fields",
                ));
            };
            let item = context.find(canonical_type(schema), id)?;
            // An action that there is not is told before a body that cannot be read.
            let chosen = update::action_of(context, &item, action)?;
            let input = read_input(context, parts, body).await?;
            update::action(context, &item, &chosen, input).await
        }
        ([id, link], &Method::GET) => {
            let item = context.find(canonical_type(schema), id)?;
            follow(context, schema, id, &item, link)
        }
        ([id, link], &Method::POST) => {
            let item = context.find(canonical_type(schema), id)?;
            let mut input = read_input(context, parts, body).await?;
            let (target, defaults) = child_of(context, schema, &item, link)?;
            need(target.collection_takes("POST"))?;
            for (name, value) in defaults {
                input.insert(name, value);
            }
            create::create(context, target, &input).await
        }
        ([_, _], _) | ([], _) | ([_], _) => need(false).map(|()| Reply::Empty(StatusCode::OK)),
        _ => Err(AppError::not_found()),
    }
}

/// One setting goes by the name of what is in effect, too, because that is what its document says it is.
fn is_setting(schema: &Schema, rest: &[String]) -> bool {
    schema.declaration.id == "activeSetting" && !rest.is_empty()
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

fn need(allowed: bool) -> Result<(), AppError> {
    if allowed {
        Ok(())
    } else {
        Err(AppError::new(ErrorCode::MethodNotAllowed, "the schema of this type does not allow the method"))
    }
}

fn not_deletable(kind: &str, state: &str) -> AppError {
    let hint = match kind {
        "host" | "account" | "password" | "registrationToken" => "run its action `deactivate` first",
        "volume" => "remove the containers that use it first",
        _ => "wait until it has another state",
    };
    AppError::new(
        ErrorCode::MethodNotAllowed,
        format!("a {kind} in the state `{state}` cannot be deleted; {hint}"),
    )
}

/// Roles that may not change the infrastructure do nothing to what belongs to it.
pub fn guard_system(context: &Context, row: &contract_api::Row) -> Result<(), AppError> {
    if row.system && !context.schemas.role.may_modify_infrastructure() {
        return Err(AppError::new(ErrorCode::Forbidden, "this belongs to the infrastructure of the project"));
    }
    Ok(())
}

async fn read_input(context: &Context, parts: &Parts, body: Body) -> Result<Map<String, Value>, AppError> {
    let bytes = read_body(body, MOST_BYTES).await?;
    let mut input = object_of(&parts.headers, &bytes)?;
    for (name, value) in &context.request.query {
        if !matches!(name.as_str(), "action" | "_method" | "projectId" | "token" | "CSRF")
            && !input.contains_key(name)
        {
            input.insert(name.clone(), value.clone().into());
        }
    }
    if let Some(audit) = &context.cx.audit {
        audit.note_request(&input);
    }
    Ok(input)
}

fn schema_reply(context: &Context, method: &Method, rest: &[String]) -> Result<Reply, AppError> {
    need(*method == Method::GET)?;
    match rest {
        [] => Ok(Reply::ok(context.schemas.document(&context.urls))),
        [name] => {
            let schema = context.schemas.find(name).ok_or_else(AppError::not_found)?;
            Ok(Reply::ok(schema.document(&context.urls)))
        }
        _ => Err(AppError::not_found()),
    }
}

fn follow(context: &Context, schema: &Schema, id: &str, item: &Item, link: &str) -> Result<Reply, AppError> {
    let row = item.row(&context.cx);
    if let Some(special) = row.extra_links.iter().find(|known| known.eq_ignore_ascii_case(link)) {
        return sockets::stats_access(context, item, special);
    }
    if row.kind == "registrationToken" && link.eq_ignore_ascii_case("registrationUrl") {
        let document = context.show(item, Showing::Later).ok_or_else(AppError::not_found)?;
        let url = document["registrationUrl"].as_str().ok_or_else(AppError::not_found)?;
        return Ok(Reply::text(url.to_owned()));
    }
    // The concrete type may have links that the type in the URL lacks.
    let concrete =
        context.schemas.shown_as(contract_api::in_version(context.schemas, row.kind)).unwrap_or(schema);
    let (name, declared) = concrete
        .links
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(link))
        .ok_or_else(AppError::not_found)?;
    if declared.kind == contract_api::LinkKind::Reference {
        let target = reference_target(context, item, declared).ok_or_else(AppError::not_found)?;
        let document = context.show(&target, Showing::Later).ok_or_else(AppError::not_found)?;
        return Ok(Reply::ok(document));
    }
    let target = context.schemas.find(&declared.target).ok_or_else(AppError::not_found)?;
    let self_url = context.urls.link(&concrete.declaration.plural, id, name);
    lists::reply(
        context,
        target,
        &self_url,
        Source::Items(linked(context, item, name)),
        Some(defaults_of(item, &row.id)),
    )
}

/// What a new child of an item has by that alone.
fn defaults_of(item: &Item, id: &str) -> Map<String, Value> {
    use control_model::AnyRow;
    let field = match item {
        Item::Row(AnyRow::Stack(_)) => "stackId",
        Item::Row(AnyRow::Service(_)) => "serviceId",
        Item::Row(AnyRow::Host(_)) => "hostId",
        Item::Row(AnyRow::Project(_)) => "projectId",
        Item::Row(AnyRow::Registry(_)) => "registryId",
        Item::Row(AnyRow::Account(_)) => "accountId",
        Item::Row(
            AnyRow::Container(_)
            | AnyRow::Credential(_)
            | AnyRow::Member(_)
            | AnyRow::Setting(_)
            | AnyRow::Volume(_)
            | AnyRow::SealedSecret(_)
            | AnyRow::Certificate(_)
            | AnyRow::AuditEntry(_)
            | AnyRow::ProjectTemplate(_),
        )
        | Item::Port(..)
        | Item::Expose(_)
        | Item::Setting(_)
        | Item::Derived(_) => return Map::new(),
    };
    Map::from_iter([(field.to_owned(), id.into())])
}

fn child_of<'a>(
    context: &'a Context,
    schema: &Schema,
    item: &Item,
    link: &str,
) -> Result<(&'a Schema, Map<String, Value>), AppError> {
    let (_, declared) = schema
        .links
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(link))
        .ok_or_else(AppError::not_found)?;
    let target = context.schemas.find(&declared.target).ok_or_else(AppError::not_found)?;
    let mut defaults = defaults_of(item, &item.row(&context.cx).id);
    if context.request.version == Version::V1
        && let Some(stack) = defaults.remove("stackId")
    {
        defaults.insert("environmentId".to_owned(), stack);
    }
    Ok((target, defaults))
}
