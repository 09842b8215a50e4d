//! An OpenAPI 3.1 document of what a role can do, from the same declarations that the server acts by.
//!
//! It names every status that an answer can have, and no more: a test sends requests to every operation and looks
//! whether the answer was foretold. Actions share one path, because an action is named by a parameter.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::declaration::{Field, LinkKind};
use crate::field_type::FieldType;
use crate::query::MAX_LIMIT;
use crate::schema::{FieldRights, Schema, Schemas};
use crate::url::Urls;

/// What any request may be answered with: who asks, where, and whether the server can serve at all.
const ALWAYS: &[u16] = &[400, 401, 403, 429, 500, 503];
/// What a request for one object may be answered with besides.
const OF_ONE: &[u16] = &[404];
/// What a request that changes something may be answered with besides.
const OF_WRITES: &[u16] = &[404, 405, 408, 409, 413, 415, 422];

/// Makes the document of a role's schemas. `root` is where the server is, without a version; `program` its version.
pub fn openapi(schemas: &Schemas, urls: &Urls, root: &str, program: &str) -> Value {
    let mut paths = Map::new();
    paths.insert(
        "/".to_owned(),
        json!({ "get": plain("describe_version", "What can be listed", "apiVersion", &[]) }),
    );
    paths.insert(
        "/openapi.json".to_owned(),
        json!({ "get": {
        "operationId": "describe_openapi",
        "summary": "This document",
        "responses": responses(200, json!({ "type": "object" }), &[]),
    } }),
    );
    for (path, id) in [("/ping", "ping"), ("/healthcheck", "check_health")] {
        let mut answers = Map::new();
        let text = json!({ "text/plain": { "schema": { "type": "string" } } });
        answers.insert("200".to_owned(), json!({ "description": "The server works", "content": text }));
        if id == "check_health" {
            answers
                .insert("503".to_owned(), json!({ "description": "It does not, and why", "content": text }));
        }
        let operation = json!({ "operationId": id, "summary": "Whether the server works", "security": [], "responses": answers });
        paths.insert(path.to_owned(), json!({ "servers": [{ "url": root }], "get": operation }));
    }
    for schema in schemas.iter().filter(|schema| schema.has_collection) {
        match schema.declaration.id.as_str() {
            "schema" => describe_schemas(&mut paths),
            "token" => describe_tokens(&mut paths),
            "subscribe" => describe_subscribe(schema, &mut paths),
            _ => describe_type(schemas, schema, &mut paths),
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lariat",
            "version": program,
            "description": format!("The API as the role `{}` sees it.", schemas.role),
        },
        "servers": [{ "url": urls.base() }],
        "security": [{ "key": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "basic" },
                "session": { "type": "http", "scheme": "bearer" },
            },
            "schemas": components(schemas),
        },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn responses(success: u16, schema: Value, others: &[&[u16]]) -> Value {
    let mut answers = Map::new();
    answers.insert(success.to_string(), json!({ "description": "Done", "content": content(schema) }));
    let errors: BTreeSet<u16> =
        others.iter().chain(&[ALWAYS]).flat_map(|list| list.iter().copied()).collect();
    for status in errors {
        let answer = json!({ "description": described(status), "content": content(reference("error")) });
        answers.insert(status.to_string(), answer);
    }
    Value::Object(answers)
}

fn described(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be understood",
        401 => "Nobody is signed in, or the key is wrong",
        403 => "The caller may not do this",
        404 => "No such object, or none that the caller can see",
        405 => "The type or the state of the object does not allow it",
        408 => "The body did not arrive in time",
        409 => "Somebody else was faster, or what is wanted is taken",
        413 => "The body is too large",
        415 => "The content type is none that the API reads",
        422 => "A field, or the action, is wrong; `fieldName` and `message` say which and why",
        429 => "Too many attempts",
        500 => "Something failed inside",
        503 => "What is needed cannot be reached now",
        _ => "Another answer",
    }
}

fn plain(id: &str, summary: &str, schema: &str, others: &[&[u16]]) -> Value {
    json!({ "operationId": id, "summary": summary, "responses": responses(200, reference(schema), others) })
}

fn id_parameter(description: &str) -> Value {
    json!({ "name": "id", "in": "path", "required": true, "description": description, "schema": { "type": "string", "minLength": 1 } })
}

