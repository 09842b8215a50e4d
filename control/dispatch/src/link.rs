//! The life of one agent's connection.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contract_link::{FrameReader, Link, LinkError, LinkHandle, LinkOptions, LinkStream, Side};
use contract_protocol::{FromHost, Hello, PROTOCOL_VERSION, Refusal, ToHost, Welcome, encode_frame};
use contract_values::HostId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::feed::removed_message;
use crate::mailbox::Target;
use crate::registry::{Answer, Counters, LinkState, NewLink, Registered, Shared};
use crate::reports::Arrived;

/// The longest message of an agent, in bytes.
const LONGEST_MESSAGE: usize = 8 * 1024 * 1024;
/// What an agent must be able to read within the limit.
const CHUNK: usize = 16 * 1024;
/// How long the last words to an agent may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why the server itself ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Another connection of the host takes its place.
    Replaced,
    /// Its reports cannot be written.
    Unwritable,
}

/// How a link ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("its agent closed the link")]
    ByAgent,
    #[error("it was silent for too long")]
    Silent,
    #[error("it does not read what it is sent")]
    Slow,
    #[error("another connection of the host takes its place")]
    Replaced,
    #[error("its reports cannot be written")]
    Unwritable,
    #[error("{message}")]
    Refused { reason: Refusal, message: String },
    #[error("it comes while another of its host is connected that cannot be asked just now")]
    Later,
    #[error("it broke the rules: {0}")]
    Broken(&'static str),
    #[error("the connection failed")]
    Failed(#[source] LinkError),
    #[error("the server ends")]
    Stopped,
}

/// Serves one connection until it ends.
pub(crate) async fn run<T>(
    shared: Arc<Shared>,
    host: HostId,
    remote: SocketAddr,
    io: T,
    stop: CancellationToken,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let options = LinkOptions { silence: shared.options.silence() };
    let (handle, driver) = Link::with_options(io, Side::Server, options);
    let mut driver = pin!(driver.run());
    let mut driven = true;
    let end = {
        let life = live(&shared, host, remote, handle);
        tokio::select! {
            biased;
            end = life => end,
            end = &mut driver => {
                driven = false;
                match end {
                    Ok(()) => End::ByAgent,
                    Err(LinkError::Silent { .. }) => End::Silent,
                    Err(error) => End::Failed(error),
                }
            }
            () = stop.cancelled() => End::Stopped,
        }
    };
    match &end {
        End::Refused { reason, message } => {
            Counters::add(&shared.counters.refused, 1);
            tracing::warn!(host.id = %host, peer = %remote, reason = ?reason, "sent an agent away: {message}");
        }
        _ => tracing::info!(
            host.id = %host, peer = %remote, error = &end as &dyn std::error::Error, "{host} disconnected: {end}"
        ),
    }
    if driven {
        // All handles are gone by now, so the driver sends what is left and closes.
        let _ = timeout(FAREWELL, driver).await;
    }
}

async fn live(shared: &Arc<Shared>, host: HostId, remote: SocketAddr, handle: LinkHandle) -> End {
    let (mut reader, mut writer, hello) = match timeout(shared.options.hello, greet(&handle)).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(end)) => return end,
        Err(_) => return End::Broken("it said no hello in time"),
    };
    let limit = shared.options.write_limit;
    // The multiplexer closes with its last handle, so this one stays until the last words are said.
    let registered = match admit(shared, host, remote, hello, handle.clone()).await {
        Ok(registered) => registered,
        Err(NotAdmitted::Refused(reason, message)) => {
            return refuse(reader, writer, limit, reason, message).await;
        }
        Err(NotAdmitted::Later) => return End::Later,
    };
    let link = registered.link();
    let hello = &link.hello;
    tracing::info!(
        host.id = %host, peer = %remote, agent.version = %hello.version, "{host} connected from {remote}"
    );
    let welcome = ToHost::Welcome(Welcome {
        protocol: PROTOCOL_VERSION,
        version: shared.options.version.clone(),
        epoch: shared.store.epoch(),
        host,
        heartbeat_seconds: shared.options.heartbeat_seconds(),
    });
    if let Err(end) = send(&mut writer, &welcome, limit).await {
        return end;
    }
    let end = tokio::select! {
        biased;
        end = read(shared, link, &mut reader) => end,
        end = write(shared, link, &mut writer) => end,
        cut = link.wait_for_cut() => match cut {
            Cut::Replaced => End::Replaced,
            Cut::Unwritable => End::Unwritable,
        },
    };
    drop(registered);
    match end {
        End::Refused { reason, message } => refuse(reader, writer, limit, reason, message).await,
        end => end,
    }
}

