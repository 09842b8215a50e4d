//! Rows as columns, and back.
//!
//! A body is stored as JSON with the number of its format. A field that this version does not know was written by a
//! newer one; it is kept in [`Unknown`] under its JSON pointer and put back with every write, so that an older
//! server beside a newer one takes nothing away. Fields within arrays and within enums are beyond that: there is no
//! saying which element they belong to.

use contract_values::{Generation, Id, Revision, Timestamp};
use control_model::{
    Account, AnyRow, AuditEntry, Body, Certificate, Container, Credential, Host, Kind, Member, Object,
    Project, ProjectTemplate, Registry, Row, SealedSecret, Service, Setting, Stack, Stored, Unknown, Volume,
    with_row,
};
use serde_json::{Map, Value};

/// The columns in their order in each table.
pub(crate) const COLUMNS: [&str; 19] = [
    "id",
    "uuid",
    "project_id",
    "stack_id",
    "service_id",
    "host_id",
    "name",
    "unique_key",
    "revision",
    "generation",
    "created",
    "removal_asked",
    "removed",
    "intent_format",
    "intent",
    "decision_format",
    "decision",
    "observation_format",
    "observation",
];

/// A row as its columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    pub(crate) id: i64,
    pub(crate) uuid: String,
    pub(crate) project: Option<i64>,
    pub(crate) stack: Option<i64>,
    pub(crate) service: Option<i64>,
    pub(crate) host: Option<i64>,
    pub(crate) name: Option<String>,
    pub(crate) unique: Option<String>,
    pub(crate) revision: i64,
    pub(crate) generation: i64,
    pub(crate) created: i64,
    pub(crate) removal_asked: Option<i64>,
    pub(crate) removed: Option<i64>,
    pub(crate) intent: StoredBody,
    pub(crate) decision: StoredBody,
    pub(crate) observation: StoredBody,
}

/// A body as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredBody {
    pub(crate) format: i64,
    pub(crate) json: String,
}

/// A stored row that cannot be read. What stands in it is not repeated, because it may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} of {} {id} cannot be read: {problem}", kind.table())]
pub(crate) struct RowError {
    kind: Kind,
    id: i64,
    part: &'static str,
    problem: String,
}

/// A revision as a number of SQL.
pub(crate) fn sql(revision: Revision) -> i64 {
    i64::try_from(revision.0).expect("a revision stays below 2^63")
}

/// A revision out of a number of SQL; a negative one can only come from outside and counts as none.
pub(crate) fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or_default())
}

/// The text that a row holds alone, while it is live.
pub(crate) fn held_text(row: &AnyRow) -> Option<String> {
    with_row!(row, row => row.keys().unique.filter(|_| row.removed.is_none()))
}

pub(crate) fn encode(row: &AnyRow) -> Columns {
    with_row!(row, row => encode_row(row))
}

fn encode_row<O: Object>(row: &Row<O>) -> Columns {
    let keys = row.keys();
    Columns {
        id: row.id.raw(),
        uuid: row.uuid.clone(),
        project: keys.project.map(Id::raw),
        stack: keys.stack.map(Id::raw),
        service: keys.service.map(Id::raw),
        host: keys.host.map(Id::raw),
        name: keys.name,
        unique: keys.unique,
        revision: sql(row.revision),
        generation: i64::try_from(row.generation.0).expect("a generation stays below 2^63"),
        created: row.created.0,
        removal_asked: row.removal_asked.map(|time| time.0),
        removed: row.removed.map(|time| time.0),
        intent: encode_body(&row.intent, &row.unknown.intent),
        decision: encode_body(&row.decision, &row.unknown.decision),
        observation: encode_body(&row.observation, &row.unknown.observation),
    }
}

fn encode_body<B: Body>(body: &B, unknown: &Map<String, Value>) -> StoredBody {
    const ALWAYS: &str = "bodies are plain data with text as keys";
    let json = if unknown.is_empty() {
        serde_json::to_string(body).expect(ALWAYS)
    } else {
        let mut value = serde_json::to_value(body).expect(ALWAYS);
        for (pointer, field) in unknown {
            put_back(&mut value, pointer, field);
        }
        value.to_string()
    };
    StoredBody { format: i64::from(B::FORMAT), json }
}

