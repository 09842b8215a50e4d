//! A stretch of bad luck.

use contract_protocol::FailureCode;
use contract_values::Duration as Span;
use control_store::{MemoryFault, MemoryStep};
use host_driver::fake::{Fault, Operation};

use super::net::Line;
use super::spec::{job, scale};
use super::world::World;

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// How many things happen.
    pub steps: u32,
    /// Whether the user changes his mind meanwhile.
    pub user: bool,
    /// Whether the server is killed and its database fails.
    pub server: bool,
    /// Whether agents, engines and machines die.
    pub hosts: bool,
    /// Whether lines break.
    pub network: bool,
}

impl Chaos {
    /// Everything.
    pub const fn everything(steps: u32) -> Self {
        Self { steps, user: true, server: true, hosts: true, network: true }
    }
}

impl World {
    /// Lets things happen, with a little time between them. Some heal by themselves; [`World::heal`] ends the rest.
    pub fn chaos(&mut self, chaos: Chaos) {
        let mut kinds: Vec<fn(&mut Self)> = Vec::new();
        if chaos.user {
            kinds.extend([Self::user_acts as fn(&mut Self); 4]);
        }
        if chaos.server {
            kinds.extend([Self::server_trouble as fn(&mut Self); 2]);
        }
        if chaos.hosts {
            kinds.extend([Self::host_trouble as fn(&mut Self), Self::engine_trouble, Self::process_trouble]);
        }
        if chaos.network {
            kinds.extend([Self::line_trouble as fn(&mut Self); 2]);
        }
        for _ in 0..chaos.steps {
            if let Some(kind) = self.chance.pick(&kinds).copied() {
                kind(self);
            }
            let pause = match self.chance.below(10) {
                0..=5 => self.chance.millis(0, 800),
                6..=8 => self.chance.millis(1000, 8000),
                _ => self.chance.millis(20_000, 100_000),
            };
            self.run(pause);
            self.send();
        }
    }

    fn user_acts(&mut self) {
        let names = self.user.names();
        let some = self.chance.pick(&names).cloned();
        match (self.chance.below(12), some) {
            (0..=1, _) | (_, None) if names.len() < 5 => {
                let name = format!("s{}", self.chance.below(5));
                if !names.contains(&name) {
                    let spec = match self.chance.below(6) {
                        0 => job(u8::try_from(self.chance.below(2)).unwrap_or(0)),
                        1 => scale(1).port("8080:80"),
                        2 => scale(1).volume("data"),
                        3 => scale(1).global(),
                        _ => scale(u32::try_from(self.chance.below(6)).unwrap_or(1)),
                    };
                    self.service(&name, spec);
                }
            }
            (2..=5, Some(name)) => {
                let count = u32::try_from(self.chance.below(7)).unwrap_or(1);
                self.scale(&name, count);
            }
            (6..=7, Some(name)) => {
                let is_job = self.user.current(&name).is_some_and(|intent| intent.launch.start_once());
                let version = self.chance.below(9) + 1;
                let image = match self.chance.below(6) {
                    _ if is_job => "job:0".to_owned(),
                    0 => "slow:1".to_owned(),
                    1 => "stubborn:1".to_owned(),
                    _ => format!("web:{version}"),
                };
                self.upgrade(&name, &image);
            }
            (8, Some(name)) => self.change(&name, |intent| intent.active = !intent.active),
            (9, Some(name)) => self.change(&name, |intent| intent.restarts_asked += 1),
            (10, Some(name)) => self.remove(&name),
            (_, _) => {
                let index = usize::try_from(self.chance.below(u64::try_from(self.hosts.len()).unwrap_or(1)));
                if let Some(host) = index.ok().and_then(|index| self.hosts.get(index)).map(|h| h.name.clone())
                {
                    let name = format!("hand-{}", self.chance.below(1000));
                    let there = self.host(&host).engine.containers().contains_key(&name);
                    if !there {
                        self.docker_run(&host, &name);
                    }
                }
            }
        }
    }

