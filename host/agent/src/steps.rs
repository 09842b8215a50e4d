//! Carries out steps against the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use contract_protocol::{FailureCode, Progress, PullPolicy};
use contract_values::ImageRef;
use host_driver::{CreateRequest, Engine, EngineError};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::step::{Done, Ended, NativeAction, Note, Object, Raise, Step, Work};

/// How many containers are made and started side by side: above that an engine gets no faster.
const MAKERS: usize = 16;
/// How many stops wait side by side; they cost the engine nothing while the process takes its time.
const STOPPERS: usize = 64;
/// How many images are fetched side by side.
const PULLS: usize = 3;

/// Word from a step: a note under way, or its end.
#[derive(Debug)]
pub(crate) enum Word {
    Note(Object, Note),
    Ended(Ended),
}

/// What all steps share.
#[derive(Debug)]
pub(crate) struct Workshop {
    engine: Arc<dyn Engine>,
    makers: Semaphore,
    stoppers: Semaphore,
    pulls: Pulls,
    words: mpsc::Sender<Word>,
}

impl Workshop {
    pub(crate) fn new(engine: Arc<dyn Engine>, words: mpsc::Sender<Word>) -> Self {
        Self {
            engine,
            makers: Semaphore::new(MAKERS),
            stoppers: Semaphore::new(STOPPERS),
            pulls: Pulls { slots: Semaphore::new(PULLS), under_way: Mutex::default() },
            words,
        }
    }

    /// Carries out a step and tells its end.
    ///
    /// It can be called back while it waits or fetches an image, never in the middle of a change.
    pub(crate) async fn carry_out(self: Arc<Self>, step: Step, called_back: CancellationToken) {
        let Step { object, work } = step;
        let result = match self.work(&object, work, &called_back).await {
            Err(Stop::CalledBack) => Ok(Done::CalledBack),
            Err(Stop::Failed(error)) => Err(error),
            Ok(done) => Ok(done),
        };
        self.tell(Word::Ended(Ended { object, result })).await;
    }

    async fn tell(&self, word: Word) {
        // Nobody listens any more when the agent ends.
        let _ = self.words.send(word).await;
    }

    async fn work(&self, object: &Object, work: Work, called_back: &CancellationToken) -> Result<Done, Stop> {
        let engine = &self.engine;
        match work {
            Work::Raise(raise) => self.raise(object, *raise, called_back).await,
            Work::Fetch { image, platform, always } => {
                if always || engine.image_id(&image).await?.is_none() {
                    self.pull(object, &image, platform.as_deref(), called_back).await?;
                }
                Ok(Done::Fetched)
            }
            Work::Halt { docker_id, timeout } => {
                let _slot = slot(&self.stoppers).await;
                engine.stop(&docker_id, timeout).await?;
                Ok(Done::Halted)
            }
            Work::Retire { docker_id, timeout, running } => {
                let _slot = slot(&self.stoppers).await;
                if running {
                    engine.stop(&docker_id, timeout).await?;
                }
                match engine.remove(&docker_id).await {
                    Err(error) if !error.is_not_found() => Err(error.into()),
                    Ok(()) | Err(_) => {
                        self.tell(Word::Note(object.clone(), Note::Removed(docker_id))).await;
                        Ok(Done::Retired)
                    }
                }
            }
            Work::MakeNetwork { name, spec, labels } => {
                engine.ensure_network(&name, &spec, &labels).await?;
                Ok(Done::NetworkMade)
            }
            Work::DropNetwork { name } => {
                engine.remove_network(&name).await?;
                Ok(Done::NetworkDropped)
            }
            Work::MakeVolume { name, spec, labels } => {
                engine.ensure_volume(&name, &spec, &labels).await?;
                Ok(Done::VolumeMade)
            }
            Work::Native { docker_id, action } => {
                let _slot = slot(&self.stoppers).await;
                self.native(&docker_id, action).await?;
                Ok(Done::Native)
            }
            Work::Look { docker_id } => {
                let _slot = slot(&self.makers).await;
                Ok(Done::Seen(Box::new(engine.inspect(&docker_id).await?)))
            }
            Work::List => {
                let containers = engine.list().await?;
                let networks = engine.networks().await?;
                Ok(Done::Listed { containers, networks })
            }
        }
    }

    async fn native(&self, docker_id: &str, action: NativeAction) -> Result<(), EngineError> {
        match action {
            NativeAction::Start => self.engine.start(docker_id).await,
            NativeAction::Stop(timeout) => self.engine.stop(docker_id, timeout).await,
            NativeAction::Restart(timeout) => {
                self.engine.stop(docker_id, timeout).await?;
                self.engine.start(docker_id).await
            }
            NativeAction::Remove(timeout) => {
                self.engine.stop(docker_id, timeout).await?;
                self.engine.remove(docker_id).await
            }
        }
    }

