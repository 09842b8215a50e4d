//! The conversation with the server: dial, greet, talk, and dial again.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract_link::{
    BoxedIo, FrameReader, FrameWriter, Link, LinkError, LinkHandle, LinkOptions, LinkStream, Side,
    message_type,
};
use contract_protocol::{FromHost, Hello, Refusal, ToHost, decode_frame};
use host_driver::Random;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::probe::Probe;
use crate::streams::Streams;

/// How long dialling may take.
const DIAL_LIMIT: Duration = Duration::from_secs(15);
/// How long the server may take to answer the greeting.
const WELCOME_LIMIT: Duration = Duration::from_secs(15);
/// How long what has arrived may take to be read when the connection has ended.
const LAST_WORD_LIMIT: Duration = Duration::from_secs(1);
/// Delays between attempts, in milliseconds.
const FIRST_DELAY: u64 = 500;
const LAST_DELAY: u64 = 30_000;
/// The delay after a refusal that only a person can end.
const REFUSED_DELAY: u64 = 300_000;
/// Messages that wait to be written or handled.
const QUEUE: usize = 64;

/// Why no connection to the server came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It cannot be reached; it will be tried again soon.
    #[error("could not reach the server at {server}")]
    Unreachable {
        /// Its address.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answers and does not let us in.
    #[error("the server at {server} answered with status {status}: {message}")]
    Refused {
        /// Its address.
        server: String,
        /// The status of HTTP.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Its certificate is not the one that was pinned, or is not trusted.
    #[error("the server at {server} did not prove its identity")]
    Untrusted {
        /// Its address.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Dials the server.
#[async_trait]
pub trait Connector: Debug + Send + Sync {
    /// Makes a connection on which a link can be put.
    async fn connect(&self) -> Result<BoxedIo, ConnectError>;
}

/// What the session tells the agent.
#[derive(Debug)]
pub(crate) enum Tidings {
    /// A connection stands and the greeting is on its way; messages go in here.
    Connected(mpsc::Sender<FromHost>),
    Message(ToHost),
    /// The connection has ended.
    Ended,
}

/// Everything that a session needs.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) streams: Arc<Streams>,
    /// The greeting as of now.
    pub(crate) hello: watch::Receiver<Hello>,
    pub(crate) tidings: mpsc::Sender<Tidings>,
}

/// How a conversation ended.
#[derive(Debug, thiserror::Error)]
enum Parting {
    #[error("the connection broke")]
    Link(#[from] LinkError),
    #[error("the server was silent for too long")]
    Silent,
    #[error("the server has closed the connection")]
    Closed,
    #[error("this side has left")]
    Left,
    #[error("the server does not serve this host: {message}")]
    Refused { reason: Refusal, message: String },
}

impl Session {
    /// Talks to the server for as long as it is polled.
    pub(crate) async fn run(self) {
        let mut delay = Delay::new();
        loop {
            let wait = match tokio::time::timeout(DIAL_LIMIT, self.connector.connect()).await {
                Err(_) => {
                    tracing::warn!("the server did not answer within {} s", DIAL_LIMIT.as_secs());
                    delay.grown(&*self.random)
                }
                Ok(Err(error)) => self.after_failed_dial(&error, &mut delay),
                Ok(Ok(io)) => {
                    let mut was_welcome = false;
                    let parting = self.converse(io, &mut was_welcome).await;
                    if self.tidings.send(Tidings::Ended).await.is_err() {
                        return;
                    }
                    if was_welcome {
                        delay.reset();
                    }
                    self.after_parting(&parting, &mut delay)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    fn after_failed_dial(&self, error: &ConnectError, delay: &mut Delay) -> Duration {
        let text = chain(error);
        match error {
            ConnectError::Unreachable { .. } => {
                tracing::warn!("{text}; the host goes on with what it knows");
                delay.grown(&*self.random)
            }
            ConnectError::Refused { status: 400..=499, .. } => {
                tracing::error!(
                    "{text}; the host was removed or its key was revoked: register it again with a new token"
                );
                delay.refused(&*self.random)
            }
            ConnectError::Refused { .. } => {
                tracing::warn!("{text}");
                delay.grown(&*self.random)
            }
            ConnectError::Untrusted { .. } => {
                tracing::error!("{text}; if its certificate was renewed, register this host again");
                delay.grown(&*self.random)
            }
        }
    }

    fn after_parting(&self, parting: &Parting, delay: &mut Delay) -> Duration {
        match parting {
            Parting::Refused { reason, message } => {
                let advice = match reason {
                    Refusal::DuplicateIdentity => {
                        "another machine uses this host's identity; if this one is a clone, remove the agent's \
                         folder and register it again"
                    }
                    Refusal::HostRemoved => "the host was removed; register it again if that was a mistake",
                    Refusal::ProtocolTooOld => "the agent is too old for this server; install a newer one",
                    Refusal::Other => "see the message",
                };
                tracing::error!(?reason, "the server does not serve this host: {message} ({advice})");
                delay.refused(&*self.random)
            }
            Parting::Link(_) | Parting::Silent | Parting::Closed | Parting::Left => {
                tracing::warn!("lost the server: {}", chain(parting));
                delay.grown(&*self.random)
            }
        }
    }

    async fn converse(&self, io: BoxedIo, was_welcome: &mut bool) -> Parting {
        // Our own watch over silence below is the sharper one.
        let options = LinkOptions { silence: Duration::from_secs(120) };
        let (handle, driver) = Link::with_options(io, Side::Agent, options);
        let mut talk = std::pin::pin!(self.talk(handle, was_welcome));
        let ended = tokio::select! {
            ended = driver.run() => ended,
            parting = &mut talk => return parting,
        };
        // The last word may have come with the end, and a refusal is worth hearing.
        match tokio::time::timeout(LAST_WORD_LIMIT, talk).await {
            Ok(refused @ Parting::Refused { .. }) => refused,
            Ok(_) | Err(_) => match ended {
                Ok(()) => Parting::Closed,
                Err(error) => error.into(),
            },
        }
    }

    async fn talk(&self, handle: LinkHandle, was_welcome: &mut bool) -> Parting {
        let control = match handle.open().await {
            Ok(control) => control,
            Err(error) => return error.into(),
        };
        let (read, write) = tokio::io::split(control);
        let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
        let hello = self.hello.borrow().clone();
        if let Err(error) = writer.write(&FromHost::Hello(Box::new(hello))).await {
            return error.into();
        }
        let first = match tokio::time::timeout(WELCOME_LIMIT, reader.read::<ToHost>()).await {
            Err(_) => return Parting::Silent,
            Ok(Err(error)) => return error.into(),
            Ok(Ok(None)) => return Parting::Closed,
            Ok(Ok(Some(message))) => message,
        };
        let heartbeat = match &first {
            ToHost::Refused { reason, message } => {
                return Parting::Refused { reason: *reason, message: message.clone() };
            }
            ToHost::Welcome(welcome) => {
                *was_welcome = true;
                Duration::from_secs(u64::from(welcome.heartbeat_seconds.clamp(1, 300)))
            }
            ToHost::Complete { .. }
            | ToHost::Delta { .. }
            | ToHost::Acknowledge { .. }
            | ToHost::HeartbeatSeen { .. }
            | ToHost::Unknown => return Parting::Closed,
        };
        let (to_server, outgoing) = mpsc::channel(QUEUE);
        let replies = to_server.clone();
        for tidings in [Tidings::Connected(to_server), Tidings::Message(first)] {
            if self.tidings.send(tidings).await.is_err() {
                return Parting::Left;
            }
        }
        tokio::select! {
            parting = self.listen(&mut reader, replies.downgrade(), heartbeat) => parting,
            parting = self.speak(&mut writer, outgoing, heartbeat) => parting,
            parting = self.serve(&handle) => parting,
        }
    }

    async fn listen(
        &self,
        reader: &mut FrameReader<ReadHalf<LinkStream>>,
        replies: mpsc::WeakSender<FromHost>,
        heartbeat: Duration,
    ) -> Parting {
        // Each heartbeat is answered, so silence over three of them means that nobody is there.
        let limit = heartbeat * 3 + Duration::from_secs(2);
        loop {
            let payload = match tokio::time::timeout(limit, reader.read_payload()).await {
                Err(_) => return Parting::Silent,
                Ok(Err(error)) => return error.into(),
                Ok(Ok(None)) => return Parting::Closed,
                Ok(Ok(Some(payload))) => payload,
            };
            let message = decode_frame::<ToHost>(&payload).unwrap_or(ToHost::Unknown);
            if message == ToHost::Unknown {
                let message = message_type(&payload).unwrap_or_default();
                tracing::warn!(message, "the server sent a message that this version does not know");
                if let Some(replies) = replies.upgrade() {
                    // When there is no room, the server learns nothing that it needs.
                    let _ = replies.try_send(FromHost::NotUnderstood { message });
                }
                continue;
            }
            if matches!(message, ToHost::HeartbeatSeen { .. }) {
                continue;
            }
            if self.tidings.send(Tidings::Message(message)).await.is_err() {
                return Parting::Left;
            }
        }
    }

    async fn speak(
        &self,
        writer: &mut FrameWriter<WriteHalf<LinkStream>>,
        mut outgoing: mpsc::Receiver<FromHost>,
        heartbeat: Duration,
    ) -> Parting {
        let mut beats = tokio::time::interval_at(Instant::now() + heartbeat, heartbeat);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut number = 0;
        loop {
            let message = tokio::select! {
                message = outgoing.recv() => match message {
                    Some(message) => message,
                    None => return Parting::Left,
                },
                _ = beats.tick() => {
                    number += 1;
                    let metrics = self.probe.metrics().map(Box::new);
                    FromHost::Heartbeat { number, metrics }
                }
            };
            if let Err(error) = writer.write(&message).await {
                return error.into();
            }
        }
    }

    /// Serves the streams that the server opens; they end with the connection.
    async fn serve(&self, handle: &LinkHandle) -> Parting {
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                stream = handle.accept() => match stream {
                    Ok(stream) => {
                        let streams = Arc::clone(&self.streams);
                        served.spawn(async move { streams.serve(stream).await });
                    }
                    Err(error) => return error.into(),
                },
                Some(ended) = served.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(error = %error, "serving a stream ended badly");
                    }
                }
            }
        }
    }
}

/// The growing delay between attempts.
pub(crate) struct Delay {
    next: u64,
}

impl Delay {
    pub(crate) const fn new() -> Self {
        Self { next: FIRST_DELAY }
    }

    fn reset(&mut self) {
        self.next = FIRST_DELAY;
    }

    /// Grows, and leaves it to chance where in its second half it ends, so that many hosts do not come at once.
    pub(crate) fn grown(&mut self, random: &dyn Random) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(LAST_DELAY);
        Duration::from_millis(delay / 2 + random.below(delay / 2 + 1))
    }

    fn refused(&mut self, random: &dyn Random) -> Duration {
        self.next = LAST_DELAY;
        Duration::from_millis(REFUSED_DELAY / 2 + random.below(REFUSED_DELAY / 2 + 1))
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