    fn server_trouble(&mut self) {
        if !self.has_server() {
            self.start_server();
            return;
        }
        if self.chance.happens(2, 3) {
            self.stop_server();
            let away = self.chance.millis(10, 30_000);
            self.run(away);
            self.start_server();
        } else {
            self.tell("the database has a bad minute");
            let chance = self.chance.fork();
            let mut left = chance.below(12);
            self.database.set_faults(move |step| {
                if left == 0 {
                    return MemoryFault::None;
                }
                left -= 1;
                match (chance.below(5), step) {
                    (0, _) => MemoryFault::Delay(Span(i64::try_from(chance.below(3000)).unwrap_or(0))),
                    (1, _) => MemoryFault::Refuse,
                    (2, MemoryStep::Commit) => MemoryFault::Disconnect { written: chance.happens(1, 2) },
                    _ => MemoryFault::None,
                }
            });
        }
    }

    fn some_host(&self) -> Option<String> {
        let names: Vec<String> = self.hosts.iter().map(|host| host.name.clone()).collect();
        self.chance.pick(&names).cloned()
    }

    fn host_trouble(&mut self) {
        let Some(host) = self.some_host() else { return };
        if !self.host(&host).is_running() {
            self.power_on(&host);
            return;
        }
        match self.chance.below(4) {
            0 => {
                self.kill_agent(&host);
                let away = self.chance.millis(0, 5000);
                self.run(away);
                self.start_agent(&host);
            }
            1 => self.reboot(&host),
            2 => self.power_off(&host),
            _ => {
                let (writes, torn) = (self.chance.below(4), self.chance.below(200));
                self.tell(&format!("the disk of {host} dies after {writes} writes, torn at {torn}"));
                let torn = usize::try_from(torn).unwrap_or(0);
                self.host(&host).tear_disk(writes, torn);
                let time = self.chance.millis(100, 3000);
                self.run(time);
                self.reboot(&host);
            }
        }
    }

    fn engine_trouble(&mut self) {
        let Some(host) = self.some_host() else { return };
        let operations = [
            Operation::List,
            Operation::Inspect,
            Operation::Create,
            Operation::Start,
            Operation::Stop,
            Operation::Remove,
            Operation::Pull,
            Operation::EnsureNetwork,
            Operation::Events,
        ];
        let operation = self.chance.pick(&operations).copied().unwrap_or(Operation::Start);
        let fault = match self.chance.below(5) {
            0 => Fault::Slow(self.chance.millis(100, 20_000)),
            1 => Fault::Refuse(FailureCode::Other, "the engine has a bad day".into()),
            2 => Fault::TimeOut,
            3 => Fault::Unreachable,
            _ => Fault::AnswerLost,
        };
        let times = u32::try_from(1 + self.chance.below(4)).unwrap_or(1);
        if self.chance.happens(1, 4) {
            let live = self.chance.happens(1, 2);
            self.tell(&format!("the engine of {host} crashes, live restore: {live}"));
            self.host(&host).engine.crash(live);
            let away = self.chance.millis(100, 10_000);
            self.run(away);
            self.in_runtime(|world| world.host(&host).engine.recover());
        } else {
            self.tell(&format!("{operation:?} on {host} goes wrong {times} times: {fault:?}"));
            self.host(&host).engine.script(operation, times, fault);
        }
    }

    fn process_trouble(&mut self) {
        let Some(host) = self.some_host() else { return };
        let views: Vec<_> = self.host(&host).engine.containers().into_values().collect();
        let Some(view) = self.chance.pick(&views).cloned() else { return };
        let code = i64::try_from(self.chance.below(3)).unwrap_or(0);
        match self.chance.below(4) {
            0..=1 if view.state.has_process() => {
                self.tell(&format!("the process of {} on {host} ends with {code}", view.name));
                self.in_runtime(|world| world.host(&host).engine.end_process(&view.docker_id, code));
            }
            2 if view.state.has_process() => {
                self.tell(&format!("{} on {host} runs out of memory", view.name));
                self.in_runtime(|world| world.host(&host).engine.run_out_of_memory(&view.docker_id));
            }
            _ => {
                self.tell(&format!("somebody removes {} on {host}", view.name));
                self.in_runtime(|world| world.host(&host).engine.remove_by_hand(&view.docker_id));
            }
        }
    }

    fn line_trouble(&mut self) {
        let Some(host) = self.some_host() else { return };
        let id = self.host(&host).id;
        match self.net.line(id) {
            Line::Open => match self.chance.below(4) {
                0 => self.cut_off(&host),
                1 => self.unplug(&host),
                _ => {
                    self.tell(&format!("the connection of {host} breaks"));
                    self.net.reset(id);
                }
            },
            Line::Silent | Line::Broken => self.reconnect(&host),
        }
    }
}
