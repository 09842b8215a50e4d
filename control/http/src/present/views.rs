//! Long lists of containers, kept in their order between requests.
//!
//! A page out of a hundred thousand rows must not look at all of them. The first request for a selection in an order
//! makes a view: the ids of the rows that pass, sorted. Later ones bring it up to date with the rows that changed since,
//! which the tables tell at a cost of the changes alone, and take their page out of the middle. Views are a cache and
//! nothing else: they may be dropped at any time, and short lists have none.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex};

use contract_api::{FieldType, Filter, ListQuery, Schema, canonical_field, format_id};
use contract_values::ProjectId;
use control_model::state::{container_health, container_state};
use control_model::{AnyRow, Container, Origin, Row, Tables};
use serde_json::Value;

use crate::app::Cx;
use crate::present::{Item, in_scope};

/// Lists of fewer rows are made anew for each request.
const SHORTEST: usize = 2_000;
/// So many views are kept, and so many entries in all of them together.
const MOST_VIEWS: usize = 16;
const MOST_ENTRIES: usize = 1_000_000;
/// When more rows than this changed, a view is made anew.
const MOST_CHANGES: usize = 20_000;

/// What a row is sorted by; unset comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Nothing.
    Unset,
    /// True or false.
    Flag(bool),
    /// A number or a date.
    Number(i64),
    /// The number of an id.
    Id(i64),
    /// A text.
    Text(Box<str>),
}

impl Key {
    /// The key of a field's value.
    pub fn of(kind: &FieldType, field: &str, value: &Value) -> Self {
        let id = field == "id" || matches!(kind, FieldType::Reference(_));
        match value {
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Unset,
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => {
                // Fractions are not sorted by anywhere; what is no whole number is cut to one.
                Self::Number(
                    number.as_i64().or_else(|| number.as_f64().map(|n| n as i64)).unwrap_or(i64::MAX),
                )
            }
            Value::String(text) => match text.parse::<contract_api::ApiId>() {
                Ok(parsed) if id => Self::Id(parsed.number),
                _ => Self::Text(text.as_str().into()),
            },
        }
    }
}

/// Orders two entries; equal keys by id, which always ascends.
pub fn order(descending: bool, one: (&Key, i64), other: (&Key, i64)) -> Ordering {
    let keys = one.0.cmp(other.0);
    (if descending { keys.reverse() } else { keys }).then(one.1.cmp(&other.1))
}

/// What selects and orders the rows of a view.
#[derive(Clone, Debug, PartialEq)]
struct Selection {
    project: Option<ProjectId>,
    filters: Vec<(Filter, FieldType)>,
    sort: Option<(&'static str, FieldType)>,
    descending: bool,
    removed: bool,
}

impl Selection {
    fn passes(&self, cx: &Cx, row: &Arc<Row<Container>>) -> bool {
        let in_project = self.project.is_none_or(|project| row.intent.project == Some(project));
        in_project
            && (self.removed || row.removed.is_none())
            && self.filters.iter().all(|(filter, kind)| filter.matches(kind, &value(cx, row, filter.field)))
    }

    fn key(&self, cx: &Cx, row: &Arc<Row<Container>>) -> Key {
        match &self.sort {
            Some((field, kind)) => Key::of(kind, field, &value(cx, row, field)),
            None => Key::Unset,
        }
    }

    fn entry(&self, cx: &Cx, row: &Arc<Row<Container>>) -> (Key, i64) {
        (self.key(cx, row), row.id.raw())
    }
}

/// The value of a field, without making the whole row where that can be helped.
fn value(cx: &Cx, row: &Arc<Row<Container>>, field: &str) -> Value {
    column(row, field).unwrap_or_else(|| {
        let item = Item::Row(AnyRow::Container(row.clone()));
        item.row(cx).value(canonical_field(field)).clone()
    })
}

/// The fields that [`column`] knows.
pub const COLUMNS: &[&str] = &[
    "accountId",
    "createIndex",
    "created",
    "description",
    "externalId",
    "firstRunning",
    "healthState",
    "hostId",
    "id",
    "kind",
    "name",
    "nativeContainer",
    "removed",
    "serviceId",
    "stackId",
    "startCount",
    "state",
    "system",
    "uuid",
];

/// The value of a field that can be told from the stored row at once; `None` for the others.
pub fn column(row: &Row<Container>, field: &str) -> Option<Value> {
    let intent = &row.intent;
    let keys = || row.keys();
    Some(match canonical_field(field) {
        "id" => format_id(row.id).into(),
        "kind" => "container".into(),
        "uuid" => row.uuid.as_str().into(),
        "created" => row.created.0.into(),
        "removed" => row.removed.map(|at| at.0).into(),
        "state" => container_state(row).name.into(),
        "name" => intent.name.as_str().into(),
        "description" => intent.description.clone().into(),
        "accountId" => intent.project.map(format_id).into(),
        "stackId" => intent.stack.map(format_id).into(),
        "hostId" => keys().host.map(format_id).into(),
        "serviceId" => keys().service.map(format_id).into(),
        "healthState" => container_health(row).filter(|health| *health != "started-once").into(),
        "firstRunning" => row.observation.first_started_at.map(|at| at.0).into(),
        "startCount" => row.observation.starts.into(),
        "system" => intent.system.into(),
        "nativeContainer" => matches!(intent.origin, Origin::Native { .. }).into(),
        "externalId" => match &intent.origin {
            Origin::Native { docker_id, .. } => docker_id.as_str().into(),
            Origin::Standalone | Origin::Service { .. } => row.observation.docker_id.clone().into(),
        },
        "createIndex" => match &intent.origin {
            Origin::Service { create_index, .. } => (*create_index).into(),
            Origin::Standalone | Origin::Native { .. } => Value::Null,
        },
        _ => return None,
    })
}

struct View {
    selection: Selection,
    state: Mutex<State>,
}

struct State {
    tables: Arc<Tables>,
    order: Vec<(Key, i64)>,
}

impl View {
    fn make(cx: &Cx, selection: Selection) -> Self {
        let order = Self::all(cx, &selection);
        Self { selection, state: Mutex::new(State { tables: cx.tables.clone(), order }) }
    }

