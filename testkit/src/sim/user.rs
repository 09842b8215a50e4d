//! The user: writes intents as the API does, and remembers what was acknowledged.

use std::collections::BTreeMap;

use contract_values::{ContainerId, HostId, ProjectId, ServiceId, StackId, Timestamp};
use control_model::{
    Container, ContainerIntent, ContainerRun, Host, HostIntent, Kind, LaunchSpec, Project, ProjectIntent,
    Row, Service, ServiceIntent, Stack, StackIntent, Tables, Transaction,
};
use control_store::{CommitError, Store};

use super::check::Eyes;

pub(super) const PROJECT: ProjectId = ProjectId::new(5);
pub(super) const STACK: StackId = StackId::new(1);

/// What the user wants of a service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub id: ServiceId,
    /// `None` when it is to be gone.
    pub intent: Option<ServiceIntent>,
}

/// The user.
#[derive(Debug, Default)]
pub(super) struct User {
    /// What was acknowledged.
    pub wanted: BTreeMap<String, Wanted>,
    /// What was asked for and whose answer never came: it may have taken effect.
    pub unanswered: BTreeMap<String, Wanted>,
    next_service: i64,
}

impl User {
    /// Notes what a request asks for.
    pub fn ask(&mut self, name: &str, intent: Option<ServiceIntent>) {
        let known = self.unanswered.get(name).or_else(|| self.wanted.get(name));
        let gone = known.is_none_or(|known| known.intent.is_none());
        let id = match known {
            Some(known) if !gone || intent.is_none() => known.id,
            Some(_) | None => {
                self.next_service += 1;
                ServiceId::new(self.next_service)
            }
        };
        self.unanswered.insert(name.to_owned(), Wanted { id, intent });
    }

    /// What the user wants now, answered or not.
    pub fn current(&self, name: &str) -> Option<&ServiceIntent> {
        self.unanswered.get(name).or_else(|| self.wanted.get(name))?.intent.as_ref()
    }

    /// The names of services that are wanted.
    pub fn names(&self) -> Vec<String> {
        let all = self.wanted.keys().chain(self.unanswered.keys());
        let mut names: Vec<String> = all.filter(|name| self.current(name).is_some()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Sends all requests that have no answer; says whether each has one now.
    pub async fn send(&mut self, store: &Store, eyes: &Eyes, now: impl Fn() -> Timestamp) -> bool {
        for (name, wanted) in self.unanswered.clone() {
            if self.send_one(store, eyes, &name, &wanted, &now).await {
                self.wanted.insert(name.clone(), wanted);
                self.unanswered.remove(&name);
            }
        }
        self.unanswered.is_empty()
    }

    async fn send_one(
        &self,
        store: &Store,
        eyes: &Eyes,
        name: &str,
        wanted: &Wanted,
        now: &impl Fn() -> Timestamp,
    ) -> bool {
        for _ in 0..50 {
            let tables = store.snapshot();
            let mut tx = Transaction::new(now());
            let row = tables.services.get(wanted.id);
            match (&wanted.intent, row) {
                (Some(intent), None) => {
                    let intent = ServiceIntent { name: name.to_owned(), ..intent.clone() };
                    tx.insert::<Service>(wanted.id, format!("service-{}", wanted.id.raw()), intent);
                }
                (Some(intent), Some(row)) if row.intent != *intent => tx.set_intent(row, intent.clone()),
                (None, Some(row)) if !row.is_going() => tx.ask_removal(row),
                (Some(_) | None, _) => return true,
            }
            match store.commit(tx).await {
                Ok(committed) => {
                    eyes.acknowledged(committed.revision);
                    return true;
                }
                // Somebody was faster, or the name is not free yet: look again.
                Err(CommitError::Refused(_)) => {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await
                }
                Err(CommitError::Unavailable { .. } | CommitError::Fenced) => return false,
            }
        }
        false
    }

    /// What of the acknowledged wishes is not in a picture.
    pub fn forgotten(&self, tables: &Tables) -> Option<String> {
        self.wanted.iter().find_map(|(name, wanted)| {
            let later = self.unanswered.get(name);
            let row = tables.services.get(wanted.id);
            let holds = |wanted: &Wanted| match (&wanted.intent, tables.services.get(wanted.id)) {
                (None, None) => true,
                (None, Some(row)) => row.is_going(),
                (Some(intent), Some(row)) => row.intent == *intent && !row.is_going(),
                (Some(_), None) => false,
            };
            (!holds(wanted) && !later.is_some_and(holds))
                .then(|| format!("service {name} was acknowledged as {wanted:?} and is {row:?}"))
        })
    }

    /// Makes a container of its own.
    pub async fn run_container(&self, store: &Store, name: &str, image: &str, now: Timestamp) -> ContainerId {
        let ids = store.reserve_ids(Kind::Container, 1).await.expect("the store answers");
        let id = ContainerId::new(ids.start);
        let intent = ContainerIntent {
            project: Some(PROJECT),
            name: name.to_owned(),
            launch: LaunchSpec { image: Some(image.parse().expect("an image")), ..LaunchSpec::default() },
            run: ContainerRun::Running,
            ..ContainerIntent::default()
        };
        let mut tx = Transaction::new(now);
        tx.insert::<Container>(id, format!("alone-{}", id.raw()), intent);
        store.commit(tx).await.expect("the store takes a container");
        id
    }
}

/// Writes what an installation has before its first user comes.
pub(super) async fn found(store: &Store, now: Timestamp) {
    let mut tx = Transaction::new(now);
    tx.insert::<Project>(
        PROJECT,
        "project-5".into(),
        ProjectIntent { name: "main".into(), ..Default::default() },
    );
    let stack = StackIntent { project: Some(PROJECT), name: "shop".into(), ..Default::default() };
    tx.insert::<Stack>(STACK, "stack-1".into(), stack);
    store.commit(tx).await.expect("an empty store takes its first rows");
}

/// Registers a host, as its agent does through the API.
pub(super) async fn register(store: &Store, now: Timestamp, id: HostId, name: &str, identity: &str) {
    let mut tx = Transaction::new(now);
    let intent = HostIntent {
        project: Some(PROJECT),
        hostname: name.to_owned(),
        agent_uuid: identity.to_owned(),
        ..HostIntent::default()
    };
    tx.insert::<Host>(id, format!("host-uuid-{}", id.raw()), intent);
    store.commit(tx).await.expect("the store takes a host");
}

/// Changes the intent of some row, however often somebody is faster.
pub(super) async fn change<O: control_model::Stored>(
    store: &Store,
    now: Timestamp,
    find: impl Fn(&Tables) -> Option<std::sync::Arc<Row<O>>>,
    write: impl Fn(&mut Transaction, &Row<O>),
) {
    for _ in 0..50 {
        let Some(row) = find(&store.snapshot()) else { return };
        let mut tx = Transaction::new(now);
        write(&mut tx, &row);
        match store.commit(tx).await {
            Ok(_) => return,
            Err(CommitError::Refused(_)) => {}
            Err(error) => panic!("the store does not take a change: {error}"),
        }
    }
    panic!("a change of {} was overtaken fifty times", O::KIND.table());
}
