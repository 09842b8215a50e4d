//! The whole system in simulation.

use std::time::Duration;

use control_model::{ContainerRun, DependencyCondition};
use testkit::sim::{Chaos, Planted, World, job, noticed, scale, simulate, simulate_seeds};

#[test]
fn a_service_comes_up_on_all_hosts() {
    simulate(|w| {
        w.hosts(3);
        let web = w.service("web", scale(6));
        w.settle();
        w.expect_running(&web, 6);
        for name in ["host-1", "host-2", "host-3"] {
            assert_eq!(w.host(name).engine.containers().len(), 2, "{name}");
        }
        w.scale(&web, 2);
        w.settle();
        w.expect_running(&web, 2);
    });
}

#[test]
fn recovers_from_a_lost_host() {
    simulate(|w| {
        w.hosts(3);
        let web = w.service("web", scale(6));
        w.settle();
        w.cut_off("host-2");
        w.settle();
        w.expect_running(&web, 6);
        w.reconnect("host-2");
        w.settle();
        w.expect_running(&web, 6);
    });
}

#[test]
fn a_short_absence_moves_nothing() {
    simulate(|w| {
        w.hosts(3);
        let web = w.service("web", scale(6));
        w.settle();
        let before = w.tables().containers.len();
        w.cut_off("host-2");
        w.run(Duration::from_secs(40));
        w.reconnect("host-2");
        w.run(Duration::from_secs(200));
        w.settle();
        w.expect_running(&web, 6);
        assert_eq!(w.tables().containers.len(), before);
    });
}

#[test]
fn hosts_that_vanish_together_are_not_given_up() {
    simulate(|w| {
        w.hosts(3);
        let web = w.service("web", scale(6));
        w.settle();
        let before = w.tables().containers.len();
        w.cut_off("host-1");
        w.cut_off("host-2");
        w.run(Duration::from_secs(600));
        assert!(w.tables().hosts.live().all(|host| host.decision.lost_since.is_none()));
        w.reconnect("host-1");
        w.reconnect("host-2");
        w.settle();
        w.expect_running(&web, 6);
        assert_eq!(w.tables().containers.len(), before);
    });
}

#[test]
fn an_upgrade_keeps_serving() {
    simulate(|w| {
        w.hosts(2);
        let web = w.service("web", scale(4));
        w.settle();
        w.keep_serving(&web, Some(4));
        w.upgrade(&web, "web:2");
        w.settle();
        w.expect_running(&web, 4);
        for name in ["host-1", "host-2"] {
            assert!(w.host(name).engine.containers().values().all(|view| view.image == "web:2"));
        }
    });
}

#[test]
fn a_bad_upgrade_leaves_the_old_copies_alone() {
    simulate(|w| {
        w.hosts(2);
        let web = w.service("web", scale(3));
        w.settle();
        w.keep_serving(&web, Some(3));
        w.upgrade(&web, "missing:1");
        w.until("the service says what is wrong", Duration::from_secs(60), |w| {
            let tables = w.tables();
            let reason = tables.services.live().next().unwrap().decision.reason.clone();
            reason.is_none_or(|reason| !reason.needs_person).then(|| "no reason".into())
        });
        w.run(Duration::from_secs(300));
        w.upgrade(&web, "web:3");
        w.settle();
        w.expect_running(&web, 3);
    });
}

#[test]
fn the_stack_of_the_first_page_comes_up_in_order() {
    simulate(|w| {
        w.hosts(2);
        let db = w.service("db", scale(1).volume("data"));
        let migrate = w.service("migrate", job(0).after(&db, DependencyCondition::Started));
        let app = w.service("app", scale(3).after(&migrate, DependencyCondition::CompletedSuccessfully));
        let web = w.service("web", scale(1).port("8080:80").after(&app, DependencyCondition::Healthy));
        w.settle();
        for (service, count) in [(&db, 1), (&app, 3), (&web, 1)] {
            w.expect_running(service, count);
        }
        w.expect_running(&migrate, 0);
        let tables = w.tables();
        let started = |name: &str| {
            let rows = tables.containers.named(name).filter(|row| row.removed.is_none());
            rows.filter_map(|row| row.observation.first_started_at).max().unwrap()
        };
        // Clocks of hosts differ by up to four seconds.
        let slack = contract_values::Duration::seconds(4);
        assert!(started("shop-db-1") <= started("shop-migrate-1") + slack);
        assert!(started("shop-migrate-1") <= started("shop-app-1") + slack);
        assert!(started("shop-app-1") <= started("shop-web-1") + slack);
    });
}

