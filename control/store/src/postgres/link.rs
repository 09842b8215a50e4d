//! One connection to the server, and the task that drives it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Statement};

use super::tls::Address;
use crate::database::DatabaseError;
use crate::error::Cause;
use crate::store::IntoCause;

/// How long one step may take before the connection counts as lost.
const STEP_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The first and the longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// The channel on which servers tell each other that they have written.
pub(super) const CHANNEL: &str = "lariat_change";

/// Every session starts with these. A transaction that was left open holds the sequencer, so it must end by itself;
/// and an answer must mean that it is on disk, whatever the server's own default.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '10s'; \
    SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'error'; \
    SELECT set_config('synchronous_commit', 'on', false) \
        WHERE current_setting('synchronous_commit') IN ('off', 'local'); \
    LISTEN lariat_change";

/// What the driver of a connection hears.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The newest revision that another server has told of.
    pub(super) revision: AtomicI64,
    pub(super) news: Notify,
}

/// A connection.
pub(super) struct Link {
    pub(super) client: Client,
    driver: JoinHandle<()>,
    /// Its process in the server, and when that began.
    process: (i32, String),
    prepared: BTreeMap<String, Statement>,
}

/// Makes connections, and makes them anew.
pub(super) struct Links {
    address: Address,
    heard: Arc<Heard>,
    link: Option<Link>,
    /// How long to try before giving up.
    patience: Duration,
    /// The process of a lost connection, which may still hold the sequencer.
    lost: Option<(i32, String)>,
}

impl Links {
    pub(super) fn new(address: Address, heard: Arc<Heard>, patience: Duration) -> Self {
        Self { address, heard, link: None, patience, lost: None }
    }

    /// The connection; makes a new one, with patience, where it was lost.
    pub(super) async fn get(&mut self) -> Result<&mut Link, DatabaseError> {
        if self.link.as_ref().is_some_and(|link| link.client.is_closed()) {
            self.drop_link();
        }
        if self.link.is_none() {
            self.link = Some(self.connect_patiently().await?);
        }
        Ok(self.link.as_mut().expect("it was just made"))
    }

    /// The connection on which a batch has begun; never a new one, on which its statements would stand alone.
    pub(super) fn held(&mut self) -> Result<&mut Link, DatabaseError> {
        self.link.as_mut().ok_or_else(|| {
            let cause = std::io::Error::new(std::io::ErrorKind::NotConnected, "the connection is gone");
            DatabaseError::Lost { cause: cause.into_cause() }
        })
    }

    /// The connection, if there is one.
    pub(super) fn current(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    /// Gives the connection up.
    pub(super) fn drop_link(&mut self) {
        if let Some(link) = self.link.take() {
            link.driver.abort();
            self.lost = Some(link.process);
        }
    }

    pub(super) async fn close(mut self) {
        if let Some(Link { client, driver, .. }) = self.link.take() {
            drop(client);
            // The driver says goodbye and ends; a server that does not answer is not waited for.
            let _ = tokio::time::timeout(CONNECT_LIMIT, driver).await;
        }
    }

    async fn connect_patiently(&mut self) -> Result<Link, DatabaseError> {
        let mut pause = PAUSE.0;
        let mut spent = Duration::ZERO;
        loop {
            let error = match self.connect().await {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            if spent >= self.patience || !is_lost(&error) {
                return Err(DatabaseError::Unavailable {
                    reason: "there is no connection",
                    cause: Some(error.into_cause()),
                });
            }
            tokio::time::sleep(pause).await;
            spent += pause;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn connect(&mut self) -> Result<Link, tokio_postgres::Error> {
        let mut config = self.address.config.clone();
        config
            .application_name("lariat")
            .connect_timeout(CONNECT_LIMIT)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(20));
        let (client, connection) = config.connect(self.address.tls.clone()).await?;
        let heard = self.heard.clone();
        let driver = tokio::spawn(async move {
            let mut connection = pin!(connection);
            while let Some(message) = poll_fn(|cx| connection.as_mut().poll_message(cx)).await {
                match message {
                    Ok(AsyncMessage::Notification(note)) if note.channel() == CHANNEL => {
                        let revision = note.payload().parse().unwrap_or(i64::MAX);
                        heard.revision.fetch_max(revision, Ordering::Relaxed);
                        heard.news.notify_one();
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "the connection to the database has ended");
                        break;
                    }
                }
            }
        });
        client.batch_execute(SESSION).await?;
        let own = client
            .query_one(
                "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()",
                &[],
            )
            .await?;
        if let Some((process, began)) = self.lost.take() {
            // It may hold the sequencer until the server notices that we are gone. A commit under way is finished.
            client
                .execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE pid = $1 AND backend_start::text = $2",
                    &[&process, &began],
                )
                .await?;
        }
        Ok(Link { client, driver, process: (own.get(0), own.get(1)), prepared: BTreeMap::new() })
    }
}

impl Link {
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Whether the connection is gone, or the server is about to go.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None => true,
        Some(code) => {
            // 08: connection; 57P: the server or an administrator ends us; 25P03: we were idle too long.
            code.code().starts_with("08")
                || code.code().starts_with("57P")
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        }
    }
}

/// What an error before the commit means.
pub(super) fn fault(error: tokio_postgres::Error) -> DatabaseError {
    if is_lost(&error) {
        return DatabaseError::Lost { cause: error.into_cause() };
    }
    let class = error.code().map(|code| code.code().get(..2).unwrap_or_default().to_owned());
    let reason = match class.as_deref() {
        Some("23") => return DatabaseError::Diverged { detail: error.to_string() },
        Some("53") => "the database is out of disk, memory or connections",
        Some("25") => "the database may only be read",
        Some("28" | "42") => "the database does not let us",
        Some("55") => "another server holds the database",
        Some("58" | "XX") => "the database has an internal error",
        _ => "the database refuses",
    };
    DatabaseError::Unavailable { reason, cause: Some(error.into_cause()) }
}

/// Waits for a step, but not for ever.
pub(super) async fn limited<T>(
    step: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    tokio::time::timeout(STEP_LIMIT, step)
        .await
        .unwrap_or_else(|_| Err(DatabaseError::Lost { cause: too_slow() }))
}

pub(super) fn too_slow() -> Cause {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer in time").into_cause()
}
