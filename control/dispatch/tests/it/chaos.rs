//! Bad luck drawn from seeds: links break, messages come twice, the database fails in every way, the server restarts.
//! In the end each host has exactly its assignment, and what it saw last is stored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use contract_protocol::{Assignment, FromHost, NativeReport, Position, Rank, Report, ReportItem, ToHost};
use contract_values::{ContainerId, Duration as Span, HostId, Timestamp};
use control_model::{AgentLink, RunReport};
use control_store::{MemoryFault, MemoryStep};
use tokio::time::timeout;

use crate::world::{Agent, World, seen};

struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % limit
    }
}

/// A host as it would be with nothing but the protocol: a ledger and an outbox that outlive the link.
struct Model {
    host: HostId,
    link: Option<Agent>,
    lives: u32,
    outbox: String,
    sequence: u64,
    unacknowledged: VecDeque<Report>,
    ledger: Option<(Position, Assignment)>,
    /// What it reported last of each container.
    ranks: BTreeMap<ContainerId, Rank>,
    natives: BTreeSet<String>,
    clock: i64,
}

impl Model {
    fn new(host: HostId) -> Self {
        Self {
            host,
            link: None,
            lives: 0,
            outbox: format!("{host}-0"),
            sequence: 0,
            unacknowledged: VecDeque::new(),
            ledger: None,
            ranks: BTreeMap::new(),
            natives: BTreeSet::new(),
            clock: 0,
        }
    }

    async fn connect(&mut self, world: &World) {
        let mut link = world.dial(self.host).await;
        link.try_say(crate::world::hello(self.host, &format!("run-{}", self.lives))).await.ok();
        for report in &self.unacknowledged {
            link.try_say(FromHost::Report(report.clone())).await.ok();
        }
        self.link = Some(link);
    }

    /// The agent's process dies. Its outbox dies with it, and the next one reports anew what is there.
    async fn restart(&mut self, world: &World) {
        self.link = None;
        self.lives += 1;
        self.outbox = format!("{}-{}", self.host, self.lives);
        self.sequence = 0;
        self.unacknowledged.clear();
        let mut items: Vec<_> =
            self.ranks.clone().into_iter().map(|(id, rank)| self.container(id, rank)).collect();
        items.extend(self.natives.iter().map(|name| native(name)));
        items.push(ReportItem::NativeList { docker_ids: self.natives.iter().cloned().collect() });
        self.report(items).await;
        self.connect(world).await;
    }

    fn container(&mut self, id: ContainerId, rank: Rank) -> ReportItem {
        self.clock += 1;
        seen(id, rank, self.clock)
    }

    async fn report(&mut self, items: Vec<ReportItem>) {
        self.sequence += 1;
        let report = Report { outbox: self.outbox.clone(), sequence: self.sequence, items };
        self.unacknowledged.push_back(report.clone());
        if let Some(link) = &mut self.link
            && link.try_say(FromHost::Report(report)).await.is_err()
        {
            self.link = None;
        }
    }

    /// Takes what has come until nothing comes for a while; returns whether anything came.
    async fn listen(&mut self, span: Duration) -> bool {
        let mut came = false;
        while let Some(link) = &mut self.link {
            let Ok(heard) = timeout(span, link.hear_or_end()).await else { return came };
            came = true;
            match heard {
                None => self.link = None,
                Some(ToHost::Welcome(_) | ToHost::HeartbeatSeen { .. }) => {}
                Some(ToHost::Complete { position, assignment }) => {
                    if let Some((known, _)) = &self.ledger {
                        assert!(
                            position >= *known,
                            "{} was sent back from {known:?} to {position:?}",
                            self.host
                        );
                    }
                    self.ledger = Some((position, assignment));
                }
                Some(ToHost::Delta { from, to, changes }) => {
                    let (position, assignment) = self.ledger.as_mut().expect("the complete set comes first");
                    assert_eq!(from, *position);
                    assert!(to > from);
                    *position = to;
                    assignment.apply(&changes);
                }
                Some(ToHost::Acknowledge { outbox, sequence }) => {
                    if outbox == self.outbox {
                        self.unacknowledged.retain(|report| report.sequence > sequence);
                    }
                }
                Some(ToHost::Unknown) => {
                    link.try_say(FromHost::NotUnderstood { message: "unknown".into() }).await.ok();
                }
                Some(ToHost::Refused { reason, message }) => panic!("{}: {reason:?} {message}", self.host),
            }
        }
        came
    }
}

fn native(name: &str) -> ReportItem {
    let text = serde_json::json!({
        "docker_id": name, "name": name, "image": "redis:7", "rank": "running", "at": 1
    });
    ReportItem::Native(Box::new(serde_json::from_value::<NativeReport>(text).unwrap()))
}

