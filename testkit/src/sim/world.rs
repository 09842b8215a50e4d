//! The world of a simulation: a server, hosts, a network between them, and a user.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use contract_values::{ContainerId, HostId, Labels, ServiceId};
use control_controllers::{ControlPlan, Planner};
use control_model::{AgentLink, Clock, Container, ContainerIntent, Host, ServiceIntent, Stack, Tables};
use control_plan::Settings;
use control_store::MemoryDatabase;
use host_driver::Engine;
use tokio::runtime::{Builder, Runtime};

use super::chance::{Chance, SimClock};
use super::check::{self, Eyes};
use super::host::SimHost;
use super::net::{Line, Net};
use super::planted::Planted;
use super::server::Server;
use super::spec::ServiceSpec;
use super::user::{self, PROJECT, STACK, User};

/// How long the world may take to come to rest.
const REST_LIMIT: Duration = Duration::from_secs(900);
/// How often everything is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often over long stretches.
const LOOK_SELDOM: Duration = Duration::from_secs(5);
/// How many steps are told when it fails.
const STORY: usize = 60;

/// The world of a simulation.
pub struct World {
    pub(super) chance: Chance,
    pub(super) hosts: Vec<SimHost>,
    pub(super) user: User,
    pub(super) net: Net,
    pub(super) database: MemoryDatabase,
    server: Option<Server>,
    eyes: Eyes,
    watcher: Option<tokio::task::JoinHandle<()>>,
    clock: SimClock,
    settings: Settings,
    planner: Arc<dyn Planner>,
    /// How many processes a service must have at every moment.
    floors: BTreeMap<String, usize>,
    story: VecDeque<String>,
    // Last, so that everything else is gone before it.
    runtime: Rc<Runtime>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("hosts", &self.hosts.len()).finish_non_exhaustive()
    }
}

impl World {
    /// Whether a seed decides everything, down to the order in which tokio looks at what is ready at one instant.
    #[expect(unexpected_cfgs, reason = "tokio's own switch, given to the compiler for exact replays only")]
    pub const REPLAYS_EXACTLY: bool = cfg!(tokio_unstable);

    /// A world with a server and nothing else.
    pub fn new(seed: u64) -> Self {
        let runtime = Rc::new(runtime(seed));
        let chance = Chance::new(seed);
        let clock = runtime.block_on(async { SimClock::start() });
        let mut world = Self {
            net: Net::new(chance.fork()),
            chance,
            hosts: Vec::new(),
            user: User::default(),
            database: MemoryDatabase::new(),
            server: None,
            eyes: Eyes::default(),
            watcher: None,
            clock,
            settings: Settings::default(),
            planner: Arc::new(ControlPlan),
            floors: BTreeMap::new(),
            story: VecDeque::new(),
            runtime,
        };
        world.start_server();
        let now = world.now();
        world.wait(async |world| user::found(world.store(), now).await);
        world
    }

    /// Plants a fault in the plans of the next servers, and of this one.
    pub fn plant(&mut self, planted: Planted) {
        self.planner = Arc::new(planted);
        self.stop_server();
        self.start_server();
    }

    // The server

    /// Starts the server, unless it runs.
    pub fn start_server(&mut self) {
        if self.server.is_some() {
            return;
        }
        self.tell("the server starts");
        let (database, clock, settings) = (self.database.clone(), self.clock, self.settings);
        let planner = Arc::clone(&self.planner);
        let server =
            self.wait(async |world| Server::boot(&database, clock, &world.chance, settings, planner).await);
        let watcher = self.in_runtime(|world| world.eyes.follow(&server.store));
        if let Some(old) = self.watcher.replace(watcher) {
            old.abort();
        }
        self.net.set_server(Some(server.door()));
        let forgotten = self.user.forgotten(&server.store.snapshot());
        self.server = Some(server);
        if let Some(text) = forgotten {
            panic!("after a start of the server: {text}");
        }
    }

