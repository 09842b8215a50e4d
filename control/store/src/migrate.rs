//! The steps that make the schema. A step that has landed is never edited; what shall be different is a new step.

/// A dialect of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Step {
    pub(crate) const fn sql(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

macro_rules! step {
    ($name:literal) => {
        Step {
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }
    };
}

/// All steps; the number of a step is its place, from 1.
pub(crate) const STEPS: [Step; 20] = [
    step!("0001_sequence"),
    step!("0002_epoch"),
    step!("0003_batch"),
    step!("0004_change"),
    step!("0005_id_block"),
    step!("0006_account"),
    step!("0007_credential"),
    step!("0008_project"),
    step!("0009_member"),
    step!("0010_setting"),
    step!("0011_host"),
    step!("0012_stack"),
    step!("0013_service"),
    step!("0014_container"),
    step!("0015_volume"),
    step!("0016_secret"),
    step!("0017_certificate"),
    step!("0018_registry"),
    step!("0019_audit_log"),
    step!("0020_project_template"),
];

/// The newest schema that this version knows.
pub(crate) const NEWEST: u32 = STEPS.len() as u32;

/// The table that says which steps were taken. It is made before the first step, and never changes.
pub(crate) const STEP_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_step (number BIGINT PRIMARY KEY, name TEXT NOT NULL)";