fn query_parameter(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "schema": schema })
}

fn describe_schemas(paths: &mut Map<String, Value>) {
    let list = plain("list_schema", "Every type", "collection", &[]);
    paths.insert("/schemas".to_owned(), json!({ "get": list }));
    let one = plain("get_schema", "One type", "resource", &[OF_ONE]);
    paths.insert(
        "/schemas/{id}".to_owned(),
        json!({ "parameters": [id_parameter("The type's name")], "get": one }),
    );
}

fn describe_tokens(paths: &mut Map<String, Value>) {
    let mut create = plain("create_token", "Sign in", "token", &[OF_WRITES]);
    create["responses"]["201"] = create["responses"]["200"].take();
    if let Value::Object(answers) = &mut create["responses"] {
        answers.remove("200");
    }
    create["requestBody"] = body(reference("token.create"));
    let list = plain("list_token", "How to sign in", "collection", &[&[404, 405, 408, 413, 415]]);
    paths.insert("/token".to_owned(), json!({ "get": list, "post": create }));
    let current = plain("get_token", "The session of this request", "token", &[&[404, 405, 408, 413, 415]]);
    let mut end = plain("delete_token", "Sign out", "token", &[&[404, 405, 408, 413, 415]]);
    if let Value::Object(answers) = &mut end["responses"] {
        answers.remove("200");
        answers.insert("204".to_owned(), json!({ "description": "Signed out" }));
    }
    paths.insert("/tokens/current".to_owned(), json!({ "get": current, "delete": end }));
}

fn describe_subscribe(schema: &Schema, paths: &mut Map<String, Value>) {
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let mut listen = plain("subscribe", "Changes, on a WebSocket", "resource", &[OF_ONE]);
    if let Value::Object(answers) = &mut listen["responses"] {
        answers.remove("200");
        answers.insert("101".to_owned(), json!({ "description": "The WebSocket is open" }));
    }
    listen["parameters"] = json!([
        query_parameter("eventNames", texts.clone()),
        query_parameter("resourceType", texts.clone()),
        query_parameter("resourceId", texts),
        query_parameter("include", json!({ "type": "string" })),
    ]);
    let mut item = json!({ "get": listen });
    if schema.collection_takes("POST") {
        let mut read = plain("subscribe_lines", "Changes, one document a line", "resource", &[OF_WRITES]);
        read["responses"]["200"]["content"] =
            json!({ "application/x-ndjson": { "schema": { "type": "string" } } });
        read["requestBody"] = body(reference("subscribe.create"));
        item["post"] = read;
    }
    paths.insert("/subscribe".to_owned(), item);
}

fn body(schema: Value) -> Value {
    json!({ "required": true, "content": content(schema) })
}

fn list_parameters(schema: &Schema) -> Value {
    let mut filters = Map::new();
    let mut sortable = Vec::new();
    for (name, modifiers) in schema.filters() {
        sortable.push(name);
        for modifier in modifiers {
            let name =
                if modifier.name() == "eq" { name.to_owned() } else { format!("{name}_{}", modifier.name()) };
            filters.insert(name, json!({ "type": "string" }));
        }
    }
    let includes: Vec<_> = schema.includeable_links().collect();
    let mut parameters = vec![
        query_parameter("limit", json!({ "type": "integer", "maximum": MAX_LIMIT })),
        query_parameter("marker", json!({ "type": "string" })),
        json!({
            "name": "filter", "in": "query", "style": "form", "explode": true,
            "schema": { "type": "object", "properties": filters },
        }),
    ];
    if !sortable.is_empty() {
        parameters.push(query_parameter("sort", json!({ "type": "string", "enum": sortable })));
        parameters.push(query_parameter("order", json!({ "type": "string", "enum": ["asc", "desc"] })));
    }
    if !includes.is_empty() {
        parameters.push(query_parameter("include", json!({ "type": "string", "enum": includes })));
    }
    parameters.into()
}