#[test]
fn a_failed_job_says_so_and_holds_what_waits_for_it() {
    simulate(|w| {
        w.hosts(1);
        let migrate = w.service("migrate", job(3));
        let app = w.service("app", scale(2).after(&migrate, DependencyCondition::CompletedSuccessfully));
        w.settle();
        w.expect_running(&app, 0);
        let tables = w.tables();
        let reasons: Vec<String> =
            tables.services.live().map(|s| s.decision.reason.clone().unwrap().message).collect();
        assert_eq!(reasons[0], "shop-migrate-1 ended with exit code 3");
        // It is run again when somebody asks for it.
        w.upgrade(&migrate, "job:0");
        w.settle();
        w.expect_running(&app, 2);
    });
}

#[test]
fn everything_runs_on_without_the_server_and_after_a_reboot() {
    simulate(|w| {
        w.hosts(2);
        let web = w.service("web", scale(4));
        w.settle();
        w.stop_server();
        w.run(Duration::from_secs(30));
        assert_eq!(w.running(&web), 4);
        w.reboot("host-1");
        w.run(Duration::from_secs(60));
        assert_eq!(w.running(&web), 4);
        w.start_server();
        w.settle();
        w.expect_running(&web, 4);
    });
}

#[test]
fn a_long_absence_of_the_server_loses_no_host() {
    simulate(|w| {
        w.hosts(3);
        let web = w.service("web", scale(6));
        w.settle();
        let before = w.tables().containers.len();
        w.stop_server();
        w.run(Duration::from_secs(3600));
        w.start_server();
        w.run(Duration::from_secs(120));
        w.settle();
        w.expect_running(&web, 6);
        assert_eq!(w.tables().containers.len(), before);
    });
}

#[test]
fn a_stack_whose_host_is_gone_is_removed_at_once() {
    simulate(|w| {
        w.hosts(2);
        w.service("web", scale(4));
        w.service("db", scale(1).volume("data"));
        w.settle();
        w.power_off("host-1");
        w.run(Duration::from_secs(5));
        w.remove_stack();
        w.until("the stack has gone", Duration::from_secs(180), |w| {
            let left = w.tables().containers.live().count();
            (left > 0 || w.tables().stacks.live().count() > 0).then(|| format!("{left} containers are left"))
        });
        w.power_on("host-1");
        w.settle();
        assert!(w.host("host-1").engine.containers().is_empty());
    });
}

#[test]
fn a_removed_host_is_gone_at_once_and_its_work_is_done_elsewhere() {
    simulate(|w| {
        w.hosts(3);
        let web = w.service("web", scale(3));
        w.settle();
        w.power_off("host-3");
        w.remove_host("host-3");
        w.until("three run elsewhere", Duration::from_secs(30), |w| {
            let running = w.running("web");
            (running != 3).then(|| format!("{running} run"))
        });
        w.expect_running(&web, 3);
        // Its agent is not served any more, so it is left out of what follows.
        w.forget_host("host-3");
    });
}

#[test]
fn what_is_started_by_hand_appears_and_obeys() {
    simulate(|w| {
        w.hosts(1);
        let docker_id = w.docker_run("host-1", "mine");
        w.settle();
        let row = w.tables().containers.live().next().unwrap().clone();
        assert_eq!(row.intent.name, "mine");
        let order = |run| {
            move |intent: &mut control_model::ContainerIntent| {
                intent.run = run;
                intent.order += 1;
            }
        };
        let state = |w: &mut World| w.host("host-1").engine.containers()["mine"].state;
        w.change_container(row.id, order(ContainerRun::Stopped));
        w.until("it stops", Duration::from_secs(60), |w| state(w).has_process().then(|| "it runs".into()));
        w.settle();
        // The host's view wins: somebody starts it by hand, and it stays.
        w.docker_start("host-1", &docker_id);
        w.run(Duration::from_secs(60));
        assert!(state(w).has_process());
        w.settle();
        w.remove_container(row.id);
        w.settle();
        assert!(w.host("host-1").engine.containers().is_empty());
    });
}