fn fault(draw: &mut Draw) -> impl FnMut(MemoryStep) -> MemoryFault + Send + 'static {
    let kind = draw.below(5);
    let mut left = 1 + draw.below(6);
    move |step| {
        if left == 0 || step == MemoryStep::Load {
            return MemoryFault::None;
        }
        left -= 1;
        match kind {
            0 => MemoryFault::Refuse,
            1 => MemoryFault::Disconnect { written: true },
            2 => MemoryFault::Disconnect { written: false },
            _ => MemoryFault::Delay(Span(700)),
        }
    }
}

async fn run(seed: u64) {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new().await;
    let mut models = Vec::new();
    for number in 1..=4 {
        models.push(Model::new(world.add_host(number).await));
    }
    let mut next = 0;
    for _ in 0..120 {
        let at = draw.below(models.len());
        let model = &mut models[at];
        match draw.below(16) {
            0..=2 => {
                next += 1;
                let mut tx = control_model::Transaction::new(world.now());
                crate::world::insert_container(&mut tx, next, model.host, 0);
                world.commit_surely(tx).await;
            }
            3 => {
                let mut tx = control_model::Transaction::new(world.now());
                let tables = world.store.snapshot();
                if let Some(row) = tables.containers.of_host(model.host).find(|row| !row.is_going()) {
                    tx.ask_removal(row);
                }
                world.commit_surely(tx).await;
            }
            4..=6 => {
                let ids: Vec<_> =
                    model.ledger.iter().flat_map(|(_, all)| all.containers.keys().copied()).collect();
                if !ids.is_empty() {
                    let id = ids[draw.below(ids.len())];
                    let rank = model.ranks.get(&id).map_or(Rank::Preparing, |rank| match rank {
                        Rank::Preparing => Rank::Starting,
                        _ => Rank::Running,
                    });
                    model.ranks.insert(id, rank);
                    let item = model.container(id, rank);
                    model.report(vec![item]).await;
                }
            }
            7 => {
                next += 1;
                let name = format!("n{next}");
                model.natives.insert(name.clone());
                model.report(vec![native(&name)]).await;
            }
            8 => {
                if let Some(name) = model.natives.pop_first() {
                    model.report(vec![ReportItem::NativeGone { docker_id: name }]).await;
                }
            }
            9 => model.connect(&world).await,
            10 => model.link = None,
            11 => model.restart(&world).await,
            12 => {
                if let (Some(link), Some(report)) = (&mut model.link, model.unacknowledged.front().cloned()) {
                    link.try_say(FromHost::Report(report)).await.ok();
                }
            }
            13 => {
                if let Some(link) = &mut model.link {
                    link.try_say(FromHost::Resync { have: None }).await.ok();
                }
            }
            14 => world.database.set_faults(fault(&mut draw)),
            _ => {
                if draw.below(6) == 0 {
                    world.database.clear_faults();
                    world = world.restart().await;
                }
            }
        }
        for model in &mut models {
            if draw.below(3) == 0 {
                model.listen(Duration::from_millis(1 + 40 * u64::try_from(draw.below(10)).unwrap())).await;
            }
        }
    }
    settle(&world, &mut models).await;
}

/// The faults end, and everything is as it shall be.
async fn settle(world: &World, models: &mut [Model]) {
    world.database.clear_faults();
    // Links that stand are kept, so that what is missing must come by them.
    for _ in 0..50 {
        let mut quiet = true;
        for model in &mut *models {
            quiet &= !model.listen(Duration::from_millis(500)).await;
            if model.link.is_none() {
                quiet = false;
                model.connect(world).await;
            }
        }
        if quiet {
            break;
        }
    }
    let tables = world.store.snapshot();
    for model in models {
        let host = model.host;
        assert_eq!(model.unacknowledged.len(), 0, "{host} waits: {:?}", world.dispatch.status());
        let (position, assignment) = model.ledger.as_ref().unwrap();
        assert_eq!(position.epoch, world.store.epoch());
        let wanted = control_plan::assignment(&tables, &crate::assignments::vault(), host);
        let ids = |assignment: &Assignment| assignment.containers.keys().copied().collect::<Vec<_>>();
        assert_eq!(ids(assignment), ids(&wanted), "{host}");
        assert!(*assignment == wanted, "{host}");
        assert_eq!(world.host(host).observation.link, AgentLink::Connected);
        assert_eq!(world.host(host).observation.run_id, format!("run-{}", model.lives));
        for (id, rank) in &model.ranks {
            let stored = world.container(*id).observation.rank;
            let reported = match rank {
                Rank::Preparing => RunReport::Preparing,
                Rank::Starting => RunReport::Starting,
                _ => RunReport::Running,
            };
            assert_eq!(stored, reported, "{id} of {host}");
        }
        let natives: BTreeSet<_> = world.natives(host).into_iter().collect();
        assert_eq!(natives, model.natives, "{host}");
    }
    assert!(tables.containers.iter().all(|row| row.created >= Timestamp(0)));
}

#[test]
fn everything_settles_whatever_happened_before() {
    for seed in 1..=60 {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(run(seed))));
        if let Err(panic) = outcome {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
