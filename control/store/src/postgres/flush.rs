//! A batch as few statements: all rows of a kind in one.

use std::collections::BTreeMap;

use contract_values::Timestamp;
use control_model::{AnyRow, Kind};
use futures_util::future::join_all;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::link::{Link, fault};
use crate::database::{DatabaseError, Effect, Head, Seal, Sequences};
use crate::row::{Columns, encode, held_text, sql};
use crate::sql::Statements;
use crate::writer::KEEP_BATCHES;

/// How many statements are under way at once.
const PIPELINE: usize = 16;
/// How many entries of the feed are looked at for their age with one cut.
const CUT_AT_ONCE: i64 = 2000;

type Parameter = Box<dyn ToSql + Sync + Send>;

/// A statement that is ready to be sent, and how many rows it must touch.
struct Ready {
    statement: Statement,
    parameters: Vec<Parameter>,
    rows: Option<u64>,
}

/// Sends all that a batch does, but for its commit.
pub(super) async fn flush(
    link: &mut Link,
    statements: &BTreeMap<Kind, Statements>,
    before: Head,
    effects: &[(Effect, Timestamp)],
    seal: &Seal,
    sequences: &Sequences,
) -> Result<(), DatabaseError> {
    let mut queue = Queue { link, ready: Vec::new() };
    for (kind, rows) in final_rows(effects) {
        queue.rows(kind, &statements[&kind], &rows).await?;
    }
    queue.feed(effects).await?;
    queue.seal(before, seal, sequences).await?;
    let Queue { link, ready } = queue;
    for chunk in ready.chunks(PIPELINE) {
        let parameters: Vec<Vec<&(dyn ToSql + Sync)>> = chunk
            .iter()
            .map(|one| one.parameters.iter().map(|p| &**p as &(dyn ToSql + Sync)).collect())
            .collect();
        let client = &link.client;
        let runs =
            chunk.iter().zip(&parameters).map(|(one, parameters)| client.execute(&one.statement, parameters));
        for (one, touched) in chunk.iter().zip(join_all(runs).await) {
            let touched = touched.map_err(fault)?;
            if one.rows.is_some_and(|rows| rows != touched) {
                let detail = format!("{touched} rows instead of {:?} were as expected", one.rows);
                return Err(DatabaseError::Diverged { detail });
            }
        }
    }
    Ok(())
}

/// A row before and after a batch.
struct Final<'a> {
    id: i64,
    before: Option<&'a AnyRow>,
    after: Option<&'a AnyRow>,
}

fn final_rows(effects: &[(Effect, Timestamp)]) -> BTreeMap<Kind, Vec<Final<'_>>> {
    let mut touched = BTreeMap::<(Kind, i64), Final<'_>>::new();
    for (effect, _) in effects {
        let id = effect.id;
        touched
            .entry((effect.kind, id))
            .and_modify(|row| row.after = effect.after.as_ref())
            .or_insert(Final { id, before: effect.before.as_ref(), after: effect.after.as_ref() });
    }
    let mut kinds = BTreeMap::<Kind, Vec<Final<'_>>>::new();
    for ((kind, _), row) in touched {
        kinds.entry(kind).or_default().push(row);
    }
    kinds
}

struct Queue<'a> {
    link: &'a mut Link,
    ready: Vec<Ready>,
}

