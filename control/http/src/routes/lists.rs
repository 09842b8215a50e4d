//! Lists: filtered, sorted, paged, and written as text without a detour.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use contract_api::{
    Filter, ListQuery, Modifier, Row as ApiRow, Schema, Showing, canonical_field, collection,
};
use control_model::{AnyRow, Container, Row};
use serde_json::{Map, Value};

use crate::app::AppError;
use crate::present::views::{COLUMNS, Key, column, order};
use crate::present::{Item, find, in_scope, list, related};
use crate::routes::api::{Context, canonical_type};
use crate::routes::reply::Reply;

/// A list that is streamed has one document a line, and no end but that of the rows.
const LINES: &str = "application/x-ndjson";
/// So much of a streamed list is made at a time.
const CHUNK: usize = 128 << 10;
/// A caller who has not read a streamed list after so long gets no more of it, because it holds an old picture.
const LONGEST_STREAM: std::time::Duration = std::time::Duration::from_secs(120);

/// Where the rows of a list come from.
pub enum Source<'a> {
    /// Everything of a type that the scope holds; the headers say how it is wanted.
    Scope(&'a HeaderMap),
    /// These.
    Items(Vec<Item>),
}

/// Filters, sorts, pages and shows rows.
///
/// # Errors
/// Never in practice: the answer is made of valid parts.
pub fn reply(
    context: &Context,
    schema: &Schema,
    self_url: &str,
    source: Source<'_>,
    defaults: Option<Map<String, Value>>,
) -> Result<Reply, AppError> {
    let query = ListQuery::parse(schema, &context.request.query);
    let removed =
        query.names_removed() || context.request.parameter("_removed").is_some_and(|value| value == "true");
    let wanted: Option<BTreeSet<String>> = context.request.parameter("fields").map(|names| {
        names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    });
    let containers = matches!(canonical_type(schema), "container" | "instance");
    let (page, total) = match source {
        Source::Scope(headers) if containers && wants_lines(context, headers) => {
            return stream(context, schema, query, removed, wanted);
        }
        Source::Scope(_) => {
            let page = if containers {
                context.cx.shared.views.page(&context.cx, schema, &query, removed)
            } else {
                None
            };
            match page {
                Some(page) => {
                    let short = wanted.as_ref().filter(|wanted| only_columns(wanted));
                    let rows = page.rows.into_iter().map(|row| {
                        let shown = short.map(|wanted| columns_of(&row, wanted));
                        (Item::Row(AnyRow::Container(row)), shown)
                    });
                    (rows.collect(), page.total)
                }
                None => select(context, schema, &query, removed, list(&context.cx, canonical_type(schema))),
            }
        }
        Source::Items(items) => select(context, schema, &query, removed, items),
    };
    let end = query.offset.saturating_add(query.limit);
    let next = (total > end).then(|| next_url(context, self_url, end));
    let mut frame = collection(context.schemas, schema, &context.urls, self_url, &query, Vec::new(), next);
    if let Some(defaults) = defaults {
        frame["createDefaults"] = defaults.into();
    }
    if query.include.is_some() {
        let data: Vec<Value> = page
            .into_iter()
            .filter_map(|(item, row)| {
                let row = row.unwrap_or_else(|| item.row(&context.cx));
                let mut document = context.show_row(row, Showing::Later)?;
                include(context, &item, &mut document, query.include);
                Some(document)
            })
            .collect();
        frame["data"] = data.into();
        return Ok(Reply::ok(frame));
    }
    // No text inside the frame can look like this: there its quotes are escaped.
    const PLACE: &str = "\"data\":[]";
    let frame = frame.to_string();
    let (before, after) = frame.split_once(PLACE).expect("a collection has data");
    let mut text = Vec::with_capacity(frame.len() + page.len() * 4096);
    text.extend_from_slice(before.as_bytes());
    text.extend_from_slice(b"\"data\":[");
    let start = text.len();
    for (item, row) in page {
        let row = row.unwrap_or_else(|| item.row(&context.cx));
        let comma = text.len();
        if comma > start {
            text.push(b',');
        }
        if !context.write_row(row, wanted.as_ref(), &mut text) {
            text.truncate(comma);
        }
    }
    text.push(b']');
    text.extend_from_slice(after.as_bytes());
    Ok(Reply::JsonText(text.into()))
}

type Selected = (Vec<(Item, Option<ApiRow>)>, usize);

