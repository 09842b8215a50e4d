//! Random transactions do the same to every engine as to the reference.

use std::collections::BTreeSet;

use contract_values::{ProjectId, Revision, Timestamp};
use control_model::{
    Container, ContainerDecision, ContainerObservation, Kind, Setting, SettingIntent, Stack, StackIntent,
    Tables, Transaction, apply,
};
use control_store::{Change, CommitError, Committed, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::support::{Place, assert_same};

/// One write, by small numbers, so that rows and texts are often met again.
#[derive(Clone, Debug)]
enum Step {
    Insert {
        kind: u8,
        id: i64,
        text: u8,
    },
    /// Based on the row as it is, or on one that nobody has.
    Intent {
        kind: u8,
        id: i64,
        text: u8,
        stale: bool,
    },
    Decision {
        id: i64,
        held: bool,
        stale: bool,
    },
    Observation {
        id: i64,
        starts: u32,
    },
    AskRemoval {
        kind: u8,
        id: i64,
    },
    FinishRemoval {
        kind: u8,
        id: i64,
    },
    Require {
        id: i64,
        stale: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (kind, id, text) = (0..3u8, 1..6i64, 0..4u8);
    prop_oneof![
        4 => (kind.clone(), id.clone(), text.clone()).prop_map(|(kind, id, text)| Step::Insert { kind, id, text }),
        3 => (kind.clone(), id.clone(), text, prop::bool::weighted(0.1))
            .prop_map(|(kind, id, text, stale)| Step::Intent { kind, id, text, stale }),
        2 => (id.clone(), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(id, held, stale)| Step::Decision { id, held, stale }),
        2 => (id.clone(), any::<u32>()).prop_map(|(id, starts)| Step::Observation { id, starts }),
        1 => (kind.clone(), id.clone()).prop_map(|(kind, id)| Step::AskRemoval { kind, id }),
        1 => (kind, id.clone()).prop_map(|(kind, id)| Step::FinishRemoval { kind, id }),
        1 => (id, prop::bool::weighted(0.1)).prop_map(|(id, stale)| Step::Require { id, stale }),
    ]
}

/// Transactions, each with whether to open the store anew after it.
fn story() -> impl Strategy<Value = Vec<(Vec<Step>, bool)>> {
    let transaction = (prop::collection::vec(step(), 0..5), prop::bool::weighted(0.05));
    prop::collection::vec(transaction, 1..30)
}

fn stack_intent(text: u8) -> StackIntent {
    StackIntent { project: Some(ProjectId::new(1)), name: format!("n{text}"), ..Default::default() }
}

fn setting_intent(text: u8) -> SettingIntent {
    SettingIntent { name: format!("n{text}"), ..Default::default() }
}

fn old<T: Clone>(row: &T, stale: bool, revision: impl Fn(&mut T) -> &mut Revision) -> T {
    let mut row = row.clone();
    if stale {
        revision(&mut row).0 += 1000;
    }
    row
}

fn transaction(tables: &Tables, steps: &[Step], now: i64) -> Transaction {
    let mut tx = Transaction::new(Timestamp(now));
    for step in steps {
        match step {
            Step::Insert { kind, id, text } => {
                let uuid = format!("u{id}");
                match kind {
                    0 => tx.insert::<Stack>((*id).into_id(), uuid, stack_intent(*text)),
                    1 => tx.insert::<Setting>((*id).into_id(), uuid, setting_intent(*text)),
                    _ => tx.insert::<Container>((*id).into_id(), uuid, Default::default()),
                }
            }
            Step::Intent { kind, id, text, stale } => match kind {
                0 => {
                    if let Some(row) = tables.stacks.get_raw(*id) {
                        tx.set_intent(&old(&**row, *stale, |r| &mut r.revision), stack_intent(*text));
                    }
                }
                1 => {
                    if let Some(row) = tables.settings.get_raw(*id) {
                        tx.set_intent(&old(&**row, *stale, |r| &mut r.revision), setting_intent(*text));
                    }
                }
                _ => {}
            },
            Step::Decision { id, held, stale } => {
                if let Some(row) = tables.containers.get_raw(*id) {
                    let decision = ContainerDecision { held: *held, ..row.decision.clone() };
                    tx.set_decision(&old(&**row, *stale, |r| &mut r.revision), decision);
                }
            }
            Step::Observation { id, starts } => {
                if let Some(row) = tables.containers.get_raw(*id) {
                    let seen = ContainerObservation { starts: *starts, ..row.observation.clone() };
                    tx.set_observation(row, seen);
                }
            }
            Step::AskRemoval { kind, id } => match kind {
                0 => tables.stacks.get_raw(*id).into_iter().for_each(|row| tx.ask_removal(row)),
                1 => tables.settings.get_raw(*id).into_iter().for_each(|row| tx.ask_removal(row)),
                _ => tables.containers.get_raw(*id).into_iter().for_each(|row| tx.ask_removal(row)),
            },
            Step::FinishRemoval { kind, id } => match kind {
                0 => tables.stacks.get_raw(*id).into_iter().for_each(|row| tx.finish_removal(row)),
                1 => tables.settings.get_raw(*id).into_iter().for_each(|row| tx.finish_removal(row)),
                _ => tables.containers.get_raw(*id).into_iter().for_each(|row| tx.finish_removal(row)),
            },
            Step::Require { id, stale } => {
                if let Some(row) = tables.stacks.get_raw(*id) {
                    tx.require(&old(&**row, *stale, |r| &mut r.revision));
                }
            }
        }
    }
    tx
}

trait IntoId {
    fn into_id<K>(self) -> contract_values::Id<K>;
}
impl IntoId for i64 {
    fn into_id<K>(self) -> contract_values::Id<K> {
        contract_values::Id::new(self)
    }
}

/// The reference, with the feed that it would have.
#[derive(Default)]
struct Reference {
    tables: Tables,
    feed: Vec<Change>,
}

impl Reference {
    fn commit(&mut self, tx: &Transaction) -> Result<Committed, control_model::Refused> {
        let rows = apply(&mut self.tables, tx)?;
        self.feed.extend(rows.iter().map(|row| Change {
            revision: row.revision(),
            kind: row.kind(),
            id: row.id(),
        }));
        Ok(Committed { revision: self.tables.revision, rows })
    }
}

fn plain(result: Result<Committed, CommitError>) -> Result<Committed, control_model::Refused> {
    result.map_err(|error| match error {
        CommitError::Refused(refused) => refused,
        other => panic!("{other:?}"),
    })
}

async fn compare(store: &Store, reference: &Reference) {
    assert_same(&store.snapshot(), &reference.tables);
    assert_eq!(store.history(Revision(0), usize::MAX).await.unwrap(), reference.feed);
}

async fn play_one_by_one(place: &Place, story: &[(Vec<Step>, bool)]) {
    let mut store = place.open().await;
    let mut reference = Reference::default();
    for (now, (steps, reopen)) in (1..).zip(story) {
        let tx = transaction(&reference.tables, steps, now);
        let expected = reference.commit(&tx);
        assert_eq!(plain(store.commit(tx).await), expected);
        compare(&store, &reference).await;
        if *reopen {
            store.close().await;
            store = place.open().await;
            compare(&store, &reference).await;
        }
    }
    store.close().await;
    let store = place.open().await;
    compare(&store, &reference).await;
    store.close().await;
}

/// All at once, so that they share batches: the order is that of the queue.
async fn play_together(place: &Place, story: &[(Vec<Step>, bool)]) {
    let store = place.open().await;
    let mut reference = Reference::default();
    // Half of the transactions make the rows that the other half is about.
    let (first, second) = story.split_at(story.len() / 2);
    for (round, part) in [first, second].into_iter().enumerate() {
        let seen = reference.tables.clone();
        let transactions: Vec<_> =
            part.iter().map(|(steps, _)| transaction(&seen, steps, round as i64)).collect();
        let commits = transactions.iter().map(|tx| store.commit(tx.clone()));
        let results = futures_util::future::join_all(commits).await;
        for (tx, result) in transactions.iter().zip(results) {
            assert_eq!(plain(result), reference.commit(tx));
        }
        compare(&store, &reference).await;
    }
    store.close().await;
    let store = place.open().await;
    compare(&store, &reference).await;
    store.close().await;
}

fn check(cases: u32, place: impl AsyncFn() -> Place) {
    let runtime = Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&story(), |story| {
            runtime.block_on(async {
                play_one_by_one(&place().await, &story).await;
                play_together(&place().await, &story).await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn memory_does_as_the_reference() {
    check(100, async || Place::memory());
}

#[test]
fn sqlite_does_as_the_reference() {
    check(24, async || Place::sqlite());
}

#[test]
fn postgres_does_as_the_reference() {
    let runtime = Runtime::new().unwrap();
    let cluster = runtime.block_on(crate::cluster::Cluster::get());
    check(12, async || Place::postgres_on(cluster.clone()).await);
    drop(cluster);
}

/// The stories must be about something: that all kinds of answers come up is part of their worth.
#[test]
fn the_stories_meet_every_answer() {
    let mut runner = TestRunner::deterministic();
    let mut met = BTreeSet::new();
    for _ in 0..200 {
        let story = story().new_tree(&mut runner).unwrap().current();
        let mut reference = Reference::default();
        for (now, (steps, _)) in (1..).zip(&story) {
            let tx = transaction(&reference.tables, steps, now);
            met.insert(match reference.commit(&tx) {
                Ok(done) if done.rows.is_empty() => "empty",
                Ok(_) => "done",
                Err(control_model::Refused::Stale { .. }) => "stale",
                Err(control_model::Refused::Missing { .. }) => "missing",
                Err(control_model::Refused::NotUnique { kind: Kind::Stack, .. }) => "stack taken",
                Err(control_model::Refused::NotUnique { .. }) => "taken",
            });
        }
    }
    let expected = BTreeSet::from(["done", "empty", "stack taken", "stale", "taken"]);
    assert!(met.is_superset(&expected), "{met:?}");
}