    /// Makes, starts and describes a container: three calls, and none to ask for what the answers tell anyway.
    async fn raise(
        &self,
        object: &Object,
        raise: Raise,
        called_back: &CancellationToken,
    ) -> Result<Done, Stop> {
        let image = &raise.want.spec.image;
        let platform = raise.want.spec.platform.as_deref();
        if raise.pull && raise.docker_id.is_none() {
            self.pull(object, image, platform, called_back).await?;
        }
        let mut slot_held = slot(&self.makers).await;
        if called_back.is_cancelled() && raise.docker_id.is_none() {
            return Err(Stop::CalledBack);
        }
        let docker_id = match &raise.docker_id {
            Some(docker_id) => docker_id.clone(),
            None => {
                let made = match self.create(&raise).await {
                    // Whether the image is there is learned by needing it.
                    Err(EngineError::Refused { code: FailureCode::ImageNotFound, .. })
                        if raise.want.spec.pull == PullPolicy::IfMissing =>
                    {
                        drop(slot_held);
                        self.pull(object, image, platform, called_back).await?;
                        slot_held = slot(&self.makers).await;
                        self.create(&raise).await
                    }
                    made => made,
                }?;
                self.tell(Word::Note(
                    object.clone(),
                    Note::Created {
                        docker_id: made.clone(),
                        name: raise.want.name.clone(),
                        incarnation: raise.want.incarnation,
                    },
                ))
                .await;
                made
            }
        };
        if raise.start {
            self.tell(Word::Note(object.clone(), Note::Starting)).await;
            self.engine.start(&docker_id).await?;
        }
        let view = self.engine.inspect(&docker_id).await?;
        drop(slot_held);
        Ok(Done::Raised(Box::new(view)))
    }

    async fn create(&self, raise: &Raise) -> Result<String, EngineError> {
        self.engine
            .create(&CreateRequest {
                name: &raise.want.name,
                labels: &raise.labels,
                spec: &raise.want.spec,
                network_container: raise.network_container.as_deref(),
                volumes_from: &raise.volumes_from,
            })
            .await
    }

    /// Fetches an image once for all who wait for it.
    async fn pull(
        &self,
        object: &Object,
        image: &ImageRef,
        platform: Option<&str>,
        called_back: &CancellationToken,
    ) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = called_back.cancelled() => Err(Stop::CalledBack),
            result = self.pull_together(object, image, platform) => result.map_err(Stop::Failed),
        }
    }

    async fn pull_together(
        &self,
        object: &Object,
        image: &ImageRef,
        platform: Option<&str>,
    ) -> Result<(), EngineError> {
        let key = (image.to_string(), platform.map(str::to_owned));
        let words = &self.words;
        let mut seat = self.pulls.seat(key);
        let note = |progress: Progress| {
            // A note that finds no room is left out: the next one says more.
            let _ = words.try_send(Word::Note(object.clone(), Note::Pulling(progress)));
        };
        loop {
            match &mut seat {
                Seat::Driver(driver) => {
                    note(Progress { text: format!("waiting to pull {image}"), percent: None });
                    let _slot = slot(&self.pulls.slots).await;
                    let told = |progress: Progress| {
                        note(progress.clone());
                        driver.told(progress);
                    };
                    let result = self.engine.pull(image, platform, &told).await;
                    driver.finish(&result);
                    return result;
                }
                Seat::Passenger(state) => {
                    let state_now = state.borrow_and_update().clone();
                    match state_now {
                        PullState::Goes(progress) => note(progress),
                        PullState::Done => return Ok(()),
                        PullState::Failed(code, text) => {
                            return Err(EngineError::Refused { code, text });
                        }
                    }
                    if state.changed().await.is_err() {
                        // The driver was dropped; somebody must take the wheel.
                        let key = (image.to_string(), platform.map(str::to_owned));
                        seat = self.pulls.seat(key);
                    }
                }
            }
        }
    }
}

/// Why a step did not come to its end.
enum Stop {
    CalledBack,
    Failed(EngineError),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

async fn slot(semaphore: &Semaphore) -> tokio::sync::SemaphorePermit<'_> {
    semaphore.acquire().await.expect("the semaphores of the workshop are never closed")
}

type PullKey = (String, Option<String>);

#[derive(Debug)]
struct Pulls {
    slots: Semaphore,
    under_way: Mutex<BTreeMap<PullKey, watch::Receiver<PullState>>>,
}

#[derive(Clone, Debug)]
enum PullState {
    Goes(Progress),
    Done,
    Failed(FailureCode, String),
}

enum Seat<'a> {
    Driver(Driver<'a>),
    Passenger(watch::Receiver<PullState>),
}

struct Driver<'a> {
    pulls: &'a Pulls,
    key: PullKey,
    state: watch::Sender<PullState>,
}

impl Pulls {
    fn seat(&self, key: PullKey) -> Seat<'_> {
        let mut under_way = self.under_way.lock().expect("the list of pulls is changed without panics");
        if let Some(state) = under_way.get(&key)
            && state.has_changed().is_ok()
        {
            return Seat::Passenger(state.clone());
        }
        let first = Progress { text: format!("waiting to pull {}", key.0), percent: None };
        let (state, receiver) = watch::channel(PullState::Goes(first));
        under_way.insert(key.clone(), receiver);
        Seat::Driver(Driver { pulls: self, key, state })
    }
}

impl Driver<'_> {
    fn told(&self, progress: Progress) {
        self.state.send_replace(PullState::Goes(progress));
    }

    fn finish(&self, result: &Result<(), EngineError>) {
        self.state.send_replace(match result {
            Ok(()) => PullState::Done,
            Err(error) => PullState::Failed(error.code(), error.to_string()),
        });
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if let Ok(mut under_way) = self.pulls.under_way.lock() {
            under_way.remove(&self.key);
        }
    }
}
