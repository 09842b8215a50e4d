use contract_protocol::{ContainerAssignment, FailureCode};
use contract_values::{ContainerId, Duration, Incarnation, Timestamp};
use host_driver::ContainerView;
use proptest::prelude::*;

use super::*;
use crate::world::{World, labels_for};

const NOW: Timestamp = Timestamp(1_000_000);
const HOST: &str = "host";

/// Reads `2 stopped once asked=1 pull=never`: what is wanted.
fn want(text: &str) -> Option<ContainerAssignment> {
    let mut words = text.split_whitespace();
    let incarnation: u32 = match words.next()? {
        "-" => return None,
        number => number.parse().unwrap(),
    };
    let mut body = serde_json::json!({
        "name": "web", "uuid": "u", "incarnation": incarnation, "run": "running", "rule": "keep_running",
        "spec": { "image": "web:1" }
    });
    for word in words {
        match word.split_once('=') {
            None if word == "stopped" => body["run"] = "stopped".into(),
            None if word == "once" => body["rule"] = "once".into(),
            None => panic!("{word}"),
            Some(("asked", n)) => body["restarts_asked"] = n.parse::<u32>().unwrap().into(),
            Some(("most", n)) => {
                body["rule"] = serde_json::json!({"on_failure": {"most": n.parse::<u32>().unwrap()}})
            }
            Some(("memory", n)) => body["spec"]["resources"]["memory"] = n.parse::<i64>().unwrap().into(),
            Some(("pull", policy)) => body["spec"]["pull"] = policy.into(),
            Some(("engine", policy)) => body["spec"]["restart"] = serde_json::json!({"name": policy}),
            Some(_) => panic!("{word}"),
        }
    }
    Some(serde_json::from_value(body).unwrap())
}

/// Reads `1 exited(3) @500`: a run that is there, its exit code, and when it began.
fn view(place: usize, text: &str) -> ContainerView {
    let mut words = text.split_whitespace();
    let incarnation = Incarnation(words.next().unwrap().parse().unwrap());
    let state = words.next().unwrap();
    let (state, code) = match state.split_once('(') {
        Some((state, code)) => (state, Some(code.trim_end_matches(')').parse().unwrap())),
        None => (state, None),
    };
    let state = match state {
        "created" => ContainerState::Created,
        "running" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "removing" => ContainerState::Removing,
        "exited" => ContainerState::Exited,
        "dead" => ContainerState::Dead,
        other => panic!("{other}"),
    };
    let began = words.next().map(|word| word.trim_start_matches('@').parse().unwrap());
    ContainerView {
        docker_id: format!("d{place}"),
        name: "web".into(),
        labels: labels_for(HOST, ContainerId::new(1), incarnation),
        image: "web:1".into(),
        image_id: "sha256:1".into(),
        command: vec![],
        state,
        exit_code: code,
        out_of_memory: false,
        error: None,
        created_at: None,
        started_at: began.or((state != ContainerState::Created).then_some(100)).map(Timestamp),
        finished_at: None,
        health: None,
        ports: vec![],
        address: None,
        network_mode: "bridge".into(),
        limits: Limits::default(),
    }
}