/// Filters and sorts items, and cuts out the page.
fn select(
    context: &Context,
    schema: &Schema,
    query: &ListQuery,
    removed: bool,
    items: Vec<Item>,
) -> Selected {
    let is_setting = canonical_type(schema).ends_with("etting");
    let public_only = is_setting && context.request.parameter("all") == Some("false");
    // Whether a thing is removed is known without its row, and most lists ask for nothing else: then only the rows
    // of the page are made.
    let by_removal = |filter: &Filter, item: &Item| match filter.modifier {
        _ if filter.field != "removed" => None,
        Modifier::Null => Some(!item.is_removed()),
        Modifier::NotNull => Some(item.is_removed()),
        _ => None,
    };
    let needs_rows = query.sort.is_some()
        || query.filters.iter().any(|filter| {
            filter.field != "removed" || !matches!(filter.modifier, Modifier::Null | Modifier::NotNull)
        });
    let mut kept: Vec<(Item, Option<ApiRow>)> = Vec::new();
    for item in items {
        if item.is_removed() && !removed {
            continue;
        }
        if public_only
            && !matches!(&item, Item::Setting(value) if value.active.is_some() && crate::app::setting::is_public(&value.name))
        {
            continue;
        }
        let row = needs_rows.then(|| item.row(&context.cx));
        let passes = is_setting
            || query.filters.iter().all(|filter| {
                if let Some(passes) = by_removal(filter, &item) {
                    return passes;
                }
                let (Some((field, _)), Some(row)) = (schema.field(filter.field), &row) else { return true };
                if filter.field == "id" {
                    filter.matches(&field.kind, &row.id.clone().into())
                } else {
                    filter.matches(&field.kind, row.value(canonical_field(filter.field)))
                }
            });
        if passes {
            kept.push((item, row));
        }
    }
    if let Some(sort) = &query.sort
        && let Some((field, _)) = schema.field(sort.field)
    {
        let name = canonical_field(sort.field);
        kept.sort_by_cached_key(|(_, row)| {
            let Some(row) = row else {
                return Sorting { descending: sort.descending, key: Key::Unset, id: 0 };
            };
            let id = row.id.parse::<contract_api::ApiId>().map_or(0, |id| id.number);
            let key = if name == "id" { Key::Id(id) } else { Key::of(&field.kind, name, row.value(name)) };
            Sorting { descending: sort.descending, key, id }
        });
    }
    let total = kept.len();
    (kept.into_iter().skip(query.offset).take(query.limit).collect(), total)
}

struct Sorting {
    descending: bool,
    key: Key,
    id: i64,
}

impl PartialEq for Sorting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sorting {}

impl PartialOrd for Sorting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sorting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order(self.descending, (&self.key, self.id), (&other.key, other.id))
    }
}

fn next_url(context: &Context, self_url: &str, end: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in context.request.query.iter().filter(|(name, _)| name != "marker" && name != "token")
    {
        query.append_pair(name, value);
    }
    query.append_pair("marker", &format!("m{end}"));
    format!("{self_url}?{}", query.finish())
}

fn wants_lines(context: &Context, headers: &HeaderMap) -> bool {
    match context.request.parameter("_format") {
        Some(format) => format == "ndjson",
        None => headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.split(',').any(|kind| kind.trim() == LINES)),
    }
}

/// Sends every container that passes, one a line, while the caller reads.
fn stream(
    context: &Context,
    schema: &Schema,
    mut query: ListQuery,
    removed: bool,
    wanted: Option<BTreeSet<String>>,
) -> Result<Reply, AppError> {
    let mut rows: Box<dyn Iterator<Item = Arc<Row<Container>>> + Send> = if query.sort.is_some() {
        query.limit = usize::MAX;
        query.offset = 0;
        match context.cx.shared.views.page(&context.cx, schema, &query, removed) {
            Some(page) => Box::new(page.rows.into_iter()),
            None => {
                let items = list(&context.cx, canonical_type(schema));
                let (items, _) = select(context, schema, &query, removed, items);
                Box::new(items.into_iter().filter_map(|(item, _)| match item {
                    Item::Row(AnyRow::Container(row)) => Some(row),
                    _ => None,
                }))
            }
        }
    } else {
        passing(context, schema, &query, removed)
    };
    let short = wanted.as_ref().is_some_and(only_columns);
    let context = context.clone();
    let end = tokio::time::Instant::now() + LONGEST_STREAM;
    let chunks = futures_util::stream::poll_fn(move |_| {
        if tokio::time::Instant::now() > end {
            return std::task::Poll::Ready(None);
        }
        let mut text = Vec::with_capacity(CHUNK + 8192);
        for row in rows.by_ref() {
            let row = match &wanted {
                Some(wanted) if short => columns_of(&row, wanted),
                _ => Item::Row(AnyRow::Container(row)).row(&context.cx),
            };
            if context.write_row(row, wanted.as_ref(), &mut text) {
                text.push(b'\n');
            }
            if text.len() >= CHUNK {
                break;
            }
        }
        let chunk = (!text.is_empty()).then(|| Ok::<_, Infallible>(Bytes::from(text)));
        std::task::Poll::Ready(chunk)
    });
    Response::builder()
        .header(header::CONTENT_TYPE, LINES)
        .body(Body::from_stream(chunks))
        .map(Reply::Stream)
        .map_err(AppError::internal)
}