fn describe_type(schemas: &Schemas, schema: &Schema, paths: &mut Map<String, Value>) {
    let name = schema.declaration.id.as_str();
    let plural = schema.declaration.plural.to_ascii_lowercase();
    let mut list = Map::new();
    if schema.collection_takes("GET") {
        let mut get = plain(&format!("list_{name}"), "List", &format!("{name}.list"), &[]);
        get["parameters"] = list_parameters(schema);
        list.insert("get".to_owned(), get);
    }
    if schema.collection_takes("POST") {
        list.insert("post".to_owned(), create_operation(schemas, schema, &format!("create_{name}")));
    }
    if !list.is_empty() {
        paths.insert(format!("/{plural}"), list.into());
    }
    let mut one = Map::new();
    if schema.resource_takes("GET") {
        let mut get = plain(&format!("get_{name}"), "Read", &any_of(schemas, schema), &[OF_ONE]);
        get["responses"]["200"]["content"] = content(shown_as(schemas, schema));
        one.insert("get".to_owned(), get);
    }
    if schema.resource_takes("PUT") {
        let mut put = plain(&format!("update_{name}"), "Change the given fields", name, &[OF_WRITES]);
        put["responses"]["200"]["content"] = content(shown_as(schemas, schema));
        put["requestBody"] = body(reference(&format!("{name}.update")));
        one.insert("put".to_owned(), put);
    }
    if schema.resource_takes("DELETE") {
        let mut delete = plain(&format!("delete_{name}"), "Remove", name, &[OF_WRITES]);
        delete["responses"]["200"]["content"] = content(json!({}));
        one.insert("delete".to_owned(), delete);
    }
    if !schema.actions.is_empty() {
        one.insert("post".to_owned(), action_operation(schemas, schema));
    }
    if !one.is_empty() {
        one.insert("parameters".to_owned(), json!([id_parameter("The object's id")]));
        paths.insert(format!("/{plural}/{{id}}"), one.into());
    }
    for (link, declared) in &schema.links {
        let Some(target) = schemas.find(&declared.target) else { continue };
        let document = match declared.kind {
            LinkKind::Reference => shown_as(schemas, target),
            LinkKind::Child | LinkKind::Map => reference(&format!("{}.list", target.declaration.id)),
        };
        let mut get = plain(&format!("{name}_{link}"), "Follow a link", "resource", &[OF_ONE]);
        get["responses"]["200"]["content"] = content(document);
        if declared.kind != LinkKind::Reference {
            get["parameters"] = list_parameters(target);
        }
        let mut item = json!({ "parameters": [id_parameter("The object's id")], "get": get });
        if declared.kind != LinkKind::Reference && target.has_collection && target.collection_takes("POST") {
            item["post"] = create_operation(schemas, target, &format!("create_{name}_{link}"));
        }
        paths.insert(format!("/{plural}/{{id}}/{}", link.to_ascii_lowercase()), item);
    }
}

fn create_operation(schemas: &Schemas, schema: &Schema, id: &str) -> Value {
    let name = schema.declaration.id.as_str();
    let mut answers = responses(201, shown_as(schemas, schema), &[OF_WRITES]);
    if matches!(name, "container") {
        // Several at once are answered with a list.
        let many = json!({ "anyOf": [shown_as(schemas, schema), reference(&format!("{name}.list"))] });
        answers["201"]["content"] = content(many);
    }
    let mut links = Map::new();
    for (takes, verb) in [
        (schema.resource_takes("GET"), "get"),
        (schema.resource_takes("PUT"), "update"),
        (schema.resource_takes("DELETE"), "delete"),
    ] {
        if takes {
            let link = json!({ "operationId": format!("{verb}_{name}"), "parameters": { "id": "$response.body#/id" } });
            links.insert(verb.to_owned(), link);
        }
    }
    answers["201"]["links"] = links.into();
    json!({
        "operationId": id,
        "summary": "Create",
        "requestBody": body(reference(&format!("{name}.create"))),
        "responses": answers,
    })
}

fn action_operation(schemas: &Schemas, schema: &Schema) -> Value {
    let names: Vec<_> = schema.actions.keys().copied().collect();
    let inputs: BTreeSet<&str> = schema
        .actions
        .values()
        .filter_map(|action| action.input.as_deref())
        .filter(|input| schemas.find(input).is_some())
        .collect();
    let mut bodies: Vec<Value> =
        inputs.into_iter().map(|input| reference(&format!("{input}.input"))).collect();
    bodies.push(json!({ "type": "object" }));
    let mut answers = responses(200, reference("outcome"), &[OF_WRITES]);
    answers["202"] = json!({ "description": "Begun", "content": content(reference("outcome")) });
    json!({
        "operationId": format!("act_on_{}", schema.declaration.id),
        "summary": "Run an action",
        "parameters": [{
            "name": "action", "in": "query", "required": true,
            "schema": { "type": "string", "enum": names },
        }],
        "requestBody": { "required": false, "content": content(json!({ "anyOf": bodies })) },
        "responses": answers,
    })
}