fn next(wanted: &str, there: &str, memory: &Memory, support: Support, network_since: Option<i64>) -> String {
    let mut world = World::new(HOST.into());
    let wanted = want(wanted);
    for (place, text) in there.split(',').map(str::trim).filter(|text| !text.is_empty()).enumerate() {
        let mut view = view(place, text);
        view.limits.restart = wanted.as_ref().map(|want| want.spec.restart.clone()).unwrap_or_default();
        world.put(view);
    }
    let runs = world.of(ContainerId::new(1)).collect();
    let network_since = network_since.map(Timestamp);
    let situation = Situation { want: wanted.as_ref(), runs, memory, support, network_since, now: NOW };
    match decide(&situation) {
        Next::Nothing => "nothing".into(),
        Next::Wait(at) => format!("wait {}", at.since(NOW).0),
        Next::WaitFor(missing) => format!("wait for {}", missing.what),
        Next::Demand(demand) => format!("demand {} not {}", demand.asked, demand.not.map_or(0, |at| at.0)),
        Next::DemandMet(demand) => format!("met {}", demand.asked),
        Next::Fetch => "fetch".into(),
        Next::Raise { docker_id: None } => "create and start".into(),
        Next::Raise { docker_id: Some(docker_id) } => format!("start {docker_id}"),
        Next::Make => "create".into(),
        Next::Update { docker_id, limits } => {
            format!("limit {docker_id} to {}", limits.memory.map_or("-".into(), |n| n.to_string()))
        }
        Next::Halt { docker_id, .. } => format!("stop {docker_id}"),
        Next::Retire { docker_id, running, .. } => {
            format!("{}remove {docker_id}", if running { "stop and " } else { "" })
        }
    }
}

#[test]
fn one_step_leads_towards_what_is_wanted() {
    for (wanted, there, expected) in [
        // Nothing is there.
        ("1", "", "create and start"),
        ("1 stopped", "", "create"),
        ("-", "", "nothing"),
        // It is there.
        ("1", "1 created", "start d0"),
        ("1", "1 running", "nothing"),
        ("1", "1 paused", "nothing"),
        ("1", "1 restarting", "nothing"),
        ("1", "1 removing", "nothing"),
        ("1", "1 dead", "remove d0"),
        ("1 stopped", "1 created", "nothing"),
        ("1 stopped", "1 running", "stop d0"),
        ("1 stopped", "1 restarting", "stop d0"),
        ("1 stopped", "1 exited(0)", "nothing"),
        // It ended by itself.
        ("1", "1 exited(0)", "start d0"),
        ("1", "1 exited(1)", "start d0"),
        ("1 once", "1 exited(0)", "nothing"),
        ("1 once", "1 exited(1)", "nothing"),
        ("1 once", "1 created", "start d0"),
        ("1 most=3", "1 exited(0)", "nothing"),
        ("1 most=3", "1 exited(1)", "start d0"),
        ("1 most=0", "1 exited(1)", "nothing"),
        ("1 engine=always", "1 exited(1)", "start d0"),
        // It is not wanted.
        ("-", "1 running", "stop and remove d0"),
        ("-", "1 exited(0)", "remove d0"),
        ("-", "1 created", "remove d0"),
        ("-", "1 removing", "nothing"),
        ("-", "1 running, 2 exited(0)", "stop and remove d0"),
        // Another run is there.
        ("2", "1 running", "fetch"),
        ("2 pull=never", "1 running", "stop and remove d0"),
        ("2 stopped", "1 running", "stop and remove d0"),
        ("2", "1 exited(0)", "remove d0"),
        ("1", "2 running", "fetch"),
        ("2", "1 running, 2 running", "stop and remove d0"),
        ("2", "2 running, 2 created", "remove d1"),
        ("2", "2 exited(0), 2 running", "remove d0"),
        // A restart was asked for.
        ("1 asked=1", "1 running @500", "demand 1 not 500"),
        ("1 asked=1", "1 exited(0) @500", "demand 1 not 500"),
        ("1 asked=1 stopped", "1 exited(0) @500", "nothing"),
        ("1 asked=1", "", "create and start"),
    ] {
        let memory = Memory { starts: 1, ..Default::default() };
        assert_eq!(next(wanted, there, &memory, Support::Ready, None), expected, "{wanted} | {there}");
    }
}

#[test]
fn a_demanded_run_is_one_that_begins_later() {
    let demand = Some(Demand { asked: 1, not: Some(Timestamp(500)) });
    let memory = Memory { demand, ..Default::default() };
    for (wanted, there, expected) in [
        ("1 asked=1", "1 running @500", "stop d0"),
        ("1 asked=1", "1 exited(0) @500", "start d0"),
        ("1 asked=1 once", "1 exited(0) @500", "start d0"),
        ("1 asked=1", "1 running @600", "met 1"),
        ("1 asked=1 once", "1 exited(0) @600", "met 1"),
        ("1 asked=2", "1 running @600", "demand 2 not 600"),
        ("1 asked=1 stopped", "1 running @500", "stop d0"),
        ("1 asked=1 stopped", "1 exited(0) @500", "nothing"),
    ] {
        assert_eq!(next(wanted, there, &memory, Support::Ready, None), expected, "{wanted} | {there}");
    }
}