/// The containers of the scope that pass, looked at one by one as they are asked for.
fn passing(
    context: &Context,
    schema: &Schema,
    query: &ListQuery,
    removed: bool,
) -> Box<dyn Iterator<Item = Arc<Row<Container>>> + Send> {
    let cx = context.cx.clone();
    if !in_scope(&cx, cx.scope.project) {
        return Box::new(std::iter::empty());
    }
    let filters: Vec<_> = query
        .filters
        .iter()
        .filter_map(|filter| Some((filter.clone(), schema.field(filter.field)?.0.kind.clone())))
        .collect();
    let mut after = i64::MIN;
    let mut batch = Vec::new().into_iter();
    Box::new(std::iter::from_fn(move || {
        loop {
            for row in batch.by_ref() {
                let row: Arc<Row<Container>> = row;
                let passes = filters.iter().all(|(filter, kind)| match column(&row, filter.field) {
                    Some(value) => filter.matches(kind, &value),
                    None => {
                        let shown = Item::Row(AnyRow::Container(row.clone())).row(&cx);
                        filter.matches(kind, shown.value(canonical_field(filter.field)))
                    }
                });
                if passes && (removed || row.removed.is_none()) {
                    return Some(row);
                }
            }
            let containers = &cx.tables.containers;
            let next: Vec<_> = match cx.scope.project {
                Some(project) => containers.of_project_after(project, after).take(256).cloned().collect(),
                None => containers.after(after).take(256).cloned().collect(),
            };
            after = next.last()?.id.raw();
            batch = next.into_iter();
        }
    }))
}

/// Whether all wanted members can be told without making the whole row.
fn only_columns(wanted: &BTreeSet<String>) -> bool {
    wanted.iter().all(|name| name == "type" || COLUMNS.contains(&canonical_field(name)))
}

fn columns_of(row: &Row<Container>, wanted: &BTreeSet<String>) -> ApiRow {
    let mut shown = ApiRow::new("container", contract_api::format_id(row.id));
    for name in wanted {
        if let Some(value) = column(row, name) {
            shown.set(canonical_field(name), value);
        }
    }
    shown
}

/// Puts what a link leads to in place of its URL.
pub fn include(context: &Context, item: &Item, document: &mut Value, link: Option<&'static str>) {
    let Some(link) = link else { return };
    let Some(schema) = item
        .type_name()
        .and_then(|name| context.schemas.shown_as(contract_api::in_version(context.schemas, name)))
    else {
        return;
    };
    let Some(declared) = schema.links.get(link) else { return };
    let value = if declared.kind == contract_api::LinkKind::Reference {
        reference_target(context, item, declared)
            .and_then(|target| context.show(&target, Showing::Later))
            .unwrap_or(Value::Null)
    } else {
        linked(context, item, link)
            .iter()
            .filter(|item| !item.is_removed())
            .filter_map(|item| context.show(item, Showing::Later))
            .collect()
    };
    if let Value::Object(members) = document {
        members.insert(link.to_owned(), value);
        if let Some(Value::Object(links)) = members.get_mut("links") {
            links.remove(link);
        }
    }
}

/// What a link of a thing leads to.
pub fn linked(context: &Context, item: &Item, link: &str) -> Vec<Item> {
    let link = if link == "environments" { "stacks" } else { link };
    related(&context.cx, item, link)
}

/// What a field of a thing refers to.
pub fn reference_target(context: &Context, item: &Item, link: &contract_api::Link) -> Option<Item> {
    let row = item.row(&context.cx);
    let id = row.value(canonical_field(link.field.as_deref()?)).as_str()?.to_owned();
    let target = if link.target == "environment" { "stack" } else { link.target.as_str() };
    find(&context.cx, target, &id)
}