/// The name of the component for an object that may be of a more special type.
fn any_of(schemas: &Schemas, schema: &Schema) -> String {
    if family(schemas, schema).len() > 1 { "resource".to_owned() } else { schema.declaration.id.clone() }
}

fn family<'a>(schemas: &'a Schemas, schema: &'a Schema) -> Vec<&'a Schema> {
    // A setting is always shown with what is in effect.
    if schema.declaration.id == "setting"
        && let Some(active) = schemas.find("activeSetting")
    {
        return vec![active];
    }
    let mut family = vec![schema];
    family.extend(
        schema
            .declaration
            .children
            .iter()
            .filter_map(|name| schemas.find(name))
            .filter(|child| child.has_collection),
    );
    family
}

fn shown_as(schemas: &Schemas, schema: &Schema) -> Value {
    let mut documents: Vec<Value> =
        family(schemas, schema).into_iter().map(|kind| reference(&kind.declaration.id)).collect();
    match documents.len() {
        1 => documents.remove(0),
        _ => json!({ "anyOf": documents }),
    }
}

fn components(schemas: &Schemas) -> Map<String, Value> {
    let url = json!({ "type": "string" });
    let urls = json!({ "type": "object", "additionalProperties": { "type": ["string", "null"] } });
    let mut all = Map::new();
    all.insert("resource".to_owned(), json!({
        "type": "object",
        "required": ["id", "type", "links"],
        "properties": { "id": { "type": "string" }, "type": { "type": "string" }, "baseType": { "type": "string" }, "links": urls, "actions": urls },
    }));
    all.insert(
        "outcome".to_owned(),
        json!({
            "type": "object",
            "required": ["type"],
            "properties": { "type": { "type": "string" } },
        }),
    );
    all.insert("apiVersion".to_owned(), reference("resource"));
    let collection = |items: Value| {
        json!({
            "type": "object",
            "required": ["type", "resourceType", "links", "data"],
            "properties": {
                "type": { "const": "collection" },
                "resourceType": { "type": "string" },
                "links": urls,
                "createTypes": { "type": "object", "additionalProperties": url },
                "actions": urls,
                "data": { "type": "array", "items": items },
                "sortLinks": { "type": "object", "additionalProperties": url },
                "pagination": { "type": ["object", "null"] },
                "sort": { "type": ["object", "null"] },
                "filters": { "type": "object" },
                "createDefaults": { "type": "object" },
            },
        })
    };
    all.insert("collection".to_owned(), collection(reference("resource")));
    all.insert(
        "error".to_owned(),
        json!({
            "type": "object",
            "required": ["type", "status", "code"],
            "properties": {
                "id": { "type": "string" },
                "type": { "const": "error" },
                "status": { "type": "integer" },
                "code": { "type": "string" },
                "message": { "type": ["string", "null"] },
                "detail": { "type": ["string", "null"] },
                "fieldName": { "type": ["string", "null"] },
            },
        }),
    );
    for schema in schemas.iter() {
        let name = schema.declaration.id.as_str();
        if all.contains_key(name) {
            continue;
        }
        let shown = fields(schemas, schema, |field, rights| rights.read && !field.write_only, Side::Answer);
        let mut properties = json!({ "id": { "type": "string" }, "baseType": { "type": "string" }, "links": urls, "actions": urls });
        properties["type"] = json!({ "const": name });
        if let Value::Object(known) = &mut properties {
            // Ids are numbers in the old schemas and texts on the wire.
            known.extend(shown.into_iter().filter(|(field, _)| field != "id" && field != "type"));
        }
        let required = if schema.has_collection { json!(["id", "type", "links"]) } else { json!(["type"]) };
        all.insert(
            name.to_owned(),
            json!({ "type": "object", "required": required, "properties": properties }),
        );
        let mut value = fields(
            schemas,
            schema,
            |field, rights| (rights.read || rights.create) && !field.write_only,
            Side::Answer,
        );
        value.insert("type".to_owned(), json!({ "type": "string" }));
        all.insert(format!("{name}.value"), json!({ "type": "object", "properties": value }));
        if schema.has_collection {
            all.insert(format!("{name}.list"), collection(shown_as(schemas, schema)));
        } else {
            all.insert(format!("{name}.list"), collection(reference("resource")));
        }
        for (suffix, side) in [("create", Side::Create), ("update", Side::Update), ("input", Side::Create)] {
            let writable = |_: &Field, rights: FieldRights| match side {
                Side::Update => rights.update,
                Side::Create | Side::Answer => rights.create,
            };
            let properties = fields(schemas, schema, writable, side);
            let required: Vec<&str> = schema
                .fields
                .iter()
                .filter(|(_, field, rights)| {
                    side == Side::Create && rights.create && field.required && field.default.is_none()
                })
                .map(|(name, ..)| *name)
                .collect();
            all.insert(
                format!("{name}.{suffix}"),
                json!({ "type": "object", "required": required, "properties": properties }),
            );
        }
    }
    all
}

