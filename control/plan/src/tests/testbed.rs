//! The only place where this crate's tests touch its functions: a world written in a line, and a plan read as a line.
//!
//! ```text
//! host h1; host h2 away; service web scale 2 version 2 port 8080; copy web 1 running on h1 version 1
//! ```

use std::collections::BTreeMap;

use contract_protocol::{ContainerReport, Rank};
use contract_values::{
    ContainerId, Generation, HostId, Id, Incarnation, ProjectId, ServiceId, StackId, Timestamp, VolumeId,
};
use control_model::*;

use crate::{Demand, Plan, Settings, Supply};

pub(crate) const NOW: Timestamp = Timestamp(1_000_000_000);
pub(crate) const PROJECT: ProjectId = ProjectId::new(5);
pub(crate) const STACK: StackId = StackId::new(7);

/// A picture under construction.
pub(crate) struct World {
    pub tables: Tables,
    pub settings: Settings,
    pub now: Timestamp,
    next: i64,
    hosts: BTreeMap<String, HostId>,
    services: BTreeMap<String, ServiceId>,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            tables: Tables::default(),
            settings: Settings::default(),
            now: NOW,
            next: 1,
            hosts: BTreeMap::new(),
            services: BTreeMap::new(),
        };
        let mut tx = Transaction::new(NOW);
        tx.insert::<Project>(
            PROJECT,
            "p-uuid".into(),
            ProjectIntent { name: "main".into(), ..Default::default() },
        );
        tx.insert::<Stack>(
            STACK,
            "s-uuid".into(),
            StackIntent { project: Some(PROJECT), name: "shop".into(), ..Default::default() },
        );
        world.apply(&tx);
        world
    }

    /// Reads a world from its description.
    pub fn of(text: &str) -> Self {
        let mut world = Self::new();
        for line in text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            world.line(line);
        }
        world
    }

    pub fn apply(&mut self, tx: &Transaction) {
        control_model::apply(&mut self.tables, tx).unwrap_or_else(|refused| panic!("{refused}: {tx:#?}"));
    }

    pub fn id(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    pub fn host(&self, name: &str) -> HostId {
        *self.hosts.get(name).unwrap_or_else(|| panic!("no host {name}"))
    }

    pub fn service(&self, name: &str) -> ServiceId {
        *self.services.get(name).unwrap_or_else(|| panic!("no service {name}"))
    }

    pub fn service_row(&self, name: &str) -> Row<Service> {
        Row::clone(self.tables.services.get(self.service(name)).unwrap())
    }

    pub fn put<O: Stored>(&mut self, row: Row<O>) {
        self.tables.put(O::wrap(std::sync::Arc::new(row)));
    }

    /// Changes the intent of a service.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut ServiceIntent)) {
        let row = self.service_row(name);
        let mut intent = row.intent.clone();
        change(&mut intent);
        let mut tx = Transaction::new(self.now);
        tx.set_intent(&row, intent);
        self.apply(&tx);
    }

    pub fn copies(&self, service: &str) -> Vec<Row<Container>> {
        let rows = self.tables.containers.of_service(self.service(service));
        rows.filter(|row| row.removed.is_none()).map(|row| Row::clone(row)).collect()
    }

    pub fn container(&self, name: &str) -> Row<Container> {
        let mut rows = self.tables.containers.named(name).filter(|row| row.removed.is_none());
        Row::clone(rows.next().unwrap_or_else(|| panic!("no container {name}")))
    }

    pub fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "host" => self.add_host(words[1], &words[2..]),
            "service" => self.add_service(words[1], &words[2..]),
            "copy" => self.add_copy(words[1], words[2].parse().unwrap(), words[3], &words[4..]),
            "alone" => self.add_standalone(words[1], words[2], &words[3..]),
            "native" => self.add_native(words[1], &words[2..]),
            "volume" => {
                let host = self.host(words[3]);
                let id = VolumeId::new(self.id());
                let mut tx = Transaction::new(self.now);
                let intent = VolumeIntent {
                    project: Some(PROJECT),
                    host: Some(host),
                    name: words[1].into(),
                    driver: "local".into(),
                    ..Default::default()
                };
                tx.insert::<Volume>(id, format!("v{id}"), intent);
                self.apply(&tx);
            }
            other => panic!("what is {other}?"),
        }
    }

    pub fn add_host(&mut self, name: &str, words: &[&str]) {
        let id = HostId::new(self.id());
        self.hosts.insert(name.into(), id);
        let mut row = blank::<Host>(
            id,
            HostIntent {
                project: Some(PROJECT),
                hostname: name.into(),
                agent_uuid: format!("a-{name}"),
                ..Default::default()
            },
        );
        row.observation.link = AgentLink::Connected;
        row.observation.link_since = Timestamp(self.now.0 - 3_600_000);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || words.next().unwrap().parse::<i64>().unwrap();
            match *word {
                "away" => row.observation.link = AgentLink::Disconnected,
                "never" => row.observation.link = AgentLink::Never,
                "since" => row.observation.link_since = Timestamp(self.now.0 - number() * 1000),
                "lost" => {
                    row.observation.link = AgentLink::Disconnected;
                    row.decision.lost_since = Some(Timestamp(self.now.0 - 1000));
                }
                "inactive" => row.intent.inactive = true,
                "evacuating" => (row.intent.inactive, row.intent.evacuate) = (true, true),
                "going" => row.removal_asked = Some(self.now),
                "memory" => row.observation.facts.memory_total = u64::try_from(number()).unwrap(),
                "cpus" => row.observation.facts.cpu_count = u32::try_from(number()).unwrap(),
                "label" => {
                    let (key, value) = words.next().unwrap().split_once('=').unwrap();
                    row.intent.labels.insert(key.into(), value.into());
                }
                other => panic!("what is host {other}?"),
            }
        }
        self.put(row);
    }

    fn add_service(&mut self, name: &str, words: &[&str]) {
        let id = ServiceId::new(self.id());
        self.services.insert(name.into(), id);
        let mut row = blank::<Service>(
            id,
            ServiceIntent {
                project: Some(PROJECT),
                stack: Some(STACK),
                name: name.into(),
                scale: 1,
                active: true,
                launch_version: 1,
                launch: launch(),
                ..Default::default()
            },
        );
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut next = || *words.next().unwrap_or_else(|| panic!("{word} what?"));
            match *word {
                "scale" => row.intent.scale = next().parse().unwrap(),
                "version" => row.intent.launch_version = next().parse().unwrap(),
                "restarts" => row.intent.restarts_asked = next().parse().unwrap(),
                "off" => row.intent.active = false,
                "going" => row.removal_asked = Some(self.now),
                "after" => {
                    let (name, how) = next().split_once(':').expect("after a:how");
                    let (how, optional) = how.strip_suffix('?').map_or((how, false), |how| (how, true));
                    let condition = match how {
                        "started" => DependencyCondition::Started,
                        "healthy" => DependencyCondition::Healthy,
                        "done" => DependencyCondition::CompletedSuccessfully,
                        other => panic!("what is {other}?"),
                    };
                    row.intent.depends_on.push(Dependency { service: name.into(), condition, optional });
                }
                word => launch_word(&mut row.intent.launch, word, &mut next),
            }
        }
        // What its copies already used.
        row.decision.next_create_index = 10;
        self.put(row);
    }

    fn add_copy(&mut self, service: &str, index: u32, state: &str, words: &[&str]) {
        let of = self.service_row(service);
        let id = ContainerId::new(self.id());
        let made = self.tables.containers.of_service(of.id).count();
        let mut row = blank::<Container>(
            id,
            ContainerIntent {
                project: Some(PROJECT),
                stack: Some(STACK),
                name: format!("shop-{service}-{index}"),
                launch: of.intent.launch.clone(),
                ..Default::default()
            },
        );
        row.decision.restarts_asked = of.intent.restarts_asked;
        let mut version = of.intent.launch_version;
        let mut create_index = u32::try_from(made + 1).unwrap();
        self.place_words(&mut row, state, words, |word, next| match word {
            "version" => version = next().parse().unwrap(),
            "made" => create_index = next().parse().unwrap(),
            other => panic!("what is copy {other}?"),
        });
        row.intent.origin = Origin::Service { service: of.id, index, create_index, launch_version: version };
        if of.intent.launch.global() {
            row.intent.requested_host = row.decision.host;
        }
        self.put(row);
    }

    fn add_standalone(&mut self, name: &str, state: &str, words: &[&str]) {
        let id = ContainerId::new(self.id());
        let mut row = blank::<Container>(
            id,
            ContainerIntent {
                project: Some(PROJECT),
                name: name.into(),
                launch: launch(),
                ..Default::default()
            },
        );
        let mut spec = launch();
        let mut requested = None;
        let hosts = self.hosts.clone();
        self.place_words(&mut row, state, words, |word, next| match word {
            "at" => requested = Some(hosts[next()]),
            word => launch_word(&mut spec, word, next),
        });
        row.intent.launch = spec;
        row.intent.requested_host = requested;
        self.put(row);
    }

    fn add_native(&mut self, name: &str, words: &[&str]) {
        let id = ContainerId::new(self.id());
        let mut row = blank::<Container>(
            id,
            ContainerIntent {
                project: Some(PROJECT),
                name: name.into(),
                launch: launch(),
                run: ContainerRun::AsIs,
                ..Default::default()
            },
        );
        let mut spec = launch();
        self.place_words(&mut row, "running", words, |word, next| launch_word(&mut spec, word, next));
        row.intent.launch = spec;
        row.intent.origin =
            Origin::Native { host: row.decision.host.unwrap(), docker_id: format!("docker-{name}") };
        row.decision.incarnation = Incarnation(0);
        row.observation.incarnation = Incarnation(0);
        self.put(row);
    }

    fn place_words(
        &self,
        row: &mut Row<Container>,
        state: &str,
        words: &[&str],
        mut other: impl FnMut(&str, &mut dyn FnMut() -> &'static str),
    ) {
        let words: Vec<&'static str> = words.iter().map(|word| &*String::leak((*word).to_owned())).collect();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut next = || words.next().unwrap_or_else(|| panic!("{word} what?"));
            match word {
                "on" => row.decision.host = Some(self.host(next())),
                "held" => row.decision.held = true,
                "retiring" => row.decision.retire_since = Some(self.now),
                "going" => row.removal_asked = Some(self.now),
                "since" => {
                    let at = Timestamp(self.now.0 - next().parse::<i64>().unwrap() * 1000);
                    row.decision.retire_since = row.decision.retire_since.map(|_| at);
                    row.removal_asked = row.removal_asked.map(|_| at);
                }
                "restarted" => row.observation.restarts_done = next().parse().unwrap(),
                "asked" => row.decision.restarts_asked = next().parse().unwrap(),
                "halted" => row.intent.run = ContainerRun::Stopped,
                word => other(word, &mut next),
            }
        }
        if row.decision.host.is_some() {
            row.decision.incarnation = Incarnation(1);
        }
        let seen = &mut row.observation;
        (seen.rank, seen.exit_code, seen.health) = match state {
            "waiting" | "new" => return,
            "preparing" => (RunReport::Preparing, None, None),
            "starting" => (RunReport::Starting, None, None),
            "running" => (RunReport::Running, None, None),
            "healthy" => (RunReport::Running, None, Some("healthy".into())),
            "unhealthy" => (RunReport::Running, None, Some("unhealthy".into())),
            "stopping" => (RunReport::Stopping, None, None),
            "done" => (RunReport::Stopped, Some(0), None),
            "failed" => (RunReport::Stopped, Some(3), None),
            "gone" => (RunReport::Gone, None, None),
            other => panic!("what state is {other}?"),
        };
        seen.host = row.decision.host;
        seen.incarnation = Incarnation(1);
        seen.starts = 1;
        if seen.restarts_done == 0 {
            seen.restarts_done = row.decision.restarts_asked;
        }
        if seen.rank >= RunReport::Running {
            seen.started_at = Some(NOW);
            seen.first_started_at = Some(NOW);
        }
    }

    /// Gives a plan function all the ids it asks for.
    pub fn plan_with(
        &mut self,
        plan: impl Fn(&Tables, &Settings, Timestamp, &mut Supply) -> Result<Plan, Demand>,
    ) -> Plan {
        match plan(&self.tables, &self.settings, self.now, &mut Supply::default()) {
            Ok(plan) => plan,
            Err(demand) => {
                assert!(!demand.is_empty());
                let mut supply = self.supply(demand);
                let plan = plan(&self.tables, &self.settings, self.now, &mut supply);
                plan.expect("the demand said how many")
            }
        }
    }

    pub fn supply(&mut self, demand: Demand) -> Supply {
        let first = self.next + 1;
        self.next += i64::from(demand.uuids());
        let middle = first + i64::from(demand.containers);
        let uuids = (first..=self.next).rev().map(|n| format!("{n:08}-uuid")).collect();
        Supply::new(first..middle, middle..self.next + 1, uuids)
    }

    /// Plans a service and applies the plan.
    pub fn step(&mut self, service: &str) -> Plan {
        let id = self.service(service);
        let plan = self.plan_with(|tables, settings, now, supply| {
            crate::plan_service(tables, settings, now, id, supply)
        });
        self.apply(&plan.tx);
        plan
    }

    /// Plans everything until nothing more is to be done.
    pub fn settle(&mut self) {
        let mut last = Vec::new();
        for round in 0..50 {
            let before = self.tables.revision;
            let ids: Vec<HostId> = self.tables.hosts.live().map(|row| row.id).collect();
            for id in ids {
                let plan = crate::plan_host(&self.tables, &self.settings, self.now, id);
                self.apply(&plan.tx);
            }
            let ids: Vec<StackId> = self.tables.stacks.live().map(|row| row.id).collect();
            for id in ids {
                let plan = crate::plan_stack(&self.tables, self.now, id);
                self.apply(&plan.tx);
            }
            let ids: Vec<ServiceId> = self.tables.services.live().map(|row| row.id).collect();
            for id in ids {
                let plan = self.plan_with(|tables, settings, now, supply| {
                    crate::plan_service(tables, settings, now, id, supply)
                });
                if round > 45 {
                    last.push(self.words(&plan));
                }
                self.apply(&plan.tx);
            }
            let ids: Vec<ContainerId> = self.tables.containers.live().map(|row| row.id).collect();
            for id in ids {
                let plan = self.plan_with(|tables, settings, now, supply| {
                    crate::plan_container(tables, settings, now, id, supply)
                });
                self.apply(&plan.tx);
            }
            if self.tables.revision == before {
                return;
            }
        }
        panic!("the plans never come to rest: {last:#?}");
    }

    /// What hosts would report if they did at once all that they shall.
    pub fn hosts_act(&mut self) {
        let hosts: Vec<HostId> = self
            .tables
            .hosts
            .live()
            .filter(|host| host.observation.link == AgentLink::Connected)
            .map(|host| host.id)
            .collect();
        for host in hosts {
            let shall = crate::assignment(&self.tables, &vault(), host);
            let rows: Vec<Row<Container>> = self
                .tables
                .containers
                .of_host(host)
                .filter(|row| row.removed.is_none() && !matches!(row.intent.origin, Origin::Native { .. }))
                .map(|row| Row::clone(row))
                .collect();
            let mut tx = Transaction::new(self.now);
            for row in rows {
                let rank = match shall.containers.get(&row.id) {
                    None => Rank::Gone,
                    Some(to) if to.run == contract_protocol::DesiredRun::Running => Rank::Running,
                    Some(_) if row.observation.rank == RunReport::Assigned => continue,
                    Some(_) => Rank::Stopped,
                };
                let asked = shall.containers.get(&row.id).map_or(0, |to| to.restarts_asked);
                let report = ContainerReport {
                    restarts_done: asked,
                    started_at: row.observation.started_at.or(Some(self.now)),
                    starts: row.observation.starts
                        + u32::from(rank == Rank::Running && row.observation.rank == RunReport::Stopped),
                    ..report(&row, rank, self.now)
                };
                if let Some(seen) = crate::observe(&row.observation, &report, host, false) {
                    tx.set_observation(&row, seen);
                }
            }
            self.apply(&tx);
        }
    }

    /// Settles while hosts do what they shall.
    pub fn live(&mut self) {
        for _ in 0..60 {
            let before = self.tables.revision;
            self.settle();
            self.hosts_act();
            if self.tables.revision == before {
                return;
            }
            self.now = Timestamp(self.now.0 + 100);
        }
        let shown: Vec<String> =
            self.services.keys().map(|name| format!("{name}: {}", self.show(name))).collect();
        panic!("the world never comes to rest: {shown:#?}");
    }

    /// Says where the live containers of a service are: `1@h1 2@h2`.
    pub fn show(&self, service: &str) -> String {
        let copies = self.copies(service);
        let mut shown: Vec<String> = copies.iter().map(|row| self.show_copy(row)).collect();
        shown.sort();
        shown.join(" ")
    }

    fn show_copy(&self, row: &Row<Container>) -> String {
        let host = row.decision.host.map_or_else(|| "nowhere".to_owned(), |id| self.host_name(id));
        let index = crate::service::index_of(row);
        let leaving = if row.decision.retire_since.is_some() || row.is_going() { "-" } else { "" };
        format!("{leaving}{index}@{host}")
    }

    fn host_name(&self, id: HostId) -> String {
        self.hosts
            .iter()
            .find(|(_, known)| **known == id)
            .map_or_else(|| id.to_string(), |(name, _)| name.clone())
    }

    fn name_of(&self, row: &Row<Container>) -> String {
        let bare = row.intent.name.strip_prefix("shop-").unwrap_or(&row.intent.name).to_owned();
        match row.intent.origin {
            Origin::Service { service, launch_version, .. } => {
                let wanted = self.tables.services.get(service).unwrap().intent.launch_version;
                if launch_version == wanted { bare } else { format!("{bare}(v{launch_version})") }
            }
            Origin::Standalone | Origin::Native { .. } => bare,
        }
    }

    /// Says in words what a plan does.
    pub fn words(&self, plan: &Plan) -> String {
        let mut words = Vec::new();
        for write in &plan.tx.writes {
            match &write.row {
                AnyRow::Container(row) => self.container_words(row, write.part, &mut words),
                AnyRow::Service(row) if write.part == Part::Decision => {
                    if row.decision.settled {
                        words.push("settled".to_owned());
                    }
                }
                AnyRow::Volume(row) if write.part == Part::Insert => {
                    let host = row.intent.host.map(|id| self.host_name(id)).unwrap_or_default();
                    words.push(format!("volume {} on {host}", row.intent.name));
                }
                other => {
                    let verb = match write.part {
                        Part::Insert => "make",
                        Part::Intent | Part::Decision | Part::Observation => "set",
                        Part::AskRemoval => "ask away",
                        Part::FinishRemoval => "finish",
                    };
                    words.push(format!("{verb} {}", other.kind().table()));
                }
            }
        }
        words.join(", ")
    }

    fn container_words(&self, row: &Row<Container>, part: Part, words: &mut Vec<String>) {
        let name = self.name_of(row);
        let place = |row: &Row<Container>| match row.decision.host {
            Some(host) => format!(" on {}", self.host_name(host)),
            None => " nowhere".to_owned(),
        };
        let because = |row: &Row<Container>| match &row.decision.reason {
            Some(reason) => format!(" ({})", reason.message),
            None => String::new(),
        };
        let held = |row: &Row<Container>| if row.decision.held { " held" } else { "" };
        match part {
            Part::Insert => words.push(format!("make {name}{}{}{}", place(row), held(row), because(row))),
            Part::FinishRemoval => words.push(format!("finish {name}")),
            Part::AskRemoval => words.push(format!("ask away {name}")),
            Part::Intent => words.push(format!("set intent of {name}")),
            Part::Observation => words.push(format!("see {name}")),
            Part::Decision => {
                let old = self.tables.containers.get(row.id).unwrap();
                let (old, new) = (&old.decision, &row.decision);
                if old.retire_since != new.retire_since {
                    words.push(format!("retire {name}"));
                } else if old.host != new.host {
                    words.push(format!("place {name}{}{}", place(row), because(row)));
                } else if old.held != new.held {
                    words.push(format!(
                        "{} {name}{}",
                        if new.held { "hold" } else { "release" },
                        because(row)
                    ));
                } else if old.restarts_asked != new.restarts_asked {
                    words.push(format!("restart {name}"));
                } else if old.reason != new.reason {
                    words.push(format!("say {name}{}", because(row)));
                } else {
                    words.push(format!("change {name}"));
                }
            }
        }
    }
}