#[test]
fn a_container_of_its_own_lives_as_told() {
    simulate(|w| {
        w.hosts(2);
        let id = w.container("tool", "web:1");
        w.settle();
        let runs = |w: &mut World| {
            let views = ["host-1", "host-2"].map(|name| w.host(name).engine.containers());
            views.iter().flat_map(|views| views.values()).filter(|view| view.state.has_process()).count()
        };
        assert_eq!(runs(w), 1);
        w.change_container(id, |intent| intent.run = ContainerRun::Stopped);
        w.settle();
        assert_eq!(runs(w), 0);
        w.change_container(id, |intent| intent.run = ContainerRun::Running);
        w.settle();
        assert_eq!(runs(w), 1);
        w.change_container(id, |intent| intent.restarts_asked += 1);
        w.settle();
        assert_eq!(w.tables().containers.get(id).unwrap().observation.restarts_done, 1);
        w.remove_container(id);
        w.settle();
        assert_eq!(runs(w), 0);
    });
}

#[test]
fn a_container_of_a_service_can_be_stopped_and_started_and_is_replaced_when_deleted() {
    simulate(|w| {
        w.hosts(2);
        let web = w.service("web", scale(2));
        w.settle();
        let id = w.tables().containers.live().next().unwrap().id;
        w.change_container(id, |intent| intent.run = ContainerRun::Stopped);
        w.settle();
        w.expect_running(&web, 1);
        w.change_container(id, |intent| intent.run = ContainerRun::Running);
        w.settle();
        w.expect_running(&web, 2);
        w.remove_container(id);
        w.settle();
        w.expect_running(&web, 2);
        assert!(w.tables().containers.get(id).is_none_or(|row| row.removed.is_some()));
    });
}

#[test]
fn a_restart_goes_round_and_keeps_serving() {
    simulate(|w| {
        w.hosts(2);
        let web = w.service("web", scale(4));
        w.settle();
        w.keep_serving(&web, Some(3));
        w.change(&web, |intent| intent.restarts_asked += 1);
        w.settle();
        let tables = w.tables();
        assert!(tables.containers.live().all(|row| row.observation.restarts_done == 1));
        assert!(tables.containers.live().all(|row| row.observation.starts >= 2));
    });
}

#[test]
fn two_hundred_containers_are_few_writes() {
    simulate_seeds(1, |w| {
        w.hosts(2);
        let before = w.tables().revision.0;
        let web = w.service("web", scale(200));
        w.settle();
        w.expect_running(&web, 200);
        let counts = w.dispatch_counts();
        // One row each, a few reports of each, and no more than that many steps of the service.
        let writes = w.tables().revision.0 - before;
        assert!(writes < 1600, "{writes} writes, {counts:?}");
        assert!(counts.transactions < 400, "{counts:?}");
    });
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    simulate_seeds(2, |w| {
        w.hosts(3);
        w.service("web", scale(6));
        w.settle();
        w.run(Duration::from_secs(60));
        let before = w.tables().revision;
        // Long enough for the controllers' sweep.
        w.run(Duration::from_secs(5 * 3600));
        assert_eq!(w.tables().revision, before);
        // The sweep found nothing that the feed had not told of.
        assert!(w.controllers().iter().all(|status| status.missed == 0), "{:#?}", w.controllers());
    });
}

#[test]
fn bad_luck_with_the_server() {
    simulate_seeds(6, |w| {
        w.hosts(3);
        w.service("web", scale(6));
        w.chaos(Chaos { steps: 30, user: true, server: true, hosts: false, network: false });
    });
}

