//! Resources and collections as documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract_values::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::declaration::LinkKind;
use crate::field_type::FieldType;
use crate::query::ListQuery;
use crate::schema::{Schema, Schemas};
use crate::url::Urls;

/// An object before a role looks at it: every field that is set, by its name in `v2-beta`.
///
/// Dates are milliseconds, ids are texts as shown, nested objects are plain objects. What a role may not see is
/// dropped when the resource is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The concrete type.
    pub kind: &'static str,
    /// The id as shown.
    pub id: String,
    /// The fields that are set.
    pub fields: Map<String, Value>,
    /// Fields that it has in common with other rows; its own come first.
    pub common: Option<Arc<Map<String, Value>>>,
    /// The names of the actions that the state allows.
    pub actions: Vec<&'static str>,
    /// Links beyond those of the declaration, such as `stats`.
    pub extra_links: Vec<&'static str>,
    /// Whether the object belongs to the infrastructure, so that restricted roles see no actions on it.
    pub system: bool,
}

impl Row {
    /// Starts a row of a type.
    pub fn new(kind: &'static str, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), ..Self::default() }
    }

    /// Sets a field; `None` leaves it unset.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        if !value.is_null() {
            self.fields.insert(name.to_owned(), value);
        }
        self
    }

    /// Sets a date.
    pub fn set_date(&mut self, name: &str, at: Option<Timestamp>) -> &mut Self {
        self.set(name, at.map(|at| at.0))
    }

    /// The value of a field as filters see it.
    pub fn value(&self, field: &str) -> &Value {
        self.fields
            .get(field)
            .or_else(|| self.common.as_ref().and_then(|common| common.get(field)))
            .unwrap_or(&Value::Null)
    }
}

/// Which secrets a document may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// The answer to the create: fields shown once are shown.
    Created,
    /// Every other answer.
    Later,
}

/// Shows a row to a role; `None` when the role sees no such type.
pub fn show(
    schemas: &Schemas,
    urls: &Urls,
    row: &Row,
    showing: Showing,
    action_links: bool,
) -> Option<Value> {
    let mut document = Map::new();
    each_member(schemas, urls, row, showing, action_links, None, |name, member| {
        let value = match member {
            Member::Text(text) => text.into(),
            Member::Urls(urls) => {
                let entry = |(name, url): (&str, String)| (name.to_owned(), Value::String(url));
                Value::Object(urls.into_iter().map(entry).collect())
            }
            Member::Plain(value) => value.clone(),
            Member::Made(value) => value,
        };
        document.insert(name.to_owned(), value);
    })?;
    Some(Value::Object(document))
}

/// Writes the text of what [`show`] makes, and only some of its members where they are named; says whether the role
/// sees the type. Long lists are made of it, so it makes nothing that it does not write.
pub fn write(
    schemas: &Schemas,
    urls: &Urls,
    row: &Row,
    action_links: bool,
    wanted: Option<&BTreeSet<String>>,
    out: &mut Vec<u8>,
) -> bool {
    fn text(out: &mut Vec<u8>, text: &str) {
        serde_json::to_writer(out, text).expect("a vector takes all that is written");
    }
    let start = out.len();
    out.push(b'{');
    let seen = each_member(schemas, urls, row, Showing::Later, action_links, wanted, |name, member| {
        if out.len() > start + 1 {
            out.push(b',');
        }
        text(out, name);
        out.push(b':');
        match member {
            Member::Text(value) => text(out, value),
            Member::Urls(urls) => {
                out.push(b'{');
                for (index, (name, url)) in urls.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    text(out, name);
                    out.push(b':');
                    text(out, url);
                }
                out.push(b'}');
            }
            Member::Plain(Value::Null) => out.extend_from_slice(b"null"),
            Member::Plain(value) => serde_json::to_writer(&mut *out, value).expect("a vector takes all"),
            Member::Made(value) => serde_json::to_writer(&mut *out, &value).expect("a vector takes all"),
        }
    });
    if seen.is_none() {
        out.truncate(start);
        return false;
    }
    out.push(b'}');
    true
}

