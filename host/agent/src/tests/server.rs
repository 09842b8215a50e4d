use std::time::Duration;

use contract_link::{FrameReader, FrameWriter};
use contract_protocol::*;
use contract_values::{ContainerId, Epoch, Incarnation, Revision};
use host_driver::Engine;
use host_driver::fake::{Fault, Operation};

use super::rig::{Rig, container, with};

fn id(n: i64) -> ContainerId {
    ContainerId::new(n)
}

#[tokio::test(start_paused = true)]
async fn a_gap_asks_for_everything_and_a_double_is_harmless() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let have = rig.position();
    let ahead = Position { revision: Revision(90), ..have };
    rig.server.send(ToHost::Delta { from: ahead, to: ahead, changes: vec![] });
    rig.until("a question", |rig| rig.server.lock().resyncs == [Some(have)]).await;
    rig.change(|a| a.containers.clear());
    rig.settle().await;
    let repeated = ToHost::Delta { from: have, to: rig.position(), changes: vec![] };
    rig.server.send(repeated);
    rig.until("applied twice", |rig| {
        let now = rig.position();
        rig.server.lock().applied.iter().filter(|position| **position == now).count() == 2
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_out_of_office_is_refused() {
    let mut rig = Rig::started().await;
    rig.server.lock().epoch = 5;
    rig.server.cut();
    rig.until("the new term", |rig| rig.server.lock().hellos.len() == 2 && rig.standing.borrow().connected)
        .await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let old = Position { epoch: Epoch(4), revision: Revision(1000) };
    rig.server.send(ToHost::Complete { position: old, assignment: Assignment::default() });
    rig.until("refused", |rig| rig.standing.borrow().counters.refused_epochs == 1).await;
    assert_eq!(rig.running(), ["web"]);
    // Also after the agent's death: the fence is on the disk.
    rig.kill().await;
    rig.server.lock().epoch = 4;
    rig.start();
    rig.until("refused again", |rig| rig.standing.borrow().counters.refused_epochs >= 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!rig.standing.borrow().connected);
}

#[tokio::test(start_paused = true)]
async fn without_a_server_everything_goes_on() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    rig.server.lock().away = true;
    rig.server.cut();
    rig.until("alone", |rig| !rig.standing.borrow().connected).await;
    let docker_id = rig.engine.containers()["web"].docker_id.clone();
    for _ in 0..50 {
        rig.engine.end_process(&docker_id, 1);
        rig.until("up again", |rig| rig.running() == ["web"]).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    let waiting = rig.standing.borrow().unacknowledged;
    assert!(waiting <= 3, "the outbox grows with the containers, not with time: {waiting}");
    rig.server.lock().away = false;
    rig.until("told", |rig| rig.report(1, 1).is_some_and(|report| report.starts >= 51)).await;
}

#[tokio::test(start_paused = true)]
async fn reports_are_sent_until_they_are_acknowledged() {
    let mut rig = Rig::started().await;
    rig.server.lock().no_acknowledge = true;
    for n in 1..=10 {
        rig.assignment.containers.insert(id(n), container(&format!("c-{n}"), "web:1"));
    }
    rig.send_complete();
    rig.until("all run", |rig| rig.running().len() == 10).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(rig.standing.borrow().unacknowledged > 0);
    rig.server.lock().no_acknowledge = false;
    rig.server.lock().containers.clear();
    rig.server.cut();
    rig.until("sent again", |rig| (1..=10).all(|n| rig.rank(n, 1) == Some(Rank::Running))).await;
    rig.settle().await;
    let state = rig.server.lock();
    let mut numbers: Vec<u64> = state.reports.iter().map(|(_, sequence)| *sequence).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=*numbers.last().unwrap()).collect::<Vec<_>>(), "numbers grow by one");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left_and_an_unknown_message_answered() {
    let rig = Rig::started().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rig.server.lock().heartbeats >= 11);
    assert_eq!(rig.server.lock().hellos.len(), 1);
    rig.server.lock().silent = true;
    rig.until("dialled again", |rig| rig.server.lock().hellos.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_host_asks_seldom_and_keeps_its_containers() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    rig.server.lock().refuse = Some(Refusal::DuplicateIdentity);
    rig.server.cut();
    tokio::time::sleep(Duration::from_secs(1800)).await;
    let hellos = rig.server.lock().hellos.len();
    assert!((6..=16).contains(&hellos), "{hellos} greetings");
    assert_eq!(rig.running(), ["web"]);
}

#[tokio::test(start_paused = true)]
async fn natives_are_seen_ordered_about_and_told_when_gone() {
    let mut rig = Rig::started().await;
    rig.send_complete();
    rig.settle().await;
    let ignored = [("io.lariat.ignore".to_owned(), "true".to_owned())].into();
    rig.engine.run_by_hand("hidden", "web:1", ignored);
    let native = rig.engine.run_by_hand("by-hand", "web:1", Default::default());
    rig.until("seen", |rig| rig.server.lock().natives.contains_key(&native)).await;
    let report = rig.server.lock().natives[&native].clone();
    assert_eq!((report.name.as_str(), report.rank), ("by-hand", Rank::Running));
    let order = |order, run, restarts_asked, remove| NativeOrder {
        container: id(9),
        run,
        order,
        restarts_asked,
        remove,
        stop_timeout: None,
    };
    let give = |rig: &mut Rig, new: NativeOrder| {
        let native = native.clone();
        rig.change(|a| {
            a.natives.insert(native, new);
        });
    };
    give(&mut rig, order(1, Some(DesiredRun::Stopped), 0, false));
    rig.until("stopped", |rig| {
        let state = rig.server.lock();
        state.natives.get(&native).is_some_and(|n| n.order_done == 1 && n.rank == Rank::Stopped)
    })
    .await;
    // The host's own view wins afterwards.
    host_driver::Engine::start(&rig.engine, &native).await.unwrap();
    rig.until("up by hand", |rig| rig.server.lock().natives[&native].rank == Rank::Running).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.running().contains(&"by-hand".to_owned()));
    give(&mut rig, order(1, Some(DesiredRun::Stopped), 1, false));
    rig.until("restarted", |rig| rig.server.lock().natives[&native].restarts_done == 1).await;
    rig.until("running", |rig| rig.server.lock().natives[&native].rank == Rank::Running).await;
    rig.engine.script(Operation::Stop, 1, Fault::Refuse(FailureCode::Other, "will not".into()));
    give(&mut rig, order(2, Some(DesiredRun::Stopped), 1, false));
    rig.until("failed", |rig| rig.server.lock().natives[&native].failure_text.as_deref() == Some("will not"))
        .await;
    // An order that comes while a restart is under way is carried out after it, not taken for done.
    let stops = rig.engine.calls(Operation::Stop);
    rig.engine.script(Operation::Stop, 1, Fault::SlowAnswer(Duration::from_secs(2)));
    give(&mut rig, order(2, Some(DesiredRun::Stopped), 2, false));
    rig.until("restarting", |rig| rig.engine.calls(Operation::Stop) > stops).await;
    give(&mut rig, order(3, None, 2, true));
    rig.until("gone", |rig| rig.server.lock().natives.is_empty()).await;
    assert_eq!(rig.running(), ["hidden"]);
}