/// Puts a field back where it was, if what it was in is still there.
fn put_back(body: &mut Value, pointer: &str, field: &Value) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(parent)) = body.pointer_mut(parent) {
        let name = name.replace("~1", "/").replace("~0", "~");
        parent.entry(name).or_insert_with(|| field.clone());
    }
}

pub(crate) fn decode(kind: Kind, columns: Columns) -> Result<AnyRow, RowError> {
    match kind {
        Kind::Account => decode_row::<Account>(columns),
        Kind::Credential => decode_row::<Credential>(columns),
        Kind::Project => decode_row::<Project>(columns),
        Kind::Member => decode_row::<Member>(columns),
        Kind::Setting => decode_row::<Setting>(columns),
        Kind::Host => decode_row::<Host>(columns),
        Kind::Stack => decode_row::<Stack>(columns),
        Kind::Service => decode_row::<Service>(columns),
        Kind::Container => decode_row::<Container>(columns),
        Kind::Volume => decode_row::<Volume>(columns),
        Kind::Secret => decode_row::<SealedSecret>(columns),
        Kind::Certificate => decode_row::<Certificate>(columns),
        Kind::Registry => decode_row::<Registry>(columns),
        Kind::AuditLog => decode_row::<AuditEntry>(columns),
        Kind::ProjectTemplate => decode_row::<ProjectTemplate>(columns),
    }
}

fn decode_row<O: Stored>(columns: Columns) -> Result<AnyRow, RowError> {
    let id = columns.id;
    let part = |part, problem| RowError { kind: O::KIND, id, part, problem };
    let (intent, unknown_intent) = decode_body(&columns.intent).map_err(|e| part("intent", e))?;
    let (decision, unknown_decision) = decode_body(&columns.decision).map_err(|e| part("decision", e))?;
    let (observation, unknown_observation) =
        decode_body(&columns.observation).map_err(|e| part("observation", e))?;
    Ok(O::wrap(std::sync::Arc::new(Row::<O> {
        id: Id::new(id),
        uuid: columns.uuid,
        revision: revision(columns.revision),
        generation: Generation(u64::try_from(columns.generation).unwrap_or_default()),
        created: Timestamp(columns.created),
        removal_asked: columns.removal_asked.map(Timestamp),
        removed: columns.removed.map(Timestamp),
        intent,
        decision,
        observation,
        unknown: Unknown {
            intent: unknown_intent,
            decision: unknown_decision,
            observation: unknown_observation,
        },
    })))
}

fn decode_body<B: Body>(stored: &StoredBody) -> Result<(B, Map<String, Value>), String> {
    if stored.format > i64::from(B::FORMAT) {
        return Err(format!("its format {} is of a newer version", stored.format));
    }
    let mut pointers = Vec::new();
    let mut source = serde_json::Deserializer::from_str(&stored.json);
    let body = serde_ignored::deserialize(&mut source, |path| pointers.extend(pointer(&path)))
        .and_then(|body| source.end().map(|()| body))
        .map_err(|error| position(&error))?;
    if pointers.is_empty() {
        return Ok((body, Map::new()));
    }
    let value: Value = serde_json::from_str(&stored.json).map_err(|error| position(&error))?;
    let unknown =
        pointers.into_iter().filter_map(|p| Some((p.clone(), value.pointer(&p)?.clone()))).collect();
    Ok((body, unknown))
}

/// Where the fault is; the words of the parser would repeat what stands there.
fn position(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io | Category::Eof => "it ends too early",
        Category::Syntax => "it is no JSON",
        Category::Data => "a field is of another kind than expected",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

/// The JSON pointer of a field; `None` where there is no telling later where it belongs.
fn pointer(path: &serde_ignored::Path<'_>) -> Option<String> {
    use serde_ignored::Path;
    match path {
        Path::Root => Some(String::new()),
        Path::Map { parent, key } => {
            Some(format!("{}/{}", pointer(parent)?, key.replace('~', "~0").replace('/', "~1")))
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } => pointer(parent),
        Path::Seq { .. } | Path::NewtypeVariant { .. } => None,
    }
}

#[cfg(test)]
mod tests;
