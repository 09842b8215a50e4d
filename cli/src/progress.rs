//! Watching services on their way, and showing how far they are.

use std::collections::BTreeMap;
use std::time::Duration;

use contract_client::{Client, Container, Query, Reason, Service, WatchEvent};
use serde_json::json;
use tokio::time::Instant;

use crate::error::CliError;
use crate::names::natural;
use crate::output::{cut, width};
use crate::session::Session;
use crate::terminal;

/// Changes are told; this only covers what a subscription could have missed.
const POLL: Duration = Duration::from_secs(5);
/// How often time alone is taken into account.
const GLANCE: Duration = Duration::from_secs(1);
/// All must have stood still for so long: a process that ends at once must not pass for one that runs.
const STEADY: Duration = Duration::from_millis(1000);
/// So long a cause may stand that often goes away by itself, such as a port that another container is about to free.
const PATIENCE: Duration = Duration::from_secs(15);
/// What failed may be tried again at once by the platform; so long it must have stood to be told as the end.
const CERTAINTY: Duration = Duration::from_secs(2);
/// A host that is just being added needs no more than this.
const NO_HOSTS_PATIENCE: Duration = Duration::from_secs(5);

/// Where services shall get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// All containers run.
    Ready,
    /// No container runs.
    Stopped,
    /// They are gone.
    Removed,
}

/// How far a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It is where it shall be.
    Arrived,
    /// It waits for another service.
    Blocked,
    /// It is on its way.
    Moving,
    /// It will not get there without a person.
    Failed,
}

impl Stage {
    /// The word for programs.
    pub fn word(self, goal: Goal) -> &'static str {
        match (self, goal) {
            (Self::Arrived, Goal::Ready) => "ready",
            (Self::Arrived, Goal::Stopped) => "stopped",
            (Self::Arrived, Goal::Removed) => "removed",
            (Self::Blocked, _) => "waiting",
            (Self::Moving, _) => "working",
            (Self::Failed, _) => "failed",
        }
    }
}

/// What is to be told of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub stage: Stage,
    /// Containers that are ready.
    pub ready: usize,
    /// Containers that there shall be.
    pub scale: usize,
    /// What is going on.
    pub note: String,
    /// Why it is not ready.
    pub reason: Option<Reason>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All are where they shall be.
    Arrived,
    /// Some cannot get there.
    Failed,
    /// The time is over.
    TimedOut,
    /// The user does not want to wait any longer.
    Detached,
}

/// Who shows progress, and how.
pub enum Display {
    /// Lines that change in place.
    Live {
        /// Lines on the screen now.
        drawn: usize,
        /// What they say.
        text: String,
    },
    /// A line for each change.
    Plain {
        /// What was said last of each service.
        said: BTreeMap<String, String>,
    },
    /// A document for each change.
    Json {
        /// What was said last of each service.
        said: BTreeMap<String, serde_json::Value>,
    },
    /// Nothing.
    Silent,
}

impl Display {
    /// The form that fits who reads.
    pub fn fitting(session: &Session) -> Self {
        if session.is_machine() {
            Self::Json { said: BTreeMap::new() }
        } else if session.globals.quiet {
            Self::Silent
        } else if session.io.err_is_terminal {
            Self::Live { drawn: 0, text: String::new() }
        } else {
            Self::Plain { said: BTreeMap::new() }
        }
    }