#[test]
fn bad_luck_with_the_network() {
    simulate_seeds(6, |w| {
        w.hosts(4);
        w.service("web", scale(6));
        w.chaos(Chaos { steps: 30, user: true, server: false, hosts: false, network: true });
    });
}

#[test]
fn bad_luck_with_the_hosts() {
    simulate_seeds(6, |w| {
        w.hosts(3);
        w.service("web", scale(6));
        w.chaos(Chaos { steps: 30, user: true, server: false, hosts: true, network: false });
    });
}

#[test]
fn bad_luck_with_everything() {
    simulate_seeds(16, |w| {
        let hosts = 2 + usize::try_from(w.below(3)).unwrap();
        w.hosts(hosts);
        w.service("web", scale(4));
        w.chaos(Chaos::everything(40));
    });
}

#[test]
fn bad_luck_with_a_whole_stack() {
    simulate_seeds(8, |w| {
        w.hosts(3);
        let db = w.service("db", scale(1).volume("data"));
        let migrate = w.service("migrate", job(0).after(&db, DependencyCondition::Started));
        let app = w.service("app", scale(3).after(&migrate, DependencyCondition::CompletedSuccessfully));
        w.service("web", scale(2).port("8080:80").after(&app, DependencyCondition::Healthy));
        w.service("other", scale(2).port("8080:80"));
        w.service("log", scale(1).global().port("514:514/udp"));
        w.service("any", scale(2).port("80"));
        w.chaos(Chaos::everything(40));
    });
}

/// The check of the checks: faults on purpose are seen.
mod planted {
    use super::*;

    /// Checks that a planted fault is noticed, and by the check that is made for it.
    #[track_caller]
    fn caught(planted: Planted, by: &str, play: impl Fn(&mut World)) {
        // Panics are expected here, and their text helps nobody.
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let found = noticed(3, planted, play);
        std::panic::set_hook(loud);
        let found = found.unwrap_or_else(|| panic!("{planted:?} was not noticed"));
        assert!(found.contains(by), "{planted:?} was noticed as: {found}");
    }

    #[test]
    fn lost_hosts_that_are_forgotten() {
        caught(Planted::ForgetsLostHosts, "the system did not come to rest: service web", |w| {
            w.hosts(3);
            let web = w.service("web", scale(6));
            w.settle();
            w.cut_off("host-2");
            w.settle();
            w.expect_running(&web, 6);
        });
    }

    #[test]
    fn an_upgrade_that_stops_first() {
        caught(Planted::StopsBeforeTheSuccessorRuns, "must not have fewer than", |w| {
            w.hosts(2);
            let web = w.service("web", scale(2));
            w.settle();
            w.keep_serving(&web, Some(2));
            w.upgrade(&web, "slow:1");
            w.settle();
        });
    }

    #[test]
    fn surplus_that_stays() {
        caught(Planted::NeverScalesDown, "the system did not come to rest: service web", |w| {
            w.hosts(2);
            let web = w.service("web", scale(4));
            w.settle();
            w.scale(&web, 1);
            w.settle();
        });
    }

    #[test]
    fn ports_that_are_given_twice() {
        caught(Planted::OverlooksPorts, "both hold port 80", |w| {
            w.hosts(1);
            w.service("web", scale(1).port("80:80"));
            w.service("www", scale(1).port("80:80"));
            w.run(Duration::from_secs(30));
        });
    }

    #[test]
    fn dependents_that_are_never_let_go() {
        caught(Planted::NeverLetsGo, "the system did not come to rest: service web", |w| {
            w.hosts(1);
            let db = w.service("db", scale(1));
            w.service("web", scale(1).after(&db, DependencyCondition::Started));
            w.settle();
        });
    }
}

#[test]
fn a_seed_tells_the_same_story() {
    let play = |seed| {
        let mut w = World::new(seed);
        w.hosts(3);
        w.service("web", scale(6));
        w.chaos(Chaos::everything(15));
        (w.story(), World::REPLAYS_EXACTLY.then(|| w.fingerprint()))
    };
    for seed in 1..=4 {
        assert_eq!(play(seed), play(seed));
    }
}