type Reader = FrameReader<ReadHalf<LinkStream>>;
type Writer = WriteHalf<LinkStream>;

/// Takes the control stream and the hello.
async fn greet(handle: &LinkHandle) -> Result<(Reader, Writer, Hello), End> {
    let (read, write) = tokio::io::split(handle.accept().await.map_err(End::Failed)?);
    let mut reader = FrameReader::with_limit(read, LONGEST_MESSAGE);
    match reader.read::<FromHost>().await {
        Ok(Some(FromHost::Hello(hello))) => Ok((reader, write, *hello)),
        Ok(Some(_)) => Err(End::Broken("its first message is no hello")),
        Ok(None) => Err(End::ByAgent),
        Err(error) => Err(End::Failed(error)),
    }
}

/// Why an agent is not served.
enum NotAdmitted {
    /// It is told so.
    Refused(Refusal, String),
    /// It cannot be said now; the agent comes again by itself.
    Later,
}

/// Checks the hello and takes the place of the host's link before, or says why not.
async fn admit(
    shared: &Arc<Shared>,
    host: HostId,
    remote: SocketAddr,
    hello: Hello,
    handle: LinkHandle,
) -> Result<Registered, NotAdmitted> {
    if hello.protocol < PROTOCOL_VERSION {
        let message = format!(
            "the agent speaks protocol {}, but this server needs {PROTOCOL_VERSION}; install the agent anew",
            hello.protocol
        );
        return Err(NotAdmitted::Refused(Refusal::ProtocolTooOld, message));
    }
    let lock = Admission { shared, host, lock: Some(shared.admission(host)) };
    let _turn = lock.wait().await;
    let tables = shared.store.snapshot();
    let Some(row) = tables.hosts.get(host).filter(|row| !row.is_going()) else {
        return Err(NotAdmitted::Refused(Refusal::HostRemoved, removed_message(host)));
    };
    let identity = &row.intent.agent_uuid;
    if !identity.is_empty() && !hello.host_uuid.is_empty() && *identity != hello.host_uuid {
        let message = format!(
            "the keys are those of {host}, but this machine has another identity; register it as a host of its own"
        );
        return Err(NotAdmitted::Refused(Refusal::Other, message));
    }
    if let Some(ledger) = hello.ledger
        && ledger.epoch > shared.store.epoch()
    {
        tracing::error!(
            host.id = %host,
            "{host} has orders of term {}, but this server is in term {}: its database is an older copy, and the host \
             will take no orders from it",
            ledger.epoch.0, shared.store.epoch().0
        );
    }
    if let Some(old) = shared.link(host) {
        let is_another = old.hello.run_id != hello.run_id;
        match if is_another { old.answers_within(shared.options.probe).await } else { Answer::No } {
            Answer::No => {}
            Answer::NotHeard => return Err(NotAdmitted::Later),
            Answer::Yes => {
                let message = format!(
                    "another agent with the identity of {host} is connected from {} since {}; if this machine is a \
                     copy of that one, delete the agent's state folder here and register it as a host of its own",
                    old.remote.ip(),
                    old.since
                );
                return Err(NotAdmitted::Refused(Refusal::DuplicateIdentity, message));
            }
        }
        old.cut(Cut::Replaced);
        old.ended.cancelled().await;
    }
    Ok(shared.register(NewLink { host, remote, hello, handle }))
}

/// The turn of an agent among those with one host's keys.
struct Admission<'a> {
    shared: &'a Shared,
    host: HostId,
    lock: Option<Arc<tokio::sync::Mutex<()>>>,
}

impl Admission<'_> {
    async fn wait(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.lock.as_ref().expect("held until it is dropped").lock().await
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            self.shared.forget_admission(self.host, lock);
        }
    }
}