/// One member of a document.
enum Member<'a> {
    Text(&'a str),
    Urls(Vec<(&'a str, String)>),
    Plain(&'a Value),
    Made(Value),
}

/// Names each member of a row's document in its order; `None` when the role sees no such type.
fn each_member(
    schemas: &Schemas,
    urls: &Urls,
    row: &Row,
    showing: Showing,
    action_links: bool,
    wanted: Option<&BTreeSet<String>>,
    mut take: impl FnMut(&str, Member<'_>),
) -> Option<()> {
    let kind = in_version(schemas, row.kind);
    let schema = schemas.shown_as(kind)?;
    let id = shown_id(schema, &row.id);
    // A type without a list of its own is found under that of its family.
    let place = if schema.has_collection { schema } else { schemas.find(schema.base).unwrap_or(schema) };
    let own = urls.resource(&place.declaration.plural, &id);
    let wants = |name: &str| wanted.is_none_or(|wanted| wanted.contains(name));
    take("id", Member::Text(&id));
    take("type", Member::Text(&schema.declaration.id));
    if wants("baseType") {
        take("baseType", Member::Text(schema.base));
    }
    if wants("links") {
        take("links", Member::Urls(links_of(schema, row, &own)));
    }
    let actions = if action_links { "actionLinks" } else { "actions" };
    if wants(actions) {
        take(actions, Member::Urls(actions_of(schemas, schema, row, &own)));
    }
    for (name, field, rights) in schema.shown.iter().map(|index| &schema.fields[*index]) {
        if field.write_only || !rights.read || !wants(name) {
            continue;
        }
        let readable = !rights.once || showing == Showing::Created;
        let actual = if readable { row.value(canonical_field(name)) } else { &Value::Null };
        match (&field.kind, actual) {
            (FieldType::Date, actual) => {
                let millis = actual.as_i64();
                take(name, Member::Made(millis.map(|at| Timestamp(at).to_string()).into()));
                take(&format!("{name}TS"), Member::Made(millis.into()));
            }
            (FieldType::Boolean, Value::Null) if !field.nullable => match &field.default {
                Some(default) => take(name, Member::Plain(default)),
                None => take(name, Member::Plain(&Value::Bool(false))),
            },
            (kind, value) if is_shown_as_it_is(kind, value) => take(name, Member::Plain(value)),
            (kind, value) => take(name, Member::Made(shown_value(schemas, kind, value))),
        }
    }
    Some(())
}

/// Whether a value needs no translation.
fn is_shown_as_it_is(kind: &FieldType, value: &Value) -> bool {
    match kind {
        _ if value.is_null() => true,
        FieldType::Array(item) | FieldType::Map(item) => !matches!(
            **item,
            FieldType::Schema(_)
                | FieldType::Reference(_)
                | FieldType::Date
                | FieldType::Array(_)
                | FieldType::Map(_)
        ),
        FieldType::Schema(_) | FieldType::Reference(_) | FieldType::Date => false,
        FieldType::String
        | FieldType::Masked
        | FieldType::Password
        | FieldType::Int
        | FieldType::Float
        | FieldType::Boolean
        | FieldType::Enum
        | FieldType::Blob
        | FieldType::Base64
        | FieldType::Json => true,
    }
}

fn links_of<'a>(schema: &'a Schema, row: &'a Row, own: &str) -> Vec<(&'a str, String)> {
    let mut links = Vec::with_capacity(schema.links.len() + row.extra_links.len() + 1);
    links.push(("self", own.to_owned()));
    let mut push = |name: &'a str| {
        let mut url = String::with_capacity(own.len() + 1 + name.len());
        url.push_str(own);
        url.push('/');
        url.push_str(name);
        url[own.len()..].make_ascii_lowercase();
        links.push((name, url));
    };
    for (name, link) in &schema.links {
        let target_set = match (link.kind, &link.field) {
            (LinkKind::Reference, Some(field)) => !row.value(canonical_field(field)).is_null(),
            _ => true,
        };
        if target_set {
            push(name);
        }
    }
    for name in &row.extra_links {
        push(name);
    }
    links
}

fn actions_of<'a>(schemas: &Schemas, schema: &Schema, row: &'a Row, own: &str) -> Vec<(&'a str, String)> {
    if row.system && !schemas.role.may_modify_infrastructure() {
        return Vec::new();
    }
    let offered = row.actions.iter().filter(|name| {
        schema.actions.get(*name).is_some_and(|action| match action.capability.as_deref() {
            Some("modifyInfra") => schemas.role.may_modify_infrastructure(),
            _ => true,
        })
    });
    offered.map(|name| (*name, format!("{own}/?action={}", name.to_ascii_lowercase()))).collect()
}

/// Shows the value of a field, with nested objects cut to what the role sees of their schema.
fn shown_value(schemas: &Schemas, kind: &FieldType, value: &Value) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        (FieldType::Array(item), Value::Array(values)) => {
            values.iter().map(|value| shown_value(schemas, item, value)).collect()
        }
        (FieldType::Map(item), Value::Object(values)) => values
            .iter()
            .map(|(name, value)| (name.clone(), shown_value(schemas, item, value)))
            .collect::<Map<_, _>>()
            .into(),
        (FieldType::Date, Value::Number(at)) => at.as_i64().map(|at| Timestamp(at).to_string()).into(),
        (FieldType::Reference(target), Value::String(id)) => match schemas.find(target) {
            Some(schema) => shown_id(schema, id).into(),
            None => value.clone(),
        },
        (FieldType::Schema(name), Value::Object(values)) => {
            let Some(schema) = schemas.find(name) else { return value.clone() };
            let mut document = Map::new();
            document.insert("type".to_owned(), schema.declaration.id.clone().into());
            for (name, field, rights) in &schema.fields {
                let Some(value) = values.get(canonical_field(name)).filter(|value| !value.is_null()) else {
                    continue;
                };
                if field.write_only || (!rights.read && !rights.create) || rights.once {
                    continue;
                }
                document.insert((*name).to_owned(), shown_value(schemas, &field.kind, value));
                if let (FieldType::Date, Some(at)) = (&field.kind, value.as_i64()) {
                    document.insert(format!("{name}TS"), at.into());
                }
            }
            Value::Object(document)
        }
        _ => value.clone(),
    }
}