    fn show(&mut self, session: &Session, goal: Goal, lines: &[Line]) -> Result<(), CliError> {
        let io = &session.io;
        match self {
            Self::Silent => {}
            Self::Live { drawn, text: shown } => {
                let places = usize::from(terminal::size().map_or(80, |(columns, _)| columns)).max(20);
                let names = lines.iter().map(|line| width(&line.name)).max().unwrap_or(0);
                let mut text = String::new();
                for line in lines {
                    let (mark, colour) = match line.stage {
                        Stage::Arrived => ("✓", "32"),
                        Stage::Failed => ("✗", "31"),
                        Stage::Blocked => ("·", "2"),
                        Stage::Moving => ("…", "33"),
                    };
                    let words = format!("{:names$}  {}", line.name, words(line, goal));
                    let words = cut(&words, places - 3);
                    text.push_str(&format!("\r\x1b[K{} {words}\n", io.paint_message(colour, mark)));
                }
                if text == *shown {
                    return Ok(());
                }
                let up = if *drawn > 0 { format!("\x1b[{drawn}A") } else { String::new() };
                // A service that vanished leaves its line behind.
                io.say_bytes(format!("{up}{text}\x1b[J").as_bytes());
                *drawn = lines.len();
                *shown = text;
            }
            Self::Plain { said } => {
                for line in lines {
                    let words = words(line, goal);
                    // Percentages would fill the log.
                    let gist: String = words.chars().filter(|c| !c.is_ascii_digit()).collect();
                    let gist = format!("{gist}{}", line.ready);
                    if said.get(&line.name) != Some(&gist) {
                        io.say(&format!("{}: {words}", line.name));
                        said.insert(line.name.clone(), gist);
                    }
                }
            }
            Self::Json { said } => {
                for line in lines {
                    let document = json!({
                        "event": "service",
                        "service": line.name,
                        "status": line.stage.word(goal),
                        "ready": line.ready,
                        "scale": line.scale,
                        "message": line.note,
                        "reason": line.reason.as_ref().map(reason_document),
                    });
                    if said.get(&line.name) != Some(&document) {
                        session.event(&document)?;
                        said.insert(line.name.clone(), document);
                    }
                }
            }
        }
        Ok(())
    }
}

fn words(line: &Line, goal: Goal) -> String {
    let count = match goal {
        Goal::Ready => format!("{}/{} ", line.ready, line.scale),
        Goal::Stopped | Goal::Removed => String::new(),
    };
    let word = line.stage.word(goal);
    let note = line.note.trim();
    if note.is_empty() || line.stage == Stage::Arrived {
        format!("{count}{word}")
    } else {
        format!("{count}{word}: {note}")
    }
}

/// A reason in one sentence, with what to do.
pub fn sentence(reason: &Reason) -> String {
    match &reason.remedy {
        Some(remedy) => format!("{} (hint: {remedy})", reason.message),
        None => reason.message.clone(),
    }
}

/// A reason for programs.
pub fn reason_document(reason: &Reason) -> serde_json::Value {
    json!({
        "code": reason.code,
        "message": reason.message,
        "remedy": reason.remedy,
        "since": reason.since,
        "nextTry": reason.next_try,
    })
}

/// The services that are waited for.
pub struct Wanted {
    /// The stack, or nothing for services of several stacks.
    pub stack: Option<String>,
    /// Services by id, with the name to show.
    pub services: BTreeMap<String, String>,
    /// Nothing was done to them, so what runs at the first look did not just begin to.
    pub untouched: bool,
}

/// A cause, and how long it has stood.
struct Standing {
    code: String,
    since: Instant,
    /// The try that was announced when it was first seen: who mended the cause must see it happen.
    announced: Option<String>,
}

impl Standing {
    /// Whether it has stood long enough, and through a new try where one was announced.
    fn has_stood(&self, patience: Duration, next_try: Option<&str>) -> bool {
        self.since.elapsed() >= patience
            && (self.announced.is_none() || self.announced.as_deref() != next_try)
    }
}

struct Picture {
    services: BTreeMap<String, Service>,
    containers: BTreeMap<String, Container>,
    /// Why each service is not there yet.
    causes: BTreeMap<String, Standing>,
    changed: Instant,
}

