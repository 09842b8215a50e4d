//! PostgreSQL's connection is lost at the worst moment: around a commit. Between the store and the server stands a
//! relay that knows the protocol well enough to see the commit go by.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use contract_values::Revision;
use control_store::{Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, OwnCluster, TestDatabase, connect};
use crate::suite::insert;
use crate::support::assert_same;

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// The server has it, the answer is lost.
    After,
    /// The server never gets it, and sees the connection end.
    Before,
    /// The server never gets it, and does not see that anything has happened.
    BeforeAndSilent,
}

fn impatient() -> StoreOptions {
    StoreOptions { reconnect_for: contract_values::Duration(0), ..StoreOptions::default() }
}

struct Relay {
    directory: tempfile::TempDir,
    next: Arc<Mutex<Option<Cut>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    fn start(server: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let next = Arc::new(Mutex::new(None));
        let shared = next.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                connections.spawn(relay(client, server.clone(), shared.clone()));
            }
        });
        Self { directory, next, task }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.directory.path().display())
    }

    fn cut_next(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }

    fn is_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one message of the client; the first one has no letter.
async fn message(client: &mut OwnedReadHalf, first: bool) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; if first { 4 } else { 5 }];
    client.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(*message.last_chunk::<4>().unwrap()) as usize;
    let start = message.len();
    message.resize(start + length - 4, 0);
    client.read_exact(&mut message[start..]).await?;
    Ok(message)
}

async fn relay(client: UnixStream, server: PathBuf, next: Arc<Mutex<Option<Cut>>>) {
    let Ok(server) = UnixStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut first = true;
        while let Ok(message) = message(&mut from_client, first).await {
            // Who asks for encryption first is told no, and starts then.
            first = first && message.ends_with(&80_877_103_u32.to_be_bytes());
            let is_commit =
                message.starts_with(b"Q") && message.ends_with(b"COMMIT\0") && message.len() == 12;
            let cut = if is_commit { next.lock().unwrap().take() } else { None };
            if cut.is_none_or(|cut| cut == Cut::After) && to_server.write_all(&message).await.is_err() {
                return None;
            }
            if cut.is_some() {
                return cut;
            }
        }
        None
    };
    let down = async { tokio::io::copy(&mut from_server, &mut to_client).await };
    let cut = tokio::select! {
        biased;
        cut = up => cut,
        _ = down => None,
    };
    drop((from_client, to_client));
    let mut buffer = vec![0; 65536];
    match cut {
        None | Some(Cut::Before) => {}
        Some(Cut::After) => {
            let _ = from_server.read(&mut buffer).await;
        }
        // Until the server ends it.
        Some(Cut::BeforeAndSilent) => while from_server.read(&mut buffer).await.is_ok_and(|read| read > 0) {},
    }
    drop(to_server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_never_guessed() {
    let own = OwnCluster::start().await;
    let socket = own.socket();
    let database = TestDatabase::from_template(Arc::new(Cluster::Own(own))).await;
    let relay = Relay::start(socket);
    let store = Store::open(&relay.url(&database.name), StoreOptions::default()).await.unwrap();
    store.commit(insert(1, "first", 1)).await.unwrap();
    for (id, cut) in (2..).zip([Cut::After, Cut::Before, Cut::BeforeAndSilent, Cut::After]) {
        relay.cut_next(cut);
        let done = store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
        assert!(relay.is_cut(), "{cut:?}");
        assert_eq!(done.revision, Revision(id as u64), "{cut:?}");
        assert_eq!(store.snapshot().revision, done.revision);
    }
    // Several at once share the fate of their batch.
    relay.cut_next(Cut::After);
    let commits = (10..60).map(|id| store.commit(insert(id, &format!("s{id}"), 1)));
    for done in futures_util::future::join_all(commits).await {
        done.unwrap();
    }
    assert!(relay.is_cut());
    let feed = store.history(Revision(0), 1000).await.unwrap();
    assert_eq!(feed.len(), 55);
    let before = store.snapshot();
    store.close().await;
    let store = Store::open(&database.url, StoreOptions::default()).await.unwrap();
    assert_same(&store.snapshot(), &before);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_an_administrator_ends_is_made_anew() {
    let database = TestDatabase::from_template(Cluster::get().await).await;
    let store = Store::open(&database.url, StoreOptions::default()).await.unwrap();
    let other = Store::open(&database.url, StoreOptions::default()).await.unwrap();
    let client = connect(&database.url).await;
    for id in 1..=5 {
        let ended = client
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
                &[],
            )
            .await
            .unwrap();
        assert!(ended > 0);
        store.commit(insert(id, &format!("s{id}"), 1)).await.unwrap();
        other.commit(insert(100 + id, &format!("t{id}"), 1)).await.unwrap();
    }
    store.commit(insert(6, "last", 1)).await.unwrap();
    assert_eq!(store.snapshot().stacks.len(), 11);
    store.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_an_error_that_tells_no_password() {
    let directory = tempfile::tempdir().unwrap();
    let url = |path: &Path| format!("postgres://me:hush@/db?host={}", path.display());
    let error = Store::open(&url(directory.path()), impatient()).await.unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(text.contains(&directory.path().display().to_string()) && !text.contains("hush"), "{text}");
    let error =
        Store::open("postgres://me:hush@host/db?port=none", StoreOptions::default()).await.unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(text.contains("is not valid") && !text.contains("hush"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_server_is_encrypted_as_asked() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (own, port) = OwnCluster::start_with_tls(&made.cert.pem(), &made.signing_key.serialize_pem()).await;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root.crt");
    std::fs::write(&root, made.cert.pem()).unwrap();
    let other = directory.path().join("other.crt");
    std::fs::write(&other, rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem())
        .unwrap();
    let database = TestDatabase::from_template(Arc::new(Cluster::Own(own))).await;
    let client = database.client().await;
    let encrypted = async || {
        let query = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
            WHERE application_name = 'lariat' AND datname = current_database()";
        client.query_one(query, &[]).await.unwrap().get::<_, bool>(0)
    };
    let url = |host: &str, mode: &str| {
        format!("postgres://postgres@{host}:{port}/{}?hostaddr=127.0.0.1&sslmode={mode}", database.name)
    };
    let root = root.display();
    for (url, is_encrypted) in [
        (url("localhost", "disable"), false),
        (url("localhost", "prefer"), true),
        (url("localhost", "require"), true),
        (format!("{}&sslrootcert={root}", url("localhost", "require")), true),
        (format!("{}&sslrootcert={root}", url("localhost", "verify-full")), true),
    ] {
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        assert_eq!(encrypted().await, is_encrypted, "{url}");
        store.close().await;
        crate::support::eventually("the end of the connection", async || {
            let query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lariat'";
            match client.query_one(query, &[]).await.unwrap().get::<_, i64>(0) {
                0 => Ok(()),
                left => Err(left),
            }
        })
        .await;
    }
    for url in [
        format!("{}&sslrootcert={}", url("localhost", "verify-full"), other.display()),
        format!("{}&sslrootcert={root}", url("elsewhere", "verify-full")),
        url("localhost", "verify-ca"),
        format!("{}&sslrootcert=/nowhere", url("localhost", "verify-ca")),
    ] {
        assert!(Store::open(&url, impatient()).await.is_err(), "{url}");
    }
}
