//! Streams to hosts.

use std::time::Duration;

use contract_link::{FrameReader, FrameWriter, LinkStream, MAX_STREAMS};
use contract_protocol::{FromHost, LogsRequest, StreamFrame, StreamRequest, ToHost};
use control_dispatch::OpenStreamError;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use crate::world::{Agent, LIMIT, World};

fn logs() -> StreamRequest {
    StreamRequest::Logs(LogsRequest { docker_id: "d1".into(), follow: true, ..Default::default() })
}

/// Takes the next stream and its request.
async fn taken(
    agent: &Agent,
) -> (StreamRequest, FrameReader<ReadHalf<LinkStream>>, FrameWriter<WriteHalf<LinkStream>>) {
    let stream = timeout(LIMIT, agent.handle.accept()).await.unwrap().unwrap();
    let (read, write) = tokio::io::split(stream);
    let mut reader = FrameReader::new(read);
    let request = timeout(LIMIT, reader.read()).await.unwrap().unwrap().unwrap();
    (request, reader, FrameWriter::new(write))
}

#[tokio::test(start_paused = true)]
async fn frames_go_both_ways_until_the_host_says_that_it_is_over() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (agent, ..) = world.connect(host, "run").await;
    let (sender, mut receiver) = world.dispatch.open_stream(host, logs()).await.unwrap();
    let (request, mut reader, mut writer) = taken(&agent).await;
    assert_eq!(request, logs());
    assert_eq!(world.dispatch.status().links[0].streams, 1);

    sender.send(StreamFrame::Input(b"ls\n".to_vec())).await.unwrap();
    assert_eq!(reader.read_stream_frame().await.unwrap(), Some(StreamFrame::Input(b"ls\n".to_vec())));
    // Who sends no more may still read.
    drop(sender);
    writer.write_stream_frame(&StreamFrame::Output(b"a b\n".to_vec())).await.unwrap();
    assert_eq!(receiver.recv().await, Some(StreamFrame::Output(b"a b\n".to_vec())));
    writer.write_stream_frame(&StreamFrame::End { code: Some(3) }).await.unwrap();
    assert_eq!(receiver.recv().await, Some(StreamFrame::End { code: Some(3) }));
    assert_eq!(receiver.recv().await, None);
    assert_eq!(world.dispatch.status().links[0].streams, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_stops_the_host_and_nothing_else() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (mut agent, ..) = world.connect(host, "run").await;
    let (_sender, mut receiver) = world.dispatch.open_stream(host, logs()).await.unwrap();
    let (_, _reader, mut writer) = taken(&agent).await;
    let mut written = 0_u32;
    let frame = |number: u32| StreamFrame::Output([number.to_be_bytes().as_slice(), &[7; 16_000]].concat());
    let mut pending = loop {
        let mut writing = Box::pin(async move {
            writer.write_stream_frame(&frame(written)).await.unwrap();
            writer
        });
        match timeout(Duration::from_secs(1), &mut writing).await {
            Ok(back) => writer = back,
            Err(_) => break writing,
        }
        written += 1;
        assert!(written < 500, "what nobody reads is not bounded");
    };
    // The link itself is as quick as before.
    agent.say(FromHost::Heartbeat { number: 1, metrics: None }).await;
    assert_eq!(agent.hear().await, ToHost::HeartbeatSeen { number: 1 });
    // Everything arrives in order once it is read.
    for number in 0..=written {
        let read = async {
            tokio::select! {
                biased;
                read = receiver.recv() => read,
                _ = &mut pending, if number < written => receiver.recv().await,
            }
        };
        assert!(timeout(LIMIT, read).await.unwrap() == Some(frame(number)), "frame {number}");
        if number + 1 >= written {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_goes_ends_the_stream_on_the_host() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (agent, ..) = world.connect(host, "run").await;
    let (sender, receiver) = world.dispatch.open_stream(host, logs()).await.unwrap();
    let (_, mut reader, mut writer) = taken(&agent).await;
    drop(receiver);
    let heard = timeout(LIMIT, reader.read_stream_frame()).await.unwrap();
    assert!(matches!(heard, Ok(None) | Err(_)), "{heard:?}");
    timeout(LIMIT, sender.closed()).await.unwrap();
    let flood =
        async { while writer.write_stream_frame(&StreamFrame::Output(vec![0; 9000])).await.is_ok() {} };
    timeout(LIMIT, flood).await.expect("writing to it fails");
    assert_eq!(world.dispatch.status().links[0].streams, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_link_or_other_end_breaks_says_so() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (agent, ..) = world.connect(host, "run").await;
    let (_sender, mut receiver) = world.dispatch.open_stream(host, logs()).await.unwrap();
    drop(taken(&agent).await);
    let said = timeout(LIMIT, receiver.recv()).await.unwrap();
    assert!(matches!(said, Some(StreamFrame::Failed { .. })), "{said:?}");

    let (_sender, mut receiver) = world.dispatch.open_stream(host, logs()).await.unwrap();
    let held = taken(&agent).await;
    drop(agent);
    let said = timeout(LIMIT, receiver.recv()).await.unwrap();
    assert!(matches!(said, Some(StreamFrame::Failed { .. })), "{said:?}");
    assert_eq!(timeout(LIMIT, receiver.recv()).await.unwrap(), None);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_there_or_takes_no_more_is_an_error() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let error = world.dispatch.open_stream(host, logs()).await.unwrap_err();
    assert!(matches!(error, OpenStreamError::NotConnected { .. }), "{error}");
    let (agent, ..) = world.connect(host, "run").await;
    let handle = agent.handle.clone();
    let holds = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(stream) = handle.accept().await {
            held.push(stream);
        }
    });
    let mut streams = Vec::new();
    let error = loop {
        match world.dispatch.open_stream(host, StreamRequest::HostStats).await {
            Ok(stream) => streams.push(stream),
            Err(error) => break error,
        }
        assert!(streams.len() <= MAX_STREAMS);
    };
    holds.abort();
    assert_eq!(error.to_string(), "host-1 could not take another stream in time");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_also_to_be_had_as_bytes() {
    let world = World::new().await;
    let host = world.add_host(1).await;
    let (agent, ..) = world.connect(host, "run").await;
    let mut stream = world.dispatch.open_io(host, &logs()).await.unwrap();
    let (request, mut reader, mut writer) = taken(&agent).await;
    assert_eq!(request, logs());
    assert_eq!(world.dispatch.status().links[0].streams, 1);
    FrameWriter::new(&mut stream).write_stream_frame(&StreamFrame::InputEnd).await.unwrap();
    assert_eq!(reader.read_stream_frame().await.unwrap(), Some(StreamFrame::InputEnd));
    writer.write_stream_frame(&StreamFrame::Output(b"x".to_vec())).await.unwrap();
    let heard = FrameReader::new(&mut stream).read_stream_frame().await.unwrap();
    assert_eq!(heard, Some(StreamFrame::Output(b"x".to_vec())));
    drop(agent);
    let ended = timeout(LIMIT, FrameReader::new(&mut stream).read_stream_frame()).await.unwrap();
    assert!(matches!(ended, Ok(None) | Err(_)), "{ended:?}");
    drop(stream);
    assert!(world.dispatch.status().links.iter().all(|link| link.streams == 0));
}