#[tokio::test(start_paused = true)]
async fn natives_that_went_while_nobody_looked_are_told() {
    let mut rig = Rig::started().await;
    let native = rig.engine.run_by_hand("by-hand", "web:1", Default::default());
    rig.until("seen", |rig| rig.server.lock().natives.contains_key(&native)).await;
    rig.kill().await;
    rig.engine.remove_by_hand(&native);
    rig.start();
    rig.until("gone", |rig| rig.server.lock().natives.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn the_server_may_read_logs_and_run_commands() {
    let mut rig = Rig::started().await;
    let mut want = container("web", "web:1");
    want.spec.command =
        Some(["sh", "-c", "echo hello; echo oops >&2; sleep 1000"].map(str::to_owned).to_vec());
    rig.assignment = with(1, want);
    rig.send_complete();
    rig.settle().await;
    let docker_id = rig.report(1, 1).unwrap().docker_id.unwrap();
    let link = rig.server.lock().link.clone().unwrap();
    let ask = async |request: StreamRequest, input: Vec<StreamFrame>| {
        let (read, write) = tokio::io::split(link.open().await.unwrap());
        let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
        writer.write(&request).await.unwrap();
        for frame in input {
            writer.write_stream_frame(&frame).await.unwrap();
        }
        let mut frames = Vec::new();
        while let Some(frame) = reader.read_stream_frame().await.unwrap() {
            frames.push(frame);
        }
        frames
    };
    let logs = LogsRequest { docker_id: docker_id.clone(), ..Default::default() };
    assert_eq!(
        ask(StreamRequest::Logs(logs), vec![]).await,
        [
            StreamFrame::Output(b"hello\n".to_vec()),
            StreamFrame::Error(b"oops\n".to_vec()),
            StreamFrame::End { code: None }
        ]
    );
    let exec = |command: &[&str]| {
        StreamRequest::Exec(ExecRequest {
            docker_id: docker_id.clone(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            stdin: true,
            tty: true,
            ..Default::default()
        })
    };
    let input = vec![
        StreamFrame::Resize { columns: 80, rows: 24 },
        StreamFrame::Input(b"ping".to_vec()),
        StreamFrame::InputEnd,
    ];
    assert_eq!(
        ask(exec(&["cat"]), input).await,
        [StreamFrame::Output(b"ping".to_vec()), StreamFrame::End { code: Some(0) }]
    );
    assert_eq!(ask(exec(&["sh", "-c", "exit 3"]), vec![]).await, [StreamFrame::End { code: Some(3) }]);
    let missing = StreamRequest::Inspect { docker_id: "nobody".into() };
    assert!(matches!(&ask(missing, vec![]).await[..], [StreamFrame::Failed { .. }]));
    assert!(matches!(&ask(StreamRequest::Unknown, vec![]).await[..], [StreamFrame::Failed { .. }]));
    let top = StreamRequest::Top { docker_id: docker_id.clone(), arguments: String::new() };
    let frames = ask(top, vec![]).await;
    let [StreamFrame::Output(list), StreamFrame::End { code: None }] = &frames[..] else {
        panic!("{frames:?}")
    };
    let list: serde_json::Value = serde_json::from_slice(list).unwrap();
    assert_eq!(list["Titles"][0], "PID");
    let path = || "/data".to_owned();
    let stat = StreamRequest::PathStat { docker_id: docker_id.clone(), path: path() };
    assert!(matches!(&ask(stat, vec![]).await[..], [StreamFrame::Output(_), StreamFrame::End { .. }]));

    // What goes in comes out again, whole, however long it is.
    let tar: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut input: Vec<_> = tar.chunks(50_000).map(|piece| StreamFrame::Input(piece.to_vec())).collect();
    input.push(StreamFrame::InputEnd);
    let copy = CopyInRequest { docker_id: docker_id.clone(), path: path(), ..Default::default() };
    let done = ask(StreamRequest::CopyIn(copy), input.clone()).await;
    assert_eq!(done, [StreamFrame::End { code: Some(0) }]);
    let out = ask(StreamRequest::CopyOut { docker_id: docker_id.clone(), path: path() }, vec![]).await;
    let (last, pieces) = out.split_last().unwrap();
    assert_eq!(*last, StreamFrame::End { code: None });
    let bytes: Vec<u8> = pieces
        .iter()
        .flat_map(|frame| match frame {
            StreamFrame::Output(bytes) => bytes.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bytes, tar);

    let build = |dockerfile: &str| {
        let request = BuildRequest {
            tags: vec!["fresh:1".into()],
            dockerfile: dockerfile.into(),
            ..Default::default()
        };
        StreamRequest::Build(Box::new(request))
    };
    let built = ask(build(""), input.clone()).await;
    let (last, words) = built.split_last().unwrap();
    assert_eq!((last, words.len()), (&StreamFrame::End { code: Some(0) }, 2));
    assert!(
        matches!(&words[0], StreamFrame::Output(text) if text.ends_with(b"\n")),
        "a line each: {words:?}"
    );
    assert!(rig.engine.image_id(&"fresh:1".parse().unwrap()).await.unwrap().is_some());
    let failed = ask(build("broken"), input).await;
    assert_eq!(failed.last(), Some(&StreamFrame::Failed { message: "unknown instruction: FORM".into() }));
    assert_eq!(failed.len(), 3, "the words before it are told");

    let socket = vec![StreamFrame::Input(b"GET /_ping HTTP/1.0\r\n\r\n".to_vec())];
    let frames = ask(StreamRequest::DockerSocket, socket).await;
    assert!(
        matches!(&frames[..], [StreamFrame::Output(bytes), StreamFrame::End { .. }] if bytes.ends_with(b"OK"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_host_container_with_old_incarnation_only_is_told_gone() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    rig.server.lock().away = true;
    rig.server.cut();
    rig.until("alone", |rig| !rig.standing.borrow().connected).await;
    let docker_id = rig.engine.containers()["web"].docker_id.clone();
    rig.engine.remove_by_hand(&docker_id);
    rig.until("made anew", |rig| {
        rig.engine
            .containers()
            .get("web")
            .is_some_and(|view| view.docker_id != docker_id && view.state.has_process())
    })
    .await;
    rig.server.lock().away = false;
    rig.until("told", |rig| {
        rig.server.lock().containers.get(&(id(1), Incarnation(1))).is_some_and(|report| {
            report.docker_id.as_deref() != Some(&docker_id) && report.rank == Rank::Running
        })
    })
    .await;
}
