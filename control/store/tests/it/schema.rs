//! The steps, the dumps that they must give, and old bodies.

use std::path::{Path, PathBuf};

use control_store::{OpenError, Store, StoreOptions};

use crate::cluster::{Cluster, TestDatabase};
use crate::support::{Place, sqlite_url};

fn steps(dialect: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
    let mut steps: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    steps.sort();
    steps
}

/// Compares with the committed dump, or writes it anew where `LARIAT_WRITE_GOLDEN` is set.
fn check_dump(dialect: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/schema.{dialect}.txt"));
    if std::env::var_os("LARIAT_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "the steps no longer give {}:\n{found}", path.display());
}

fn dump_sqlite(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut select =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let texts = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    texts.map(|text| text.unwrap() + ";\n\n").collect()
}

#[tokio::test]
async fn the_steps_give_the_schema_of_sqlite() {
    let place = Place::sqlite();
    place.open().await.close().await;
    let Place::Sqlite(directory) = &place else { unreachable!() };
    let path = directory.path().join("lariat.db");
    check_dump("sqlite", &dump_sqlite(&path));
    // Each step again changes nothing.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("UPDATE sequence SET revision = 5; UPDATE epoch SET value = 9").unwrap();
    for step in steps("sqlite") {
        connection.execute_batch(&std::fs::read_to_string(step).unwrap()).unwrap();
    }
    let kept: (i64, i64) = connection
        .query_row("SELECT revision, value FROM sequence, epoch", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(kept, (5, 9));
    drop(connection);
    check_dump("sqlite", &dump_sqlite(&path));
}

const DUMP_POSTGRES: &str = "
    SELECT line FROM (
        SELECT c.relname AS relation, 1 AS sort, a.attnum AS place,
            format('%s.%s %s%s -- %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
                coalesce(col_description(c.oid, a.attnum), '')) AS line
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT c.relname, 0, 0, format('%s -- %s', c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''))
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
        UNION ALL
        SELECT tablename, 2, 0, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT c.relname, 3, 0, format('%s %s', k.conname, pg_get_constraintdef(k.oid))
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.connamespace = 'public'::regnamespace AND k.contype <> 'n'
    ) AS lines ORDER BY relation COLLATE \"C\", sort, place, line COLLATE \"C\"";

async fn dump_postgres(client: &tokio_postgres::Client) -> String {
    let rows = client.query(DUMP_POSTGRES, &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_give_the_schema_of_postgres() {
    let database = TestDatabase::empty(Cluster::get().await).await;
    Store::open(&database.url, StoreOptions::default()).await.unwrap().close().await;
    let client = database.client().await;
    check_dump("postgres", &dump_postgres(&client).await);
    client.batch_execute("UPDATE sequence SET revision = 5; UPDATE epoch SET value = 9").await.unwrap();
    for step in steps("postgres") {
        client.batch_execute(&std::fs::read_to_string(step).unwrap()).await.unwrap();
    }
    let kept = client.query_one("SELECT revision, value FROM sequence, epoch", &[]).await.unwrap();
    assert_eq!((kept.get::<_, i64>(0), kept.get::<_, i64>(1)), (5, 9));
    check_dump("postgres", &dump_postgres(&client).await);
}

#[tokio::test]
async fn the_steps_are_numbered_without_gaps_in_both_dialects() {
    let names = |dialect| {
        steps(dialect)
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("sqlite"), names("postgres"));
    for (number, name) in (1..).zip(names("sqlite")) {
        assert!(name.starts_with(&format!("{number:04}_")), "{name}");
    }
    // And all of them are taken.
    let place = Place::sqlite();
    place.open().await.close().await;
    let Place::Sqlite(directory) = &place else { unreachable!() };
    let connection = rusqlite::Connection::open(directory.path().join("lariat.db")).unwrap();
    let mut select = connection.prepare("SELECT name FROM schema_step ORDER BY number").unwrap();
    let taken: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(taken, names("sqlite"));
}

async fn open_error(url: &str) -> OpenError {
    Store::open(url, StoreOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_url(directory.path());
    Store::open(&url, StoreOptions::default()).await.unwrap().close().await;
    let connection = rusqlite::Connection::open(directory.path().join("lariat.db")).unwrap();
    connection.execute("INSERT INTO schema_step VALUES (9999, 'of the future')", []).unwrap();
    drop(connection);
    let error = open_error(&url).await;
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error:?}");
    assert!(error.to_string().contains("use a newer version"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused_by_postgres() {
    let place = Place::postgres().await;
    let Place::Postgres(database) = &place else { unreachable!() };
    let client = database.client().await;
    client.execute("INSERT INTO schema_step VALUES (9999, 'of the future')", &[]).await.unwrap();
    let error = open_error(&database.url).await;
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error:?}");
}

/// Rows as earlier versions wrote them. A sample is added with each format and never changed.
#[tokio::test]
async fn bodies_of_earlier_versions_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_url(directory.path());
    Store::open(&url, StoreOptions::default()).await.unwrap().close().await;
    let connection = rusqlite::Connection::open(directory.path().join("lariat.db")).unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut kinds = std::collections::BTreeSet::new();
    let mut count = 0;
    for entry in std::fs::read_dir(samples).unwrap() {
        let path = entry.unwrap().path();
        let sample: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        count += 1;
        let kind = sample["kind"].as_str().unwrap().to_owned();
        let part = |part: &str| (sample[part]["format"].as_i64().unwrap(), sample[part]["body"].to_string());
        let ((f1, intent), (f2, decision), (f3, observation)) =
            (part("intent"), part("decision"), part("observation"));
        let insert = format!(
            "INSERT INTO {kind} (id, uuid, revision, generation, created, intent_format, intent, decision_format, \
             decision, observation_format, observation) VALUES (?1, 'u', 1, 1, 1, ?2, ?3, ?4, ?5, ?6, ?7)"
        );
        connection
            .execute(&insert, rusqlite::params![1000 + count, f1, intent, f2, decision, f3, observation])
            .unwrap();
        kinds.insert(kind);
    }
    drop(connection);
    assert_eq!(kinds.len(), control_model::Kind::ALL.len(), "each kind has a sample: {kinds:?}");
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let tables = store.snapshot();
    let container = tables.containers.iter().next().unwrap();
    assert_eq!(
        (container.intent.name.as_str(), container.intent.launch.image.as_ref().map(ToString::to_string)),
        ("shop-web-1", Some("nginx:1.25".to_owned()))
    );
    assert_eq!(container.observation.exit_code, Some(137));
    assert!(container.unknown.intent.is_empty(), "{:?}", container.unknown);
    let total = tables.containers.len() + tables.stacks.len() + tables.hosts.len() + tables.services.len();
    assert!(total >= 4);
    store.close().await;
}

/// A body whose format has grown needs a sample of the new format beside the old ones.
#[test]
fn each_format_has_a_sample() {
    use control_model::*;
    fn check<O: Object>() {
        let newest = O::Intent::FORMAT.max(O::Decision::FORMAT).max(O::Observation::FORMAT);
        for format in 1..=newest {
            let name = format!("tests/samples/{}.{format}.json", O::KIND.table());
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            assert!(path.exists(), "{} is missing", path.display());
        }
    }
    check::<Account>();
    check::<Credential>();
    check::<Project>();
    check::<Member>();
    check::<Setting>();
    check::<Host>();
    check::<Stack>();
    check::<Service>();
    check::<Container>();
    check::<Volume>();
    check::<SealedSecret>();
    check::<Certificate>();
    check::<Registry>();
    check::<AuditEntry>();
    check::<ProjectTemplate>();
}