/// Says why the agent is not served, and waits a little for it to hear that.
async fn refuse(
    mut reader: Reader,
    mut writer: Writer,
    limit: Duration,
    reason: Refusal,
    message: String,
) -> End {
    let refused = ToHost::Refused { reason, message: message.clone() };
    if send(&mut writer, &refused, limit.min(FAREWELL)).await.is_ok() && writer.shutdown().await.is_ok() {
        let _ = timeout(FAREWELL, async { while let Ok(Some(_)) = reader.read_payload().await {} }).await;
    }
    End::Refused { reason, message }
}

/// Takes what the agent says.
async fn read(shared: &Shared, link: &Arc<LinkState>, reader: &mut Reader) -> End {
    let silence = shared.options.silence();
    loop {
        let message = match timeout(silence, reader.read::<FromHost>()).await {
            Err(_) => return End::Silent,
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => return End::ByAgent,
            Ok(Err(error)) if error.is_recoverable() => {
                tracing::warn!(
                    host.id = %link.host,
                    error = &error as &dyn std::error::Error,
                    "passed over a message of {}", link.host
                );
                continue;
            }
            Ok(Err(error)) => return End::Failed(error),
        };
        let now = shared.clock.now();
        link.note_heard(now);
        match message {
            FromHost::Hello(_) => return End::Broken("it said hello twice"),
            FromHost::Applied { position } => link.with_live(|live| live.applied = Some(position)),
            FromHost::Resync { have } => {
                tracing::debug!(host.id = %link.host, have = ?have, "{} wants the complete assignment", link.host);
                link.mailbox.want_complete();
            }
            FromHost::Report(report) => {
                link.waits_for_writer.store(true, Ordering::Relaxed);
                if shared.reports.send(Arrived::new(link, report)).await.is_err() {
                    return End::Stopped;
                }
                link.waits_for_writer.store(false, Ordering::Relaxed);
            }
            FromHost::Heartbeat { number, metrics } => {
                link.with_live(|live| {
                    live.last_heartbeat = Some(now);
                    if let Some(metrics) = metrics {
                        live.metrics = Some(*metrics);
                    }
                });
                link.mailbox.heartbeat_seen(number);
            }
            FromHost::NotUnderstood { message } => {
                link.note_answer();
                tracing::debug!(host.id = %link.host, message, "{} did not understand a message", link.host);
            }
            FromHost::Unknown => {
                tracing::debug!(host.id = %link.host, "{} sent a message of a newer version", link.host);
            }
        }
    }
}

/// Sends what waits in the mailbox.
async fn write(shared: &Shared, link: &LinkState, writer: &mut Writer) -> End {
    let mut sent: Option<Target> = None;
    loop {
        for message in link.mailbox.next(&mut sent).await {
            match &message {
                ToHost::Refused { reason, message } => {
                    return End::Refused { reason: *reason, message: message.clone() };
                }
                ToHost::Complete { .. } => Counters::add(&shared.counters.completes, 1),
                ToHost::Delta { .. } => Counters::add(&shared.counters.deltas, 1),
                ToHost::Welcome(_)
                | ToHost::Acknowledge { .. }
                | ToHost::HeartbeatSeen { .. }
                | ToHost::Unknown => {}
            }
            if let Err(end) = send(writer, &message, shared.options.write_limit).await {
                return end;
            }
        }
        link.with_live(|live| live.sent = sent.as_ref().map(|sent| sent.position));
    }
}

/// Sends a message; a large one may take long as long as it moves.
async fn send(writer: &mut Writer, message: &ToHost, limit: Duration) -> Result<(), End> {
    let bytes = encode_frame(message).map_err(|error| End::Failed(LinkError::Frame(error)))?;
    for chunk in bytes.chunks(CHUNK) {
        let written = timeout(limit, writer.write_all(chunk)).await.map_err(|_| End::Slow)?;
        written.map_err(|error| End::Failed(LinkError::Io(error)))?;
    }
    let flushed = timeout(limit, writer.flush()).await.map_err(|_| End::Slow)?;
    flushed.map_err(|error| End::Failed(LinkError::Io(error)))
}
