//! Carries out steps against the engine.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_protocol::{FailureCode, FileSpec, Progress, PullPolicy, RegistryLogin};
use contract_values::ImageRef;
use host_driver::{CreateRequest, Engine, EngineError, Files, Limits, MountedFile, PlacedFile};
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
    files: Arc<dyn Files>,
    makers: Semaphore,
    stoppers: Semaphore,
    pulls: Pulls,
    words: mpsc::Sender<Word>,
}

impl Workshop {
    pub(crate) fn new(engine: Arc<dyn Engine>, files: Arc<dyn Files>, words: mpsc::Sender<Word>) -> Self {
        Self {
            engine,
            files,
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
            Work::Fetch { image, platform, login, always } => {
                if always || engine.image_id(&image).await?.is_none() {
                    let wanted =
                        Wanted { image: &image, platform: platform.as_deref(), login: login.as_ref() };
                    self.pull(object, wanted, called_back).await?;
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
            Work::DropVolume { name, volume, force } => {
                engine.remove_volume(&name, force).await?;
                Ok(Done::VolumeDropped { volume })
            }
            Work::Update { docker_id, limits } => {
                let _slot = slot(&self.makers).await;
                engine.update(&docker_id, &limits).await?;
                let view = Box::new(engine.inspect(&docker_id).await?);
                Ok(Done::Updated { view, limits })
            }
            Work::Sweep { keep } => {
                self.files.keep_only(&keep).await.map_err(file_error)?;
                Ok(Done::Swept)
            }
            Work::Native { docker_id, action } => {
                let _slot = slot(&self.stoppers).await;
                let stays = !matches!(action, NativeAction::Remove(_));
                self.native(&docker_id, action).await?;
                // The order is told as done together with what it led to.
                let view = if stays { Some(Box::new(engine.inspect(&docker_id).await?)) } else { None };
                Ok(Done::Native(view))
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
        let spec = &raise.want.spec;
        let wanted = Wanted {
            image: &spec.image,
            platform: spec.platform.as_deref(),
            login: spec.registry_login.as_ref(),
        };
        if raise.pull && raise.docker_id.is_none() {
            self.pull(object, wanted, called_back).await?;
        }
        let mut slot_held = slot(&self.makers).await;
        if called_back.is_cancelled() && raise.docker_id.is_none() {
            return Err(Stop::CalledBack);
        }
        // Also before a start: a reboot takes the files away.
        let files = self.place_files(&raise).await?;
        let docker_id = match &raise.docker_id {
            Some(docker_id) => docker_id.clone(),
            None => {
                let made = match self.create(&raise, &files).await {
                    // Whether the image is there is learned by needing it.
                    Err(EngineError::Refused { code: FailureCode::ImageNotFound, .. })
                        if raise.want.spec.pull == PullPolicy::IfMissing =>
                    {
                        drop(slot_held);
                        self.pull(object, wanted, called_back).await?;
                        slot_held = slot(&self.makers).await;
                        self.create(&raise, &files).await
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
        let made_with = raise.docker_id.is_none().then(|| Limits::of(spec));
        Ok(Done::Raised { view: Box::new(view), made_with })
    }

    /// Places the files of a container and says where each is.
    async fn place_files(&self, raise: &Raise) -> Result<Vec<MountedFile>, EngineError> {
        let specs = &raise.want.spec.files;
        if specs.is_empty() {
            return Ok(Vec::new());
        }
        let mut files = Vec::with_capacity(specs.len());
        for FileSpec { path, content, uid, gid, mode } in specs {
            let bytes = STANDARD.decode(content.expose()).map_err(|_| EngineError::Refused {
                code: FailureCode::InvalidOption,
                text: format!("the content of the file {path} is not in base64"),
            })?;
            files.push(PlacedFile { bytes, uid: *uid, gid: *gid, mode: *mode });
        }
        let sources = self.files.place(&raise.files_key, files).await.map_err(file_error)?;
        let targets = specs.iter().map(|file| file.path.clone());
        Ok(sources.into_iter().zip(targets).map(|(source, target)| MountedFile { source, target }).collect())
    }

    async fn create(&self, raise: &Raise, files: &[MountedFile]) -> Result<String, EngineError> {
        self.engine
            .create(&CreateRequest {
                name: &raise.want.name,
                labels: &raise.labels,
                spec: &raise.want.spec,
                network_container: raise.network_container.as_deref(),
                volumes_from: &raise.volumes_from,
                files,
            })
            .await
    }

    /// Fetches an image once for all who wait for it.
    async fn pull(
        &self,
        object: &Object,
        wanted: Wanted<'_>,
        called_back: &CancellationToken,
    ) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = called_back.cancelled() => Err(Stop::CalledBack),
            result = self.pull_together(object, wanted) => result.map_err(Stop::Failed),
        }
    }

    async fn pull_together(&self, object: &Object, wanted: Wanted<'_>) -> Result<(), EngineError> {
        let Wanted { image, platform, login } = wanted;
        let words = &self.words;
        let mut seat = self.pulls.seat(wanted.key());
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
                    let result = self.engine.pull(image, platform, login, &told).await;
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
                        seat = self.pulls.seat(wanted.key());
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

/// What went wrong with files of the host.
fn file_error(error: std::io::Error) -> EngineError {
    let is_full = matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::OutOfMemory
    );
    EngineError::Refused {
        code: if is_full { FailureCode::DiskFull } else { FailureCode::Other },
        text: format!("could not place the files of a container: {error}"),
    }
}

/// An image to fetch.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    image: &'a ImageRef,
    platform: Option<&'a str>,
    login: Option<&'a RegistryLogin>,
}

impl Wanted<'_> {
    /// Who may fetch an image says nothing about anybody else, so only the same login shares a pull.
    fn key(&self) -> PullKey {
        (self.image.to_string(), self.platform.map(str::to_owned), self.login.cloned())
    }
}

type PullKey = (String, Option<String>, Option<RegistryLogin>);

#[derive(Debug)]
struct Pulls {
    slots: Semaphore,
    /// A few at most.
    under_way: Mutex<Vec<(PullKey, watch::Receiver<PullState>)>>,
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
        if let Some((_, state)) = under_way.iter().find(|(other, _)| *other == key)
            && state.has_changed().is_ok()
        {
            return Seat::Passenger(state.clone());
        }
        let first = Progress { text: format!("waiting to pull {}", key.0), percent: None };
        let (state, receiver) = watch::channel(PullState::Goes(first));
        under_way.retain(|(other, _)| *other != key);
        under_way.push((key.clone(), receiver));
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
            under_way.retain(|(other, _)| *other != self.key);
        }
    }
}