/// Waits until services are where they shall be, and shows how far they are.
///
/// # Errors
/// Fails when asking the server cannot help any more, or nobody reads.
pub async fn follow(
    session: &Session,
    client: &Client,
    wanted: &Wanted,
    goal: Goal,
    limit: Duration,
    display: &mut Display,
) -> Result<(Outcome, Vec<Line>), CliError> {
    let until = Instant::now() + limit;
    let mut picture = Picture {
        services: BTreeMap::new(),
        containers: BTreeMap::new(),
        causes: BTreeMap::new(),
        changed: Instant::now(),
    };
    let mut watch = client.watch();
    let mut listed = false;
    let mut at_once = wanted.untouched;
    let mut poll = Instant::now();
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    loop {
        if Instant::now() >= poll {
            match list(client, wanted).await {
                Ok((services, containers)) => {
                    listed = true;
                    if services != picture.services || containers != picture.containers {
                        picture.changed = Instant::now();
                    }
                    (picture.services, picture.containers) = (services, containers);
                }
                // The server may come back; until then the last picture stands.
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error.into()),
            }
            poll = Instant::now() + POLL;
        }
        let lines = if listed { picture.lines(wanted, goal) } else { Vec::new() };
        if listed {
            display.show(session, goal, &lines)?;
        }
        let all = |stages: &[Stage]| lines.iter().all(|line| stages.contains(&line.stage));
        let mut wake = until.min(poll);
        if listed && all(&[Stage::Arrived]) {
            // What was there from the start did not just begin to run.
            let steady = picture.changed + STEADY;
            if goal != Goal::Ready || at_once || Instant::now() >= steady {
                return Ok((Outcome::Arrived, lines));
            }
            wake = wake.min(steady);
        } else if listed {
            at_once = false;
            if all(&[Stage::Arrived, Stage::Blocked, Stage::Failed]) {
                // Who waits for nobody that moves waits for something that is not being done.
                let failed = lines.iter().any(|line| line.stage == Stage::Failed);
                let certain = picture.changed + if failed { CERTAINTY } else { PATIENCE };
                if Instant::now() >= certain {
                    return Ok((Outcome::Failed, lines));
                }
                wake = wake.min(certain);
            }
        }
        // A cause that is looked at with patience becomes a failure without any news.
        wake = wake.min(Instant::now() + GLANCE);
        if Instant::now() >= until {
            return Ok((Outcome::TimedOut, lines));
        }
        tokio::select! {
            event = watch.next() => match event? {
                WatchEvent::Connected => poll = Instant::now(),
                WatchEvent::Changed(resource) => picture.take(&resource, wanted),
                // The poll goes on asking.
                WatchEvent::Lost(_) => {}
            },
            () = tokio::time::sleep_until(wake) => {}
            _ = &mut interrupt => return Ok((Outcome::Detached, lines)),
        }
    }
}

type Lists = (BTreeMap<String, Service>, BTreeMap<String, Container>);

async fn list(client: &Client, wanted: &Wanted) -> Result<Lists, contract_client::ClientError> {
    let query = match &wanted.stack {
        Some(stack) => Query::all().with("stackId", stack.as_str()),
        None => Query::all(),
    };
    let (services, containers) =
        tokio::try_join!(client.list::<Service>(&query), client.list::<Container>(&query))?;
    let services = services
        .into_iter()
        .filter(|service| wanted.services.contains_key(&service.meta.id))
        .map(|service| (service.meta.id.clone(), service))
        .collect();
    let containers = containers
        .into_iter()
        .filter(|container| container.service().is_some_and(|service| wanted.services.contains_key(service)))
        .map(|container| (container.meta.id.clone(), container))
        .collect();
    Ok((services, containers))
}

impl Picture {
    fn take(&mut self, resource: &contract_client::Resource, wanted: &Wanted) {
        let id = resource.meta.id.clone();
        if wanted.services.contains_key(&id) {
            if resource.meta.is_removed() {
                self.services.remove(&id);
            } else if let Ok(service) = resource.read::<Service>() {
                self.services.insert(id, service);
            }
            self.changed = Instant::now();
        } else if resource.meta.kind == "container" {
            let Ok(container) = resource.read::<Container>() else { return };
            if !container.service().is_some_and(|service| wanted.services.contains_key(service)) {
                return;
            }
            if resource.meta.is_removed() {
                self.containers.remove(&id);
            } else {
                self.containers.insert(id, container);
            }
            self.changed = Instant::now();
        }
    }