    /// Kills the server. A commit under way takes effect or does not.
    pub fn stop_server(&mut self) {
        let Some(server) = self.server.take() else { return };
        self.tell("the server is killed");
        self.net.set_server(None);
        let (database, takes_effect) = (self.database.clone(), self.chance.happens(1, 2));
        self.wait(async |_| server.kill(&database, takes_effect).await);
    }

    /// Whether the server runs.
    pub const fn has_server(&self) -> bool {
        self.server.is_some()
    }

    fn store(&self) -> &control_store::Store {
        &self.server.as_ref().expect("the server runs").store
    }

    /// The picture as it is now.
    pub fn tables(&self) -> Tables {
        match &self.server {
            Some(server) => Tables::clone(&server.store.snapshot()),
            None => self.database.tables(),
        }
    }

    /// What each controller did last.
    pub fn controllers(&self) -> Vec<control_controllers::ControllerStatus> {
        self.server.as_ref().map(|server| server.controllers.status()).unwrap_or_default()
    }

    /// What dispatch has done since its start.
    pub fn dispatch_counts(&self) -> control_dispatch::Counts {
        self.server.as_ref().map(|server| server.dispatch.status().counts).unwrap_or_default()
    }

    // Hosts

    /// Adds so many hosts, named `host-1` and so on, and starts their agents.
    pub fn hosts(&mut self, count: usize) {
        for _ in 0..count {
            let number = self.hosts.len() + 1;
            let id = HostId::new(i64::try_from(number).expect("few hosts"));
            let (name, identity) = (format!("host-{number}"), format!("identity-{number}"));
            let now = self.now();
            self.wait(async |world| user::register(world.store(), now, id, &name, &identity).await);
            let wrong_by = i64::try_from(self.chance.below(4000)).unwrap_or(0) - 2000;
            let clock = self.clock.wrong_by(wrong_by);
            let host = SimHost::new(id, &name, &identity, clock, self.chance.fork(), self.net.connector(id));
            self.hosts.push(host);
            let index = self.hosts.len() - 1;
            self.in_runtime(|world| world.hosts[index].start());
        }
    }

    /// A host by its name.
    pub fn host(&mut self, name: &str) -> &mut SimHost {
        self.hosts.iter_mut().find(|host| host.name == name).unwrap_or_else(|| panic!("no host {name}"))
    }

    /// Cuts a host off: nothing goes through and nobody is told.
    pub fn cut_off(&mut self, name: &str) {
        self.set_line(name, Line::Silent);
    }

    /// Breaks the line of a host.
    pub fn unplug(&mut self, name: &str) {
        self.set_line(name, Line::Broken);
    }

    /// Mends the line of a host.
    pub fn reconnect(&mut self, name: &str) {
        self.set_line(name, Line::Open);
    }

    fn set_line(&mut self, name: &str, line: Line) {
        self.tell(&format!("the line of {name} is {line:?}"));
        let id = self.host(name).id;
        self.in_runtime(|world| world.net.set_line(id, line));
    }

    /// Kills the agent of a host; containers go on.
    pub fn kill_agent(&mut self, name: &str) {
        self.tell(&format!("the agent of {name} is killed"));
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(self.host(name).kill());
    }

    /// Starts the agent of a host.
    pub fn start_agent(&mut self, name: &str) {
        self.tell(&format!("the agent of {name} starts"));
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(async { self.host(name).start() });
    }

    /// Reboots a host.
    pub fn reboot(&mut self, name: &str) {
        self.tell(&format!("{name} reboots"));
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(self.host(name).reboot());
    }

    /// Switches a host off.
    pub fn power_off(&mut self, name: &str) {
        self.tell(&format!("{name} is switched off"));
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(self.host(name).power_off());
    }

    /// Switches a host on.
    pub fn power_on(&mut self, name: &str) {
        self.tell(&format!("{name} is switched on"));
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(async { self.host(name).power_on() });
    }

    /// Starts a container by hand on a host.
    pub fn docker_run(&mut self, host: &str, name: &str) -> String {
        self.tell(&format!("docker run {name} on {host}"));
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(async { self.host(host).engine.run_by_hand(name, "web:1", Labels::new()) })
    }

