//! What the agent relies on, as checks that run against any engine.
//!
//! Each check makes what it needs under a name of its own and takes it away again. Times are those of the engine:
//! with a paused clock the fake needs none.

use std::sync::Arc;
use std::time::Duration;

use contract_protocol::{
    ContainerSpec, ExecRequest, FailureCode, LogsRequest, MountKind, MountSpec, NetworkAttachment,
    NetworkSpec, RestartPolicy, VolumeSpec,
};
use contract_values::{ImageRef, Labels};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    ContainerState, ContainerView, CreateRequest, Engine, EventKind, EventStream, Limits, OutputChunk,
};

/// The label that the suite puts on all that it makes.
pub const LABEL: &str = "io.lariat.conformance";

/// A program that ends with 7 when it is told to.
pub const OBEDIENT: [&str; 3] = ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"];
/// A program that must be killed.
pub const STUBBORN: [&str; 2] = ["sleep", "100000"];

/// How long a check waits for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// An engine to check, and what it was given.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// An image on it that has `sh`, `sleep` and `cat`.
    pub image: ImageRef,
    /// A port of the host that nobody uses.
    pub free_port: contract_values::PortNumber,
}

/// A check and its name.
pub type Check = (&'static str, fn(Suite) -> BoxFuture<'static, ()>);

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        /// All checks by name.
        pub const CHECKS: &[Check] = &[$((stringify!($name), |suite| $name(suite).boxed())),*];
    };
}

checks![
    it_says_what_it_is,
    a_container_is_made_started_stopped_and_removed,
    every_operation_may_come_twice,
    a_stop_waits_and_then_kills,
    a_process_that_ends_is_told_with_its_code,
    events_are_told_from_a_time_on,
    a_missing_image_is_told_apart,
    a_name_is_taken_once,
    a_port_is_taken_once,
    a_missing_command_is_told_apart,
    what_is_not_there_is_not_found,
    our_labels_win,
    networks_and_volumes_are_ensured,
    a_volume_goes_when_nobody_holds_it,
    limits_change_while_it_runs,
    processes_are_listed,
    a_container_may_share_anothers_network,
    output_keeps_its_two_kinds_apart,
    output_is_followed_to_its_end,
    a_process_in_a_container_talks_and_ends_with_a_code,
    a_process_with_a_terminal_can_be_resized,
    figures_come,
    the_raw_socket_speaks_http,
];

/// Runs every check, one after the other.
pub async fn run_all(suite: &Suite) {
    for (name, check) in CHECKS {
        tracing::info!("conformance: {name}");
        check(suite.clone()).await;
    }
}

impl Suite {
    fn spec(&self, command: &[&str]) -> ContainerSpec {
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        let mut spec: ContainerSpec =
            serde_json::from_value(serde_json::json!({ "image": self.image.to_string() }))
                .expect("an image alone is a spec");
        spec.command = Some(command);
        spec
    }

    async fn create(&self, name: &str, spec: &ContainerSpec) -> String {
        self.try_create(name, spec, None)
            .await
            .unwrap_or_else(|error| panic!("could not make {name}: {error:?}"))
    }

    async fn try_create(
        &self,
        name: &str,
        spec: &ContainerSpec,
        network_container: Option<&str>,
    ) -> Result<String, crate::EngineError> {
        let labels: Labels = [(LABEL.to_owned(), name.to_owned())].into();
        let request =
            CreateRequest { name, labels: &labels, spec, network_container, volumes_from: &[], files: &[] };
        self.engine.create(&request).await
    }

    async fn started(&self, name: &str, command: &[&str]) -> String {
        let id = self.create(name, &self.spec(command)).await;
        self.start(&id).await;
        id
    }

    async fn start(&self, id: &str) {
        self.engine.start(id).await.unwrap_or_else(|error| panic!("could not start: {error:?}"));
    }

    async fn view(&self, id: &str) -> ContainerView {
        self.engine.inspect(id).await.unwrap_or_else(|error| panic!("could not inspect: {error:?}"))
    }

    async fn remove(&self, id: &str) {
        self.engine.remove(id).await.unwrap_or_else(|error| panic!("could not remove: {error:?}"));
    }

