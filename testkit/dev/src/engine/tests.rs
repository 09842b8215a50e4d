use std::sync::Arc;

use contract_protocol::{ContainerSpec, LogsRequest};
use host_driver::{EventKind, PausedClock};
use tokio::io::AsyncWriteExt;

use super::*;

fn engine() -> SimEngine {
    SimEngine::new(Arc::new(PausedClock::starting_at(Timestamp(1_700_000_000_000))))
}

fn spec(image: &str, labels: &[(&str, &str)]) -> ContainerSpec {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    serde_json::from_value(serde_json::json!({ "image": image, "labels": labels })).unwrap()
}

async fn make(engine: &SimEngine, name: &str, spec: &ContainerSpec) -> Result<String, EngineError> {
    let labels = Labels::new();
    let request =
        CreateRequest { name, labels: &labels, spec, network_container: None, volumes_from: &[], files: &[] };
    engine.create(&request).await
}

async fn run(engine: &SimEngine, name: &str, image: &str, labels: &[(&str, &str)]) -> String {
    let id = make(engine, name, &spec(image, labels)).await.unwrap();
    engine.start(&id).await.unwrap();
    id
}

/// Waits for an event about a container, and gives what the engine says then.
async fn after(engine: &SimEngine, what: impl Fn(&EventKind) -> bool, id: &str) -> ContainerView {
    let mut events = engine.events(Some(Timestamp(0))).await.unwrap();
    let seen = async {
        while let Some(event) = events.next().await {
            if what(&event.unwrap().what) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("the event comes");
    engine.inspect(id).await.unwrap()
}

fn died(what: &EventKind) -> bool {
    matches!(what, EventKind::Died { .. })
}

#[tokio::test(start_paused = true)]
async fn containers_end_as_told() {
    for (image, labels, code) in [
        ("sim:job", &[][..], 0),
        ("sim:exit-3", &[], 3),
        ("sim:web", &[("sim.exit-after", "2s"), ("sim.exit-code", "9")], 9),
        ("sim:oom", &[], 137),
    ] {
        let engine = engine();
        let id = run(&engine, "web-1", image, labels).await;
        let view = after(&engine, died, &id).await;
        assert_eq!((view.state, view.exit_code), (ContainerState::Exited, Some(code)), "{image}");
        assert_eq!(view.out_of_memory, image == "sim:oom");
    }
}

#[tokio::test(start_paused = true)]
async fn containers_start_and_stop_as_told() {
    let engine = engine();
    let began = tokio::time::Instant::now();
    let id = run(&engine, "slow-1", "sim:slow-2s_lazy-3s", &[]).await;
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    engine.stop(&id, None).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(engine.inspect(&id).await.unwrap().exit_code, Some(0));
    for (name, image) in [("lazy-1", "sim:lazy-9s"), ("stubborn-1", "sim:stubborn")] {
        let id = run(&engine, name, image, &[]).await;
        let began = tokio::time::Instant::now();
        engine.stop(&id, Some(contract_values::Duration::seconds(4))).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(4), "{name}");
        assert_eq!(engine.inspect(&id).await.unwrap().exit_code, Some(137), "{name}");
    }
    let id = make(&engine, "broken-1", &spec("sim:broken", &[])).await.unwrap();
    let error = engine.start(&id).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { code: FailureCode::CommandNotFound, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn images_come_as_told() {
    let engine = engine();
    let pull = async |image: &str| {
        let image: ImageRef = image.parse().unwrap();
        assert_eq!(engine.image_id(&image).await.unwrap(), None, "{image}");
        let done = engine.pull(&image, None, None, &|_| {}).await;
        (done, engine.image_id(&image).await.unwrap().is_some())
    };
    assert!(engine.image_id(&"sim:web".parse().unwrap()).await.unwrap().is_some());
    let began = tokio::time::Instant::now();
    assert!(matches!(pull("sim:pull-3s").await, (Ok(()), true)));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert!(matches!(pull("nginx:1.27").await, (Ok(()), true)));
    let (done, there) = pull("sim:missing").await;
    assert!(matches!(done, Err(EngineError::Refused { code: FailureCode::ImageNotFound, .. })) && !there);
    let (done, there) = pull("team/sim:private").await;
    assert!(matches!(done, Err(EngineError::Refused { code: FailureCode::RegistryDenied, .. })) && !there);
    let error = make(&engine, "web-1", &spec("sim:missing", &[])).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { code: FailureCode::ImageNotFound, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn health_comes_to_its_verdict() {
    let engine = engine();
    let mut ill = spec("sim:sick-2s", &[]);
    ill.health = Some(serde_json::from_value(serde_json::json!({ "test": ["CMD", "true"] })).unwrap());
    let id = make(&engine, "ill-1", &ill).await.unwrap();
    engine.start(&id).await.unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap().health.as_deref(), Some("starting"));
    let verdict =
        |what: &EventKind| matches!(what, EventKind::Health { status, .. } if status == "unhealthy");
    assert_eq!(after(&engine, verdict, &id).await.health.as_deref(), Some("unhealthy"));
}

#[tokio::test(start_paused = true)]
async fn logs_go_on_until_the_process_ends() {
    let engine = engine();
    let id = run(&engine, "job-1", "sim:job-3s", &[("sim.log-line", "line {n}")]).await;
    // The supervisor sees the start before anybody reads.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let request = LogsRequest { docker_id: id.clone(), follow: true, ..LogsRequest::default() };
    let output = engine.logs(&request).await.unwrap();
    let pieces: Vec<_> = output.map(|piece| piece.unwrap()).collect().await;
    let mut text = String::new();
    for piece in pieces {
        let OutputChunk::Out(bytes) = piece else { panic!("no errors are written") };
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    assert_eq!(text, "job-1 starts\nline 1\nline 2\nline 3\njob-1 ends with code 0\n");
    let request = LogsRequest { docker_id: id, tail: Some(1), ..LogsRequest::default() };
    let last: Vec<_> = engine.logs(&request).await.unwrap().map(|piece| piece.unwrap()).collect().await;
    assert_eq!(last, [OutputChunk::Out("job-1 ends with code 0\n".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_shows_what_is_typed() {
    let engine = engine();
    let id = run(&engine, "web-1", "sim:web", &[]).await;
    let request = ExecRequest {
        docker_id: id,
        command: vec!["sh".into()],
        tty: true,
        stdin: true,
        ..ExecRequest::default()
    };
    let mut session = engine.exec(&request).await.unwrap();
    session.control.resize(101, 33).await.unwrap();
    session.input.write_all(b"stty sizf\x7fe\rexit 5\r").await.unwrap();
    let pieces: Vec<_> = session.output.map(|piece| piece.unwrap()).collect().await;
    let mut shown = String::new();
    for piece in pieces {
        let OutputChunk::Out(bytes) = piece else { panic!("a terminal has one output") };
        shown.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    assert_eq!(shown, "/ # stty sizf\u{8} \u{8}e\r\n33 101\r\n/ # exit 5\r\n");
    assert_eq!(session.control.exit_code().await.unwrap(), Some(5));
}

#[tokio::test(start_paused = true)]
async fn commands_run_without_a_terminal() {
    let engine = engine();
    let id = run(&engine, "web-1", "sim:web", &[]).await;
    let exec = async |command: &[&str], input: Option<&[u8]>| {
        let request = ExecRequest {
            docker_id: id.clone(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            stdin: input.is_some(),
            environment: vec!["A=b".into()],
            ..ExecRequest::default()
        };
        let mut session = engine.exec(&request).await?;
        if let Some(input) = input {
            session.input.write_all(input).await.unwrap();
            session.input.shutdown().await.unwrap();
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(piece) = session.output.next().await {
            match piece.unwrap() {
                OutputChunk::Out(bytes) => out.extend_from_slice(&bytes),
                OutputChunk::Err(bytes) => err.extend_from_slice(&bytes),
            }
        }
        let code = session.control.exit_code().await.unwrap();
        Ok::<_, EngineError>((String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), code))
    };
    let done = exec(&["sh", "-c", "echo $A; echo err >&2; exit 7"], None).await.unwrap();
    assert_eq!(done, ("b\n".into(), "err\n".into(), Some(7)));
    assert_eq!(
        exec(&["cat"], Some(b"to and fro")).await.unwrap(),
        ("to and fro".into(), String::new(), Some(0))
    );
    assert_eq!(exec(&["sh"], Some(b"echo one\nexit 2\n")).await.unwrap().2, Some(2));
    let error = exec(&["nonsense"], None).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { code: FailureCode::CommandNotFound, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn figures_end_with_the_container() {
    let engine = engine();
    let id = run(&engine, "job-1", "sim:job-3500ms", &[]).await;
    let documents: Vec<_> = engine.stats(&id).await.unwrap().map(|text| text.unwrap()).collect().await;
    assert_eq!(documents.len(), 4, "at once and after each second");
    let used: Vec<u64> = documents
        .iter()
        .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap())
        .map(|document| document["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap())
        .collect();
    assert!(used.is_sorted() && used[3] > 0, "{used:?}");
}