/// Checks what the plan of the first service of a world does.
#[track_caller]
pub(crate) fn check(world: &str, expected: &str) {
    let mut w = World::of(world);
    let name = world
        .split([';', '\n'])
        .map(str::trim)
        .find_map(|line| line.strip_prefix("service "))
        .and_then(|line| line.split_whitespace().next())
        .expect("a world with a service");
    let id = w.service(name);
    let plan =
        w.plan_with(|tables, settings, now, supply| crate::plan_service(tables, settings, now, id, supply));
    assert_eq!(w.words(&plan), expected, "in the world: {world}");
    // The plan can be applied, and is made anew the same way.
    let again =
        w.plan_with(|tables, settings, now, supply| crate::plan_service(tables, settings, now, id, supply));
    assert_eq!(w.words(&again), expected, "the second time, in the world: {world}");
    w.apply(&plan.tx);
}

pub(crate) fn blank<O: Object>(id: Id<O::IdKind>, intent: O::Intent) -> Row<O> {
    Row {
        id,
        uuid: format!("{:08}-uuid", id.raw()),
        revision: contract_values::Revision(0),
        generation: Generation(1),
        created: NOW,
        removal_asked: None,
        removed: None,
        intent,
        decision: O::Decision::default(),
        observation: O::Observation::default(),
        unknown: Unknown::default(),
    }
}