/// The id of a row in the spelling of the schema's version: `1st7` is `1e7` in `v1`.
fn shown_id(schema: &Schema, id: &str) -> String {
    match id.strip_prefix("1st") {
        Some(number) if schema.declaration.id_prefix == "1e" => format!("1e{number}"),
        _ => id.to_owned(),
    }
}

/// The name of a type in the words of the schemas' version.
pub fn in_version<'a>(schemas: &Schemas, name: &'a str) -> &'a str {
    match schemas.version {
        crate::Version::V1 => crate::declaration::v1_name(name),
        crate::Version::V2Beta => name,
    }
}

/// The name of a field in the words of `v2-beta`, in which rows are kept.
pub fn canonical_field(name: &str) -> &str {
    if name == "environmentId" { "stackId" } else { name }
}

/// Makes the document of a list.
pub fn collection(
    schemas: &Schemas,
    schema: &Schema,
    urls: &Urls,
    self_url: &str,
    query: &ListQuery,
    data: Vec<Value>,
    next: Option<String>,
) -> Value {
    let mut create_types = Map::new();
    let family = std::iter::once(schema.declaration.id.as_str())
        .chain(schema.declaration.children.iter().map(String::as_str));
    for kind in family.filter_map(|name| schemas.find(name)) {
        if kind.has_collection && kind.collection_takes("POST") {
            create_types
                .insert(kind.declaration.id.clone(), urls.collection(&kind.declaration.plural).into());
        }
    }
    let sort_links: Map<String, Value> = schema
        .filters()
        .map(|(name, _)| (name.to_owned(), format!("{self_url}?sort={name}").into()))
        .collect();
    let filters: Map<String, Value> = schema
        .filters()
        .map(|(name, _)| {
            let given: Vec<Value> = query
                .filters
                .iter()
                .filter(|filter| filter.field == name)
                .map(|filter| json!({ "value": filter.value, "modifier": filter.modifier.name() }))
                .collect();
            (name.to_owned(), if given.is_empty() { Value::Null } else { given.into() })
        })
        .collect();
    let sort = query.sort.as_ref().map(|sort| {
        let (order, reverse) = if sort.descending { ("desc", "asc") } else { ("asc", "desc") };
        json!({
            "name": sort.field,
            "order": order,
            "reverse": format!("{self_url}?sort={}&order={reverse}", sort.field),
        })
    });
    json!({
        "type": "collection",
        "resourceType": schema.declaration.id,
        "links": { "self": self_url },
        "createTypes": create_types,
        "actions": {},
        "data": data,
        "sortLinks": sort_links,
        "pagination": {
            "first": null,
            "previous": null,
            "next": next,
            "limit": query.limit,
            "total": null,
            "partial": next.is_some(),
        },
        "sort": sort,
        "filters": filters,
        "createDefaults": {},
    })
}

/// A resource as a client reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The id.
    #[serde(default)]
    pub id: String,
    /// The concrete type.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The root of its family.
    #[serde(default)]
    pub base_type: String,
    /// Where related things are.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub links: BTreeMap<String, String>,
    /// What can be done now, and where.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub actions: BTreeMap<String, String>,
    /// Every other member.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Resource {
    /// A field that holds text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }
}

/// A list as a client reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// The type asked for.
    #[serde(default)]
    pub resource_type: Option<String>,
    /// Where the list is.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub links: BTreeMap<String, String>,
    /// The page.
    pub data: Vec<Resource>,
    /// Where the next page is.
    #[serde(default)]
    pub pagination: Option<Pagination>,
}

/// Where in a long list a page lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pagination {
    /// The next page, if there is one.
    #[serde(default)]
    pub next: Option<String>,
    /// The size of a page.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Whether more follows.
    #[serde(default)]
    pub partial: bool,
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    Option::<BTreeMap<String, String>>::deserialize(deserializer).map(Option::unwrap_or_default)
}