    fn all(cx: &Cx, selection: &Selection) -> Vec<(Key, i64)> {
        fn entries<'a>(
            cx: &Cx,
            selection: &Selection,
            rows: impl Iterator<Item = &'a Arc<Row<Container>>>,
        ) -> Vec<(Key, i64)> {
            rows.filter(|row| selection.passes(cx, row)).map(|row| selection.entry(cx, row)).collect()
        }
        let containers = &cx.tables.containers;
        let mut all = match selection.project {
            Some(project) => entries(cx, selection, containers.of_project(project)),
            None => entries(cx, selection, containers.iter()),
        };
        let descending = selection.descending;
        all.sort_unstable_by(|one, other| order(descending, (&one.0, one.1), (&other.0, other.1)));
        all
    }

    /// Brings the view up to the request's picture, if that is newer.
    fn update(&self, cx: &Cx, state: &mut State) {
        if state.tables.revision >= cx.tables.revision {
            return;
        }
        let before = std::mem::replace(&mut state.tables, cx.tables.clone());
        let changes: Vec<_> =
            cx.tables.containers.changed_since(&before.containers).take(MOST_CHANGES + 1).collect();
        if changes.len() > MOST_CHANGES {
            state.order = Self::all(cx, &self.selection);
            return;
        }
        let descending = self.selection.descending;
        let find = |all: &[(Key, i64)], entry: &(Key, i64)| {
            all.binary_search_by(|other| order(descending, (&other.0, other.1), (&entry.0, entry.1)))
        };
        for (old, new) in changes {
            let old =
                old.filter(|row| self.selection.passes(cx, row)).map(|row| self.selection.entry(cx, row));
            let new =
                new.filter(|row| self.selection.passes(cx, row)).map(|row| self.selection.entry(cx, row));
            if old == new {
                continue;
            }
            if let Some(Ok(place)) = old.map(|entry| find(&state.order, &entry)) {
                state.order.remove(place);
            }
            if let Some(entry) = new
                && let Err(place) = find(&state.order, &entry)
            {
                state.order.insert(place, entry);
            }
        }
    }
}

/// The views of a server.
#[derive(Default)]
pub struct Views {
    known: Mutex<Vec<Arc<View>>>,
}

/// A page out of a long list.
pub struct Page {
    /// Its rows.
    pub rows: Vec<Arc<Row<Container>>>,
    /// How many rows pass in all.
    pub total: usize,
}

impl Views {
    /// Takes a page of the containers that the scope holds; `None` where there are too few for a view.
    pub fn page(&self, cx: &Cx, schema: &Schema, query: &ListQuery, removed: bool) -> Option<Page> {
        if cx.tables.containers.len() < SHORTEST {
            return None;
        }
        if !in_scope(cx, cx.scope.project) {
            return Some(Page { rows: Vec::new(), total: 0 });
        }
        let kind_of = |field: &str| schema.field(field).map(|(field, _)| field.kind.clone());
        let selection = Selection {
            project: cx.scope.project,
            filters: query
                .filters
                .iter()
                .filter_map(|filter| Some((filter.clone(), kind_of(filter.field)?)))
                .collect(),
            sort: query.sort.as_ref().and_then(|sort| Some((sort.field, kind_of(sort.field)?))),
            descending: query.sort.as_ref().is_some_and(|sort| sort.descending),
            removed,
        };
        let view = self.view(cx, selection);
        let mut state = view.state.lock().expect("nothing panics while it holds the lock");
        view.update(cx, &mut state);
        let end = query.offset.saturating_add(query.limit).min(state.order.len());
        let ids = state.order.get(query.offset.min(end)..end).unwrap_or_default();
        let rows = ids.iter().filter_map(|(_, id)| state.tables.containers.get_raw(*id).cloned()).collect();
        Some(Page { rows, total: state.order.len() })
    }

    fn view(&self, cx: &Cx, selection: Selection) -> Arc<View> {
        {
            let mut known = self.known.lock().expect("nothing panics while it holds the lock");
            if let Some(place) = known.iter().position(|view| view.selection == selection) {
                let view = known.remove(place);
                known.push(view.clone());
                return view;
            }
        }
        // Others go on meanwhile; at worst two make the same view and one of the two is kept.
        let view = Arc::new(View::make(cx, selection));
        let mut known = self.known.lock().expect("nothing panics while it holds the lock");
        known.retain(|other| other.selection != view.selection);
        known.push(view.clone());
        let size = |view: &Arc<View>| {
            // One that is at work is counted as if it were empty; the next request counts it right.
            view.state.try_lock().map_or(0, |state| state.order.len())
        };
        while known.len() > MOST_VIEWS
            || known.len() > 1 && known.iter().map(size).sum::<usize>() > MOST_ENTRIES
        {
            known.remove(0);
        }
        view
    }
}