    async fn events(&self) -> EventStream {
        self.engine.events(None).await.unwrap_or_else(|error| panic!("no events: {error:?}"))
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

async fn wait_for<T>(
    events: &mut EventStream,
    what: &str,
    mut pick: impl FnMut(&EventKind) -> Option<T>,
) -> T {
    within(what, async {
        loop {
            let event = events.next().await.expect("events do not end").expect("events do not break");
            if let Some(found) = pick(&event.what) {
                return found;
            }
        }
    })
    .await
}

async fn it_says_what_it_is(suite: Suite) {
    let facts = suite.engine.facts().await.expect("an engine that answers has facts");
    assert!(!facts.version.is_empty() && !facts.api_version.is_empty(), "{facts:?}");
    assert!(facts.root_dir.starts_with('/'), "{facts:?}");
}

async fn a_container_is_made_started_stopped_and_removed(suite: Suite) {
    let mut events = suite.events().await;
    let id = suite.create("conf-life", &suite.spec(&OBEDIENT)).await;
    let made = suite.view(&id).await;
    assert_eq!(made.docker_id, id);
    assert_eq!((made.name.as_str(), made.state), ("conf-life", ContainerState::Created));
    assert_eq!(made.started_at, None);
    assert!(made.image_id.starts_with("sha256:"), "{made:?}");
    suite.start(&id).await;
    let runs = suite.view(&id).await;
    assert_eq!((runs.state, runs.exit_code), (ContainerState::Running, None));
    assert!(runs.started_at.is_some() && runs.address.is_some(), "{runs:?}");
    wait_for(&mut events, "the start", |what| {
        matches!(what, EventKind::Started { docker_id } if *docker_id == id).then_some(())
    })
    .await;
    let listed = suite.engine.list().await.expect("a list");
    let entry = listed.iter().find(|entry| entry.docker_id == id).expect("it is in the list");
    assert_eq!((entry.name.as_str(), entry.state), ("conf-life", ContainerState::Running));
    assert_eq!(entry.labels.get(LABEL).map(String::as_str), Some("conf-life"));

    suite.engine.stop(&id, None).await.expect("a stop");
    let ended = suite.view(&id).await;
    assert_eq!((ended.state, ended.exit_code), (ContainerState::Exited, Some(7)), "its own code, not a kill");
    assert!(ended.finished_at >= runs.started_at, "{ended:?}");
    suite.start(&id).await;
    assert!(suite.view(&id).await.started_at > runs.started_at, "each start has its time");
    suite.remove(&id).await;
    wait_for(&mut events, "the removal", |what| {
        matches!(what, EventKind::Destroyed { docker_id } if *docker_id == id).then_some(())
    })
    .await;
}

async fn every_operation_may_come_twice(suite: Suite) {
    let id = suite.started("conf-twice", &OBEDIENT).await;
    suite.start(&id).await;
    suite.engine.stop(&id, None).await.expect("a stop");
    suite.engine.stop(&id, None).await.expect("a second stop");
    suite.remove(&id).await;
    let error = suite.engine.remove(&id).await.expect_err("it has gone");
    assert!(error.is_not_found(), "{error:?}");
}

async fn a_stop_waits_and_then_kills(suite: Suite) {
    let id = suite.started("conf-stubborn", &STUBBORN).await;
    let begun = tokio::time::Instant::now();
    suite.engine.stop(&id, Some(contract_values::Duration::seconds(1))).await.expect("a stop");
    assert!(begun.elapsed() >= Duration::from_millis(900), "it had its second: {:?}", begun.elapsed());
    let view = suite.view(&id).await;
    assert_eq!((view.state, view.exit_code), (ContainerState::Exited, Some(137)));
    suite.start(&id).await;
    suite.engine.kill(&id, "SIGKILL").await.expect("a kill");
    within("the kill", async {
        while suite.view(&id).await.state == ContainerState::Running {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    suite.remove(&id).await;
}

async fn a_process_that_ends_is_told_with_its_code(suite: Suite) {
    let mut events = suite.events().await;
    let id = suite.started("conf-exit", &["sh", "-c", "exit 3"]).await;
    let code = wait_for(&mut events, "the end", |what| match what {
        EventKind::Died { docker_id, exit_code } if *docker_id == id => Some(*exit_code),
        _ => None,
    })
    .await;
    assert_eq!(code, Some(3));
    let view = suite.view(&id).await;
    assert_eq!((view.state, view.exit_code), (ContainerState::Exited, Some(3)));
    suite.remove(&id).await;
}

async fn events_are_told_from_a_time_on(suite: Suite) {
    let id = suite.started("conf-since", &OBEDIENT).await;
    let begun = suite.view(&id).await.started_at.expect("it was started");
    suite.remove(&id).await;
    let mut events = suite
        .engine
        .events(Some(begun - contract_values::Duration::seconds(5)))
        .await
        .expect("events of the past");
    wait_for(&mut events, "a removal in the past", |what| {
        matches!(what, EventKind::Destroyed { docker_id } if *docker_id == id).then_some(())
    })
    .await;
}

async fn a_missing_image_is_told_apart(suite: Suite) {
    let mut spec = suite.spec(&STUBBORN);
    spec.image = "conf-no-such-image:1".parse().expect("a reference");
    let error = suite.try_create("conf-missing", &spec, None).await.expect_err("there is no such image");
    assert_eq!(error.code(), FailureCode::ImageNotFound, "{error:?}");
    assert_eq!(suite.engine.image_id(&spec.image).await.expect("an answer"), None);
    assert!(suite.engine.image_id(&suite.image).await.expect("an answer").is_some());
}

async fn a_name_is_taken_once(suite: Suite) {
    let id = suite.create("conf-name", &suite.spec(&STUBBORN)).await;
    let again = suite.try_create("conf-name", &suite.spec(&STUBBORN), None).await.expect_err("it is taken");
    assert_eq!(again.code(), FailureCode::NameTaken, "{again:?}");
    suite.remove(&id).await;
}

async fn a_port_is_taken_once(suite: Suite) {
    let mut spec = suite.spec(&OBEDIENT);
    let port: contract_values::PortMapping = format!("{}:80", suite.free_port).parse().expect("a port");
    spec.ports = vec![port];
    let first = suite.create("conf-port-1", &spec).await;
    let second = suite.create("conf-port-2", &spec).await;
    suite.start(&first).await;
    assert_eq!(suite.view(&first).await.ports, [port], "what is published is told, once");
    let error = suite.engine.start(&second).await.expect_err("the port is taken");
    assert_eq!(error.code(), FailureCode::PortTaken, "{error:?}");
    suite.remove(&first).await;
    suite.start(&second).await;
    suite.remove(&second).await;
}

async fn a_missing_command_is_told_apart(suite: Suite) {
    let id = suite.create("conf-command", &suite.spec(&["/no/such/program"])).await;
    let error = suite.engine.start(&id).await.expect_err("there is no such program");
    assert_eq!(error.code(), FailureCode::CommandNotFound, "{error:?}");
    assert!(!suite.view(&id).await.state.has_process());
    suite.remove(&id).await;
}

async fn what_is_not_there_is_not_found(suite: Suite) {
    let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert!(suite.engine.inspect(id).await.expect_err("inspect").is_not_found());
    assert!(suite.engine.start(id).await.expect_err("start").is_not_found());
    assert!(suite.engine.stop(id, None).await.expect_err("stop").is_not_found());
    let request = LogsRequest { docker_id: id.into(), ..Default::default() };
    match suite.engine.logs(&request).await {
        Err(error) => assert!(error.is_not_found(), "{error:?}"),
        Ok(mut stream) => {
            let first = stream.next().await.expect("an error").expect_err("an error");
            assert!(first.is_not_found(), "{first:?}");
        }
    }
}

async fn our_labels_win(suite: Suite) {
    let mut spec = suite.spec(&STUBBORN);
    spec.labels = [(LABEL.to_owned(), "theirs".to_owned()), ("own".to_owned(), "kept".to_owned())].into();
    let id = suite.create("conf-labels", &spec).await;
    let labels = suite.view(&id).await.labels;
    assert_eq!(labels.get(LABEL).map(String::as_str), Some("conf-labels"));
    assert_eq!(labels.get("own").map(String::as_str), Some("kept"));
    suite.remove(&id).await;
}

async fn networks_and_volumes_are_ensured(suite: Suite) {
    let labels: Labels = [(LABEL.to_owned(), "x".to_owned())].into();
    let engine = &suite.engine;
    for _ in 0..2 {
        engine.ensure_network("conf-net", &NetworkSpec::default(), &labels).await.expect("a network");
        engine.ensure_volume("conf-vol", &VolumeSpec::default(), &labels).await.expect("a volume");
    }
    let networks = engine.networks().await.expect("networks");
    let found: Vec<_> = networks.iter().filter(|network| network.name == "conf-net").collect();
    assert_eq!(found.len(), 1, "one network of a name: {networks:?}");
    assert_eq!(found[0].labels.get(LABEL).map(String::as_str), Some("x"));
    let mut spec = suite.spec(&OBEDIENT);
    spec.network = NetworkAttachment::Named { network: "conf-net".into(), aliases: vec!["alias".into()] };
    let id = suite.create("conf-on-net", &spec).await;
    suite.start(&id).await;
    let view = suite.view(&id).await;
    assert!(view.address.is_some(), "{view:?}");
    engine.remove_network("conf-net").await.expect_err("it is in use");
    suite.remove(&id).await;
    engine.remove_network("conf-net").await.expect("nobody uses it");
    engine.remove_network("conf-net").await.expect("it has gone already");
}

async fn a_volume_goes_when_nobody_holds_it(suite: Suite) {
    let engine = &suite.engine;
    let mut events = suite.events().await;
    engine.ensure_volume("conf-go", &VolumeSpec::default(), &Labels::new()).await.expect("a volume");
    let mut spec = suite.spec(&OBEDIENT);
    spec.mounts = vec![MountSpec {
        kind: MountKind::Volume,
        source: "conf-go".into(),
        target: "/data".into(),
        read_only: false,
        options: Vec::new(),
        subpath: None,
        create_source: None,
    }];
    let id = suite.create("conf-holder", &spec).await;
    let error = engine.remove_volume("conf-go", false).await.expect_err("it is held");
    assert!(!error.is_not_found() && !error.is_unreachable(), "{error:?}");
    suite.remove(&id).await;
    engine.remove_volume("conf-go", false).await.expect("nobody holds it");
    engine.remove_volume("conf-go", true).await.expect("it has gone already");
    let told = async {
        while let Some(event) = events.next().await {
            if event.expect("an event").what == (EventKind::VolumeRemoved { name: "conf-go".into() }) {
                return;
            }
        }
        panic!("the events ended");
    };
    tokio::time::timeout(LIMIT, told).await.expect("its end is told");
}

async fn limits_change_while_it_runs(suite: Suite) {
    let mut spec = suite.spec(&OBEDIENT);
    spec.resources.memory = Some(64 << 20);
    let id = suite.create("conf-limits", &spec).await;
    suite.start(&id).await;
    let before = suite.view(&id).await;
    assert_eq!(before.limits.memory, Some(64 << 20));
    // More than was given with swap at the creation.
    spec.resources.memory = Some(256 << 20);
    spec.resources.cpu_shares = Some(512);
    spec.resources.pids_limit = Some(50);
    spec.restart = RestartPolicy::OnFailure { most: Some(3) };
    let limits = Limits::of(&spec);
    suite.engine.update(&id, &limits).await.expect("other limits");
    suite.engine.update(&id, &limits).await.expect("the same limits");
    let after = suite.view(&id).await;
    assert_eq!((after.started_at, after.state), (before.started_at, ContainerState::Running));
    assert_eq!((after.limits.memory, after.limits.cpu_shares), (Some(256 << 20), Some(512)));
    assert_eq!((after.limits.pids_limit, &after.limits.restart), (Some(50), &spec.restart));
    // And down again, also while it does not run.
    suite.engine.stop(&id, None).await.expect("a stop");
    spec.resources.memory = Some(32 << 20);
    suite.engine.update(&id, &Limits::of(&spec)).await.expect("lower limits");
    assert_eq!(suite.view(&id).await.limits.memory, Some(32 << 20));
    spec.resources.memory = Some(5);
    let error = suite.engine.update(&id, &Limits::of(&spec)).await.expect_err("too little");
    assert_eq!(error.code(), FailureCode::InvalidOption, "{error:?}");
    let error = suite.engine.update("nobody", &limits).await.expect_err("nobody");
    assert!(error.is_not_found(), "{error:?}");
    suite.remove(&id).await;
}

async fn processes_are_listed(suite: Suite) {
    let id = suite.started("conf-top", &OBEDIENT).await;
    for arguments in ["", "-o pid,args"] {
        let text = suite.engine.top(&id, arguments).await.expect("a list");
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(
            list["Titles"].as_array().is_some_and(|titles| titles.iter().any(|title| title == "PID")),
            "{text}"
        );
        assert!(list["Processes"].as_array().is_some_and(|rows| !rows.is_empty()), "{text}");
    }
    suite.engine.stop(&id, None).await.expect("a stop");
    suite.engine.top(&id, "").await.expect_err("it does not run");
    suite.remove(&id).await;
}

async fn a_container_may_share_anothers_network(suite: Suite) {
    let first = suite.started("conf-host-1", &OBEDIENT).await;
    let mut spec = suite.spec(&OBEDIENT);
    spec.network = NetworkAttachment::Container { id: contract_values::ContainerId::new(1) };
    let second = suite.try_create("conf-host-2", &spec, Some(&first)).await.expect("a container");
    suite.start(&second).await;
    assert_eq!(suite.view(&second).await.network_mode, format!("container:{first}"));
    suite.remove(&second).await;
    suite.remove(&first).await;
}

async fn output_keeps_its_two_kinds_apart(suite: Suite) {
    let id = suite.started("conf-logs", &["sh", "-c", "echo out; echo err >&2; exit 0"]).await;
    let read = async || {
        let request = LogsRequest { docker_id: id.clone(), ..Default::default() };
        let mut stream = suite.engine.logs(&request).await.expect("logs");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(piece) = stream.next().await {
            match piece.expect("a piece") {
                OutputChunk::Out(bytes) => out.extend_from_slice(&bytes),
                OutputChunk::Err(bytes) => err.extend_from_slice(&bytes),
            }
        }
        (String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned())
    };
    within("the output", async {
        let mut last = read().await;
        while last != ("out\n".to_owned(), "err\n".to_owned()) {
            assert!(last.0.len() <= 4 && last.1.len() <= 4, "{last:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            last = read().await;
        }
    })
    .await;
    suite.remove(&id).await;
}

async fn output_is_followed_to_its_end(suite: Suite) {
    let id = suite.started("conf-follow", &["sh", "-c", "echo first; sleep 1; exit 0"]).await;
    let request = LogsRequest { docker_id: id.clone(), follow: true, ..Default::default() };
    let mut stream = suite.engine.logs(&request).await.expect("logs");
    let first = within("the first line", stream.next()).await.expect("a line").expect("a line");
    assert_eq!(first, OutputChunk::Out("first\n".into()));
    let rest = within("the end of the process", stream.next()).await;
    assert!(rest.is_none(), "{rest:?}");
    suite.remove(&id).await;
}

async fn a_process_in_a_container_talks_and_ends_with_a_code(suite: Suite) {
    let id = suite.started("conf-exec", &OBEDIENT).await;
    let request =
        ExecRequest { docker_id: id.clone(), command: vec!["cat".into()], stdin: true, ..Default::default() };
    let mut session = suite.engine.exec(&request).await.expect("a process");
    session.input.write_all(b"hello").await.expect("input");
    session.input.flush().await.expect("input");
    let piece = within("the echo", session.output.next()).await.expect("output").expect("output");
    assert_eq!(piece, OutputChunk::Out("hello".into()));
    session.input.shutdown().await.expect("no more input");
    assert!(within("the end", session.output.next()).await.is_none());

    let command = ["sh", "-c", "echo out; echo err >&2; exit 4"].map(str::to_owned).to_vec();
    let request = ExecRequest { docker_id: id.clone(), command, ..Default::default() };
    let mut session = suite.engine.exec(&request).await.expect("a process");
    let mut pieces = Vec::new();
    while let Some(piece) = within("the output", session.output.next()).await {
        pieces.push(piece.expect("output"));
    }
    assert!(pieces.contains(&OutputChunk::Out("out\n".into())), "{pieces:?}");
    assert!(pieces.contains(&OutputChunk::Err("err\n".into())), "{pieces:?}");
    assert_eq!(within("the code", session.control.exit_code()).await.expect("a code"), Some(4));
    suite.remove(&id).await;
}

async fn a_process_with_a_terminal_can_be_resized(suite: Suite) {
    let id = suite.started("conf-tty", &OBEDIENT).await;
    let command = ["sh", "-c", "sleep 1; exit 0"].map(str::to_owned).to_vec();
    let request =
        ExecRequest { docker_id: id.clone(), command, tty: true, stdin: true, ..Default::default() };
    let mut session = suite.engine.exec(&request).await.expect("a process");
    session.control.resize(100, 30).await.expect("a new size");
    while let Some(piece) = within("the end", session.output.next()).await {
        piece.expect("output");
    }
    assert_eq!(within("the code", session.control.exit_code()).await.expect("a code"), Some(0));
    suite.remove(&id).await;
}

async fn figures_come(suite: Suite) {
    let id = suite.started("conf-stats", &OBEDIENT).await;
    let mut stream = suite.engine.stats(&id).await.expect("figures");
    for _ in 0..2 {
        let text = within("figures", stream.next()).await.expect("figures").expect("figures");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(value.get("cpu_stats").is_some(), "{text}");
    }
    drop(stream);
    suite.remove(&id).await;
}

async fn the_raw_socket_speaks_http(suite: Suite) {
    let mut socket = suite.engine.raw_socket().await.expect("a connection");
    socket.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await.expect("a request");
    let mut bytes = Vec::new();
    within("the answer", socket.read_to_end(&mut bytes)).await.expect("an answer");
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.") && text.ends_with("OK"), "{text}");
}