#[test]
fn what_is_missing_is_waited_for_and_a_failed_step_repeated_later() {
    let missing = || Support::Missing(Missing { what: "the network n".into(), failure: None });
    let memory = Memory::default();
    assert_eq!(next("1", "", &memory, missing(), None), "wait for the network n");
    assert_eq!(next("1", "1 exited(0)", &memory, missing(), None), "wait for the network n");
    assert_eq!(next("1 stopped", "1 running", &memory, missing(), None), "stop d0");
    assert_eq!(next("-", "1 running", &memory, missing(), None), "stop and remove d0");
    let later = Memory { retry_at: Some(NOW + Duration::seconds(3)), ..Default::default() };
    assert_eq!(next("1", "", &later, Support::Ready, None), "wait 3000");
    assert_eq!(next("-", "1 running", &later, Support::Ready, None), "wait 3000");
    let now = Memory { retry_at: Some(NOW), ..Default::default() };
    assert_eq!(next("1", "", &now, Support::Ready, None), "create and start");
}

#[test]
fn other_limits_are_given_in_place_and_once() {
    let memory = Memory { starts: 1, ..Default::default() };
    for (wanted, there, expected) in [
        ("1 memory=7", "1 running", "limit d0 to 7"),
        ("1 memory=7", "1 exited(1)", "limit d0 to 7"),
        ("1 memory=7", "1 paused", "nothing"),
        ("1 memory=7", "1 restarting", "nothing"),
        ("1 memory=7 stopped", "1 running", "stop d0"),
        ("1 memory=7 stopped", "1 exited(1)", "nothing"),
        ("1 memory=7 once", "1 exited(0)", "nothing"),
        ("2 memory=7 pull=never", "1 running", "stop and remove d0"),
    ] {
        assert_eq!(next(wanted, there, &memory, Support::Ready, None), expected, "{wanted} | {there}");
    }
    // An engine that notes something else than it was given is not asked again and again.
    let limits = Limits::of(&want("1 memory=7").unwrap().spec);
    let given = Memory { limited: Some(("d0".into(), limits.clone())), ..memory.clone() };
    assert_eq!(next("1 memory=7", "1 running", &given, Support::Ready, None), "nothing");
    assert_eq!(next("1 memory=7", "1 exited(1)", &given, Support::Ready, None), "start d0");
    assert_eq!(next("1 memory=8", "1 running", &given, Support::Ready, None), "limit d0 to 8");
    let another = Memory { limited: Some(("d9".into(), limits)), ..memory };
    assert_eq!(next("1 memory=7", "1 running", &another, Support::Ready, None), "limit d0 to 7");
}

#[test]
fn a_network_that_began_anew_takes_its_sharers_along() {
    let memory = Memory::default();
    assert_eq!(next("1", "1 running @500", &memory, Support::Ready, Some(400)), "nothing");
    assert_eq!(next("1", "1 running @500", &memory, Support::Ready, Some(600)), "demand 0 not 500");
}

#[test]
fn delays_grow_to_a_bound_and_a_sound_run_ends_them() {
    let seconds: Vec<i64> = (0..12).map(|n| delay(n).0 / 1000).collect();
    assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(delay(u32::MAX), Duration::seconds(300));
    let mut memory = Memory::default();
    let mut end = |ran: i64| {
        memory.ended(FailureCode::Exited, String::new(), Some(Duration::seconds(ran)), NOW);
        memory.retry_at.map_or(0, |at| at.since(NOW).0 / 1000)
    };
    assert_eq!([end(1), end(1), end(1), end(59), end(60), end(1)], [0, 1, 2, 4, 0, 1]);
}

