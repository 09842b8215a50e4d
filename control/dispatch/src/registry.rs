//! Which links there are, and what all tasks share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use contract_link::LinkHandle;
use contract_protocol::{Hello, HostMetrics, Position};
use contract_values::{HostId, Revision, Timestamp};
use control_model::{Clock, HostFacts, Random};
use control_store::Store;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::link::Cut;
use crate::mailbox::Mailbox;
use crate::options::DispatchOptions;
use crate::reports::Arrived;

/// What all tasks of a dispatch share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) options: DispatchOptions,
    pub(crate) started: Timestamp,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) reports: mpsc::Sender<Arrived>,
    pub(crate) counters: Counters,
    links: Mutex<Links>,
    admissions: Mutex<BTreeMap<HostId, Arc<tokio::sync::Mutex<()>>>>,
    /// Links that have no assignment yet wake the feed.
    pub(crate) feed_wake: Notify,
    /// Links that came or went wake the writer.
    pub(crate) writer_wake: Notify,
}

#[derive(Default)]
struct Links {
    last: u64,
    by_host: BTreeMap<HostId, Arc<LinkState>>,
    /// Hosts that wait for their first assignment.
    fresh: BTreeSet<HostId>,
    /// Hosts whose link came or went, and when; not written yet.
    changed: BTreeMap<HostId, Timestamp>,
}

/// What was done since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) derivations: AtomicU64,
    pub(crate) completes: AtomicU64,
    pub(crate) deltas: AtomicU64,
    pub(crate) reports: AtomicU64,
    pub(crate) transactions: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, number: usize) {
        counter.fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        options: DispatchOptions,
    ) -> (Arc<Self>, mpsc::Receiver<Arrived>) {
        let (reports, arrived) = mpsc::channel(options.queue.max(1));
        let started = clock.now();
        let shared = Self {
            store,
            clock,
            random,
            options,
            started,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            reports,
            counters: Counters::default(),
            links: Mutex::default(),
            admissions: Mutex::default(),
            feed_wake: Notify::new(),
            writer_wake: Notify::new(),
        };
        (Arc::new(shared), arrived)
    }

    /// The link of a host.
    pub(crate) fn link(&self, host: HostId) -> Option<Arc<LinkState>> {
        self.links().by_host.get(&host).cloned()
    }

    /// All links in the order of their hosts.
    pub(crate) fn all_links(&self) -> Vec<Arc<LinkState>> {
        self.links().by_host.values().cloned().collect()
    }

    /// Makes the link of a host known. The one before must have ended.
    pub(crate) fn register(self: &Arc<Self>, new: NewLink) -> Registered {
        let mut links = self.links();
        links.last += 1;
        let link = Arc::new(LinkState {
            number: links.last,
            host: new.host,
            remote: new.remote,
            since: self.clock.now(),
            hello: new.hello,
            mailbox: Mailbox::default(),
            cut: watch::Sender::new(None),
            ended: CancellationToken::new(),
            answers: watch::Sender::new(0),
            waits_for_writer: AtomicBool::new(false),
            reports_waiting: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            handle: Mutex::new(Some(new.handle)),
            live: Mutex::default(),
        });
        links.by_host.insert(new.host, link.clone());
        links.fresh.insert(new.host);
        links.changed.insert(new.host, link.since);
        drop(links);
        self.feed_wake.notify_one();
        self.writer_wake.notify_one();
        Registered { shared: self.clone(), link }
    }

    /// Takes the hosts that wait for their first assignment.
    pub(crate) fn take_fresh(&self) -> BTreeSet<HostId> {
        std::mem::take(&mut self.links().fresh)
    }

    /// Takes the hosts whose link came or went since the last time, and when.
    pub(crate) fn take_changed(&self) -> BTreeMap<HostId, Timestamp> {
        std::mem::take(&mut self.links().changed)
    }

    /// Says that the state of a host's link is to be written.
    pub(crate) fn put_changed(&self, changed: BTreeMap<HostId, Timestamp>) {
        if changed.is_empty() {
            return;
        }
        let mut links = self.links();
        for (host, at) in changed {
            // What happened meanwhile is newer.
            links.changed.entry(host).or_insert(at);
        }
        drop(links);
        self.writer_wake.notify_one();
    }

    /// The lock under which agents of one host are let in one after the other.
    pub(crate) fn admission(&self, host: HostId) -> Arc<tokio::sync::Mutex<()>> {
        self.admissions
            .lock()
            .expect("nobody panics while holding the admissions")
            .entry(host)
            .or_default()
            .clone()
    }

    /// Forgets the lock again when nobody else waits for it.
    pub(crate) fn forget_admission(&self, host: HostId, lock: Arc<tokio::sync::Mutex<()>>) {
        let mut admissions = self.admissions.lock().expect("nobody panics while holding the admissions");
        // Clones are made under this lock only: the map's one and ours.
        if Arc::strong_count(&lock) == 2 {
            admissions.remove(&host);
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().expect("nobody panics while holding the links")
    }
}