/// In which direction a document goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Answer,
    Create,
    Update,
}

fn fields(
    schemas: &Schemas,
    schema: &Schema,
    wanted: impl Fn(&Field, FieldRights) -> bool,
    side: Side,
) -> Map<String, Value> {
    let mut properties = Map::new();
    for (name, field, rights) in &schema.fields {
        if !wanted(field, *rights) {
            continue;
        }
        let mut document = value_schema(schemas, field, &field.kind, side);
        // In an answer whatever is unset is null; null in an input clears the field or counts as not given.
        if side == Side::Answer || field.nullable {
            document = nullable(document);
        }
        if side == Side::Create
            && let Some(default) = &field.default
        {
            document["default"] = default.clone();
        }
        properties.insert((*name).to_owned(), document);
        if side == Side::Answer && field.kind == FieldType::Date {
            properties.insert(format!("{name}TS"), json!({ "type": ["integer", "null"] }));
        }
    }
    properties
}

fn nullable(mut document: Value) -> Value {
    if let Value::String(kind) = &document["type"] {
        let kind = kind.clone();
        document["type"] = json!([kind, "null"]);
        if let Some(Value::Array(options)) = document.get_mut("enum") {
            options.push(Value::Null);
        }
        return document;
    }
    if document.as_object().is_some_and(Map::is_empty) {
        return document;
    }
    json!({ "anyOf": [document, { "type": "null" }] })
}

fn value_schema(schemas: &Schemas, field: &Field, kind: &FieldType, side: Side) -> Value {
    let input = side != Side::Answer;
    match kind {
        FieldType::String | FieldType::Masked | FieldType::Password | FieldType::Blob => {
            let mut document = json!({ "type": "string" });
            for (name, limit) in [("minLength", field.min_length), ("maxLength", field.max_length)] {
                if let Some(limit) = limit.filter(|_| input) {
                    document[name] = limit.into();
                }
            }
            document
        }
        FieldType::Base64 => json!({ "type": "string", "contentEncoding": "base64" }),
        FieldType::Reference(_) => json!({ "type": "string" }),
        FieldType::Int => {
            let mut document = json!({ "type": "integer", "format": "int64" });
            for (name, limit) in [("minimum", field.min), ("maximum", field.max)] {
                if let Some(limit) = limit.filter(|_| input) {
                    document[name] = limit.into();
                }
            }
            document
        }
        FieldType::Float => json!({ "type": "number" }),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Date => json!({ "type": "string", "format": "date-time" }),
        // An answer may hold a state that the old options lack, such as that of a host's agent.
        FieldType::Enum if input => json!({ "type": "string", "enum": field.options }),
        FieldType::Enum => json!({ "type": "string" }),
        FieldType::Json => json!({}),
        FieldType::Map(item) => {
            let mut item = value_schema(schemas, field, item, side);
            if !input {
                item = nullable(item);
            }
            json!({ "type": "object", "additionalProperties": item })
        }
        FieldType::Array(item) => {
            json!({ "type": "array", "items": value_schema(schemas, field, item, side) })
        }
        FieldType::Schema(name) => match schemas.find(name) {
            Some(schema) => {
                let suffix = if input { "input" } else { "value" };
                reference(&format!("{}.{suffix}", schema.declaration.id))
            }
            None => json!({ "type": "object" }),
        },
    }
}

#[cfg(test)]
mod tests;