pub(crate) fn launch() -> LaunchSpec {
    LaunchSpec { image: Some("web:1".parse().unwrap()), ..Default::default() }
}

fn launch_word<'a>(launch: &mut LaunchSpec, word: &str, next: &mut dyn FnMut() -> &'a str) {
    match word {
        "port" => launch.ports.push(next().parse().unwrap()),
        "volume" => launch.mounts.push(Mount {
            kind: MountKind::Volume,
            source: next().into(),
            target: "/data".into(),
            ..Default::default()
        }),
        "bind" => launch.mounts.push(Mount {
            kind: MountKind::Bind,
            source: next().into(),
            target: "/bound".into(),
            ..Default::default()
        }),
        "global" => {
            launch.labels.insert("io.rancher.scheduler.global".into(), "true".into());
        }
        "once" => {
            launch.labels.insert("io.rancher.container.start_once".into(), "true".into());
        }
        "label" => {
            let (key, value) = next().split_once('=').unwrap();
            launch.labels.insert(key.into(), value.into());
        }
        "memory" => launch.resources.memory_reservation = Some(next().parse().unwrap()),
        "cpu" => launch.resources.milli_cpu_reservation = Some(next().parse().unwrap()),
        "joins" => launch.network = NetworkMode::Container { name: next().into() },
        "shares" => launch.volumes_from.push(next().into()),
        "restart" => {
            launch.restart = Some(match next() {
                "no" => RestartPolicy::No,
                "always" => RestartPolicy::Always,
                "on-failure" => RestartPolicy::OnFailure { most: Some(3) },
                other => panic!("what is restart {other}?"),
            });
        }
        other => panic!("what is {other}?"),
    }
}

pub(crate) fn report(row: &Row<Container>, rank: Rank, at: Timestamp) -> ContainerReport {
    ContainerReport {
        id: row.id,
        incarnation: row.decision.incarnation,
        starts: row.observation.starts,
        rank,
        at,
        docker_id: Some(format!("d{}", row.id.raw())),
        image_id: None,
        address: None,
        ports: Vec::new(),
        started_at: None,
        exit_code: None,
        health: None,
        restarts_done: 0,
        failure: None,
        failure_text: None,
        retry_at: None,
        progress: None,
    }
}

/// A vault with a key of its own.
pub(crate) fn vault() -> crate::Vault {
    crate::Vault::new(&contract_values::Secret::new("the key of the tests".into()))
}