    /// Starts a container by hand on a host.
    pub fn docker_start(&mut self, host: &str, docker_id: &str) {
        self.tell(&format!("docker start {docker_id} on {host}"));
        let runtime = Rc::clone(&self.runtime);
        let engine = self.host(host).engine.clone();
        runtime.block_on(engine.start(docker_id)).expect("the engine starts what is there");
    }

    /// Takes a host out of the world for good.
    pub fn forget_host(&mut self, name: &str) {
        self.kill_agent(name);
        self.hosts.retain(|host| host.name != name);
    }

    /// A number from 0 up to, but not including, `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.chance.below(end)
    }

    /// Removes a host through the API.
    pub fn remove_host(&mut self, name: &str) {
        self.tell(&format!("{name} is removed"));
        let (id, now) = (self.host(name).id, self.now());
        self.wait(async |world| {
            let find = |tables: &Tables| tables.hosts.get(id).cloned();
            user::change::<Host>(world.store(), now, find, |tx, row| tx.ask_removal(row)).await;
        });
    }

    // The user

    /// Makes a service, and returns its name.
    pub fn service(&mut self, name: &str, spec: ServiceSpec) -> String {
        let intent = ServiceIntent {
            project: Some(PROJECT),
            stack: Some(STACK),
            name: name.to_owned(),
            ..spec.intent
        };
        self.ask(name, Some(intent));
        name.to_owned()
    }

    /// Changes a service.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut ServiceIntent)) {
        let Some(mut intent) = self.user.current(name).cloned() else { return };
        change(&mut intent);
        self.ask(name, Some(intent));
    }

    /// Changes how many containers a service has.
    pub fn scale(&mut self, name: &str, scale: u32) {
        self.change(name, |intent| intent.scale = scale);
    }

    /// Gives a service another image.
    pub fn upgrade(&mut self, name: &str, image: &str) {
        self.change(name, |intent| {
            intent.launch.image = Some(image.parse().expect("an image"));
            intent.launch_version += 1;
        });
    }

    /// Removes a service.
    pub fn remove(&mut self, name: &str) {
        self.ask(name, None);
    }

    /// Removes the stack with all its services.
    pub fn remove_stack(&mut self) {
        self.tell("the stack is removed");
        let now = self.now();
        self.wait(async |world| {
            let find = |tables: &Tables| tables.stacks.get(STACK).cloned();
            user::change::<Stack>(world.store(), now, find, |tx, row| tx.ask_removal(row)).await;
        });
        for wanted in self.user.wanted.values_mut() {
            wanted.intent = None;
        }
    }

    /// Makes a container that no service owns.
    pub fn container(&mut self, name: &str, image: &str) -> ContainerId {
        self.tell(&format!("the user runs {name}"));
        let now = self.now();
        self.wait(async |world| {
            let store = world.store().clone();
            world.user.run_container(&store, name, image, now).await
        })
    }

    /// Changes a container through the API.
    pub fn change_container(&mut self, id: ContainerId, change: impl Fn(&mut ContainerIntent)) {
        let now = self.now();
        self.wait(async |world| {
            let find = |tables: &Tables| tables.containers.get(id).cloned();
            user::change::<Container>(world.store(), now, find, |tx, row| {
                let mut intent = row.intent.clone();
                change(&mut intent);
                tx.set_intent(row, intent);
            })
            .await;
        });
    }

    /// Removes a container through the API.
    pub fn remove_container(&mut self, id: ContainerId) {
        let now = self.now();
        self.wait(async |world| {
            let find = |tables: &Tables| tables.containers.get(id).cloned();
            user::change::<Container>(world.store(), now, find, |tx, row| tx.ask_removal(row)).await;
        });
    }

    fn ask(&mut self, name: &str, intent: Option<ServiceIntent>) {
        let what = intent.as_ref().map(|intent| {
            (intent.scale, intent.active, intent.launch.image.as_ref().map(ToString::to_string))
        });
        self.tell(&format!("the user wants {name}: {what:?}"));
        self.user.ask(name, intent);
        self.send();
    }

    /// Sends again what was not answered; says whether everything is.
    pub(super) fn send(&mut self) -> bool {
        let Some(server) = &self.server else { return self.user.unanswered.is_empty() };
        let (store, eyes, clock) = (server.store.clone(), self.eyes.clone(), self.clock);
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(self.user.send(&store, &eyes, || clock.now()))
    }

    // Time

    /// The time by the server's clock.
    pub fn now(&self) -> contract_values::Timestamp {
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(async { self.clock.now() })
    }

    /// Lets so much time pass, and looks at everything meanwhile.
    pub fn run(&mut self, time: Duration) {
        let mut left = time;
        // Over hours little happens that a closer look would see.
        let every = if time > Duration::from_secs(900) { LOOK_SELDOM } else { LOOK_EVERY };
        while left > Duration::ZERO {
            let piece = left.min(every);
            self.runtime.block_on(async { tokio::time::sleep(piece).await });
            left -= piece;
            self.look();
        }
    }

    /// Waits until the system is at rest: whatever can be as asked for is so.
    pub fn settle(&mut self) {
        self.until("the system did not come to rest", REST_LIMIT, |world| {
            if !world.send() {
                return Some("a request has no answer".to_owned());
            }
            check::unrest(&world.tables(), &world.hosts, &world.net, &world.settings, world.now())
        });
    }

    /// Waits until there is nothing left that `unmet` names.
    pub fn until(&mut self, what: &str, limit: Duration, mut unmet: impl FnMut(&mut Self) -> Option<String>) {
        let mut waited = Duration::ZERO;
        loop {
            let Some(text) = unmet(self) else { return };
            if waited >= limit {
                panic!("{what}: {text}\n{}", self.describe());
            }
            self.run(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }

    // What must be

    /// Demands that a service has at least so many processes from now on; `None` ends that.
    pub fn keep_serving(&mut self, service: &str, at_least: Option<usize>) {
        match at_least {
            Some(count) => self.floors.insert(service.to_owned(), count),
            None => self.floors.remove(service),
        };
    }

    /// How many processes of a service there are.
    pub fn running(&self, service: &str) -> usize {
        self.id_of(service).map_or(0, |id| check::running(&self.tables(), &self.hosts, id))
    }

    /// Checks how many processes a service has on hosts that can be reached.
    pub fn expect_running(&self, service: impl AsRef<str>, count: usize) {
        let service = service.as_ref();
        let tables = self.tables();
        let id = self.id_of(service).unwrap_or_else(|| panic!("no service {service}"));
        let connected = |host: &&SimHost| host.is_running() && self.net.line(host.id) == Line::Open;
        let running: usize = self
            .hosts
            .iter()
            .filter(connected)
            .map(|host| check::running(&tables, std::slice::from_ref(host), id))
            .sum();
        assert_eq!(running, count, "processes of {service}\n{}", self.describe());
    }

    fn id_of(&self, service: &str) -> Option<ServiceId> {
        self.user.wanted.get(service).or_else(|| self.user.unanswered.get(service)).map(|wanted| wanted.id)
    }

    /// Looks at everything that must hold at every moment.
    fn look(&mut self) {
        let mut wrongs = self.eyes.take_wrongs();
        let tables = self.tables();
        wrongs.extend(check::engines(&tables, &self.hosts));
        for (service, least) in &self.floors {
            let running = self.running(service);
            if running < *least {
                wrongs
                    .push(format!("{service} has {running} processes and must not have fewer than {least}"));
            }
        }
        if let Some(wrong) = wrongs.first() {
            panic!("{wrong}\n{}", self.describe());
        }
    }

    /// Ends all faults, waits for rest and looks once more.
    pub(super) fn end(&mut self) {
        self.heal();
        self.settle();
        self.look();
        let tables = self.tables();
        if let Some(text) = self.user.forgotten(&tables) {
            panic!("at the end: {text}");
        }
        for service in tables.services.live().filter(|row| !row.is_going()) {
            let intent = &service.intent;
            let jobs = intent.launch.start_once();
            if intent.active && !jobs && !intent.launch.global() && service.decision.settled {
                self.expect_running(&intent.name, usize::try_from(intent.scale).unwrap_or(0));
            }
        }
    }

    /// Ends all faults.
    pub fn heal(&mut self) {
        self.tell("the faults end");
        self.database.clear_faults();
        self.start_server();
        let runtime = Rc::clone(&self.runtime);
        let _context = runtime.enter();
        for host in &mut self.hosts {
            host.engine.heal();
            self.net.set_line(host.id, Line::Open);
            host.power_on();
        }
    }

    // Telling

    /// Notes a step for the story.
    pub fn tell(&mut self, step: &str) {
        let runtime = Rc::clone(&self.runtime);
        let passed = runtime.block_on(async { self.clock.passed() });
        if self.story.len() == STORY {
            self.story.pop_front();
        }
        self.story.push_back(format!("{:>9.3} s  {step}", passed.as_secs_f64()));
    }

    /// The last steps.
    pub fn story(&self) -> String {
        self.story.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// A fingerprint of everything that has happened, to see whether a seed replays.
    pub fn fingerprint(&self) -> (u64, u64, Duration) {
        let passed = self.runtime.block_on(async { self.clock.passed() });
        (self.tables().revision.0, self.eyes.changes(), passed)
    }

    fn describe(&self) -> String {
        use std::fmt::Write;
        let tables = self.tables();
        let mut text = format!("at {}\n", tables.revision);
        for host in &self.hosts {
            let row = tables.hosts.get(host.id);
            let link = row.map_or(AgentLink::Never, |row| row.observation.link);
            let lost = row.is_some_and(|row| row.decision.lost_since.is_some());
            let _ = writeln!(
                text,
                "{}: {link:?} lost: {lost} line: {:?} {:?}",
                host.name,
                self.net.line(host.id),
                host.standing()
            );
            for view in host.engine.containers().values() {
                let _ = writeln!(text, "    {} {:?} {:?}", view.name, view.state, view.exit_code);
            }
        }
        for service in tables.services.live() {
            let (intent, decision) = (&service.intent, &service.decision);
            let _ = writeln!(
                text,
                "{} scale {} version {} active {} settled {} ready {} reason {:?}",
                intent.name,
                intent.scale,
                intent.launch_version,
                intent.active,
                decision.settled,
                decision.ready,
                decision.reason.as_ref().map(|reason| &reason.message)
            );
        }
        for row in tables.containers.live() {
            let _ = writeln!(
                text,
                "    {} {} on {:?} {:?} starts {} restarts {}/{} held {} retiring {} going {} {:?}",
                row.intent.name,
                row.id,
                row.keys().host,
                row.observation.rank,
                row.observation.starts,
                row.observation.restarts_done,
                row.decision.restarts_asked,
                row.decision.held,
                row.decision.retire_since.is_some(),
                row.is_going(),
                row.observation.failure_text
            );
        }
        text
    }

    // The runtime

    fn wait<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> T) -> T {
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(work(self))
    }

    /// Does something that needs the runtime around it.
    pub(super) fn in_runtime<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let runtime = Rc::clone(&self.runtime);
        let _context = runtime.enter();
        work(self)
    }
}

/// A runtime of one thread whose clock stands still. Where tokio is built so that it can be told, the seed also decides
/// which of several branches it looks at first.
#[expect(unexpected_cfgs, reason = "tokio's own switch, given to the compiler for exact replays only")]
fn runtime(seed: u64) -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_be_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    builder.build().expect("a runtime without threads")
}

impl Drop for World {
    fn drop(&mut self) {
        // What the hosts and the server own ends within the runtime.
        let runtime = Rc::clone(&self.runtime);
        let _context = runtime.enter();
        self.hosts.clear();
        self.server = None;
    }
}