/// What makes a link.
pub(crate) struct NewLink {
    pub(crate) host: HostId,
    pub(crate) remote: SocketAddr,
    pub(crate) hello: Hello,
    pub(crate) handle: LinkHandle,
}

/// One link.
pub(crate) struct LinkState {
    pub(crate) number: u64,
    pub(crate) host: HostId,
    pub(crate) remote: SocketAddr,
    pub(crate) since: Timestamp,
    pub(crate) hello: Hello,
    pub(crate) mailbox: Mailbox,
    /// Why the server ends it, once it does.
    cut: watch::Sender<Option<Cut>>,
    /// Nothing more is taken from it.
    pub(crate) ended: CancellationToken,
    /// Counts the answers to probes.
    answers: watch::Sender<u64>,
    /// It is not read, because the writer of reports has not kept up.
    pub(crate) waits_for_writer: AtomicBool,
    pub(crate) reports_waiting: AtomicUsize,
    pub(crate) streams: AtomicUsize,
    handle: Mutex<Option<LinkHandle>>,
    live: Mutex<Live>,
}

/// Whether an agent answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// It may have; it is not read just now.
    NotHeard,
}

/// What changes all the time.
#[derive(Clone, Default)]
pub(crate) struct Live {
    pub(crate) last_heard: Option<Timestamp>,
    pub(crate) last_heartbeat: Option<Timestamp>,
    pub(crate) metrics: Option<HostMetrics>,
    /// The revision of the picture that its assignment was derived from last.
    pub(crate) derived: Option<Revision>,
    pub(crate) sent: Option<Position>,
    pub(crate) applied: Option<Position>,
}

impl LinkState {
    /// Its multiplexer, while it lives.
    pub(crate) fn handle(&self) -> Option<LinkHandle> {
        self.handle.lock().expect("nobody panics while holding a handle").clone()
    }

    /// Notes a message.
    pub(crate) fn note_heard(&self, now: Timestamp) {
        self.with_live(|live| live.last_heard = Some(now));
    }

    /// Reads or changes what changes all the time.
    pub(crate) fn with_live<T>(&self, work: impl FnOnce(&mut Live) -> T) -> T {
        work(&mut self.live.lock().expect("nobody panics while holding live figures"))
    }

    /// Notes that the agent did not understand a message, which is how it answers a probe.
    pub(crate) fn note_answer(&self) {
        self.answers.send_modify(|count| *count += 1);
    }

    /// Asks the agent for a sign of life and waits for it. Only an answer counts: other messages may have been on
    /// their way since before the agent died.
    pub(crate) async fn answers_within(&self, limit: Duration) -> Answer {
        let mut answers = self.answers.subscribe();
        self.mailbox.probe();
        let answer = tokio::select! {
            biased;
            () = self.ended.cancelled() => return Answer::No,
            answer = tokio::time::timeout(limit, answers.changed()) => answer,
        };
        match answer {
            Ok(Ok(())) => Answer::Yes,
            _ if self.waits_for_writer.load(Ordering::Relaxed) => Answer::NotHeard,
            _ => Answer::No,
        }
    }

    /// Ends it; the first reason stays.
    pub(crate) fn cut(&self, why: Cut) {
        self.cut.send_if_modified(|cut| cut.replace(cut.unwrap_or(why)).is_none());
    }

    /// Waits until the server ends it.
    pub(crate) async fn wait_for_cut(&self) -> Cut {
        let mut cut = self.cut.subscribe();
        let why = cut.wait_for(Option::is_some).await.expect("its sender is in the link itself");
        why.expect("waited for just above")
    }

    /// What the host said of itself in its hello, if it said anything.
    pub(crate) fn facts(&self) -> Option<HostFacts> {
        let facts = &self.hello.facts;
        (*facts != contract_protocol::HostFacts::default()).then(|| control_plan::host_facts(facts))
    }
}

/// A link that is known for as long as this lives.
pub(crate) struct Registered {
    shared: Arc<Shared>,
    link: Arc<LinkState>,
}

impl Registered {
    pub(crate) fn link(&self) -> &Arc<LinkState> {
        &self.link
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let link = &self.link;
        let mut links = self.shared.links();
        if links.by_host.get(&link.host).is_some_and(|known| known.number == link.number) {
            links.by_host.remove(&link.host);
            links.fresh.remove(&link.host);
            links.changed.insert(link.host, self.shared.clock.now());
        }
        drop(links);
        // The multiplexer closes with its last handle.
        drop(link.handle.lock().expect("nobody panics while holding a handle").take());
        link.ended.cancel();
        self.shared.writer_wake.notify_one();
    }
}
