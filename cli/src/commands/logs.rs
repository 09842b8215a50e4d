//! `lariat logs`: output of many containers as one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Args;
use contract_client::{
    Client, ClientError, Container, LogLine, LogOptions, LogSource, LogStream, WatchEvent,
};
use contract_values::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::CliError;
use crate::names::{Directory, Target, WORKLOADS, natural};
use crate::session::Session;

/// Lines wait here while the terminal is slow; then the servers wait.
const QUEUE: usize = 256;
/// Colours that can be told apart on dark and light.
const COLOURS: [&str; 12] = ["36", "33", "32", "35", "34", "31", "96", "93", "92", "95", "94", "91"];

/// Show the output of containers, services or stacks
///
/// With --follow, containers that join a service later are followed too, and broken connections are made again.
#[derive(Debug, Args)]
pub struct Logs {
    /// Stacks, services (stack/service) or containers
    #[arg(required = true)]
    names: Vec<String>,
    /// Wait for more, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines of each container [default: all]
    #[arg(short = 'n', long, value_name = "NUMBER")]
    tail: Option<u64>,
    /// Only from then on: a time (2026-01-31T12:00:00Z) or how long ago (10m, 2h30m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show the time of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Do not put the name of the container in front
    #[arg(long)]
    no_prefix: bool,
}

/// Which containers are meant.
struct Meant {
    stacks: BTreeSet<String>,
    services: BTreeSet<String>,
    containers: BTreeSet<String>,
}

impl Meant {
    fn holds(&self, container: &Container) -> bool {
        self.containers.contains(&container.meta.id)
            || container.service().is_some_and(|service| self.services.contains(service))
            || container.stack_id.as_ref().is_some_and(|stack| self.stacks.contains(stack))
    }

    fn is_one_container(&self) -> bool {
        self.stacks.is_empty() && self.services.is_empty() && self.containers.len() == 1
    }
}

impl Logs {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let since = match &self.since {
            Some(text) => Some(parse_since(text, session.io.now_ms())?),
            None => None,
        };
        let client = session.client().await?;
        let directory = Directory::load(&client, WORKLOADS).await?;
        let mut meant =
            Meant { stacks: BTreeSet::new(), services: BTreeSet::new(), containers: BTreeSet::new() };
        for name in &self.names {
            let target = directory.resolve(name, WORKLOADS)?;
            let id = target.meta().id.clone();
            match target {
                Target::Stack(_) => meant.stacks.insert(id),
                Target::Service(_) => meant.services.insert(id),
                Target::Container(_) => meant.containers.insert(id),
                Target::Host(_) | Target::Volume(_) | Target::Thing(..) => false,
            };
        }
        let mut containers: Vec<Container> =
            directory.containers.values().filter(|container| meant.holds(container)).cloned().collect();
        containers.sort_by_key(|container| natural(container.meta.title()));
        let options = LogOptions {
            follow: self.follow,
            tail: self.tail,
            since,
            // Times put lines in order, and find the place again after a break.
            timestamps: true,
        };
        let printer = Printer::new(session, &meant, &containers, self.timestamps, self.no_prefix);
        if self.follow {
            follow(session, &client, &meant, containers, options, printer).await
        } else {
            merge(session, &client, &containers, &options, printer).await
        }
    }
}