    fn lines(&mut self, wanted: &Wanted, goal: Goal) -> Vec<Line> {
        let mut lines = Vec::new();
        for (id, name) in &wanted.services {
            let mut own: Vec<&Container> =
                self.containers.values().filter(|container| container.service() == Some(id)).collect();
            own.sort_by_key(|container| natural(container.meta.title()));
            let service = self.services.get(id);
            let cause = service.and_then(|service| cause(service, &own));
            let code = cause.as_ref().map(|cause| cause.code.clone()).unwrap_or_default();
            let next_try = cause.as_ref().and_then(|cause| cause.next_try.clone());
            if self.causes.get(id).is_none_or(|standing| standing.code != code) {
                let standing =
                    Standing { code: code.clone(), since: Instant::now(), announced: next_try.clone() };
                self.causes.insert(id.clone(), standing);
            }
            let standing = &self.causes[id];
            let has_stood = |patience| standing.has_stood(patience, next_try.as_deref());
            let stage = match service {
                None if goal == Goal::Removed => Stage::Arrived,
                None => Stage::Moving,
                Some(service) => stage(service, goal, &code, has_stood),
            };
            let note = match (&cause, service) {
                (Some(cause), _) => cause.message.clone(),
                (None, Some(service)) => note(service, &own),
                (None, None) => String::new(),
            };
            lines.push(Line {
                name: name.clone(),
                stage,
                ready: own.iter().filter(|container| is_ready(container)).count(),
                scale: service.map_or(0, |service| usize::try_from(service.scale.unwrap_or(0)).unwrap_or(0)),
                note,
                reason: cause.filter(|_| stage != Stage::Arrived),
            });
        }
        lines.sort_by_key(|line| natural(&line.name));
        lines
    }
}

fn is_ready(container: &Container) -> bool {
    let health = container.health_state.as_deref();
    match container.meta.state.as_str() {
        "running" => health.is_none_or(|health| health == "healthy"),
        "stopped" => health == Some("started-once") && container.exit_code.unwrap_or(0) == 0,
        _ => false,
    }
}

/// Why a service is not where it shall be: its own cause, or the first of its containers.
fn cause(service: &Service, containers: &[&Container]) -> Option<Reason> {
    let of_containers = || containers.iter().find_map(|container| container.meta.reason.clone());
    let own = service.meta.reason.clone();
    if let Some(reason) = own.filter(|reason| reason.code != "in_progress").or_else(of_containers) {
        return Some(reason);
    }
    service.meta.has_failed().then(|| Reason {
        code: "other".to_owned(),
        message: service
            .meta
            .transitioning_message
            .clone()
            .unwrap_or_else(|| format!("it is {} and the server does not say why", service.meta.state)),
        ..Reason::default()
    })
}

fn note(service: &Service, containers: &[&Container]) -> String {
    let moving = containers.iter().find(|container| container.meta.is_moving());
    if let Some(container) = moving {
        let meta = &container.meta;
        let percent =
            meta.transitioning_progress.map(|percent| format!(" ({percent} %)")).unwrap_or_default();
        let words = meta
            .transitioning_message
            .as_deref()
            .filter(|text| *text != "In Progress")
            .unwrap_or(&meta.state);
        return format!("{}: {words}{percent}", meta.title());
    }
    let message = service.meta.transitioning_message.as_deref().filter(|text| *text != "In Progress");
    message.unwrap_or(&service.meta.state).to_owned()
}

fn stage(service: &Service, goal: Goal, code: &str, has_stood: impl Fn(Duration) -> bool) -> Stage {
    let meta = &service.meta;
    let settled = !meta.is_moving() && !meta.has_failed();
    let arrived = match goal {
        Goal::Ready => settled && matches!(meta.state.as_str(), "active" | "upgraded"),
        Goal::Stopped => settled && meta.state == "inactive",
        Goal::Removed => meta.is_removed(),
    };
    if arrived {
        return Stage::Arrived;
    }
    if goal != Goal::Ready {
        return Stage::Moving;
    }
    match code {
        "waits_for_dependency" | "dependency_failed" => Stage::Blocked,
        // What was mended meanwhile shows at the next try; a process that keeps ending is not mended by waiting.
        "crash_loop" | "failed" if meta.has_failed() => Stage::Failed,
        _ if meta.has_failed() && has_stood(Duration::ZERO) => Stage::Failed,
        "no_hosts" if has_stood(NO_HOSTS_PATIENCE) => Stage::Failed,
        "no_host_fits" | "port_taken" | "disk_full" | "mount_missing" | "name_taken" | "image_not_found"
        | "registry_denied" | "command_not_found" | "invalid_option" | "crash_loop" | "failed"
        | "out_of_memory" | "host_removed"
            if has_stood(PATIENCE) =>
        {
            Stage::Failed
        }
        _ => Stage::Moving,
    }
}