fn situations() -> impl Strategy<Value = (String, String)> {
    let run = ["running", "stopped"];
    let wanted = (1..3_u32, 0..2_usize, prop::sample::select(vec!["", "once", "most=1"]), 0..3_u32).prop_map(
        move |(incarnation, place, rule, asked)| {
            let stopped = if run[place] == "stopped" { "stopped" } else { "" };
            format!("{incarnation} {stopped} {rule} asked={asked}")
        },
    );
    let wanted = prop_oneof![1 => Just("-".to_owned()), 4 => wanted];
    let states =
        vec!["created", "running", "paused", "restarting", "removing", "exited(0)", "exited(1)", "dead"];
    let there = prop::collection::vec((1..4_u32, prop::sample::select(states)), 0..3).prop_map(|runs| {
        runs.iter()
            .map(|(incarnation, state)| format!("{incarnation} {state}"))
            .collect::<Vec<_>>()
            .join(", ")
    });
    (wanted, there)
}

proptest! {
    /// Whatever the situation, carrying out the steps one by one ends, and ends in what is wanted.
    #[test]
    fn steps_lead_to_an_end((wanted, there) in situations()) {
        let mut runs: Vec<String> = there.split(", ").filter(|run| !run.is_empty()).map(str::to_owned).collect();
        let mut memory = Memory::default();
        let mut clock = 1000;
        let target = want(&wanted);
        for _ in 0..20 {
            let there = runs.join(", ");
            let step = next(&wanted, &there, &memory, Support::Ready, None);
            clock += 1;
            let words: Vec<&str> = step.split_whitespace().collect();
            let place = |name: &str| name.trim_start_matches('d').parse::<usize>().unwrap();
            let incarnation = |run: &str| run.split_whitespace().next().unwrap().to_owned();
            match words[..] {
                ["nothing"] => {
                    // What the engine is about to take away itself is not waited for.
                    runs.retain(|run| !run.contains("removing"));
                    let now = runs.join(", ");
                    if now == there {
                        break;
                    }
                }
                ["create", ..] => {
                    let target = target.as_ref().unwrap().incarnation.0;
                    let state = if words.len() > 1 { "running" } else { "created" };
                    runs.push(format!("{target} {state} @{clock}"));
                }
                ["start", id] => {
                    let run = &mut runs[place(id)];
                    *run = format!("{} running @{clock}", incarnation(run));
                    memory.starts += 1;
                }
                ["stop", "and", "remove", id] | ["remove", id] => { runs.remove(place(id)); }
                ["stop", id] => {
                    let run = &mut runs[place(id)];
                    let began = run.split('@').nth(1).unwrap_or("100").to_owned();
                    *run = format!("{} exited(143) @{began}", incarnation(run));
                }
                ["demand", asked, "not", began] => {
                    let not = Some(began.parse().unwrap()).filter(|&at: &i64| at != 0).map(Timestamp);
                    memory.demand = Some(Demand { asked: asked.parse().unwrap(), not });
                }
                ["met", asked] => {
                    memory.restarts_done = asked.parse().unwrap();
                    memory.demand = None;
                }
                ["fetch"] => memory.image_ready = true,
                _ => prop_assert!(false, "{} | {} gave {}", wanted, there, step),
            }
        }
        let there = runs.join(", ");
        prop_assert_eq!(next(&wanted, &there, &memory, Support::Ready, None), "nothing", "{} | {}", wanted, there);
        match target {
            None => prop_assert!(runs.is_empty(), "{} | {}", wanted, there),
            Some(target) => {
                prop_assert_eq!(runs.len(), 1, "{} | {}", wanted, there);
                prop_assert!(runs[0].starts_with(&target.incarnation.0.to_string()));
                if target.run == DesiredRun::Stopped {
                    prop_assert!(!runs[0].contains("running"), "{} | {}", wanted, there);
                }
            }
        }
    }
}