/// Prints what there is, in the order of time.
async fn merge(
    session: &Session,
    client: &Client,
    containers: &[Container],
    options: &LogOptions,
    mut printer: Printer,
) -> Result<(), CliError> {
    struct Source {
        index: usize,
        stream: LogStream,
        next: Stamped,
    }
    let mut failed = None;
    let mut sources = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        if !container.meta.actions.contains_key("logs") && containers.len() > 1 {
            // It has not begun yet, or its host is away; the others have something to say.
            session.io.say(&format!(
                "{}: no output while it is {}",
                container.meta.title(),
                container.meta.state
            ));
            continue;
        }
        match open(client, container, options).await {
            Ok((stream, Some(next))) => sources.push(Source { index, stream, next }),
            Ok((_, None)) => {}
            Err(error) if containers.len() == 1 => return Err(error.into()),
            Err(error) => {
                let error = CliError::from(error).during(container.meta.title());
                session.io.say(&error.what);
                failed = Some(error);
            }
        }
    }
    while let Some(first) =
        (0..sources.len()).min_by(|a, b| sources[*a].next.time.cmp(&sources[*b].next.time))
    {
        let source = &mut sources[first];
        let name = containers[source.index].meta.title();
        let line = match source.stream.next().await {
            Ok(Some(line)) => Some(Stamped::of(line)),
            Ok(None) => None,
            Err(error) => {
                failed = Some(CliError::from(error).during(name));
                None
            }
        };
        match line {
            Some(line) => printer.print(name, &std::mem::replace(&mut source.next, line))?,
            None => {
                let source = sources.remove(first);
                printer.print(name, &source.next)?;
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn open(
    client: &Client,
    container: &Container,
    options: &LogOptions,
) -> Result<(LogStream, Option<Stamped>), ClientError> {
    let mut stream = client.logs(container, options).await?;
    let first = stream.next().await?.map(Stamped::of);
    Ok((stream, first))
}

/// What the reader of one container tells.
enum News {
    Line(Stamped),
    /// Its output has ended: the container stopped, or the connection broke with these words.
    Ended(Option<String>),
}

async fn follow(
    session: &Session,
    client: &Client,
    meant: &Meant,
    containers: Vec<Container>,
    options: LogOptions,
    mut printer: Printer,
) -> Result<(), CliError> {
    let (sender, mut news) = mpsc::channel::<(String, News)>(QUEUE);
    let mut readers = JoinSet::new();
    let mut known: BTreeMap<String, Followed> = BTreeMap::new();
    for container in containers {
        known.insert(container.meta.id.clone(), Followed::new(container));
    }
    for followed in known.values_mut() {
        followed.read(&mut readers, client, &options, &sender);
    }
    let mut watch = client.watch();
    let mut retry = tokio::time::interval(Duration::from_secs(2));
    retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some((id, news)) = news.recv() => {
                let Some(followed) = known.get_mut(&id) else { continue };
                match news {
                    News::Line(line) => {
                        if followed.is_new(&line) {
                            printer.print(followed.container.meta.title(), &line)?;
                        }
                    }
                    News::Ended(why) => {
                        followed.is_read = false;
                        followed.broken = why.is_some();
                        if let Some(why) = why {
                            let name = followed.container.meta.title();
                            session.io.say(&format!("{name}: {why}; connecting again"));
                        }
                    }
                }
            }
            event = watch.next() => match event? {
                WatchEvent::Changed(resource) if resource.meta.kind == "container" => {
                    let Ok(container) = resource.read::<Container>() else { continue };
                    if !meant.holds(&container) {
                        continue;
                    }
                    let id = container.meta.id.clone();
                    let followed = known.entry(id).or_insert_with(|| Followed::new(container.clone()));
                    followed.take(container);
                    followed.read(&mut readers, client, &options, &sender);
                }
                // Containers may have come meanwhile.
                WatchEvent::Connected => {
                    for container in client.list::<Container>(&contract_client::Query::all()).await? {
                        if meant.holds(&container) {
                            let id = container.meta.id.clone();
                            let followed = known.entry(id).or_insert_with(|| Followed::new(container.clone()));
                            followed.take(container);
                            followed.read(&mut readers, client, &options, &sender);
                        }
                    }
                }
                WatchEvent::Changed(_) | WatchEvent::Lost(_) => {}
            },
            _ = retry.tick() => {
                for followed in known.values_mut().filter(|followed| followed.broken) {
                    followed.read(&mut readers, client, &options, &sender);
                }
            }
            Some(_) = readers.join_next() => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        // The output of one container ends with it.
        if meant.is_one_container() && known.values().all(Followed::is_over) {
            while let Ok((_, News::Line(line))) = news.try_recv() {
                let followed = known.values_mut().next().expect("one container is followed");
                if followed.is_new(&line) {
                    printer.print(followed.container.meta.title(), &line)?;
                }
            }
            return Ok(());
        }
    }
}

struct Followed {
    container: Container,
    is_read: bool,
    broken: bool,
    /// Starts that have been read to their end or are being read.
    starts: Option<i64>,
    /// The time of the last line, to go on from there.
    last: Option<String>,
}

impl Followed {
    fn new(container: Container) -> Self {
        Self { container, is_read: false, broken: false, starts: None, last: None }
    }

    fn take(&mut self, container: Container) {
        if container.meta.is_removed() {
            self.broken = false;
        }
        self.container = container;
    }

    /// Begins to read, unless that is being done, or all has been read.
    fn read(
        &mut self,
        readers: &mut JoinSet<()>,
        client: &Client,
        options: &LogOptions,
        sender: &mpsc::Sender<(String, News)>,
    ) {
        let meta = &self.container.meta;
        let again = self.broken || self.starts != Some(self.container.start_count.unwrap_or(0));
        if self.is_read || !again || !meta.actions.contains_key("logs") {
            return;
        }
        self.is_read = true;
        self.broken = false;
        self.starts = Some(self.container.start_count.unwrap_or(0));
        let mut options = options.clone();
        if let Some(last) = &self.last {
            options.since = Some(last.clone());
            options.tail = None;
        }
        let (client, container, sender) = (client.clone(), self.container.clone(), sender.clone());
        readers.spawn(async move {
            let id = container.meta.id.clone();
            let why = match pass_on(&client, &container, &options, &id, &sender).await {
                Ok(()) => None,
                Err(error) => Some(crate::error::chain(&error)),
            };
            // Nobody listens when the command is over.
            let _ = sender.send((id, News::Ended(why))).await;
        });
    }

    /// Whether a line was not shown before the connection broke.
    fn is_new(&mut self, line: &Stamped) -> bool {
        if self.last.as_ref().is_some_and(|last| line.time.as_str() <= last.as_str() && !line.time.is_empty())
        {
            return false;
        }
        if !line.time.is_empty() {
            self.last = Some(line.time.clone());
        }
        true
    }

    fn is_over(&self) -> bool {
        let ended = !self.is_read && !self.broken && self.starts.is_some();
        ended
            && (self.container.meta.is_removed()
                || self.container.meta.state != "running" && !self.container.meta.is_moving())
    }
}

async fn pass_on(
    client: &Client,
    container: &Container,
    options: &LogOptions,
    id: &str,
    sender: &mpsc::Sender<(String, News)>,
) -> Result<(), ClientError> {
    let mut stream = client.logs(container, options).await?;
    while let Some(line) = stream.next().await? {
        if sender.send((id.to_owned(), News::Line(Stamped::of(line)))).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// A line and its time, as the engine writes it: text that sorts as the times do.
#[derive(Clone, Debug, PartialEq)]
struct Stamped {
    time: String,
    source: LogSource,
    text: String,
}

impl Stamped {
    fn of(line: LogLine) -> Self {
        let LogLine { source, text } = line;
        match text.split_once(' ') {
            Some((time, rest)) if is_time(time) => {
                Self { time: time.to_owned(), source, text: rest.to_owned() }
            }
            None if is_time(&text) => Self { time: text, source, text: String::new() },
            _ => Self { time: String::new(), source, text },
        }
    }
}

fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T' && text.ends_with('Z')
}

struct Printer {
    session: Session,
    with_times: bool,
    prefixed: bool,
    width: usize,
    order: Vec<String>,
}

impl Printer {
    fn new(
        session: &Session,
        meant: &Meant,
        containers: &[Container],
        with_times: bool,
        no_prefix: bool,
    ) -> Self {
        let prefixed = !no_prefix && !meant.is_one_container();
        let width =
            containers.iter().map(|container| container.meta.title().chars().count()).max().unwrap_or(0);
        Self { session: session.clone(), with_times, prefixed, width, order: Vec::new() }
    }

    fn print(&mut self, name: &str, line: &Stamped) -> Result<(), CliError> {
        let io = &self.session.io;
        if self.session.is_machine() {
            let source = if line.source == LogSource::Error { "stderr" } else { "stdout" };
            let document = json!({"container": name, "source": source, "time": line.time, "text": line.text});
            return self.session.event(&document);
        }
        let mut text = String::new();
        if self.prefixed {
            let place = match self.order.iter().position(|known| known == name) {
                Some(place) => place,
                None => {
                    self.order.push(name.to_owned());
                    self.order.len() - 1
                }
            };
            self.width = self.width.max(name.chars().count());
            let prefix = format!("{name:width$} |", width = self.width);
            text.push_str(&io.paint(COLOURS[place % COLOURS.len()], &prefix));
            text.push(' ');
        }
        if self.with_times && !line.time.is_empty() {
            text.push_str(&line.time);
            text.push(' ');
        }
        text.push_str(&line.text);
        if line.source == LogSource::Error && !self.prefixed {
            // One container: its two outputs stay apart, as if it ran here.
            io.say(&text);
            return Ok(());
        }
        io.line(&text)
    }
}

/// Reads a time, or how long ago.
fn parse_since(text: &str, now_ms: i64) -> Result<String, CliError> {
    let wrong = || {
        CliError::usage(format!("`{text}` is no time"))
            .hint("write it as 2026-01-31T12:00:00Z, or how long ago: 90s, 10m, 2h30m, 1d")
    };
    if text.contains('T')
        && let Some(ms) = contract_api::parse_date(text)
    {
        return Ok(ms.to_string());
    }
    let (mut seconds, mut number) = (0i64, String::new());
    for character in text.chars() {
        let unit = match character {
            '0'..='9' => {
                number.push(character);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: i64 = number.parse().map_err(|_| wrong())?;
        seconds = count.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        number.clear();
    }
    if seconds == 0 || !number.is_empty() {
        return Err(wrong());
    }
    Ok(Timestamp(now_ms.saturating_sub(seconds.saturating_mul(1000))).to_string())
}

#[cfg(test)]
mod tests;
