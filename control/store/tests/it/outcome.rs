//! PostgreSQL's connection is lost at the worst moment, around a commit, or is not what it should be.

use std::path::Path;
use std::sync::Arc;

use contract_values::Revision;
use control_store::{Store, StoreOptions};
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::cluster::{Cluster, TestDatabase, connect};
use crate::relay::{Cut, Relay};
use crate::suite::insert;
use crate::support::assert_same;

fn impatient() -> StoreOptions {
    StoreOptions { reconnect_for: contract_values::Duration(0), ..StoreOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_never_guessed() {
    let cluster = Cluster::get().await;
    let relay = Relay::start(&cluster);
    let database = TestDatabase::from_template(cluster).await;
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
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let cluster = Cluster::get().await;
    let relay = Relay::start_with_tls(&cluster, TlsAcceptor::from(Arc::new(tls))).await;
    let database = TestDatabase::from_template(cluster).await;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root.crt");
    std::fs::write(&root, made.cert.pem()).unwrap();
    let other = directory.path().join("other.crt");
    std::fs::write(&other, rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem())
        .unwrap();
    let (user, port) = (relay.user(), relay.port.unwrap());
    let url = |host: &str, mode: &str| {
        format!("postgres://{user}@{host}:{port}/{}?hostaddr=127.0.0.1&sslmode={mode}", database.name)
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
        assert_eq!(relay.is_encrypted(), is_encrypted, "{url}");
        store.close().await;
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
