//! The statements, put together once for each kind.

use control_model::Kind;

use crate::migrate::Dialect;
use crate::row::COLUMNS;

/// The statements for one kind.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pub(crate) select: String,
    pub(crate) insert: String,
    pub(crate) update: String,
    pub(crate) delete: String,
}

/// The type of each column of arrays that PostgreSQL unpacks.
fn array_type(column: &str) -> &'static str {
    match column {
        "uuid" | "name" | "unique_key" | "intent" | "decision" | "observation" => "text[]",
        _ => "bigint[]",
    }
}

fn is_json(column: &str) -> bool {
    matches!(column, "intent" | "decision" | "observation")
}

impl Statements {
    pub(crate) fn new(kind: Kind, dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => Self::sqlite(kind.table()),
            Dialect::Postgres => Self::postgres(kind.table()),
        }
    }

    /// One row each: parameters 1 to 19 are the columns, 20 the expected revision; deletion has id and revision.
    fn sqlite(table: &str) -> Self {
        let columns = COLUMNS.join(", ");
        let marks: Vec<_> = (1..=COLUMNS.len()).map(|n| format!("?{n}")).collect();
        let sets: Vec<_> =
            COLUMNS.iter().enumerate().skip(1).map(|(n, column)| format!("{column} = ?{}", n + 1)).collect();
        Self {
            select: format!("SELECT {columns} FROM {table}"),
            insert: format!("INSERT INTO {table} ({columns}) VALUES ({})", marks.join(", ")),
            update: format!("UPDATE {table} SET {} WHERE id = ?1 AND revision = ?20", sets.join(", ")),
            delete: format!("DELETE FROM {table} WHERE id = ?1 AND revision = ?2"),
        }
    }

    /// Many rows each: the parameters are arrays of the columns, and then of the expected revisions.
    fn postgres(table: &str) -> Self {
        let columns = COLUMNS.join(", ");
        let arrays: Vec<_> = COLUMNS
            .iter()
            .enumerate()
            .map(|(n, column)| format!("${}::{}", n + 1, array_type(column)))
            .collect();
        let arrays = arrays.join(", ");
        let read: Vec<_> = COLUMNS
            .iter()
            .map(|column| if is_json(column) { format!("{column}::text") } else { (*column).to_owned() })
            .collect();
        let value = |column: &str| match is_json(column) {
            true => format!("new.{column}::json"),
            false => format!("new.{column}"),
        };
        let values: Vec<_> = COLUMNS.iter().map(|column| value(column)).collect();
        let sets: Vec<_> =
            COLUMNS.iter().skip(1).map(|column| format!("{column} = {}", value(column))).collect();
        Self {
            select: format!("SELECT {} FROM {table}", read.join(", ")),
            insert: format!(
                "INSERT INTO {table} ({columns}) SELECT {} FROM unnest({arrays}) AS new ({columns})",
                values.join(", ")
            ),
            update: format!(
                "UPDATE {table} AS old SET {} FROM unnest({arrays}, $20::bigint[]) AS new ({columns}, expected) \
                 WHERE old.id = new.id AND old.revision = new.expected",
                sets.join(", ")
            ),
            delete: format!(
                "DELETE FROM {table} AS old USING unnest($1::bigint[], $2::bigint[]) AS new (id, expected) \
                 WHERE old.id = new.id AND old.revision = new.expected"
            ),
        }
    }

    /// Lets go of the texts of rows that are about to take others, so that they may swap them.
    pub(crate) fn release(kind: Kind) -> String {
        format!("UPDATE {} SET unique_key = NULL WHERE id = ANY($1)", kind.table())
    }
}

/// The kind with that table.
pub(crate) fn kind_of(table: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.table() == table)
}