impl Queue<'_> {
    async fn push(
        &mut self,
        sql: &str,
        parameters: Vec<Parameter>,
        rows: Option<usize>,
    ) -> Result<(), DatabaseError> {
        let statement = self.link.prepare(sql).await.map_err(fault)?;
        self.ready.push(Ready { statement, parameters, rows: rows.map(|rows| rows as u64) });
        Ok(())
    }

    /// In this order a text that one row gives up can be taken by another.
    async fn rows(
        &mut self,
        kind: Kind,
        statements: &Statements,
        rows: &[Final<'_>],
    ) -> Result<(), DatabaseError> {
        let (mut released, mut gone, mut changed, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match (row.before, row.after) {
                (Some(before), Some(after)) => {
                    if held_text(before) != held_text(after) {
                        released.push(row.id);
                    }
                    changed.push((before, after));
                }
                (Some(before), None) => gone.push((row.id, sql(before.revision()))),
                (None, Some(after)) => new.push(after),
                (None, None) => {}
            }
        }
        if !released.is_empty() {
            self.push(&Statements::release(kind), vec![Box::new(released)], None).await?;
        }
        if !gone.is_empty() {
            let count = gone.len();
            let (ids, revisions): (Vec<_>, Vec<_>) = gone.into_iter().unzip();
            self.push(&statements.delete, vec![Box::new(ids), Box::new(revisions)], Some(count)).await?;
        }
        if !changed.is_empty() {
            let expected: Vec<_> = changed.iter().map(|(before, _)| sql(before.revision())).collect();
            let mut parameters = arrays(changed.iter().map(|(_, after)| encode(after)));
            parameters.push(Box::new(expected));
            self.push(&statements.update, parameters, Some(changed.len())).await?;
        }
        if !new.is_empty() {
            let parameters = arrays(new.iter().map(|after| encode(after)));
            self.push(&statements.insert, parameters, Some(new.len())).await?;
        }
        Ok(())
    }

    async fn feed(&mut self, effects: &[(Effect, Timestamp)]) -> Result<(), DatabaseError> {
        let revisions: Vec<_> = effects.iter().map(|(effect, _)| sql(effect.revision)).collect();
        let kinds: Vec<_> = effects.iter().map(|(effect, _)| effect.kind.table()).collect();
        let ids: Vec<_> = effects.iter().map(|(effect, _)| effect.id).collect();
        let times: Vec<_> = effects.iter().map(|(_, now)| now.0).collect();
        self.push(
            "INSERT INTO change (revision, kind, id, at) \
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])",
            vec![Box::new(revisions), Box::new(kinds), Box::new(ids), Box::new(times)],
            Some(effects.len()),
        )
        .await
    }

    async fn seal(&mut self, before: Head, seal: &Seal, sequences: &Sequences) -> Result<(), DatabaseError> {
        let (epoch, number) = (seal.batch.epoch.cast_signed(), seal.batch.number.cast_signed());
        let head = sql(seal.head);
        self.push(
            "UPDATE sequence SET revision = $1, batch_epoch = $2, batch_number = $3 WHERE revision = $4",
            vec![Box::new(head), Box::new(epoch), Box::new(number), Box::new(sql(before.revision))],
            Some(1),
        )
        .await?;
        self.push(
            "INSERT INTO batch (revision, epoch, number) VALUES ($1, $2, $3)",
            vec![Box::new(head), Box::new(epoch), Box::new(number)],
            Some(1),
        )
        .await?;
        for (name, next) in sequences {
            self.push(
                "INSERT INTO id_block AS old (name, next) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET next = greatest(old.next, excluded.next)",
                vec![Box::new(*name), Box::new(*next)],
                None,
            )
            .await?;
        }
        if let Some(upto) = seal.cut_upto {
            self.push("DELETE FROM change WHERE revision <= $1", vec![Box::new(sql(upto))], None).await?;
            let batches = head.saturating_sub(KEEP_BATCHES);
            self.push("DELETE FROM batch WHERE revision <= $1", vec![Box::new(batches)], None).await?;
        }
        if let Some(oldest) = seal.cut_before {
            self.push(
                "DELETE FROM change WHERE revision <= (SELECT max(revision) FROM \
                 (SELECT revision, at FROM change ORDER BY revision LIMIT $1) AS first WHERE at < $2)",
                vec![Box::new(CUT_AT_ONCE), Box::new(oldest.0)],
                None,
            )
            .await?;
        }
        self.push("SELECT pg_notify('lariat_change', $1)", vec![Box::new(head.to_string())], None).await
    }
}

/// PostgreSQL's text has no NUL. What a column loses here is not lost: rows are read from their bodies.
fn clean(text: String) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{2400}"),
        false => text,
    }
}

/// The rows as one array for each column, in the order of the columns.
fn arrays(rows: impl ExactSizeIterator<Item = Columns>) -> Vec<Parameter> {
    let mut numbers: [Vec<Option<i64>>; 13] = Default::default();
    let mut texts: [Vec<Option<String>>; 6] = Default::default();
    for c in rows {
        let values = [
            Some(c.id),
            c.project,
            c.stack,
            c.service,
            c.host,
            Some(c.revision),
            Some(c.generation),
            Some(c.created),
            c.removal_asked,
            c.removed,
            Some(c.intent.format),
            Some(c.decision.format),
            Some(c.observation.format),
        ];
        for (column, value) in numbers.iter_mut().zip(values) {
            column.push(value);
        }
        let values = [
            Some(clean(c.uuid)),
            c.name.map(clean),
            c.unique.map(clean),
            Some(c.intent.json),
            Some(c.decision.json),
            Some(c.observation.json),
        ];
        for (column, value) in texts.iter_mut().zip(values) {
            column.push(value);
        }
    }
    let [
        id,
        project,
        stack,
        service,
        host,
        revision,
        generation,
        created,
        asked,
        removed,
        intent_format,
        decision_format,
        observation_format,
    ] = numbers;
    let [uuid, name, unique, intent, decision, observation] = texts;
    vec![
        Box::new(id),
        Box::new(uuid),
        Box::new(project),
        Box::new(stack),
        Box::new(service),
        Box::new(host),
        Box::new(name),
        Box::new(unique),
        Box::new(revision),
        Box::new(generation),
        Box::new(created),
        Box::new(asked),
        Box::new(removed),
        Box::new(intent_format),
        Box::new(intent),
        Box::new(decision_format),
        Box::new(decision),
        Box::new(observation_format),
        Box::new(observation),
    ]
}
